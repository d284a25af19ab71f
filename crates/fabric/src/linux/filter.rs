//! The firewall that a VPC's router must have: pure.

use std::collections::BTreeSet;

use model::intent::{
    AclEntryIntent, ExitIntent, GroupIntent, InterfaceIntent, PeeringEnd, RuleIntent, RulePeer,
};
use model::{Cidr, SubnetId};

use super::names;
use super::plan::{Router, TABLES_OUTSIDE, WITHIN_SUBNET};
use super::rule_text::{
    ENTERS_PEER, LEAVES_PEER, PEERS_BLOCKS, TOO_LARGE, acl_rules, add_unguarded, chain, closed,
    closed_telling, element, group_rule, list, member, never_from, quoted,
};
use super::ruleset::{Chain, Ruleset, Set, Stage};
use crate::flows::Place;

impl Router {
    /// The ruleset that the router's firewall must have.
    pub(super) fn ruleset(&self) -> Ruleset {
        let mut rules = base_ruleset();
        for resolver in &self.vpc.resolvers {
            element(&mut rules, "resolvers", resolver.to_string());
        }
        self.add_subnets(&mut rules);
        self.add_interfaces(&mut rules);
        self.add_groups(&mut rules);
        self.add_acls(&mut rules);
        self.add_peerings(&mut rules);
        self.add_exits(&mut rules);
        self.add_told(&mut rules);
        rules
    }

    fn add_subnets(&self, rules: &mut Ruleset) {
        let numbers = self.table_numbers();
        for (id, subnet) in &self.vpc.subnets {
            let mark = numbers.get(&subnet.route_table).map_or(0, |n| TABLES_OUTSIDE | n);
            let within = self
                .crosses_itself(subnet)
                .then(|| format!("ip daddr {} meta mark set {WITHIN_SUBNET} accept", subnet.cidr));
            let outside = format!("meta mark set {mark} accept");
            chain(rules, from_subnet(*id), within.into_iter().chain([outside]).collect());
            let members = self.vpc.interfaces.iter().filter(|(_, i)| i.subnet == *id);
            let members = members.map(|(eni, _)| names::eni_link(*eni));
            // What shares an address of the subnet is in it, too.
            let shares = |exit: &ExitIntent| match exit {
                ExitIntent::Shared(shared) => shared.subnet == *id,
                ExitIntent::OneToOne(_) => false,
            };
            let exits = self.vpc.exits.iter().filter(|(_, exit)| shares(exit));
            let members = members.chain(exits.map(|(exit, _)| names::exit_link(*exit)));
            let links = members.map(|link| quoted(&link)).collect();
            let set = Set { keyword: "set", kind: "ifname", elements: links };
            rules.sets.insert(links_of(*id), set);
            let acl = self.guard_of(*id);
            for (direction, other, stage) in
                [("out", "oifname", Stage::LEAVES_SUBNET), ("in", "iifname", Stage::ENTERS_SUBNET)]
            {
                // The set and the chains are there without an ACL, too. A packet's look-ups may find
                // an ACL that was just added while its rules are still those from before: then these
                // must say that there is none.
                let passes = format!("{} return", stage.enter());
                let lines = match acl {
                    Some(acl) => vec![
                        format!("{other} @{} {passes}", links_of(*id)),
                        format!("goto acl_{direction}_{acl}"),
                    ],
                    None => vec![passes],
                };
                chain(rules, format!("{direction}_{id}"), lines);
            }
        }
    }

    fn add_interfaces(&self, rules: &mut Ruleset) {
        for (eni, interface) in &self.vpc.interfaces {
            let link = quoted(&names::eni_link(*eni));
            // An interface in an unknown subnet would refer to chains that are not there.
            if !self.vpc.subnets.contains_key(&interface.subnet) {
                continue;
            }
            chain(rules, format!("from_{eni}"), closed_telling(self.sources(interface)));
            element(rules, "origins", format!("{link} : goto from_{eni}"));
            element(rules, "interfaces", link.clone());
            let subnet = interface.subnet;
            if self.guard_of(subnet).is_some() {
                element(rules, "acl_out", format!("{link} : jump out_{subnet}"));
                element(rules, "acl_in", format!("{link} : jump in_{subnet}"));
            } else {
                add_unguarded(rules, &link);
            }
            for direction in ["out", "in"] {
                element(
                    rules,
                    &format!("group_{direction}"),
                    format!("{link} : jump {direction}_{eni}"),
                );
                let jumps = interface.groups.iter().map(|g| format!("jump {direction}_{g}"));
                // A NAT gateway is in no group, and its own firewall says what it takes.
                let stage = if direction == "out" { LEAVES_PEER } else { ENTERS_PEER };
                let open = interface.translates.then(|| format!("goto {stage}"));
                chain(rules, format!("{direction}_{eni}"), jumps.chain(open).collect());
            }
        }
    }

    /// The rules for what an interface sends, by its source, as far as they let anything in.
    fn sources(&self, interface: &InterfaceIntent) -> Vec<String> {
        let origin = from_subnet(interface.subnet);
        let resolvers = self.vpc.resolvers.iter().copied().map(Cidr::host);
        if interface.translates {
            // Of what the VPC's own send it sends on nothing but by its own address.
            let own =
                interface.addresses.first().map(|own| format!("ip saddr {own} goto {origin}"));
            let never: Vec<Cidr> = self.vpc.cidrs.iter().copied().chain(resolvers).collect();
            let answers = [never_from(&never), vec![format!("goto {origin}")]].concat();
            return own.into_iter().chain(answers).collect();
        }
        if !interface.source_dest_check {
            let resolvers: Vec<Cidr> = resolvers.collect();
            return [never_from(&resolvers), vec![format!("goto {origin}")]].concat();
        }
        let own: Vec<Cidr> = interface.addresses.iter().copied().map(Cidr::host).collect();
        let known = (!own.is_empty()).then(|| format!("ip saddr {} goto {origin}", list(&own)));
        known.into_iter().collect()
    }

    fn add_groups(&self, rules: &mut Ruleset) {
        let used = self.vpc.interfaces.values().flat_map(|interface| &interface.groups);
        let all: BTreeSet<_> = self.vpc.groups.keys().chain(used).copied().collect();
        let nothing = GroupIntent::default();
        for id in all {
            let group = self.vpc.groups.get(&id).unwrap_or(&nothing);
            let list = |set: &BTreeSet<RuleIntent>, link, field, stage| {
                set.iter().map(|r| group_rule(r, link, field, stage)).collect()
            };
            let leaves = list(&group.egress, "oifname", "daddr", Stage::LEAVES_GROUP);
            chain(rules, format!("out_{id}"), leaves);
            let enters = list(&group.ingress, "iifname", "saddr", Stage::ENTERS_GROUP);
            chain(rules, format!("in_{id}"), enters);
            for rule in group.egress.iter().chain(&group.ingress) {
                if let RulePeer::Group(peer) = rule.peer {
                    let members = self.vpc.members.get(&peer).into_iter().flatten();
                    let set = Set {
                        keyword: "set",
                        kind: "ifname . ipv4_addr",
                        elements: members.map(member).collect(),
                    };
                    rules.sets.insert(format!("members_{peer}"), set);
                }
            }
        }
    }

    fn add_acls(&self, rules: &mut Ruleset) {
        for (id, acl) in &self.vpc.acls {
            let list = |entries: &[AclEntryIntent], field, stage| {
                entries.iter().flat_map(|e| acl_rules(e, field, stage)).collect()
            };
            let leaves = list(&acl.egress, "daddr", Stage::LEAVES_SUBNET);
            chain(rules, format!("acl_out_{id}"), leaves);
            let enters = list(&acl.ingress, "saddr", Stage::ENTERS_SUBNET);
            chain(rules, format!("acl_in_{id}"), enters);
        }
    }

    fn add_peerings(&self, rules: &mut Ruleset) {
        let behind = self.vpc.peerings.values().flat_map(|end| end.behind.iter().copied());
        let behind: Vec<Cidr> = behind.collect();
        chain(rules, PEERS_BLOCKS.to_owned(), never_from(&behind));
        for (pcx, mark) in self.peering_marks() {
            let link = quoted(&names::peer_link(pcx));
            element(rules, "origins", format!("{link} : goto from_{pcx}"));
            element(rules, "peering_marks", format!("{link} : {mark}"));
            element(rules, "crossings", format!("{mark} . {link}"));
            // A peering has neither groups nor an ACL: those of the other VPC are over there.
            element(rules, "group_out", format!("{link} : jump {LEAVES_PEER}"));
            element(rules, "group_in", format!("{link} : jump {ENTERS_PEER}"));
            add_unguarded(rules, &link);
            let admission = self.vpc.peerings.get(&pcx).map(|end| self.admission(end, mark));
            chain(rules, format!("from_{pcx}"), closed_telling(admission.unwrap_or_default()));
        }
    }

    /// The rules for what comes by a peering, as far as they let anything in.
    fn admission(&self, end: &PeeringEnd, mark: u32) -> Vec<String> {
        if end.admits_to.is_empty() {
            return Vec::new();
        }
        // Nobody outside has an address of ours, of our resolvers' or of another peer's; a middlebox over
        // there might pretend.
        let resolvers = self.vpc.resolvers.iter().copied().map(Cidr::host);
        let own: Vec<Cidr> = self.vpc.cidrs.iter().copied().chain(resolvers).collect();
        let mut admission = never_from(&own);
        if !end.behind.is_empty() {
            let others = format!("ip saddr != {} jump {PEERS_BLOCKS}", list(&end.behind));
            admission.extend([others.clone(), others]);
        }
        let to = format!("ip daddr {} meta mark set {mark} accept", list(&end.admits_to));
        match &end.admits_from {
            None => admission.push(to),
            Some(from) if from.is_empty() => {}
            Some(from) => {
                // A router over there has no address; connection tracking knows what the error is
                // about, or drops it.
                admission.push(format!("{TOO_LARGE} {to}"));
                admission.push(format!("ip saddr {} {to}", list(from)));
            }
        }
        admission
    }
}

/// All that reaches a router itself: what the VPC's own interfaces ask its resolver. What comes by
/// a peering does not, although the resolver's address is in a block that the peering admits.
const QUESTIONS: &str = "iifname @interfaces ip daddr @resolvers meta l4proto { tcp, udp } \
                         th dport 53 ct state new,established accept";
/// Errors that a router raises about what its own interfaces sent.
const ERRORS: &str = "oifname @interfaces icmp type { 3, 11, 12 } accept";
/// The resolver begins nothing.
const ANSWERS: &str = "oifname @interfaces ip saddr @resolvers meta l4proto { tcp, udp } \
                       th sport 53 ct state established ct direction reply accept";

/// Chains that are called by the kernel, the chains between them, and the maps by which they find
/// the rest.
///
/// A forwarded packet goes through `forward` from stage to stage, and a look-up that misses or a
/// stage that was not reached is a drop. A packet of a known connection skips the groups. That
/// and the source check are all that most packets meet, so both are kept short: a few look-ups.
fn base_ruleset() -> Ruleset {
    let mut rules = Ruleset { gated: true, ..Ruleset::default() };
    let sets = [
        ("set", "interfaces", "ifname"),
        ("set", "resolvers", "ipv4_addr"),
        ("set", "crossings", "mark . ifname"),
        ("map", "peering_marks", "ifname : mark"),
        ("map", "origins", "ifname : verdict"),
        ("map", "group_out", "ifname : verdict"),
        ("map", "acl_out", "ifname : verdict"),
        ("map", "acl_in", "ifname : verdict"),
        ("map", "group_in", "ifname : verdict"),
    ];
    for (keyword, name, kind) in sets {
        let set = Set { keyword, kind, elements: BTreeSet::new() };
        rules.sets.insert(name.to_owned(), set);
    }
    add_base_chains(&mut rules);
    add_stages(&mut rules);
    rules
}

fn add_base_chains(rules: &mut Ruleset) {
    // Before connection tracking, so that a forged packet touches no connection, and before what
    // puts fragments together for it, so that a forged fragment completes nobody's datagram.
    let source = ["meta nfproto != ipv4 drop", "iifname vmap @origins"];
    // An error is related to its packet even where that was not let through, and so not confirmed.
    let too_large = format!("{TOO_LARGE} ct state related ct status confirmed accept");
    let forward = [
        "ct state established,related jump known",
        // What is invalid or untracked is in none of these states, and so leaves no group.
        "ct state new,established,related iifname vmap @group_out",
        &Stage::LEAVES_GROUP.leads_to("receive"),
        &Place::LeavesGroup.tell(),
    ];
    // The firewall's second table lets pass only what bears the mark of one of these ends.
    let [router, own] = [Stage::INTO_ROUTER, Stage::FROM_ROUTER].map(Stage::enter);
    let chains: [(&str, &str, &[&str]); 4] = [
        ("source_check", "filter hook prerouting priority -450; policy drop", &source),
        ("to_router", "filter hook input priority 0; policy drop", &[&router, QUESTIONS]),
        (
            "from_router",
            "filter hook output priority 0; policy drop",
            &[&own, ERRORS, &too_large, ANSWERS],
        ),
        ("forward", "filter hook forward priority 10; policy drop", &forward),
    ];
    for (name, hook, lines) in chains {
        // The last rule does what the policy does, which somebody might change.
        let lines = closed(lines.iter().copied().map(str::to_owned).collect());
        rules.chains.insert(name.to_owned(), Chain { hook: Some(hook), rules: lines });
    }
}

/// The chains that a forwarded packet goes through after it was found to be of a known connection
/// or was let through by the groups.
fn add_stages(rules: &mut Ruleset) {
    // A connection over a peering bears the peering's mark. What comes or goes by another one is
    // not of it, though it has the same addresses, and is judged by the rules alone.
    let known = [
        "ct mark 0 iifname @interfaces oifname @interfaces goto guard_out",
        "ct mark . iifname @crossings goto guard_out",
        "ct mark . oifname @crossings goto guard_out",
        "iifname @interfaces oifname @interfaces goto guard_out",
    ];
    let stage = |look_up: &str, reached: Stage, next: &str, place: Place| {
        [look_up.to_owned(), reached.leads_to(next), place.tell(), "drop".to_owned()]
    };
    let receive =
        stage("oifname vmap @group_in", Stage::ENTERS_GROUP, "guard_out", Place::EntersGroup);
    let guard_out =
        stage("iifname vmap @acl_out", Stage::LEAVES_SUBNET, "guard_in", Place::LeavesSubnet);
    let guard_in =
        stage("oifname vmap @acl_in", Stage::ENTERS_SUBNET, "passed", Place::EntersSubnet);
    for (name, lines) in [("receive", receive), ("guard_out", guard_out), ("guard_in", guard_in)] {
        chain(rules, name.to_owned(), lines.into());
    }
    let accept = format!("{} accept", Stage::PASSED.enter());
    let passed = [
        "ct mark 0 ct mark set iifname map @peering_marks",
        "ct mark 0 ct mark set oifname map @peering_marks",
        &accept,
    ];
    let (leaves, enters) = (Stage::LEAVES_GROUP.enter(), Stage::ENTERS_GROUP.enter());
    let chains: [(&str, &[&str]); 4] = [
        ("known", &known),
        ("passed", &passed),
        (LEAVES_PEER, &[&leaves]),
        (ENTERS_PEER, &[&enters]),
    ];
    for (name, lines) in chains {
        chain(rules, name.to_owned(), lines.iter().copied().map(str::to_owned).collect());
    }
}

fn from_subnet(id: SubnetId) -> String {
    format!("from_{id}")
}

fn links_of(id: SubnetId) -> String {
    format!("links_{id}")
}

#[cfg(test)]
mod tests {
    use model::intent::VpcIntent;

    use super::super::plan::LinkEnd;
    use super::*;

    /// The keys of a map's elements.
    fn keys<'a>(rules: &'a Ruleset, map: &str) -> Vec<&'a str> {
        let key = |element: &'a String| element.split_once(" : ").unwrap().0;
        rules.sets[map].elements.iter().map(key).collect()
    }

    /// The rules that a packet meets are those of the ruleset that it came upon, but its look-ups find
    /// what the next one has as soon as that is there. So both must have the same chains and keys.
    #[test]
    fn an_acl_that_comes_or_goes_changes_verdicts_and_no_keys() {
        let text = include_str!("doctor/sample.json");
        let guarded: VpcIntent = serde_json::from_str(text).unwrap();
        assert!(guarded.subnets.values().any(|subnet| subnet.acl.is_some()));
        let mut open = guarded.clone();
        open.subnets.values_mut().for_each(|subnet| subnet.acl = None);
        let pcx = "pcx-00000000000000001".parse().unwrap();
        let other = "vpc-00000000000000002".parse().unwrap();
        let links = || [(pcx, LinkEnd { mtu: 1500, requester: true, other })].into();
        let [guarded, open] = [guarded, open]
            .map(|vpc| Router { vpc, links: links(), exit_mtu: 1500, recorded: false }.ruleset());
        assert_ne!(guarded, open);
        for map in ["acl_out", "acl_in", "group_out", "group_in", "origins"] {
            assert_eq!(keys(&guarded, map), keys(&open, map), "{map}");
            assert_eq!(keys(&open, map).len(), 4, "an interface, a peering, two exits: {map}");
        }
        let sets = |rules: &Ruleset| rules.sets.keys().cloned().collect::<Vec<_>>();
        let chains = |rules: &Ruleset| rules.chains.keys().cloned().collect::<Vec<_>>();
        assert_eq!((sets(&guarded), chains(&guarded)), (sets(&open), chains(&open)));
    }
}
