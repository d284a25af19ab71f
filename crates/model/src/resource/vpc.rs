//! VPCs.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{
    AccountId, AclId, Alias, Cidr, DhcpOptionsId, Ipv6Cidr, Key, Part, Region,
    RouteTableAssociationId, RouteTableId, Scope, SecurityGroupId, SpaceId, Timestamp,
    VpcCidrAssociationId, VpcId,
};

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// The VPC's id.
    pub id: VpcId,
    /// The account that owns the VPC.
    pub account: AccountId,
    /// The region that the VPC is in.
    pub region: Region,
    /// The VPC's blocks, primary first; never empty.
    pub cidrs: Vec<VpcCidr>,
    /// The VPC's IPv6 blocks. No packets go by them yet.
    #[serde(default)]
    pub ipv6: Vec<VpcIpv6Cidr>,
    /// Whether the resolver at the base address + 2 answers.
    pub dns_support: bool,
    /// Whether instances have public names.
    pub dns_hostnames: bool,
    /// Whether usage metrics are on; kept for clients that read it back.
    pub usage_metrics: bool,
    /// Whether it is the region's default VPC of its account.
    pub is_default: bool,
    /// The VPC's DHCP option set; `None` where it was taken away, so that nothing is handed out.
    pub dhcp_options: Option<DhcpOptionsId>,
    /// The route table of subnets that have none of their own.
    pub main_route_table: RouteTableId,
    /// The association of the main route table with the VPC.
    pub main_association: RouteTableAssociationId,
    /// The network ACL of new subnets.
    pub default_acl: AclId,
    /// The group of interfaces that name none.
    pub default_group: SecurityGroupId,
    /// On whose hardware instances are to run; kept for clients that read it back.
    #[serde(default)]
    pub tenancy: Tenancy,
    /// The VPC's role in a space; `None` for a customer's VPC.
    pub role: Option<VpcRole>,
    /// The tags that the owner put on the VPC.
    pub tags: Tags,
    /// When the VPC was created; zero in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
}

/// One block of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcCidr {
    /// The id of the block's association with the VPC.
    pub id: VpcCidrAssociationId,
    /// The block of addresses.
    pub cidr: Cidr,
}

/// One IPv6 block of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcIpv6Cidr {
    /// The id of the block's association with the VPC.
    pub id: VpcCidrAssociationId,
    /// The block of addresses.
    pub cidr: Ipv6Cidr,
}

/// On whose hardware the instances of a VPC are to run. All share this machine's, whatever it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tenancy {
    /// On hardware that others use, too.
    #[default]
    Default,
    /// On hardware that nobody else uses.
    Dedicated,
}

impl Tenancy {
    /// EC2's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Dedicated => "dedicated",
        }
    }

    /// Finds it by EC2's word.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Default, Self::Dedicated].into_iter().find(|tenancy| tenancy.name() == name)
    }
}

/// The role of a platform's VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcRole {
    /// The VPC of a space's dyno and router subnets.
    Space(SpaceId),
    /// The VPC of a space's data services.
    Data(SpaceId),
}

impl Vpc {
    /// The prefix lengths that blocks of VPCs and subnets may have.
    pub(crate) const BLOCK_SIZES: RangeInclusive<u8> = 16..=28;
    /// What the IPv6 blocks of all VPCs lie in: unique local addresses (RFC 4193), so that none of them
    /// is anybody's elsewhere.
    pub(crate) const IPV6_BLOCKS: Ipv6Cidr = Ipv6Cidr::new([0xfd63, 0x6177, 0, 0, 0, 0, 0, 0], 32);
    /// The prefix length of the IPv6 blocks of VPCs.
    pub(crate) const IPV6_LEN: u8 = 56;
    /// Blocks that no host may have addresses of: "this network", loopback, link-local, multicast,
    /// and the reserved one.
    pub(crate) const UNUSABLE: [Cidr; 5] = [
        Cidr::new(0, 0, 0, 0, 8),
        Cidr::new(127, 0, 0, 0, 8),
        Cidr::new(169, 254, 0, 0, 16),
        Cidr::new(224, 0, 0, 0, 4),
        Cidr::new(240, 0, 0, 0, 4),
    ];

    /// Its primary block.
    pub fn primary(&self) -> Cidr {
        self.cidrs.first().expect("a VPC is made with a block, and the primary cannot go").cidr
    }

    /// All of its blocks, primary first.
    pub fn blocks(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.cidrs.iter().map(|c| c.cidr)
    }

    /// All of its IPv6 blocks.
    pub fn ipv6_blocks(&self) -> impl Iterator<Item = Ipv6Cidr> + '_ {
        self.ipv6.iter().map(|c| c.cidr)
    }

    /// Whether an address lies in one of its blocks.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.blocks().any(|block| block.contains(address))
    }
}

impl Scope {
    /// Whether a VPC is inside.
    pub fn holds(self, vpc: &Vpc) -> bool {
        vpc.account == self.account && vpc.region == self.region
    }
}

impl Resource for Vpc {
    fn key(&self) -> Key {
        Key::Vpc(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
        if let Some(options) = self.dhcp_options {
            each(Key::DhcpOptions(options));
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        self.ipv6_blocks().for_each(|block| each(Alias::Ipv6Block(block)));
    }

    fn parts(&self, each: &mut dyn FnMut(Part)) {
        self.ipv6.iter().for_each(|cidr| each(Part::VpcCidr(cidr.id)));
        self.cidrs.iter().for_each(|cidr| each(Part::VpcCidr(cidr.id)));
        each(Part::RouteTableAssociation(self.main_association));
    }
}
