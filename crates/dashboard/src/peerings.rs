//! Peerings of a space as rows and signs.

use model::fit::Fit;
use model::{Peering, PeeringStatus, Space, Timestamp};

use crate::context::Context;
use crate::fits::reason;
use crate::markup::{Markup, Sign, fill, listed, mono, text};
use crate::moment;
use crate::paths;

/// A row of the table of peerings.
pub(crate) struct Row {
    /// The id; `None` for the platform's own, of which it is hidden (R14).
    pub(crate) id: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) blocks: Markup,
    pub(crate) status: Markup,
    /// What people need to know beside the status.
    pub(crate) note: Option<Markup>,
    pub(crate) vpc: String,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) expires: Option<Markup>,
    pub(crate) action: Action,
}

/// What can be done with a peering from its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    None,
    /// To look at a request.
    Review(String),
    /// To destroy it, after a question.
    Destroy(String),
}

impl Row {
    /// The row of a peering. `may_change` is whether the viewer may change the space.
    pub(crate) fn new(
        of: &Context<'_>,
        space: &Space,
        peering: &Peering,
        may_change: bool,
    ) -> Self {
        let (t, now) = (of.texts(), of.now);
        let status = peering.status(now);
        let peer = peering.other_side(space.vpc).unwrap_or(&peering.requester);
        let shown = peering.is_customers();
        let waits = status == PeeringStatus::PendingAcceptance && shown;
        let note = match status {
            _ if !shown => Some(Sign::Lock.why(&t.managed_by_platform.into())),
            PeeringStatus::PendingAcceptance => {
                let fit = Fit::of_peering(of.world, peering);
                Some(match fit.misfits.first() {
                    None => Sign::Ok.why(&t.fits.into()),
                    Some(misfit) => {
                        let why = reason(t, misfit);
                        Sign::Bad.why(&fill(t.cannot_accept_why, &[("why", why)]))
                    }
                })
            }
            _ => None,
        };
        let action = match status {
            _ if !shown => Action::None,
            PeeringStatus::PendingAcceptance => Action::Review(paths::review(space, peering.id)),
            PeeringStatus::Provisioning | PeeringStatus::Active if may_change => {
                Action::Destroy(paths::destroy(space, peering.id))
            }
            _ => Action::None,
        };
        Self {
            id: shown.then(|| peering.id.to_string()),
            kind: of.world.space_peering_type(space, peering, now),
            blocks: match peer.cidrs.is_empty() {
                true => t.none.into(),
                false => listed(peer.cidrs.iter().map(mono)),
            },
            status: status_sign(peering, now).with(text(status.platform_word())),
            note,
            vpc: peer.vpc.to_string(),
            account: peer.account.to_string(),
            region: peer.region.to_string(),
            expires: waits.then(|| moment::countdown(t, peering.expires, now)),
            action,
        }
    }
}

/// The sign of a peering's status.
pub(crate) fn status_sign(peering: &Peering, now: Timestamp) -> Sign {
    match peering.status(now) {
        PeeringStatus::Active => Sign::Ok,
        PeeringStatus::InitiatingRequest | PeeringStatus::PendingAcceptance => Sign::Wait,
        PeeringStatus::Provisioning => Sign::Move,
        PeeringStatus::Failed => Sign::Bad,
        PeeringStatus::Deleting
        | PeeringStatus::Deleted
        | PeeringStatus::Rejected
        | PeeringStatus::Expired => Sign::None,
    }
}

/// The place of a peering in a table: what waits first, by when it ends, then what is there, then what
/// ended, and the platform's own last.
pub(crate) fn urgency(peering: &Peering, now: Timestamp) -> (u8, Timestamp) {
    let group = match peering.status(now) {
        _ if !peering.is_customers() => 4,
        PeeringStatus::InitiatingRequest | PeeringStatus::PendingAcceptance => 0,
        PeeringStatus::Provisioning => 1,
        PeeringStatus::Active => 2,
        PeeringStatus::Deleting
        | PeeringStatus::Deleted
        | PeeringStatus::Rejected
        | PeeringStatus::Failed
        | PeeringStatus::Expired => 3,
    };
    (group, peering.expires)
}

/// The state of a peering that a form was made for: a form sends it back, and is refused if it is
/// another one meanwhile.
pub fn state_shown(peering: &Peering, now: Timestamp) -> String {
    format!("{}@{}", peering.status(now).code(), peering.since.millis())
}

/// Since when a peering is as it is.
pub(crate) fn is_now(of: &Context<'_>, peering: &Peering) -> Markup {
    let t = of.texts();
    let status = peering.status(of.now);
    // A request expires without a change of what is stored.
    let since = if status == PeeringStatus::Expired { peering.expires } else { peering.since };
    let at = moment::date_time(t, since);
    fill(t.is_now, &[("status", text(status.platform_word())), ("at", at.into())])
}

/// How many customers' peerings a space has, of how many it may have.
pub(crate) fn used(of: &Context<'_>, space: &Space) -> (usize, u16) {
    let seen = of.world.space_peerings(space, of.now);
    let used = seen.into_iter().filter(|peering| peering.is_customers() && peering.carries());
    (used.count(), space.peering_limit)
}
