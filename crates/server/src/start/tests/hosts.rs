//! Whole servers and whole agents, over the real link: what agents act on carries no packets and runs no
//! processes, and nobody answers as OVN.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::{
    AppId, Caller, DynoState, Host, HostCommand, HostId, IdentityCommand, Key, Observation,
    PlatformCommand as C, StoredCode, SystemCommand, World,
};
use serde_json::Value;
use store::{Sqlite, Store};

use super::cluster::{Running, joining, leader, run_on};
use super::*;
use crate::config::OvnConfig;
use crate::host_agent::{HostAgent, HostAgentConfig, HostAgentError, JoinConfig};
use crate::ledger::LedgerError;

/// A server whose packets are OVN's, which nobody is.
fn by_hosts(data: &Path) -> Config {
    let nowhere = || {
        ovn::Database::at(vec![format!("unix:{}", data.join("no.sock").display()).parse().unwrap()])
    };
    Config {
        fabric: FabricKind::Ovn,
        ovn: Some(OvnConfig { northbound: nowhere(), southbound: nowhere() }),
        agents: Some("127.0.0.1:0".parse().unwrap()),
        test_clock: true,
        ..config(data)
    }
}

/// Does what a server is told to, which must be allowed.
async fn run(
    state: &Arc<State>,
    caller: Caller,
    command: impl Into<model::Command>,
) -> Option<Key> {
    tried(state, caller, command).await.unwrap()
}

async fn tried(
    state: &Arc<State>,
    caller: Caller,
    command: impl Into<model::Command>,
) -> Result<Option<Key>, LedgerError> {
    let origin = crate::http::state::Origin { address: None, request_id: String::new() };
    Ok(state.submit(caller, command.into(), &origin).await?.reply.main())
}

/// Waits until something comes about.
async fn until<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(it) = is() {
            return it;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "it did not come about: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An agent, which may not run.
struct Agent {
    data: PathBuf,
    id: HostId,
    stop: CancellationToken,
    ends: tokio::task::JoinHandle<Result<(), HostAgentError>>,
}

fn of_agent(data: &Path, join: Option<JoinConfig>) -> HostAgentConfig {
    HostAgentConfig {
        data: data.to_owned(),
        fabric: FabricKind::None,
        switch: ovn::Database::at(Vec::new()),
        slug_cache: u64::MAX,
        runtime: "runc".into(),
        self_exe: "/nonexistent".into(),
        edge: EdgeConfig::default(),
        join,
    }
}

impl Agent {
    /// One that joins by a token that a server makes.
    async fn join(state: &Arc<State>, data: PathBuf, n: u8) -> Self {
        let hosts = state.hosts.as_ref().unwrap();
        let made = hosts.new_token().unwrap();
        let lifetime = model::JoinToken::LIFETIME;
        let create = HostCommand::CreateJoinToken { hash: made.token.hash(), lifetime };
        run(state, Caller::Operator, create).await;
        let about = link::About {
            name: format!("node-{n}"),
            zone: Some(format!("rack-{n}")),
            address: Some([192, 0, 2, n].into()),
            ..link::About::default()
        };
        let servers = vec![format!("https://{}", made.address)];
        let join = JoinConfig { servers, token: made.token, about };
        Self::run(of_agent(&data, Some(join))).await
    }

    async fn run(config: HostAgentConfig) -> Self {
        let data = config.data.clone();
        let agent = HostAgent::start(config).await.unwrap();
        let (id, stop) = (agent.identity().host, CancellationToken::new());
        let ends = tokio::spawn(agent.run(stop.clone()));
        Self { data, id, stop, ends }
    }

    /// Ends, and gives the directory of the next one.
    async fn end(self) -> PathBuf {
        self.stop.cancel();
        self.ends.await.unwrap().unwrap();
        self.data
    }

    /// What the agent keeps of a subject, and the revision that it is of.
    fn told(&self, subject: &str) -> Option<(u64, Value)> {
        let path = self.data.join("agent").join(format!("{subject}.json"));
        let kept: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        Some((kept["stamp"]["revision"].as_u64()?, kept["intent"].clone()))
    }

    /// The processes that are to run there, as the agent was told.
    fn runs(&self) -> Vec<String> {
        let Some((_, intent)) = self.told("workloads") else { return Vec::new() };
        let all = intent.as_object().unwrap().iter();
        all.filter(|(_, plan)| plan["run"] != false).map(|(id, _)| id.clone()).collect()
    }
}

/// An app with two web dynos in a space, which needs no packets.
async fn app(state: &Arc<State>) -> AppId {
    let team = state.world().teams().next().unwrap().id;
    let (name, region, cidr, data_cidr) = ("one".to_owned(), None, None, None);
    let create = C::CreateSpace { name, team, region, cidr, data_cidr };
    let Some(Key::Space(space)) = run(state, Caller::Operator, create).await else { panic!() };
    let made = Arc::clone(state.world().space(space).unwrap());
    let vpcs = [made.vpc, made.data_vpc].into();
    let carried = [made.data_peering].into();
    let seen = Observation { vpcs, carried, ..Observation::default() };
    run(state, Caller::System, SystemCommand::Observe(seen)).await;
    let create = C::CreateApp { name: Some("shop".to_owned()), space, internal_routing: false };
    let Some(Key::App(app)) = run(state, Caller::Operator, create).await else { panic!() };
    let process_types = [("web".to_owned(), "serve".to_owned())].into();
    let create = C::CreateSlug { app, process_types, commit: None, checksum: None };
    let Some(Key::Slug(slug)) = run(state, Caller::Operator, create).await else { panic!() };
    let store = SystemCommand::StoreSlug { slug, stored: StoredCode::default() };
    run(state, Caller::System, store).await;
    run(state, Caller::Operator, C::CreateRelease { app, slug, description: None }).await;
    scale(state, app, 2).await;
    app
}

async fn scale(state: &Arc<State>, app: AppId, quantity: u16) {
    let update = model::FormationUpdate {
        process_type: "web".to_owned(),
        quantity: Some(model::Quantity::To(quantity)),
        size: None,
    };
    run(state, Caller::Operator, C::Scale { app, updates: vec![update] }).await;
}

/// Where the dynos of an app are that are up, by their names.
fn up(world: &World, app: AppId) -> BTreeMap<String, HostId> {
    let up = world.dynos_in(Key::App(app)).filter(|dyno| dyno.state == DynoState::Up);
    up.filter_map(|dyno| Some((dyno.name.clone(), dyno.host?))).collect()
}

fn host(state: &Arc<State>, id: HostId) -> Arc<Host> {
    Arc::clone(state.world().host(id).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_told_their_own_and_what_they_report_is_in_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name);
    let server = start(by_hosts(&data("server"))).await.unwrap();
    let planner = server.planner.clone();
    let Running { state, stop, ends, .. } = run_on(server);
    // With no host at all everything waits, and nothing is done on the server.
    let app = app(&state).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(up(&state.world(), app).is_empty());
    // The first host that joins has all that there is.
    let first = Agent::join(&state, data("one"), 1).await;
    let all = until("both are up", || {
        let up = up(&state.world(), app);
        (up.len() == 2).then_some(up)
    });
    assert!(all.await.values().all(|host| *host == first.id));
    let found = host(&state, first.id);
    assert!(found.first && found.capacity.memory > 1 << 30 && found.capacity.cpus > 0);
    assert_eq!(
        (found.zone.as_str(), found.version.as_str()),
        ("rack-1", env!("CARGO_PKG_VERSION"))
    );
    // The second one has its share of what starts from now on.
    let second = Agent::join(&state, data("two"), 2).await;
    scale(&state, app, 0).await;
    until("both are gone", || up(&state.world(), app).is_empty().then_some(())).await;
    scale(&state, app, 2).await;
    let placed = until("both are up again", || {
        let up = up(&state.world(), app);
        (up.len() == 2).then_some(up)
    })
    .await;
    assert_ne!(placed["web.1"], placed["web.2"], "{placed:?}");
    // Each was told its own, and nothing of the other's.
    for agent in [&first, &second] {
        let own = || {
            let world = state.world();
            let workloads = world.workloads_on(agent.id).into_iter();
            let told: Vec<_> = workloads.filter(|id| world.wants_to_run(*id)).collect();
            let mut told: Vec<String> = told.iter().map(ToString::to_string).collect();
            told.sort();
            let mut runs = agent.runs();
            runs.sort();
            (told == runs && !told.is_empty()).then_some(())
        };
        until("it has its own alone", own).await;
        let networks = || {
            let plan = model::plan_on(&state.world(), agent.id).networks;
            let (_, told) = agent.told("networks")?;
            (serde_json::to_value(&plan).unwrap() == told).then_some(())
        };
        until("it has the networks of these alone", networks).await;
    }
    // Who asks for everything to be compared gets an answer, though a host is away and OVN, too.
    let away = second.end().await;
    let swept = tokio::time::timeout(Duration::from_secs(30), planner.sweep()).await;
    assert!(!swept.unwrap().unwrap().healthy, "OVN is away");
    // What is heard is in the ledger, and what is silent is lost: whatever the clock says.
    until("only the first is connected", || {
        let now = state.clock.now();
        let connected = |id| host(&state, id).connected_since(now).is_some();
        (connected(first.id) && !connected(placed[&other(&placed, first.id)])).then_some(())
    })
    .await;
    run(&state, Caller::Operator, IdentityCommand::AdvanceClock { seconds: 3600 }).await;
    let lost = placed[&other(&placed, first.id)];
    until("it is lost", || host(&state, lost).lost).await;
    assert_eq!(host(&state, first.id).lost, None, "the other is heard");
    let moved = until("its dyno is up elsewhere", || {
        let up = up(&state.world(), app);
        (up.len() == 2).then_some(up)
    });
    assert!(moved.await.values().all(|host| *host == first.id));
    // Back again, it is told to stop what runs elsewhere before it is ready for anything else.
    let second = Agent::run(of_agent(&away, None)).await;
    assert_eq!((second.id, second.runs().len() > 1), (lost, false));
    until("it is ready again", || host(&state, lost).lost.is_none().then_some(())).await;
    let dynos = || second.runs().into_iter().filter(|id| id.contains("dyno")).count();
    assert_eq!(dynos(), 0, "{:?}", second.runs());
    // Nothing moves back by itself; what is new goes there.
    scale(&state, app, 4).await;
    until("it has its share", || {
        (up(&state.world(), app).values().filter(|on| **on == lost).count() == 2).then_some(())
    })
    .await;
    // A host that is removed is cut off at once, and all that it ran runs elsewhere.
    run(&state, Caller::Operator, HostCommand::Remove { host: lost, force: true }).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), second.ends).await;
    let ended = ended.expect("it hears of it").unwrap().unwrap_err();
    assert!(matches!(ended, HostAgentError::Host(link::HostError::Removed(_))), "{ended}");
    until("all are up", || (up(&state.world(), app).len() == 4).then_some(())).await;
    first.end().await;
    drop(state);
    stop.cancel();
    ends.await.unwrap().unwrap();
}

/// The name of the dyno that is not on a host.
fn other(placed: &BTreeMap<String, HostId>, host: HostId) -> String {
    placed.iter().find(|(_, on)| **on != host).unwrap().0.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_takes_the_lead_and_goes_on_with_the_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name);
    let first = DataDir::open(&data("store")).unwrap();
    let store = Sqlite::open(&first).unwrap();
    let operator = operator_token(first.secret());
    let mut all = Vec::new();
    for name in ["one", "two"] {
        joining(&data(name), &data("store"));
        let cluster = ClusterConfig { name: Some(name.to_owned()), ..ClusterConfig::default() };
        let config = Config { cluster, test_clock: false, ..by_hosts(&data(name)) };
        let opened = Opened { store: store.handle().unwrap(), shared: true, blobs: None };
        let manager = &mut ServiceManager::default();
        let supervisor = Supervisor::new(|_| ());
        let server = Server::start_on(config, manager, supervisor, |_, _| Ok(opened)).await;
        let server = server.unwrap();
        server.greeted()();
        all.push(run_on(server));
    }
    let leads = leader(&all, &operator).await;
    let follows = 1 - leads;
    // A host joins by the server that does not lead, and follows the one that does.
    let host = Agent::join(&all[follows].state, data("host"), 1).await;
    let app = app(&all[follows].state).await;
    let both = |state: &Arc<State>| (up(&state.world(), app).len() == 2).then_some(());
    until("both are up", || both(&all[follows].state)).await;
    let hub = |server: &Running| server.state.hosts.as_ref().unwrap().hub();
    assert_eq!(hub(&all[leads]).heard_within(Duration::from_secs(9)), [host.id].into());
    assert!(hub(&all[follows]).hosts().is_empty());
    // It knows where both are, so the other one leading is no more than a moment.
    let addresses = |server: &Running| server.state.hosts.as_ref().unwrap().listens_at();
    let mut known: Vec<String> =
        all.iter().map(|server| addresses(server).unwrap().to_string()).collect();
    known.sort();
    let identity = || std::fs::read(host.data.join("agent/identity.json")).unwrap();
    let told = || serde_json::from_slice::<Value>(&identity()).unwrap()["told"].clone();
    until("it was told of both", || (told() == serde_json::json!(known)).then_some(())).await;
    all.remove(leads).end().await;
    let left = all.pop().unwrap();
    until("the other one has it", || {
        (!hub(&left).heard_within(Duration::from_secs(2)).is_empty()).then_some(())
    })
    .await;
    scale(&left.state, app, 3).await;
    until("a third one is up", || (up(&left.state.world(), app).len() == 3).then_some(())).await;
    assert_eq!(left.state.world().host(host.id).unwrap().lost, None);
    // It is the same record, with the same id, and tokens are the installation's.
    assert_eq!(left.state.world().join_tokens().count(), 1);
    host.end().await;
    left.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_for_ovn_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name);
    let agents = Some("127.0.0.1:0".parse().unwrap());
    let refused = start(Config { agents, ..config(&data("none")) }).await.err().unwrap();
    assert!(matches!(refused, ServeError::AgentsWithoutOvn), "{refused}");
    let linux = HostAgentConfig { fabric: FabricKind::Linux, ..of_agent(&data("agent"), None) };
    let refused = HostAgent::start(linux).await.err().unwrap();
    assert!(matches!(refused, HostAgentError::KernelFabric), "{refused}");
    // What has hosts is not started without what carries their packets.
    let server = run_on(start(by_hosts(&data("server"))).await.unwrap());
    let agent = Agent::join(&server.state, data("one"), 1).await;
    agent.end().await;
    server.end().await;
    let refused = start(config(&data("server"))).await.err().unwrap();
    assert!(matches!(refused, ServeError::HasHosts), "{refused}");
}
