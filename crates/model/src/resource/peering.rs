//! A peering connection and its life cycle (`ec2.md` §1.1).
//!
//! Time passes by itself: expiry and visibility are functions of `now`, not stored states.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{AccountId, Cidr, Errand, Ipv6Cidr, Key, PcxId, Region, Timestamp, VpcId};

/// A peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peering {
    /// The peering connection's id.
    pub id: PcxId,
    /// The side that requested the peering.
    pub requester: PeeringSide,
    /// The side that was asked. Its VPC may not exist: that is not revealed.
    pub accepter: PeeringSide,
    /// Whose the peering is, and so who may change it.
    pub kind: PeeringKind,
    /// The stored state; [`Peering::status`] says what is seen of it.
    pub state: PeeringState,
    /// When the peering came into that state.
    pub since: Timestamp,
    /// The account that brought it into that state, if it was deleted or rejected.
    pub by: Option<AccountId>,
    /// When the request expires unless it is accepted.
    pub expires: Timestamp,
}

/// One side of a peering connection. Tags and options belong to one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringSide {
    /// The account that owns the VPC.
    pub account: AccountId,
    /// The region that the VPC is in.
    pub region: Region,
    /// The VPC's id.
    pub vpc: VpcId,
    /// The VPC's blocks as they were last known, primary first; none where it does not exist.
    pub cidrs: Vec<Cidr>,
    /// The VPC's IPv6 blocks as they were last known.
    #[serde(default)]
    pub ipv6: Vec<Ipv6Cidr>,
    /// Whether names of this side's instances resolve to private addresses for the other.
    pub dns_resolution: bool,
    /// The tags that the owner put on the VPC.
    pub tags: Tags,
}

/// The owner of a peering connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeeringKind {
    /// A peering that a customer asked for.
    Customer,
    /// The platform's own peering of a space with its data VPC (R14).
    HerokuManaged,
    /// The platform's own peering for a Postgres service (R14).
    HerokuPostgresql,
}

/// A state of a peering connection as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeeringState {
    /// The accepter has not answered yet.
    PendingAcceptance,
    /// Accepted; the fabric does not carry it on both ends yet.
    Provisioning,
    /// The fabric carries it on both ends.
    Active,
    /// Being deleted; the fabric may still carry it.
    Deleting,
    /// Deleted; the fabric carries nothing of it.
    Deleted,
    /// The accepter rejected it.
    Rejected,
    /// The VPCs cannot be peered: an id is wrong, or blocks overlap.
    Failed,
}

impl PeeringState {
    /// Whether it lasts only until the fabric is seen to have followed.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Provisioning | Self::Deleting)
    }
}

/// A state of a peering connection as its owners see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeeringStatus {
    /// The answer to the request says this; nothing else does.
    InitiatingRequest,
    /// The accepter has not answered yet.
    PendingAcceptance,
    /// Accepted; the fabric does not carry it on both ends yet.
    Provisioning,
    /// The fabric carries it on both ends.
    Active,
    /// Being deleted; the fabric may still carry it.
    Deleting,
    /// Deleted; the fabric carries nothing of it.
    Deleted,
    /// The accepter rejected it.
    Rejected,
    /// The VPCs cannot be peered: an id is wrong, or blocks overlap.
    Failed,
    /// Nobody accepted it in time (R27).
    Expired,
}

/// An event in the life of a peering connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeeringEvent {
    /// The accepter accepts.
    Accept,
    /// The accepter rejects.
    Reject,
    /// Either side deletes.
    Delete,
    /// The fabric carries it on both ends.
    Carried,
    /// The fabric carries it no more.
    Gone,
    /// The accepter's VPC got a block that overlaps.
    Overlap,
}

/// A step that the life cycle does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IllegalTransition {
    /// The status that the peering has.
    pub from: PeeringStatus,
    /// The status that the event would lead to.
    pub to: PeeringStatus,
}

/// How long a request waits for its answer before it expires (R27).
pub const PEERING_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
const TWO_DAYS: Duration = Duration::from_secs(48 * 3600);

impl PeeringStatus {
    /// The name of the status in EC2 and in the Platform API.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InitiatingRequest => "initiating-request",
            Self::PendingAcceptance => "pending-acceptance",
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing follows it.
    pub const fn ended(self) -> bool {
        matches!(self, Self::Deleted | Self::Rejected | Self::Failed | Self::Expired)
    }
}

impl PeeringEvent {
    /// The state that it leads to, which refusals name.
    const fn target(self) -> PeeringStatus {
        match self {
            Self::Accept => PeeringStatus::Provisioning,
            Self::Reject => PeeringStatus::Rejected,
            Self::Delete => PeeringStatus::Deleting,
            Self::Carried => PeeringStatus::Active,
            Self::Gone => PeeringStatus::Deleted,
            Self::Overlap => PeeringStatus::Failed,
        }
    }
}

impl Peering {
    /// When the peering was asked for.
    pub fn created(&self) -> Timestamp {
        self.expires - PEERING_EXPIRY
    }

    /// The status that its owners see: the stored state, unless the request has expired.
    pub fn status(&self, now: Timestamp) -> PeeringStatus {
        match self.state {
            PeeringState::PendingAcceptance if now >= self.expires => PeeringStatus::Expired,
            PeeringState::PendingAcceptance => PeeringStatus::PendingAcceptance,
            PeeringState::Provisioning => PeeringStatus::Provisioning,
            PeeringState::Active => PeeringStatus::Active,
            PeeringState::Deleting => PeeringStatus::Deleting,
            PeeringState::Deleted => PeeringStatus::Deleted,
            PeeringState::Rejected => PeeringStatus::Rejected,
            PeeringState::Failed => PeeringStatus::Failed,
        }
    }

    /// When it came into the status that its owners see.
    fn status_since(&self, now: Timestamp) -> Timestamp {
        match self.status(now) {
            PeeringStatus::Expired => self.expires,
            _ => self.since,
        }
    }

    /// The one step function of the life cycle.
    pub fn next(
        &self,
        event: PeeringEvent,
        now: Timestamp,
    ) -> Result<PeeringState, IllegalTransition> {
        use {PeeringEvent as E, PeeringState as S, PeeringStatus as P};
        let from = self.status(now);
        match (from, event) {
            (P::PendingAcceptance, E::Accept) => Ok(S::Provisioning),
            (P::PendingAcceptance, E::Reject) => Ok(S::Rejected),
            (P::PendingAcceptance, E::Overlap) => Ok(S::Failed),
            // Nothing carries a request, so nothing needs to be torn down.
            (P::PendingAcceptance, E::Delete) => Ok(S::Deleted),
            (P::Provisioning, E::Carried) => Ok(S::Active),
            (P::Provisioning | P::Active, E::Delete) => Ok(S::Deleting),
            (P::Deleting, E::Gone) => Ok(S::Deleted),
            (from, event) => Err(IllegalTransition { from, to: event.target() }),
        }
    }

    /// Whether the fabric must carry it. Routes over it work from here on: `active` is said only
    /// after everything is in place (R13).
    pub fn carries(&self) -> bool {
        matches!(self.state, PeeringState::Provisioning | PeeringState::Active)
    }

    /// Until when an account still sees it; `None` as long as it has not ended (`ec2.md` §1.1).
    pub(crate) fn visible_until(&self, account: AccountId, now: Timestamp) -> Option<Timestamp> {
        let since = self.status_since(now);
        let (asked, was_asked) =
            (self.requester.account == account, self.accepter.account == account);
        let span = match self.status(now) {
            PeeringStatus::InitiatingRequest
            | PeeringStatus::PendingAcceptance
            | PeeringStatus::Provisioning
            | PeeringStatus::Active
            | PeeringStatus::Deleting => return None,
            PeeringStatus::Failed if asked => TWO_HOURS,
            PeeringStatus::Failed => Duration::ZERO,
            PeeringStatus::Expired => TWO_DAYS,
            PeeringStatus::Deleted | PeeringStatus::Rejected if asked && was_asked => TWO_HOURS,
            PeeringStatus::Rejected if asked => TWO_DAYS,
            PeeringStatus::Rejected => TWO_HOURS,
            PeeringStatus::Deleted if self.by == Some(account) => TWO_HOURS,
            PeeringStatus::Deleted => TWO_DAYS,
        };
        Some(since + span)
    }

    /// Whether an account sees it in a region at all.
    pub fn visible_to(&self, account: AccountId, region: Region, now: Timestamp) -> bool {
        let is_side = |side: &PeeringSide| side.account == account && side.region == region;
        (is_side(&self.requester) || is_side(&self.accepter))
            && self.visible_until(account, now).is_none_or(|end| now < end)
    }

    /// The side of a VPC; a peering joins two different ones.
    pub fn side(&self, vpc: VpcId) -> Option<&PeeringSide> {
        [&self.requester, &self.accepter].into_iter().find(|side| side.vpc == vpc)
    }

    /// The side that is not a VPC's.
    pub fn other_side(&self, vpc: VpcId) -> Option<&PeeringSide> {
        match vpc {
            v if v == self.requester.vpc => Some(&self.accepter),
            v if v == self.accepter.vpc => Some(&self.requester),
            _ => None,
        }
    }

    /// The message that EC2 shows beside a status.
    pub fn status_message(&self, status: PeeringStatus) -> String {
        let accepter = self.accepter.account;
        match status {
            PeeringStatus::InitiatingRequest => format!("Initiating Request to {accepter}"),
            PeeringStatus::PendingAcceptance => format!("Pending Acceptance by {accepter}"),
            PeeringStatus::Provisioning => "Provisioning".to_owned(),
            PeeringStatus::Active => "Active".to_owned(),
            PeeringStatus::Deleting => "Deleting".to_owned(),
            PeeringStatus::Deleted => match self.by {
                Some(account) => format!("Deleted by {account}"),
                None => "Deleted".to_owned(),
            },
            PeeringStatus::Rejected => "Inactive".to_owned(),
            PeeringStatus::Failed => {
                "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".to_owned()
            }
            PeeringStatus::Expired => "Expired".to_owned(),
        }
    }

    /// Bytes that a packet over it may have (R5, `ec2.md` §1.5).
    pub fn mtu(&self) -> u16 {
        if self.requester.region == self.accepter.region { 9001 } else { 1500 }
    }
}

impl Resource for Peering {
    fn key(&self) -> Key {
        Key::Peering(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.requester.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Vpc(self.requester.vpc));
        each(Key::Vpc(self.accepter.vpc));
        each(Key::Account(self.requester.account));
        each(Key::Account(self.accepter.account));
    }

    /// When neither side sees it any longer, if nothing else happens to it. A request that nobody
    /// accepts expires.
    fn due(&self) -> Option<(Errand, Timestamp)> {
        let sides = [self.requester.account, self.accepter.account];
        let [one, other] = sides.map(|account| self.visible_until(account, Timestamp::MAX));
        Some((Errand::Forget, one?.max(other?)))
    }
}
