//! What the ledger's writer counts.

use metrics::{Counter, Gauge, Histogram, Latency};

/// The upper bounds of the number of commands in a commit.
const BATCHES: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// What the ledger's writer counts.
#[derive(Debug)]
pub(crate) struct LedgerFigures {
    /// Batches that are durable.
    pub(crate) committed: Counter,
    /// Commits before which another writer was faster.
    pub(crate) conflicts: Counter,
    /// Batches that are not in effect, or of which nobody can say whether they are.
    pub(crate) failed: Counter,
    /// The commands of each batch.
    pub(crate) batch: Histogram<9>,
    /// How long the store took to make a batch durable.
    pub(crate) commit: Latency,
    /// Commands that wait for the writer.
    pub(crate) queue: Gauge,
    /// Commands that were carried out.
    pub(crate) accepted: Counter,
    /// Commands that a rule refused.
    pub(crate) refused: Counter,
    /// Log lines of changes that were dropped because the log could not keep up.
    pub(crate) unlogged: Counter,
}

impl Default for LedgerFigures {
    fn default() -> Self {
        Self {
            committed: Counter::new(),
            conflicts: Counter::new(),
            failed: Counter::new(),
            batch: Histogram::new(BATCHES),
            commit: Latency::default(),
            queue: Gauge::new(),
            accepted: Counter::new(),
            refused: Counter::new(),
            unlogged: Counter::new(),
        }
    }
}
