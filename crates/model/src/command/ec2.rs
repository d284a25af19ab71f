//! Commands of the VPC's side, one for each action of EC2 that changes something.

use std::net::Ipv4Addr;

use crate::resource::{AclEntry, ClientToken, Direction, GroupPeer, RouteTo, Tags};
use crate::{
    AccountId, AclAssociationId, AclId, Cidr, InstanceId, Key, PcxId, Region,
    RouteTableAssociationId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId, Traffic,
    VpcCidrAssociationId, VpcId, Zone,
};

/// What owners of VPCs ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ec2Command {
    /// `CreateVpc`.
    CreateVpc {
        /// The primary block.
        cidr: Cidr,
        /// Tags for it.
        tags: Tags,
    },
    /// `DeleteVpc`.
    DeleteVpc {
        /// Which.
        vpc: VpcId,
    },
    /// `ModifyVpcAttribute`; one attribute at a time, as EC2 has it.
    ModifyVpcAttribute {
        /// Which.
        vpc: VpcId,
        /// What becomes of it.
        attribute: VpcAttribute,
    },
    /// `AssociateVpcCidrBlock`.
    AssociateVpcCidrBlock {
        /// Which VPC.
        vpc: VpcId,
        /// The block.
        cidr: Cidr,
    },
    /// `DisassociateVpcCidrBlock`.
    DisassociateVpcCidrBlock {
        /// The block's association.
        association: VpcCidrAssociationId,
    },
    /// `CreateSubnet`.
    CreateSubnet {
        /// In which VPC.
        vpc: VpcId,
        /// Its block.
        cidr: Cidr,
        /// Where; the region's first zone by default.
        zone: Option<Zone>,
        /// Tags for it.
        tags: Tags,
    },
    /// `DeleteSubnet`.
    DeleteSubnet {
        /// Which.
        subnet: SubnetId,
    },
    /// `CreateRouteTable`.
    CreateRouteTable {
        /// In which VPC.
        vpc: VpcId,
        /// The request's token.
        client_token: Option<ClientToken>,
        /// Tags for it.
        tags: Tags,
    },
    /// `DeleteRouteTable`.
    DeleteRouteTable {
        /// Which.
        route_table: RouteTableId,
    },
    /// `AssociateRouteTable`.
    AssociateRouteTable {
        /// Which table.
        route_table: RouteTableId,
        /// With which subnet.
        subnet: SubnetId,
    },
    /// `DisassociateRouteTable`.
    DisassociateRouteTable {
        /// The association.
        association: RouteTableAssociationId,
    },
    /// `ReplaceRouteTableAssociation`, of a subnet or of the VPC's main table.
    ReplaceRouteTableAssociation {
        /// The association.
        association: RouteTableAssociationId,
        /// The new table.
        route_table: RouteTableId,
    },
    /// `CreateRoute`.
    CreateRoute {
        /// In which table.
        route_table: RouteTableId,
        /// Where to.
        destination: Cidr,
        /// By what.
        target: RouteTo,
    },
    /// `ReplaceRoute`.
    ReplaceRoute {
        /// In which table.
        route_table: RouteTableId,
        /// Where to.
        destination: Cidr,
        /// By what from now on.
        target: RouteTo,
    },
    /// `DeleteRoute`.
    DeleteRoute {
        /// In which table.
        route_table: RouteTableId,
        /// Which.
        destination: Cidr,
    },
    /// `CreateSecurityGroup`.
    CreateSecurityGroup {
        /// In which VPC.
        vpc: VpcId,
        /// Its name.
        name: String,
        /// What it is for.
        description: String,
        /// Tags for it.
        tags: Tags,
    },
    /// `DeleteSecurityGroup`.
    DeleteSecurityGroup {
        /// Which.
        group: SecurityGroupId,
    },
    /// `AuthorizeSecurityGroupIngress` and `…Egress`.
    AuthorizeSecurityGroup {
        /// Which group.
        group: SecurityGroupId,
        /// Which way.
        direction: Direction,
        /// The rules.
        rules: Vec<RuleSpec>,
        /// Tags for each of them.
        tags: Tags,
    },
    /// `RevokeSecurityGroupIngress` and `…Egress`.
    RevokeSecurityGroup {
        /// Which group.
        group: SecurityGroupId,
        /// Which way.
        direction: Direction,
        /// Rules by what they say.
        rules: Vec<RuleSpec>,
        /// Rules by id.
        ids: Vec<SecurityGroupRuleId>,
    },
    /// `CreateNetworkAcl`.
    CreateNetworkAcl {
        /// In which VPC.
        vpc: VpcId,
        /// The request's token.
        client_token: Option<ClientToken>,
        /// Tags for it.
        tags: Tags,
    },
    /// `DeleteNetworkAcl`.
    DeleteNetworkAcl {
        /// Which.
        acl: AclId,
    },
    /// `CreateNetworkAclEntry`.
    CreateNetworkAclEntry {
        /// In which ACL.
        acl: AclId,
        /// Which way.
        direction: Direction,
        /// Its number.
        number: u16,
        /// What it says.
        entry: AclEntry,
    },
    /// `ReplaceNetworkAclEntry`.
    ReplaceNetworkAclEntry {
        /// In which ACL.
        acl: AclId,
        /// Which way.
        direction: Direction,
        /// Its number.
        number: u16,
        /// What it says from now on.
        entry: AclEntry,
    },
    /// `DeleteNetworkAclEntry`.
    DeleteNetworkAclEntry {
        /// In which ACL.
        acl: AclId,
        /// Which way.
        direction: Direction,
        /// Its number.
        number: u16,
    },
    /// `ReplaceNetworkAclAssociation`.
    ReplaceNetworkAclAssociation {
        /// The association.
        association: AclAssociationId,
        /// The new ACL.
        acl: AclId,
    },
    /// `RunInstances`.
    RunInstances(RunInstances),
    /// `TerminateInstances`.
    TerminateInstances {
        /// Which.
        instances: Vec<InstanceId>,
    },
    /// `CreateVpcPeeringConnection`.
    CreatePeering {
        /// The requester's VPC.
        vpc: VpcId,
        /// The VPC that is asked.
        peer_vpc: VpcId,
        /// Its owner; the requester by default.
        peer_owner: Option<AccountId>,
        /// Its region; the requester's by default.
        peer_region: Option<Region>,
        /// The requester's tags.
        tags: Tags,
    },
    /// `AcceptVpcPeeringConnection`.
    AcceptPeering {
        /// Which.
        peering: PcxId,
    },
    /// `RejectVpcPeeringConnection`.
    RejectPeering {
        /// Which.
        peering: PcxId,
    },
    /// `DeleteVpcPeeringConnection`.
    DeletePeering {
        /// Which.
        peering: PcxId,
    },
    /// `ModifyVpcPeeringConnectionOptions`.
    ModifyPeeringOptions {
        /// Which.
        peering: PcxId,
        /// The requester's new setting of AllowDnsResolutionFromRemoteVpc.
        requester_dns: Option<bool>,
        /// The accepter's.
        accepter_dns: Option<bool>,
    },
    /// `CreateTags`.
    CreateTags {
        /// On what.
        resources: Vec<TaggedResource>,
        /// Which.
        tags: Tags,
    },
    /// `DeleteTags`.
    DeleteTags {
        /// From what.
        resources: Vec<TaggedResource>,
        /// Keys; with a value only where it is that. Empty removes all.
        tags: Vec<(String, Option<String>)>,
    },
}

/// What can carry tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaggedResource {
    /// A resource.
    Resource(Key),
    /// A rule of a security group.
    GroupRule(SecurityGroupRuleId),
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

/// One rule of a security group as a request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpec {
    /// Which traffic.
    pub traffic: Traffic,
    /// From or to whom.
    pub peer: RulePeerSpec,
    /// What it is for.
    pub description: Option<String>,
}

/// The other side of a rule as a request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulePeerSpec {
    /// A block.
    Cidr(Cidr),
    /// A group by id, and its owner where the request names one.
    Group(SecurityGroupId, Option<AccountId>),
    /// A group of the same VPC by name.
    GroupNamed(String),
}

impl From<GroupPeer> for RulePeerSpec {
    fn from(peer: GroupPeer) -> Self {
        match peer {
            GroupPeer::Cidr(cidr) => Self::Cidr(cidr),
            GroupPeer::Group { group, account, .. } => Self::Group(group, Some(account)),
        }
    }
}

/// `RunInstances`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInstances {
    /// In which subnet; the default VPC's first one by default.
    pub subnet: Option<SubnetId>,
    /// From what: `ami-…`.
    pub image: String,
    /// Which size; `t3.micro` by default.
    pub instance_type: Option<String>,
    /// How many at least.
    pub min_count: u16,
    /// How many at most.
    pub max_count: u16,
    /// Which groups, by id; the VPC's default group by default.
    pub groups: Vec<SecurityGroupId>,
    /// Which groups, by name.
    pub group_names: Vec<String>,
    /// Which address, for a single instance.
    pub address: Option<Ipv4Addr>,
    /// Kept for clients that read it back.
    pub key_name: Option<String>,
    /// The script, in base64.
    pub user_data: Option<String>,
    /// The request's token.
    pub client_token: Option<ClientToken>,
    /// Tags for the instances.
    pub instance_tags: Tags,
    /// Tags for their interfaces.
    pub interface_tags: Tags,
}
