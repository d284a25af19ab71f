//! What Causeway itself finds out: the fabric's observations and the passing of time.

use std::collections::{BTreeMap, BTreeSet};

use crate::edge::EdgeEvent;
use crate::resource::Exit;
use crate::{AccountId, PcxId, Record, SlugId, Timestamp, VpcId, WorkloadId};

/// Commands of Causeway itself.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
pub enum SystemCommand {
    /// What was seen of the fabric, the processes and the edge.
    Observe(Observation),
    /// Time has passed: what nobody sees any more is forgotten, what waited is done.
    Tick,
    /// A slug's code was uploaded and can be run.
    StoreSlug {
        /// The slug whose code it is.
        slug: SlugId,
        /// What is known of the code.
        stored: StoredCode,
    },
    /// A slug's code is kept as a blob from now on, which older versions did not do.
    KeepCode {
        /// The slug whose code it is.
        slug: SlugId,
        /// The SHA-256 of the blob, in hexadecimal.
        blob: String,
    },
    /// Everything goes (the emulator's reset), but settings and identities.
    Reset,
    /// What an account has goes (the emulator's reset), but the account itself.
    ResetAccount {
        /// Whose things go.
        account: AccountId,
    },
    /// Everything becomes as it was (the emulator's), but for the settings of this installation.
    LoadSnapshot {
        /// Everything that was there then.
        records: Vec<Record>,
        /// When that was.
        saved: Timestamp,
    },
}

/// Code that was uploaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredCode {
    /// The size of the upload, in bytes.
    pub size: u64,
    /// The size of the code on disk, unpacked, in bytes.
    pub unpacked: u64,
    /// The SHA-256 of the upload, in hexadecimal, if it is kept as it came.
    pub blob: Option<String>,
    /// The process types of its Procfile, with their commands.
    pub process_types: BTreeMap<String, String>,
    /// How many bytes of code may be kept.
    pub room: CodeRoom,
}

/// How many bytes of code are kept, unpacked. Where that is not enough, code that was never released
/// and old releases go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRoom {
    /// Bytes for one app.
    pub app: u64,
    /// Bytes for all apps of one team.
    pub team: u64,
}

impl Default for CodeRoom {
    fn default() -> Self {
        Self { app: 10 << 30, team: 50 << 30 }
    }
}

/// What was seen of the fabric, the processes and the edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// VPCs whose routers are in place.
    pub vpcs: BTreeSet<VpcId>,
    /// Peerings that were probed on both ends.
    pub carried: BTreeSet<PcxId>,
    /// Peerings of which nothing is left.
    pub gone: BTreeSet<PcxId>,
    /// The state of each process.
    pub workloads: BTreeMap<WorkloadId, WorkloadReport>,
    /// What the edge found out about web dynos.
    pub edge: Vec<EdgeEvent>,
}

/// What a process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadReport {
    /// It runs.
    Running,
    /// It has ended.
    Ended(Exit),
    /// The host ended it, or whoever works there, as a shutdown does: it is started again.
    Interrupted,
    /// The process and everything of it are gone.
    Gone,
}
