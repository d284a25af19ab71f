//! Flow logs: what is to be recorded of the packets of a VPC, a subnet or an interface, and for whom.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ClientToken, Owner, Resource, Tags};
use crate::{
    AccountId, Alias, EniId, FlowLogId, Key, Kind, Region, Scope, SubnetId, Timestamp, VpcId,
};

/// A flow log. It goes with what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLog {
    /// The flow log's id.
    pub id: FlowLogId,
    /// The account that owns the flow log.
    pub account: AccountId,
    /// The region that the flow log is in.
    pub region: Region,
    /// What is recorded of whom, and where to.
    pub settings: FlowLogSettings,
    /// What it is of.
    pub of: FlowLogSubject,
    /// The first flow log that the same request made: itself, if it made one alone.
    pub first: FlowLogId,
    /// The request that made it, for repeats; with the first one alone.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the flow log.
    pub tags: Tags,
    /// When the flow log was created.
    pub created: Timestamp,
}

/// What a flow log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowLogSubject {
    /// All interfaces of a VPC.
    Vpc(VpcId),
    /// All interfaces of a subnet.
    Subnet(SubnetId),
    /// One interface.
    Eni(EniId),
}

impl FlowLogSubject {
    /// The key of what it is of.
    pub const fn key(self) -> Key {
        match self {
            Self::Vpc(id) => Key::Vpc(id),
            Self::Subnet(id) => Key::Subnet(id),
            Self::Eni(id) => Key::Eni(id),
        }
    }
}

impl fmt::Display for FlowLogSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key().fmt(f)
    }
}

/// What a flow log records, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLogSettings {
    /// Which packets are recorded.
    pub traffic: FlowLogTraffic,
    /// Where the records are to go.
    pub destination: FlowLogDestination,
    /// The role by which they are to be delivered.
    pub role: Option<String>,
    /// The role by which they are to be delivered to another account.
    pub cross_account_role: Option<String>,
    /// The fields of a record, as `${field}` each.
    pub format: String,
    /// For how many seconds packets are summed up at most.
    pub interval: u16,
    /// The files that records are written to in a bucket.
    pub files: Option<FlowLogFiles>,
}

impl FlowLogSettings {
    /// The record of EC2's version 2, which a flow log has unless it says another.
    pub const DEFAULT_FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} \
        ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} \
        ${log-status}";

    /// Every field that a record may have.
    pub const FIELDS: [&str; 42] = [
        "version",
        "account-id",
        "interface-id",
        "srcaddr",
        "dstaddr",
        "srcport",
        "dstport",
        "protocol",
        "packets",
        "bytes",
        "start",
        "end",
        "action",
        "log-status",
        "vpc-id",
        "subnet-id",
        "instance-id",
        "tcp-flags",
        "type",
        "pkt-srcaddr",
        "pkt-dstaddr",
        "region",
        "az-id",
        "sublocation-type",
        "sublocation-id",
        "pkt-src-aws-service",
        "pkt-dst-aws-service",
        "flow-direction",
        "traffic-path",
        "ecs-cluster-arn",
        "ecs-cluster-name",
        "ecs-container-instance-arn",
        "ecs-container-instance-id",
        "ecs-container-id",
        "ecs-second-container-id",
        "ecs-service-name",
        "ecs-task-definition-arn",
        "ecs-task-arn",
        "ecs-task-id",
        "reject-reason",
        "resource-id",
        "encryption-status",
    ];

    /// Whether both record the same, for the same reader.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.traffic == other.traffic && self.destination.same_as(&other.destination)
    }
}

/// Which packets a flow log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowLogTraffic {
    /// Those that groups and ACLs let pass.
    Accept,
    /// Those that they stop.
    Reject,
    /// Both.
    All,
}

impl FlowLogTraffic {
    /// EC2's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
            Self::All => "ALL",
        }
    }

    /// Finds it by EC2's word.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Accept, Self::Reject, Self::All].into_iter().find(|it| it.name() == name)
    }
}

/// Where a flow log's records are to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowLogDestination {
    /// To a group of logs.
    CloudWatch {
        /// The group's name.
        group: String,
        /// The group's ARN, if the request had it instead.
        arn: Option<String>,
    },
    /// To a bucket, with a folder or without one.
    S3 {
        /// The bucket's ARN, with the folder behind it.
        arn: String,
    },
    /// To a delivery stream.
    Firehose {
        /// The stream's ARN.
        arn: String,
    },
}

impl FlowLogDestination {
    /// EC2's word for the kind of destination.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CloudWatch { .. } => "cloud-watch-logs",
            Self::S3 { .. } => "s3",
            Self::Firehose { .. } => "kinesis-data-firehose",
        }
    }

    /// The ARN, where a request had one.
    pub fn arn(&self) -> Option<&str> {
        match self {
            Self::CloudWatch { arn, .. } => arn.as_deref(),
            Self::S3 { arn } | Self::Firehose { arn } => Some(arn),
        }
    }

    /// The name of the group of logs.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::CloudWatch { group, .. } => Some(group),
            Self::S3 { .. } | Self::Firehose { .. } => None,
        }
    }

    fn same_as(&self, other: &Self) -> bool {
        match (self.group(), other.group()) {
            (Some(group), Some(of_other)) => group == of_other,
            (None, None) => self == other,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// The files that a flow log's records are written to in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLogFiles {
    /// Whether they are Apache Parquet's and not plain text.
    pub parquet: bool,
    /// Whether their folders are named as Apache Hive names them.
    pub hive: bool,
    /// Whether there is a folder for each hour and not for each day.
    pub hourly: bool,
}

impl FlowLog {
    /// How many there may be in all: each has files and sums of its own on the machine.
    pub const MOST: usize = 256;

    /// Whether it belongs to an account and is in a region.
    pub fn is_of(&self, scope: Scope) -> bool {
        (self.account, self.region) == (scope.account, scope.region)
    }
}

impl Resource for FlowLog {
    fn key(&self) -> Key {
        Key::FlowLog(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
        each(self.of.key());
        if self.first != self.id {
            each(Key::FlowLog(self.first));
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        self.client_token.iter().filter_map(|t| t.alias(Kind::FlowLog)).for_each(each);
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
