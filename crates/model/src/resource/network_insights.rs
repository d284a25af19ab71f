//! Paths of Network Insights, and their analyses: what a packet would meet, and what was found out.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{AclEntry, ClientToken, Direction, GroupPeer, Owner, Resource, Tags};
use crate::{
    AccountId, Alias, Cidr, EniId, IgwId, InstanceId, IpProtocol, Key, Kind,
    NetworkInsightsAnalysisId, NetworkInsightsPathId, PcxId, PortRange, Region, Scope,
    SecurityGroupId, Timestamp, Traffic,
};

/// A path of Network Insights: packets that somebody wants to know about. Its ends may be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInsightsPath {
    /// The path's id.
    pub id: NetworkInsightsPathId,
    /// The account that owns the path.
    pub account: AccountId,
    /// The region that the path is in.
    pub region: Region,
    /// Which packets it is about.
    pub packets: PathPackets,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the path.
    pub tags: Tags,
    /// When the path was created.
    pub created: Timestamp,
}

/// Which packets a path is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathPackets {
    /// Where they begin.
    pub source: PathEnd,
    /// Where they are to arrive; by the address alone if it is not said.
    pub destination: Option<PathEnd>,
    /// The address that they come from.
    pub source_ip: Option<Ipv4Addr>,
    /// The address that they go to.
    pub destination_ip: Option<Ipv4Addr>,
    /// TCP or UDP.
    pub protocol: IpProtocol,
    /// The port that they go to; any by default.
    pub destination_port: Option<u16>,
    /// What they are like where they begin.
    pub at_source: Option<PathFilter>,
    /// What they are like where they arrive.
    pub at_destination: Option<PathFilter>,
}

/// An end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathEnd {
    /// An instance, by its first interface.
    Instance(InstanceId),
    /// An interface.
    Eni(EniId),
    /// An internet gateway, and the internet behind it.
    Gateway(IgwId),
    /// A peering connection.
    Peering(PcxId),
}

impl PathEnd {
    /// The key of the end.
    pub const fn key(self) -> Key {
        match self {
            Self::Instance(id) => Key::Instance(id),
            Self::Eni(id) => Key::Eni(id),
            Self::Gateway(id) => Key::InternetGateway(id),
            Self::Peering(id) => Key::Peering(id),
        }
    }
}

/// What packets of a path are like at one end of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathFilter {
    /// The address that they come from.
    pub source: Option<Ipv4Addr>,
    /// The ports that they come from.
    pub source_ports: Option<PortRange>,
    /// The address that they go to.
    pub destination: Option<Ipv4Addr>,
    /// The ports that they go to.
    pub destination_ports: Option<PortRange>,
}

/// An analysis of a path: what was found at the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInsightsAnalysis {
    /// The analysis' id.
    pub id: NetworkInsightsAnalysisId,
    /// The account that owns the analysis.
    pub account: AccountId,
    /// The region that the analysis is in.
    pub region: Region,
    /// The path.
    pub path: NetworkInsightsPathId,
    /// What else was asked for.
    pub options: AnalysisOptions,
    /// What was found; words say why nothing was.
    pub outcome: Result<Analysis, String>,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the analysis.
    pub tags: Tags,
    /// When the analysis was started.
    pub started: Timestamp,
}

/// What is asked for beside a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisOptions {
    /// ARNs of what the packets must come by.
    pub through: Vec<String>,
    /// ARNs of what they must not come by.
    pub around: Vec<String>,
    /// Accounts whose resources they may come by.
    pub accounts: Vec<AccountId>,
}

/// What an analysis found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// Whether some packet of the path arrives, and its answer comes back.
    pub found: bool,
    /// What it meets, in order.
    pub forward: Vec<PathStep>,
    /// What its answer meets, in order.
    pub back: Vec<PathStep>,
    /// What is in the way, if it does not arrive.
    pub explanations: Vec<PathExplanation>,
}

/// What is in the way of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathExplanation {
    /// The reason, in the words of AWS; none where the component is another's.
    pub code: Option<String>,
    /// What stops the packet.
    pub step: PathStep,
    /// The packet that is stopped.
    pub packet: Option<PathHeader>,
}

/// A component of the network that a packet meets, with what decides there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStep {
    /// The component.
    pub component: NetworkComponent,
    /// The VPC that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc: Option<NetworkComponent>,
    /// The subnet that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<NetworkComponent>,
    /// The interface that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<NetworkComponent>,
    /// The security groups of which it is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<NetworkComponent>,
    /// The direction of the packet there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The rule that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<PathRule>,
    /// The packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<PathHeader>,
}

/// The rule that decides on a packet, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathRule {
    /// An entry of a network ACL.
    Acl {
        /// Its number; 32767 is the denial at the end.
        number: u16,
        /// The entry.
        entry: AclEntry,
    },
    /// A rule of a security group.
    Group {
        /// The group.
        group: SecurityGroupId,
        /// The traffic that it matches.
        traffic: Traffic,
        /// The other side.
        peer: GroupPeer,
    },
    /// A route.
    Route {
        /// The destination.
        destination: Cidr,
        /// The id of what it leads to; `local` within the VPC.
        target: String,
        /// Whether that takes packets.
        active: bool,
    },
}

/// What a packet is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathHeader {
    /// The address that it comes from.
    pub source: Ipv4Addr,
    /// The ports that it may come from.
    pub source_ports: PortRange,
    /// The address that it goes to.
    pub destination: Ipv4Addr,
    /// The ports that it may go to.
    pub destination_ports: PortRange,
    /// TCP or UDP.
    pub protocol: IpProtocol,
}

/// A component of the network, by its id and ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkComponent {
    /// The id.
    pub id: String,
    /// The ARN.
    pub arn: String,
}

impl NetworkComponent {
    /// A component that belongs to an account and is in a region.
    pub fn new(key: Key, scope: Scope) -> Self {
        let kind = match key.kind() {
            Kind::NatGateway => "natgateway",
            kind => kind.name(),
        };
        let Scope { account, region } = scope;
        let id = key.to_string();
        Self { arn: format!("arn:aws:ec2:{region}:{account}:{kind}/{id}"), id }
    }
}

impl NetworkInsightsPath {
    /// Whether it belongs to an account and is in a region.
    pub fn is_of(&self, scope: Scope) -> bool {
        (self.account, self.region) == (scope.account, scope.region)
    }
}

impl NetworkInsightsAnalysis {
    /// Whether it belongs to an account and is in a region.
    pub fn is_of(&self, scope: Scope) -> bool {
        (self.account, self.region) == (scope.account, scope.region)
    }

    /// EC2's word for how far it is. What was started at this very moment is under way.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match &self.outcome {
            _ if self.started >= now => "running",
            Ok(_) => "succeeded",
            Err(_) => "failed",
        }
    }

    /// What was found, once it is there.
    pub fn result(&self, now: Timestamp) -> Option<&Analysis> {
        self.outcome.as_ref().ok().filter(|_| self.started < now)
    }
}

impl Resource for NetworkInsightsPath {
    fn key(&self) -> Key {
        Key::NetworkInsightsPath(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        let alias = |token: &ClientToken| token.alias(Kind::NetworkInsightsPath);
        self.client_token.iter().filter_map(alias).for_each(each);
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}

impl Resource for NetworkInsightsAnalysis {
    fn key(&self) -> Key {
        Key::NetworkInsightsAnalysis(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
        each(Key::NetworkInsightsPath(self.path));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        let alias = |token: &ClientToken| token.alias(Kind::NetworkInsightsAnalysis);
        self.client_token.iter().filter_map(alias).for_each(each);
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
