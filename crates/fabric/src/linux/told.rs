//! What a router's firewall tells of the packets that it drops, where somebody asked: pure.
//!
//! Each place that drops jumps to a chain of its own first, which is empty unless somebody asked. Then it
//! has rules that log, and none that decides: whatever is in it, what comes after it drops. So to begin
//! and to end changes nothing but these chains.

use std::collections::BTreeSet;

use model::Cidr;
use model::intent::RouteTarget;

use super::plan::{FROM_INSIDE, FROM_PEERINGS, Router, WITHIN_SUBNET};
use super::rule_text::{chain, list};
use super::ruleset::{Chain, Ruleset, Set};
use crate::flows::Place;

/// The group of `nfnetlink_log` by which all of it is told, in the router's own namespace.
pub(super) const GROUP: u16 = 4880;
/// Packets that each place tells of in a second, and at once. Of all others it tells how many they were.
const RATE: u32 = 500;
const BURST: u32 = 250;
/// Bytes of a packet that are told: the longest header of IPv4, and of what is in it the ports and flags.
const BYTES: u32 = 96;
/// Behind the name of a place: the packet goes the other way than the first one of its connection.
const ANSWER: &str = " answer";
/// The set of the addresses that somebody in the VPC has.
const HOSTS: &str = "hosts";
/// The base chain that finds out what the route tables lead nowhere.
const WAYS: &str = "ways";

impl Place {
    /// All that have a chain of their own.
    pub(super) const ALL: [Self; 6] = [
        Self::Source,
        Self::Route,
        Self::LeavesGroup,
        Self::EntersGroup,
        Self::LeavesSubnet,
        Self::EntersSubnet,
    ];

    /// The name in front of what is told of a packet that it dropped.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Route => "route",
            Self::LeavesGroup => "group_out",
            Self::EntersGroup => "group_in",
            Self::LeavesSubnet => "acl_out",
            Self::EntersSubnet => "acl_in",
            // The same chain tells of it as of what no group lets out.
            Self::Untracked => "untracked",
        }
    }

    /// The chain that tells.
    pub(super) fn chain(self) -> String {
        format!("told_{}", self.prefix())
    }

    /// The place that has a name, and whether the packet was an answer.
    pub(super) fn find(prefix: &str) -> Option<(Self, bool)> {
        let name = prefix.strip_suffix(ANSWER);
        let mut all = Self::ALL.into_iter().chain([Self::Untracked]);
        let place = all.find(|place| place.prefix() == name.unwrap_or(prefix))?;
        Some((place, name.is_some()))
    }

    /// The rule that has it told, and decides nothing.
    pub(super) fn tell(self) -> String {
        format!("jump {}", self.chain())
    }

    /// The chain of an ACL's denials: it tells and drops. Without it, or where it lost its rules, a packet
    /// that came to it does not bear the mark that it must have to go on.
    pub(super) const fn denial(self) -> Option<&'static str> {
        match self {
            Self::LeavesSubnet => Some("denied_out"),
            Self::EntersSubnet => Some("denied_in"),
            _ => None,
        }
    }
}

impl Router {
    /// Adds the chains that tell.
    pub(super) fn add_told(&self, rules: &mut Ruleset) {
        for place in Place::ALL {
            let lines = if self.recorded { telling(place) } else { Vec::new() };
            chain(rules, place.chain(), lines);
            if let Some(denial) = place.denial() {
                chain(rules, denial.to_owned(), vec![place.tell(), "drop".to_owned()]);
            }
        }
        if self.recorded {
            self.add_ways(rules);
        }
    }

    /// Adds the chains that know what the route tables know. The kernel drops what they lead nowhere
    /// between two chains, so it is looked at before. They decide nothing, and look at nothing but the
    /// first packets of connections.
    fn add_ways(&self, rules: &mut Ruleset) {
        let addresses = self.vpc.interfaces.values().flat_map(|interface| &interface.addresses);
        let hosts = addresses.chain(&self.vpc.resolvers).map(ToString::to_string).collect();
        let set = Set { keyword: "set", kind: "ipv4_addr", elements: hosts };
        rules.sets.insert(HOSTS.to_owned(), set);
        let told = Place::Route.chain();
        let mut lines = vec!["ct state != new return".to_owned()];
        let nobody = format!("ip daddr != @{HOSTS} goto {told}");
        lines.push(format!("meta mark {WITHIN_SUBNET} {nobody}"));
        let of_peering = format!("meta mark & {} == {}", FROM_PEERINGS.mask, FROM_PEERINGS.value);
        lines.push(format!("{of_peering} {nobody}"));
        for (id, number) in self.table_numbers() {
            let name = format!("{WAYS}_{id}");
            lines.push(format!("meta mark {} goto {name}", FROM_INSIDE.value | number));
            let routes = self.vpc.route_tables.get(&id).into_iter().flatten();
            let mut routes: Vec<(Cidr, RouteTarget)> = routes.map(|(c, t)| (*c, *t)).collect();
            // The longest prefix wins.
            routes.sort_by_key(|(cidr, _)| std::cmp::Reverse(cidr.prefix_len()));
            let (inside, outside): (Vec<_>, Vec<_>) =
                routes.into_iter().partition(|(cidr, _)| self.is_inside(*cidr));
            let mut ways: Vec<String> = Vec::new();
            ways.extend(inside.iter().flat_map(|(cidr, target)| self.way(*cidr, *target, &told)));
            ways.push(format!("ip daddr @{HOSTS} return"));
            if !self.vpc.cidrs.is_empty() {
                ways.push(format!("ip daddr {} goto {told}", list(&self.vpc.cidrs)));
            }
            ways.extend(outside.iter().flat_map(|(cidr, target)| self.way(*cidr, *target, &told)));
            ways.push(format!("goto {told}"));
            chain(rules, name, ways);
        }
        // After connection tracking, whose state it asks for, and before any address is translated.
        let hook = Some("filter hook prerouting priority -150; policy accept");
        rules.chains.insert(WAYS.to_owned(), Chain { hook, rules: lines });
    }

    /// The rules for what a route is for.
    fn way(&self, cidr: Cidr, target: RouteTarget, told: &str) -> Vec<String> {
        let to = if cidr == Cidr::ANY { String::new() } else { format!("ip daddr {cidr} ") };
        let leads = match target {
            RouteTarget::Blackhole => false,
            RouteTarget::Peering(pcx) => self.links.contains_key(&pcx),
            RouteTarget::Exit(exit) => self.vpc.exits.contains_key(&exit),
            RouteTarget::Interface(eni) => match self.vpc.interfaces.get(&eni) {
                Some(it) if it.source_dest_check => {
                    // It takes only what is for itself.
                    let own = it.addresses.iter().filter(|own| cidr.contains(**own));
                    let own: BTreeSet<Cidr> = own.copied().map(Cidr::host).collect();
                    let own: Vec<Cidr> = own.into_iter().collect();
                    let takes =
                        (!own.is_empty()).then(|| format!("ip daddr {} return", list(&own)));
                    return takes.into_iter().chain([format!("{to}goto {told}")]).collect();
                }
                Some(_) => true,
                None => false,
            },
        };
        vec![if leads { format!("{to}return") } else { format!("{to}goto {told}") }]
    }
}

/// The rules by which a place tells of packets.
fn telling(place: Place) -> Vec<String> {
    let log = |prefix: &str| format!("log prefix \"{prefix}\" group {GROUP} snaplen {BYTES}");
    let mut lines =
        vec![format!("limit rate over {RATE}/second burst {BURST} packets counter return")];
    if place == Place::LeavesGroup {
        // The groups were not asked about it.
        lines.push(format!("ct state invalid,untracked {} return", log(Place::Untracked.prefix())));
    }
    if place.denial().is_some() {
        // Groups let all answers pass, ACLs do not.
        let answer = format!("{}{ANSWER}", place.prefix());
        lines.push(format!("ct direction reply {} return", log(&answer)));
    }
    lines.push(log(place.prefix()));
    lines
}
