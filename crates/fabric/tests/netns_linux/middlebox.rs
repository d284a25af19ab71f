//! A route to a block of the VPC leads between subnets through an interface, and nowhere within one.

use std::collections::BTreeMap;

use causeway_fabric::driver::Driver;
use model::intent::RouteTarget;

use crate::lab::*;

#[test]
fn a_replaced_local_route_leads_between_subnets_through_a_middlebox() {
    let mut lab = Lab::new();
    lab.vpc(1, "10.1.0.0/16");
    for (number, block) in [(1, "10.1.1.0/24"), (2, "10.1.2.0/24"), (3, "10.1.3.0/24")] {
        lab.subnet(1, number, block);
    }
    let (a, near) = (lab.eni(1, 1, 1, "10.1.1.4"), lab.eni(1, 1, 2, "10.1.1.5"));
    let (far, middle) = (lab.eni(1, 2, 3, "10.1.2.4"), lab.eni(1, 3, 4, "10.1.3.4"));
    lab.at(1).interfaces.get_mut(&middle).unwrap().source_dest_check = false;
    // What the middlebox passes on must not come back to it.
    let (own, subnet) = (lab.id(9), lab.id(3));
    lab.at(1).route_tables.insert(own, BTreeMap::new());
    lab.at(1).subnets.get_mut(&subnet).unwrap().route_table = own;
    lab.sweep();
    let [at_near, at_far, at_a] = [near, far, a].map(|eni| udp(eni, 5000));
    assert!(datagram(&udp(a, 0), &at_far, "10.1.2.4").is_some());

    for block in ["10.1.0.0/16", "10.1.2.0/24"] {
        lab.change(|lab| lab.route(1, block, RouteTarget::Interface(middle)));
        let seen = datagram(&udp(a, 0), &at_near, "10.1.1.5");
        assert_eq!(seen, Some(ip("10.1.1.4").into()), "a subnet has no need of routes: {block}");
        let seen = datagram(&udp(a, 0), &at_far, "10.1.2.4");
        assert_eq!(seen, Some(ip("10.1.1.4").into()), "passed on: {block}");
        assert!(datagram(&udp(far, 0), &at_a, "10.1.1.4").is_some(), "{block}");
        assert!(reaches(a, far, "10.1.2.4", 80), "{block}");
        run(&at(middle), "sysctl -q -w net.ipv4.ip_forward=0");
        assert_eq!(datagram(&udp(a, 0), &at_far, "10.1.2.4"), None, "{block}");
        run(&at(middle), "sysctl -q -w net.ipv4.ip_forward=1");
        let block = cidr(block);
        lab.change(|lab| {
            let table = lab.id(1);
            lab.at(1).route_tables.get_mut(&table).unwrap().remove(&block);
        });
        let seen = datagram(&udp(a, 0), &at_far, "10.1.2.4");
        assert_eq!(seen, Some(ip("10.1.1.4").into()), "its own target again: {block}");
    }
    lab.change(|lab| lab.route(1, "10.1.1.0/24", RouteTarget::Interface(middle)));
    let seen = datagram(&udp(a, 0), &at_near, "10.1.1.5");
    assert_eq!(seen, Some(ip("10.1.1.4").into()), "not even by a route to itself");
}

#[test]
fn a_private_nat_gateway_sends_over_a_peering_by_its_own_address() {
    let (mut lab, pcx, a, b) = Lab::peered();
    lab.subnet(1, 3, "10.1.3.0/24");
    let nat = lab.eni(1, 3, 4, "10.1.3.4");
    let interface = lab.at(1).interfaces.get_mut(&nat).unwrap();
    (interface.translates, interface.source_dest_check) = (true, false);
    interface.groups.clear();
    // Only the NAT gateway's own subnet leads to the peering.
    let (own, subnet) = (lab.id(9), lab.id(3));
    let over = [(cidr("10.2.0.0/16"), RouteTarget::Peering(pcx))].into();
    lab.at(1).route_tables.insert(own, over);
    lab.at(1).subnets.get_mut(&subnet).unwrap().route_table = own;
    lab.route(1, "10.2.0.0/16", RouteTarget::Interface(nat));
    lab.sweep();
    let server = udp(b, 5000);
    assert_eq!(datagram(&udp(a, 0), &server, "10.2.0.4"), Some(ip("10.1.3.4").into()));
    assert!(reaches(a, b, "10.2.0.4", 80), "answers come back");
    let listener = listen(b, 80);
    let (mut client, mut far) = connect(a, &listener, "10.2.0.4");
    assert_eq!(far.peer_addr().unwrap().ip(), ip("10.1.3.4"));

    let inward = udp(a, 6000);
    assert_eq!(datagram(&udp(b, 0), &inward, "10.1.3.4"), None, "nothing begins over there");
    assert!(!reaches(b, a, "10.1.3.4", 81));
    assert!(is_quiet(&lab.driver.sweep(&lab.intent)), "it is as it must be");
    assert!(carries(&mut client, &mut far) && carries(&mut far, &mut client));
    // What somebody breaks is mended, and is closed meanwhile.
    run(&at(nat), "nft flush ruleset");
    assert_eq!(datagram(&udp(a, 0), &server, "10.2.0.4"), None, "not by another's address");
    let report = lab.driver.sweep(&lab.intent);
    assert!(report.repairs.iter().any(|repair| repair.what.contains("firewall")), "{report:#?}");
    assert_eq!(datagram(&udp(a, 0), &server, "10.2.0.4"), Some(ip("10.1.3.4").into()));
    // With the NAT gateway its way is gone, and so are its connections.
    lab.change(|lab| {
        lab.at(1).interfaces.remove(&nat);
        lab.route(1, "10.2.0.0/16", RouteTarget::Blackhole);
    });
    assert_eq!(datagram(&udp(a, 0), &server, "10.2.0.4"), None);
    assert!(!carries(&mut client, &mut far));
}
