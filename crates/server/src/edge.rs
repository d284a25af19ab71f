//! The edge as the reconcile loop sees it: told what to answer, it tells what web dynos do.

use model::edge::{BackendState, EdgeDelta, EdgeEvent, EdgeIntent, RouterIntent};
use model::{Observation, SystemCommand};

use crate::ledger::{Ledger, Request};

/// Who answers names and web requests. Nothing here waits for the edge but [`Edge::settle`].
pub trait Edge: Send {
    /// This is all that it must answer.
    fn sync(&mut self, intent: EdgeIntent);
    /// This changed.
    fn change(&mut self, delta: EdgeDelta);
    /// Waits until all of that is so, as far as it can be.
    fn settle(&mut self);
}

/// Where no packets are carried there is nobody to answer: whatever starts is taken to be bound,
/// and has no request to finish.
pub struct NoEdge {
    ledger: Ledger,
}

impl NoEdge {
    /// Makes one that tells the ledger what an edge would find out.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    fn tell<'a>(&self, routers: impl Iterator<Item = &'a RouterIntent>) {
        let backends =
            routers.flat_map(|router| router.apps.values()).flat_map(|app| &app.backends);
        let events = backends.filter_map(|backend| match backend.state {
            BackendState::Starting => Some(EdgeEvent::Bound(backend.dyno)),
            BackendState::Draining => Some(EdgeEvent::Drained(backend.dyno)),
            BackendState::Up => None,
        });
        observe(&self.ledger, events.collect());
    }
}

impl Edge for NoEdge {
    fn sync(&mut self, intent: EdgeIntent) {
        self.tell(intent.spaces.values());
    }

    fn change(&mut self, delta: EdgeDelta) {
        self.tell(delta.spaces.values().flatten());
    }

    fn settle(&mut self) {}
}

/// Tells the ledger what an edge found out.
fn observe(ledger: &Ledger, edge: Vec<EdgeEvent>) {
    if edge.is_empty() {
        return;
    }
    let seen = Observation { edge, ..Observation::default() };
    if let Err(error) = ledger.submit_blocking(Request::system(SystemCommand::Observe(seen))) {
        tracing::warn!(%error, "what web dynos do was not kept; the edge says it again");
    }
}
