//! Commands of the VPC's side, one for each action of EC2 that changes something.

use std::net::Ipv4Addr;

use crate::resource::{AclEntry, ClientToken, Connectivity, Direction, GroupPeer, RouteTo, Tags};
use crate::{
    AccountId, AclAssociationId, AclId, AddressAssociationId, AllocationId, Cidr, DhcpOptionsId,
    EniId, IgwId, InstanceId, Key, NatGatewayId, PcxId, Region, RouteTableAssociationId,
    RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId, Traffic, VpcCidrAssociationId,
    VpcId, Zone,
};

/// What owners of VPCs ask for.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
pub enum Ec2Command {
    /// `CreateVpc`.
    CreateVpc {
        /// The primary block.
        cidr: Cidr,
        /// Tags for the VPC.
        tags: Tags,
    },
    /// `DeleteVpc`.
    DeleteVpc {
        /// The VPC to delete.
        vpc: VpcId,
    },
    /// `ModifyVpcAttribute`; one attribute at a time, as EC2 has it.
    ModifyVpcAttribute {
        /// The VPC to modify.
        vpc: VpcId,
        /// The attribute and its new value.
        attribute: VpcAttribute,
    },
    /// `AssociateVpcCidrBlock`.
    AssociateVpcCidrBlock {
        /// The VPC to add a block to.
        vpc: VpcId,
        /// The block to add.
        cidr: Cidr,
    },
    /// `DisassociateVpcCidrBlock`.
    DisassociateVpcCidrBlock {
        /// The association of the block to remove.
        association: VpcCidrAssociationId,
    },
    /// `CreateSubnet`.
    CreateSubnet {
        /// The VPC to make the subnet in.
        vpc: VpcId,
        /// The subnet's block.
        cidr: Cidr,
        /// The availability zone; the region's first one by default.
        zone: Option<Zone>,
        /// Tags for the subnet.
        tags: Tags,
    },
    /// `DeleteSubnet`.
    DeleteSubnet {
        /// The subnet to delete.
        subnet: SubnetId,
    },
    /// `CreateRouteTable`.
    CreateRouteTable {
        /// The VPC to make the route table in.
        vpc: VpcId,
        /// The token by which the client may repeat the request.
        client_token: Option<ClientToken>,
        /// Tags for the route table.
        tags: Tags,
    },
    /// `DeleteRouteTable`.
    DeleteRouteTable {
        /// The route table to delete.
        route_table: RouteTableId,
    },
    /// `AssociateRouteTable`.
    AssociateRouteTable {
        /// The route table that the subnet is to follow.
        route_table: RouteTableId,
        /// The subnet.
        subnet: SubnetId,
    },
    /// `DisassociateRouteTable`.
    DisassociateRouteTable {
        /// The association to end; the subnet then follows the VPC's main table.
        association: RouteTableAssociationId,
    },
    /// `ReplaceRouteTableAssociation`, of a subnet or of the VPC's main table.
    ReplaceRouteTableAssociation {
        /// The association to replace.
        association: RouteTableAssociationId,
        /// The route table to follow instead.
        route_table: RouteTableId,
    },
    /// `CreateRoute`.
    CreateRoute {
        /// The route table to add the route to.
        route_table: RouteTableId,
        /// The route's destination.
        destination: Cidr,
        /// What the route leads to.
        target: RouteTo,
    },
    /// `ReplaceRoute`.
    ReplaceRoute {
        /// The route table that holds the route.
        route_table: RouteTableId,
        /// The route's destination.
        destination: Cidr,
        /// What the route leads to from now on.
        target: RouteTo,
    },
    /// `DeleteRoute`.
    DeleteRoute {
        /// The route table that holds the route.
        route_table: RouteTableId,
        /// The route's destination.
        destination: Cidr,
    },
    /// `CreateSecurityGroup`.
    CreateSecurityGroup {
        /// The VPC to make the group in.
        vpc: VpcId,
        /// The group's name, unique in the VPC.
        name: String,
        /// What the group is for, in words.
        description: String,
        /// Tags for the group.
        tags: Tags,
    },
    /// `DeleteSecurityGroup`.
    DeleteSecurityGroup {
        /// The security group to delete.
        group: SecurityGroupId,
    },
    /// `AuthorizeSecurityGroupIngress` and `…Egress`.
    AuthorizeSecurityGroup {
        /// The group to add rules to.
        group: SecurityGroupId,
        /// The direction of the traffic that the rules allow.
        direction: Direction,
        /// The rules to add.
        rules: Vec<RuleSpec>,
        /// Tags for each of the rules.
        tags: Tags,
    },
    /// `RevokeSecurityGroupIngress` and `…Egress`.
    RevokeSecurityGroup {
        /// The group to remove rules from.
        group: SecurityGroupId,
        /// The direction of the traffic that the rules allow.
        direction: Direction,
        /// Rules to remove, by what they allow.
        rules: Vec<RuleSpec>,
        /// Rules to remove, by id.
        ids: Vec<SecurityGroupRuleId>,
    },
    /// `CreateNetworkAcl`.
    CreateNetworkAcl {
        /// The VPC to make the network ACL in.
        vpc: VpcId,
        /// The token by which the client may repeat the request.
        client_token: Option<ClientToken>,
        /// Tags for the network ACL.
        tags: Tags,
    },
    /// `DeleteNetworkAcl`.
    DeleteNetworkAcl {
        /// The network ACL to delete.
        acl: AclId,
    },
    /// `CreateNetworkAclEntry`.
    CreateNetworkAclEntry {
        /// The network ACL to add the entry to.
        acl: AclId,
        /// The direction of the packets that the entry is for.
        direction: Direction,
        /// The entry's number: entries are tried from the lowest on.
        number: u16,
        /// The entry.
        entry: AclEntry,
    },
    /// `ReplaceNetworkAclEntry`.
    ReplaceNetworkAclEntry {
        /// The network ACL that holds the entry.
        acl: AclId,
        /// The direction of the packets that the entry is for.
        direction: Direction,
        /// The entry's number.
        number: u16,
        /// The entry that takes its place.
        entry: AclEntry,
    },
    /// `DeleteNetworkAclEntry`.
    DeleteNetworkAclEntry {
        /// The network ACL that holds the entry.
        acl: AclId,
        /// The direction of the packets that the entry is for.
        direction: Direction,
        /// The entry's number.
        number: u16,
    },
    /// `ReplaceNetworkAclAssociation`.
    ReplaceNetworkAclAssociation {
        /// The association of a subnet to replace.
        association: AclAssociationId,
        /// The network ACL to guard the subnet instead.
        acl: AclId,
    },
    /// `RunInstances`.
    RunInstances(RunInstances),
    /// `TerminateInstances`.
    TerminateInstances {
        /// The instances to terminate.
        instances: Vec<InstanceId>,
    },
    /// `AllocateAddress`.
    AllocateAddress {
        /// The public address that is wanted; any free one by default.
        address: Option<Ipv4Addr>,
        /// Tags for the address.
        tags: Tags,
    },
    /// `AssociateAddress`.
    AssociateAddress {
        /// The elastic IP address.
        which: ElasticIpName,
        /// What it is to lead to.
        target: AddressTarget,
        /// The private address that it is to stand for; the primary one by default.
        private: Option<Ipv4Addr>,
        /// Whether it may be taken from what it leads to now, and another one from the target.
        reassociate: bool,
    },
    /// `DisassociateAddress`.
    DisassociateAddress {
        /// The association to end.
        which: AddressAssociationName,
    },
    /// `ReleaseAddress`.
    ReleaseAddress {
        /// The elastic IP address to give back.
        which: ElasticIpName,
    },
    /// `CreateNatGateway`.
    CreateNatGateway(CreateNatGateway),
    /// `DeleteNatGateway`.
    DeleteNatGateway {
        /// The NAT gateway to delete.
        nat_gateway: NatGatewayId,
    },
    /// `CreateVpcPeeringConnection`.
    CreatePeering {
        /// The requester's VPC.
        vpc: VpcId,
        /// The accepter's VPC.
        peer_vpc: VpcId,
        /// The account that owns the accepter's VPC; the requester by default.
        peer_owner: Option<AccountId>,
        /// The region of the accepter's VPC; the requester's by default.
        peer_region: Option<Region>,
        /// Tags for the requester's side.
        tags: Tags,
    },
    /// `AcceptVpcPeeringConnection`.
    AcceptPeering {
        /// The peering to accept.
        peering: PcxId,
    },
    /// `RejectVpcPeeringConnection`.
    RejectPeering {
        /// The peering to reject.
        peering: PcxId,
    },
    /// `DeleteVpcPeeringConnection`.
    DeletePeering {
        /// The peering to delete.
        peering: PcxId,
    },
    /// `ModifyVpcPeeringConnectionOptions`.
    ModifyPeeringOptions {
        /// The peering to modify.
        peering: PcxId,
        /// The requester's new setting of AllowDnsResolutionFromRemoteVpc.
        requester_dns: Option<bool>,
        /// The accepter's new setting of it.
        accepter_dns: Option<bool>,
    },
    /// `CreateTags`.
    CreateTags {
        /// The resources to tag.
        resources: Vec<TaggedResource>,
        /// The tags to set.
        tags: Tags,
    },
    /// `DeleteTags`.
    DeleteTags {
        /// The resources to take tags from.
        resources: Vec<TaggedResource>,
        /// Keys of the tags to remove; where a value is given, only the tag with that value. None
        /// at all remove every tag.
        tags: Vec<(String, Option<String>)>,
    },
}

/// What can carry tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaggedResource {
    /// A DHCP option set.
    DhcpOptions(DhcpOptionsId),
    /// An elastic IP address.
    ElasticIp(AllocationId),
    /// A network interface.
    Eni(EniId),
    /// A rule of a security group.
    GroupRule(SecurityGroupRuleId),
    /// An instance.
    Instance(InstanceId),
    /// An internet gateway.
    InternetGateway(IgwId),
    /// A NAT gateway.
    NatGateway(NatGatewayId),
    /// A network ACL.
    NetworkAcl(AclId),
    /// A peering connection, of which either side has tags of its own.
    Peering(PcxId),
    /// A route table.
    RouteTable(RouteTableId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// A subnet.
    Subnet(SubnetId),
    /// A VPC.
    Vpc(VpcId),
}

impl TaggedResource {
    /// The key of the resource; a rule is a part of a group and has none.
    pub(super) const fn key(self) -> Option<Key> {
        Some(match self {
            Self::DhcpOptions(id) => Key::DhcpOptions(id),
            Self::ElasticIp(id) => Key::ElasticIp(id),
            Self::Eni(id) => Key::Eni(id),
            Self::GroupRule(_) => return None,
            Self::Instance(id) => Key::Instance(id),
            Self::InternetGateway(id) => Key::InternetGateway(id),
            Self::NatGateway(id) => Key::NatGateway(id),
            Self::NetworkAcl(id) => Key::NetworkAcl(id),
            Self::Peering(id) => Key::Peering(id),
            Self::RouteTable(id) => Key::RouteTable(id),
            Self::SecurityGroup(id) => Key::SecurityGroup(id),
            Self::Subnet(id) => Key::Subnet(id),
            Self::Vpc(id) => Key::Vpc(id),
        })
    }
}

/// An elastic IP address as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElasticIpName {
    /// By its allocation.
    Allocation(AllocationId),
    /// By itself.
    Address(Ipv4Addr),
}

/// An association of an elastic IP address as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressAssociationName {
    /// By its id.
    Association(AddressAssociationId),
    /// By the elastic IP address.
    Address(Ipv4Addr),
}

/// What an elastic IP address is to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressTarget {
    /// An instance, by its interface.
    Instance(InstanceId),
    /// An interface.
    Eni(EniId),
}

/// `CreateNatGateway`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateNatGateway {
    /// The subnet to make the NAT gateway in.
    pub subnet: SubnetId,
    /// Where it is to lead.
    pub connectivity: Connectivity,
    /// The elastic IP address that it is to send by.
    pub allocation: Option<AllocationId>,
    /// Its private address; any free one by default.
    pub private: Option<Ipv4Addr>,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the NAT gateway.
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

/// One rule of a security group as a request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpec {
    /// The traffic that the rule matches.
    pub traffic: Traffic,
    /// The source of incoming traffic, or the destination of outgoing traffic.
    pub peer: RulePeerSpec,
    /// What the rule is for, in words.
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
    /// The subnet to start them in; the default VPC's first one by default.
    pub subnet: Option<SubnetId>,
    /// The id or name of the image.
    pub image: String,
    /// The instance type; `t3.micro` by default.
    pub instance_type: Option<String>,
    /// The smallest acceptable number of instances.
    pub min_count: u16,
    /// The number of instances to start if there is room.
    pub max_count: u16,
    /// The ids of their security groups; the VPC's default group by default.
    pub groups: Vec<SecurityGroupId>,
    /// The names of more of their security groups.
    pub group_names: Vec<String>,
    /// The private address, for a single instance.
    pub address: Option<Ipv4Addr>,
    /// Whether they are given public addresses; as the subnet says by default.
    pub public: Option<bool>,
    /// The name of a key pair; kept for clients that read it back.
    pub key_name: Option<String>,
    /// The script that they start with, in base64.
    pub user_data: Option<String>,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the instances.
    pub instance_tags: Tags,
    /// Tags for their interfaces.
    pub interface_tags: Tags,
}
