//! A hub with somebody who plans, hosts whose control loops write down what they are told, and what stands
//! between the two.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::{Orders, Tell};
use model::edge::{EdgeDelta, EdgeIntent, ResolverIntent};
use model::protocol::{Edge, Order, Report, Subject, Workloads};
use model::{PrefixedId, Timestamp, VpcId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::members::Members;
use crate::*;

pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A pulse that tests need not wait for.
pub(super) const QUICK: Pulse =
    Pulse { every: Duration::from_millis(50), silence: Duration::from_millis(1500) };

pub(super) fn vpc(n: u8) -> VpcId {
    VpcId::fresh(&mut model::Sequence(u128::from(n)))
}

/// A change of one resolver.
pub(super) fn delta(n: u8, value: Option<u8>) -> EdgeDelta {
    let part =
        |value| ResolverIntent { addresses: vec![[10, 0, 0, value].into()], ..Default::default() };
    EdgeDelta { vpcs: [(vpc(n), value.map(part))].into(), ..Default::default() }
}

/// A directory of a test, which goes with it. What a host is told may be on its way to the disk while the test
/// ends, and a file that is made meanwhile keeps a directory from being removed.
pub(super) struct Dir(PathBuf);

impl Dir {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap().keep())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // Where it is gone nothing is made in it any more.
        while self.0.exists() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Waits until something holds.
pub(super) async fn eventually<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(it) = is() {
            return it;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come about in 20 s: {what}")
}

/// The time, which goes on with the machine's and can be moved.
#[derive(Default)]
pub(super) struct Time(AtomicI64);

impl Time {
    pub(super) fn now(&self) -> Timestamp {
        // What TLS goes by is the machine's clock.
        let at = tokio_rustls::rustls::pki_types::UnixTime::now().as_secs();
        let millis = i64::try_from(at).unwrap() * 1000 + self.0.load(Ordering::Relaxed);
        Timestamp::from_millis(millis)
    }

    pub(super) fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

/// A hub that listens, and what whoever plans has and hears.
pub(super) struct Server {
    pub hub: Hub,
    pub registry: Arc<Members>,
    pub address: SocketAddr,
    pub epoch: Arc<AtomicU64>,
    pub time: Arc<Time>,
    pub servers: Arc<Mutex<Servers>>,
    pub plan: Arc<Plan>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What one host must be, and what was heard of it.
#[derive(Default)]
pub(super) struct Plan {
    state: Mutex<PlanState>,
}

#[derive(Default)]
struct PlanState {
    orders: Option<HostOrders>,
    truth: EdgeIntent,
    revision: u64,
    reports: Vec<Report<Edge>>,
    syncs: usize,
}

impl Plan {
    fn state(&self) -> std::sync::MutexGuard<'_, PlanState> {
        self.state.lock().unwrap()
    }

    /// A commit that changes one resolver.
    pub(super) fn change(&self, n: u8, value: Option<u8>) -> u64 {
        let mut state = self.state();
        state.revision += 1;
        let revision = state.revision;
        Edge::change(&mut state.truth, delta(n, value));
        if let Some(orders) = &state.orders {
            orders.edge.give(Order::Change { delta: delta(n, value), revision });
        }
        revision
    }

    pub(super) fn give(&self, order: Order<Edge>) {
        self.state().orders.as_ref().unwrap().edge.give(order);
    }

    pub(super) fn give_workloads(&self, order: Order<Workloads>) {
        self.state().orders.as_ref().unwrap().workloads.give(order);
    }

    pub(super) fn truth(&self) -> EdgeIntent {
        self.state().truth.clone()
    }

    pub(super) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// Whether a report says that a revision was reached.
    pub(super) fn has_reached(&self, revision: u64) -> bool {
        self.state().reports.iter().any(|report| report.revision >= revision)
    }

    pub(super) fn settled(&self, number: u64) -> bool {
        self.state().reports.iter().any(|report| report.settled.contains(&number))
    }

    fn sync(state: &mut PlanState) {
        let PlanState { orders, truth, revision, syncs, .. } = state;
        let (Some(orders), revision) = (orders, *revision) else { return };
        *syncs += 1;
        orders.networks.give(Order::Sync { intent: Default::default(), revision });
        orders.edge.give(Order::Sync { intent: truth.clone(), revision });
        orders.workloads.give(Order::Sync { intent: Default::default(), revision });
    }

    fn attach(self: &Arc<Self>, orders: HostOrders) -> Tells {
        let mut state = self.state();
        state.orders = Some(orders);
        Self::sync(&mut state);
        let this = Arc::clone(self);
        Tells {
            networks: Box::new(|_| ()),
            workloads: Box::new(|_| ()),
            edge: Box::new(move |report| {
                let mut state = this.state();
                if report.forgot {
                    Self::sync(&mut state);
                }
                state.reports.push(report);
            }),
        }
    }
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::of(1, Versions::OURS, HOST_LIFETIME).await
    }

    pub(super) async fn of(seed: u8, versions: Versions, lifetime: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registry = Members::new(Arc::default());
        let plan = Arc::new(Plan::default());
        plan.state().revision = 1;
        Self::run(listener, registry, plan, 1, (seed, versions, lifetime))
    }

    fn run(
        listener: TcpListener,
        registry: Arc<Members>,
        plan: Arc<Plan>,
        epoch: u64,
        (seed, versions, lifetime): (u8, Versions, Duration),
    ) -> Self {
        let (epoch, time) = (Arc::new(AtomicU64::new(epoch)), Arc::clone(&registry.time));
        let servers = Arc::<Mutex<Servers>>::default();
        let known = Arc::clone(&servers);
        let (leads, clock, attached) = (Arc::clone(&epoch), Arc::clone(&time), Arc::clone(&plan));
        let hub = Hub::new(HubParts {
            authority: Arc::new(Authority::of_seed(&[seed; 32]).unwrap()),
            registry: Arc::<Members>::clone(&registry),
            epoch: Box::new(move || match leads.load(Ordering::SeqCst) {
                0 => None,
                epoch => Some(epoch),
            }),
            servers: Box::new(move || known.lock().unwrap().clone()),
            attach: Box::new(move |_, orders| attached.attach(orders)),
            kinds: super::streams::kinds("server"),
            now: Box::new(move || clock.now()),
            settings: Settings::default(),
            lifetime,
            versions,
            pulse: QUICK,
        });
        let (stop, address) = (CancellationToken::new(), listener.local_addr().unwrap());
        let (served, stopped) = (hub.clone(), stop.clone());
        let task = tokio::spawn(async move { served.serve(listener, stopped).await.unwrap() });
        Self { hub, registry, address, epoch, time, servers, plan, stop, task }
    }

    /// Another server of the same installation, which does not lead.
    pub(super) async fn beside(other: &Self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let how = (1, Versions::OURS, HOST_LIFETIME);
        let plan = Arc::new(Plan::default());
        plan.state().revision = 1;
        Self::run(listener, Arc::clone(&other.registry), plan, 0, how)
    }

    /// Ends, and gives back what another one goes on with.
    pub(super) async fn end(self) -> (Arc<Members>, SocketAddr, Arc<Plan>) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.plan.state().orders = None;
        (self.registry, self.address, self.plan)
    }

    /// Another process of the same installation, which leads in a later epoch.
    pub(super) async fn again(
        (registry, address, plan): (Arc<Members>, SocketAddr, Arc<Plan>),
        epoch: u64,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let how = (1, Versions::OURS, HOST_LIFETIME);
        Self::run(listener, registry, plan, epoch, how)
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(super) fn token(&self) -> JoinToken {
        let authority = self.hub.authority().fingerprint();
        self.registry.new_token(authority, HOUR)
    }

    pub(super) fn connected(&self) -> Option<HostView> {
        self.hub.hosts().into_iter().find(|host| host.connected.is_some())
    }
}

/// What the control loop of a host was told.
pub(super) type Told = Arc<Mutex<Vec<Order<Edge>>>>;

/// A control loop that does what it is told by writing it down.
struct Scribe<S: Subject> {
    told: Arc<Mutex<Vec<Order<S>>>>,
    tell: Mutex<Tell<S>>,
}

impl<S: Subject> Orders<S> for Scribe<S> {
    fn give(&self, order: Order<S>) {
        let report = match &order {
            Order::Sync { revision, .. } | Order::Change { revision, .. } => Report::at(*revision),
            Order::Settle(number) => Report { settled: vec![*number], ..Report::at(0) },
        };
        self.told.lock().unwrap().push(order);
        (self.tell.lock().unwrap())(report);
    }
}

/// A host that runs.
pub(super) struct Machine {
    pub told: Told,
    /// What its control loop of processes was told.
    pub workloads: Arc<Mutex<Vec<Order<Workloads>>>>,
    pub ended: JoinHandle<Result<(), HostError>>,
    pub streams: HostStreams,
    stop: CancellationToken,
}

pub(super) fn about(name: &str) -> About {
    About { name: name.to_owned(), ..About::default() }
}

/// Joins with a token.
pub(super) async fn join_at(
    server: &str,
    token: &JoinToken,
    keep: &Keep,
    versions: Versions,
) -> Result<Identity, JoinError> {
    let (about, servers) = (about("one"), [server.to_owned()]);
    join(JoinParts { servers: &servers, token, about: &about, keep, versions }).await
}

impl Machine {
    /// A host that joins and runs, and where it keeps what it is told.
    pub(super) async fn joined(server: &Server) -> (Dir, Self) {
        let dir = Dir::new();
        let keep = Keep::at(dir.path());
        join_at(&server.url(), &server.token(), &keep, Versions::OURS).await.unwrap();
        let machine = Self::start(dir.path());
        (dir, machine)
    }

    pub(super) fn start(dir: &Path) -> Self {
        Self::of(dir, Versions::OURS, None)
    }

    pub(super) fn of(dir: &Path, versions: Versions, time: Option<Arc<Time>>) -> Self {
        let since = std::time::Instant::now();
        Self::by(dir, versions, time, Box::new(move || since.elapsed()))
    }

    /// A host that counts by a clock of its own how long it has not reached servers.
    pub(super) fn by(
        dir: &Path,
        versions: Versions,
        time: Option<Arc<Time>>,
        uptime: Box<dyn Fn() -> Duration + Send + Sync>,
    ) -> Self {
        let (reports, told) = (Reports::default(), Told::default());
        let processes = Arc::<Mutex<Vec<Order<Workloads>>>>::default();
        let Tells { networks, workloads, edge } = reports.tells();
        let loops = HostOrders {
            networks: Box::new(Scribe { told: Arc::default(), tell: Mutex::new(networks) }),
            workloads: Box::new(Scribe {
                told: Arc::clone(&processes),
                tell: Mutex::new(workloads),
            }),
            edge: Box::new(Scribe { told: Arc::clone(&told), tell: Mutex::new(edge) }),
        };
        let time = time.unwrap_or_else(|| Arc::new(Time(AtomicI64::new(0))));
        let keep = Keep::at(dir);
        let now = Box::new(move || time.now());
        let (streams, kinds) = (HostStreams::default(), super::streams::kinds("host"));
        let opens = streams.clone();
        let uptime = Arc::new(Uptime { boot: "test".to_owned(), now: uptime });
        let parts =
            HostParts { keep, reports, streams, kinds, now, uptime, versions, pulse: QUICK };
        let (host, stop) = (Host::start(parts, loops).unwrap(), CancellationToken::new());
        let ended = tokio::spawn(host.run(stop.clone()));
        Self { told, workloads: processes, ended, streams: opens, stop }
    }

    /// All that it was told, made one.
    pub(super) fn intent(&self) -> Option<EdgeIntent> {
        let mut intent: Option<EdgeIntent> = None;
        for order in &*self.told.lock().unwrap() {
            match order {
                Order::Sync { intent: all, .. } => intent = Some(all.clone()),
                Order::Change { delta, .. } => {
                    Edge::change(intent.as_mut().expect("it was told all"), delta.clone());
                }
                Order::Settle(_) => {}
            }
        }
        intent
    }

    pub(super) async fn comes_to(&self, truth: &EdgeIntent) {
        let is = || (self.intent().as_ref() == Some(truth)).then_some(());
        eventually("the host has what it must", is).await;
    }

    pub(super) async fn stop(self) -> Result<(), HostError> {
        self.stop.cancel();
        self.ended.await.unwrap()
    }

    /// Ends it as a machine without power does.
    pub(super) fn kill(self) {
        self.ended.abort();
    }
}

/// The address of the servers that a host knows is another one from now on.
pub(super) fn point_at(dir: &Path, address: SocketAddr) {
    let keep = Keep::at(dir);
    let mut identity = keep.identity().unwrap().unwrap();
    (identity.servers, identity.told) = (vec![address.to_string()], Vec::new());
    keep.set_identity(&identity).unwrap();
}

/// Stands between hosts and a server, and cuts connections after so many bytes; `None` while it cuts
/// none.
pub(super) struct Proxy {
    pub address: SocketAddr,
    pub cut_after: watch::Sender<Option<usize>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(super) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut_after, limits) = watch::channel(None);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let limits = limits.clone();
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(server).await else { return };
                    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
                        (near.into_split(), far.into_split());
                    tokio::select! {
                        () = pass(&mut near_in, &mut far_out, limits.clone()) => {}
                        () = pass(&mut far_in, &mut near_out, limits) => {}
                    }
                });
            }
        });
        Self { address, cut_after, task }
    }
}

async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    limits: watch::Receiver<Option<usize>>,
) {
    let (mut passed, mut buffer) = (0, [0; 700]);
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        let limit = *limits.borrow();
        let passes = limit.map_or(read, |limit| limit.saturating_sub(passed).min(read));
        if to.write_all(&buffer[..passes]).await.is_err() || passes < read {
            return;
        }
        passed += read;
    }
}

/// The files of a directory, by name.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}
