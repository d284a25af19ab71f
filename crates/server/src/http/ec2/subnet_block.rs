//! IPv6 blocks of subnets.

use aws::xml::Xml;
use model::{
    Ec2Command, Ipv6Cidr, Key, Part, Reply, Subnet, SubnetCidrAssociationId, SubnetIpv6Cidr, World,
};

use super::input::{id, ipv6_cidr, not_offered};
use super::request::{Ec2Error, Request};
use super::vpc_block::write_ipv6_source;

/// Parameters that ask for a block of an address manager.
const MANAGED: [&str; 2] = ["Ipv6IpamPoolId", "Ipv6NetmaskLength"];

/// Writes an IPv6 block's association.
pub(super) fn write_block(block: SubnetIpv6Cidr, state: &str, x: &mut Xml) {
    x.el("associationId", block.id);
    x.el("ipv6CidrBlock", block.cidr);
    x.nest("ipv6CidrBlockState", |x| x.el("state", state));
    write_ipv6_source(x);
}

/// The IPv6 block that a request for a subnet names.
pub(super) fn named(request: &Request<'_>) -> Result<Option<Ipv6Cidr>, Ec2Error> {
    let params = request.params;
    not_offered(params, &MANAGED, "only blocks that the request names are offered.")?;
    let given = params.get("Ipv6CidrBlock").is_some_and(|text| !text.is_empty());
    given.then(|| ipv6_cidr(params, "Ipv6CidrBlock")).transpose()
}

/// `AssociateSubnetCidrBlock`.
pub(super) fn associate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let subnet = id(params, "SubnetId")?;
    let cidr = named(request)?.ok_or_else(|| params.missing("Ipv6CidrBlock"))?;
    Ok(Ec2Command::AssociateSubnetCidrBlock { subnet, cidr })
}

/// The answer to `AssociateSubnetCidrBlock`.
pub(super) fn associated(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let subnet = match reply.main() {
        Some(Key::Subnet(id)) => after.subnet(id),
        _ => None,
    };
    answer(subnet.map(|subnet| &**subnet), "associating", request)
}

/// `DisassociateSubnetCidrBlock`.
pub(super) fn disassociate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let association = id(request.params, "AssociationId")?;
    Ok(Ec2Command::DisassociateSubnetCidrBlock { association })
}

/// The answer to `DisassociateSubnetCidrBlock`.
pub(super) fn disassociated(before: &World, _: &World, _: &Reply, request: &Request<'_>) -> String {
    let association: Option<SubnetCidrAssociationId> =
        request.params.get("AssociationId").and_then(|text| text.parse().ok());
    let subnet = association.and_then(|id| match before.whole(Part::SubnetCidr(id))? {
        Key::Subnet(id) => before.subnet(id),
        _ => None,
    });
    answer(subnet.map(|subnet| &**subnet), "disassociating", request)
}

fn answer(subnet: Option<&Subnet>, state: &str, request: &Request<'_>) -> String {
    request.respond(|x| {
        let Some((subnet, block)) = subnet.and_then(|subnet| Some((subnet, subnet.ipv6?))) else {
            return;
        };
        x.el("subnetId", subnet.id);
        x.nest("ipv6CidrBlockAssociation", |x| write_block(block, state, x));
    })
}
