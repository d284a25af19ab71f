//! Blocks of VPCs.

use aws::xml::Xml;
use model::{Ec2Command, Key, Part, Reply, Vpc, VpcCidr, VpcCidrAssociationId, VpcIpv6Cidr, World};

use super::input::{self, cidr, id, not_offered, wrong_value};
use super::request::{Ec2Error, Request};

/// EC2's word for where the blocks come from that a request does not name.
pub(super) const POOL: &str = "Amazon";

/// Parameters that ask for a block of one's own IPv6 addresses, or of an address manager.
const OTHER_BLOCKS: [&str; 6] = [
    "Ipv6CidrBlock",
    "Ipv6Pool",
    "Ipv6IpamPoolId",
    "Ipv6NetmaskLength",
    "Ipv4IpamPoolId",
    "Ipv4NetmaskLength",
];

/// Writes an IPv4 block's association.
pub(super) fn write_block(block: VpcCidr, state: &str, x: &mut Xml) {
    x.el("associationId", block.id);
    x.el("cidrBlock", block.cidr);
    x.nest("cidrBlockState", |x| x.el("state", state));
}

/// Writes an IPv6 block's association.
pub(super) fn write_ipv6_block(vpc: &Vpc, block: VpcIpv6Cidr, state: &str, x: &mut Xml) {
    x.el("associationId", block.id);
    x.el("ipv6CidrBlock", block.cidr);
    x.nest("ipv6CidrBlockState", |x| x.el("state", state));
    x.el("networkBorderGroup", vpc.region);
    x.el("ipv6Pool", POOL);
    write_ipv6_source(x);
}

/// What is said of every IPv6 block. The addresses are nobody's outside, so they are private.
pub(super) fn write_ipv6_source(x: &mut Xml) {
    x.el("ipv6AddressAttribute", "private");
    x.el("ipSource", "amazon");
}

/// Whether a request for a VPC or for a block of one asks for an IPv6 block. What neither names a
/// block nor leaves the choice to the platform is refused.
pub(super) fn wants_ipv6(request: &Request<'_>) -> Result<bool, Ec2Error> {
    let params = request.params;
    let why = "blocks are named by the request, or IPv6 blocks of the platform's choice.";
    not_offered(params, &OTHER_BLOCKS, why)?;
    let ipv6 = params.bool("AmazonProvidedIpv6CidrBlock")? == Some(true);
    let name = "Ipv6CidrBlockNetworkBorderGroup";
    match params.get(name).filter(|text| !text.is_empty()) {
        None => Ok(ipv6),
        Some(group) if group != request.scope.region.name() => {
            Err(params.invalid(name, group, "Expecting the name of the region.").into())
        }
        Some(_) if !ipv6 => {
            Err(wrong_value(format_args!("The parameter {name} needs AmazonProvidedIpv6CidrBlock")))
        }
        Some(_) => Ok(true),
    }
}

/// `AssociateVpcCidrBlock`.
pub(super) fn associate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let vpc = id(params, "VpcId")?;
    match (wants_ipv6(request)?, params.contains("CidrBlock")) {
        (true, false) => Ok(Ec2Command::AssociateVpcIpv6CidrBlock { vpc }),
        (false, true) => {
            Ok(Ec2Command::AssociateVpcCidrBlock { vpc, cidr: cidr(params, "CidrBlock")? })
        }
        (false, false) => Err(input::missing_one_of("cidrBlock or amazonProvidedIpv6CidrBlock")),
        (true, true) => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "Only one of cidrBlock and amazonProvidedIpv6CidrBlock can be specified",
        )),
    }
}

/// The answer to `AssociateVpcCidrBlock`.
pub(super) fn associated(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let vpc = match reply.main() {
        Some(Key::Vpc(id)) => after.vpc(id),
        _ => None,
    };
    request.respond(|x| {
        let Some(vpc) = vpc else { return };
        x.el("vpcId", vpc.id);
        match (request.params.contains("CidrBlock"), vpc.cidrs.last(), vpc.ipv6.last()) {
            (true, Some(block), _) => {
                x.nest("cidrBlockAssociation", |x| write_block(*block, "associating", x));
            }
            (false, _, Some(block)) => x.nest("ipv6CidrBlockAssociation", |x| {
                write_ipv6_block(vpc, *block, "associating", x);
            }),
            (true, None, _) | (false, _, None) => {}
        }
    })
}

/// `DisassociateVpcCidrBlock`.
pub(super) fn disassociate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DisassociateVpcCidrBlock { association: id(request.params, "AssociationId")? })
}

/// The answer to `DisassociateVpcCidrBlock`.
pub(super) fn disassociated(before: &World, _: &World, _: &Reply, request: &Request<'_>) -> String {
    let association: Option<VpcCidrAssociationId> =
        request.params.get("AssociationId").and_then(|text| text.parse().ok());
    let found = association.and_then(|id| match before.whole(Part::VpcCidr(id))? {
        Key::Vpc(vpc) => Some((id, before.vpc(vpc)?)),
        _ => None,
    });
    let state = "disassociating";
    request.respond(|x| {
        let Some((id, vpc)) = found else { return };
        x.el("vpcId", vpc.id);
        if let Some(block) = vpc.cidrs.iter().find(|block| block.id == id) {
            x.nest("cidrBlockAssociation", |x| write_block(*block, state, x));
        }
        if let Some(block) = vpc.ipv6.iter().find(|block| block.id == id) {
            x.nest("ipv6CidrBlockAssociation", |x| write_ipv6_block(vpc, *block, state, x));
        }
    })
}
