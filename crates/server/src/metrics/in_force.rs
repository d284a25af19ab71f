//! How long it takes until what was committed is in force.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use metrics::Latency;

/// The most commits that are waited for. Of further ones the time is not measured.
const MOST_WAITING: usize = 4096;

/// How long it takes until networks follow a commit.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// The time from a commit until networks had followed it.
    pub(crate) took: Latency,
    waiting: Mutex<VecDeque<(u64, Instant)>>,
}

impl InForce {
    /// A revision was committed.
    pub(crate) fn committed(&self, revision: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST_WAITING {
            waiting.push_back((revision, Instant::now()));
        }
    }

    /// Networks have followed all commits up to a revision.
    pub(crate) fn followed(&self, revision: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, since)) = waiting.pop_front_if(|(waits, _)| *waits <= revision) {
            self.took.took(since.elapsed());
        }
    }

    /// For how many seconds the oldest commit has waited that networks have not followed yet.
    pub(crate) fn oldest_waits(&self) -> f64 {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.front().map_or(0.0, |(_, since)| since.elapsed().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_is_measured_once_and_those_that_wait_are_bounded() {
        let in_force = InForce::default();
        (1..=5).for_each(|revision| in_force.committed(revision));
        in_force.followed(3);
        in_force.followed(3);
        assert_eq!(in_force.took.read().count(), 3);
        assert!(in_force.oldest_waits() > 0.0);
        in_force.followed(9);
        assert_eq!((in_force.took.read().count(), in_force.oldest_waits()), (5, 0.0));
        (10..10_000).for_each(|revision| in_force.committed(revision));
        assert_eq!(in_force.waiting.lock().unwrap().len(), MOST_WAITING);
    }
}
