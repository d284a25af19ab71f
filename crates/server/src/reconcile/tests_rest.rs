//! However changes are followed, one by one or many as one, and whatever of what was seen gets lost:
//! the world comes to rest. Nothing waits for ever to hear that it runs, is carried or is gone.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::{ControlLoop, NetworksActuator, NoEdge};
use fabric::driver::NoFabric;
use fabric::runtime::{
    Error, ExecCommand, Inside, LogPart, LogPosition, NoRuntime, Runtime, SessionCommand,
    WorkloadEvent, WorkloadState,
};
use model::intent::WorkloadIntent;
use model::{
    AddonId, AddonState, Caller, Command, DynoSelection, DynoState, Ec2Command, FormationUpdate,
    InstanceState, Key, Observation, PlatformCommand, Quantity, Region, RunInstances, Scope,
    SpaceState, SystemCommand, Timestamp, WorkloadId,
};
use proptest::prelude::*;
use store::{DataDir, Sqlite};

use super::planner;
use super::reports::{NetworksReports, Observer};
use super::tests::{NO_PAUSES, Wire, wired};
use super::workloads::tests::ByHand;
use super::*;
use crate::apps::plans::Plans;
use crate::clock::Clock;
use crate::cluster::Duties;
use crate::ledger::{self, Ledger, LedgerError, Request, Step};
use crate::loops::Supervisor;

/// Processes that take their time, and end when it occurs to them.
struct Slow {
    known: BTreeMap<WorkloadId, (Option<WorkloadIntent>, WorkloadState)>,
    /// Whether it is to be said of all how they fare.
    to_report: bool,
    none: NoRuntime,
    chance: Chance,
}

/// What is to happen next, as bytes; what is left when they are used up is calm.
#[derive(Clone)]
struct Chance(Arc<Mutex<std::vec::IntoIter<u8>>>);

impl Chance {
    fn next(&self) -> Option<u8> {
        self.0.lock().unwrap().next()
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Slow {
    fn event(&self, id: WorkloadId) -> Option<WorkloadEvent> {
        let state = match self.known.get(&id) {
            Some((None, WorkloadState::Exited { .. } | WorkloadState::Stopped)) | None => {
                WorkloadState::Gone
            }
            Some((_, state)) => state.clone(),
        };
        Some(WorkloadEvent { id, state })
    }

    fn want(&mut self, id: WorkloadId, intent: Option<WorkloadIntent>, named: bool) {
        let runs = intent.as_ref().is_some_and(|intent| intent.run);
        let known = self.known.entry(id).or_insert((None, WorkloadState::Stopped));
        known.0 = intent;
        let ended = matches!(known.1, WorkloadState::Exited { .. });
        let rests = matches!(known.1, WorkloadState::Stopped | WorkloadState::Interrupted);
        if runs && (rests || (ended && named)) {
            known.1 = WorkloadState::Starting;
        }
    }

    /// Lets each go one step, or none.
    fn go_on(&mut self) -> Vec<WorkloadEvent> {
        let ids: Vec<_> = self.known.keys().copied().collect();
        let mut events = Vec::new();
        for id in ids {
            let chance = self.chance.next();
            let (intent, state) = self.known.get_mut(&id).unwrap();
            let runs = intent.as_ref().is_some_and(|intent| intent.run);
            let ended = |code| WorkloadState::Exited {
                code: Some(code),
                signal: None,
                out_of_memory: false,
                at: Timestamp::from_millis(0),
            };
            let next = match (&*state, chance.map(|byte| byte % 8)) {
                (_, Some(0..=2)) => continue,
                (WorkloadState::Running { .. }, Some(3)) => ended(1),
                (WorkloadState::Running { .. }, Some(4)) => ended(0),
                (WorkloadState::Running { .. }, Some(5)) => WorkloadState::Interrupted,
                (WorkloadState::Running { .. } | WorkloadState::Starting, _) if !runs => ended(143),
                (WorkloadState::Starting, _) => WorkloadState::Running { pid: None },
                _ if intent.is_none() => {
                    self.known.remove(&id);
                    events.push(WorkloadEvent { id, state: WorkloadState::Gone });
                    continue;
                }
                _ => continue,
            };
            *state = next;
            events.extend(self.event(id));
        }
        events
    }
}

impl Runtime for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn begin_sweep(&mut self, workloads: BTreeMap<WorkloadId, WorkloadIntent>) {
        let gone: Vec<_> =
            self.known.keys().filter(|id| !workloads.contains_key(id)).copied().collect();
        gone.iter().for_each(|id| self.want(*id, None, false));
        workloads.into_iter().for_each(|(id, intent)| self.want(id, Some(intent), false));
        self.to_report = true;
    }

    fn look_again(&mut self) {
        self.to_report = true;
    }

    fn step(&mut self) -> Option<Vec<WorkloadEvent>> {
        if !std::mem::take(&mut self.to_report) {
            return None;
        }
        let all: Vec<_> = self.known.keys().copied().collect();
        Some(all.into_iter().filter_map(|id| self.event(id)).collect())
    }

    fn apply(
        &mut self,
        delta: &BTreeMap<WorkloadId, Option<WorkloadIntent>>,
    ) -> Vec<WorkloadEvent> {
        delta.iter().for_each(|(id, intent)| {
            if intent.is_some() || self.known.contains_key(id) {
                self.want(*id, intent.clone(), true);
            }
        });
        delta.keys().filter_map(|id| self.event(*id)).collect()
    }

    fn retry(&mut self) -> Vec<WorkloadEvent> {
        for (intent, state) in self.known.values_mut() {
            let runs = intent.as_ref().is_some_and(|intent| intent.run);
            if runs && *state == WorkloadState::Interrupted {
                *state = WorkloadState::Starting;
            }
        }
        Vec::new()
    }

    fn wait(&mut self, _: Duration) -> Vec<WorkloadEvent> {
        self.go_on()
    }

    fn waker(&self) -> os::Waker {
        self.none.waker()
    }

    fn states(&self) -> BTreeMap<WorkloadId, WorkloadState> {
        self.known.iter().map(|(id, (_, state))| (*id, state.clone())).collect()
    }

    fn log(&self, _: &WorkloadId, _: usize) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn read_log(
        &self,
        _: &WorkloadId,
        _: Option<LogPosition>,
        _: bool,
    ) -> std::io::Result<LogPart> {
        Ok(LogPart::default())
    }

    fn exec_command(&self, id: &WorkloadId, _: &[String], _: bool) -> Result<ExecCommand, Error> {
        Err(Error::NotRunning(*id))
    }

    fn session_command(&self, id: &WorkloadId, _: &Inside) -> Result<SessionCommand, Error> {
        Err(Error::NotRunning(*id))
    }

    fn attach_socket(&self, id: &WorkloadId) -> Result<std::path::PathBuf, Error> {
        Err(Error::NotRunning(*id))
    }

    fn remove_disk(&mut self, _: AddonId) -> Result<(), Error> {
        Ok(())
    }

    fn purge(&mut self) -> Result<usize, Error> {
        Ok(0)
    }
}

/// Ids that are the same in every run.
struct InOrder(u128);

impl model::IdSource for InOrder {
    fn next_bits(&mut self) -> u128 {
        self.0 += 1;
        // Spread out, so that names made of some of the bits differ too.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

/// A server whose threads are moved by hand.
struct Town {
    ledger: Ledger,
    clock: Arc<Clock>,
    /// What was committed and not followed yet.
    steps: Receiver<Step>,
    planner: planner::ByHand,
    handle: PlannerHandle,
    networks: ControlLoop<NetworksActuator>,
    edge: ControlLoop<NoEdge>,
    workloads: ByHand,
    chance: Chance,
    scope: Scope,
    _dir: tempfile::TempDir,
}

impl Town {
    fn new(chance: Chance) -> Self {
        // In memory: what is tried here is not what a disk does.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let (follow, steps) = channel();
        let clock = Arc::new(Clock::still(Timestamp::from_millis(1_700_000_000_000)));
        let (ledger, _) = Ledger::start(ledger::Parts {
            store: Box::new(Sqlite::open(&data).unwrap()),
            secret: data.secret().clone(),
            ids: Box::new(InOrder(0)),
            clock: Arc::clone(&clock),
            follow: Box::new(move |step| drop(follow.send(step))),
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
        )
        .unwrap();
        let none = NoRuntime::new().unwrap();
        let chances = chance.clone();
        let runtime = Slow { known: BTreeMap::new(), to_report: false, none, chance: chances };
        let (unstarted, health) = (UnstartedPlanner::new(), Arc::new(Health::default()));
        let handle = unstarted.handle();
        let parts = NetworksReports {
            observer: Observer::alone(ledger.clone()),
            clock: Arc::clone(&clock),
            health: Arc::clone(&health),
            carried: CarriedRevision::nowhere(),
            metrics: Arc::default(),
        };
        let tell = wired(reports::of_networks(parts, handle.hear(Reporter::Networks)));
        let driver = NetworksActuator::new(Box::new(NoFabric::default()));
        let (to_networks, networks) = ControlLoop::new(driver, NO_PAUSES, None, tell);
        let tell = reports::of_workloads(
            None,
            Observer::alone(ledger.clone()),
            health.clone(),
            handle.hear(Reporter::Workloads),
        );
        let (workloads, to_workloads) =
            ByHand::new(Box::new(runtime), to_networks.progress(), tell);
        let tell =
            wired(reports::of_edge(Observer::alone(ledger.clone()), handle.hear(Reporter::Edge)));
        let after = Some(to_networks.progress());
        let (to_edge, edge) = ControlLoop::new(NoEdge::new().unwrap(), NO_PAUSES, after, tell);
        let planner = unstarted.by_hand(Parts {
            networks: Wire::to(to_networks),
            workloads: Wire::to(to_workloads),
            fleet: None,
            edge: Wire::to(to_edge),
            domains: crate::apps::web::Web::default().domains,
            ledger: ledger.clone(),
            duties: Duties::alone(),
            clock: Arc::clone(&clock),
            health,
            metrics: Arc::default(),
            supervisor: Supervisor::new(|_| ()),
        });
        let scope = Scope { account: first.unwrap().account, region };
        let (chance, _dir) = (chance, dir);
        Self {
            ledger,
            clock,
            steps,
            planner,
            handle,
            networks,
            edge,
            workloads,
            chance,
            scope,
            _dir,
        }
    }

    fn run(&self, caller: Caller, command: impl Into<Command>) -> Option<Key> {
        let (source, request_id) = (None, String::new());
        let command = command.into();
        let request = Request { caller, command, source, request_id, only_if: None };
        match self.ledger.submit_blocking(request) {
            Ok(done) => done.reply.main(),
            Err(LedgerError::Refused(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn ec2(&self, command: Ec2Command) -> Option<Key> {
        self.run(Caller::Account { scope: self.scope, read_only: false }, command)
    }

    fn platform(&self, command: PlatformCommand) -> Option<Key> {
        self.run(Caller::Operator, command)
    }

    /// Follows the next changes, at most so many, as one.
    fn follow(&mut self, most: usize) -> bool {
        let steps: Vec<_> = self.steps.try_iter().take(most).collect();
        let some = !steps.is_empty();
        steps.into_iter().for_each(|step| self.handle.step(step));
        if some {
            self.planner.turn();
            self.make();
        }
        some
    }

    /// Has networks and the edge made as they were ordered.
    fn make(&mut self) {
        assert!(self.networks.run_until_idle() && self.edge.run_until_idle());
    }

    /// Has processes run as they were ordered, and goes on with what they do.
    fn turn(&mut self) {
        self.workloads.turn();
        // What was reported may be asked for again.
        if self.planner.turn() {
            self.make();
            self.workloads.turn();
        }
    }

    /// Starts anew, as after a crash: what was not followed never is, and all is compared.
    fn start_anew(&mut self) {
        while self.steps.try_recv().is_ok() {}
        self.planner.begin();
        self.make();
        self.planner.turn();
        self.make();
    }

    /// Lets everything happen that happens by itself.
    fn rest(&mut self) {
        let mut quiet = 0;
        for _ in 0..10_000 {
            let before = self.ledger.world();
            let left = self.chance.left();
            let followed = self.follow(usize::MAX);
            self.turn();
            let same = Arc::ptr_eq(&before, &self.ledger.world());
            quiet = if followed || !same || self.chance.left() != left { 0 } else { quiet + 1 };
            // What is queued is done in one turn, and what comes of it is seen in the next ones.
            if quiet < 3 {
                continue;
            }
            let Some(due) = self.ledger.world().next_deadline() else { return };
            let left = due.millis() - self.clock.now().millis();
            self.clock.advance(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
            self.planner.tick();
            if Arc::ptr_eq(&before, &self.ledger.world()) {
                return;
            }
        }
        panic!("it never rests: {:?}", self.transient());
    }

    /// What waits for something.
    fn transient(&self) -> Vec<String> {
        let world = self.ledger.world();
        let mut found = Vec::new();
        let mut note = |key: Key, state: &dyn std::fmt::Debug| {
            found.push(format!("{key} {state:?}"));
        };
        for it in world.instances() {
            let rests = matches!(
                it.state,
                InstanceState::Running | InstanceState::Stopped | InstanceState::Terminated
            );
            if !rests || it.boot != model::Boot::Settled {
                note(Key::Instance(it.id), &it.state);
            }
        }
        for it in world.dynos() {
            let crashed = it.state == DynoState::Crashed && it.is_live();
            if crashed || !(it.state == DynoState::Up || it.state.ended()) {
                note(Key::Dyno(it.id), &it.state);
            }
        }
        for it in world.addons().filter(|it| it.state != AddonState::Provisioned) {
            note(Key::Addon(it.id), &it.state);
        }
        for it in world.peerings().filter(|it| it.state.is_transient()) {
            note(Key::Peering(it.id), &it.state);
        }
        for it in world.spaces().filter(|it| it.state != SpaceState::Allocated) {
            note(Key::Space(it.id), &it.state);
        }
        for eni in world.enis() {
            let Some(user) = eni.attachment.as_ref().map(|a| a.workload) else { continue };
            let runs = match user {
                WorkloadId::Dyno(id) => world.dyno(id).is_some_and(|it| !it.state.ended()),
                WorkloadId::Instance(id) => world.instance(id).is_some_and(|it| !it.state.ends()),
                WorkloadId::Service(id) => world.addon(id).is_some(),
                WorkloadId::Router(_) => true,
            };
            if !runs {
                note(Key::Eni(eni.id), &user);
            }
        }
        found
    }

    /// Does something to something.
    fn act(&self, [what, one, other]: [u8; 3]) {
        use {Ec2Command as E, PlatformCommand as P};
        let world = self.ledger.world();
        let tags = model::Tags::new;
        fn pick<T>(all: Vec<T>, at: u8) -> Option<T> {
            let count = all.len().max(1);
            all.into_iter().nth(usize::from(at) % count)
        }
        let vpcs = || world.vpcs().filter(|v| v.role.is_none()).map(|v| v.id).collect::<Vec<_>>();
        let subnets = || {
            let own = world.subnets().filter(|s| vpcs().contains(&s.vpc));
            own.map(|s| s.id).collect::<Vec<_>>()
        };
        let instances = || world.instances().map(|it| it.id).collect::<Vec<_>>();
        let peerings = || world.peerings().map(|it| it.id).collect::<Vec<_>>();
        let spaces = || world.spaces().map(|it| it.id).collect::<Vec<_>>();
        let apps = || world.apps().map(|it| it.id).collect::<Vec<_>>();
        let addons = || world.addons().map(|it| it.id).collect::<Vec<_>>();
        let dynos = || world.dynos().map(|it| (it.app, it.id)).collect::<Vec<_>>();
        let app = || pick(apps(), one);
        let _: Option<()> = (|| {
            match what % 22 {
                0 => {
                    let cidr = format!("10.{}.0.0/16", 100 + one % 4).parse().unwrap();
                    let Key::Vpc(vpc) = self.ec2(E::create_vpc(cidr, tags()))? else {
                        return None;
                    };
                    let cidr = format!("10.{}.1.0/28", 100 + one % 4).parse().unwrap();
                    self.ec2(E::create_subnet(vpc, cidr, None, tags()))?;
                }
                1..=3 => {
                    self.ec2(E::RunInstances(RunInstances {
                        subnet: pick(subnets(), one),
                        image: model::IMAGES[0].id.clone(),
                        min_count: 1,
                        max_count: 1 + u16::from(other % 3),
                        ..RunInstances::default()
                    }))?;
                }
                4..=5 => {
                    let instances = vec![pick(instances(), one)?];
                    self.ec2(E::TerminateInstances { instances })?;
                }
                6 => {
                    let (vpc, peer_vpc) = (pick(vpcs(), one)?, pick(vpcs(), other)?);
                    let (peer_owner, peer_region) = (None, None);
                    let request =
                        E::CreatePeering { vpc, peer_vpc, peer_owner, peer_region, tags: tags() };
                    let Key::Peering(peering) = self.ec2(request)? else { return None };
                    self.ec2(E::AcceptPeering { peering })?;
                }
                7 => {
                    self.ec2(E::DeletePeering { peering: pick(peerings(), one)? })?;
                }
                8 => {
                    let team = world.teams().next()?.id;
                    let name = format!("space-{}", one % 3);
                    let (region, cidr, data_cidr) = (None, None, None);
                    self.platform(P::CreateSpace { name, team, region, cidr, data_cidr })?;
                }
                9 => {
                    self.platform(P::DeleteSpace { space: pick(spaces(), one)? })?;
                }
                10..=11 => {
                    let create = P::CreateApp {
                        name: None,
                        space: pick(spaces(), one)?,
                        internal_routing: false,
                    };
                    let Key::App(app) = self.platform(create)? else { return None };
                    self.deploy(app)?;
                }
                12 => self.deploy(app()?)?,
                13 => {
                    let process_type = if other % 2 == 0 { "web" } else { "worker" }.to_owned();
                    let quantity = Some(Quantity::To(u16::from(other % 4)));
                    let updates = vec![FormationUpdate { process_type, quantity, size: None }];
                    self.platform(P::Scale { app: app()?, updates })?;
                }
                14 => {
                    self.platform(P::RestartDynos { app: app()?, which: DynoSelection::All })?;
                }
                15 => {
                    self.platform(P::StartDyno {
                        app: app()?,
                        command: "job".to_owned(),
                        size: None,
                        environment: BTreeMap::new(),
                        stdio: model::Stdio::default(),
                    })?;
                }
                16 => {
                    let (app, dyno) = pick(dynos(), one)?;
                    self.platform(P::StopDynos { app, which: DynoSelection::One(dyno) })?;
                }
                17 => {
                    let plan = Box::new(Plans::default().all().first()?.clone());
                    let (name, password) = (None, "secret".to_owned());
                    self.platform(P::CreateAddon { app: app()?, plan, name, password })?;
                }
                18 => {
                    self.platform(P::DeleteAddon { addon: pick(addons(), one)? })?;
                }
                19 => {
                    self.ec2(E::StopInstances { instances: vec![pick(instances(), one)?] })?;
                }
                20 => {
                    let instances = vec![pick(instances(), one)?];
                    match other % 2 {
                        0 => self.ec2(E::StartInstances { instances })?,
                        _ => self.ec2(E::RebootInstances { instances })?,
                    };
                }
                _ => {
                    self.platform(P::DeleteApp { app: app()? })?;
                }
            }
            Some(())
        })();
    }

    fn deploy(&self, app: model::AppId) -> Option<()> {
        let types = [("web", "serve"), ("worker", "work")];
        let types = types.map(|(name, command)| (name.to_owned(), command.to_owned()));
        let process_types = BTreeMap::from(types);
        let (commit, checksum, description) = (None, None, None);
        let create = PlatformCommand::CreateSlug { app, process_types, commit, checksum };
        let Key::Slug(slug) = self.platform(create)? else { return None };
        let store = SystemCommand::StoreSlug { slug, stored: model::StoredCode::default() };
        self.run(Caller::System, store);
        self.platform(PlatformCommand::CreateRelease { app, slug, description })?;
        Some(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn however_changes_are_followed_the_world_comes_to_rest(
        acts in prop::collection::vec((any::<[u8; 3]>(), 0..4_usize, any::<bool>()), 1..60),
        chance in prop::collection::vec(any::<u8>(), 0..200),
        lost in any::<bool>(),
    ) {
        let mut town = Town::new(Chance(Arc::new(Mutex::new(chance.into_iter()))));
        for what in [[0, 0, 0], [0, 1, 0], [8, 0, 0]] {
            town.act(what);
        }
        for (what, followed, turned) in acts {
            town.act(what);
            if followed > 0 {
                town.follow(followed);
            }
            if turned {
                town.turn();
            }
        }
        if lost {
            town.start_anew();
        }
        town.rest();
        prop_assert_eq!(town.transient(), Vec::<String>::new());
    }
}

/// The smallest case: an instance that is terminated before anybody heard of it.
#[test]
fn an_instance_that_was_never_followed_is_gone() {
    for swept in [false, true] {
        let mut town = Town::new(Chance(Arc::new(Mutex::new(Vec::new().into_iter()))));
        town.act([0, 0, 0]);
        town.rest();
        town.act([1, 0, 0]);
        town.act([4, 0, 0]);
        let world = town.ledger.world();
        let it = world.instances().next().unwrap();
        let (instance, subnet, vpc) = (it.id, it.subnet, it.vpc);
        let state = |town: &Town| town.ledger.world().instance(instance).unwrap().state;
        let delete = |town: &Town| {
            town.ec2(Ec2Command::DeleteSubnet { subnet });
            town.ec2(Ec2Command::DeleteVpc { vpc });
            let world = town.ledger.world();
            world.subnet(subnet).is_none() && world.vpc(vpc).is_none()
        };
        assert_eq!(state(&town), InstanceState::ShuttingDown);
        assert!(!delete(&town), "its address is taken until it is gone");
        if swept {
            town.start_anew();
            town.turn();
        } else {
            town.follow(2);
            town.turn();
        }
        assert_eq!(state(&town), InstanceState::Terminated);
        assert!(town.ledger.world().enis().next().is_none());
        assert!(delete(&town), "nothing holds its subnet any more");
    }
}

/// A dyno that came up, was interrupted and starts again, all seen as one change.
#[test]
fn a_web_dyno_that_starts_twice_unseen_comes_up() {
    let mut town = Town::new(Chance(Arc::new(Mutex::new(Vec::new().into_iter()))));
    town.act([8, 0, 0]);
    town.rest();
    town.act([10, 0, 0]);
    let id = town.ledger.world().dynos().next().unwrap().id;
    town.follow(usize::MAX);
    let observe = |town: &Town, seen| town.run(Caller::System, SystemCommand::Observe(seen));
    let report = |report| Observation {
        workloads: [(WorkloadId::Dyno(id), report)].into(),
        ..Observation::default()
    };
    observe(&town, report(model::WorkloadReport::Running));
    observe(&town, report(model::WorkloadReport::Interrupted));
    assert_eq!(town.ledger.world().dyno(id).unwrap().state, DynoState::Starting);
    town.rest();
    assert_eq!(town.ledger.world().dyno(id).unwrap().state, DynoState::Up);
    assert!(town.ledger.world().next_deadline().is_none());
}
