//! A space's peerings as its team sees them: which, in what order, and by which words (`heroku.md`
//! §1.3, §4).

use std::sync::Arc;

use crate::resource::{Peering, PeeringKind, PeeringStatus, Space};
use crate::{Key, Timestamp, World};

impl World {
    /// The peerings that a space's team sees: customers' in the order in which they were requested,
    /// then the platform's own, of which nobody is to learn more than the block (R14).
    pub fn space_peerings(&self, space: &Space, now: Timestamp) -> Vec<&Arc<Peering>> {
        let Some(settings) = self.settings() else { return Vec::new() };
        let mut seen: Vec<_> = self
            .peerings_of(Key::Vpc(space.vpc))
            .filter(|peering| peering.visible_to(settings.platform_account, space.region, now))
            .collect();
        // The expiry is a fixed time after the request, so it has the same order.
        seen.sort_by_key(|peering| (!peering.is_customers(), peering.expires, peering.id));
        seen
    }

    /// The type of a space's peering. That of a customer's is unknown until it is accepted; the
    /// platform's own is shown as PostgreSQL's if the space has such a service.
    pub fn space_peering_type(
        &self,
        space: &Space,
        peering: &Peering,
        now: Timestamp,
    ) -> &'static str {
        let postgres = || {
            let mut addons = self.addons_of(Key::Space(space.id));
            addons.any(|addon| addon.plan.service == "heroku-postgresql")
        };
        match peering.kind {
            PeeringKind::HerokuManaged if !postgres() => "heroku-managed",
            PeeringKind::HerokuManaged | PeeringKind::HerokuPostgresql => "heroku-postgresql",
            PeeringKind::Customer => match peering.status(now) {
                PeeringStatus::Provisioning
                | PeeringStatus::Active
                | PeeringStatus::Deleting
                | PeeringStatus::Deleted => "customer-managed",
                PeeringStatus::InitiatingRequest
                | PeeringStatus::PendingAcceptance
                | PeeringStatus::Rejected
                | PeeringStatus::Failed
                | PeeringStatus::Expired => "unknown",
            },
        }
    }
}

impl Peering {
    /// Whether it is a customer's, and not the platform's own (R14).
    pub fn is_customers(&self) -> bool {
        self.kind == PeeringKind::Customer
    }
}

impl PeeringStatus {
    /// The status in the Platform API, which has no word for a peering that is being deleted.
    pub const fn platform_word(self) -> &'static str {
        match self {
            Self::Deleting => Self::Deleted.code(),
            Self::InitiatingRequest
            | Self::PendingAcceptance
            | Self::Provisioning
            | Self::Active
            | Self::Deleted
            | Self::Rejected
            | Self::Failed
            | Self::Expired => self.code(),
        }
    }
}
