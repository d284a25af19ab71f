use super::fixture::*;
use crate::command::{CreatePrefixList, Ec2Command as C, Reply, RulePeerSpec, RuleSpec};
use crate::resource::*;
use crate::*;

const TCP_80: Traffic = Traffic::Tcp(PortRange { from: 80, to: 80 });

fn spec(peer: RulePeerSpec) -> RuleSpec {
    RuleSpec { traffic: TCP_80, peer, description: None }
}

fn v4(block: &str) -> RuleSpec {
    spec(RulePeerSpec::Cidr(cidr(block)))
}

fn v6(block: &str) -> RuleSpec {
    spec(RulePeerSpec::Ipv6(block.parse().unwrap()))
}

fn authorize(group: SecurityGroupId, rules: Vec<RuleSpec>) -> C {
    C::AuthorizeSecurityGroup { group, direction: Direction::Ingress, rules, tags: Tags::new() }
}

fn revoke(group: SecurityGroupId, direction: Direction, rules: Vec<RuleSpec>) -> C {
    C::RevokeSecurityGroup { group, direction, rules, ids: Vec::new() }
}

fn modify(group: SecurityGroupId, rules: &[(SecurityGroupRuleId, RuleSpec)]) -> C {
    C::ModifySecurityGroupRules { group, rules: rules.to_vec() }
}

fn added(reply: Reply) -> Vec<SecurityGroupRuleId> {
    match reply {
        Reply::Rules { rules, .. } => rules,
        other => panic!("{other:?}"),
    }
}

fn prefix_list(f: &mut Fixture, family: AddressFamily, max_entries: u16) -> PrefixListId {
    let create = CreatePrefixList {
        name: "offices".to_owned(),
        family,
        max_entries,
        entries: Vec::new(),
        client_token: None,
        tags: Tags::new(),
    };
    match f.run(C::CreatePrefixList(create)).main() {
        Some(Key::PrefixList(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_there_cannot_be_revoked() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "web");
    let list = prefix_list(&mut f, AddressFamily::Ipv4, 5);
    let all = |peer| RuleSpec { traffic: Traffic::All, ..spec(peer) };
    let absent = [
        all(RulePeerSpec::Ipv6(Ipv6Cidr::ANY)),
        all(RulePeerSpec::PrefixList(list)),
        all(RulePeerSpec::PrefixList(PrefixListId::MIN)),
        all(RulePeerSpec::Group(group, None)),
        v4("0.0.0.0/0"),
    ];
    for rule in &absent {
        let (code, message) =
            f.refused_as(ours(), revoke(group, Direction::Egress, vec![rule.clone()]));
        assert_eq!(code, Code::PermissionNotFound, "{rule:?}");
        assert_eq!(message, "The specified rule does not exist in this security group.");
    }
    let there = all(RulePeerSpec::Cidr(Cidr::ANY));
    let both = vec![there.clone(), absent[0].clone()];
    assert_eq!(f.refused(revoke(group, Direction::Egress, both.clone())), Code::PermissionNotFound);

    // A default VPC forgives: what is there is revoked, and the rest is named.
    let default = Vpc { is_default: true, ..f.get_vpc(vpc) };
    f.put(default);
    let reply = f.run(revoke(group, Direction::Egress, both));
    let Reply::Rules { rules, unknown, .. } = reply else { panic!("{reply:?}") };
    assert_eq!((rules.len(), unknown), (1, vec![absent[0].clone()]));
    assert!(f.world.group(group).unwrap().rules.is_empty());
    let nothing = revoke(group, Direction::Egress, vec![there.clone()]);
    let reply = f.run(nothing);
    let unknown = vec![there];
    assert_eq!(reply, Reply::Rules { group, rules: Vec::new(), unknown });
}

#[test]
fn a_protocol_that_has_a_name_now_is_found_by_it() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "web");
    let of = |traffic| RuleSpec { traffic, ..v4("10.0.0.0/16") };
    let by_number = of(Traffic::Protocol(IpProtocol::ICMPV6));
    let ids = added(f.run(authorize(group, vec![by_number])));
    let named = of(Traffic::whole(IpProtocol::ICMPV6));
    assert_eq!(added(f.run(revoke(group, Direction::Ingress, vec![named]))), ids);
}

#[test]
fn families_are_counted_apart() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "web");
    let (lists, more) = (AddressFamily::Ipv4, AddressFamily::Ipv6);
    let (four, six) = (prefix_list(&mut f, lists, 20), prefix_list(&mut f, more, 60));
    f.run(authorize(group, (0..40).map(|n| v4(&format!("10.{n}.0.0/16"))).collect()));
    f.run(authorize(group, vec![spec(RulePeerSpec::PrefixList(four))]));
    assert_eq!(f.refused(authorize(group, vec![v4("10.40.0.0/16")])), Code::RuleLimitExceeded);
    let itself = spec(RulePeerSpec::Group(group, None));
    assert_eq!(f.refused(authorize(group, vec![itself.clone()])), Code::RuleLimitExceeded);
    f.run(authorize(group, vec![v6("2001:db8::/32")]));
    let all_of_six = authorize(group, vec![spec(RulePeerSpec::PrefixList(six))]);
    let (code, message) = f.refused_as(ours(), all_of_six.clone());
    assert_eq!(code, Code::RuleLimitExceeded);
    assert!(message.starts_with("The maximum number of rules per security group has been"));
    f.run(revoke(group, Direction::Ingress, vec![v6("2001:db8::/32")]));
    f.run(all_of_six);
    f.run(revoke(group, Direction::Ingress, vec![v4("10.0.0.0/16")]));
    assert_eq!(f.refused(authorize(group, vec![itself])), Code::RuleLimitExceeded);
}

#[test]
fn a_groups_rules_keep_their_ids_when_they_change() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let (group, other) = (f.group(vpc, "web"), f.group(vpc, "db"));
    let tagged = C::AuthorizeSecurityGroup {
        group,
        direction: Direction::Ingress,
        rules: vec![v4("10.0.0.0/16"), v6("::/0"), spec(RulePeerSpec::Group(other, None))],
        tags: tags(&[("of", "web")]),
    };
    let ids = added(f.run(tagged));
    let udp = Traffic::Udp(PortRange { from: 53, to: 53 });
    let described =
        RuleSpec { traffic: udp, description: Some("names".to_owned()), ..v4("10.9.0.0/16") };
    f.now = f.now + std::time::Duration::from_secs(60);
    f.run(modify(group, &[(ids[0], described), (ids[1], v6("2001:db8::/32"))]));
    let rules = &f.world.group(group).unwrap().rules;
    let rule = &rules[&ids[0]];
    assert_eq!((rule.traffic, rule.peer), (udp, GroupPeer::Cidr(cidr("10.9.0.0/16"))));
    assert_eq!((rule.direction, rule.created), (Direction::Ingress, NOW));
    assert_eq!(rule.description.as_deref(), Some("names"));
    assert_eq!(rule.tags, tags(&[("of", "web")]));
    assert_eq!(rules[&ids[1]].peer, GroupPeer::Ipv6("2001:db8::/32".parse().unwrap()));

    for (rules, code, said) in [
        (vec![], Code::MissingParameter, "securityGroupRules"),
        (
            vec![(SecurityGroupRuleId::MIN, v4("10.0.0.0/16"))],
            Code::GroupRuleNotFound,
            "does not exist",
        ),
        (
            vec![(ids[0], v4("10.1.0.0/16")), (ids[0], v4("10.2.0.0/16"))],
            Code::InvalidParameterValue,
            "multiple times",
        ),
        (
            vec![(ids[0], spec(RulePeerSpec::Group(other, None)))],
            Code::InvalidParameterValue,
            "You may not specify a referenced group id for an existing IPv4 CIDR rule.",
        ),
        (
            vec![(ids[2], v6("::/0"))],
            Code::InvalidParameterValue,
            "You may not specify an IPv6 CIDR for an existing referenced group id rule.",
        ),
        (
            vec![(ids[2], spec(RulePeerSpec::Group(SecurityGroupId::MIN, None)))],
            Code::GroupNotFound,
            "does not exist",
        ),
    ] {
        let (refused, message) = f.refused_as(ours(), modify(group, &rules));
        assert_eq!(refused, code, "{rules:?}");
        assert!(message.contains(said), "{message}");
    }
    // Two rules that would say the same, but not one that says what another one said before.
    let more = added(f.run(authorize(group, vec![v4("10.5.0.0/16")])));
    let same = modify(group, &[(ids[0], v4("10.5.0.0/16"))]);
    assert_eq!(f.refused(same), Code::PermissionDuplicate);
    f.run(modify(group, &[(ids[0], v4("10.5.0.0/16")), (more[0], v4("10.6.0.0/16"))]));
    let (code, _) = f.refused_as(theirs(), modify(group, &[(ids[0], v4("10.7.0.0/16"))]));
    assert_eq!(code, Code::GroupNotFound);
}

#[test]
fn descriptions_change_by_id_and_by_what_a_rule_says() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "web");
    let ids = added(f.run(authorize(group, vec![v4("10.0.0.0/16"), v6("::/0")])));
    let change = |rules, ids| C::DescribeSecurityGroupRules {
        group,
        direction: Direction::Ingress,
        rules,
        ids,
    };
    let words = |text: &str| Some(text.to_owned());
    let described = |text: &str| RuleSpec { description: words(text), ..v6("::/0") };
    f.run(change(vec![], vec![(ids[0], words("one"))]));
    f.run(change(vec![described("two")], vec![]));
    let said = |f: &Fixture| {
        let rules = &f.world.group(group).unwrap().rules;
        ids.iter().map(|id| rules[id].description.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said(&f), [words("one"), words("two")]);
    f.run(change(vec![], vec![(ids[0], None), (ids[1], words(""))]));
    assert_eq!(said(&f), [None, None]);
    assert_eq!(f.refused(change(vec![], vec![])), Code::MissingParameter);
    assert_eq!(f.refused(change(vec![v4("10.1.0.0/16")], vec![])), Code::PermissionNotFound);
    let bell = change(vec![], vec![(ids[0], words("\u{7}"))]);
    assert_eq!(f.refused(bell), Code::InvalidParameterValue);
    let egress = C::DescribeSecurityGroupRules {
        group,
        direction: Direction::Egress,
        rules: vec![],
        ids: vec![(ids[0], words("out"))],
    };
    assert_eq!(f.refused(egress), Code::GroupRuleNotFound);
}

#[test]
fn a_group_of_another_network_is_refused_in_ec2s_words() {
    let mut f = Fixture::new();
    let (vpc, other) = (f.vpc("10.2.0.0/16"), f.vpc("10.3.0.0/16"));
    let foreign = f.vpc_as(theirs(), "10.4.0.0/16");
    let group = f.group(vpc, "web");
    let from = |f: &Fixture, vpc| {
        let group_there = f.get_vpc(vpc).default_group;
        authorize(group, vec![spec(RulePeerSpec::Group(group_there, None))])
    };
    let own = from(&f, other);
    let (code, message) = f.refused_as(ours(), own);
    let words = "You have specified two resources that belong to different networks.";
    assert_eq!((code, message.as_str()), (Code::GroupNotFound, words));
    // Of somebody else's nothing is told.
    let theirs_ = from(&f, foreign);
    let (code, message) = f.refused_as(ours(), theirs_);
    assert_eq!(code, Code::GroupNotFound);
    assert!(message.ends_with("does not exist"), "{message}");
    let list = spec(RulePeerSpec::PrefixList(PrefixListId::MIN));
    let (code, message) = f.refused_as(ours(), authorize(group, vec![list]));
    assert_eq!(code, Code::PrefixListNotFound);
    assert_eq!(message, format!("The prefix list ID '{}' does not exist", PrefixListId::MIN));
}
