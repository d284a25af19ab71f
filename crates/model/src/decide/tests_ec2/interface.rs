use std::net::Ipv4Addr;

use super::fixture::*;
use crate::command::*;
use crate::resource::*;
use crate::*;

fn net() -> (Fixture, VpcId, SubnetId) {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    (f, vpc, subnet)
}

fn new(subnet: SubnetId) -> NewInterface {
    NewInterface {
        subnet,
        groups: Vec::new(),
        description: String::new(),
        addresses: AddressesSpec::default(),
        client_token: None,
        tags: Tags::new(),
    }
}

fn make(f: &mut Fixture, new: NewInterface) -> EniId {
    match f.run(Ec2Command::CreateNetworkInterface(new)).main() {
        Some(Key::Eni(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn get(f: &Fixture, id: EniId) -> Eni {
    Eni::clone(f.world.eni(id).unwrap())
}

fn running(f: &mut Fixture, subnet: SubnetId) -> InstanceId {
    let id = f.instance(subnet);
    let workloads = [(WorkloadId::Instance(id), WorkloadReport::Running)].into();
    let seen = Observation { workloads, ..Default::default() };
    f.decide(Caller::System, SystemCommand::Observe(seen).into()).unwrap();
    id
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 2, 1, last)
}

fn attach(interface: EniId, instance: InstanceId, device_index: u8) -> Ec2Command {
    Ec2Command::AttachNetworkInterface { interface, instance, device_index }
}

fn detach(f: &Fixture, interface: EniId) -> Ec2Command {
    let attachment = get(f, interface).attachment.unwrap().id;
    Ec2Command::DetachNetworkInterface { attachment }
}

#[test]
fn an_interface_has_the_addresses_that_were_asked_for() {
    let (mut f, vpc, subnet) = net();
    let addresses = AddressesSpec { primary: Some(at(9)), secondary: vec![at(8)], count: 0 };
    let id = make(&mut f, NewInterface { addresses, description: "two".to_owned(), ..new(subnet) });
    let eni = get(&f, id);
    assert_eq!((eni.addresses.as_slice(), eni.vpc), (&[at(9), at(8)][..], vpc));
    assert_eq!(eni.groups, [f.get_vpc(vpc).default_group]);
    assert!(eni.attachment.is_none() && !eni.requester_managed && eni.source_dest_check);
    let addresses = AddressesSpec { count: 4, ..Default::default() };
    let id = make(&mut f, NewInterface { addresses, ..new(subnet) });
    assert_eq!(get(&f, id).addresses, [4, 5, 6, 7, 10].map(at));
    for (addresses, code) in [
        (AddressesSpec { primary: Some(at(9)), ..Default::default() }, Code::AddressInUse),
        (AddressesSpec { primary: Some(at(3)), ..Default::default() }, Code::InvalidParameterValue),
        (
            AddressesSpec { secondary: vec![at(50), at(50)], ..Default::default() },
            Code::InvalidParameterValue,
        ),
        (AddressesSpec { count: 300, ..Default::default() }, Code::InsufficientFreeAddresses),
    ] {
        let asked = NewInterface { addresses, ..new(subnet) };
        assert_eq!(f.refused(Ec2Command::CreateNetworkInterface(asked)), code);
    }
    let long = NewInterface { description: "x".repeat(256), ..new(subnet) };
    assert_eq!(f.refused(Ec2Command::CreateNetworkInterface(long)), Code::InvalidParameterValue);
    let create = Ec2Command::CreateNetworkInterface(new(subnet));
    assert_eq!(f.refused_as(theirs(), create).0, Code::SubnetNotFound);
}

#[test]
fn a_token_makes_an_interface_once() {
    let (mut f, _, subnet) = net();
    let asked = |digest| NewInterface { client_token: token("once", digest), ..new(subnet) };
    let id = make(&mut f, asked("a"));
    assert_eq!(make(&mut f, asked("a")), id);
    let other = Ec2Command::CreateNetworkInterface(asked("b"));
    assert_eq!(f.refused(other), Code::IdempotentParameterMismatch);
}

#[test]
fn an_interface_is_attached_to_one_instance_and_detached() {
    let (mut f, vpc, subnet) = net();
    let (one, two) = (running(&mut f, subnet), running(&mut f, subnet));
    let id = make(&mut f, new(subnet));
    assert_eq!(f.refused(attach(id, one, 0)), Code::InvalidParameterValue, "it has a first one");
    f.run(attach(id, one, 1));
    let attachment = get(&f, id).attachment.unwrap();
    assert_eq!((attachment.device_index, attachment.delete_on_termination), (1, false));
    let plan = plan_vpc(&f.world, &f.get_vpc(vpc));
    let host = f.world.instance(one).unwrap().eni;
    let slot = plan.interfaces[&id].slot.unwrap();
    assert_eq!((slot.host, slot.index, plan.interfaces[&host].slot), (host, 1, None));
    assert_eq!(f.refused(attach(id, two, 1)), Code::EniInUse);
    let delete = Ec2Command::DeleteNetworkInterface { interface: id };
    assert_eq!(
        f.refused_as(ours(), delete),
        (Code::InvalidParameterValue, format!("Network interface '{id}' is currently in use."))
    );
    assert_eq!(f.refused(detach(&f, host)), Code::OperationNotPermitted);
    let unknown = EniAttachmentId::fresh(&mut Sequence(1 << 60));
    let unknown = Ec2Command::DetachNetworkInterface { attachment: unknown };
    assert_eq!(f.refused(unknown), Code::AttachmentNotFound);
    let away = detach(&f, id);
    assert_eq!(f.refused_as(theirs(), away.clone()).0, Code::AttachmentNotFound);
    f.run(away.clone());
    assert_eq!(f.refused(away), Code::AttachmentNotFound);
    assert!(get(&f, id).attachment.is_none());
    f.run(attach(id, two, 3));
    f.run(detach(&f, id));
    f.run(Ec2Command::DeleteNetworkInterface { interface: id });
    assert!(f.world.eni(id).is_none());
    assert_eq!(f.refused(Ec2Command::DeleteNetworkInterface { interface: id }), Code::EniNotFound);
}

#[test]
fn an_instance_has_as_many_interfaces_as_its_type_allows_in_its_zone_and_vpc() {
    let (mut f, vpc, subnet) = net();
    let id = running(&mut f, subnet);
    // A t3.micro has two.
    let interfaces: Vec<EniId> = (0..2).map(|_| make(&mut f, new(subnet))).collect();
    f.run(attach(interfaces[0], id, 1));
    assert_eq!(f.refused(attach(interfaces[1], id, 2)), Code::AttachmentLimit);
    f.run(detach(&f, interfaces[0]));
    let zone = Region::DEFAULT.zone(1);
    let create = Ec2Command::create_subnet(vpc, cidr("10.2.2.0/24"), Some(zone), Tags::new());
    let Some(Key::Subnet(far)) = f.run(create).main() else { panic!() };
    let far = make(&mut f, new(far));
    assert_eq!(f.refused(attach(far, id, 1)), Code::InvalidParameterCombination);
    let other = f.vpc("10.3.0.0/16");
    let other = f.subnet(other, "10.3.1.0/24");
    let other = make(&mut f, new(other));
    assert_eq!(f.refused(attach(other, id, 1)), Code::InvalidParameterValue);
    let pending = f.instance(subnet);
    assert_eq!(f.refused(attach(interfaces[0], pending, 1)), Code::InstanceState);
}

#[test]
fn secondary_addresses_come_go_and_move() {
    let (mut f, _, subnet) = net();
    let (one, two) = (make(&mut f, new(subnet)), make(&mut f, new(subnet)));
    let assign = |interface, addresses: &[u8], count, take| Ec2Command::AssignPrivateIpAddresses {
        interface,
        addresses: addresses.iter().map(|last| at(*last)).collect(),
        count,
        take,
    };
    let unassign = |interface, addresses: &[u8]| Ec2Command::UnassignPrivateIpAddresses {
        interface,
        addresses: addresses.iter().map(|last| at(*last)).collect(),
    };
    f.run(assign(one, &[20, 21], 0, false));
    f.run(assign(one, &[], 1, false));
    assert_eq!(get(&f, one).addresses, [4, 20, 21, 6].map(at));
    let (code, message) = f.refused_as(ours(), assign(two, &[20], 0, false));
    assert_eq!(code, Code::InvalidParameterValue);
    assert_eq!(message, "[10.2.1.20] assigned, but move is not allowed.");
    f.run(assign(two, &[20], 0, true));
    assert_eq!(get(&f, one).addresses, [4, 21, 6].map(at));
    assert_eq!(get(&f, two).addresses, [5, 20].map(at));
    assert_eq!(f.refused(assign(two, &[4], 0, true)), Code::InvalidParameterValue, "a primary one");
    assert_eq!(f.refused(assign(two, &[], 0, true)), Code::InvalidParameterCombination);
    assert_eq!(f.refused(assign(two, &[2], 0, true)), Code::InvalidParameterValue);
    assert_eq!(f.refused(unassign(two, &[5])), Code::InvalidParameterValue, "its primary one");
    assert_eq!(f.refused(unassign(two, &[21])), Code::InvalidParameterValue, "not its own");
    f.run(unassign(two, &[20]));
    assert_eq!(get(&f, two).addresses, [at(5)]);
    // A t3.micro has two addresses on each interface.
    let id = running(&mut f, subnet);
    let eni = f.world.instance(id).unwrap().eni;
    f.run(assign(eni, &[], 1, false));
    assert_eq!(f.refused(assign(eni, &[], 1, false)), Code::AddressLimit);
}

#[test]
fn one_attribute_of_an_interface_changes_at_a_time() {
    let (mut f, vpc, subnet) = net();
    let id = make(&mut f, new(subnet));
    let group = f.group(vpc, "web");
    let modify = |change| Ec2Command::ModifyNetworkInterfaceAttribute { interface: id, change };
    f.run(modify(InterfaceChange::Description("for the web".to_owned())));
    f.run(modify(InterfaceChange::Groups(vec![group])));
    f.run(modify(InterfaceChange::SourceDestCheck(false)));
    let eni = get(&f, id);
    assert_eq!((eni.description.as_str(), eni.groups.as_slice()), ("for the web", &[group][..]));
    assert!(!eni.source_dest_check);
    let instance = running(&mut f, subnet);
    f.run(attach(id, instance, 1));
    let attachment = get(&f, id).attachment.unwrap().id;
    f.run(modify(InterfaceChange::DeleteOnTermination { attachment, on: true }));
    assert!(get(&f, id).attachment.unwrap().delete_on_termination);
    let wrong = EniAttachmentId::fresh(&mut Sequence(1 << 60));
    let wrong = InterfaceChange::DeleteOnTermination { attachment: wrong, on: true };
    assert_eq!(f.refused(modify(wrong)), Code::AttachmentNotFound);
    let other = f.vpc("10.3.0.0/16");
    let foreign = f.group(other, "web");
    let refused = f.refused(modify(InterfaceChange::Groups(vec![foreign])));
    assert_eq!(refused, Code::InvalidParameterValue);
}

#[test]
fn an_instance_is_run_with_several_interfaces_and_ends_with_its_own() {
    let (mut f, vpc, subnet) = net();
    let kept = make(&mut f, new(subnet));
    let group = f.group(vpc, "web");
    let first = RunInterface {
        device_index: 0,
        subnet: Some(subnet),
        groups: vec![group],
        addresses: AddressesSpec { primary: Some(at(40)), secondary: vec![at(41)], count: 1 },
        ..Default::default()
    };
    let second = RunInterface { device_index: 1, existing: Some(kept), ..Default::default() };
    let run = |interfaces: Vec<RunInterface>, max_count| {
        let base = run_in(subnet);
        let instance_type = Some("m5.large".to_owned());
        Ec2Command::RunInstances(RunInstances {
            subnet: None,
            interfaces,
            max_count,
            instance_type,
            ..base
        })
    };
    let both = vec![second.clone(), first.clone()];
    assert_eq!(f.refused(run(both.clone(), 2)), Code::InvalidParameterCombination);
    assert_eq!(f.refused(run(vec![second.clone()], 1)), Code::InvalidParameterValue);
    let twice = vec![first.clone(), RunInterface { device_index: 0, ..second }];
    assert_eq!(f.refused(run(twice, 1)), Code::InvalidParameterValue);
    let Some(Key::Instance(id)) = f.run(run(both.clone(), 1)).main() else { panic!() };
    let instance = Instance::clone(f.world.instance(id).unwrap());
    assert_eq!(get(&f, instance.eni).addresses, [40, 41, 5].map(at));
    assert_eq!(get(&f, instance.eni).groups, [group]);
    assert_eq!(get(&f, kept).instance(), Some(id));
    assert_eq!(f.refused(run(both, 1)), Code::EniInUse);
    let check = InstanceChange::SourceDestCheck(false);
    let check = Ec2Command::ModifyInstanceAttribute { instance: id, change: check };
    assert_eq!(f.refused(check), Code::InstanceAmbiguous);
    f.run(Ec2Command::TerminateInstances { instances: vec![id] });
    let workloads = [(WorkloadId::Instance(id), WorkloadReport::Gone)].into();
    let seen = Observation { workloads, ..Default::default() };
    f.decide(Caller::System, SystemCommand::Observe(seen).into()).unwrap();
    assert!(f.world.eni(instance.eni).is_none());
    assert!(get(&f, kept).attachment.is_none(), "what was there before stays");
}

#[test]
fn interfaces_of_the_platform_are_its_own() {
    let (mut f, vpc, subnet) = net();
    let id = make(&mut f, new(subnet));
    f.put(Eni { requester_managed: true, ..get(&f, id) });
    let delete = Ec2Command::DeleteNetworkInterface { interface: id };
    assert_eq!(f.refused(delete.clone()), Code::OperationNotPermitted);
    f.put(Eni { requester_managed: false, ..get(&f, id) });
    f.give_role(vpc);
    assert_eq!(f.refused(delete), Code::OperationNotPermitted);
}
