use std::net::Ipv4Addr;

use super::address::{Net, net, release};
use super::fixture::*;
use crate::command::{Ec2Command as C, *};
use crate::resource::*;
use crate::*;

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 2, 1, last)
}

fn create(subnet: SubnetId, allocation: Option<AllocationId>, secondary: NatAddressesSpec) -> C {
    C::CreateNatGateway(CreateNatGateway {
        subnet,
        connectivity: match allocation {
            Some(_) => Connectivity::Public,
            None => Connectivity::Private,
        },
        allocation,
        private: None,
        secondary,
        client_token: None,
        tags: Tags::new(),
    })
}

fn elastic(allocations: &[AllocationId], addresses: &[Ipv4Addr]) -> NatAddressesSpec {
    NatAddressesSpec { allocations: allocations.to_vec(), addresses: addresses.to_vec(), count: 0 }
}

fn counted(count: u16) -> NatAddressesSpec {
    NatAddressesSpec { count, ..NatAddressesSpec::default() }
}

fn add(nat_gateway: NatGatewayId, connectivity: Connectivity, addresses: NatAddressesSpec) -> C {
    C::AddNatGatewayAddresses { nat_gateway, connectivity, addresses }
}

fn make(f: &mut Fixture, command: C) -> NatGatewayId {
    match f.run(command).main() {
        Some(Key::NatGateway(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// The addresses of a NAT gateway's interface.
fn addresses(f: &Fixture, id: NatGatewayId) -> Vec<Ipv4Addr> {
    let interface = f.world.nat_gateway(id).unwrap().interface.unwrap();
    f.world.eni(interface.eni).unwrap().addresses.clone()
}

#[test]
fn a_public_nat_gateway_has_several_elastic_addresses() {
    let Net { mut f, subnet, .. } = net();
    let [one, two, three, four] = [0; 4].map(|_| f.allocate());
    let twice = elastic(&[two, two], &[]);
    assert_eq!(f.refused(create(subnet, Some(one), twice)), Code::InvalidParameterValue);
    let itself = elastic(&[one], &[]);
    assert_eq!(f.refused(create(subnet, Some(one), itself)), Code::InvalidParameterValue);
    let unpaired = elastic(&[two], &[at(40), at(41)]);
    assert_eq!(f.refused(create(subnet, Some(one), unpaired)), Code::InvalidParameterCombination);
    assert_eq!(f.refused(create(subnet, Some(one), counted(1))), Code::InvalidParameterCombination);
    let nat = make(&mut f, create(subnet, Some(one), elastic(&[two], &[at(40)])));
    assert_eq!(addresses(&f, nat), [at(4), at(40)]);
    assert_eq!(f.elastic(two).association.unwrap().private, at(40));
    assert_eq!(f.refused(release(two)), Code::AddressInUse);

    let public = Connectivity::Public;
    let refused = f.refused(add(nat, public, elastic(&[two], &[])));
    assert_eq!(refused, Code::AlreadyAssociated);
    assert_eq!(f.refused(add(nat, public, elastic(&[], &[]))), Code::MissingParameter);
    let private = add(nat, Connectivity::Private, counted(1));
    assert_eq!(f.refused(private), Code::InvalidParameterValue);
    let taken = add(nat, public, elastic(&[three], &[at(40)]));
    assert_eq!(f.refused(taken), Code::AddressInUse);
    let foreign = add(nat, public, elastic(&[three], &[]));
    assert_eq!(f.refused_as(theirs(), foreign).0, Code::NatGatewayNotFound);
    f.run(add(nat, public, elastic(&[three, four], &[])));
    assert_eq!(addresses(&f, nat), [at(4), at(40), at(5), at(6)]);
    assert_eq!(f.elastic(four).association.unwrap().private, at(6));

    let association = |f: &Fixture, id| f.elastic(id).association.unwrap().id;
    let end = |associations: &[AddressAssociationId]| C::DisassociateNatGatewayAddress {
        nat_gateway: nat,
        associations: associations.to_vec(),
    };
    let (primary, third) = (association(&f, one), association(&f, three));
    assert_eq!(f.refused(end(&[third, primary])), Code::InvalidParameterValue);
    let nothing = AddressAssociationId::fresh(&mut Sequence(1 << 60));
    assert_eq!(f.refused(end(&[nothing])), Code::AssociationNotFound);
    assert_eq!(f.refused(end(&[])), Code::MissingParameter);
    f.run(end(&[third]));
    assert_eq!(addresses(&f, nat), [at(4), at(40), at(6)]);
    f.run(release(three));
    // All are given back with the NAT gateway.
    f.run(C::DeleteNatGateway { nat_gateway: nat });
    for id in [one, two, four] {
        f.run(release(id));
    }
}

#[test]
fn a_private_nat_gateway_has_several_private_addresses() {
    let Net { mut f, subnet, .. } = net();
    let one = f.allocate();
    let with = elastic(&[one], &[]);
    assert_eq!(f.refused(create(subnet, None, with)), Code::InvalidParameterCombination);
    let both = NatAddressesSpec { count: 1, ..elastic(&[], &[at(9)]) };
    assert_eq!(f.refused(create(subnet, None, both)), Code::InvalidParameterCombination);
    let nat = make(&mut f, create(subnet, None, counted(2)));
    assert_eq!(addresses(&f, nat), [at(4), at(5), at(6)]);
    let private = Connectivity::Private;
    f.run(add(nat, private, elastic(&[], &[at(40)])));
    f.run(add(nat, private, counted(3)));
    assert_eq!(addresses(&f, nat).len(), 7);
    assert_eq!(f.refused(add(nat, private, counted(2))), Code::AddressLimit);
    assert_eq!(f.refused(add(nat, private, counted(0))), Code::MissingParameter);
    let public = add(nat, Connectivity::Public, elastic(&[one], &[]));
    assert_eq!(f.refused(public), Code::InvalidParameterValue);
    let end = |addresses: &[Ipv4Addr]| C::UnassignPrivateNatGatewayAddress {
        nat_gateway: nat,
        addresses: addresses.to_vec(),
    };
    assert_eq!(f.refused(end(&[at(40), at(4)])), Code::InvalidParameterValue, "the primary one");
    assert_eq!(f.refused(end(&[at(99)])), Code::InvalidParameterValue);
    assert_eq!(f.refused(end(&[])), Code::MissingParameter);
    f.run(end(&[at(40), at(5)]));
    assert_eq!(addresses(&f, nat), [at(4), at(6), at(7), at(8), at(9)]);
    f.run(C::DeleteNatGateway { nat_gateway: nat });
    assert_eq!(f.refused(end(&[at(6)])), Code::NatGatewayNotFound);
}
