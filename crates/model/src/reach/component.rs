//! What decides on a packet.

use std::fmt;

use serde::Serialize;

use super::phrase::{Phrase, say};
use crate::intent::ExitId;
use crate::resource::Direction;
use crate::{
    AclId, Cidr, EniId, IgwId, NatGatewayId, PcxId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VpcId,
};

/// A component of the network that decides on a packet. The fields have the names of EC2's answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Component {
    /// The VPC; `None` for a peering, which lies between two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<VpcId>,
    /// The subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<SubnetId>,
    /// The interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_interface_id: Option<EniId>,
    /// The interface's security groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// The rule of a security group that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group_rule_id: Option<SecurityGroupRuleId>,
    /// The direction of the packets that the groups or the network ACL decide on.
    #[serde(skip)]
    pub direction: Option<Direction>,
    /// The network ACL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_acl_id: Option<AclId>,
    /// The first of the network ACL's entries that decides; 32767 is the denial at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_number: Option<u16>,
    /// The route table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_table_id: Option<RouteTableId>,
    /// The destination of the route that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_cidr_block: Option<Cidr>,
    /// The peering.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_peering_connection_id: Option<PcxId>,
    /// The internet gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internet_gateway_id: Option<IgwId>,
    /// The NAT gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat_gateway_id: Option<NatGatewayId>,
}

impl Component {
    pub(super) fn vpc(vpc: VpcId) -> Self {
        Self { vpc_id: Some(vpc), ..Self::default() }
    }

    pub(super) fn interface(eni: EniId) -> Self {
        Self { network_interface_id: Some(eni), ..Self::default() }
    }

    pub(super) fn groups(groups: &[SecurityGroupId], eni: EniId, way: Direction) -> Self {
        Self { security_group_ids: groups.to_vec(), direction: Some(way), ..Self::interface(eni) }
    }

    pub(super) fn acl(acl: Option<AclId>, subnet: SubnetId, way: Direction) -> Self {
        Self {
            network_acl_id: acl,
            subnet_id: Some(subnet),
            direction: Some(way),
            ..Self::default()
        }
    }

    pub(super) fn table(table: RouteTableId, subnet: SubnetId) -> Self {
        Self { route_table_id: Some(table), subnet_id: Some(subnet), ..Self::default() }
    }

    pub(super) fn peering(pcx: PcxId) -> Self {
        Self { vpc_peering_connection_id: Some(pcx), ..Self::default() }
    }

    pub(super) fn exit(exit: ExitId) -> Self {
        match exit {
            ExitId::Gateway(igw) => Self { internet_gateway_id: Some(igw), ..Self::default() },
            ExitId::Nat(nat) => Self { nat_gateway_id: Some(nat), ..Self::default() },
        }
    }
}

impl Component {
    /// What decides, and what it is of: `rtb-… of subnet-…`.
    pub(super) fn phrase(&self) -> Phrase {
        fn text(id: Option<impl fmt::Display>) -> Option<String> {
            id.map(|id| id.to_string())
        }
        let groups: Vec<String> = self.security_group_ids.iter().map(ToString::to_string).collect();
        let guard = (!groups.is_empty()).then(|| groups.join(", "));
        let parts = [
            guard,
            text(self.network_acl_id),
            text(self.route_table_id),
            text(self.vpc_peering_connection_id),
            text(self.internet_gateway_id),
            text(self.nat_gateway_id),
            text(self.network_interface_id),
            text(self.subnet_id),
        ];
        let parts = parts.into_iter().flatten().map(|id| say!(Code, code = id));
        parts
            .reduce(|part, whole| say!(Of, part = part, whole = whole))
            .unwrap_or_else(|| say!(Code, code = text(self.vpc_id).unwrap_or_default()))
    }
}
