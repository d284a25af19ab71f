//! Which members of groups a rule matches for which interfaces.
//!
//! A rule that names a group is about who comes, and by which way: a member behind a peering is no other peer's host with
//! the same address, and what a middlebox passes on does not come from the member that sent it. OVN's ACLs see
//! addresses alone. So where ways differ, a rule matches a member for those interfaces only to which it comes by its
//! own way, by what route tables say. What comes from a namesake to a subnet that leads to the member, and could
//! not be answered, is dropped in the router.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::intent::{InterfaceIntent, Member, RouteTarget, Via, VpcIntent};
use model::{Direction, EniId, PcxId, RouteTableId, SecurityGroupId, SubnetId};

use crate::{names, text};

/// Whether a member's address alone says who it is, for all interfaces of the VPC.
pub(crate) fn is_plain(intent: &VpcIntent, member: &Member) -> bool {
    match member.via {
        Via::Peering(pcx) => !has_namesake(intent, pcx, member.address),
        Via::Interface(eni) => {
            let Some(own) = intent.interfaces.get(&eni) else { return true };
            let leads_aside = |table: &RouteTableId| {
                intent.route_tables.get(table).into_iter().flatten().any(|(block, target)| {
                    matches!(target, RouteTarget::Interface(_)) && is_inside(intent, *block)
                })
            };
            let table = intent.subnets.get(&own.subnet).map(|subnet| subnet.route_table);
            !table.is_some_and(|table| leads_aside(&table))
                && intent
                    .route_tables
                    .keys()
                    .all(|table| by_own_route(intent, *table, member.address).is_none())
        }
        Via::Exit(_) => false,
    }
}

/// What matches those members of a group that are not plain, as a rule of another group sees them; `None` where it
/// matches none of them for any interface.
pub(crate) fn others(
    intent: &VpcIntent,
    own: SecurityGroupId,
    named: SecurityGroupId,
    direction: Direction,
) -> Option<String> {
    let (field, here, port) = match direction {
        Direction::Ingress => ("ip4.src", "ip4.dst", "outport"),
        Direction::Egress => ("ip4.dst", "ip4.src", "inport"),
    };
    let mut places: BTreeMap<(Vec<String>, Vec<Ipv4Addr>), Vec<Ipv4Addr>> = BTreeMap::new();
    let members = intent.members.get(&named).into_iter().flatten();
    for member in members.filter(|member| !is_plain(intent, member)) {
        let (mut ports, mut addresses) = (Vec::new(), Vec::new());
        for (eni, interface) in &intent.interfaces {
            if interface.translates || !interface.groups.contains(&own) {
                continue;
            }
            let comes = |address: &&Ipv4Addr| {
                comes(intent, member, (*eni, interface), **address, direction)
            };
            let some: Vec<Ipv4Addr> = interface.addresses.iter().filter(comes).copied().collect();
            if some.len() == interface.addresses.len() {
                ports.push(names::interface(*eni));
            } else {
                addresses.extend(some);
            }
        }
        if !ports.is_empty() || !addresses.is_empty() {
            places.entry((ports, addresses)).or_default().push(member.address);
        }
    }
    let both = |((ports, addresses), members): (&(Vec<String>, Vec<Ipv4Addr>), &Vec<Ipv4Addr>)| {
        let ports = (!ports.is_empty()).then(|| text::ports(port, ports));
        let addresses = (!addresses.is_empty()).then(|| text::one_of(here, addresses));
        let place = text::any(ports.into_iter().chain(addresses));
        format!("{} && ({place})", text::one_of(field, members))
    };
    (!places.is_empty()).then(|| text::any(places.iter().map(both)))
}

/// Whether packets between a member and an interface, at one of its addresses, go by the member's own way.
fn comes(
    intent: &VpcIntent,
    member: &Member,
    (eni, interface): (EniId, &InterfaceIntent),
    address: Ipv4Addr,
    direction: Direction,
) -> bool {
    match (member.via, direction) {
        (Via::Peering(pcx), _) => {
            let subnet = intent.subnets.get(&interface.subnet);
            subnet.and_then(|it| leads(intent, it.route_table, member.address)) == Some(pcx)
        }
        (Via::Interface(other), Direction::Ingress) => {
            let from = intent.interfaces.get(&other).map(|it| it.subnet);
            from.is_some_and(|from| is_direct(intent, from, address, eni))
        }
        (Via::Interface(other), Direction::Egress) => {
            is_direct(intent, interface.subnet, member.address, other)
        }
        (Via::Exit(_), _) => false,
    }
}

/// Whether what is sent from a subnet to an address of an interface gets there by no other one.
fn is_direct(intent: &VpcIntent, from: SubnetId, to: Ipv4Addr, eni: EniId) -> bool {
    let Some(subnet) = intent.subnets.get(&from) else { return false };
    let by_route = || by_own_route(intent, subnet.route_table, to);
    subnet.cidr.contains(to)
        || by_route().is_none_or(|target| target == RouteTarget::Interface(eni))
}

/// Where a route to the VPC's own blocks, or inside of them, leads what is for an address.
fn by_own_route(intent: &VpcIntent, table: RouteTableId, to: Ipv4Addr) -> Option<RouteTarget> {
    let fitting = || {
        let routes = intent.route_tables.get(&table).into_iter().flatten();
        routes.filter(|(block, _)| block.contains(to) && is_inside(intent, **block))
    };
    // A middlebox that checks destinations gets what is for itself.
    let is_its_own = |target: &RouteTarget| match target {
        RouteTarget::Interface(eni) => {
            let interface = intent.interfaces.get(eni);
            interface.is_some_and(|it| it.source_dest_check && it.addresses.contains(&to))
        }
        _ => false,
    };
    let own = fitting().find(|(_, target)| is_its_own(target));
    own.or_else(|| fitting().max_by_key(|(block, _)| block.prefix_len())).map(|(_, target)| *target)
}

pub(crate) fn is_inside(intent: &VpcIntent, block: model::Cidr) -> bool {
    intent.cidrs.iter().any(|own| own.covers(block))
}

/// The peering to which a route table leads what is for an address outside of the VPC.
fn leads(intent: &VpcIntent, table: RouteTableId, to: Ipv4Addr) -> Option<PcxId> {
    let routes = intent.route_tables.get(&table)?.iter().filter(|(block, _)| block.contains(to));
    match routes.max_by_key(|(block, _)| block.prefix_len())? {
        (_, RouteTarget::Peering(pcx)) => Some(*pcx),
        _ => None,
    }
}

/// Whether a peer behind another peering may have the address.
fn has_namesake(intent: &VpcIntent, pcx: PcxId, address: Ipv4Addr) -> bool {
    let mut others = intent.peerings.iter().filter(|(other, _)| **other != pcx);
    others.any(|(_, end)| end.behind.iter().any(|block| block.contains(address)))
}

/// The addresses of namesakes behind a peering, by the subnets that do not lead to them but to members that
/// they are not.
pub(crate) fn strangers(
    intent: &VpcIntent,
    behind: PcxId,
) -> BTreeMap<SubnetId, BTreeSet<Ipv4Addr>> {
    let mut all: BTreeMap<SubnetId, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    let Some(end) = intent.peerings.get(&behind) else { return all };
    for Member { via, address } in intent.members.values().flatten() {
        let Via::Peering(pcx) = via else { continue };
        if *pcx == behind || !end.behind.iter().any(|block| block.contains(*address)) {
            continue;
        }
        for (subnet, about) in &intent.subnets {
            if leads(intent, about.route_table, *address) == Some(*pcx) {
                all.entry(*subnet).or_default().insert(*address);
            }
        }
    }
    all
}
