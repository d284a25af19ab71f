//! What is kept of each host, be it connected or not, and the ways to its control loops.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent::Orders;
use model::Timestamp;
use model::protocol::{Edge, Networks, Order, Workloads};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::streams::Streams;
use crate::authority::Authority;
use crate::identity::HostId;
use crate::kinds::Kinds;
use crate::mailbox::Mailbox;
use crate::message::{About, Carried, Held, Servers, Settings, Tells, ToHost, Versions};
use crate::registry::Registry;
use crate::tls::ServerTls;

/// The most connections that have not said yet who they are.
const MOST_STRANGERS: usize = 64;

/// How often each end says that it is there, and for how long the other may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    /// How often it says so.
    pub every: Duration,
    /// When the other end counts as dead.
    pub silence: Duration,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { every: Duration::from_secs(5), silence: Duration::from_secs(15) }
    }
}

/// The leader whose orders these are, while this server leads.
pub type Epoch = Box<dyn Fn() -> Option<u64> + Send + Sync>;
/// Where servers are, as this one knows.
pub type WhereServers = Box<dyn Fn() -> Servers + Send + Sync>;
/// Is told of a host that is there for the first time, with the way to it, and gives back who takes what it
/// reports.
pub type Attach = Box<dyn Fn(&HostId, HostOrders) -> Tells + Send + Sync>;

/// What a hub works with.
pub struct HubParts {
    /// Who says who a host is.
    pub authority: Arc<Authority>,
    /// Which hosts there are.
    pub registry: Arc<dyn Registry>,
    /// Whether this server leads.
    pub epoch: Epoch,
    /// Where servers are.
    pub servers: WhereServers,
    /// Is told of hosts.
    pub attach: Attach,
    /// What it makes of the streams that hosts ask for.
    pub kinds: Kinds,
    /// The time.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// What every host is to know.
    pub settings: Settings,
    /// How long the certificate of a host is valid.
    pub lifetime: Duration,
    /// What this server speaks.
    pub versions: Versions,
    /// When a host counts as dead.
    pub pulse: Pulse,
}

/// For how long the certificate of a host is valid. Hosts ask for another one after two thirds of it.
pub const HOST_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

pub(super) struct Shared {
    pub parts: HubParts,
    pub tls: ServerTls,
    hosts: Mutex<BTreeMap<HostId, Arc<Host>>>,
    pub strangers: Arc<Semaphore>,
}

/// What is kept of a host, be it connected or not.
pub(super) struct Host {
    pub id: HostId,
    state: Mutex<State>,
    /// There is something to send.
    pub wake: Notify,
    pub tells: Mutex<Option<Tells>>,
    pub streams: Streams,
}

#[derive(Default)]
pub(super) struct State {
    pub mail: Mail,
    pub connection: Option<Connection>,
    /// How many connections there were.
    pub connections: u64,
    pub held: Held,
    pub lost: Option<Timestamp>,
    /// When something came of it last.
    pub heard: Option<Instant>,
    /// Ends its streams, which are of one leader.
    pub streams_end: CancellationToken,
    pub streams_epoch: u64,
}

#[derive(Default)]
pub(super) struct Mail {
    pub networks: Mailbox<Networks>,
    pub workloads: Mailbox<Workloads>,
    pub edge: Mailbox<Edge>,
}

pub(super) struct Connection {
    pub number: u64,
    pub about: About,
    pub since: Timestamp,
    pub version: u16,
    pub end: CancellationToken,
    /// Takes what is sent beside orders.
    pub asks: mpsc::Sender<ToHost>,
}

/// A host, as the hub knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// Which one.
    pub id: HostId,
    /// The connection, if there is one.
    pub connected: Option<ConnectedHost>,
    /// When the last connection ended.
    pub lost: Option<Timestamp>,
    /// How far it has kept what it was told.
    pub held: Held,
}

/// The connection of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedHost {
    /// What it says of itself.
    pub about: About,
    /// Since when it is there.
    pub since: Timestamp,
    /// The version of the messages.
    pub version: u16,
}

/// The ways to the three control loops of a host.
pub struct HostOrders {
    /// To networks.
    pub networks: Box<dyn Orders<Networks>>,
    /// To workloads.
    pub workloads: Box<dyn Orders<Workloads>>,
    /// To the edge.
    pub edge: Box<dyn Orders<Edge>>,
}

/// The way to one control loop of a host.
struct Remote {
    host: Arc<Host>,
    hub: std::sync::Weak<Shared>,
}

/// Which mailbox is a subject's.
pub(super) trait Addressed: Carried {
    fn mailbox(mail: &mut Mail) -> &mut Mailbox<Self>;
}

impl Addressed for Networks {
    fn mailbox(mail: &mut Mail) -> &mut Mailbox<Self> {
        &mut mail.networks
    }
}

impl Addressed for Workloads {
    fn mailbox(mail: &mut Mail) -> &mut Mailbox<Self> {
        &mut mail.workloads
    }
}

impl Addressed for Edge {
    fn mailbox(mail: &mut Mail) -> &mut Mailbox<Self> {
        &mut mail.edge
    }
}

impl<S: Addressed> Orders<S> for Remote {
    fn give(&self, order: Order<S>) {
        // Where there is no hub any more, or another server leads, nobody is to be told anything.
        let Some(epoch) = self.hub.upgrade().and_then(|hub| (hub.parts.epoch)()) else { return };
        S::mailbox(&mut self.host.state().mail).give(epoch, order);
        self.host.wake.notify_one();
    }
}

impl Host {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_heard_within(&self, span: Duration) -> bool {
        let state = self.state();
        state.connection.is_some() && state.heard.is_some_and(|heard| heard.elapsed() < span)
    }

    pub(super) fn view(&self) -> HostView {
        let state = self.state();
        let connected = state.connection.as_ref().map(|connection| ConnectedHost {
            about: connection.about.clone(),
            since: connection.since,
            version: connection.version,
        });
        HostView { id: self.id, connected, lost: state.lost, held: state.held }
    }
}

impl Shared {
    pub(super) fn new(parts: HubParts) -> Self {
        Self {
            tls: ServerTls::new(Arc::clone(&parts.authority)),
            parts,
            hosts: Mutex::default(),
            strangers: Arc::new(Semaphore::new(MOST_STRANGERS)),
        }
    }

    pub(super) fn hosts(&self) -> MutexGuard<'_, BTreeMap<HostId, Arc<Host>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept of a host. Whoever plans for hosts is told of a new one.
    pub(super) fn host(self: &Arc<Self>, id: &HostId) -> Arc<Host> {
        let mut hosts = self.hosts();
        if let Some(host) = hosts.get(id) {
            return Arc::clone(host);
        }
        let host = Arc::new(Host {
            id: *id,
            state: Mutex::default(),
            wake: Notify::new(),
            tells: Mutex::default(),
            streams: Streams::default(),
        });
        hosts.insert(*id, Arc::clone(&host));
        // It may give orders at once.
        drop(hosts);
        let remote = || Remote { host: Arc::clone(&host), hub: Arc::downgrade(self) };
        let orders = HostOrders {
            networks: Box::new(remote()),
            workloads: Box::new(remote()),
            edge: Box::new(remote()),
        };
        let tells = (self.parts.attach)(id, orders);
        *host.tells.lock().unwrap_or_else(PoisonError::into_inner) = Some(tells);
        host
    }
}
