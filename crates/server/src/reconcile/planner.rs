//! The planner: it derives from every commit what changes for networks, processes and the edge, and
//! orders that.
//!
//! It is woken by every commit, by what the control loops report, and by a timer, on one thread; what
//! queued up meanwhile is planned in one go. It never waits for what it ordered.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent::Orders;
use api::Fabric;
use model::World;
use model::edge::{Domains, EdgeDelta};
use model::intent::{IntentDelta, NetworksDelta, WorkloadsDelta};
use model::protocol::{Edge, Networks, Order, Swept, Workloads};
use tokio::sync::oneshot;

use super::health::Health;
use super::plan::{Plan, merge};
use super::reports::{Hear, News};
use crate::clock::Clock;
use crate::cluster::Duties;
use crate::ledger::{Ledger, Mandate, Request, Step};
use crate::loops::{Pulse, Supervisor};
use crate::metrics::Metrics;

/// How often everything is planned from the world as a whole. Each change is planned by itself, and
/// what comes of that is the same: this is for the case that it is not.
const PLAN_EVERY: Duration = Duration::from_secs(600);
/// How long one step may take: changes are planned, all of them at once if many commits have queued up,
/// and the passing of time waits for the ledger, whose own bound is 30 seconds.
const LONGEST_STEP: Duration = Duration::from_secs(120);
/// The shortest sleep before something that is due.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// How long somebody who wants everything to be as it must be waits for the edge, once the networks
/// are: an edge that cannot be had must not hold up anybody.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who reported something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reporter {
    Networks,
    Workloads,
    Edge,
}

/// Something for the planner to do.
enum Wake {
    /// The world changed.
    Step(Step),
    /// A control loop reported something.
    Heard(Reporter, News),
    /// What everything must be was planned.
    Planned(Box<Plan>),
    /// Compare everything now, and say what came of it.
    Sweep(oneshot::Sender<Fabric>),
    /// What is this server's to do may have changed.
    Duties,
    /// A request to show that it is not stuck.
    ComeRound,
    /// End.
    Stop,
}

/// A handle on the planner.
#[derive(Clone)]
pub(crate) struct PlannerHandle(Sender<Wake>);

impl PlannerHandle {
    /// Hands it a commit. Never blocks.
    pub(crate) fn step(&self, step: Step) {
        // The planner is gone only when the server stops; the next start sweeps.
        let _ = self.0.send(Wake::Step(step));
    }

    /// Has everything compared now, and waits for the outcome; `None` where the planner has ended.
    pub(crate) async fn sweep(&self) -> Option<Fabric> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Wake::Sweep(answer)).ok()?;
        answered.await.ok()
    }

    /// What passes the news of a control loop on to the planner.
    pub(crate) fn hear(&self, reporter: Reporter) -> Hear {
        let handle = self.clone();
        Box::new(move |news| drop(handle.0.send(Wake::Heard(reporter, news))))
    }

    /// Tells it that what is this server's to do may have changed. Never blocks.
    pub(crate) fn duties_changed(&self) {
        let _ = self.0.send(Wake::Duties);
    }

    /// Ends the planner after what it is doing.
    pub(crate) fn stop(&self) {
        let _ = self.0.send(Wake::Stop);
    }
}

/// The planner before it is started: its handle is needed to start the ledger.
pub(crate) struct UnstartedPlanner {
    handle: PlannerHandle,
    wakes: Receiver<Wake>,
}

/// What the planner works with.
pub(crate) struct Parts {
    /// Sends orders to the control loop of networks.
    pub networks: Box<dyn Orders<Networks>>,
    /// Sends orders to the control loop of workloads.
    pub workloads: Box<dyn Orders<Workloads>>,
    /// Sends orders to the control loop of the edge.
    pub edge: Box<dyn Orders<Edge>>,
    /// The platform's own domains.
    pub domains: Domains,
    /// The ledger whose world is planned.
    pub ledger: Ledger,
    /// The time.
    pub clock: Arc<Clock>,
    /// What is this server's to do, of several that share the installation.
    pub duties: Duties,
    /// The health that `causeway status` shows.
    pub health: Arc<Health>,
    /// Where it is told what was ordered.
    pub metrics: Arc<Metrics>,
    /// The supervisor of the planner and of the threads that it waits for.
    pub supervisor: Supervisor,
}

impl UnstartedPlanner {
    /// Makes one.
    pub(crate) fn new() -> Self {
        let (sender, wakes) = channel();
        Self { handle: PlannerHandle(sender), wakes }
    }

    /// Returns a handle on it.
    pub(crate) fn handle(&self) -> PlannerHandle {
        self.handle.clone()
    }

    /// Starts it, which its supervisor knows as `reconcile`. It orders everything first, so that what
    /// there is gets adopted.
    pub(crate) fn start(self, parts: Parts) -> JoinHandle<()> {
        let supervisor = parts.supervisor.clone();
        let handle = self.handle.clone();
        let wake = move || drop(handle.0.send(Wake::ComeRound));
        let mut planner = self.planner(parts);
        supervisor
            .spawn("reconcile", LONGEST_STEP, wake, move |pulse| planner.run(pulse))
            .expect("a thread can be started at the start of a process")
    }

    fn planner(self, parts: Parts) -> Planner {
        let now = Instant::now();
        let driving = parts.duties.drives(&parts.ledger.world()).is_some();
        Planner {
            revision: parts.ledger.revision(),
            world: parts.ledger.world(),
            parts,
            handle: self.handle,
            wakes: self.wakes,
            driving,
            planning: None,
            asked: Vec::new(),
            settling: None,
            settles: 0,
            next_plan: now + PLAN_EVERY,
            ticked: now,
            listens_by: Cell::new(None),
        }
    }

    /// One that is moved by hand.
    #[cfg(test)]
    pub(super) fn by_hand(self, parts: Parts) -> ByHand {
        ByHand(self.planner(parts))
    }
}

struct Planner {
    parts: Parts,
    handle: PlannerHandle,
    wakes: Receiver<Wake>,
    /// The world that was ordered last, and its revision.
    world: Arc<World>,
    revision: u64,
    /// Whether this server drives networks and workloads.
    driving: bool,
    /// The plan of everything that is being made.
    planning: Option<Planning>,
    /// The requests that wait for the next plan of everything.
    asked: Vec<oneshot::Sender<Fabric>>,
    /// The requests that wait until everything was carried out.
    settling: Option<Settling>,
    /// How many questions were put to control loops.
    settles: u64,
    /// When everything is planned next.
    next_plan: Instant,
    /// When it was last seen to what time changes.
    ticked: Instant,
    /// By what right it has said that somebody listens to hosts.
    listens_by: Cell<Option<Mandate>>,
}

/// A plan of everything in the making.
struct Planning {
    /// What changed meanwhile.
    since: Option<Step>,
    asked: Vec<oneshot::Sender<Fabric>>,
}

/// A request that waits until all orders before it were carried out.
struct Settling {
    /// The number of the question.
    number: u64,
    asked: Vec<oneshot::Sender<Fabric>>,
    /// When the networks had carried them out.
    networks: Option<Instant>,
    /// Whether the edge has.
    edge: bool,
}

impl Planner {
    fn run(&mut self, pulse: &Pulse) {
        // Nothing can be followed before this.
        self.begin();
        while self.turn(pulse) {}
    }

    /// Orders everything, if that is this server's to do.
    fn begin(&mut self) {
        self.driving = self.parts.duties.drives(&self.world).is_some();
        if self.driving {
            let plan = Plan::of(&self.world, &self.parts.domains, self.parts.clock.now());
            self.order(plan, Vec::new());
        }
    }

    /// Does what is queued or due, or waits until anything is; false when told to stop.
    fn turn(&mut self, pulse: &Pulse) -> bool {
        pulse.idle();
        let wake = self.wakes.recv_timeout(self.pause(Instant::now()));
        pulse.turn();
        match wake {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            Ok(wake) => {
                if !self.work(wake) {
                    return false;
                }
                // Many commits must not hold up what time changes.
                if self.ticked.elapsed() >= LEAST_PAUSE {
                    self.ticked = Instant::now();
                    if self.until_due().is_some_and(|left| left <= LEAST_PAUSE) {
                        self.tick();
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => self.do_what_is_due(Instant::now()),
        }
        true
    }

    fn do_what_is_due(&mut self, now: Instant) {
        if self.until_due().is_some_and(|left| left <= LEAST_PAUSE) {
            self.tick();
        }
        self.answer(now);
        if self.until_plan(now).is_some_and(|left| left.is_zero()) {
            self.plan_everything(now);
        }
    }

    /// How long nothing is to be done unless something comes.
    fn pause(&self, now: Instant) -> Duration {
        let patience = self
            .settling
            .as_ref()
            .and_then(|it| it.networks)
            .map(|since| (since + PATIENCE).saturating_duration_since(now));
        let due = [self.until_due(), self.until_plan(now), patience];
        due.into_iter().flatten().min().unwrap_or(PLAN_EVERY)
    }

    /// How long until everything is planned again; `None` while it is.
    fn until_plan(&self, now: Instant) -> Option<Duration> {
        if !self.driving || self.planning.is_some() || self.settling.is_some() {
            return None;
        }
        let asked = !self.asked.is_empty();
        let next = if asked { now } else { self.next_plan };
        Some(next.saturating_duration_since(now))
    }

    /// How long until time alone changes something of the world. Not quite at once, so that what
    /// cannot be done does not keep the planner busy.
    fn until_due(&self) -> Option<Duration> {
        self.parts.duties.leads()?;
        let due = self.parts.ledger.world().next_deadline()?;
        let left = due.millis().saturating_sub(self.parts.clock.now().millis());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Some(left.max(LEAST_PAUSE))
    }

    /// Does what is queued; `false` when told to stop.
    fn work(&mut self, first: Wake) -> bool {
        let mut merged: Option<Step> = None;
        let (mut heard, mut asked, mut planned) = (Vec::new(), Vec::new(), None);
        let mut go_on = true;
        for wake in std::iter::once(first).chain(self.wakes.try_iter()) {
            match wake {
                Wake::Step(step) => merge(&mut merged, step),
                Wake::Heard(reporter, news) => heard.push((reporter, news)),
                Wake::Planned(plan) => planned = Some(plan),
                Wake::Sweep(answer) => asked.push(answer),
                Wake::Duties | Wake::ComeRound => {}
                Wake::Stop => {
                    go_on = false;
                    break;
                }
            }
        }
        if let Some(step) = merged {
            self.follow(step);
        }
        self.take_duties(Instant::now());
        for (reporter, news) in heard {
            self.hear(reporter, news);
        }
        if let Some(plan) = planned {
            self.take_plan(*plan);
        }
        if !asked.is_empty() {
            // What time has changed is queued by the time that this returns, and followed before
            // everything is planned.
            self.tick();
            self.asked.extend(asked);
            self.answer_elsewhere();
        }
        go_on
    }

    /// Begins to drive networks and workloads, or ceases to, as it is this server's to do.
    fn take_duties(&mut self, now: Instant) {
        let drives = self.parts.duties.drives(&self.world).is_some();
        if drives && !self.driving {
            tracing::info!("this server drives networks and workloads from now on");
            self.next_plan = now;
        } else if !drives && self.driving {
            tracing::info!("this server does not drive networks and workloads any more");
            self.planning = None;
        }
        self.driving = drives;
        self.answer_elsewhere();
    }

    /// Answers who waits for what another server does: nothing is compared here.
    fn answer_elsewhere(&mut self) {
        if !self.driving {
            let settling = self.settling.take().into_iter().flat_map(|it| it.asked);
            for answer in self.asked.drain(..).chain(settling) {
                // Whoever went away needs no answer.
                let _ = answer.send(self.parts.health.get());
            }
        }
    }

    /// Orders what changed.
    fn follow(&mut self, step: Step) {
        if !self.driving {
            self.revision = step.revision;
            self.world = step.after;
            // Nobody here has to follow, so nothing waits for it.
            self.parts.metrics.reconcile.in_force.followed(self.revision);
            return;
        }
        let now = self.parts.clock.now();
        let delta = model::plan_delta(&step.before, &step.after, &step.changes, now);
        let domains = &self.parts.domains;
        let edge = model::edge_delta(&step.before, &step.after, &step.changes, domains);
        self.world = Arc::clone(&step.after);
        let revision = step.revision;
        self.revision = revision;
        if let Some(planning) = &mut self.planning {
            merge(&mut planning.since, step);
        }
        let IntentDelta { networks, workloads } = delta;
        // In any case: it keeps account of how far it has followed.
        self.parts.networks.give(Order::Change { delta: networks, revision });
        if let Some(traces) = self.parts.metrics.traces.get() {
            traces.ordered(revision);
        }
        // Before processes end: whoever asks for them is sent elsewhere.
        if edge != EdgeDelta::default() {
            self.parts.edge.give(Order::Change { delta: edge, revision });
        }
        self.order_workloads(workloads);
    }

    fn order_workloads(&self, delta: WorkloadsDelta) {
        if delta != WorkloadsDelta::default() {
            self.parts.workloads.give(Order::Change { delta, revision: self.revision });
        }
    }

    /// Begins to plan everything.
    fn plan_everything(&mut self, now: Instant) {
        self.next_plan = now + PLAN_EVERY;
        let asked = std::mem::take(&mut self.asked);
        self.planning = Some(Planning { since: None, asked });
        let (world, domains) = (Arc::clone(&self.world), self.parts.domains.clone());
        let (time, handle) = (self.parts.clock.now(), self.handle.clone());
        // The planner is gone only when the server stops.
        let take = move |plan| drop(handle.0.send(Wake::Planned(Box::new(plan))));
        let supervisor = &self.parts.supervisor;
        if let Err(error) = Plan::later(supervisor, world, domains, time, take) {
            tracing::warn!(%error, "cannot start the planning thread; changes wait for the plan");
            let plan = Plan::of(&self.world, &self.parts.domains, time);
            self.take_plan(plan);
        }
    }

    /// Orders what was planned, with what changed meanwhile.
    fn take_plan(&mut self, mut plan: Plan) {
        let Some(Planning { since, asked }) = self.planning.take() else { return };
        if let Some(step) = since {
            plan.follow(&step, &self.parts.domains, self.parts.clock.now());
        }
        self.order(plan, asked);
    }

    /// Orders everything, and has those answered who asked once it is so.
    fn order(&mut self, plan: Plan, asked: Vec<oneshot::Sender<Fabric>>) {
        let (parts, revision) = (&self.parts, self.revision);
        parts.networks.give(Order::Sync { intent: plan.networks, revision });
        parts.edge.give(Order::Sync { intent: plan.edge, revision });
        parts.workloads.give(Order::Sync { intent: plan.workloads, revision });
        if !asked.is_empty() {
            self.settles += 1;
            let number = self.settles;
            parts.networks.give(Order::Settle(number));
            parts.edge.give(Order::Settle(number));
            self.settling = Some(Settling { number, asked, networks: None, edge: false });
        }
    }

    /// Takes in what a control loop reported.
    fn hear(&mut self, reporter: Reporter, news: News) {
        match news {
            News::Swept(Swept { failed: false, .. })
                if self.driving && reporter != Reporter::Edge =>
            {
                self.say_again(reporter);
            }
            News::Swept(_) => {}
            News::Settled(numbers) => {
                if let Some(settling) = &mut self.settling
                    && numbers.contains(&settling.number)
                {
                    match reporter {
                        Reporter::Networks => settling.networks = Some(Instant::now()),
                        Reporter::Edge => settling.edge = true,
                        Reporter::Workloads => {}
                    }
                }
                self.answer(Instant::now());
            }
            // Soon, and not at once, so that one that never remembers does not keep this busy.
            News::Forgot => {
                self.next_plan = self.next_plan.min(Instant::now() + LEAST_PAUSE);
            }
        }
    }

    /// Asks once more for what no plan names any more and is waited for nevertheless: that it is gone.
    fn say_again(&self, reporter: Reporter) {
        let IntentDelta { networks, workloads } = model::plan_awaited_ends(&self.world);
        match reporter {
            Reporter::Networks if networks != NetworksDelta::default() => {
                let order = Order::Change { delta: networks, revision: self.revision };
                self.parts.networks.give(order);
            }
            Reporter::Workloads => self.order_workloads(workloads),
            Reporter::Networks | Reporter::Edge => {}
        }
    }

    /// Answers who waits for everything to be as it was ordered, if it is.
    fn answer(&mut self, now: Instant) {
        let is_settled =
            |it: &mut Settling| it.networks.is_some_and(|since| it.edge || now >= since + PATIENCE);
        if let Some(settling) = self.settling.take_if(is_settled) {
            for answer in settling.asked {
                // Whoever went away needs no answer.
                let _ = answer.send(self.parts.health.get());
            }
        }
    }

    /// Has the ledger apply what the passing of time changes.
    fn tick(&self) {
        let Some(mandate) = self.parts.duties.leads() else { return };
        // While nobody listened no host was heard, and none is lost for that.
        let listens = || self.submit(mandate, model::HostCommand::Listen);
        let has_hosts = || self.parts.ledger.world().has_hosts();
        if self.listens_by.get() != Some(mandate) && has_hosts() && !listens() {
            return;
        }
        self.listens_by.set(Some(mandate));
        self.submit(mandate, model::SystemCommand::Tick);
    }

    /// Hands the ledger what only one server may; whether it is done.
    fn submit(&self, mandate: Mandate, command: impl Into<model::Command>) -> bool {
        let done = self.parts.ledger.submit_under(mandate, Request::system(command));
        if let Err(error) = &done {
            tracing::warn!(%error, "cannot store what the passing of time changes; trying again");
        }
        done.is_ok()
    }
}

/// A planner that is moved by hand.
#[cfg(test)]
pub(super) struct ByHand(Planner);

#[cfg(test)]
impl ByHand {
    /// Orders everything, as at a start.
    pub(super) fn begin(&mut self) {
        self.0.world = self.0.parts.ledger.world();
        self.0.revision = self.0.parts.ledger.revision();
        self.0.begin();
    }

    /// Does what is queued, as one; whether that was anything.
    pub(super) fn turn(&mut self) -> bool {
        let Ok(first) = self.0.wakes.try_recv() else { return false };
        self.0.work(first)
    }

    /// Has time do what is due.
    pub(super) fn tick(&self) {
        self.0.tick();
    }
}
