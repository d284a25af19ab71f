//! What routers tell of the flows that go through them, where somebody asked.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use causeway_fabric::driver::Driver;
use causeway_fabric::flows::{Dropped, Event, Place};
use causeway_fabric::linux::{Linux, Recorder, interface_link};
use model::intent::*;
use model::*;

use crate::lab::*;

/// Everything that was heard.
type Heard = Vec<(VpcId, Event)>;

/// Hears all routers of a lab.
fn recorder(lab: &mut Lab) -> Recorder {
    let routers: BTreeSet<VpcId> = lab.intent.vpcs.keys().copied().collect();
    let report = lab.driver.record(routers.clone());
    assert!(!report.failed(), "{report:#?}");
    let mut recorder = Recorder::new(&lab.instance).unwrap();
    let failed = recorder.hear(&routers);
    assert!(failed.is_empty(), "{failed:?}");
    recorder
}

/// Hears on until something was heard that is waited for.
fn hear_until(recorder: &mut Recorder, mut found: impl FnMut(&Heard) -> bool) -> Heard {
    let (mut heard, begun) = (Heard::new(), Instant::now());
    while !found(&heard) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{heard:#?}");
        recorder.wait(Duration::from_millis(100)).unwrap();
        recorder.read(&mut |vpc, event| heard.push((vpc, event)));
    }
    heard
}

fn dropped(heard: &Heard) -> Vec<(VpcId, Dropped)> {
    let dropped = heard.iter().filter_map(|(vpc, event)| match event {
        Event::Dropped(it) => Some((*vpc, it.clone())),
        _ => None,
    });
    dropped.collect()
}

/// Hears of the first packet to a port that was dropped.
fn drop_of(recorder: &mut Recorder, port: u16) -> (VpcId, Dropped) {
    let to = |it: &Dropped| it.ends.destination_port == port;
    let heard = hear_until(recorder, |heard| dropped(heard).iter().any(|(_, it)| to(it)));
    dropped(&heard).into_iter().find(|(_, it)| to(it)).unwrap()
}

fn denial(port: u16) -> AclEntryIntent {
    AclEntryIntent { allow: false, traffic: tcp(port), cidr: cidr("0.0.0.0/0") }
}

#[test]
fn each_drop_is_told_with_its_place() {
    let (mut lab, _, a, b) = Lab::peered();
    let [one, two]: [VpcId; 2] = [lab.id(1), lab.id(2)];
    lab.group(1).egress = [rule(Traffic::Tcp(PortRange { from: 80, to: 89 }), "0.0.0.0/0")].into();
    lab.group(2).ingress = [rule(tcp(80), "0.0.0.0/0"), rule(tcp(83), "0.0.0.0/0")].into();
    let (acl, subnet): (AclId, SubnetId) = (lab.id(2), lab.id(2));
    let pass = AclEntryIntent { allow: true, traffic: Traffic::All, cidr: cidr("0.0.0.0/0") };
    let (ingress, egress) = (vec![denial(83), pass], vec![pass]);
    lab.at(2).acls.insert(acl, AclIntent { ingress, egress });
    lab.at(2).subnets.get_mut(&subnet).unwrap().acl = Some(acl);
    lab.sweep();
    let mut recorder = recorder(&mut lab);

    assert!(reaches(a, b, "10.2.0.4", 80));
    let opened = |heard: &Heard| {
        heard.iter().any(|(vpc, event)| {
            matches!(event, Event::Opened(it) if it.forward.destination_port == 80) && *vpc == two
        })
    };
    let heard = hear_until(&mut recorder, opened);
    assert_eq!(dropped(&heard), [], "nothing was dropped yet");

    let link = interface_link(a);
    for (port, vpc, place) in [
        (90, one, Place::LeavesGroup),
        (81, two, Place::EntersGroup),
        (83, two, Place::EntersSubnet),
    ] {
        assert!(!reaches(a, b, "10.2.0.4", port));
        let (at, told) = drop_of(&mut recorder, port);
        assert_eq!((at, told.place), (vpc, place), "{told:?}");
        assert_eq!(told.ends.source, ip("10.1.0.4"));
        assert!(told.tcp_flags == 2 && told.bytes >= 40 && !told.answers, "{told:?}");
        assert_eq!(told.link == link, vpc == one, "{told:?}");
    }
    // Nobody has the address, nor does a route lead to the other.
    for (port, to) in [(84, "10.1.0.77"), (85, "10.9.0.1")] {
        assert!(!reaches(a, b, to, port));
        let (at, told) = drop_of(&mut recorder, port);
        assert_eq!((at, told.place, told.ends.destination), (one, Place::Route, ip(to)));
    }
    // An address that is not the interface's.
    run(&at(a), "ip addr add 10.1.0.99/32 dev eth0");
    let forged = inside(&at(a), || UdpSocket::bind("10.1.0.99:0").unwrap());
    forged.send_to(b"x", "10.2.0.4:86").unwrap();
    let (at, told) = drop_of(&mut recorder, 86);
    assert_eq!((at, told.place, told.link), (one, Place::Source, link));
    assert_eq!(told.ends.source, ip("10.1.0.99"));

    // Answers meet the ACLs, too.
    lab.change(|lab| lab.at(2).acls.get_mut(&acl).unwrap().egress = Vec::new());
    assert!(!reaches(a, b, "10.2.0.4", 80));
    let answers = |heard: &Heard| dropped(heard).iter().any(|(_, it)| it.answers);
    let heard = hear_until(&mut recorder, answers);
    let (at, told) = dropped(&heard).into_iter().find(|(_, it)| it.answers).unwrap();
    assert_eq!((at, told.place, told.ends.source_port), (two, Place::LeavesSubnet, 80));
}

#[test]
fn nobody_is_told_unless_somebody_asks_and_the_firewall_stays_as_it_is() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.group(2).ingress = [rule(tcp(80), "0.0.0.0/0")].into();
    lab.sweep();
    let router = format!("cw-{}", lab.id::<VpcId>(2));
    let listing = || run(&router, "nft -s list table inet causeway");
    let accounting = || run(&router, "cat /proc/sys/net/netfilter/nf_conntrack_acct");
    let before = listing();
    assert!(!before.contains("log prefix") && !before.contains("chain ways"), "{before}");
    assert_eq!(accounting().trim(), "0");
    let mut recorder = recorder(&mut lab);
    assert_eq!(accounting().trim(), "1");
    // Of all chains only those differ that decide nothing.
    let rules = |listing: &str| -> BTreeSet<String> {
        let blocks = listing.split("\tchain ").skip(1).filter_map(|it| it.split("\n\t}").next());
        blocks
            .map(str::to_owned)
            .filter(|it| !it.starts_with("told_") && !it.starts_with("ways"))
            .collect()
    };
    assert_eq!(rules(&before), rules(&listing()));

    // Another driver takes it over, as after a restart, and changes nothing.
    let kept = listing();
    let handles = run(&router, "nft -a list table inet causeway");
    lab.driver = Linux::new(&lab.instance);
    lab.driver.record(lab.intent.vpcs.keys().copied().collect());
    let report = lab.sweep();
    assert_eq!((report.repairs, listing()), (Vec::new(), kept));
    assert_eq!(run(&router, "nft -a list table inet causeway"), handles);
    assert!(!reaches(a, b, "10.2.0.4", 81));
    assert_eq!(drop_of(&mut recorder, 81).1.place, Place::EntersGroup);

    // A server that ended while somebody followed leaves nothing, and no word of drift.
    lab.driver = Linux::new(&lab.instance);
    // Whoever asks before it is known what there is to be has nothing removed.
    assert!(!lab.driver.record(BTreeSet::new()).failed());
    while lab.driver.step().is_some() {}
    assert_eq!((lab.sweep().repairs, listing()), (Vec::new(), before.clone()));
    assert_eq!(accounting().trim(), "0");
    lab.driver.record(lab.intent.vpcs.keys().copied().collect());

    // Once nobody asks, all is as before.
    let report = lab.driver.record(BTreeSet::new());
    assert!(!report.failed(), "{report:#?}");
    assert_eq!((listing(), accounting().trim()), (before, "0"));
    assert_eq!(lab.sweep().repairs, Vec::new());
}

#[test]
fn connections_are_told_with_what_went_over_them() {
    let (mut lab, pcx, a, b) = Lab::peered();
    lab.sweep();
    let mut recorder = recorder(&mut lab);
    let (client, server) = (udp(a, 0), udp(b, 7000));
    for _ in 0..5 {
        assert!(datagram(&client, &server, "10.2.0.4").is_some());
    }
    let mut counted = Vec::new();
    let routers = lab.intent.vpcs.keys().copied().collect();
    recorder.count(&routers, &mut |vpc, event| counted.push((vpc, event)));
    for vpc in [1, 2].map(|number| lab.id::<VpcId>(number)) {
        let amounts = counted.iter().find_map(|(at, event)| match event {
            Event::Counted(it) if *at == vpc && it.forward.destination_port == 7000 => it.amounts,
            _ => None,
        });
        let [sent, answered] = amounts.unwrap_or_else(|| panic!("{vpc}: {counted:#?}"));
        assert_eq!((sent.packets, answered.packets), (5, 0));
        assert!(sent.bytes > 5 * 28, "{sent:?}");
    }
    // With the peering go its connections.
    lab.change(|lab| lab.unpeer(pcx));
    let closed = |event: &Event| matches!(event, Event::Closed(it) if it.amounts.is_some_and(|[sent, _]| sent.packets == 5));
    let all = |heard: &Heard| heard.iter().filter(|(_, event)| closed(event)).count() == 2;
    hear_until(&mut recorder, all);
}

#[test]
fn a_flood_of_drops_is_told_in_part_and_the_rest_is_counted() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.group(2).ingress = [rule(tcp(80), "0.0.0.0/0")].into();
    lab.sweep();
    let mut recorder = recorder(&mut lab);
    let bad = udp(a, 0);
    let (told, untold, mut sent) = (Cell::new(0_u64), Cell::new(0_u64), 0_u64);
    let take = |event: Event| match event {
        Event::Dropped(it) if it.ends.destination_port == 6666 => told.set(told.get() + 1),
        Event::Untold(more) => untold.set(untold.get() + more),
        _ => {}
    };
    for _ in 0..20 {
        for _ in 0..1000 {
            sent += u64::from(bad.send_to(b"x", "10.2.0.4:6666").is_ok());
        }
        recorder.read(&mut |_, event| take(event));
    }
    // The kernel hands over what it has together, and later.
    let begun = Instant::now();
    while told.get() + untold.get() != sent && begun.elapsed() < Duration::from_secs(10) {
        recorder.wait(Duration::from_millis(100)).unwrap();
        while !recorder.read(&mut |_, event| take(event)) {}
        recorder.count_untold(&mut |_, event| take(event));
    }
    let (told, untold) = (told.get(), untold.get());
    assert!(sent > 10_000, "{sent}");
    assert!((1..=sent / 2).contains(&told), "{told} of {sent}");
    assert_eq!(told + untold, sent, "{told} told, {untold} counted");
    let server = udp(b, 6666);
    server.set_nonblocking(true).unwrap();
    assert!(server.recv(&mut [0]).is_err());
}
