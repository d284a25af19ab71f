//! Other hosts on which an agent runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// `POST /_causeway/agents/init`: has agents of other hosts connect at an address, from now on and after each
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

/// `POST /_causeway/agents/tokens`: makes a token by which one host joins. The answer is a [`JoinTokenCreated`].
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
    /// Where agents connect.
    pub agents: SocketAddr,
    /// What tells the installation's authority from any other.
    pub fingerprint: String,
}

/// A host that has joined. `GET /_causeway/agents` answers with all of them, and `DELETE /_causeway/agents/ID`
/// removes one, which ends its connection at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentHost {
    /// Its id.
    pub id: String,
    /// Its name, which it gives itself.
    pub name: String,
    /// What it shares power or a room with.
    pub zone: Option<String>,
    /// What else it says of itself.
    pub labels: BTreeMap<String, String>,
    /// How many processors it has.
    pub cpus: u32,
    /// How many MiB of memory it has.
    pub memory_mib: u64,
    /// Its release of Causeway.
    pub version: String,
    /// When it joined.
    pub joined: Timestamp,
    /// Whether its agent is connected.
    pub connected: bool,
    /// Since when its agent is connected, or has been away; `null` if it has not been seen since the server's
    /// start.
    pub since: Option<Timestamp>,
    /// The version of the protocol that both speak; `null` where it is not connected.
    pub protocol: Option<u16>,
    /// The ledger's revision that its networks follow.
    pub revision: Option<u64>,
    /// The ledger's revision that its disk holds the networks of.
    pub kept_revision: Option<u64>,
    /// What cannot be done there at present, and why.
    pub failing: BTreeMap<String, String>,
}
