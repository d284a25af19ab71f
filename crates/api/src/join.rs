//! How hosts join.

use std::net::SocketAddr;

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// `POST /_causeway/host/init`: has agents of other hosts connect at an address, from now on and after each
/// start. The answer is a [`HostsReady`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitHosts {
    /// The address.
    pub agents: SocketAddr,
}

/// Where agents connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostsReady {
    /// The address.
    pub agents: SocketAddr,
    /// What tells the installation's authority from any other, such as `sha256:…`. Tokens hold it.
    pub fingerprint: String,
}

/// `POST /_causeway/host/token`: makes a token by which one host joins. The answer is a [`JoinTokenCreated`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateJoinToken {
    /// How long it is good; an hour if that is not said, and 7 days at most.
    #[serde(default)]
    pub lifetime_seconds: Option<u64>,
}

/// A token by which one host joins. It is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenCreated {
    /// The token, which begins with `cwj_`.
    pub token: String,
    /// Until when it is good.
    pub expires: Timestamp,
    /// Where agents connect to the server that made it.
    pub agents: SocketAddr,
    /// The addresses of all servers with which the host may join, such as `https://host-1:4882`.
    pub servers: Vec<String>,
    /// What tells the installation's authority from any other.
    pub fingerprint: String,
}
