//! Rules of NAT gateways, and of the one by which a space's dynos go out.

use std::sync::Arc;

use super::lookup::missing;
use super::{Decision, Outcome, refuse};
use crate::command::{CreateNatGateway, ElasticIpName};
use crate::resource::*;
use crate::{
    AllocationId, Cidr, Code, EniId, Key, Kind, NatGatewayId, PrefixedId, Quota, Refused, Scope,
    SpaceId,
};

impl Decision<'_> {
    pub(super) fn create_nat_gateway(&mut self, scope: Scope, new: &CreateNatGateway) -> Outcome {
        let token = new.client_token.as_ref();
        if let Some(made) = self.repeated(scope, Kind::NatGateway, token)? {
            return Ok(made.into());
        }
        let subnet = self.in_editable(scope, self.own_subnet(scope, new.subnet)?)?;
        super::tag::check_tags(&new.tags)?;
        let elastic = match (new.connectivity, new.allocation) {
            (Connectivity::Public, None) => return missing("AllocationId"),
            (Connectivity::Private, Some(_)) => {
                return refuse(
                    Code::InvalidParameterCombination,
                    "A private NAT gateway has no Elastic IP address; AllocationId may not be \
                     specified.",
                );
            }
            (Connectivity::Private, None) => None,
            (Connectivity::Public, Some(id)) => Some(self.unused_elastic_ip(scope, id)?),
        };
        self.check_nat_quota(scope, &subnet)?;
        self.check_nat_addresses(scope, new.connectivity, &new.secondary)?;
        if new.allocation.is_some_and(|id| new.secondary.allocations.contains(&id)) {
            return refuse(
                Code::InvalidParameterValue,
                "The primary Elastic IP address is none of the secondary ones.",
            );
        }
        let mut nat = NatGateway {
            id: NatGatewayId::fresh(self.ids),
            account: scope.account,
            region: scope.region,
            vpc: subnet.vpc,
            subnet: subnet.id,
            connectivity: new.connectivity,
            interface: None,
            allocation: new.allocation,
            secondary: Vec::new(),
            failure: None,
            ended: None,
            client_token: token.map(|token| token.of(scope)),
            tags: new.tags.clone(),
            created: self.now,
        };
        let key = Key::NatGateway(nat.id);
        if elastic.is_some() && self.world.gateway_of(subnet.vpc).is_none() {
            // EC2 takes the request and has the NAT gateway fail.
            nat.failure = Some(NatFailure::GatewayNotAttached);
            nat.ended = Some(self.now);
            self.put(nat);
        } else {
            let id = nat.id;
            self.put_nat_gateway(nat, &subnet, new.private, elastic.as_deref())?;
            self.put_nat_addresses(scope, id, &new.secondary)?;
        }
        Ok(key.into())
    }

    fn check_nat_quota(&self, scope: Scope, subnet: &Subnet) -> Result<(), Refused> {
        let here = |nat: &&Arc<NatGateway>| {
            let zone = self.world.subnet(nat.subnet).map(|subnet| subnet.zone);
            nat.works() && zone == Some(subnet.zone)
        };
        let all = self.world.nat_gateways_of(Key::Account(scope.account));
        let most = self.world.quota(scope.account, Quota::NatGateways);
        match most.filter(|most| all.filter(here).count() >= *most) {
            Some(most) => refuse(
                Code::NatGatewayLimitExceeded,
                format_args!(
                    "Performing this operation would exceed the limit of {most} NAT gateways in {}",
                    subnet.zone
                ),
            ),
            None => Ok(()),
        }
    }

    /// Puts a NAT gateway with its interface, and gives it its elastic IP address.
    fn put_nat_gateway(
        &mut self,
        mut nat: NatGateway,
        subnet: &Subnet,
        private: Option<std::net::Ipv4Addr>,
        elastic: Option<&ElasticIp>,
    ) -> Result<(), Refused> {
        self.check_interface_quota(subnet.vpc)?;
        let private = self.address_in(subnet, private)?;
        let id = EniId::fresh(self.ids);
        let eni = Eni {
            id,
            vpc: subnet.vpc,
            subnet: subnet.id,
            mac: super::subnet::mac_of(id),
            addresses: vec![private],
            ipv6_addresses: Vec::new(),
            primary_ipv6: false,
            groups: Vec::new(),
            source_dest_check: false,
            description: format!("Interface for NAT Gateway {}", nat.id),
            attachment: None,
            requester_managed: true,
            public: PublicAddress::None,
            nat_gateway: Some(nat.id),
            created: self.now,
            tags: Tags::new(),
            client_token: None,
        };
        nat.interface = Some(NatInterface { eni: id, private });
        self.put(nat);
        self.put(eni.clone());
        if let Some(elastic) = elastic {
            self.give_elastic_ip(elastic, &eni, private);
        }
        Ok(())
    }

    pub(super) fn own_nat_gateway(
        &self,
        scope: Scope,
        id: NatGatewayId,
    ) -> Result<Arc<NatGateway>, Refused> {
        let mine = |nat: &NatGateway| nat.account == scope.account && nat.region == scope.region;
        self.world.nat_gateway(id).filter(|nat| mine(nat)).cloned().ok_or_else(|| {
            Refused::new(
                Code::NatGatewayNotFound,
                format_args!("The Nat Gateway {id} was not found"),
            )
        })
    }

    pub(super) fn delete_nat_gateway(&mut self, scope: Scope, id: NatGatewayId) -> Outcome {
        let nat = self.own_nat_gateway(scope, id)?;
        if nat.works() {
            self.editable_vpc(scope, nat.vpc)?;
            if let Some(interface) = nat.interface {
                self.delete(Key::Eni(interface.eni));
            }
            self.put(NatGateway { ended: Some(self.now), ..NatGateway::clone(&nat) });
        }
        Ok(Key::NatGateway(id).into())
    }

    /// Gives a space's dynos a way out, by an address that is theirs for the space's life; and
    /// another address where that one is none of the pool any more.
    pub(super) fn settle_way_out(&mut self, id: SpaceId) -> Result<(), Refused> {
        let Some(space) = self.world.space(id).cloned() else { return Ok(()) };
        if self.world.outbound().is_none() {
            return Ok(());
        }
        match space.nat_gateway.and_then(|nat| self.world.nat_gateway(nat)).cloned() {
            Some(nat) => self.readdress(&nat),
            None => self.make_way_out(&space),
        }
    }

    fn readdress(&mut self, nat: &NatGateway) -> Result<(), Refused> {
        let elastic = nat.allocation.and_then(|id| self.world.elastic_ip(id)).cloned();
        let Some(elastic) = elastic else { return Ok(()) };
        let pool = self.world.public_pool();
        if !pool.contains(elastic.address) || pool.base() == elastic.address {
            let address = self.free_public()?;
            self.put(ElasticIp { address, ..ElasticIp::clone(&elastic) });
        }
        Ok(())
    }

    fn make_way_out(&mut self, space: &Space) -> Result<(), Refused> {
        let router = space.router_enis.first().and_then(|eni| self.world.eni(*eni));
        let within = router.map_or(space.dyno_subnets[0], |eni| eni.subnet);
        let Some(subnet) = self.world.subnet(within).cloned() else { return Ok(()) };
        let account = self.settings()?.platform_account;
        let scope = Scope { account, region: space.region };
        let address = self.free_public()?;
        let allocation: AllocationId = self.make_elastic_ip(scope, address, Tags::new());
        let elastic = self.own_elastic_ip(scope, ElasticIpName::Allocation(allocation))?;
        let nat = NatGateway {
            id: NatGatewayId::fresh(self.ids),
            account,
            region: space.region,
            vpc: space.vpc,
            subnet: subnet.id,
            connectivity: Connectivity::Public,
            interface: None,
            allocation: Some(allocation),
            secondary: Vec::new(),
            failure: None,
            ended: None,
            client_token: None,
            tags: Tags::new(),
            created: self.now,
        };
        let id = nat.id;
        self.put_nat_gateway(nat, &subnet, None, Some(&elastic))?;
        self.put_platform_route(space.vpc, Cidr::ANY, RouteTo::Nat(id));
        self.put(Space { nat_gateway: Some(id), updated: self.now, ..space.clone() });
        Ok(())
    }

    /// Removes a space's way out, and gives its address back.
    pub(super) fn remove_way_out(&mut self, space: &Space) {
        let nat = space.nat_gateway.and_then(|id| self.world.nat_gateway(id)).cloned();
        let Some(nat) = nat else { return };
        if let Some(interface) = nat.interface {
            self.delete(Key::Eni(interface.eni));
        }
        self.delete(Key::NatGateway(nat.id));
        if let Some(allocation) = nat.allocation {
            self.delete(Key::ElasticIp(allocation));
        }
    }
}
