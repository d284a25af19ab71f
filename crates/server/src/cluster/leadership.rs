//! Whether this server leads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::ledger::Mandate;

/// Whether this server leads. Copies speak of the same.
#[derive(Clone, Debug)]
pub(crate) struct Leadership(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    held: Mutex<Option<Held>>,
    changed: watch::Sender<()>,
}

/// A lease, as its holder sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    epoch: u64,
    /// From here on somebody else may have it.
    until: Instant,
}

impl Leadership {
    /// The leadership of a server with a database of its own, which always leads.
    pub(crate) fn alone() -> Self {
        Self(None)
    }

    /// The leadership of a server beside others, which does not lead before it has the lease.
    pub(crate) fn candidate() -> Self {
        let changed = watch::Sender::new(());
        Self(Some(Arc::new(Shared { held: Mutex::default(), changed })))
    }

    /// The right to do what only the leader may, if this server leads. It is bound to its epoch, so
    /// whoever uses it late changes nothing.
    pub(crate) fn mandate(&self) -> Option<Mandate> {
        match &self.0 {
            None => Some(Mandate::ALONE),
            Some(_) => self.epoch().map(Mandate::of_epoch),
        }
    }

    /// The epoch since which this server leads beside others, if it does.
    pub(crate) fn epoch(&self) -> Option<u64> {
        let shared = self.0.as_ref()?;
        let held = *shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.filter(|held| Instant::now() < held.until).map(|held| held.epoch)
    }

    /// Tells when this server may have begun to lead, or ceased to.
    pub(crate) fn changes(&self) -> Option<watch::Receiver<()>> {
        self.0.as_ref().map(|shared| shared.changed.subscribe())
    }

    /// Notes that this server has the lease until a time. Returns whether it had not.
    pub(super) fn leads(&self, epoch: u64, until: Instant) -> bool {
        self.set(Some(Held { epoch, until }))
    }

    /// Notes that this server has no lease. Returns whether it had one.
    pub(super) fn follows(&self) -> bool {
        self.set(None)
    }

    fn set(&self, new: Option<Held>) -> bool {
        let Some(shared) = &self.0 else { return false };
        let mut held = shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *held, new);
        drop(held);
        let changed = before.map(|held| held.epoch) != new.map(|held| held.epoch);
        if changed {
            shared.changed.send_replace(());
        }
        changed
    }
}
