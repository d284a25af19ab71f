//! Whether packets of a flow arrive, what decides that, and what to do about it.

use model::{
    AclId, Cidr, EniId, IgwId, NatGatewayId, PcxId, PortRange, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VpcId,
};
use serde::{Deserialize, Serialize};

/// The query of `GET /_causeway/why`: which flow is asked about. The operator may ask about every
/// flow; a user or an account may ask if one of the ends is their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowQuery {
    /// Where the flow begins: a dyno as `shop/run.1234`, an instance, an interface, or an address in
    /// a VPC as `vpc-…/10.0.0.4`.
    pub from: String,
    /// Where the flow ends, in the same form.
    pub to: String,
    /// The port that the flow goes to. TCP and UDP need one, ICMP has none.
    pub port: Option<u16>,
    /// The protocol: `tcp`, which is meant where none is given, `udp` or `icmp`.
    pub proto: Option<String>,
    /// The source port, or a range such as `32768-60999`; without it 1024-65535.
    pub source_port: Option<String>,
    /// The language of `where`, `because` and `remedy`: `en`, which is meant where none is given, or
    /// `ja`.
    pub lang: Option<String>,
}

/// The answer to [`FlowQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the packet arrives and its answer too, from every source port that was asked about.
    pub allowed: bool,
    /// From which source ports it does; absent (`null`) where the protocol has no ports.
    pub source_ports: Option<SourcePorts>,
    /// What decides on the way, in order.
    pub hops: Vec<Hop>,
}

/// The source ports of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePorts {
    /// The ports that were asked about.
    pub asked: PortRange,
    /// Those of them from which the flow passes, in order.
    pub passing: Vec<PortRange>,
}

/// One step of a packet's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Whether the packet is on its way, or its answer.
    pub leg: Leg,
    /// Whether the packet gets here only once the obstacles before this hop are removed.
    pub presumed: bool,
    /// What decides, in words: `rtb-… of subnet-…`.
    #[serde(rename = "where")]
    pub location: String,
    /// What decides, by its ids, whose members stand among those of the hop.
    #[serde(flatten)]
    pub component: Component,
    /// What becomes of the packet here.
    pub decision: Decision,
    /// Why the packet is stopped, as AWS's Reachability Analyzer calls it; absent (`null`) where it
    /// has no word for that.
    pub code: Option<String>,
    /// The rule that decides, in words.
    pub because: String,
    /// What to do so that the packet passes, in words; absent (`null`) where nobody can do anything.
    pub remedy: Option<String>,
    /// The remedy as command lines, to be run in this order. A command that needs the id of what an
    /// earlier one makes is not here yet: ask again then.
    pub commands: Vec<String>,
}

/// Which way a packet of a flow goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// From the end that begins.
    Forward,
    /// Back to it.
    Answer,
}

/// What becomes of a packet at one hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The packet goes on.
    Passed,
    /// The packet goes on from some source ports, and is dropped from others.
    Partly,
    /// The packet is dropped.
    Blocked,
}

/// What decides on a packet, by its ids, as EC2's answers name them. Ids that do not apply are
/// absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The VPC; absent for what lies between two VPCs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<VpcId>,
    /// The subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<SubnetId>,
    /// The interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interface_id: Option<EniId>,
    /// The interface's security groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// The rule of a security group that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group_rule_id: Option<SecurityGroupRuleId>,
    /// The network ACL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_acl_id: Option<AclId>,
    /// The number of the first entry of the network ACL that decides; 32767 is the denial at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_number: Option<u16>,
    /// The route table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_table_id: Option<RouteTableId>,
    /// The destination of the route that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_cidr_block: Option<Cidr>,
    /// The peering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc_peering_connection_id: Option<PcxId>,
    /// The internet gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet_gateway_id: Option<IgwId>,
    /// The NAT gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_gateway_id: Option<NatGatewayId>,
}

impl From<model::Verdict> for Verdict {
    fn from(verdict: model::Verdict) -> Self {
        let ports =
            |ports: model::SourcePorts| SourcePorts { asked: ports.asked, passing: ports.passing };
        Self {
            allowed: verdict.allowed,
            source_ports: verdict.source_ports.map(ports),
            hops: verdict.hops.into_iter().map(Hop::from).collect(),
        }
    }
}

impl From<model::Hop> for Hop {
    fn from(hop: model::Hop) -> Self {
        Self {
            leg: match hop.leg {
                model::Leg::Forward => Leg::Forward,
                model::Leg::Answer => Leg::Answer,
            },
            presumed: hop.presumed,
            location: hop.where_.to_string(),
            component: Component {
                vpc_id: hop.component.vpc_id,
                subnet_id: hop.component.subnet_id,
                network_interface_id: hop.component.network_interface_id,
                security_group_ids: hop.component.security_group_ids,
                security_group_rule_id: hop.component.security_group_rule_id,
                network_acl_id: hop.component.network_acl_id,
                rule_number: hop.component.rule_number,
                route_table_id: hop.component.route_table_id,
                destination_cidr_block: hop.component.destination_cidr_block,
                vpc_peering_connection_id: hop.component.vpc_peering_connection_id,
                internet_gateway_id: hop.component.internet_gateway_id,
                nat_gateway_id: hop.component.nat_gateway_id,
            },
            decision: match hop.decision {
                model::Ruling::Passed => Decision::Passed,
                model::Ruling::Partly => Decision::Partly,
                model::Ruling::Blocked => Decision::Blocked,
            },
            code: hop.code.map(|code| code.to_string()),
            because: hop.because.to_string(),
            remedy: hop.remedy.map(|remedy| remedy.to_string()),
            commands: hop.commands,
        }
    }
}
