//! The life cycle as a whole: whatever is asked in whatever order at whatever time, only the
//! steps of `ec2.md` §1.1 are taken.

use std::time::Duration;

use proptest::prelude::*;

use super::fixture::*;
use crate::PeeringStatus as P;
use crate::*;

#[derive(Debug, Clone, Copy)]
enum Event {
    Accept(bool),
    Reject(bool),
    Delete(bool),
    Carried,
    Gone,
    Tick,
    Wait(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => any::<bool>().prop_map(Event::Accept),
        1 => any::<bool>().prop_map(Event::Reject),
        2 => any::<bool>().prop_map(Event::Delete),
        2 => Just(Event::Carried),
        2 => Just(Event::Gone),
        1 => Just(Event::Tick),
        3 => prop_oneof![0..10_800u32, 0..864_000u32].prop_map(Event::Wait),
    ]
}

/// What may be seen of a peering after something was seen of it.
fn follows(from: P, to: P) -> bool {
    match from {
        P::PendingAcceptance => {
            matches!(to, P::Provisioning | P::Rejected | P::Deleted | P::Expired)
        }
        P::Provisioning => matches!(to, P::Active | P::Deleting),
        P::Active => to == P::Deleting,
        P::Deleting => to == P::Deleted,
        P::InitiatingRequest | P::Deleted | P::Rejected | P::Failed | P::Expired => false,
    }
}

/// Whether who asks may do it in that status; the accepter is `true`.
fn permitted(event: Event, status: P) -> bool {
    match event {
        Event::Accept(by) | Event::Reject(by) => by && status == P::PendingAcceptance,
        Event::Delete(true) => matches!(status, P::Provisioning | P::Active),
        Event::Delete(false) => {
            matches!(status, P::PendingAcceptance | P::Provisioning | P::Active)
        }
        Event::Carried | Event::Gone | Event::Tick | Event::Wait(_) => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn only_documented_steps_are_taken(events in prop::collection::vec(event(), 1..24)) {
        let mut bench = Bench::new();
        let (a, b) = (scope(111, VIRGINIA), scope(222, VIRGINIA));
        let (va, vb) = (bench.vpc(a, &["10.1.0.0/16"]), bench.vpc(b, &["10.2.0.0/16"]));
        let peering = bench.request((a, va), (b, vb));
        for event in events {
            let before = bench.peering(peering);
            let status = before.status(bench.now);
            let by = |accepter| key(if accepter { b } else { a });
            let (caller, command): (_, Command) = match event {
                Event::Accept(who) => (by(who), Ec2Command::AcceptPeering { peering }.into()),
                Event::Reject(who) => (by(who), Ec2Command::RejectPeering { peering }.into()),
                Event::Delete(who) => (by(who), Ec2Command::DeletePeering { peering }.into()),
                Event::Carried | Event::Gone => {
                    let mut seen = Observation::default();
                    match event {
                        Event::Carried => seen.carried.insert(peering),
                        _ => seen.gone.insert(peering),
                    };
                    (Caller::System, SystemCommand::Observe(seen).into())
                }
                Event::Tick => (Caller::System, SystemCommand::Tick.into()),
                Event::Wait(seconds) => {
                    bench.pass(Duration::from_secs(seconds.into()));
                    let now = bench.peering(peering).status(bench.now);
                    let lapsed = status == P::PendingAcceptance && now == P::Expired;
                    prop_assert!(now == status || lapsed, "{status:?} became {now:?}");
                    continue;
                }
            };
            let outcome = bench.run(caller, command);
            prop_assert_eq!(outcome.is_ok(), permitted(event, status), "{:?} {:?}", event, status);
            let Some(after) = bench.world.peering(peering) else {
                prop_assert!(matches!(event, Event::Tick) && is_forgotten(&before, bench.now));
                return Ok(());
            };
            let now = after.status(bench.now);
            prop_assert!(now == status || follows(status, now), "{status:?} became {now:?}");
            if outcome.is_err() {
                prop_assert_eq!(&before, &**after);
            }
        }
    }
}

#[test]
fn the_step_function_has_the_documented_steps_and_no_other() {
    use {PeeringEvent as E, PeeringState as S};
    let mut bench = Bench::new();
    let (a, b) = (scope(111, VIRGINIA), scope(222, VIRGINIA));
    let (va, vb) = (bench.vpc(a, &["10.1.0.0/16"]), bench.vpc(b, &["10.2.0.0/16"]));
    let id = bench.request((a, va), (b, vb));
    let steps = [
        (S::PendingAcceptance, E::Accept, S::Provisioning),
        (S::PendingAcceptance, E::Reject, S::Rejected),
        (S::PendingAcceptance, E::Overlap, S::Failed),
        (S::PendingAcceptance, E::Delete, S::Deleted),
        (S::Provisioning, E::Carried, S::Active),
        (S::Provisioning, E::Delete, S::Deleting),
        (S::Active, E::Delete, S::Deleting),
        (S::Deleting, E::Gone, S::Deleted),
    ];
    let states = [
        S::PendingAcceptance,
        S::Provisioning,
        S::Active,
        S::Deleting,
        S::Deleted,
        S::Rejected,
        S::Failed,
    ];
    let events = [E::Accept, E::Reject, E::Delete, E::Carried, E::Gone, E::Overlap];
    for (state, event) in states.into_iter().flat_map(|s| events.map(|e| (s, e))) {
        let peering = Peering { state, ..bench.peering(id) };
        let expected = steps.iter().find(|(s, e, _)| (*s, *e) == (state, event)).map(|s| s.2);
        let stepped = peering.next(event, bench.now);
        assert_eq!(stepped.ok(), expected, "{state:?} {event:?}");
        if state == S::PendingAcceptance {
            let late = peering.next(event, peering.expires);
            assert!(late.is_err(), "an expired request: {event:?}");
        }
    }
}
