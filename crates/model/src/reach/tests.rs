use super::*;
use crate::plan::lab::*;
use crate::*;

pub(super) const HTTP: Traffic = Traffic::Tcp(PortRange { from: 8000, to: 8000 });
pub(super) const ALL: &str = "0.0.0.0/0";

/// A space (VPC 1, its data VPC 2) with a dyno at 10.0.128.4, peered with a customer's VPC 3. That
/// has the instance 31 at 10.3.0.4 (subnet 3), 32 at 10.3.1.4 (subnet 5) and 33 at 100.64.0.4 (a
/// secondary block, subnet 6); and VPC 4 with the instance 41 at 10.4.0.4, which is peered with 3.
pub(super) fn shop() -> World {
    let mut world = World::default();
    put(&mut world, settings());
    put(&mut world, team(1));
    put_vpc(&mut world, 1, Some(VpcRole::Space(space_id(1))), &["10.0.0.0/16"]);
    put_vpc(&mut world, 2, Some(VpcRole::Data(space_id(1))), &["10.1.0.0/16"]);
    put_vpc(&mut world, 3, None, &["10.3.0.0/16", "100.64.0.0/16"]);
    put_vpc(&mut world, 4, None, &["10.4.0.0/16"]);
    put(&mut world, space(1, 1, 2, "10.0.0.0/16", "10.1.0.0/16"));
    for (n, a, b) in [(12, 1, 2), (13, 1, 3), (34, 3, 4)] {
        put(&mut world, peering(n, a, b, PeeringState::Active));
    }
    let to = |pcx| RouteTo::Peering(id(pcx));
    put(&mut world, table(1, 1, &[("10.3.0.0/16", to(13)), ("10.1.0.0/16", to(12))]));
    put(&mut world, table(2, 2, &[("10.0.0.0/16", to(12))]));
    put(&mut world, table(3, 3, &[("10.0.0.0/16", to(13)), ("10.4.0.0/16", to(34))]));
    put(&mut world, table(4, 4, &[("10.3.0.0/16", to(34))]));
    put(&mut world, subnet(7, 1, "10.0.128.0/20"));
    put(&mut world, subnet(5, 3, "10.3.1.0/24"));
    put(&mut world, subnet(6, 3, "100.64.0.0/24"));
    put(&mut world, app(1, 1, &[]));
    put(&mut world, dyno(1, 1, 11, DynoState::Up));
    put(&mut world, eni(11, 1, 7, "10.0.128.4", Some(WorkloadId::Dyno(dyno_id(1)))));
    put_instance(&mut world, 21, 2, 2, "10.1.0.4");
    put_instance(&mut world, 31, 3, 3, "10.3.0.4");
    put_instance(&mut world, 32, 3, 5, "10.3.1.4");
    put_instance(&mut world, 33, 3, 6, "100.64.0.4");
    put_instance(&mut world, 41, 4, 4, "10.4.0.4");
    world
}

pub(super) fn at(vpc: u128, address: &str) -> Endpoint {
    Endpoint { vpc: id(vpc), address: address.parse().unwrap() }
}

pub(super) fn dyno_end() -> Endpoint {
    at(1, "10.0.128.4")
}

pub(super) fn shop_end() -> Endpoint {
    at(3, "10.3.0.4")
}

pub(super) fn http(world: &World, from: Endpoint, to: Endpoint) -> Verdict {
    told(world, &Flow::new(from, to, IpProtocol::TCP, 8000))
}

/// Everything about a flow, after a look at what must hold of every verdict.
#[track_caller]
pub(super) fn told(world: &World, flow: &Flow) -> Verdict {
    let verdict = explain(world, flow, now());
    let plain = reach(world, flow, now());
    assert_eq!((plain.allowed, &plain.source_ports), (verdict.allowed, &verdict.source_ports));
    assert_eq!(obstacles(&verdict).next().is_none(), verdict.allowed);
    let bare = |hop: &Hop| Hop {
        remedy: None,
        commands: vec![],
        acts: vec![],
        remedy_in: None,
        ..hop.clone()
    };
    let met = plain.hops.iter().position(|hop| hop.decision != Ruling::Passed);
    let met = met.map_or(plain.hops.len(), |at| at + 1);
    let same: Vec<Hop> = verdict.hops.iter().take(met).map(bare).collect();
    assert_eq!(same, plain.hops[..met], "what is explained is what happens");
    if let Some(ports) = &plain.source_ports {
        assert_eq!(ports.passing == [ports.asked], plain.allowed);
    }
    verdict
}

/// Everything that is in the way of a flow or of a part of it, in order.
pub(super) fn obstacles(verdict: &Verdict) -> impl Iterator<Item = &Hop> {
    verdict.hops.iter().filter(|hop| hop.decision != Ruling::Passed)
}

/// What stopped a flow: leg, code, place, and what helps.
#[track_caller]
pub(super) fn stopped(verdict: &Verdict) -> (Leg, Option<ExplanationCode>, String, Option<String>) {
    let hop = verdict.blocked().expect("the flow passes");
    let remedy = hop.remedy.as_ref().map(ToString::to_string);
    (hop.leg, hop.code, hop.where_.to_string(), remedy)
}

/// An id as text.
pub(super) fn text<T: PrefixedId>(n: u128) -> String {
    id::<T>(n).to_string()
}

pub(super) fn set_routes(world: &mut World, n: u128, routes: &[(&str, RouteTo)]) {
    put(world, table(n, n, routes));
}

#[test]
fn a_flow_that_passes_names_every_rule_on_its_way() {
    let mut world = shop();
    let dynos = ["10.0.128.0/20", "10.0.144.0/20"];
    let rules =
        dynos.map(|cidr| rule(Direction::Ingress, HTTP, GroupPeer::Cidr(cidr.parse().unwrap())));
    put(&mut world, group(3, 3, rules.to_vec()));
    let verdict = http(&world, dyno_end(), shop_end());
    assert!(verdict.allowed, "R15, R16: {verdict:#?}");
    let lines: Vec<String> =
        verdict.hops.iter().map(|hop| format!("{}: {}", hop.where_, hop.because)).collect();
    let lines = lines.join("\n").replace("000000000000000", "");
    insta::assert_snapshot!(lines, @r"
    sg-01 of eni-0b: sgr-11 of sg-01 allows all traffic to 0.0.0.0/0
    acl-01 of subnet-07: everything may pass
    rtb-01 of subnet-07: 10.3.0.0/16 leads to pcx-0d
    pcx-0d: it is carried, and vpc-03 takes the packet
    acl-03 of subnet-03: everything may pass
    sg-03 of eni-1f: sgr-30 of sg-03 allows tcp 8000 from 10.0.128.0/20
    eni-1f: it has 10.3.0.4
    acl-03 of subnet-03: everything may pass
    rtb-03 of subnet-03: 10.0.0.0/16 leads to pcx-0d
    pcx-0d: it is carried, and vpc-01 takes the packet
    acl-01 of subnet-07: everything may pass
    eni-0b: it has 10.0.128.4
    ");
    let world = shop();
    assert!(http(&world, shop_end(), dyno_end()).allowed, "R21");
}

#[test]
fn a_flow_to_itself_meets_nothing() {
    assert!(http(&shop(), shop_end(), shop_end()).allowed);
}

#[test]
fn without_a_route_the_answer_is_the_command_that_makes_one() {
    let mut world = shop();
    set_routes(&mut world, 3, &[]);
    let verdict = http(&world, shop_end(), dyno_end());
    let command = format!(
        "aws ec2 create-route --route-table-id {} --destination-cidr-block 10.0.0.0/16 \
         --vpc-peering-connection-id {}",
        text::<RouteTableId>(3),
        text::<PcxId>(13)
    );
    let place = format!("{} of {}", text::<RouteTableId>(3), text::<SubnetId>(3));
    let code = Some(ExplanationCode::NoRouteToDestination);
    assert_eq!(stopped(&verdict), (Leg::Forward, code, place.clone(), Some(command.clone())));
    // The same lack, met by the answer of a flow that comes in.
    let verdict = http(&world, dyno_end(), shop_end());
    assert_eq!(stopped(&verdict), (Leg::Answer, code, place.clone(), Some(command.clone())));
    assert!(
        verdict.blocked().unwrap().because.to_string().starts_with("the answer finds no way back")
    );
}

#[test]
fn a_default_route_to_the_internet_is_no_route_to_a_peer() {
    let mut world = shop();
    set_routes(&mut world, 3, &[(ALL, RouteTo::Gateway(id(1)))]);
    let verdict = http(&world, shop_end(), dyno_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::NoRouteToDestination));
    assert!(stopped(&verdict).3.unwrap().contains("create-route"));
}

#[test]
fn the_table_of_the_own_subnet_decides() {
    let mut world = shop();
    put(&mut world, table(30, 3, &[]));
    let own = RouteTableAssociation { id: id(30), route_table: id(30) };
    put(&mut world, Subnet { route_table: Some(own), ..subnet(5, 3, "10.3.1.0/24") });
    assert!(http(&world, shop_end(), dyno_end()).allowed);
    let verdict = http(&world, at(3, "10.3.1.4"), dyno_end());
    assert!(stopped(&verdict).2.starts_with(&text::<RouteTableId>(30)));
}

#[test]
fn a_request_that_waits_is_to_be_accepted() {
    let mut world = shop();
    put(&mut world, peering(13, 3, 1, PeeringState::PendingAcceptance));
    let verdict = http(&world, shop_end(), dyno_end());
    let (_, code, _, remedy) = stopped(&verdict);
    assert_eq!(code, Some(ExplanationCode::BadStateRoute));
    assert!(verdict.blocked().unwrap().because.to_string().ends_with("is pending-acceptance"));
    let command = format!("heroku spaces:peerings:accept {} --space space-1", text::<PcxId>(13));
    assert_eq!(remedy, Some(command));
    put(&mut world, peering(34, 4, 3, PeeringState::PendingAcceptance));
    let verdict = http(&world, shop_end(), at(4, "10.4.0.4"));
    let command = format!(
        "aws ec2 accept-vpc-peering-connection --vpc-peering-connection-id {}",
        text::<PcxId>(34)
    );
    assert_eq!(stopped(&verdict).3, Some(command));
    let late = explain(
        &world,
        &Flow::new(shop_end(), dyno_end(), IpProtocol::TCP, 80),
        now() + PEERING_EXPIRY,
    );
    let hop = late.blocked().unwrap();
    assert!(hop.because.to_string().contains("is expired; no peering joins"), "R27");
    assert!(
        hop.remedy.as_ref().unwrap().to_string().contains("create-vpc-peering-connection"),
        "R27"
    );
}

#[test]
fn a_peering_that_ended_leaves_blackholes() {
    let mut world = shop();
    put(&mut world, peering(34, 3, 4, PeeringState::Deleted));
    let verdict = http(&world, shop_end(), at(4, "10.4.0.4"));
    let (_, code, _, remedy) = stopped(&verdict);
    let command = format!(
        "aws ec2 create-vpc-peering-connection --vpc-id {} --peer-vpc-id {} --peer-owner-id {}",
        text::<VpcId>(3),
        text::<VpcId>(4),
        account(1)
    );
    assert_eq!((code, remedy), (Some(ExplanationCode::BadStateRoute), Some(command)), "R18");
    // A new one between the same VPCs: the old route is to be replaced.
    put(&mut world, peering(35, 3, 4, PeeringState::Active));
    let verdict = http(&world, shop_end(), at(4, "10.4.0.4"));
    let command = format!(
        "aws ec2 replace-route --route-table-id {} --destination-cidr-block 10.4.0.0/16 \
         --vpc-peering-connection-id {}",
        text::<RouteTableId>(3),
        text::<PcxId>(35)
    );
    assert_eq!(stopped(&verdict).3, Some(command));
}

#[test]
fn a_route_to_what_is_gone_is_a_blackhole() {
    let mut world = shop();
    for to in [RouteTo::Interface(id(99)), RouteTo::Gateway(id(1)), RouteTo::Peering(id(12))] {
        set_routes(&mut world, 3, &[(ALL, to)]);
        let verdict = http(&world, shop_end(), at(3, "192.0.2.1"));
        assert_eq!(stopped(&verdict).1, Some(ExplanationCode::BadStateRoute), "{to:?}");
    }
}

#[test]
fn the_longest_prefix_decides() {
    let mut world = shop();
    let (over, gone) = (RouteTo::Peering(id(13)), RouteTo::Interface(id(99)));
    set_routes(&mut world, 3, &[("10.0.0.0/16", over), ("10.0.128.0/20", gone)]);
    let verdict = http(&world, shop_end(), dyno_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::BadStateRoute));
    assert!(stopped(&verdict).3.unwrap().contains("replace-route"));
    set_routes(&mut world, 3, &[("10.0.0.0/16", gone), ("10.0.128.0/20", over)]);
    assert!(http(&world, shop_end(), dyno_end()).allowed, "R15");
}

#[test]
fn groups_stop_what_no_rule_allows() {
    let mut world = shop();
    put(
        &mut world,
        group(3, 3, vec![rule(Direction::Ingress, HTTP, GroupPeer::Cidr(cidr("10.9.0.0/16")))]),
    );
    let verdict = http(&world, dyno_end(), shop_end());
    let command = format!(
        "aws ec2 authorize-security-group-ingress --group-id {} --ip-permissions \
         'IpProtocol=tcp,FromPort=8000,ToPort=8000,IpRanges=[{{CidrIp=10.0.128.0/20}},\
         {{CidrIp=10.0.144.0/20}}]'",
        text::<SecurityGroupId>(3)
    );
    let place = format!("{} of {}", text::<SecurityGroupId>(3), text::<EniId>(31));
    let code = Some(ExplanationCode::EniSgRulesMismatch);
    assert_eq!(
        stopped(&verdict),
        (Leg::Forward, code, place.clone(), Some(command.clone())),
        "R16"
    );
    let verdict = http(&world, shop_end(), dyno_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::SgHasNoRules));
    assert!(stopped(&verdict).3.unwrap().contains("authorize-security-group-egress"));
    put(&mut world, group(1, 1, vec![]));
    let verdict = http(&world, dyno_end(), shop_end());
    assert_eq!(stopped(&verdict).3, None, "a space's groups are the platform's");
}

#[test]
fn a_prefix_list_decides_as_its_blocks_do() {
    let mut world = shop();
    put(&mut world, prefix_list(1, &["10.4.0.0/16", "192.0.2.0/24"]));
    let (list, peer) = (id::<PrefixListId>(1).to_string(), GroupPeer::PrefixList(id(1)));
    put(&mut world, group(3, 3, vec![rule(Direction::Ingress, HTTP, peer)]));
    set_routes(&mut world, 3, &[(&list, RouteTo::Peering(id(34)))]);
    let verdict = http(&world, at(4, "10.4.0.4"), shop_end());
    assert!(verdict.allowed);
    let said: Vec<String> = verdict.hops.iter().map(|hop| hop.because.to_string()).collect();
    assert!(said.iter().any(|text| text.contains(&list)), "{said:?}");

    put(&mut world, prefix_list(1, &["192.0.2.0/24"]));
    let verdict = http(&world, at(4, "10.4.0.4"), shop_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::EniSgRulesMismatch));
    put(&mut world, group(3, 3, vec![open(Direction::Ingress, ALL)]));
    let verdict = http(&world, at(4, "10.4.0.4"), shop_end());
    let (leg, code, ..) = stopped(&verdict);
    assert_eq!((leg, code), (Leg::Answer, Some(ExplanationCode::NoRouteToDestination)));

    put(&mut world, prefix_list(1, &["10.4.0.0/16"]));
    put(&mut world, peering(34, 3, 4, PeeringState::Deleted));
    set_routes(&mut world, 3, &[(&list, RouteTo::Peering(id(34)))]);
    let verdict = http(&world, shop_end(), at(4, "10.4.0.4"));
    assert!(verdict.hops.iter().any(|hop| hop.code == Some(ExplanationCode::BadStateRoute)));
}

/// Entries for IPv6 are neither asked nor counted where an IPv4 packet's entry is named.
#[test]
fn an_acls_ipv6_entries_are_not_asked_about_ipv4() {
    let mut world = shop();
    let all = entry(true, Traffic::All, ALL);
    let none6 = AclEntry { allow: false, cidr: Ipv6Cidr::ANY.into(), ..all };
    let deny = entry(false, Traffic::All, "10.0.128.0/20");
    put(&mut world, acl(3, 3, &[(10, none6), (20, deny), (100, all)], &[(100, all)]));
    let verdict = http(&world, dyno_end(), shop_end());
    let hop = verdict.blocked().unwrap();
    assert_eq!(hop.code, Some(ExplanationCode::SubnetAclRestriction));
    assert_eq!(hop.component.rule_number, Some(20));
}

#[test]
fn a_group_stands_for_its_members_while_a_peering_leads_to_it() {
    let mut world = shop();
    let peer = GroupPeer::Group { group: id(4), account: account(1), vpc: id(4) };
    put(&mut world, group(3, 3, vec![rule(Direction::Ingress, HTTP, peer)]));
    assert!(http(&world, at(4, "10.4.0.4"), shop_end()).allowed);
    let code = |world: &World| stopped(&http(world, dyno_end(), shop_end())).1;
    assert_eq!(code(&world), Some(ExplanationCode::EniSgRulesMismatch));
    put(&mut world, peering(34, 3, 4, PeeringState::Deleted));
    assert_eq!(code(&world), Some(ExplanationCode::UnknownPeeredSgs));
}

#[test]
fn acls_name_the_entry_that_denies() {
    let mut world = shop();
    let all = entry(true, Traffic::All, ALL);
    let deny = entry(false, Traffic::All, "10.0.0.0/8");
    put(&mut world, acl(3, 3, &[(90, deny), (100, all)], &[(100, all)]));
    let verdict = http(&world, dyno_end(), shop_end());
    let (_, code, place, remedy) = stopped(&verdict);
    assert_eq!(code, Some(ExplanationCode::SubnetAclRestriction));
    assert_eq!(place, format!("{} of {}", text::<AclId>(3), text::<SubnetId>(3)));
    assert!(verdict.blocked().unwrap().because.to_string().contains("entry 90 denies"));
    let one = |number: u16, block: &str| {
        format!(
            "aws ec2 create-network-acl-entry --network-acl-id {} --ingress --rule-number \
             {number} --protocol tcp --port-range From=8000,To=8000 --cidr-block {block} \
             --rule-action allow",
            text::<AclId>(3)
        )
    };
    let command = format!("{} && {}", one(89, "10.0.128.0/20"), one(88, "10.0.144.0/20"));
    assert_eq!(remedy, Some(command));
    let within = http(&world, at(3, "10.3.1.4"), shop_end());
    assert!(!within.allowed, "another subnet");
    put_instance(&mut world, 34, 3, 3, "10.3.0.5");
    assert!(http(&world, at(3, "10.3.0.5"), shop_end()).allowed, "inside the subnet");
}

#[test]
fn acls_remember_nothing() {
    let mut world = shop();
    let (all, to_dynos) = (entry(true, Traffic::All, ALL), entry(true, HTTP, "10.0.0.0/16"));
    put(&mut world, acl(3, 3, &[(100, all)], &[(100, to_dynos)]));
    let verdict = http(&world, dyno_end(), shop_end());
    // From port 8000 alone a client gets its answers.
    let passing = verdict.source_ports.clone().unwrap().passing;
    assert_eq!(passing, [PortRange { from: 8000, to: 8000 }]);
    let hop = obstacles(&verdict).next().unwrap();
    let code = Some(ExplanationCode::SubnetAclRestriction);
    assert_eq!((hop.leg, hop.code), (Leg::Answer, code), "R17");
    let remedy = hop.remedy.as_ref().unwrap().to_string();
    assert!(
        remedy
            .contains("--egress --rule-number 110 --protocol tcp --port-range From=1024,To=65535")
    );
    let ephemeral = entry(true, Traffic::Tcp(PortRange { from: 1024, to: 65535 }), "10.0.128.0/20");
    put(&mut world, acl(3, 3, &[(100, all)], &[(100, to_dynos), (110, ephemeral)]));
    assert!(http(&world, dyno_end(), shop_end()).allowed, "R17");
}

#[test]
fn a_lost_acl_lets_nothing_pass() {
    let mut world = shop();
    world.apply(&Change::Delete(Key::NetworkAcl(id(3))));
    let verdict = http(&world, dyno_end(), shop_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::SubnetAclRestriction));
    assert_eq!(stopped(&verdict).3, None);
}

#[test]
fn secondary_blocks_are_out_of_a_spaces_reach() {
    let mut world = shop();
    let secondary = at(3, "100.64.0.4");
    let verdict = http(&world, dyno_end(), secondary);
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::NoRouteToDestination), "R20");
    assert!(stopped(&verdict).3.unwrap().contains("primary block 10.3.0.0/16"), "R20");
    set_routes(&mut world, 1, &[(ALL, RouteTo::Peering(id(13)))]);
    let verdict = http(&world, dyno_end(), secondary);
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::PcxRequiresAddressInVpcCidr), "R20");
    let verdict = http(&world, secondary, dyno_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::PcxRequiresAddressInVpcCidr), "R20");
    assert!(
        verdict.blocked().unwrap().because.to_string().contains("secondary block 100.64.0.0/16")
    );
    // Customers among themselves reach every block.
    let routes = [("10.3.0.0/16", id(34)), ("100.64.0.0/16", id(34))];
    set_routes(&mut world, 4, &routes.map(|(to, pcx)| (to, RouteTo::Peering(pcx))));
    assert!(http(&world, at(4, "10.4.0.4"), secondary).allowed);
}

#[test]
fn peerings_do_not_lead_on() {
    let mut world = shop();
    let far = at(4, "10.4.0.4");
    set_routes(&mut world, 1, &[("10.0.0.0/8", RouteTo::Peering(id(13)))]);
    let verdict = http(&world, dyno_end(), far);
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::PcxRequiresAddressInVpcCidr), "R23");
    set_routes(&mut world, 4, &[("10.0.0.0/8", RouteTo::Peering(id(34)))]);
    let verdict = http(&world, far, dyno_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::PcxRequiresAddressInVpcCidr), "R23");
}

#[test]
fn data_services_are_for_dynos_alone() {
    let mut world = shop();
    let data = at(2, "10.1.0.4");
    assert!(http(&world, dyno_end(), data).allowed, "R22");
    set_routes(&mut world, 3, &[("10.0.0.0/8", RouteTo::Peering(id(13)))]);
    let verdict = http(&world, shop_end(), data);
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::PcxRequiresAddressInVpcCidr), "R22");
    put(&mut world, peering(23, 2, 3, PeeringState::Active));
    set_routes(&mut world, 3, &[("10.1.0.0/16", RouteTo::Peering(id(23)))]);
    let verdict = http(&world, shop_end(), data);
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::PcxRequiresAddressInVpcCidr), "R22");
}

#[test]
fn middleboxes_take_foreign_packets_only_unchecked() {
    let mut world = shop();
    set_routes(&mut world, 3, &[("192.0.2.0/24", RouteTo::Interface(id(32)))]);
    let outside = at(3, "192.0.2.1");
    let verdict = http(&world, shop_end(), outside);
    let (_, code, _, remedy) = stopped(&verdict);
    assert_eq!(code, Some(ExplanationCode::EniSourceDestCheckRestriction));
    assert!(remedy.as_ref().unwrap().contains("vpc-…/192.0.2.1"), "{remedy:?}");
    let mut middlebox = Eni::clone(world.eni(id(32)).unwrap());
    middlebox.source_dest_check = false;
    put(&mut world, middlebox);
    assert!(http(&world, shop_end(), outside).allowed);
    // Narrower than the VPC: what is for 33 goes to 32 first.
    set_routes(&mut world, 3, &[("100.64.0.0/24", RouteTo::Interface(id(32)))]);
    let verdict = http(&world, shop_end(), at(3, "100.64.0.4"));
    let command = format!(
        "aws ec2 delete-route --route-table-id {} --destination-cidr-block 100.64.0.0/24",
        text::<RouteTableId>(3)
    );
    let code = Some(ExplanationCode::NoPossibleDestination);
    let round = (Leg::Forward, code, text::<EniId>(32), Some(command));
    assert_eq!(stopped(&verdict), round, "its own table leads it back");
    put(&mut world, table(5, 3, &[]));
    let own = Some(RouteTableAssociation { id: id(5), route_table: id(5) });
    put(&mut world, Subnet { route_table: own, ..subnet(5, 3, "10.3.1.0/24") });
    let verdict = http(&world, shop_end(), at(3, "100.64.0.4"));
    assert!(verdict.allowed, "{verdict:#?}");
    let by = |hop: &&Hop| hop.component.network_interface_id == Some(id(32));
    let said: Vec<String> = verdict.hops.iter().filter(by).map(|h| h.because.to_string()).collect();
    assert!(said.iter().any(|it| it.contains("passes on what is for 100.64.0.4")), "{said:?}");
    // Its own groups are asked about what it gets, and about what it passes on.
    for way in [Direction::Ingress, Direction::Egress] {
        let mut world = world.clone();
        put(&mut world, group(9, 3, vec![open(way, ALL)]));
        let mut closed = Eni::clone(world.eni(id(32)).unwrap());
        closed.groups = vec![id(9)];
        put(&mut world, closed);
        let (_, code, place, _) = stopped(&http(&world, shop_end(), at(3, "100.64.0.4")));
        assert_eq!(code, Some(ExplanationCode::SgHasNoRules));
        assert!(place.ends_with(&text::<EniId>(32)), "{place}");
    }
}

#[test]
fn what_an_instance_sends_to_itself_never_leaves_it() {
    let mut world = shop();
    put(&mut world, group(3, 3, Vec::new()));
    assert!(!http(&world, shop_end(), at(3, "10.3.1.9")).allowed);
    let further = eni(39, 3, 5, "10.3.1.9", None);
    let first = world.eni(id(31)).unwrap().attachment.clone().unwrap();
    let attachment = Attachment { id: id(39), device_index: 1, ..first };
    put(&mut world, Eni { attachment: Some(attachment), ..further });
    assert!(http(&world, shop_end(), at(3, "10.3.1.9")).allowed);
    assert!(http(&world, at(3, "10.3.1.9"), shop_end()).allowed);
    assert!(!http(&world, at(3, "10.3.1.4"), at(3, "10.3.1.9")).allowed, "others are not it");
}

#[test]
fn a_replaced_local_route_leads_between_subnets_through_an_interface() {
    let mut world = shop();
    let mut middlebox = Eni::clone(world.eni(id(32)).unwrap());
    middlebox.source_dest_check = false;
    put(&mut world, middlebox);
    put_instance(&mut world, 36, 3, 3, "10.3.0.5");
    let (near, far) = (at(3, "10.3.0.5"), at(3, "100.64.0.4"));
    for block in ["10.3.0.0/16", "100.64.0.0/16"] {
        set_routes(&mut world, 3, &[(block, RouteTo::Interface(id(32)))]);
        assert!(http(&world, near, shop_end()).allowed, "a subnet has no need of routes");
    }
    let verdict = http(&world, near, far);
    let command = format!(
        "aws ec2 replace-route --route-table-id {} --destination-cidr-block 100.64.0.0/16 \
         --local-target",
        text::<RouteTableId>(3)
    );
    let code = Some(ExplanationCode::NoPossibleDestination);
    let round = (Leg::Forward, code, text::<EniId>(32), Some(command));
    assert_eq!(stopped(&verdict), round, "its own table leads it back");
    put(&mut world, table(5, 3, &[]));
    let own = Some(RouteTableAssociation { id: id(5), route_table: id(5) });
    put(&mut world, Subnet { route_table: own, ..subnet(5, 3, "10.3.1.0/24") });
    assert!(http(&world, near, far).allowed);
}

#[test]
fn addresses_of_nobody_are_unreachable() {
    let mut world = shop();
    put(&mut world, eni(35, 3, 3, "10.3.0.9", None));
    for (to, because) in [("10.3.0.8", "no interface"), ("10.3.0.9", "nothing uses it")] {
        for from in [at(3, "10.3.1.4"), dyno_end()] {
            let verdict = http(&world, from, at(3, to));
            assert_eq!(stopped(&verdict).1, Some(ExplanationCode::NoPossibleDestination));
            assert!(verdict.blocked().unwrap().because.to_string().contains(because));
            assert!(stopped(&verdict).3.unwrap().contains("describe-network-interfaces"));
        }
        let verdict = http(&world, at(3, to), shop_end());
        assert_eq!(stopped(&verdict).1, Some(ExplanationCode::EniAddressRestriction));
    }
    let verdict = http(&world, at(77, "10.0.0.4"), shop_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::BadState));
}

#[test]
fn the_same_addresses_on_both_sides_never_meet() {
    let mut world = shop();
    put_vpc(&mut world, 8, None, &["10.3.0.0/16"]);
    put_instance(&mut world, 81, 8, 8, "10.3.0.4");
    let verdict = http(&world, at(3, "10.3.1.4"), at(8, "10.3.0.4"));
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::HigherPriorityRoute));
    assert_eq!(stopped(&verdict).3, None);
    let verdict = http(&world, dyno_end(), at(8, "10.3.0.4"));
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::NoPossibleDestination));
}

#[test]
fn pings_and_other_regions_have_commands_too() {
    let mut world = shop();
    let abroad = Region::find("eu-west-1").unwrap();
    let moved = Vpc { region: abroad, ..Vpc::clone(world.vpc(id(3)).unwrap()) };
    put(&mut world, moved);
    put(&mut world, group(3, 3, vec![open(Direction::Egress, ALL)]));
    let ping = Flow::new(at(4, "10.4.0.4"), shop_end(), IpProtocol::ICMP, 0);
    let verdict = told(&world, &ping);
    let command = format!(
        "aws ec2 authorize-security-group-ingress --group-id {} --ip-permissions \
         'IpProtocol=icmp,FromPort=8,ToPort=-1,IpRanges=[{{CidrIp=10.4.0.4/32}}]' \
         --region eu-west-1",
        text::<SecurityGroupId>(3)
    );
    assert_eq!(stopped(&verdict).3, Some(command));
    let back = Flow::new(shop_end(), at(4, "10.4.0.4"), IpProtocol::ICMP, 0);
    assert!(reach(&world, &back, now()).allowed, "the reply needs no rule");
}

#[test]
fn ends_are_read_as_people_write_them() {
    let world = shop();
    let alone = |text: &str| Endpoint::resolve(&world, text, None);
    assert_eq!(alone("app-1/run.1"), Ok(dyno_end()));
    assert_eq!(alone(&text::<InstanceId>(31)), Ok(shop_end()));
    assert_eq!(alone(&text::<EniId>(31)), Ok(shop_end()));
    assert_eq!(alone(&format!("{}/10.3.0.4", text::<VpcId>(3))), Ok(shop_end()));
    let unknown = [
        text::<InstanceId>(99),
        text::<EniId>(99),
        format!("{}/10.3.0.4", text::<VpcId>(99)),
        format!("{}/ten", text::<VpcId>(3)),
    ];
    let bad = ["", "10.3.0.4", "app-9/run.1", "app-1/run.9", "i-1", "vpc-1/2", "/", "é/é"];
    for text in unknown.iter().map(String::as_str).chain(bad) {
        assert!(alone(text).is_err(), "{text}");
    }
    let seen = |text: &str, from| Endpoint::resolve(&world, text, Some(from));
    assert_eq!(seen("10.3.1.4", shop_end()), Ok(at(3, "10.3.1.4")));
    assert_eq!(seen("10.0.128.4", shop_end()), Ok(dyno_end()));
    assert_eq!(
        seen("100.64.0.4", dyno_end()),
        Ok(at(3, "100.64.0.4")),
        "by peering, without a route"
    );
    assert_eq!(seen("192.0.2.1", shop_end()), Ok(at(3, "192.0.2.1")));
}

#[test]
fn an_address_is_of_the_vpc_that_the_route_leads_to() {
    let mut world = shop();
    put_vpc(&mut world, 8, None, &["10.0.0.0/16"]);
    put(&mut world, peering(10, 8, 3, PeeringState::Active));
    let seen = |world: &World| Endpoint::resolve(world, "10.0.128.4", Some(shop_end())).unwrap();
    assert_eq!(seen(&world), dyno_end());
    set_routes(&mut world, 3, &[("10.0.0.0/16", RouteTo::Peering(id(10)))]);
    assert_eq!(seen(&world), at(8, "10.0.128.4"));
}

#[test]
fn flows_are_read_as_people_write_them() {
    let world = shop();
    let flow = |protocol, port| {
        Flow::resolve(&world, "app-1/run.1", "10.3.0.4", protocol, port, None).map(|f| f.packet())
    };
    let from = |protocol, port, ports| {
        let flow = Flow::resolve(&world, "app-1/run.1", "10.3.0.4", protocol, port, Some(ports));
        flow.map(|flow| (flow.source_ports.from, flow.source_ports.to))
    };
    assert_eq!(from("tcp", Some(80), "32768-60999"), Ok((32_768, 60_999)));
    assert_eq!(from("udp", Some(80), "53"), Ok((53, 53)));
    for wrong in ["", "-", "1-", "2-1", "1-65536", "a", "1-2-3"] {
        assert!(from("tcp", Some(80), wrong).unwrap_err().contains("32768-60999"), "{wrong}");
    }
    assert!(from("icmp", None, "53").unwrap_err().contains("has no ports"));
    let packet = flow("tcp", Some(8000)).unwrap();
    assert_eq!((packet.source_port, packet.destination_port), (1024, 8000));
    assert_eq!(flow("icmp", None).unwrap().icmp_type, 8);
    assert_eq!(flow("47", None).unwrap().protocol, IpProtocol(47));
    assert!(flow("tcp", None).is_err() && flow("icmp", Some(1)).is_err());
    assert!(flow("sctp", Some(1)).is_err() && flow("256", None).is_err());
}

proptest::proptest! {
    #[test]
    fn whatever_is_missing_no_walk_panics(
        records in proptest::collection::vec(proptest::arbitrary::any::<[u8; 5]>(), 0..150),
        ends in proptest::arbitrary::any::<[u8; 4]>(),
    ) {
        let mut world = World::default();
        records.into_iter().for_each(|bytes| put(&mut world, random_record(bytes)));
        let [a, b, c, d] = ends.map(|byte| byte % 5);
        let (from, to) = (format!("10.{a}.0.{}", b + 4), format!("10.{c}.0.{}", d + 4));
        http(&world, at(a.into(), &from), at(c.into(), &to));
        let _ = Flow::resolve(&world, &text::<EniId>(b.into()), &to, "icmp", None, None);
    }
}

#[test]
fn a_verdict_is_read_as_json() {
    let mut world = shop();
    set_routes(&mut world, 3, &[]);
    let verdict = http(&world, shop_end(), dyno_end());
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["allowed"], false);
    let hops = json["hops"].as_array().unwrap();
    let last = hops.iter().find(|hop| hop["decision"] != "passed").unwrap();
    assert_eq!(last["leg"], "forward");
    assert_eq!(last["decision"], "blocked");
    assert_eq!(last["code"], "NO_ROUTE_TO_DESTINATION");
    assert!(last["where"].as_str().unwrap().starts_with("rtb-"));
    assert_eq!(last["route_table_id"], text::<RouteTableId>(3));
    assert_eq!(
        (&last["subnet_id"], &last["vpc_id"]),
        (&text::<SubnetId>(3).into(), &text_of_vpc(3).into())
    );
    assert_eq!(last["commands"][0], last["remedy"]);
    assert_eq!(json["source_ports"]["asked"], serde_json::json!({ "from": 1024, "to": 65535 }));
    assert_eq!(json["source_ports"]["passing"], serde_json::json!([]));
    assert_eq!(hops[0]["security_group_rule_id"], text::<SecurityGroupRuleId>(49));
    assert_eq!(hops[0]["network_interface_id"], text::<EniId>(31));
    assert_eq!(hops[1]["network_acl_id"], text::<AclId>(3));
}

#[test]
fn every_dead_end_has_a_way_on() {
    let mut world = shop();
    // An address of nobody's VPC, and a VPC that cannot be joined.
    let verdict = http(&world, shop_end(), at(3, "192.0.2.1"));
    let (_, code, _, remedy) = stopped(&verdict);
    assert_eq!(code, Some(ExplanationCode::NoRouteToDestination));
    assert!(remedy.as_ref().unwrap().contains("vpc-…/192.0.2.1"), "{remedy:?}");
    set_routes(&mut world, 3, &[(ALL, RouteTo::Peering(id(99)))]);
    let verdict = http(&world, shop_end(), dyno_end());
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::BadStateRoute));
}

#[test]
fn what_belongs_to_others_is_not_described() {
    let mut world = shop();
    let open = http(&world, dyno_end(), shop_end());
    let (space, shop) = (id::<VpcId>(1), id::<VpcId>(3));
    let seen = open.clone().seen_by(|vpc| vpc == shop);
    assert!(seen.allowed);
    let text = serde_json::to_string(&seen).unwrap();
    for hop in open.hops.iter().filter(|hop| hop.vpc == Some(space)) {
        assert!(!text.contains(&hop.where_.to_string()), "{} in {text}", hop.where_);
    }
    assert!(open.hops.iter().any(|hop| hop.vpc == Some(space)));
    let own = |verdict: &Verdict| -> Vec<Hop> {
        verdict.hops.iter().filter(|hop| hop.vpc != Some(space)).cloned().collect()
    };
    assert_eq!(own(&seen), own(&open), "what is one's own is told in full");
    assert!(text.contains("what its owner set lets it pass"), "{text}");
    // A remedy in another's hands names no more than the VPC, not even the space.
    put(&mut world, peering(13, 3, 1, PeeringState::PendingAcceptance));
    let verdict = http(&world, shop_end(), dyno_end()).seen_by(|vpc| vpc == shop);
    assert_eq!(stopped(&verdict).3, Some(format!("ask the owner of {}", text_of_vpc(1))));
}

fn text_of_vpc(number: u128) -> String {
    text::<VpcId>(number)
}
