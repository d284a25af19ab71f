//! The links of peerings: made between two routers, and proved to carry frames both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use model::intent::PeeringIntent;
use model::{PcxId, VpcId};
use os::error_chain;

use super::super::names;
use super::super::netlink::VethEnd;
use super::super::probe::{Closer, Prober};
use super::super::router::{Handle, Work, joined};
use super::Worker;
use crate::driver::{Error, Outcome};

impl Worker {
    /// Makes the links of peerings that are missing; returns those that could not be made.
    pub(super) fn make_links(
        &mut self,
        works: &mut BTreeMap<VpcId, Work>,
        targets: &BTreeSet<VpcId>,
    ) -> BTreeMap<PcxId, String> {
        let mut broken = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let ends = works.values().flat_map(|work| work.want().links.keys());
        let all: Vec<PcxId> = ends.filter(|pcx| seen.insert(**pcx)).copied().collect();
        for pcx in all {
            let Some(link) = self.peerings.get(&pcx).cloned() else { continue };
            if !targets.contains(&link.requester) || !targets.contains(&link.accepter) {
                continue;
            }
            if let Err(error) = self.make_link(pcx, &link, works) {
                broken.insert(pcx, error_chain(&error));
            }
        }
        broken
    }

    fn make_link(
        &mut self,
        pcx: PcxId,
        link: &PeeringIntent,
        works: &mut BTreeMap<VpcId, Work>,
    ) -> Result<(), Error> {
        let name = names::peer_link(pcx);
        let missing = || Error::Probe("the router at an end is not there".into());
        let (near, far) = (link.requester, link.accepter);
        let (a, b) = (works.get(&near).ok_or_else(missing)?, works.get(&far).ok_or_else(missing)?);
        let believed = a.has_link(&name) && b.has_link(&name);
        let (Some(near_goal), Some(far_goal)) = (a.goal_link(&name), b.goal_link(&name)) else {
            return Err(Error::Probe("a VPC at an end does not know of it".into()));
        };
        let (mut near_handle, _) = self.take(near)?;
        let (mut far_handle, _) = self.take(far)?;
        let ends =
            near_handle.netlink.pair(&name).and_then(|a| Ok((a, far_handle.netlink.pair(&name)?)));
        let whole = believed && ends.as_ref().is_ok_and(|(a, b)| joined(*a, *b));
        if whole || ends.is_err() {
            self.put(near, near_handle);
            self.put(far, far_handle);
            return ends.map(drop);
        }
        let here = VethEnd { name: &name, mac: near_goal.mac, mtu: link.mtu };
        let there = VethEnd { name: &name, mac: far_goal.mac, mtu: link.mtu };
        let made = near_handle
            .netlink
            .delete_link(&name)
            .and_then(|()| far_handle.netlink.delete_link(&name))
            .and_then(|()| {
                let target = far_handle.namespace.as_fd();
                near_handle.netlink.add_veth(&here, &there, target)
            });
        self.put(near, near_handle);
        self.put(far, far_handle);
        made?;
        let near_work = works.get_mut(&near).ok_or_else(missing)?;
        near_work.link_made(&name, true);
        if believed {
            near_work.repairs.push(format!("link {name} led nowhere"));
        }
        works.get_mut(&far).ok_or_else(missing)?.link_made(&name, false);
        Ok(())
    }

    /// Says that a peering is carried only after frames went both ways and the kernel showed its
    /// routes and its admission.
    pub(super) fn check_peering(
        &mut self,
        pcx: PcxId,
        works: &BTreeMap<VpcId, Work>,
        failed: &BTreeMap<VpcId, String>,
    ) -> Outcome {
        let Some(link) = self.peerings.get(&pcx).cloned() else { return Outcome::Gone };
        for end in [link.requester, link.accepter] {
            if let Some(reason) = failed.get(&end) {
                return Outcome::Failed(format!("{end}: {reason}"));
            }
        }
        match self.probe_peering(pcx, &link, works) {
            Ok(()) => Outcome::Carried,
            Err(error) => Outcome::Failed(error_chain(&error)),
        }
    }

    fn probe_peering(
        &mut self,
        pcx: PcxId,
        link: &PeeringIntent,
        works: &BTreeMap<VpcId, Work>,
    ) -> Result<(), Error> {
        let name = names::peer_link(pcx);
        let mut ends = Vec::new();
        for id in [link.requester, link.accepter] {
            let missing = || Error::Probe(format!("{id} is not there"));
            let work = works.get(&id).ok_or_else(missing)?;
            let (mut handle, _) = self.take(id)?;
            let seen = work.observe_peering(&mut handle, pcx);
            self.put(id, handle);
            seen?;
            if work.is_fresh(&name) {
                self.proven.remove(&pcx);
            }
            ends.push((id, work.want().links.get(&pcx).ok_or_else(missing)?.macs().1));
        }
        if self.proven.contains(&pcx) {
            return Ok(());
        }
        let mut probers = Vec::new();
        for (id, peer) in ends {
            let (mut handle, _) = self.take(id)?;
            let opened = open_prober(&mut handle, &name);
            self.put(id, handle);
            probers.push((opened?, peer));
        }
        let [(near, near_peer), (far, far_peer)] = probers.as_slice() else {
            return Err(Error::Probe("a link has two ends".into()));
        };
        let payload = format!("causeway {pcx} {}", self.calls);
        near.reach(far, *near_peer, payload.as_bytes())?;
        far.reach(near, *far_peer, payload.as_bytes())?;
        self.proven.insert(pcx);
        let closer = match self.closer.take() {
            Some(closer) => closer,
            None => Closer::start()?,
        };
        probers.into_iter().for_each(|(prober, _)| closer.close(prober));
        self.closer = Some(closer);
        Ok(())
    }
}

/// Opens one end of a link for a probe.
fn open_prober(handle: &mut Handle, link: &str) -> Result<Prober, Error> {
    let index = handle.netlink.index(link)?;
    handle.namespace.enter()?;
    Prober::open(index)
}
