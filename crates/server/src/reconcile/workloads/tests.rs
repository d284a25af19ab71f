//! The control loop of processes with a runtime that starts nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use agent::{ControlLoop, Orders, Pace, Pulse};
use fabric::runtime::{Error, ExecCommand, SessionCommand, WorkloadEvent, WorkloadState};
use model::intent::{WorkloadIntent, WorkloadsDelta};
use model::protocol::{Order, WorkloadStatus};
use model::{
    Caller, DynoId, Ec2Command, Exit, InstanceId, InstanceState, Key, PrefixedId, Region,
    RunInstances, Scope, WorkloadReport, Zone,
};
use store::{DataDir, Sqlite};

use super::*;
use crate::clock::{Clock, SystemIds};
use crate::ledger::{self, Ledger, Request, Step};
use crate::reconcile::Health;
use crate::reconcile::reports::{self, report_of};
use crate::reconcile::tests::{NO_PAUSES, wired};

const WHY: &str = "run runc: No such file or directory";

/// Fails to start whatever it is told to.
struct Broken {
    wanted: BTreeMap<WorkloadId, WorkloadIntent>,
    /// Whether what became of that is to be reported.
    to_report: bool,
    inner: NoRuntime,
}

impl Broken {
    fn fail(&self) -> Vec<WorkloadEvent> {
        let failed = WorkloadState::Failed(WHY.to_owned());
        self.wanted.keys().map(|id| WorkloadEvent { id: *id, state: failed.clone() }).collect()
    }
}

impl Runtime for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn begin_sweep(&mut self, workloads: BTreeMap<WorkloadId, WorkloadIntent>) {
        self.wanted = workloads;
        self.to_report = true;
    }

    fn look_again(&mut self) {
        self.to_report = true;
    }

    fn step(&mut self) -> Option<Vec<WorkloadEvent>> {
        std::mem::take(&mut self.to_report).then(|| self.fail())
    }

    fn apply(
        &mut self,
        delta: &BTreeMap<WorkloadId, Option<WorkloadIntent>>,
    ) -> Vec<WorkloadEvent> {
        self.wanted.retain(|id, _| !delta.contains_key(id));
        let gone = |id: &WorkloadId| WorkloadEvent { id: *id, state: WorkloadState::Gone };
        delta.keys().map(gone).collect()
    }

    fn retry(&mut self) -> Vec<WorkloadEvent> {
        self.fail()
    }

    fn wait(&mut self, timeout: Duration) -> Vec<WorkloadEvent> {
        self.inner.wait(timeout)
    }

    fn waker(&self) -> os::Waker {
        self.inner.waker()
    }

    fn states(&self) -> BTreeMap<WorkloadId, WorkloadState> {
        BTreeMap::new()
    }

    fn log(&self, _: &WorkloadId, _: usize) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn exec_command(&self, id: &WorkloadId, _: &[String], _: bool) -> Result<ExecCommand, Error> {
        Err(Error::NotRunning(*id))
    }

    fn session_command(&self, id: &WorkloadId, _: &Inside) -> Result<SessionCommand, Error> {
        Err(Error::NotRunning(*id))
    }

    fn attach_socket(&self, id: &WorkloadId) -> Result<PathBuf, Error> {
        Err(Error::NotRunning(*id))
    }

    fn read_log(
        &self,
        _: &WorkloadId,
        _: Option<LogPosition>,
        _: bool,
    ) -> Result<LogPart, std::io::Error> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn remove_disk(&mut self, _: AddonId) -> Result<(), Error> {
        Ok(())
    }

    fn purge(&mut self) -> Result<usize, Error> {
        Ok(0)
    }
}

/// A control loop of processes that is moved by hand.
pub(crate) struct ByHand(ControlLoop<WorkloadsActuator>);

impl ByHand {
    /// One that comes after the loop of networks, and the way to it.
    pub(crate) fn new(
        runtime: Box<dyn Runtime>,
        networks: Progress,
        tell: Tell<Workloads>,
    ) -> (Self, Handle<WorkloadsActuator>) {
        let actuator = WorkloadsActuator::new(runtime, Box::new(|| false));
        let (handle, looped) = ControlLoop::new(actuator, NO_PAUSES, Some(networks), wired(tell));
        (Self(looped), handle)
    }

    pub(crate) fn turn(&mut self) {
        assert!(self.0.run_until_idle());
    }
}

/// A ledger with one instance that is to start, and what follows.
fn ledger(dir: &Path) -> (Ledger, InstanceId, Receiver<Step>) {
    let data = DataDir::open(dir).unwrap();
    let (follow, steps) = channel();
    let (ledger, _) = Ledger::start(ledger::Parts {
        store: Box::new(Sqlite::open(&data).unwrap()),
        secret: data.secret().clone(),
        ids: Box::new(SystemIds),
        clock: Arc::new(Clock::system()),
        follow: Box::new(move |step| drop(follow.send(step))),
        metrics: Arc::default(),
        supervisor: Supervisor::new(|_| ()),
    })
    .unwrap();
    let region = Region::DEFAULT;
    let first =
        crate::start::first::set_up(&ledger, data.secret(), region, false, dir, None, false)
            .unwrap();
    let scope = Scope { account: first.unwrap().account, region };
    let run = |command: Ec2Command| {
        let caller = Caller::Account { scope, read_only: false };
        let (source, request_id) = (None, String::new());
        let command = command.into();
        let request = Request { caller, command, source, request_id, only_if: None };
        ledger.submit_blocking(request).unwrap().reply.main().unwrap()
    };
    let tags = model::Tags::new;
    let cidr = "10.4.0.0/16".parse().unwrap();
    let Key::Vpc(vpc) = run(Ec2Command::create_vpc(cidr, tags())) else { panic!() };
    let (cidr, zone): (_, Option<Zone>) = ("10.4.1.0/24".parse().unwrap(), None);
    let create = Ec2Command::create_subnet(vpc, cidr, zone, tags());
    let Key::Subnet(subnet) = run(create) else { panic!() };
    let start = Ec2Command::RunInstances(RunInstances::new(subnet, model::IMAGES[0].id.as_str()));
    let Key::Instance(instance) = run(start) else { panic!() };
    (ledger, instance, steps)
}

/// Nobody asks whether it turns.
struct Unwatched;

impl Pulse for Unwatched {
    fn turn(&self) {}
    fn idle(&self) {}
}

#[test]
fn what_cannot_be_started_is_told_and_not_tried_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, instance, steps) = ledger(dir.path());
    let inner = NoRuntime::new().unwrap();
    let broken = Broken { wanted: BTreeMap::new(), to_report: false, inner };
    let health = Arc::new(Health::default());
    let tell = reports::of_workloads(
        None,
        reports::Observer::alone(ledger.clone()),
        Arc::clone(&health),
        Box::new(|_| ()),
    );
    let actuator = WorkloadsActuator::new(Box::new(broken), Box::new(|| false));
    // At first there is time to look at what came of the first try.
    let patient = Pace {
        retry: Duration::from_millis(20),
        longest_retry: Duration::from_millis(20),
        ..NO_PAUSES
    };
    let (handle, mut looped) = ControlLoop::new(actuator, patient, None, wired(tell));
    let intent = model::plan(&ledger.world(), Clock::system().now()).workloads;
    assert!(intent.0.contains_key(&WorkloadId::Instance(instance)));
    handle.give(Order::Sync { intent, revision: 1 });
    assert!(looped.run_until_idle());
    // It may be a matter of a moment: it is tried again, and only the operator is told so far.
    assert_eq!(ledger.world().instance(instance).unwrap().state, InstanceState::Pending);
    assert_eq!(health.get().failing[&instance.to_string()], WHY);
    assert!(!health.get().healthy);
    let running = std::thread::spawn(move || looped.run(&Unwatched));
    let ended = steps.iter().find_map(|step| {
        let found = step.after.instance(instance)?;
        (found.state == InstanceState::ShuttingDown).then(|| Arc::clone(found))
    });
    assert_eq!(ended.unwrap().exit, Some(Exit::Failed(WHY.to_owned())));
    let delta = WorkloadsDelta([(WorkloadId::Instance(instance), None)].into());
    handle.give(Order::Change { delta, revision: 2 });
    assert!(steps.iter().any(|step| {
        step.after.instance(instance).is_some_and(|i| i.state == InstanceState::Terminated)
    }));
    handle.stop();
    running.join().unwrap();
    assert!(health.get().healthy, "{:?}", health.get());
}

const DYNO: WorkloadId = WorkloadId::Dyno(DynoId::MIN);

#[test]
fn what_never_ran_and_need_not_has_ended() {
    assert_eq!(report_of(&DYNO, WorkloadStatus::Stopped, false), Some(WorkloadReport::Gone));
}

#[test]
fn a_dyno_that_cannot_be_started_crashes_and_an_instance_waits() {
    let failed = || WorkloadStatus::Failed("no such file".to_owned());
    let ended = WorkloadReport::Ended(Exit::Failed("no such file".to_owned()));
    assert_eq!(report_of(&DYNO, failed(), false), Some(ended.clone()));
    let instance = WorkloadId::Instance(InstanceId::MIN);
    assert_eq!(report_of(&instance, failed(), false), None);
    assert_eq!(report_of(&instance, failed(), true), Some(ended));
}
