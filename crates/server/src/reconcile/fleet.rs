//! The hosts that a planner gives orders to, where agents do what is to be done and no control loop of this
//! process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use link::HostOrders;
use model::edge::{Domains, EdgeDelta, EdgeIntent};
use model::intent::{Intent, IntentDelta, NetworksDelta, NetworksIntent};
use model::intent::{WorkloadsDelta, WorkloadsIntent};
use model::protocol::Order;
use model::{Change, HostId, Key, World};

use super::reports::Reporter;
use crate::ledger::Step;

/// For how long a host may have said nothing and is asked nevertheless.
const CONNECTED: Duration = Duration::from_secs(15);

/// The connections of hosts.
pub(crate) trait Links: Send {
    /// The hosts of which something came within a while.
    fn heard_within(&self, span: Duration) -> BTreeSet<HostId>;

    /// Ends the connections of hosts that are none any more.
    fn review(&self);
}

impl Links for link::Hub {
    fn heard_within(&self, span: Duration) -> BTreeSet<HostId> {
        self.heard_within(span)
    }

    fn review(&self) {
        self.review();
    }
}

/// What must be on each host.
pub(super) type Parts = BTreeMap<HostId, Part>;

/// What must be on a host.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Part {
    pub networks: NetworksIntent,
    pub workloads: WorkloadsIntent,
    pub edge: EdgeIntent,
}

impl Part {
    /// Plans a host.
    pub(super) fn of(world: &World, host: HostId, domains: &Domains) -> Self {
        let Intent { networks, workloads } = model::plan_on(world, host);
        Self { networks, workloads, edge: model::plan_edge_on(world, host, domains) }
    }
}

/// The hosts, which were connected at some time since the start.
pub(crate) struct Fleet {
    links: Box<dyn Links>,
    hosts: BTreeMap<HostId, HostOrders>,
}

impl Fleet {
    /// One without hosts.
    pub(crate) fn new(links: impl Links + 'static) -> Self {
        Self { links: Box::new(links), hosts: BTreeMap::new() }
    }

    /// The hosts of which something came within a while.
    pub(super) fn heard_within(&self, span: Duration) -> BTreeSet<HostId> {
        self.links.heard_within(span)
    }

    /// Takes the ways to a host.
    pub(super) fn attach(&mut self, host: HostId, orders: HostOrders) {
        self.hosts.insert(host, orders);
    }

    /// Tells a host all that must be there, of one subject.
    pub(super) fn tell(
        &self,
        host: HostId,
        subject: Reporter,
        world: &World,
        domains: &Domains,
        revision: u64,
    ) {
        let Some(orders) = self.hosts.get(&host) else { return };
        match subject {
            Reporter::Networks => {
                let intent = model::plan_on(world, host).networks;
                orders.networks.give(Order::Sync { intent, revision });
            }
            Reporter::Edge => {
                let intent = model::plan_edge_on(world, host, domains);
                orders.edge.give(Order::Sync { intent, revision });
            }
            Reporter::Workloads => {
                let intent = model::plan_on(world, host).workloads;
                orders.workloads.give(Order::Sync { intent, revision });
            }
        }
    }

    /// Tells each host all that must be there. One that the plan does not name has nothing.
    pub(super) fn order(&self, mut parts: Parts, revision: u64) {
        for (host, orders) in &self.hosts {
            let part = parts.remove(host).unwrap_or_default();
            tell(orders, part, revision);
        }
    }

    /// Tells each host what changed there, given what changed for all together.
    pub(super) fn follow(
        &self,
        step: &Step,
        delta: &IntentDelta,
        edge: &EdgeDelta,
        domains: &Domains,
    ) {
        let (before, after, changes) = (&step.before, &step.after, &step.changes);
        let revision = step.revision;
        let mut edges = model::edge_delta_by_host(before, after, changes, edge, domains);
        let parts = model::plan_delta_by_host(before, after, changes, delta);
        for (host, IntentDelta { networks, workloads }) in parts {
            let edge = edges.remove(&host).unwrap_or_default();
            self.change(host, networks, edge, workloads, revision);
        }
        for (host, edge) in edges {
            self.change(host, <_>::default(), edge, <_>::default(), revision);
        }
    }

    fn change(
        &self,
        host: HostId,
        networks: NetworksDelta,
        edge: EdgeDelta,
        workloads: WorkloadsDelta,
        revision: u64,
    ) {
        let Some(orders) = self.hosts.get(&host) else { return };
        if networks != NetworksDelta::default() {
            orders.networks.give(Order::Change { delta: networks, revision });
        }
        // Before processes end: whoever asks for them is sent elsewhere.
        if edge != EdgeDelta::default() {
            orders.edge.give(Order::Change { delta: edge, revision });
        }
        self.change_workloads(host, workloads, revision);
    }

    /// Tells a host what changed of its processes, if anything did.
    pub(super) fn change_workloads(&self, host: HostId, delta: WorkloadsDelta, revision: u64) {
        if let Some(orders) = self.hosts.get(&host)
            && delta != WorkloadsDelta::default()
        {
            orders.workloads.give(Order::Change { delta, revision });
        }
    }

    /// Asks hosts that are connected whether networks and edges are as they were ordered. Returns who is to
    /// answer.
    pub(super) fn settle(&self, number: u64) -> BTreeSet<(HostId, Reporter)> {
        let connected = self.links.heard_within(CONNECTED);
        let mut asked = BTreeSet::new();
        for (host, orders) in self.hosts.iter().filter(|(host, _)| connected.contains(host)) {
            orders.networks.give(Order::Settle(number));
            orders.edge.give(Order::Settle(number));
            asked.extend([(*host, Reporter::Networks), (*host, Reporter::Edge)]);
        }
        asked
    }

    /// Has hosts that were removed be cut off. Returns which those are.
    pub(super) fn review(&mut self, changes: &[Change], world: &World) -> Vec<HostId> {
        let removed = changes.iter().filter_map(|change| match change.key() {
            Key::Host(id) if world.host(id).is_none() => Some(id),
            _ => None,
        });
        let removed: Vec<HostId> = removed.collect();
        if !removed.is_empty() {
            removed.iter().for_each(|host| drop(self.hosts.remove(host)));
            self.links.review();
        }
        removed
    }
}

fn tell(orders: &HostOrders, part: Part, revision: u64) {
    orders.networks.give(Order::Sync { intent: part.networks, revision });
    orders.edge.give(Order::Sync { intent: part.edge, revision });
    orders.workloads.give(Order::Sync { intent: part.workloads, revision });
}
