//! Hosts: the machines that processes run on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All hosts. `GET /_causeway/hosts` answers with it. An installation without hosts has one machine, where
/// everything runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// The release of Causeway that the server is of. A host's may be another while both are upgraded.
    #[serde(default)]
    pub version: String,
    /// The hosts, oldest first.
    pub hosts: Vec<Host>,
    /// What is to run and has no host, oldest first.
    pub waiting: Vec<WaitingWorkload>,
}

/// A host. `POST /_causeway/hosts/HOST/drain` and `…/undrain` answer with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The host's id.
    pub id: String,
    /// The host's name.
    pub name: String,
    /// `ready`, `draining` or `lost`.
    pub state: String,
    /// Where other hosts reach it.
    pub address: String,
    /// What fails together: a room, a rack, a supply of power.
    pub zone: String,
    /// What the operator says of it.
    pub labels: BTreeMap<String, String>,
    /// Bytes of memory that may be given away.
    pub memory: u64,
    /// Bytes of memory that are given away.
    pub committed: u64,
    /// Processors.
    pub cpus: u32,
    /// How many dynos are there.
    pub dynos: usize,
    /// How many data services are there.
    pub services: usize,
    /// How many instances are there.
    pub instances: usize,
    /// Whether it is the machine that everything ran on before there were hosts.
    pub first: bool,
    /// The release of Causeway that its agent is of; empty if that never connected.
    pub version: String,
    /// Since when its agent is connected; `null` while it is not.
    pub connected_since: Option<String>,
    /// When it was heard last.
    pub last_heard: String,
    /// Since when it is lost; `null` if it is not.
    pub lost_since: Option<String>,
    /// When it joined.
    pub created_at: String,
}

/// A host and what is there. `GET /_causeway/hosts/HOST` answers with it, for a host's name or id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDetails {
    /// The host.
    pub host: Host,
    /// The ledger's revision that its networks follow, as the server that leads was told; `null` where that
    /// is not known.
    pub revision: Option<u64>,
    /// The ledger's revision of which its disk has the networks.
    pub kept_revision: Option<u64>,
    /// What cannot be done there at present, and why, as the server that leads was told.
    pub failing: BTreeMap<String, String>,
    /// What is there and has not ended.
    pub workloads: Vec<HostedWorkload>,
}

/// A process on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedWorkload {
    /// `dyno`, `service` or `instance`.
    pub kind: String,
    /// Its id, as `GET /_causeway/usage` has it.
    pub id: String,
    /// Its name for commands: `shop/web.1` for a dyno, the id for an instance.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Bytes of memory that it takes of what the host has.
    pub memory: u64,
    /// Whether it has a disk there, so that it never moves by itself.
    pub pinned: bool,
    /// Whether its host ends it where it cannot reach the servers (`heroku features:enable fence-stop`).
    #[serde(default)]
    pub fenced: bool,
}

/// A process that is to run and has no host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingWorkload {
    /// `dyno`, `service` or `instance`.
    pub kind: String,
    /// Its id, as `GET /_causeway/usage` has it.
    pub id: String,
    /// Its name for commands.
    pub name: String,
    /// Why it has none, in words.
    pub reason: String,
}

/// `DELETE /_causeway/hosts/HOST`: removes a host. The answer is a [`HostRemoved`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveHost {
    /// Whether it goes with all that is there: the disks of its data services and its instances.
    #[serde(default)]
    pub force: bool,
}

/// A host was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRemoved {
    /// The host's id.
    pub id: String,
    /// The host's name.
    pub name: String,
}
