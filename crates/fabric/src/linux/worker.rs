//! What the driver knows and does, on its own thread.

use std::collections::{BTreeMap, BTreeSet};

use model::intent::{NetworksDelta, NetworksIntent, PeeringIntent, UplinkIntent, VpcIntent};
use model::{Cidr, EniId, PcxId, VpcId};
use os::error_chain;
use os::netns::{self, NetworkNamespace};

use super::firewalls::Firewalls;
use super::home::Home;
use super::netlink::Netlink;
use super::pending::Pending;
use super::plan::Router;
use super::probe::Closer;
use super::router::{Handle, Look};
use super::uplink::UplinkHandle;
use super::watch::{Alarm, Watch};
use super::{names, namespace, state};
use crate::driver::{Error, Outcome, Repair, Report};

mod peering;
mod reconcile;
mod steps;
mod uplink;

/// Routers whose sockets are kept open; each has some four descriptors. libnftables aborts the
/// process when one of its descriptors is 1024 or above.
const OPEN_ROUTERS: usize = 128;

/// The driver's state, which lives on its thread.
pub(super) struct Worker {
    instance: String,
    /// Whether a sweep was begun: before the first one nothing is known of what a change does not name.
    begun: bool,
    vpcs: BTreeMap<VpcId, VpcIntent>,
    peerings: BTreeMap<PcxId, PeeringIntent>,
    uplink: Option<UplinkIntent>,
    /// The routers of whose flows somebody asked for records.
    recorded: BTreeSet<VpcId>,
    /// The namespace that the process was started in, which has the link to the outside.
    home: Option<Home>,
    /// The uplink's namespace, once it was opened or made.
    opened: Option<UplinkHandle>,
    /// The rest of the sweep.
    pending: Pending,
    /// What may have drifted, or was found missing in a change. It is looked at first.
    drifted: Pending,
    /// Whether what is found missing now is made before the rest of the sweep.
    urgent: bool,
    alarm: Option<Alarm>,
    watch: Option<Watch>,
    /// Drift that was repaired, besides what routers' own changes note.
    repairs: Vec<Repair>,
    /// What went wrong, for the next step's report.
    errors: Vec<String>,
    /// Links that were found missing and are made by a later step; until then their routers do without.
    absent: Absent,
    /// Routers that are as described here, unless something drifted.
    known: BTreeMap<VpcId, Router>,
    handles: BTreeMap<VpcId, Handle>,
    firewalls: Firewalls,
    /// Peerings over which frames went both ways, and whose links have not changed since.
    proven: BTreeSet<PcxId>,
    closer: Option<Closer>,
    /// Counts calls, so that no two probes are alike.
    calls: u64,
    /// Counts uses of sockets.
    uses: u64,
}

/// Links that are not there yet.
#[derive(Default)]
struct Absent {
    interfaces: BTreeSet<EniId>,
    peerings: BTreeSet<PcxId>,
}

/// Routers and peerings that are looked at or changed together.
struct Scope<'a> {
    /// The VPCs whose routers are meant.
    targets: BTreeSet<VpcId>,
    /// The peerings that are to be carried afterwards.
    peerings: BTreeSet<PcxId>,
    /// The blocks of peers that are gone.
    blocks: BTreeMap<VpcId, Vec<Cidr>>,
    /// Which of their interfaces are looked at.
    look: &'a Look,
}

impl<'a> Scope<'a> {
    fn of<const N: usize>(targets: [VpcId; N], look: &'a Look) -> Self {
        let (peerings, blocks) = (BTreeSet::new(), BTreeMap::new());
        Self { targets: targets.into(), peerings, blocks, look }
    }
}

impl Worker {
    /// Knows nothing yet.
    pub(super) fn new(instance: String, alarm: Option<Alarm>, recorded: BTreeSet<VpcId>) -> Self {
        Self {
            instance,
            begun: false,
            vpcs: BTreeMap::new(),
            peerings: BTreeMap::new(),
            uplink: None,
            recorded,
            home: None,
            opened: None,
            pending: Pending::default(),
            drifted: Pending::default(),
            urgent: false,
            alarm,
            watch: None,
            repairs: Vec::new(),
            errors: Vec::new(),
            absent: Absent::default(),
            known: BTreeMap::new(),
            handles: BTreeMap::new(),
            firewalls: Firewalls::default(),
            proven: BTreeSet::new(),
            closer: None,
            calls: 0,
            uses: 0,
        }
    }

    /// See [`crate::driver::Driver::begin_sweep`].
    pub(super) fn begin_sweep(&mut self, intent: NetworksIntent) {
        self.begun = true;
        self.start_watch();
        self.vpcs = intent.vpcs;
        self.peerings = intent.peerings;
        self.uplink = intent.uplink;
        self.open_uplink();
        self.known.retain(|id, _| self.vpcs.contains_key(id));
        self.handles.retain(|id, _| self.vpcs.contains_key(id));
        self.firewalls.retain(|id| self.vpcs.contains_key(id));
        self.pending.add_all(self.vpcs.keys().copied(), self.peerings.keys().copied());
    }

    /// See [`crate::driver::Driver::look_again`].
    pub(super) fn look_again(&mut self) -> bool {
        if self.begun {
            self.start_watch();
            self.open_uplink();
            self.pending.add_all(self.vpcs.keys().copied(), self.peerings.keys().copied());
        }
        self.begun
    }

    fn start_watch(&mut self) {
        if self.watch.is_some() {
            return;
        }
        match self.alarm.clone().map(Watch::start) {
            Some(Ok(watch)) => {
                self.watch = Some(watch);
                // Routers are watched over from when they are opened.
                self.handles.clear();
            }
            Some(Err(error)) => {
                self.errors.push(format!("drift is found by sweeps only: {}", error_chain(&error)));
            }
            None => {}
        }
    }

    /// See [`crate::driver::Driver::apply`].
    pub(super) fn apply(&mut self, delta: &NetworksDelta) -> Report {
        let mut report = Report::default();
        if !self.begun {
            report.errors.push("nothing is known of the networks until the next sweep".to_owned());
            return report;
        }
        self.urgent = true;
        self.look_before_change(delta, &mut report);
        self.take_uplink(&delta.uplink, &mut report);
        let (mut targets, blocks) = self.take_peerings(delta, &mut report);
        let orphans = self.take_vpcs(delta, &mut targets, &mut report);
        self.remove_orphans(&orphans, delta, &mut report);
        targets.retain(|id| self.vpcs.contains_key(id));
        let peerings = delta.peerings.iter().filter(|(_, new)| new.is_some());
        let peerings: BTreeSet<PcxId> = peerings.map(|(pcx, _)| *pcx).collect();
        let look = &Look::Everything;
        let scope = Scope { targets, peerings: peerings.clone(), blocks, look };
        let retry = self.reconcile_once(scope, &mut report);
        if !retry.is_empty() {
            // What was thought to be there was not: look, and try again.
            self.known.retain(|id, _| !retry.contains(id));
            self.handles.retain(|id, _| !retry.contains(id));
            let ends = peerings.iter().filter_map(|pcx| self.peerings.get(pcx));
            let ends = ends.flat_map(|link| [link.requester, link.accepter]);
            let targets = ends.filter(|id| self.vpcs.contains_key(id)).chain(retry).collect();
            self.reconcile_once(
                Scope { targets, peerings, blocks: BTreeMap::new(), look },
                &mut report,
            );
        }
        self.follow_uplink(delta, &mut report);
        report
    }

    /// See [`crate::driver::Driver::record`].
    pub(super) fn record(&mut self, routers: BTreeSet<VpcId>) -> Report {
        let mut report = Report::default();
        let changed = self.recorded.symmetric_difference(&routers).copied();
        // Those that nothing is known of are looked at soon.
        let targets: BTreeSet<VpcId> = changed.filter(|id| self.known.contains_key(id)).collect();
        self.recorded = routers;
        let (peerings, blocks, look) = (BTreeSet::new(), BTreeMap::new(), &Look::Everything);
        let failed = self.reconcile_once(Scope { targets, peerings, blocks, look }, &mut report);
        failed.into_iter().for_each(|id| self.pending.add_router(id));
        report
    }

    /// Takes in what becomes of peerings. Returns the VPCs at their ends, and the blocks of these:
    /// of those that are removed by the same change they are known here for the last time.
    fn take_peerings(
        &mut self,
        delta: &NetworksDelta,
        report: &mut Report,
    ) -> (BTreeSet<VpcId>, BTreeMap<VpcId, Vec<Cidr>>) {
        let mut ends = BTreeSet::new();
        let mut blocks = BTreeMap::new();
        for (pcx, new) in &delta.peerings {
            let old = match new {
                Some(new) => self.peerings.insert(*pcx, new.clone()),
                None => self.peerings.remove(pcx),
            };
            self.proven.remove(pcx);
            self.absent.peerings.remove(pcx);
            for link in [old.as_ref(), new.as_ref()].into_iter().flatten() {
                for end in [link.requester, link.accepter] {
                    ends.insert(end);
                    if let Some(vpc) = self.vpcs.get(&end) {
                        blocks.insert(end, vpc.cidrs.clone());
                    }
                }
            }
            report.peerings.insert(*pcx, Outcome::Gone);
        }
        (ends, blocks)
    }

    /// Takes in what becomes of VPCs: adds those that change to the targets, and returns the names
    /// of namespaces that no VPC has any more.
    fn take_vpcs(
        &mut self,
        delta: &NetworksDelta,
        targets: &mut BTreeSet<VpcId>,
        report: &mut Report,
    ) -> BTreeSet<String> {
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
                None => {
                    orphans.insert(names::router(&self.instance, *id));
                    self.known.remove(id);
                    self.handles.remove(id);
                    report.vpcs.insert(*id, Outcome::Gone);
                }
            }
        }
        orphans
    }

    /// Looks at what is about to change and was not looked at yet, as it must be before the change:
    /// what differs then is drift, and what differs afterwards is the change.
    fn look_before_change(&mut self, delta: &NetworksDelta, report: &mut Report) {
        let ends =
            delta.peerings.iter().flat_map(|(pcx, new)| [self.peerings.get(pcx), new.as_ref()]);
        let ends = ends.flatten().flat_map(|link| [link.requester, link.accepter]);
        let all = ends.chain(delta.vpcs.keys().copied());
        let unknown = |id: &VpcId| self.vpcs.contains_key(id) && !self.known.contains_key(id);
        let targets: BTreeSet<VpcId> = all.filter(unknown).collect();
        if !targets.is_empty() {
            let (peerings, blocks, look) = (BTreeSet::new(), BTreeMap::new(), &Look::Everything);
            self.reconcile_once(Scope { targets, peerings, blocks, look }, report);
        }
    }

    fn remove_orphans(
        &mut self,
        orphans: &BTreeSet<String>,
        delta: &NetworksDelta,
        report: &mut Report,
    ) {
        // An interface that another VPC of the same change has is not an orphan.
        let moved = delta.vpcs.values().flatten().flat_map(|vpc| vpc.interfaces.keys());
        let moved: BTreeSet<String> =
            moved.map(|eni| names::workload(&self.instance, *eni)).collect();
        for name in orphans.difference(&moved) {
            match self.remove_namespace(name) {
                Ok(()) => drop(report.removed.insert(name.clone())),
                Err(error) => report.errors.push(error_chain(&error)),
            }
        }
    }

    fn remove_namespace(&mut self, name: &str) -> Result<(), Error> {
        if let Some(watch) = &mut self.watch {
            watch.remove(name);
        }
        remove_namespace(name, &self.instance)
    }

    /// See [`crate::driver::Driver::purge`].
    pub(super) fn purge(&mut self) -> Result<usize, Error> {
        self.handles.clear();
        self.known.clear();
        self.proven.clear();
        self.pending = Pending::default();
        self.drifted = Pending::default();
        self.absent = Absent::default();
        self.vpcs.clear();
        self.peerings.clear();
        self.uplink = None;
        self.opened = None;
        let beside = self.home.as_mut().map_or(Ok(false), |home| home.clear(&self.instance));
        let owned = namespace::owned_by(&self.instance)?;
        if let Some(watch) = &mut self.watch {
            watch.clear();
        }
        let results = owned.iter().map(|name| remove_namespace(name, &self.instance));
        let mut errors: Vec<String> =
            results.filter_map(Result::err).map(|error| error_chain(&error)).collect();
        let beside = beside.unwrap_or_else(|error| {
            errors.push(error_chain(&error));
            false
        });
        let count = owned.len() + usize::from(beside);
        if errors.is_empty() { Ok(count) } else { Err(Error::Several(errors)) }
    }
}

/// Removes a namespace of an instance, its links first: a process in it would keep them.
fn remove_namespace(name: &str, instance: &str) -> Result<(), Error> {
    let Some(namespace) = NetworkNamespace::open(name)? else { return Ok(()) };
    namespace.enter()?;
    let mut netlink = Netlink::open()?;
    namespace::require_owner(&mut netlink, name, instance)?;
    let found = state::Observed::read(&mut netlink)?;
    let ours = |link: &&String| {
        names::is_ours(link) || names::is_workload_link(link) || *link == names::OUTER_LINK
    };
    for link in found.state.links.keys().filter(ours) {
        netlink.delete_link(link)?;
    }
    Ok(netns::remove(name)?)
}
