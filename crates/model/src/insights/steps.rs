//! The hops of a walk as steps of EC2's answers, with the rules as they are at the time.

use crate::plan::routes_of;
use crate::reach::{Component, Flow, Hop, Leg};
use crate::resource::*;
use crate::{
    Cidr, Key, Part, PortRange, RouteTableId, Scope, SecurityGroupRuleId, Traffic, VpcId, World,
};

/// Writes steps of a flow.
pub(super) struct Steps<'a> {
    world: &'a World,
    flow: &'a Flow,
}

impl<'a> Steps<'a> {
    pub(super) fn of(world: &'a World, flow: &'a Flow) -> Self {
        Self { world, flow }
    }

    /// The steps of the packet, or of its answer.
    pub(super) fn of_leg(&self, hops: &[Hop], leg: Leg) -> Vec<PathStep> {
        let (from, to) = match leg {
            Leg::Forward => (self.flow.from, self.flow.to),
            Leg::Answer => (self.flow.to, self.flow.from),
        };
        let mut steps = Vec::new();
        let own = |hop: &&Hop| hop.leg == leg;
        let hops: Vec<&Hop> = hops.iter().filter(own).collect();
        // The walk has no hop at the interface that sends, of which it has groups, an ACL or a route.
        let begins = self.world.eni_at(from.vpc, from.address);
        let first = hops.first().map(|hop| &hop.component);
        let seen = |component: &Component| {
            !component.security_group_ids.is_empty()
                || component.network_acl_id.is_some()
                || component.route_table_id.is_some()
        };
        if let Some(eni) = begins.filter(|_| first.is_some_and(seen)) {
            steps.extend(self.workload(eni));
            steps.push(self.interface(eni));
        }
        steps.extend(hops.iter().filter_map(|hop| self.of_hop(hop)));
        let last = hops.last().and_then(|hop| hop.component.network_interface_id);
        let ends = self.world.eni_at(to.vpc, to.address).filter(|eni| last == Some(eni.id));
        steps.extend(ends.and_then(|eni| self.workload(eni)));
        let header = self.header(leg);
        for step in steps.first_mut().into_iter() {
            step.packet = Some(header);
        }
        for step in steps.last_mut().into_iter() {
            step.packet = Some(header);
        }
        steps
    }

    /// What a packet of the flow, or its answer, is like.
    pub(super) fn header(&self, leg: Leg) -> PathHeader {
        let Flow { from, to, protocol, source_ports, .. } = *self.flow;
        let port = self.flow.destination_port;
        let ports = PortRange { from: port, to: port };
        let (source, source_ports, destination, destination_ports) = match leg {
            Leg::Forward => (from.address, source_ports, to.address, ports),
            Leg::Answer => (to.address, ports, from.address, source_ports),
        };
        PathHeader { source, source_ports, destination, destination_ports, protocol }
    }

    /// The step of a hop; none for a component that has no id.
    pub(super) fn of_hop(&self, hop: &Hop) -> Option<PathStep> {
        let it = &hop.component;
        let rule = self.rule(hop);
        let deciding = it.security_group_rule_id.and_then(|id| self.group_of(id));
        let group = deciding.or(it.security_group_ids.first().copied());
        let keys = [
            group.map(Key::SecurityGroup),
            it.network_acl_id.map(Key::NetworkAcl),
            it.route_table_id.map(Key::RouteTable),
            it.vpc_peering_connection_id.map(Key::Peering),
            it.internet_gateway_id.map(Key::InternetGateway),
            it.nat_gateway_id.map(Key::NatGateway),
            it.network_interface_id.map(Key::Eni),
            it.subnet_id.map(Key::Subnet),
            it.vpc_id.map(Key::Vpc),
        ];
        let key = keys.into_iter().flatten().next()?;
        let at = match key {
            Key::Eni(id) => self.world.eni(id).map(|eni| eni.subnet),
            _ => None,
        };
        let subnet = it.subnet_id.or(at);
        let within = |key| self.component(key, it.vpc_id);
        let other = |other: Key| Some(other).filter(|other| *other != key).map(within);
        Some(PathStep {
            component: within(key),
            vpc: it.vpc_id.and_then(|id| other(Key::Vpc(id))),
            subnet: subnet.and_then(|id| other(Key::Subnet(id))),
            interface: it.network_interface_id.and_then(|id| other(Key::Eni(id))),
            groups: it
                .security_group_ids
                .iter()
                .map(|id| within(Key::SecurityGroup(*id)))
                .collect(),
            direction: it.direction,
            rule,
            packet: None,
        })
    }

    fn component(&self, key: Key, vpc: Option<VpcId>) -> NetworkComponent {
        let of_vpc = |vpc: &Vpc| Scope { account: vpc.account, region: vpc.region };
        let vpc = vpc.and_then(|id| self.world.vpc(id)).map(|vpc| of_vpc(vpc));
        // A peering lies between two, and is in the requester's region by its id.
        let scope = match key {
            Key::Peering(id) => self
                .world
                .peering(id)
                .map(|it| Scope { account: it.requester.account, region: it.requester.region }),
            _ => vpc,
        };
        let sender = self.world.vpc(self.flow.from.vpc).map(|vpc| of_vpc(vpc));
        match scope.or(sender) {
            Some(scope) => NetworkComponent::new(key, scope),
            None => NetworkComponent { id: key.to_string(), arn: String::new() },
        }
    }

    fn interface(&self, eni: &Eni) -> PathStep {
        self.simple(Key::Eni(eni.id), eni)
    }

    /// The instance that an interface is of.
    fn workload(&self, eni: &Eni) -> Option<PathStep> {
        eni.instance().map(|id| self.simple(Key::Instance(id), eni))
    }

    fn simple(&self, key: Key, eni: &Eni) -> PathStep {
        let within = |key| self.component(key, Some(eni.vpc));
        PathStep {
            component: within(key),
            vpc: Some(within(Key::Vpc(eni.vpc))),
            subnet: Some(within(Key::Subnet(eni.subnet))),
            interface: None,
            groups: Vec::new(),
            direction: None,
            rule: None,
            packet: None,
        }
    }

    fn group_of(&self, rule: SecurityGroupRuleId) -> Option<crate::SecurityGroupId> {
        match self.world.whole(Part::GroupRule(rule)) {
            Some(Key::SecurityGroup(id)) => Some(id),
            _ => None,
        }
    }

    fn rule(&self, hop: &Hop) -> Option<PathRule> {
        let it = &hop.component;
        if let Some(id) = it.security_group_rule_id {
            let group = self.group_of(id)?;
            let rule = self.world.group(group)?.rules.get(&id)?;
            return Some(PathRule::Group { group, traffic: rule.traffic, peer: rule.peer });
        }
        if let Some(acl) = it.network_acl_id {
            let (acl, way) = (self.world.acl(acl)?, it.direction?);
            let number = it.rule_number.or_else(|| self.first_entry(acl, way, hop.leg))?;
            let last = AclEntry { allow: false, traffic: Traffic::All, cidr: Cidr::ANY.into() };
            let entry = acl.entries(way).get(&number).copied().unwrap_or(last);
            return Some(PathRule::Acl { number, entry });
        }
        self.route(it.route_table_id?, it.destination_cidr_block, hop.leg)
    }

    /// The entry that lets a packet pass where an ACL lets everything pass, so that the walk does not ask.
    fn first_entry(&self, acl: &NetworkAcl, way: Direction, leg: Leg) -> Option<u16> {
        let packet = match leg {
            Leg::Forward => self.flow.packet(),
            Leg::Answer => self.flow.packet().reply(),
        };
        let other = match way {
            Direction::Ingress => packet.source,
            Direction::Egress => packet.destination,
        };
        let mut entries = acl.cidr_entries(way);
        let fits =
            |entry: &AclEntry, block: Cidr| entry.traffic.matches(&packet) && block.contains(other);
        entries.find(|(_, entry, block)| fits(entry, *block)).map(|(number, ..)| number)
    }

    fn route(&self, table: RouteTableId, block: Option<Cidr>, leg: Leg) -> Option<PathRule> {
        let table = self.world.route_table(table)?;
        let Some(destination) = block else {
            let to = match leg {
                Leg::Forward => self.flow.to.address,
                Leg::Answer => self.flow.from.address,
            };
            let own = self.world.vpc(table.vpc)?.blocks().find(|block| block.contains(to))?;
            let target = "local".to_owned();
            return Some(PathRule::Route { destination: own, target, active: true });
        };
        let (_, to) = *routes_of(self.world, table).get(&destination)?;
        let target = match to {
            RouteTo::Peering(id) => id.to_string(),
            RouteTo::Interface(id) => id.to_string(),
            RouteTo::Gateway(id) => id.to_string(),
            RouteTo::EgressGateway(id) => id.to_string(),
            RouteTo::Nat(id) => id.to_string(),
        };
        let active = self.world.takes_packets(table, to);
        Some(PathRule::Route { destination, target, active })
    }
}
