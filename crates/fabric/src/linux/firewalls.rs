//! What a sweep remembers of routers' firewalls, so that it compares only those that changed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use model::VpcId;
use os::netns::{Identity, NetworkNamespace};

use super::nft::Nft;
use super::ruleset::{Listing, Ruleset, TABLE};
use super::told::{WAYS, is_of_records};
use super::{namespace, netfilter};
use crate::driver::Error;

/// The firewalls that were found to be what they must be. To list one and to compare it takes some
/// milliseconds, to see that nobody changed it since takes none.
#[derive(Default)]
pub(super) struct Firewalls {
    compared: BTreeMap<VpcId, Compared>,
    /// The firewall of a namespace without links, to ask the kernel how it lists a ruleset.
    scratch: Option<Nft>,
}

/// A firewall as it was compared: which one it was, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compared {
    namespace: Identity,
    generation: u32,
    /// A hash of the ruleset that it must be.
    wanted: u64,
}

impl Compared {
    /// How a firewall is now, in the calling thread's namespace; `None` where the kernel does not
    /// say, so that it is compared.
    pub(super) fn now(namespace: &NetworkNamespace, wanted: &Ruleset) -> Option<Self> {
        let generation = netfilter::generation().ok()?;
        let mut hash = DefaultHasher::new();
        wanted.hash(&mut hash);
        Some(Self { namespace: namespace.identity().ok()?, generation, wanted: hash.finish() })
    }
}

impl Firewalls {
    /// Whether a router's firewall was found to be right, and neither it nor what it must be changed
    /// since.
    pub(super) fn is_unchanged(&self, vpc: VpcId, now: Option<Compared>) -> bool {
        now.is_some() && self.compared.get(&vpc).copied() == now
    }

    /// Takes note that a firewall is right, as it was before it was listed.
    pub(super) fn note(&mut self, vpc: VpcId, before: Option<Compared>) {
        match before {
            Some(before) => drop(self.compared.insert(vpc, before)),
            None => drop(self.compared.remove(&vpc)),
        }
    }

    /// Forgets all routers but these.
    pub(super) fn retain(&mut self, keep: impl Fn(&VpcId) -> bool) {
        self.compared.retain(|vpc, _| keep(vpc));
    }

    /// How the kernel would list a ruleset: asked of the kernel itself, in a namespace without links.
    /// Leaves the thread in another namespace.
    pub(super) fn render(&mut self, rules: &Ruleset) -> Result<Listing, Error> {
        Ok(Listing::parse(&self.list(&rules.create(), "list ruleset")?))
    }

    /// The same for a table, as the kernel writes it.
    pub(super) fn listed(&mut self, create: &str, table: &str) -> Result<String, Error> {
        self.list(create, &format!("list table {table}"))
    }

    /// Makes a firewall what it must be by what was found of it, takes note of how it differed, and says
    /// whether it did. Leaves the thread in another namespace.
    pub(super) fn mend(
        &mut self,
        nft: &mut Nft,
        rules: &Ruleset,
        found: &Listing,
        repairs: &mut Vec<String>,
    ) -> Result<bool, Error> {
        for table in &found.strangers {
            repairs.push(format!("firewall table {table} was not ours"));
            nft.run(&format!("delete table {table}"))?;
        }
        if !found.present {
            repairs.push("the firewall was missing".into());
            return nft.run(&rules.create()).map(|_| true);
        }
        let (broken, surplus) = found.difference(&self.render(rules)?);
        if broken.is_empty() && surplus.is_empty() {
            return Ok(!found.strangers.is_empty());
        }
        // A server that ended without a word may have left some that tell of flows.
        let records = rules.chains.contains_key(WAYS);
        let told = |name: &str| records || !is_of_records(name);
        let changed = broken.iter().filter(|name| told(name));
        repairs.extend(changed.map(|name| format!("firewall {name} was changed")));
        let strange =
            |(keyword, name): &(String, String)| format!("firewall {keyword} {name} was not ours");
        repairs.extend(surplus.iter().filter(|(_, name)| told(name)).map(strange));
        if nft.run(&rules.repair(&broken, &surplus)).is_err() {
            // A base chain with another hook, say, can not be mended in place.
            nft.run(&format!("delete table {TABLE}\n{}", rules.create()))?;
        }
        Ok(true)
    }

    fn list(&mut self, create: &str, list: &str) -> Result<String, Error> {
        let nft = match &mut self.scratch {
            Some(nft) => nft,
            None => {
                namespace::enter_new("(scratch)")?;
                self.scratch.insert(Nft::open()?)
            }
        };
        nft.run(&format!("flush ruleset\n{create}"))?;
        nft.run(list)
    }
}
