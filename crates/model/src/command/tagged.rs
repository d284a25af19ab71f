//! What can carry tags.

use crate::{
    AclId, AllocationId, DhcpOptionsId, EgressGatewayId, EniId, FlowLogId, IgwId, InstanceId, Key,
    KeyPairId, NatGatewayId, NetworkInsightsAnalysisId, NetworkInsightsPathId, PcxId, PrefixListId,
    RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId, SubnetReservationId, VolumeId,
    VpcId,
};

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
