//! The loop that makes the fabric follow the world.
//!
//! Woken by every commit and by a timer, on one thread: what queued up meanwhile is done in one
//! go. What the fabric was seen to carry goes back to the ledger as an observation; that makes a
//! peering `active`, not the request (R13).

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fabric::driver::{Driver, Outcome, Report};
use model::edge::{Domains, EdgeDelta};
use model::intent::{IntentDelta, WorkloadIntent};
use model::{Change, Observation, Timestamp, WorkloadId, World};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::edge::Edge;
use crate::ledger::{Ledger, Request, Step};

/// How often everything is compared with what it must be. Changes do not wait for it: this is for
/// drift, for what failed, and for what only time changes.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// The shortest sleep before something that is due.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// How many repairs are kept for `causeway status`.
const REPAIRS_SHOWN: usize = 20;

/// How the fabric fares, as `causeway status` shows it.
#[derive(Debug, Default)]
pub struct Health(Mutex<Fabric>);

/// How the fabric fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fabric {
    /// The driver's name.
    pub driver: &'static str,
    /// Whether everything is as it must be.
    pub healthy: bool,
    /// When it was last looked at or changed.
    pub last_run: Option<Timestamp>,
    /// When all of it was last compared with what it must be.
    pub last_sweep: Option<Timestamp>,
    /// How many runs there were.
    pub runs: u64,
    /// How much drift was repaired so far.
    pub repairs: u64,
    /// The last repairs, newest last.
    pub last_repairs: Vec<String>,
    /// What is wrong with the networks now, by what it concerns.
    pub problems: BTreeMap<String, String>,
    /// The workloads that could not be started yet, and why.
    pub failing: BTreeMap<String, String>,
}

impl Health {
    /// How it fares now.
    pub fn get(&self) -> Fabric {
        self.0.lock().expect("no holder panics").clone()
    }

    /// Says which workloads cannot be started, and why.
    pub fn set_failing(&self, failing: BTreeMap<String, String>) {
        self.change(|health| {
            health.failing = failing;
            health.judge();
        });
    }

    fn change(&self, change: impl FnOnce(&mut Fabric)) {
        change(&mut self.0.lock().expect("no holder panics"));
    }
}

impl Fabric {
    fn judge(&mut self) {
        self.healthy = self.problems.is_empty() && self.failing.is_empty();
    }
}

/// Who runs the processes. It works on threads of its own: nothing here waits for a process.
pub trait Workloads: Send {
    /// These must run, and no others; for the start, and for a reset.
    fn sweep(&mut self, workloads: BTreeMap<WorkloadId, WorkloadIntent>);
    /// These changed; `None` must go.
    fn apply(&mut self, changed: BTreeMap<WorkloadId, Option<WorkloadIntent>>);
}

/// Something for the loop to do.
enum Wake {
    /// The world changed.
    Step(Step),
    /// Compare everything now, and say what came of it.
    Sweep(oneshot::Sender<Fabric>),
    /// End.
    Stop,
}

/// The way to the loop.
#[derive(Clone)]
pub struct Waker(Sender<Wake>);

impl Waker {
    /// Tells the loop what changed. Never blocks.
    pub fn step(&self, step: Step) {
        // The loop is gone only when the server stops; the next start sweeps.
        let _ = self.0.send(Wake::Step(step));
    }

    /// Has everything compared now, and waits for the outcome; `None` where the loop has ended.
    pub async fn sweep(&self) -> Option<Fabric> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Wake::Sweep(answer)).ok()?;
        answered.await.ok()
    }

    /// Ends the loop after what it is doing.
    pub fn stop(&self) {
        let _ = self.0.send(Wake::Stop);
    }
}

/// The loop before it runs: its waker is needed to make the ledger that it works with.
pub struct Reconciler {
    waker: Waker,
    wakes: Receiver<Wake>,
}

/// What the loop works with.
pub struct Parts {
    /// The data plane.
    pub driver: Box<dyn Driver>,
    /// The processes.
    pub workloads: Box<dyn Workloads>,
    /// Who answers names and web requests.
    pub edge: Box<dyn Edge>,
    /// The platform's own domains.
    pub domains: Domains,
    /// Where observations go.
    pub ledger: Ledger,
    /// The time.
    pub clock: Arc<Clock>,
    /// Where it says how it fares.
    pub health: Arc<Health>,
}

impl Reconciler {
    /// Makes one.
    #[expect(clippy::new_without_default, reason = "it holds a channel: making one is an act")]
    pub fn new() -> Self {
        let (waker, wakes) = channel();
        Self { waker: Waker(waker), wakes }
    }

    /// The way to it.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts it; it sweeps first, so that it adopts what it finds.
    pub fn start(self, parts: Parts) -> JoinHandle<()> {
        std::thread::Builder::new()
            .name("reconcile".to_owned())
            .spawn(move || {
                let (now, none) = (Instant::now(), Duration::ZERO);
                Loop { parts, wakes: self.wakes, retry: false, swept: now, sweep_took: none }.run();
            })
            .expect("a thread can be started at the start of a process")
    }
}

struct Loop {
    parts: Parts,
    wakes: Receiver<Wake>,
    /// Something failed, so the next sweep comes sooner.
    retry: bool,
    /// When the last sweep ended.
    swept: Instant,
    /// How long it took.
    sweep_took: Duration,
}

impl Loop {
    fn run(mut self) {
        self.parts.health.change(|h| h.driver = self.parts.driver.name());
        self.sweep();
        loop {
            let least = if self.retry { SWEEP_EVERY / 15 } else { SWEEP_EVERY };
            // Changes wait for a sweep under way: it may take a twentieth of the time at most.
            let next = self.swept + least.max(self.sweep_took * 20);
            let to_sweep = next.saturating_duration_since(Instant::now());
            match self
                .wakes
                .recv_timeout(self.until_due().map_or(to_sweep, |due| due.min(to_sweep)))
            {
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.tick();
                    if Instant::now() >= next {
                        self.sweep();
                    }
                }
                Ok(wake) => {
                    if !self.work(wake) {
                        return;
                    }
                }
            }
        }
    }

    /// How long until time alone changes something of the world. Not quite at once, so that what
    /// cannot be done does not keep the loop busy.
    fn until_due(&self) -> Option<Duration> {
        let due = self.parts.ledger.world().next_deadline()?;
        let left = due.millis().saturating_sub(self.parts.clock.now().millis());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Some(left.max(LEAST_PAUSE))
    }

    /// Does what is queued; `false` when told to stop.
    fn work(&mut self, first: Wake) -> bool {
        let mut merged: Option<Step> = None;
        let mut asked = Vec::new();
        let mut go_on = true;
        for wake in std::iter::once(first).chain(self.wakes.try_iter()) {
            match wake {
                Wake::Step(step) => merge(&mut merged, step),
                Wake::Sweep(answer) => asked.push(answer),
                Wake::Stop => {
                    go_on = false;
                    break;
                }
            }
        }
        if let Some(step) = merged {
            self.follow(&step);
        }
        if !asked.is_empty() {
            self.tick();
            self.sweep();
            self.parts.edge.settle();
            let fabric = self.parts.health.get();
            for answer in asked {
                let _ = answer.send(fabric.clone());
            }
        }
        go_on
    }

    /// Applies what changed.
    fn follow(&mut self, step: &Step) {
        let now = self.parts.clock.now();
        let delta = model::plan_delta(&step.before, &step.after, &step.changes, now);
        let domains = &self.parts.domains;
        let edge = model::edge_delta(&step.before, &step.after, &step.changes, domains);
        if edge == EdgeDelta::default()
            && delta.vpcs.is_empty()
            && delta.peerings.is_empty()
            && delta.workloads.is_empty()
        {
            return;
        }
        let IntentDelta { vpcs, peerings, workloads } = delta;
        let network = IntentDelta { vpcs, peerings, workloads: BTreeMap::new() };
        let report = if network.vpcs.is_empty() && network.peerings.is_empty() {
            Report::default()
        } else {
            self.parts.driver.apply(&network)
        };
        if report != Report::default() {
            self.record(&report, now, false);
            self.observe(&report, &step.after, false);
        }
        // Before processes end: whoever asks for them is sent elsewhere.
        if edge != EdgeDelta::default() {
            self.parts.edge.change(edge);
        }
        if !workloads.is_empty() {
            // After the network: an interface is there before its process is.
            let (gone, run): (BTreeMap<_, _>, BTreeMap<_, _>) =
                workloads.into_iter().partition(|(_, intent)| intent.is_none());
            self.parts.workloads.apply(gone);
            self.parts.workloads.apply(run);
        }
    }

    /// Compares everything with what it must be.
    fn sweep(&mut self) {
        let now = self.parts.clock.now();
        let world = self.parts.ledger.world();
        let mut intent = model::plan(&world, now);
        let workloads = std::mem::take(&mut intent.workloads);
        let started = Instant::now();
        let report = self.parts.driver.sweep(&intent);
        self.sweep_took = started.elapsed();
        self.swept = Instant::now();
        self.record(&report, now, true);
        self.observe(&report, &world, true);
        self.parts.edge.sync(model::plan_edge(&world, &self.parts.domains));
        self.parts.workloads.sweep(workloads);
    }

    /// What only time changes.
    fn tick(&self) {
        self.submit(model::SystemCommand::Tick);
    }

    fn record(&mut self, report: &Report, now: Timestamp, whole: bool) {
        self.retry = report.failed();
        for repair in &report.repairs {
            tracing::warn!(vpc = %repair.vpc, "drift repaired: {}", repair.what);
        }
        let mut problems = BTreeMap::new();
        for (id, outcome) in &report.vpcs {
            note(&mut problems, &id.to_string(), outcome);
        }
        for (id, outcome) in &report.peerings {
            note(&mut problems, &id.to_string(), outcome);
        }
        for error in &report.errors {
            problems.insert("fabric".to_owned(), error.clone());
        }
        for (what, why) in &problems {
            tracing::error!(what, "the fabric is not as it must be: {why}");
        }
        self.parts.health.change(|health| {
            if whole {
                health.problems = problems;
                health.last_sweep = Some(now);
            } else {
                let fine = report.vpcs.keys().map(ToString::to_string);
                for id in fine.chain(report.peerings.keys().map(ToString::to_string)) {
                    health.problems.remove(&id);
                }
                health.problems.extend(problems);
            }
            health.judge();
            health.last_run = Some(now);
            health.runs += 1;
            health.repairs += report.repairs.len() as u64;
            health.last_repairs.extend(report.repairs.iter().map(ToString::to_string));
            let old = health.last_repairs.len().saturating_sub(REPAIRS_SHOWN);
            health.last_repairs.drain(..old);
        });
    }

    /// Tells the ledger what is news to it.
    fn observe(&self, report: &Report, world: &World, whole: bool) {
        let carried = |outcome: &Outcome| matches!(outcome, Outcome::Carried);
        let gone = |outcome: &Outcome| matches!(outcome, Outcome::Gone);
        let peerings = || report.peerings.iter();
        let mut seen = Observation {
            vpcs: report.vpcs.iter().filter(|(_, o)| carried(o)).map(|(id, _)| *id).collect(),
            carried: peerings().filter(|(_, o)| carried(o)).map(|(id, _)| *id).collect(),
            gone: peerings().filter(|(_, o)| gone(o)).map(|(id, _)| *id).collect(),
            ..Observation::default()
        };
        // A sweep does not name what it finds nothing of.
        if whole && !report.failed() {
            let deleting = world.peerings().filter(|p| p.state == model::PeeringState::Deleting);
            seen.gone.extend(deleting.map(|p| p.id).filter(|id| !report.peerings.contains_key(id)));
        }
        if news(&seen, world) {
            self.submit(model::SystemCommand::Observe(seen));
        }
    }

    fn submit(&self, command: model::SystemCommand) {
        if let Err(error) = self.parts.ledger.submit_blocking(Request::system(command)) {
            tracing::warn!(%error, "an observation was not kept; the next sweep makes it again");
        }
    }
}

/// Whether an observation tells the world anything that it does not know yet.
fn news(seen: &Observation, world: &World) -> bool {
    use model::{PeeringState, SpaceState};
    let waits = || {
        world.spaces().any(|space| {
            space.state == SpaceState::Allocating
                && (seen.vpcs.contains(&space.vpc) || seen.vpcs.contains(&space.data_vpc))
        })
    };
    seen.carried
        .iter()
        .any(|id| world.peering(*id).is_some_and(|p| p.state == PeeringState::Provisioning))
        || seen
            .gone
            .iter()
            .any(|id| world.peering(*id).is_some_and(|p| p.state == PeeringState::Deleting))
        || !seen.workloads.is_empty()
        || waits()
}

fn note(problems: &mut BTreeMap<String, String>, id: &str, outcome: &Outcome) {
    if let Outcome::Failed(why) = outcome {
        problems.insert(id.to_owned(), why.clone());
    }
}

fn merge(merged: &mut Option<Step>, step: Step) {
    match merged {
        None => *merged = Some(step),
        Some(first) => {
            first.after = step.after;
            first.changes.extend::<Vec<Change>>(step.changes);
        }
    }
}
