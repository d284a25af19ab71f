//! The parts of commands about VPCs and subnets.

use crate::resource::{HostnameType, Tags, Tenancy};
use crate::{Cidr, Ipv6Cidr, VpcId, Zone};

/// `CreateVpc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVpc {
    /// The primary block.
    pub cidr: Cidr,
    /// Whether it is to have an IPv6 block, too.
    pub ipv6: bool,
    /// On whose hardware instances are to run.
    pub tenancy: Tenancy,
    /// Tags for the VPC.
    pub tags: Tags,
}

/// `CreateSubnet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubnet {
    /// The VPC to make the subnet in.
    pub vpc: VpcId,
    /// The subnet's block.
    pub cidr: Cidr,
    /// The subnet's IPv6 block, if it is to have one.
    pub ipv6: Option<Ipv6Cidr>,
    /// The availability zone; the region's first one by default.
    pub zone: Option<Zone>,
    /// Tags for the subnet.
    pub tags: Tags,
}

/// An attribute of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VpcAttribute {
    /// `enableDnsSupport`.
    DnsSupport(bool),
    /// `enableDnsHostnames`.
    DnsHostnames(bool),
    /// `enableNetworkAddressUsageMetrics`.
    UsageMetrics(bool),
}

/// An attribute of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubnetAttribute {
    /// `mapPublicIpOnLaunch`.
    MapPublicIp(bool),
    /// `assignIpv6AddressOnCreation`.
    AssignIpv6(bool),
    /// `enableDns64`.
    Dns64(bool),
    /// `privateDnsHostnameTypeOnLaunch`.
    HostnameType(HostnameType),
    /// `enableResourceNameDnsARecordOnLaunch`.
    ResourceNameA(bool),
    /// `enableResourceNameDnsAAAARecordOnLaunch`.
    ResourceNameAaaa(bool),
    /// `enableLniAtDeviceIndex`; `None` is `disableLniAtDeviceIndex`.
    LniDeviceIndex(Option<u16>),
}
