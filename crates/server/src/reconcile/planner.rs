//! The planner: it derives from every commit what changes for networks, processes and the edge, and
//! orders that.
//!
//! It is woken by every commit, by what the control loops report, and by a timer, on one thread; what
//! queued up meanwhile is planned in one go. It never waits for what it ordered.
//!
//! Where agents run on hosts, each of these is told its own part ([`Fleet`]), and the control loop of networks
//! in this process is that which writes them all to OVN. Whether hosts are there is said here, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent::Orders;
use api::Fabric;
use link::HostOrders;
use model::edge::{Domains, EdgeDelta};
use model::intent::{IntentDelta, NetworksDelta, WorkloadsDelta};
use model::protocol::{Edge, Networks, Order, Swept, Workloads};
use model::{Host, HostCommand, HostId, World};
use tokio::sync::oneshot;

use super::fleet::Fleet;
use super::health::Health;
use super::plan::{Does, Plan, merge};
use super::reports::{Hear, News, Reporter};
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
/// How late the sign of life of a host may come that sends one as often as it is said who is there.
const HEARTBEAT_LATE: Duration = Duration::from_secs(1);
/// The shortest sleep before something that is due.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// How long somebody who wants everything to be as it must be waits for the edge, once the networks
/// are: an edge that cannot be had must not hold up anybody.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something for the planner to do.
enum Wake {
    /// The world changed.
    Step(Step),
    /// A control loop reported something, of a host or of this machine.
    Heard(Option<HostId>, Reporter, News),
    /// A host is there for the first time.
    Attached(HostId, HostOrders),
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
        self.hear_of(None, reporter)
    }

    /// What passes the news of a host's control loop on to the planner.
    pub(crate) fn hear_of(&self, host: Option<HostId>, reporter: Reporter) -> Hear {
        let handle = self.clone();
        Box::new(move |news| drop(handle.0.send(Wake::Heard(host, reporter, news))))
    }

    /// Gives it the ways to a host, which is to be told what must be there. Never blocks.
    pub(crate) fn attach(&self, host: HostId, orders: HostOrders) {
        let _ = self.0.send(Wake::Attached(host, orders));
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
    /// Hosts, which do what else is to be done; `None` where this machine does.
    pub fleet: Option<Fleet>,
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
            listened: None,
            next_heard: now,
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
    /// By what right it has said last that somebody listens to hosts, and when.
    listened: Option<(Mandate, Instant)>,
    /// When it is said next which hosts are there.
    next_heard: Instant,
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
    /// Who has not answered yet: the edge, or the hosts that were there.
    waits_for: BTreeSet<(Option<HostId>, Reporter)>,
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
            let plan = self.plan_now();
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
                    if self.until_heard(self.ticked).is_some_and(|left| left.is_zero()) {
                        self.say_who_is_heard(self.ticked);
                    }
                    if self.until_due().is_some_and(|left| left <= LEAST_PAUSE) {
                        self.tick();
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => self.do_what_is_due(Instant::now()),
        }
        true
    }

    fn plan_now(&self) -> Plan {
        let now = self.parts.clock.now();
        Plan::of(&self.world, &self.parts.domains, now, self.parts.fleet.is_some())
    }

    fn do_what_is_due(&mut self, now: Instant) {
        if self.until_heard(now).is_some_and(|left| left.is_zero()) {
            self.say_who_is_heard(now);
        }
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
        let due = [self.until_due(), self.until_plan(now), self.until_heard(now), patience];
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

    /// How long until it is to be said which hosts are there.
    fn until_heard(&self, now: Instant) -> Option<Duration> {
        let has_hosts = self.parts.fleet.is_some() && self.parts.ledger.world().has_hosts();
        let says = has_hosts && self.parts.duties.leads().is_some();
        says.then(|| self.next_heard.saturating_duration_since(now))
    }

    /// Does what is queued; `false` when told to stop.
    fn work(&mut self, first: Wake) -> bool {
        let mut merged: Option<Step> = None;
        let (mut heard, mut asked, mut planned) = (Vec::new(), Vec::new(), None);
        let mut attached = Vec::new();
        let mut go_on = true;
        for wake in std::iter::once(first).chain(self.wakes.try_iter()) {
            match wake {
                Wake::Step(step) => merge(&mut merged, step),
                Wake::Heard(host, reporter, news) => heard.push((host, reporter, news)),
                Wake::Attached(host, orders) => attached.push((host, orders)),
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
        for (host, orders) in attached {
            self.attach(host, orders);
        }
        for (host, reporter, news) in heard {
            match host {
                Some(host) => self.hear_host(host, reporter, news),
                None => self.hear(reporter, news),
            }
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
        if let Some(fleet) = &mut self.parts.fleet {
            let removed = fleet.review(&step.changes, &step.after);
            removed.into_iter().for_each(|host| self.parts.health.forget(host));
        }
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
        if let Some(fleet) = &self.parts.fleet {
            fleet.follow(&step, &delta, &edge, domains);
        }
        let IntentDelta { networks, workloads } = delta;
        // Before it is: that it was followed may be reported at once.
        if let Some(traces) = self.parts.metrics.traces.get() {
            traces.ordered(revision);
        }
        // In any case: it keeps account of how far it has followed.
        self.parts.networks.give(Order::Change { delta: networks, revision });
        if self.parts.fleet.is_none() {
            // Before processes end: whoever asks for them is sent elsewhere.
            if edge != EdgeDelta::default() {
                self.parts.edge.give(Order::Change { delta: edge, revision });
            }
            self.order_workloads(workloads);
        }
        if let Some(planning) = &mut self.planning {
            merge(&mut planning.since, step);
        }
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
        let how = (self.parts.clock.now(), self.parts.fleet.is_some());
        let handle = self.handle.clone();
        // The planner is gone only when the server stops.
        let take = move |plan| drop(handle.0.send(Wake::Planned(Box::new(plan))));
        let supervisor = &self.parts.supervisor;
        if let Err(error) = Plan::later(supervisor, world, domains, how, take) {
            tracing::warn!(%error, "cannot start the planning thread; changes wait for the plan");
            self.take_plan(self.plan_now());
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
        match (plan.does, &parts.fleet) {
            (Does::Here { workloads, edge }, _) => {
                parts.edge.give(Order::Sync { intent: edge, revision });
                parts.workloads.give(Order::Sync { intent: workloads, revision });
            }
            (Does::Hosts(hosts), Some(fleet)) => fleet.order(hosts, revision),
            (Does::Hosts(_), None) => {}
        }
        if !asked.is_empty() {
            self.settles += 1;
            let number = self.settles;
            parts.networks.give(Order::Settle(number));
            let waits_for = match &parts.fleet {
                Some(fleet) => {
                    let hosts = fleet.settle(number).into_iter();
                    hosts.map(|(host, reporter)| (Some(host), reporter)).collect()
                }
                None => {
                    parts.edge.give(Order::Settle(number));
                    [(None, Reporter::Edge)].into()
                }
            };
            self.settling = Some(Settling { number, asked, networks: None, waits_for });
        }
    }

    /// Takes the ways to a host, and tells it what must be there.
    fn attach(&mut self, host: HostId, orders: HostOrders) {
        let Some(fleet) = &mut self.parts.fleet else { return };
        // Not the world that is planned here, which the commit may not have come to that let the host in.
        if self.parts.ledger.world().host(host).is_none() {
            // It was removed meanwhile, and is cut off.
            return;
        }
        fleet.attach(host, orders);
        if self.driving {
            // In this order, as always: an interface is there before its process is.
            for subject in [Reporter::Networks, Reporter::Edge, Reporter::Workloads] {
                self.tell_host(host, subject);
            }
        }
    }

    /// Tells a host all that must be there, of one subject.
    fn tell_host(&self, host: HostId, subject: Reporter) {
        if let Some(fleet) = &self.parts.fleet {
            fleet.tell(host, subject, &self.world, &self.parts.domains, self.revision);
        }
    }

    /// Takes in what a control loop of a host reported.
    fn hear_host(&mut self, host: HostId, reporter: Reporter, news: News) {
        match news {
            News::Swept(Swept { failed: false, .. })
                if self.driving && reporter == Reporter::Workloads =>
            {
                self.say_again_to(host);
            }
            News::Swept(_) => {}
            News::Settled(numbers) => self.settled(Some(host), reporter, &numbers),
            News::Forgot if self.driving => self.tell_host(host, reporter),
            // Whoever drives next tells it all.
            News::Forgot => {}
        }
    }

    /// Asks a host once more for what is no part of its plan any more and is waited for nevertheless.
    fn say_again_to(&self, host: HostId) {
        let Some(fleet) = &self.parts.fleet else { return };
        let mut awaited = model::plan_awaited_ends(&self.world).workloads;
        awaited.0.retain(|id, _| self.world.host_of(*id) == Some(host));
        fleet.change_workloads(host, awaited, self.revision);
    }

    /// Somebody has answered questions.
    fn settled(&mut self, host: Option<HostId>, reporter: Reporter, numbers: &[u64]) {
        if let Some(settling) = &mut self.settling
            && numbers.contains(&settling.number)
        {
            if host.is_none() && reporter == Reporter::Networks {
                settling.networks = Some(Instant::now());
            }
            settling.waits_for.remove(&(host, reporter));
        }
        self.answer(Instant::now());
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
            News::Settled(numbers) => self.settled(None, reporter, &numbers),
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
        let is_settled = |it: &mut Settling| {
            let all = |since| it.waits_for.is_empty() || now >= since + PATIENCE;
            it.networks.is_some_and(all)
        };
        if let Some(settling) = self.settling.take_if(is_settled) {
            for answer in settling.asked {
                // Whoever went away needs no answer.
                let _ = answer.send(self.parts.health.get());
            }
        }
    }

    /// Has the ledger apply what the passing of time changes.
    fn tick(&mut self) {
        let Some(mandate) = self.parts.duties.leads() else { return };
        let world = self.parts.ledger.world();
        if world.has_hosts() {
            if !self.listens(mandate) {
                return;
            }
            // Nobody is lost who is heard, wherever the clock has gone.
            let now = self.parts.clock.now();
            let silent =
                |host: &Host| host.lost.is_none() && host.last_heard + Host::SILENCE <= now;
            if world.hosts().any(|host| silent(host)) {
                self.say_who_is_heard(Instant::now());
            }
        }
        self.submit(mandate, model::SystemCommand::Tick);
    }

    /// Whether silence of hosts counts. While nobody listened no host was heard, and none is lost for that;
    /// so where this server has just begun to lead, or could do nothing for a while, it is said that somebody
    /// listens from now on.
    fn listens(&mut self, mandate: Mandate) -> bool {
        let goes_on =
            |at: Instant| self.parts.fleet.is_none() || at.elapsed() < 2 * Host::HEARD_EVERY;
        let listened = self.listened.filter(|(by, at)| *by == mandate && goes_on(*at));
        if listened.is_some() {
            return true;
        }
        let listens = self.submit(mandate, HostCommand::Listen);
        if listens {
            self.listened = Some((mandate, Instant::now()));
        }
        listens
    }

    /// Tells the ledger of which hosts something came since it was told last.
    fn say_who_is_heard(&mut self, now: Instant) {
        self.next_heard = now + Host::HEARD_EVERY;
        let Some(mandate) = self.parts.duties.leads() else { return };
        if !self.listens(mandate) {
            return;
        }
        let Some(fleet) = &self.parts.fleet else { return };
        let hosts = fleet.heard_within(Host::HEARD_EVERY + HEARTBEAT_LATE);
        if hosts.is_empty() || self.submit(mandate, HostCommand::Heard { hosts }) {
            self.listened = Some((mandate, Instant::now()));
        }
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
    pub(super) fn tick(&mut self) {
        self.0.tick();
    }
}
