//! The part of a router's firewall that is about what is outside: who goes out by which public
//! address, what comes in by one, and which connections end when that changes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::Cidr;
use model::intent::{ExitId, ExitIntent, SharedExit};

use super::names;
use super::plan::{EXITS, Router};
use super::rule_text::{
    LEAVES_PEER, PEERS_BLOCKS, TOO_LARGE, acl_rules_outside, add_unguarded, chain, closed, element,
    list, never_from, quoted,
};
use super::ruleset::{Chain, Ruleset, Set, Stage};

impl Router {
    /// Adds what a router without exits does not have.
    pub(super) fn add_exits(&self, rules: &mut Ruleset) {
        if self.vpc.exits.is_empty() {
            return;
        }
        add_translation(rules);
        for (exit, mark) in self.exit_marks() {
            let (name, link) = (exit.to_string(), quoted(&names::exit_link(exit)));
            let intent = &self.vpc.exits[&exit];
            element(rules, "origins", format!("{link} : goto from_{name}"));
            element(rules, "peering_marks", format!("{link} : {mark}"));
            element(rules, "crossings", format!("{mark} . {link}"));
            // What is outside has no groups; of what leaves, the exit says who may, and where to.
            element(rules, "group_out", format!("{link} : jump {LEAVES_PEER}"));
            element(rules, "group_in", format!("{link} : jump to_{name}"));
            element(rules, "snats", format!("{link} : goto snat_{name}"));
            element(rules, "dnats", format!("{link} : goto dnat_{name}"));
            chain(rules, format!("from_{name}"), closed(arrivals(self, intent, mark)));
            chain(rules, format!("to_{name}"), departures(self, intent));
            let (snat, dnat) = translations(intent);
            chain(rules, format!("snat_{name}"), snat);
            chain(rules, format!("dnat_{name}"), dnat);
            match intent {
                ExitIntent::OneToOne(_) => add_unguarded(rules, &link),
                ExitIntent::Shared(shared) => add_subnet(self, rules, &name, &link, shared),
            }
        }
    }
}

/// The chains by which the kernel has addresses translated. They let pass what they do not know:
/// whatever leaves without a public address is dropped by the uplink.
fn add_translation(rules: &mut Ruleset) {
    for name in ["snats", "dnats"] {
        let set = Set { keyword: "map", kind: "ifname : verdict", elements: Default::default() };
        rules.sets.insert(name.to_owned(), set);
    }
    let chains = [
        ("translate_in", "nat hook prerouting priority -100; policy accept", "iifname vmap @dnats"),
        (
            "translate_out",
            "nat hook postrouting priority 100; policy accept",
            "oifname vmap @snats",
        ),
    ];
    for (name, hook, line) in chains {
        let chain = Chain { hook: Some(hook), rules: vec![line.to_owned()] };
        rules.chains.insert(name.to_owned(), chain);
    }
}

/// The rules for what comes by an exit, as far as they let anything in.
fn arrivals(router: &Router, intent: &ExitIntent, mark: u32) -> Vec<String> {
    let hosts: Vec<Cidr> = intent.addresses().into_iter().map(Cidr::host).collect();
    if hosts.is_empty() {
        return Vec::new();
    }
    let to = format!("ip daddr {} meta mark set {mark} accept", list(&hosts));
    // A router out there may have any address; connection tracking knows what the error is about.
    let mut lines = vec![format!("{TOO_LARGE} {to}")];
    // Nobody out there has an address of ours, of our resolvers', of a peer's, or one that is
    // nobody's at all.
    let resolvers = router.vpc.resolvers.iter().copied().map(Cidr::host);
    let own = router.vpc.cidrs.iter().copied().chain(resolvers);
    let never: Vec<Cidr> = own.chain(router.vpc.denied.iter().copied()).collect();
    lines.extend(never_from(&never));
    lines.extend([format!("jump {PEERS_BLOCKS}"), format!("jump {PEERS_BLOCKS}")]);
    lines.push(to);
    lines
}

/// The rules for what would leave by an exit, as far as they let anything out.
fn departures(router: &Router, intent: &ExitIntent) -> Vec<String> {
    let may = match intent {
        ExitIntent::OneToOne(publics) => {
            let senders: Vec<Cidr> = publics.keys().copied().map(Cidr::host).collect();
            (!senders.is_empty()).then(|| format!("ip saddr {}", list(&senders)))
        }
        ExitIntent::Shared(shared) => (!shared.leads_to.is_empty()).then(|| {
            let (from, to) = (list(&router.vpc.cidrs), list(&shared.leads_to));
            format!("ip saddr {from} ip daddr {to}")
        }),
    };
    let Some(may) = may else { return Vec::new() };
    let mut lines = Vec::new();
    if !router.vpc.denied.is_empty() {
        // Twice, since the loss of one would open.
        let drop = format!("ip daddr {} drop", list(&router.vpc.denied));
        lines.extend([drop.clone(), drop]);
    }
    lines.push(format!("{may} {} return", Stage::ENTERS_GROUP.enter()));
    lines
}

/// The translations of what leaves, and of what comes.
fn translations(intent: &ExitIntent) -> (Vec<String>, Vec<String>) {
    match intent {
        ExitIntent::OneToOne(publics) if publics.is_empty() => (Vec::new(), Vec::new()),
        ExitIntent::OneToOne(publics) => {
            let pairs = |flip: bool| {
                let pair = |(private, public): (&Ipv4Addr, &Ipv4Addr)| match flip {
                    false => format!("{private} : {public}"),
                    true => format!("{public} : {private}"),
                };
                publics.iter().map(pair).collect::<Vec<_>>().join(", ")
            };
            (
                vec![format!("snat ip to ip saddr map {{ {} }}", pairs(false))],
                vec![format!("dnat ip to ip daddr map {{ {} }}", pairs(true))],
            )
        }
        // The ports that EC2's NAT gateways take; the sender's own stays, if it is free.
        ExitIntent::Shared(SharedExit { address, .. }) => (
            vec![
                format!("meta l4proto {{ tcp, udp }} snat ip to {address}:{}", SharedExit::PORTS),
                format!("snat ip to {address}"),
            ],
            Vec::new(),
        ),
    }
}

/// Has what goes by a shared address meet the ACL of the subnet that the address is in: once on its
/// way into the subnet, unless it is from there, and once on its way out of it.
fn add_subnet(router: &Router, rules: &mut Ruleset, name: &str, link: &str, shared: &SharedExit) {
    let subnet = shared.subnet;
    let (leaves, enters) = (Stage::LEAVES_SUBNET, Stage::ENTERS_SUBNET);
    let [left, entered] = [leaves, enters].map(|stage| format!("{} return", stage.enter()));
    // The chains are there without an ACL, too, as those of a subnet are.
    let outside = router.guard_of(subnet).and_then(|acl| router.vpc.acls.get(&acl));
    chain(rules, format!("outside_{name}"), outside.map(acl_rules_outside).unwrap_or_default());
    let [through, leave, back] = if let Some(acl) = router.guard_of(subnet) {
        element(rules, "acl_in", format!("{link} : jump through_{name}"));
        element(rules, "acl_out", format!("{link} : jump back_{name}"));
        [
            vec![format!("jump in_{subnet}"), enters.leads_to(&format!("leave_{name}"))],
            vec![format!("jump acl_out_{acl}"), format!("{} {entered}", leaves.reached())],
            vec![format!("jump outside_{name}"), enters.leads_to(&format!("out_{subnet}"))],
        ]
    } else {
        add_unguarded(rules, link);
        [vec![entered.clone()], vec![entered], vec![left]]
    };
    for (kind, lines) in [("through", through), ("leave", leave), ("back", back)] {
        chain(rules, format!("{kind}_{name}"), closed(lines));
    }
}

/// The connections over exits that go on: those whose public address is still what it was.
pub(super) struct KeptExits<'a> {
    marks: BTreeMap<u32, (ExitId, &'a ExitIntent)>,
    old: Option<&'a Router>,
}

impl<'a> KeptExits<'a> {
    pub(super) fn of(old: Option<&'a Router>, want: &'a Router) -> Self {
        let marks = want.exit_marks().into_iter();
        let marks = marks.map(|(exit, mark)| (mark, (exit, &want.vpc.exits[&exit]))).collect();
        Self { marks, old }
    }

    /// Whether a connection goes on, by its ends and its mark; `None` if it is not over an exit.
    pub(super) fn keeps(&self, ends: [Ipv4Addr; 2], mark: u32) -> Option<bool> {
        if mark & EXITS.mask != EXITS.value {
            return None;
        }
        let Some((exit, now)) = self.marks.get(&mark) else { return Some(false) };
        let before = self.old.and_then(|old| old.vpc.exits.get(exit));
        Some(match (before, now) {
            (Some(ExitIntent::Shared(old)), ExitIntent::Shared(new)) => old.address == new.address,
            (None, ExitIntent::Shared(_)) => true,
            (_, ExitIntent::Shared(_)) => false,
            (before, ExitIntent::OneToOne(publics)) => {
                let same = |private: &Ipv4Addr, public: &Ipv4Addr| match before {
                    Some(ExitIntent::OneToOne(old)) => old.get(private) == Some(public),
                    Some(ExitIntent::Shared(_)) => false,
                    None => true,
                };
                let of = |end: &Ipv4Addr| {
                    publics.iter().find(|(private, public)| *private == end || *public == end)
                };
                ends.iter().find_map(of).is_some_and(|(private, public)| same(private, public))
            }
        })
    }
}
