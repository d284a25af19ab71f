//! Reading parameters that many actions have.

use std::fmt::Display;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use aws::params::{ParamError, Params};
use model::{Cidr, ClientToken, PrefixedId, Tags};
use sha2::{Digest, Sha256};

use super::Ec2Error;

/// Longest client token, as EC2 has it.
const MAX_CLIENT_TOKEN: usize = 64;

/// A kind of id: the error for text that is none.
pub(super) trait Named: PrefixedId {
    /// EC2's code.
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
    EniId "InvalidNetworkInterfaceId.Malformed";
    IgwId "InvalidInternetGatewayId.Malformed";
    InstanceId "InvalidInstanceID.Malformed";
    PcxId "InvalidVpcPeeringConnectionId.Malformed";
    RouteTableAssociationId "InvalidAssociationID.Malformed";
    RouteTableId "InvalidRouteTableId.Malformed";
    SecurityGroupId "InvalidGroupId.Malformed";
    SecurityGroupRuleId "InvalidSecurityGroupRuleId.Malformed";
    SubnetId "InvalidSubnetID.Malformed";
    VpcCidrAssociationId "InvalidVpcCidrBlockAssociationID.Malformed";
    VpcId "InvalidVpcID.Malformed";
}

/// The error for text that is no id.
pub(super) fn malformed_id<T: PrefixedId>(code: &'static str, text: &str) -> Ec2Error {
    let text: String = text.chars().take(64).collect();
    Ec2Error::new(code, format_args!("Invalid id: \"{text}\" (expecting \"{}-...\")", T::PREFIX))
}

/// Reads an id.
pub(super) fn parse_id<T: Named>(text: &str) -> Result<T, Ec2Error> {
    text.parse().map_err(|_| malformed_id::<T>(T::MALFORMED, text))
}

/// An id that must be there.
pub(super) fn id<T: Named>(params: &Params, name: &str) -> Result<T, Ec2Error> {
    parse_id(params.required(name)?)
}

/// An id that may be there.
pub(super) fn id_opt<T: Named>(params: &Params, name: &str) -> Result<Option<T>, Ec2Error> {
    params.get(name).filter(|text| !text.is_empty()).map(parse_id).transpose()
}

/// A list of ids.
pub(super) fn id_list<T: Named>(params: &Params, name: &str) -> Result<Vec<T>, Ec2Error> {
    params.list(name).map(parse_id).collect()
}

/// A block that must be there. Bits behind its prefix are cut off, as EC2 does.
pub(super) fn cidr(params: &Params, name: &str) -> Result<Cidr, Ec2Error> {
    let text = params.required(name)?;
    Cidr::parse_lenient(text)
        .map_err(|_| params.invalid(name, text, "This is not a valid CIDR block.").into())
}

/// An address that may be there.
pub(super) fn address_opt(params: &Params, name: &str) -> Result<Option<Ipv4Addr>, Ec2Error> {
    let Some(text) = params.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = text.parse().map_err(|_| params.invalid(name, text, "Invalid IPv4 address."))?;
    Ok(Some(parsed))
}

/// Refuses a parameter that asks for what is not offered, rather than do something else.
pub(super) fn not_offered(params: &Params, names: &[&str], what: &str) -> Result<(), Ec2Error> {
    let Some(name) = names.iter().find(|name| params.contains(name)) else { return Ok(()) };
    Err(Ec2Error::new(
        "InvalidParameterValue",
        format_args!("The parameter {} cannot be used: {what}", params.full_name(name)),
    ))
}

/// The tags that `TagSpecification` has for one kind of resource. Kinds in `others` are read
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

/// The tags `Tag.N` of a structure.
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

/// The request's token, with a digest of `asked`: what else the request says.
pub(super) fn client_token(
    params: &Params,
    asked: &impl std::fmt::Debug,
) -> Result<Option<ClientToken>, Ec2Error> {
    let Some(token) = params.get("ClientToken").filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    if token.len() > MAX_CLIENT_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let why = "Expecting at most 64 ASCII characters.";
        return Err(params.invalid("ClientToken", token, why).into());
    }
    let mut digest = String::new();
    for byte in &Sha256::digest(format!("{asked:?}"))[..16] {
        write!(digest, "{byte:02x}").expect("a String takes everything");
    }
    Ok(Some(ClientToken { token: token.to_owned(), digest, scope: None }))
}

/// An error for a value that was understood and makes no sense.
pub(super) fn wrong_value(message: impl Display) -> Ec2Error {
    Ec2Error::new("InvalidParameterValue", message)
}

/// The error where one of several parameters must be there.
pub(super) fn missing_one_of(names: &str) -> Ec2Error {
    Ec2Error::from(ParamError::Missing { name: names.to_owned() })
}
