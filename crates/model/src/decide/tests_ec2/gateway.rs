use super::fixture::*;
use crate::command::{Ec2Command as C, Reply};
use crate::resource::*;
use crate::*;

fn attach(gateway: IgwId, vpc: VpcId) -> C {
    C::AttachInternetGateway { gateway, vpc }
}

fn detach(gateway: IgwId, vpc: VpcId) -> C {
    C::DetachInternetGateway { gateway, vpc }
}

fn delete(gateway: IgwId) -> C {
    C::DeleteInternetGateway { gateway }
}

#[test]
fn a_gateway_is_attached_to_one_vpc_and_a_vpc_has_one_gateway() {
    let mut f = Fixture::new();
    let (one, other) = (f.vpc("10.2.0.0/16"), f.vpc("10.3.0.0/16"));
    let (gateway, second) = (f.gateway(None), f.gateway(None));
    let expected = format!("resource {gateway} is not attached to network {one}");
    let refused = f.refused_as(ours(), detach(gateway, one));
    assert_eq!(refused, (Code::GatewayNotAttached, expected));

    assert_eq!(f.run(attach(gateway, one)), Reply::Done);
    for vpc in [one, other] {
        let expected = format!("resource {gateway} is already attached to network {one}");
        let refused = f.refused_as(ours(), attach(gateway, vpc));
        assert_eq!(refused, (Code::AlreadyAssociated, expected));
    }
    let expected = format!("Network {one} already has an internet gateway attached");
    let refused = f.refused_as(ours(), attach(second, one));
    assert_eq!(refused, (Code::InvalidParameterValue, expected));
    f.run(attach(second, other));

    assert_eq!(f.refused(detach(gateway, other)), Code::GatewayNotAttached);
    let expected =
        format!("The internetGateway '{gateway}' has dependencies and cannot be deleted.");
    assert_eq!(f.refused_as(ours(), delete(gateway)), (Code::DependencyViolation, expected));
    f.run(detach(gateway, one));
    f.run(delete(gateway));
    assert_eq!(f.refused(delete(gateway)), Code::GatewayNotFound);
}

#[test]
fn routes_to_a_gateway_stay_when_it_goes() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let gateway = f.gateway(Some(vpc));
    let route_table = f.get_vpc(vpc).main_route_table;
    let (destination, target) = (Cidr::ANY.into(), RouteTo::Gateway(gateway));
    f.run(C::CreateRoute { route_table, destination, target });
    let alive =
        |f: &Fixture| f.world.takes_packets(f.world.route_table(route_table).unwrap(), target);
    assert!(alive(&f));
    f.run(detach(gateway, vpc));
    assert!(!alive(&f));
    f.run(attach(gateway, vpc));
    assert!(alive(&f));
    f.run(detach(gateway, vpc));
    f.run(delete(gateway));
    assert!(!alive(&f));
    assert_eq!(f.world.route_table(route_table).unwrap().routes.len(), 1);
    f.run(C::DeleteVpc { vpc });
}

#[test]
fn gateways_are_their_owners_and_spaces_have_none() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let foreign = f.vpc_as(theirs(), "10.3.0.0/16");
    let gateway = f.gateway(None);
    for command in [attach(gateway, foreign), detach(gateway, foreign), delete(gateway)] {
        assert_eq!(f.refused_as(theirs(), command.clone()).0, Code::GatewayNotFound);
        assert_eq!(f.refused_as(elsewhere(), command).0, Code::GatewayNotFound);
    }
    assert_eq!(f.refused(attach(gateway, foreign)), Code::VpcNotFound);
    f.give_role(vpc);
    assert_eq!(f.refused(attach(gateway, vpc)), Code::OperationNotPermitted);
    let egress = C::CreateEgressOnlyInternetGateway { vpc, client_token: None, tags: Tags::new() };
    assert_eq!(f.refused(egress), Code::OperationNotPermitted);
}

#[test]
fn egress_only_gateways_belong_to_their_vpc() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let create = |digest| C::CreateEgressOnlyInternetGateway {
        vpc,
        client_token: token("once", digest),
        tags: Tags::new(),
    };
    let made = f.run(create("a"));
    assert_eq!(f.run(create("a")), made);
    assert_eq!(f.refused(create("b")), Code::IdempotentParameterMismatch);
    assert_eq!(f.refused_as(theirs(), create("a")).0, Code::VpcNotFound);
    let Some(Key::EgressGateway(gateway)) = made.main() else { panic!("{made:?}") };
    assert_eq!(f.refused(C::DeleteVpc { vpc }), Code::DependencyViolation);
    let delete = C::DeleteEgressOnlyInternetGateway { gateway };
    let expected = format!("The eigw ID '{gateway}' does not exist");
    let refused = f.refused_as(theirs(), delete.clone());
    assert_eq!(refused, (Code::EgressGatewayNotFound, expected));
    f.run(delete);
    f.run(C::DeleteVpc { vpc });
}
