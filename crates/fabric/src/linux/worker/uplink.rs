//! Makes the uplink what it must be.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use model::OutboundWay;
use model::intent::{ExitIntent, NetworksDelta, UplinkDelta};
use os::error_chain;

use super::super::home::Home;
use super::super::netlink::Netlink;
use super::super::nft::Nft;
use super::super::plan::GATEWAY;
use super::super::ruleset::{Listing, TABLE};
use super::super::state::Observed;
use super::super::uplink::{EXIT_MTU, Outer, OuterKind, Uplink, UplinkHandle, outer_mac, transit};
use super::super::{names, namespace, sysctl};
use super::Worker;
use crate::driver::{Error, Report};

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
            self.settle_uplink(report);
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
        if self.opened.take().is_some() {
            self.known.retain(|_, router| router.vpc.exits.is_empty());
        }
    }

    fn try_open_uplink(&mut self) -> Result<(), Error> {
        let outer = self.outer()?;
        if let (OuterKind::Macvlan(_), Some(home)) = (&outer.kind, &mut self.home) {
            home.clear(&self.instance)?;
        }
        if let Some(opened) = &mut self.opened
            && opened.namespace.is_current()
        {
            if std::mem::replace(&mut opened.mtu, outer.mtu) != outer.mtu {
                self.known.retain(|_, router| router.vpc.exits.is_empty());
            }
            return Ok(());
        }
        let name = names::uplink(&self.instance);
        let (namespace, _) = namespace::adopt_or_create(&name, &self.instance)?;
        namespace.enter()?;
        let (netlink, nft) = (Netlink::open()?, Nft::open()?);
        let (mtu, settled) = (outer.mtu, None);
        self.opened = Some(UplinkHandle { namespace, netlink, nft, mtu, settled });
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

    /// Makes the uplink what it must be, after the links of exits were made.
    pub(super) fn settle_uplink(&mut self, report: &mut Report) {
        if self.uplink.is_none() {
            return;
        }
        if let Err(error) = self.try_settle_uplink() {
            report.errors.push(format!("uplink: {}", error_chain(&error)));
        }
    }

    fn try_settle_uplink(&mut self) -> Result<(), Error> {
        let outer = self.outer()?;
        let Some(mut handle) = self.opened.take() else {
            return Err(Error::NoHome);
        };
        handle.settled = None;
        let done = self.settle_opened(&mut handle, outer);
        if done.is_ok() {
            let exits = self.exits().into_iter();
            handle.settled = Some(exits.map(|(name, it)| (name, it.clone())).collect());
        }
        self.opened = Some(handle);
        done
    }

    fn settle_opened(&mut self, handle: &mut UplinkHandle, outer: Outer) -> Result<(), Error> {
        let Some(intent) = self.uplink.as_ref() else { return Ok(()) };
        let exits = self.vpcs.values().flat_map(|vpc| &vpc.exits);
        let exits = exits.map(|(exit, it)| (names::exit_link(*exit), it)).collect();
        let home = self.home.as_mut().ok_or(Error::NoHome)?;
        handle.netlink.forget_all();
        match outer.kind {
            OuterKind::Veth => home.settle(&self.instance, handle, &mut self.firewalls)?,
            OuterKind::Macvlan(parent) => {
                let there = handle.netlink.pair(names::OUTER_LINK)?;
                if there.is_none_or(|(_, of)| of != Some(parent)) {
                    handle.netlink.delete_link(names::OUTER_LINK)?;
                    let namespace = handle.namespace.as_fd();
                    home.netlink.add_macvlan(parent, names::OUTER_LINK, outer.mac, namespace)?;
                    handle.netlink.forget_all();
                }
            }
        }
        handle.namespace.enter()?;
        sysctl::router()?;
        sysctl::answers_for_others(names::OUTER_LINK)?;
        let mut found = Observed::read(&mut handle.netlink)?;
        let mut uplink = Uplink { intent, outer, exits };
        // An exit whose link is not there yet is one of a router that failed.
        uplink.exits.retain(|name, _| found.state.links.contains_key(name));
        let goal = uplink.state();
        let foreign = found.take_foreign_addresses(&goal, &mut handle.netlink)?;
        if !foreign.is_empty() {
            handle.netlink.batch(foreign.into_iter().map(|(_, request)| request).collect())?;
            found = Observed::read(&mut handle.netlink)?;
        }
        let stray: Vec<String> = {
            let links = found.state.links.keys().filter(|name| names::is_ours(name));
            links.filter(|name| !goal.links.contains_key(*name)).cloned().collect()
        };
        for name in stray {
            handle.netlink.delete_link(&name)?;
            found.state.forget_link(&name);
        }
        found.state.links.retain(|name, _| goal.links.contains_key(name));
        let mut removals = found.state.removals(&goal, &mut handle.netlink)?;
        let strangers = std::mem::take(&mut found.strangers).into_iter();
        removals.extend(strangers.map(super::super::state::removal_of_stranger));
        handle.netlink.batch(removals)?;
        let rules = uplink.ruleset();
        let listing = Listing::parse(&handle.nft.run("list ruleset")?);
        if !listing.present {
            handle.nft.run(&rules.create())?;
        } else {
            let (broken, surplus) = listing.difference(&self.firewalls.render(&rules)?);
            if !(broken.is_empty() && surplus.is_empty())
                && handle.nft.run(&rules.repair(&broken, &surplus)).is_err()
            {
                handle.nft.run(&format!("delete table {TABLE}\n{}", rules.create()))?;
            }
        }
        for table in &listing.strangers {
            handle.nft.run(&format!("delete table {table}"))?;
        }
        let additions = found.state.additions(&goal, &mut handle.netlink)?;
        handle.netlink.batch(additions)
    }
}
