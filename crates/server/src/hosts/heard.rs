//! What was heard of hosts, and what they are told: nothing is placed on them, so nothing must be there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use link::{HostId, HostOrders, Tells};
use model::protocol::{Order, Report, Subject};

use crate::ledger::Ledger;

/// What was heard of hosts.
pub(super) struct Heard {
    ledger: Ledger,
    hosts: Mutex<BTreeMap<HostId, Host>>,
}

struct Host {
    orders: HostOrders,
    /// The revision that networks last followed.
    revision: Option<u64>,
    /// What cannot be done, by subject.
    failing: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl Host {
    fn tell_all(&self, revision: u64) {
        let HostOrders { networks, workloads, edge } = &self.orders;
        networks.give(Order::Sync { intent: Default::default(), revision });
        edge.give(Order::Sync { intent: Default::default(), revision });
        workloads.give(Order::Sync { intent: Default::default(), revision });
    }
}

impl Heard {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, hosts: Mutex::default() }
    }

    /// Takes a host, which is told at once what must be there.
    pub(super) fn attach(self: &Arc<Self>, host: &HostId, orders: HostOrders) -> Tells {
        let fresh = Host { orders, revision: None, failing: BTreeMap::new() };
        fresh.tell_all(self.ledger.revision());
        self.hosts().insert(host.clone(), fresh);
        let tell = || (Arc::clone(self), host.clone());
        let ((one, first), (two, second), (three, third)) = (tell(), tell(), tell());
        Tells {
            networks: Box::new(move |report| {
                if !report.forgot
                    && let Some(host) = one.hosts().get_mut(&first)
                {
                    host.revision = Some(report.revision);
                }
                one.hear(&first, report);
            }),
            workloads: Box::new(move |report| two.hear(&second, report)),
            edge: Box::new(move |report| three.hear(&third, report)),
        }
    }

    fn hear<S: Subject>(&self, id: &HostId, report: Report<S>) {
        let revision = self.ledger.revision();
        let mut hosts = self.hosts();
        let Some(host) = hosts.get_mut(id) else { return };
        if report.forgot {
            host.tell_all(revision);
        }
        if let Some(failing) = report.failing {
            for (what, why) in &failing {
                tracing::warn!(host = %id, what, "a host cannot do something: {why}");
            }
            host.failing.insert(S::NAME, failing);
        }
    }

    /// The revision that a host was last reported to follow, and what it cannot do.
    pub(super) fn of(&self, id: &HostId) -> (Option<u64>, BTreeMap<String, String>) {
        self.hosts().get(id).map_or_else(Default::default, |host| {
            let failing = host.failing.values().flatten();
            (host.revision, failing.map(|(what, why)| (what.clone(), why.clone())).collect())
        })
    }

    pub(super) fn forget(&self, id: &HostId) {
        self.hosts().remove(id);
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<HostId, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
