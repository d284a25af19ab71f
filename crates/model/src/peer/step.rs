//! What is asked for, and what a plan consists of.

use std::str::FromStr;

use crate::resource::{PeeringStatus, Space};
use crate::rights::Rights;
use crate::{AccountId, EniId, InstanceId, PcxId, Region, SecurityGroupId, VpcId};

/// Which space and VPC are to be joined, and for whom it is planned. Who asks must own one of the two.
#[derive(Debug, Clone)]
pub struct PeerAsk<'a> {
    /// The VPC of the space.
    pub space_vpc: VpcId,
    /// The space, if who asks may know of it: it is theirs, or peered with their VPC.
    pub space: Option<&'a Space>,
    /// The customer's VPC.
    pub vpc: VpcId,
    /// Whether who asks may look into the space.
    pub owns_space: bool,
    /// Whether who asks may look into the customer's VPC.
    pub owns_vpc: bool,
    /// As whom they can give commands.
    pub rights: Rights,
    /// The TCP ports that dynos are to reach.
    pub ports: &'a [u16],
    /// What they are to reach there: every instance of the VPC if none is named.
    pub to: &'a [Reached],
    /// The process type of the dynos from which packets are tried; every dyno if none is named.
    pub from: Option<&'a str>,
}

/// What dynos are to reach in a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// An instance.
    Instance(InstanceId),
    /// A network interface.
    Interface(EniId),
    /// The members of a security group, to which rules are added then.
    Group(SecurityGroupId),
}

impl FromStr for Reached {
    type Err = String;

    /// Reads `i-…`, `eni-…` or `sg-…`.
    fn from_str(text: &str) -> Result<Self, String> {
        let shown = || text.chars().take(64).collect::<String>();
        None.or_else(|| text.parse().ok().map(Self::Instance))
            .or_else(|| text.parse().ok().map(Self::Interface))
            .or_else(|| text.parse().ok().map(Self::Group))
            .ok_or_else(|| {
                format!("'{}' is no instance (i-…), interface (eni-…) or group (sg-…)", shown())
            })
    }
}

/// What is to be done, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerPlan {
    /// The peering of the two that there is, with its status.
    pub peering: Option<(PcxId, PeeringStatus)>,
    /// The steps, those that are done already among them.
    pub steps: Vec<PeerStep>,
    /// What stops packets even then.
    pub obstacles: Vec<Obstacle>,
    /// Packets by which it can be tried whether it works.
    pub trials: Vec<Trial>,
    /// What else is to be known, in words.
    pub notes: Vec<String>,
}

/// One step of a plan: one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStep {
    /// The step in words.
    pub what: String,
    /// Whose command it is.
    pub side: PeerSide,
    /// Whether it is to be done, and by whom.
    pub state: StepState,
    /// The command line; `None` where there is nothing to do. `pcx-…` stands in it for the id of a
    /// peering that an earlier step makes, and `rtb-…` and `sg-…` for what its owner has to choose.
    pub line: Option<String>,
    /// The command line that takes it back, if there is one.
    pub undo: Option<String>,
}

/// Whose command a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerSide {
    /// The owner's of the customer's VPC; with the account and the region where they are known.
    Vpc(Option<(AccountId, Region)>),
    /// The space's owner's.
    Space,
}

/// Whether a step is to be done, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// It is as it must be.
    Done,
    /// Who asks can do it.
    ToDo,
    /// Another must do it: why not who asks.
    ForAnother(String),
    /// Nobody can do it as things are: why not. What comes after it is not planned.
    Refused(String),
}

/// What stops packets once every step is done. A plan leaves it, as removing it would change what
/// somebody set on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What decides.
    pub where_: String,
    /// The rule that decides, in words.
    pub because: String,
    /// What to do about it, in words; `None` where nobody can do anything.
    pub remedy: Option<String>,
}

/// A packet by which it can be tried whether two ends are joined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trial {
    /// Where it comes from, as `why` takes it.
    pub from: String,
    /// Where it goes.
    pub to: String,
    /// The TCP port that it goes to.
    pub port: u16,
}

/// The mark of what is made in a VPC to join it with a space: the description of rules, and the key of a
/// tag of the peering and of route tables. As routes have no tags, a table's tag lists those that are
/// made here. It stays right when the space is renamed or the peering is gone.
pub(super) fn mark(space_vpc: VpcId) -> String {
    format!("causeway:peer:{space_vpc}")
}
