//! Worlds at random, built for real: every packet does what `reach` says of it.

use std::time::Duration;

use causeway_fabric::driver::{Driver, Outcome};
use model::VpcId;

use crate::conformance::trials::{Ground, Spot, Tally, insist};
use crate::conformance::world::Maker;
use crate::lab::{Lab, at, delta, inside};
use crate::outside::Outside;

/// Every seed that is tried. A seed that once failed stays.
///
/// `CAUSEWAY_TEST_SEEDS=100..200` tries others instead.
const SEEDS: std::ops::Range<u64> = 1..25;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CAUSEWAY_TEST_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

impl Ground for Outside {
    fn inside(&self, spot: Spot, work: &mut (dyn FnMut() + Send)) {
        match spot {
            Spot::Behind(eni) => inside(&at(eni), work),
            Spot::Outside => inside(&self.out, work),
        }
    }

    fn has_outside(&self) -> bool {
        true
    }

    /// Packets take microseconds.
    fn quiet(&self) -> Duration {
        Duration::from_millis(150)
    }
}

#[test]
fn every_packet_does_what_reach_says() {
    let mut all = Tally::default();
    for seed in seeds() {
        let mut lab = Lab::new();
        // Ids of the lab's own, apart from those of every other.
        let first = lab.id::<VpcId>(0).bits() << 8;
        let mut maker = Maker::new(seed, first);
        let mut intent = maker.plan();
        let outside = Outside::new(&lab);
        outside.lets_echo();
        let report = inside(&outside.home, || lab.driver.sweep(&intent));
        let outcomes = report.vpcs.values().chain(report.peerings.values());
        assert!(outcomes.into_iter().all(|o| *o == Outcome::Carried), "seed {seed}: {report:#?}");
        assert!(report.errors.is_empty(), "seed {seed}: {report:#?}");
        outside.await_uplink(&lab);
        all.add(&insist(seed, "as built", &maker, &outside, &intent));

        // And after changes, one by one.
        for _ in 0..6 {
            maker.mutate();
            maker.change_ways();
            maker.change_interfaces();
            let next = maker.plan();
            let report = lab.driver.apply(&delta(&intent, &next));
            assert!(!report.failed() && report.repairs.is_empty(), "seed {seed}: {report:#?}");
            intent = next;
        }
        outside.await_uplink(&lab);
        all.add(&insist(seed, "as changed", &maker, &outside, &intent));
    }
    // A test of nothing but closed doors would prove nothing.
    let Tally { flows, passed, .. } = all;
    assert!(flows > 3000 && passed * 8 > flows && passed * 8 < flows * 7, "{all:?}");
    assert!(all.outside > 20 && all.passed_on > 20 && all.stopped_at_checks > 20, "{all:?}");
}
