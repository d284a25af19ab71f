//! A route to a block of the VPC leads between subnets through an interface, and nowhere within one.

use std::collections::BTreeMap;

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
        assert_eq!(datagram(&udp(a, 0), &at_far, "10.1.2.4"), None, "{block}");
        run(&at(middle), "sysctl -q -w net.ipv4.ip_forward=1");
        let seen = datagram(&udp(a, 0), &at_far, "10.1.2.4");
        assert_eq!(seen, Some(ip("10.1.1.4").into()), "passed on: {block}");
        assert!(datagram(&udp(far, 0), &at_a, "10.1.1.4").is_some(), "{block}");
        assert!(reaches(a, far, "10.1.2.4", 80), "{block}");
        run(&at(middle), "sysctl -q -w net.ipv4.ip_forward=0");
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
