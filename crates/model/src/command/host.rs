//! Commands about hosts. What is seen of them Causeway itself says; the rest is the operator's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::HostId;
use crate::resource::HostCapacity;

/// What is to be known of a host, and may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// Where other hosts reach it.
    pub address: IpAddr,
    /// What fails together: a room, a rack, a supply of power.
    pub zone: String,
    /// What the operator says of it.
    pub labels: BTreeMap<String, String>,
    /// How much there is of it to be given away.
    pub capacity: HostCapacity,
    /// The release of Causeway that its agent is of.
    pub version: String,
}

/// A host that joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHost {
    /// The host's name, unique in the installation.
    pub name: String,
    /// What is to be known of it.
    pub facts: HostFacts,
}

/// Commands about hosts.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
pub enum HostCommand {
    /// Makes the machine that everything runs on the first host.
    Init(NewHost),
    /// Adds another host.
    Join(NewHost),
    /// Makes a token by which one host joins.
    CreateJoinToken {
        /// SHA-256 of the token's secret, in hexadecimal.
        hash: String,
        /// For how long it lets a host in.
        lifetime: Duration,
    },
    /// A host shows a token and joins, as the first one or another one.
    Enrol {
        /// SHA-256 of the secret that it shows, in hexadecimal.
        token: String,
        /// SHA-256 of its public key, in hexadecimal.
        key: String,
        /// What it says of itself.
        new: NewHost,
    },
    /// The agent of a host has connected and says what there is now. What runs there stays, whether the
    /// host has room for it or not.
    Connected {
        /// The host.
        host: HostId,
        /// What is to be known of it.
        facts: HostFacts,
    },
    /// Gives a host nothing new, and moves its dynos to others, one after the other.
    Drain {
        /// The host to be emptied.
        host: HostId,
    },
    /// Has a host be given what is to run again. What has moved stays where it is.
    Undrain {
        /// The host that was to be emptied.
        host: HostId,
    },
    /// Removes a host.
    Remove {
        /// The host to remove.
        host: HostId,
        /// Whether it goes with all that is there: the disks of its data services and its instances.
        force: bool,
    },
    /// Somebody listens from now on, after nobody may have: silence is counted from here. Whoever
    /// hears hosts says so before the first [`SystemCommand::Tick`](crate::SystemCommand::Tick).
    Listen,
    /// These hosts were heard.
    Heard {
        /// The hosts; one that is not there is nobody.
        hosts: BTreeSet<HostId>,
    },
    /// A host is known to be gone, before its silence says so.
    Lost {
        /// The host.
        host: HostId,
    },
}
