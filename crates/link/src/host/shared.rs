//! What a host works with.

use std::sync::Arc;

use model::Timestamp;

use super::intents::Intents;
use super::streams::HostStreams;
use crate::hub::Pulse;
use crate::keep::Keep;
use crate::kinds::Kinds;
use crate::message::Versions;
use crate::reports::Reports;

/// What a host works with.
pub struct HostParts {
    /// What it keeps.
    pub keep: Keep,
    /// What they report.
    pub reports: Reports,
    /// The streams to the server that it follows.
    pub streams: HostStreams,
    /// What it makes of the streams that servers ask for.
    pub kinds: Kinds,
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
