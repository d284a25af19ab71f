//! What a packet meets on its way, and its answer on the way back.
//!
//! The walk goes over the same intents that the fabric is told to carry, so what is explained here
//! is what happens there. The world only lends the names.

mod lookup;
mod remedy;
mod resolve;
mod walk;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_decided;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize, Serializer};

use crate::{IpProtocol, Packet, Timestamp, VpcId, World};

/// Says whether a flow passes, and what decides at each step.
pub fn reach(world: &World, flow: &Flow, now: Timestamp) -> Verdict {
    walk::run(world, flow, now)
}

/// An address in a VPC. The same address in another VPC is another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The VPC.
    pub vpc: VpcId,
    /// The address.
    pub address: Ipv4Addr,
}

/// Packets from one end to another, with their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// Who begins.
    pub from: Endpoint,
    /// With whom.
    pub to: Endpoint,
    /// The protocol.
    pub protocol: IpProtocol,
    /// TCP or UDP source port; 0 otherwise.
    pub source_port: u16,
    /// TCP or UDP destination port; 0 otherwise.
    pub destination_port: u16,
    /// ICMP type; 0 otherwise.
    pub icmp_type: u8,
}

impl Flow {
    /// A source port as systems choose them.
    pub const EPHEMERAL_PORT: u16 = 49152;
    /// ICMP's echo request.
    const ECHO: u8 = 8;

    /// A flow of a protocol. Ports are for TCP and UDP only; ICMP is an echo.
    pub fn new(from: Endpoint, to: Endpoint, protocol: IpProtocol, port: u16) -> Self {
        let port_or = |port| if protocol.has_ports() { port } else { 0 };
        Self {
            from,
            to,
            protocol,
            source_port: port_or(Self::EPHEMERAL_PORT),
            destination_port: port_or(port),
            icmp_type: if protocol == IpProtocol::ICMP { Self::ECHO } else { 0 },
        }
    }

    /// Its first packet.
    pub fn packet(&self) -> Packet {
        Packet {
            source: self.from.address,
            destination: self.to.address,
            protocol: self.protocol,
            source_port: self.source_port,
            destination_port: self.destination_port,
            icmp_type: self.icmp_type,
            icmp_code: 0,
        }
    }
}

/// Whether a flow passes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether the packet arrives, and its answer too.
    pub allowed: bool,
    /// What decided on the way, in order. Where the flow does not pass, the last one stopped it.
    pub hops: Vec<Hop>,
}

impl Verdict {
    /// What stopped the flow, if it does not pass.
    pub fn blocked(&self) -> Option<&Hop> {
        self.hops.last().filter(|hop| hop.decision == Ruling::Blocked)
    }
}

/// One step of a packet's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Whether it is the packet that is on its way, or the answer.
    pub leg: Leg,
    /// What decides: `rtb-… of subnet-…`.
    #[serde(rename = "where")]
    pub where_: String,
    /// What it decides.
    pub decision: Ruling,
    /// Why the packet is stopped, in the words of AWS; none has a word for everything.
    pub code: Option<ExplanationCode>,
    /// The rule that decides.
    pub because: String,
    /// What to type so that it decides otherwise, where that is in somebody's power.
    pub remedy: Option<String>,
    /// Whose VPC this is; `None` for what lies between two.
    #[serde(skip)]
    pub vpc: Option<VpcId>,
    /// In whose VPC the remedy changes something.
    #[serde(skip)]
    pub remedy_in: Option<VpcId>,
}

impl Verdict {
    /// The same for somebody who may look into some VPCs only: of what the others have, no more
    /// is told than the VPC's id and what becomes of the packet there.
    pub fn seen_by(self, may_look: impl Fn(VpcId) -> bool) -> Self {
        let mut hops: Vec<Hop> = Vec::with_capacity(self.hops.len());
        for mut hop in self.hops {
            if let Some(at) = hop.remedy_in.filter(|at| !may_look(*at)) {
                hop.remedy = hop.remedy.map(|_| format!("ask the owner of {at}"));
            }
            if let Some(vpc) = hop.vpc.filter(|vpc| !may_look(*vpc)) {
                hop.where_ = vpc.to_string();
                hop.because = match hop.decision {
                    Ruling::Passed => "what its owner set lets it pass".to_owned(),
                    Ruling::Blocked => "what its owner set stops it there".to_owned(),
                };
                hop.code = None;
                hop.remedy = match hop.decision {
                    Ruling::Passed => None,
                    Ruling::Blocked => Some(format!("ask the owner of {vpc}")),
                };
            }
            // Not even how much there is on the way.
            if hops.last() != Some(&hop) {
                hops.push(hop);
            }
        }
        Self { allowed: self.allowed, hops }
    }
}

/// Which way a packet of a flow goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// From the one who begins.
    Forward,
    /// Back to it.
    Answer,
}

/// What becomes of a packet at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It goes on.
    Passed,
    /// It is dropped.
    Blocked,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// A reason in the words of AWS's Reachability Analyzer (`ec2.md` §5).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ExplanationCode {
            $($(#[$doc])* $name,)*
        }

        impl ExplanationCode {
            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

codes! {
    /// A component that does not work, such as a peering that nobody accepted.
    BadState = "BAD_STATE";
    /// A route to nowhere.
    BadStateRoute = "BAD_STATE_ROUTE";
    /// An interface does not have the address.
    EniAddressRestriction = "ENI_ADDRESS_RESTRICTION";
    /// No rule of an interface's groups allows the packet.
    EniSgRulesMismatch = "ENI_SG_RULES_MISMATCH";
    /// An interface gets, or sends, what is not its own.
    EniSourceDestCheckRestriction = "ENI_SOURCE_DEST_CHECK_RESTRICTION";
    /// Another route comes first.
    HigherPriorityRoute = "HIGHER_PRIORITY_ROUTE";
    /// Nobody has the address.
    NoPossibleDestination = "NO_POSSIBLE_DESTINATION";
    /// The route table does not say where to.
    NoRouteToDestination = "NO_ROUTE_TO_DESTINATION";
    /// The peering does not let the address through.
    PcxRequiresAddressInVpcCidr = "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR";
    /// The interface's groups have no rule at all for this direction.
    SgHasNoRules = "SG_HAS_NO_RULES";
    /// The subnet's network ACL denies the packet.
    SubnetAclRestriction = "SUBNET_ACL_RESTRICTION";
    /// A rule names a group that cannot be seen from here.
    UnknownPeeredSgs = "UNKNOWN_PEERED_SGS";
}

impl std::fmt::Display for ExplanationCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ExplanationCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
