//! Within one VPC: groups, ACLs, source check, routes.

use std::net::TcpListener;

use model::intent::*;
use model::*;

use crate::lab::*;

/// 10.1/16 with subnets 1 and 2 and interfaces 1 and 2 in the first, 3 in the second.
fn one_vpc() -> (Lab, EniId, EniId, EniId) {
    let mut lab = Lab::new();
    lab.vpc(1, "10.1.0.0/16");
    lab.subnet(1, 1, "10.1.0.0/24");
    lab.subnet(1, 2, "10.1.1.0/24");
    let a = lab.eni(1, 1, 1, "10.1.0.4");
    let b = lab.eni(1, 1, 2, "10.1.0.5");
    let c = lab.eni(1, 2, 3, "10.1.1.4");
    (lab, a, b, c)
}

#[test]
fn interfaces_of_a_vpc_reach_each_other_and_nothing_of_the_host() {
    let (mut lab, a, b, c) = one_vpc();
    let report = lab.sweep();
    assert!(report.repairs.is_empty(), "{report:#?}");
    assert!(reaches(a, b, "10.1.0.5", 80));
    assert!(reaches(a, c, "10.1.1.4", 80));
    let links = run(&at(a), "ip -o link show up");
    assert_eq!(links.lines().count(), 2, "{links}");
    assert!(!run(&at(a), "ip -6 addr").contains("inet6"));
    run(&at(a), "ping -c1 -W1 -M do -s 8900 10.1.1.4");
}

#[test]
fn groups_admit_what_they_name_and_remember_connections() {
    let (mut lab, a, b, c) = one_vpc();
    let own = lab.id(1);
    let web = lab.id(50);
    let group = GroupIntent {
        ingress: [rule(tcp(8000), "10.1.0.4/32")].into(),
        egress: Default::default(),
    };
    lab.at(1).groups.insert(web, group);
    lab.at(1).interfaces.get_mut(&b).unwrap().groups = vec![web];
    lab.sweep();
    assert!(reaches(a, b, "10.1.0.5", 8000), "replies need no egress rule");
    assert!(!reaches(a, b, "10.1.0.5", 8001));
    assert!(!reaches(b, a, "10.1.0.4", 8000), "no egress");

    // A rule may name a group: its members and nobody else.
    let members = RuleIntent { traffic: tcp(9000), peer: RulePeer::Group(own) };
    lab.change(|lab| {
        lab.at(1).groups.get_mut(&web).unwrap().ingress = [members].into();
        lab.at(1).members.insert(own, [member(c, "10.1.1.4")].into());
    });
    assert!(!reaches(a, b, "10.1.0.5", 9000));
    lab.change(|lab| {
        lab.at(1).members.get_mut(&own).unwrap().insert(member(a, "10.1.0.4"));
    });
    assert!(reaches(a, b, "10.1.0.5", 9000));
    assert!(!reaches(a, b, "10.1.0.5", 8000));

    // As in EC2, an open connection outlives the rule that admitted it.
    let listener = listen(b, 9000);
    let (mut client, mut server) = connect(a, &listener, "10.1.0.5");
    drop(listener);
    lab.change(|lab| {
        lab.at(1).groups.get_mut(&web).unwrap().ingress.clear();
    });
    assert!(!reaches(a, b, "10.1.0.5", 9000));
    assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
}

#[test]
fn acls_are_stateless_and_stand_at_the_boundary_only() {
    let (mut lab, a, b, c) = one_vpc();
    let acl = lab.id(60);
    let entry = |allow, traffic, block| AclEntryIntent { allow, traffic, cidr: cidr(block) };
    let ephemeral = Traffic::Tcp(PortRange { from: 1024, to: 65535 });
    let rules = AclIntent {
        ingress: vec![
            entry(false, tcp(81), "0.0.0.0/0"),
            entry(true, Traffic::Tcp(PortRange { from: 80, to: 90 }), "10.1.0.0/24"),
        ],
        egress: vec![],
    };
    lab.at(1).acls.insert(acl, rules);
    let guarded = lab.id(2);
    lab.at(1).subnets.get_mut(&guarded).unwrap().acl = Some(acl);
    let d = lab.eni(1, 2, 4, "10.1.1.5");
    lab.sweep();
    assert!(reaches(a, b, "10.1.0.5", 80), "another subnet");
    assert!(reaches(d, c, "10.1.1.4", 443), "within the subnet");
    assert!(!reaches(a, c, "10.1.1.4", 80), "the reply has no entry");
    lab.change(|lab| {
        lab.at(1).acls.get_mut(&acl).unwrap().egress = vec![entry(true, ephemeral, "0.0.0.0/0")];
    });
    assert!(reaches(a, c, "10.1.1.4", 80));
    assert!(!reaches(a, c, "10.1.1.4", 81), "the first match decides");
    assert!(!reaches(a, c, "10.1.1.4", 443));
    lab.change(|lab| lab.at(1).subnets.get_mut(&guarded).unwrap().acl = None);
    assert!(reaches(a, c, "10.1.1.4", 443));
}

#[test]
fn forged_sources_are_dropped_until_the_check_is_off() {
    let (mut lab, a, b, _) = one_vpc();
    lab.sweep();
    run(&at(a), "ip addr add 10.1.0.77/32 dev lo");
    let forged = inside(&at(a), || std::net::UdpSocket::bind("10.1.0.77:0").unwrap());
    let target = udp(b, 5000);
    assert_eq!(datagram(&forged, &target, "10.1.0.5"), None);
    assert!(datagram(&udp(a, 0), &target, "10.1.0.5").is_some());
    lab.change(|lab| lab.at(1).interfaces.get_mut(&a).unwrap().source_dest_check = false);
    let seen = datagram(&forged, &target, "10.1.0.5");
    assert_eq!(seen.map(|ip| ip.to_string()).as_deref(), Some("10.1.0.77"));
    lab.change(|lab| lab.at(1).interfaces.get_mut(&a).unwrap().source_dest_check = true);
    assert_eq!(datagram(&forged, &target, "10.1.0.5"), None);
}

#[test]
fn routes_lead_to_middleboxes_that_do_not_check() {
    let (mut lab, a, b, c) = one_vpc();
    lab.route(1, "192.0.2.0/24", RouteTarget::Interface(b));
    lab.route(1, "192.0.2.128/25", RouteTarget::Blackhole);
    // Narrower than the VPC: to the second subnet by way of b, too.
    lab.route(1, "10.1.1.0/24", RouteTarget::Interface(b));
    lab.at(1).interfaces.get_mut(&b).unwrap().source_dest_check = false;
    lab.sweep();
    run(&at(b), "ip addr add 192.0.2.1/32 dev lo");
    run(&at(b), "ip addr add 192.0.2.129/32 dev lo");
    assert!(reaches(a, b, "192.0.2.1", 80));
    assert!(!reaches(a, b, "192.0.2.129", 80), "the longest prefix decides");
    assert!(!reaches(a, c, "10.1.1.4", 80), "b passes it on, and gets it again by its own table");
    lab.change(|lab| lab.at(1).interfaces.get_mut(&b).unwrap().source_dest_check = true);
    assert!(!reaches(a, b, "192.0.2.1", 80), "b checks destinations");
    assert!(reaches(a, b, "10.1.0.5", 80), "what is for itself arrives");
}

/// The middlebox is in a subnet whose own table leads on to where the packets are for.
#[test]
fn a_middlebox_passes_on_what_is_for_others_while_it_does_not_check() {
    let (mut lab, a, _, c) = one_vpc();
    lab.subnet(1, 3, "10.1.2.0/24");
    let (middle, third, table) = (lab.eni(1, 3, 9, "10.1.2.4"), lab.id::<SubnetId>(3), lab.id(9));
    lab.at(1).route_tables.insert(table, Default::default());
    lab.at(1).subnets.get_mut(&third).unwrap().route_table = table;
    for block in ["10.1.0.0/24", "10.1.1.0/24"] {
        lab.route(1, block, RouteTarget::Interface(middle));
    }
    lab.sweep();
    let ways = |lab: &mut Lab, checks: bool| {
        lab.change(|lab| {
            lab.at(1).interfaces.get_mut(&middle).unwrap().source_dest_check = checks;
        });
        [reaches(a, c, "10.1.1.4", 80), reaches(c, a, "10.1.0.4", 80)]
    };
    assert_eq!(ways(&mut lab, true), [false, false]);
    assert_eq!(ways(&mut lab, false), [true, true]);
    let listener = listen(c, 81);
    let (mut client, mut server) = connect(a, &listener, "10.1.1.4");
    assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
    assert!(is_quiet(&lab.sweep()), "all is as it must be");
    assert_eq!(ways(&mut lab, true), [false, false]);
    assert!(!carries(&mut client, &mut server), "nor does what was open go on");
    let forwards = run(&at(middle), "sysctl -n net.ipv4.ip_forward");
    assert_eq!(forwards.trim(), "0");
}

/// A further interface of an instance is in the namespace of its first one, where its process is. It
/// comes and goes while the process runs.
#[test]
fn a_further_interface_is_where_the_process_is() {
    let (mut lab, a, b, c) = one_vpc();
    lab.sweep();
    let further = lab.id(5);
    lab.change(|lab| {
        lab.eni(1, 2, 5, "10.1.1.9");
        let slot = Slot { host: a, index: 1 };
        lab.at(1).interfaces.get_mut(&further).unwrap().slot = Some(slot);
    });
    // What is for it arrives, and the answer leaves by it: its own address is all that it may send.
    let listener = inside(&at(a), || TcpListener::bind("10.1.1.9:9000").unwrap());
    let (mut client, mut server) = connect(c, &listener, "10.1.1.9");
    assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
    assert!(reaches(a, b, "10.1.0.5", 80), "the first one goes on");
    let report = lab.sweep();
    assert!(is_quiet(&report), "{report:?}");
    // A secondary address of it, too.
    lab.change(|lab| {
        lab.at(1).interfaces.get_mut(&further).unwrap().addresses.push(ip("10.1.1.10"));
    });
    let listener = inside(&at(a), || TcpListener::bind("10.1.1.10:9000").unwrap());
    let (mut client, mut server) = connect(c, &listener, "10.1.1.10");
    assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
    lab.change(|lab| drop(lab.at(1).interfaces.remove(&further)));
    let links = run(&at(a), "ip -br link");
    assert!(links.contains("eth0") && !links.contains("eth1"), "{links}");
    assert!(reaches(a, b, "10.1.0.5", 80));
}
