//! How many requests are in flight to a dyno, and whether it takes more: what tells that a dyno which
//! is to stop is drained.
//!
//! A request is counted first and looks at the dyno's state then; whoever drains the dyno sets its
//! state first and looks at the count then. So at least one of the two sees the other, in every order
//! in which their steps can come: no request begins after the dyno was found drained, and somebody
//! always finds that it is. All steps are sequentially consistent, which this needs. The module
//! `in_flight_model` goes through the orders.

use model::edge::BackendState;

use super::sync::{AtomicU8, AtomicUsize, Ordering};

const STARTING: u8 = 0;
const UP: u8 = 1;
const DRAINING: u8 = 2;

/// The state of a dyno, and the number of requests in flight to it.
#[derive(Debug)]
pub(crate) struct InFlight {
    state: AtomicU8,
    requests: AtomicUsize,
}

impl InFlight {
    /// No requests to a dyno in this state.
    pub(crate) fn new(state: BackendState) -> Self {
        Self { state: AtomicU8::new(number(state)), requests: AtomicUsize::new(0) }
    }

    pub(crate) fn state(&self) -> BackendState {
        match self.state.load(Ordering::SeqCst) {
            UP => BackendState::Up,
            DRAINING => BackendState::Draining,
            _ => BackendState::Starting,
        }
    }

    /// Sets the dyno's state. Once it drains, no request begins that did not begin before.
    pub(crate) fn set_state(&self, state: BackendState) {
        self.state.store(number(state), Ordering::SeqCst);
    }

    /// The number of requests in flight. One that is about to be turned away may be among them.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Whether the dyno drains and has no request left. Once it was so, no request begins.
    pub(crate) fn is_drained(&self) -> bool {
        self.state() == BackendState::Draining && self.requests() == 0
    }

    /// Counts a request; false if the dyno drains and must not have it. Either way [`Self::end`] has
    /// to follow.
    pub(crate) fn begin(&self) -> bool {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.state() != BackendState::Draining
    }

    /// Counts a request no more; true if it was the last one of a dyno that drains.
    pub(crate) fn end(&self) -> bool {
        let last = self.requests.fetch_sub(1, Ordering::SeqCst) == 1;
        last && self.state() == BackendState::Draining
    }
}

fn number(state: BackendState) -> u8 {
    match state {
        BackendState::Starting => STARTING,
        BackendState::Up => UP,
        BackendState::Draining => DRAINING,
    }
}

/// Begins a request to one of these dynos: to the first that takes it, in the order of `key`.
///
/// The number of requests in flight belongs into the key. It may change while the dynos are sorted, so
/// each is looked at once.
pub(crate) fn begin_at_least<D, K: Ord, L>(
    dynos: impl Iterator<Item = D>,
    key: impl Fn(&D) -> K,
    begin: impl Fn(D) -> Option<L>,
) -> Option<L> {
    let mut dynos: Vec<D> = dynos.collect();
    dynos.sort_by_cached_key(key);
    dynos.into_iter().find_map(begin)
}
