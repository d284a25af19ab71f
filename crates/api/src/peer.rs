//! What joins a space with a VPC, what takes that back, and packets that are sent to try it.

use model::{PcxId, Region, VpcId};
use serde::{Deserialize, Serialize};

use crate::Verdict;

/// The query of `GET /_causeway/peer-plan`: which space and VPC are to be joined. A user or an account
/// may ask if one of the two is theirs; the plan says what they can do, and what the other owner must.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerQuery {
    /// The space: its name, or the id of its VPC, which is all that another's space is known by.
    pub space: String,
    /// The id of the VPC.
    pub vpc: String,
    /// The TCP ports that dynos are to reach, with commas between them.
    pub ports: Option<String>,
    /// What they are to reach: instances, interfaces and security groups by their ids, with commas
    /// between them; every instance of the VPC without it.
    pub to: Option<String>,
    /// The process type of the dynos from which packets are to be tried; all of them without it.
    pub from: Option<String>,
    /// Whether what such plans made is to be taken back instead; the plan is for that then.
    #[serde(default)]
    pub take_back: bool,
}

/// The answer to [`PeerQuery`]. Nothing was changed: whoever asks runs the commands themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPlan {
    /// The space's name; absent (`null`) where that is not for whoever asks.
    pub space: Option<String>,
    /// The id of the space's VPC.
    pub space_vpc: VpcId,
    /// The id of the VPC that it is joined with.
    pub vpc: VpcId,
    /// The peering that there is already; absent (`null`) where there is none.
    pub peering: Option<LivePeering>,
    /// The steps in their order, those that are done already among them.
    pub steps: Vec<PeerStep>,
    /// What stops packets even then, and is left as it is.
    pub obstacles: Vec<PeerObstacle>,
    /// Packets by which it can be tried whether it works: a request of [`ProbeRequest`] each.
    pub trials: Vec<ProbeRequest>,
    /// What else is to be known, in words.
    pub notes: Vec<String>,
}

/// A peering that was asked for or is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivePeering {
    /// The id of the peering.
    pub id: PcxId,
    /// Its status, such as `pending-acceptance`.
    pub status: String,
}

/// One step of a plan: one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStep {
    /// The step in words.
    pub what: String,
    /// Whose command it is.
    pub side: PeerSide,
    /// The account of the VPC's owner; absent (`null`) for the space's side, and where it is not for
    /// whoever asks.
    pub account: Option<String>,
    /// The region in which the command is to be given; absent as the account is.
    pub region: Option<Region>,
    /// Whether it is to be done, and by whom.
    pub state: PeerState,
    /// Why another must do it, or why nobody can; absent (`null`) otherwise.
    pub reason: Option<String>,
    /// The command line; absent (`null`) where nothing is to be done. `pcx-…` stands in it for the id
    /// of a peering that an earlier step makes, `rtb-…` and `sg-…` for what its owner has to choose.
    pub command: Option<String>,
    /// The command line that takes it back; absent (`null`) where there is none.
    pub undo: Option<String>,
}

/// Whose command a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerSide {
    /// The VPC's owner's.
    Vpc,
    /// The space's owner's.
    Space,
}

/// Whether a step is to be done, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// It is as it must be.
    Done,
    /// Whoever asks can do it.
    ToDo,
    /// Another must do it.
    ForAnother,
    /// Nobody can do it as things are. What comes after it is not planned.
    Refused,
}

/// What stops packets once every step is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerObstacle {
    /// What decides, in words.
    #[serde(rename = "where")]
    pub location: String,
    /// The rule that decides, in words.
    pub because: String,
    /// What to do about it; absent (`null`) where nobody can do anything.
    pub remedy: Option<String>,
}

/// `POST /_causeway/probe`: has one packet sent from an interface, as what is behind it would send it. Who
/// may ask `why` about the flow may ask for it. It takes some seconds at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRequest {
    /// Where it comes from: an end as [`FlowQuery`](crate::FlowQuery) takes it.
    pub from: String,
    /// Where it goes.
    pub to: String,
    /// The TCP port that it goes to.
    pub port: u16,
}

/// The answer to [`ProbeRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What became of the packet.
    pub outcome: ProbeOutcome,
    /// Whether it arrived and its answer too, be that a refusal.
    pub passed: bool,
    /// More about the outcome in words; absent (`null`) where there is no more.
    pub detail: Option<String>,
    /// What `why` says of it.
    pub verdict: Verdict,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeOutcome {
    /// It arrived, and somebody listens on the port.
    Answered,
    /// It arrived, and nobody listens on the port.
    Refused,
    /// Nothing came back.
    Silent,
    /// It could not leave, or a router said that it cannot arrive.
    Unreachable,
}

impl From<model::PeerStep> for PeerStep {
    fn from(step: model::PeerStep) -> Self {
        let (side, place) = match step.side {
            model::PeerSide::Vpc(place) => (PeerSide::Vpc, place),
            model::PeerSide::Space => (PeerSide::Space, None),
        };
        let (state, reason) = match step.state {
            model::StepState::Done => (PeerState::Done, None),
            model::StepState::ToDo => (PeerState::ToDo, None),
            model::StepState::ForAnother(why) => (PeerState::ForAnother, Some(why)),
            model::StepState::Refused(why) => (PeerState::Refused, Some(why)),
        };
        Self {
            what: step.what,
            side,
            account: place.map(|(account, _)| account.to_string()),
            region: place.map(|(_, region)| region),
            state,
            reason,
            command: step.line,
            undo: step.undo,
        }
    }
}

impl From<model::Obstacle> for PeerObstacle {
    fn from(obstacle: model::Obstacle) -> Self {
        let model::Obstacle { where_, because, remedy } = obstacle;
        Self { location: where_, because, remedy }
    }
}

impl From<model::Trial> for ProbeRequest {
    fn from(trial: model::Trial) -> Self {
        let model::Trial { from, to, port } = trial;
        Self { from, to, port }
    }
}
