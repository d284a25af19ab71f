//! The agents of other hosts: who may join, where they connect, and what each is told.

mod error;
mod heard;
mod settings;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use link::{
    Authority, FileRegistry, Fingerprint, HOST_LIFETIME, HostId, Hub, HubParts, JoinToken, Kinds,
    Pulse, Versions,
};
use model::Timestamp;
use store::Secret;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::error::HostsError;

use self::heard::Heard;
use self::settings::Kept;
use crate::clock::Clock;
use crate::cluster::Leadership;
use crate::ledger::Ledger;

/// How long a token is good where nothing else is said, and at most.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
const LONGEST_TOKEN_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

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
    /// What the world is.
    pub ledger: Ledger,
    /// Whether this server leads, where it is one of several.
    pub leadership: Option<Leadership>,
    /// What every host is to know.
    pub settings: link::Settings,
    /// What is made of the streams that hosts ask for.
    pub kinds: Kinds,
}

/// The agents of other hosts.
pub(crate) struct Hosts {
    kept: Kept,
    registry: Arc<FileRegistry>,
    hub: Hub,
    heard: Arc<Heard>,
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
    pub expires: Timestamp,
    pub address: SocketAddr,
}

/// A host that has joined.
pub(crate) struct HostRow {
    pub id: HostId,
    pub member: link::Member,
    pub view: Option<link::HostView>,
    /// The revision that its networks were last reported to follow.
    pub revision: Option<u64>,
    /// What cannot be done there, and why.
    pub failing: std::collections::BTreeMap<String, String>,
}

impl Hosts {
    /// Those of a data directory. Nobody listens yet.
    ///
    /// # Errors
    ///
    /// [`HostsError`].
    pub(crate) fn open(parts: HostsParts<'_>) -> Result<Self, HostsError> {
        let HostsParts { data, secret, clock, ledger, leadership, settings, kinds } = parts;
        let dir = data.join("agents");
        let path = dir.join("registry.json");
        let registry = FileRegistry::open(&path)
            .map(Arc::new)
            .map_err(|source| HostsError::Kept { path, source })?;
        let seed = secret.derive(link::PURPOSE, "");
        let authority = Authority::of_seed(&seed).map(Arc::new).map_err(HostsError::Authority)?;
        let (heard, epoch) = (Arc::new(Heard::new(ledger)), Arc::<OnceLock<u64>>::default());
        let (alone, attached, time) = (Arc::clone(&epoch), Arc::clone(&heard), Arc::clone(&clock));
        let leads: Leads = match leadership {
            None => Arc::new(move || alone.get().copied()),
            Some(leadership) => Arc::new(move || Some(SHARED_EPOCHS + leadership.epoch()?)),
        };
        let told = Arc::clone(&leads);
        let hub = Hub::new(HubParts {
            authority,
            registry: Arc::<FileRegistry>::clone(&registry),
            epoch: Box::new(move || told()),
            attach: Box::new(move |host, orders| attached.attach(host, orders)),
            kinds,
            now: Box::new(move || time.wall()),
            settings,
            lifetime: HOST_LIFETIME,
            versions: Versions::OURS,
            pulse: Pulse::default(),
        });
        Ok(Self {
            kept: Kept::at(&dir),
            registry,
            hub,
            heard,
            clock,
            epoch,
            leads,
            listening: Mutex::default(),
            stop: CancellationToken::new(),
        })
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

    /// Makes a token. May wait for the disk.
    ///
    /// # Errors
    ///
    /// [`HostsError`].
    pub(crate) fn new_token(&self, lifetime: Option<Duration>) -> Result<NewToken, HostsError> {
        let address = self.listens_at().ok_or(HostsError::NotInit)?;
        let lifetime = lifetime.unwrap_or(TOKEN_LIFETIME);
        if lifetime.is_zero() || lifetime > LONGEST_TOKEN_LIFETIME {
            return Err(HostsError::Lifetime);
        }
        let now = self.clock.wall();
        let (token, expires) = self.registry.new_token(self.fingerprint(), now, lifetime)?;
        Ok(NewToken { token, expires, address })
    }

    /// Every host, by id.
    pub(crate) fn list(&self) -> Vec<HostRow> {
        let mut views: std::collections::BTreeMap<_, _> =
            self.hub.hosts().into_iter().map(|view| (view.id.clone(), view)).collect();
        let members = self.registry.members().into_iter();
        members
            .map(|(id, member)| {
                let (revision, failing) = self.heard.of(&id);
                HostRow { view: views.remove(&id), id, member, revision, failing }
            })
            .collect()
    }

    /// Removes a host, and ends its connection; whether there was one. May wait for the disk.
    ///
    /// # Errors
    ///
    /// [`HostsError`].
    pub(crate) fn remove(&self, host: &HostId) -> Result<bool, HostsError> {
        let removed = self.registry.remove(host)?;
        self.hub.review();
        self.heard.forget(host);
        Ok(removed)
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
