//! Parsing of parameters that many actions have.

use std::fmt::Display;
use std::net::Ipv4Addr;

use aws::params::{ParamError, Params};
use model::{Cidr, ClientToken, IpCidr, Ipv6Cidr, PrefixedId, Tags};
use sha2::{Digest, Sha256};

use super::request::Ec2Error;

/// The longest client token, as in EC2.
const MAX_CLIENT_TOKEN: usize = 64;

/// A kind of id that requests name.
pub(super) trait Named: PrefixedId {
    /// EC2's error code for a malformed id of this kind.
    const MALFORMED: &'static str;
}

macro_rules! malformed {
    ($($id:ident $code:literal;)*) => {$(
        impl Named for model::$id {
            const MALFORMED: &'static str = $code;
        }
    )*};
}

malformed! {
    AclAssociationId "InvalidAssociationID.Malformed";
    AclId "InvalidNetworkAclId.Malformed";
    AddressAssociationId "InvalidAssociationID.Malformed";
    AllocationId "InvalidAllocationID.Malformed";
    DhcpOptionsId "InvalidDhcpOptionsId.Malformed";
    EgressGatewayId "InvalidEgressOnlyInternetGatewayId.Malformed";
    EniAttachmentId "InvalidAttachmentID.Malformed";
    EniId "InvalidNetworkInterfaceId.Malformed";
    FlowLogId "InvalidFlowLogId.Malformed";
    IgwId "InvalidInternetGatewayId.Malformed";
    InstanceId "InvalidInstanceID.Malformed";
    KeyPairId "InvalidKeyPairId.Malformed";
    NatGatewayId "NatGatewayMalformed";
    NetworkInsightsAnalysisId "InvalidNetworkInsightsAnalysisId.Malformed";
    NetworkInsightsPathId "InvalidNetworkInsightsPathId.Malformed";
    PcxId "InvalidVpcPeeringConnectionId.Malformed";
    PrefixListId "InvalidPrefixListId.Malformed";
    RouteTableAssociationId "InvalidAssociationID.Malformed";
    RouteTableId "InvalidRouteTableId.Malformed";
    SecurityGroupId "InvalidGroupId.Malformed";
    SecurityGroupRuleId "InvalidSecurityGroupRuleId.Malformed";
    SubnetCidrAssociationId "InvalidSubnetCidrBlockAssociationId.Malformed";
    SubnetId "InvalidSubnetID.Malformed";
    SubnetReservationId "InvalidSubnetCidrReservationId.Malformed";
    VolumeId "InvalidVolumeID.Malformed";
    VpcCidrAssociationId "InvalidVpcCidrBlockAssociationID.Malformed";
    VpcId "InvalidVpcID.Malformed";
}

/// The error for a malformed id.
pub(super) fn malformed_id<T: PrefixedId>(code: &'static str, text: &str) -> Ec2Error {
    let text: String = text.chars().take(64).collect();
    Ec2Error::new(code, format_args!("Invalid id: \"{text}\" (expecting \"{}-...\")", T::PREFIX))
}

/// The error for a malformed id of an image.
pub(super) fn malformed_image(text: &str) -> Ec2Error {
    let text: String = text.chars().take(64).collect();
    let message = format_args!("Invalid id: \"{text}\" (expecting \"ami-...\")");
    Ec2Error::new("InvalidAMIID.Malformed", message)
}

/// Parses an id.
pub(super) fn parse_id<T: Named>(text: &str) -> Result<T, Ec2Error> {
    text.parse().map_err(|_| malformed_id::<T>(T::MALFORMED, text))
}

/// A required id.
pub(super) fn id<T: Named>(params: &Params, name: &str) -> Result<T, Ec2Error> {
    parse_id(params.required(name)?)
}

/// An optional id.
pub(super) fn id_opt<T: Named>(params: &Params, name: &str) -> Result<Option<T>, Ec2Error> {
    params.get(name).filter(|text| !text.is_empty()).map(parse_id).transpose()
}

/// A list of ids.
pub(super) fn id_list<T: Named>(params: &Params, name: &str) -> Result<Vec<T>, Ec2Error> {
    params.list(name).map(parse_id).collect()
}

/// A required CIDR block. Bits after its prefix are cleared, as in EC2.
pub(super) fn cidr(params: &Params, name: &str) -> Result<Cidr, Ec2Error> {
    let text = params.required(name)?;
    Cidr::parse_lenient(text)
        .map_err(|_| params.invalid(name, text, "This is not a valid CIDR block.").into())
}

/// A required IPv6 block. Bits after its prefix are cleared, as in EC2.
pub(super) fn ipv6_cidr(params: &Params, name: &str) -> Result<Ipv6Cidr, Ec2Error> {
    let text = params.required(name)?;
    Ipv6Cidr::parse_lenient(text)
        .map_err(|_| params.invalid(name, text, "This is not a valid IPv6 CIDR block.").into())
}

/// A required block of either family.
pub(super) fn ip_cidr(params: &Params, name: &str) -> Result<IpCidr, Ec2Error> {
    if params.required(name)?.contains(':') {
        return ipv6_cidr(params, name).map(IpCidr::V6);
    }
    cidr(params, name).map(IpCidr::V4)
}

/// An optional address.
pub(super) fn address_opt(params: &Params, name: &str) -> Result<Option<Ipv4Addr>, Ec2Error> {
    let Some(text) = params.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = text.parse().map_err(|_| params.invalid(name, text, "Invalid IPv4 address."))?;
    Ok(Some(parsed))
}

/// Refuses parameters that ask for something that is not offered, instead of doing something else.
pub(super) fn not_offered(params: &Params, names: &[&str], what: &str) -> Result<(), Ec2Error> {
    let Some(name) = names.iter().find(|name| params.contains(name)) else { return Ok(()) };
    Err(Ec2Error::new(
        "InvalidParameterValue",
        format_args!("The parameter {} cannot be used: {what}", params.full_name(name)),
    ))
}

/// The tags that `TagSpecification` has for one kind of resource. Kinds in `others` are parsed
/// elsewhere.
pub(super) fn tag_specifications(
    params: &Params,
    kind: &str,
    others: &[&str],
) -> Result<Tags, Ec2Error> {
    let mut tags = Tags::new();
    for specification in params.structs("TagSpecification") {
        let of = specification.required("ResourceType")?;
        if of == kind {
            add_tags(&mut tags, specification)?;
        } else if !others.contains(&of) {
            let of: String = of.chars().take(64).collect();
            return Err(Ec2Error::new(
                "InvalidParameterValue",
                format_args!("'{of}' is not a valid taggable resource type for this operation."),
            ));
        }
    }
    Ok(tags)
}

/// Adds the tags `Tag.N` of a structure.
pub(super) fn add_tags(tags: &mut Tags, params: &Params) -> Result<(), Ec2Error> {
    for tag in params.structs("Tag") {
        let key = tag.get("Key").ok_or_else(|| tag.missing("Key"))?;
        let value = tag.get("Value").unwrap_or_default();
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            let key: String = key.chars().take(128).collect();
            return Err(Ec2Error::new(
                "InvalidParameterValue",
                format_args!("Duplicate tag key '{key}' specified."),
            ));
        }
    }
    Ok(())
}

/// The client token of a request, with a digest of all its other parameters. The digest is stored, so it is
/// of what the client sent and not of our own types, which change from one version to the next.
pub(super) fn client_token(params: &Params) -> Result<Option<ClientToken>, Ec2Error> {
    let Some(token) = params.get("ClientToken").filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    if token.len() > MAX_CLIENT_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let why = "Expecting at most 64 ASCII characters.";
        return Err(params.invalid("ClientToken", token, why).into());
    }
    // A repeat may come from a client of another version, and is signed anew.
    let apart = |name: &str| {
        ["ClientToken", "DryRun", "Version"].contains(&name) || name.starts_with("X-Amz-")
    };
    let digest = Sha256::digest(params.canonical(apart));
    Ok(Some(ClientToken::of_parameters(token, &digest[..16])))
}

/// The error for a well-formed value that is not allowed.
pub(super) fn wrong_value(message: impl Display) -> Ec2Error {
    Ec2Error::new("InvalidParameterValue", message)
}

/// The error if none of several parameters is given.
pub(super) fn missing_one_of(names: &str) -> Ec2Error {
    Ec2Error::from(ParamError::Missing { name: names.to_owned() })
}
