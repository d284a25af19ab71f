//! What the control loops are seen to do.

use std::time::Duration;

use metrics::{Counter, Gauge, Latency};
use model::protocol::{Report, Subject};

use super::InForce;

/// What the control loops are seen to do.
#[derive(Debug, Default)]
pub(crate) struct ReconcileFigures {
    /// The loop of networks.
    pub(crate) networks: LoopFigures,
    /// The loop of processes.
    pub(crate) workloads: LoopFigures,
    /// The loop of the edge.
    pub(crate) edge: LoopFigures,
    /// Differences of networks that nobody had ordered, and that were repaired.
    pub(crate) drift: Counter,
    /// How long it takes until networks follow a commit.
    pub(crate) in_force: InForce,
}

impl ReconcileFigures {
    /// Each loop with its name.
    pub(crate) fn loops(&self) -> [(&'static str, &LoopFigures); 3] {
        [("networks", &self.networks), ("workloads", &self.workloads), ("edge", &self.edge)]
    }
}

/// What one control loop is seen to do.
#[derive(Debug, Default)]
pub(crate) struct LoopFigures {
    /// Runs that changed something, and comparisons of everything.
    pub(crate) runs: Counter,
    /// How long comparisons of everything took.
    pub(crate) sweep: Latency,
    /// Comparisons in which something could not be looked at or put right.
    pub(crate) failed_sweeps: Counter,
    /// What cannot be done at present.
    pub(crate) failing: Gauge,
    /// The revision that it has followed.
    pub(crate) revision: Gauge,
}

impl LoopFigures {
    /// Takes in a report of the loop.
    pub(crate) fn heard<S: Subject>(&self, report: &Report<S>) {
        if let Some(swept) = report.swept {
            self.sweep.took(Duration::from_millis(swept.took_millis));
            if swept.failed {
                self.failed_sweeps.inc();
            }
        }
        if let Some(failing) = &report.failing {
            self.failing.set(failing.len() as u64);
        }
        if report.swept.is_some() || report.revision != self.revision.get() {
            self.runs.inc();
        }
        self.revision.set(report.revision);
    }
}
