//! Where a server listens, and how those on the same machine find it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::path::Path;

use os::service_manager::{ListenError, Place, ServiceManager};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::error::ServeError;
use crate::hosts::HostsError;

/// What listens.
pub(super) struct Listeners {
    pub(super) apis: TcpListener,
    pub(super) metrics: Option<TcpListener>,
    pub(super) agents: Option<TcpListener>,
}

/// What listens for the APIs, for `--metrics` and for agents. The service manager keeps it while one server takes
/// the place of another, so that nobody is refused in between.
pub(super) fn sockets(
    config: &Config,
    agents: Option<SocketAddr>,
    service_manager: &mut ServiceManager,
) -> Result<Listeners, ServeError> {
    const APIS: &str = "causeway-apis";
    const METRICS: &str = "causeway-metrics";
    let (address, for_metrics) = (config.listen, config.watch.metrics);
    let places = [
        Place { name: APIS, address: Some(address) },
        Place { name: METRICS, address: for_metrics },
        Place { name: "causeway-agents", address: agents },
    ];
    let [apis, metrics, agents] = service_manager.listen(places).map_err(|error| match error {
        ListenError::Bind { name: APIS, address, source } => ServeError::Listen { address, source },
        ListenError::Bind { name: METRICS, address, source } => {
            ServeError::ListenForMetrics { address, source }
        }
        ListenError::Bind { address, source, .. } => {
            ServeError::Hosts(HostsError::Listen { address, source })
        }
        ListenError::Unwanted { name, place } => ServeError::ListensElsewhere { name, place },
    })?;
    let failed = |source| ServeError::Listen { address, source };
    let apis = apis.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
    Ok(Listeners {
        apis: TcpListener::from_std(apis).map_err(failed)?,
        metrics: metrics.map(TcpListener::from_std).transpose().map_err(failed)?,
        agents: agents.map(TcpListener::from_std).transpose().map_err(failed)?,
    })
}

/// Where clients on the same host reach who listens on an address. One that stands for all addresses is
/// the name of none: an emulator refuses requests to it.
pub(super) fn here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Says where this server is, for client commands on the same host.
pub(super) fn write_note(path: &Path, address: SocketAddr) -> std::io::Result<()> {
    let url = format!("http://{}", here(address));
    let note = api::ServerNote { pid: std::process::id(), url };
    let note = serde_json::to_vec(&note)?;
    let partial = path.with_extension("json.partial");
    match std::fs::write(&partial, &note) {
        Ok(()) => std::fs::rename(&partial, path),
        // What a server left that was killed has the room that is needed.
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            let _ = std::fs::remove_file(&partial);
            let file = std::fs::OpenOptions::new().write(true).open(path).map_err(|_| error)?;
            file.write_all_at(&note, 0)?;
            file.set_len(note.len() as u64)
        }
        Err(error) => Err(error),
    }
}
