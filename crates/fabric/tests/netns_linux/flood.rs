//! A flood of what is forbidden finds no gap while things are replaced, and what is allowed
//! elsewhere loses nothing.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use model::intent::*;
use model::*;

use crate::lab::*;

/// Sends datagrams until told to stop; returns how many.
fn flood(socket: &UdpSocket, to: &[&str], stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        for to in to {
            // While there is no way at all, sending may fail at once.
            sent += u64::from(socket.send_to(b"x", to).is_ok());
        }
    }
    sent
}

/// Sends a datagram and waits for it, again and again, so that nothing is lost for want of
/// buffers; returns how many.
fn ask<'scope>(
    scope: &'scope Scope<'scope, '_>,
    (from, to, address): (&'scope UdpSocket, &'scope UdpSocket, &'static str),
    stop: &'scope AtomicBool,
    lost: &'scope AtomicU64,
) -> ScopedJoinHandle<'scope, u64> {
    scope.spawn(move || {
        let mut asked = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            asked += 1;
            if datagram(from, to, address).is_none() {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        asked
    })
}

fn got_nothing(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).unwrap();
    socket.recv(&mut [0]).is_err()
}

fn udp_to(port: u16) -> Traffic {
    Traffic::Udp(PortRange { from: port, to: port })
}

#[test]
fn changes_leak_nothing_forbidden_and_lose_nothing_allowed() {
    let (mut lab, _, a, b) = Lab::peered();
    // Port 7000 is open in every version of the rules, 6666 in none.
    lab.group(2).ingress = [rule(udp_to(7000), "0.0.0.0/0")].into();
    lab.sweep();
    let (forbidden, allowed) = (udp(b, 6666), udp(b, 7000));
    let (bad, good) = (udp(a, 0), udp(a, 0));
    let (stop, lost) = (AtomicBool::new(false), AtomicU64::new(0));
    let sent = std::thread::scope(|scope| {
        let flooder = scope.spawn(|| flood(&bad, &["10.2.0.4:6666"], &stop));
        let asker = ask(scope, (&good, &allowed, "10.2.0.4"), &stop, &lost);
        for turn in 0..200_u32 {
            lab.change(|lab| replace_rules(lab, turn));
        }
        stop.store(true, Ordering::Relaxed);
        (flooder.join().unwrap(), asker.join().unwrap())
    });
    assert!(sent.0 > 10_000 && sent.1 > 1_000, "{sent:?}");
    assert_eq!(lost.load(Ordering::Relaxed), 0, "of {} allowed", sent.1);
    assert!(got_nothing(&forbidden), "one of {} forbidden arrived", sent.0);
}

/// Replaces rules, ACLs, interfaces and tables.
fn replace_rules(lab: &mut Lab, turn: u32) {
    let port = 1000 + turn as u16;
    lab.group(2).ingress =
        [rule(udp_to(7000), "0.0.0.0/0"), rule(udp_to(port), "10.0.0.0/8")].into();
    lab.at(1).route_tables.entry(lab_table(turn)).or_default();
    if turn.is_multiple_of(4) {
        let entry = AclEntryIntent { allow: true, traffic: Traffic::All, cidr: Cidr::ANY };
        let rules = AclIntent { ingress: vec![entry; 1 + turn as usize % 3], egress: vec![entry] };
        let (acl, subnet): (AclId, SubnetId) = (lab.id(2), lab.id(2));
        lab.at(2).acls.insert(acl, rules);
        lab.at(2).subnets.get_mut(&subnet).unwrap().acl = turn.is_multiple_of(8).then_some(acl);
    }
    if turn.is_multiple_of(5) {
        lab.eni(2, 2, 50 + turn, &format!("10.2.0.{}", 20 + turn / 5));
    }
}

fn lab_table(turn: u32) -> RouteTableId {
    format!("rtb-{:017x}", 0xabc0 + turn % 7).parse().unwrap()
}

#[test]
fn an_acl_that_comes_and_goes_loses_nothing_that_it_allows() {
    let (mut lab, _, a, b) = Lab::peered();
    let entry = AclEntryIntent { allow: true, traffic: Traffic::All, cidr: Cidr::ANY };
    let rules = AclIntent { ingress: vec![entry], egress: vec![entry] };
    for number in [1, 2] {
        let acl = lab.id(number);
        lab.at(number).acls.insert(acl, rules.clone());
    }
    lab.sweep();
    let (good, allowed) = (udp(a, 0), udp(b, 7000));
    let (stop, lost) = (AtomicBool::new(false), AtomicU64::new(0));
    let sent = std::thread::scope(|scope| {
        let asker = ask(scope, (&good, &allowed, "10.2.0.4"), &stop, &lost);
        for turn in 0..400_u32 {
            lab.change(|lab| {
                for number in [1, 2] {
                    let (acl, subnet): (AclId, SubnetId) = (lab.id(number), lab.id(number));
                    lab.at(number).subnets.get_mut(&subnet).unwrap().acl =
                        turn.is_multiple_of(2).then_some(acl);
                }
            });
        }
        stop.store(true, Ordering::Relaxed);
        asker.join().unwrap()
    });
    assert_eq!(lost.load(Ordering::Relaxed), 0, "of {sent}");
}

#[test]
fn routes_and_peerings_are_replaced_without_a_gap() {
    let (mut lab, pcx, a, b) = Lab::peered();
    lab.vpc(3, "10.3.0.0/16");
    lab.subnet(3, 3, "10.3.0.0/24");
    let c = lab.eni(3, 3, 3, "10.3.0.4");
    let d = lab.eni(2, 2, 4, "10.2.0.5");
    let other = lab.peer(2, 2, 3);
    lab.route(2, "10.3.0.0/16", RouteTarget::Peering(other));
    lab.route(3, "10.2.0.0/16", RouteTarget::Peering(other));
    // Whoever gets by transit to where he has no business would find everything open there.
    lab.route(3, "10.1.0.0/16", RouteTarget::Peering(other));
    lab.group(2).ingress =
        [rule(udp_to(7000), "0.0.0.0/0"), rule(udp_to(7001), "0.0.0.0/0")].into();
    lab.sweep();
    let (closed, beyond, before) = (udp(b, 6666), udp(c, 7000), udp(a, 7002));
    let (inside, across) = (udp(b, 7000), udp(b, 7001));
    let (bad, worse, near, far) = (udp(a, 0), udp(c, 0), udp(d, 0), udp(c, 0));
    let (stop, lost) = (AtomicBool::new(false), AtomicU64::new(0));
    let sent = std::thread::scope(|scope| {
        let flooders = [
            scope.spawn(|| flood(&bad, &["10.2.0.4:6666", "10.3.0.4:7000"], &stop)),
            scope.spawn(|| flood(&worse, &["10.1.0.4:7002"], &stop)),
        ];
        // Elsewhere: inside the peer's VPC, and over its other peering.
        let askers = [
            ask(scope, (&near, &inside, "10.2.0.4"), &stop, &lost),
            ask(scope, (&far, &across, "10.2.0.4"), &stop, &lost),
        ];
        for turn in 0..160_u32 {
            lab.change(|lab| replace_ways(lab, turn, pcx));
        }
        stop.store(true, Ordering::Relaxed);
        (flooders.map(|t| t.join().unwrap()), askers.map(|t| t.join().unwrap()))
    });
    assert!(sent.0.iter().all(|n| *n > 5_000) && sent.1.iter().all(|n| *n > 500), "{sent:?}");
    assert_eq!(lost.load(Ordering::Relaxed), 0, "of {:?} allowed", sent.1);
    for (what, socket) in [("closed", &closed), ("beyond", &beyond), ("before", &before)] {
        assert!(got_nothing(socket), "{what}: one of {:?} forbidden arrived", sent.0);
    }
}

/// Takes the peering and the routes over it away and brings them back, each in several ways.
fn replace_ways(lab: &mut Lab, turn: u32, pcx: PcxId) {
    let (table, subnet): (RouteTableId, SubnetId) = (lab.id(1), lab.id(1));
    match turn % 8 {
        0 => lab.unpeer(pcx),
        1 => {
            assert_eq!(lab.peer(1, 1, 2), pcx);
            lab.route(1, "10.2.0.0/16", RouteTarget::Peering(pcx));
            lab.route(2, "10.1.0.0/16", RouteTarget::Peering(pcx));
        }
        // As if there were transit, by both ends.
        2 => {
            lab.route(1, "10.3.0.0/16", RouteTarget::Peering(pcx));
            lab.at(2).peerings.get_mut(&pcx).unwrap().admits_to.push(cidr("10.3.0.0/16"));
        }
        3 => lab.route(1, "10.2.0.0/24", RouteTarget::Peering(pcx)),
        4 => lab.route(1, "10.2.0.0/16", RouteTarget::Blackhole),
        5 => {
            let other = lab.id(100);
            let routes = lab.at(1).route_tables[&table].clone();
            lab.at(1).route_tables.insert(other, routes);
            lab.at(1).subnets.get_mut(&subnet).unwrap().route_table = other;
        }
        6 => {
            lab.at(1).subnets.get_mut(&subnet).unwrap().route_table = table;
            let routes = lab.at(1).route_tables.get_mut(&table).unwrap();
            routes.remove(&cidr("10.2.0.0/24"));
            routes.remove(&cidr("10.3.0.0/16"));
        }
        _ => lab.intent.peerings.get_mut(&pcx).unwrap().mtu ^= 9001 ^ 1500,
    }
}
