//! A whole server: data directory, ledger, fabric, workloads, and everything on one address.

mod blobs_place;
pub(crate) mod first;
mod listening;
mod member;
mod opening;
#[cfg(test)]
mod tests;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use fabric::instance::Held;
use fabric::linux::{Linux, Recorder};
use fabric::runtime::CodeSource;
use link::Tells;
use model::{IpCidr, Outbound, Region};
use os::service_manager::ServiceManager;
use s3::S3Blobs;
use sha2::{Digest, Sha256};
use store::{Blobs, DataDir, Secret};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::first::FirstStart;
use self::listening::{Listeners, here, sockets, write_note};
use self::opening::{Opened, open, open_store};
use crate::acme::{self, Certificates};
use crate::apps::host_logs::HostLogs;
use crate::apps::logs::Logs;
use crate::apps::rendezvous::Rendezvous;
use crate::apps::router_log::EdgeLog;
use crate::apps::slugs::slugs_dir;
use crate::cleanup::lost::Lost;
use crate::cleanup::warden::{Ephemeral, Warden};
use crate::clock::{Clock, SystemIds};
use crate::cluster::{self, Duties, Leadership};
use crate::code::{self, Keeper, KeeperParts, Kept};
use crate::config::{Config, FabricKind, Reads, TransportConfig, edge_dir};
use crate::error::{ServeError, SetupError};
use crate::flows::{self, Flows};
use crate::hosts::{Hosts, HostsParts};
use crate::http::dashboard::{self, Dashboard};
use crate::http::front::Front;
use crate::http::healthz;
use crate::http::listen::{self, Limits, Sessions, Transport};
use crate::http::metrics::{self, Figures, OwnAddress};
use crate::http::operator::{self, Operator};
use crate::http::platform;
use crate::http::rendezvous;
use crate::http::state::State;
use crate::identity::Identity;
use crate::ledger::{self, Ledger};
use crate::loops::Supervisor;
use crate::metrics::traces::Traces;
use crate::metrics::{ChangeLog, Metrics};
use crate::outbox;
use crate::ovn_writer;
use crate::reconcile::files::{self, FilesHandle, UnstartedFiles};
use crate::reconcile::host::{self, Carrier, HostLoops, HostParts, RunningLoops};
use crate::reconcile::reports::{self, NetworksReports, Observer};
use crate::reconcile::{
    self, CarriedRevision, Fleet, Health, Hears, PlannerHandle, Reporter, Stop, UnstartedPlanner,
};
use crate::remote::{self, HostConsole};

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    metrics: Option<(TcpListener, Figures)>,
    identity: Option<Identity>,
    proxies: Vec<IpCidr>,
    front: Front,
    /// The threads that use the ledger, or that the ledger's commits drive.
    threads: Vec<JoinHandle<()>>,
    ledger_thread: JoinHandle<()>,
    /// Writes lines of changes.
    changes_thread: JoinHandle<()>,
    planner: PlannerHandle,
    stop_networks_and_edge: Stop,
    stop_workloads: Stop,
    files: FilesHandle,
    /// Ends what looks after code.
    stop_code: Stop,
    /// Stops the outbox, the requests to an ACME server, and what goes on beside other servers.
    stop_rest: CancellationToken,
    duties: Duties,
    note: PathBuf,
    /// What the first start made; `None` once somebody was told ([`Self::greeted`]).
    pub first: Option<FirstStart>,
    /// Everything that requests share, for tests in process.
    pub state: Arc<State>,
    held: Option<Held>,
    data: DataDir,
    /// Last of all, so that at its end nobody holds what it takes.
    warden: Option<Warden>,
}

impl Server {
    /// Opens the data directory, sets up what is new, starts the loops and listens, on the sockets that a
    /// service manager kept of an earlier server where it did.
    ///
    /// From then on a loop that panics ends the process with [`os::panics::EXIT_STATUS`].
    ///
    /// # Errors
    ///
    /// [`ServeError`].
    pub async fn start(
        config: Config,
        service_manager: &mut ServiceManager,
    ) -> Result<Self, ServeError> {
        Self::start_under(config, service_manager, Supervisor::ending_the_process()).await
    }

    /// The same under another supervisor.
    async fn start_under(
        config: Config,
        service_manager: &mut ServiceManager,
        supervisor: Supervisor,
    ) -> Result<Self, ServeError> {
        Self::start_on(config, service_manager, supervisor, open_store).await
    }

    /// The same on a store that is opened in another way.
    async fn start_on(
        config: Config,
        service_manager: &mut ServiceManager,
        supervisor: Supervisor,
        open_store: impl FnOnce(&Config, &DataDir) -> store::Result<Opened> + Send + 'static,
    ) -> Result<Self, ServeError> {
        let TransportConfig { certificate, acme, insecure, allowed_hosts, .. } = &config.transport;
        let in_public = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
        if let Some(address) = config.watch.metrics.filter(in_public)
            && !insecure
        {
            return Err(ServeError::MetricsInPublic(address));
        }
        if in_public(&config.listen) {
            if config.emulator && (!insecure || allowed_hosts.is_empty()) {
                return Err(ServeError::EmulatorInPublic(config.listen));
            }
            if certificate.is_none() && acme.is_none() && !insecure {
                return Err(ServeError::PlainInPublic(config.listen));
            }
        }
        let token = token::read(config.watch.metrics_token.as_deref())?;
        let agents = match config.fabric {
            FabricKind::Ovn => {
                let said = || Hosts::address(&config.data).map_err(ServeError::Hosts);
                config.agents.map_or_else(said, |address| Ok(Some(address)))?
            }
            FabricKind::Linux | FabricKind::None if config.agents.is_some() => {
                return Err(ServeError::AgentsWithoutOvn);
            }
            FabricKind::Linux | FabricKind::None => None,
        };
        // First of all: where an address is taken, nothing is made.
        let listeners = sockets(&config, agents, service_manager)?;
        let runtime = tokio::runtime::Handle::current();
        let address = config.listen;
        let bound =
            listeners.apis.local_addr().map_err(|source| ServeError::Listen { address, source })?;
        tokio::task::spawn_blocking(move || {
            Prepared::new(config, bound, supervisor, &runtime, open_store)
        })
        .await
        .map_err(|error| ServeError::Fabric(error.to_string()))??
        .listen(listeners, token)
    }

    /// What is to be called once whoever started it was told what the first start made: later starts
    /// need not.
    pub fn greeted(&self) -> impl Fn() + use<> {
        let data = self.data.path().to_owned();
        move || first::greeted(&data)
    }

    /// Whether something comes before the server is ready, which `/healthz` is to say until
    /// [`Readiness::ready`].
    pub fn initializing(&self) -> Readiness {
        self.state.initializing.store(true, Ordering::Release);
        Readiness { initializing: Arc::clone(&self.state.initializing) }
    }

    /// The certificate by which clients of other machines know it, in DER, if it has one.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        self.identity.as_ref()?.leaf().map(|leaf| leaf.to_vec())
    }

    /// Whether clients of other machines are served over TLS alone, also before there is a certificate.
    pub fn is_secured(&self) -> bool {
        self.identity.is_some()
    }

    /// The address that has `/metrics` alone.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Where agents of other hosts connect.
    pub fn agents_address(&self) -> Option<SocketAddr> {
        self.state.hosts.as_ref()?.listens_at()
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a listener has an address")
    }

    /// Serves until told to stop, then ends cleanly. Workloads and packets go on.
    ///
    /// # Errors
    ///
    /// [`ServeError::Http`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServeError> {
        let (closing, stopping) = (self.state.closing.clone(), stop.clone());
        let planner = self.planner.clone();
        let stop_networks_and_edge = self.stop_networks_and_edge.clone();
        tokio::spawn(async move {
            stopping.cancelled().await;
            // At once: what ends from now on may end with the host, and what an order ends, as a
            // service manager's, must not be started again. Requests have their time meanwhile.
            closing.cancel();
            planner.stop();
            stop_networks_and_edge();
        });
        let (watching, stop_watching) = (self.metrics, stop.child_token());
        let watching = tokio::spawn(async move {
            let Some((listener, figures)) = watching else { return };
            let Ok(on) = listener.local_addr().map(|address| address.ip()) else { return };
            let (handler, transport) = (OwnAddress { figures, on }, Transport::default());
            let limits = Limits::default();
            let served = listen::serve(listener, handler, transport, limits, stop_watching).await;
            if let Err(error) = served {
                tracing::error!(%error, "nobody can read /metrics of --metrics any more");
            }
        });
        if self.state.members.is_some() {
            let (state, duties) = (Arc::clone(&self.state), self.duties.clone());
            tokio::spawn(end_without_the_fabric(state, duties, stop.clone()));
        }
        let noting = tokio::spawn(note(Arc::clone(&self.state), self.identity.clone()));
        let limits = Limits::default();
        let state = Arc::clone(&self.state);
        let awaited = Arc::clone(&state.rendezvous);
        let sessions = Sessions {
            serve: Arc::new(move |hello, stop| {
                Box::pin(rendezvous::serve(Arc::clone(&state), hello, stop))
            }),
            awaits: Arc::new(move |name| awaited.awaits(name)),
        };
        let transport =
            Transport { identity: self.identity, proxies: self.proxies, sessions: Some(sessions) };
        let served = listen::serve(self.listener, self.front, transport, limits, stop).await;
        if let Some(hosts) = &self.state.hosts {
            hosts.stop().await;
        }
        // It has a handle on the ledger too.
        let _ = watching.await;
        noting.abort();
        // The task holds a handle on the ledger, which would not end before.
        let _ = noting.await;
        self.state.note_refusals(true);
        // Whoever reads the note finds nobody there from now on.
        let _ = std::fs::remove_file(&self.note);
        self.planner.stop();
        (self.stop_networks_and_edge)();
        (self.stop_workloads)();
        self.files.stop();
        (self.stop_code)();
        if let Some(flows) = &self.state.flows {
            flows.stop();
        }
        self.stop_rest.cancel();
        let (threads, ledger_thread) = (self.threads, self.ledger_thread);
        let (ledger, metrics) = (self.state.ledger.clone(), Arc::clone(&self.state.metrics));
        let changes_thread = self.changes_thread;
        drop(self.state);
        let _ = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(join);
            // What others began, as a request that was not waited for, may still have a way to it.
            ledger.stop();
            join(ledger_thread);
            if let Some(changes) = metrics.changes.get() {
                changes.end();
            }
            join(changes_thread);
        })
        .await;
        // Only now: until here the threads may have touched what it keeps for us.
        drop(self.held);
        drop(self.data);
        let warden = self.warden;
        let _ = tokio::task::spawn_blocking(move || drop(warden)).await;
        served.map_err(ServeError::Http)
    }
}

/// Ends a server once another one was given the networks and workloads that it drives.
async fn end_without_the_fabric(state: Arc<State>, duties: Duties, stop: CancellationToken) {
    let mut changes = state.ledger.watch();
    loop {
        if duties.lost_the_fabric(&state.world()) {
            tracing::error!(
                "another server was started with --take-fabric and drives the networks and workloads now: \
                 this one ends; start it again with --fabric none"
            );
            return stop.cancel();
        }
        tokio::select! {
            told = changes.changed() => if told.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread ended because of a defect of this program");
    }
}

/// Has the audit know of refusals that were counted, and events of certificates that were replaced, until
/// it is told to stop.
async fn note(state: Arc<State>, identity: Option<Identity>) {
    let mut leaf = identity.as_ref().and_then(Identity::leaf);
    let mut times = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        times.tick().await;
        state.note_refusals(false);
        let Some(identity) = &identity else { continue };
        let Some(current) = identity.leaf() else { continue };
        if leaf.as_ref() != Some(&current) {
            let fingerprint = hex::encode(Sha256::digest(&current));
            let now = state.clock.now();
            let renewed = model::certificate_renewed("the APIs", &fingerprint, now);
            if state.ledger.happened(&[renewed]) {
                leaf = Some(current);
            }
        }
    }
}

/// Says that a server is ready.
#[derive(Debug)]
pub struct Readiness {
    initializing: Arc<AtomicBool>,
}

impl Readiness {
    /// What comes before was done.
    pub fn ready(self) {
        self.initializing.store(false, Ordering::Release);
    }
}

/// Everything but the listener: made on a thread that may wait for the disk.
struct Prepared {
    config: Config,
    data: DataDir,
    held: Option<Held>,
    state: Arc<State>,
    planner: UnstartedPlanner,
    parts: reconcile::Parts,
    supervisor: Supervisor,
    ledger_thread: JoinHandle<()>,
    changes_thread: JoinHandle<()>,
    loops: RunningLoops,
    files_thread: JoinHandle<()>,
    flows_thread: Option<JoinHandle<()>>,
    files: FilesHandle,
    /// Ends what looks after code.
    stop_code: Stop,
    code_threads: Vec<JoinHandle<()>>,
    outbox: JoinHandle<()>,
    /// Stops the outbox, the requests to an ACME server, and what goes on beside other servers.
    stop_rest: CancellationToken,
    cluster_threads: Vec<JoinHandle<()>>,
    duties: Duties,
    first: Option<FirstStart>,
    /// Last of all, so that at its end nobody holds what it takes.
    warden: Option<Warden>,
}

impl Prepared {
    fn new(
        config: Config,
        address: SocketAddr,
        supervisor: Supervisor,
        runtime: &tokio::runtime::Handle,
        open_store: impl FnOnce(&Config, &DataDir) -> store::Result<Opened>,
    ) -> Result<Self, ServeError> {
        let at = config.data.clone();
        let broken = |source| ServeError::Data { path: at.clone(), source: Box::new(source) };
        let mut warden = warden(&config)?;
        let data = open(&config).map_err(broken)?;
        let opened = open_store(&config, &data).map_err(|source| match config.store {
            Some(_) => ServeError::Database(Box::new(source)),
            None => broken(source),
        });
        let Opened { store, shared, blobs } = opened?;
        let keeper_store = store.handle().map_err(broken)?;
        let mut spare = store.handle().map_err(broken)?;
        let outbox_store = store.handle().map_err(broken)?;
        let shared_store = shared.then(|| store.handle()).transpose().map_err(broken)?;
        let secret: Secret = data.secret().clone();
        let clock = Arc::new(if config.test_clock || config.emulator {
            Clock::movable()
        } else {
            Clock::system()
        });
        let planner = UnstartedPlanner::new();
        let to_planner = planner.handle();
        let files_thread = UnstartedFiles::new();
        let to_files = files_thread.handle();
        let files = files_thread.handle();
        let rendezvous = Arc::new(Rendezvous::default().keeping(config.data.join(AUTHORITIES)));
        let sessions = Arc::clone(&rendezvous);
        let metrics = Arc::<Metrics>::default();
        let (changes, changes_thread) =
            ChangeLog::start(&supervisor).map_err(|error| ServeError::Fabric(error.to_string()))?;
        // Both are new.
        let _ = metrics.changes.set(changes);
        if let Some(collector) = config.watch.otlp.clone() {
            let _runtime = runtime.enter();
            let _ = metrics.traces.set(Traces::start(collector));
        }
        let (ledger, ledger_thread) = Ledger::start(ledger::Parts {
            store,
            secret: secret.clone(),
            ids: Box::new(SystemIds),
            clock: Arc::clone(&clock),
            follow: Box::new(move |step| {
                to_files.step(step.clone());
                to_planner.step(step);
                sessions.world_changed();
            }),
            metrics: Arc::clone(&metrics),
            supervisor: supervisor.clone(),
        })
        .map_err(broken)?;
        ledger.tell_by(platform::teller(config.edge.web.clone()));
        let region = config.region.unwrap_or(Region::DEFAULT);
        let last = fabric::instance::last_of(&config.data);
        let last = last.filter(|_| config.fabric == FabricKind::Linux);
        let emulator = config.emulator;
        let first = first::set_up(&ledger, &secret, region, emulator, data.path(), last, shared)
            .map_err(|error| match error {
                SetupError::Lost(source) => broken(source),
                error => ServeError::SetUp(error),
            })?;
        let carries = config.fabric == FabricKind::Linux;
        let mut duties = Duties::alone();
        let mut me = None;
        if shared {
            let own = member::read(&config, here(address)).map_err(ServeError::Join)?;
            first::claim_fabric(&ledger, &config, &own.id, &own.name)?;
            duties = Duties::beside_others(Leadership::candidate(), &own.id, config.fabric);
            me = Some(own);
        }
        // Of several servers, the one that has the way out says what it is.
        if !shared || carries {
            first::set_outbound(&ledger, &config).map_err(ServeError::SetUp)?;
        }
        first::set_like_aws(&ledger, &config).map_err(ServeError::SetUp)?;
        let world = ledger.world();
        let settings = world.settings().expect("it was just set up");
        if world.has_hosts() && config.fabric != FabricKind::Ovn {
            return Err(ServeError::HasHosts);
        }
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
        if settings.clock_offset > 0 && !clock.may_move() {
            let seconds = settings.clock_offset;
            tracing::warn!(
                seconds,
                "the clock is ahead of the machine's, as `causeway clock:advance` moved it in this \
                 data directory"
            );
        }
        let health = Arc::new(Health::default());
        if let Some(warden) = warden.as_mut().filter(|_| config.fabric == FabricKind::Linux) {
            warden
                .tell(&settings.instance)
                .map_err(|error| ServeError::Fabric(format!("its warden has ended: {error}")))?;
        }
        let closing = CancellationToken::new();
        let epoch = ovn_writer::Epoch::default();
        let Carrier { driver, held } = match &config.ovn {
            Some(ovn) => {
                let (ledger, epoch) = (ledger.clone(), epoch.clone());
                let driver = ovn_writer::driver(ovn, &settings.instance, ledger, epoch);
                Carrier { driver, held: None }
            }
            None => host::carrier(&config.machine(), &settings.instance)?,
        };
        health.set_driver(driver.name());
        let to_planner = planner.handle();
        let lacks = |error: std::io::Error| ServeError::Fabric(error.to_string());
        let observer = Observer { ledger: ledger.clone(), duties: duties.clone() };
        let networks = reports::of_networks(
            NetworksReports {
                observer: observer.clone(),
                clock: Arc::clone(&clock),
                health: Arc::clone(&health),
                carried: match config.fabric {
                    FabricKind::None | FabricKind::Ovn => CarriedRevision::nowhere(),
                    FabricKind::Linux => CarriedRevision::of(&config.data),
                },
                metrics: Arc::clone(&metrics),
            },
            to_planner.hear(Reporter::Networks),
        );
        let workloads = reports::of_workloads(
            None,
            observer.clone(),
            Arc::clone(&health),
            to_planner.hear(Reporter::Workloads),
        );
        let edge = reports::of_edge(observer.clone(), to_planner.hear(Reporter::Edge));
        let lost = Lost::at(&config.data);
        let found = lost.settle(&world, &*spare);
        let (bucket, accepted) = (config.blobs.as_ref(), config.accept_blobs);
        blobs_place::Place { bucket, shared, accepted }.settle(&mut *spare)?;
        let bucket = config.blobs.as_ref().map(|url| {
            let bucket = S3Blobs::open(url, &|name| std::env::var_os(name));
            let place = url.to_string();
            bucket.map_err(|source| ServeError::Blobs { place, source })
        });
        // Where a bucket has the code, what the database had of it is moved there.
        let (blobs, older) = match bucket.transpose()? {
            Some(bucket) => (Some(Arc::new(bucket) as Arc<dyn Blobs>), blobs),
            None => (blobs, None),
        };
        let kept = Kept::at(&config.data, blobs);
        let runs = config.fabric == FabricKind::Linux;
        let cache = runs.then(|| code_cache(&config, &kept, &ledger));
        let HostLoops { networks: to_networks, workloads: started, edge: to_edge, running } =
            host::start(HostParts {
                machine: config.machine(),
                instance: &settings.instance,
                driver,
                edge: config.edge.of(&config.data, settings.outbound.as_ref()),
                code: cache.clone().map(|cache| Arc::new(cache) as Arc<dyn CodeSource>),
                lost: found.workloads,
                closing: closing.clone(),
                tells: Tells {
                    networks: reports::counted(&metrics, |it| &it.reconcile.networks, networks),
                    workloads: reports::counted(&metrics, |it| &it.reconcile.workloads, workloads),
                    edge: reports::counted(&metrics, |it| &it.reconcile.edge, edge),
                },
                supervisor: supervisor.clone(),
            })?;
        let recorded = to_networks.clone();
        let (console, disks) = (started.console(), started.disks());
        let hears = Hears {
            planner: planner.handle(),
            observer,
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
        };
        let store_of_hosts = spare.handle().map_err(broken)?;
        let hosts = || {
            Hosts::open(HostsParts {
                data: &config.data,
                secret: &secret,
                clock: Arc::clone(&clock),
                duties: duties.clone(),
                shared,
                advertise: config.cluster.advertise.clone(),
                ledger: ledger.clone(),
                attach: hears.attach(),
                settings: link::Settings {
                    domains: config.edge.web.domains.clone(),
                    denied: settings.outbound.as_ref().map(Outbound::denied).unwrap_or_default(),
                },
                kinds: code::over_link::kinds(kept.clone(), ledger.clone())
                    .and(remote::server_kinds(ledger.clone(), store_of_hosts)),
            })
        };
        // No other fabric reaches another machine.
        let hosts = (config.fabric == FabricKind::Ovn).then(hosts).transpose();
        let hosts = hosts.map_err(ServeError::Hosts)?.map(Arc::new);
        if let Some(hosts) = &hosts {
            epoch.set(hosts.leads().map_err(ServeError::Hosts)?);
        }
        let parts = reconcile::Parts {
            networks: Box::new(to_networks),
            fleet: hosts.as_ref().map(|hosts| Fleet::new(hosts.hub())),
            workloads: Box::new(started.workloads),
            edge: to_edge,
            domains: config.edge.web.domains.clone(),
            ledger: ledger.clone(),
            duties: duties.clone(),
            clock: Arc::clone(&clock),
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
            supervisor: supervisor.clone(),
        };
        let logs = config.data.join("logs");
        let told = |error| ServeError::Fabric(format!("{}: {error}", logs.display()));
        let logs = Arc::new(Logs::open(&logs, &world).map_err(told)?);
        let mut state = State::new(&config.data, ledger, clock, secret, health, console, spare)
            .with_rate_limits(config.rate_limit, config.ec2_rate_limit);
        state.closing = closing;
        let acme = config.transport.acme.clone();
        state.certificates = acme.map(|acme| Arc::new(Certificates::open(&config.data, acme)));
        state.metrics = metrics;
        state.hosts = hosts;
        state.web = config.edge.web.clone();
        state.plans = config.plans.clone();
        state.programs = (config.fabric == FabricKind::Linux).then(|| "/".into());
        state.runs = config.fabric == FabricKind::Linux;
        state.reachable = outbox::reachable(config.webhook_allow.clone(), settings);
        state.slugs.room = config.code_room;
        state.slugs.kept = kept;
        state.slugs.cache = cache;
        let mut code_threads = Vec::new();
        if let Some(cache) = &state.slugs.cache {
            code_threads = cache.start(&supervisor).map_err(lacks)?;
        }
        state.rendezvous = rendezvous;
        state.logs = logs;
        if config.fabric == FabricKind::Linux {
            state.dialer = Some(Linux::new(&settings.instance).dialer());
            state.router_log = Arc::new(EdgeLog(edge_dir(&config.data)));
        }
        let everywhere = state.hosts.as_ref().map(|hosts| {
            let (here, router_log) = (Arc::clone(&state.console), Arc::clone(&state.router_log));
            HostConsole::new(here, router_log, hosts.hub(), state.ledger.clone(), runtime.clone())
        });
        if let Some(everywhere) = &everywhere {
            state.dialer = Some(Arc::new(everywhere.clone()));
            state.host_logs = Arc::new(everywhere.clone());
            state.router_log = Arc::new(everywhere.clone());
            state.console = Arc::new(everywhere.clone());
        }
        let mut flows_thread = None;
        if config.fabric == FabricKind::Linux {
            let recorder = Recorder::new(&settings.instance).map_err(lacks)?;
            let directory = config.data.join("flow-logs");
            let flows = Arc::new(Flows::new(directory, recorder.waker()));
            state.flows = Some(Arc::clone(&flows));
            let parts = flows::Parts {
                recorder,
                flows,
                ledger: state.ledger.clone(),
                clock: Arc::clone(&state.clock),
                record: Box::new(move |routers| recorded.call(|networks| networks.record(routers))),
            };
            flows_thread = Some(flows::start(parts, &supervisor).map_err(lacks)?);
        }
        if let Err(error) = state.backups.clean() {
            tracing::warn!(%error, "cannot remove the remains of an interrupted backup");
        }
        found.deleted_disks.into_iter().for_each(&disks);
        let files_thread = files_thread
            .start(
                files::Parts {
                    slugs: state.slugs.directory.clone(),
                    kept: state.slugs.kept.clone(),
                    backups: Arc::clone(&state.backups),
                    remove_disk: Box::new(move |service, host| match (host, &everywhere) {
                        (Some(host), Some(everywhere)) if everywhere.is_other(host) => {
                            everywhere.remove_disk(host, service);
                        }
                        _ => disks(service),
                    }),
                    router_log: Arc::clone(&state.router_log),
                    logs: Arc::clone(&state.logs),
                    clock: Arc::clone(&state.clock),
                },
                &supervisor,
            )
            .map_err(|error| ServeError::Fabric(error.to_string()))?;
        let keeper = Keeper::new(KeeperParts {
            kept: state.slugs.kept.clone(),
            older,
            slugs: state.slugs.directory.clone(),
            ledger: state.ledger.clone(),
            store: keeper_store,
            duties: duties.clone(),
            must_stay: {
                let backups = Arc::clone(&state.backups);
                Box::new(move || backups.needs_code())
            },
        });
        let keeper = keeper.start(&supervisor).map_err(|e| ServeError::Fabric(e.to_string()))?;
        let (stop_keeper, stop_cache) = (keeper.stop(), state.slugs.cache.clone());
        code_threads.push(keeper.thread);
        let stop_code: Stop = Arc::new(move || {
            stop_keeper();
            if let Some(cache) = &stop_cache {
                cache.stop();
            }
        });
        let stop_rest = CancellationToken::new();
        let parts_of_outbox = outbox::Parts {
            ledger: state.ledger.clone(),
            store: outbox_store,
            clock: Arc::clone(&state.clock),
            reachable: state.reachable.clone(),
            sources: state.log_sources(),
            duties: duties.clone(),
        };
        let outbox = outbox::start(parts_of_outbox, &supervisor, stop_rest.clone())
            .map_err(|error| ServeError::Fabric(error.to_string()))?;
        let mut cluster_threads = Vec::new();
        if let (Some(me), Some(store)) = (me, shared_store) {
            let planner = planner.handle();
            let parts = cluster::Parts {
                me,
                store,
                ledger: state.ledger.clone(),
                leadership: duties.leadership().clone(),
                lease: cluster::LEASE,
                changed: Box::new(move || planner.duties_changed()),
                metrics: Arc::clone(&state.metrics),
                supervisor: supervisor.clone(),
                stop: stop_rest.clone(),
            };
            let joined = cluster::join(parts).map_err(|error| ServeError::Join(Box::new(error)))?;
            state.fresh = (config.cluster.reads == Reads::Fresh).then_some(joined.fresh);
            if let Some(hosts) = &state.hosts {
                hosts.beside(Arc::clone(&joined.members));
            }
            let (driven, health, ledger) =
                (duties.clone(), Arc::clone(&state.health), state.ledger.clone());
            joined.members.tell_of_fabric(move || {
                driven.drives(&ledger.world()).is_some().then(|| health.get())
            });
            state.members = Some(joined.members);
            cluster_threads = joined.threads;
        }
        let state = Arc::new(state);
        // For clients of this machine, before anybody asks for it.
        state.rendezvous.authorities(&state.secret, state.clock.wall());
        if duties.drives(&state.world()).is_some() {
            rendezvous::stop_left(&state);
        }
        Ok(Self {
            warden,
            config,
            data,
            held,
            state,
            planner,
            parts,
            supervisor,
            ledger_thread,
            changes_thread,
            loops: running,
            files_thread,
            flows_thread,
            files,
            stop_code,
            code_threads,
            outbox,
            stop_rest,
            cluster_threads,
            duties,
            first,
        })
    }

    fn listen(self, listeners: Listeners, token: Option<Arc<str>>) -> Result<Server, ServeError> {
        let Listeners { apis: listener, metrics: for_metrics, agents } = listeners;
        if let (Some(hosts), Some(agents)) = (&self.state.hosts, agents) {
            hosts.listen(agents).map_err(ServeError::Hosts)?;
        }
        let address = self.config.listen;
        let bound =
            listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
        let planner = self.planner.handle();
        let reconcile = self.planner.start(self.parts);
        let note = self.config.data.join(api::ServerNote::FILE);
        match write_note(&note, bound) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => tracing::warn!(
                "the disk is full: client commands on this machine need --url http://{bound}"
            ),
            written => {
                written.map_err(|source| ServeError::Note { path: note.clone(), source })?;
            }
        }
        let lost = Lost::at(&self.config.data);
        let dashboard = Dashboard::new(Arc::clone(&self.state))
            .for_operator(lost.clone(), self.supervisor.clone());
        let operator = Operator { state: Arc::clone(&self.state), planner: planner.clone(), lost };
        let figures = Figures {
            state: Arc::clone(&self.state),
            supervisor: self.supervisor.clone(),
            edge: (self.config.fabric == FabricKind::Linux).then(|| edge_dir(&self.config.data)),
            token,
        };
        let router = operator::router(operator)
            .merge(healthz::router(self.supervisor.clone(), Arc::clone(&self.state)))
            .merge(metrics::router(figures.clone()))
            .merge(dashboard::router(dashboard))
            .merge(crate::http::browser_login::router(Arc::clone(&self.state)))
            .merge(platform::router(Arc::clone(&self.state)));
        let TransportConfig { certificate, proxies, allowed_hosts, insecure, .. } =
            self.config.transport;
        let front = Front::new(Arc::clone(&self.state), allowed_hosts, router);
        let identity = certificate
            .map(|files| ::edge::Identity::read(&files.chain, &files.key))
            .transpose()
            .map_err(ServeError::Certificate)?
            .map(|files| Identity::Files(Arc::new(files)));
        let mut asking = None;
        if let Some(certificates) = &self.state.certificates {
            let (runtime, clock) =
                (tokio::runtime::Handle::current(), Arc::clone(&self.state.clock));
            let (certificates, stop) = (Arc::clone(certificates), self.stop_rest.clone());
            let thread = acme::start(certificates, clock, runtime, &self.supervisor, stop);
            asking = Some(thread.map_err(|error| ServeError::Fabric(error.to_string()))?);
        }
        let identity = identity.or(self.state.certificates.clone().map(Identity::Acme));
        if let Some(identity) = &identity {
            // Nobody else sets it.
            let _ = self.state.identity.set(identity.clone());
        }
        if insecure && identity.is_none() && !bound.ip().to_canonical().is_loopback() {
            tracing::warn!(
                %bound, "--insecure: whoever is on the way to other machines can read tokens"
            );
        }
        let stop_networks_and_edge = self.loops.stop_networks_and_edge();
        let stop_workloads = self.loops.stop_workloads();
        let threads = [reconcile, self.files_thread, self.outbox];
        let threads = threads.into_iter().chain(self.loops.threads());
        let threads = threads.chain(self.flows_thread).chain(asking);
        let threads = threads.chain(self.cluster_threads).chain(self.code_threads).collect();
        Ok(Server {
            metrics: for_metrics.map(|listener| (listener, figures)),
            listener,
            identity,
            proxies,
            front,
            threads,
            ledger_thread: self.ledger_thread,
            changes_thread: self.changes_thread,
            planner,
            stop_networks_and_edge,
            stop_workloads,
            files: self.files,
            stop_code: self.stop_code,
            stop_rest: self.stop_rest,
            duties: self.duties,
            note,
            first: self.first,
            state: self.state,
            held: self.held,
            data: self.data,
            warden: self.warden,
        })
    }
}

/// The unpacked code of this machine's workloads.
fn code_cache(config: &Config, kept: &Kept, ledger: &Ledger) -> code::Cache {
    let (from, place, ledger) = (kept.clone(), kept.blobs().place(), ledger.clone());
    code::Cache::new(code::CacheParts {
        slugs: slugs_dir(&config.data),
        opens: Box::new(move |digest, at| {
            from.blobs().open(digest, at).map_err(|error| os::error_chain(&error))
        }),
        place,
        limit: config.slug_cache,
        unused: code::Unused::Stay,
        replaceable: Box::new(move |slug| {
            ledger.glance().slug(slug).is_some_and(|slug| slug.blob.is_some())
        }),
    })
}

/// Who ends what an ephemeral server leaves. Where nothing outlives it and nothing is to be removed,
/// there is nobody.
fn warden(config: &Config) -> Result<Option<Warden>, ServeError> {
    let needed = match config.ephemeral {
        Ephemeral::Nothing => false,
        Ephemeral::Workloads => config.fabric == FabricKind::Linux,
        Ephemeral::WorkloadsAndData => true,
    };
    if !needed {
        return Ok(None);
    }
    Warden::start(&config.self_exe, &config.data, &config.runtime, config.ephemeral)
        .map(Some)
        .map_err(|error| ServeError::Fabric(format!("its warden cannot be started: {error}")))
}

/// Which certificates clients of this machine are to trust, in the data directory.
const AUTHORITIES: &str = "ca.pem";
