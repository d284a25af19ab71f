//! What hosts report, and who is told.

use std::sync::Arc;

use link::{HostId, HostOrders, Tells};

use super::health::Health;
use super::planner::PlannerHandle;
use super::reports::{self, Drains, Observer, Reporter};
use crate::metrics::Metrics;

/// Who hears of hosts.
pub(crate) struct Hears {
    /// The planner, which tells them what must be there.
    pub planner: PlannerHandle,
    /// Tells the ledger what is news to it.
    pub observer: Observer,
    /// Where it is said how they fare.
    pub health: Arc<Health>,
    /// Where reports are counted.
    pub metrics: Arc<Metrics>,
}

impl Hears {
    /// What is called with each host that is there for the first time.
    pub(crate) fn attach(self) -> link::Attach {
        let drains = Drains::default();
        Box::new(move |host, orders| self.take(*host, orders, drains.clone()))
    }

    fn take(&self, host: HostId, orders: HostOrders, drains: Drains) -> Tells {
        let Self { planner, observer, health, metrics } = self;
        planner.attach(host, orders);
        let hear = |reporter| planner.hear_of(Some(host), reporter);
        let health = || Arc::clone(health);
        let networks = reports::of_networks_of(
            host,
            observer.ledger.clone(),
            health(),
            hear(Reporter::Networks),
        );
        let workloads = reports::of_workloads(
            Some(host),
            observer.clone(),
            health(),
            hear(Reporter::Workloads),
        );
        let edge = hear(Reporter::Edge);
        let edge = reports::of_edge_of(host, observer.clone(), health(), drains, edge);
        Tells {
            networks: reports::counted(metrics, |it| &it.reconcile.networks, networks),
            workloads: reports::counted(metrics, |it| &it.reconcile.workloads, workloads),
            edge: reports::counted(metrics, |it| &it.reconcile.edge, edge),
        }
    }
}
