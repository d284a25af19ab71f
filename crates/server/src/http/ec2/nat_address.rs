//! How NAT gateways get and lose secondary addresses.

use aws::params::Params;
use model::{
    AddressAssociationId, Connectivity, Ec2Command, Key, NatAddressesSpec, NatGateway,
    NatGatewayId, Reply, World,
};

use super::describe::View;
use super::input::{address_list, id, id_list, not_offered};
use super::nat_gateway::{Address, addresses, count, write_addresses};
use super::request::{Ec2Error, Request};

/// The longest time in seconds for connections to end by themselves.
const MAX_DRAIN: i64 = 4000;

/// Connections by an address that goes end with it, so there is nothing to wait for.
fn drain(params: &Params) -> Result<(), Ec2Error> {
    params.integer("MaxDrainDurationSeconds", 1..=MAX_DRAIN)?;
    Ok(())
}

fn refuse_zones(params: &Params) -> Result<(), Ec2Error> {
    let zones = ["AvailabilityZone", "AvailabilityZoneId"];
    not_offered(params, &zones, "a NAT gateway is in one subnet, and serves its zone.")
}

/// `AssociateNatGatewayAddress`.
pub(super) fn associate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    refuse_zones(params)?;
    Ok(Ec2Command::AddNatGatewayAddresses {
        nat_gateway: id(params, "NatGatewayId")?,
        connectivity: Connectivity::Public,
        addresses: NatAddressesSpec {
            allocations: id_list(params, "AllocationId")?,
            addresses: address_list(params, "PrivateIpAddress")?,
            count: 0,
        },
    })
}

/// `AssignPrivateNatGatewayAddress`.
pub(super) fn assign(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    Ok(Ec2Command::AddNatGatewayAddresses {
        nat_gateway: id(params, "NatGatewayId")?,
        connectivity: Connectivity::Private,
        addresses: NatAddressesSpec {
            allocations: Vec::new(),
            addresses: address_list(params, "PrivateIpAddress")?,
            count: count(params, "PrivateIpAddressCount")?,
        },
    })
}

/// `DisassociateNatGatewayAddress`.
pub(super) fn disassociate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    drain(params)?;
    let associations: Vec<AddressAssociationId> = id_list(params, "AssociationId")?;
    let nat_gateway: NatGatewayId = id(params, "NatGatewayId")?;
    Ok(Ec2Command::DisassociateNatGatewayAddress { nat_gateway, associations })
}

/// `UnassignPrivateNatGatewayAddress`.
pub(super) fn unassign(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    drain(params)?;
    Ok(Ec2Command::UnassignPrivateNatGatewayAddress {
        nat_gateway: id(params, "NatGatewayId")?,
        addresses: address_list(params, "PrivateIpAddress")?,
    })
}

/// The answer to `AssociateNatGatewayAddress` and `AssignPrivateNatGatewayAddress`.
pub(super) fn added(before: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    answer(request, (after, before), reply, "succeeded")
}

/// The answer to `DisassociateNatGatewayAddress`.
pub(super) fn disassociated(
    before: &World,
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    answer(request, (before, after), reply, "disassociating")
}

/// The answer to `UnassignPrivateNatGatewayAddress`.
pub(super) fn unassigned(
    before: &World,
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    answer(request, (before, after), reply, "unassigning")
}

/// Writes the addresses that a NAT gateway has in the first of two worlds alone.
fn answer(
    request: &Request<'_>,
    (has, has_not): (&World, &World),
    reply: &Reply,
    status: &str,
) -> String {
    let found = |world| -> Option<&NatGateway> {
        let Some(Key::NatGateway(id)) = reply.main() else { return None };
        World::nat_gateway(world, id).map(|nat| &**nat)
    };
    let others: Vec<Address> = found(has_not).map(addresses).unwrap_or_default();
    request.respond(|x| {
        if let Some(nat) = found(has) {
            x.el("natGatewayId", nat.id);
            let view = View::new(has, request);
            write_addresses(nat, &view, |address| !others.contains(address), status, x);
        }
    })
}
