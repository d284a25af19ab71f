//! The platform's half: spaces. Apps have a file of their own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::InboundRuleset;
use crate::{
    Cidr, EniId, PcxId, Region, SecurityGroupId, SpaceId, SubnetId, TeamId, Timestamp, UserId,
    VpcId,
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
    /// Where its web router answers and from where it reaches dynos: one in each router subnet
    /// (R7, R26).
    pub router_enis: Vec<EniId>,
    /// How many customers' VPCs may be peered with it (R24).
    pub peering_limit: u16,
    /// Whose web requests its public apps take: what `inbound` comes to, as blocks that do not
    /// cover each other. None at all take nobody's.
    #[serde(default = "Space::anywhere")]
    pub trusted: Vec<Cidr>,
    /// The rules that `trusted` follows from; nothing until somebody gave some.
    #[serde(default)]
    pub inbound: Option<InboundRuleset>,
    /// The members of its team who may not make apps in it.
    #[serde(default)]
    pub no_apps: BTreeSet<UserId>,
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
