//! A change of one VPC's router: from what it is to what it must become.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use model::intent::InterfaceIntent;
use model::{Cidr, EniId, VpcId};
use os::netns::NetworkNamespace;

use super::exits::KeptExits;
use super::firewalls::{Compared, Firewalls};
use super::namespace;
use super::netlink::{Netlink, VethEnd};
use super::nft::Nft;
use super::plan::{EXIT_MACS, GATEWAY, ROUTER_MAC, Router};
use super::ruleset::{Listing, TABLE};
use super::state::{Link, Observed, State, removal_of_stranger};
use super::uplink::UplinkHandle;
use super::watch::{Role, Watch};
use super::workload::{self, Further};
use super::{conntrack, names, sysctl, translation};
use crate::driver::Error;

/// A router's namespace, with sockets in it that stay open.
pub(super) struct Handle {
    /// The namespace itself.
    pub namespace: NetworkNamespace,
    /// The socket for links, routes, rules and neighbours.
    pub netlink: Netlink,
    /// The context for its firewall.
    pub nft: Nft,
    /// The driver's count of uses when it was last used.
    pub used: u64,
}

/// What is known of a router before a change.
pub(super) enum Base {
    /// The namespace was just made.
    New,
    /// It is as the driver left it.
    Known(Router),
    /// It is as it was found in the kernel.
    Found(Observed),
}

/// What is looked at besides a router itself, where the router is not known.
pub(super) enum Look {
    /// All interfaces.
    Everything,
    /// Nothing: its interfaces are looked at by later steps.
    Router,
    /// These interfaces, even if they are known.
    Interfaces(BTreeSet<EniId>),
}

/// The circumstances in which interfaces are made or looked at.
pub(super) struct Site<'a> {
    /// The instance of Causeway.
    pub instance: &'a str,
    /// The VPC that they are in.
    pub vpc: VpcId,
    /// How the kernel lists firewalls.
    pub firewalls: &'a mut Firewalls,
    /// Which of them are looked at.
    pub look: &'a Look,
    /// The watch over their namespaces, if there is one.
    pub watch: Option<&'a mut Watch>,
}

/// A change of a router under way.
pub(super) struct Work {
    want: Router,
    goal: State,
    base: Base,
    state: State,
    /// The drift that was found, in words.
    pub repairs: Vec<String>,
    /// Addresses and blocks whose connections are to be forgotten.
    stale: Vec<Cidr>,
    /// Blocks of VPCs that are peers no more.
    lost: Vec<Cidr>,
    /// The only blocks whose connections stay; set where a link was found of which nothing is known.
    keep: Option<Vec<Cidr>>,
    /// Links that were made or are changed.
    fresh: BTreeSet<String>,
}

impl Handle {
    /// Opens a router or makes it; says whether it was made.
    pub(super) fn open(name: &str, instance: &str) -> Result<(Self, bool), Error> {
        let (namespace, made) = namespace::adopt_or_create(name, instance)?;
        namespace.enter()?;
        let handle = Self { namespace, netlink: Netlink::open()?, nft: Nft::open()?, used: 0 };
        Ok((handle, made))
    }
}

impl Work {
    /// Starts a change; reads what is in the kernel, unless the router is known.
    pub(super) fn begin(
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
        let mut state = match &base {
            Base::New => State::born(),
            Base::Known(router) => router.state(),
            Base::Found(observed) => observed.state.clone(),
        };
        // Of what others made, nothing passes through it: no map names it and no route leads there.
        state.links.retain(|name, _| names::is_ours(name) || name == names::LOOPBACK);
        if let Base::Found(_) = base {
            repairs.extend(state.differences(&goal));
        }
        if !matches!(base, Base::Known(_)) {
            handle.namespace.enter()?;
            let changed = sysctl::router()?;
            if matches!(base, Base::Found(_)) {
                repairs.extend(changed.iter().map(|s| format!("setting {s} was changed")));
            }
        }
        let mut work = Self {
            want,
            goal,
            base,
            state,
            repairs,
            stale: Vec::new(),
            lost: Vec::new(),
            keep: None,
            fresh: BTreeSet::new(),
        };
        work.note_fresh();
        Ok(work)
    }

    fn note_fresh(&mut self) {
        let goals = self.goal.links.iter();
        let fresh = goals.filter(|(name, link)| self.state.links.get(*name) != Some(*link));
        self.fresh = fresh.map(|(name, _)| name.clone()).collect();
    }

    /// Whether what the driver knows of the router was taken for granted.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.base, Base::Known(_))
    }

    /// Leaves out of the goal what later steps make: the rest can do without it.
    pub(super) fn narrow(&mut self, want: Router) {
        self.goal = want.state();
        self.want = want;
        self.note_fresh();
    }

    /// Removes links that must go, and remembers whose connections go with them.
    pub(super) fn remove_links(&mut self, handle: &mut Handle) -> Result<(), Error> {
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
        let hosts = on.map(|(_, address)| *address).filter(|host| *host != GATEWAY);
        self.stale.extend(hosts.map(Cidr::host));
    }

    /// Marks connections with a block as gone, that of a VPC which is a peer no more, unless they
    /// are over another peering.
    pub(super) fn forget_block(&mut self, cidr: Cidr) {
        self.lost.push(cidr);
    }

    /// Marks all connections with other blocks than these as gone, if a peering's link is there
    /// of which nothing is known.
    pub(super) fn forget_beyond(&mut self, peers: Vec<Cidr>) {
        let strange = |name: &String| name.starts_with('p') && !self.goal.links.contains_key(name);
        if matches!(self.base, Base::Found(_)) && self.state.links.keys().any(strange) {
            self.keep = Some(self.want.vpc.cidrs.iter().copied().chain(peers).collect());
        }
    }

    /// Whether the exits are or may be others than they were.
    fn exits_differ(&self) -> bool {
        match &self.base {
            Base::New => false,
            Base::Known(old) => old.vpc.exits != self.want.vpc.exits,
            Base::Found(found) => {
                let exit = |name: &String| name.starts_with(['g', 'n']) && names::is_ours(name);
                !self.want.vpc.exits.is_empty() || found.state.links.keys().any(exit)
            }
        }
    }

    /// The blocks that were or might be behind peerings which are no more.
    pub(super) fn lost_peers(&self) -> Vec<VpcId> {
        let Base::Known(old) = &self.base else { return Vec::new() };
        let gone = old.links.iter().filter(|(pcx, _)| !self.want.links.contains_key(*pcx));
        gone.map(|(_, end)| end.other).collect()
    }

    /// Whether a link is there, as far as one end can tell.
    pub(super) fn has_link(&self, name: &str) -> bool {
        self.state.links.contains_key(name)
    }

    /// Takes note of a link that was just made, up or still down.
    pub(super) fn link_made(&mut self, name: &str, up: bool) {
        self.fresh.insert(name.to_owned());
        self.state.forget_link(name);
        if let Some(link) = self.goal.links.get(name) {
            self.state.links.insert(name.to_owned(), Link { up, ..*link });
        }
    }

    /// Whether a link was made or is changed, so that what was proved of it is no more.
    pub(super) fn is_fresh(&self, name: &str) -> bool {
        self.fresh.contains(name)
    }

    /// The state that a link must have.
    pub(super) fn goal_link(&self, name: &str) -> Option<Link> {
        self.goal.links.get(name).copied()
    }

    /// The router that it must become.
    pub(super) fn want(&self) -> &Router {
        &self.want
    }

    /// Makes the workloads' namespaces and links what they must be: those that differ from what
    /// is known of them, and those that are to be looked at.
    pub(super) fn settle_interfaces(
        &mut self,
        handle: &mut Handle,
        site: &mut Site<'_>,
    ) -> Result<(), Error> {
        let look = site.look;
        let all: Vec<_> = self.want.vpc.interfaces.iter().map(|(k, v)| (*k, v.clone())).collect();
        for (eni, interface) in all.into_iter().filter(|(_, interface)| interface.slot.is_none()) {
            let further = workload::further(&self.want.vpc, eni);
            let changed = match &self.base {
                Base::Known(old) => {
                    old.vpc.interfaces.get(&eni) != Some(&interface)
                        || workload::further(&old.vpc, eni) != further
                }
                Base::New | Base::Found(_) => matches!(look, Look::Everything),
            };
            let is_named = |some: &BTreeSet<EniId>| {
                some.contains(&eni) || further.iter().any(|further| some.contains(&further.eni))
            };
            if changed || matches!(look, Look::Interfaces(some) if is_named(some)) {
                self.settle_interface(handle, site, (eni, &interface), &further)?;
            }
        }
        Ok(())
    }

    fn settle_interface(
        &mut self,
        handle: &mut Handle,
        site: &mut Site<'_>,
        (eni, interface): (EniId, &InterfaceIntent),
        further: &[Further],
    ) -> Result<(), Error> {
        let name = names::workload(site.instance, eni);
        if let Some(watch) = &site.watch
            && watch.restore(&name)?
        {
            self.repairs.push(format!("{eni}: its namespace had lost its name"));
        }
        let (namespace, made) = namespace::adopt_or_create(&name, site.instance)?;
        if let Some(watch) = &mut site.watch {
            watch.add(&namespace, Role::Interface(site.vpc, eni));
        }
        namespace.enter()?;
        let mut netlink = Netlink::open()?;
        let changed = sysctl::workload()?;
        let observed = Observed::read(&mut netlink)?;
        let goal = workload::workload(interface, further);
        let mut state = observed.state;
        state.keep_known(&goal);
        let looked_at =
            matches!(self.base, Base::Found(_)) || matches!(site.look, Look::Interfaces(_));
        let found = looked_at && !made;
        if made && matches!(&self.base, Base::Known(old) if old.vpc.interfaces.contains_key(&eni)) {
            self.repairs.push(format!("{eni}: its namespace was missing"));
        }
        if found {
            let drift = state.differences(&goal).into_iter();
            self.repairs.extend(drift.map(|what| format!("{eni}: {what}")));
            self.repairs.extend(changed.iter().map(|s| format!("{eni}: setting {s} was changed")));
        }
        let first = (eni, names::WORKLOAD_LINK.to_owned(), interface);
        let others = further
            .iter()
            .map(|further| (further.eni, names::further_link(further.index), &further.interface));
        for (eni, inner, interface) in std::iter::once(first).chain(others) {
            let link = names::eni_link(eni);
            let here = handle.netlink.pair(&link)?;
            let there = observed.pairs.get(&inner).copied();
            if self.has_link(&link) && joined(here, there) {
                continue;
            }
            if found && here.is_some() && there.is_some() {
                self.repairs.push(format!("{eni}: its link led elsewhere"));
            }
            handle.netlink.delete_link(&link)?;
            netlink.delete_link(&inner)?;
            let here = VethEnd { name: &link, mac: ROUTER_MAC, mtu: interface.mtu };
            let there = VethEnd { name: &inner, mac: interface.mac, mtu: interface.mtu };
            handle.netlink.add_veth(&here, &there, namespace.as_fd())?;
            self.link_made(&link, true);
            state.forget_link(&inner);
        }
        // The last address takes the routes with it, so the new ones come first.
        let additions = state.additions(&goal, &mut netlink)?;
        netlink.batch(additions)?;
        let removals = state.removals(&goal, &mut netlink)?;
        netlink.batch(removals)?;
        let own = std::iter::once(interface).chain(further.iter().map(|it| &it.interface));
        let passes_on = { own }.any(|interface| !interface.source_dest_check);
        namespace.enter()?;
        let changed = sysctl::middlebox(passes_on)?;
        if found {
            self.repairs.extend(changed.iter().map(|s| format!("{eni}: setting {s} was changed")));
        }
        if interface.translates {
            return self.settle_translation(site, (eni, interface), found);
        }
        Ok(())
    }

    /// Makes the calling thread's namespace pass on what comes to it by its own address. Leaves the thread
    /// in another namespace.
    fn settle_translation(
        &mut self,
        site: &mut Site<'_>,
        (eni, interface): (EniId, &InterfaceIntent),
        found: bool,
    ) -> Result<(), Error> {
        let rules = translation::ruleset(interface);
        let mut nft = Nft::open()?;
        let there = Listing::parse(&nft.run("list ruleset")?);
        let mut wrong = None;
        if there.present {
            let (broken, surplus) = there.difference(&site.firewalls.render(&rules)?);
            if !broken.is_empty() || !surplus.is_empty() {
                wrong = Some("changed");
                nft.run(&rules.repair(&broken, &surplus))?;
            }
        } else {
            wrong = Some("missing");
            nft.run(&rules.create())?;
        }
        if found {
            let wrong = wrong.into_iter();
            self.repairs.extend(wrong.map(|what| format!("{eni}: its firewall was {what}")));
        }
        Ok(())
    }

    /// Makes the links of exits that are missing, and says whether there were any. Without the uplink
    /// there are none in the goal.
    pub(super) fn settle_exits(
        &mut self,
        handle: &mut Handle,
        uplink: Option<&mut UplinkHandle>,
    ) -> Result<bool, Error> {
        let Some(uplink) = uplink else { return Ok(false) };
        let mut made = false;
        let exits: Vec<String> = self.want.vpc.exits.keys().map(|e| names::exit_link(*e)).collect();
        for name in exits {
            if self.is_known() && self.has_link(&name) {
                continue;
            }
            let (here, there) = (handle.netlink.pair(&name)?, uplink.netlink.pair(&name)?);
            if self.has_link(&name) && joined(here, there) {
                continue;
            }
            handle.netlink.delete_link(&name)?;
            uplink.netlink.delete_link(&name)?;
            let [ours, other] = EXIT_MACS;
            let mtu = self.want.exit_mtu;
            let (here, there) =
                (VethEnd { name: &name, mac: ours, mtu }, VethEnd { name: &name, mac: other, mtu });
            handle.netlink.add_veth(&here, &there, uplink.namespace.as_fd())?;
            uplink.netlink.forget(&name);
            self.link_made(&name, true);
            made = true;
        }
        Ok(made)
    }

    /// Removes routes and rules, changes the firewall, and then adds: at no moment may pass what
    /// neither the old nor the new intent lets pass.
    pub(super) fn settle_router(
        &mut self,
        handle: &mut Handle,
        vpc: VpcId,
        firewalls: &mut Firewalls,
    ) -> Result<(), Error> {
        let mut removals = self.state.removals(&self.goal, &mut handle.netlink)?;
        if let Base::Found(observed) = &mut self.base {
            for stranger in std::mem::take(&mut observed.strangers) {
                self.repairs.push("a route or rule was not ours".into());
                removals.push(removal_of_stranger(stranger));
            }
        }
        handle.netlink.batch(removals)?;
        self.settle_firewall(handle, vpc, firewalls)?;
        let counts = match &self.base {
            Base::New => self.want.recorded,
            Base::Known(old) => old.recorded != self.want.recorded,
            Base::Found(_) => true,
        };
        if counts {
            handle.namespace.enter()?;
            sysctl::accounting(self.want.recorded)?;
        }
        let exits = self.exits_differ();
        if exits || !self.stale.is_empty() || !self.lost.is_empty() || self.keep.is_some() {
            handle.namespace.enter()?;
            let within = |cidrs: &[Cidr], end| cidrs.iter().any(|cidr| cidr.contains(end));
            let alive: BTreeSet<u32> = self.want.peering_marks().into_values().collect();
            let old = match &self.base {
                Base::Known(old) => Some(old),
                Base::New | Base::Found(_) => None,
            };
            let exits = KeptExits::of(old, &self.want);
            conntrack::forget(|ends, mark| {
                if let Some(kept) = exits.keeps(ends, mark) {
                    return !kept || ends.into_iter().any(|end| within(&self.stale, end));
                }
                let over_another = alive.contains(&mark);
                // What is not inside the VPC, and not over a peering that is there.
                let over_none = mark != 0 && !over_another;
                ends.into_iter().any(|end| {
                    within(&self.stale, end)
                        || within(&self.lost, end) && !over_another
                        || self.keep.as_ref().is_some_and(|keep| over_none || !within(keep, end))
                })
            })?;
        }
        let additions = self.state.additions(&self.goal, &mut handle.netlink)?;
        handle.netlink.batch(additions)
    }

    fn settle_firewall(
        &mut self,
        handle: &mut Handle,
        vpc: VpcId,
        firewalls: &mut Firewalls,
    ) -> Result<(), Error> {
        let rules = self.want.ruleset();
        match &self.base {
            Base::New => {
                firewalls.note(vpc, None);
                handle.nft.run(&rules.create()).map(drop)
            }
            Base::Known(old) => {
                let commands = rules.update(&old.ruleset());
                if commands.is_empty() {
                    return Ok(());
                }
                handle.nft.run(&commands).map(drop)
            }
            Base::Found(_) => {
                handle.namespace.enter()?;
                // What changes while it is listed is of a later generation.
                let before = Compared::now(&handle.namespace, &rules);
                if firewalls.is_unchanged(vpc, before) {
                    return Ok(());
                }
                let found = Listing::parse(&handle.nft.run("list ruleset")?);
                let mended = firewalls.mend(&mut handle.nft, &rules, &found, &mut self.repairs)?;
                firewalls.note(vpc, before.filter(|_| !mended));
                Ok(())
            }
        }
    }

    /// Checks that the kernel has what leads to a peering: its routes and its admission.
    pub(super) fn observe_peering(
        &self,
        handle: &mut Handle,
        pcx: model::PcxId,
    ) -> Result<(), Error> {
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

    /// Ends the change. Returns what the driver knows of the router from now on, and the drift that was
    /// repaired.
    pub(super) fn finish(self) -> (Router, Vec<String>) {
        (self.want, self.repairs)
    }
}

/// Reads what is there, without addresses that are not ours.
fn find(netlink: &mut Netlink, goal: &State, repairs: &mut Vec<String>) -> Result<Observed, Error> {
    netlink.forget_all();
    let found = Observed::read(netlink)?;
    without_foreign_addresses(found, netlink, goal, repairs)
}

/// Removes addresses that are not ours: the last one of a link takes the link's routes with it, so they
/// go before anything else is looked at.
pub(super) fn without_foreign_addresses(
    mut found: Observed,
    netlink: &mut Netlink,
    goal: &State,
    repairs: &mut Vec<String>,
) -> Result<Observed, Error> {
    let foreign = found.take_foreign_addresses(goal, netlink)?;
    if foreign.is_empty() {
        return Ok(found);
    }
    repairs.extend(foreign.iter().map(|(name, _)| format!("{name} was not ours")));
    netlink.batch(foreign.into_iter().map(|(_, request)| request).collect())?;
    Observed::read(netlink)
}

/// Whether two ends of a link exist and belong to each other. Each is given by its index and that of
/// its other end.
pub(super) fn joined(a: Option<(u32, Option<u32>)>, b: Option<(u32, Option<u32>)>) -> bool {
    match (a, b) {
        (Some((index_a, pair_a)), Some((index_b, pair_b))) => {
            pair_a == Some(index_b) && pair_b == Some(index_a)
        }
        (None, _) | (_, None) => false,
    }
}
