//! What Causeway itself finds out: the fabric's observations and the passing of time.

use std::collections::{BTreeMap, BTreeSet};

use crate::edge::EdgeEvent;
use crate::resource::Exit;
use crate::{PcxId, SlugId, VpcId, WorkloadId};

/// What Causeway itself finds out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemCommand {
    /// What the fabric was seen to carry.
    Observe(Observation),
    /// Time has passed: what nobody sees any more is forgotten, what waited is done.
    Tick,
    /// A slug's code was uploaded and can be run.
    StoreSlug {
        /// Which.
        slug: SlugId,
        /// Bytes that were uploaded.
        size: u64,
        /// Process types that the code itself names (its Procfile).
        process_types: BTreeMap<String, String>,
    },
    /// Everything goes (the emulator's reset), but settings and identities.
    Reset,
}

/// What the fabric was seen to carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// VPCs whose routers are in place.
    pub vpcs: BTreeSet<VpcId>,
    /// Peerings that were probed on both ends.
    pub carried: BTreeSet<PcxId>,
    /// Peerings of which nothing is left.
    pub gone: BTreeSet<PcxId>,
    /// What processes do.
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
    /// Nothing is left of it.
    Gone,
}
