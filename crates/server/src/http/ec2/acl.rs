//! Network ACLs.

use aws::params::{ParamError, Params};
use aws::xml::Xml;
use model::{
    AclEntry, AclId, Cidr, Direction, Ec2Command, IpCidr, IpProtocol, Ipv6Cidr, Key, NetworkAcl,
    PortRange, Reply, Subnet, Tags, Timestamp, Traffic, World,
};

use super::describe::{Described, Filter, Stored, Values, View, many, one, write_tags};
use super::input::{self, cidr, id, ipv6_cidr, wrong_value};
use super::request::{Ec2Error, Request};

/// The entry that denies all of IPv4 at the end of every ACL, with its number.
const FINAL: (u16, AclEntry) = (
    NetworkAcl::LAST_ENTRY + 1,
    AclEntry { allow: false, traffic: Traffic::All, cidr: IpCidr::V4(Cidr::ANY) },
);
/// The one that denies all of IPv6, where the VPC has an IPv6 block or the ACL an entry for IPv6.
const FINAL_IPV6: (u16, AclEntry) = (
    NetworkAcl::LAST_ENTRY + 2,
    AclEntry { allow: false, traffic: Traffic::All, cidr: IpCidr::V6(Ipv6Cidr::ANY) },
);

impl Described for NetworkAcl {
    type Id = AclId;
    const SET: &'static str = "networkAclSet";
    const PARAM: &'static str = "NetworkAclId";
    const MALFORMED: &'static str = <AclId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidNetworkAclID.NotFound", "networkAcl ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("association.association-id", |view, acl| {
            many(subnets(view, acl).map(|subnet| subnet.acl_association))
        }),
        ("association.network-acl-id", |view, acl| many(subnets(view, acl).next().map(|_| acl.id))),
        ("association.subnet-id", |view, acl| many(subnets(view, acl).map(|subnet| subnet.id))),
        ("default", |_, acl| one(acl.is_default)),
        ("entry.cidr", |view, acl| {
            values(view, acl, |entry| entry.2.cidr.v4().map(|c| c.to_string()))
        }),
        ("entry.icmp.code", |view, acl| {
            values(view, acl, |entry| Some(icmp(entry.2)?.1.to_string()))
        }),
        ("entry.icmp.type", |view, acl| {
            values(view, acl, |entry| Some(icmp(entry.2)?.0.to_string()))
        }),
        ("entry.ipv6-cidr", |view, acl| {
            values(view, acl, |entry| entry.2.cidr.v6().map(|c| c.to_string()))
        }),
        ("entry.port-range.from", |view, acl| {
            values(view, acl, |entry| Some(ports(entry.2)?.from.to_string()))
        }),
        ("entry.port-range.to", |view, acl| {
            values(view, acl, |entry| Some(ports(entry.2)?.to.to_string()))
        }),
        ("entry.protocol", |view, acl| {
            many(entries(view, acl).flat_map(|entry| protocols(entry.2)))
        }),
        ("entry.rule-action", |view, acl| {
            values(view, acl, |entry| Some(action(entry.2).to_owned()))
        }),
        ("entry.egress", |view, acl| {
            values(view, acl, |entry| Some((entry.0 == Direction::Egress).to_string()))
        }),
        ("entry.rule-number", |view, acl| values(view, acl, |entry| Some(entry.1.to_string()))),
        ("network-acl-id", |_, acl| one(acl.id)),
        ("owner-id", |view, _| one(view.scope.account)),
        ("vpc-id", |_, acl| one(acl.vpc)),
    ];

    fn id(&self) -> AclId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        x.el("networkAclId", self.id);
        x.el("vpcId", self.vpc);
        x.el("ownerId", view.scope.account);
        x.el("default", self.is_default);
        x.items("entrySet", entries(view, self), |x, (direction, n, entry)| {
            x.el("ruleNumber", n);
            x.el("protocol", number(entry));
            x.el("ruleAction", action(entry));
            x.el("egress", direction == Direction::Egress);
            match entry.cidr {
                IpCidr::V4(block) => x.el("cidrBlock", block),
                IpCidr::V6(block) => x.el("ipv6CidrBlock", block),
            }
            if let Some((kind, code)) = icmp(entry) {
                x.nest("icmpTypeCode", |x| {
                    x.el("code", code);
                    x.el("type", kind);
                });
            }
            if let Some(range) = ports(entry) {
                x.nest("portRange", |x| {
                    x.el("from", range.from);
                    x.el("to", range.to);
                });
            }
        });
        x.items("associationSet", subnets(view, self), |x, subnet| {
            x.el("networkAclAssociationId", subnet.acl_association);
            x.el("networkAclId", self.id);
            x.el("subnetId", subnet.id);
        });
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for NetworkAcl {
    fn get<'w>(view: &View<'w>, id: AclId) -> Option<&'w Self> {
        view.world.acl(id).map(|acl| &**acl).filter(|acl| view.vpc(acl.vpc).is_some())
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let inside = |id| view.world.acls_in(Key::Vpc(id)).map(|acl| &**acl);
        view.vpcs().flat_map(|vpc| inside(vpc.id)).collect()
    }
}

fn subnets<'w>(view: &View<'w>, acl: &NetworkAcl) -> impl Iterator<Item = &'w Subnet> + use<'w> {
    view.world.subnets_in(Key::NetworkAcl(acl.id)).map(|subnet| &**subnet)
}

/// The entries of both directions, each with the denials at its end.
fn entries<'a>(
    view: &View<'_>,
    acl: &'a NetworkAcl,
) -> impl Iterator<Item = (Direction, u16, AclEntry)> + use<'a> {
    let directions = [Direction::Egress, Direction::Ingress];
    let has_ipv6 = view.world.vpc(acl.vpc).is_some_and(|vpc| !vpc.ipv6.is_empty())
        || directions.iter().any(|way| acl.entries(*way).values().any(|e| e.cidr.v6().is_some()));
    directions.into_iter().flat_map(move |direction| {
        let made = acl.entries(direction).iter().map(|(number, entry)| (*number, *entry));
        made.chain([FINAL])
            .chain(has_ipv6.then_some(FINAL_IPV6))
            .map(move |(number, entry)| (direction, number, entry))
    })
}

fn values<'v>(
    view: &View<'_>,
    acl: &NetworkAcl,
    value: impl Fn((Direction, u16, AclEntry)) -> Option<String>,
) -> Values<'v> {
    many(entries(view, acl).filter_map(value))
}

/// The number of an entry's protocol. ACLs name protocols by number.
fn number(entry: AclEntry) -> String {
    entry.traffic.protocol().map_or_else(|| "-1".to_owned(), |protocol| protocol.0.to_string())
}

/// What a filter may call the protocol of an entry: its number, or its name where EC2 takes one.
fn protocols(entry: AclEntry) -> Vec<String> {
    let named = |it: &IpProtocol| {
        [IpProtocol::TCP, IpProtocol::UDP, IpProtocol::ICMP].contains(it).then(|| it.to_string())
    };
    let name = entry.traffic.protocol().as_ref().and_then(named);
    [number(entry)].into_iter().chain(name).collect()
}

const fn action(entry: AclEntry) -> &'static str {
    if entry.allow { "allow" } else { "deny" }
}

fn icmp(entry: AclEntry) -> Option<(i16, i16)> {
    let any = |value: Option<u8>| value.map_or(-1, i16::from);
    match entry.traffic {
        Traffic::Icmp { kind, code } | Traffic::Icmpv6 { kind, code } => {
            Some((any(kind), any(code)))
        }
        Traffic::All | Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Protocol(_) => None,
    }
}

const fn ports(entry: AclEntry) -> Option<PortRange> {
    match entry.traffic {
        Traffic::Tcp(ports) | Traffic::Udp(ports) => Some(ports),
        Traffic::All | Traffic::Icmp { .. } | Traffic::Icmpv6 { .. } | Traffic::Protocol(_) => None,
    }
}

/// `CreateNetworkAcl`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let vpc = id(params, "VpcId")?;
    let tags = input::tag_specifications(params, "network-acl", &[])?;
    let client_token = input::client_token(params)?;
    Ok(Ec2Command::CreateNetworkAcl { vpc, client_token, tags })
}

/// The answer to `CreateNetworkAcl`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::NetworkAcl(id)) = reply.main()
            && let Some(acl) = after.acl(id)
        {
            x.nest("networkAcl", |x| acl.write(&view, x));
            x.opt("clientToken", acl.client_token.as_ref().map(|t| t.token.as_str()));
        }
    })
}

/// `DeleteNetworkAcl`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteNetworkAcl { acl: id(request.params, "NetworkAclId")? })
}

/// `CreateNetworkAclEntry`.
pub(super) fn create_entry(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let (acl, direction, number) = place(request)?;
    Ok(Ec2Command::CreateNetworkAclEntry { acl, direction, number, entry: entry(request)? })
}

/// `ReplaceNetworkAclEntry`.
pub(super) fn replace_entry(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let (acl, direction, number) = place(request)?;
    Ok(Ec2Command::ReplaceNetworkAclEntry { acl, direction, number, entry: entry(request)? })
}

/// `DeleteNetworkAclEntry`.
pub(super) fn delete_entry(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let (acl, direction, number) = place(request)?;
    Ok(Ec2Command::DeleteNetworkAclEntry { acl, direction, number })
}

/// The ACL, direction and number of the entry that a request names.
fn place(request: &Request<'_>) -> Result<(AclId, Direction, u16), Ec2Error> {
    let params = request.params;
    let acl = id(params, "NetworkAclId")?;
    let egress = params.bool("Egress")?.ok_or_else(|| params.missing("Egress"))?;
    let number = params
        .integer("RuleNumber", 1..=i64::from(NetworkAcl::LAST_ENTRY))?
        .ok_or_else(|| params.missing("RuleNumber"))?;
    let number = u16::try_from(number).expect("its bounds are those of an entry's number");
    Ok((acl, if egress { Direction::Egress } else { Direction::Ingress }, number))
}

fn entry(request: &Request<'_>) -> Result<AclEntry, Ec2Error> {
    let params = request.params;
    let allow = match params.required("RuleAction")? {
        "allow" => true,
        "deny" => false,
        other => {
            return Err(params.invalid("RuleAction", other, "Expecting allow or deny.").into());
        }
    };
    let given = |name: &str| params.get(name).is_some_and(|text| !text.is_empty());
    let cidr = match (given("CidrBlock"), given("Ipv6CidrBlock")) {
        (true, false) => IpCidr::V4(cidr(params, "CidrBlock")?),
        (false, true) => IpCidr::V6(ipv6_cidr(params, "Ipv6CidrBlock")?),
        (false, false) => return Err(input::missing_one_of("cidrBlock or ipv6CidrBlock")),
        (true, true) => {
            let (name, other) = ("CidrBlock".to_owned(), "Ipv6CidrBlock".to_owned());
            return Err(ParamError::Combination { name, other }.into());
        }
    };
    Ok(AclEntry { allow, traffic: traffic(params, cidr)?, cidr })
}

fn traffic(params: &Params, cidr: IpCidr) -> Result<Traffic, Ec2Error> {
    let text = params.required("Protocol")?;
    // Clients send ports and ICMP types with every protocol. Only those that belong to it count.
    let from = params.integer("PortRange.From", -1..=65535)?;
    let to = params.integer("PortRange.To", -1..=65535)?;
    let kind = params.integer("Icmp.Type", -1..=255)?;
    let code = params.integer("Icmp.Code", -1..=255)?;
    let range = || -> Result<PortRange, Ec2Error> {
        let from = from.ok_or_else(|| input::missing_one_of("portRange"))?;
        let to = to.ok_or_else(|| input::missing_one_of("portRange"))?;
        match (u16::try_from(from), u16::try_from(to)) {
            (Ok(from), Ok(to)) if from <= to => Ok(PortRange { from, to }),
            _ => Err(wrong_value(format_args!(
                "Invalid port range: {from}-{to}; ports are 0 to 65535, the first one first"
            ))),
        }
    };
    let icmp = || {
        let kind = kind.ok_or_else(|| input::missing_one_of("icmpTypeCode"))?;
        let byte = |value: i64| u8::try_from(value).ok();
        match (byte(kind), code.and_then(byte)) {
            (None, Some(_)) => {
                Err(wrong_value("An ICMP code needs a type: a code alone matches nothing"))
            }
            both => Ok(both),
        }
    };
    match protocol(text)? {
        None => Ok(Traffic::All),
        Some(IpProtocol::TCP) => range().map(Traffic::Tcp),
        Some(IpProtocol::UDP) => range().map(Traffic::Udp),
        Some(IpProtocol::ICMP) => icmp().map(|(kind, code)| Traffic::Icmp { kind, code }),
        // With an IPv4 block it means all of the protocol, whatever else is said.
        Some(IpProtocol::ICMPV6) if cidr.v6().is_some() => {
            icmp().map(|(kind, code)| Traffic::Icmpv6 { kind, code })
        }
        Some(other) => Ok(Traffic::Protocol(other)),
    }
}

/// Parses a protocol's number; ACLs know no names. `None` means all protocols.
fn protocol(text: &str) -> Result<Option<IpProtocol>, Ec2Error> {
    if text == "-1" {
        return Ok(None);
    }
    text.parse().map(|number| Some(IpProtocol(number))).map_err(|_| {
        let text: String = text.chars().take(64).collect();
        wrong_value(format_args!("Invalid value '{text}' for IP protocol. Unknown protocol."))
    })
}

/// `ReplaceNetworkAclAssociation`.
pub(super) fn replace_association(
    _: &World,
    request: &Request<'_>,
) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    Ok(Ec2Command::ReplaceNetworkAclAssociation {
        association: id(params, "AssociationId")?,
        acl: id(params, "NetworkAclId")?,
    })
}

/// The answer to `ReplaceNetworkAclAssociation`.
pub(super) fn associated(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let id = match reply.main() {
        Some(Key::Subnet(id)) => after.subnet(id).map(|subnet| subnet.acl_association),
        _ => None,
    };
    request.respond(|x| x.opt("newAssociationId", id))
}
