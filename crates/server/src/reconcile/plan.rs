//! The plan of a whole world.

use std::sync::Arc;

use model::edge::{Domains, EdgeIntent};
use model::intent::{Intent, IntentDelta, NetworksIntent, WorkloadsIntent};
use model::protocol::{Edge, Networks, Subject, Workloads};
use model::{Change, Timestamp, World};

use crate::ledger::Step;
use crate::loops::Supervisor;

/// The plan: networks, workloads and edge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub networks: NetworksIntent,
    pub workloads: WorkloadsIntent,
    pub edge: EdgeIntent,
}

impl Plan {
    /// Plans a whole world.
    pub(super) fn of(world: &World, domains: &Domains, now: Timestamp) -> Self {
        let Intent { networks, workloads } = model::plan(world, now);
        Self { networks, workloads, edge: model::plan_edge(world, domains) }
    }

    /// Plans on another thread, since changes are followed meanwhile, and hands over what came of it.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it has no thread left.
    pub(super) fn later(
        supervisor: &Supervisor,
        world: Arc<World>,
        domains: Domains,
        now: Timestamp,
        take: impl FnOnce(Self) + Send + 'static,
    ) -> std::io::Result<()> {
        let work = move || take(Self::of(&world, &domains, now));
        supervisor.spawn_task("plan", work).map(drop)
    }

    /// Brings it up to date with what changed since.
    pub(super) fn follow(&mut self, step: &Step, domains: &Domains, now: Timestamp) {
        let delta = model::plan_delta(&step.before, &step.after, &step.changes, now);
        let IntentDelta { networks, workloads } = delta;
        Networks::change(&mut self.networks, networks);
        Workloads::change(&mut self.workloads, workloads);
        let edge = model::edge_delta(&step.before, &step.after, &step.changes, domains);
        Edge::change(&mut self.edge, edge);
    }
}

/// Makes one change of those that follow each other.
pub(super) fn merge(merged: &mut Option<Step>, step: Step) {
    match merged {
        None => *merged = Some(step),
        Some(first) => {
            first.after = step.after;
            first.revision = step.revision;
            first.changes.extend::<Vec<Change>>(step.changes);
        }
    }
}
