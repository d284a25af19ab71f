use super::fixture::*;
use crate::command::{Ec2Command as C, Reply, RulePeerSpec, RuleSpec};
use crate::resource::*;
use crate::*;

const TCP_80: Traffic = Traffic::Tcp(PortRange { from: 80, to: 80 });

fn spec(traffic: Traffic, peer: RulePeerSpec) -> RuleSpec {
    RuleSpec { traffic, peer, description: None }
}

fn from_block(block: &str) -> RuleSpec {
    spec(TCP_80, RulePeerSpec::Cidr(cidr(block)))
}

fn authorize(group: SecurityGroupId, rules: Vec<RuleSpec>) -> C {
    C::AuthorizeSecurityGroup { group, direction: Direction::Ingress, rules, tags: Tags::new() }
}

fn revoke(group: SecurityGroupId, rules: Vec<RuleSpec>, ids: Vec<SecurityGroupRuleId>) -> C {
    C::RevokeSecurityGroup { group, direction: Direction::Ingress, rules, ids }
}

fn create(vpc: VpcId, name: &str, description: &str) -> C {
    let (name, description) = (name.to_owned(), description.to_owned());
    C::CreateSecurityGroup { vpc, name, description, tags: Tags::new() }
}

fn rules_of(reply: Reply) -> Vec<SecurityGroupRuleId> {
    match reply {
        Reply::Rules { rules, .. } => rules,
        other => panic!("{other:?}"),
    }
}

#[test]
fn groups_have_names_and_descriptions() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let long = "x".repeat(256);
    for (name, description, code) in [
        ("", "d", Code::MissingParameter),
        ("web", "", Code::MissingParameter),
        ("default", "d", Code::GroupReserved),
        ("sg-web", "d", Code::InvalidParameterValue),
        ("wéb", "d", Code::InvalidParameterValue),
        ("web", "d\n", Code::InvalidParameterValue),
        (long.as_str(), "d", Code::InvalidParameterValue),
        ("web", long.as_str(), Code::InvalidParameterValue),
    ] {
        assert_eq!(f.refused(create(vpc, name, description)), code, "{name} {description}");
    }
    let id = f.group(vpc, "web tier (blue)");
    let group = f.world.group(id).unwrap();
    let rules: Vec<_> = group.rules.values().collect();
    assert_eq!(rules.len(), 1);
    assert_eq!((rules[0].direction, rules[0].traffic), (Direction::Egress, Traffic::All));
    let (code, message) = f.refused_as(ours(), create(vpc, "web tier (blue)", "again"));
    let words = format!("The security group 'web tier (blue)' already exists for VPC '{vpc}'");
    assert_eq!((code, message), (Code::GroupDuplicate, words));
    let other = f.vpc("10.2.0.0/16");
    f.group(other, "web tier (blue)");
}

#[test]
fn a_region_has_room_for_so_many_groups() {
    let mut f = Fixture::new();
    f.set_quota(Quota::Groups, 2500);
    let (vpc, other) = (f.vpc("10.2.0.0/16"), f.vpc("10.3.0.0/16"));
    // Each VPC has one already.
    let made = SecurityGroup::clone(f.world.group(f.get_vpc(vpc).default_group).unwrap());
    for n in 2..2500 {
        let id = SecurityGroupId::fresh(&mut f.ids);
        let (name, rules) = (format!("group-{n}").into(), SmallMap::new());
        f.put(SecurityGroup { id, name, rules, ..made.clone() });
    }
    assert_eq!(f.refused(create(other, "web", "d")), Code::GroupLimit);
    let elsewhere_ = f.vpc_as(elsewhere(), "10.4.0.0/16");
    f.run_as(elsewhere(), create(elsewhere_, "web", "d"));
}

#[test]
fn rules_are_added_all_or_none() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "web");
    let rules = rules_of(f.run(authorize(group, vec![from_block("10.0.0.0/16")])));
    assert_eq!(f.world.group(group).unwrap().rules[&rules[0]].traffic, TCP_80);
    let again = authorize(group, vec![from_block("10.9.0.0/16"), from_block("10.0.0.0/16")]);
    let (code, message) = f.refused_as(ours(), again);
    let words = "the specified rule \"peer: 10.0.0.0/16, TCP, from port: 80, to port: 80, ALLOW\" \
                 already exists";
    assert_eq!((code, message.as_str()), (Code::PermissionDuplicate, words));
    assert_eq!(f.world.group(group).unwrap().rules.len(), 2);
    let twice = vec![from_block("10.9.0.0/16"), from_block("10.9.0.0/16")];
    assert_eq!(f.refused(authorize(group, twice)), Code::InvalidParameterValue);
    assert_eq!(f.refused(authorize(group, Vec::new())), Code::MissingParameter);
}

#[test]
fn duplicates_are_named_in_ec2s_words() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "web");
    let any = RulePeerSpec::Cidr(Cidr::ANY);
    for (traffic, words) in [
        (Traffic::All, "ALL"),
        (Traffic::Udp(PortRange { from: 1, to: 9 }), "UDP, from port: 1, to port: 9"),
        (Traffic::Icmp { kind: Some(8), code: None }, "ICMP, type: 8, code: ALL"),
        (Traffic::Protocol(IpProtocol(47)), "47"),
    ] {
        let rule = authorize(group, vec![spec(traffic, any.clone())]);
        f.run(rule.clone());
        let (_, message) = f.refused_as(ours(), rule);
        let expected =
            format!("the specified rule \"peer: 0.0.0.0/0, {words}, ALLOW\" already exists");
        assert_eq!(message, expected);
    }
    let itself = authorize(group, vec![spec(TCP_80, RulePeerSpec::Group(group, None))]);
    f.run(itself.clone());
    assert!(f.refused_as(ours(), itself).1.contains(&format!("\"peer: {group}, TCP")));
}

#[test]
fn rules_make_sense() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "web");
    let any = RulePeerSpec::Cidr(Cidr::ANY);
    for traffic in [
        Traffic::Tcp(PortRange { from: 80, to: 20 }),
        Traffic::Udp(PortRange { from: 80, to: 20 }),
        Traffic::Icmp { kind: None, code: Some(0) },
    ] {
        let rule = authorize(group, vec![spec(traffic, any.clone())]);
        assert_eq!(f.refused(rule), Code::PermissionMalformed);
    }
    let described = RuleSpec { description: Some("\u{7}".to_owned()), ..from_block("10.0.0.0/8") };
    assert_eq!(f.refused(authorize(group, vec![described])), Code::InvalidParameterValue);
    let sixty = (0..60).map(|n| from_block(&format!("10.{n}.0.0/16"))).collect();
    f.run(authorize(group, sixty));
    let more = authorize(group, vec![from_block("10.60.0.0/16")]);
    assert_eq!(f.refused(more), Code::RuleLimitExceeded);
    f.run(C::AuthorizeSecurityGroup {
        group,
        direction: Direction::Egress,
        rules: vec![from_block("10.60.0.0/16")],
        tags: Tags::new(),
    });
}

#[test]
fn rules_name_groups_here_and_across_a_peering() {
    let mut f = Fixture::new();
    let (vpc, other) = (f.vpc("10.2.0.0/16"), f.vpc_as(theirs(), "10.3.0.0/16"));
    let (web, db) = (f.group(vpc, "web"), f.group(vpc, "db"));
    let theirs_id = theirs().account;
    let far = f.get_vpc(other).default_group;
    let from = |peer| authorize(db, vec![spec(TCP_80, peer)]);
    let to_far = || from(RulePeerSpec::Group(far, Some(theirs_id)));
    f.run(from(RulePeerSpec::Group(web, None)));
    f.run(from(RulePeerSpec::GroupNamed("db".to_owned())));
    assert_eq!(f.refused(from(RulePeerSpec::GroupNamed("no".to_owned()))), Code::GroupNotFound);
    assert_eq!(f.refused(to_far()), Code::GroupNotFound);
    let pcx = f.peering(vpc, other, PeeringState::PendingAcceptance);
    assert_eq!(f.refused(to_far()), Code::GroupNotFound);
    let pending = Peering::clone(f.world.peering(pcx).unwrap());
    f.put(Peering { state: PeeringState::Active, ..pending });
    let wrong = from(RulePeerSpec::Group(far, Some(ours().account)));
    assert_eq!(f.refused(wrong), Code::GroupNotFound);
    let added = rules_of(f.run(to_far()));
    let peer = f.world.group(db).unwrap().rules[&added[0]].peer;
    assert_eq!(peer, GroupPeer::Group { group: far, account: theirs_id, vpc: other });

    // The rule outlives the peering, and can still be revoked by what it says.
    let active = Peering::clone(f.world.peering(pcx).unwrap());
    f.put(Peering { state: PeeringState::Deleted, ..active });
    let stale = spec(TCP_80, RulePeerSpec::Group(far, Some(theirs_id)));
    assert_eq!(rules_of(f.run(revoke(db, vec![stale], Vec::new()))), added);

    let abroad = f.vpc_as(elsewhere(), "10.4.0.0/16");
    f.peering(vpc, abroad, PeeringState::Active);
    let group = f.get_vpc(abroad).default_group;
    assert_eq!(f.refused(from(RulePeerSpec::Group(group, None))), Code::GroupNotFound);
}

#[test]
fn rules_are_revoked_all_or_none() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let (web, db) = (f.group(vpc, "web"), f.group(vpc, "db"));
    let blocks = ["10.0.0.0/16", "10.1.0.0/16", "10.9.0.0/16"].map(from_block);
    let ids = rules_of(f.run(authorize(web, blocks.to_vec())));
    let other = rules_of(f.run(authorize(db, vec![from_block("10.0.0.0/16")])));
    assert_eq!(f.refused(revoke(web, vec![], vec![ids[0], other[0]])), Code::GroupRuleNotFound);
    let absent = vec![from_block("10.0.0.0/16"), from_block("10.7.0.0/16")];
    assert_eq!(f.refused(revoke(web, absent, vec![])), Code::PermissionNotFound);
    assert_eq!(f.refused(revoke(web, vec![], vec![])), Code::MissingParameter);
    assert_eq!(f.world.group(web).unwrap().rules.len(), 4);
    f.run(revoke(web, vec![from_block("10.1.0.0/16")], vec![ids[0]]));
    assert_eq!(f.world.group(web).unwrap().rules.len(), 2);
    let egress = C::RevokeSecurityGroup {
        group: web,
        direction: Direction::Egress,
        rules: vec![],
        ids: vec![ids[2]],
    };
    assert_eq!(f.refused(egress), Code::GroupRuleNotFound);
    let named = spec(TCP_80, RulePeerSpec::GroupNamed("db".to_owned()));
    f.run(authorize(web, vec![named.clone()]));
    f.run(revoke(web, vec![named], vec![]));
}

#[test]
fn groups_in_use_stay() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let (web, db) = (f.group(vpc, "web"), f.group(vpc, "db"));
    let delete = |group| C::DeleteSecurityGroup { group };
    let default = f.get_vpc(vpc).default_group;
    assert_eq!(f.refused(delete(default)), Code::CannotDelete);
    assert_eq!(f.refused_as(theirs(), delete(web)).0, Code::GroupNotFound);

    let by_web = vec![spec(TCP_80, RulePeerSpec::Group(web, None))];
    f.run(authorize(web, by_web.clone()));
    let ids = rules_of(f.run(authorize(db, by_web)));
    let (code, message) = f.refused_as(ours(), delete(web));
    let words = format!("resource {web} has a dependent object");
    assert_eq!((code, message), (Code::DependencyViolation, words));
    f.run(revoke(db, vec![], ids));

    // A rule of a peered VPC does not hold it.
    let other = f.vpc("10.3.0.0/16");
    f.peering(vpc, other, PeeringState::Active);
    let far = f.get_vpc(other).default_group;
    f.run(authorize(far, vec![spec(TCP_80, RulePeerSpec::Group(web, None))]));
    f.run(delete(web));
    assert_eq!(f.refused(delete(web)), Code::GroupNotFound);

    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let mut run = run_in(subnet);
    run.groups = vec![db];
    f.run(C::RunInstances(run));
    assert_eq!(f.refused(delete(db)), Code::DependencyViolation);
}

#[test]
fn the_platforms_groups_are_the_platforms() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "dynos");
    f.give_role(vpc);
    for command in [
        create(vpc, "web", "d"),
        authorize(group, vec![from_block("10.0.0.0/16")]),
        revoke(group, vec![from_block("10.0.0.0/16")], vec![]),
        C::DeleteSecurityGroup { group },
    ] {
        assert_eq!(f.refused(command), Code::OperationNotPermitted);
    }
}
