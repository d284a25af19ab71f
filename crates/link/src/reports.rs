//! What the control loops of a host report, until a server hears it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent::Tell;
use model::WorkloadId;
use model::protocol::{Edge, Networks, Report, WorkloadStatus, Workloads};
use tokio::sync::Notify;

use crate::message::{AnyReport, Carried, Of, Tells};

/// How many reports wait at most. Reports say how things are, so the newest ones count.
const MOST: usize = 1024;
/// How many orders a control loop may have before it, until no more are read: the server makes one of those
/// that wait there.
const MOST_AHEAD: usize = 1024;
/// The question by which it is found out that all that was told before has been done.
pub(crate) const LAST_QUESTION: u64 = u64::MAX;

/// The reports that wait.
#[derive(Clone, Default)]
pub struct Reports(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something waits to be sent.
    waits: Notify,
    /// A control loop has come further.
    came: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<AnyReport>,
    /// Whether some were given up.
    lost: bool,
    /// Revisions that were ordered and that nothing was reported of.
    ahead: [VecDeque<u64>; 3],
    /// Who has answered the last question.
    answered: [bool; 3],
    /// What this host has ended by itself.
    masked: BTreeSet<WorkloadId>,
}

impl Reports {
    /// What takes the reports of the three control loops.
    pub fn tells(&self) -> Tells {
        Tells {
            networks: self.tell::<Networks>(0),
            workloads: self.masking(self.tell::<Workloads>(1)),
            edge: self.tell::<Edge>(2),
        }
    }

    /// Says of what this host has ended by itself that it was interrupted, and so is to run again.
    fn masking(&self, mut tell: Tell<Workloads>) -> Tell<Workloads> {
        let reports = self.clone();
        Box::new(move |mut report: Report<Workloads>| {
            // Whoever takes the report takes the lock anew.
            {
                let masked = &mut reports.state().masked;
                let events = report.events.iter_mut().map(|change| (change.id, &mut change.status));
                let outcomes = report.outcomes.0.iter_mut().map(|(id, status)| (*id, status));
                for (id, status) in events.chain(outcomes) {
                    use WorkloadStatus as S;
                    match status {
                        S::Gone | S::Stopped | S::Exited { .. } if masked.contains(&id) => {
                            *status = S::Interrupted;
                        }
                        S::Running => drop(masked.remove(&id)),
                        _ => {}
                    }
                }
            }
            tell(report);
        })
    }

    /// Has the ends of these processes reported as interruptions, until they run again.
    pub(crate) fn mask(&self, ids: &BTreeSet<WorkloadId>) {
        self.state().masked.extend(ids);
    }

    /// What is not among these is reported as it is.
    pub(crate) fn mask_only(&self, ids: &BTreeSet<WorkloadId>) {
        self.state().masked.retain(|id| ids.contains(id));
    }

    fn tell<S: Carried>(&self, index: usize) -> Tell<S> {
        let reports = self.clone();
        Box::new(move |report| {
            let Report { revision, .. } = report;
            let answered = report.settled.contains(&LAST_QUESTION);
            let mut state = reports.state();
            while state.ahead[index].pop_front_if(|ahead| *ahead <= revision).is_some() {}
            state.answered[index] |= answered;
            if state.queue.len() >= MOST {
                state.queue.pop_front();
                state.lost = true;
            }
            state.queue.push_back(S::report(report));
            drop(state);
            reports.0.waits.notify_one();
            reports.0.came.notify_one();
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one that no control loop made.
    pub(crate) fn push(&self, report: AnyReport) {
        self.state().queue.push_back(report);
        self.0.waits.notify_one();
    }

    /// The oldest that waits.
    pub(crate) async fn next(&self) -> AnyReport {
        loop {
            if let Some(report) = self.state().queue.pop_front() {
                return report;
            }
            self.0.waits.notified().await;
        }
    }

    /// Whether some were given up since this was asked last.
    pub(crate) fn take_lost(&self) -> bool {
        std::mem::take(&mut self.state().lost)
    }

    /// Takes note of an order, and waits while its control loop has too many before it.
    pub(crate) async fn ordered(&self, of: Of<u64, u64, u64>) {
        let (index, revision) = match of {
            Of::Networks(revision) => (0, revision),
            Of::Workloads(revision) => (1, revision),
            Of::Edge(revision) => (2, revision),
        };
        self.state().ahead[index].push_back(revision);
        while self.state().ahead[index].len() > MOST_AHEAD {
            self.0.came.notified().await;
        }
    }

    /// Waits until all three have answered the last question.
    pub(crate) async fn all_answered(&self) {
        while self.state().answered != [true; 3] {
            self.0.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_newest_reports_are_kept_and_it_is_known_that_others_are_not() {
        let reports = Reports::default();
        let mut tells = reports.tells();
        for revision in 0..(MOST as u64 + 5) {
            (tells.edge)(Report::at(revision));
        }
        assert!(reports.take_lost() && !reports.take_lost());
        assert_eq!(reports.next().await, Of::Edge(Report::at(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_read_while_a_control_loop_has_enough_before_it() {
        let reports = Reports::default();
        let mut tells = reports.tells();
        for revision in 1..=MOST_AHEAD as u64 {
            reports.ordered(Of::Networks(revision)).await;
        }
        let waiting = reports.ordered(Of::Networks(5000));
        tokio::pin!(waiting);
        let second = Duration::from_secs(1);
        assert!(tokio::time::timeout(second, &mut waiting).await.is_err());
        (tells.workloads)(Report::at(9999));
        assert!(tokio::time::timeout(second, &mut waiting).await.is_err(), "it is another's");
        (tells.networks)(Report::at(1));
        tokio::time::timeout(second, waiting).await.unwrap();
    }
}
