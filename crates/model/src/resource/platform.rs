//! The platform's half: spaces, apps, dynos.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AppId, Cidr, DynoId, EniId, PcxId, Region, SecurityGroupId, SpaceId, SubnetId, TeamId,
    Timestamp, UserId, VpcId,
};

/// A Private Space: a VPC of the platform's account, and a data VPC beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Its id.
    pub id: SpaceId,
    /// Its name, unique.
    pub name: String,
    /// The team that owns it.
    pub team: TeamId,
    /// Where it is.
    pub region: Region,
    /// Whether it exists in the fabric yet.
    pub state: SpaceState,
    /// The block of its VPC: a /16 in RFC 1918.
    pub cidr: Cidr,
    /// The block of its data services: /16 to /20 in RFC 1918.
    pub data_cidr: Cidr,
    /// Its VPC.
    pub vpc: VpcId,
    /// The VPC of its data services.
    pub data_vpc: VpcId,
    /// The platform's own peering between the two (R14).
    pub data_peering: PcxId,
    /// Where dynos get their addresses.
    pub dyno_subnets: [SubnetId; 2],
    /// The group that dynos are in.
    pub dyno_group: SecurityGroupId,
    /// How many customers' VPCs may be peered with it (R24).
    pub peering_limit: u16,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// How far a space is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceState {
    /// Asked for; the fabric does not carry it yet.
    Allocating,
    /// The fabric carries it.
    Allocated,
}

impl SpaceState {
    /// Its name in the Platform API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allocating => "allocating",
            Self::Allocated => "allocated",
        }
    }
}

impl Space {
    /// The block that containers inside dynos use, so that nothing else may (R3).
    pub const RESERVED: Cidr = Cidr::new(172, 17, 0, 0, 16);
    /// The block of a space that none was chosen for.
    pub const DEFAULT_CIDR: Cidr = Cidr::new(10, 0, 0, 0, 16);
    /// The data block of a space that none was chosen for.
    pub const DEFAULT_DATA_CIDR: Cidr = Cidr::new(10, 1, 0, 0, 16);
    /// How many peerings a space may have until the operator raises it (R24).
    pub const DEFAULT_PEERING_LIMIT: u16 = 5;

    /// The blocks that dynos' addresses come from (R7).
    pub fn dyno_cidrs(&self) -> [Cidr; 2] {
        [128, 144].map(|third| self.slice(third))
    }

    /// The blocks that the internal router's addresses come from (R7).
    pub fn router_cidrs(&self) -> [Cidr; 2] {
        [0, 16].map(|third| self.slice(third))
    }

    /// All of them, in the order that `spaces:peering:info` lists them (R6).
    pub fn space_cidrs(&self) -> [Cidr; 4] {
        let ([a, b], [c, d]) = (self.dyno_cidrs(), self.router_cidrs());
        [a, b, c, d]
    }

    fn slice(&self, third: u8) -> Cidr {
        let [a, b, ..] = self.cidr.base().octets();
        Cidr::new(a, b, third, 0, 20)
    }
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its name, unique.
    pub name: String,
    /// The team that owns it.
    pub team: TeamId,
    /// The space that it runs in.
    pub space: SpaceId,
    /// Who made it.
    pub owner: UserId,
    /// Whether it is served inside only (R26).
    pub internal_routing: bool,
    /// What its dynos find in their environment.
    pub config: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// A process of an app, with its interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dyno {
    /// Its id.
    pub id: DynoId,
    /// The app.
    pub app: AppId,
    /// The space.
    pub space: SpaceId,
    /// Its name in the app: `run.1234`.
    pub name: String,
    /// The process type: `run`.
    pub process_type: String,
    /// What runs, for a shell.
    pub command: String,
    /// Its size: `Private-S`.
    pub size: String,
    /// Environment variables of this dyno alone.
    pub environment: BTreeMap<String, String>,
    /// How far it is.
    pub state: DynoState,
    /// Why it ended, where it did.
    pub exit: Option<Exit>,
    /// Its interface.
    pub eni: EniId,
    /// When it was made.
    pub created: Timestamp,
    /// When its state last changed.
    pub updated: Timestamp,
}

/// How far a dyno is. One-off dynos that ended are kept for a while, for their logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynoState {
    /// Asked for.
    Starting,
    /// Runs.
    Up,
    /// Told to stop; it still may run.
    Stopping,
    /// Ended, with success or because it was told to.
    Down,
    /// Ended with a failure, or could not start.
    Crashed,
}

impl DynoState {
    /// Its name in the Platform API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Stopping | Self::Down => "down",
            Self::Crashed => "crashed",
        }
    }

    /// Whether it must run.
    pub const fn wants_to_run(self) -> bool {
        matches!(self, Self::Starting | Self::Up)
    }

    /// Whether it has ended.
    pub const fn ended(self) -> bool {
        matches!(self, Self::Down | Self::Crashed)
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with a status.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It never ran.
    Failed(String),
}

impl Exit {
    /// Whether it did what it was asked to.
    pub const fn success(&self) -> bool {
        matches!(self, Self::Code(0))
    }
}
