//! The packets of which a preview speaks.

use std::collections::BTreeSet;

use super::ends::End;
use crate::command::Ec2Command;
use crate::resource::{Direction, Vpc};
use crate::{IpProtocol, Key, PortRange, Traffic, World};

/// The most kinds of packets.
const MOST_PROBES: usize = 8;
/// The port that stands for any, where no rule names one.
const ANY_PORT: u16 = 443;

/// The kinds of packets that may be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probes {
    kinds: Vec<(IpProtocol, u16)>,
    /// Whether the change names no traffic, so that what an end serves is asked about instead.
    is_general: bool,
}

impl Probes {
    /// Those to ask about toward an end: a dyno serves a port of its own.
    pub(super) fn toward(&self, end: &End) -> Vec<(IpProtocol, u16)> {
        match end.port.filter(|_| self.is_general) {
            None => self.kinds.clone(),
            Some(port) => {
                let portless = self.kinds.iter().filter(|(protocol, _)| !protocol.has_ports());
                [(IpProtocol::TCP, port)].into_iter().chain(portless.copied()).collect()
            }
        }
    }
}

/// The packets that tell a change: those of the rules that it adds or removes; for one that names no
/// traffic, such as one of routes, those that the rules of the VPC's groups let in, before or after it.
pub(super) fn of(before: &World, after: &World, vpc: &Vpc, commands: &[Ec2Command]) -> Probes {
    let mut named = BTreeSet::new();
    let mut is_general = false;
    for traffic in commands.iter().map(|command| traffic_of(before, command)) {
        match traffic {
            Some(traffic) => {
                is_general |= !traffic.into_iter().all(|traffic| add(&mut named, traffic));
            }
            None => is_general = true,
        }
    }
    if is_general {
        for world in [before, after] {
            for group in world.groups_in(Key::Vpc(vpc.id)).filter(|group| group.vpc == vpc.id) {
                let rules = group.rules.values();
                for rule in rules.filter(|rule| rule.direction == Direction::Ingress) {
                    add(&mut named, rule.traffic);
                }
            }
        }
        if !named.iter().any(|(protocol, _)| *protocol == IpProtocol::TCP) {
            named.insert((IpProtocol::TCP, ANY_PORT));
        }
        named.insert((IpProtocol::ICMP, 0));
    }
    // ICMP has the least number, so it is never left out.
    Probes { kinds: named.into_iter().take(MOST_PROBES).collect(), is_general }
}

/// The traffic of the rules that a command adds or removes; `None` for a command about something else.
fn traffic_of(world: &World, command: &Ec2Command) -> Option<Vec<Traffic>> {
    match command {
        Ec2Command::AuthorizeSecurityGroup { rules, .. } => {
            Some(rules.iter().map(|rule| rule.traffic).collect())
        }
        Ec2Command::RevokeSecurityGroup { group, rules, ids, .. } => {
            let there = world.group(*group);
            let by_id = ids.iter().filter_map(|id| Some(there?.rules.get(id)?.traffic));
            Some(rules.iter().map(|rule| rule.traffic).chain(by_id).collect())
        }
        _ => None,
    }
}

/// Adds the packets that tell traffic: the first and the last port. False if no packet stands for it.
fn add(named: &mut BTreeSet<(IpProtocol, u16)>, traffic: Traffic) -> bool {
    let mut ports = |protocol, range: PortRange| {
        if range == PortRange::ALL {
            return false;
        }
        named.extend([(protocol, range.from), (protocol, range.to)]);
        true
    };
    match traffic {
        Traffic::Tcp(range) => ports(IpProtocol::TCP, range),
        Traffic::Udp(range) => ports(IpProtocol::UDP, range),
        Traffic::Icmp { .. } => {
            named.insert((IpProtocol::ICMP, 0));
            true
        }
        Traffic::Protocol(protocol) => {
            named.insert((protocol, 0));
            true
        }
        // None of it is IPv4.
        Traffic::Icmpv6 { .. } => true,
        Traffic::All => false,
    }
}
