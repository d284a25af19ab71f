//! Rules and packets in words.

use super::lookup;
use super::phrase::{Part, Phrase, say};
use crate::intent::{ExitId, Member, Via};
use crate::resource::{Direction, GroupPeer, GroupRule, PeeringStatus};
use crate::{
    IpProtocol, Key, Packet, SecurityGroupId, SecurityGroupRuleId, Timestamp, Traffic, VpcId, World,
};

/// Traffic from the other side, or to it.
pub(super) fn sided(way: Direction, traffic: Part, other: impl Into<Part>) -> Phrase {
    match way {
        Direction::Ingress => say!(TrafficFrom, traffic = traffic, other = other),
        Direction::Egress => say!(TrafficTo, traffic = traffic, other = other),
    }
}

/// Traffic by its protocol and ports.
pub(super) fn traffic(traffic: Traffic) -> Part {
    match traffic {
        Traffic::All => say!(AllTraffic).into(),
        Traffic::Tcp(_)
        | Traffic::Udp(_)
        | Traffic::Icmp { .. }
        | Traffic::Icmpv6 { .. }
        | Traffic::Protocol(_) => traffic.to_string().into(),
    }
}

pub(super) fn rule(rule: &GroupRule) -> Phrase {
    let traffic = traffic(rule.traffic);
    match rule.peer {
        GroupPeer::Cidr(cidr) => sided(rule.direction, traffic, cidr),
        GroupPeer::Ipv6(cidr) => sided(rule.direction, traffic, cidr.to_string()),
        GroupPeer::PrefixList(list) => sided(rule.direction, traffic, list.to_string()),
        GroupPeer::Group { group, .. } => {
            sided(rule.direction, traffic, say!(MembersOf, group = group))
        }
    }
}

/// Says besides that who has a member's address is another.
pub(super) fn namesake(
    why: Phrase,
    (rule, group): (SecurityGroupRuleId, SecurityGroupId),
    member: Member,
    way: Direction,
    via: Option<Via>,
) -> Phrase {
    let name = |via| -> Part {
        match via {
            Via::Interface(eni) => eni.into(),
            Via::Peering(pcx) => pcx.into(),
            Via::Exit(ExitId::Gateway(igw)) => igw.into(),
            Via::Exit(ExitId::Nat(nat)) => nat.into(),
        }
    };
    let there = name(member.via);
    let (why, rule, group) = (Part::from(why), Part::from(rule), Part::from(group));
    let phrase = match (via, way) {
        (None, _) => say!(Namesake),
        (Some(via), Direction::Ingress) => say!(NamesakeComes, here = name(via)),
        (Some(via), Direction::Egress) => say!(NamesakeLeaves, here = name(via)),
    };
    phrase.with("why", why).with("rule", rule).with("group", group).with("there", there)
}

/// A packet as rules of a direction see it, to one of some ports.
pub(super) fn packet(way: Direction, packet: &Packet, ports: &impl std::fmt::Display) -> Phrase {
    let what = match packet.protocol {
        IpProtocol::TCP | IpProtocol::UDP => format!("{} {ports}", packet.protocol),
        IpProtocol::ICMP => format!("icmp type {}", packet.icmp_type),
        IpProtocol(number) => format!("protocol {number}"),
    };
    sided(way, what.into(), lookup::other_side(way, packet))
}

/// Says why no peering joins two VPCs; nothing where one does, or where that was said already.
pub(super) fn unjoined(
    world: &World,
    one: VpcId,
    other: VpcId,
    said: &Phrase,
    now: Timestamp,
) -> Option<Phrase> {
    if one == other || [one, other].iter().any(|vpc| world.vpc(*vpc).is_none()) {
        return None;
    }
    let mut waits = None;
    for peering in world.peerings_of(Key::Vpc(one)) {
        if peering.other_side(one).is_none_or(|side| side.vpc != other) {
            continue;
        }
        if crate::plan::joins(world, peering) {
            return None;
        }
        if peering.status(now) == PeeringStatus::PendingAcceptance {
            waits = Some(peering.id);
        }
    }
    let Some(pcx) = waits else { return Some(say!(Unjoined, one = one, other = other)) };
    let waits = say!(PeeringIs, pcx = pcx, status = PeeringStatus::PendingAcceptance.code());
    (!said.says(&waits)).then_some(waits)
}
