//! What a host works with.

use std::sync::Arc;

use model::Timestamp;

use super::intents::Intents;
use crate::hub::Pulse;
use crate::keep::Keep;
use crate::message::Versions;
use crate::reports::Reports;

/// What a host works with.
pub struct HostParts {
    /// What it keeps.
    pub keep: Keep,
    /// What they report.
    pub reports: Reports,
    /// The time.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// What it speaks.
    pub versions: Versions,
    /// When a server counts as dead.
    pub pulse: Pulse,
}

/// What all connections of a host share.
pub(super) struct Shared {
    pub parts: HostParts,
    pub intents: Arc<Intents>,
}
