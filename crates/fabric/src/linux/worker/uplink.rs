//! Makes the uplink what it must be.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use model::intent::{ExitIntent, NetworksDelta, UplinkDelta};
use model::{OutboundWay, VpcId};
use os::error_chain;

use super::super::home::Home;
use super::super::netlink::Netlink;
use super::super::nft::Nft;
use super::super::plan::{GATEWAY, Router};
use super::super::router::without_foreign_addresses;
use super::super::ruleset::Listing;
use super::super::state::{Observed, removal_of_stranger};
use super::super::uplink::{EXIT_MTU, Outer, OuterKind, Uplink, UplinkHandle, outer_mac, transit};
use super::super::watch::Role;
use super::super::{names, namespace, sysctl};
use super::Worker;
use crate::driver::{Error, Place, Repair, Report};

impl Worker {
    /// Takes note of the namespace that the thread is in, before it enters another one.
    pub(crate) fn note_home(&mut self) {
        match Home::of_this_thread() {
            Ok(home) => self.home = Some(home),
            Err(error) => self.errors.push(error_chain(&error)),
        }
    }

    /// Takes in what becomes of the uplink.
    pub(super) fn take_uplink(&mut self, delta: &UplinkDelta, report: &mut Report) {
        match delta {
            UplinkDelta::Same => {}
            UplinkDelta::Put(intent) => {
                self.uplink = Some(intent.clone());
                self.open_uplink();
                report.errors.append(&mut self.errors);
            }
            // Routers give their exits up first.
            UplinkDelta::Gone => self.uplink = None,
        }
    }

    /// Does what is left to do about the uplink after routers have changed.
    pub(super) fn follow_uplink(&mut self, delta: &NetworksDelta, report: &mut Report) {
        if delta.uplink == UplinkDelta::Gone {
            self.close_uplink();
            let name = names::uplink(&self.instance);
            match self.remove_namespace(&name) {
                Ok(()) => drop(report.removed.insert(name)),
                Err(error) => report.errors.push(error_chain(&error)),
            }
            report.errors.append(&mut self.errors);
            return;
        }
        let settled = self.opened.as_ref().and_then(|opened| opened.settled.as_ref());
        let same = settled.is_some_and(|settled| {
            let now = self.exits();
            now.len() == settled.len() && now.iter().all(|(name, it)| settled.get(name) == Some(it))
        });
        if delta.uplink != UplinkDelta::Same || !same {
            // What differs is the change itself.
            self.settle_uplink(&mut report.errors);
        }
    }

    /// The exits of all routers, by the names of their links.
    fn exits(&self) -> BTreeMap<String, &ExitIntent> {
        let exits = self.vpcs.values().flat_map(|vpc| &vpc.exits);
        exits.map(|(exit, it)| (names::exit_link(*exit), it)).collect()
    }

    /// Opens the uplink, or makes it, before routers have exits to it. Where that cannot be, they
    /// have none.
    pub(super) fn open_uplink(&mut self) {
        if self.uplink.is_none() {
            return self.close_uplink();
        }
        if let Err(error) = self.try_open_uplink() {
            self.opened = None;
            self.errors.push(format!("uplink: {}", error_chain(&error)));
        }
    }

    /// Routers that are known have exits that lead nowhere from now on.
    fn close_uplink(&mut self) {
        if let Some(home) = &mut self.home
            && let Err(error) = home.clear(&self.instance)
        {
            self.errors.push(error_chain(&error));
        }
        if let Some(watch) = &mut self.watch {
            watch.remove_host();
        }
        if self.opened.take().is_some() {
            self.known.retain(|_, router| router.vpc.exits.is_empty());
        }
    }

    fn try_open_uplink(&mut self) -> Result<(), Error> {
        if let (Some(watch), Some(home)) = (&mut self.watch, &self.home) {
            watch.add_host(home.as_fd());
        }
        let outer = self.outer()?;
        if let (OuterKind::Macvlan(_), Some(home)) = (&outer.kind, &mut self.home) {
            home.clear(&self.instance)?;
        }
        if let Some(opened) = &mut self.opened
            && opened.namespace.is_current()
        {
            if let Some(watch) = &mut self.watch {
                watch.add(&opened.namespace, Role::Uplink);
            }
            if std::mem::replace(&mut opened.mtu, outer.mtu) != outer.mtu {
                self.known.retain(|_, router| router.vpc.exits.is_empty());
            }
            return Ok(());
        }
        let name = names::uplink(&self.instance);
        let (namespace, made) = namespace::adopt_or_create(&name, &self.instance)?;
        if let Some(watch) = &mut self.watch {
            watch.add(&namespace, Role::Uplink);
        }
        namespace.enter()?;
        let (netlink, nft) = (Netlink::open()?, Nft::open()?);
        let (mtu, settled) = (outer.mtu, None);
        self.opened = Some(UplinkHandle { namespace, netlink, nft, mtu, made, settled });
        // Whatever they had led to another one.
        self.known.retain(|_, router| router.vpc.exits.is_empty());
        Ok(())
    }

    /// The link to the outside, as the host has it now.
    fn outer(&mut self) -> Result<Outer, Error> {
        let home = self.home.as_mut().ok_or(Error::NoHome)?;
        let mac = outer_mac(&self.instance);
        match self.uplink.as_ref().map(|uplink| &uplink.way) {
            Some(OutboundWay::Parent { link, pool, gateway }) => {
                let (parent, mtu) = home.link(link)?;
                let gateway = match gateway {
                    Some(gateway) => *gateway,
                    None => home.gateway(parent)?.ok_or_else(|| Error::NoGateway(link.clone()))?,
                };
                let (kind, address) = (OuterKind::Macvlan(parent), pool.base());
                Ok(Outer { kind, mac, mtu, address, gateway })
            }
            Some(OutboundWay::Host) | None => Ok(Outer {
                kind: OuterKind::Veth,
                mac,
                mtu: EXIT_MTU,
                address: transit(&self.instance),
                gateway: GATEWAY,
            }),
        }
    }

    /// Looks at the uplink, and makes it what it must be. What differs is drift.
    pub(super) fn look_at_uplink(&mut self, report: &mut Report) {
        if self.uplink.is_none() {
            return;
        }
        let repair = |what| Repair { place: Place::Uplink, what };
        match self.watch.as_ref().map(|watch| watch.restore(&names::uplink(&self.instance))) {
            Some(Ok(true)) => {
                report.repairs.push(repair("its namespace had lost its name".to_owned()));
            }
            Some(Err(error)) => report.errors.push(format!("uplink: {}", error_chain(&error))),
            Some(Ok(false)) | None => {}
        }
        let again = self.open_again();
        report.errors.append(&mut self.errors);
        if self.opened.is_none() {
            return;
        }
        if !again.is_empty() {
            let pending = if self.urgent { &mut self.drifted } else { &mut self.pending };
            again.into_iter().for_each(|vpc| pending.add_router(vpc));
            // After these routers.
            pending.add_uplink();
            return;
        }
        report.repairs.extend(self.settle_uplink(&mut report.errors).into_iter().map(repair));
    }

    /// Opens the uplink if it is not open or is another one now; returns the VPCs whose routers have no
    /// exits to it, or exits that may be wrong.
    fn open_again(&mut self) -> BTreeSet<VpcId> {
        let current = |opened: &UplinkHandle| opened.namespace.is_current();
        let was_open = self.opened.as_ref().is_some_and(current);
        let leads_out =
            |(id, router): (&VpcId, &Router)| (!router.vpc.exits.is_empty()).then_some(*id);
        let known: BTreeSet<VpcId> = self.known.iter().filter_map(leads_out).collect();
        self.open_uplink();
        if was_open {
            return known.into_iter().filter(|id| !self.known.contains_key(id)).collect();
        }
        let all = self.vpcs.iter().filter(|(_, vpc)| !vpc.exits.is_empty());
        all.map(|(id, _)| *id).collect()
    }

    /// Makes the uplink what it must be, after the links of exits were made. Returns what had drifted,
    /// in words.
    fn settle_uplink(&mut self, errors: &mut Vec<String>) -> Vec<String> {
        if self.uplink.is_none() {
            return Vec::new();
        }
        self.try_settle_uplink().unwrap_or_else(|error| {
            errors.push(format!("uplink: {}", error_chain(&error)));
            Vec::new()
        })
    }

    fn try_settle_uplink(&mut self) -> Result<Vec<String>, Error> {
        let outer = self.outer()?;
        let Some(mut handle) = self.opened.take() else {
            return Err(Error::NoHome);
        };
        let before = handle.settled.take();
        let mut repairs = Vec::new();
        let done = self.settle_opened(&mut handle, outer, &mut repairs);
        let done = done.map(|exits| {
            // What differs because exits are others now is no drift.
            let may_drift = before.map_or(!handle.made, |before| before == exits);
            handle.made = false;
            handle.settled = Some(exits);
            if may_drift { repairs } else { Vec::new() }
        });
        self.opened = Some(handle);
        done
    }

    /// Returns the exits that it was made for: those whose links are there.
    fn settle_opened(
        &mut self,
        handle: &mut UplinkHandle,
        outer: Outer,
        repairs: &mut Vec<String>,
    ) -> Result<BTreeMap<String, ExitIntent>, Error> {
        let Some(intent) = self.uplink.as_ref() else { return Ok(BTreeMap::new()) };
        let exits = self.vpcs.values().flat_map(|vpc| &vpc.exits);
        let exits = exits.map(|(exit, it)| (names::exit_link(*exit), it)).collect();
        let home = self.home.as_mut().ok_or(Error::NoHome)?;
        handle.netlink.forget_all();
        match outer.kind {
            OuterKind::Veth => {
                home.settle(&self.instance, handle, &mut self.firewalls, repairs)?;
            }
            OuterKind::Macvlan(parent) => {
                let there = handle.netlink.pair(names::OUTER_LINK)?;
                if there.is_none_or(|(_, of)| of != Some(parent)) {
                    handle.netlink.delete_link(names::OUTER_LINK)?;
                    let namespace = handle.namespace.as_fd();
                    home.netlink.add_macvlan(parent, names::OUTER_LINK, outer.mac, namespace)?;
                    handle.netlink.forget_all();
                    repairs.push(format!("link {} was missing", names::OUTER_LINK));
                }
            }
        }
        handle.namespace.enter()?;
        let settings = sysctl::router()?.into_iter().map(str::to_owned);
        let settings = settings.chain(sysctl::answers_for_others(names::OUTER_LINK)?);
        repairs.extend(settings.map(|setting| format!("setting {setting} was changed")));
        let found = Observed::read(&mut handle.netlink)?;
        let mut uplink = Uplink { intent, outer, exits };
        // An exit whose link is not there yet is one of a router that failed.
        uplink.exits.retain(|name, _| found.state.links.contains_key(name));
        let goal = uplink.state();
        let mut found = without_foreign_addresses(found, &mut handle.netlink, &goal, repairs)?;
        let stray: Vec<String> = {
            let links = found.state.links.keys().filter(|name| names::is_ours(name));
            links.filter(|name| !goal.links.contains_key(*name)).cloned().collect()
        };
        for name in stray {
            repairs.push(format!("link {name} was not ours"));
            handle.netlink.delete_link(&name)?;
            found.state.forget_link(&name);
        }
        found.state.links.retain(|name, _| goal.links.contains_key(name));
        repairs.extend(found.state.differences(&goal));
        let mut removals = found.state.removals(&goal, &mut handle.netlink)?;
        for stranger in std::mem::take(&mut found.strangers) {
            repairs.push("a route or rule was not ours".to_owned());
            removals.push(removal_of_stranger(stranger));
        }
        handle.netlink.batch(removals)?;
        let listing = Listing::parse(&handle.nft.run("list ruleset")?);
        self.firewalls.mend(&mut handle.nft, &uplink.ruleset(), &listing, repairs)?;
        let additions = found.state.additions(&goal, &mut handle.netlink)?;
        handle.netlink.batch(additions)?;
        Ok(uplink.exits.into_iter().map(|(name, it)| (name, it.clone())).collect())
    }
}
