//! The firewall of a router as data, and the commands that lead from one ruleset to another.
//!
//! Base chains and dispatch are made once and never again. Everything else changes by flushing
//! and filling chains, and by adding and removing elements, in one transaction: whatever else was
//! tried lets packets pass during the change. A miss is a drop everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The table that decides.
pub(super) const TABLE: &str = "inet causeway";
/// The table that lets pass what went through the other to one of its ends, and so keeps closed
/// what the loss of a chain of the other would open.
const GATE: &str = "inet causeway_gate";

/// How far a packet got, as its mark says once its way is found. Until then its mark says where it
/// came from, and is a number far above these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage(u32);

impl Stage {
    /// A group of the sender lets the packet out.
    pub(super) const LEAVES_GROUP: Self = Self(1);
    /// A group of the receiver lets it in.
    pub(super) const ENTERS_GROUP: Self = Self(2);
    /// The ACL of the sender's subnet lets it out.
    pub(super) const LEAVES_SUBNET: Self = Self(3);
    /// The ACL of the receiver's subnet lets it in.
    pub(super) const ENTERS_SUBNET: Self = Self(4);
    /// All of these let it pass.
    pub(super) const PASSED: Self = Self(5);
    /// It is for the router itself, and the chain for that looks at it.
    pub(super) const INTO_ROUTER: Self = Self(6);
    /// The router itself sends it, and the chain for that looks at it.
    pub(super) const FROM_ROUTER: Self = Self(7);

    /// The condition that only a packet meets which got here last.
    pub(super) fn reached(self) -> String {
        format!("meta mark {}", self.0)
    }

    /// What takes note in a packet that it got here.
    pub(super) fn enter(self) -> String {
        format!("meta mark set {}", self.0)
    }

    /// The rule that lets go on to a chain what got here, and nothing else. Whatever is behind it drops: so
    /// the loss of this rule, or of the one that marks, closes.
    pub(super) fn leads_to(self, chain: &str) -> String {
        format!("meta mark {} goto {chain}", self.0)
    }
}

/// The commands that make the gate, whatever there is of it.
fn gate() -> String {
    let mut out = format!("add table {GATE}\ndelete table {GATE}\nadd table {GATE}\n");
    let chains: [(&str, &str, &[Stage]); 2] = [
        ("into", "input priority 10", &[Stage::INTO_ROUTER]),
        // What is forwarded comes first, as there is most of it.
        ("out", "postrouting priority 10", &[Stage::PASSED, Stage::FROM_ROUTER]),
    ];
    for (name, hook, stages) in chains {
        line(
            &mut out,
            format_args!("add chain {GATE} {name} {{ type filter hook {hook}; policy drop; }}"),
        );
        for Stage(number) in stages {
            line(&mut out, format_args!("add rule {GATE} {name} meta mark {number} accept"));
        }
        line(&mut out, format_args!("add rule {GATE} {name} drop"));
    }
    out
}

/// The content of the table that decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Ruleset {
    /// Sets and verdict maps, by name.
    pub sets: BTreeMap<String, Set>,
    /// Chains, by name.
    pub chains: BTreeMap<String, Chain>,
    /// Whether the gate stands behind it.
    pub gated: bool,
}

/// A set or a verdict map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Set {
    /// `set` or `map`.
    pub keyword: &'static str,
    /// The types of its elements, as nftables names them.
    pub kind: &'static str,
    /// The elements as nftables reads them.
    pub elements: BTreeSet<String>,
}

/// A chain of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Chain {
    /// The type, hook and policy of a base chain; `None` for all others.
    pub hook: Option<&'static str>,
    /// The rules, in order.
    pub rules: Vec<String>,
}

impl Ruleset {
    /// The commands that make it where there is nothing.
    pub(super) fn create(&self) -> String {
        let mut out = format!("add table {TABLE}\n");
        self.change_from(&Self::default(), &mut out);
        if self.gated {
            out.push_str(&gate());
        }
        out
    }

    /// The commands that lead from another ruleset to this one, one transaction; empty if the two
    /// are equal.
    pub(super) fn update(&self, old: &Self) -> String {
        let mut out = String::new();
        self.change_from(old, &mut out);
        out
    }

    /// The commands that fill chains and sets anew and remove others, whatever they hold now.
    pub(super) fn repair(
        &self,
        broken: &BTreeSet<String>,
        surplus: &BTreeSet<(String, String)>,
    ) -> String {
        let mut out = format!("add table {TABLE}\n");
        for (name, set) in self.sets.iter().filter(|(name, _)| broken.contains(*name)) {
            set.declare(name, &mut out);
            line(&mut out, format_args!("flush {} {TABLE} {name}", set.keyword));
        }
        // What the rest refers to exists before it is referred to.
        for (name, chain) in self.chains.iter().filter(|(name, _)| broken.contains(*name)) {
            chain.declare(name, &mut out);
        }
        for (name, chain) in self.chains.iter().filter(|(name, _)| broken.contains(*name)) {
            line(&mut out, format_args!("flush chain {TABLE} {name}"));
            chain.fill(name, &mut out);
        }
        for (name, set) in self.sets.iter().filter(|(name, _)| broken.contains(*name)) {
            elements(&mut out, "add", name, set.elements.iter());
        }
        for (_, name) in surplus.iter().filter(|(keyword, _)| keyword == "chain") {
            line(&mut out, format_args!("flush chain {TABLE} {name}"));
        }
        for (keyword, name) in surplus {
            line(&mut out, format_args!("delete {keyword} {TABLE} {name}"));
        }
        if broken.contains(GATE) {
            out.push_str(&gate());
        }
        out
    }

    fn change_from(&self, old: &Self, out: &mut String) {
        for (name, set) in self.sets.iter().filter(|(name, _)| !old.sets.contains_key(*name)) {
            set.declare(name, out);
        }
        for (name, chain) in self.chains.iter().filter(|(name, _)| !old.chains.contains_key(*name))
        {
            chain.declare(name, out);
        }
        for (name, chain) in &self.chains {
            match old.chains.get(name) {
                Some(before) if before == chain => {}
                Some(_) => {
                    line(out, format_args!("flush chain {TABLE} {name}"));
                    chain.fill(name, out);
                }
                None => chain.fill(name, out),
            }
        }
        let none = BTreeSet::new();
        for (name, set) in &old.sets {
            let now = self.sets.get(name).map_or(&none, |set| &set.elements);
            elements(out, "delete", name, set.elements.difference(now));
        }
        for (name, set) in &self.sets {
            let before = old.sets.get(name).map_or(&none, |set| &set.elements);
            elements(out, "add", name, set.elements.difference(before));
        }
        let gone = || old.chains.keys().filter(|name| !self.chains.contains_key(*name));
        for name in gone() {
            line(out, format_args!("flush chain {TABLE} {name}"));
        }
        for name in gone() {
            line(out, format_args!("delete chain {TABLE} {name}"));
        }
        for (name, set) in old.sets.iter().filter(|(name, _)| !self.sets.contains_key(*name)) {
            line(out, format_args!("delete {} {TABLE} {name}", set.keyword));
        }
    }
}

impl Set {
    fn declare(&self, name: &str, out: &mut String) {
        line(out, format_args!("add {} {TABLE} {name} {{ type {}; }}", self.keyword, self.kind));
    }
}

impl Chain {
    fn declare(&self, name: &str, out: &mut String) {
        match self.hook {
            Some(hook) => line(out, format_args!("add chain {TABLE} {name} {{ type {hook}; }}")),
            None => line(out, format_args!("add chain {TABLE} {name}")),
        }
    }

    fn fill(&self, name: &str, out: &mut String) {
        for rule in &self.rules {
            line(out, format_args!("add rule {TABLE} {name} {rule}"));
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a String takes all that is written");
}

fn elements<'a>(
    out: &mut String,
    verb: &str,
    name: &str,
    elements: impl Iterator<Item = &'a String>,
) {
    let list: Vec<&str> = elements.map(String::as_str).collect();
    if !list.is_empty() {
        line(out, format_args!("{verb} element {TABLE} {name} {{ {} }}", list.join(", ")));
    }
}

/// What a listing of a namespace's rulesets says, in pieces that can be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// Whether the table that decides is there.
    pub present: bool,
    /// What the gate holds.
    gate: String,
    /// Other tables, as `delete table` takes them.
    pub strangers: BTreeSet<String>,
    /// Each set, map and chain of our table: its text by (keyword, name).
    pub blocks: BTreeMap<(String, String), String>,
}

impl Listing {
    /// Reads what `list ruleset` prints.
    pub(super) fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        let (mut ours, mut gate) = (false, false);
        let mut block: Option<((String, String), String)> = None;
        for line in text.lines() {
            if let Some(table) = line.strip_prefix("table ") {
                let table = table.trim_end_matches([' ', '{']);
                (ours, gate) = (table == TABLE, table == GATE);
                listing.present |= ours;
                if !ours && !gate {
                    listing.strangers.insert(table.to_owned());
                }
            } else if gate {
                listing.gate.push_str(line);
            } else if !ours {
            } else if line == "\t}" {
                listing.blocks.extend(block.take());
            } else if let Some((_, body)) = &mut block {
                body.push_str(line);
                body.push('\n');
            } else if let Some((keyword, name)) =
                line.trim().strip_suffix(" {").and_then(|head| head.split_once(' '))
            {
                block = Some(((keyword.to_owned(), name.to_owned()), String::new()));
            }
        }
        listing
    }

    /// The names of what must be filled anew, and what must go, for this to be as `wanted`.
    pub(super) fn difference(
        &self,
        wanted: &Self,
    ) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
        let broken = wanted.blocks.iter().filter(|(key, body)| self.blocks.get(*key) != Some(body));
        let surplus = self.blocks.keys().filter(|key| !wanted.blocks.contains_key(*key));
        let gate = (self.gate != wanted.gate).then(|| GATE.to_owned());
        (
            broken.map(|((_, name), _)| name.clone()).chain(gate).collect(),
            surplus.cloned().collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Ruleset {
        let mut rules = Ruleset::default();
        rules.sets.insert(
            "m".into(),
            Set { keyword: "set", kind: "ipv4_addr", elements: ["10.0.0.1".to_owned()].into() },
        );
        rules.chains.insert(
            "base".into(),
            Chain {
                hook: Some("filter hook forward priority 0; policy drop"),
                rules: vec!["jump c".into()],
            },
        );
        rules
            .chains
            .insert("c".into(), Chain { hook: None, rules: vec!["ip saddr @m accept".into()] });
        rules
    }

    #[test]
    fn an_equal_ruleset_needs_no_commands() {
        assert_eq!(small().update(&small()), "");
    }

    #[test]
    fn chains_change_in_place_and_elements_one_by_one() {
        let mut new = small();
        new.sets.get_mut("m").unwrap().elements.insert("10.0.0.2".into());
        new.chains.get_mut("c").unwrap().rules.push("drop".into());
        assert_eq!(
            new.update(&small()),
            "flush chain inet causeway c\n\
             add rule inet causeway c ip saddr @m accept\n\
             add rule inet causeway c drop\n\
             add element inet causeway m { 10.0.0.2 }\n"
        );
    }

    #[test]
    fn what_goes_is_emptied_before_it_is_deleted() {
        let old = small();
        let mut new = old.clone();
        new.chains.get_mut("base").unwrap().rules.clear();
        new.chains.remove("c");
        new.sets.remove("m");
        assert_eq!(
            new.update(&old),
            "flush chain inet causeway base\n\
             delete element inet causeway m { 10.0.0.1 }\n\
             flush chain inet causeway c\n\
             delete chain inet causeway c\n\
             delete set inet causeway m\n"
        );
    }

    #[test]
    fn listings_are_compared_block_by_block() {
        let text = |rule: &str| {
            format!(
                "table inet causeway {{\n\tset m {{\
                 \n\t\ttype ipv4_addr\n\t\telements = {{ 10.0.0.1,\n\
                 \t\t\t     10.0.0.2 }}\n\t}}\n\n\tchain c {{\n\t\t{rule}\n\t}}\n}}\n"
            )
        };
        let wanted = Listing::parse(&text("accept"));
        assert_eq!(wanted.blocks.len(), 2);
        assert!(wanted.present && wanted.strangers.is_empty());
        let found = Listing::parse(&(text("drop") + "table ip nat {\n\tchain x {\n\t}\n}\n"));
        assert_eq!(found.strangers, ["ip nat".to_owned()].into());
        assert_eq!(found.difference(&wanted), (["c".to_owned()].into(), BTreeSet::new()));
    }
}
