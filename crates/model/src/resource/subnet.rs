//! Subnets.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{
    AclAssociationId, AclId, Cidr, Ipv6Cidr, Key, Part, RouteTableAssociationId, RouteTableId,
    SubnetCidrAssociationId, SubnetId, Timestamp, VpcId, Zone,
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
    /// The subnet's IPv6 block, inside one of its VPC's.
    #[serde(default)]
    pub ipv6: Option<SubnetIpv6Cidr>,
    /// What else is settled for what is started in it.
    #[serde(default)]
    pub launch: LaunchOptions,
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

/// The IPv6 block of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetIpv6Cidr {
    /// The id of the block's association with the subnet.
    pub id: SubnetCidrAssociationId,
    /// The block of addresses.
    pub cidr: Ipv6Cidr,
}

/// What a subnet settles for instances and interfaces that are started in it; kept for clients that
/// read it back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LaunchOptions {
    /// Whether a new interface is given an IPv6 address.
    pub assign_ipv6: bool,
    /// Whether the resolver makes IPv6 addresses for names that have IPv4 ones alone.
    pub dns64: bool,
    /// What the private names of instances are made of.
    pub hostname_type: HostnameType,
    /// Whether names made of ids resolve to IPv4 addresses.
    pub resource_name_a: bool,
    /// Whether names made of ids resolve to IPv6 addresses.
    pub resource_name_aaaa: bool,
    /// The device index of local network interfaces; `None` where there are none.
    pub lni_device_index: Option<u16>,
}

/// What the private names of instances are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostnameType {
    /// The private IPv4 address.
    #[default]
    IpName,
    /// The instance's id.
    ResourceName,
}

impl HostnameType {
    /// EC2's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpName => "ip-name",
            Self::ResourceName => "resource-name",
        }
    }

    /// Finds it by EC2's word.
    pub fn find(name: &str) -> Option<Self> {
        [Self::IpName, Self::ResourceName].into_iter().find(|kind| kind.name() == name)
    }
}

impl Subnet {
    /// The base address, router, resolver, one for the future, and the last (`ec2.md` §1.8).
    pub const RESERVED_ADDRESSES: u64 = 5;

    /// Whether an address is one that no interface may have.
    pub(crate) fn reserves(&self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(u32::from(self.cidr.base()));
        offset < 4 || address == self.cidr.last()
    }

    /// The first and the last IPv6 address that an interface may have. The base address, the three behind
    /// it and the last one are reserved, as those of IPv4 are.
    pub(crate) fn usable_ipv6(&self) -> Option<(Ipv6Addr, Ipv6Addr)> {
        let block = self.ipv6?.cidr;
        let first = block.nth(u128::from(Self::RESERVED_ADDRESSES) - 1)?;
        let last = Ipv6Addr::from_bits(block.last().to_bits().checked_sub(1)?);
        (first <= last).then_some((first, last))
    }

    /// The first and the last address that an interface may have, if there is any.
    pub(crate) fn usable(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let first = self.cidr.nth(Self::RESERVED_ADDRESSES - 1)?;
        let last = self.cidr.nth(self.cidr.size() - 2)?;
        (first <= last).then_some((first, last))
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
        if let Some(block) = self.ipv6 {
            each(Part::SubnetCidr(block.id));
        }
        if let Some(own) = self.route_table {
            each(Part::RouteTableAssociation(own.id));
        }
    }
}
