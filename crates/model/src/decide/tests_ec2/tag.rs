use super::fixture::*;
use crate::command::{Ec2Command as C, RulePeerSpec, RuleSpec, TaggedResource};
use crate::resource::*;
use crate::*;

fn on(key: Key) -> Vec<TaggedResource> {
    vec![tagged(key).unwrap()]
}

fn create(key: Key, pairs: &[(&str, &str)]) -> C {
    C::CreateTags { resources: on(key), tags: tags(pairs) }
}

fn delete(key: Key, pairs: &[(&str, Option<&str>)]) -> C {
    let pairs = pairs.iter().map(|(key, value)| (key.to_string(), value.map(str::to_owned)));
    C::DeleteTags { resources: on(key), tags: pairs.collect() }
}

#[test]
fn every_kind_of_resource_has_tags() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let instance = f.instance(subnet);
    let (cidr, kind, description) = (cidr("10.2.1.128/28").into(), ReservationKind::Prefix, None);
    let reserve =
        C::CreateSubnetCidrReservation { subnet, cidr, kind, description, tags: Tags::new() };
    let reservation = f.run(reserve).main().unwrap();
    let now = f.get_vpc(vpc);
    let options = now.dhcp_options.unwrap();
    let gateway = f.run(C::CreateInternetGateway { tags: Tags::new() }).main().unwrap();
    let egress = C::CreateEgressOnlyInternetGateway { vpc, client_token: None, tags: Tags::new() };
    let egress = f.run(egress).main().unwrap();
    for key in [
        Key::Vpc(vpc),
        Key::Subnet(subnet),
        reservation,
        Key::RouteTable(now.main_route_table),
        Key::SecurityGroup(now.default_group),
        Key::NetworkAcl(now.default_acl),
        Key::Eni(f.world.instance(instance).unwrap().eni),
        Key::Instance(instance),
        gateway,
        egress,
        Key::DhcpOptions(options),
    ] {
        f.run(create(key, &[("Name", "x")]));
        let body = f.world.get(key).unwrap().body();
        assert!(body.contains(r#""tags":{"Name":"x"}"#), "{body}");
        let (code, message) = f.refused_as(theirs(), create(key, &[("Name", "x")]));
        assert_eq!(code.platform(), PlatformError::NotFound, "{key:?}: {message}");
        f.run(delete(key, &[]));
    }
    let command = create(Key::DhcpOptions(options), &[("Name", "x")]);
    let (code, message) = f.refused_as(theirs(), command);
    let expected = format!("The ID '{options}' is not valid");
    assert_eq!((code, message), (Code::InvalidId, expected));
}

#[test]
fn tags_have_limits() {
    let mut f = Fixture::new();
    let key = Key::Vpc(f.vpc("10.2.0.0/16"));
    let (long_key, long_value) = ("k".repeat(128), "v".repeat(257));
    for (pairs, code) in [
        (&[("", "v")][..], Code::TagKeyMalformed),
        (&[(long_key.as_str(), "v")], Code::TagKeyMalformed),
        (&[("aws:mine", "v")], Code::InvalidParameterValue),
        (&[("k", long_value.as_str())], Code::InvalidParameterValue),
        (&[], Code::MissingParameter),
    ] {
        assert_eq!(f.refused(create(key, pairs)), code, "{pairs:?}");
    }
    let names: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    let fifty: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    f.run(create(key, &fifty));
    assert_eq!(f.refused(create(key, &[("one-more", "v")])), Code::TagLimitExceeded);
    f.run(create(key, &[("7", "changed")]));
    let none = C::CreateTags { resources: Vec::new(), tags: tags(&[("k", "v")]) };
    assert_eq!(f.refused(none), Code::MissingParameter);
    let mut all = fifty;
    all.push(("one-more", "v"));
    let create = C::create_vpc(cidr("10.3.0.0/16"), tags(&all));
    assert_eq!(f.refused(create), Code::TagLimitExceeded);
}

#[test]
fn tags_go_by_key_by_value_or_all_together() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let key = Key::Vpc(vpc);
    f.run(create(key, &[("a", "1"), ("b", "2"), ("c", ""), ("d", "4")]));
    f.run(delete(key, &[("a", None), ("b", Some("other")), ("c", Some("")), ("gone", None)]));
    assert_eq!(f.get_vpc(vpc).tags, tags(&[("b", "2"), ("d", "4")]));
    assert_eq!(f.refused(delete(key, &[("aws:x", None)])), Code::InvalidParameterValue);
    f.run(delete(key, &[]));
    assert_eq!(f.get_vpc(vpc).tags, Tags::new());
    let absent = Key::Vpc(VpcId::fresh(&mut Sequence(1 << 60)));
    assert_eq!(f.refused(delete(absent, &[])), Code::VpcNotFound);
}

#[test]
fn a_peerings_tags_are_one_sides() {
    let mut f = Fixture::new();
    let (a, b) = (f.vpc("10.2.0.0/16"), f.vpc_as(theirs(), "10.3.0.0/16"));
    let pcx = f.peering(a, b, PeeringState::Active);
    f.run(create(Key::Peering(pcx), &[("Name", "ours")]));
    f.run_as(theirs(), create(Key::Peering(pcx), &[("Name", "theirs")]));
    let now = f.world.peering(pcx).unwrap().clone();
    assert_eq!(now.requester.tags, tags(&[("Name", "ours")]));
    assert_eq!(now.accepter.tags, tags(&[("Name", "theirs")]));
    let abroad = f.refused_as(elsewhere(), create(Key::Peering(pcx), &[("Name", "x")]));
    assert_eq!(abroad.0, Code::PeeringNotFound);
}

#[test]
fn a_rule_has_tags_of_its_own() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let group = f.group(vpc, "web");
    let peer = RulePeerSpec::Cidr(cidr("10.3.0.0/16"));
    f.run(C::AuthorizeSecurityGroup {
        group,
        direction: Direction::Ingress,
        rules: vec![RuleSpec { traffic: Traffic::All, peer, description: None }],
        tags: tags(&[("Name", "first")]),
    });
    let find = |f: &Fixture| {
        let rules = f.world.group(group).unwrap().rules.clone();
        rules.into_iter().find(|(_, rule)| rule.direction == Direction::Ingress).unwrap()
    };
    let (id, rule) = find(&f);
    assert_eq!(rule.tags, tags(&[("Name", "first")]));
    let create = |id| C::CreateTags {
        resources: vec![TaggedResource::GroupRule(id)],
        tags: tags(&[("Name", "second")]),
    };
    f.run(create(id));
    assert_eq!(find(&f).1.tags, tags(&[("Name", "second")]));
    assert_eq!(f.refused_as(theirs(), create(id)).0, Code::GroupRuleNotFound);
    let unknown = SecurityGroupRuleId::fresh(&mut Sequence(1 << 60));
    assert_eq!(f.refused(create(unknown)), Code::GroupRuleNotFound);
}

#[test]
fn all_resources_are_tagged_or_none() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let unknown = VpcId::fresh(&mut Sequence(1 << 60));
    let both = C::CreateTags {
        resources: [vpc, unknown].map(TaggedResource::Vpc).to_vec(),
        tags: tags(&[("Name", "x")]),
    };
    assert_eq!(f.refused(both), Code::VpcNotFound);
    f.give_role(vpc);
    assert_eq!(f.refused(create(Key::Vpc(vpc), &[("k", "v")])), Code::OperationNotPermitted);
}
