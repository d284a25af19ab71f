//! The kinds of events, and the names that mean some of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoEnumIterator};

/// What happened.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "&'static str")]
pub enum EventKind {
    /// A peering was asked for.
    PeeringRequested,
    /// The request was accepted.
    PeeringAccepted,
    /// Packets pass by the peering.
    PeeringActive,
    /// The request was rejected.
    PeeringRejected,
    /// The request expires within a day unless it is accepted.
    PeeringExpiring,
    /// The request has expired.
    PeeringExpired,
    /// The VPCs cannot be peered.
    PeeringFailed,
    /// The peering was deleted, and carries nothing any more.
    PeeringDeleted,
    /// The fabric differed from what it must be, and was put right.
    DriftRepaired,
    /// A dyno ended with a failure, or could not start.
    DynoCrashed,
    /// An app was created.
    AppCreated,
    /// An app was destroyed.
    AppDestroyed,
    /// A release became the current one.
    AppReleased,
    /// A release failed, and never became the current one.
    AppReleaseFailed,
    /// A space can be used.
    SpaceAllocated,
    /// A space was destroyed.
    SpaceDestroyed,
    /// The certificate of a listener was read anew.
    CertificateRenewed,
    /// Nothing is heard of a host any more.
    HostLost,
    /// A host that was lost is heard again.
    HostHeard,
}

/// No kind of event has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{name}' is no kind of event, such as peering.requested, nor a group of them, such as peering"
)]
pub struct UnknownEventKind {
    /// The name, at most 64 characters of it.
    pub name: String,
}

impl EventKind {
    /// The name that clients filter by, such as `peering.accepted`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PeeringRequested => "peering.requested",
            Self::PeeringAccepted => "peering.accepted",
            Self::PeeringActive => "peering.active",
            Self::PeeringRejected => "peering.rejected",
            Self::PeeringExpiring => "peering.expiring",
            Self::PeeringExpired => "peering.expired",
            Self::PeeringFailed => "peering.failed",
            Self::PeeringDeleted => "peering.deleted",
            Self::DriftRepaired => "drift.repaired",
            Self::DynoCrashed => "dyno.crashed",
            Self::AppCreated => "app.created",
            Self::AppDestroyed => "app.destroyed",
            Self::AppReleased => "app.released",
            Self::AppReleaseFailed => "app.release-failed",
            Self::SpaceAllocated => "space.allocated",
            Self::SpaceDestroyed => "space.destroyed",
            Self::CertificateRenewed => "certificate.renewed",
            Self::HostLost => "host.lost",
            Self::HostHeard => "host.heard",
        }
    }

    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The kinds that a name means: one by its own name, or all of a group, as `peering`, or all by `*`.
    ///
    /// # Errors
    ///
    /// There is neither a kind nor a group of that name.
    pub fn named(name: &str) -> Result<Vec<Self>, UnknownEventKind> {
        let group = name.strip_suffix(".*").unwrap_or(name);
        let meant = |kind: &Self| {
            let in_group = kind.name().split('.').next() == Some(group);
            name == "*" || kind.name() == name || in_group
        };
        let kinds: Vec<Self> = Self::iter().filter(meant).collect();
        if kinds.is_empty() {
            return Err(UnknownEventKind { name: name.chars().take(64).collect() });
        }
        Ok(kinds)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(name: &str) -> Result<Self, UnknownEventKind> {
        let found = Self::iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| UnknownEventKind { name: name.chars().take(64).collect() })
    }
}

impl TryFrom<String> for EventKind {
    type Error = UnknownEventKind;

    fn try_from(name: String) -> Result<Self, UnknownEventKind> {
        name.parse()
    }
}

impl From<EventKind> for &'static str {
    fn from(kind: EventKind) -> Self {
        kind.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_kind_or_a_group_of_them() {
        assert_eq!(EventKind::named("dyno.crashed"), Ok(vec![EventKind::DynoCrashed]));
        assert_eq!(EventKind::named("peering").unwrap().len(), 8);
        assert_eq!(EventKind::named("peering"), EventKind::named("peering.*"));
        assert_eq!(EventKind::named("*").unwrap().len(), EventKind::all().count());
        for wrong in ["", "peer", "peering.", "peering.x", "*.*", ".*", "Peering"] {
            assert!(EventKind::named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_kind_is_read_back_by_its_name() {
        for kind in EventKind::all() {
            assert_eq!(kind.name().parse(), Ok(kind));
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(serde_json::from_str::<EventKind>(&text).unwrap(), kind);
        }
        assert!(serde_json::from_str::<EventKind>("\"newer.kind\"").is_err());
    }
}
