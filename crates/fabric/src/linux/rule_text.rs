//! Rules of a firewall, and parts of them, as `nft` takes them.

use std::collections::BTreeSet;

use model::intent::{AclEntryIntent, AclIntent, Member, RuleIntent, RulePeer, Via};
use model::{Cidr, IpProtocol, PortRange, Traffic};

use super::names;
use super::ruleset::{Chain, Ruleset, Stage};
use crate::flows::Place;

/// The chain that drops what comes from the block of any peer.
pub(super) const PEERS_BLOCKS: &str = "peers_blocks";

/// The chains through which what comes or goes by a peering passes where other links have groups.
pub(super) const LEAVES_PEER: &str = "leaves_peer";
pub(super) const ENTERS_PEER: &str = "enters_peer";

/// Of all errors that a router raises, only that a packet is too large for the next link goes back
/// over a peering, and only about a connection that was let through (`ec2.md` §1.5).
pub(super) const TOO_LARGE: &str = "icmp type 3 icmp code 4";

/// Adds a chain that others lead to.
pub(super) fn chain(rules: &mut Ruleset, name: String, lines: Vec<String>) {
    rules.chains.insert(name, Chain { hook: None, rules: lines });
}

/// Adds an element to a set or map of the base ruleset.
pub(super) fn element(rules: &mut Ruleset, map: &str, element: String) {
    rules.sets.get_mut(map).expect("the base ruleset has the map").elements.insert(element);
}

/// Lets a link that has no ACL skip the ACLs. Every link has one element in each map, whatever its
/// ACL: the kernel may change to a new ruleset between two look-ups of one packet, so a link that
/// moved from one set to another might be found in neither.
pub(super) fn add_unguarded(rules: &mut Ruleset, link: &str) {
    element(rules, "acl_out", format!("{link} : goto guard_in"));
    element(rules, "acl_in", format!("{link} : goto passed"));
}

/// Rules that drop what comes from some blocks: two alike, since the loss of one would open.
pub(super) fn never_from(blocks: &[Cidr]) -> Vec<String> {
    if blocks.is_empty() {
        return Vec::new();
    }
    let drop = format!("ip saddr {} drop", list(blocks));
    vec![drop.clone(), drop]
}

/// Rules after which everything else is dropped.
pub(super) fn closed(mut rules: Vec<String>) -> Vec<String> {
    rules.push("drop".to_owned());
    rules
}

/// The same, and where somebody asked, it is told what that was: its source may not come by the link.
pub(super) fn closed_telling(mut rules: Vec<String>) -> Vec<String> {
    rules.push(Place::Source.tell());
    closed(rules)
}

/// A link's name as a literal.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// Blocks as an anonymous set.
pub(super) fn list(cidrs: &[Cidr]) -> String {
    let mut blocks: Vec<Cidr> = Vec::new();
    // The kernel refuses an interval inside another.
    for cidr in cidrs.iter().collect::<BTreeSet<_>>() {
        if !cidrs.iter().any(|wider| wider != cidr && wider.covers(*cidr)) {
            blocks.push(*cidr);
        }
    }
    let blocks: Vec<String> = blocks.iter().map(Cidr::to_string).collect();
    format!("{{ {} }}", blocks.join(", "))
}

/// A member by the link that leads to it, and its address.
pub(super) fn member(member: &Member) -> String {
    let link = match member.via {
        Via::Interface(eni) => names::eni_link(eni),
        Via::Peering(pcx) => names::peer_link(pcx),
        Via::Exit(exit) => names::exit_link(exit),
    };
    format!("{} . {}", quoted(&link), member.address)
}

/// A rule of a group, about the link and the address of the other side.
pub(super) fn group_rule(rule: &RuleIntent, link: &str, field: &str, stage: Stage) -> String {
    let peer = match rule.peer {
        RulePeer::Cidr(cidr) => block(cidr, field),
        RulePeer::Group(group) => format!("{link} . ip {field} @members_{group} "),
    };
    format!("{peer}{}{} return", traffic(rule.traffic), stage.enter())
}

/// An entry as rules. One that denies is there twice: its loss would let pass what a later one allows.
pub(super) fn acl_rules(entry: &AclEntryIntent, field: &str, stage: Stage) -> Vec<String> {
    acl_rules_of(entry, &traffic(entry.traffic), field, stage)
}

fn acl_rules_of(entry: &AclEntryIntent, traffic: &str, field: &str, stage: Stage) -> Vec<String> {
    let place = if field == "daddr" { Place::LeavesSubnet } else { Place::EntersSubnet };
    let verdict = match place.denial() {
        Some(denial) if !entry.allow => format!("goto {denial}"),
        _ if entry.allow => format!("{} return", stage.enter()),
        _ => "drop".to_owned(),
    };
    let rule = format!("{}{traffic}{verdict}", block(entry.cidr, field));
    if entry.allow { vec![rule] } else { vec![rule.clone(), rule] }
}

/// The inbound entries of an ACL as rules for answers that were sent to a shared address: the ACL is asked
/// about the port that the answer had outside, before it was given back to the one who waits for it.
pub(super) fn acl_rules_outside(acl: &AclIntent) -> Vec<String> {
    let entries = acl.ingress.iter();
    let rules = entries.flat_map(|entry| {
        let (IpProtocol(number), range) = match entry.traffic {
            Traffic::Tcp(range) => (IpProtocol::TCP, range),
            Traffic::Udp(range) => (IpProtocol::UDP, range),
            _ => return acl_rules(entry, "saddr", Stage::ENTERS_SUBNET),
        };
        let ports = match range {
            PortRange::ALL => String::new(),
            range => format!("ct reply proto-dst {range} "),
        };
        let traffic = format!("meta l4proto {number} {ports}");
        acl_rules_of(entry, &traffic, "saddr", Stage::ENTERS_SUBNET)
    });
    rules.collect()
}

fn block(cidr: Cidr, field: &str) -> String {
    if cidr == Cidr::ANY { String::new() } else { format!("ip {field} {cidr} ") }
}

/// A match that ends in a space, or nothing.
fn traffic(traffic: Traffic) -> String {
    let protocol = |IpProtocol(number)| format!("meta l4proto {number} ");
    let ports = |name, ports: PortRange| format!("{name} dport {ports} ");
    let icmp = |name, kind: Option<u8>, code: Option<u8>| {
        let kind = kind.map(|kind| format!("{name} type {kind} ")).unwrap_or_default();
        let code = code.map(|code| format!("{name} code {code} ")).unwrap_or_default();
        kind + &code
    };
    match traffic {
        Traffic::All => String::new(),
        Traffic::Tcp(PortRange::ALL) => protocol(IpProtocol::TCP),
        Traffic::Udp(PortRange::ALL) => protocol(IpProtocol::UDP),
        Traffic::Tcp(range) => ports("tcp", range),
        Traffic::Udp(range) => ports("udp", range),
        Traffic::Icmp { kind: None, code: None } => protocol(IpProtocol::ICMP),
        Traffic::Icmpv6 { kind: None, code: None } => protocol(IpProtocol::ICMPV6),
        Traffic::Icmp { kind, code } => icmp("icmp", kind, code),
        Traffic::Icmpv6 { kind, code } => icmp("icmpv6", kind, code),
        Traffic::Protocol(number) => protocol(number),
    }
}
