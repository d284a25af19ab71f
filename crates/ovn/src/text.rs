//! Matches in OVN's expression language.

use std::fmt::Display;

use model::intent::{AclEntryIntent, RuleIntent, RulePeer};
use model::{Cidr, IpProtocol, PortRange, SecurityGroupId, Traffic};

/// What nothing matches: a row whose rules are all gone stays, as live connections of its past rules would
/// end with it.
pub(crate) const NEVER: &str = "0";

/// Several values as a set; no values match nothing.
pub(crate) fn one_of<V: Display>(field: &str, values: impl IntoIterator<Item = V>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    match values.as_slice() {
        [] => NEVER.to_owned(),
        [single] => format!("{field} == {single}"),
        several => format!("{field} == {{{}}}", several.join(", ")),
    }
}

/// Names of ports as a set.
pub(crate) fn ports<'a>(field: &str, names: impl IntoIterator<Item = &'a String>) -> String {
    one_of(field, names.into_iter().map(|name| format!("\"{name}\"")))
}

/// What any of these matches.
pub(crate) fn any(matches: impl IntoIterator<Item = String>) -> String {
    let matches: Vec<String> = matches.into_iter().map(|one| format!("({one})")).collect();
    if matches.is_empty() { NEVER.to_owned() } else { matches.join(" || ") }
}

/// A rule of a group, about the address of the other side. What matches the members of a group is given.
pub(crate) fn rule(
    rule: &RuleIntent,
    field: &str,
    members: impl Fn(SecurityGroupId) -> String,
) -> String {
    let peer = match rule.peer {
        RulePeer::Cidr(cidr) => block(field, cidr),
        RulePeer::Group(group) => members(group),
    };
    both(&peer, &traffic(rule.traffic))
}

/// An entry of a network ACL, about the address that is outside of the subnet.
pub(crate) fn entry(entry: &AclEntryIntent, field: &str) -> String {
    both(&block(field, entry.cidr), &traffic(entry.traffic))
}

fn block(field: &str, cidr: Cidr) -> String {
    if cidr == Cidr::ANY { "ip4".to_owned() } else { format!("{field} == {cidr}") }
}

fn both(one: &str, other: &str) -> String {
    if other.is_empty() { one.to_owned() } else { format!("{one} && {other}") }
}

fn traffic(traffic: Traffic) -> String {
    let within = |name: &str, range: PortRange| match range {
        PortRange::ALL => name.to_owned(),
        PortRange { from, to } if from == to => format!("{name}.dst == {from}"),
        PortRange { from, to } => format!("{from} <= {name}.dst <= {to}"),
    };
    let icmp = |name: &str, kind: Option<u8>, code: Option<u8>| match (kind, code) {
        (None, _) => name.to_owned(),
        (Some(kind), None) => format!("{name}.type == {kind}"),
        (Some(kind), Some(code)) => format!("{name}.type == {kind} && {name}.code == {code}"),
    };
    match traffic {
        Traffic::All => String::new(),
        Traffic::Tcp(range) => within("tcp", range),
        Traffic::Udp(range) => within("udp", range),
        Traffic::Icmp { kind, code } => icmp("icmp4", kind, code),
        Traffic::Icmpv6 { kind, code } => icmp("icmp6", kind, code),
        Traffic::Protocol(IpProtocol(number)) => format!("ip.proto == {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_as_ovn_writes_them() {
        let text = |traffic, peer| {
            rule(&RuleIntent { traffic, peer }, "ip4.src", |group| {
                format!("ip4.src == $as_{group}")
            })
        };
        let any = RulePeer::Cidr(Cidr::ANY);
        let block = RulePeer::Cidr("10.0.0.0/16".parse().unwrap());
        let group = RulePeer::Group("sg-00000000000000001".parse().unwrap());
        let range = |from, to| PortRange { from, to };
        let rules = [
            text(Traffic::All, any),
            text(Traffic::Tcp(range(443, 443)), block),
            text(Traffic::Udp(range(1, 9)), any),
            text(Traffic::Tcp(PortRange::ALL), group),
            text(Traffic::Icmp { kind: Some(3), code: Some(4) }, any),
            text(Traffic::Icmp { kind: None, code: None }, any),
            text(Traffic::Protocol(IpProtocol(47)), block),
        ];
        let expected = [
            "ip4",
            "ip4.src == 10.0.0.0/16 && tcp.dst == 443",
            "ip4 && 1 <= udp.dst <= 9",
            "ip4.src == $as_sg-00000000000000001 && tcp",
            "ip4 && icmp4.type == 3 && icmp4.code == 4",
            "ip4 && icmp4",
            "ip4.src == 10.0.0.0/16 && ip.proto == 47",
        ];
        assert_eq!(rules, expected);
        assert_eq!(any_of_none(), NEVER);
        assert_eq!(one_of("ip4.dst", ["1.1.1.1", "2.2.2.2"]), "ip4.dst == {1.1.1.1, 2.2.2.2}");
    }

    fn any_of_none() -> String {
        any([])
    }
}
