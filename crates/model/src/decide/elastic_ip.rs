//! Rules of elastic IP addresses, and of the pool that all public addresses come from.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::lookup::absent;
use super::{Decision, Outcome, refuse};
use crate::command::{AddressAssociationName, AddressTarget, ElasticIpName, Reply};
use crate::resource::*;
use crate::{
    AddressAssociationId, Alias, AllocationId, Code, EniId, Key, Part, PrefixedId, Refused, Scope,
};

/// EC2's quota of elastic IP addresses per region.
const MAX_ADDRESSES: usize = 5;

impl Decision<'_> {
    pub(super) fn allocate_address(
        &mut self,
        scope: Scope,
        wanted: Option<Ipv4Addr>,
        tags: &Tags,
    ) -> Outcome {
        super::tag::check_tags(tags)?;
        let account = Key::Account(scope.account);
        let here = |elastic: &&Arc<ElasticIp>| elastic.region == scope.region;
        if self.world.elastic_ips_of(account).filter(here).count() >= MAX_ADDRESSES {
            return refuse(
                Code::AddressLimitExceeded,
                "The maximum number of addresses has been reached.",
            );
        }
        let address = match wanted {
            Some(address) => self.check_public(address)?,
            None => self.free_public()?,
        };
        let id = self.make_elastic_ip(scope, address, tags.clone());
        Ok(Key::ElasticIp(id).into())
    }

    /// Gives an account a public address. Whether it is free has been checked.
    pub(super) fn make_elastic_ip(
        &mut self,
        scope: Scope,
        address: Ipv4Addr,
        tags: Tags,
    ) -> AllocationId {
        let id = AllocationId::fresh(self.ids);
        self.put(ElasticIp {
            id,
            account: scope.account,
            region: scope.region,
            address,
            association: None,
            tags,
            created: self.now,
        });
        id
    }

    /// The lowest public address that nobody has. The pool's first one is the uplink's own.
    pub(super) fn free_public(&self) -> Result<Ipv4Addr, Refused> {
        let pool = self.world.public_pool();
        let last = u32::from(pool.last());
        let mut free = u32::from(pool.base()) + 1;
        for used in self.world.public_addresses_between(free.into(), last.into()) {
            if u32::from(used) > free {
                break;
            }
            free = u32::from(used) + 1;
        }
        if free <= last {
            return Ok(free.into());
        }
        refuse(
            Code::InsufficientAddressCapacity,
            format_args!(
                "Not enough available addresses to satisfy your request: all of the pool {pool} \
                 are taken"
            ),
        )
    }

    /// Whether an address is one of the pool that nobody has.
    fn check_public(&self, address: Ipv4Addr) -> Result<Ipv4Addr, Refused> {
        let pool = self.world.public_pool();
        if !pool.contains(address) || address == pool.base() {
            return Err(unknown_address(address));
        }
        if self.world.find(&Alias::PublicAddress(address)).is_some() {
            return Err(in_use(address));
        }
        Ok(address)
    }

    pub(super) fn own_elastic_ip(
        &self,
        scope: Scope,
        name: ElasticIpName,
    ) -> Result<Arc<ElasticIp>, Refused> {
        let found = match name {
            ElasticIpName::Allocation(id) => self.world.elastic_ip(id),
            ElasticIpName::Address(address) => {
                match self.world.find(&Alias::PublicAddress(address)) {
                    Some(Key::ElasticIp(id)) => self.world.elastic_ip(id),
                    _ => None,
                }
            }
        };
        let mine = |elastic: &ElasticIp| {
            elastic.account == scope.account && elastic.region == scope.region
        };
        found.filter(|elastic| mine(elastic)).cloned().ok_or_else(|| match name {
            ElasticIpName::Allocation(id) => absent(Code::AllocationNotFound, "allocation ID", id),
            ElasticIpName::Address(address) => unknown_address(address),
        })
    }

    pub(super) fn associate_address(
        &mut self,
        scope: Scope,
        name: ElasticIpName,
        target: AddressTarget,
        private: Option<Ipv4Addr>,
        reassociate: bool,
    ) -> Outcome {
        let elastic = self.own_elastic_ip(scope, name)?;
        let eni = self.address_target(scope, target)?;
        let private = private.unwrap_or_else(|| eni.primary());
        if !eni.addresses.contains(&private) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The private address {private} is not assigned to the network interface '{}'",
                    eni.id
                ),
            );
        }
        if self.world.gateway_of(eni.vpc).is_none() {
            return refuse(
                Code::GatewayNotAttached,
                format_args!("Network {} is not attached to any internet gateway", eni.vpc),
            );
        }
        if let Some(old) = elastic.association {
            if (old.eni, old.private) == (eni.id, private) {
                return Ok(Key::ElasticIp(elastic.id).into());
            }
            self.check_not_managed(old.eni)?;
            check_free(reassociate, elastic.id, old.id)?;
        }
        let taken = self.world.public_of(&eni, private).and_then(|public| public.elastic.cloned());
        if let Some(other) = taken {
            if let Some(old) = other.association {
                check_free(reassociate, other.id, old.id)?;
            }
            self.put(ElasticIp { association: None, ..ElasticIp::clone(&other) });
        }
        if let Some(old) = elastic.association {
            self.put(ElasticIp { association: None, ..ElasticIp::clone(&elastic) });
            self.assign_public_again(old.eni);
        }
        self.give_elastic_ip(&elastic, &eni, private);
        Ok(Key::ElasticIp(elastic.id).into())
    }

    /// Has an elastic IP address stand for an interface's address, which loses the public address
    /// that comes with its instance.
    pub(super) fn give_elastic_ip(&mut self, elastic: &ElasticIp, eni: &Eni, private: Ipv4Addr) {
        let association =
            AddressAssociation { id: AddressAssociationId::fresh(self.ids), eni: eni.id, private };
        self.put(ElasticIp { association: Some(association), ..elastic.clone() });
        if eni.addresses.first() == Some(&private) && eni.public.address().is_some() {
            self.put(Eni { public: PublicAddress::Released, ..eni.clone() });
        }
    }

    /// Gives an interface a public address of the pool in place of one that was released for an
    /// elastic one. Where none is left it stays without.
    fn assign_public_again(&mut self, eni: EniId) {
        let Some(eni) = self.world.eni(eni).cloned() else { return };
        let bare = self.world.public_of(&eni, eni.primary()).is_none();
        if eni.public == PublicAddress::Released
            && bare
            && let Ok(address) = self.free_public()
        {
            self.put(Eni { public: PublicAddress::Assigned(address), ..Eni::clone(&eni) });
        }
    }

    fn address_target(&self, scope: Scope, target: AddressTarget) -> Result<Arc<Eni>, Refused> {
        let eni = match target {
            AddressTarget::Eni(id) => self.own_eni(scope, id)?,
            AddressTarget::Instance(id) => {
                let instance = self.own_instance(scope, id)?;
                let eni = self.world.eni(instance.eni).filter(|_| instance.state.wants_to_run());
                eni.cloned().ok_or_else(|| {
                    Refused::new(
                        Code::InstanceUnfit,
                        format_args!(
                            "The instance '{id}' is not in a valid state for this operation."
                        ),
                    )
                })?
            }
        };
        let eni = self.in_editable(scope, eni)?;
        self.check_not_managed(eni.id)?;
        Ok(eni)
    }

    /// The interface of a NAT gateway is the NAT gateway's alone.
    fn check_not_managed(&self, eni: EniId) -> Result<(), Refused> {
        if self.world.eni(eni).is_some_and(|eni| eni.nat_gateway.is_some()) {
            return refuse(
                Code::AuthFailure,
                "You do not have permission to access the specified resource.",
            );
        }
        Ok(())
    }

    pub(super) fn disassociate_address(
        &mut self,
        scope: Scope,
        name: AddressAssociationName,
    ) -> Outcome {
        let elastic = match name {
            AddressAssociationName::Association(id) => {
                let gone = || absent(Code::AssociationNotFound, "association ID", id);
                let Some(Key::ElasticIp(of)) = self.world.whole(Part::AddressAssociation(id))
                else {
                    return Err(gone());
                };
                self.own_elastic_ip(scope, ElasticIpName::Allocation(of)).map_err(|_| gone())?
            }
            AddressAssociationName::Address(address) => {
                self.own_elastic_ip(scope, ElasticIpName::Address(address))?
            }
        };
        let Some(old) = elastic.association else {
            return refuse(
                Code::AssociationNotFound,
                format_args!("The address '{}' is not associated", elastic.address),
            );
        };
        self.check_not_managed(old.eni)?;
        self.put(ElasticIp { association: None, ..ElasticIp::clone(&elastic) });
        self.assign_public_again(old.eni);
        Ok(Reply::Done)
    }

    pub(super) fn release_address(&mut self, scope: Scope, name: ElasticIpName) -> Outcome {
        let elastic = self.own_elastic_ip(scope, name)?;
        if elastic.association.is_some() {
            return Err(in_use(elastic.address));
        }
        self.delete(Key::ElasticIp(elastic.id));
        Ok(Reply::Done)
    }

    /// Takes the elastic IP addresses from an interface that goes.
    pub(super) fn free_elastic_ips_of(&mut self, eni: EniId) {
        let given: Vec<_> = self.world.elastic_ips_of(Key::Eni(eni)).cloned().collect();
        for elastic in given {
            self.put(ElasticIp { association: None, ..ElasticIp::clone(&elastic) });
        }
    }
}

fn check_free(
    reassociate: bool,
    id: AllocationId,
    association: AddressAssociationId,
) -> Result<(), Refused> {
    if reassociate {
        return Ok(());
    }
    refuse(
        Code::AlreadyAssociated,
        format_args!("resource {id} is already associated with associate-id {association}"),
    )
}

fn unknown_address(address: Ipv4Addr) -> Refused {
    Refused::new(Code::AddressNotFound, format_args!("Address '{address}' not found."))
}

fn in_use(address: Ipv4Addr) -> Refused {
    Refused::new(Code::AddressInUse, format_args!("Address {address} is in use."))
}
