//! Route tables.

use serde::{Deserialize, Serialize};

use super::{ClientToken, Owner, Resource, Tags};
use crate::{
    Alias, Cidr, EniId, IgwId, Key, Kind, NatGatewayId, PcxId, RouteTableId, SmallMap, Timestamp,
    VpcId,
};

/// A route table, without the `local` routes: those follow from the VPC's blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// The route table's id.
    pub id: RouteTableId,
    /// The VPC that the route table belongs to.
    pub vpc: VpcId,
    /// The routes, by destination.
    pub routes: SmallMap<Cidr, RouteTo>,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the route table.
    pub tags: Tags,
    /// When the route table was created; zero in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
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
        for target in self.routes.values() {
            each(match target {
                RouteTo::Peering(id) => Key::Peering(*id),
                RouteTo::Interface(id) => Key::Eni(*id),
                RouteTo::Gateway(id) => Key::InternetGateway(*id),
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
