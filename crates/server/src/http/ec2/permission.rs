//! Parsing of security group rules: `IpPermissions.N`, or the flat form of old clients.

use aws::params::Params;
use model::{
    AccountId, Cidr, Direction, Ec2Command, IpProtocol, PortRange, RulePeerSpec, RuleSpec,
    SecurityGroupId, Traffic, World,
};

use super::group::group_of;
use super::input::{self, cidr, id_list, parse_id, wrong_value};
use super::request::{Ec2Error, Request};

/// The longest description of a rule, in characters.
const MAX_DESCRIPTION: usize = 255;
/// The characters that a description may contain beside letters, digits and spaces.
const PUNCTUATION: &str = "._-:/()#,@[]+=&;{}!$*";
const MALFORMED: &str = "InvalidPermission.Malformed";

/// `AuthorizeSecurityGroupIngress`.
pub(super) fn authorize_ingress(
    world: &World,
    request: &Request<'_>,
) -> Result<Ec2Command, Ec2Error> {
    authorize(world, request, Direction::Ingress)
}

/// `AuthorizeSecurityGroupEgress`.
pub(super) fn authorize_egress(
    world: &World,
    request: &Request<'_>,
) -> Result<Ec2Command, Ec2Error> {
    authorize(world, request, Direction::Egress)
}

fn authorize(
    world: &World,
    request: &Request<'_>,
    direction: Direction,
) -> Result<Ec2Command, Ec2Error> {
    let group = group_of(world, request)?;
    let rules = rules(request.params)?;
    if rules.is_empty() {
        return Err(input::missing_one_of("ipPermissions"));
    }
    let tags = input::tag_specifications(request.params, "security-group-rule", &[])?;
    Ok(Ec2Command::AuthorizeSecurityGroup { group, direction, rules, tags })
}

/// `RevokeSecurityGroupIngress`.
pub(super) fn revoke_ingress(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    revoke(world, request, Direction::Ingress)
}

/// `RevokeSecurityGroupEgress`.
pub(super) fn revoke_egress(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    revoke(world, request, Direction::Egress)
}

fn revoke(
    world: &World,
    request: &Request<'_>,
    direction: Direction,
) -> Result<Ec2Command, Ec2Error> {
    let group = group_of(world, request)?;
    let rules = rules(request.params)?;
    let ids = id_list(request.params, "SecurityGroupRuleId")?;
    match (rules.is_empty(), ids.is_empty()) {
        (true, true) => Err(input::missing_one_of("ipPermissions or securityGroupRuleIds")),
        (false, false) => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "Rules are named by ipPermissions or by securityGroupRuleIds, not by both.",
        )),
        _ => Ok(Ec2Command::RevokeSecurityGroup { group, direction, rules, ids }),
    }
}

fn rules(params: &Params) -> Result<Vec<RuleSpec>, Ec2Error> {
    let mut rules = Vec::new();
    for permission in params.structs("IpPermissions") {
        add_permission(&mut rules, permission)?;
    }
    if params.contains("IpProtocol") {
        if !rules.is_empty() {
            return Err(Ec2Error::new(
                "InvalidParameterCombination",
                "The parameter ipPermissions may not be used with the parameter ipProtocol",
            ));
        }
        rules.push(flat(params)?);
    }
    Ok(rules)
}

/// The flat form, which has one rule in the request itself.
fn flat(params: &Params) -> Result<RuleSpec, Ec2Error> {
    let traffic = traffic(params)?;
    let given = |name: &str| params.get(name).filter(|text| !text.is_empty());
    let owner = account(params, "SourceSecurityGroupOwnerId")?;
    let peer = match (given("CidrIp"), given("SourceSecurityGroupName")) {
        (Some(_), None) => RulePeerSpec::Cidr(cidr(params, "CidrIp")?),
        (None, Some(name)) => match name.parse::<SecurityGroupId>() {
            Ok(id) => RulePeerSpec::Group(id, owner),
            Err(_) => RulePeerSpec::GroupNamed(name.to_owned()),
        },
        (None, None) => return Err(no_source()),
        (Some(_), Some(_)) => {
            return Err(Ec2Error::new(
                "InvalidParameterCombination",
                "A rule has one source: a CIDR block or a group.",
            ));
        }
    };
    Ok(RuleSpec { traffic, peer, description: None })
}

fn no_source() -> Ec2Error {
    Ec2Error::new(
        "MissingParameter",
        "Missing source specification: include source security group or CIDR information",
    )
}

fn add_permission(rules: &mut Vec<RuleSpec>, permission: &Params) -> Result<(), Ec2Error> {
    let traffic = traffic(permission)?;
    for (list, what) in [("Ipv6Ranges", "IPv6 blocks"), ("PrefixListIds", "prefix lists")] {
        if permission.structs(list).next().is_some() {
            let name = permission.full_name(list);
            return Err(wrong_value(format_args!(
                "The parameter {name} cannot be used: {what} are not offered, only IPv4 blocks \
                 and groups."
            )));
        }
    }
    let before = rules.len();
    for range in permission.structs("IpRanges") {
        let peer = RulePeerSpec::Cidr(block(range)?);
        rules.push(RuleSpec { traffic, peer, description: description(range)? });
    }
    // The name on the wire is Groups. Some clients send the name that the documentation has.
    for pair in permission.structs("Groups").chain(permission.structs("UserIdGroupPairs")) {
        let peer = group_pair(pair)?;
        rules.push(RuleSpec { traffic, peer, description: description(pair)? });
    }
    if rules.len() == before { Err(no_source()) } else { Ok(()) }
}

fn block(range: &Params) -> Result<Cidr, Ec2Error> {
    let text = range.required("CidrIp")?;
    Cidr::parse_lenient(text).map_err(|_| {
        let text: String = text.chars().take(64).collect();
        wrong_value(format_args!("CIDR block {text} is malformed"))
    })
}

fn group_pair(pair: &Params) -> Result<RulePeerSpec, Ec2Error> {
    // These follow from the group. Clients copy them from a described rule.
    for name in ["VpcId", "VpcPeeringConnectionId", "PeeringStatus"] {
        let _ = pair.get(name);
    }
    let owner = account(pair, "UserId")?;
    let name = pair.get("GroupName").filter(|text| !text.is_empty());
    let Some(text) = pair.get("GroupId").filter(|text| !text.is_empty()) else {
        let name = name.ok_or_else(|| pair.missing("GroupId"))?;
        return Ok(RulePeerSpec::GroupNamed(name.to_owned()));
    };
    // A group across a peering may be given with its owner: 123456789012/sg-….
    match text.split_once('/') {
        Some((owner, id)) => {
            let parsed = owner.parse().map_err(|_| pair.invalid("GroupId", text, "No account."))?;
            Ok(RulePeerSpec::Group(parse_id(id)?, Some(parsed)))
        }
        None => Ok(RulePeerSpec::Group(parse_id(text)?, owner)),
    }
}

fn account(params: &Params, name: &str) -> Result<Option<AccountId>, Ec2Error> {
    let Some(text) = params.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let why = "Expecting an account of 12 digits.";
    Ok(Some(text.parse().map_err(|_| params.invalid(name, text, why))?))
}

fn description(params: &Params) -> Result<Option<String>, Ec2Error> {
    let Some(text) = params.get("Description").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || c == ' ' || PUNCTUATION.contains(c);
    if text.chars().count() > MAX_DESCRIPTION || !text.chars().all(fine) {
        return Err(wrong_value(format_args!(
            "Invalid rule description. Valid descriptions are strings less than 256 characters \
             from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"
        )));
    }
    Ok(Some(text.to_owned()))
}

/// Parses the protocol and the ports.
fn traffic(params: &Params) -> Result<Traffic, Ec2Error> {
    let text = params.required("IpProtocol")?;
    let from = params.integer("FromPort", -1..=65535)?;
    let to = params.integer("ToPort", -1..=65535)?;
    match protocol(text)? {
        None => Ok(Traffic::All),
        Some(IpProtocol::TCP) => ports("TCP", from, to).map(Traffic::Tcp),
        Some(IpProtocol::UDP) => ports("UDP", from, to).map(Traffic::Udp),
        Some(IpProtocol::ICMP) => icmp(from, to),
        Some(other) => Ok(Traffic::Protocol(other)),
    }
}

/// Parses a protocol's name or number. `None` means all protocols.
pub(super) fn protocol(text: &str) -> Result<Option<IpProtocol>, Ec2Error> {
    match text.to_ascii_lowercase().as_str() {
        "-1" | "all" => Ok(None),
        "tcp" => Ok(Some(IpProtocol::TCP)),
        "udp" => Ok(Some(IpProtocol::UDP)),
        "icmp" => Ok(Some(IpProtocol::ICMP)),
        "icmpv6" => Err(wrong_value(
            "The protocol icmpv6 cannot be used: only IPv4 is offered; icmp is that of IPv4.",
        )),
        number => match number.parse() {
            Ok(number) => Ok(Some(IpProtocol(number))),
            Err(_) => {
                let text: String = text.chars().take(64).collect();
                Err(Ec2Error::new(
                    MALFORMED,
                    format_args!("Unsupported IP protocol \"{text}\"; supported: [tcp, udp, icmp]"),
                ))
            }
        },
    }
}

fn ports(protocol: &str, from: Option<i64>, to: Option<i64>) -> Result<PortRange, Ec2Error> {
    let (Some(from), Some(to)) = (from, to) else {
        return Err(wrong_value(
            "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
        ));
    };
    match (u16::try_from(from), u16::try_from(to)) {
        (Ok(from), Ok(to)) if from <= to => Ok(PortRange { from, to }),
        _ => Err(wrong_value(format_args!(
            "Invalid {protocol} port range: {from}-{to}; ports are 0 to 65535, the first one first"
        ))),
    }
}

/// ICMP with its type and code in place of ports; -1 means any.
fn icmp(kind: Option<i64>, code: Option<i64>) -> Result<Traffic, Ec2Error> {
    let (kind, code) = (kind.unwrap_or(-1), code.unwrap_or(-1));
    let read = |value: i64| match value {
        -1 => Ok(None),
        value => u8::try_from(value).map(Some).map_err(|_| {
            wrong_value(format_args!("ICMP type ({kind}) or code ({code}) is out of range"))
        }),
    };
    icmp_traffic(read(kind)?, read(code)?)
}

/// ICMP of a type and a code; `None` means any.
pub(super) fn icmp_traffic(kind: Option<u8>, code: Option<u8>) -> Result<Traffic, Ec2Error> {
    if kind.is_none() && code.is_some() {
        return Err(wrong_value("An ICMP code needs a type: a code alone matches nothing"));
    }
    Ok(Traffic::Icmp { kind, code })
}
