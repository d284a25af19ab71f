//! Makes routers, with their interfaces and peerings, what they must be.

use std::collections::{BTreeMap, BTreeSet};

use model::{Cidr, EniId, PcxId, VpcId};
use os::error_chain;

use super::super::names;
use super::super::plan::{LinkEnd, Router};
use super::super::router::{Handle, Look, Site, Work};
use super::super::uplink::EXIT_MTU;
use super::super::watch::Role;
use super::{OPEN_ROUTERS, Scope, Worker};
use crate::driver::{Error, Outcome, Place, Repair, Report};

impl Worker {
    /// Makes routers and peerings what they must be; returns the routers that failed although
    /// they were known.
    pub(super) fn reconcile_once(
        &mut self,
        scope: Scope<'_>,
        report: &mut Report,
    ) -> BTreeSet<VpcId> {
        let Scope { targets, peerings, blocks, look } = scope;
        self.calls += 1;
        let was_known: BTreeSet<VpcId> =
            targets.iter().filter(|id| self.known.contains_key(id)).copied().collect();
        if matches!(look, Look::Everything) {
            // Processes start in interfaces that are made now: none of them is left for later.
            for id in &targets {
                for eni in self.vpcs.get(id).into_iter().flat_map(|vpc| vpc.interfaces.keys()) {
                    self.absent.interfaces.remove(eni);
                }
            }
        }
        let mut works = BTreeMap::new();
        let mut failed: BTreeMap<VpcId, String> = BTreeMap::new();
        for id in &targets {
            match self.begin(*id, &blocks) {
                Ok(work) => drop(works.insert(*id, work)),
                Err(error) => drop(failed.insert(*id, error_chain(&error))),
            }
        }
        self.put_off(&mut works, &peerings, look);
        for (id, work) in &mut works {
            if let Err(error) = self.remove_links(*id, work) {
                failed.insert(*id, error_chain(&error));
            }
        }
        let mut broken = self.make_links(&mut works, &targets);
        for (id, work) in &mut works {
            if failed.contains_key(id) {
                continue;
            }
            if let Err(error) = self.settle(*id, work, look) {
                failed.insert(*id, error_chain(&error));
            }
        }
        for pcx in &peerings {
            let outcome = match broken.remove(pcx) {
                Some(reason) => Outcome::Failed(reason),
                None => self.check_peering(*pcx, &works, &failed),
            };
            report.peerings.insert(*pcx, outcome);
        }
        for (id, work) in works {
            let (router, repairs) = work.finish();
            let place = Place::Vpc(id);
            report.repairs.extend(repairs.into_iter().map(|what| Repair { place, what }));
            if !failed.contains_key(&id) {
                self.known.insert(id, router);
                report.vpcs.insert(id, Outcome::Carried);
            }
        }
        report.repairs.append(&mut self.repairs);
        let retry = failed.keys().filter(|id| was_known.contains(id)).copied().collect();
        for (id, reason) in failed {
            self.known.remove(&id);
            report.vpcs.insert(id, Outcome::Failed(reason));
        }
        retry
    }

    /// Leaves to later steps what is missing and can be made by itself, and has interfaces looked
    /// at that nothing is known of.
    fn put_off(&mut self, works: &mut BTreeMap<VpcId, Work>, now: &BTreeSet<PcxId>, look: &Look) {
        let mut lost: BTreeSet<VpcId> = BTreeSet::new();
        for (id, work) in works.iter_mut().filter(|(_, work)| !work.is_known()) {
            let pending = if self.urgent { &mut self.drifted } else { &mut self.pending };
            let missing = |pcx: &&PcxId| !work.has_link(&names::peer_link(**pcx));
            let links = work.want().links.keys().filter(missing);
            for pcx in links.filter(|pcx| !now.contains(pcx)) {
                self.absent.peerings.insert(*pcx);
                pending.add_peering(*pcx);
                // The other end went with it, whatever is known of that.
                let other = work.want().links.get(pcx).map(|end| end.other);
                let has_it = |id: &VpcId| {
                    self.known.get(id).is_some_and(|router| router.links.contains_key(pcx))
                };
                lost.extend(other.filter(has_it));
            }
            let interfaces = || work.want().vpc.interfaces.keys();
            if matches!(look, Look::Router) {
                let missing = |eni: &&EniId| !work.has_link(&names::eni_link(**eni));
                self.absent.interfaces.extend(interfaces().filter(missing));
                pending.add_interfaces(*id, interfaces().copied());
            }
            work.narrow(self.router(*id));
        }
        for id in lost.iter().filter(|id| !works.contains_key(id)) {
            self.known.remove(id);
        }
    }

    fn remove_links(&mut self, id: VpcId, work: &mut Work) -> Result<(), Error> {
        let (mut handle, _) = self.take(id)?;
        let done = work.remove_links(&mut handle);
        self.put(id, handle);
        done
    }

    fn settle(&mut self, id: VpcId, work: &mut Work, look: &Look) -> Result<(), Error> {
        let (mut handle, _) = self.take(id)?;
        let watch = self.watch.as_mut();
        let firewalls = &mut self.firewalls;
        let mut site = Site { instance: &self.instance, vpc: id, firewalls, look, watch };
        let done = work
            .settle_interfaces(&mut handle, &mut site)
            .and_then(|()| work.settle_exits(&mut handle, self.opened.as_mut()));
        let (made, done) = match done {
            Ok(made) => (made, work.settle_router(&mut handle, id, &mut self.firewalls)),
            Err(error) => (false, Err(error)),
        };
        self.put(id, handle);
        if made {
            // The other ends are down yet.
            let pending = if self.urgent { &mut self.drifted } else { &mut self.pending };
            pending.add_uplink();
        }
        done
    }

    /// Opens a router, makes it if need be, and looks at it unless it is known.
    fn begin(&mut self, id: VpcId, blocks: &BTreeMap<VpcId, Vec<Cidr>>) -> Result<Work, Error> {
        let want = self.router(id);
        let (mut handle, made) = self.take(id)?;
        let work = self.begin_with(&mut handle, want, id, made, blocks);
        self.put(id, handle);
        work
    }

    fn begin_with(
        &self,
        handle: &mut Handle,
        want: Router,
        id: VpcId,
        made: bool,
        blocks: &BTreeMap<VpcId, Vec<Cidr>>,
    ) -> Result<Work, Error> {
        let mut work = Work::begin(handle, want, self.known.get(&id).cloned(), made)?;
        for peer in work.lost_peers() {
            let cidrs = self.vpcs.get(&peer).map(|vpc| &vpc.cidrs).or_else(|| blocks.get(&peer));
            for cidr in cidrs.into_iter().flatten() {
                work.forget_block(*cidr);
            }
        }
        let peers = work.want().links.values().filter_map(|end| self.vpcs.get(&end.other));
        let peers = peers.flat_map(|vpc| vpc.cidrs.iter().copied()).collect();
        work.forget_beyond(peers);
        Ok(work)
    }

    /// Takes a router's sockets out, or opens them; says whether the router was made.
    pub(super) fn take(&mut self, id: VpcId) -> Result<(Handle, bool), Error> {
        match self.handles.remove(&id) {
            Some(handle) => Ok((handle, false)),
            None => {
                self.restore_router(id)?;
                let opened = Handle::open(&names::router(&self.instance, id), &self.instance)?;
                if let Some(watch) = &mut self.watch {
                    watch.add(&opened.0.namespace, Role::Router(id));
                }
                Ok(opened)
            }
        }
    }

    /// Puts a router's sockets back, and closes those that were used least lately.
    pub(super) fn put(&mut self, id: VpcId, mut handle: Handle) {
        self.uses += 1;
        handle.used = self.uses;
        self.handles.insert(id, handle);
        if self.handles.len() > OPEN_ROUTERS {
            let oldest = self.handles.iter().min_by_key(|(_, handle)| handle.used);
            if let Some(id) = oldest.map(|(id, _)| *id) {
                self.handles.remove(&id);
            }
        }
    }

    /// What a router must be, without what is left to later steps.
    fn router(&self, id: VpcId) -> Router {
        let mut vpc = self.vpcs.get(&id).expect("only VPCs of the intent are reconciled").clone();
        vpc.interfaces.retain(|eni, _| !self.absent.interfaces.contains(eni));
        let mut links = BTreeMap::new();
        for pcx in vpc.peerings.keys().filter(|pcx| !self.absent.peerings.contains(pcx)) {
            let Some(link) = self.peerings.get(pcx) else { continue };
            let requester = link.requester == id;
            let other = if requester { link.accepter } else { link.requester };
            if self.vpcs.contains_key(&other) {
                links.insert(*pcx, LinkEnd { mtu: link.mtu, requester, other });
            }
        }
        if self.opened.is_none() {
            vpc.exits.clear();
        }
        let exit_mtu = self.opened.as_ref().map_or(EXIT_MTU, |uplink| uplink.mtu);
        let recorded = self.recorded.contains(&id);
        Router { vpc, links, exit_mtu, recorded }
    }
}
