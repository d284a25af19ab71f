//! What the map shows, as plain data: no world, no rights, nothing that is not on the picture.

use std::net::Ipv4Addr;

use model::{AccountId, Cidr, PcxId, PeeringStatus, Region, SubnetId, VpcId};

/// Everything that a viewer sees on the map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map {
    /// Spaces and VPCs, in any order. No two have the same id.
    pub nodes: Vec<Node>,
    /// Peerings between these, in any order.
    pub peerings: Vec<Peering>,
    /// What was chosen to ask about.
    pub chosen: Chosen,
}

/// A space or a VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The VPC; for a space that of its dynos.
    pub id: VpcId,
    /// Which of the two it is.
    pub kind: Kind,
    /// The region that it is in.
    pub region: Region,
    /// What it is called: its name where the viewer may know it, else the VPC's id.
    pub name: String,
    /// Its blocks as far as the viewer may know them, primary first.
    pub blocks: Vec<Cidr>,
    /// The account that the VPC belongs to.
    pub account: AccountId,
    /// The account's name, where the viewer may know it.
    pub account_name: Option<String>,
    /// Whether the viewer may look inside.
    pub own: bool,
    /// Its subnets with what is in them; filled for nodes that are opened or searched.
    pub subnets: Vec<Subnet>,
    /// The block of a space's data services.
    pub data: Option<Cidr>,
}

/// The kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A Private Space, or the VPC of somebody else's.
    Space,
    /// A VPC.
    Vpc,
}

/// A subnet of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The subnet's id.
    pub id: SubnetId,
    /// The subnet's block.
    pub cidr: Cidr,
    /// What it is for.
    pub role: SubnetRole,
    /// What has an address in it.
    pub ends: Vec<End>,
}

/// What a subnet is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubnetRole {
    /// It is a space's, for dynos.
    Dynos,
    /// It is a VPC's, with this name.
    Named(String),
}

/// A dyno, an instance, or an interface that nothing uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What it is called where an end of a flow is asked for: `shop/web.1`, `i-…`, `eni-…`.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// How it fares.
    pub sign: Sign,
}

/// A peering between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peering {
    /// The peering's id.
    pub id: PcxId,
    /// The VPC that asked.
    pub requester: VpcId,
    /// The VPC that was asked.
    pub accepter: VpcId,
    /// Its status.
    pub status: PeeringStatus,
    /// What else there is to say of it.
    pub health: Health,
}

/// Whether a peering does what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Nothing is known to be wrong.
    Fine,
    /// A VPC of the viewer's has no route to it.
    NoRoute,
    /// Packets to the port that was asked about are stopped.
    Stopped,
    /// The request cannot be accepted as things are.
    Unacceptable,
}

/// A shape that says how something fares, from what needs nobody to what needs somebody now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// Ended, or not reached.
    Ended,
    /// Works.
    Ok,
    /// In motion.
    Moving,
    /// Waits for somebody.
    Waiting,
    /// Waits, and cannot be accepted.
    Warning,
    /// Does not work.
    Bad,
}

impl Sign {
    /// The id of the shape in the page's sprite.
    pub(super) const fn shape(self) -> &'static str {
        match self {
            Self::Ended => "none",
            Self::Ok => "ok",
            Self::Moving => "move",
            Self::Waiting => "wait",
            Self::Warning => "warn",
            Self::Bad => "bad",
        }
    }

    /// The class of the shape's colour.
    pub(super) const fn colour(self) -> &'static str {
        match self {
            Self::Ended => "idle",
            Self::Ok => "ok",
            Self::Moving | Self::Waiting | Self::Warning => "wait",
            Self::Bad => "bad",
        }
    }
}

impl Peering {
    /// The shape that says how it fares.
    pub fn sign(&self) -> Sign {
        match (self.status, self.health) {
            (PeeringStatus::Active, Health::Fine | Health::Unacceptable) => Sign::Ok,
            (PeeringStatus::Active, Health::NoRoute | Health::Stopped) => Sign::Bad,
            (PeeringStatus::PendingAcceptance, Health::Unacceptable) => Sign::Warning,
            (PeeringStatus::PendingAcceptance | PeeringStatus::InitiatingRequest, _) => {
                Sign::Waiting
            }
            (PeeringStatus::Provisioning | PeeringStatus::Deleting, _) => Sign::Moving,
            (
                PeeringStatus::Deleted
                | PeeringStatus::Rejected
                | PeeringStatus::Failed
                | PeeringStatus::Expired,
                _,
            ) => Sign::Ended,
        }
    }

    /// Its two VPCs.
    pub fn ends(&self) -> [VpcId; 2] {
        [self.requester, self.accepter]
    }
}

/// The two ends that were chosen, and what becomes of packets between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Where packets begin.
    pub from: Option<Point>,
    /// Where they go.
    pub to: Option<Point>,
    /// What becomes of them; `None` where no port was asked about, or nobody may know.
    pub verdict: Option<Passage>,
}

/// One chosen end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The VPC that it is in.
    pub vpc: VpcId,
    /// Its address there.
    pub address: Ipv4Addr,
}

/// What becomes of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// They arrive, and their answers too.
    Passes,
    /// They are stopped.
    Stops {
        /// Where.
        place: Place,
        /// Whether it is the answer that is stopped.
        answer: bool,
    },
}

/// A part of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The network in which packets begin.
    From,
    /// The peering.
    Peering,
    /// The network that they go to.
    To,
}
