//! What a host works with.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use super::fence::{Fence, Uptime};
use super::intents::Intents;
use super::streams::HostStreams;
use crate::hub::Pulse;
use crate::keep::Keep;
use crate::kinds::Kinds;
use crate::message::Versions;
use crate::reports::Reports;

/// How often it is looked whether servers were not reached for too long.
const LOOK_AT_FENCE: Duration = Duration::from_secs(1);

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
    /// The clock by which it counts how long it has not reached servers.
    pub uptime: Arc<Uptime>,
    /// What it speaks.
    pub versions: Versions,
    /// When a server counts as dead.
    pub pulse: Pulse,
}

/// What all connections of a host share.
pub(super) struct Shared {
    pub parts: HostParts,
    pub intents: Arc<Intents>,
    pub fence: Fence,
}

impl Shared {
    /// Ends what is fenced once servers were not reached for too long.
    pub(super) async fn fence(self: Arc<Self>) {
        let mut look = tokio::time::interval(LOOK_AT_FENCE);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            if self.fence.is_up() {
                self.intents.fence();
            }
        }
    }

    /// Servers know of this host, and it knows what they want.
    pub(super) fn known(&self) {
        // Also where nothing is fenced: the next process may be started as soon as something is.
        self.fence.keep();
        // A contact that was long ago is none.
        if !self.fence.is_up() {
            self.intents.unfence();
        }
    }
}
