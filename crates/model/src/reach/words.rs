//! Rules and packets in words.

use super::lookup;
use crate::intent::{Member, Via};
use crate::resource::{Direction, GroupPeer, GroupRule, PeeringStatus};
use crate::{
    IpProtocol, Key, Packet, SecurityGroupId, SecurityGroupRuleId, Timestamp, VpcId, World,
};

pub(super) fn direction(way: Direction) -> &'static str {
    match way {
        Direction::Ingress => "inbound",
        Direction::Egress => "outbound",
    }
}

pub(super) fn side(way: Direction) -> &'static str {
    match way {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    }
}

pub(super) fn rule(rule: &GroupRule) -> String {
    let side = side(rule.direction);
    match rule.peer {
        GroupPeer::Cidr(cidr) => format!("{} {side} {cidr}", rule.traffic),
        GroupPeer::Group { group, .. } => format!("{} {side} members of {group}", rule.traffic),
    }
}

/// Says that who has a member's address is another.
pub(super) fn namesake(
    rule: SecurityGroupRuleId,
    group: SecurityGroupId,
    member: Member,
    way: Direction,
    via: Option<Via>,
) -> String {
    let name = |via| match via {
        Via::Interface(eni) => eni.to_string(),
        Via::Peering(pcx) => pcx.to_string(),
    };
    let verb = match way {
        Direction::Ingress => "comes",
        Direction::Egress => "leaves",
    };
    let here = via.map(|via| format!(", and the packet {verb} by {}", name(via)));
    format!(
        "; {rule} names {group}, whose member with that address is behind {}{}",
        name(member.via),
        here.unwrap_or_default()
    )
}

/// A packet as rules of a direction see it, to one of some ports.
pub(super) fn packet(way: Direction, packet: &Packet, ports: &impl std::fmt::Display) -> String {
    let what = match packet.protocol {
        IpProtocol::TCP | IpProtocol::UDP => format!("{} {ports}", packet.protocol),
        IpProtocol::ICMP => format!("icmp type {}", packet.icmp_type),
        IpProtocol(number) => format!("protocol {number}"),
    };
    format!("{what} {} {}", side(way), lookup::other_side(way, packet))
}

/// Says, for the end of a sentence, why no peering joins two VPCs; nothing where one does, or where
/// the sentence said so already.
pub(super) fn unjoined(
    world: &World,
    one: VpcId,
    other: VpcId,
    said: &str,
    now: Timestamp,
) -> String {
    if one == other || [one, other].iter().any(|vpc| world.vpc(*vpc).is_none()) {
        return String::new();
    }
    let mut waits = None;
    for peering in world.peerings_of(Key::Vpc(one)) {
        if peering.other_side(one).is_none_or(|side| side.vpc != other) {
            continue;
        }
        if crate::plan::joins(world, peering) {
            return String::new();
        }
        if peering.status(now) == PeeringStatus::PendingAcceptance {
            waits = Some(peering.id);
        }
    }
    match waits.map(|pcx| format!("{pcx} is {}", PeeringStatus::PendingAcceptance.code())) {
        Some(words) if said.contains(&words) => String::new(),
        Some(words) => format!("; {words}"),
        None => format!("; no peering joins {one} and {other}"),
    }
}
