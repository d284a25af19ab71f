//! Commands of the VPC's side, one for each action of EC2 that changes something.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::instance::{InstanceChange, InterfaceChange, NewInterface, NewKeyPair, RunInstances};
use crate::resource::{
    AclEntry, AddressFamily, Analysis, AnalysisOptions, ClientToken, Connectivity, CpuCredits,
    Direction, FlowLogSettings, FlowLogSubject, GroupPeer, HostnameType, PathPackets,
    ReservationKind, RouteDestination, RouteTo, Tags, Tenancy,
};
use crate::{
    AccountId, AclAssociationId, AclId, AddressAssociationId, AllocationId, Cidr, DhcpOptionsId,
    EgressGatewayId, EniAttachmentId, EniId, FlowLogId, IgwId, InstanceId, IpCidr, Ipv6Cidr, Key,
    KeyPairId, NatGatewayId, NetworkInsightsAnalysisId, NetworkInsightsPathId, PcxId, PrefixListId,
    Region, RouteTableAssociationId, RouteTableId, SecurityGroupId, SecurityGroupRuleId,
    SubnetCidrAssociationId, SubnetId, SubnetReservationId, Traffic, VolumeId,
    VpcCidrAssociationId, VpcId, Zone,
};

/// What owners of VPCs ask for.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
pub enum Ec2Command {
    /// `CreateVpc`.
    CreateVpc(NewVpc),
    /// `CreateDefaultVpc`.
    CreateDefaultVpc,
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
    /// `ModifyVpcTenancy`: back to hardware that others use, too.
    ModifyVpcTenancy {
        /// The VPC to modify.
        vpc: VpcId,
    },
    /// `AssociateVpcCidrBlock`.
    AssociateVpcCidrBlock {
        /// The VPC to add a block to.
        vpc: VpcId,
        /// The block to add.
        cidr: Cidr,
    },
    /// `AssociateVpcCidrBlock`, of an IPv6 block of the platform's choice.
    #[strum(serialize = "AssociateVpcCidrBlock")]
    AssociateVpcIpv6CidrBlock {
        /// The VPC to add a block to.
        vpc: VpcId,
    },
    /// `DisassociateVpcCidrBlock`.
    DisassociateVpcCidrBlock {
        /// The association of the block to remove.
        association: VpcCidrAssociationId,
    },
    /// `CreateSubnet`.
    CreateSubnet(NewSubnet),
    /// `CreateDefaultSubnet`.
    CreateDefaultSubnet {
        /// The availability zone that is to have a default subnet again.
        zone: Zone,
    },
    /// `DeleteSubnet`.
    DeleteSubnet {
        /// The subnet to delete.
        subnet: SubnetId,
    },
    /// `ModifySubnetAttribute`; one attribute at a time, as EC2 has it.
    ModifySubnetAttribute {
        /// The subnet to modify.
        subnet: SubnetId,
        /// The attribute and its new value.
        attribute: SubnetAttribute,
    },
    /// `AssociateSubnetCidrBlock`.
    AssociateSubnetCidrBlock {
        /// The subnet to add a block to.
        subnet: SubnetId,
        /// The IPv6 block to add.
        cidr: Ipv6Cidr,
    },
    /// `DisassociateSubnetCidrBlock`.
    DisassociateSubnetCidrBlock {
        /// The association of the block to remove.
        association: SubnetCidrAssociationId,
    },
    /// `CreateSubnetCidrReservation`.
    CreateSubnetCidrReservation {
        /// The subnet to reserve addresses in.
        subnet: SubnetId,
        /// The block to reserve.
        cidr: IpCidr,
        /// What it is reserved for.
        kind: ReservationKind,
        /// What it is reserved for, in words.
        description: Option<String>,
        /// Tags for the reservation.
        tags: Tags,
    },
    /// `DeleteSubnetCidrReservation`.
    DeleteSubnetCidrReservation {
        /// The reservation to delete.
        reservation: SubnetReservationId,
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
        destination: RouteDestination,
        /// What the route leads to.
        target: RouteTo,
    },
    /// `ReplaceRoute`.
    ReplaceRoute {
        /// The route table that holds the route.
        route_table: RouteTableId,
        /// The route's destination.
        destination: RouteDestination,
        /// What the route leads to from now on.
        target: RouteTo,
    },
    /// `ReplaceRoute` of a local route by its own target.
    #[strum(serialize = "ReplaceRoute")]
    RestoreLocalRoute {
        /// The route table.
        route_table: RouteTableId,
        /// The destination of the local route.
        destination: RouteDestination,
    },
    /// `DeleteRoute`.
    DeleteRoute {
        /// The route table that holds the route.
        route_table: RouteTableId,
        /// The route's destination.
        destination: RouteDestination,
    },
    /// `CreateInternetGateway`.
    CreateInternetGateway {
        /// Tags for the gateway.
        tags: Tags,
    },
    /// `AttachInternetGateway`.
    AttachInternetGateway {
        /// The gateway to attach.
        gateway: IgwId,
        /// The VPC to attach it to.
        vpc: VpcId,
    },
    /// `DetachInternetGateway`.
    DetachInternetGateway {
        /// The gateway to detach.
        gateway: IgwId,
        /// The VPC that it is attached to.
        vpc: VpcId,
    },
    /// `DeleteInternetGateway`.
    DeleteInternetGateway {
        /// The gateway to delete.
        gateway: IgwId,
    },
    /// `CreateEgressOnlyInternetGateway`.
    CreateEgressOnlyInternetGateway {
        /// The VPC to attach the gateway to.
        vpc: VpcId,
        /// The token by which the client may repeat the request.
        client_token: Option<ClientToken>,
        /// Tags for the gateway.
        tags: Tags,
    },
    /// `DeleteEgressOnlyInternetGateway`.
    DeleteEgressOnlyInternetGateway {
        /// The gateway to delete.
        gateway: EgressGatewayId,
    },
    /// `CreateDhcpOptions`.
    CreateDhcpOptions {
        /// The values of each option, by the option's name.
        options: BTreeMap<String, Vec<String>>,
        /// Tags for the option set.
        tags: Tags,
    },
    /// `DeleteDhcpOptions`.
    DeleteDhcpOptions {
        /// The option set to delete.
        options: DhcpOptionsId,
    },
    /// `AssociateDhcpOptions`.
    AssociateDhcpOptions {
        /// The VPC whose instances get the options.
        vpc: VpcId,
        /// The option set; `None` takes the VPC's away.
        options: Option<DhcpOptionsId>,
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
    /// `ModifySecurityGroupRules`.
    ModifySecurityGroupRules {
        /// The group whose rules are changed.
        group: SecurityGroupId,
        /// The rules to change, each with what it becomes.
        rules: Vec<(SecurityGroupRuleId, RuleSpec)>,
    },
    /// `UpdateSecurityGroupRuleDescriptionsIngress` and `…Egress`.
    DescribeSecurityGroupRules {
        /// The group whose rules get other descriptions.
        group: SecurityGroupId,
        /// The direction of the traffic that the rules allow.
        direction: Direction,
        /// Rules by what they allow, each with its new description.
        rules: Vec<RuleSpec>,
        /// Rules by id, each with its new description.
        ids: Vec<(SecurityGroupRuleId, Option<String>)>,
    },
    /// `CreateManagedPrefixList`.
    CreatePrefixList(CreatePrefixList),
    /// `ModifyManagedPrefixList`.
    ModifyPrefixList(ModifyPrefixList),
    /// `RestoreManagedPrefixListVersion`.
    RestorePrefixList {
        /// The prefix list to restore.
        list: PrefixListId,
        /// The version whose entries it gets again.
        previous: u64,
        /// The version that is the current one, as far as the caller knows.
        current: u64,
    },
    /// `DeleteManagedPrefixList`.
    DeletePrefixList {
        /// The prefix list to delete.
        list: PrefixListId,
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
    /// `StartInstances`.
    StartInstances {
        /// The instances to start.
        instances: Vec<InstanceId>,
    },
    /// `StopInstances`.
    StopInstances {
        /// The instances to stop.
        instances: Vec<InstanceId>,
    },
    /// `RebootInstances`.
    RebootInstances {
        /// The instances to reboot.
        instances: Vec<InstanceId>,
    },
    /// `TerminateInstances`.
    TerminateInstances {
        /// The instances to terminate.
        instances: Vec<InstanceId>,
    },
    /// `ModifyInstanceAttribute`, and the actions that modify one thing of an instance each.
    ModifyInstanceAttribute {
        /// The instance to modify.
        instance: InstanceId,
        /// What becomes of it.
        change: InstanceChange,
    },
    /// `ModifyInstanceCreditSpecification`.
    ModifyInstanceCreditSpecification {
        /// The instances, each with how it is to use credits.
        credits: Vec<(InstanceId, CpuCredits)>,
    },
    /// `MonitorInstances` and `UnmonitorInstances`.
    MonitorInstances {
        /// The instances.
        instances: Vec<InstanceId>,
        /// Whether they are to be monitored in detail.
        on: bool,
    },
    /// `CreateNetworkInterface`.
    CreateNetworkInterface(NewInterface),
    /// `DeleteNetworkInterface`.
    DeleteNetworkInterface {
        /// The interface to delete.
        interface: EniId,
    },
    /// `AttachNetworkInterface`.
    AttachNetworkInterface {
        /// The interface to attach.
        interface: EniId,
        /// The instance that is to have it.
        instance: InstanceId,
        /// The number of the interface among those of the instance.
        device_index: u8,
    },
    /// `DetachNetworkInterface`.
    DetachNetworkInterface {
        /// The attachment to end.
        attachment: EniAttachmentId,
    },
    /// `ModifyNetworkInterfaceAttribute`.
    ModifyNetworkInterfaceAttribute {
        /// The interface to modify.
        interface: EniId,
        /// What becomes of it.
        change: InterfaceChange,
    },
    /// `AssignPrivateIpAddresses`.
    AssignPrivateIpAddresses {
        /// The interface to give addresses to.
        interface: EniId,
        /// The addresses.
        addresses: Vec<Ipv4Addr>,
        /// How many free ones, instead.
        count: u16,
        /// Whether addresses may be taken from other interfaces.
        take: bool,
    },
    /// `UnassignPrivateIpAddresses`.
    UnassignPrivateIpAddresses {
        /// The interface to take addresses from.
        interface: EniId,
        /// The addresses.
        addresses: Vec<Ipv4Addr>,
    },
    /// `CreateKeyPair`.
    CreateKeyPair(NewKeyPair),
    /// `ImportKeyPair`.
    ImportKeyPair(NewKeyPair),
    /// `DeleteKeyPair`.
    DeleteKeyPair {
        /// The key pair, by its id.
        id: Option<KeyPairId>,
        /// The key pair, by its name.
        name: Option<String>,
    },
    /// `CreateFlowLogs`.
    CreateFlowLogs(CreateFlowLogs),
    /// `DeleteFlowLogs`.
    DeleteFlowLogs {
        /// The flow logs to delete.
        flow_logs: Vec<FlowLogId>,
    },
    /// `CreateNetworkInsightsPath`.
    CreateNetworkInsightsPath(CreateNetworkInsightsPath),
    /// `DeleteNetworkInsightsPath`.
    DeleteNetworkInsightsPath {
        /// The path to delete.
        path: NetworkInsightsPathId,
    },
    /// `StartNetworkInsightsAnalysis`.
    StartNetworkInsightsAnalysis(StartNetworkInsightsAnalysis),
    /// `DeleteNetworkInsightsAnalysis`.
    DeleteNetworkInsightsAnalysis {
        /// The analysis to delete.
        analysis: NetworkInsightsAnalysisId,
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

impl Ec2Command {
    /// A request for a VPC with nothing beyond its block and tags.
    pub fn create_vpc(cidr: Cidr, tags: Tags) -> Self {
        Self::CreateVpc(NewVpc { cidr, ipv6: false, tenancy: Tenancy::default(), tags })
    }

    /// A request for a subnet with an IPv4 block alone.
    pub fn create_subnet(vpc: VpcId, cidr: Cidr, zone: Option<Zone>, tags: Tags) -> Self {
        Self::CreateSubnet(NewSubnet { vpc, cidr, ipv6: None, zone, tags })
    }
}

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

/// What can carry tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaggedResource {
    /// A DHCP option set.
    DhcpOptions(DhcpOptionsId),
    /// An egress-only internet gateway.
    EgressGateway(EgressGatewayId),
    /// An elastic IP address.
    ElasticIp(AllocationId),
    /// A network interface.
    Eni(EniId),
    /// A flow log.
    FlowLog(FlowLogId),
    /// A rule of a security group.
    GroupRule(SecurityGroupRuleId),
    /// An instance.
    Instance(InstanceId),
    /// An internet gateway.
    InternetGateway(IgwId),
    /// A key pair.
    KeyPair(KeyPairId),
    /// A NAT gateway.
    NatGateway(NatGatewayId),
    /// A network ACL.
    NetworkAcl(AclId),
    /// An analysis of a path of Network Insights.
    NetworkInsightsAnalysis(NetworkInsightsAnalysisId),
    /// A path of Network Insights.
    NetworkInsightsPath(NetworkInsightsPathId),
    /// A peering connection, of which either side has tags of its own.
    Peering(PcxId),
    /// A managed prefix list.
    PrefixList(PrefixListId),
    /// A route table.
    RouteTable(RouteTableId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// A subnet.
    Subnet(SubnetId),
    /// A reservation of addresses in a subnet.
    SubnetReservation(SubnetReservationId),
    /// The root volume of an instance, which is a part of the instance.
    Volume(VolumeId),
    /// A VPC.
    Vpc(VpcId),
}

impl TaggedResource {
    /// The key of the resource; a rule and a volume are parts of others and have none.
    pub(super) const fn key(self) -> Option<Key> {
        Some(match self {
            Self::DhcpOptions(id) => Key::DhcpOptions(id),
            Self::EgressGateway(id) => Key::EgressGateway(id),
            Self::ElasticIp(id) => Key::ElasticIp(id),
            Self::Eni(id) => Key::Eni(id),
            Self::FlowLog(id) => Key::FlowLog(id),
            Self::GroupRule(_) => return None,
            Self::Instance(id) => Key::Instance(id),
            Self::InternetGateway(id) => Key::InternetGateway(id),
            Self::KeyPair(id) => Key::KeyPair(id),
            Self::NatGateway(id) => Key::NatGateway(id),
            Self::NetworkAcl(id) => Key::NetworkAcl(id),
            Self::NetworkInsightsAnalysis(id) => Key::NetworkInsightsAnalysis(id),
            Self::NetworkInsightsPath(id) => Key::NetworkInsightsPath(id),
            Self::Peering(id) => Key::Peering(id),
            Self::PrefixList(id) => Key::PrefixList(id),
            Self::RouteTable(id) => Key::RouteTable(id),
            Self::SecurityGroup(id) => Key::SecurityGroup(id),
            Self::Subnet(id) => Key::Subnet(id),
            Self::SubnetReservation(id) => Key::SubnetReservation(id),
            Self::Volume(_) => return None,
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

/// `CreateFlowLogs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFlowLogs {
    /// What to record the packets of: a flow log for each.
    pub of: Vec<FlowLogSubject>,
    /// What to record, and where to.
    pub settings: FlowLogSettings,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for each of the flow logs.
    pub tags: Tags,
}

/// `CreateNetworkInsightsPath`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateNetworkInsightsPath {
    /// Which packets the path is about.
    pub packets: PathPackets,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the path.
    pub tags: Tags,
}

/// `StartNetworkInsightsAnalysis`, with what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartNetworkInsightsAnalysis {
    /// The path to analyze.
    pub path: NetworkInsightsPathId,
    /// What else is asked for.
    pub options: AnalysisOptions,
    /// What [`crate::analyse`] found.
    pub outcome: Result<Analysis, String>,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the analysis.
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
    /// An IPv4 block.
    Cidr(Cidr),
    /// An IPv6 block.
    Ipv6(Ipv6Cidr),
    /// A managed prefix list.
    PrefixList(PrefixListId),
    /// A group by id, and its owner where the request names one.
    Group(SecurityGroupId, Option<AccountId>),
    /// A group of the same VPC by name.
    GroupNamed(String),
}

impl From<GroupPeer> for RulePeerSpec {
    fn from(peer: GroupPeer) -> Self {
        match peer {
            GroupPeer::Cidr(cidr) => Self::Cidr(cidr),
            GroupPeer::Ipv6(cidr) => Self::Ipv6(cidr),
            GroupPeer::PrefixList(list) => Self::PrefixList(list),
            GroupPeer::Group { group, account, .. } => Self::Group(group, Some(account)),
        }
    }
}

/// `CreateManagedPrefixList`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePrefixList {
    /// The prefix list's name.
    pub name: String,
    /// The family of its blocks.
    pub family: AddressFamily,
    /// How many entries it may have.
    pub max_entries: u16,
    /// Its first entries: each a block and what it is, in words.
    pub entries: Vec<(IpCidr, Option<String>)>,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the prefix list.
    pub tags: Tags,
}

/// `ModifyManagedPrefixList`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifyPrefixList {
    /// The prefix list to modify.
    pub list: PrefixListId,
    /// The version that is the current one, as far as the caller knows.
    pub current: Option<u64>,
    /// Its new name.
    pub name: Option<String>,
    /// How many entries it may have from now on.
    pub max_entries: Option<u16>,
    /// Entries to add; a block that is there gets the new description.
    pub add: Vec<(IpCidr, Option<String>)>,
    /// Blocks to remove.
    pub remove: Vec<IpCidr>,
}
