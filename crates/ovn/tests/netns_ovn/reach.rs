//! Worlds at random over three hosts: every packet does what `reach` says of it.

use std::time::Duration;

use model::{Hop, Leg, Verdict, Wording};

use crate::conformance::trials::{Fate, Ground, Spot, Tally, insist};
use crate::conformance::world::Maker;
use crate::lab::Lab;

/// Every seed that is tried. A seed that once failed stays.
///
/// `CAUSEWAY_TEST_SEEDS=100..200` tries others instead.
const SEEDS: std::ops::Range<u64> = 1..9;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CAUSEWAY_TEST_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

impl Ground for Lab {
    fn inside(&self, spot: Spot, work: &mut (dyn FnMut() + Send)) {
        match spot {
            Spot::Behind(eni) => self.behind(eni, work),
            Spot::Outside => unreachable!("there is nobody outside"),
        }
    }

    fn has_outside(&self) -> bool {
        false
    }

    /// Two processors carry three hosts, each of which switches in a process.
    fn quiet(&self) -> Duration {
        Duration::from_millis(300)
    }

    /// A switch outside of the kernel drops a new flow's packet while its tables change.
    fn repeats(&self) -> usize {
        3
    }

    fn expected(&self, verdict: &Verdict) -> Option<Fate> {
        let fate = Fate::of(verdict);
        let on = |leg| verdict.hops.iter().filter(move |hop| hop.leg == leg);
        // What the rows leave out is closed.
        if on(Leg::Forward).any(is_translated) {
            return Some(Fate::default());
        }
        if on(Leg::Answer).any(is_translated) {
            return Some(Fate { answered: false, ..fate });
        }
        // What comes from where a subnet does not lead, of two peers with the same addresses, does not get in.
        let peered = |hop: &Hop| hop.because.wording() == Wording::Carried;
        if on(Leg::Answer).any(|hop| hop.because.wording() == Wording::NoWayBack)
            && on(Leg::Forward).any(peered)
        {
            return None;
        }
        // A middlebox that sees only one of both ways takes what it sees for something new, or for nothing.
        let passed =
            |leg| on(leg).filter(|hop| passes_on(hop)).map(|hop| format!("{:?}", hop.where_));
        let (there, mut back): (Vec<_>, Vec<_>) =
            (passed(Leg::Forward).collect(), passed(Leg::Answer).collect());
        back.reverse();
        (!fate.answered || there == back).then_some(fate)
    }
}

/// Whether a private NAT gateway has to do with it.
fn is_translated(hop: &Hop) -> bool {
    let ways = [Wording::SendsOnAs, Wording::GivesBackTo, Wording::AnswersAs];
    ways.contains(&hop.because.wording())
}

fn passes_on(hop: &Hop) -> bool {
    hop.because.wording() == Wording::PassesOn
}

#[test]
fn every_packet_does_what_reach_says() {
    let mut all = Tally::default();
    let mut lab = Lab::new();
    for seed in seeds() {
        let mut maker = Maker::new(seed, u128::from(seed) << 16);
        lab.sweep(&maker.plan());
        all.add(&insist(seed, "as built", &maker, &lab, &lab.intent));

        // And after changes, one by one.
        for _ in 0..4 {
            maker.mutate();
            maker.change_ways();
            maker.change_interfaces();
            let report = lab.apply(&maker.plan());
            assert!(report.repairs.is_empty(), "seed {seed}: {report:#?}");
        }
        all.add(&insist(seed, "as changed", &maker, &lab, &lab.intent));
    }
    // A test of nothing but closed doors would prove nothing.
    let Tally { flows, passed, .. } = all;
    assert!(flows > 1000 && passed * 8 > flows && passed * 8 < flows * 7, "{all:?}");
    assert!(all.peered > 100 && all.stopped_at_checks > 20, "{all:?}");
}
