//! What the driver knows and does, on its own thread.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use model::intent::{Intent, IntentDelta, PeeringIntent, VpcIntent};
use model::{Cidr, PcxId, VpcId};

use super::netlink::{Netlink, VethEnd};
use super::nft::Nft;
use super::plan::{LinkEnd, Router};
use super::probe::{Closer, Prober};
use super::router::{Handle, Work, joined};
use super::{names, namespace, state};
use crate::driver::{Error, Outcome, Repair, Report};

/// Routers whose sockets are kept open; each has some four descriptors. libnftables aborts the
/// process when one of its descriptors is 1024 or above.
const OPEN_ROUTERS: usize = 128;
/// What lives on the thread.
pub struct Worker {
    instance: String,
    vpcs: BTreeMap<VpcId, VpcIntent>,
    peerings: BTreeMap<PcxId, PeeringIntent>,
    /// Routers that are as described, unless something drifted.
    known: BTreeMap<VpcId, Router>,
    handles: BTreeMap<VpcId, Handle>,
    /// The firewall of a namespace without links, to ask the kernel how it lists a ruleset.
    scratch: Option<Nft>,
    /// Peerings that frames went through both ways, and whose links have not changed since.
    proven: BTreeSet<PcxId>,
    closer: Option<Closer>,
    /// Counts calls, so that no two probes are alike.
    calls: u64,
    /// Counts uses of sockets.
    uses: u64,
}

impl Worker {
    /// Knows nothing yet.
    pub fn new(instance: String) -> Self {
        Self {
            instance,
            vpcs: BTreeMap::new(),
            peerings: BTreeMap::new(),
            known: BTreeMap::new(),
            handles: BTreeMap::new(),
            scratch: None,
            proven: BTreeSet::new(),
            closer: None,
            calls: 0,
            uses: 0,
        }
    }

    /// See [`crate::driver::Driver::sweep`].
    pub fn sweep(&mut self, intent: Intent) -> Report {
        let mut report = Report::default();
        // A namespace may have been replaced behind a socket that is open.
        self.handles.clear();
        self.known.clear();
        self.vpcs = intent.vpcs;
        self.peerings = intent.peerings;
        self.remove_unnamed(&mut report);
        let targets = self.vpcs.keys().copied().collect();
        let peerings = self.peerings.keys().copied().collect();
        self.reconcile(targets, &peerings, &mut report);
        report
    }

    fn remove_unnamed(&self, report: &mut Report) {
        let owned = match namespace::owned_by(&self.instance) {
            Ok(owned) => owned,
            Err(error) => return report.errors.push(error.chain()),
        };
        let instance = self.instance.as_str();
        let mut wanted: BTreeSet<String> =
            self.vpcs.keys().map(|id| names::router(instance, *id)).collect();
        let interfaces = self.vpcs.values().flat_map(|vpc| vpc.interfaces.keys());
        wanted.extend(interfaces.map(|eni| names::workload(instance, *eni)));
        for name in owned.into_iter().filter(|name| !wanted.contains(name)) {
            match remove_namespace(&name, &self.instance) {
                Ok(()) => drop(report.removed.insert(name)),
                Err(error) => report.errors.push(error.chain()),
            }
        }
    }

    /// See [`crate::driver::Driver::apply`].
    pub fn apply(&mut self, delta: &IntentDelta) -> Report {
        let mut report = Report::default();
        let mut targets = BTreeSet::new();
        // Of peers that are gone, the blocks are still known here.
        let mut blocks: BTreeMap<VpcId, Vec<Cidr>> = BTreeMap::new();
        for (pcx, new) in &delta.peerings {
            let old = match new {
                Some(new) => self.peerings.insert(*pcx, new.clone()),
                None => self.peerings.remove(pcx),
            };
            self.proven.remove(pcx);
            for link in [old.as_ref(), new.as_ref()].into_iter().flatten() {
                for end in [link.requester, link.accepter] {
                    targets.insert(end);
                    if let Some(vpc) = self.vpcs.get(&end) {
                        blocks.insert(end, vpc.cidrs.clone());
                    }
                }
            }
            report.peerings.insert(*pcx, Outcome::Gone);
        }
        let mut orphans = BTreeSet::new();
        for (id, new) in &delta.vpcs {
            let old = match new {
                Some(new) => self.vpcs.insert(*id, new.clone()),
                None => self.vpcs.remove(id),
            };
            let keeps = |eni| new.as_ref().is_some_and(|vpc| vpc.interfaces.contains_key(eni));
            let old = old.iter().flat_map(|vpc| vpc.interfaces.keys());
            orphans.extend(
                old.filter(|eni| !keeps(eni)).map(|eni| names::workload(&self.instance, *eni)),
            );
            match new {
                Some(_) => drop(targets.insert(*id)),
                None => drop(orphans.insert(names::router(&self.instance, *id))),
            }
            if new.is_none() {
                self.known.remove(id);
                self.handles.remove(id);
                report.vpcs.insert(*id, Outcome::Gone);
            }
        }
        self.remove_orphans(&orphans, delta, &mut report);
        targets.retain(|id| self.vpcs.contains_key(id));
        let peerings = delta.peerings.iter().filter(|(_, new)| new.is_some());
        let peerings = peerings.map(|(pcx, _)| *pcx).collect();
        let retry = self.reconcile_once(&targets, &peerings, &blocks, &mut report);
        if !retry.is_empty() {
            // What was thought to be there was not: look, and try again.
            self.known.retain(|id, _| !retry.contains(id));
            self.handles.retain(|id, _| !retry.contains(id));
            self.reconcile(retry, &peerings, &mut report);
        }
        report
    }

    fn remove_orphans(&self, orphans: &BTreeSet<String>, delta: &IntentDelta, report: &mut Report) {
        // An interface that another VPC of the same change has is not an orphan.
        let moved = delta.vpcs.values().flatten().flat_map(|vpc| vpc.interfaces.keys());
        let moved: BTreeSet<String> =
            moved.map(|eni| names::workload(&self.instance, *eni)).collect();
        for name in orphans.difference(&moved) {
            match remove_namespace(name, &self.instance) {
                Ok(()) => drop(report.removed.insert(name.clone())),
                Err(error) => report.errors.push(error.chain()),
            }
        }
    }

    fn reconcile(
        &mut self,
        targets: BTreeSet<VpcId>,
        peerings: &BTreeSet<PcxId>,
        report: &mut Report,
    ) {
        self.reconcile_once(&targets, peerings, &BTreeMap::new(), report);
    }

    /// Makes routers and peerings what they must be; returns the routers that failed although
    /// they were known.
    fn reconcile_once(
        &mut self,
        targets: &BTreeSet<VpcId>,
        peerings: &BTreeSet<PcxId>,
        blocks: &BTreeMap<VpcId, Vec<Cidr>>,
        report: &mut Report,
    ) -> BTreeSet<VpcId> {
        self.calls += 1;
        let targets = self.with_neighbours(targets);
        let was_known: BTreeSet<VpcId> =
            targets.iter().filter(|id| self.known.contains_key(id)).copied().collect();
        let mut works = BTreeMap::new();
        let mut failed: BTreeMap<VpcId, String> = BTreeMap::new();
        for id in &targets {
            match self.begin(*id, blocks) {
                Ok(work) => drop(works.insert(*id, work)),
                Err(error) => drop(failed.insert(*id, error.chain())),
            }
        }
        let mut broken = self.make_links(&mut works, &targets);
        for (id, work) in &mut works {
            if let Err(error) = self.settle(*id, work) {
                failed.insert(*id, error.chain());
            }
        }
        for pcx in peerings {
            let outcome = match broken.remove(pcx) {
                Some(reason) => Outcome::Failed(reason),
                None => self.check_peering(*pcx, &works, &failed),
            };
            report.peerings.insert(*pcx, outcome);
        }
        for (id, work) in works {
            let (router, repairs) = work.finish();
            report.repairs.extend(repairs.into_iter().map(|what| Repair { vpc: id, what }));
            if !failed.contains_key(&id) {
                self.known.insert(id, router);
                report.vpcs.insert(id, Outcome::Carried);
            }
        }
        let retry = failed.keys().filter(|id| was_known.contains(id)).copied().collect();
        for (id, reason) in failed {
            self.known.remove(&id);
            report.vpcs.insert(id, Outcome::Failed(reason));
        }
        retry
    }

    fn settle(&mut self, id: VpcId, work: &mut Work) -> Result<(), Error> {
        let (mut handle, _) = self.take(id)?;
        let done = work
            .settle_interfaces(&mut handle, &self.instance)
            .and_then(|()| work.settle_router(&mut handle, &mut self.scratch));
        self.put(id, handle);
        done
    }

    /// A router of which nothing is known may lack a link whose other end is thought to be there.
    fn with_neighbours(&mut self, targets: &BTreeSet<VpcId>) -> BTreeSet<VpcId> {
        let mut all = targets.clone();
        for id in targets.iter().filter(|id| !self.known.contains_key(id)) {
            let peerings = self.vpcs.get(id).into_iter().flat_map(|vpc| vpc.peerings.keys());
            for link in peerings.filter_map(|pcx| self.peerings.get(pcx)) {
                let ends = [link.requester, link.accepter];
                all.extend(ends.into_iter().filter(|end| self.vpcs.contains_key(end)));
            }
        }
        let doubtful: Vec<VpcId> = all.difference(targets).copied().collect();
        for id in doubtful {
            self.known.remove(&id);
        }
        all
    }

    /// Opens a router, makes it if need be, and removes the links that must go.
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
        work.remove_links(handle)?;
        Ok(work)
    }

    /// Takes a router's sockets out, or opens them; says whether the router was made.
    fn take(&mut self, id: VpcId) -> Result<(Handle, bool), Error> {
        match self.handles.remove(&id) {
            Some(handle) => Ok((handle, false)),
            None => Handle::open(&names::router(&self.instance, id), &self.instance),
        }
    }

    /// Puts a router's sockets back, and closes those that were used least lately.
    fn put(&mut self, id: VpcId, mut handle: Handle) {
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

    fn router(&self, id: VpcId) -> Router {
        let vpc = self.vpcs.get(&id).expect("only VPCs of the intent are reconciled").clone();
        let mut links = BTreeMap::new();
        for pcx in vpc.peerings.keys() {
            let Some(link) = self.peerings.get(pcx) else { continue };
            let requester = link.requester == id;
            let other = if requester { link.accepter } else { link.requester };
            if self.vpcs.contains_key(&other) {
                links.insert(*pcx, LinkEnd { mtu: link.mtu, requester, other });
            }
        }
        Router { vpc, links }
    }

    /// Makes the links of peerings that are missing; returns those that could not be made.
    fn make_links(
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
                broken.insert(pcx, error.chain());
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
        let (Some(near_goal), Some(far_goal)) = (a.goal_link(&name), b.goal_link(&name)) else {
            return Err(Error::Probe("a VPC at an end does not know of it".into()));
        };
        if a.has_link(&name) && b.has_link(&name) && joined(a.pair(&name), b.pair(&name)) {
            return Ok(());
        }
        let (mut near_handle, _) = self.take(near)?;
        let (mut far_handle, _) = self.take(far)?;
        let here = VethEnd { name: &name, mac: near_goal.mac, mtu: link.mtu };
        let there = VethEnd { name: &name, mac: far_goal.mac, mtu: link.mtu };
        let made = near_handle
            .netlink
            .delete_link(&name)
            .and_then(|()| far_handle.netlink.delete_link(&name))
            .and_then(|()| {
                let target = far_handle.namespace.file().as_fd();
                near_handle.netlink.add_veth(&here, &there, target)
            });
        self.put(near, near_handle);
        self.put(far, far_handle);
        made?;
        works.get_mut(&near).ok_or_else(missing)?.link_made(&name, true);
        works.get_mut(&far).ok_or_else(missing)?.link_made(&name, false);
        Ok(())
    }

    /// Says that a peering is carried only after frames went both ways and the kernel showed its
    /// routes and its admission.
    fn check_peering(
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
            Err(error) => Outcome::Failed(error.chain()),
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

    /// See [`crate::driver::Driver::purge`].
    pub fn purge(&mut self) -> Result<usize, Error> {
        self.handles.clear();
        self.known.clear();
        self.proven.clear();
        self.vpcs.clear();
        self.peerings.clear();
        let owned = namespace::owned_by(&self.instance)?;
        let results = owned.iter().map(|name| remove_namespace(name, &self.instance));
        let errors: Vec<String> =
            results.filter_map(Result::err).map(|error| error.chain()).collect();
        if errors.is_empty() { Ok(owned.len()) } else { Err(Error::Several(errors)) }
    }
}

/// Opens one end of a link for a probe.
fn open_prober(handle: &mut Handle, link: &str) -> Result<Prober, Error> {
    let index = handle.netlink.index(link)?;
    handle.namespace.enter()?;
    Prober::open(index)
}

/// Removes a namespace of an instance, its links first: a process in it would keep them.
fn remove_namespace(name: &str, instance: &str) -> Result<(), Error> {
    let Some(namespace) = namespace::Namespace::open(name)? else {
        return Ok(());
    };
    namespace.enter()?;
    let mut netlink = Netlink::open()?;
    match netlink.owner()? {
        Some(owner) if owner == instance => {}
        owner => {
            let owner = owner.unwrap_or_else(|| "something else".to_owned());
            return Err(Error::Foreign { name: name.to_owned(), owner });
        }
    }
    let found = state::Observed::read(&mut netlink)?;
    let ours = |link: &&String| names::is_ours(link) || *link == names::WORKLOAD_LINK;
    for link in found.state.links.keys().filter(ours) {
        netlink.delete_link(link)?;
    }
    namespace::remove(name)
}
