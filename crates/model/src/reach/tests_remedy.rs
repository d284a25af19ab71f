//! Worlds that are broken in one way each: which ports pass, and what is to be typed.

use super::tests::*;
use super::*;
use crate::plan::lab::*;
use crate::*;

const EVERY: PortRange = Flow::EPHEMERAL_PORTS;

const fn tcp(from: u16, to: u16) -> Traffic {
    Traffic::Tcp(PortRange { from, to })
}

fn put_acl(world: &mut World, ingress: &[(u16, AclEntry)], egress: &[(u16, AclEntry)]) {
    put(world, acl(3, 3, ingress, egress));
}

fn all() -> AclEntry {
    entry(true, Traffic::All, ALL)
}

/// The remedies of everything that is in the way, in order.
fn remedies(verdict: &Verdict) -> Vec<String> {
    let remedy = |hop: &Hop| hop.remedy.as_ref().map(ToString::to_string).unwrap_or_default();
    obstacles(verdict).map(remedy).collect()
}

fn acl_command(verb: &str, way: &str, number: u16, rest: &str) -> String {
    let acl = text::<AclId>(3);
    format!(
        "aws ec2 {verb}-network-acl-entry --network-acl-id {acl} --{way} --rule-number {number} \
         {rest}"
    )
}

#[test]
fn source_ports_are_divided_exactly_by_the_acl_s_entries() {
    let mut world = shop();
    let entries = [
        (90, entry(false, tcp(2000, 3000), "10.0.0.0/8")),
        (95, entry(false, Traffic::Udp(PortRange::ALL), ALL)),
        (100, entry(true, tcp(1024, 40_000), "10.0.0.0/16")),
        (110, entry(true, tcp(50_000, 50_000), ALL)),
    ];
    put_acl(&mut world, &[(100, all())], &entries);
    let verdict = http(&world, dyno_end(), shop_end());
    let ports = verdict.source_ports.clone().unwrap();
    let passing = [(1024, 1999), (3001, 40_000), (50_000, 50_000)];
    assert_eq!(ports.passing, passing.map(|(from, to)| PortRange { from, to }));
    assert!(!verdict.allowed);
    let hop = obstacles(&verdict).next().unwrap();
    assert_eq!((hop.leg, hop.decision), (Leg::Answer, Ruling::Partly));
    assert_eq!(hop.component.rule_number, Some(90));
    assert_eq!(
        hop.because.to_string(),
        "answers to the source ports 2000-3000, 40001-49999, 50001-65535 are stopped, and ACLs \
         remember nothing: outbound entry 90 denies tcp 2000-3000 to 10.0.0.0/8; no outbound entry \
         is for tcp 40001-49999, 50001-65535 to 10.0.128.4"
    );
    // It goes on from the ports that are left, and each of those passes by itself.
    assert!(
        verdict.hops.iter().any(|hop| hop.where_.to_string() == text::<EniId>(11) && !hop.presumed)
    );
    for (from, to, allowed) in [(3001, 40_000, true), (2000, 2000, false), (1999, 2000, false)] {
        let source_ports = PortRange { from, to };
        let flow =
            Flow { source_ports, ..Flow::new(dyno_end(), shop_end(), IpProtocol::TCP, 8000) };
        assert_eq!(told(&world, &flow).allowed, allowed, "{source_ports}");
    }
    let ping = told(&world, &Flow::new(dyno_end(), shop_end(), IpProtocol::ICMP, 0));
    assert_eq!((ping.allowed, ping.source_ports), (false, None));
}

/// An ACL that lets the port through by which it used to be tried says nothing of the others.
#[test]
fn one_source_port_does_not_stand_for_all() {
    let mut world = shop();
    let (open, shut) = (49_152..=49_152, [1024..=49_151, 49_153..=65_535]);
    for (port, allowed) in [(49_152, true), (49_151, false)] {
        put_acl(&mut world, &[(100, all())], &[(100, entry(true, tcp(port, port), ALL))]);
        let verdict = http(&world, dyno_end(), shop_end());
        assert!(!verdict.allowed);
        let ports = verdict.source_ports.unwrap();
        assert_eq!(ports.passing, [PortRange { from: port, to: port }]);
        assert_eq!(open.contains(&port), allowed);
        assert_eq!(shut.iter().any(|range| range.contains(&port)), !allowed);
    }
    put_acl(
        &mut world,
        &[(100, all())],
        &[(90, entry(false, tcp(49_152, 49_152), ALL)), (100, all())],
    );
    let verdict = http(&world, dyno_end(), shop_end());
    assert!(verdict.blocked().is_none() && !verdict.allowed, "65,534 of 65,535 pass");
}

#[test]
fn an_answer_is_stopped_by_both_ends_acls_each_for_its_ports() {
    let mut world = shop();
    put_acl(&mut world, &[(100, all())], &[(100, entry(true, tcp(1024, 30_000), ALL))]);
    let ingress = [(100, entry(true, tcp(20_000, 65_535), ALL))];
    put(&mut world, acl(1, 1, &ingress, &[(100, all())]));
    let ports = http(&world, dyno_end(), shop_end()).source_ports.unwrap();
    assert_eq!(ports.passing, [PortRange { from: 20_000, to: 30_000 }]);
}

#[test]
fn an_entry_goes_before_every_entry_that_denies() {
    let mut world = shop();
    let entries = [
        (50, entry(false, tcp(60_000, 60_999), ALL)),
        (100, entry(true, tcp(1024, 59_000), ALL)),
        (120, entry(false, tcp(59_001, 65_535), ALL)),
    ];
    put_acl(&mut world, &[(100, all())], &entries);
    let rest = |block| {
        format!(
            "--protocol tcp --port-range From=59001,To=65535 --cidr-block {block} --rule-action \
             allow"
        )
    };
    let one = |number, block| acl_command("create", "egress", number, &rest(block));
    let expected = [format!("{} && {}", one(49, "10.0.128.0/20"), one(48, "10.0.144.0/20"))];
    assert_eq!(remedies(&http(&world, dyno_end(), shop_end())), expected);
}

#[test]
fn nothing_goes_before_entry_1_so_it_makes_room() {
    let mut world = shop();
    let from = at(4, "10.4.0.4");
    let deny = entry(false, Traffic::All, "10.4.0.0/16");
    put_acl(&mut world, &[(1, deny), (100, all())], &[(100, all())]);
    let allow = "--protocol tcp --port-range From=8000,To=8000 --cidr-block 10.4.0.4/32 \
                 --rule-action allow";
    let deny_words = "--protocol -1 --cidr-block 10.4.0.0/16 --rule-action deny";
    let moved = acl_command("create", "ingress", 2, deny_words);
    let replaced = acl_command("replace", "ingress", 1, allow);
    let verdict = http(&world, from, shop_end());
    assert_eq!(remedies(&verdict), [format!("{moved} && {replaced}")]);
    assert_eq!(obstacles(&verdict).next().unwrap().commands, [moved, replaced.clone()]);
    // Without room behind it, it is replaced.
    put_acl(&mut world, &[(1, deny), (2, all())], &[(100, all())]);
    assert_eq!(remedies(&http(&world, from, shop_end())), [replaced]);
}

#[test]
fn a_full_acl_is_said_to_be_full() {
    let mut world = shop();
    let other = entry(true, tcp(1, 1), "192.0.2.0/24");
    let full: Vec<(u16, AclEntry)> = (1..=19).map(|n| (n * 10, other)).collect();
    put_acl(&mut world, &full, &[(100, all())]);
    let verdict = http(&world, dyno_end(), shop_end());
    let hop = obstacles(&verdict).next().unwrap();
    assert!(
        hop.remedy.as_ref().unwrap().to_string().contains("as many inbound entries as it may have")
    );
    assert_eq!((hop.commands.len(), hop.component.rule_number), (0, Some(32_767)));
    // One of two blocks is in already, and there is room for one more.
    let dynos = entry(true, HTTP, "10.0.144.0/20");
    let entries: Vec<_> = full.iter().copied().take(17).chain([(190, dynos)]).collect();
    put_acl(&mut world, &entries, &[(100, all())]);
    let verdict = http(&world, dyno_end(), shop_end());
    assert!(remedies(&verdict)[0].contains("--rule-number 200 "), "{:?}", remedies(&verdict));
    assert!(!remedies(&verdict)[0].contains(" && "));
}

#[test]
fn a_rule_that_is_there_already_is_not_asked_for_again() {
    let mut world = shop();
    let there = GroupPeer::Cidr(cidr("10.0.144.0/20"));
    put(&mut world, group(3, 3, vec![rule(Direction::Ingress, HTTP, there)]));
    let verdict = http(&world, dyno_end(), shop_end());
    let remedy = &remedies(&verdict)[0];
    assert!(remedy.ends_with("IpRanges=[{CidrIp=10.0.128.0/20}]'"), "{remedy}");
}

#[test]
fn of_two_peers_with_one_block_the_narrower_route_leads_to_the_other() {
    let mut world = shop();
    put_vpc(&mut world, 8, None, &["10.4.0.0/16"]);
    put_instance(&mut world, 81, 8, 8, "10.4.0.8");
    put(&mut world, peering(38, 3, 8, PeeringState::Active));
    put(&mut world, table(8, 8, &[("10.3.0.0/16", RouteTo::Peering(id(38)))]));
    let command = format!(
        "aws ec2 create-route --route-table-id {} --destination-cidr-block 10.4.0.8/32 \
         --vpc-peering-connection-id {}",
        text::<RouteTableId>(3),
        text::<PcxId>(38)
    );
    // Nobody has that address at the wrong peer, or somebody has.
    for twin in [false, true] {
        if twin {
            put_instance(&mut world, 42, 4, 4, "10.4.0.8");
        }
        let to = at(8, "10.4.0.8");
        let verdict = http(&world, shop_end(), to);
        assert_eq!(stopped(&verdict).1, Some(ExplanationCode::NoPossibleDestination));
        assert_eq!(remedies(&verdict), [&*command]);
        assert_eq!(remedies(&http(&world, to, shop_end())), [&*command], "the answer's way");
    }
    let over = RouteTo::Peering(id(34));
    set_routes(&mut world, 3, &[("10.4.0.8/32", over), ("10.4.0.0/16", over)]);
    let verdict = http(&world, shop_end(), at(8, "10.4.0.8"));
    assert_eq!(remedies(&verdict), [command.replace("create", "replace")]);
}

#[test]
fn a_route_to_a_vanished_interface_is_taken_away_or_led_elsewhere() {
    let mut world = shop();
    let gone = RouteTo::Interface(id(99));
    set_routes(&mut world, 3, &[("10.3.1.0/24", gone), ("10.0.0.0/16", gone)]);
    let verdict = http(&world, shop_end(), at(3, "10.3.1.4"));
    let table = text::<RouteTableId>(3);
    let delete = format!(
        "aws ec2 delete-route --route-table-id {table} --destination-cidr-block 10.3.1.0/24"
    );
    assert_eq!(remedies(&verdict), [delete]);
    let replace = format!(
        "aws ec2 replace-route --route-table-id {table} --destination-cidr-block 10.0.0.0/16 \
         --vpc-peering-connection-id {}",
        text::<PcxId>(13)
    );
    assert_eq!(remedies(&http(&world, shop_end(), dyno_end())), [replace]);
}

#[test]
fn no_peering_is_asked_for_that_would_fail() {
    let mut world = shop();
    put_vpc(&mut world, 8, None, &["10.8.0.0/16", "10.3.128.0/24"]);
    put_instance(&mut world, 81, 8, 8, "10.8.0.8");
    let verdict = http(&world, shop_end(), at(8, "10.8.0.8"));
    assert!(stopped(&verdict).3.unwrap().contains("cannot be joined"), "{verdict:#?}");
    assert_eq!(obstacles(&verdict).next().unwrap().commands.len(), 0);
}

#[test]
fn a_space_that_is_full_is_given_room() {
    let mut world = shop();
    put(&mut world, Space { peering_limit: 1, ..space(1, 1, 2, "10.0.0.0/16", "10.1.0.0/16") });
    let asked = peering(14, 4, 1, PeeringState::PendingAcceptance);
    put(&mut world, asked);
    let verdict = http(&world, at(4, "10.4.0.4"), dyno_end());
    let expected = format!(
        "causeway spaces:limits:set --space space-1 --peerings 3 && heroku spaces:peerings:accept \
         {} --space space-1",
        text::<PcxId>(14)
    );
    assert_eq!(remedies(&verdict)[0], expected);
}

#[test]
fn everything_that_is_in_the_way_is_told_at_once() {
    let mut world = shop();
    set_routes(&mut world, 3, &[]);
    set_routes(&mut world, 4, &[]);
    put(&mut world, peering(34, 3, 4, PeeringState::PendingAcceptance));
    put(&mut world, group(3, 3, vec![open(Direction::Egress, "192.0.2.0/24")]));
    put(&mut world, group(4, 4, vec![]));
    put_acl(&mut world, &[], &[]);
    put(&mut world, acl(4, 4, &[], &[]));
    let verdict = http(&world, shop_end(), at(4, "10.4.0.4"));
    let met: Vec<String> = obstacles(&verdict)
        .map(|hop| {
            let code = hop.code.map(ExplanationCode::name).unwrap_or_default();
            let remedy = hop.remedy.as_ref().unwrap().to_string();
            let verb = remedy.split(' ').nth(2).unwrap();
            format!("{:?} {} {code} {verb}", hop.leg, &hop.where_.to_string()[..3])
        })
        .collect();
    insta::assert_snapshot!(met.join("\n"), @"
    Forward sg- ENI_SG_RULES_MISMATCH authorize-security-group-egress
    Forward acl SUBNET_ACL_RESTRICTION create-network-acl-entry
    Forward rtb NO_ROUTE_TO_DESTINATION accept-vpc-peering-connection
    Forward rtb NO_ROUTE_TO_DESTINATION create-route
    Forward acl SUBNET_ACL_RESTRICTION create-network-acl-entry
    Forward sg- SG_HAS_NO_RULES authorize-security-group-ingress
    Answer acl SUBNET_ACL_RESTRICTION create-network-acl-entry
    Answer rtb NO_ROUTE_TO_DESTINATION create-route
    Answer acl SUBNET_ACL_RESTRICTION create-network-acl-entry
    ");
    let presumed = verdict.hops.iter().skip_while(|hop| hop.decision == Ruling::Passed).skip(1);
    assert!(presumed.clone().count() > 8 && presumed.clone().all(|hop| hop.presumed));
    // Of another's VPC nothing is told that no packet would find out.
    let ours = id::<VpcId>(3);
    let seen = verdict.seen_by(|vpc| vpc == ours);
    assert!(obstacles(&seen).all(|hop| hop.vpc == Some(ours)), "{seen:#?}");
    assert_eq!(obstacles(&seen).count(), 4, "{seen:#?}");
    assert_eq!(EVERY, seen.source_ports.unwrap().asked);
}

#[test]
fn what_is_not_there_yet_has_no_id() {
    let mut world = shop();
    put(&mut world, peering(34, 3, 4, PeeringState::Deleted));
    set_routes(&mut world, 3, &[]);
    set_routes(&mut world, 4, &[]);
    let verdict = http(&world, shop_end(), at(4, "10.4.0.4"));
    let text = serde_json::to_string(&verdict).unwrap();
    assert!(!text.contains("pcx-"), "{text}");
    assert!(text.contains("after that, accept the new peering"), "{text}");
    assert!(text.contains("the new peering in rtb-"), "{text}");
}
