//! Parsing of requests about route tables.

use model::{Ec2Command, InstanceId, RouteTo, World};

use super::describe::{View, not_found};
use super::input::{self, cidr, id, not_offered, parse_id, wrong_value};
use super::request::{Ec2Error, Request};

/// Parameters of targets that are not offered.
const OTHER_TARGETS: [&str; 7] = [
    "TransitGatewayId",
    "VpcEndpointId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
    "EgressOnlyInternetGatewayId",
];
const OTHER_DESTINATIONS: [&str; 2] = ["DestinationIpv6CidrBlock", "DestinationPrefixListId"];
/// Parameters of targets that are offered.
const TARGETS: [&str; 5] =
    ["VpcPeeringConnectionId", "NetworkInterfaceId", "InstanceId", "NatGatewayId", "GatewayId"];

/// `CreateRouteTable`.
pub(super) fn create_table(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let vpc = id(params, "VpcId")?;
    let tags = input::tag_specifications(params, "route-table", &[])?;
    let client_token = input::client_token(params)?;
    Ok(Ec2Command::CreateRouteTable { vpc, client_token, tags })
}

/// `DeleteRouteTable`.
pub(super) fn delete_table(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteRouteTable { route_table: id(request.params, "RouteTableId")? })
}

/// `AssociateRouteTable`.
pub(super) fn associate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(params, &["GatewayId", "PublicIpv4Pool"], "only subnets can be associated.")?;
    Ok(Ec2Command::AssociateRouteTable {
        route_table: id(params, "RouteTableId")?,
        subnet: id(params, "SubnetId")?,
    })
}

/// `DisassociateRouteTable`.
pub(super) fn disassociate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DisassociateRouteTable { association: id(request.params, "AssociationId")? })
}

/// `ReplaceRouteTableAssociation`.
pub(super) fn replace(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    Ok(Ec2Command::ReplaceRouteTableAssociation {
        association: id(params, "AssociationId")?,
        route_table: id(params, "RouteTableId")?,
    })
}

/// `CreateRoute`.
pub(super) fn create_route(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(params, &OTHER_DESTINATIONS, "routes go to IPv4 blocks.")?;
    Ok(Ec2Command::CreateRoute {
        route_table: id(params, "RouteTableId")?,
        destination: cidr(params, "DestinationCidrBlock")?,
        target: target(world, request)?,
    })
}

/// `ReplaceRoute`.
pub(super) fn replace_route(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(params, &OTHER_DESTINATIONS, "routes go to IPv4 blocks.")?;
    if params.bool("LocalTarget")? == Some(true) {
        not_offered(params, &["LocalTarget"], "local routes cannot be replaced here.")?;
    }
    Ok(Ec2Command::ReplaceRoute {
        route_table: id(params, "RouteTableId")?,
        destination: cidr(params, "DestinationCidrBlock")?,
        target: target(world, request)?,
    })
}

/// `DeleteRoute`.
pub(super) fn delete_route(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(params, &OTHER_DESTINATIONS, "routes go to IPv4 blocks.")?;
    Ok(Ec2Command::DeleteRoute {
        route_table: id(params, "RouteTableId")?,
        destination: cidr(params, "DestinationCidrBlock")?,
    })
}

fn target(world: &World, request: &Request<'_>) -> Result<RouteTo, Ec2Error> {
    let params = request.params;
    not_offered(
        params,
        &OTHER_TARGETS,
        "a route leads to a peering connection, an interface, an instance, a NAT gateway or an \
         internet gateway.",
    )?;
    let given: Vec<(&str, &str)> = TARGETS
        .into_iter()
        .filter_map(|name| params.get(name).map(|text| (name, text)))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    match *given.as_slice() {
        [("VpcPeeringConnectionId", text)] => parse_id(text).map(RouteTo::Peering),
        [("NetworkInterfaceId", text)] => parse_id(text).map(RouteTo::Interface),
        [("InstanceId", text)] => interface_of(world, request, parse_id(text)?),
        [("NatGatewayId", text)] => parse_id(text).map(RouteTo::Nat),
        [(_, "local")] => Err(wrong_value(
            "The target 'local' is that of the VPC's own blocks; it cannot be given to a route.",
        )),
        [(_, text)] => parse_id(text).map(RouteTo::Gateway),
        [] => Err(input::missing_one_of(
            "vpcPeeringConnectionId, networkInterfaceId, instanceId, natGatewayId or gatewayId",
        )),
        [..] => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "A route has exactly one target; the request names several.",
        )),
    }
}

/// The interface of an instance: a route to an instance leads to its interface.
fn interface_of(world: &World, request: &Request<'_>, id: InstanceId) -> Result<RouteTo, Ec2Error> {
    let view = View::new(world, request);
    let absent = || not_found::<model::Instance>(id);
    let instance = world.instance(id).ok_or_else(absent)?;
    view.vpc(instance.vpc).ok_or_else(absent)?;
    if world.eni(instance.eni).is_none() {
        return Err(Ec2Error::new(
            "InvalidInstanceID",
            format_args!("The instance '{id}' has no interface any more."),
        ));
    }
    Ok(RouteTo::Interface(instance.eni))
}
