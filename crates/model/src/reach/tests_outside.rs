//! What is outside, as an end of flows.

use super::tests::{ALL, at, dyno_end, http, set_routes, shop, shop_end, stopped, text, told};
use super::*;
use crate::plan::lab::*;
use crate::*;

/// The shop where everything leads out that may: VPC 3 has an internet gateway, to which the table
/// of subnet 3 leads, and a NAT gateway in subnet 3, to which the one of subnet 5 leads. The
/// instance 31 has a public address.
fn open_shop() -> World {
    let mut world = shop();
    put(&mut world, Settings { outbound: Some(outbound(0)), ..settings() });
    put(
        &mut world,
        InternetGateway {
            id: id(3),
            account: account(1),
            region: Region::DEFAULT,
            vpc: Some(id(3)),
            tags: Tags::new(),
            created: Timestamp::default(),
        },
    );
    put(&mut world, elastic(31, "203.0.113.20", Some((31, "10.3.0.4"))));
    put(&mut world, elastic(3, "203.0.113.21", Some((39, "10.3.0.9"))));
    put(&mut world, elastic(7, "203.0.113.22", None));
    let mut interface = eni(39, 3, 3, "10.3.0.9", None);
    (interface.groups, interface.nat_gateway) = (Vec::new(), Some(id(3)));
    interface.source_dest_check = false;
    put(&mut world, interface);
    put(&mut world, nat());
    set_routes(&mut world, 3, &[(ALL, RouteTo::Gateway(id(3)))]);
    put(&mut world, table(5, 3, &[(ALL, RouteTo::Nat(id(3)))]));
    let own = Some(RouteTableAssociation { id: id(5), route_table: id(5) });
    put(&mut world, Subnet { route_table: own, ..subnet(5, 3, "10.3.1.0/24") });
    world
}

fn elastic(n: u128, address: &str, leads: Option<(u128, &str)>) -> ElasticIp {
    ElasticIp {
        id: id(n),
        account: account(1),
        region: Region::DEFAULT,
        address: address.parse().unwrap(),
        association: leads.map(|(eni, private)| AddressAssociation {
            id: id(n),
            eni: id(eni),
            private: private.parse().unwrap(),
        }),
        tags: Tags::new(),
        created: now(),
    }
}

fn nat() -> NatGateway {
    NatGateway {
        id: id(3),
        account: account(1),
        region: Region::DEFAULT,
        vpc: id(3),
        subnet: id(3),
        connectivity: Connectivity::Public,
        interface: Some(NatInterface { eni: id(39), private: "10.3.0.9".parse().unwrap() }),
        allocation: Some(id(3)),
        secondary: Vec::new(),
        failure: None,
        ended: None,
        client_token: None,
        tags: Tags::new(),
        created: now(),
    }
}

/// Somebody outside, as VPC 3 sees them.
fn outside() -> Endpoint {
    at(3, "198.51.100.7")
}

/// What stops a flow: its place, why, and what helps.
fn why(verdict: &Verdict) -> (String, String, Option<String>) {
    let (_, _, place, remedy) = stopped(verdict);
    (place, verdict.blocked().unwrap().because.to_string(), remedy)
}

#[test]
fn an_internet_gateway_leads_both_ways_for_who_has_a_public_address() {
    let mut world = open_shop();
    let out = http(&world, shop_end(), outside());
    assert!(out.allowed, "{out:#?}");
    let names: Vec<String> = out.hops.iter().map(|hop| hop.because.to_string()).collect();
    assert!(names.contains(&"10.3.0.4 goes out as 203.0.113.20".to_owned()), "{names:?}");
    let inward = http(&world, outside(), shop_end());
    assert!(inward.allowed, "{inward:#?}");
    assert_eq!(inward.hops[0].because.to_string(), "203.0.113.20 stands for 10.3.0.4");
    assert_eq!(inward.hops[0].component.internet_gateway_id, Some(id(3)));

    // Behind groups and ACLs.
    put(&mut world, group(3, 3, vec![open(Direction::Egress, ALL)]));
    assert!(http(&world, shop_end(), outside()).allowed, "answers pass by groups");
    let (place, _, remedy) = why(&http(&world, outside(), shop_end()));
    assert!(place.starts_with(&text::<SecurityGroupId>(3)));
    assert!(remedy.unwrap().contains("authorize-security-group-ingress"));
    let (allow, deny) =
        (entry(true, Traffic::All, ALL), entry(false, Traffic::All, "198.51.100.0/24"));
    put(&mut world, acl(3, 3, &[(90, deny), (100, allow)], &[(100, allow)]));
    let (place, _, _) = why(&http(&world, shop_end(), outside()));
    assert!(place.starts_with(&text::<AclId>(3)), "the answer: {place}");

    let mut world = open_shop();
    put(&mut world, Subnet { route_table: None, ..subnet(5, 3, "10.3.1.0/24") });
    let command = format!(
        "aws ec2 associate-address --allocation-id {} --network-interface-id {} \
         --private-ip-address 10.3.1.4",
        text::<AllocationId>(7),
        text::<EniId>(32)
    );
    for (from, to) in [(at(3, "10.3.1.4"), outside()), (outside(), at(3, "10.3.1.4"))] {
        let (place, because, remedy) = why(&http(&world, from, to));
        assert_eq!(place, text::<IgwId>(3));
        assert_eq!(because, "10.3.1.4 has no public address");
        assert_eq!(remedy.as_ref(), Some(&command));
    }
    world.apply(&Change::Delete(Key::ElasticIp(id(7))));
    let (_, _, remedy) = why(&http(&world, at(3, "10.3.1.4"), outside()));
    assert!(remedy.unwrap().contains("`aws ec2 allocate-address`"));
}

#[test]
fn a_nat_gateway_leads_out_alone_and_through_its_subnet() {
    let mut world = open_shop();
    let from = at(3, "10.3.1.4");
    let out = http(&world, from, outside());
    assert!(out.allowed, "{out:#?}");
    let by = out.hops.iter().find(|hop| hop.component.nat_gateway_id == Some(id(3))).unwrap();
    assert_eq!(by.because.to_string(), "10.3.1.4 goes out as 203.0.113.21");
    let (_, because, _) = why(&http(&world, outside(), from));
    assert_eq!(because, "10.3.1.4 has no public address", "nothing comes in by it");

    let (allow, deny) = (entry(true, Traffic::All, ALL), entry(false, Traffic::All, "10.3.1.0/24"));
    put(&mut world, acl(3, 3, &[(90, deny), (100, allow)], &[(100, allow)]));
    let verdict = http(&world, from, outside());
    let (place, _, _) = why(&verdict);
    assert_eq!(place, format!("{} of {}", text::<AclId>(3), text::<SubnetId>(3)));

    let mut world = open_shop();
    set_routes(&mut world, 3, &[]);
    let (_, because, remedy) = why(&http(&world, from, outside()));
    assert!(because.contains("does not lead to an internet gateway for 198.51.100.7"), "{because}");
    let command = format!(
        "aws ec2 create-route --route-table-id {} --destination-cidr-block 0.0.0.0/0 --gateway-id {}",
        text::<RouteTableId>(3),
        text::<IgwId>(3)
    );
    assert_eq!(remedy, Some(command));
    put(&mut world, NatGateway { ended: Some(now()), ..nat() });
    let (_, because, _) = why(&http(&world, from, outside()));
    assert!(because.ends_with("is deleting"), "{because}");
}

/// The shop where the NAT gateway in subnet 3 is private, and that subnet's table leads to the peer.
fn joined_shop() -> World {
    let mut world = open_shop();
    put(&mut world, NatGateway { connectivity: Connectivity::Private, allocation: None, ..nat() });
    set_routes(&mut world, 3, &[("10.4.0.0/16", RouteTo::Peering(id(34)))]);
    world
}

#[test]
fn a_private_nat_gateway_sends_on_by_its_own_address() {
    let mut world = joined_shop();
    let (from, to) = (at(3, "10.3.1.4"), at(4, "10.4.0.4"));
    let plan = plan_vpc(&world, world.vpc(id(3)).unwrap());
    let interface = &plan.interfaces[&id(39)];
    assert!(interface.translates && interface.groups.is_empty());
    assert_eq!(plan.route_tables[&id(5)][&Cidr::ANY], RouteTarget::Interface(id(39)));
    let verdict = http(&world, from, to);
    assert!(verdict.allowed, "{verdict:#?}");
    let said = |verdict: &Verdict, text: &str| {
        verdict.hops.iter().any(|hop| hop.because.to_string().contains(text))
    };
    assert!(said(&verdict, "sends it on as 10.3.0.9"));
    assert!(said(&verdict, "gives the answer back to 10.3.1.4"));
    // Who is over there meets the NAT gateway's address, and begins nothing by it.
    for (block, allowed) in [("10.3.0.9/32", true), ("10.3.1.4/32", false)] {
        let traffic = Traffic::Tcp(PortRange { from: 8000, to: 8000 });
        let peer = GroupPeer::Cidr(block.parse().unwrap());
        put(&mut world, group(4, 4, vec![rule(Direction::Ingress, traffic, peer)]));
        assert_eq!(http(&world, from, to).allowed, allowed, "{block}");
    }
    let world = joined_shop();
    let (_, because, _) = why(&http(&world, to, at(3, "10.3.0.9")));
    assert!(because.contains("takes nothing but answers"), "{because}");
}

#[test]
fn an_answer_by_a_private_nat_gateway_that_its_packet_did_not_pass_is_lost() {
    let mut world = joined_shop();
    // Over there the way is straight, and back it leads to a NAT gateway.
    let (from, to) = (at(4, "10.4.0.4"), at(3, "10.3.1.4"));
    let verdict = http(&world, from, to);
    assert!(!verdict.allowed);
    let (_, because, _) = why(&verdict);
    assert!(because.contains("sends the answer on as 10.3.0.9"), "{because}");
    assert_eq!(verdict.blocked().unwrap().leg, Leg::Answer);
    set_routes(&mut world, 5, &[("10.4.0.0/16", RouteTo::Peering(id(34)))]);
    assert!(http(&world, from, to).allowed);
}

#[test]
fn a_private_nat_gateway_goes_where_its_own_subnet_leads() {
    let mut world = joined_shop();
    let (from, to) = (at(3, "10.3.1.4"), at(4, "10.4.0.4"));
    set_routes(&mut world, 3, &[]);
    let (_, because, _) = why(&http(&world, from, to));
    assert_eq!(because, "no route leads to 10.4.0.4");
    set_routes(&mut world, 3, &[(ALL, RouteTo::Nat(id(3)))]);
    let (_, because, _) = why(&http(&world, from, to));
    assert!(because.contains("leads back to"), "{because}");
    // It has no public address of its own.
    set_routes(&mut world, 3, &[(ALL, RouteTo::Gateway(id(3)))]);
    assert!(!http(&world, from, outside()).allowed);
    put(
        &mut world,
        NatGateway { ended: Some(now()), connectivity: Connectivity::Private, ..nat() },
    );
    assert!(!http(&world, from, to).allowed);
}

#[test]
fn where_no_route_leads_out_one_is_proposed() {
    let mut world = open_shop();
    set_routes(&mut world, 3, &[]);
    let (_, because, remedy) = why(&http(&world, shop_end(), outside()));
    assert_eq!(because, "no route leads to 198.51.100.7");
    let remedy = remedy.unwrap();
    assert!(remedy.contains("--destination-cidr-block 0.0.0.0/0 --gateway-id"), "{remedy}");
    put(&mut world, table(5, 3, &[]));
    set_routes(&mut world, 3, &[(ALL, RouteTo::Gateway(id(3)))]);
    let (_, _, remedy) = why(&http(&world, at(3, "10.3.1.4"), outside()));
    let remedy = remedy.unwrap();
    assert!(remedy.contains("--nat-gateway-id"), "who has no public address shares one: {remedy}");
    world.apply(&Change::Delete(Key::InternetGateway(id(3))));
    let (_, because, remedy) = why(&http(&world, shop_end(), outside()));
    assert!(because.contains("is not attached to"), "{because}");
    assert!(remedy.unwrap().contains("attach an internet gateway"));
    let (_, because, remedy) = why(&http(&world, outside(), shop_end()));
    assert!(because.starts_with("no internet gateway is attached"), "{because}");
    assert!(remedy.unwrap().contains("attach an internet gateway"));
}

#[test]
fn what_is_denied_is_named() {
    let world = open_shop();
    for (address, block) in [
        ("169.254.169.254", None),
        ("192.168.7.7", Some("192.168.0.0/16")),
        ("203.0.113.20", Some("203.0.113.16/28")),
    ] {
        let verdict = http(&world, shop_end(), at(3, address));
        let (_, because, remedy) = why(&verdict);
        if let Some(block) = block {
            assert_eq!(
                because,
                format!("{address} lies in {block}, to which nothing leads from here")
            );
            assert!(remedy.unwrap().contains("[outbound]"));
        }
        assert!(!verdict.allowed, "{address}");
    }
}

#[test]
fn without_a_way_out_the_operator_is_to_be_asked() {
    let mut world = open_shop();
    put(&mut world, settings());
    for (from, to) in
        [(shop_end(), outside()), (at(3, "10.3.1.4"), outside()), (outside(), shop_end())]
    {
        let (_, _, remedy) = why(&http(&world, from, to));
        assert_eq!(remedy.as_deref(), Some("ask the operator to start the server with --outbound"));
    }
}

#[test]
fn nothing_of_a_peering_goes_out_by_the_other_vpc() {
    let mut world = open_shop();
    put(&mut world, table(4, 4, &[(ALL, RouteTo::Peering(id(34)))]));
    let verdict = http(&world, at(4, "10.4.0.4"), at(4, "198.51.100.7"));
    assert!(!verdict.allowed);
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::PcxRequiresAddressInVpcCidr));
    let verdict = http(&world, dyno_end(), at(1, "198.51.100.7"));
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::NoRouteToDestination));
}

#[test]
fn a_bare_address_is_one_outside() {
    let world = open_shop();
    let instance = text::<InstanceId>(31);
    let flow = |from: &str, to: &str| Flow::resolve(&world, from, to, "tcp", Some(443), None);
    let out = flow(&instance, "198.51.100.7").unwrap();
    assert_eq!((out.from, out.to), (shop_end(), outside()));
    let inward = flow("198.51.100.7", &instance).unwrap();
    assert_eq!((inward.from, inward.to), (outside(), shop_end()));
    assert_eq!(flow("10.4.0.4", &instance).unwrap().from, at(4, "10.4.0.4"), "a peer's");
    assert!(flow("198.51.100.7", "198.51.100.8").is_err());
}

#[test]
fn the_acl_of_a_nat_gateways_subnet_is_asked_about_the_port_outside() {
    let mut world = open_shop();
    let (inside, all) = (entry(true, Traffic::All, "10.3.0.0/16"), entry(true, Traffic::All, ALL));
    put(&mut world, acl(5, 3, &[(100, all)], &[(100, all)]));
    let own = Subnet { acl: id(5), ..Subnet::clone(world.subnet(id(5)).unwrap()) };
    put(&mut world, own);
    let passes = |world: &World, from: &str, port| {
        let source_ports = PortRange { from: port, to: port };
        let flow = Flow::new(at(3, from), outside(), IpProtocol::TCP, 8000);
        told(world, &Flow { source_ports, ..flow }).allowed
    };
    for (from, to, kept, chosen) in
        [(1024, 65_535, true, true), (1, 1023, false, false), (7000, 8000, true, false)]
    {
        let answers = entry(true, Traffic::Tcp(PortRange { from, to }), ALL);
        put(&mut world, acl(3, 3, &[(90, inside), (100, answers)], &[(100, all)]));
        assert_eq!(passes(&world, "10.3.1.4", 7000), kept, "{from}-{to}: its own");
        assert_eq!(passes(&world, "10.3.1.4", 500), chosen, "{from}-{to}: any that it may have");
    }
}
