//! The keeper with a runtime that starts nothing.

use std::sync::mpsc::Receiver;

use fabric::runtime::{Error, ExecCommand, Waker};
use model::{
    Caller, DynoId, Ec2Command, InstanceId, InstanceState, Key, PrefixedId, Region, RunInstances,
    Scope, Zone,
};
use store::{DataDir, Sqlite};

use super::*;
use crate::clock::{Clock, SystemIds};
use crate::ledger::{self, Step};

const WHY: &str = "run runc: No such file or directory";

/// Fails to start whatever it is told to.
struct Broken {
    wanted: BTreeMap<WorkloadId, WorkloadIntent>,
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

    fn sweep(&mut self, workloads: &BTreeMap<WorkloadId, WorkloadIntent>) -> Vec<WorkloadEvent> {
        self.wanted = workloads.clone();
        self.fail()
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

    fn waker(&self) -> Waker {
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

    fn read_log(
        &self,
        _: &WorkloadId,
        _: Option<LogPlace>,
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
    })
    .unwrap();
    let region = Region::DEFAULT;
    let first = crate::setup::set_up(&ledger, data.secret(), region, false, dir).unwrap();
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
    let Key::Vpc(vpc) = run(Ec2Command::CreateVpc { cidr, tags: tags() }) else { panic!() };
    let (cidr, zone): (_, Option<Zone>) = ("10.4.1.0/24".parse().unwrap(), None);
    let create = Ec2Command::CreateSubnet { vpc, cidr, zone, tags: tags() };
    let Key::Subnet(subnet) = run(create) else { panic!() };
    let start = Ec2Command::RunInstances(RunInstances {
        subnet: Some(subnet),
        image: model::IMAGES[0].id.to_owned(),
        instance_type: None,
        min_count: 1,
        max_count: 1,
        groups: Vec::new(),
        group_names: Vec::new(),
        address: None,
        key_name: None,
        user_data: None,
        client_token: None,
        instance_tags: tags(),
        interface_tags: tags(),
    });
    let Key::Instance(instance) = run(start) else { panic!() };
    (ledger, instance, steps)
}

#[test]
fn what_cannot_be_started_is_told_and_not_tried_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, instance, steps) = ledger(dir.path());
    let broken = Broken { wanted: BTreeMap::new(), inner: NoRuntime::new().unwrap() };
    let (tasks, queue) = channel();
    let mut hand = Hand { tasks, waker: broken.waker() };
    let health = Arc::new(Health::default());
    let mut keeper = Keeper {
        runtime: Box::new(broken),
        ledger: ledger.clone(),
        queue,
        health: Arc::clone(&health),
        failing: Failing::default(),
        pause: Duration::ZERO,
        doomed: BTreeSet::new(),
    };
    let intents = model::plan(&ledger.world(), Clock::system().now()).workloads;
    assert!(intents.contains_key(&WorkloadId::Instance(instance)));
    let events = keeper.work(Task::Sweep(intents));
    keeper.tell(events);
    // It may be a matter of a moment: it is tried again, and only the operator is told so far.
    assert_eq!(ledger.world().instance(instance).unwrap().state, InstanceState::Pending);
    assert_eq!(health.get().failing[&instance.to_string()], WHY);
    assert!(!health.get().healthy);
    let running = std::thread::spawn(move || keeper.run());
    let ended = steps.iter().find_map(|step| {
        let found = step.after.instance(instance)?;
        (found.state == InstanceState::ShuttingDown).then(|| Arc::clone(found))
    });
    assert_eq!(ended.unwrap().exit, Some(Exit::Failed(WHY.to_owned())));
    hand.apply([(WorkloadId::Instance(instance), None)].into());
    assert!(steps.iter().any(|step| {
        step.after.instance(instance).is_some_and(|i| i.state == InstanceState::Terminated)
    }));
    hand.send(Task::Stop);
    running.join().unwrap();
    assert!(health.get().healthy, "{:?}", health.get());
}

const DYNO: WorkloadId = WorkloadId::Dyno(DynoId::MIN);

#[test]
fn what_never_ran_and_need_not_has_ended() {
    assert_eq!(report_of(&DYNO, WorkloadState::Stopped, false), Some(WorkloadReport::Gone));
}

#[test]
fn a_dyno_that_cannot_be_started_crashes_and_an_instance_waits() {
    let failed = || WorkloadState::Failed("no such file".to_owned());
    let ended = WorkloadReport::Ended(Exit::Failed("no such file".to_owned()));
    assert_eq!(report_of(&DYNO, failed(), false), Some(ended.clone()));
    let instance = WorkloadId::Instance(InstanceId::MIN);
    assert_eq!(report_of(&instance, failed(), false), None);
    assert_eq!(report_of(&instance, failed(), true), Some(ended));
}
