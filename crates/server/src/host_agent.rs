//! The agent of a host: the control loops of this machine, which do what a server on another one says.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fabric::driver::Driver;
use fabric::instance::Held;
use fabric::linux::Linux;
use fabric::runtime::CodeSource;
use fabric::slug;
use link::{
    About, Host, HostError, HostId, HostOrders, HostParts, HostStreams, Identity, JoinError,
    JoinParts, JoinToken, Keep, KeepError, Pulse, Reports, Uptime, Versions,
};
use model::Cidr;
use nix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::apps::router_log::{EdgeLog, NoRouterLog, RouterLog};
use crate::apps::slugs::slugs_dir;
use crate::clock::Clock;
use crate::code::{Cache, CacheParts, Unused, over_link};
use crate::config::{EdgeConfig, FabricKind, Machine, disks_dir, edge_dir};
use crate::error::ServeError;
use crate::loops::Supervisor;
use crate::reconcile::files::SLUG_STAYS;
use crate::reconcile::host::{self, Carrier, HostLoops};
use crate::reconcile::{Stop, edge, workloads};
use crate::remote;

/// How an agent is started.
#[derive(Debug, Clone)]
pub struct HostAgentConfig {
    /// The data directory.
    pub data: PathBuf,
    /// What carries packets and runs processes.
    pub fabric: FabricKind,
    /// The Open vSwitch of this host, for where that carries packets.
    pub switch: ovn::Database,
    /// How many bytes of unpacked code stay on this machine, as far as no process needs more.
    pub slug_cache: u64,
    /// The OCI runtime program.
    pub runtime: PathBuf,
    /// The path of this program, which also runs as shim, init and edge.
    pub self_exe: PathBuf,
    /// The configuration of the edge. The domains are the server's.
    pub edge: EdgeConfig,
    /// With what it joins; `None` where it has joined.
    pub join: Option<JoinConfig>,
}

/// With what a host joins.
#[derive(Debug, Clone)]
pub struct JoinConfig {
    /// The addresses of servers, such as `https://cw.example.org:4882`.
    pub servers: Vec<String>,
    /// What lets it in.
    pub token: JoinToken,
    /// What it says of itself.
    pub about: About,
}

/// Why an agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum HostAgentError {
    /// The directory is a server's.
    #[error(
        "{} is the data directory of a server, whose own control loops do what an agent does; give \
         another --data",
        .0.display()
    )]
    Servers(PathBuf),
    /// Another agent has the directory.
    #[error("another agent runs with the data directory {}", .0.display())]
    InUse(PathBuf),
    /// What the kernel alone carries does not reach other hosts.
    #[error(
        "an agent with --fabric linux would reach no other host: give --fabric ovn, with an Open vSwitch of \
         OVN on this machine"
    )]
    KernelFabric,
    /// The directory cannot be used.
    #[error("the data directory {} cannot be used", .path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It did not join.
    #[error("this host did not join")]
    Join(#[source] JoinError),
    /// What it keeps cannot be used.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The machine lacks something.
    #[error(transparent)]
    Machine(#[from] ServeError),
    /// It does not go on.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// An agent that is ready.
pub struct HostAgent {
    host: Host,
    identity: Identity,
    closing: CancellationToken,
    stop_networks_and_edge: Stop,
    stop_workloads: Stop,
    threads: Vec<JoinHandle<()>>,
    /// The unpacked code here, where processes run.
    code: Option<Cache>,
    held: Option<Held>,
    /// The directory of that.
    slugs: Option<PathBuf>,
    /// The directory of the edge, where one runs.
    edge: Option<PathBuf>,
    /// Removes disks that are of no use any more.
    remove_disks: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Last of all: until then the directory is this process's.
    _lock: File,
}

impl HostAgent {
    /// Joins, if it is to, and has the control loops do what this host was last told.
    ///
    /// From then on a loop that panics ends the process with [`os::panics::EXIT_STATUS`].
    ///
    /// # Errors
    ///
    /// [`HostAgentError`].
    pub async fn start(config: HostAgentConfig) -> Result<Self, HostAgentError> {
        if store::DataDir::is_installation(&config.data) {
            return Err(HostAgentError::Servers(config.data));
        }
        let dir = config.data.join("agent");
        let lock = lock(&config.data, &dir)?;
        let keep = Keep::at(&dir);
        if config.fabric == FabricKind::Linux {
            return Err(HostAgentError::KernelFabric);
        }
        if let Some(JoinConfig { servers, token, about }) = &config.join {
            let about = &completed(about, &config).await?;
            let parts = JoinParts { servers, token, about, keep: &keep, versions: Versions::OURS };
            let identity = link::join(parts).await.map_err(HostAgentError::Join)?;
            tracing::info!(host = %identity.host, "this host has joined");
        }
        let mut identity = keep.identity()?.ok_or(HostError::NotJoined)?;
        // A machine that was installed anew may have another name, and other parts in it. Without its switch it
        // goes on as it was.
        match completed(&identity.about, &config).await {
            Ok(about) if about != identity.about => {
                identity.about = about;
                keep.set_identity(&identity)?;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = os::error_chain(&error), "the host's name for OVN")
            }
        }
        let prepared =
            tokio::task::spawn_blocking(move || Self::prepare(&config, keep, identity, lock));
        prepared.await.map_err(|error| ServeError::Fabric(error.to_string()))?
    }

    fn prepare(
        config: &HostAgentConfig,
        keep: Keep,
        identity: Identity,
        lock: File,
    ) -> Result<Self, HostAgentError> {
        let HostAgentConfig { data, fabric, switch, runtime, self_exe, .. } = config;
        let switch = (*fabric == FabricKind::Ovn).then_some(switch);
        let machine = Machine { data, fabric: *fabric, switch, runtime, self_exe };
        let broken = |source| HostAgentError::Data { path: data.clone(), source };
        let instance = instance_of(&identity.host);
        let Carrier { driver, held } = host::carrier(&machine, &instance)?;
        let (reports, closing) = (Reports::default(), CancellationToken::new());
        let (streams, supervisor) = (HostStreams::default(), Supervisor::ending_the_process());
        let runs = *fabric != FabricKind::None;
        let code = runs.then(|| code_cache(config, streams.clone())).transpose()?;
        let code_threads = match &code {
            Some(code) => code.start(&supervisor).map_err(broken)?,
            None => Vec::new(),
        };
        let HostLoops { networks, workloads, edge, running } = host::start(host::HostParts {
            machine,
            instance: &instance,
            driver,
            edge: edge_of(config, &identity.settings),
            code: code.clone().map(|code| Arc::new(code) as Arc<dyn CodeSource>),
            lost: Default::default(),
            closing: closing.clone(),
            tells: reports.tells(),
            supervisor,
        })?;
        let router_log: Arc<dyn RouterLog> = match fabric {
            FabricKind::None => Arc::new(NoRouterLog),
            FabricKind::Linux | FabricKind::Ovn => Arc::new(EdgeLog(edge_dir(data))),
        };
        let remove_disk = workloads.disks();
        let dialer = runs.then(|| Linux::new(&instance).dialer());
        let removes = Arc::new(remove_disk.clone());
        let kinds = remote::kinds(workloads.console(), router_log, removes, dialer);
        let disks = disks_dir(data);
        let remove_disks = remote::remove_disks(streams.clone(), disks, remove_disk);
        let orders = HostOrders {
            networks: Box::new(networks),
            workloads: Box::new(workloads.workloads),
            edge,
        };
        let clock = Arc::new(Clock::system());
        let parts = HostParts {
            keep,
            reports,
            streams,
            kinds,
            now: Box::new(move || clock.wall()),
            uptime: Arc::new(uptime().map_err(broken)?),
            versions: Versions::OURS,
            pulse: Pulse::default(),
        };
        Ok(Self {
            host: Host::start(parts, orders)?,
            identity,
            closing,
            stop_networks_and_edge: running.stop_networks_and_edge(),
            stop_workloads: running.stop_workloads(),
            threads: running.threads().into_iter().chain(code_threads).collect(),
            code,
            held,
            slugs: runs.then(|| slugs_dir(data)),
            edge: (*fabric != FabricKind::None).then(|| edge_dir(data)),
            remove_disks: Box::pin(remove_disks),
            _lock: lock,
        })
    }

    /// Who this host is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Does what servers say until it is told to stop, then ends cleanly. Workloads and packets go on.
    ///
    /// # Errors
    ///
    /// [`HostAgentError`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), HostAgentError> {
        let (stopping, closing) = (stop.clone(), self.closing);
        let stop_networks_and_edge = Arc::clone(&self.stop_networks_and_edge);
        tokio::spawn(async move {
            stopping.cancelled().await;
            // At once: what ends from now on may end with the host, and must not be started again.
            closing.cancel();
            stop_networks_and_edge();
        });
        let removing = tokio::spawn(self.remove_disks);
        let ended = self.host.run(stop).await;
        removing.abort();
        (self.stop_networks_and_edge)();
        (self.stop_workloads)();
        if let Some(code) = &self.code {
            code.stop();
        }
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().map(JoinHandle::join).all(|joined| joined.is_ok())
        });
        if !joined.await.unwrap_or(false) {
            tracing::error!("a thread ended because of a defect of this program");
        }
        if matches!(ended, Err(HostError::Removed(_)))
            && let Some(dir) = self.edge
        {
            // Nobody tells it anything any more.
            let end = tokio::task::spawn_blocking(move || edge::end(&dir));
            if let Ok(Err(error)) = end.await {
                tracing::warn!(%error, "the edge of a host that was removed still runs");
            }
        }
        if matches!(ended, Err(HostError::Removed(_)))
            && let Some(slugs) = self.slugs
        {
            let gone = tokio::task::spawn_blocking(move || remove_code(&slugs));
            if let Ok(Err(error)) = gone.await {
                tracing::warn!(%error, "code of a host that was removed is still on its disk");
            }
        }
        // Only now: until here the threads may have touched what it keeps for us.
        drop(self.held);
        Ok(ended?)
    }
}

/// Whether a data directory is that of an agent.
pub fn is_agent(data: &Path) -> bool {
    data.join("agent").join("identity.json").exists()
}

/// Ends all that runs on a host and removes its networks and unpacked code from this machine; disks stay. Returns how much was
/// removed. The servers are told nothing.
///
/// # Errors
///
/// The agent runs, or something cannot be removed.
pub fn purge_host(data: &Path, switch: &ovn::Database) -> Result<usize, HostAgentError> {
    let dir = data.join("agent");
    let _lock = lock(data, &dir)?;
    let identity = Keep::at(&dir).identity()?.ok_or(HostError::NotJoined)?;
    let instance = instance_of(&identity.host);
    let held = Held::take(&instance, data).map_err(ServeError::Instance)?;
    edge::end(&edge_dir(data)).map_err(|error| ServeError::Fabric(error.to_string()))?;
    let processes = workloads::purge(data, &instance).map_err(ServeError::Fabric)?;
    let mut driver: Box<dyn Driver> = match identity.about.labels.contains_key(ovn::CHASSIS_LABEL) {
        true => host::of_switch(switch, &instance).map_err(ServeError::Fabric)?,
        false => Box::new(Linux::new(&instance)),
    };
    let networks = driver.purge().map_err(|error| ServeError::Fabric(os::error_chain(&error)))?;
    remove_code(&slugs_dir(data)).map_err(|error| {
        let path = data.to_owned();
        HostAgentError::Data { path, source: error }
    })?;
    held.remove();
    Ok(processes + networks)
}

/// The unpacked code of this machine's workloads, which comes from the server that is followed.
fn code_cache(config: &HostAgentConfig, streams: HostStreams) -> Result<Cache, HostAgentError> {
    let data = std::path::absolute(&config.data);
    let broken = |source| HostAgentError::Data { path: config.data.clone(), source };
    let slugs = slugs_dir(&data.map_err(broken)?);
    slug::clean(&slugs).map_err(|error| broken(std::io::Error::other(error)))?;
    Ok(Cache::new(CacheParts {
        slugs,
        opens: over_link::opens(streams, Handle::current()),
        place: "the server".to_owned(),
        limit: config.slug_cache,
        unused: Unused::Go(SLUG_STAYS),
        replaceable: Box::new(|_| true),
    }))
}

/// Removes the unpacked code of a host on which nothing runs any more.
fn remove_code(slugs: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(slugs) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The name of what is this host's on its machine.
fn instance_of(host: &HostId) -> String {
    let name = host.to_string();
    name[name.len() - 8..].to_owned()
}

/// What a host says of itself, with what its machine has now, and, where OVN carries packets, the name by
/// which OVN knows it and the address by which other hosts reach it.
async fn completed(about: &About, config: &HostAgentConfig) -> Result<About, ServeError> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut about = About {
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory_mib: memory_mib().unwrap_or(about.memory_mib),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        ..about.clone()
    };
    if config.fabric == FabricKind::Ovn {
        let switch = config.switch.clone();
        let name = tokio::task::spawn_blocking(move || ovn::chassis(&switch)).await;
        let name = name.unwrap_or_else(|error| Err(error.to_string()));
        let label = ovn::CHASSIS_LABEL.to_owned();
        let (name, address) = name.map_err(ServeError::Fabric)?;
        about.labels.insert(label, name);
        about.address = address.or(about.address);
    }
    Ok(about)
}

/// The clock that goes on while the machine sleeps.
pub(crate) fn uptime() -> std::io::Result<Uptime> {
    let now = || clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    now()?;
    let now = Box::new(move || now().unwrap_or_default());
    Ok(Uptime { boot: os::process::boot_id()?, now })
}

/// How many MiB of memory this machine has.
fn memory_mib() -> Option<u64> {
    let about = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = about.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

/// The edge, with what the installation says and what is this machine's own.
fn edge_of(config: &HostAgentConfig, settings: &link::Settings) -> ::edge::Config {
    let mut edge = config.edge.of(&config.data, None);
    edge.domains = settings.domains.clone();
    edge.denied.clone_from(&settings.denied);
    if config.fabric != FabricKind::None && !settings.denied.is_empty() {
        match fabric::linux::host_addresses() {
            Ok(addresses) => edge.denied.extend(addresses.into_iter().map(Cidr::host)),
            Err(error) => {
                let error = os::error_chain(&error);
                tracing::warn!(error, "the addresses of this machine are not known");
            }
        }
    }
    edge
}

/// Takes the directory for this process.
fn lock(data: &Path, dir: &Path) -> Result<File, HostAgentError> {
    let broken = |source| HostAgentError::Data { path: data.to_owned(), source };
    // Made for its owner alone, as what is kept there.
    let path = dir.join("lock");
    if !path.exists() {
        store::replace_file(&path, b"").map_err(|error| broken(std::io::Error::other(error)))?;
    }
    let file = OpenOptions::new().write(true).mode(0o600).open(&path).map_err(broken)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(HostAgentError::InUse(data.to_owned())),
        Err(TryLockError::Error(error)) => Err(broken(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_host_s_on_its_machine_has_the_end_of_its_id() {
        let host = "0f1e2d3c-4b5a-4697-8877-665544332211".parse().unwrap();
        assert_eq!(instance_of(&host), "44332211");
    }

    #[test]
    fn one_agent_has_a_directory_and_no_server_s() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path(), &dir.path().join("agent")).unwrap();
        let second = lock(dir.path(), &dir.path().join("agent")).unwrap_err();
        assert!(matches!(second, HostAgentError::InUse(_)), "{second}");
        drop(first);
        lock(dir.path(), &dir.path().join("agent")).unwrap();
    }
}
