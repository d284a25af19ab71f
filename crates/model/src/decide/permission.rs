//! What a rule of a security group says, whether it makes sense, and whether its group has room.

use std::fmt;

use super::refuse;
use crate::resource::*;
use crate::{Code, PortRange, Quota, Refused, Traffic, World};

/// What a rule says: no two rules of a group say the same.
pub(super) fn says(rule: &GroupRule) -> (Direction, Traffic, GroupPeer) {
    (rule.direction, rule.traffic, rule.peer)
}

pub(super) fn duplicate(rule: &GroupRule) -> Refused {
    Refused::new(
        Code::PermissionDuplicate,
        format_args!("the specified rule \"{}\" already exists", Words(rule)),
    )
}

/// The kind of a rule by its source, and the source with its article, as EC2's refusals write them.
pub(super) const fn source_words(peer: GroupPeer) -> (&'static str, &'static str) {
    match peer {
        GroupPeer::Cidr(_) => ("IPv4 CIDR", "an IPv4 CIDR"),
        GroupPeer::Ipv6(_) => ("IPv6 CIDR", "an IPv6 CIDR"),
        GroupPeer::PrefixList(_) => ("prefix list id", "a prefix list id"),
        GroupPeer::Group { .. } => ("referenced group id", "a referenced group id"),
    }
}

/// Whether a group has room for its rules of a direction, counted for each family: one with a group
/// counts in both, and one with a prefix list as often as the list may have entries.
pub(super) fn check_room(
    world: &World,
    group: &SecurityGroup,
    direction: Direction,
) -> Result<(), Refused> {
    let account = world.vpc(group.vpc).map(|vpc| vpc.account);
    let most = account.and_then(|account| world.quota(account, Quota::GroupRules));
    let Some(most) = most else { return Ok(()) };
    for family in [AddressFamily::Ipv4, AddressFamily::Ipv6] {
        if world.rules_counted(group, direction, family) > most {
            return Err(Quota::GroupRules.reached());
        }
    }
    Ok(())
}

/// A rule as EC2's refusals write it.
pub(super) struct Words<'a>(pub(super) &'a GroupRule);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.peer {
            GroupPeer::Cidr(cidr) => write!(f, "peer: {cidr}, ")?,
            GroupPeer::Ipv6(cidr) => write!(f, "peer: {cidr}, ")?,
            GroupPeer::PrefixList(list) => write!(f, "peer: {list}, ")?,
            GroupPeer::Group { group, .. } => write!(f, "peer: {group}, ")?,
        }
        let ports = |f: &mut fmt::Formatter<'_>, name: &str, ports: PortRange| {
            write!(f, "{name}, from port: {}, to port: {}", ports.from, ports.to)
        };
        let or_all = |n: Option<u8>| n.map_or("ALL".to_owned(), |n| n.to_string());
        let icmp = |f: &mut fmt::Formatter<'_>, name: &str, kind, code| {
            write!(f, "{name}, type: {}, code: {}", or_all(kind), or_all(code))
        };
        match self.0.traffic {
            Traffic::All => f.write_str("ALL")?,
            Traffic::Tcp(range) => ports(f, "TCP", range)?,
            Traffic::Udp(range) => ports(f, "UDP", range)?,
            Traffic::Icmp { kind, code } => icmp(f, "ICMP", kind, code)?,
            Traffic::Icmpv6 { kind, code } => icmp(f, "ICMPv6", kind, code)?,
            Traffic::Protocol(protocol) => write!(f, "{protocol}")?,
        }
        f.write_str(", ALLOW")
    }
}

/// Whether a rule's traffic makes sense.
pub(super) fn check_traffic(traffic: Traffic) -> Result<(), Refused> {
    match traffic {
        Traffic::Tcp(ports) | Traffic::Udp(ports) if ports.from > ports.to => refuse(
            Code::PermissionMalformed,
            format_args!("Invalid TCP/UDP port range ({}:{})", ports.from, ports.to),
        ),
        Traffic::Icmp { kind: None, code: Some(code) }
        | Traffic::Icmpv6 { kind: None, code: Some(code) } => {
            refuse(Code::PermissionMalformed, format_args!("ICMP code ({code}) needs an ICMP type"))
        }
        Traffic::All
        | Traffic::Tcp(_)
        | Traffic::Udp(_)
        | Traffic::Icmp { .. }
        | Traffic::Icmpv6 { .. }
        | Traffic::Protocol(_) => Ok(()),
    }
}
