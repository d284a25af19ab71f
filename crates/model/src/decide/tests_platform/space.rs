//! Spaces: what they are made of, who may change them, and which VPCs may be peered with them.

use super::fixture::*;
use crate::PlatformCommand as C;
use crate::*;

fn create(team: TeamId, name: &str, cidr: Option<&str>, data: Option<&str>) -> C {
    C::CreateSpace {
        name: name.to_owned(),
        team,
        region: None,
        cidr: cidr.map(block),
        data_cidr: data.map(block),
    }
}

fn accept(space: SpaceId, peering: PcxId) -> C {
    C::AcceptPeering { space, peering }
}

fn destroy(space: SpaceId, peering: PcxId) -> C {
    C::DeletePeering { space, peering }
}

/// Where the main table of a VPC sends a block.
fn route(bench: &Bench, vpc: VpcId, to: &str) -> Option<RouteTo> {
    let table = bench.world.vpc(vpc).unwrap().main_route_table;
    bench.world.route_table(table).unwrap().route(block(to))
}

#[test]
fn r3_r7_a_space_is_cut_as_promised() {
    let town = Town::new();
    let space = town.space();
    let own = town.bench.world.vpc(space.vpc).unwrap();
    assert_eq!(own.account, town.bench.platform());
    assert_eq!(own.role, Some(VpcRole::Space(space.id)));
    assert_eq!((own.primary(), space.data_cidr), (block("10.0.0.0/16"), block("10.1.0.0/16")));
    let subnets = |vpc| {
        let in_vpc = town.bench.world.subnets_in(Key::Vpc(vpc));
        in_vpc.map(|s| (s.cidr.to_string(), s.zone.to_string())).collect::<Vec<_>>()
    };
    let expected = [
        ("10.0.128.0/20", "us-east-1a"),
        ("10.0.144.0/20", "us-east-1b"),
        ("10.0.0.0/20", "us-east-1a"),
        ("10.0.16.0/20", "us-east-1b"),
    ];
    assert_eq!(subnets(space.vpc), expected.map(|(c, z)| (c.to_owned(), z.to_owned())));
    assert_eq!(space.space_cidrs().map(|c| c.to_string()), expected.map(|(c, _)| c.to_owned()));
    let of_dynos = space.dyno_subnets.map(|id| town.bench.world.subnet(id).unwrap().cidr);
    assert_eq!(of_dynos, space.dyno_cidrs());
    assert_eq!(subnets(space.data_vpc).len(), 2);
    assert_eq!(space.state, SpaceState::Allocating);
}

#[test]
fn r22_only_dynos_get_into_the_data_vpc() {
    let town = Town::new();
    let space = town.space();
    let data = town.bench.world.vpc(space.data_vpc).unwrap();
    let group = town.bench.world.group(data.default_group).unwrap();
    let ingress: Vec<_> = group
        .rules
        .values()
        .filter(|rule| rule.direction == Direction::Ingress)
        .map(|rule| rule.peer)
        .collect();
    assert_eq!(ingress, space.dyno_cidrs().map(GroupPeer::Cidr));
    let pcx = town.bench.peering(space.data_peering);
    assert_eq!(pcx.kind, PeeringKind::HerokuManaged);
    assert_eq!(pcx.state, PeeringState::Provisioning);
    let over = Some(RouteTo::Peering(pcx.id));
    assert_eq!(route(&town.bench, space.vpc, "10.1.0.0/16"), over);
    assert_eq!(route(&town.bench, space.data_vpc, "10.0.128.0/20"), over);
    assert_eq!(route(&town.bench, space.data_vpc, "10.0.144.0/20"), over);
}

#[test]
fn names_and_blocks_of_spaces_are_checked() {
    let mut town = Town::new();
    let (team, admin) = (town.team, town.admin());
    for name in ["ab", "-abc", "abc-", "a--b", "Abc", "a.b", "x".repeat(31).as_str()] {
        let refused = town.bench.refused(admin, create(team, name, None, None));
        assert_eq!(refused.code, Code::InvalidParameterValue, "{name}");
    }
    let refused = town.bench.refused(admin, create(team, "acme", None, None));
    assert_eq!(refused.message, "Name is already taken");
    for (cidr, data, named) in [
        (Some("10.0.0.0/17"), None, ["10.0.0.0/17", "/16"]),
        (Some("11.0.0.0/16"), None, ["11.0.0.0/16", "10.0.0.0/8"]),
        (Some("172.17.0.0/16"), None, ["172.17.0.0/16", "reserved"]),
        (None, Some("10.1.0.0/21"), ["10.1.0.0/21", "/20"]),
        (None, Some("192.0.0.0/16"), ["192.0.0.0/16", "/20"]),
        (None, Some("172.17.16.0/20"), ["172.17.16.0/20", "172.17.0.0/16"]),
        (None, Some("10.0.240.0/20"), ["10.0.240.0/20", "10.0.0.0/16"]),
    ] {
        let refused = town.bench.refused(admin, create(team, "other", cidr, data));
        assert_eq!(refused.code, Code::InvalidParameterValue);
        assert!(named.iter().all(|name| refused.message.contains(name)), "{}", refused.message);
    }
    town.bench.ok(admin, create(team, "other", Some("10.1.0.0/16"), None));
    assert_eq!(town.bench.world.space_named("other").unwrap().data_cidr, block("10.2.0.0/16"));
    let mut elsewhere = create(team, "third", None, None);
    if let C::CreateSpace { region: at, .. } = &mut elsewhere {
        *at = Some(region("us-east-2"));
    }
    let refused = town.bench.refused(admin, elsewhere);
    assert!(refused.message.contains("virginia"), "{}", refused.message);
}

#[test]
fn r4_only_admins_change_spaces_and_strangers_see_none() {
    let mut town = Town::new();
    let pcx = town.request(0);
    let (space, team) = (town.space, town.team);
    let commands = [
        create(team, "other", None, None),
        C::RenameSpace { space, name: "other".to_owned() },
        C::DeleteSpace { space },
        accept(space, pcx),
        destroy(space, pcx),
    ];
    let platform_key = key(Scope { account: town.bench.platform(), region: Region::DEFAULT });
    for command in commands {
        for (caller, code) in [
            (Caller::User(town.member), Code::UnauthorizedOperation),
            (Caller::User(town.stranger), Code::NotFound),
            (platform_key, Code::UnauthorizedOperation),
        ] {
            let refused = town.bench.refused(caller, command.clone());
            assert_eq!(refused.code, code, "{command:?}");
        }
    }
    let limit = C::SetPeeringLimit { space, limit: 6 };
    for (caller, code) in [
        (town.admin(), Code::UnauthorizedOperation),
        (Caller::User(town.stranger), Code::NotFound),
        (platform_key, Code::UnauthorizedOperation),
    ] {
        assert_eq!(town.bench.refused(caller, limit.clone()).code, code);
    }
    let missing = C::DeleteSpace { space: SpaceId::MAX };
    assert_eq!(town.bench.refused(Caller::Operator, missing).code, Code::NotFound);
    let nobodys = create(TeamId::MAX, "other", None, None);
    assert_eq!(town.bench.refused(Caller::Operator, nobodys).code, Code::NotFound);
}

#[test]
fn a_space_is_renamed() {
    let mut town = Town::new();
    let (space, admin) = (town.space, town.admin());
    let to = |name: &str| C::RenameSpace { space, name: name.to_owned() };
    town.bench.idle(admin, to("acme"));
    town.bench.ok(admin, to("acme-two"));
    assert_eq!(town.bench.world.space_named("acme-two").unwrap().id, space);
    assert!(town.bench.world.space_named("acme").is_none());
    assert_eq!(town.bench.refused(admin, to("no")).code, Code::InvalidParameterValue);
}

#[test]
fn r12_accepting_configures_the_spaces_side() {
    let mut town = Town::new();
    let (space, admin) = (town.space(), town.admin());
    let pcx = town.request(0);
    assert_eq!(route(&town.bench, space.vpc, "10.10.0.0/16"), None);
    town.bench.ok(admin, accept(space.id, pcx));
    assert_eq!(town.bench.state(pcx), PeeringState::Provisioning);
    assert_eq!(route(&town.bench, space.vpc, "10.10.0.0/16"), Some(RouteTo::Peering(pcx)));
    town.bench.idle(admin, accept(space.id, pcx));
    town.bench.force(pcx, PeeringState::Active);
    town.bench.idle(admin, accept(space.id, pcx));
}

#[test]
fn r2_r3_what_does_not_fit_is_refused_with_both_blocks() {
    let mut town = Town::new();
    let (space, admin) = (town.space(), town.admin());
    let there = town.request(0);
    town.bench.ok(admin, accept(space.id, there));
    for (blocks, named) in [
        (vec!["11.0.0.0/16"], ["11.0.0.0/16", "192.168.0.0/16"]),
        (vec!["10.1.64.0/20"], ["10.1.64.0/20", "10.1.0.0/16"]),
        (vec!["172.17.1.0/24"], ["172.17.1.0/24", "172.17.0.0/16"]),
        (vec!["10.10.200.0/24"], ["10.10.200.0/24", "10.10.0.0/16"]),
        (vec!["10.99.0.0/16", "10.1.0.0/24"], ["10.1.0.0/24", "10.1.0.0/16"]),
    ] {
        let owner = scope(7, VIRGINIA);
        let vpc = town.bench.vpc(owner, &blocks);
        let pcx = town.request_from((owner, vpc));
        for (caller, command) in [
            (admin, Command::from(accept(space.id, pcx))),
            (town.platform_key(), Ec2Command::AcceptPeering { peering: pcx }.into()),
        ] {
            let refused = town.bench.refused(caller, command);
            assert_eq!(refused.code, Code::InvalidParameterValue);
            assert!(named.iter().all(|n| refused.message.contains(n)), "{}", refused.message);
        }
    }
    let owner = scope(7, VIRGINIA);
    let vpc = town.bench.vpc(owner, &["10.0.200.0/24"]);
    let pcx = town.request_from((owner, vpc));
    assert_eq!(town.bench.state(pcx), PeeringState::Failed);
}

#[test]
fn r24_the_sixth_peering_needs_the_operator() {
    let mut town = Town::new();
    let (space, admin) = (town.space, town.admin());
    for n in 0..5 {
        let pcx = town.request(n);
        town.bench.ok(admin, accept(space, pcx));
    }
    let sixth = town.request(5);
    let refused = town.bench.refused(admin, accept(space, sixth));
    assert_eq!(refused.code, Code::LimitExceeded);
    for words in ["5 VPCs", "support ticket", "spaces:limits:set --space acme --peerings 6"] {
        assert!(refused.message.contains(words), "{}", refused.message);
    }
    for limit in [0, 126] {
        let command = C::SetPeeringLimit { space, limit };
        let refused = town.bench.refused(Caller::Operator, command);
        assert_eq!(refused.code, Code::InvalidParameterValue);
    }
    town.bench.ok(Caller::Operator, C::SetPeeringLimit { space, limit: 6 });
    town.bench.idle(Caller::Operator, C::SetPeeringLimit { space, limit: 6 });
    town.bench.ok(admin, accept(space, sixth));
}

#[test]
fn r14_the_platforms_own_peerings_are_nobodys_to_touch() {
    let mut town = Town::new();
    let (space, admin) = (town.space(), town.admin());
    let managed = space.data_peering;
    for caller in [admin, Caller::Operator] {
        for command in [accept(space.id, managed), destroy(space.id, managed)] {
            let refused = town.bench.refused(caller, command);
            assert_eq!(refused.code, Code::NotFound);
            assert_eq!(refused.message, "Couldn't find that peering connection.");
        }
    }
    let ec2 = [
        Ec2Command::AcceptPeering { peering: managed },
        Ec2Command::RejectPeering { peering: managed },
        Ec2Command::DeletePeering { peering: managed },
        Ec2Command::ModifyPeeringOptions {
            peering: managed,
            requester_dns: Some(true),
            accepter_dns: None,
        },
    ];
    for command in ec2 {
        let refused = town.bench.refused(town.platform_key(), command.clone());
        assert_eq!(refused.code, Code::OperationNotPermitted);
        let refused = town.bench.refused(key(scope(7, VIRGINIA)), command);
        assert_eq!(refused.code, Code::PeeringNotFound);
    }
    let own = Ec2Command::CreatePeering {
        vpc: space.vpc,
        peer_vpc: VpcId::MAX,
        peer_owner: None,
        peer_region: None,
        tags: Tags::new(),
    };
    let refused = town.bench.refused(town.platform_key(), own);
    assert_eq!(refused.code, Code::OperationNotPermitted);
    let owner = scope(7, VIRGINIA);
    let vpc = town.bench.vpc(owner, &["10.99.0.0/16"]);
    let platform = Scope { account: town.bench.platform(), region: space.region };
    let to_data = town.bench.request((owner, vpc), (platform, space.data_vpc));
    assert_eq!(town.bench.state(to_data), PeeringState::Failed);
}

#[test]
fn r18_destroying_takes_the_platforms_route_along_and_no_other() {
    let mut town = Town::new();
    let (space, admin) = (town.space(), town.admin());
    let pcx = town.request(0);
    town.bench.ok(admin, accept(space.id, pcx));
    let customers = town.bench.peering(pcx).requester.vpc;
    let table = town.bench.world.vpc(customers).unwrap().main_route_table;
    let mut table = RouteTable::clone(town.bench.world.route_table(table).unwrap());
    table.routes.insert(block("10.0.0.0/16").into(), RouteTo::Peering(pcx));
    town.bench.world.apply(&Change::Put(table.into()));
    town.bench.ok(admin, destroy(space.id, pcx));
    let peering = town.bench.peering(pcx);
    assert_eq!((peering.state, peering.by), (PeeringState::Deleting, Some(town.bench.platform())));
    assert_eq!(route(&town.bench, space.vpc, "10.10.0.0/16"), None);
    assert_eq!(route(&town.bench, customers, "10.0.0.0/16"), Some(RouteTo::Peering(pcx)));
    town.bench.idle(admin, destroy(space.id, pcx));
    let refused = town.bench.refused(admin, accept(space.id, pcx));
    assert_eq!(refused.code, Code::InvalidStateTransition);
    assert!(refused.message.contains("deleting"), "{}", refused.message);
}

#[test]
fn a_request_that_is_destroyed_is_rejected_and_one_that_ended_stays() {
    let mut town = Town::new();
    let (space, admin) = (town.space, town.admin());
    let pcx = town.request(0);
    town.bench.ok(admin, destroy(space, pcx));
    assert_eq!(town.bench.state(pcx), PeeringState::Rejected);
    let expired = town.request(1);
    town.bench.pass(8 * DAY);
    for command in [accept(space, expired), destroy(space, expired)] {
        let refused = town.bench.refused(admin, command);
        assert_eq!(refused.code.platform(), PlatformError::Conflict);
        assert!(refused.message.contains("expired"), "{}", refused.message);
    }
    // What nobody sees any more is not there, nor is what is another space's.
    town.bench.pass(2 * DAY);
    assert_eq!(town.bench.refused(admin, accept(space, expired)).code, Code::NotFound);
    assert_eq!(town.bench.refused(admin, accept(space, PcxId::MAX)).code, Code::NotFound);
}

#[test]
fn a_stale_route_gives_way() {
    let mut town = Town::new();
    let (space, admin) = (town.space(), town.admin());
    let first = town.request(0);
    town.bench.ok(admin, accept(space.id, first));
    // A customer's deletion through EC2 ends it for the platform too.
    let owner = town.bench.peering(first).requester;
    let scope = Scope { account: owner.account, region: owner.region };
    town.bench.ok(key(scope), Ec2Command::DeletePeering { peering: first });
    assert_eq!(route(&town.bench, space.vpc, "10.10.0.0/16"), None);
    let second = town.request_from((scope, owner.vpc));
    town.bench.ok(admin, accept(space.id, second));
    assert_eq!(route(&town.bench, space.vpc, "10.10.0.0/16"), Some(RouteTo::Peering(second)));
}

#[test]
fn a_space_goes_with_everything_in_it_once_it_has_no_apps() {
    let mut town = Town::new();
    let (space, admin) = (town.space(), town.admin());
    let (carried, waiting) = (town.request(0), town.request(1));
    town.bench.ok(admin, accept(space.id, carried));
    let app = |name: &str| C::CreateApp {
        name: Some(name.to_owned()),
        space: space.id,
        internal_routing: false,
    };
    town.bench.ok(admin, app("shop"));
    town.bench.ok(admin, app("blog"));
    let refused = town.bench.refused(admin, C::DeleteSpace { space: space.id });
    assert_eq!(refused.code, Code::DependencyViolation);
    assert!(refused.message.contains("blog, shop"), "{}", refused.message);
    for name in ["shop", "blog"] {
        let app = town.bench.world.app_named(name).unwrap().id;
        town.bench.ok(admin, C::DeleteApp { app });
    }
    town.bench.ok(admin, C::DeleteSpace { space: space.id });
    assert_eq!(town.bench.state(carried), PeeringState::Deleting);
    assert_eq!(town.bench.state(waiting), PeeringState::Rejected);
    let left: Vec<_> = town
        .bench
        .world
        .records()
        .map(Record::key)
        .filter(|key| {
            let of_space = |vpc| vpc == space.vpc || vpc == space.data_vpc;
            match town.bench.world.get(*key) {
                Some(Record::Space(_)) => true,
                Some(Record::Vpc(r)) => of_space(r.id),
                Some(Record::Subnet(r)) => of_space(r.vpc),
                Some(Record::RouteTable(r)) => of_space(r.vpc),
                Some(Record::SecurityGroup(r)) => of_space(r.vpc),
                Some(Record::NetworkAcl(r)) => of_space(r.vpc),
                Some(Record::Peering(r)) => r.kind != PeeringKind::Customer,
                _ => false,
            }
        })
        .collect();
    assert_eq!(left, []);
}

#[test]
fn r3_a_peered_vpc_adds_no_block_that_a_space_has_behind() {
    let mut town = Town::allocated();
    let space = town.space();
    let owner = scope(700, VIRGINIA);
    for (primary, added, taken) in [
        ("10.50.0.0/16", "10.1.5.0/24", "10.1.0.0/16"),
        ("172.30.0.0/16", "172.17.5.0/24", "172.17.0.0/16"),
    ] {
        let vpc = town.bench.vpc(owner, &[primary]);
        let add = |cidr| Ec2Command::AssociateVpcCidrBlock { vpc, cidr: block(cidr) };
        let pcx = town.request_from((owner, vpc));
        let admin = town.admin();
        town.bench.ok(admin, accept(space.id, pcx));
        let refused = town.bench.refused(key(owner), add(added));
        assert_eq!(refused.code, Code::VpcCidrConflict);
        assert!(refused.message.contains(taken), "{}", refused.message);
        assert!(!refused.message.contains(&space.name), "{}", refused.message);
        town.bench.ok(admin, destroy(space.id, pcx));
        town.bench.ok(key(owner), add(added));
    }
}

/// Has networks lead out by a pool, or not at all.
fn set_outbound(town: &mut Town, pool: Option<&str>) {
    let outbound = pool.map(|pool| Outbound {
        way: OutboundWay::Parent { link: "eth0".to_owned(), pool: block(pool), gateway: None },
        allow: Vec::new(),
        deny: Vec::new(),
    });
    town.bench.ok(Caller::Operator, IdentityCommand::SetOutbound { outbound });
}

#[test]
fn a_space_goes_out_by_an_address_that_is_its_own() {
    let mut town = Town::new();
    let space = town.space();
    let address = |town: &Town, id| {
        let space = town.bench.world.space(id).unwrap();
        town.bench.world.way_out(space).map(|address| address.to_string())
    };
    assert_eq!(address(&town, space.id), None, "nothing leads out");
    assert_eq!(route(&town.bench, space.vpc, "0.0.0.0/0"), None);
    set_outbound(&mut town, Some("203.0.113.16/29"));
    assert_eq!(address(&town, space.id).as_deref(), Some("203.0.113.17"));
    let nat = town.bench.world.space(space.id).unwrap().nat_gateway.unwrap();
    assert_eq!(route(&town.bench, space.vpc, "0.0.0.0/0"), Some(RouteTo::Nat(nat)));
    assert_eq!(route(&town.bench, space.data_vpc, "0.0.0.0/0"), None, "its data stay inside");
    let planned =
        |town: &Town, vpc| plan_vpc(&town.bench.world, town.bench.world.vpc(vpc).unwrap());
    assert_eq!(planned(&town, space.vpc).exits.len(), 1);
    assert!(planned(&town, space.data_vpc).exits.is_empty());

    // A second one has another, which it gives back.
    let team = town.bench.world.space(space.id).unwrap().team;
    let admin = town.admin();
    let second = create(team, "second", None, None);
    let Some(Key::Space(other)) = town.bench.ok(admin, second).main() else { panic!() };
    assert_eq!(address(&town, other).as_deref(), Some("203.0.113.18"));
    town.bench.ok(admin, C::DeleteSpace { space: other });
    let third = create(team, "third", None, None);
    let Some(Key::Space(other)) = town.bench.ok(admin, third).main() else { panic!() };
    assert_eq!(address(&town, other).as_deref(), Some("203.0.113.18"));

    // The address is kept while nothing leads out, and changes with the pool alone.
    set_outbound(&mut town, None);
    assert_eq!(address(&town, space.id), None);
    assert!(planned(&town, space.vpc).exits.is_empty());
    set_outbound(&mut town, Some("203.0.113.16/29"));
    assert_eq!(address(&town, space.id).as_deref(), Some("203.0.113.17"));
    set_outbound(&mut town, Some("198.51.100.0/29"));
    assert_eq!(address(&town, space.id).as_deref(), Some("198.51.100.1"));
}

#[test]
fn a_space_without_an_address_is_not_made() {
    let mut town = Town::new();
    let space = town.space();
    set_outbound(&mut town, Some("203.0.113.16/30"));
    let (team, admin) = (town.bench.world.space(space.id).unwrap().team, town.admin());
    for name in ["second", "third"] {
        town.bench.ok(admin, create(team, name, None, None));
    }
    let refused = town.bench.refused(admin, create(team, "fourth", None, None));
    assert_eq!(refused.code, Code::InsufficientAddressCapacity);
}
