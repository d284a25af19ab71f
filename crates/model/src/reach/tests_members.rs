//! Rules that name a group mean its members, not whoever has their addresses.

use super::*;
use crate::plan::lab::*;
use crate::*;

const DATABASE: Traffic = Traffic::Tcp(PortRange { from: 5432, to: 5432 });
const ALL: &str = "0.0.0.0/0";
const TWIN: &str = "10.9.0.4";

/// VPC 3 with the instances 31 and 32, peered with 4 and with 5, which have the same block, and in
/// it an instance each at the same address. VPC 3 routes the block to 4.
fn twins() -> World {
    let mut world = World::default();
    put_vpc(&mut world, 3, None, &["10.3.0.0/16"]);
    put_instance(&mut world, 31, 3, 3, "10.3.0.4");
    put_instance(&mut world, 32, 3, 3, "10.3.0.5");
    for (twin, instance) in [(4, 41), (5, 51)] {
        put_vpc(&mut world, twin, None, &["10.9.0.0/16"]);
        put_instance(&mut world, instance, twin, twin, TWIN);
        let pcx = 30 + twin;
        put(&mut world, peering(pcx, 3, twin, PeeringState::Active));
        put(&mut world, table(twin, twin, &[("10.3.0.0/16", RouteTo::Peering(id(pcx)))]));
    }
    put(&mut world, table(3, 3, &[("10.9.0.0/16", RouteTo::Peering(id(34)))]));
    world
}

/// A rule of VPC 3's group that names the group of another VPC.
fn names(direction: Direction, vpc: u128) -> GroupRule {
    let peer = GroupPeer::Group { group: id(vpc), account: account(1), vpc: id(vpc) };
    rule(direction, Traffic::All, peer)
}

fn at(vpc: u128, address: &str) -> Endpoint {
    Endpoint { vpc: id(vpc), address: address.parse().unwrap() }
}

fn walk(world: &World, from: Endpoint, to: Endpoint, protocol: IpProtocol) -> Verdict {
    reach(world, &Flow::new(from, to, protocol, 5432), now())
}

/// What stopped a flow, and why.
#[track_caller]
fn stopped(verdict: &Verdict) -> (Leg, Option<ExplanationCode>, String) {
    let hop = verdict.blocked().expect("the flow passes");
    (hop.leg, hop.code, hop.because.to_string())
}

#[test]
fn a_namesake_of_a_member_is_not_one() {
    let mut world = twins();
    let open = open(Direction::Egress, ALL);
    put(&mut world, group(3, 3, vec![names(Direction::Ingress, 4), open]));
    let own_32 = ("10.9.0.4/32", RouteTo::Peering(id(35)));
    let routes = [("10.9.0.0/16", RouteTo::Peering(id(34))), own_32];
    for (routes, member_passes) in [(&routes[..1], true), (&routes[..], false)] {
        put(&mut world, table(3, 3, routes));
        for protocol in [IpProtocol::TCP, IpProtocol::UDP] {
            let member = walk(&world, at(4, TWIN), at(3, "10.3.0.4"), protocol);
            assert_eq!(member.allowed, member_passes, "{member:#?}");
            let namesake = walk(&world, at(5, TWIN), at(3, "10.3.0.4"), protocol);
            let (leg, code, because) = stopped(&namesake);
            assert_eq!((leg, code), (Leg::Forward, Some(ExplanationCode::EniSgRulesMismatch)));
            let words = format!(
                "names {}, whose member with that address is behind {}, and the packet comes by {}",
                id::<SecurityGroupId>(4),
                id::<PcxId>(34),
                id::<PcxId>(35)
            );
            assert!(because.ends_with(&words), "{because}");
        }
    }
    // Who is named is let in, and nobody else.
    put(&mut world, group(3, 3, vec![names(Direction::Ingress, 5), open_egress()]));
    assert!(walk(&world, at(5, TWIN), at(3, "10.3.0.4"), IpProtocol::TCP).allowed);
    let other = walk(&world, at(4, TWIN), at(3, "10.3.0.4"), IpProtocol::UDP);
    assert_eq!(stopped(&other).0, Leg::Forward);
}

fn open_egress() -> GroupRule {
    open(Direction::Egress, ALL)
}

#[test]
fn what_may_go_to_a_member_goes_by_the_members_peering() {
    let mut world = twins();
    put(&mut world, group(3, 3, vec![names(Direction::Egress, 4)]));
    assert!(walk(&world, at(3, "10.3.0.4"), at(4, TWIN), IpProtocol::TCP).allowed);
    put(&mut world, table(3, 3, &[("10.9.0.0/16", RouteTo::Peering(id(35)))]));
    let verdict = walk(&world, at(3, "10.3.0.4"), at(5, TWIN), IpProtocol::UDP);
    let (leg, code, because) = stopped(&verdict);
    assert_eq!((leg, code), (Leg::Forward, Some(ExplanationCode::EniSgRulesMismatch)));
    assert!(because.ends_with(&format!("the packet leaves by {}", id::<PcxId>(35))), "{because}");
    // Without a way it is the route that stops it.
    put(&mut world, table(3, 3, &[]));
    let verdict = walk(&world, at(3, "10.3.0.4"), at(4, TWIN), IpProtocol::TCP);
    assert_eq!(stopped(&verdict).1, Some(ExplanationCode::NoRouteToDestination));
}

#[test]
fn a_rule_sees_every_peering_that_leads_to_a_group() {
    let mut world = twins();
    let rules = vec![names(Direction::Ingress, 4), names(Direction::Ingress, 5), open_egress()];
    put(&mut world, group(3, 3, rules));
    let verdict = |world: &World, from| walk(world, from, at(3, "10.3.0.4"), IpProtocol::TCP);
    assert!(verdict(&world, at(4, TWIN)).allowed);
    let answer = verdict(&world, at(5, TWIN));
    assert_eq!(stopped(&answer).0, Leg::Answer, "it is let in, and its answer goes to the twin");
    // A new peering in place of one that ended is as good.
    put(&mut world, peering(34, 3, 4, PeeringState::Deleted));
    put(&mut world, peering(36, 3, 4, PeeringState::Active));
    put(&mut world, table(3, 3, &[("10.9.0.0/16", RouteTo::Peering(id(36)))]));
    put(&mut world, table(4, 4, &[("10.3.0.0/16", RouteTo::Peering(id(36)))]));
    assert!(verdict(&world, at(4, TWIN)).allowed);
}

#[test]
fn a_middlebox_between_is_no_member() {
    let mut world = twins();
    let rules = vec![names(Direction::Ingress, 3), names(Direction::Egress, 3)];
    put(&mut world, group(3, 3, rules));
    put(&mut world, subnet(5, 3, "10.3.1.0/24"));
    put_instance(&mut world, 34, 3, 5, "10.3.1.5");
    let (one, two) = (at(3, "10.3.0.4"), at(3, "10.3.1.5"));
    assert!(walk(&world, one, two, IpProtocol::TCP).allowed);
    put_instance(&mut world, 33, 3, 3, "10.3.0.6");
    let middlebox =
        Eni { source_dest_check: false, groups: vec![], ..Eni::clone(world.eni(id(33)).unwrap()) };
    put(&mut world, middlebox);
    put(&mut world, table(3, 3, &[("10.3.1.0/24", RouteTo::Interface(id(33)))]));
    let verdict = walk(&world, one, two, IpProtocol::TCP);
    let (leg, code, because) = stopped(&verdict);
    assert_eq!((leg, code), (Leg::Forward, Some(ExplanationCode::EniSgRulesMismatch)));
    assert!(because.contains(&format!("leaves by {}", id::<EniId>(33))), "{because}");
    put(
        &mut world,
        group(3, 3, vec![rule(Direction::Egress, DATABASE, GroupPeer::Cidr(cidr(ALL)))]),
    );
    let verdict = walk(&world, one, two, IpProtocol::TCP);
    assert_eq!(verdict.blocked().unwrap().where_.to_string(), id::<EniId>(33).to_string());
}
