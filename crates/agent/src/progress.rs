//! How far a loop has come with its orders, for a loop of the same host that comes after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wait::Wake;

/// How far a loop has come. An interface is there before its process is: so the loop of workloads does
/// nothing before the loop of networks has done what it was told earlier.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// How many orders were given.
    given: u64,
    /// How many of them were carried out, but for comparisons of everything that are under way.
    changed: u64,
    /// How many of them were carried out entirely.
    swept: u64,
    /// Wakes those who wait for it.
    wakes: Vec<Wake>,
}

impl Progress {
    /// Counts one more order, and gives its number.
    pub(crate) fn give(&self) -> u64 {
        let mut state = self.lock();
        state.given += 1;
        state.given
    }

    /// How many orders were given so far.
    pub(crate) fn given(&self) -> u64 {
        self.lock().given
    }

    /// Has something called whenever it goes on.
    pub(crate) fn on_change(&self, wake: Wake) {
        self.lock().wakes.push(wake);
    }

    /// Notes how many orders were carried out, without and with comparisons of everything.
    pub(crate) fn reach(&self, changed: u64, swept: u64) {
        let mut state = self.lock();
        if (state.changed, state.swept) != (changed, swept) {
            (state.changed, state.swept) = (changed, swept);
            state.wakes.iter().for_each(|wake| wake());
        }
    }

    /// Whether the changes of so many orders were made.
    pub(crate) fn has_changed(&self, orders: u64) -> bool {
        self.lock().changed >= orders
    }

    /// Whether so many orders were carried out entirely.
    pub(crate) fn has_swept(&self, orders: u64) -> bool {
        self.lock().swept >= orders
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It holds numbers, each of which is right whatever became of its last holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
