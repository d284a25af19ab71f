use proptest::prelude::*;

use super::lab::*;
use super::*;
use crate::intent::{ExitId, IntentDelta, PeeringEnd, RouteTarget, Via};
use crate::*;

fn space_role() -> Option<VpcRole> {
    Some(VpcRole::Space(space_id(1)))
}

/// A space (VPC 1, data VPC 2), a customer's VPC 3 with a second block, and another one, 4.
/// Everything is peered with the space's or with 3.
fn four_vpcs() -> World {
    let mut world = World::default();
    put_vpc(&mut world, 1, space_role(), &["10.0.0.0/16"]);
    put_vpc(&mut world, 2, Some(VpcRole::Data(space_id(1))), &["10.1.0.0/16"]);
    put_vpc(&mut world, 3, None, &["10.3.0.0/16", "100.64.0.0/16"]);
    put_vpc(&mut world, 4, None, &["10.4.0.0/16", "100.65.0.0/16"]);
    put(&mut world, space(1, 1, 2, "10.0.0.0/16", "10.1.0.0/16"));
    put(&mut world, peering(12, 1, 2, PeeringState::Active));
    put(&mut world, peering(13, 1, 3, PeeringState::Provisioning));
    put(&mut world, peering(34, 3, 4, PeeringState::Active));
    put_instance(&mut world, 31, 3, 3, "10.3.0.4");
    put_instance(&mut world, 41, 4, 4, "10.4.0.4");
    world
}

fn router(world: &World, n: u128) -> intent::VpcIntent {
    plan_vpc(world, world.vpc(id(n)).unwrap())
}

fn end(to: &[&str], from: Option<&[&str]>, behind: &[&str]) -> PeeringEnd {
    let blocks = |texts: &[&str]| texts.iter().map(|text| cidr(text)).collect();
    PeeringEnd { admits_to: blocks(to), admits_from: from.map(blocks), behind: blocks(behind) }
}

#[test]
fn peerings_admit_what_each_pair_of_roles_may() {
    let world = four_vpcs();
    let ends = |n| router(&world, n).peerings;
    let (space, data, dynos) = ("10.0.0.0/16", "10.1.0.0/16", ["10.0.128.0/20", "10.0.144.0/20"]);
    let (three, four) = (["10.3.0.0/16", "100.64.0.0/16"], ["10.4.0.0/16", "100.65.0.0/16"]);
    assert_eq!(ends(1)[&id(13)], end(&[space], Some(&["10.3.0.0/16"]), &three), "R20");
    assert_eq!(ends(3)[&id(13)], end(&["10.3.0.0/16"], None, &[space]), "R20");
    assert_eq!(ends(1)[&id(12)], end(&[space], Some(&[data]), &[data]));
    assert_eq!(ends(2)[&id(12)], end(&[data], Some(&dynos), &[space]), "R22");
    assert_eq!(ends(3)[&id(34)], end(&three, None, &four));
    assert_eq!(plan(&world, now()).networks.peerings.len(), 3);
}

#[test]
fn spaces_are_told_of_what_no_route_leads_to_and_customers_are_not() {
    let world = four_vpcs();
    let told = [1, 2, 3, 4].map(|n| router(&world, n).refuses_unrouted);
    assert_eq!(told, [true, true, false, false], "a space, its data VPC, two customers' VPCs");
    let all = plan(&world, now()).networks.vpcs;
    assert_eq!([1, 2, 3, 4].map(|n| all[&id(n)].refuses_unrouted), told);
}

#[test]
fn a_data_vpc_admits_nobody_but_its_own_space() {
    let mut world = four_vpcs();
    put(&mut world, peering(23, 2, 3, PeeringState::Active));
    assert_eq!(router(&world, 2).peerings[&id(23)].admits_from, Some(Vec::new()));
    world.apply(&Change::Delete(Key::Space(space_id(1))));
    assert_eq!(router(&world, 2).peerings[&id(12)].admits_from, Some(Vec::new()));
}

#[test]
fn routes_are_alive_only_while_what_they_lead_to_is() {
    let mut world = four_vpcs();
    let routes = [
        ("10.4.0.0/16", RouteTo::Peering(id(34))),
        ("10.1.0.0/16", RouteTo::Peering(id(12))),
        ("10.9.0.0/16", RouteTo::Peering(id(999))),
        ("192.0.2.0/24", RouteTo::Interface(id(31))),
        ("198.51.100.0/24", RouteTo::Interface(id(41))),
        ("0.0.0.0/0", RouteTo::Gateway(id(1))),
    ];
    put(&mut world, table(3, 3, &routes));
    let targets =
        |world: &World| routes.map(|(to, _)| router(world, 3).route_tables[&id(3)][&cidr(to)]);
    use RouteTarget::{Blackhole, Interface, Peering};
    assert_eq!(
        targets(&world),
        [Peering(id(34)), Blackhole, Blackhole, Interface(id(31)), Blackhole, Blackhole]
    );
    put(&mut world, peering(34, 3, 4, PeeringState::Deleting));
    put(&mut world, eni(31, 3, 3, "10.3.0.4", None));
    assert_eq!(targets(&world), [Blackhole; 6]);
    assert!(!router(&world, 3).peerings.contains_key(&id(34)));
    put(&mut world, peering(34, 3, 4, PeeringState::Active));
    assert_eq!(targets(&world)[0], Peering(id(34)), "a new life of what was named");
}

#[test]
fn prefix_lists_are_resolved_and_ipv6_is_left_out() {
    let mut world = four_vpcs();
    put(&mut world, prefix_list(1, &["10.3.5.0/24", "10.4.0.0/16", "192.0.2.0/24"]));
    put(&mut world, prefix_list(2, &["10.4.0.0/16", "198.51.100.0/24"]));
    let [first, second] = [1, 2].map(|n| id::<PrefixListId>(n).to_string());
    let (over, near) = (RouteTo::Peering(id(34)), RouteTo::Interface(id(31)));
    let routes = [("192.0.2.0/24", over), (&*first, near), (&*second, over), ("::/0", over)];
    put(&mut world, table(3, 3, &routes));
    let planned = router(&world, 3).route_tables[&id(3)].clone();
    use RouteTarget::{Interface, Peering};
    // The VPC's own are no destinations of a list; a static route and the first list come first.
    let expected = [
        ("10.4.0.0/16", Interface(id(31))),
        ("192.0.2.0/24", Peering(id(34))),
        ("198.51.100.0/24", Peering(id(34))),
    ];
    assert_eq!(planned, expected.map(|(to, by)| (cidr(to), by)).into());

    let from = |peer| rule(Direction::Ingress, Traffic::All, peer);
    let rules = [
        GroupPeer::PrefixList(id(2)),
        GroupPeer::PrefixList(id(77)),
        GroupPeer::Ipv6(Ipv6Cidr::ANY),
    ];
    put(&mut world, group(3, 3, rules.map(from).to_vec()));
    let admitted = |world: &World| -> Vec<String> {
        let rules = &router(world, 3).groups[&id(3)].ingress;
        rules.iter().map(|rule| format!("{:?}", rule.peer)).collect()
    };
    assert_eq!(admitted(&world), ["Cidr(10.4.0.0/16)", "Cidr(198.51.100.0/24)"]);
    put(&mut world, prefix_list(2, &["10.9.0.0/16"]));
    assert_eq!(admitted(&world), ["Cidr(10.9.0.0/16)"]);

    let (all, any6) = (entry(true, Traffic::All, "0.0.0.0/0"), IpCidr::V6(Ipv6Cidr::ANY));
    let none6 = AclEntry { allow: false, cidr: any6, ..all };
    put(&mut world, acl(3, 3, &[(50, none6), (90, all)], &[(90, all), (95, none6)]));
    assert_eq!(router(&world, 3).acls, [].into(), "all of IPv4 passes");
    let deny = entry(false, Traffic::All, "10.0.0.0/8");
    put(&mut world, acl(3, 3, &[(50, none6), (60, deny), (90, all)], &[(90, all)]));
    let entries = router(&world, 3).acls[&id(3)].ingress.clone();
    assert_eq!(entries.iter().map(|entry| entry.allow).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_rule_sees_members_across_a_live_peering_of_the_region() {
    let mut world = four_vpcs();
    let of = |group: u128, vpc: u128| {
        let peer = GroupPeer::Group { group: id(group), account: account(1), vpc: id(vpc) };
        rule(Direction::Ingress, Traffic::All, peer)
    };
    put(&mut world, group(3, 3, vec![of(3, 3), of(4, 4), of(1, 1), of(77, 4)]));
    let seen = |world: &World, n: u128| -> Vec<(Via, String)> {
        let members = &router(world, 3).members[&id(n)];
        members.iter().map(|member| (member.via, member.address.to_string())).collect()
    };
    assert_eq!(seen(&world, 3), [(Via::Interface(id(31)), "10.3.0.4".to_owned())]);
    assert_eq!(seen(&world, 4), [(Via::Peering(id(34)), "10.4.0.4".to_owned())]);
    assert_eq!(seen(&world, 77), [], "a group that is gone");
    let mut two = (**world.eni(id(31)).unwrap()).clone();
    two.addresses.push("10.3.0.9".parse().unwrap());
    put(&mut world, two);
    let own = seen(&world, 3);
    assert_eq!(own[1], (Via::Interface(id(31)), "10.3.0.9".to_owned()), "every address counts");
    let mut abroad = peering(34, 3, 4, PeeringState::Active);
    abroad.accepter.region = Region::find("eu-west-1").unwrap();
    put(&mut world, abroad.clone());
    assert_eq!(seen(&world, 4), [], "R5");
    assert_eq!(plan(&world, now()).networks.peerings[&id(34)].mtu, 1500, "R5");
    put(&mut world, peering(34, 3, 4, PeeringState::Deleted));
    assert_eq!(seen(&world, 4), [], "stale");
}

#[test]
fn only_acls_that_restrict_are_planned_and_a_lost_one_shuts() {
    let mut world = four_vpcs();
    assert_eq!(router(&world, 3).acls, [].into());
    assert_eq!(router(&world, 3).subnets[&id(3)].acl, None);
    let (allow, deny) =
        (entry(true, Traffic::All, "0.0.0.0/0"), entry(false, Traffic::All, "10.0.0.0/8"));
    put(&mut world, acl(3, 3, &[(200, allow), (90, deny)], &[(100, allow)]));
    let planned = router(&world, 3);
    assert_eq!(planned.subnets[&id(3)].acl, Some(id(3)));
    assert_eq!(
        planned.acls[&id(3)].ingress.iter().map(|e| e.allow).collect::<Vec<_>>(),
        [false, true]
    );
    world.apply(&Change::Delete(Key::NetworkAcl(id(3))));
    let planned = router(&world, 3);
    assert_eq!(planned.subnets[&id(3)].acl, Some(id(3)));
    assert_eq!(planned.acls[&id(3)], intent::AclIntent::default());
}

#[test]
fn processes_follow_their_state_and_their_interface() {
    let mut world = four_vpcs();
    let used = eni(11, 1, 1, "10.0.0.4", Some(WorkloadId::Dyno(dyno_id(7))));
    put(&mut world, used.clone());
    put(&mut world, app(5, 1, &[("COLOUR", "blue, since that release")]));
    put(&mut world, release(5, &[("COLOUR", "red"), ("DYNO", "forged"), ("KEY", "app")]));
    let mut one = dyno(7, 5, 11, DynoState::Up);
    one.environment.insert("KEY".to_owned(), "dyno".to_owned());
    put(&mut world, one.clone());
    let planned =
        |world: &World| plan(world, now()).workloads.0.remove(&WorkloadId::Dyno(dyno_id(7)));
    let intent = planned(&world).unwrap();
    assert_eq!(intent.command, dyno_command("echo hello"));
    assert_eq!(intent.hostname, dyno_id(7).to_string());
    let environment: Vec<_> = intent.environment.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        environment,
        [
            "COLOUR=red",
            "DYNO=run.7",
            "HEROKU_APP_ID=00000000-0000-0000-0000-000000000005",
            "HEROKU_APP_NAME=app-5",
            "HEROKU_DNS_APP_NAME=app-5.app.localspace",
            "HEROKU_DYNO_ID=00000000-0000-0000-0000-000000000007",
            "HEROKU_PRIVATE_IP=10.0.0.4",
            "HEROKU_RELEASE_CREATED_AT=1970-01-01T00:16:40Z",
            "HEROKU_RELEASE_VERSION=v1",
            "HEROKU_SLUG_COMMIT=",
            "HEROKU_SLUG_DESCRIPTION=",
            "HOME=/app",
            "KEY=dyno",
            "PORT=10007"
        ]
    );
    for (state, run) in [
        (DynoState::Starting, Some(true)),
        (DynoState::Stopping, Some(false)),
        (DynoState::Down, Some(false)),
        (DynoState::Crashed, Some(false)),
    ] {
        put(&mut world, Dyno { state, ..one.clone() });
        assert_eq!(planned(&world).map(|intent| intent.run), run, "{state:?}");
        assert_eq!(Some(world.wants_to_run(WorkloadId::Dyno(dyno_id(7)))), run, "{state:?}");
    }
    put(&mut world, one);
    put(&mut world, Eni { attachment: None, ..used });
    assert_eq!(planned(&world), None);
}

#[test]
fn instances_follow_their_state() {
    let mut world = four_vpcs();
    let of = world.eni(id(31)).unwrap().clone();
    let key = WorkloadId::Instance(id(31));
    let planned = plan(&world, now()).workloads.0.remove(&key).unwrap();
    assert_eq!((planned.hostname.as_str(), planned.run), ("ip-10-3-0-4", true));
    assert!(world.wants_to_run(key));
    assert_eq!(planned.user_data.as_deref(), Some(b"#!/bin/sh\n".as_slice()));
    put(&mut world, instance(31, &of, InstanceState::ShuttingDown));
    assert!(!plan(&world, now()).workloads.0.contains_key(&key), "what is to end is to go");
    assert!(!world.wants_to_run(key));
    put(&mut world, instance(31, &of, InstanceState::Terminated));
    assert!(!plan(&world, now()).workloads.0.contains_key(&key));
}

#[test]
fn what_the_fabric_does_not_see_gives_no_delta() {
    let before = four_vpcs();
    let mut tagged = Vpc::clone(before.vpc(id(3)).unwrap());
    tagged.tags.insert("Name".to_owned(), "shop".to_owned());
    let mut active = Peering::clone(before.peering(id(13)).unwrap());
    active.state = PeeringState::Active;
    let changes = [Change::Put(tagged.into()), Change::Put(active.into())];
    assert_eq!(delta(&before, &changes).0, IntentDelta::default());
}

#[test]
fn exits_are_planned_of_what_is_in_the_vpc_alone() {
    let mut world = four_vpcs();
    // A gateway of VPC 3 that stands in a subnet of VPC 4, and one in a subnet of its own.
    put(&mut world, random_record([12, 1, 3, 4, 1]));
    put(&mut world, random_record([11, 4, 3, 1, 1]));
    put(&mut world, random_record([12, 2, 3, 3, 1]));
    put(&mut world, random_record([11, 3, 3, 1, 1]));
    put(&mut world, random_record([10, 3, 3, 0, 1]));
    put(&mut world, random_record([13, 0, 0, 0, 1]));
    let gateways: Vec<_> = world.nat_gateways_of(Key::Vpc(id(3))).map(|nat| nat.id).collect();
    assert_eq!(gateways, [id(1), id(2)]);
    let exits: Vec<ExitId> = router(&world, 3).exits.into_keys().collect();
    assert_eq!(exits, [ExitId::Gateway(id(3)), ExitId::Nat(id(2))]);
}

#[test]
fn a_change_touches_no_more_than_it_must() {
    let before = four_vpcs();
    let (delta, _) =
        delta(&before, &[Change::Put(peering(34, 3, 4, PeeringState::Deleting).into())]);
    assert_eq!(delta.networks.vpcs.keys().copied().collect::<Vec<_>>(), [id(3), id(4)]);
    assert_eq!(delta.networks.peerings, [(id(34), None)].into());
    assert!(delta.workloads.0.is_empty());
}

fn delta(before: &World, changes: &[Change]) -> (IntentDelta, World) {
    let mut after = before.clone();
    changes.iter().for_each(|change| after.apply(change));
    (plan_delta(before, &after, changes, now()), after)
}

fn change() -> impl Strategy<Value = Change> {
    (any::<[u8; 5]>(), 0u8..5).prop_map(|(bytes, fate)| {
        let record = random_record(bytes);
        if fate == 0 { Change::Delete(record.key()) } else { Change::Put(record) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn deltas_add_up_to_the_whole_plan(
        start in prop::collection::vec(any::<[u8; 5]>(), 0..60),
        steps in prop::collection::vec(prop::collection::vec(change(), 1..4), 1..8),
    ) {
        let mut world = four_vpcs();
        start.into_iter().for_each(|bytes| world.apply(&Change::Put(random_record(bytes))));
        let mut intent = plan(&world, now());
        for changes in steps {
            let (delta, after) = delta(&world, &changes);
            apply_delta(&mut intent, delta, &after);
            prop_assert_eq!(&intent, &plan(&after, now()));
            world = after;
        }
        let mut again = World::default();
        world.records().for_each(|record| again.apply(&Change::Put(record.clone())));
        prop_assert_eq!(&intent, &plan(&again, now()), "the plan follows from the records alone");
    }
}
