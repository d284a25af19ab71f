//! Drift is noticed when it happens, by what the kernel says, and not by a sweep.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use causeway_fabric::driver::{Driver, Place, Report};
use model::intent::*;
use model::*;

use crate::lab::*;

/// Far longer than it may take: a test that waits for it has failed. Nothing sweeps meanwhile.
const FAR_TOO_LONG: Duration = Duration::from_secs(60);

/// A lab whose driver says when something may have drifted.
pub struct Watched {
    pub lab: Lab,
    alarms: Receiver<()>,
}

impl Watched {
    pub fn new(mut lab: Lab) -> Self {
        let (alarm, alarms) = channel();
        let alarm = std::sync::Mutex::new(alarm);
        lab.driver.on_drift(Arc::new(move || alarm.lock().unwrap().send(()).unwrap_or_default()));
        lab.sweep();
        Self { lab, alarms }
    }

    /// Steps until something is repaired that sounds as given, and says of which VPCs anything
    /// was repaired or looked at.
    pub fn await_repair(&mut self, said: &str) -> BTreeSet<VpcId> {
        let mut looked_at = BTreeSet::new();
        loop {
            self.alarms.recv_timeout(FAR_TOO_LONG).unwrap_or_else(|_| panic!("no word of {said}"));
            let mut repaired = false;
            while let Some(Report { vpcs, repairs, errors, .. }) = self.lab.driver.step() {
                assert!(errors.is_empty(), "{errors:?}");
                repaired |= repairs.iter().any(|repair| repair.what.contains(said));
                looked_at.extend(repairs.iter().filter_map(|repair| match repair.place {
                    Place::Vpc(vpc) => Some(vpc),
                    Place::Uplink => None,
                }));
                looked_at.extend(vpcs.into_keys());
            }
            if repaired {
                return looked_at;
            }
        }
    }
}

fn here(line: &str) {
    let mut words = line.split(' ');
    assert!(Command::new(words.next().unwrap()).args(words).status().unwrap().success(), "{line}");
}

/// Without the thread that hears of drift nothing would seem wrong.
#[test]
fn a_watch_that_panics_is_told_misses_nothing_and_is_begun_anew() {
    let (mut lab, _, _, _) = Lab::peered();
    let (alarm, alarms) = channel();
    let alarm = std::sync::Mutex::new(alarm);
    let armed = Arc::new(AtomicBool::new(false));
    let is_armed = Arc::clone(&armed);
    lab.driver.on_drift(Arc::new(move || {
        // It is called on the thread that listens.
        assert!(!is_armed.swap(false, Ordering::SeqCst), "an alarm that panics");
        alarm.lock().unwrap().send(()).unwrap_or_default();
    }));
    lab.sweep();
    let router = format!("cw-{}", lab.id::<VpcId>(1));
    await_links(&router);
    // A word that came late from before the damage may have it repaired before the panic is told.
    let repair_damage = |lab: &mut Lab, errors_to_come: usize| {
        run(&router, "ip route del 10.1.0.4 table main");
        let (mut repaired, mut said) = (false, Vec::new());
        while !repaired || said.len() < errors_to_come {
            alarms.recv_timeout(FAR_TOO_LONG).expect("no word of the route");
            while let Some(Report { repairs, errors, .. }) = lab.driver.step() {
                repaired |= repairs.iter().any(|repair| repair.what.contains("route 10.1.0.4/32"));
                said.extend(errors);
            }
        }
        (said, lab.driver.look_again())
    };
    assert_eq!(repair_damage(&mut lab, 0), (Vec::new(), true));
    armed.store(true, Ordering::SeqCst);
    let why = "drift is found by sweeps only: the thread that listens ended in a defect".to_owned();
    assert_eq!(repair_damage(&mut lab, 1), (vec![why], true));
    // What was begun at the end of that is a sweep, with which it is noticed again what happens.
    while lab.driver.step().is_some() {}
    assert_eq!(repair_damage(&mut lab, 0), (Vec::new(), true));
}

/// The routes and rules of a router.
fn routing(router: &str) -> BTreeSet<String> {
    ["ip -4 route show table all", "ip -4 rule"]
        .iter()
        .flat_map(|list| run(router, list).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_kind_of_drift_is_noticed_when_it_happens() {
    let (lab, _, a, b) = Lab::peered();
    let mut watched = Watched::new(lab);
    let router = format!("cw-{}", watched.lab.id::<VpcId>(1));
    let links = run(&router, "ip -o link");
    let link = |letter: char| {
        let names =
            links.lines().filter_map(|line| line.split_whitespace().nth(1)?.split('@').next());
        names.into_iter().find(|name| name.starts_with(letter)).unwrap().to_owned()
    };
    let (peer, eni) = (link('p'), link('e'));
    let damages = [
        ("ip route del 10.1.0.4 table main", "route 10.1.0.4/32"),
        ("ip route add 10.9.0.0/16 via 169.254.1.1 dev PEER onlink proto boot", "not ours"),
        ("ip route replace blackhole 10.1.0.0/16 proto boot metric 9", "not ours"),
        ("ip route append blackhole 10.1.0.4 proto boot", "not ours"),
        ("ip route add 10.8.0.0/16 dev ENI scope host proto boot", "not ours"),
        ("ip addr del 10.1.0.2/32 dev lo", "address 10.1.0.2 on lo was missing"),
        ("ip addr add 10.1.0.3/32 dev lo", "address 10.1.0.3 on lo was not ours"),
        ("ip rule del prio 1000", "policy rule 1000 was missing"),
        ("ip rule add prio 5 from 10.0.0.0/8 lookup main", "not ours"),
        ("ip neigh flush dev PEER nud permanent", "neighbour"),
        ("ip link set PEER down", "was changed"),
        ("ip link set ENI mtu 1400", "was changed"),
        ("ip link del PEER", "was missing"),
        ("ip link del ENI", "was missing"),
        ("sysctl -qw net.ipv4.ip_forward=0", "ip_forward"),
        ("nft flush set inet causeway resolvers", "resolvers was changed"),
        ("nft flush chain inet causeway guard_in", "guard_in was changed"),
        ("nft add chain inet causeway extra", "chain extra was not ours"),
        ("nft delete table inet causeway", "firewall was missing"),
        ("nft flush ruleset", "firewall was missing"),
        ("nft add table ip other", "ip other was not ours"),
    ];
    let before = routing(&router);
    for (damage, said) in damages {
        run(&router, &damage.replace("PEER", &peer).replace("ENI", &eni));
        watched.await_repair(said);
        assert!(reaches(a, b, "10.2.0.4", 80) && reaches(b, a, "10.1.0.4", 80), "{damage}");
        assert_eq!(routing(&router), before, "{damage}");
    }
    for (damage, said) in [
        ("ip link del eth0", "link eth0 was missing"),
        ("ip addr del 10.1.0.4/32 dev eth0", "address 10.1.0.4 on eth0 was missing"),
        ("ip route del default", "route 0.0.0.0/0"),
        ("ip link set eth0 down", "eth0 was changed"),
    ] {
        run(&at(a), damage);
        watched.await_repair(said);
        assert!(reaches(a, b, "10.2.0.4", 80) && reaches(b, a, "10.1.0.4", 80), "{damage}");
    }
    let report = watched.lab.sweep();
    assert!(is_quiet(&report), "a sweep finds nothing to do: {report:#?}");
}

#[test]
fn a_namespace_that_lost_its_name_gets_it_back_with_all_that_is_in_it() {
    let (lab, _, a, b) = Lab::peered();
    let mut watched = Watched::new(lab);
    let listener = listen(b, 80);
    let (mut client, mut server) = connect(a, &listener, "10.2.0.4");
    let router = format!("cw-{}", watched.lab.id::<VpcId>(1));
    for name in [router, at(a), at(b)] {
        for damage in ["ip netns del NAME", "umount -l /run/netns/NAME"] {
            here(&damage.replace("NAME", &name));
            watched.await_repair("namespace had lost its name");
            assert!(carries(&mut client, &mut server), "{damage} {name}");
            assert!(carries(&mut server, &mut client), "{damage} {name}");
            assert!(reaches(a, b, "10.2.0.4", 81) && reaches(b, a, "10.1.0.4", 81));
        }
    }
    let report = watched.lab.sweep();
    assert!(is_quiet(&report), "{report:#?}");
}

#[test]
fn own_changes_are_no_drift() {
    let (mut lab, ..) = Lab::peered();
    lab.vpc(3, "10.3.0.0/16");
    let mut watched = Watched::new(lab);
    for number in 1..=3 {
        await_links(&format!("cw-{}", watched.lab.id::<VpcId>(number)));
    }
    // What the kernel says of the first sweep is over once it has said this.
    let other = format!("cw-{}", watched.lab.id::<VpcId>(3));
    for _ in 0..2 {
        run(&other, "nft add table ip other");
        watched.await_repair("table ip other was not ours");
    }
    for port in 1..=20 {
        watched.lab.change(|lab| {
            lab.group(1).ingress = [rule(tcp(port), "10.0.0.0/8")].into();
            lab.route(1, &format!("10.{}.0.0/16", 100 + port), RouteTarget::Blackhole);
        });
    }
    // All of that was said before this, by both of the kernel's halves.
    run(&other, "ip route add blackhole 10.77.0.0/16 table 77");
    run(&other, "nft add table ip other");
    let mut looked_at = watched.await_repair("table ip other was not ours");
    looked_at.remove(&watched.lab.id(3));
    assert_eq!(looked_at, BTreeSet::new(), "nobody looked at what was just changed");
}

#[test]
fn what_is_changed_again_and_again_is_left_to_the_sweep() {
    let (lab, ..) = Lab::peered();
    let mut watched = Watched::new(lab);
    let router = |number| format!("cw-{}", watched.lab.id::<VpcId>(number));
    let (contested, calm) = (router(1), router(2));
    for _ in 0..8 {
        run(&contested, "nft add table ip other");
        watched.await_repair("table ip other was not ours");
    }
    run(&contested, "nft add table ip other");
    run(&calm, "nft add table ip another");
    let looked_at = watched.await_repair("table ip another was not ours");
    assert_eq!(looked_at, [watched.lab.id(2)].into());
    let report = watched.lab.sweep();
    assert!(report.repairs.iter().any(|r| r.what.contains("ip other")), "{report:#?}");
}
