//! The plan of a whole world.

use std::sync::Arc;

use model::edge::{Domains, EdgeIntent};
use model::intent::{Intent, IntentDelta, NetworksIntent, WorkloadsIntent};
use model::protocol::{Edge, Networks, Subject, Workloads};
use model::{Change, Timestamp, World};

use super::fleet::{Part, Parts};
use crate::ledger::Step;
use crate::loops::Supervisor;

/// The plan: networks, workloads and edge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub networks: NetworksIntent,
    pub does: Does,
}

/// Who runs processes and answers requests.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Does {
    /// This machine.
    Here {
        /// The processes.
        workloads: WorkloadsIntent,
        /// What is answered.
        edge: EdgeIntent,
    },
    /// Hosts.
    Hosts(Parts),
}

impl Plan {
    /// Plans a whole world, for this machine or for hosts.
    pub(super) fn of(world: &World, domains: &Domains, now: Timestamp, by_host: bool) -> Self {
        let Intent { networks, workloads } = model::plan(world, now);
        let does = if by_host {
            let hosts = world.hosts().map(|host| host.id);
            Does::Hosts(hosts.map(|host| (host, Part::of(world, host, domains))).collect())
        } else {
            Does::Here { workloads, edge: model::plan_edge(world, domains) }
        };
        Self { networks, does }
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
        (now, by_host): (Timestamp, bool),
        take: impl FnOnce(Self) + Send + 'static,
    ) -> std::io::Result<()> {
        let work = move || take(Self::of(&world, &domains, now, by_host));
        supervisor.spawn_task("plan", work).map(drop)
    }

    /// Brings it up to date with what changed since.
    pub(super) fn follow(&mut self, step: &Step, domains: &Domains, now: Timestamp) {
        let (before, after, changes) = (&step.before, &step.after, &step.changes);
        let whole = model::plan_delta(before, after, changes, now);
        let whole_edge = model::edge_delta(before, after, changes, domains);
        match &mut self.does {
            Does::Here { workloads, edge } => {
                Workloads::change(workloads, whole.workloads);
                Edge::change(edge, whole_edge);
            }
            Does::Hosts(parts) => {
                let deltas = model::plan_delta_by_host(before, after, changes, &whole);
                for (host, IntentDelta { networks, workloads }) in deltas {
                    let part = parts.entry(host).or_default();
                    Networks::change(&mut part.networks, networks);
                    Workloads::change(&mut part.workloads, workloads);
                }
                let edges = model::edge_delta_by_host(before, after, changes, &whole_edge, domains);
                for (host, edge) in edges {
                    Edge::change(&mut parts.entry(host).or_default().edge, edge);
                }
            }
        }
        Networks::change(&mut self.networks, whole.networks);
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
