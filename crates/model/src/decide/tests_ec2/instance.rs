use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::fixture::*;
use crate::command::{Ec2Command as C, Reply, RunInstances};
use crate::resource::*;
use crate::*;

fn net() -> (Fixture, VpcId, SubnetId) {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/28");
    (f, vpc, subnet)
}

fn started(f: &Fixture, reply: &Reply) -> Vec<Instance> {
    let Reply::Resources(keys) = reply else { panic!("{reply:?}") };
    let instance = |key: &Key| match key {
        Key::Instance(id) => Instance::clone(f.world.instance(*id).unwrap()),
        other => panic!("{other:?}"),
    };
    keys.iter().map(instance).collect()
}

fn at(address: [u8; 4], subnet: SubnetId) -> C {
    C::RunInstances(RunInstances { address: Some(address.into()), ..run_in(subnet) })
}

#[test]
fn an_instance_comes_with_its_interface() {
    let (mut f, vpc, subnet) = net();
    let run = RunInstances {
        min_count: 2,
        max_count: 2,
        user_data: Some("IyEvYmluL3NoCg==".to_owned()),
        instance_tags: tags(&[("Name", "db")]),
        interface_tags: tags(&[("Name", "db-0")]),
        ..run_in(subnet)
    };
    let reply = f.run(C::RunInstances(run));
    let made = started(&f, &reply);
    let addresses: Vec<_> = made.iter().map(|i| i.address.to_string()).collect();
    assert_eq!(addresses, ["10.2.1.4", "10.2.1.5"]);
    for (n, instance) in made.iter().enumerate() {
        assert_eq!(usize::from(instance.launch_index), n);
        assert_eq!(instance.state, InstanceState::Pending);
        assert_eq!(instance.image, "ami-00000000000000001");
        assert_eq!(instance.instance_type, "t3.micro");
        assert_eq!(instance.tags, tags(&[("Name", "db")]));
        assert_eq!(instance.reservation, made[0].reservation);
        let eni = f.world.eni(instance.eni).unwrap();
        assert_eq!(eni.addresses, [instance.address]);
        assert_eq!(eni.groups, [f.get_vpc(vpc).default_group]);
        assert_eq!(eni.tags, tags(&[("Name", "db-0")]));
        assert!(eni.source_dest_check && !eni.requester_managed);
        let attachment = eni.attachment.as_ref().unwrap();
        assert_eq!(attachment.workload, WorkloadId::Instance(instance.id));
        assert!(attachment.device_index == 0 && attachment.delete_on_termination);
        assert_eq!(eni.mac.0[0], 0x02);
    }
    let macs: BTreeSet<_> = f.world.enis().map(|eni| eni.mac).collect();
    assert_eq!(macs.len(), 2);
    assert_eq!(f.refused(C::DeleteSubnet { subnet }), Code::DependencyViolation);
    assert_eq!(f.refused(C::DeleteVpc { vpc }), Code::DependencyViolation);
}

#[test]
fn requests_make_sense() {
    let (mut f, _, subnet) = net();
    let valid = || run_in(subnet);
    let counts = |min_count, max_count| RunInstances { min_count, max_count, ..valid() };
    let data = |text: String| RunInstances { user_data: Some(text), ..valid() };
    let typed = |name: &str| RunInstances { instance_type: Some(name.to_owned()), ..valid() };
    let sized = |size| {
        let volume = RootVolume { size: Some(size), ..RootVolume::default() };
        let options = Box::new(InstanceOptions { volume, ..InstanceOptions::default() });
        RunInstances { options, ..valid() }
    };
    for (run, code) in [
        (RunInstances { image: "ami-1".to_owned(), ..valid() }, Code::ImageMalformed),
        (
            RunInstances { image: "ami-00000000000000009".to_owned(), ..valid() },
            Code::ImageNotFound,
        ),
        (sized(7), Code::BlockDeviceMapping),
        (counts(0, 1), Code::InvalidParameterValue),
        (counts(1, 101), Code::InvalidParameterValue),
        (counts(2, 1), Code::InvalidParameterValue),
        (counts(12, 12), Code::InsufficientFreeAddresses),
        (data("abc".to_owned()), Code::UserDataMalformed),
        (data("ab=c".to_owned()), Code::UserDataMalformed),
        (data("a===".to_owned()), Code::UserDataMalformed),
        (data("ab é".to_owned()), Code::UserDataMalformed),
        (data("A".repeat(21848)), Code::UserDataMalformed),
        (typed("large"), Code::InvalidParameterValue),
        (typed("t3."), Code::InvalidParameterValue),
        (RunInstances { key_name: Some("none".to_owned()), ..valid() }, Code::KeyPairNotFound),
        (RunInstances { subnet: None, ..valid() }, Code::MissingParameter),
        (
            RunInstances { address: Some([10, 2, 1, 7].into()), ..counts(1, 2) },
            Code::InvalidParameterCombination,
        ),
        (RunInstances { instance_tags: tags(&[("", "")]), ..valid() }, Code::TagKeyMalformed),
    ] {
        assert_eq!(f.refused(C::RunInstances(run.clone())), code, "{run:?}");
    }
    assert_eq!(f.refused_as(theirs(), C::RunInstances(valid())).0, Code::SubnetNotFound);
    // 16 KiB exactly, in base64.
    f.run(C::RunInstances(data(format!("{}A==", "A".repeat(21845)))));
}

#[test]
fn addresses_are_given_once_and_not_the_reserved_ones() {
    let (mut f, _, subnet) = net();
    for last in [0, 1, 2, 3, 15, 16] {
        assert_eq!(f.refused(at([10, 2, 1, last], subnet)), Code::InvalidParameterValue, "{last}");
    }
    f.run(at([10, 2, 1, 5], subnet));
    let refused = f.refused_as(ours(), at([10, 2, 1, 5], subnet));
    assert_eq!(refused, (Code::AddressInUse, "Address 10.2.1.5 is in use.".to_owned()));
    // As many as there are: 11 addresses, one is taken.
    let many = RunInstances { max_count: 100, ..run_in(subnet) };
    let reply = f.run(C::RunInstances(many));
    let got: Vec<Ipv4Addr> = started(&f, &reply).iter().map(|i| i.address).collect();
    let expected: Vec<Ipv4Addr> =
        [4, 6, 7, 8, 9, 10, 11, 12, 13, 14].map(|n| Ipv4Addr::new(10, 2, 1, n)).to_vec();
    assert_eq!(got, expected);
    assert_eq!(f.refused(C::RunInstances(run_in(subnet))), Code::InsufficientFreeAddresses);
}

#[test]
fn groups_are_of_the_subnets_vpc() {
    let (mut f, vpc, subnet) = net();
    let (web, db) = (f.group(vpc, "web"), f.group(vpc, "db"));
    let other = f.vpc("10.3.0.0/16");
    let foreign = f.group(other, "web");
    let with = |groups: &[SecurityGroupId], names: &[&str]| {
        C::RunInstances(RunInstances {
            groups: groups.to_vec(),
            group_names: names.iter().map(|name| name.to_string()).collect(),
            ..run_in(subnet)
        })
    };
    let reply = f.run(with(&[web, web], &["db"]));
    let eni = started(&f, &reply)[0].eni;
    assert_eq!(f.world.eni(eni).unwrap().groups, [web, db]);
    assert_eq!(f.refused(with(&[foreign], &[])), Code::InvalidParameterValue);
    assert_eq!(f.refused(with(&[], &["none"])), Code::GroupNotFound);
    let six: Vec<_> = (0..6).map(|n| f.group(vpc, &format!("g{n}"))).collect();
    assert_eq!(f.refused(with(&six, &[])), Code::GroupsPerInterfaceLimit);
}

#[test]
fn the_default_vpc_is_where_no_subnet_is_named() {
    let (mut f, _, _) = net();
    let vpc = f.vpc("172.31.0.0/16");
    f.put(Vpc { is_default: true, ..f.get_vpc(vpc) });
    let anywhere = || C::RunInstances(RunInstances { subnet: None, ..run_in(SubnetId::MIN) });
    let (code, message) = f.refused_as(ours(), anywhere());
    assert_eq!(code, Code::MissingParameter);
    assert!(message.contains("no subnets found for the default VPC"), "{message}");
    let zones: Vec<_> = ours().region.zones().take(2).collect();
    for (n, zone) in zones.iter().rev().enumerate() {
        let id = f.subnet(vpc, &format!("172.31.{n}.0/24"));
        let subnet = Subnet::clone(f.world.subnet(id).unwrap());
        f.put(Subnet { zone: *zone, default_for_zone: true, ..subnet });
    }
    let reply = f.run(anywhere());
    assert_eq!(started(&f, &reply)[0].address, Ipv4Addr::new(172, 31, 1, 4));
}

#[test]
fn a_token_makes_instances_once() {
    let (mut f, _, subnet) = net();
    let run = |digest| {
        C::RunInstances(RunInstances {
            min_count: 3,
            max_count: 3,
            client_token: token("once", digest),
            ..run_in(subnet)
        })
    };
    let made = f.run(run("a"));
    let before = f.world.clone();
    assert_eq!(f.run(run("a")), made);
    assert_eq!(f.world, before);
    assert_eq!(f.refused(run("b")), Code::IdempotentParameterMismatch);
}

#[test]
fn instances_end_once() {
    let (mut f, vpc, subnet) = net();
    let id = f.instance(subnet);
    let terminate = |ids: &[InstanceId]| C::TerminateInstances { instances: ids.to_vec() };
    let unknown = InstanceId::fresh(&mut Sequence(1 << 60));
    let (code, message) = f.refused_as(ours(), terminate(&[id, unknown]));
    let words = format!("The instance ID '{unknown}' does not exist");
    assert_eq!((code, message), (Code::InstanceNotFound, words));
    assert_eq!(f.refused_as(theirs(), terminate(&[id])).0, Code::InstanceNotFound);
    assert_eq!(f.refused_as(elsewhere(), terminate(&[id])).0, Code::InstanceNotFound);
    assert_eq!(f.refused(terminate(&[])), Code::MissingParameter);

    f.now = f.now + std::time::Duration::from_secs(5);
    let reply = Reply::Resources(vec![Key::Instance(id)]);
    assert_eq!(f.run(terminate(&[id])), reply);
    let ending = Instance::clone(f.world.instance(id).unwrap());
    assert_eq!((ending.state, ending.since), (InstanceState::ShuttingDown, f.now));
    f.now = f.now + std::time::Duration::from_secs(5);
    f.run(terminate(&[id]));
    assert_eq!(f.world.instance(id).unwrap().since, ending.since);

    // Once it has ended it outlives its network.
    f.put(Instance { state: InstanceState::Terminated, ..ending.clone() });
    f.world.apply(&Change::Delete(Key::Eni(ending.eni)));
    f.run(C::DeleteSubnet { subnet });
    f.run(C::DeleteVpc { vpc });
    assert_eq!(f.run(terminate(&[id])), reply);
}

#[test]
fn nothing_of_a_customer_runs_in_a_space() {
    let (mut f, vpc, subnet) = net();
    f.give_role(vpc);
    assert_eq!(f.refused(C::RunInstances(run_in(subnet))), Code::OperationNotPermitted);
}
