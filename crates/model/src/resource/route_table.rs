//! Route tables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ClientToken, Owner, Resource, Tags};
use crate::{
    Alias, Cidr, EgressGatewayId, EniId, IgwId, Ipv6Cidr, Key, Kind, NatGatewayId, PcxId,
    PrefixListId, RouteTableId, SmallMap, Timestamp, VpcId,
};

/// A route table, without the `local` routes: those follow from the VPC's blocks. A route to exactly such
/// a block is a local route whose target was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// The route table's id.
    pub id: RouteTableId,
    /// The VPC that the route table belongs to.
    pub vpc: VpcId,
    /// The routes, by destination.
    pub routes: SmallMap<RouteDestination, RouteTo>,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the route table.
    pub tags: Tags,
    /// When the route table was created; zero in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
}

/// The destination of a route.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteDestination {
    /// An IPv4 block.
    Cidr(Cidr),
    /// An IPv6 block.
    Ipv6(Ipv6Cidr),
    /// The blocks of a managed prefix list, whatever they are at the time.
    PrefixList(PrefixListId),
}

impl RouteDestination {
    /// The name of the parameter that has such a destination, as command lines and refusals write it.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Cidr(_) => "destination-cidr-block",
            Self::Ipv6(_) => "destination-ipv6-cidr-block",
            Self::PrefixList(_) => "destination-prefix-list-id",
        }
    }

    /// The IPv4 block, if it is one.
    pub const fn cidr(self) -> Option<Cidr> {
        match self {
            Self::Cidr(block) => Some(block),
            Self::Ipv6(_) | Self::PrefixList(_) => None,
        }
    }
}

impl RouteDestination {
    /// The IPv6 block, if it is one.
    pub const fn ipv6(self) -> Option<Ipv6Cidr> {
        match self {
            Self::Ipv6(block) => Some(block),
            Self::Cidr(_) | Self::PrefixList(_) => None,
        }
    }
}

impl From<Cidr> for RouteDestination {
    fn from(block: Cidr) -> Self {
        Self::Cidr(block)
    }
}

impl From<Ipv6Cidr> for RouteDestination {
    fn from(block: Ipv6Cidr) -> Self {
        Self::Ipv6(block)
    }
}

impl From<PrefixListId> for RouteDestination {
    fn from(list: PrefixListId) -> Self {
        Self::PrefixList(list)
    }
}

impl fmt::Display for RouteDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(block) => block.fmt(f),
            Self::Ipv6(block) => block.fmt(f),
            Self::PrefixList(list) => list.fmt(f),
        }
    }
}

impl fmt::Debug for RouteDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no destination of a route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither a CIDR block nor the id of a prefix list")]
pub struct MalformedDestination(String);

impl FromStr for RouteDestination {
    type Err = MalformedDestination;

    /// Reads a canonical block of either family, or the id of a prefix list.
    fn from_str(text: &str) -> Result<Self, MalformedDestination> {
        None.or_else(|| text.parse().ok().map(Self::Cidr))
            .or_else(|| text.parse().ok().map(Self::Ipv6))
            .or_else(|| text.parse().ok().map(Self::PrefixList))
            .ok_or_else(|| MalformedDestination(text.chars().take(64).collect()))
    }
}

impl Serialize for RouteDestination {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RouteDestination {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl RouteTable {
    /// The target of the route to exactly this destination.
    pub fn route(&self, to: impl Into<RouteDestination>) -> Option<RouteTo> {
        self.routes.get(&to.into()).copied()
    }

    /// The routes to IPv4 blocks.
    pub fn cidr_routes(&self) -> impl Iterator<Item = (Cidr, RouteTo)> + '_ {
        self.routes.iter().filter_map(|(to, target)| Some((to.cidr()?, *target)))
    }
}

/// The target of a route. The world says whether packets get through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTo {
    /// A peering connection.
    Peering(PcxId),
    /// An interface of the VPC.
    Interface(EniId),
    /// An internet gateway.
    Gateway(IgwId),
    /// An egress-only internet gateway, which takes IPv6 alone.
    EgressGateway(EgressGatewayId),
    /// A NAT gateway.
    Nat(NatGatewayId),
}

impl Resource for RouteTable {
    fn key(&self) -> Key {
        Key::RouteTable(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::OfVpc(self.vpc)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Vpc(self.vpc));
        for (destination, target) in &self.routes {
            if let RouteDestination::PrefixList(list) = destination {
                each(Key::PrefixList(*list));
            }
            each(match target {
                RouteTo::Peering(id) => Key::Peering(*id),
                RouteTo::Interface(id) => Key::Eni(*id),
                RouteTo::Gateway(id) => Key::InternetGateway(*id),
                RouteTo::EgressGateway(id) => Key::EgressGateway(*id),
                RouteTo::Nat(id) => Key::NatGateway(*id),
            });
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        self.client_token.iter().filter_map(|t| t.alias(Kind::RouteTable)).for_each(each);
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
