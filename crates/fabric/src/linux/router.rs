//! One VPC's router, open: what it is and what it must become.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use model::intent::InterfaceIntent;
use model::{Cidr, EniId};

use super::namespace::Namespace;
use super::netlink::{Netlink, VethEnd};
use super::nft::Nft;
use super::plan::{self, ROUTER_MAC, Router};
use super::ruleset::{Listing, Ruleset, TABLE};
use super::state::{Link, Observed, State, removal_of_stranger};
use super::{conntrack, names, sysctl};
use crate::driver::Error;

/// Sockets that stay in a router's namespace.
pub struct Handle {
    /// The namespace.
    pub namespace: Namespace,
    /// Links, routes, rules, neighbours.
    pub netlink: Netlink,
    /// The firewall.
    pub nft: Nft,
    /// When it was last used, as the driver counts.
    pub used: u64,
}

/// What a router is before a change.
pub enum Base {
    /// The namespace was just made.
    New,
    /// As the driver left it.
    Known(Router),
    /// As it was found.
    Found(Observed),
}

/// A change of a router under way.
pub struct Work {
    want: Router,
    goal: State,
    base: Base,
    state: State,
    /// What had drifted.
    pub repairs: Vec<String>,
    /// Addresses and blocks whose connections are to be forgotten.
    stale: Vec<Cidr>,
    /// Where a link was found that nothing is known of: the only blocks whose connections stay.
    keep: Option<Vec<Cidr>>,
    /// Links that were made or are changed.
    fresh: BTreeSet<String>,
}

impl Handle {
    /// Opens a router or makes it; says whether it was made.
    pub fn open(name: &str, instance: &str) -> Result<(Self, bool), Error> {
        let (namespace, made) = Namespace::adopt_or_create(name, instance)?;
        namespace.enter()?;
        let handle = Self { namespace, netlink: Netlink::open()?, nft: Nft::open()?, used: 0 };
        Ok((handle, made))
    }
}

impl Work {
    /// Starts a change. What is found in the kernel is read at once.
    pub fn begin(
        handle: &mut Handle,
        want: Router,
        known: Option<Router>,
        made: bool,
    ) -> Result<Self, Error> {
        let goal = want.state();
        let mut repairs = Vec::new();
        let base = match known {
            Some(router) if !made => Base::Known(router),
            _ if made => Base::New,
            _ => Base::Found(find(&mut handle.netlink, &goal, &mut repairs)?),
        };
        let state = match &base {
            Base::New => State::default(),
            Base::Known(router) => router.state(),
            Base::Found(observed) => observed.state.clone(),
        };
        let mut work = Self {
            want,
            goal,
            base,
            state,
            repairs,
            stale: Vec::new(),
            keep: None,
            fresh: BTreeSet::new(),
        };
        // Of what others made, nothing passes through it: no map names it and no route leads there.
        work.state.links.retain(|name, _| names::is_ours(name) || name == names::LOOPBACK);
        let goals = work.goal.links.iter();
        let fresh = goals.filter(|(name, link)| work.state.links.get(*name) != Some(*link));
        work.fresh = fresh.map(|(name, _)| name.clone()).collect();
        if let Base::Found(_) = work.base {
            work.repairs.extend(work.state.differences(&work.goal));
        }
        if !matches!(work.base, Base::Known(_)) {
            handle.namespace.enter()?;
            let changed = sysctl::router()?;
            if matches!(work.base, Base::Found(_)) {
                work.repairs.extend(changed.iter().map(|s| format!("setting {s} was changed")));
            }
        }
        Ok(work)
    }

    /// Removes links that must go, and remembers whose connections go with them.
    pub fn remove_links(&mut self, handle: &mut Handle) -> Result<(), Error> {
        let gone: Vec<String> = self
            .state
            .links
            .keys()
            .filter(|n| !self.goal.links.contains_key(*n))
            .cloned()
            .collect();
        for name in gone {
            self.forget_hosts_on(&name);
            handle.netlink.delete_link(&name)?;
            self.state.forget_link(&name);
        }
        // An address that has another owner now begins anew, too.
        let moved = self.state.neighbours.keys().filter(|k| !self.goal.neighbours.contains_key(*k));
        self.stale.extend(moved.map(|(_, address)| Cidr::host(*address)));
        Ok(())
    }

    fn forget_hosts_on(&mut self, link: &str) {
        let on = self.state.neighbours.keys().filter(|(name, _)| name == link);
        let hosts = on.map(|(_, address)| *address).filter(|host| *host != plan::GATEWAY);
        self.stale.extend(hosts.map(Cidr::host));
    }

    /// Marks connections with a block as gone: that of a VPC which is a peer no more.
    pub fn forget_block(&mut self, cidr: Cidr) {
        self.stale.push(cidr);
    }

    /// Marks all connections with other blocks than these as gone, if a peering's link is there
    /// of which nothing is known.
    pub fn forget_beyond(&mut self, peers: Vec<Cidr>) {
        let strange = |name: &String| name.starts_with('p') && !self.goal.links.contains_key(name);
        if matches!(self.base, Base::Found(_)) && self.state.links.keys().any(strange) {
            self.keep = Some(self.want.vpc.cidrs.iter().copied().chain(peers).collect());
        }
    }

    /// The blocks that were or might be behind peerings which are no more.
    pub fn lost_peers(&self) -> Vec<model::VpcId> {
        let Base::Known(old) = &self.base else { return Vec::new() };
        let gone = old.links.iter().filter(|(pcx, _)| !self.want.links.contains_key(*pcx));
        gone.map(|(_, end)| end.other).collect()
    }

    /// Whether a link is there, as far as one end can tell.
    pub fn has_link(&self, name: &str) -> bool {
        self.state.links.contains_key(name)
    }

    /// A link's index and that of its other end, if this was read from the kernel.
    pub fn pair(&self, name: &str) -> Option<(u32, Option<u32>)> {
        match &self.base {
            Base::Found(observed) => observed.pairs.get(name).copied(),
            Base::New | Base::Known(_) => None,
        }
    }

    /// Takes note of a link that was just made, up or still down.
    pub fn link_made(&mut self, name: &str, up: bool) {
        self.fresh.insert(name.to_owned());
        self.state.forget_link(name);
        if let Some(link) = self.goal.links.get(name) {
            self.state.links.insert(name.to_owned(), Link { up, ..*link });
        }
    }

    /// Whether a link was made or is changed, so that what was proved of it is no more.
    pub fn is_fresh(&self, name: &str) -> bool {
        self.fresh.contains(name)
    }

    /// What a link must be.
    pub fn goal_link(&self, name: &str) -> Option<Link> {
        self.goal.links.get(name).copied()
    }

    /// The router that it must become.
    pub fn want(&self) -> &Router {
        &self.want
    }

    /// Makes the workloads' namespaces and links what they must be.
    pub fn settle_interfaces(&mut self, handle: &mut Handle, instance: &str) -> Result<(), Error> {
        let all: Vec<_> = self.want.vpc.interfaces.iter().map(|(k, v)| (*k, v.clone())).collect();
        for (eni, interface) in all {
            let before = match &self.base {
                Base::Known(old) => old.vpc.interfaces.get(&eni),
                Base::New | Base::Found(_) => None,
            };
            if before != Some(&interface) {
                self.settle_interface(handle, instance, eni, &interface)?;
            }
        }
        Ok(())
    }

    fn settle_interface(
        &mut self,
        handle: &mut Handle,
        instance: &str,
        eni: EniId,
        interface: &InterfaceIntent,
    ) -> Result<(), Error> {
        let (namespace, made) =
            Namespace::adopt_or_create(&names::workload(instance, eni), instance)?;
        namespace.enter()?;
        let mut netlink = Netlink::open()?;
        let changed = sysctl::workload()?;
        let observed = Observed::read(&mut netlink)?;
        let goal = plan::workload(interface);
        let mut state = observed.state;
        state.keep_known(&goal);
        let found = matches!(self.base, Base::Found(_)) && !made;
        if found {
            let drift = state.differences(&goal).into_iter();
            self.repairs.extend(drift.map(|what| format!("{eni}: {what}")));
            self.repairs.extend(changed.iter().map(|s| format!("{eni}: setting {s} was changed")));
        }
        let link = names::eni_link(eni);
        let there = observed.pairs.get(names::WORKLOAD_LINK).copied();
        let whole = self.has_link(&link) && there.is_some() && joined(self.pair(&link), there);
        if !whole {
            if found && self.has_link(&link) && there.is_some() {
                self.repairs.push(format!("{eni}: its link led elsewhere"));
            }
            handle.netlink.delete_link(&link)?;
            netlink.delete_link(names::WORKLOAD_LINK)?;
            let here = VethEnd { name: &link, mac: ROUTER_MAC, mtu: interface.mtu };
            let there =
                VethEnd { name: names::WORKLOAD_LINK, mac: interface.mac, mtu: interface.mtu };
            handle.netlink.add_veth(&here, &there, namespace.file().as_fd())?;
            self.link_made(&link, true);
            state.forget_link(names::WORKLOAD_LINK);
        }
        // The last address takes the routes with it, so the new ones come first.
        let additions = state.additions(&goal, &mut netlink)?;
        netlink.batch(additions)?;
        let removals = state.removals(&goal, &mut netlink)?;
        netlink.batch(removals)
    }

    /// Takes away, changes the firewall, then adds: no moment allows what neither the old nor the
    /// new intent allows.
    pub fn settle_router(
        &mut self,
        handle: &mut Handle,
        scratch: &mut Option<Nft>,
    ) -> Result<(), Error> {
        let mut removals = self.state.removals(&self.goal, &mut handle.netlink)?;
        if let Base::Found(observed) = &mut self.base {
            for stranger in std::mem::take(&mut observed.strangers) {
                self.repairs.push("a route or rule was not ours".into());
                removals.push(removal_of_stranger(stranger));
            }
        }
        handle.netlink.batch(removals)?;
        self.settle_firewall(handle, scratch)?;
        if !self.stale.is_empty() || self.keep.is_some() {
            handle.namespace.enter()?;
            let within = |cidrs: &[Cidr], end| cidrs.iter().any(|cidr| cidr.contains(end));
            conntrack::forget(|end| {
                within(&self.stale, end)
                    || self.keep.as_ref().is_some_and(|keep| !within(keep, end))
            })?;
        }
        let additions = self.state.additions(&self.goal, &mut handle.netlink)?;
        handle.netlink.batch(additions)
    }

    fn settle_firewall(
        &mut self,
        handle: &mut Handle,
        scratch: &mut Option<Nft>,
    ) -> Result<(), Error> {
        let rules = self.want.ruleset();
        match &self.base {
            Base::New => handle.nft.run(&rules.create()).map(drop),
            Base::Known(old) => {
                let commands = rules.update(&old.ruleset());
                if commands.is_empty() {
                    return Ok(());
                }
                handle.nft.run(&commands).map(drop)
            }
            Base::Found(_) => {
                let found = Listing::parse(&handle.nft.run("list ruleset")?);
                self.repair_firewall(handle, scratch, &rules, &found)
            }
        }
    }

    fn repair_firewall(
        &mut self,
        handle: &mut Handle,
        scratch: &mut Option<Nft>,
        rules: &Ruleset,
        found: &Listing,
    ) -> Result<(), Error> {
        for table in &found.strangers {
            self.repairs.push(format!("firewall table {table} was not ours"));
            handle.nft.run(&format!("delete table {table}"))?;
        }
        if !found.present {
            self.repairs.push("the firewall was missing".into());
            return handle.nft.run(&rules.create()).map(drop);
        }
        let wanted = render(scratch, rules)?;
        let (broken, surplus) = found.difference(&wanted);
        if broken.is_empty() && surplus.is_empty() {
            return Ok(());
        }
        self.repairs.extend(broken.iter().map(|name| format!("firewall {name} was changed")));
        let strange =
            |(keyword, name): &(String, String)| format!("firewall {keyword} {name} was not ours");
        self.repairs.extend(surplus.iter().map(strange));
        if handle.nft.run(&rules.repair(&broken, &surplus)).is_err() {
            // A base chain with another hook, say, can not be mended in place.
            let anew = format!("delete table {TABLE}\n{}", rules.create());
            handle.nft.run(&anew)?;
        }
        Ok(())
    }

    /// Sees whether the kernel has what leads to a peering: its routes and its admission.
    pub fn observe_peering(&self, handle: &mut Handle, pcx: model::PcxId) -> Result<(), Error> {
        let link = names::peer_link(pcx);
        let want: BTreeSet<_> = self
            .goal
            .routes
            .iter()
            .filter(|(_, hop)| matches!(hop, super::state::Hop::Via(_, name) if *name == link))
            .map(|(key, _)| *key)
            .collect();
        let have = super::state::routes_over(&mut handle.netlink, &link)?;
        if !want.is_subset(&have) {
            return Err(Error::Probe(format!("{} lacks routes to it", handle.namespace.name())));
        }
        handle.nft.run(&format!("list chain {TABLE} from_{pcx}")).map(drop)
    }

    /// Ends the change: what the driver knows from now on.
    pub fn finish(self) -> (Router, Vec<String>) {
        (self.want, self.repairs)
    }
}

/// Reads what is there, without addresses that are not ours: the last one of a link takes the
/// link's routes with it, so they go before anything else is looked at.
fn find(netlink: &mut Netlink, goal: &State, repairs: &mut Vec<String>) -> Result<Observed, Error> {
    let mut found = Observed::read(netlink)?;
    let foreign = found.take_foreign_addresses(goal, netlink)?;
    if foreign.is_empty() {
        return Ok(found);
    }
    repairs.extend(foreign.iter().map(|(name, _)| format!("{name} was not ours")));
    netlink.batch(foreign.into_iter().map(|(_, request)| request).collect())?;
    Observed::read(netlink)
}

/// Whether two ends, as far as they were read, are each other's.
pub fn joined(a: Option<(u32, Option<u32>)>, b: Option<(u32, Option<u32>)>) -> bool {
    match (a, b) {
        (Some((index_a, pair_a)), Some((index_b, pair_b))) => {
            pair_a == Some(index_b) && pair_b == Some(index_a)
        }
        (None, _) | (_, None) => true,
    }
}

/// What the kernel would list had it this ruleset: asked of the kernel, in a namespace of nobody.
fn render(scratch: &mut Option<Nft>, rules: &Ruleset) -> Result<Listing, Error> {
    let nft = match scratch {
        Some(nft) => nft,
        None => {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(|e| {
                let name = "(scratch)".to_owned();
                Error::Namespace { name, step: "make", source: e.into() }
            })?;
            scratch.insert(Nft::open()?)
        }
    };
    nft.run(&format!("flush ruleset\n{}", rules.create()))?;
    Ok(Listing::parse(&nft.run("list ruleset")?))
}
