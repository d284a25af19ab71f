//! How a router decides: what the fabric's tables do, read off the same intent.

use std::net::Ipv4Addr;

use crate::intent::{
    AclEntryIntent, AclIntent, InterfaceIntent, RouteTarget, RuleIntent, RulePeer, VpcIntent,
};
use crate::{Cidr, Direction, EniId, Packet, RouteTableId, SecurityGroupId};

/// What is never routed.
const LINK_LOCAL: Cidr = Cidr::new(169, 254, 0, 0, 16);

/// Where a packet goes from its subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To an interface of the VPC, by the `local` route.
    Local(EniId),
    /// Nowhere: the address is the VPC's, and no interface has it.
    Nobody,
    /// By a route.
    Route(Cidr, RouteTarget),
    /// Nowhere: no route fits.
    None,
}

/// The interface that has an address.
pub fn holder(vpc: &VpcIntent, address: Ipv4Addr) -> Option<EniId> {
    let has = |interface: &InterfaceIntent| interface.addresses.contains(&address);
    vpc.interfaces.iter().find(|(_, interface)| has(interface)).map(|(id, _)| *id)
}

/// The way to an address by a route table: what is narrower than the VPC's blocks, then what lies
/// inside of them, then the rest; the longest prefix wins.
pub fn way(vpc: &VpcIntent, table: RouteTableId, to: Ipv4Addr) -> Way {
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
    let narrower = |cidr: Cidr| vpc.cidrs.iter().any(|b| b.covers(cidr) && *b != cidr);
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
        RouteTarget::Peering(_) | RouteTarget::Blackhole => false,
    };
    fitting()
        .find(|(_, target)| for_itself(*target))
        .or_else(|| fitting().max_by_key(|(cidr, _)| cidr.prefix_len()))
}

/// The first rule of an interface's groups that allows a packet.
pub fn group_rule(
    vpc: &VpcIntent,
    interface: &InterfaceIntent,
    direction: Direction,
    packet: &Packet,
) -> Option<(SecurityGroupId, RuleIntent)> {
    let other = other_side(direction, packet);
    let fits = |rule: &&RuleIntent| {
        rule.traffic.matches(packet)
            && match rule.peer {
                RulePeer::Cidr(cidr) => cidr.contains(other),
                RulePeer::Group(id) => vpc.members.get(&id).is_some_and(|m| m.contains(&other)),
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

/// The first entry of an ACL that a packet matches, with its place in the list.
pub fn acl_entry(
    acl: &AclIntent,
    direction: Direction,
    packet: &Packet,
) -> Option<(usize, AclEntryIntent)> {
    let entries = match direction {
        Direction::Ingress => &acl.ingress,
        Direction::Egress => &acl.egress,
    };
    let other = other_side(direction, packet);
    entries
        .iter()
        .copied()
        .enumerate()
        .find(|(_, entry)| entry.cidr.contains(other) && entry.traffic.matches(packet))
}

/// The address that rules of a direction are about.
pub fn other_side(direction: Direction, packet: &Packet) -> Ipv4Addr {
    match direction {
        Direction::Ingress => packet.source,
        Direction::Egress => packet.destination,
    }
}
