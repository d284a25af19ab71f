//! Previews of a shop's VPC that is peered with a space and with another VPC.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::command::{RulePeerSpec, RuleSpec};
use crate::plan::lab::*;
use crate::resource::*;
use crate::*;

const SHOP: u128 = 3;

/// A space (VPC 1, its data VPC 2) with a dyno at 10.0.128.4; the shop's VPC 3 with the instances 31 at
/// 10.3.0.4 and 32 at 10.3.1.4, of which the second one's subnet has a table and a group of its own; and
/// VPC 4 of another account with the instance 41. The shop is peered with the space and with VPC 4, and has
/// neither routes nor rules for what comes from there.
fn world() -> World {
    let mut world = World::default();
    put(&mut world, settings());
    put(&mut world, team(1));
    put_vpc(&mut world, 1, Some(VpcRole::Space(space_id(1))), &["10.0.0.0/16"]);
    put_vpc(&mut world, 2, Some(VpcRole::Data(space_id(1))), &["10.1.0.0/16"]);
    put_vpc(&mut world, SHOP, None, &["10.3.0.0/16"]);
    put_vpc(&mut world, 4, None, &["10.4.0.0/16"]);
    put(&mut world, space(1, 1, 2, "10.0.0.0/16", "10.1.0.0/16"));
    for (n, a, b) in [(12, 1, 2), (13, 1, SHOP), (34, SHOP, 4)] {
        put(&mut world, peering(n, a, b, PeeringState::Active));
    }
    let to = |pcx| RouteTo::Peering(id(pcx));
    put(&mut world, table(1, 1, &[("10.3.0.0/16", to(13)), ("10.1.0.0/16", to(12))]));
    put(&mut world, table(4, 4, &[("10.3.0.0/16", to(34))]));
    put(&mut world, subnet(7, 1, "10.0.128.0/20"));
    put(&mut world, app(1, 1, &[]));
    put(&mut world, dyno(1, 1, 11, DynoState::Up));
    put(&mut world, eni(11, 1, 7, "10.0.128.4", Some(WorkloadId::Dyno(dyno_id(1)))));
    put(&mut world, table(31, SHOP, &[]));
    let own = RouteTableAssociation { id: id(31), route_table: id(31) };
    put(&mut world, Subnet { route_table: Some(own), ..subnet(5, SHOP, "10.3.1.0/24") });
    put(&mut world, group(31, SHOP, vec![open(Direction::Egress, "0.0.0.0/0")]));
    put_instance(&mut world, 31, SHOP, 3, "10.3.0.4");
    put_instance(&mut world, 32, SHOP, 5, "10.3.1.4");
    let mut second = Eni::clone(world.eni(id(32)).unwrap());
    second.groups = vec![id(31)];
    put(&mut world, second);
    put_instance(&mut world, 41, 4, 4, "10.4.0.4");
    world
}

fn owner(world: &World) -> Caller {
    let vpc = world.vpc(id(SHOP)).unwrap();
    let scope = Scope { account: vpc.account, region: vpc.region };
    Caller::Account { scope, read_only: false }
}

#[track_caller]
fn look(world: &World, commands: &[Ec2Command], may_look: &dyn Fn(VpcId) -> bool) -> Changes {
    let vpc = world.vpc(id(SHOP)).unwrap();
    preview(world, owner(world), vpc, commands, may_look, now()).unwrap()
}

/// The world once the owner has given commands.
fn carried_out(world: &World, commands: &[Ec2Command]) -> Option<World> {
    let mut ids = Fresh;
    commands.iter().try_fold(world.clone(), |world, command| {
        let command = command.clone().into();
        Some(world.decide(owner(&world), &command, now(), &mut ids).ok()?.world)
    })
}

/// Ids that no other call gets.
struct Fresh;

impl IdSource for Fresh {
    fn next_bits(&mut self) -> u128 {
        static NEXT: AtomicU64 = AtomicU64::new(0x7000);
        NEXT.fetch_add(1, Ordering::Relaxed).into()
    }
}

fn to_space(table: u128) -> Ec2Command {
    let (destination, target) = (cidr("10.0.0.0/16").into(), RouteTo::Peering(id(13)));
    Ec2Command::CreateRoute { route_table: id(table), destination, target }
}

fn admit(group: u128, block: &str, port: u16) -> Ec2Command {
    let rule = RuleSpec {
        traffic: Traffic::Tcp(PortRange { from: port, to: port }),
        peer: RulePeerSpec::Cidr(cidr(block)),
        description: Some("the dynos, all of them".to_owned()),
    };
    let (group, direction) = (id(group), Direction::Ingress);
    Ec2Command::AuthorizeSecurityGroup { group, direction, rules: vec![rule], tags: Tags::new() }
}

fn told(crossings: &[Crossing]) -> Vec<String> {
    let name = |end: &End| match &end.name {
        EndName::Dyno(name) => name.clone(),
        EndName::Dynos(block) => format!("dynos {block}"),
        EndName::Instance(id) => id.to_string().replace("000000000000000", ""),
        EndName::Vpc(id) => id.to_string().replace("000000000000000", ""),
    };
    let of = |crossing: &Crossing| {
        let Crossing { from, to, protocol, port } = crossing;
        format!("{} > {} {protocol} {port}", name(from), name(to))
    };
    crossings.iter().map(of).collect()
}

#[test]
fn a_route_lets_those_who_follow_its_table_out_and_nobody_else() {
    let world = world();
    let changes = look(&world, &[to_space(31)], &|_| true);
    let app = world.apps().next().unwrap().name.clone();
    let dyno = world.dynos().next().unwrap();
    assert_eq!(
        told(&changes.starts),
        [
            format!("i-20 > {app}/{} tcp {}", dyno.name, dyno.port()),
            format!("i-20 > {app}/{} icmp 0", dyno.name),
        ],
    );
    assert!(changes.stops.is_empty() && !changes.is_cut, "{changes:?}");
}

#[test]
fn a_rule_lets_the_dynos_in_once_there_is_a_way_back() {
    let world = world();
    let rule = admit(31, "10.0.128.0/20", 8000);
    assert_eq!(look(&world, std::slice::from_ref(&rule), &|_| true).starts, []);
    let both = look(&world, &[to_space(31), rule.clone()], &|_| true);
    assert_eq!(both.starts.len(), 3, "{:?}", told(&both.starts));
    let routed = carried_out(&world, &[to_space(31)]).unwrap();
    let changes = look(&routed, &[rule], &|_| true);
    let app = routed.apps().next().unwrap().name.clone();
    let dyno = &routed.dynos().next().unwrap().name;
    assert_eq!(told(&changes.starts), [format!("{app}/{dyno} > i-20 tcp 8000")]);
}

#[test]
fn who_may_not_look_into_the_other_side_hears_of_its_blocks_alone() {
    let world = world();
    let commands = [to_space(31), admit(31, "10.0.0.0/8", 8000)];
    let own = |vpc: VpcId| vpc == id(SHOP);
    let changes = look(&world, &commands, &own);
    let told = told(&changes.starts);
    assert!(told.iter().any(|line| line.starts_with("dynos 10.0.0.0/24 > i-20")), "{told:?}");
    assert!(told.iter().all(|line| !line.contains("web") && !line.contains("i-29")), "{told:?}");
    // What is imagined for that is nowhere else.
    assert_eq!(world.enis().count(), self::world().enis().count());
}

#[test]
fn a_space_without_dynos_is_spoken_of_as_it_will_be() {
    let mut world = world();
    world.apply(&Change::Delete(Key::Dyno(dyno_id(1))));
    world.apply(&Change::Delete(Key::Eni(id(11))));
    let changes = look(&world, &[to_space(31), admit(31, "10.0.0.0/8", 8000)], &|_| true);
    let told = told(&changes.starts);
    assert!(told.contains(&"dynos 10.0.0.0/24 > i-20 tcp 8000".to_owned()), "{told:?}");
}

#[test]
fn what_is_refused_says_why_and_shows_nothing() {
    let world = world();
    let vpc = world.vpc(id(SHOP)).unwrap();
    let commands = [to_space(31), admit(31, "10.0.0.0/8", 8000), admit(31, "10.0.0.0/8", 8000)];
    let refused = preview(&world, owner(&world), vpc, &commands, &|_| true, now()).unwrap_err();
    assert_eq!(refused.code, Code::PermissionDuplicate);
    let Caller::Account { scope, .. } = owner(&world) else { panic!() };
    let reader = Caller::Account { scope, read_only: true };
    let refused = preview(&world, reader, vpc, &commands, &|_| true, now()).unwrap_err();
    assert_eq!(refused.code, Code::UnauthorizedOperation);
}

#[test]
fn a_large_vpc_is_asked_about_in_part_and_it_is_said() {
    let mut world = world();
    for n in 0..40 {
        put_instance(&mut world, 100 + n, SHOP, 3, &format!("10.3.0.{}", 10 + n));
    }
    let changes = look(&world, &[to_space(SHOP)], &|_| true);
    assert!(changes.is_cut);
    assert_eq!(changes.asked, MOST_FLOWS);
    assert!(!changes.starts.is_empty());
}

#[test]
fn lines_are_those_of_the_client() {
    let world = world();
    let vpc = world.vpc(id(SHOP)).unwrap();
    let line = |command: &Ec2Command| command_line(&world, vpc, command).unwrap();
    let table: RouteTableId = id(31);
    for (target, words) in [
        (RouteTo::Peering(id(13)), format!("--vpc-peering-connection-id {}", id::<PcxId>(13))),
        (RouteTo::Interface(id(31)), format!("--network-interface-id {}", id::<EniId>(31))),
        (RouteTo::Gateway(id(1)), format!("--gateway-id {}", id::<IgwId>(1))),
    ] {
        let destination = cidr("10.9.0.0/16").into();
        let create = Ec2Command::CreateRoute { route_table: table, destination, target };
        assert_eq!(
            line(&create),
            format!(
                "aws ec2 create-route --route-table-id {table} --destination-cidr-block \
                 10.9.0.0/16 {words}"
            )
        );
    }
    let group: SecurityGroupId = id(31);
    assert_eq!(
        line(&admit(31, "10.0.128.0/20", 8000)),
        format!(
            "aws ec2 authorize-security-group-ingress --group-id {group} --ip-permissions \
             'IpProtocol=tcp,FromPort=8000,ToPort=8000,IpRanges=[{{CidrIp=10.0.128.0/20,\
             Description=\"the dynos, all of them\"}}]'"
        )
    );
    let rule = |traffic, peer| RuleSpec { traffic, peer, description: None };
    let peer = RulePeerSpec::Group(id(3), Some(account(3)));
    let rules = vec![
        rule(Traffic::All, peer),
        rule(Traffic::Icmp { kind: None, code: None }, RulePeerSpec::Cidr(Cidr::ANY)),
    ];
    let tags = [("Name".to_owned(), "it's \"so\"".to_owned())].into_iter().collect();
    let direction = Direction::Egress;
    let authorize = Ec2Command::AuthorizeSecurityGroup { group, direction, rules, tags };
    assert_eq!(
        line(&authorize),
        format!(
            "aws ec2 authorize-security-group-egress --group-id {group} --ip-permissions \
             'IpProtocol=-1,UserIdGroupPairs=[{{GroupId={},UserId={}}}]' \
             'IpProtocol=icmp,FromPort=-1,ToPort=-1,IpRanges=[{{CidrIp=0.0.0.0/0}}]' \
             --tag-specifications 'ResourceType=security-group-rule,\
             Tags=[{{Key=Name,Value=\"it'\\''s \\\"so\\\"\"}}]'",
            id::<SecurityGroupId>(3),
            account(3)
        )
    );
}

/// Changes of routes, rules and entries of the shop.
fn any_command() -> impl Strategy<Value = Ec2Command> {
    let table = prop_oneof![Just(SHOP), Just(31)];
    let block = prop_oneof![
        Just("10.0.0.0/16"),
        Just("10.0.128.0/20"),
        Just("10.4.0.0/16"),
        Just("0.0.0.0/0"),
        Just("10.3.1.0/24"),
    ];
    let target = prop_oneof![
        Just(RouteTo::Peering(id(13))),
        Just(RouteTo::Peering(id(34))),
        Just(RouteTo::Interface(id(31))),
    ];
    let traffic = prop_oneof![
        Just(Traffic::All),
        Just(Traffic::Tcp(PortRange { from: 8000, to: 8001 })),
        Just(Traffic::Udp(PortRange { from: 53, to: 53 })),
        Just(Traffic::Icmp { kind: None, code: None }),
    ];
    let direction = prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)];
    let number = prop_oneof![Just(90), Just(100)];
    (0..8u8, table, block, target, traffic, (direction, number, any::<bool>())).prop_map(
        |(kind, n, block, target, traffic, (direction, number, allow))| {
            let (route_table, group, block) = (id(n), id(n), cidr(block));
            let destination = block.into();
            let rule =
                |description| RuleSpec { traffic, peer: RulePeerSpec::Cidr(block), description };
            let acl = id(SHOP);
            let entry = AclEntry { allow, traffic, cidr: block.into() };
            match kind {
                0 => Ec2Command::CreateRoute { route_table, destination, target },
                1 => Ec2Command::ReplaceRoute { route_table, destination, target },
                2 => Ec2Command::DeleteRoute { route_table, destination },
                3 => Ec2Command::AuthorizeSecurityGroup {
                    group,
                    direction,
                    rules: vec![rule(Some("why".to_owned()))],
                    tags: Tags::new(),
                },
                4 => Ec2Command::RevokeSecurityGroup {
                    group,
                    direction,
                    rules: vec![rule(None)],
                    ids: Vec::new(),
                },
                5 => Ec2Command::CreateNetworkAclEntry { acl, direction, number, entry },
                6 => Ec2Command::ReplaceNetworkAclEntry { acl, direction, number, entry },
                _ => Ec2Command::DeleteNetworkAclEntry { acl, direction, number },
            }
        },
    )
}

/// What routes, rules and entries say, without ids that are made anew.
fn said(world: &World) -> Vec<String> {
    let mut said = Vec::new();
    for table in world.route_tables_in(Key::Vpc(id(SHOP))) {
        said.extend(table.routes.iter().map(|route| format!("{} {route:?}", table.id)));
    }
    for group in world.groups_in(Key::Vpc(id(SHOP))) {
        for rule in group.rules.values() {
            let rule = GroupRule { created: Timestamp::default(), ..rule.clone() };
            said.push(format!("{} {rule:?}", group.id));
        }
    }
    for acl in world.acls_in(Key::Vpc(id(SHOP))) {
        for direction in [Direction::Ingress, Direction::Egress] {
            let entries = acl.entries(direction).iter();
            said.extend(entries.map(|entry| format!("{} {direction:?} {entry:?}", acl.id)));
        }
    }
    said.sort();
    said
}

proptest! {
    #[test]
    fn no_change_makes_no_difference(commands in prop::collection::vec(any_command(), 0..6)) {
        let mut world = world();
        for command in &commands {
            world = carried_out(&world, std::slice::from_ref(command)).unwrap_or(world);
        }
        let changes = look(&world, &[], &|_| true);
        prop_assert_eq!((changes.starts, changes.stops), (vec![], vec![]));
        for command in &commands {
            let vpc = world.vpc(id(SHOP)).unwrap();
            let ends = {
                let (mut world, command) = (world.clone(), std::slice::from_ref(command));
                ends::find(&mut world, vpc, command, &|_| true, &mut Imagined::new(), now())
            };
            let probes = probes::of(&world, &world, vpc, std::slice::from_ref(command));
            let (flows, _) = crossings(&ends, &probes);
            let none = compare(&world, &world, &flows, now());
            prop_assert_eq!((none.starts, none.stops), (vec![], vec![]));
        }
    }

    #[test]
    fn a_preview_says_what_happens_and_its_inverse_takes_it_back(
        first in prop::collection::vec(any_command(), 0..6),
        command in any_command(),
    ) {
        let mut world = world();
        for command in &first {
            world = carried_out(&world, std::slice::from_ref(command)).unwrap_or(world);
        }
        let commands = [command];
        let vpc = world.vpc(id(SHOP)).unwrap();
        let seen = preview(&world, owner(&world), vpc, &commands, &|_| true, now());
        let Some(after) = carried_out(&world, &commands) else {
            prop_assert!(seen.is_err(), "{seen:?}");
            return Ok(());
        };
        let changes = seen.unwrap();
        let passes = |world: &World, crossing: &Crossing| {
            reach(world, &crossing.flow(), now()).allowed
        };
        for crossing in &changes.starts {
            prop_assert!(!passes(&world, crossing) && passes(&after, crossing));
        }
        for crossing in &changes.stops {
            prop_assert!(passes(&world, crossing) && !passes(&after, crossing));
        }
        // Of the flows between ends that are there, none is missed.
        let ends = ends::find(&mut world.clone(), vpc, &[], &|_| true, &mut Imagined::new(), now());
        let all = ends::Ends { concerned: ends.near.clone(), ..ends };
        let (flows, _) = crossings(&all, &probes::of(&world, &after, vpc, &commands));
        let different = compare(&world, &after, &flows, now());
        prop_assert_eq!(different.starts.len(), changes.starts.len());
        prop_assert_eq!(different.stops.len(), changes.stops.len());
        let Some(back) = inverse(&world, &commands[0]) else {
            prop_assert_eq!(said(&world), said(&after), "nothing changed");
            return Ok(());
        };
        let again = carried_out(&after, std::slice::from_ref(&back)).expect("what was there can be there again");
        prop_assert_eq!(said(&again), said(&world));
        let vpc = after.vpc(id(SHOP)).unwrap();
        let undone = preview(&after, owner(&after), vpc, &[back], &|_| true, now()).unwrap();
        prop_assert_eq!(undone.starts.len(), changes.stops.len());
        prop_assert_eq!(undone.stops.len(), changes.starts.len());
    }
}
