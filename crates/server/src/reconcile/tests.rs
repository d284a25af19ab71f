//! Everything together with a driver that waits in the middle of a sweep, where every message goes
//! through bytes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use agent::{Actuator, Fate, Found, NoEdge, Orders, Pace, Tell, Wake};
use fabric::driver::{Driver, Error, Outcome, Place, Repair, Report};
use model::edge::Domains;
use model::intent::{NetworksDelta, NetworksIntent, WorkloadsDelta, WorkloadsIntent};
use model::protocol::{Edge, Message, Networks, Order, Subject, Workloads};
use model::{Caller, Ec2Command, Key, Region, Scope, VpcId, WorkloadId};
use os::Waker;
use store::{DataDir, Sqlite};

use super::plan::{Plan, merge};
use super::reports::{NetworksReports, Observer};
use super::*;
use crate::clock::{Clock, SystemIds};
use crate::cluster::Duties;
use crate::ledger::{self, Ledger, Request, Step};
use crate::loops::Supervisor;

/// Tries again at once, and compares everything only when told to.
pub(crate) const NO_PAUSES: Pace = Pace {
    sweep: Duration::from_secs(1 << 30),
    retry: Duration::ZERO,
    longest_retry: Duration::ZERO,
    interrupted: Duration::ZERO,
};

/// A message as it is after it was sent to another machine.
fn sent<T: Message>(message: &T) -> T {
    let bytes = serde_json::to_vec(message).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Takes reports as they are after they were sent to another machine.
pub(crate) fn wired<S: Subject>(mut tell: Tell<S>) -> Tell<S> {
    Box::new(move |report| tell(sent(&report)))
}

/// Gives orders as they are after they were sent to another machine, and says which were given.
pub(crate) struct Wire<S: Subject> {
    pub orders: Box<dyn Orders<S>>,
    pub given: Option<Sender<u64>>,
}

impl<S: Subject> Wire<S> {
    pub(crate) fn to(orders: impl Orders<S> + 'static) -> Box<dyn Orders<S>> {
        Box::new(Self { orders: Box::new(orders), given: None })
    }
}

impl<S: Subject> Orders<S> for Wire<S> {
    fn give(&self, order: Order<S>) {
        self.orders.give(sent(&order));
        if let (Some(given), Order::Change { revision, .. }) = (&self.given, order) {
            // A test that has seen enough.
            let _ = given.send(revision);
        }
    }
}

/// What the loop had its driver do.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Step(VpcId),
    Apply(BTreeSet<VpcId>),
    SweepWorkloads,
}

/// Looks at one VPC in a step, and ends no step before it is told to.
struct Gated {
    left: BTreeSet<VpcId>,
    did: Sender<Did>,
    go_on: Receiver<()>,
}

impl Driver for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn begin_sweep(&mut self, intent: NetworksIntent) {
        self.left = intent.vpcs.into_keys().collect();
    }

    fn look_again(&mut self) -> bool {
        false
    }

    fn step(&mut self) -> Option<Report> {
        let id = self.left.pop_first()?;
        self.did.send(Did::Step(id)).unwrap();
        self.go_on.recv().unwrap();
        Some(Report { vpcs: [(id, Outcome::Carried)].into(), ..Report::default() })
    }

    fn apply(&mut self, delta: &NetworksDelta) -> Report {
        self.did.send(Did::Apply(delta.vpcs.keys().copied().collect())).unwrap();
        Report::default()
    }

    fn purge(&mut self) -> Result<usize, Error> {
        Ok(0)
    }
}

fn await_alarm(alarm: &Waker, timeout: Duration) {
    os::poll::is_readable_within(alarm, timeout).unwrap();
    alarm.reset();
}

/// Processes of which it is only said that all of them are looked at.
struct Seen(Sender<Did>, Waker);

impl Actuator for Seen {
    type Subject = Workloads;
    type Part = WorkloadId;

    const RETRIES_BY_SWEEP: bool = false;

    fn wake(&self) -> Wake {
        let alarm = self.1.clone();
        Arc::new(move || alarm.wake())
    }

    fn begin_sweep(&mut self, _: WorkloadsIntent) {
        // Whoever has seen enough does not listen any more.
        let _ = self.0.send(Did::SweepWorkloads);
    }

    fn look_again(&mut self) -> bool {
        true
    }

    fn step(&mut self) -> Option<Found<Workloads>> {
        None
    }

    fn change(&mut self, _: WorkloadsDelta) -> Found<Workloads> {
        Found::default()
    }

    fn retry(&mut self) -> Found<Workloads> {
        Found::default()
    }

    fn wait(&mut self, timeout: Duration) -> Found<Workloads> {
        await_alarm(&self.1, timeout);
        Found::default()
    }

    fn fates(_: &Found<Workloads>) -> Vec<(WorkloadId, Fate)> {
        Vec::new()
    }
}

struct Bench {
    ledger: Ledger,
    scope: Scope,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(follow: impl FnMut(Step) + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let (ledger, _) = Ledger::start(ledger::Parts {
            store: Box::new(Sqlite::open(&data).unwrap()),
            secret: data.secret().clone(),
            ids: Box::new(SystemIds),
            clock: Arc::new(Clock::system()),
            follow: Box::new(follow),
            metrics: Arc::default(),
            supervisor: Supervisor::new(|_| ()),
        })
        .unwrap();
        let region = Region::DEFAULT;
        let first = crate::start::first::set_up(
            &ledger,
            data.secret(),
            region,
            false,
            dir.path(),
            None,
            false,
        );
        let scope = Scope { account: first.unwrap().unwrap().account, region };
        Self { ledger, scope, _dir: dir }
    }

    fn make_vpc(&self) -> VpcId {
        let caller = Caller::Account { scope: self.scope, read_only: false };
        let (cidr, tags) = ("10.4.0.0/16".parse().unwrap(), model::Tags::new());
        let command = Ec2Command::create_vpc(cidr, tags).into();
        let (source, request_id) = (None, String::new());
        let request = Request { caller, command, source, request_id, only_if: None };
        match self.ledger.submit_blocking(request).unwrap().reply.main() {
            Some(Key::Vpc(vpc)) => vpc,
            other => panic!("{other:?}"),
        }
    }
}

/// Everything that runs.
struct Town {
    planner: PlannerHandle,
    health: Arc<Health>,
    /// Revisions of changes that were given to the loop of networks.
    given: Receiver<u64>,
    stops: Vec<Stop>,
    threads: Vec<JoinHandle<()>>,
}

impl Town {
    fn start(
        planner: UnstartedPlanner,
        bench: &Bench,
        driver: Box<dyn Driver>,
        did: Sender<Did>,
        carried: CarriedRevision,
        supervisor: &Supervisor,
    ) -> Self {
        let (handle, ledger) = (planner.handle(), bench.ledger.clone());
        let (health, clock) = (Arc::new(Health::default()), Arc::new(Clock::system()));
        let parts = NetworksReports {
            observer: Observer::alone(ledger.clone()),
            clock: Arc::clone(&clock),
            health: Arc::clone(&health),
            carried,
            metrics: Arc::default(),
        };
        let tell = wired(reports::of_networks(parts, handle.hear(Reporter::Networks)));
        let driver = agent::NetworksActuator::new(driver);
        let (to_networks, networks) =
            control::start(supervisor, driver, control::NETWORKS, None, tell).unwrap();
        let progress = || Some(to_networks.progress());
        let tell = reports::of_workloads(
            None,
            Observer::alone(ledger.clone()),
            Arc::clone(&health),
            handle.hear(Reporter::Workloads),
        );
        let seen = Seen(did, Waker::new().unwrap());
        let (to_workloads, workloads) =
            control::start(supervisor, seen, control::WORKLOADS, progress(), wired(tell)).unwrap();
        let tell: Tell<Edge> =
            reports::of_edge(Observer::alone(ledger.clone()), handle.hear(Reporter::Edge));
        let edge = NoEdge::new().unwrap();
        let (to_edge, edge) =
            control::start(supervisor, edge, control::EDGE, progress(), wired(tell)).unwrap();
        let (given_by, given) = channel();
        let thread = planner.start(Parts {
            networks: Box::new(Wire::<Networks> {
                orders: Box::new(to_networks),
                given: Some(given_by),
            }),
            workloads: Wire::to(to_workloads),
            fleet: None,
            edge: Wire::to(to_edge),
            domains: Domains::default(),
            duties: Duties::alone(),
            ledger,
            clock,
            health: Arc::clone(&health),
            metrics: Arc::default(),
            supervisor: supervisor.clone(),
        });
        let stops = vec![networks.stop, workloads.stop, edge.stop];
        let threads = vec![thread, networks.thread, workloads.thread, edge.thread];
        Self { planner: handle, health, given, stops, threads }
    }

    fn stop(self) {
        self.planner.stop();
        self.stops.iter().for_each(|stop| stop());
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_change_is_applied_between_two_steps_of_a_sweep() {
    let planner = UnstartedPlanner::new();
    let follow = planner.handle();
    let bench = Bench::new(move |step| follow.step(step));
    let all = BTreeSet::from([bench.make_vpc(), bench.make_vpc(), bench.make_vpc()]);
    let (did, seen) = channel();
    let (go, go_on) = channel();
    let driver = Box::new(Gated { left: BTreeSet::new(), did: did.clone(), go_on });
    let supervisor = Supervisor::new(|_| ());
    let town = Town::start(planner, &bench, driver, did, CarriedRevision::nowhere(), &supervisor);
    // Steps that were queued before the loop began tell it nothing new.
    let next = || {
        loop {
            match seen.recv().unwrap() {
                Did::Apply(vpcs) if vpcs.is_subset(&all) => {}
                other => return other,
            }
        }
    };
    // All changes so far are with the loop of networks, and wait for the end of a step at most.
    let are_given = || {
        let revision = bench.ledger.revision();
        assert!(town.given.iter().any(|given| given == revision));
    };
    let Did::Step(first) = next() else { panic!() };
    are_given();
    go.send(()).unwrap();
    let Did::Step(second) = next() else { panic!() };
    // The sweep is under way, and the driver is in the middle of a step.
    let made = bench.make_vpc();
    are_given();
    go.send(()).unwrap();
    assert_eq!(next(), Did::Apply([made].into()), "the change comes before the next step");
    assert_eq!(town.health.get().last_sweep, None);
    let mut looked_at = BTreeSet::from([first, second]);
    let swept = loop {
        match next() {
            Did::Step(id) => drop(looked_at.insert(id)),
            other => break other,
        }
        go.send(()).unwrap();
    };
    assert_eq!(swept, Did::SweepWorkloads, "processes come after the networks");
    assert_eq!(looked_at, all);
    // Whoever asks for a sweep is answered at the end of one that began afterwards.
    let asked = {
        let planner = town.planner.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        std::thread::spawn(move || runtime.block_on(planner.sweep()))
    };
    let mut looked_at = BTreeSet::new();
    while let Did::Step(id) = next() {
        assert!(!asked.is_finished());
        looked_at.insert(id);
        go.send(()).unwrap();
    }
    assert!(looked_at.contains(&made) && looked_at.is_superset(&all));
    assert!(asked.join().unwrap().unwrap().last_sweep.is_some());
    town.stop();
}

#[test]
fn what_changes_while_everything_is_planned_is_part_of_the_plan() {
    let (follow, steps) = channel();
    let bench = Bench::new(move |step| drop(follow.send(step)));
    let (now, domains) = (Clock::system().now(), Domains::default());
    let before = bench.ledger.world();
    steps.try_iter().for_each(drop);
    let mut plan = Plan::of(&before, &domains, now, false);
    for _ in 0..2 {
        bench.make_vpc();
        bench.make_vpc();
        let mut since = None;
        steps.try_iter().for_each(|step| merge(&mut since, step));
        let since = since.unwrap();
        assert_eq!(since.revision, bench.ledger.revision());
        plan.follow(&since, &domains, now);
        let world = bench.ledger.world();
        assert_eq!(plan, Plan::of(&world, &domains, now, false));
    }
}

/// Finds one thing that differs, in its first sweep.
struct Differing(Option<Report>);

impl Driver for Differing {
    fn name(&self) -> &'static str {
        "differing"
    }

    fn begin_sweep(&mut self, intent: NetworksIntent) {
        let vpc = *intent.vpcs.first_key_value().unwrap().0;
        let repair = Repair { place: Place::Vpc(vpc), what: "a route was missing".to_owned() };
        self.0 = Some(Report { repairs: vec![repair], ..Report::default() });
    }

    fn look_again(&mut self) -> bool {
        false
    }

    fn step(&mut self) -> Option<Report> {
        self.0.take()
    }

    fn apply(&mut self, _: &NetworksDelta) -> Report {
        Report::default()
    }

    fn purge(&mut self) -> Result<usize, Error> {
        Ok(0)
    }
}

#[test]
fn what_was_not_done_before_a_start_is_no_drift() {
    let (follow, steps) = channel();
    let bench = Bench::new(move |step| drop(follow.send(step)));
    let data = tempfile::tempdir().unwrap();
    // How much drift two sweeps report, the first of which is a start's.
    let start = || {
        let (did, seen) = channel();
        let driver = Box::new(Differing(None));
        let (carried, supervisor) = (CarriedRevision::of(data.path()), Supervisor::new(|_| ()));
        let town = Town::start(UnstartedPlanner::new(), &bench, driver, did, carried, &supervisor);
        assert_eq!(seen.recv().unwrap(), Did::SweepWorkloads);
        let first = town.health.get().repairs;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let second = runtime.block_on(town.planner.sweep()).unwrap().repairs;
        town.stop();
        (first, second)
    };
    bench.make_vpc();
    assert_eq!(start(), (0, 1), "nothing was done before the first start");
    assert_eq!(start(), (1, 2), "all was done before this one, so what differs is drift");
    bench.make_vpc();
    assert_eq!(start(), (0, 1), "a change was acknowledged and not done");
    assert_eq!(steps.try_iter().last().unwrap().revision, bench.ledger.revision());
}

/// Panics at its first step.
struct Panicking;

impl Driver for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn begin_sweep(&mut self, _: NetworksIntent) {}

    fn look_again(&mut self) -> bool {
        false
    }

    fn step(&mut self) -> Option<Report> {
        panic!("no such route");
    }

    fn apply(&mut self, _: &NetworksDelta) -> Report {
        Report::default()
    }

    fn purge(&mut self) -> Result<usize, Error> {
        Ok(0)
    }
}

/// Panics at its first step, whatever it acts on.
struct Defective<S>(Waker, std::marker::PhantomData<S>);

impl<S: Subject> Actuator for Defective<S> {
    type Subject = S;
    type Part = String;

    const RETRIES_BY_SWEEP: bool = false;

    fn wake(&self) -> Wake {
        let alarm = self.0.clone();
        Arc::new(move || alarm.wake())
    }

    fn begin_sweep(&mut self, _: S::Intent) {}

    fn look_again(&mut self) -> bool {
        true
    }

    fn step(&mut self) -> Option<Found<S>> {
        panic!("no such step");
    }

    fn change(&mut self, _: S::Delta) -> Found<S> {
        Found::default()
    }

    fn retry(&mut self) -> Found<S> {
        Found::default()
    }

    fn wait(&mut self, timeout: Duration) -> Found<S> {
        await_alarm(&self.0, timeout);
        Found::default()
    }

    fn fates(_: &Found<S>) -> Vec<(String, Fate)> {
        Vec::new()
    }
}

/// Starts a loop, gives it something to do at which a part of it panics, and says what its supervisor
/// was told and how it fares.
fn panicking<A: Actuator>(
    actuator: A,
    settings: control::Settings,
    tell: Tell<A::Subject>,
) -> (String, String, String) {
    let (panicked, panics) = channel();
    let supervisor = Supervisor::new(move |panic| drop(panicked.send(panic.clone())));
    let (handle, running) = control::start(&supervisor, actuator, settings, None, tell).unwrap();
    handle.give(Order::Sync { intent: Default::default(), revision: 1 });
    let told = panics.recv().unwrap();
    assert!(running.thread.join().is_err());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let health = runtime.block_on(supervisor.check()).remove(0);
    (told.name.to_owned(), told.message, health.to_string())
}

#[test]
fn a_control_loop_that_panics_is_told_to_the_supervisor_whatever_its_subject() {
    fn of<S: Subject>(settings: control::Settings) {
        let actuator = Defective::<S>(Waker::new().unwrap(), std::marker::PhantomData);
        let (name, message, health) = panicking(actuator, settings, Box::new(|_| ()));
        assert_eq!((name.as_str(), message.as_str()), (S::NAME, "no such step"));
        assert_eq!(health, format!("{name}: has ended"));
    }
    of::<Networks>(control::NETWORKS);
    of::<Workloads>(control::WORKLOADS);
    of::<Edge>(control::EDGE);
}

/// What reports lead to happens on the loop's thread.
#[test]
fn a_report_at_which_the_server_panics_is_told_to_the_supervisor() {
    fn wrong<S: Subject>() -> Tell<S> {
        Box::new(|_| panic!("no such report"))
    }
    let workloads = agent::WorkloadsActuator::new(
        Box::new(fabric::runtime::NoRuntime::new().unwrap()),
        Box::new(|| false),
    );
    let told = [
        panicking(workloads, control::WORKLOADS, wrong()),
        panicking(NoEdge::new().unwrap(), control::EDGE, wrong()),
    ];
    let told = told.map(|(name, message, _)| format!("{name}: {message}"));
    assert_eq!(told, ["workloads: no such report", "edge: no such report"]);
}

#[test]
fn a_driver_that_panics_is_told_to_the_supervisor() {
    let bench = Bench::new(|_| ());
    let (did, _seen) = channel();
    let (panicked, panics) = channel();
    let supervisor = Supervisor::new(move |panic| drop(panicked.send(panic.clone())));
    let driver = Box::new(Panicking);
    let town = Town::start(
        UnstartedPlanner::new(),
        &bench,
        driver,
        did,
        CarriedRevision::nowhere(),
        &supervisor,
    );
    let told = panics.recv().unwrap();
    assert_eq!((told.name, told.message.as_str()), ("networks", "no such route"));
    town.planner.stop();
    town.stops.iter().for_each(|stop| stop());
    let ended: Vec<_> = town.threads.into_iter().map(|it| it.join().is_ok()).collect();
    assert_eq!(ended, [true, false, true, true]);
}
