//! Parsing of security group rules: `IpPermissions.N`, or the flat form of old clients.

use aws::params::{ParamError, Params};
use model::{
    AccountId, Cidr, Direction, Ec2Command, IpProtocol, Ipv6Cidr, PortRange, RulePeerSpec,
    RuleSpec, SecurityGroupId, Traffic, World,
};

use super::group::group_of;
use super::input::{self, cidr, id, id_list, parse_id, wrong_value};
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
    let rules = rules(request.params, true)?;
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
    let rules = rules(request.params, true)?;
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

/// `ModifySecurityGroupRules`.
pub(super) fn modify(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let group = id(params, "GroupId")?;
    let mut rules = Vec::new();
    for update in params.structs("SecurityGroupRule") {
        let id = id(update, "SecurityGroupRuleId")?;
        let rule = update.structure("SecurityGroupRule");
        let rule = rule.ok_or_else(|| update.missing("SecurityGroupRule"))?;
        rules.push((id, single(rule)?));
    }
    if rules.is_empty() {
        return Err(input::missing_one_of("securityGroupRules"));
    }
    Ok(Ec2Command::ModifySecurityGroupRules { group, rules })
}

/// A rule that has one source, by the name of its kind.
fn single(rule: &Params) -> Result<RuleSpec, Ec2Error> {
    let traffic = traffic(rule)?;
    let given = |name: &str| rule.get(name).filter(|text| !text.is_empty());
    let sources = ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"];
    let sources: Vec<_> =
        sources.into_iter().filter_map(|name| Some((name, given(name)?))).collect();
    let peer = match *sources.as_slice() {
        [("CidrIpv4", text)] => RulePeerSpec::Cidr(block(text)?),
        [("CidrIpv6", text)] => RulePeerSpec::Ipv6(block6(text)?),
        [("PrefixListId", text)] => RulePeerSpec::PrefixList(parse_id(text)?),
        [(_, text)] => group_id(rule, "ReferencedGroupId", text, None)?,
        [] => return Err(no_source()),
        [(one, _), (other, _), ..] => {
            let (name, other) = (rule.full_name(one), rule.full_name(other));
            return Err(ParamError::Combination { name, other }.into());
        }
    };
    Ok(RuleSpec { traffic, peer, description: description(rule)? })
}

/// `UpdateSecurityGroupRuleDescriptionsIngress`.
pub(super) fn describe_ingress(
    world: &World,
    request: &Request<'_>,
) -> Result<Ec2Command, Ec2Error> {
    describe(world, request, Direction::Ingress)
}

/// `UpdateSecurityGroupRuleDescriptionsEgress`.
pub(super) fn describe_egress(
    world: &World,
    request: &Request<'_>,
) -> Result<Ec2Command, Ec2Error> {
    describe(world, request, Direction::Egress)
}

fn describe(
    world: &World,
    request: &Request<'_>,
    direction: Direction,
) -> Result<Ec2Command, Ec2Error> {
    let group = group_of(world, request)?;
    let rules = rules(request.params, false)?;
    let mut ids = Vec::new();
    for update in request.params.structs("SecurityGroupRuleDescription") {
        ids.push((id(update, "SecurityGroupRuleId")?, description(update)?));
    }
    match (rules.is_empty(), ids.is_empty()) {
        (true, true) => {
            Err(input::missing_one_of("ipPermissions or securityGroupRuleDescriptions"))
        }
        (false, false) => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "The parameter 'ipPermissions' may not be used in combination with \
             'securityGroupRuleDescriptions'.",
        )),
        _ => Ok(Ec2Command::DescribeSecurityGroupRules { group, direction, rules, ids }),
    }
}

/// The rules of a request, which may have the flat form or not.
fn rules(params: &Params, flat_too: bool) -> Result<Vec<RuleSpec>, Ec2Error> {
    let mut rules = Vec::new();
    for permission in params.structs("IpPermissions") {
        add_permission(&mut rules, permission)?;
    }
    let is_flat = ["IpProtocol", "SourceSecurityGroupName"].iter().any(|n| params.contains(n));
    if flat_too && is_flat {
        if !rules.is_empty() {
            return Err(Ec2Error::new(
                "InvalidParameterCombination",
                "The parameter ipPermissions may not be used with the parameter ipProtocol",
            ));
        }
        rules = flat(params)?;
    }
    Ok(rules)
}

/// The flat form, which has one rule in the request itself; or a source group alone, which is granted all of
/// TCP, UDP and ICMP.
fn flat(params: &Params) -> Result<Vec<RuleSpec>, Ec2Error> {
    let traffic = match params.get("IpProtocol") {
        None => [IpProtocol::TCP, IpProtocol::UDP, IpProtocol::ICMP].map(Traffic::whole).to_vec(),
        Some(_) => vec![traffic(params)?],
    };
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
    let rule = |traffic| RuleSpec { traffic, peer: peer.clone(), description: None };
    Ok(traffic.into_iter().map(rule).collect())
}

fn no_source() -> Ec2Error {
    Ec2Error::new(
        "MissingParameter",
        "Missing source specification: include source security group or CIDR information",
    )
}

fn add_permission(rules: &mut Vec<RuleSpec>, permission: &Params) -> Result<(), Ec2Error> {
    let traffic = traffic(permission)?;
    let before = rules.len();
    for range in permission.structs("IpRanges") {
        let peer = RulePeerSpec::Cidr(block(range.required("CidrIp")?)?);
        rules.push(RuleSpec { traffic, peer, description: description(range)? });
    }
    for range in permission.structs("Ipv6Ranges") {
        let peer = RulePeerSpec::Ipv6(block6(range.required("CidrIpv6")?)?);
        rules.push(RuleSpec { traffic, peer, description: description(range)? });
    }
    for list in permission.structs("PrefixListIds") {
        let peer = RulePeerSpec::PrefixList(id(list, "PrefixListId")?);
        rules.push(RuleSpec { traffic, peer, description: description(list)? });
    }
    // The name on the wire is Groups. Some clients send the name that the documentation has.
    for pair in permission.structs("Groups").chain(permission.structs("UserIdGroupPairs")) {
        let peer = group_pair(pair)?;
        rules.push(RuleSpec { traffic, peer, description: description(pair)? });
    }
    if rules.len() == before { Err(no_source()) } else { Ok(()) }
}

fn block(text: &str) -> Result<Cidr, Ec2Error> {
    Cidr::parse_lenient(text).map_err(|_| malformed_block(text))
}

fn block6(text: &str) -> Result<Ipv6Cidr, Ec2Error> {
    Ipv6Cidr::parse_lenient(text).map_err(|_| malformed_block(text))
}

fn malformed_block(text: &str) -> Ec2Error {
    let text: String = text.chars().take(64).collect();
    wrong_value(format_args!("CIDR block {text} is malformed"))
}

fn group_pair(pair: &Params) -> Result<RulePeerSpec, Ec2Error> {
    let owner = account(pair, "UserId")?;
    let name = pair.get("GroupName").filter(|text| !text.is_empty());
    let Some(text) = pair.get("GroupId").filter(|text| !text.is_empty()) else {
        let name = name.ok_or_else(|| pair.missing("GroupId"))?;
        return Ok(RulePeerSpec::GroupNamed(name.to_owned()));
    };
    group_id(pair, "GroupId", text, owner)
}

/// A group by id. One across a peering may be given with its owner: 123456789012/sg-….
fn group_id(
    params: &Params,
    name: &str,
    text: &str,
    owner: Option<AccountId>,
) -> Result<RulePeerSpec, Ec2Error> {
    match text.split_once('/') {
        Some((owner, id)) => {
            let parsed = owner.parse().map_err(|_| params.invalid(name, text, "No account."))?;
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
        Some(IpProtocol::ICMP) => {
            let (kind, code) = icmp(from, to)?;
            Ok(Traffic::Icmp { kind, code })
        }
        Some(IpProtocol::ICMPV6) => {
            let (kind, code) = icmp(from, to)?;
            Ok(Traffic::Icmpv6 { kind, code })
        }
        Some(other) => Ok(Traffic::Protocol(other)),
    }
}

/// Parses a protocol's name or number. `None` means all protocols.
fn protocol(text: &str) -> Result<Option<IpProtocol>, Ec2Error> {
    match text.to_ascii_lowercase().as_str() {
        "-1" | "all" => Ok(None),
        "tcp" => Ok(Some(IpProtocol::TCP)),
        "udp" => Ok(Some(IpProtocol::UDP)),
        "icmp" => Ok(Some(IpProtocol::ICMP)),
        "icmpv6" => Ok(Some(IpProtocol::ICMPV6)),
        number => match number.parse() {
            Ok(number) => Ok(Some(IpProtocol(number))),
            Err(_) => {
                let text: String = text.chars().take(64).collect();
                Err(Ec2Error::new(
                    MALFORMED,
                    format_args!(
                        "Unsupported IP protocol \"{text}\"; supported: [tcp, udp, icmp, icmpv6]"
                    ),
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
fn icmp(kind: Option<i64>, code: Option<i64>) -> Result<(Option<u8>, Option<u8>), Ec2Error> {
    let (kind, code) = (kind.unwrap_or(-1), code.unwrap_or(-1));
    let read = |value: i64| match value {
        -1 => Ok(None),
        value => u8::try_from(value).map(Some).map_err(|_| {
            wrong_value(format_args!("ICMP type ({kind}) or code ({code}) is out of range"))
        }),
    };
    match (read(kind)?, read(code)?) {
        (None, Some(_)) => {
            Err(wrong_value("An ICMP code needs a type: a code alone matches nothing"))
        }
        both => Ok(both),
    }
}
