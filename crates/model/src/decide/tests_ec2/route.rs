use super::fixture::*;
use crate::command::{Ec2Command as C, Reply};
use crate::resource::*;
use crate::*;

/// A VPC, its main table, a subnet, and an active peering with somebody else's VPC.
struct Net {
    f: Fixture,
    vpc: VpcId,
    main: RouteTableId,
    subnet: SubnetId,
    pcx: PcxId,
}

fn net() -> Net {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let peer = f.vpc_as(theirs(), "10.3.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let pcx = f.peering(vpc, peer, PeeringState::Active);
    let main = f.get_vpc(vpc).main_route_table;
    Net { f, vpc, main, subnet, pcx }
}

fn create(route_table: RouteTableId, to: &str, target: RouteTo) -> C {
    C::CreateRoute { route_table, destination: cidr(to).into(), target }
}

fn replace(route_table: RouteTableId, to: &str, target: RouteTo) -> C {
    C::ReplaceRoute { route_table, destination: cidr(to).into(), target }
}

fn delete(route_table: RouteTableId, to: &str) -> C {
    C::DeleteRoute { route_table, destination: cidr(to).into() }
}

#[test]
fn routes_over_a_peering() {
    let Net { mut f, vpc, main, pcx, .. } = net();
    let over = RouteTo::Peering(pcx);
    let route = create(main, "10.3.0.0/16", over);
    assert_eq!(f.run(route.clone()), Reply::Done);
    assert_eq!(f.world.route_table(main).unwrap().route(cidr("10.3.0.0/16")), Some(over));
    let before = f.world.clone();
    f.run(route);
    assert_eq!(f.world, before, "the same route again changes nothing");

    let peer = f.vpc_as(theirs(), "10.4.0.0/16");
    let second = RouteTo::Peering(f.peering(vpc, peer, PeeringState::PendingAcceptance));
    let refused = f.refused_as(ours(), create(main, "10.3.0.0/16", second));
    let message = "The route identified by 10.3.0.0/16 already exists.".to_owned();
    assert_eq!(refused, (Code::RouteAlreadyExists, message));
    f.run(replace(main, "10.3.0.0/16", second));
    assert_eq!(f.world.route_table(main).unwrap().route(cidr("10.3.0.0/16")), Some(second));
    assert_eq!(f.refused(replace(main, "10.9.0.0/16", second)), Code::InvalidParameterValue);
    f.run(delete(main, "10.3.0.0/16"));
    let refused = f.refused_as(ours(), delete(main, "10.3.0.0/16"));
    let message = format!("no route with destination-cidr-block 10.3.0.0/16 in route table {main}");
    assert_eq!(refused, (Code::RouteNotFound, message));
}

#[test]
fn the_vpcs_own_blocks_are_local() {
    let Net { mut f, vpc, main, subnet, pcx } = net();
    let over = RouteTo::Peering(pcx);
    for to in ["10.2.0.0/16", "10.2.7.0/24", "10.2.1.0/24"] {
        let (code, message) = f.refused_as(ours(), create(main, to, over));
        assert_eq!(code, Code::InvalidParameterValue);
        assert_eq!(
            message,
            format!(
                "The destination CIDR block {to} is equal to or more specific than one of this \
                 VPC's CIDR blocks. This route can target only an interface or an instance."
            )
        );
    }
    f.run(create(main, "10.0.0.0/8", over));
    let eni = RouteTo::Interface(f.eni(subnet));
    f.run(create(main, "10.2.1.0/24", eni));
    f.run(create(main, "0.0.0.0/0", eni));
    assert_eq!(f.refused(create(main, "10.2.1.0/25", eni)), Code::InvalidParameterValue);
    assert_eq!(f.refused(create(main, "10.2.0.0/16", eni)), Code::RouteAlreadyExists);
    assert_eq!(f.refused(delete(main, "10.2.0.0/16")), Code::InvalidParameterValue);
    assert_eq!(f.world.route_tables_in(Key::Vpc(vpc)).count(), 1);
}

#[test]
fn a_target_must_be_of_this_vpc_and_alive() {
    let Net { mut f, vpc, main, pcx, .. } = net();
    let other = f.vpc("10.5.0.0/16");
    let third = f.vpc_as(theirs(), "10.6.0.0/16");
    let wrong = f.peering(other, third, PeeringState::Active);
    let (code, message) =
        f.refused_as(ours(), create(main, "10.6.0.0/16", RouteTo::Peering(wrong)));
    let words =
        format!("route table {main} and network gateway {wrong} belong to different networks");
    assert_eq!((code, message), (Code::InvalidParameterValue, words));

    let fourth = f.vpc_as(theirs(), "10.7.0.0/16");
    let foreign = f.peering(third, fourth, PeeringState::Active);
    let (code, message) =
        f.refused_as(ours(), create(main, "10.6.0.0/16", RouteTo::Peering(foreign)));
    let words = format!("The vpcPeeringConnection ID '{foreign}' does not exist");
    assert_eq!((code, message), (Code::PeeringNotFound, words));

    for state in [PeeringState::Deleting, PeeringState::Deleted, PeeringState::Rejected] {
        let ended = Peering { state, ..Peering::clone(f.world.peering(pcx).unwrap()) };
        f.put(ended);
        let route = create(main, "10.3.0.0/16", RouteTo::Peering(pcx));
        assert_eq!(f.refused(route), Code::InvalidParameterValue, "{state:?}");
    }

    let subnet = f.subnet(other, "10.5.0.0/24");
    let eni = f.eni(subnet);
    let to = "10.9.0.0/16";
    let route = create(main, to, RouteTo::Interface(eni));
    assert_eq!(f.refused(route), Code::InvalidParameterValue);
    let unknown = EniId::fresh(&mut Sequence(1 << 60));
    assert_eq!(f.refused(create(main, to, RouteTo::Interface(unknown))), Code::EniNotFound);
    let unknown = IgwId::fresh(&mut Sequence(1 << 60));
    let out = |gateway| create(main, "0.0.0.0/0", RouteTo::Gateway(gateway));
    assert_eq!(f.refused(out(unknown)), Code::GatewayNotFound);
    let gateway = f.gateway(None);
    assert_eq!(f.refused(out(gateway)), Code::InvalidParameterValue);
    f.run(C::AttachInternetGateway { gateway, vpc });
    f.run(out(gateway));
}

#[test]
fn routes_have_limits() {
    let Net { mut f, main, pcx, .. } = net();
    let over = RouteTo::Peering(pcx);
    for to in ["169.254.168.0/22", "169.254.169.253/32"] {
        assert_eq!(f.refused(create(main, to, over)), Code::InvalidParameterValue);
    }
    let mut table = RouteTable::clone(f.world.route_table(main).unwrap());
    table.routes =
        (0..500).map(|n| (cidr("52.0.0.0/8").subnet(24, n).unwrap().into(), over)).collect();
    f.put(table);
    assert_eq!(f.refused(create(main, "10.3.0.0/16", over)), Code::RouteLimitExceeded);
    f.run(create(main, "52.0.7.0/24", over));
}

#[test]
fn tables_and_their_subnets() {
    let Net { mut f, vpc, main, subnet, .. } = net();
    let table = f.route_table(vpc);
    let associate = |route_table| C::AssociateRouteTable { route_table, subnet };
    let reply = Reply::Resources(vec![Key::Subnet(subnet)]);
    assert_eq!(f.run(associate(table)), reply);
    assert_eq!(f.run(associate(table)), reply);
    assert_eq!(f.refused(associate(main)), Code::AlreadyAssociated);
    let (code, message) = f.refused_as(ours(), C::DeleteRouteTable { route_table: table });
    let words = format!("The routeTable '{table}' has dependencies and cannot be deleted.");
    assert_eq!((code, message), (Code::DependencyViolation, words));
    let own = |f: &Fixture| f.world.subnet(subnet).unwrap().route_table;
    let first = own(&f).unwrap();
    assert_eq!(first.route_table, table);

    let second = f.route_table(vpc);
    let move_to =
        |association, route_table| C::ReplaceRouteTableAssociation { association, route_table };
    assert_eq!(f.run(move_to(first.id, second)), reply);
    let moved = own(&f).unwrap();
    assert!(moved.route_table == second && moved.id != first.id);
    assert_eq!(f.refused(move_to(first.id, second)), Code::AssociationNotFound);
    assert_eq!(f.refused_as(theirs(), move_to(moved.id, second)).0, Code::AssociationNotFound);
    f.run(C::DeleteRouteTable { route_table: table });
    assert_eq!(f.refused(C::DeleteRouteTable { route_table: table }), Code::RouteTableNotFound);
    f.run(C::DisassociateRouteTable { association: moved.id });
    assert_eq!(own(&f), None);

    let other = f.vpc("10.5.0.0/16");
    let foreign = f.route_table(other);
    assert_eq!(f.refused(associate(foreign)), Code::InvalidParameterValue);
}

#[test]
fn the_main_table_can_be_another() {
    let Net { mut f, vpc, main, .. } = net();
    let table = f.route_table(vpc);
    let old = f.get_vpc(vpc).main_association;
    let refused = f.refused(C::DisassociateRouteTable { association: old });
    assert_eq!(refused, Code::InvalidParameterValue);
    assert_eq!(f.refused(C::DeleteRouteTable { route_table: main }), Code::DependencyViolation);
    let replace =
        |association, route_table| C::ReplaceRouteTableAssociation { association, route_table };
    let other = f.vpc("10.5.0.0/16");
    let foreign = f.route_table(other);
    assert_eq!(f.refused(replace(old, foreign)), Code::InvalidParameterValue);
    assert_eq!(f.run(replace(old, table)), Reply::Resources(vec![Key::Vpc(vpc)]));
    let now = f.get_vpc(vpc);
    assert!(now.main_route_table == table && now.main_association != old);
    f.run(C::DeleteRouteTable { route_table: main });
}

#[test]
fn a_token_makes_a_table_once() {
    let Net { mut f, vpc, .. } = net();
    let create = |digest| C::CreateRouteTable {
        vpc,
        client_token: token("once", digest),
        tags: Tags::new(),
    };
    let made = f.run(create("a"));
    assert_eq!(f.run(create("a")), made);
    assert_eq!(f.refused(create("b")), Code::IdempotentParameterMismatch);
    // The token is the account's in the region, not the VPC's.
    let vpc_too = f.vpc("10.77.0.0/16");
    let elsewhere =
        C::CreateRouteTable { vpc: vpc_too, client_token: token("once", "b"), tags: Tags::new() };
    assert_eq!(f.refused(elsewhere), Code::IdempotentParameterMismatch);
    for _ in 2..200 {
        f.route_table(vpc);
    }
    let more = C::CreateRouteTable { vpc, client_token: None, tags: Tags::new() };
    assert_eq!(f.refused(more), Code::RouteTableLimit);
}

#[test]
fn the_platforms_tables_are_the_platforms() {
    let Net { mut f, vpc, main, subnet, pcx } = net();
    let association = f.get_vpc(vpc).main_association;
    f.give_role(vpc);
    for command in [
        C::CreateRouteTable { vpc, client_token: None, tags: Tags::new() },
        C::DeleteRouteTable { route_table: main },
        C::AssociateRouteTable { route_table: main, subnet },
        C::DisassociateRouteTable { association },
        C::ReplaceRouteTableAssociation { association, route_table: main },
        create(main, "10.3.0.0/16", RouteTo::Peering(pcx)),
        replace(main, "10.3.0.0/16", RouteTo::Peering(pcx)),
        delete(main, "10.3.0.0/16"),
    ] {
        assert_eq!(f.refused(command), Code::OperationNotPermitted);
    }
}

#[test]
fn routes_to_ipv6_blocks() {
    let Net { mut f, vpc, main, subnet, pcx } = net();
    f.run(C::AssociateVpcIpv6CidrBlock { vpc });
    let block = f.get_vpc(vpc).ipv6[0].cidr;
    let own = block.subnet(64, 1).unwrap();
    f.run(C::AssociateSubnetCidrBlock { subnet, cidr: own });
    let gateway = f.gateway(Some(vpc));
    let egress = C::CreateEgressOnlyInternetGateway { vpc, client_token: None, tags: Tags::new() };
    let Some(Key::EgressGateway(egress)) = f.run(egress).main() else { panic!() };
    let eni = f.eni(subnet);
    let ipv6 = |text: &str| RouteDestination::from(text.parse::<Ipv6Cidr>().unwrap());
    let to = |destination, target| C::CreateRoute { route_table: main, destination, target };

    // What lets IPv6 out alone takes nothing else.
    let out = RouteTo::EgressGateway(egress);
    f.run(to(ipv6("::/0"), out));
    assert_eq!(f.refused(to(Cidr::ANY.into(), out)), Code::InvalidParameterValue);
    assert!(f.world.takes_packets(f.world.route_table(main).unwrap(), out));
    f.run(to(Cidr::ANY.into(), RouteTo::Gateway(gateway)));
    f.run(to(ipv6("2001:db8::/32"), RouteTo::Gateway(gateway)));
    f.run(to(ipv6("2001:db8:1::/48"), RouteTo::Peering(pcx)));
    f.run(to(ipv6("2001:db8:2::/48"), RouteTo::Interface(eni)));
    assert_eq!(f.refused(to(ipv6("::/0"), RouteTo::Gateway(gateway))), Code::RouteAlreadyExists);
    let replace = |destination, target| C::ReplaceRoute { route_table: main, destination, target };
    f.run(replace(ipv6("::/0"), RouteTo::Gateway(gateway)));
    f.run(replace(ipv6("::/0"), out));
    assert_eq!(f.refused(to(ipv6("fd00:ec2::253/128"), out)), Code::InvalidParameterValue);
    let other = f.vpc("10.5.0.0/16");
    let foreign =
        C::CreateEgressOnlyInternetGateway { vpc: other, client_token: None, tags: Tags::new() };
    let Some(Key::EgressGateway(foreign)) = f.run(foreign).main() else { panic!() };
    let (code, message) =
        f.refused_as(ours(), to(ipv6("2001:db8:3::/48"), RouteTo::EgressGateway(foreign)));
    let words =
        format!("route table {main} and network gateway {foreign} belong to different networks");
    assert_eq!((code, message), (Code::InvalidParameterValue, words));
    let unknown = EgressGatewayId::fresh(&mut Sequence(1 << 60));
    let refused = f.refused(to(ipv6("2001:db8:3::/48"), RouteTo::EgressGateway(unknown)));
    assert_eq!(refused, Code::EgressGatewayNotFound);

    // The VPC's own blocks are local.
    assert_eq!(f.refused(to(block.into(), out)), Code::InvalidParameterValue);
    assert_eq!(f.refused(to(own.into(), out)), Code::InvalidParameterValue);
    let within = own.subnet(80, 0).unwrap().into();
    assert_eq!(f.refused(to(within, RouteTo::Interface(eni))), Code::InvalidParameterValue);
    assert_eq!(f.refused(to(block.into(), RouteTo::Interface(eni))), Code::RouteAlreadyExists);
    f.run(to(own.into(), RouteTo::Interface(eni)));
    let delete = |destination| C::DeleteRoute { route_table: main, destination };
    assert_eq!(f.refused(delete(block.into())), Code::InvalidParameterValue);
    f.run(delete(own.into()));
    let (code, message) = f.refused_as(ours(), delete(own.into()));
    let words = format!("no route with destination-ipv6-cidr-block {own} in route table {main}");
    assert_eq!((code, message), (Code::RouteNotFound, words));

    // A route stays where its target goes, and a table goes with its routes.
    f.run(C::DeleteEgressOnlyInternetGateway { gateway: egress });
    let table = f.world.route_table(main).unwrap();
    assert!(!f.world.takes_packets(table, out) && table.route(Ipv6Cidr::ANY) == Some(out));
}

#[test]
fn the_target_of_a_local_route_is_replaced_by_an_interface_alone() {
    let Net { mut f, vpc, main, subnet, pcx } = net();
    let (code, message) = f.refused_as(ours(), replace(main, "10.2.0.0/16", RouteTo::Peering(pcx)));
    assert_eq!(code, Code::InvalidParameterValue);
    assert!(message.ends_with("can target only an interface or an instance."), "{message}");
    let other = f.vpc("10.5.0.0/16");
    let elsewhere = f.subnet(other, "10.5.1.0/24");
    let stranger = RouteTo::Interface(f.eni(elsewhere));
    assert_eq!(f.refused(replace(main, "10.2.0.0/16", stranger)), Code::InvalidParameterValue);
    let (first, second) = (RouteTo::Interface(f.eni(subnet)), RouteTo::Interface(f.eni(subnet)));
    let route = |f: &Fixture, to: &str| f.world.route_table(main).unwrap().route(cidr(to));
    for target in [first, second] {
        f.run(replace(main, "10.2.0.0/16", target));
        assert_eq!(route(&f, "10.2.0.0/16"), Some(target));
    }
    assert_eq!(f.refused(delete(main, "10.2.0.0/16")), Code::InvalidParameterValue);
    assert_eq!(f.refused(create(main, "10.2.0.0/16", second)), Code::RouteAlreadyExists);
    f.run(C::RestoreLocalRoute { route_table: main, destination: cidr("10.2.0.0/16").into() });
    assert_eq!(route(&f, "10.2.0.0/16"), None);
    // What replaces the local route of a block goes with the block.
    f.run(C::AssociateVpcCidrBlock { vpc, cidr: cidr("10.9.0.0/16") });
    f.run(replace(main, "10.9.0.0/16", first));
    let association = f.get_vpc(vpc).cidrs[1].id;
    f.run(C::DisassociateVpcCidrBlock { association });
    assert_eq!(route(&f, "10.9.0.0/16"), None);
}

#[test]
fn a_local_route_gets_its_own_target_back() {
    let Net { mut f, vpc, main, pcx, .. } = net();
    f.run(C::AssociateVpcIpv6CidrBlock { vpc });
    let block = f.get_vpc(vpc).ipv6[0].cidr;
    let restore = |destination| C::RestoreLocalRoute { route_table: main, destination };
    let before = f.world.clone();
    f.run(restore(cidr("10.2.0.0/16").into()));
    f.run(restore(block.into()));
    assert_eq!(f.world, before);
    f.run(create(main, "10.3.0.0/16", RouteTo::Peering(pcx)));
    for to in ["10.3.0.0/16", "10.2.1.0/24", "0.0.0.0/0"] {
        assert_eq!(f.refused(restore(cidr(to).into())), Code::InvalidParameterValue, "{to}");
    }
    let foreign = f.refused_as(theirs(), restore(block.into()));
    assert_eq!(foreign.0, Code::RouteTableNotFound);
}

#[test]
fn a_vpc_is_not_given_an_ipv6_block_that_it_routes_elsewhere() {
    let Net { mut f, vpc, main, pcx, .. } = net();
    // Of the blocks from the next choice on, the first that has no route is taken.
    let first = f.ids.0 + 100;
    for n in 0..20 {
        let block = Vpc::IPV6_BLOCKS.subnet(56, first + n).unwrap().subnet(64, 3).unwrap();
        let target = RouteTo::Peering(pcx);
        f.run(C::CreateRoute { route_table: main, destination: block.into(), target });
    }
    f.ids.0 = first;
    f.run(C::AssociateVpcIpv6CidrBlock { vpc });
    let block = f.get_vpc(vpc).ipv6[0].cidr;
    assert_eq!(Some(block), Vpc::IPV6_BLOCKS.subnet(56, first + 20));
}
