//! What is counted of a server beside others.

use metrics::{Counter, Latency};

/// What is counted of a server beside others.
#[derive(Debug)]
pub(crate) struct ClusterFigures {
    /// How long requests waited until the world here was as far as the database.
    pub(crate) wait: Latency,
    /// Requests that were refused, as the database did not say how far it is.
    pub(crate) stale: Counter,
}

impl Default for ClusterFigures {
    fn default() -> Self {
        Self { wait: Latency::default(), stale: Counter::new() }
    }
}
