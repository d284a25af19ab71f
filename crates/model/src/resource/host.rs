//! Hosts: the machines that processes run on.
//!
//! An installation without hosts has one machine, which is nobody's record: everything runs there. With
//! its first host that machine gets one, and from then on each process has the host that it was placed
//! on, or waits for one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{Alias, Errand, HostId, Key, Timestamp};

/// A machine that processes run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The host's id.
    pub id: HostId,
    /// The host's name, unique in the installation.
    pub name: String,
    /// Where other hosts reach it.
    pub address: IpAddr,
    /// What fails together: a room, a rack, a supply of power.
    pub zone: String,
    /// What the operator says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How much there is of it to be given away.
    pub capacity: HostCapacity,
    /// The release of Causeway that its agent is of; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Whether it is the machine that everything ran on before there were hosts, and will run on again
    /// once it is the only one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// Whether it is to be emptied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
    /// Since when it is lost, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Timestamp>,
    /// When its agent connected last; `None` if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<Timestamp>,
    /// When it was heard last.
    pub last_heard: Timestamp,
    /// When it joined.
    pub created: Timestamp,
}

/// How much of a host may be given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCapacity {
    /// Bytes of memory. What is placed there never comes to more, by the sizes and types that it has.
    pub memory: u64,
    /// Processors, which all that runs there shares.
    pub cpus: u32,
}

/// The state of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostState {
    /// It is given what is to run.
    Ready,
    /// It is given nothing new, and its dynos move to others.
    Draining,
    /// Nothing is heard of it.
    Lost,
}

impl HostState {
    /// Its name for clients.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Lost => "lost",
        }
    }
}

impl Host {
    /// How long a host may be silent before it is lost.
    pub const SILENCE: Duration = Duration::from_secs(30);
    /// How long a host may not have reached the servers before it ends what is fenced.
    pub const FENCE: Duration = Duration::from_secs(30);
    /// How long after a host was heard last another process may run in the place of one that is fenced: it
    /// has 30 seconds to end after [`Host::FENCE`], and the rest is for clocks and for what takes a moment.
    pub const FENCED: Duration = Duration::from_secs(70);
    /// How often it is said which hosts are heard.
    pub const HEARD_EVERY: Duration = Duration::from_secs(5);
    /// How long one that was heard counts as connected.
    const FRESH: Duration = Duration::from_secs(12);

    /// Since when its agent is connected, if it is: that is so while it is heard.
    pub fn connected_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.connected.filter(|_| self.lost.is_none() && now < self.last_heard + Self::FRESH)
    }

    /// The host's state. One that is lost while it drains goes on draining when it is heard again.
    pub const fn state(&self) -> HostState {
        match (self.lost, self.draining) {
            (Some(_), _) => HostState::Lost,
            (None, true) => HostState::Draining,
            (None, false) => HostState::Ready,
        }
    }
}

impl Resource for Host {
    /// Machines stay where what ran on them goes.
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::Host(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::None
    }

    fn mentions(&self, _: &mut dyn FnMut(Key)) {}

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Machine(self.name.as_str().into()));
    }

    /// When it is lost, unless it is heard before.
    fn due(&self) -> Option<(Errand, Timestamp)> {
        self.lost.is_none().then(|| (Errand::Act, self.last_heard + Self::SILENCE))
    }
}
