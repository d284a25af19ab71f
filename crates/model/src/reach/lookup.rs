//! How a router decides: what the fabric's tables do, read off the same intent.

use std::net::Ipv4Addr;

use super::ports::Ports;
use crate::intent::{
    AclEntryIntent, AclIntent, InterfaceIntent, RouteTarget, RuleIntent, RulePeer, SubnetIntent,
    Via, VpcIntent,
};
use crate::{Cidr, Direction, EniId, Packet, PortRange, RouteTableId, SecurityGroupId, Traffic};

/// The link-local block, which is never routed.
const LINK_LOCAL: Cidr = Cidr::new(169, 254, 0, 0, 16);

/// The way that a packet takes from its subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To an interface of the VPC, by the `local` route.
    Local(EniId),
    /// Nowhere: the address is the VPC's, and no interface has it.
    Nobody,
    /// By a route of the table, with its target.
    Route(Cidr, RouteTarget),
    /// Nowhere: no route fits.
    None,
}

/// The interface that has an address.
pub(super) fn holder(vpc: &VpcIntent, address: Ipv4Addr) -> Option<EniId> {
    let has = |interface: &InterfaceIntent| interface.addresses.contains(&address);
    vpc.interfaces.iter().find(|(_, interface)| has(interface)).map(|(id, _)| *id)
}

/// The way to an address from a subnet, within which route tables have no say.
pub(super) fn way_from(vpc: &VpcIntent, subnet: &SubnetIntent, to: Ipv4Addr) -> Way {
    if subnet.cidr.contains(to) {
        return holder(vpc, to).map_or(Way::Nobody, Way::Local);
    }
    way(vpc, subnet.route_table, to)
}

/// The way to an address by a route table: its routes to the VPC's blocks and inside of these, then what
/// lies inside of them, then the rest; the longest prefix wins.
pub(super) fn way(vpc: &VpcIntent, table: RouteTableId, to: Ipv4Addr) -> Way {
    if let Some((cidr, target)) = best(vpc, table, to, true) {
        return Way::Route(cidr, target);
    }
    if let Some(eni) = holder(vpc, to) {
        return Way::Local(eni);
    }
    if vpc.cidrs.iter().chain([&LINK_LOCAL]).any(|block| block.contains(to)) {
        return Way::Nobody;
    }
    best(vpc, table, to, false).map_or(Way::None, |(cidr, target)| Way::Route(cidr, target))
}

fn best(
    vpc: &VpcIntent,
    table: RouteTableId,
    to: Ipv4Addr,
    inside: bool,
) -> Option<(Cidr, RouteTarget)> {
    let narrower = |cidr: Cidr| vpc.cidrs.iter().any(|block| block.covers(cidr));
    let fitting = || {
        let routes = vpc.route_tables.get(&table).into_iter().flatten();
        routes
            .map(|(cidr, target)| (*cidr, *target))
            .filter(|(cidr, _)| cidr.contains(to) && narrower(*cidr) == inside)
    };
    // A middlebox that checks destinations still gets what is for itself.
    let for_itself = |target: RouteTarget| match target {
        RouteTarget::Interface(eni) => vpc
            .interfaces
            .get(&eni)
            .is_some_and(|i| i.source_dest_check && i.addresses.contains(&to)),
        RouteTarget::Peering(_) | RouteTarget::Exit(_) | RouteTarget::Blackhole => false,
    };
    fitting()
        .find(|(_, target)| for_itself(*target))
        .or_else(|| fitting().max_by_key(|(cidr, _)| cidr.prefix_len()))
}

impl Way {
    /// The link by which the packet leaves the router; `None` if it does not leave.
    pub(super) fn via(self) -> Option<Via> {
        match self {
            Self::Local(eni) | Self::Route(_, RouteTarget::Interface(eni)) => {
                Some(Via::Interface(eni))
            }
            Self::Route(_, RouteTarget::Peering(pcx)) => Some(Via::Peering(pcx)),
            Self::Route(_, RouteTarget::Exit(exit)) => Some(Via::Exit(exit)),
            Self::Route(_, RouteTarget::Blackhole) | Self::Nobody | Self::None => None,
        }
    }
}

/// The first rule of an interface's groups that allows a packet, which comes from the other side,
/// or leaves for it, by `via`. A packet with no way out is judged by its address alone: it is the
/// route that stops it.
pub(super) fn group_rule(
    vpc: &VpcIntent,
    interface: &InterfaceIntent,
    direction: Direction,
    packet: &Packet,
    via: Option<Via>,
) -> Option<(SecurityGroupId, RuleIntent)> {
    let other = other_side(direction, packet);
    let fits = |rule: &&RuleIntent| {
        rule.traffic.matches(packet)
            && match rule.peer {
                RulePeer::Cidr(cidr) => cidr.contains(other),
                RulePeer::Group(id) => vpc.members.get(&id).into_iter().flatten().any(|member| {
                    member.address == other && via.is_none_or(|via| via == member.via)
                }),
            }
    };
    interface.groups.iter().find_map(|id| {
        let group = vpc.groups.get(id)?;
        let rules = match direction {
            Direction::Ingress => &group.ingress,
            Direction::Egress => &group.egress,
        };
        rules.iter().find(fits).map(|rule| (*id, *rule))
    })
}

/// What an ACL does with packets to some of their destination ports.
#[derive(Debug, Clone)]
pub(super) struct AclPart {
    /// The source ports of the packets.
    pub ports: Ports,
    /// The entry that decides, with its place in the list; none is the denial at the end.
    pub entry: Option<(usize, AclEntryIntent)>,
}

impl AclPart {
    /// Whether such packets pass.
    pub(super) fn allows(&self) -> bool {
        self.entry.is_some_and(|(_, entry)| entry.allow)
    }
}

/// Divides packets that differ in nothing but their destination port by the entries of an ACL that
/// decide on them, in the entries' order. Ports matter only to protocols that have them.
pub(super) fn acl_parts(
    acl: &AclIntent,
    direction: Direction,
    packet: &Packet,
    ports: &Ports,
) -> Vec<AclPart> {
    let entries = match direction {
        Direction::Ingress => &acl.ingress,
        Direction::Egress => &acl.egress,
    };
    let other = other_side(direction, packet);
    let mut rest = ports.clone();
    let mut parts = Vec::new();
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.cidr.contains(other)) {
        let range = match entry.traffic {
            Traffic::Tcp(range) | Traffic::Udp(range) => range,
            Traffic::All | Traffic::Icmp { .. } | Traffic::Icmpv6 { .. } | Traffic::Protocol(_) => {
                PortRange::ALL
            }
        };
        // Of its traffic but for the port, which is the one thing that differs.
        if !entry.traffic.matches(&Packet { destination_port: range.from, ..*packet }) {
            continue;
        }
        let (ports, outside) = rest.split(range);
        rest = outside;
        if !ports.is_empty() {
            parts.push(AclPart { ports, entry: Some((at, *entry)) });
        }
    }
    if !rest.is_empty() {
        parts.push(AclPart { ports: rest, entry: None });
    }
    parts
}

/// The address that rules of a direction are about.
pub(super) fn other_side(direction: Direction, packet: &Packet) -> Ipv4Addr {
    match direction {
        Direction::Ingress => packet.source,
        Direction::Egress => packet.destination,
    }
}
