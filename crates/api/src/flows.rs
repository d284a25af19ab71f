//! Records of the flows that went through routers, or were stopped there.

use std::net::Ipv4Addr;

use model::{FlowLogId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Component;

/// The query of `GET /_causeway/flows`: whose flows are followed. The operator sees all; an account sees
/// those at interfaces of its VPCs, and a member of a team those of its spaces.
///
/// Routers tell of flows for as long as somebody asks, and some seconds longer. So whoever asks again at
/// once with [`FlowsPage::next`] sees all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowsQuery {
    /// Only flows at this VPC, or at the VPC of the space of this name; otherwise at all that may be seen.
    pub vpc: Option<String>,
    /// Only what was stopped.
    pub rejected: Option<bool>,
    /// Only records after this one; without it those from now on.
    pub after: Option<u64>,
    /// For how many seconds an answer may wait for a record, at most 20.
    pub wait: Option<u8>,
}

/// The answer to [`FlowsQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowsPage {
    /// The records, oldest first.
    pub records: Vec<FlowRecord>,
    /// How many records are missing between them: there were more than can be told or kept.
    pub lost: u64,
    /// What to give as [`FlowsQuery::after`] for what comes then.
    pub next: u64,
    /// The VPCs of which nothing can be told, each with the reason.
    pub failing: Vec<String>,
}

/// What happened to a flow at one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRecord {
    /// When it was told.
    pub time: Timestamp,
    /// What happened.
    pub event: FlowEvent,
    /// Which way the first packet went, seen from the interface.
    pub direction: FlowDirection,
    /// The protocol's number.
    pub protocol: u8,
    /// Who sent the first packet.
    pub source: Ipv4Addr,
    /// Whom it was for.
    pub destination: Ipv4Addr,
    /// The source port of TCP or UDP; otherwise 0.
    pub source_port: u16,
    /// The destination port of TCP or UDP; otherwise 0.
    pub destination_port: u16,
    /// The packets that went from the source to the destination, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// Their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The packets that went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets_back: Option<u64>,
    /// Their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_back: Option<u64>,
    /// What stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FlowReason>,
    /// The interface, and what decided, by its ids: of what was stopped what stopped it, of what was let
    /// pass the rule that did.
    #[serde(flatten)]
    pub component: Component,
}

/// What happened to a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowEvent {
    /// A connection was let pass.
    Opened,
    /// A connection has ended.
    Closed,
    /// A packet was stopped.
    Rejected,
}

/// Which way a packet goes, seen from an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowDirection {
    /// To the interface.
    Ingress,
    /// From the interface.
    Egress,
}

impl FlowDirection {
    /// EC2's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// What stops a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowReason {
    /// The interface may not send from, or take for, an address that is not its own; or no peer has it.
    SourceCheck,
    /// No route leads to the destination, or nobody has the address.
    NoRoute,
    /// No rule of the interface's groups lets it pass.
    SecurityGroup,
    /// The network ACL of the subnet does not let it pass.
    NetworkAcl,
    /// It belongs to no connection and begins none.
    NoConnection,
}

impl FlowReason {
    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SourceCheck => "source check",
            Self::NoRoute => "no route",
            Self::SecurityGroup => "security group",
            Self::NetworkAcl => "network ACL",
            Self::NoConnection => "no connection",
        }
    }
}

/// The query of `GET /_causeway/flow-logs`: the kept records of EC2's flow logs. The operator may read all;
/// an account its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLogQuery {
    /// Only those of this flow log.
    pub flow_log: Option<FlowLogId>,
    /// Only those that were written since: a time such as `2026-01-31T12:00:00Z`, or how long ago, such as
    /// `90m`.
    pub since: Option<String>,
}

/// The answer to [`FlowLogQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLogPage {
    /// The records: of each flow log the oldest first.
    pub lines: Vec<FlowLogLine>,
    /// Whether there are more, of which the oldest were left out.
    pub truncated: bool,
}

/// A kept record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLogLine {
    /// The flow log.
    pub flow_log: FlowLogId,
    /// When it was written.
    pub time: Timestamp,
    /// The record, in the flow log's own format.
    pub record: String,
}
