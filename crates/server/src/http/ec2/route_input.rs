//! Parsing of requests about route tables.

use aws::params::{ParamError, Params};
use model::{
    Ec2Command, InstanceId, InternetGateway, PrefixListId, RouteDestination, RouteTable, RouteTo,
    World,
};

use super::describe::{Stored, View, not_found};
use super::input::{self, cidr, id, id_opt, ipv6_cidr, not_offered, parse_id, wrong_value};
use super::request::{Ec2Error, Request};

/// Targets of which there are none here: the parameter, EC2's code for one that there is not, and the
/// noun in its message.
const NO_SUCH_TARGETS: [(&str, &str, &str); 6] = [
    ("TransitGatewayId", "InvalidTransitGatewayID.NotFound", "transitGateway ID"),
    ("VpcEndpointId", "InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id"),
    ("LocalGatewayId", "InvalidLocalGatewayID.NotFound", "localGateway ID"),
    ("CarrierGatewayId", "InvalidCarrierGatewayID.NotFound", "carrierGateway ID"),
    ("CoreNetworkArn", "InvalidCoreNetworkArn.NotFound", "core network ARN"),
    ("OdbNetworkArn", "InvalidOdbNetworkArn.NotFound", "ODB network ARN"),
];
/// Kinds of gateways that `GatewayId` may name in EC2 and of which there are none here, by prefix.
const NO_SUCH_GATEWAYS: [(&str, &str, &str); 2] = [
    ("vgw-", "InvalidVpnGatewayID.NotFound", "vpnGateway ID"),
    ("vpce-", "InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id"),
];
/// Parameters of targets that are offered.
const TARGETS: [&str; 6] = [
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "InstanceId",
    "NatGatewayId",
    "GatewayId",
    "EgressOnlyInternetGatewayId",
];

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
pub(super) fn associate(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let route_table = id(params, "RouteTableId")?;
    match (id_opt(params, "SubnetId")?, params.contains("GatewayId")) {
        (Some(subnet), false) => {
            not_offered(params, &["PublicIpv4Pool"], "there are no pools of public addresses.")?;
            Ok(Ec2Command::AssociateRouteTable { route_table, subnet })
        }
        (None, true) => Err(no_edge(world, request)?),
        (None, false) => Err(input::missing_one_of("subnetId or gatewayId")),
        (Some(_), true) => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "Only one of subnetId and gatewayId can be specified",
        )),
    }
}

/// Why a gateway cannot have a route table: what comes in by it goes to where it is meant for.
fn no_edge(world: &World, request: &Request<'_>) -> Result<Ec2Error, Ec2Error> {
    let text = request.params.required("GatewayId")?;
    if let Some(error) = no_such_gateway(text) {
        return Err(error);
    }
    let gateway = parse_id(text)?;
    let view = View::new(world, request);
    if InternetGateway::get(&view, gateway).is_none() {
        return Err(not_found::<InternetGateway>(gateway));
    }
    Ok(Ec2Error::new(
        "UnsupportedOperation",
        format_args!(
            "The gateway '{gateway}' cannot be associated with a route table here: only subnets \
             can."
        ),
    ))
}

/// The error for a gateway of a kind that there is not here.
fn no_such_gateway(text: &str) -> Option<Ec2Error> {
    let kind = NO_SUCH_GATEWAYS.into_iter().find(|(prefix, ..)| text.starts_with(prefix));
    kind.map(|(_, code, noun)| no_such(code, noun, text))
}

fn no_such(code: &'static str, noun: &str, text: &str) -> Ec2Error {
    let text: String = text.chars().take(64).collect();
    Ec2Error::new(code, format_args!("The {noun} '{text}' does not exist"))
}

/// `EnableVgwRoutePropagation` and `DisableVgwRoutePropagation`, of a virtual private gateway that
/// there is not.
pub(super) fn propagation(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let table = id(params, "RouteTableId")?;
    if RouteTable::get(&View::new(world, request), table).is_none() {
        return Err(not_found::<RouteTable>(table));
    }
    let text = params.required("GatewayId")?;
    if !text.starts_with("vgw-") {
        let text: String = text.chars().take(64).collect();
        return Err(Ec2Error::new(
            "InvalidVpnGatewayID.Malformed",
            format_args!("Invalid id: \"{text}\" (expecting \"vgw-...\")"),
        ));
    }
    Err(no_such("InvalidVpnGatewayID.NotFound", "vpnGateway ID", text))
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
    Ok(Ec2Command::CreateRoute {
        route_table: id(params, "RouteTableId")?,
        destination: destination(params)?,
        target: target(world, request)?,
    })
}

/// `ReplaceRoute`.
pub(super) fn replace_route(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let (route_table, destination) = (id(params, "RouteTableId")?, destination(params)?);
    if params.bool("LocalTarget")? == Some(true) {
        let others = TARGETS.into_iter().chain(NO_SUCH_TARGETS.map(|(name, ..)| name));
        return match others.into_iter().find(|name| params.contains(name)) {
            None => Ok(Ec2Command::RestoreLocalRoute { route_table, destination }),
            Some(other) => {
                let (name, other) = ("LocalTarget".to_owned(), other.to_owned());
                Err(ParamError::Combination { name, other }.into())
            }
        };
    }
    Ok(Ec2Command::ReplaceRoute { route_table, destination, target: target(world, request)? })
}

/// `DeleteRoute`.
pub(super) fn delete_route(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    Ok(Ec2Command::DeleteRoute {
        route_table: id(params, "RouteTableId")?,
        destination: destination(params)?,
    })
}

/// The one destination of a route.
fn destination(params: &Params) -> Result<RouteDestination, Ec2Error> {
    let names = ["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"];
    let mut given =
        names.into_iter().filter(|name| params.get(name).is_some_and(|text| !text.is_empty()));
    match (given.next(), given.next()) {
        (None | Some("DestinationCidrBlock"), None) => {
            Ok(cidr(params, "DestinationCidrBlock")?.into())
        }
        (Some(name @ "DestinationIpv6CidrBlock"), None) => Ok(ipv6_cidr(params, name)?.into()),
        (Some(name), None) => Ok(id::<PrefixListId>(params, name)?.into()),
        (name, Some(other)) => {
            let (name, other) = (name.unwrap_or_default().to_owned(), other.to_owned());
            Err(ParamError::Combination { name, other }.into())
        }
    }
}

/// The one target of a route.
fn target(world: &World, request: &Request<'_>) -> Result<RouteTo, Ec2Error> {
    let params = request.params;
    let given = |name: &'static str| {
        params.get(name).filter(|text| !text.is_empty()).map(|text| (name, text))
    };
    let named = || TARGETS.into_iter().chain(NO_SUCH_TARGETS.map(|(name, ..)| name));
    match *named().filter_map(given).collect::<Vec<_>>().as_slice() {
        [("VpcPeeringConnectionId", text)] => parse_id(text).map(RouteTo::Peering),
        [("NetworkInterfaceId", text)] => parse_id(text).map(RouteTo::Interface),
        [("InstanceId", text)] => interface_of(world, request, parse_id(text)?),
        [("NatGatewayId", text)] => parse_id(text).map(RouteTo::Nat),
        [("EgressOnlyInternetGatewayId", text)] => parse_id(text).map(RouteTo::EgressGateway),
        [("GatewayId", "local")] => Err(wrong_value(
            "The target 'local' is that of the VPC's own blocks; it cannot be given to a route.",
        )),
        [("GatewayId", text)] => match no_such_gateway(text) {
            Some(error) => Err(error),
            None => parse_id(text).map(RouteTo::Gateway),
        },
        [(name, text)] => {
            let kind = NO_SUCH_TARGETS.into_iter().find(|(known, ..)| *known == name);
            let (_, code, noun) = kind.unwrap_or((name, "InvalidParameterValue", name));
            Err(no_such(code, noun, text))
        }
        [] => Err(input::missing_one_of(
            "vpcPeeringConnectionId, networkInterfaceId, instanceId, natGatewayId, gatewayId or \
             egressOnlyInternetGatewayId",
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
