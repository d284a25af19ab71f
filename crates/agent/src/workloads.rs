//! Processes, as a runtime runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fabric::runtime::{Runtime, WorkloadEvent, WorkloadState};
use model::intent::{WorkloadsDelta, WorkloadsIntent};
use model::protocol::{WorkloadChange, WorkloadStatus, Workloads, WorkloadsOutcomes};
use model::{AddonId, WorkloadId};

use crate::actuator::{Actuator, Fate, Found};
use crate::wait::Wake;

/// Has a runtime run processes.
pub struct WorkloadsActuator {
    runtime: Box<dyn Runtime>,
    /// Disks that go once their services have ended.
    doomed: BTreeSet<AddonId>,
    is_closing: Box<dyn Fn() -> bool + Send>,
}

impl WorkloadsActuator {
    /// Makes one. `is_closing` says whether this process was told to stop: what ends from then on ends
    /// with the host, for all that is known, so nothing of it is reported and nothing is started, and
    /// the next start finds how things are.
    pub fn new(runtime: Box<dyn Runtime>, is_closing: Box<dyn Fn() -> bool + Send>) -> Self {
        Self { runtime, doomed: BTreeSet::new(), is_closing }
    }

    /// The runtime, for requests that are answered on this host.
    pub fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    /// Has the disk of a data service removed once the service has ended.
    pub fn remove_disk(&mut self, id: AddonId) {
        self.doomed.insert(id);
    }

    fn remove_disks(&mut self) {
        let runtime = &mut self.runtime;
        self.doomed.retain(|id| match runtime.remove_disk(*id) {
            Ok(()) => false,
            Err(error) => {
                tracing::debug!(addon = %id, error = os::error_chain(&error), "a disk is still in use");
                true
            }
        });
    }
}

impl Actuator for WorkloadsActuator {
    type Subject = Workloads;
    type Part = WorkloadId;

    const RETRIES_BY_SWEEP: bool = false;

    fn wake(&self) -> Wake {
        let waker = self.runtime.waker();
        Arc::new(move || waker.wake())
    }

    fn begin_sweep(&mut self, intent: WorkloadsIntent) {
        self.runtime.begin_sweep(intent.0);
    }

    fn look_again(&mut self) -> bool {
        self.runtime.look_again();
        true
    }

    fn step(&mut self) -> Option<Found<Workloads>> {
        self.runtime.step().map(found)
    }

    fn change(&mut self, delta: WorkloadsDelta) -> Found<Workloads> {
        // What goes makes room for what comes.
        let (gone, run): (BTreeMap<_, _>, BTreeMap<_, _>) =
            delta.0.into_iter().partition(|(_, intent)| intent.is_none());
        let mut events = self.runtime.apply(&gone);
        events.extend(self.runtime.apply(&run));
        found(events)
    }

    fn retry(&mut self) -> Found<Workloads> {
        found(self.runtime.retry())
    }

    fn wait(&mut self, timeout: Duration) -> Found<Workloads> {
        self.remove_disks();
        found(self.runtime.wait(timeout))
    }

    fn fates(found: &Found<Workloads>) -> Vec<(WorkloadId, Fate)> {
        let events = found.events.iter().map(|change| (&change.id, &change.status));
        let fate = |(id, status): (&WorkloadId, &WorkloadStatus)| match status {
            WorkloadStatus::Starting => None,
            WorkloadStatus::Failed(why) => Some((*id, Fate::Failed(why.clone()))),
            WorkloadStatus::Interrupted => Some((*id, Fate::Interrupted)),
            WorkloadStatus::Running
            | WorkloadStatus::Exited { .. }
            | WorkloadStatus::Stopped
            | WorkloadStatus::Gone => Some((*id, Fate::Fine)),
        };
        events.chain(&found.outcomes.0).filter_map(fate).collect()
    }

    fn at_rest(delta: &WorkloadsDelta) -> Vec<WorkloadId> {
        delta.idle().into_iter().collect()
    }

    fn needs(intent: &WorkloadsIntent, id: &WorkloadId) -> bool {
        intent.0.get(id).is_some_and(|intent| intent.run)
    }

    fn is_closing(&self) -> bool {
        (self.is_closing)()
    }
}

/// The last state of each workload is its outcome, and those before it are what happened on the way.
fn found(all: Vec<WorkloadEvent>) -> Found<Workloads> {
    let mut found = Found::<Workloads>::default();
    let WorkloadsOutcomes(outcomes) = &mut found.outcomes;
    for WorkloadEvent { id, state } in all {
        if let Some(status) = outcomes.insert(id, status_of(state)) {
            found.events.push(WorkloadChange { id, status });
        }
    }
    found
}

fn status_of(state: WorkloadState) -> WorkloadStatus {
    match state {
        WorkloadState::Stopped => WorkloadStatus::Stopped,
        WorkloadState::Starting => WorkloadStatus::Starting,
        WorkloadState::Running { pid: _ } => WorkloadStatus::Running,
        WorkloadState::Exited { code, signal, out_of_memory, at } => {
            WorkloadStatus::Exited { code, signal, out_of_memory, at }
        }
        WorkloadState::Interrupted => WorkloadStatus::Interrupted,
        WorkloadState::Failed(why) => WorkloadStatus::Failed(why),
        WorkloadState::Gone => WorkloadStatus::Gone,
    }
}
