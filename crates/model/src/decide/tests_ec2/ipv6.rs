use super::fixture::*;
use crate::command::{Ec2Command as C, NewSubnet, NewVpc, Reply, SubnetAttribute};
use crate::resource::*;
use crate::*;

fn vpc_with_ipv6(f: &mut Fixture, block: &str) -> (VpcId, Ipv6Cidr) {
    let new =
        NewVpc { cidr: cidr(block), ipv6: true, tenancy: Tenancy::default(), tags: Tags::new() };
    let Some(Key::Vpc(id)) = f.run(C::CreateVpc(new)).main() else { panic!() };
    let [block] = f.get_vpc(id).ipv6_blocks().collect::<Vec<_>>()[..] else { panic!() };
    (id, block)
}

fn subnet_with(vpc: VpcId, block: &str, ipv6: Ipv6Cidr) -> C {
    let ipv6 = Some(ipv6);
    C::CreateSubnet(NewSubnet { vpc, cidr: cidr(block), ipv6, zone: None, tags: Tags::new() })
}

fn associate(vpc: VpcId) -> C {
    C::AssociateVpcIpv6CidrBlock { vpc }
}

fn disassociate(association: VpcCidrAssociationId) -> C {
    C::DisassociateVpcCidrBlock { association }
}

#[test]
fn every_vpc_has_ipv6_blocks_of_its_own() {
    let mut f = Fixture::new();
    let mut seen = Vec::new();
    for n in 0..20 {
        let (vpc, block) = vpc_with_ipv6(&mut f, &format!("10.{n}.0.0/16"));
        assert_eq!(block.prefix_len(), 56);
        assert!("fd63:6177::/32".parse::<Ipv6Cidr>().unwrap().covers(block), "{block}");
        assert!(!seen.contains(&block), "{block}");
        seen.push(block);
        // What is given back may be given to another one, and no sooner.
        if n % 4 == 0 {
            f.run(C::DeleteVpc { vpc });
        }
    }
}

#[test]
fn a_block_is_found_though_most_are_taken() {
    let mut f = Fixture::new();
    // The next choice is made from these bits, so everything from there on is taken.
    let first = f.ids.0 + 100;
    let vpc = f.vpc("10.2.0.0/16");
    let mut full = f.get_vpc(vpc);
    full.ipv6 = (0..200)
        .map(|n| VpcIpv6Cidr {
            id: VpcCidrAssociationId::fresh(&mut Sequence(1 << 60 | n)),
            cidr: Vpc::IPV6_BLOCKS.subnet(56, first + n).unwrap(),
        })
        .collect();
    f.put(full);
    f.ids.0 = first + 50;
    let (_, block) = vpc_with_ipv6(&mut f, "10.3.0.0/16");
    assert_eq!(Some(block), Vpc::IPV6_BLOCKS.subnet(56, first + 200));
}

#[test]
fn blocks_of_vpcs_come_and_go() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    assert_eq!(f.refused_as(theirs(), associate(vpc)).0, Code::VpcNotFound);
    for _ in 0..5 {
        assert_eq!(f.run(associate(vpc)), Reply::Resources(vec![Key::Vpc(vpc)]));
    }
    let message = format!("This network {vpc} has met its maximum number of allowed CIDRs: 5");
    assert_eq!(f.refused_as(ours(), associate(vpc)), (Code::VpcCidrLimit, message));
    let [first, second, ..] = f.get_vpc(vpc).ipv6[..] else { panic!() };
    f.run(subnet_with(vpc, "10.2.1.0/24", first.cidr.subnet(64, 0).unwrap()));
    let message = format!("The vpc {vpc} currently has a subnet within CIDR block {}", first.cidr);
    assert_eq!(f.refused_as(ours(), disassociate(first.id)), (Code::CidrInUse, message));
    let refused = f.refused_as(theirs(), disassociate(second.id));
    assert_eq!(refused.0, Code::VpcCidrAssociationNotFound);
    f.run(disassociate(second.id));
    assert_eq!(f.refused(disassociate(second.id)), Code::VpcCidrAssociationNotFound);
    assert_eq!(f.get_vpc(vpc).ipv6.len(), 4);
    f.give_role(vpc);
    assert_eq!(f.refused(associate(vpc)), Code::OperationNotPermitted);
    assert_eq!(f.refused(disassociate(first.id)), Code::OperationNotPermitted);
}

#[test]
fn blocks_of_subnets_lie_in_their_vpc_and_beside_each_other() {
    let mut f = Fixture::new();
    let (vpc, block) = vpc_with_ipv6(&mut f, "10.2.0.0/16");
    let (_, foreign) = vpc_with_ipv6(&mut f, "10.3.0.0/16");
    let part = |n| block.subnet(64, n).unwrap();
    let create = |n: u8, ipv6| subnet_with(vpc, &format!("10.2.{n}.0/24"), ipv6);
    let reply = f.run(create(0, part(1)));
    let Some(Key::Subnet(first)) = reply.main() else { panic!("{reply:?}") };
    let outside = foreign.subnet(64, 0).unwrap();
    let message = format!("The IPv6 CIDR '{outside}' is invalid.");
    assert_eq!(f.refused_as(ours(), create(1, outside)), (Code::SubnetRange, message));
    let message = format!("The IPv6 CIDR '{}' conflicts with another subnet", part(1));
    assert_eq!(f.refused_as(ours(), create(1, part(1))), (Code::SubnetConflict, message));
    assert_eq!(f.refused(create(1, block)), Code::SubnetConflict);
    for odd in [block.subnet(65, 0).unwrap(), block.subnet(62, 3).unwrap(), Ipv6Cidr::ANY] {
        assert_eq!(f.refused(create(1, odd)), Code::InvalidParameterValue, "{odd}");
    }

    let plain = f.subnet(vpc, "10.2.2.0/24");
    let associate = |subnet, cidr| C::AssociateSubnetCidrBlock { subnet, cidr };
    assert_eq!(f.refused(associate(plain, part(1))), Code::SubnetConflict);
    assert_eq!(f.refused(associate(plain, outside)), Code::SubnetRange);
    assert_eq!(f.refused_as(theirs(), associate(plain, part(2))).0, Code::SubnetNotFound);
    f.run(associate(plain, part(2)));
    assert_eq!(f.refused(associate(plain, part(3))), Code::VpcCidrLimit);
    let id = |f: &Fixture, subnet| f.world.subnet(subnet).unwrap().ipv6.unwrap().id;
    let (one, other) = (id(&f, first), id(&f, plain));
    assert_ne!(one, other);
    f.run(C::DeleteSubnet { subnet: first });
    let remove = |association| C::DisassociateSubnetCidrBlock { association };
    assert_eq!(f.refused(remove(one)), Code::SubnetCidrAssociationNotFound);
    let refused = f.refused_as(theirs(), remove(other));
    assert_eq!(refused.0, Code::SubnetCidrAssociationNotFound);
    f.run(remove(other));
    f.run(associate(plain, part(1)));
}

#[test]
fn a_block_that_is_needed_stays() {
    let mut f = Fixture::new();
    let (vpc, block) = vpc_with_ipv6(&mut f, "10.2.0.0/16");
    let own = block.subnet(64, 7).unwrap();
    let reply = f.run(subnet_with(vpc, "10.2.1.0/24", own));
    let Some(Key::Subnet(subnet)) = reply.main() else { panic!("{reply:?}") };
    let association = f.world.subnet(subnet).unwrap().ipv6.unwrap().id;
    let remove = || C::DisassociateSubnetCidrBlock { association };
    use SubnetAttribute as A;
    for make in [A::AssignIpv6 as fn(bool) -> A, A::Dns64, A::ResourceNameAaaa] {
        let set = |on| C::ModifySubnetAttribute { subnet, attribute: make(on) };
        f.run(set(true));
        assert_eq!(f.refused(remove()), Code::CidrInUse);
        f.run(set(false));
    }
    let reserve = C::CreateSubnetCidrReservation {
        subnet,
        cidr: own.subnet(80, 1).unwrap().into(),
        kind: ReservationKind::Prefix,
        description: None,
        tags: Tags::new(),
    };
    let Some(Key::SubnetReservation(reservation)) = f.run(reserve).main() else { panic!() };
    assert_eq!(f.refused(remove()), Code::CidrInUse);
    f.run(C::DeleteSubnetCidrReservation { reservation });
    f.run(remove());
}

#[test]
fn peerings_know_the_ipv6_blocks_of_their_sides() {
    let mut f = Fixture::new();
    let (vpc, block) = vpc_with_ipv6(&mut f, "10.2.0.0/16");
    let peer = f.vpc_as(theirs(), "10.3.0.0/16");
    let ask = C::CreatePeering {
        vpc,
        peer_vpc: peer,
        peer_owner: Some(theirs().account),
        peer_region: None,
        tags: Tags::new(),
    };
    let Some(Key::Peering(peering)) = f.run(ask).main() else { panic!() };
    let sides = |f: &Fixture| {
        let pcx = f.world.peering(peering).unwrap();
        (pcx.requester.ipv6.clone(), pcx.accepter.ipv6.clone())
    };
    assert_eq!(sides(&f), (vec![block], vec![]));
    // Who asks may add nothing; who is asked may.
    assert_eq!(f.refused(associate(vpc)), Code::VpcCidrConflict);
    f.run_as(theirs(), associate(peer));
    assert_eq!(sides(&f).1, f.get_vpc(peer).ipv6_blocks().collect::<Vec<_>>());
    f.run_as(theirs(), C::AcceptPeering { peering });
    let [first] = f.get_vpc(peer).ipv6[..] else { panic!() };
    f.run_as(theirs(), disassociate(first.id));
    assert_eq!(sides(&f), (vec![block], vec![]));
    f.run(associate(vpc));
    assert_eq!(sides(&f).0.len(), 2);
}

#[test]
fn a_peering_fails_where_ipv6_blocks_overlap() {
    let mut f = Fixture::new();
    let (vpc, block) = vpc_with_ipv6(&mut f, "10.2.0.0/16");
    let peer_vpc = f.vpc("10.3.0.0/16");
    let ask = || C::CreatePeering {
        vpc,
        peer_vpc,
        peer_owner: None,
        peer_region: None,
        tags: Tags::new(),
    };
    let state = |f: &Fixture, id| f.world.peering(id).unwrap().state;
    let Some(Key::Peering(fits)) = f.run(ask()).main() else { panic!() };
    assert_eq!(state(&f, fits), PeeringState::PendingAcceptance);
    // No VPC is given the block of another one, so this one is made by hand.
    let mut peer = f.get_vpc(peer_vpc);
    let id = VpcCidrAssociationId::fresh(&mut f.ids);
    let wider = Ipv6Cidr::around(block.base(), 52);
    peer.ipv6 = vec![VpcIpv6Cidr { id, cidr: wider }];
    f.put(peer);
    f.run(C::AcceptPeering { peering: fits });
    assert_eq!(state(&f, fits), PeeringState::Failed);
    let Some(Key::Peering(fails)) = f.run(ask()).main() else { panic!() };
    assert_ne!(fails, fits);
    assert_eq!(state(&f, fails), PeeringState::Failed);
    let fit = fit::Fit::of_peering(&f.world, f.world.peering(fails).unwrap());
    let [misfit] = &fit.misfits[..] else { panic!("{:?}", fit.misfits) };
    let said = fit.message(misfit);
    assert!(said.contains(&block.to_string()) && said.contains(&wider.to_string()), "{said}");
}
