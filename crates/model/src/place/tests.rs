//! What holds of every choice, whatever hosts and dynos there are.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::plan::lab::{dyno, uuid};
use crate::resource::{DynoSize, DynoState, HostCapacity};
use crate::{AppId, Change, DynoId, Record, Timestamp};

const GIB: u64 = 1 << 30;

fn host_id(n: u8) -> HostId {
    HostId(uuid(u128::from(n)))
}

fn host(n: u8, zone: u8, gib: u64) -> Host {
    Host {
        id: host_id(n),
        name: format!("host-{n}"),
        address: [192, 0, 2, n].into(),
        zone: format!("zone-{zone}"),
        labels: BTreeMap::new(),
        capacity: HostCapacity { memory: gib * GIB, cpus: 4 },
        version: String::new(),
        first: n == 0,
        draining: false,
        lost: None,
        connected: None,
        last_heard: Timestamp::default(),
        created: Timestamp::default(),
    }
}

fn named(n: u16, app: u8, process_type: &str, size: DynoSize) -> Dyno {
    Dyno {
        process_type: process_type.to_owned(),
        number: Some(n),
        size,
        ..dyno(u128::from(n), u128::from(app), u128::from(n), DynoState::Up)
    }
}

fn put(world: &mut World, record: impl Into<Record>) {
    world.apply(&Change::Put(record.into()));
}

/// Places a dyno, and puts it there if it has room.
fn settle(world: &mut World, dyno: Dyno) -> Result<HostId, Unplaced> {
    let found = place(world, &Wanted::of_dyno(world, &dyno));
    put(world, Dyno { host: found.ok(), ..dyno });
    found
}

/// A step of play.
#[derive(Debug, Clone)]
enum Step {
    Host { n: u8, zone: u8, gib: u64 },
    State { n: u8, draining: bool, lost: bool },
    Dyno { app: u8, worker: bool, size: usize },
    End { n: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..12u8, 0..3u8, 1..40u64).prop_map(|(n, zone, gib)| Step::Host { n, zone, gib }),
        (0..12u8, any::<bool>(), any::<bool>()).prop_map(|(n, draining, lost)| Step::State {
            n,
            draining,
            lost
        }),
        (0..3u8, any::<bool>(), 0..4usize).prop_map(|(app, worker, size)| Step::Dyno {
            app,
            worker,
            size
        }),
        (0..60u16).prop_map(|n| Step::End { n }),
    ]
}

/// The same cases in every run.
fn runner(cases: u32) -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng)
}

/// By hand, what is on each host.
fn committed(world: &World) -> BTreeMap<HostId, u64> {
    let mut sums = BTreeMap::new();
    for dyno in world.dynos().filter(|dyno| !dyno.state.ended()) {
        if let Some(host) = dyno.host {
            *sums.entry(host).or_default() += dyno.size.memory();
        }
    }
    sums
}

#[test]
fn no_host_is_given_more_than_it_has_and_none_that_drains_or_is_lost_is_given_anything() {
    let strategy = proptest::collection::vec(step(), 1..150);
    runner(200)
        .run(&strategy, |steps| {
            let mut world = World::default();
            let mut next = 0;
            for step in steps {
                match step {
                    // One that is there stays as large as it is.
                    Step::Host { n, .. } if world.host(host_id(n)).is_some() => {}
                    Step::Host { n, zone, gib } => put(&mut world, host(n, zone, gib)),
                    Step::State { n, draining, lost } => {
                        let Some(old) = world.host(host_id(n)).cloned() else { continue };
                        let lost = lost.then(Timestamp::default);
                        put(&mut world, Host { draining, lost, ..Host::clone(&old) });
                    }
                    Step::Dyno { app, worker, size } => {
                        let process_type = if worker { "worker" } else { "web" };
                        let dyno = named(next, app, process_type, DynoSize::ALL[size]);
                        next += 1;
                        let memory = dyno.size.memory();
                        match settle(&mut world, dyno) {
                            Ok(id) => {
                                prop_assert_eq!(world.host(id).unwrap().state(), HostState::Ready);
                            }
                            Err(why) => {
                                let ready = world.hosts().filter(|h| h.state() == HostState::Ready);
                                let most = ready.map(|h| left(&world, h)).max();
                                let expected = most.map_or(Unplaced::NoHost, |most| {
                                    Unplaced::NoRoom { wanted: memory, most }
                                });
                                prop_assert_eq!(why, expected);
                                prop_assert!(most.is_none_or(|most| most < memory));
                            }
                        }
                    }
                    Step::End { n } => {
                        let Some(old) = world.dyno(DynoId(uuid(n.into()))).cloned() else {
                            continue;
                        };
                        put(&mut world, Dyno { state: DynoState::Down, ..Dyno::clone(&old) });
                    }
                }
                let sums = committed(&world);
                for host in world.hosts() {
                    let sum = sums.get(&host.id).copied().unwrap_or_default();
                    prop_assert_eq!(world.committed(host.id), sum);
                    prop_assert!(sum <= host.capacity.memory, "{} has too much", host.name);
                }
                world.check();
            }
            Ok(())
        })
        .unwrap();
}

/// How many of an app's dynos of a type are where.
fn counts<By: Ord>(
    world: &World,
    app: u8,
    process_type: &str,
    by: impl Fn(&Host) -> By,
) -> BTreeMap<By, usize> {
    let mut counts: BTreeMap<By, usize> = world.hosts().map(|host| (by(host), 0)).collect();
    for dyno in world.dynos_in(Key::App(AppId(uuid(app.into())))) {
        if dyno.process_type == process_type
            && let Some(host) = dyno.host.and_then(|id| world.host(id))
        {
            *counts.entry(by(host)).or_default() += 1;
        }
    }
    counts
}

fn differ_by_one(counts: impl Iterator<Item = usize> + Clone) -> bool {
    counts.clone().max().unwrap_or(0) - counts.min().unwrap_or(0) <= 1
}

#[test]
fn with_room_an_apps_dynos_are_spread_evenly_over_zones_and_in_each_zone_over_its_hosts() {
    let zones = proptest::collection::vec(0..3u8, 1..10);
    let dynos = proptest::collection::vec((0..3u8, any::<bool>()), 1..60);
    runner(200)
        .run(&(zones, dynos), |(zones, dynos)| {
            let mut world = World::default();
            for (n, zone) in (0..).zip(zones) {
                put(&mut world, host(n, zone, 1000));
            }
            for (n, (app, worker)) in (0..).zip(dynos) {
                let process_type = if worker { "worker" } else { "web" };
                settle(&mut world, named(n, app, process_type, DynoSize::S)).unwrap();
            }
            for app in 0..3 {
                for process_type in ["web", "worker"] {
                    let by_zone = counts(&world, app, process_type, |host| host.zone.clone());
                    prop_assert!(differ_by_one(by_zone.values().copied()), "{:?}", by_zone);
                    let by_host =
                        counts(&world, app, process_type, |host| (host.zone.clone(), host.id));
                    for zone in by_zone.keys() {
                        let own = by_host.iter().filter(|((of, _), _)| of == zone);
                        prop_assert!(differ_by_one(own.map(|(_, n)| *n)), "{:?}", by_host);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_same_world_leads_to_the_same_choice_in_whatever_order_it_came_to_be() {
    let hosts = proptest::collection::vec((0..3u8, 1..9u64), 1..10);
    let dynos = proptest::collection::vec((0..3u8, any::<bool>(), 0..3usize), 1..40);
    runner(200)
        .run(&(hosts, dynos), |(hosts, dynos)| {
            let mut world = World::default();
            for (n, (zone, gib)) in (0..).zip(hosts) {
                put(&mut world, host(n, zone, gib));
            }
            for (n, (app, worker, size)) in (0..).zip(dynos) {
                let process_type = if worker { "worker" } else { "web" };
                let _ = settle(&mut world, named(n, app, process_type, DynoSize::ALL[size]));
            }
            let mut other = World::default();
            let records: Vec<_> = world.records().cloned().collect();
            for record in records.into_iter().rev() {
                put(&mut other, record);
            }
            let dyno = named(999, 1, "web", DynoSize::S);
            let choice = |world: &World| place(world, &Wanted::of_dyno(world, &dyno));
            prop_assert_eq!(choice(&world), choice(&other));
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_is_alone_goes_where_the_least_share_is_given_away() {
    let mut world = World::default();
    for (n, gib) in [(1, 4), (2, 40), (3, 8)] {
        put(&mut world, host(n, 0, gib));
    }
    // A quarter, a tenth, an eighth.
    for (n, on) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2), (6, 3)] {
        let dyno = named(n, n as u8, "web", DynoSize::S);
        put(&mut world, Dyno { host: Some(host_id(on)), ..dyno });
    }
    assert_eq!(settle(&mut world, named(7, 7, "web", DynoSize::S)), Ok(host_id(2)));
    // Now it is an eighth there too, and the first of equals is chosen.
    assert_eq!(settle(&mut world, named(8, 8, "web", DynoSize::S)), Ok(host_id(2)));
    assert_eq!(settle(&mut world, named(9, 9, "web", DynoSize::S)), Ok(host_id(3)));
}

#[test]
fn who_waits_is_told_why_in_words() {
    let mut world = World::default();
    let dyno = named(1, 1, "web", DynoSize::M);
    let why = |world: &World| world.why_unplaced(WorkloadId::Dyno(dyno.id)).unwrap().to_string();
    put(&mut world, dyno.clone());
    assert_eq!(world.why_unplaced(WorkloadId::Dyno(dyno.id)), None, "without hosts it just runs");
    put(&mut world, Host { draining: true, ..host(1, 0, 64) });
    assert_eq!(why(&world), "It waits for a host: none is ready.");
    put(&mut world, host(2, 0, 2));
    assert_eq!(
        why(&world),
        "It waits for a host with room: it takes 2560 MiB of memory, and no host that is ready has \
         more than 2 GiB left."
    );
    put(&mut world, host(1, 0, 64));
    assert_eq!(world.why_unplaced(WorkloadId::Dyno(dyno.id)), None);
}
