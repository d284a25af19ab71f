//! Rules of the secondary addresses of NAT gateways.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::lookup::{absent, missing};
use super::{Decision, Outcome, refuse};
use crate::command::{AddressesSpec, ElasticIpName, NatAddressesSpec};
use crate::resource::*;
use crate::{AddressAssociationId, AllocationId, Code, Key, NatGatewayId, Part, Refused, Scope};

/// How many addresses a NAT gateway may have, with its first one.
const MAX_NAT_ADDRESSES: usize = 8;

impl Decision<'_> {
    /// An elastic IP address of the caller's that leads to nothing.
    pub(super) fn unused_elastic_ip(
        &self,
        scope: Scope,
        id: AllocationId,
    ) -> Result<Arc<ElasticIp>, Refused> {
        let elastic = self.own_elastic_ip(scope, ElasticIpName::Allocation(id))?;
        if elastic.association.is_some() {
            return refuse(
                Code::AlreadyAssociated,
                format_args!("Elastic IP address [{id}] is already associated"),
            );
        }
        Ok(elastic)
    }

    /// Whether secondary addresses go with each other, and with what a NAT gateway is.
    pub(super) fn check_nat_addresses(
        &self,
        scope: Scope,
        connectivity: Connectivity,
        spec: &NatAddressesSpec,
    ) -> Result<(), Refused> {
        let NatAddressesSpec { allocations, addresses, count } = spec;
        if connectivity == Connectivity::Private && !allocations.is_empty() {
            return refuse(
                Code::InvalidParameterCombination,
                "A private NAT gateway has no Elastic IP address; allocation IDs may not be \
                 specified.",
            );
        }
        if connectivity == Connectivity::Public && *count > 0 {
            return refuse(
                Code::InvalidParameterCombination,
                "Only a private NAT gateway can be given a number of private IP addresses.",
            );
        }
        if *count > 0 && !addresses.is_empty() {
            return refuse(
                Code::InvalidParameterCombination,
                "Private IP addresses are named or counted, and not both.",
            );
        }
        let paired = addresses.is_empty() || addresses.len() == allocations.len();
        if connectivity == Connectivity::Public && !paired {
            return refuse(
                Code::InvalidParameterCombination,
                "A public NAT gateway needs as many Elastic IP addresses as private IP addresses.",
            );
        }
        let each: BTreeSet<_> = allocations.iter().collect();
        if each.len() < allocations.len() {
            return refuse(Code::InvalidParameterValue, "An Elastic IP address is given twice.");
        }
        allocations.iter().try_for_each(|id| self.unused_elastic_ip(scope, *id).map(drop))
    }

    /// Gives a NAT gateway secondary addresses, which were found to go with it.
    pub(super) fn put_nat_addresses(
        &mut self,
        scope: Scope,
        id: NatGatewayId,
        spec: &NatAddressesSpec,
    ) -> Result<(), Refused> {
        let Some((mut nat, mut eni, subnet)) = self.nat_parts(id) else { return Ok(()) };
        let free = match spec.addresses.is_empty() {
            true => u16::try_from(spec.allocations.len()).unwrap_or(u16::MAX).max(spec.count),
            false => 0,
        };
        let asked = spec.addresses.len() + usize::from(free);
        if eni.addresses.len() + asked > MAX_NAT_ADDRESSES {
            return refuse(
                Code::AddressLimit,
                format_args!("A NAT gateway has at most {MAX_NAT_ADDRESSES} addresses."),
            );
        }
        let wanted = AddressesSpec {
            primary: spec.addresses.first().copied(),
            secondary: spec.addresses.iter().skip(1).copied().collect(),
            count: if asked == 0 { 0 } else { free.saturating_sub(1) },
            ..AddressesSpec::default()
        };
        if asked == 0 {
            return Ok(());
        }
        let made = self.addresses_for(&subnet, &wanted)?;
        let elastics = spec.allocations.iter().copied().map(Some).chain(std::iter::repeat(None));
        let pairs: Vec<NatAddress> = made
            .iter()
            .zip(elastics)
            .map(|(private, allocation)| NatAddress { private: *private, allocation })
            .collect();
        eni.addresses.extend(&made);
        nat.secondary.extend(&pairs);
        self.put(nat);
        self.put(eni.clone());
        for NatAddress { private, allocation } in pairs {
            if let Some(allocation) = allocation {
                let elastic = self.unused_elastic_ip(scope, allocation)?;
                self.give_elastic_ip(&elastic, &eni, private);
            }
        }
        Ok(())
    }

    /// A NAT gateway that works, with its interface and its subnet.
    fn nat_parts(&self, id: NatGatewayId) -> Option<(NatGateway, Eni, Subnet)> {
        let nat = self.world.nat_gateway(id).filter(|nat| nat.works())?;
        let eni = self.world.eni(nat.interface?.eni)?;
        let subnet = self.world.subnet(nat.subnet)?;
        Some((NatGateway::clone(nat), Eni::clone(eni), Subnet::clone(subnet)))
    }

    /// A NAT gateway of the caller's that works, is of a kind, and may be changed.
    fn editable_nat(
        &self,
        scope: Scope,
        id: NatGatewayId,
        connectivity: Connectivity,
    ) -> Result<(), Refused> {
        let nat = self.own_nat_gateway(scope, id)?;
        self.editable_vpc(scope, nat.vpc)?;
        if !nat.works() {
            return refuse(
                Code::NatGatewayNotFound,
                format_args!("The Nat Gateway {id} was not found"),
            );
        }
        if nat.connectivity != connectivity {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The connectivity of the NAT gateway {id} is {}: this is for one whose \
                     connectivity is {}",
                    nat.connectivity.name(),
                    connectivity.name()
                ),
            );
        }
        Ok(())
    }

    pub(super) fn add_nat_addresses(
        &mut self,
        scope: Scope,
        id: NatGatewayId,
        connectivity: Connectivity,
        spec: &NatAddressesSpec,
    ) -> Outcome {
        self.editable_nat(scope, id, connectivity)?;
        match connectivity {
            Connectivity::Public if spec.allocations.is_empty() => return missing("AllocationId"),
            Connectivity::Private if spec.addresses.is_empty() && spec.count == 0 => {
                return missing("PrivateIpAddress");
            }
            Connectivity::Public | Connectivity::Private => {}
        }
        self.check_nat_addresses(scope, connectivity, spec)?;
        self.put_nat_addresses(scope, id, spec)?;
        Ok(Key::NatGateway(id).into())
    }

    pub(super) fn disassociate_nat_addresses(
        &mut self,
        scope: Scope,
        id: NatGatewayId,
        associations: &[AddressAssociationId],
    ) -> Outcome {
        self.editable_nat(scope, id, Connectivity::Public)?;
        if associations.is_empty() {
            return missing("AssociationId");
        }
        let Some((nat, eni, _)) = self.nat_parts(id) else { return Ok(Key::NatGateway(id).into()) };
        let mut gone = Vec::new();
        for association in associations {
            let unknown = || absent(Code::AssociationNotFound, "association ID", association);
            let Some(Key::ElasticIp(elastic)) =
                self.world.whole(Part::AddressAssociation(*association))
            else {
                return Err(unknown());
            };
            let elastic = self.world.elastic_ip(elastic).ok_or_else(unknown)?;
            let leads_to = elastic.association.filter(|it| it.eni == eni.id).ok_or_else(unknown)?;
            if nat.allocation == Some(elastic.id) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!(
                        "The primary Elastic IP address {} of {id} cannot be disassociated.",
                        elastic.address
                    ),
                );
            }
            gone.push(leads_to.private);
        }
        self.remove_nat_addresses(nat, eni, &gone);
        Ok(Key::NatGateway(id).into())
    }

    pub(super) fn unassign_nat_addresses(
        &mut self,
        scope: Scope,
        id: NatGatewayId,
        addresses: &[Ipv4Addr],
    ) -> Outcome {
        self.editable_nat(scope, id, Connectivity::Private)?;
        if addresses.is_empty() {
            return missing("PrivateIpAddress");
        }
        let Some((nat, eni, _)) = self.nat_parts(id) else { return Ok(Key::NatGateway(id).into()) };
        for address in addresses {
            if eni.primary() == *address {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!("The primary address {address} of {id} cannot be unassigned."),
                );
            }
            if !eni.addresses.contains(address) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!("The address {address} is not assigned to {id}"),
                );
            }
        }
        self.remove_nat_addresses(nat, eni, addresses);
        Ok(Key::NatGateway(id).into())
    }

    fn remove_nat_addresses(&mut self, mut nat: NatGateway, mut eni: Eni, gone: &[Ipv4Addr]) {
        let ended = nat.secondary.iter().filter(|address| gone.contains(&address.private));
        let ended: Vec<AllocationId> = ended.filter_map(|address| address.allocation).collect();
        for allocation in ended {
            if let Some(elastic) = self.world.elastic_ip(allocation).cloned() {
                self.put(ElasticIp { association: None, ..ElasticIp::clone(&elastic) });
            }
        }
        nat.secondary.retain(|address| !gone.contains(&address.private));
        eni.addresses.retain(|address| !gone.contains(address));
        self.put(nat);
        self.put(eni);
    }
}
