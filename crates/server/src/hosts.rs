//! The agents of other hosts: who may join, where they connect, and what each is told.

mod error;
mod members;
mod settings;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use link::{
    Authority, Fingerprint, HOST_LIFETIME, Hub, HubParts, JoinToken, Kinds, Pulse, Servers,
    Versions,
};
use model::IdSource;
use store::Secret;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::error::HostsError;

use self::members::Members;
use self::settings::Kept;
use crate::clock::{Clock, SystemIds};
use crate::cluster::{self, Duties};
use crate::ledger::Ledger;

/// What comes before the epochs of servers that share a database, so that hosts follow them after a server
/// with a database of its own, whose epochs begin with the time in seconds.
const SHARED_EPOCHS: u64 = 1 << 32;

/// What is needed for agents.
pub(crate) struct HostsParts<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// The installation's key.
    pub secret: &'a Secret,
    /// The time.
    pub clock: Arc<Clock>,
    /// What of that which one server alone may do is this server's.
    pub duties: Duties,
    /// Whether it is one of several.
    pub shared: bool,
    /// The URL at which others reach this server, if that is said.
    pub advertise: Option<String>,
    /// What the world is.
    pub ledger: Ledger,
    /// What is called with each host that is there for the first time.
    pub attach: link::Attach,
    /// What every host is to know.
    pub settings: link::Settings,
    /// What is made of the streams that hosts ask for.
    pub kinds: Kinds,
}

/// The agents of other hosts.
pub(crate) struct Hosts {
    kept: Kept,
    hub: Hub,
    servers: Arc<WhereServers>,
    advertise: Option<String>,
    clock: Arc<Clock>,
    epoch: Arc<OnceLock<u64>>,
    leads: Leads,
    listening: Mutex<Option<Listening>>,
    stop: CancellationToken,
}

/// Says by which epoch this server gives orders, if it does.
pub(crate) type Leads = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// A token, once.
pub(crate) struct NewToken {
    pub token: JoinToken,
    pub address: SocketAddr,
    /// Where the host may join, each a host and a port.
    pub servers: Vec<String>,
}

/// Where servers are, of several.
#[derive(Default)]
struct WhereServers(OnceLock<Arc<cluster::Members>>);

impl WhereServers {
    fn known(&self) -> Servers {
        self.0.get().map(|members| members.for_agents()).unwrap_or_default()
    }
}

impl Hosts {
    /// Those of a data directory. Nobody listens yet.
    ///
    /// # Errors
    ///
    /// [`HostsError`].
    pub(crate) fn open(parts: HostsParts<'_>) -> Result<Self, HostsError> {
        let HostsParts {
            data,
            secret,
            clock,
            duties,
            shared,
            advertise,
            ledger,
            attach,
            settings,
            kinds,
        } = parts;
        let seed = secret.derive(link::PURPOSE, "");
        let authority = Authority::of_seed(&seed).map(Arc::new).map_err(HostsError::Authority)?;
        let (epoch, time) = (Arc::<OnceLock<u64>>::default(), Arc::clone(&clock));
        let (alone, leadership) = (Arc::clone(&epoch), duties.leadership().clone());
        let leads: Leads = if shared {
            Arc::new(move || Some(SHARED_EPOCHS + leadership.epoch()?))
        } else {
            Arc::new(move || alone.get().copied())
        };
        let (told, servers) = (Arc::clone(&leads), Arc::<WhereServers>::default());
        let (known, ledger) = (Arc::clone(&servers), ledger);
        let hub = Hub::new(HubParts {
            authority,
            registry: Arc::new(Members { ledger, duties }),
            epoch: Box::new(move || told()),
            servers: Box::new(move || known.known()),
            attach,
            kinds,
            now: Box::new(move || time.wall()),
            settings,
            lifetime: HOST_LIFETIME,
            versions: Versions::OURS,
            pulse: Pulse::default(),
        });
        Ok(Self {
            kept: Kept::at(&data.join("agents")),
            hub,
            servers,
            advertise,
            clock,
            epoch,
            leads,
            listening: Mutex::default(),
            stop: CancellationToken::new(),
        })
    }

    /// Says where it is known which servers there are. Whoever has several says so once.
    pub(crate) fn beside(&self, members: Arc<cluster::Members>) {
        let _ = self.servers.0.set(members);
    }

    /// Where agents are connected.
    pub(crate) fn hub(&self) -> Hub {
        self.hub.clone()
    }

    /// Where agents are to connect, as `host:init` said once.
    pub(crate) fn address(data: &Path) -> Result<Option<SocketAddr>, HostsError> {
        Kept::at(&data.join("agents")).address()
    }

    /// Serves agents on a listener from now on.
    ///
    /// # Errors
    ///
    /// [`HostsError`].
    pub(crate) fn listen(&self, listener: TcpListener) -> Result<SocketAddr, HostsError> {
        let address = listener
            .local_addr()
            .map_err(|source| HostsError::Listen { address: ([0, 0, 0, 0], 0).into(), source })?;
        let mut listening = self.listening();
        self.begin(&listening)?;
        let (hub, stop) = (self.hub.clone(), self.stop.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = hub.serve(listener, stop).await {
                tracing::error!(error = os::error_chain(&error), "agents cannot be served");
            }
        });
        *listening = Some(Listening { address, task });
        if let Some(members) = self.servers.0.get() {
            members.set_agents(settings::advertised(address, self.advertise.as_deref()));
        }
        Ok(address)
    }

    /// By which epoch this server gives orders, if it does; from now on, where it has the installation alone.
    ///
    /// # Errors
    ///
    /// [`HostsError`].
    pub(crate) fn leads(&self) -> Result<Leads, HostsError> {
        self.begin(&self.listening())?;
        Ok(Arc::clone(&self.leads))
    }

    /// Begins an epoch, which nobody else does meanwhile.
    fn begin(&self, _: &MutexGuard<'_, Option<Listening>>) -> Result<(), HostsError> {
        if self.epoch.get().is_none() {
            let epoch = self.kept.next_epoch(self.clock.wall())?;
            let _ = self.epoch.set(epoch);
        }
        Ok(())
    }

    /// Has agents connect at an address from now on, also after the next start. Done once more, it changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`HostsError`].
    pub(crate) async fn init(&self, address: SocketAddr) -> Result<SocketAddr, HostsError> {
        if let Some(there) = self.listens_at() {
            let same = there.ip() == address.ip() && [0, there.port()].contains(&address.port());
            return if same { Ok(there) } else { Err(HostsError::Elsewhere(there)) };
        }
        let failed = |source| HostsError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        self.kept.set_address(listener.local_addr().map_err(failed)?)?;
        self.listen(listener)
    }

    /// Where agents connect.
    pub(crate) fn listens_at(&self) -> Option<SocketAddr> {
        self.listening().as_ref().map(|listening| listening.address)
    }

    /// What tells the authority of this installation from any other.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.hub.authority().fingerprint()
    }

    /// Makes a token, which lets nobody in before the ledger has its hash.
    ///
    /// # Errors
    ///
    /// [`HostsError::NotInit`].
    pub(crate) fn new_token(&self) -> Result<NewToken, HostsError> {
        let address = self.listens_at().ok_or(HostsError::NotInit)?;
        let token = JoinToken::of_bits(SystemIds.next_bits(), self.fingerprint());
        let mut servers = self.servers.known().all;
        if servers.is_empty() {
            servers.push(settings::advertised(address, None));
        }
        Ok(NewToken { token, address, servers })
    }

    /// Ends all connections, and waits for that.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let listening = self.listening().take();
        if let Some(listening) = listening {
            let _ = listening.task.await;
        }
    }

    fn listening(&self) -> MutexGuard<'_, Option<Listening>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
