//! What Causeway itself finds out: the fabric's observations and the passing of time.

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::Exit;
use crate::{PcxId, VpcId, WorkloadId};

/// What Causeway itself finds out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemCommand {
    /// What the fabric was seen to carry.
    Observe(Observation),
    /// Time has passed: what nobody sees any more is forgotten.
    Tick,
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
