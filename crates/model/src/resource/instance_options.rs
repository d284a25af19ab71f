//! What the owner of an instance may change of it.
//!
//! An instance is a process, so much of this changes nothing in how it runs: clients set it, read it
//! back, and take a difference for drift.

use serde::{Deserialize, Serialize};

use super::Tags;
use crate::VolumeId;

/// What the owner of an instance may change of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceOptions {
    /// Whether it is not to be terminated before this is taken back.
    pub termination_disabled: bool,
    /// Whether it is not to be stopped before this is taken back.
    pub stop_disabled: bool,
    /// What becomes of it when it shuts down by itself.
    pub shutdown: ShutdownBehavior,
    /// Whether it is monitored in detail.
    pub monitoring: bool,
    /// Whether it has rates of its own to its volumes.
    pub ebs_optimized: bool,
    /// How it uses credits; `None` is its type's default.
    pub credits: Option<CpuCredits>,
    /// How it asks the metadata service; `None` is its image's default.
    pub metadata: Option<MetadataOptions>,
    /// Whether it is not recovered where its host fails.
    pub recovery_disabled: bool,
    /// Its names inside the VPC.
    pub names: PrivateNames,
    /// Its volume.
    pub volume: RootVolume,
    /// Whether it is given a public address, another one each time it starts.
    pub public: bool,
}

/// What becomes of an instance when it shuts down by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShutdownBehavior {
    /// It is stopped.
    #[default]
    Stop,
    /// It is terminated.
    Terminate,
}

impl ShutdownBehavior {
    /// Its name in EC2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Terminate => "terminate",
        }
    }
}

/// How an instance of a burstable type uses credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuCredits {
    /// It slows down where it has none.
    Standard,
    /// It does not.
    Unlimited,
}

impl CpuCredits {
    /// Its name in EC2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Unlimited => "unlimited",
        }
    }
}

/// How an instance asks the metadata service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetadataOptions {
    /// Whether it answers at all.
    pub enabled: bool,
    /// Whether it wants tokens.
    pub tokens_required: bool,
    /// How many hops an answer with a token may take.
    pub hop_limit: u8,
    /// Whether it answers by IPv6, too.
    pub ipv6: bool,
    /// Whether it tells of the tags of the instance.
    pub tags: bool,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self { enabled: true, tokens_required: false, hop_limit: 1, ipv6: false, tags: false }
    }
}

/// The names of an instance inside its VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PrivateNames {
    /// Whether its name is of its id and not of its address.
    pub by_id: bool,
    /// Whether the name of its id leads to its IPv4 address.
    pub a_record: bool,
    /// Whether it leads to its IPv6 address.
    pub aaaa_record: bool,
}

/// The root volume of an instance: it holds nothing, as instances run the programs of the host, but
/// clients read it back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RootVolume {
    /// Its size in GiB; `None` is the image's.
    pub size: Option<u32>,
    /// Its type; `None` is the image's.
    pub kind: Option<String>,
    /// Its operations in a second; `None` is the type's default.
    pub iops: Option<u32>,
    /// Its MiB in a second; `None` is the type's default.
    pub throughput: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Whether it stays when the instance is terminated; it is not there any more then all the same.
    pub stays: bool,
    /// The tags that the owner put on it.
    pub tags: Tags,
}

impl RootVolume {
    /// The id of the root volume of an instance.
    pub fn id_of(instance: crate::InstanceId) -> VolumeId {
        VolumeId::of(instance)
    }
}
