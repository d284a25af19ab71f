//! Between VPCs.

use causeway_fabric::driver::Outcome;
use model::intent::*;

use crate::lab::*;

#[test]
fn a_peering_needs_routes_on_both_sides_and_rules() {
    let (mut lab, pcx, a, b) = Lab::peered();
    for vpc in [1, 2] {
        let table = lab.id(vpc);
        lab.at(vpc).route_tables.get_mut(&table).unwrap().clear();
    }
    lab.sweep();
    assert!(!reaches(a, b, "10.2.0.4", 8000));
    lab.change(|lab| lab.route(1, "10.2.0.0/16", RouteTarget::Peering(pcx)));
    assert!(!reaches(a, b, "10.2.0.4", 8000), "no way back");
    // One route for each block of the other side, as good as one for the whole.
    lab.change(|lab| lab.route(2, "10.1.0.0/20", RouteTarget::Peering(pcx)));
    assert!(reaches(a, b, "10.2.0.4", 8000));
    assert!(reaches(b, a, "10.1.0.4", 8000));
    lab.change(|lab| lab.group(2).ingress = [rule(tcp(8000), "10.1.0.0/24")].into());
    assert!(reaches(a, b, "10.2.0.4", 8000));
    assert!(!reaches(a, b, "10.2.0.4", 8001));
    run(&at(b), "ping -c1 -W1 10.1.0.4");
    lab.change(|lab| lab.route(1, "10.2.0.0/24", RouteTarget::Blackhole));
    assert!(!reaches(a, b, "10.2.0.4", 8000), "the longest prefix decides");
}

#[test]
fn there_is_no_transit() {
    let (mut lab, first, a, _) = Lab::peered();
    lab.vpc(3, "10.3.0.0/16");
    lab.subnet(3, 3, "10.3.0.0/24");
    let c = lab.eni(3, 3, 3, "10.3.0.4");
    let second = lab.peer(2, 2, 3);
    // Everybody routes as if transit were there, and every group is open.
    lab.route(1, "10.3.0.0/16", RouteTarget::Peering(first));
    lab.route(2, "10.3.0.0/16", RouteTarget::Peering(second));
    lab.route(3, "10.1.0.0/16", RouteTarget::Peering(second));
    lab.route(3, "10.2.0.0/16", RouteTarget::Peering(second));
    let middle = lab.at(2).peerings.get_mut(&first).unwrap();
    middle.admits_to.push(cidr("10.3.0.0/16"));
    lab.sweep();
    let b = lab.id(2);
    assert!(reaches(a, b, "10.2.0.4", 80) && reaches(c, b, "10.2.0.4", 80));
    let target = udp(c, 5000);
    assert_eq!(datagram(&udp(a, 0), &target, "10.3.0.4"), None);
    assert!(!reaches(a, c, "10.3.0.4", 80) && !reaches(c, a, "10.1.0.4", 80));
}

#[test]
fn vpcs_with_the_same_block_know_nothing_of_each_other() {
    let mut lab = Lab::new();
    let mut ends = Vec::new();
    for vpc in [1, 2] {
        lab.vpc(vpc, "10.1.0.0/16");
        lab.subnet(vpc, vpc, "10.1.0.0/24");
        ends.push(lab.eni(vpc, vpc, 10 * vpc, "10.1.0.4"));
        ends.push(lab.eni(vpc, vpc, 10 * vpc + 1, if vpc == 1 { "10.1.0.5" } else { "10.1.0.6" }));
    }
    lab.sweep();
    assert!(reaches(ends[1], ends[0], "10.1.0.4", 80));
    assert!(reaches(ends[3], ends[2], "10.1.0.4", 80));
    assert!(!reaches(ends[1], ends[3], "10.1.0.6", 80));
}

#[test]
fn only_the_admitted_blocks_are_reached() {
    let (mut lab, pcx, a, b) = Lab::peered();
    lab.at(2).cidrs.push(cidr("10.20.0.0/16"));
    lab.subnet(2, 20, "10.20.0.0/24");
    let secondary = lab.eni(2, 20, 20, "10.20.0.4");
    lab.route(1, "10.20.0.0/16", RouteTarget::Peering(pcx));
    lab.sweep();
    assert!(reaches(a, b, "10.2.0.4", 80));
    assert!(!reaches(a, secondary, "10.20.0.4", 80));
    lab.change(|lab| {
        let end = lab.at(2).peerings.get_mut(&pcx).unwrap();
        end.admits_to.push(cidr("10.20.0.0/16"));
        end.admits_from = Some(vec![cidr("10.1.0.4/32")]);
    });
    assert!(reaches(a, secondary, "10.20.0.4", 80));
    lab.change(|lab| {
        let end = lab.at(2).peerings.get_mut(&pcx).unwrap();
        end.admits_from = Some(vec![cidr("10.1.9.0/24")]);
    });
    assert!(!reaches(a, b, "10.2.0.4", 80));
}

#[test]
fn removing_a_peering_ends_its_connections_for_good() {
    let (mut lab, pcx, a, b) = Lab::peered();
    // Only a may begin: what comes back does so as part of a connection or not at all.
    lab.group(1).ingress.clear();
    lab.group(2).egress.clear();
    let before = lab.intent.clone();
    lab.sweep();
    let listener = listen(b, 80);
    let (mut client, mut server) = connect(a, &listener, "10.2.0.4");
    assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
    let report = lab.change(|lab| lab.unpeer(pcx));
    assert_eq!(report.peerings, [(pcx, Outcome::Gone)].into());
    assert!(!carries(&mut client, &mut server) && !carries(&mut server, &mut client));
    for vpc in [1, 2] {
        let router = format!("cw-{}", lab.id::<model::VpcId>(vpc));
        assert!(!run(&router, "ip -o link").contains(": p"));
        assert!(!run(&router, "cat /proc/net/nf_conntrack").contains("10.1.0.4"));
    }
    // Made anew, it does not bring back what its end had broken off.
    server.set_nonblocking(true).unwrap();
    drop(client);
    let old = lab.intent.clone();
    lab.intent = before;
    let report = lab.apply(&old);
    assert_eq!(report.peerings, [(pcx, Outcome::Carried)].into());
    assert!(reaches(a, b, "10.2.0.4", 81));
}

#[test]
fn a_sweep_removes_a_peering_that_it_never_knew() {
    let (mut lab, pcx, a, b) = Lab::peered();
    lab.sweep();
    let listener = listen(b, 80);
    let (mut client, mut server) = connect(a, &listener, "10.2.0.4");
    lab.driver = causeway_fabric::linux::Linux::new(&lab.instance);
    lab.unpeer(pcx);
    lab.sweep();
    assert!(!carries(&mut client, &mut server) && !carries(&mut server, &mut client));
    let router = format!("cw-{}", lab.id::<model::VpcId>(1));
    assert!(!run(&router, "cat /proc/net/nf_conntrack").contains("10.2.0.4"));
}

#[test]
fn neither_open_files_nor_many_vpcs_are_too_much() {
    // libnftables aborts the process when a descriptor of its own is 1024 or above.
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let _files: Vec<_> = (0..1100).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let (mut lab, pcx, a, b) = Lab::peered();
    for number in 100..250 {
        lab.vpc(number, "10.9.0.0/16");
    }
    lab.sweep();
    assert!(reaches(a, b, "10.2.0.4", 80));
    let report = lab.sweep();
    assert!(is_quiet(&report), "{report:#?}");
    let report = lab.change(|lab| lab.unpeer(pcx));
    assert_eq!(report.vpcs.len(), 2, "nothing else was touched");
}
