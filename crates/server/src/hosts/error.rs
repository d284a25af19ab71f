//! Why agents cannot be served.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why agents cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// What is kept of hosts cannot be read or written.
    #[error("what is kept of hosts in {} cannot be used", .path.display())]
    Kept {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The authority cannot be made.
    #[error("the authority of hosts cannot be made")]
    Authority(#[source] link::AuthorityError),
    /// The address cannot be bound.
    #[error("agents cannot connect at {address}; is something else there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Agents connect at another address already.
    #[error(
        "agents connect at {0} already; to change that, give --agents to `causeway serve` and start it \
         again"
    )]
    Elsewhere(SocketAddr),
    /// Nobody said where agents connect.
    #[error("agents cannot connect anywhere yet; `causeway host:init` says where")]
    NotInit,
}
