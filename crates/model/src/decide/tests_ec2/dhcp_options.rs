use std::collections::BTreeMap;

use super::fixture::*;
use crate::command::{Ec2Command as C, Reply};
use crate::edge::RESOLVER;
use crate::intent::NamesIntent;
use crate::*;

fn create(options: &[(&str, &[&str])]) -> C {
    let text = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let options: BTreeMap<String, Vec<String>> =
        options.iter().map(|(name, values)| ((*name).to_owned(), text(values))).collect();
    C::CreateDhcpOptions { options, tags: Tags::new() }
}

fn made(f: &mut Fixture, options: &[(&str, &[&str])]) -> DhcpOptionsId {
    match f.run(create(options)).main() {
        Some(Key::DhcpOptions(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn associate(vpc: VpcId, options: Option<DhcpOptionsId>) -> C {
    C::AssociateDhcpOptions { vpc, options }
}

#[test]
fn options_have_names_and_values_that_mean_something() {
    let mut f = Fixture::new();
    made(
        &mut f,
        &[
            ("domain-name", &["corp.example example.com"]),
            ("domain-name-servers", &["10.2.0.2", "AmazonProvidedDNS", "fd00::53"]),
            ("ntp-servers", &["169.254.169.123"]),
            ("netbios-name-servers", &["10.2.0.3"]),
            ("netbios-node-type", &["2"]),
            ("ipv6-address-preferred-lease-time", &["140"]),
        ],
    );
    for wrong in [
        ("colour", &["red"] as &[&str]),
        ("domain-name", &["a", "b"]),
        ("domain-name", &[""]),
        ("domain-name", &["a\nnameserver 1.2.3.4"]),
        ("domain-name-servers", &["resolver"]),
        ("domain-name-servers", &["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5"]),
        ("ntp-servers", &["AmazonProvidedDNS"]),
        ("netbios-name-servers", &["fd00::1"]),
        ("netbios-node-type", &["3"]),
        ("ipv6-address-preferred-lease-time", &["139"]),
    ] {
        assert_eq!(f.refused(create(&[wrong])), Code::InvalidParameterValue, "{wrong:?}");
    }
    assert_eq!(f.refused(create(&[])), Code::MissingParameter);
    assert_eq!(f.refused(create(&[("domain-name", &[])])), Code::MissingParameter);
}

#[test]
fn a_set_goes_when_no_vpc_has_it() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let first = f.get_vpc(vpc).dhcp_options.unwrap();
    let options = made(&mut f, &[("domain-name", &["example.com"])]);
    let delete = |options| C::DeleteDhcpOptions { options };
    let message = format!("The dhcpOption ID '{options}' does not exist");
    for scope in [theirs(), elsewhere()] {
        let refused = f.refused_as(scope, delete(options));
        assert_eq!(refused, (Code::DhcpOptionsNotFound, message.clone()));
    }
    let foreign = f.vpc_as(theirs(), "10.3.0.0/16");
    let refused = f.refused_as(theirs(), associate(foreign, Some(options)));
    assert_eq!(refused.0, Code::DhcpOptionsNotFound);
    assert_eq!(f.refused(associate(foreign, Some(options))), Code::VpcNotFound);

    assert_eq!(f.run(associate(vpc, Some(options))), Reply::Done);
    assert_eq!(f.get_vpc(vpc).dhcp_options, Some(options));
    let message = format!("The dhcpOptions '{options}' has dependencies and cannot be deleted.");
    assert_eq!(f.refused_as(ours(), delete(options)), (Code::DependencyViolation, message));
    // A new VPC still gets what the first one got, which therefore stays.
    let second = f.vpc("10.4.0.0/16");
    assert_eq!(f.get_vpc(second).dhcp_options, Some(first));
    f.run(C::DeleteVpc { vpc: second });
    assert_eq!(f.refused(delete(first)), Code::DependencyViolation);

    f.run(associate(vpc, None));
    assert_eq!(f.get_vpc(vpc).dhcp_options, None);
    f.run(delete(options));
    assert_eq!(f.refused(associate(vpc, Some(options))), Code::DhcpOptionsNotFound);
    f.run(associate(vpc, Some(first)));
    f.give_role(vpc);
    assert_eq!(f.refused(associate(vpc, None)), Code::OperationNotPermitted);
}

#[test]
fn instances_are_told_how_to_look_names_up() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let instance = WorkloadId::Instance(f.instance(subnet));
    let names = |world: &World| plan(world, NOW).workloads.0[&instance].names.clone();
    let own: std::net::IpAddr = RESOLVER.into();
    let expected = NamesIntent { search: vec!["ec2.internal".into()], servers: vec![own] };
    assert_eq!(names(&f.world), expected);

    let servers: &[&str] = &["10.2.0.9", "AmazonProvidedDNS"];
    let options =
        [("domain-name", &["a.example b.example"] as &[&str]), ("domain-name-servers", servers)];
    let options = made(&mut f, &options);
    let before = f.world.clone();
    let caller = Caller::Account { scope: ours(), read_only: false };
    let command: Command = associate(vpc, Some(options)).into();
    let decided = f.world.decide(caller, &command, f.now, &mut f.ids).unwrap();
    let expected = NamesIntent {
        search: vec!["a.example".into(), "b.example".into()],
        servers: vec!["10.2.0.9".parse().unwrap(), own],
    };
    assert_eq!(names(&decided.world), expected);
    let delta = plan_delta(&before, &decided.world, &decided.changes, f.now);
    assert_eq!(delta.workloads.0[&instance].as_ref().unwrap().names, expected);

    f.run(associate(vpc, None));
    assert_eq!(names(&f.world), NamesIntent { search: vec![], servers: vec![] });
}

#[test]
fn records_of_older_versions_are_read() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let id = f.get_vpc(vpc).dhcp_options.unwrap();
    let set = DhcpOptions::clone(f.world.dhcp_options(id).unwrap());
    let mut old = serde_json::to_value(&set).unwrap();
    for field in ["custom", "created"] {
        old.as_object_mut().unwrap().remove(field).unwrap();
    }
    let expected = DhcpOptions { created: Timestamp::default(), ..set };
    assert_eq!(serde_json::from_value::<DhcpOptions>(old).unwrap(), expected);
    let vpc = f.get_vpc(vpc);
    let mut old = serde_json::to_value(&vpc).unwrap();
    assert_eq!(old["dhcp_options"], id.to_string());
    old.as_object_mut().unwrap().remove("tenancy").unwrap();
    assert_eq!(serde_json::from_value::<Vpc>(old).unwrap(), vpc);
}
