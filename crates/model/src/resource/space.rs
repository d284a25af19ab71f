//! Private Spaces.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{InboundRule, InboundRuleset, Owner, Resource, Role};
use crate::{
    Alias, Cidr, EniId, HostId, Key, NatGatewayId, PcxId, Region, SecurityGroupId, SpaceId,
    SubnetId, TeamId, Timestamp, UserId, VpcId,
};

/// A Private Space: a VPC of the platform's account, and a data VPC beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// The space's id.
    pub id: SpaceId,
    /// The space's name, unique in the installation.
    pub name: String,
    /// The team that owns the space.
    pub team: TeamId,
    /// The region that the space is in.
    pub region: Region,
    /// Whether it exists in the fabric yet.
    pub state: SpaceState,
    /// The block of its VPC: a /16 in RFC 1918.
    pub cidr: Cidr,
    /// The block of its data services: /16 to /20 in RFC 1918.
    pub data_cidr: Cidr,
    /// The VPC of the space's dynos and web router.
    pub vpc: VpcId,
    /// The VPC of its data services.
    pub data_vpc: VpcId,
    /// The platform's own peering between the two (R14).
    pub data_peering: PcxId,
    /// The subnets that dynos get their addresses from.
    pub dyno_subnets: [SubnetId; 2],
    /// The group that dynos are in.
    pub dyno_group: SecurityGroupId,
    /// Where its web router answers and from where it reaches dynos: one in each router subnet
    /// (R7, R26).
    pub router_enis: Vec<EniId>,
    /// The hosts that those of its web router are on. One that is not here waits for a host, or there
    /// are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub router_hosts: BTreeMap<EniId, HostId>,
    /// The most customers' VPCs that may be peered with the space (R24).
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
    /// The NAT gateway by which its dynos reach what is outside; `None` where nothing ever did.
    #[serde(default)]
    pub nat_gateway: Option<NatGatewayId>,
    /// When the space was created.
    pub created: Timestamp,
    /// When the space was last changed.
    pub updated: Timestamp,
}

/// The state of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceState {
    /// Asked for; the fabric does not carry it yet.
    Allocating,
    /// The fabric carries the space.
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
    pub(crate) const RESERVED: Cidr = Cidr::new(172, 17, 0, 0, 16);
    /// The block of a space that none was chosen for.
    pub const DEFAULT_CIDR: Cidr = Cidr::new(10, 0, 0, 0, 16);
    /// The data block of a space that none was chosen for.
    pub const DEFAULT_DATA_CIDR: Cidr = Cidr::new(10, 1, 0, 0, 16);
    /// The most peerings that a space may have unless the operator raises the limit (R24).
    pub const DEFAULT_PEERING_LIMIT: u16 = 5;

    /// The blocks that dynos' addresses come from (R7).
    pub fn dyno_cidrs(&self) -> [Cidr; 2] {
        [128, 144].map(|third| self.slice(third))
    }

    /// The blocks that the internal router's addresses come from (R7).
    pub(crate) fn router_cidrs(&self) -> [Cidr; 2] {
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

impl Space {
    /// The trusted ranges of a space that was stored before there were any: every address.
    pub(crate) fn anywhere() -> Vec<Cidr> {
        vec![Cidr::ANY]
    }

    /// The rules in effect, as they were given.
    pub fn inbound_rules(&self) -> &[InboundRule] {
        const DEFAULT: &[InboundRule] = &[InboundRuleset::DEFAULT];
        self.inbound.as_ref().map_or(DEFAULT, |ruleset| &ruleset.rules)
    }

    /// Whether somebody may make apps in it, who is this in its team: admins always, members
    /// unless an admin took it from them.
    pub(crate) fn lets_make_apps(&self, role: Role, user: UserId) -> bool {
        match role {
            Role::Admin => true,
            Role::Member => !self.no_apps.contains(&user),
        }
    }
}

impl Resource for Space {
    fn key(&self) -> Key {
        Key::Space(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::None
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Team(self.team));
        each(Key::Vpc(self.vpc));
        each(Key::Vpc(self.data_vpc));
        each(Key::Peering(self.data_peering));
        if let Some(nat) = self.nat_gateway {
            each(Key::NatGateway(nat));
        }
        self.router_hosts.values().for_each(|host| each(Key::Host(*host)));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Space(self.name.as_str().into()));
    }
}
