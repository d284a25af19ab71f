use std::net::Ipv6Addr;

use super::fixture::*;
use super::ipv6::{subnet_with, vpc_with_ipv6};
use crate::command::{Ec2Command as C, *};
use crate::resource::*;
use crate::*;

/// A subnet with an IPv6 block.
fn net(f: &mut Fixture) -> (VpcId, SubnetId, Ipv6Cidr) {
    let (vpc, block) = vpc_with_ipv6(f, "10.2.0.0/16");
    let block = block.subnet(64, 1).unwrap();
    let Some(Key::Subnet(subnet)) = f.run(subnet_with(vpc, "10.2.1.0/24", block)).main() else {
        panic!()
    };
    (vpc, subnet, block)
}

fn new(subnet: SubnetId, ipv6: Ipv6Spec) -> C {
    C::CreateNetworkInterface(NewInterface {
        subnet,
        groups: Vec::new(),
        description: String::new(),
        addresses: AddressesSpec { ipv6, ..AddressesSpec::default() },
        client_token: None,
        tags: Tags::new(),
    })
}

fn named(addresses: &[Ipv6Addr]) -> Ipv6Spec {
    Ipv6Spec { addresses: addresses.to_vec(), ..Ipv6Spec::default() }
}

fn counted(count: u16) -> Ipv6Spec {
    Ipv6Spec { count: Some(count), ..Ipv6Spec::default() }
}

fn make(f: &mut Fixture, command: C) -> EniId {
    match f.run(command).main() {
        Some(Key::Eni(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn addresses(f: &Fixture, id: EniId) -> Vec<Ipv6Addr> {
    f.world.eni(id).unwrap().ipv6_addresses.clone()
}

fn assign(interface: EniId, addresses: &[Ipv6Addr], count: u16) -> C {
    C::AssignIpv6Addresses { interface, addresses: addresses.to_vec(), count }
}

fn unassign(interface: EniId, addresses: &[Ipv6Addr]) -> C {
    C::UnassignIpv6Addresses { interface, addresses: addresses.to_vec() }
}

#[test]
fn addresses_are_of_the_subnet_and_nobody_elses() {
    let mut f = Fixture::new();
    let (vpc, subnet, block) = net(&mut f);
    let at = |n: u128| block.nth(n).unwrap();
    let id = make(&mut f, new(subnet, named(&[at(0x10), at(4)])));
    assert_eq!(addresses(&f, id), [at(0x10), at(4)]);
    let refused = |f: &mut Fixture, address| f.refused_as(ours(), new(subnet, named(&[address])));
    assert_eq!(refused(&mut f, at(4)).0, Code::AddressInUse);
    for reserved in [at(0), at(3), block.last()] {
        let message = format!("Address {reserved} is in subnet's reserved address range");
        assert_eq!(refused(&mut f, reserved), (Code::InvalidParameterValue, message));
    }
    let outside = Ipv6Addr::LOCALHOST;
    let message = format!("Address ::1 does not fall within the subnet's address range {block}");
    assert_eq!(refused(&mut f, outside), (Code::InvalidParameterValue, message));
    let twice = named(&[at(5), at(5)]);
    assert_eq!(f.refused(new(subnet, twice)), Code::InvalidParameterValue);
    let both = Ipv6Spec { count: Some(1), ..named(&[at(5)]) };
    assert_eq!(f.refused(new(subnet, both)), Code::InvalidParameterCombination);
    let plain = f.subnet(vpc, "10.2.2.0/24");
    let message = format!("The subnet '{plain}' has no IPv6 CIDR block associated with it");
    let refused = f.refused_as(ours(), new(plain, counted(1)));
    assert_eq!(refused, (Code::InvalidParameterValue, message));
    // What an interface had is free again.
    f.run(C::DeleteNetworkInterface { interface: id });
    make(&mut f, new(subnet, named(&[at(4)])));
}

#[test]
fn a_subnet_may_give_each_new_interface_an_address() {
    let mut f = Fixture::new();
    let (_, subnet, block) = net(&mut f);
    let given = |f: &mut Fixture, spec| {
        let id = make(f, new(subnet, spec));
        addresses(f, id).len()
    };
    assert_eq!(given(&mut f, Ipv6Spec::default()), 0);
    let attribute = SubnetAttribute::AssignIpv6(true);
    f.run(C::ModifySubnetAttribute { subnet, attribute });
    assert_eq!(given(&mut f, Ipv6Spec::default()), 1);
    assert_eq!(given(&mut f, counted(0)), 0, "which a request can decline");
    assert_eq!(given(&mut f, counted(3)), 3);
    let instance = f.instance(subnet);
    let eni = f.world.instance(instance).unwrap().eni;
    let [address] = addresses(&f, eni)[..] else { panic!() };
    assert!(block.contains(address));
    let run = RunInstances { max_count: 2, ipv6: counted(2), ..run_in(subnet) };
    let Reply::Resources(made) = f.run(C::RunInstances(run)) else { panic!() };
    for key in made {
        let Key::Instance(id) = key else { panic!() };
        assert_eq!(addresses(&f, f.world.instance(id).unwrap().eni).len(), 2);
    }
    let run =
        RunInstances { max_count: 2, ipv6: named(&[block.nth(9).unwrap()]), ..run_in(subnet) };
    assert_eq!(f.refused(C::RunInstances(run)), Code::InvalidParameterCombination);
    let run = RunInstances { ipv6: counted(200), ..run_in(subnet) };
    assert_eq!(f.refused(C::RunInstances(run)), Code::AddressLimit);
}

#[test]
fn addresses_come_and_go() {
    let mut f = Fixture::new();
    let (_, subnet, block) = net(&mut f);
    let at = |n: u128| block.nth(n).unwrap();
    let id = make(&mut f, new(subnet, Ipv6Spec::default()));
    f.run(assign(id, &[at(7), at(8)], 0));
    f.run(assign(id, &[], 1));
    let [_, _, free] = addresses(&f, id)[..] else { panic!() };
    assert!(block.contains(free) && free != at(7) && free != at(8));
    for wrong in [assign(id, &[], 0), assign(id, &[at(9)], 1)] {
        assert_eq!(f.refused(wrong), Code::InvalidParameterCombination);
    }
    assert_eq!(f.refused_as(theirs(), assign(id, &[], 1)).0, Code::EniNotFound);
    assert_eq!(f.refused(assign(id, &[], 256)), Code::AddressLimit);
    f.run(unassign(id, &[at(8)]));
    assert_eq!(addresses(&f, id), [at(7), free]);
    assert_eq!(f.refused(unassign(id, &[at(8)])), Code::InvalidParameterValue);
    assert_eq!(f.refused(unassign(id, &[])), Code::MissingParameter);
    // The first one can be made to stay.
    let modify = |on| C::ModifyNetworkInterfaceAttribute {
        interface: id,
        change: InterfaceChange::PrimaryIpv6(on),
    };
    f.run(modify(true));
    let message = format!("The primary address {} of {id} cannot be unassigned.", at(7));
    let refused = f.refused_as(ours(), unassign(id, &[at(7)]));
    assert_eq!(refused, (Code::InvalidParameterValue, message));
    assert_eq!(f.refused(modify(false)), Code::OperationNotPermitted);
    f.run(unassign(id, &[free]));
    // The subnet's block stays as long as something has an address of it.
    let association = f.world.subnet(subnet).unwrap().ipv6.unwrap().id;
    let disassociate = C::DisassociateSubnetCidrBlock { association };
    assert_eq!(f.refused(disassociate.clone()), Code::CidrInUse);
    f.run(C::DeleteNetworkInterface { interface: id });
    f.run(disassociate);
    let bare = Ipv6Spec { primary: true, ..Ipv6Spec::default() };
    assert_eq!(f.refused(new(subnet, bare)), Code::InvalidParameterCombination);
}

#[test]
fn free_addresses_are_none_that_is_reserved() {
    let mut f = Fixture::new();
    let (_, subnet, block) = net(&mut f);
    let reserve = |cidr: Ipv6Cidr| C::CreateSubnetCidrReservation {
        subnet,
        cidr: cidr.into(),
        kind: ReservationKind::Explicit,
        description: None,
        tags: Tags::new(),
    };
    // All but the highest sixteen addresses, of which the last one is nobody's.
    for len in 65..=124 {
        f.run(reserve(block.subnet(len, (1 << (len - 64)) - 2).unwrap()));
    }
    let id = make(&mut f, new(subnet, counted(15)));
    let mut given = addresses(&f, id);
    given.sort();
    let last = block.last().to_bits();
    let expected: Vec<_> = (last - 15..last).map(Ipv6Addr::from_bits).collect();
    assert_eq!(given, expected);
    assert_eq!(f.refused(assign(id, &[], 1)), Code::InsufficientFreeAddresses);
    // One that is named may be reserved.
    f.run(assign(id, &[block.nth(4).unwrap()], 0));
}

#[test]
fn what_lets_ipv4_through_lets_ipv6_through_where_nobody_changed_it() {
    let mut f = Fixture::new();
    let rules = |f: &Fixture, group| {
        let group = f.world.group(group).unwrap();
        let egress = group.rules.values().filter(|rule| rule.direction == Direction::Egress);
        egress.map(|rule| rule.peer).collect::<Vec<_>>()
    };
    let (ipv4, ipv6) = (GroupPeer::Cidr(Cidr::ANY), GroupPeer::Ipv6(Ipv6Cidr::ANY));
    let entries = |f: &Fixture, acl: AclId, direction| {
        let acl = f.world.acl(acl).unwrap();
        acl.entries(direction).keys().copied().collect::<Vec<_>>()
    };
    let vpc = f.vpc("10.2.0.0/16");
    let made = f.get_vpc(vpc);
    assert_eq!(rules(&f, made.default_group), [ipv4]);
    let create = |name: &str| C::CreateSecurityGroup {
        vpc,
        name: name.to_owned(),
        description: "words".to_owned(),
        tags: Tags::new(),
    };
    let group = |f: &mut Fixture, name| match f.run(create(name)).main() {
        Some(Key::SecurityGroup(id)) => id,
        other => panic!("{other:?}"),
    };
    let before = group(&mut f, "before");
    f.run(C::DeleteNetworkAclEntry {
        acl: made.default_acl,
        direction: Direction::Ingress,
        number: 100,
    });
    f.run(C::AssociateVpcIpv6CidrBlock { vpc });
    assert_eq!(rules(&f, made.default_group), [ipv4, ipv6]);
    assert_eq!(rules(&f, before), [ipv4], "groups of one's own stay as they are");
    let after = group(&mut f, "after");
    assert_eq!(rules(&f, after), [ipv4, ipv6]);
    assert_eq!(entries(&f, made.default_acl, Direction::Egress), [100, 101]);
    assert_eq!(entries(&f, made.default_acl, Direction::Ingress), [0; 0], "which was changed");
    // A second block changes nothing, and neither does the end of both.
    f.run(C::AssociateVpcIpv6CidrBlock { vpc });
    for block in f.get_vpc(vpc).ipv6 {
        f.run(C::DisassociateVpcCidrBlock { association: block.id });
    }
    assert_eq!(rules(&f, made.default_group), [ipv4, ipv6]);
    assert_eq!(entries(&f, made.default_acl, Direction::Egress), [100, 101]);
    let (other, _) = vpc_with_ipv6(&mut f, "10.3.0.0/16");
    let other = f.get_vpc(other);
    assert_eq!(rules(&f, other.default_group), [ipv4, ipv6]);
    assert_eq!(entries(&f, other.default_acl, Direction::Ingress), [100, 101]);
}

#[test]
fn no_route_to_ipv6_is_active() {
    let mut f = Fixture::new();
    let (vpc, subnet, _) = net(&mut f);
    let route_table = f.get_vpc(vpc).main_route_table;
    let instance = f.instance(subnet);
    let eni = f.world.instance(instance).unwrap().eni;
    let target = RouteTo::Interface(eni);
    for destination in [RouteDestination::Ipv6(Ipv6Cidr::ANY), cidr("10.9.0.0/16").into()] {
        f.run(C::CreateRoute { route_table, destination, target });
        let table = f.world.route_table(route_table).unwrap();
        assert!(f.world.takes_packets(table, target));
        let ipv4 = destination.ipv6().is_none();
        assert_eq!(f.world.is_active(table, destination, target), ipv4, "{destination}");
    }
}
