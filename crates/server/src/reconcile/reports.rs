//! What the control loops report: it is told to the ledger as far as that is news there, and to whoever
//! wants to know how things fare.
//!
//! Each loop's reports are taken on the loop's own thread. So its next report is about a world that
//! knows of the one before, and nothing is reported to have ended before it was reported to have begun.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use agent::Tell;
use model::edge::EdgeEvent;
use model::protocol::{
    Edge, NetworkEvent, Networks, Outcome, Report, Subject, Swept, WorkloadChange, WorkloadStatus,
    Workloads,
};
use model::{
    DynoId, DynoState, Exit, HostId, Observation, PeeringState, SystemCommand, VpcId, WorkloadId,
    WorkloadReport, World,
};

use super::health::{Health, Noted};
use super::progress_file::CarriedRevision;
use crate::clock::Clock;
use crate::cluster::Duties;
use crate::ledger::{Ledger, Request};
use crate::metrics::{LoopFigures, Metrics};

/// How often it is tried to start a workload before that is taken for its end.
const MOST_STARTS: u32 = 5;

/// Who reported something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reporter {
    Networks,
    Workloads,
    Edge,
}

/// What the planner needs to know of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// Everything was compared.
    Swept(Swept),
    /// Questions were answered.
    Settled(Vec<u64>),
    /// The loop does not know its intent any more and needs a `Sync`.
    Forgot,
}

/// Called with the news of a report. Never blocks.
pub(crate) type Hear = Box<dyn Fn(News) + Send>;

fn pass_on<S: Subject>(report: &Report<S>, hear: &Hear) {
    if let Some(swept) = report.swept {
        hear(News::Swept(swept));
    }
    if !report.settled.is_empty() {
        hear(News::Settled(report.settled.clone()));
    }
    if report.forgot {
        hear(News::Forgot);
    }
}

/// Counts what a loop reports, before anybody else is told.
pub(crate) fn counted<S: Subject>(
    metrics: &Arc<Metrics>,
    of: fn(&Metrics) -> &LoopFigures,
    mut tell: Tell<S>,
) -> Tell<S> {
    let metrics = Arc::clone(metrics);
    Box::new(move |report| {
        of(&metrics).heard(&report);
        tell(report);
    })
}

/// Who is told what is seen of networks and workloads, if it is this server's to say.
#[derive(Clone)]
pub(crate) struct Observer {
    /// The ledger that keeps it.
    pub ledger: Ledger,
    /// What is this server's to do, of several that share the installation.
    pub duties: Duties,
}

impl Observer {
    /// One without other servers.
    #[cfg(test)]
    pub(crate) fn alone(ledger: Ledger) -> Self {
        Self { ledger, duties: Duties::alone() }
    }
}

fn submit(observer: &Observer, seen: Observation) {
    let Observer { ledger, duties } = observer;
    let Some(mandate) = duties.drives(&ledger.world()) else { return };
    let request = Request::system(SystemCommand::Observe(seen));
    let request = Request { only_if: duties.drives_still(), ..request };
    if let Err(error) = ledger.submit_under(mandate, request) {
        tracing::warn!(%error, "an observation was not kept; the next sweep makes it again");
    }
}

/// Takes the reports of networks.
pub(crate) struct NetworksReports {
    /// Who is told what is carried.
    pub observer: Observer,
    /// The time.
    pub clock: Arc<Clock>,
    /// Where it says how networks fare.
    pub health: Arc<Health>,
    /// How far the networks were brought before this start.
    pub carried: CarriedRevision,
    /// Where drift is counted.
    pub metrics: Arc<Metrics>,
}

struct NetworksReporter {
    parts: NetworksReports,
    hear: Hear,
    /// Whether the networks may lack what was acknowledged and not done before the start, so that
    /// what differs is not drift; `None` until something is reported.
    behind: Option<bool>,
    /// Whether the last comparison found everything, and nothing has failed since.
    whole: bool,
    /// The revision that was last noted to be followed.
    noted: Option<u64>,
    /// The revision that was last reported.
    revision: u64,
    /// Routers that were last seen in place.
    carried: BTreeSet<VpcId>,
}

/// What takes the reports of networks.
pub(crate) fn of_networks(parts: NetworksReports, hear: Hear) -> Tell<Networks> {
    let (behind, whole, noted) = (None, false, None);
    let (revision, carried) = (0, BTreeSet::new());
    let mut reporter = NetworksReporter { parts, hear, behind, whole, noted, revision, carried };
    Box::new(move |report| reporter.take(report))
}

impl NetworksReporter {
    fn take(&mut self, report: Report<Networks>) {
        let carried = &self.parts.carried;
        let behind = *self.behind.get_or_insert_with(|| !carried.is_at(report.revision));
        self.parts.metrics.reconcile.in_force.followed(report.revision);
        if let Some(traces) = self.parts.metrics.traces.get() {
            traces.followed(report.revision);
        }
        self.record(&report, behind);
        self.observe(&report);
        if let Some(Swept { failed, .. }) = report.swept {
            self.behind = Some(false);
            self.whole = !failed;
        }
        if self.whole && self.noted != Some(report.revision) {
            self.parts.carried.note(report.revision);
            self.noted = Some(report.revision);
        }
        pass_on(&report, &self.hear);
    }

    /// Says what was found of some of the networks.
    fn record(&mut self, report: &Report<Networks>, behind: bool) {
        let mut repairs = Vec::new();
        for NetworkEvent::Repaired { place, what } in &report.events {
            if behind {
                tracing::info!(%place, "brought up to date: {what}");
            } else {
                tracing::warn!(%place, "drift repaired: {what}");
                self.parts.metrics.reconcile.drift.inc();
                repairs.push(format!("{place}: {what}"));
            }
        }
        let now = self.parts.clock.now();
        let events: Vec<_> = repairs
            .iter()
            .map(|repair| {
                let (place, what) = repair.split_once(": ").unwrap_or(("", repair));
                model::drift_repaired(place, what, now)
            })
            .collect();
        self.parts.observer.ledger.happened(&events);
        let outcomes = &report.outcomes;
        let routers = outcomes.vpcs.iter().map(|(id, outcome)| (id.to_string(), outcome));
        let links = outcomes.peerings.iter().map(|(id, outcome)| (id.to_string(), outcome));
        for (what, outcome) in routers.chain(links) {
            if let Outcome::Failed(why) = outcome {
                self.whole = false;
                tracing::error!(what, "the fabric is not as it must be: {why}");
            }
        }
        for why in &outcomes.errors {
            self.whole = false;
            tracing::error!("the fabric is not as it must be: {why}");
        }
        let changed = std::mem::replace(&mut self.revision, report.revision) != report.revision;
        let nothing = report.events.is_empty() && *outcomes == Default::default();
        if nothing && report.failing.is_none() && report.swept.is_none() {
            return;
        }
        self.parts.health.note(Noted {
            now: self.parts.clock.now(),
            ran: changed || report.swept.is_some(),
            swept: report.swept.is_some(),
            repairs,
            problems: report.failing.clone(),
        });
    }

    /// Tells the ledger what is news to it.
    fn observe(&mut self, report: &Report<Networks>) {
        let outcomes = &report.outcomes;
        for (id, outcome) in &outcomes.vpcs {
            match outcome {
                Outcome::Carried => self.carried.insert(*id),
                Outcome::Gone | Outcome::Failed(_) => self.carried.remove(id),
            };
        }
        let world = self.parts.observer.ledger.world();
        let is = |state: PeeringState| {
            let world = &world;
            move |id: &model::PcxId| world.peering(*id).is_some_and(|it| it.state == state)
        };
        let of = |wanted: Outcome| {
            let found = outcomes.peerings.iter().filter(move |(_, outcome)| **outcome == wanted);
            found.map(|(id, _)| *id)
        };
        let carried: BTreeSet<_> =
            of(Outcome::Carried).filter(is(PeeringState::Provisioning)).collect();
        let gone: BTreeSet<_> = of(Outcome::Gone).filter(is(PeeringState::Deleting)).collect();
        let awaited = |id: &VpcId| world.awaits_router(*id);
        let seen = outcomes.vpcs.keys().filter(|id| self.carried.contains(id));
        let vpcs = if !carried.is_empty() || seen.copied().any(|id| awaited(&id)) {
            // A step sees one router or two; a space waits for all that it has.
            self.carried.iter().filter(|id| awaited(id)).copied().collect()
        } else {
            BTreeSet::new()
        };
        if !(vpcs.is_empty() && carried.is_empty() && gone.is_empty()) {
            submit(&self.parts.observer, Observation { vpcs, carried, gone, ..Default::default() });
        }
    }
}

/// What takes the reports of networks of a host, of which it has only the ends: whether networks are carried
/// is said for all hosts together.
pub(crate) fn of_networks_of(
    host: HostId,
    ledger: Ledger,
    health: Arc<Health>,
    hear: Hear,
) -> Tell<Networks> {
    Box::new(move |report| {
        if !report.forgot && ledger.glance().host(host).is_some() {
            health.note_host(host, |known| known.revision = Some(report.revision));
        }
        note_failing(host, &ledger, &health, &report);
        for NetworkEvent::Repaired { place, what } in &report.events {
            tracing::warn!(%host, %place, "drift repaired: {what}");
        }
        pass_on(&report, &hear);
    })
}

/// Takes note of what a host cannot do.
fn note_failing<S: Subject>(host: HostId, ledger: &Ledger, health: &Health, report: &Report<S>) {
    if let Some(failing) = &report.failing
        && ledger.glance().host(host).is_some()
    {
        for (what, why) in failing {
            tracing::warn!(%host, what, "a host cannot do something: {why}");
        }
        health.note_host(host, |known| {
            known.failing.insert(S::NAME, failing.clone());
        });
    }
}

/// What takes the reports of processes, of a host or of this machine.
pub(crate) fn of_workloads(
    host: Option<HostId>,
    observer: Observer,
    health: Arc<Health>,
    hear: Hear,
) -> Tell<Workloads> {
    let mut failed = FailedStarts::default();
    Box::new(move |report| {
        match (host, &report.failing) {
            (Some(host), _) => note_failing(host, &observer.ledger, &health, &report),
            (None, Some(failing)) => health.set_failing(failing.clone()),
            (None, None) => {}
        }
        pass_on(&report, &hear);
        // What a host says of that which is another's by now says nothing of how it fares there.
        let is_there = |id| host.is_none() || observer.ledger.world().host_of(id) == host;
        let before = report.events.into_iter().map(|WorkloadChange { id, status }| (id, status));
        let all = before.chain(report.outcomes.0).filter(|(id, _)| is_there(*id));
        let mut seen = Observation::default();
        for (id, status) in all {
            let gave_up = failed.note(id, &status);
            // Each comparison says it of what stays down, too.
            if status == WorkloadStatus::Interrupted && observer.ledger.world().wants_to_run(id) {
                tracing::warn!(workload = %id, "the host ended a workload; it is started again");
            }
            let Some(report) = report_of(&id, status, gave_up) else { continue };
            if seen.workloads.contains_key(&id) {
                // The one comes after the other.
                observe_workloads(&observer, std::mem::take(&mut seen));
            }
            if observer.ledger.world().is_news(id, &report) {
                seen.workloads.insert(id, report);
            }
        }
        observe_workloads(&observer, seen);
    })
}

fn observe_workloads(observer: &Observer, seen: Observation) {
    if !seen.workloads.is_empty() {
        submit(observer, seen);
    }
}

/// How often it was tried in vain to start each workload.
#[derive(Default)]
struct FailedStarts(BTreeMap<WorkloadId, u32>);

impl FailedStarts {
    /// Notes how a workload fares; whether it is to be given up.
    fn note(&mut self, id: WorkloadId, status: &WorkloadStatus) -> bool {
        match status {
            WorkloadStatus::Failed(_) => {
                let times = self.0.entry(id).or_default();
                *times += 1;
                *times >= MOST_STARTS
            }
            WorkloadStatus::Starting => false,
            WorkloadStatus::Running
            | WorkloadStatus::Exited { .. }
            | WorkloadStatus::Interrupted
            | WorkloadStatus::Stopped
            | WorkloadStatus::Gone => {
                self.0.remove(&id);
                false
            }
        }
    }
}

/// What the ledger is told of how a workload fares; nothing where that changes nothing.
pub(super) fn report_of(
    id: &WorkloadId,
    status: WorkloadStatus,
    gave_up: bool,
) -> Option<WorkloadReport> {
    match status {
        WorkloadStatus::Starting => None,
        WorkloadStatus::Running => Some(WorkloadReport::Running),
        WorkloadStatus::Exited { code: Some(137), out_of_memory: true, .. }
        | WorkloadStatus::Exited { signal: Some(9), out_of_memory: true, .. } => {
            Some(WorkloadReport::Ended(Exit::OutOfMemory))
        }
        WorkloadStatus::Exited { signal: Some(signal), .. } => {
            Some(WorkloadReport::Ended(Exit::Signal(signal)))
        }
        WorkloadStatus::Exited { code: Some(code), .. } => {
            Some(WorkloadReport::Ended(Exit::Code(code)))
        }
        WorkloadStatus::Exited { .. } => {
            Some(WorkloadReport::Ended(Exit::Failed("its process is gone".to_owned())))
        }
        WorkloadStatus::Interrupted => Some(WorkloadReport::Interrupted),
        WorkloadStatus::Failed(why) => {
            tracing::error!(workload = %id, "a workload cannot be started: {why}");
            match id {
                // Its owner sees it crash, and it is tried again after longer and longer pauses.
                WorkloadId::Dyno(_) | WorkloadId::Service(_) => {
                    Some(WorkloadReport::Ended(Exit::Failed(why)))
                }
                // It may be a matter of a moment, and an instance that ended is not started again.
                // But it is not tried for ever: who asked for it must hear why it does not run.
                WorkloadId::Instance(_) if gave_up => {
                    Some(WorkloadReport::Ended(Exit::Failed(why)))
                }
                WorkloadId::Instance(_) | WorkloadId::Router(_) => None,
            }
        }
        // It was told to stop before it ran: nobody else says that it has ended.
        WorkloadStatus::Stopped | WorkloadStatus::Gone => Some(WorkloadReport::Gone),
    }
}

/// Who has no request left for dynos that drain, where several hosts pass requests on.
#[derive(Clone, Default)]
pub(crate) struct Drains(Arc<Mutex<BTreeMap<DynoId, BTreeSet<HostId>>>>);

impl Drains {
    /// What is so of all hosts together, now that one says something.
    fn take(&self, host: HostId, world: &World, events: Vec<EdgeEvent>) -> Vec<EdgeEvent> {
        let mut drained = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let drains =
            |id: DynoId| world.dyno(id).is_some_and(|dyno| dyno.state == DynoState::Draining);
        drained.retain(|id, _| drains(*id));
        let passes = |event: &EdgeEvent| match event {
            EdgeEvent::Bound(_) => true,
            EdgeEvent::Drained(id) => {
                let said = drained.entry(*id).or_default();
                said.insert(host);
                let space = world.dyno(*id).and_then(|dyno| world.space(dyno.space));
                let routers = space.into_iter().flat_map(|space| space.router_hosts.values());
                let mut routers = routers
                    .filter(|host| world.host(**host).is_some_and(|host| host.lost.is_none()));
                routers.all(|host| said.contains(host))
            }
        };
        events.into_iter().filter(passes).collect()
    }
}

/// What takes the reports of the edge of a host.
pub(crate) fn of_edge_of(
    host: HostId,
    observer: Observer,
    health: Arc<Health>,
    drains: Drains,
    hear: Hear,
) -> Tell<Edge> {
    let mut tell = of_edge(observer.clone(), hear);
    Box::new(move |report| {
        note_failing(host, &observer.ledger, &health, &report);
        let events = drains.take(host, &observer.ledger.world(), report.events);
        tell(Report { events, ..report });
    })
}

/// What takes the reports of the edge.
pub(crate) fn of_edge(observer: Observer, hear: Hear) -> Tell<Edge> {
    Box::new(move |report| {
        if !report.events.is_empty() {
            let edge = report.events.clone();
            submit(&observer, Observation { edge, ..Observation::default() });
        }
        pass_on(&report, &hear);
    })
}
