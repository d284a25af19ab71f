//! Networks, as a driver of the fabric makes them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use fabric::driver::{Driver, Repair, Report};
use model::intent::{NetworksDelta, NetworksIntent};
use model::protocol::{NetworkEvent, Networks, NetworksOutcomes, Outcome};
use model::{PcxId, VpcId};

use crate::actuator::{Actuator, Fate, Found};
use crate::wait::{Bell, Wake};

/// Has a driver make networks.
pub struct NetworksActuator {
    driver: Box<dyn Driver>,
    bell: Bell,
}

impl NetworksActuator {
    /// Makes one. The driver's notices of drift wake its loop.
    pub fn new(mut driver: Box<dyn Driver>) -> Self {
        let bell = Bell::default();
        driver.on_drift(bell.wake());
        Self { driver, bell }
    }
}

impl NetworksActuator {
    /// Has these routers of this host tell a recorder of the flows that go through them, and no others. What
    /// goes wrong is found by the next comparison.
    pub fn record(&mut self, routers: BTreeSet<VpcId>) {
        drop(self.driver.record(routers));
    }
}

/// A part of the networks that can fail independently of the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The fabric itself: what belongs to no single router or link.
    Fabric,
    /// A VPC's router.
    Router(VpcId),
    /// A peering's link.
    Link(PcxId),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fabric => f.write_str("fabric"),
            Self::Router(id) => id.fmt(f),
            Self::Link(id) => id.fmt(f),
        }
    }
}

impl Actuator for NetworksActuator {
    type Subject = Networks;
    type Part = Part;

    const RETRIES_BY_SWEEP: bool = true;

    fn wake(&self) -> Wake {
        self.bell.wake()
    }

    fn begin_sweep(&mut self, intent: NetworksIntent) {
        self.driver.begin_sweep(intent);
    }

    fn look_again(&mut self) -> bool {
        self.driver.look_again()
    }

    fn step(&mut self) -> Option<Found<Networks>> {
        self.driver.step().map(found)
    }

    fn change(&mut self, delta: NetworksDelta) -> Found<Networks> {
        found(self.driver.apply(&delta))
    }

    fn retry(&mut self) -> Found<Networks> {
        Found::default()
    }

    fn wait(&mut self, timeout: Duration) -> Found<Networks> {
        self.bell.wait(timeout);
        Found::default()
    }

    fn fates(found: &Found<Networks>) -> Vec<(Part, Fate)> {
        let fate = |outcome: &Outcome| match outcome {
            Outcome::Carried | Outcome::Gone => Fate::Fine,
            Outcome::Failed(why) => Fate::Failed(why.clone()),
        };
        let NetworksOutcomes { vpcs, peerings, errors } = &found.outcomes;
        let routers = vpcs.iter().map(|(id, outcome)| (Part::Router(*id), fate(outcome)));
        let links = peerings.iter().map(|(id, outcome)| (Part::Link(*id), fate(outcome)));
        let all = errors.iter().map(|why| (Part::Fabric, Fate::Failed(why.clone())));
        routers.chain(links).chain(all).collect()
    }
}

fn found(report: Report) -> Found<Networks> {
    let Report { vpcs, peerings, removed: _, repairs, errors } = report;
    let repaired = |Repair { place, what }| NetworkEvent::Repaired { place, what };
    Found {
        events: repairs.into_iter().map(repaired).collect(),
        outcomes: NetworksOutcomes { vpcs, peerings, errors },
    }
}
