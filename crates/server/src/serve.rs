//! A whole server: data directory, ledger, fabric, workloads, and everything on one address.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use fabric::driver::{Check, Driver, NoFabric};
use fabric::instance::Held;
use model::Region;
use store::{DataDir, Secret, Sqlite, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemIds};
use crate::edge::{self, Edge, NoEdge};
use crate::follow::{self, Follower};
use crate::hosting::{EdgeLog, Hosting, Web};
use crate::http::Limits;
use crate::ledger::{self, Ledger};
use crate::logs::Logs;
use crate::operator::{self, Operator};
use crate::plans::Plans;
use crate::reconcile::{self, Health, Reconciler, Waker};
use crate::setup::{self, FirstStart};
use crate::state::State;
use crate::workloads;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What carries packets.
    pub fabric: FabricKind,
    /// The region of a new installation; the default one where none is named.
    pub region: Option<Region>,
    /// Whether a test may move the clock.
    pub test_clock: bool,
    /// Whether it is a test double.
    pub emulator: bool,
    /// How many requests a token of the Platform API has in an hour; 0 for no limit.
    pub rate_limit: u32,
    /// The OCI runtime that runs workloads.
    pub runtime: PathBuf,
    /// This program's own file, which runs inside workloads as their first process.
    pub self_exe: PathBuf,
    /// How the edge answers.
    pub edge: EdgeConfig,
    /// Which data services there are to choose from.
    pub plans: Plans,
}

/// How the edge answers names and web requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeConfig {
    /// Under which names apps are served, and where.
    pub web: Web,
    /// The public router's certificate chain and key, in PEM; with an address for TLS alone.
    pub certificate: Option<Certificate>,
    /// Where public names are answered.
    pub dns: Option<SocketAddr>,
    /// Who answers what resolvers in VPCs do not know.
    pub forward_dns: ForwardDns,
}

/// Where a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, in PEM.
    pub chain: PathBuf,
    /// The key, in PEM.
    pub key: PathBuf,
}

/// Who answers what resolvers in VPCs do not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ForwardDns {
    /// Nobody: such names do not exist.
    #[default]
    None,
    /// Whom this machine asks.
    Host,
    /// These.
    To(Vec<SocketAddr>),
}

/// What carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FabricKind {
    /// The kernel of this machine.
    Linux,
    /// Nothing: the APIs alone.
    None,
}

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory or the database in it.
    #[error("the data directory {} cannot be used", .path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: store::Error,
    },
    /// The first start.
    #[error("the installation cannot be set up")]
    SetUp(#[source] setup::SetupError),
    /// The data directory was made with or without `--emulator`, and this start is not.
    #[error(
        "the data directory was made {}; start with the same, or with another --data",
        if *.was { "with --emulator" } else { "without --emulator" }
    )]
    OtherMode {
        /// Whether it was made by an emulator.
        was: bool,
    },
    /// An emulator believes anybody, so only this machine may reach it.
    #[error("--emulator accepts any credentials, so it listens on loopback only, not on {0}")]
    EmulatorInPublic(SocketAddr),
    /// The address.
    #[error("cannot listen on {address}; is something else there? Try --listen 127.0.0.1:0")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The machine lacks what the Linux fabric needs.
    #[error(
        "the Linux fabric cannot start: {0}; `causeway doctor` says more, and --fabric none works without"
    )]
    Fabric(String),
    /// Another server of the same instance runs on this machine.
    #[error("{0}")]
    Instance(#[source] fabric::instance::HoldError),
    /// The file that tells client commands where the server is.
    #[error("{} cannot be written", .path.display())]
    Note {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP server.
    #[error("serving failed")]
    Http(#[source] std::io::Error),
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    router: Router,
    threads: Vec<JoinHandle<()>>,
    waker: Waker,
    stop_workloads: workloads::Stop,
    stop_edge: Option<edge::Hand>,
    stop_follower: follow::Hand,
    note: PathBuf,
    /// What the first start made; `None` once somebody was told ([`Self::greeted`]).
    pub first: Option<FirstStart>,
    /// Everything that requests share, for tests in process.
    pub state: Arc<State>,
    held: Option<Held>,
    data: DataDir,
}

impl Server {
    /// Opens the data directory, sets up what is new, starts the loops and listens.
    ///
    /// # Errors
    ///
    /// [`ServeError`].
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        if config.emulator && !config.listen.ip().is_loopback() {
            return Err(ServeError::EmulatorInPublic(config.listen));
        }
        // First of all: where the address is taken, nothing is made.
        let address = config.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Listen { address, source })?;
        tokio::task::spawn_blocking(move || Prepared::new(config))
            .await
            .map_err(|error| ServeError::Fabric(error.to_string()))??
            .listen(listener)
    }

    /// Whoever started it was told what the first start made: later starts need not.
    pub fn greeted(&self) {
        setup::greeted(self.data.path());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a listener has an address")
    }

    /// Serves until told to stop, then ends cleanly. Workloads and packets go on.
    ///
    /// # Errors
    ///
    /// [`ServeError::Http`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServeError> {
        let (closing, stopping) = (self.state.hosting.closing.clone(), stop.clone());
        tokio::spawn(async move {
            stopping.cancelled().await;
            closing.cancel();
        });
        let served = crate::http::serve(self.listener, self.router, Limits::default(), stop).await;
        // Whoever reads the note finds nobody there from now on.
        let _ = std::fs::remove_file(&self.note);
        self.waker.stop();
        self.stop_workloads.stop();
        self.stop_follower.stop();
        if let Some(edge) = &self.stop_edge {
            edge.stop();
        }
        drop(self.state);
        let threads = self.threads;
        let _ = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread ended in a defect of this program");
                }
            }
        })
        .await;
        // Only now: until here the threads may have touched what it keeps for us.
        drop(self.held);
        served.map_err(ServeError::Http)
    }
}

/// Everything but the listener: made on a thread that may wait for the disk.
struct Prepared {
    config: Config,
    data: DataDir,
    held: Option<Held>,
    state: Arc<State>,
    reconciler: Reconciler,
    parts: reconcile::Parts,
    ledger_thread: JoinHandle<()>,
    workload_thread: Option<JoinHandle<()>>,
    stop_workloads: workloads::Stop,
    edge_thread: Option<JoinHandle<()>>,
    stop_edge: Option<edge::Hand>,
    follower: JoinHandle<()>,
    stop_follower: follow::Hand,
    first: Option<FirstStart>,
}

impl Prepared {
    fn new(config: Config) -> Result<Self, ServeError> {
        let at = config.data.clone();
        let broken = |source| ServeError::Data { path: at.clone(), source };
        let data = DataDir::open(&config.data).map_err(broken)?;
        let store = Sqlite::open(&data).map_err(broken)?;
        let spare = store.handle().map_err(broken)?;
        let secret: Secret = data.secret().clone();
        let clock = Arc::new(if config.test_clock || config.emulator {
            Clock::movable()
        } else {
            Clock::system()
        });
        let reconciler = Reconciler::new();
        let waker = reconciler.waker();
        let follower = Follower::new();
        let follow = follower.hand();
        let stop_follower = follower.hand();
        let (ledger, ledger_thread) = Ledger::start(ledger::Parts {
            store: Box::new(store),
            secret: secret.clone(),
            ids: Box::new(SystemIds),
            clock: Arc::clone(&clock),
            follow: Box::new(move |step| {
                follow.step(step.clone());
                waker.step(step);
            }),
        })
        .map_err(broken)?;
        let region = config.region.unwrap_or(Region::DEFAULT);
        let first = setup::set_up(&ledger, &secret, region, config.emulator, data.path())
            .map_err(ServeError::SetUp)?;
        let world = ledger.world();
        let settings = world.settings().expect("it was just set up");
        if settings.emulator != config.emulator {
            return Err(ServeError::OtherMode { was: settings.emulator });
        }
        if let Some(asked) = config.region.filter(|asked| *asked != settings.region) {
            let kept = settings.region;
            tracing::warn!(
                "--region {asked} changes nothing: this installation was made in {kept}, and \
                 stays there; a new --data directory takes another"
            );
        }
        let health = Arc::new(Health::default());
        let (driver, held) = driver(&config, &settings.instance)?;
        let started =
            workloads::start(&config, &settings.instance, ledger.clone(), Arc::clone(&health))
                .map_err(ServeError::Fabric)?;
        let (who_answers, edge) = edge_of(&config, &settings.instance, &ledger)?;
        let (stop_edge, edge_thread) = edge.unzip();
        let parts = reconcile::Parts {
            driver,
            workloads: started.workloads,
            edge: who_answers,
            domains: config.edge.web.domains.clone(),
            ledger: ledger.clone(),
            clock: Arc::clone(&clock),
            health: Arc::clone(&health),
        };
        let mut hosting = Hosting::at(&config.data);
        hosting.web = config.edge.web.clone();
        hosting.plans = config.plans.clone();
        let logs = config.data.join("logs");
        let told = |error| ServeError::Fabric(format!("{}: {error}", logs.display()));
        hosting.logs = Arc::new(Logs::open(&logs, &world).map_err(told)?);
        if config.fabric == FabricKind::Linux {
            hosting.router_log = Arc::new(EdgeLog(edge_dir(&config.data)));
        }
        follow::sweep_slugs(&hosting.slugs, &world);
        if let Err(error) = hosting.backups.clean() {
            tracing::warn!(%error, "what a backup left that was cut short is still there");
        }
        let disks = started.disks;
        for id in follow::stray_disks(&workloads::disks(&config.data), &world) {
            disks.remove(id);
        }
        let follower = follower
            .start(follow::Parts {
                slugs: hosting.slugs.clone(),
                backups: Arc::clone(&hosting.backups),
                remove_disk: Box::new(move |id| disks.remove(id)),
                router_log: Arc::clone(&hosting.router_log),
                logs: Arc::clone(&hosting.logs),
                clock: Arc::clone(&clock),
            })
            .map_err(|error| ServeError::Fabric(error.to_string()))?;
        let state = State::new(ledger, clock, secret, health, started.console, spare);
        let state = Arc::new(state.with_rate_limit(config.rate_limit).hosting(hosting));
        Ok(Self {
            config,
            data,
            held,
            state,
            reconciler,
            parts,
            ledger_thread,
            workload_thread: started.thread,
            stop_workloads: started.stop,
            edge_thread,
            stop_edge,
            follower,
            stop_follower,
            first,
        })
    }

    fn listen(self, listener: TcpListener) -> Result<Server, ServeError> {
        let address = self.config.listen;
        let bound =
            listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
        let waker = self.reconciler.waker();
        let reconcile = self.reconciler.start(self.parts);
        let note = self.config.data.join("serve.json");
        write_note(&note, bound)
            .map_err(|source| ServeError::Note { path: note.clone(), source })?;
        let operator = Operator { state: Arc::clone(&self.state), waker: waker.clone() };
        let router = crate::front::router(Arc::clone(&self.state))
            .merge(operator::router(operator))
            .merge(crate::platform::router(Arc::clone(&self.state)));
        let router = if self.config.emulator { crate::near::guard(router) } else { router };
        // The reconcile loop first: it holds a way to the ledger, which ends when all are gone.
        let mut threads = vec![reconcile];
        threads.extend(self.workload_thread);
        threads.extend(self.edge_thread);
        threads.push(self.follower);
        threads.push(self.ledger_thread);
        Ok(Server {
            listener,
            router,
            threads,
            waker,
            stop_workloads: self.stop_workloads,
            stop_edge: self.stop_edge,
            stop_follower: self.stop_follower,
            note,
            first: self.first,
            state: self.state,
            held: self.held,
            data: self.data,
        })
    }
}

type EdgeThread = Option<(edge::Hand, JoinHandle<()>)>;

/// Who answers names and web requests: nobody where no packets are carried.
fn edge_of(
    config: &Config,
    instance: &str,
    ledger: &Ledger,
) -> Result<(Box<dyn Edge>, EdgeThread), ServeError> {
    match config.fabric {
        FabricKind::None => Ok((Box::new(NoEdge::new(ledger.clone())), None)),
        FabricKind::Linux => {
            let (hand, thread) = edge::start(
                config.self_exe.clone(),
                config.edge.of(&config.data, instance),
                ledger.clone(),
            )
            .map_err(|error| ServeError::Fabric(error.to_string()))?;
            Ok((Box::new(hand.clone()), Some((hand, thread))))
        }
    }
}

/// Where the edge of a data directory keeps its own.
pub(crate) fn edge_dir(data: &Path) -> PathBuf {
    data.join("edge")
}

impl EdgeConfig {
    /// The same for the edge itself.
    fn of(&self, data: &Path, instance: &str) -> ::edge::Config {
        let dir = std::path::absolute(edge_dir(data)).unwrap_or_else(|_| edge_dir(data));
        let mut config = ::edge::Config::new(dir);
        config.prefix = fabric::instance::namespace_prefix(instance);
        config.domains = self.web.domains.clone();
        config.router = self.web.router;
        config.router_tls = self.web.router_tls;
        config.tls = self.certificate.clone().map(|c| (c.chain, c.key));
        config.dns = self.dns;
        config.forward = match &self.forward_dns {
            ForwardDns::None => ::edge::Forward::None,
            ForwardDns::Host => ::edge::Forward::HostResolvers,
            ForwardDns::To(servers) => ::edge::Forward::Servers(servers.clone()),
        };
        config
    }
}

/// What carries packets, once this machine was found able to, with all that is the instance's.
fn driver(config: &Config, instance: &str) -> Result<(Box<dyn Driver>, Option<Held>), ServeError> {
    match config.fabric {
        FabricKind::None => Ok((Box::new(NoFabric), None)),
        FabricKind::Linux => {
            let mut checks = fabric::linux::doctor();
            checks.extend(fabric::runtime::doctor(&config.runtime));
            let words =
                |check: &Check| format!("{}: {}. {}", check.name, check.detail, check.remedy);
            let (lacks, limits): (Vec<_>, Vec<_>) =
                checks.iter().filter(|check| !check.ok).partition(|check| check.needed);
            if !lacks.is_empty() {
                let lacks: Vec<String> = lacks.into_iter().map(words).collect();
                return Err(ServeError::Fabric(lacks.join("; ")));
            }
            for check in limits {
                tracing::warn!("{}", words(check));
            }
            let held = Held::take(instance, &config.data).map_err(ServeError::Instance)?;
            Ok((Box::new(fabric::linux::Linux::new(instance)), Some(held)))
        }
    }
}

/// Says where this server is, for client commands on the same host.
fn write_note(path: &Path, address: SocketAddr) -> std::io::Result<()> {
    let note = serde_json::json!({ "url": format!("http://{address}"), "pid": std::process::id() });
    let partial = path.with_extension("json.partial");
    std::fs::write(&partial, note.to_string())?;
    std::fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::state::{operator_token, user_token};

    fn config(data: &Path) -> Config {
        Config {
            data: data.to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            fabric: FabricKind::None,
            region: None,
            test_clock: false,
            emulator: false,
            rate_limit: 0,
            runtime: "runc".into(),
            self_exe: "/nonexistent".into(),
            edge: EdgeConfig::default(),
            plans: Plans::default(),
        }
    }

    async fn ask(address: SocketAddr, path: &str, token: Option<&str>) -> u16 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let credentials =
            token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\n{credentials}accept: application/vnd.heroku+json; version=3\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_operators_endpoints_are_the_operators_alone() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(config(dir.path())).await.unwrap();
        let (address, state) = (server.address(), Arc::clone(&server.state));
        let operator = operator_token(&state.secret);
        let user = state.world().users().next().unwrap().id;
        let user = user_token(&state.secret, user);
        drop(state);
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        assert_eq!(ask(address, "/healthz", None).await, 200);
        for path in [
            "/_causeway/status",
            "/_causeway/accounts",
            "/_causeway/keys",
            "/_causeway/users",
            "/_causeway/teams",
            "/_causeway/workloads/a/b",
            "/_causeway/logs/a/b",
        ] {
            assert_eq!(ask(address, path, None).await, 401, "{path}");
            assert_eq!(ask(address, path, Some(&user)).await, 401, "{path}");
            assert_eq!(ask(address, path, Some("")).await, 401, "{path}");
            assert_ne!(ask(address, path, Some(&operator)).await, 401, "{path}");
        }
        // Whoever is somebody may ask why; what about is another matter.
        let why = "/_causeway/why?from=a&to=b";
        for (token, status) in [(None, 401), (Some("x"), 401), (Some(&*user), 422)] {
            assert_eq!(ask(address, why, token).await, status);
        }
        assert_eq!(ask(address, "/account", Some(&user)).await, 200);
        stop.cancel();
        running.await.unwrap().unwrap();
        assert!(!dir.path().join("serve.json").exists(), "it says no more where it was");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_later_start_keeps_what_the_first_one_made() {
        let dir = tempfile::tempdir().unwrap();
        let mut worlds = Vec::new();
        for first in [true, false] {
            let server = Server::start(config(dir.path())).await.unwrap();
            assert_eq!(server.first.is_some(), first);
            server.greeted();
            worlds.push(server.state.world());
            let stop = CancellationToken::new();
            stop.cancel();
            server.run(stop).await.unwrap();
        }
        let rows =
            |world: &model::World| world.records().map(|r| (r.key(), r.body())).collect::<Vec<_>>();
        assert_eq!(rows(&worlds[0]), rows(&worlds[1]));
        let other = Config { emulator: true, ..config(dir.path()) };
        let refused = Server::start(other).await.err().unwrap();
        assert!(matches!(refused, ServeError::OtherMode { was: false }), "{refused}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dynos_come_up_where_no_packets_are_carried() {
        use model::{Caller, DynoState, Key, PlatformCommand as C, SystemCommand};
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(config(dir.path())).await.unwrap();
        let (state, waker) = (Arc::clone(&server.state), server.waker.clone());
        let origin = crate::state::Origin { address: None, request_id: String::new() };
        let run = async |caller, command: model::Command| {
            state.submit(caller, command, &origin).await.unwrap().reply.main()
        };
        let team = state.world().teams().next().unwrap().id;
        let (name, region, cidr, data_cidr) = ("one".to_owned(), None, None, None);
        let create = C::CreateSpace { name, team, region, cidr, data_cidr };
        let Some(Key::Space(space)) = run(Caller::Operator, create.into()).await else { panic!() };
        waker.sweep().await.unwrap();
        let create = C::CreateApp { name: None, space, internal_routing: false };
        let Some(Key::App(app)) = run(Caller::Operator, create.into()).await else { panic!() };
        let process_types = [("web".to_owned(), "serve".to_owned())].into();
        let create = C::CreateSlug { app, process_types, commit: None, checksum: None };
        let Some(Key::Slug(slug)) = run(Caller::Operator, create.into()).await else { panic!() };
        let process_types = std::collections::BTreeMap::new();
        let store = SystemCommand::StoreSlug { slug, size: 1, process_types };
        run(Caller::System, store.into()).await;
        run(Caller::Operator, C::CreateRelease { app, slug, description: None }.into()).await;
        // Each sweep waits for what the one before led to.
        let up = async |version: u32| {
            for _ in 0..1000 {
                waker.sweep().await.unwrap();
                let world = state.world();
                let dyno = world.dyno_named(app, "web.1").unwrap();
                let release = world.release(dyno.release).unwrap();
                if dyno.state == DynoState::Up && release.version == version {
                    return world.dynos().filter(|d| d.state.wants_to_run()).count();
                }
            }
            panic!("v{version} never came up");
        };
        assert_eq!(up(2).await, 1);
        let changes = [("KEY".to_owned(), Some("value".to_owned()))].into();
        run(Caller::Operator, C::SetConfig { app, changes }.into()).await;
        up(3).await;
        waker.sweep().await.unwrap();
        assert_eq!(up(3).await, 1, "the old one was drained");
        let stop = CancellationToken::new();
        stop.cancel();
        drop(state);
        server.run(stop).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_emulator_is_not_for_other_machines() {
        let dir = tempfile::tempdir().unwrap();
        let open =
            Config { emulator: true, listen: "0.0.0.0:0".parse().unwrap(), ..config(dir.path()) };
        let refused = Server::start(open).await.err().unwrap();
        assert!(matches!(refused, ServeError::EmulatorInPublic(_)), "{refused}");
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing was made");
    }
}
