//! Subnets.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{
    AclAssociationId, AclId, Cidr, Key, Part, RouteTableAssociationId, RouteTableId, SubnetId,
    Timestamp, VpcId, Zone,
};

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The subnet's id.
    pub id: SubnetId,
    /// The VPC that the subnet belongs to.
    pub vpc: VpcId,
    /// The subnet's block, inside one of its VPC's.
    pub cidr: Cidr,
    /// The availability zone that the subnet is in.
    pub zone: Zone,
    /// The association with a route table of its own; `None` where it follows the VPC's main table.
    pub route_table: Option<RouteTableAssociation>,
    /// The network ACL that guards its boundary.
    pub acl: AclId,
    /// The association of the network ACL with the subnet.
    pub acl_association: AclAssociationId,
    /// Whether it is the zone's subnet of a default VPC.
    pub default_for_zone: bool,
    /// Whether instances in it are given public addresses.
    pub map_public_ip: bool,
    /// The tags that the owner put on the subnet.
    pub tags: Tags,
    /// When the subnet was created; zero in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
}

/// A subnet's own route table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableAssociation {
    /// The association's id.
    pub id: RouteTableAssociationId,
    /// The route table.
    pub route_table: RouteTableId,
}

impl Subnet {
    /// The base address, router, resolver, one for the future, and the last (`ec2.md` §1.8).
    pub const RESERVED_ADDRESSES: u64 = 5;

    /// Whether an address is one that no interface may have.
    pub(crate) fn reserves(&self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(u32::from(self.cidr.base()));
        offset < 4 || address == self.cidr.last()
    }
}

impl Resource for Subnet {
    fn key(&self) -> Key {
        Key::Subnet(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::OfVpc(self.vpc)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Vpc(self.vpc));
        each(Key::NetworkAcl(self.acl));
        if let Some(own) = self.route_table {
            each(Key::RouteTable(own.route_table));
        }
    }

    fn parts(&self, each: &mut dyn FnMut(Part)) {
        each(Part::AclAssociation(self.acl_association));
        if let Some(own) = self.route_table {
            each(Part::RouteTableAssociation(own.id));
        }
    }
}
