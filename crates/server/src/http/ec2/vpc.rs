//! VPCs.

use aws::xml::Xml;
use model::{
    Ec2Command, Key, NewVpc, Reply, Tags, Tenancy, Timestamp, Vpc, VpcAttribute, VpcId, World,
};

use super::describe::{Described, Filter, Stored, View, many, one, write_tags};
use super::input::{self, cidr, id};
use super::request::{Ec2Error, Request};
use super::vpc_block::{POOL, wants_ipv6, write_block, write_ipv6_block};

/// Makes the new value of an attribute.
type Change = fn(bool) -> VpcAttribute;

const ATTRIBUTES: [(&str, Change); 3] = [
    ("EnableDnsSupport", VpcAttribute::DnsSupport),
    ("EnableDnsHostnames", VpcAttribute::DnsHostnames),
    ("EnableNetworkAddressUsageMetrics", VpcAttribute::UsageMetrics),
];

impl Described for Vpc {
    type Id = VpcId;
    const SET: &'static str = "vpcSet";
    const PARAM: &'static str = "VpcId";
    const MALFORMED: &'static str = <VpcId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidVpcID.NotFound", "vpc ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("cidr", |_, vpc| one(vpc.primary())),
        ("cidr-block", |_, vpc| one(vpc.primary())),
        ("cidr-block-association.cidr-block", |_, vpc| many(vpc.blocks())),
        ("cidr-block-association.association-id", |_, vpc| many(vpc.cidrs.iter().map(|c| c.id))),
        ("cidr-block-association.state", |_, _| one("associated")),
        ("dhcp-options-id", |_, vpc| one(dhcp_options(vpc))),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |_, vpc| many(vpc.ipv6_blocks())),
        ("ipv6-cidr-block-association.ipv6-pool", |_, vpc| many(vpc.ipv6.iter().map(|_| POOL))),
        ("ipv6-cidr-block-association.association-id", |_, vpc| {
            many(vpc.ipv6.iter().map(|block| block.id))
        }),
        ("ipv6-cidr-block-association.state", |_, vpc| many(vpc.ipv6.iter().map(|_| "associated"))),
        ("is-default", |_, vpc| one(vpc.is_default)),
        ("isDefault", |_, vpc| one(vpc.is_default)),
        ("owner-id", |_, vpc| one(vpc.account)),
        ("state", |_, _| one("available")),
        ("vpc-id", |_, vpc| one(vpc.id)),
    ];

    fn id(&self) -> VpcId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, _: &View<'_>, x: &mut Xml) {
        write_vpc(self, "available", "associated", x);
    }
}

impl Stored for Vpc {
    fn get<'w>(view: &View<'w>, id: VpcId) -> Option<&'w Self> {
        view.vpc(id).map(|vpc| &**vpc)
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        view.vpcs().collect()
    }
}

/// The id of the VPC's option set, or EC2's word for none.
fn dhcp_options(vpc: &Vpc) -> String {
    vpc.dhcp_options.map_or_else(|| "default".to_owned(), |id| id.to_string())
}

/// Writes a VPC and its IPv6 blocks as ones in these states.
fn write_vpc(vpc: &Vpc, state: &str, ipv6_state: &str, x: &mut Xml) {
    x.el("vpcId", vpc.id);
    x.el("ownerId", vpc.account);
    x.el("state", state);
    x.el("cidrBlock", vpc.primary());
    x.items("cidrBlockAssociationSet", &vpc.cidrs, |x, block| {
        write_block(*block, "associated", x);
    });
    if !vpc.ipv6.is_empty() {
        x.items("ipv6CidrBlockAssociationSet", &vpc.ipv6, |x, block| {
            write_ipv6_block(vpc, *block, ipv6_state, x);
        });
    }
    x.el("dhcpOptionsId", dhcp_options(vpc));
    x.el("instanceTenancy", vpc.tenancy.name());
    x.el("isDefault", vpc.is_default);
    x.nest("blockPublicAccessStates", |x| x.el("internetGatewayBlockMode", "off"));
    write_tags(x, Some(&vpc.tags));
}

/// `CreateVpc`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let ipv6 = wants_ipv6(request)?;
    let tenancy = match params.get("InstanceTenancy").filter(|name| !name.is_empty()) {
        None => Tenancy::default(),
        Some(name) => Tenancy::find(name).ok_or_else(|| {
            params.invalid("InstanceTenancy", name, "Expecting default or dedicated.")
        })?,
    };
    let tags = input::tag_specifications(params, "vpc", &[])?;
    let cidr = cidr(params, "CidrBlock")?;
    Ok(Ec2Command::CreateVpc(NewVpc { cidr, ipv6, tenancy, tags }))
}

/// The answer to `CreateVpc`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| {
        if let Some(Key::Vpc(id)) = reply.main()
            && let Some(vpc) = after.vpc(id)
        {
            x.nest("vpc", |x| write_vpc(vpc, "pending", "associating", x));
        }
    })
}

/// `DeleteVpc`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteVpc { vpc: id(request.params, "VpcId")? })
}

/// `ModifyVpcAttribute`.
pub(super) fn modify_attribute(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let vpc = id(params, "VpcId")?;
    let mut given = Vec::new();
    for (name, make) in ATTRIBUTES {
        given.extend(params.bool(&format!("{name}.Value"))?.map(make));
    }
    match *given.as_slice() {
        [attribute] => Ok(Ec2Command::ModifyVpcAttribute { vpc, attribute }),
        [] => Err(input::missing_one_of(
            "EnableDnsSupport, EnableDnsHostnames or EnableNetworkAddressUsageMetrics",
        )),
        [..] => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "Fields for multiple attribute types specified; one can be changed at a time",
        )),
    }
}

/// `ModifyVpcTenancy`.
pub(super) fn modify_tenancy(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let vpc = id(params, "VpcId")?;
    match params.required("InstanceTenancy")? {
        "default" => Ok(Ec2Command::ModifyVpcTenancy { vpc }),
        other => {
            let other: String = other.chars().take(64).collect();
            Err(Ec2Error::new(
                "UnsupportedTenancy",
                format_args!("The tenancy value {other} is not supported."),
            ))
        }
    }
}

/// `CreateDefaultVpc`. Its answer is that of `CreateVpc`.
pub(super) fn create_default(_: &World, _: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::CreateDefaultVpc)
}

/// `DescribeVpcAttribute`.
pub(super) fn describe_attribute(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let id: VpcId = id(request.params, "VpcId")?;
    let vpc = view.vpc(id).ok_or_else(|| super::describe::not_found::<Vpc>(id))?;
    let name = request.params.required("Attribute")?;
    let (element, value) = match name {
        "enableDnsSupport" => ("enableDnsSupport", vpc.dns_support),
        "enableDnsHostnames" => ("enableDnsHostnames", vpc.dns_hostnames),
        "enableNetworkAddressUsageMetrics" => {
            ("enableNetworkAddressUsageMetrics", vpc.usage_metrics)
        }
        _ => {
            let why = "Expecting enableDnsSupport, enableDnsHostnames or \
                       enableNetworkAddressUsageMetrics.";
            return Err(request.params.invalid("Attribute", name, why).into());
        }
    };
    Ok(request.respond(|x| {
        x.el("vpcId", vpc.id);
        x.nest(element, |x| x.el("value", value));
    }))
}
