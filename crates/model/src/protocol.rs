//! The protocol between the planner and the control loops of a host: orders one way, reports the other.
//!
//! There are three [`Subject`]s, each with types of its own: networks, processes and the edge. Both
//! ends may be in one process or on two machines, so nothing that is said here is a file descriptor,
//! a process number or a place in a file system of one of the two ends. (What a service's plan names,
//! its image and mounts, are directories that the operator provides on every host.)

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::edge::{EdgeDelta, EdgeEvent, EdgeIntent};
use crate::intent::{
    NetworksDelta, NetworksIntent, UplinkDelta, WorkloadsDelta, WorkloadsIntent, by_workload,
};
use crate::{PcxId, Timestamp, VpcId, WorkloadId};

/// What a message may consist of: data that can be sent anywhere.
pub trait Message: Debug + Clone + Send + Serialize + DeserializeOwned + 'static {}

impl<T: Debug + Clone + Send + Serialize + DeserializeOwned + 'static> Message for T {}

/// One of the three things that a control loop looks after, and the types of its messages.
pub trait Subject: Debug + Clone + PartialEq + Send + 'static {
    /// Its name, for logs and names of threads.
    const NAME: &'static str;
    /// The whole intent.
    type Intent: Message + Default + PartialEq;
    /// A change of the intent.
    type Delta: Message + Default + PartialEq;
    /// The state of parts that were looked at or changed.
    type Outcomes: Message + Default + PartialEq;
    /// Something that happened.
    type Event: Message + PartialEq;

    /// Makes one change of two that follow each other.
    fn merge(earlier: &mut Self::Delta, later: Self::Delta);

    /// Makes a change to an intent.
    fn change(intent: &mut Self::Intent, delta: Self::Delta);
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", bound = "")]
pub enum Order<S: Subject> {
    /// All that must be, as of a revision of the ledger; nothing else may be.
    Sync {
        /// All of it.
        intent: S::Intent,
        /// The ledger's revision that it was planned for.
        revision: u64,
    },
    /// What changed up to a revision. What is named though nothing of it changed is to be reported
    /// once more.
    Change {
        /// The difference.
        delta: S::Delta,
        /// The ledger's revision that it leads to.
        revision: u64,
    },
    /// To be answered with the same number once all orders before this one were carried out, as
    /// far as they can be.
    Settle(u64),
}

/// What came of orders, and what was seen beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Report<S: Subject> {
    /// The revision of the last order that was carried out, as far as it can be.
    pub revision: u64,
    /// What happened, in this order, before things came to be as `outcomes` says.
    pub events: Vec<S::Event>,
    /// How those parts fare that were looked at or changed.
    pub outcomes: S::Outcomes,
    /// Everything that cannot be done at present, by its name, and why; `None` where that is as it
    /// was said last.
    pub failing: Option<BTreeMap<String, String>>,
    /// Whether with this a comparison of everything ended.
    pub swept: Option<Swept>,
    /// The numbers of [`Order::Settle`] that this answers.
    pub settled: Vec<u64>,
    /// Whether it does not know any more what it was told, and needs an [`Order::Sync`].
    pub forgot: bool,
}

/// How a comparison of everything with what it must be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Whether something could not be looked at or put right.
    pub failed: bool,
    /// How many milliseconds it took.
    #[serde(default)]
    pub took_millis: u64,
}

impl<S: Subject> Report<S> {
    /// A report that holds the revision alone.
    pub fn at(revision: u64) -> Self {
        Self {
            revision,
            events: Vec::new(),
            outcomes: S::Outcomes::default(),
            failing: None,
            swept: None,
            settled: Vec::new(),
            forgot: false,
        }
    }
}

/// Routers of VPCs and the links between them.
#[derive(Debug, Clone, PartialEq)]
pub enum Networks {}

/// How networks fare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworksOutcomes {
    /// How each VPC's router fares.
    pub vpcs: BTreeMap<VpcId, Outcome>,
    /// How each peering's link fares.
    pub peerings: BTreeMap<PcxId, Outcome>,
    /// What went wrong that is not one router's or one link's.
    pub errors: Vec<String>,
}

/// How a router or a link fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The data plane carries it. A peering is carried once a probe went both ways.
    Carried,
    /// The data plane has nothing of it.
    Gone,
    /// Neither, and why. It is tried again.
    Failed(String),
}

/// A part of the networks that may differ from what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A VPC's router, with the interfaces behind it.
    Vpc(VpcId),
    /// What leads outside from all routers.
    Uplink,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vpc(vpc) => fmt::Display::fmt(vpc, f),
            Self::Uplink => f.write_str("uplink"),
        }
    }
}

/// Something that happened to networks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkEvent {
    /// Something differed from what it must be, and was put right.
    Repaired {
        /// The part of the networks that it belongs to.
        place: Place,
        /// What had drifted, for people.
        what: String,
    },
}

/// Processes of dynos, instances and data services.
#[derive(Debug, Clone, PartialEq)]
pub enum Workloads {}

/// How processes fare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkloadsOutcomes(
    /// By workload.
    #[serde(with = "by_workload")]
    pub BTreeMap<WorkloadId, WorkloadStatus>,
);

/// A process that was something for a while, before it came to be what its outcome says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadChange {
    /// Whose process it is.
    pub id: WorkloadId,
    /// How it fared then.
    pub status: WorkloadStatus,
}

/// How a process fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadStatus {
    /// It has never run and need not.
    Stopped,
    /// It was started and is not running yet.
    Starting,
    /// It runs.
    Running,
    /// It ran and ended; its log and files are kept.
    Exited {
        /// What its command returned.
        code: Option<i32>,
        /// The signal that ended its command.
        signal: Option<i32>,
        /// Whether the kernel killed any of its processes because together they used more memory
        /// than they may.
        out_of_memory: bool,
        /// When it ended.
        at: Timestamp,
    },
    /// The host ended it, or whoever works there. It is started again.
    Interrupted,
    /// It could not be started, and why. It is tried again.
    Failed(String),
    /// Nothing of it is left.
    Gone,
}

/// Names inside VPCs, and web requests for apps.
#[derive(Debug, Clone, PartialEq)]
pub enum Edge {}

/// Whether there is an edge that does as it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeStatus {
    /// It answers.
    Answers,
    /// There is none, and why. It is tried again.
    Absent(String),
}

impl Subject for Networks {
    const NAME: &'static str = "networks";
    type Intent = NetworksIntent;
    type Delta = NetworksDelta;
    type Outcomes = NetworksOutcomes;
    type Event = NetworkEvent;

    fn merge(earlier: &mut NetworksDelta, later: NetworksDelta) {
        earlier.vpcs.extend(later.vpcs);
        earlier.peerings.extend(later.peerings);
        if later.uplink != UplinkDelta::Same {
            earlier.uplink = later.uplink;
        }
    }

    fn change(intent: &mut NetworksIntent, delta: NetworksDelta) {
        match delta.uplink {
            UplinkDelta::Same => {}
            UplinkDelta::Put(uplink) => intent.uplink = Some(uplink),
            UplinkDelta::Gone => intent.uplink = None,
        }
        apply(&mut intent.vpcs, delta.vpcs);
        apply(&mut intent.peerings, delta.peerings);
    }
}

impl Subject for Workloads {
    const NAME: &'static str = "workloads";
    type Intent = WorkloadsIntent;
    type Delta = WorkloadsDelta;
    type Outcomes = WorkloadsOutcomes;
    type Event = WorkloadChange;

    fn merge(earlier: &mut WorkloadsDelta, later: WorkloadsDelta) {
        earlier.0.extend(later.0);
    }

    fn change(intent: &mut WorkloadsIntent, delta: WorkloadsDelta) {
        apply(&mut intent.0, delta.0);
    }
}

impl Subject for Edge {
    const NAME: &'static str = "edge";
    type Intent = EdgeIntent;
    type Delta = EdgeDelta;
    type Outcomes = Option<EdgeStatus>;
    type Event = EdgeEvent;

    fn merge(earlier: &mut EdgeDelta, later: EdgeDelta) {
        earlier.vpcs.extend(later.vpcs);
        earlier.spaces.extend(later.spaces);
    }

    fn change(intent: &mut EdgeIntent, delta: EdgeDelta) {
        apply(&mut intent.vpcs, delta.vpcs);
        apply(&mut intent.spaces, delta.spaces);
    }
}

fn apply<Id: Ord, Part>(parts: &mut BTreeMap<Id, Part>, changed: BTreeMap<Id, Option<Part>>) {
    for (id, part) in changed {
        match part {
            Some(part) => drop(parts.insert(id, part)),
            None => drop(parts.remove(&id)),
        }
    }
}
