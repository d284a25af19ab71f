//! Subnets.

use aws::xml::Xml;
use model::{
    Ec2Command, HostnameType, Key, NewSubnet, Reply, Subnet, SubnetAttribute, SubnetId, Tags,
    Timestamp, World, Zone,
};

use super::describe::{Described, Filter, Stored, View, many, nothing, one, write_tags};
use super::input::{self, cidr, id, not_offered};
use super::request::{Ec2Error, Request};
use super::subnet_block::{named, write_block};

impl Described for Subnet {
    type Id = SubnetId;
    const SET: &'static str = "subnetSet";
    const PARAM: &'static str = "SubnetId";
    const MALFORMED: &'static str = <SubnetId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidSubnetID.NotFound", "subnet ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("availability-zone", |_, subnet| one(subnet.zone)),
        ("availabilityZone", |_, subnet| one(subnet.zone)),
        ("availability-zone-id", |_, subnet| one(subnet.zone.zone_id())),
        ("available-ip-address-count", |view, subnet| one(view.world.available_addresses(subnet))),
        ("cidr", |_, subnet| one(subnet.cidr)),
        ("cidr-block", |_, subnet| one(subnet.cidr)),
        ("cidrBlock", |_, subnet| one(subnet.cidr)),
        ("customer-owned-ipv4-pool", nothing),
        ("default-for-az", |_, subnet| one(subnet.default_for_zone)),
        ("defaultForAz", |_, subnet| one(subnet.default_for_zone)),
        ("enable-dns64", |_, subnet| one(subnet.launch.dns64)),
        ("enable-lni-at-device-index", |_, subnet| many(subnet.launch.lni_device_index)),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |_, subnet| {
            many(subnet.ipv6.map(|block| block.cidr))
        }),
        ("ipv6-cidr-block-association.association-id", |_, subnet| {
            many(subnet.ipv6.map(|block| block.id))
        }),
        ("ipv6-cidr-block-association.state", |_, subnet| many(subnet.ipv6.map(|_| "associated"))),
        ("ipv6-native", |_, _| one(false)),
        ("map-customer-owned-ip-on-launch", |_, _| one(false)),
        ("map-public-ip-on-launch", |_, subnet| one(subnet.map_public_ip)),
        ("outpost-arn", nothing),
        ("owner-id", |view, _| one(view.scope.account)),
        ("private-dns-name-options-on-launch.hostname-type", |_, subnet| {
            one(subnet.launch.hostname_type.name())
        }),
        ("private-dns-name-options-on-launch.enable-resource-name-dns-a-record", |_, subnet| {
            one(subnet.launch.resource_name_a)
        }),
        ("private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", |_, subnet| {
            one(subnet.launch.resource_name_aaaa)
        }),
        ("state", |_, _| one("available")),
        ("subnet-arn", |view, subnet| one(view.arn("subnet", subnet.id))),
        ("subnet-id", |_, subnet| one(subnet.id)),
        ("vpc-id", |_, subnet| one(subnet.vpc)),
    ];

    fn id(&self) -> SubnetId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        write_subnet(self, view, ("available", "associated"), x);
    }
}

impl Stored for Subnet {
    fn get<'w>(view: &View<'w>, id: SubnetId) -> Option<&'w Self> {
        view.world.subnet(id).map(|s| &**s).filter(|s| view.vpc(s.vpc).is_some())
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let inside = |id| view.world.subnets_in(Key::Vpc(id)).map(|subnet| &**subnet);
        view.vpcs().flat_map(|vpc| inside(vpc.id)).collect()
    }
}

fn write_subnet(subnet: &Subnet, view: &View<'_>, (state, ipv6_state): (&str, &str), x: &mut Xml) {
    x.el("subnetId", subnet.id);
    x.el("subnetArn", view.arn("subnet", subnet.id));
    x.el("state", state);
    x.el("ownerId", view.scope.account);
    x.el("vpcId", subnet.vpc);
    x.el("cidrBlock", subnet.cidr);
    x.items("ipv6CidrBlockAssociationSet", subnet.ipv6, |x, block| {
        write_block(block, ipv6_state, x);
    });
    x.el("availableIpAddressCount", view.world.available_addresses(subnet));
    x.el("availabilityZone", subnet.zone);
    x.el("availabilityZoneId", subnet.zone.zone_id());
    x.el("defaultForAz", subnet.default_for_zone);
    x.el("mapPublicIpOnLaunch", subnet.map_public_ip);
    x.el("mapCustomerOwnedIpOnLaunch", false);
    x.el("assignIpv6AddressOnCreation", subnet.launch.assign_ipv6);
    x.el("enableDns64", subnet.launch.dns64);
    x.opt("enableLniAtDeviceIndex", subnet.launch.lni_device_index);
    x.el("ipv6Native", false);
    x.nest("privateDnsNameOptionsOnLaunch", |x| {
        x.el("hostnameType", subnet.launch.hostname_type.name());
        x.el("enableResourceNameDnsARecord", subnet.launch.resource_name_a);
        x.el("enableResourceNameDnsAAAARecord", subnet.launch.resource_name_aaaa);
    });
    x.nest("blockPublicAccessStates", |x| x.el("internetGatewayBlockMode", "off"));
    write_tags(x, Some(&subnet.tags));
}

/// `CreateSubnet`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    const OTHERS: [&str; 3] = ["Ipv4IpamPoolId", "Ipv4NetmaskLength", "OutpostArn"];
    let params = request.params;
    not_offered(params, &OTHERS, "only blocks that the request names are offered.")?;
    if params.bool("Ipv6Native")? == Some(true) {
        not_offered(params, &["Ipv6Native"], "every subnet has an IPv4 block.")?;
    }
    Ok(Ec2Command::CreateSubnet(NewSubnet {
        vpc: id(params, "VpcId")?,
        cidr: cidr(params, "CidrBlock")?,
        ipv6: named(request)?,
        zone: zone(request)?,
        tags: input::tag_specifications(params, "subnet", &[])?,
    }))
}

fn zone(request: &Request<'_>) -> Result<Option<Zone>, Ec2Error> {
    let params = request.params;
    let find = |name: &str| match params.get(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => Zone::find(text).map(Some).ok_or_else(|| {
            let zones = request.scope.region.zones();
            let zones: Vec<String> = match name {
                "AvailabilityZoneId" => zones.map(Zone::zone_id).collect(),
                _ => zones.map(|zone| zone.to_string()).collect(),
            };
            let why = format!(
                "Subnets can currently only be created in the following availability zones: {}.",
                zones.join(", ")
            );
            params.invalid(name, text, &why)
        }),
    };
    let (by_name, by_id) = (find("AvailabilityZone")?, find("AvailabilityZoneId")?);
    if by_name.is_some() && by_id.is_some() {
        return Err(Ec2Error::new(
            "InvalidParameterCombination",
            "Only one of availabilityZone and availabilityZoneId can be specified",
        ));
    }
    Ok(by_name.or(by_id))
}

/// `CreateDefaultSubnet`. Its answer is that of `CreateSubnet`.
pub(super) fn create_default(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    if request.params.bool("Ipv6Native")? == Some(true) {
        not_offered(request.params, &["Ipv6Native"], "a default subnet has an IPv4 block.")?;
    }
    let zone = zone(request)?
        .ok_or_else(|| input::missing_one_of("availabilityZone or availabilityZoneId"))?;
    Ok(Ec2Command::CreateDefaultSubnet { zone })
}

/// The answer to `CreateSubnet`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::Subnet(id)) = reply.main()
            && let Some(subnet) = after.subnet(id)
        {
            x.nest("subnet", |x| write_subnet(subnet, &view, ("pending", "associating"), x));
        }
    })
}

/// `DeleteSubnet`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteSubnet { subnet: id(request.params, "SubnetId")? })
}

/// Makes the new value of an attribute that is on or off.
type Switch = fn(bool) -> SubnetAttribute;

const SWITCHES: [(&str, Switch); 5] = [
    ("AssignIpv6AddressOnCreation", SubnetAttribute::AssignIpv6),
    ("EnableDns64", SubnetAttribute::Dns64),
    ("EnableResourceNameDnsARecordOnLaunch", SubnetAttribute::ResourceNameA),
    ("EnableResourceNameDnsAAAARecordOnLaunch", SubnetAttribute::ResourceNameAaaa),
    ("MapPublicIpOnLaunch", SubnetAttribute::MapPublicIp),
];

/// `ModifySubnetAttribute`.
pub(super) fn modify_attribute(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let subnet = id(params, "SubnetId")?;
    let outposts = ["MapCustomerOwnedIpOnLaunch", "CustomerOwnedIpv4Pool"];
    not_offered(params, &outposts, "there are no Outposts, which alone have such addresses.")?;
    let mut given = Vec::new();
    for (name, make) in SWITCHES {
        given.extend(params.bool(&format!("{name}.Value"))?.map(make));
    }
    if let Some(name) = params.get("PrivateDnsHostnameTypeOnLaunch") {
        let kind = HostnameType::find(name).ok_or_else(|| {
            let why = "Expecting ip-name or resource-name.";
            params.invalid("PrivateDnsHostnameTypeOnLaunch", name, why)
        })?;
        given.push(SubnetAttribute::HostnameType(kind));
    }
    let index = params.integer("EnableLniAtDeviceIndex", 1..=15)?;
    let index = index.and_then(|index| u16::try_from(index).ok());
    given.extend(index.map(|index| SubnetAttribute::LniDeviceIndex(Some(index))));
    if params.bool("DisableLniAtDeviceIndex.Value")? == Some(true) {
        given.push(SubnetAttribute::LniDeviceIndex(None));
    }
    match *given.as_slice() {
        [attribute] => Ok(Ec2Command::ModifySubnetAttribute { subnet, attribute }),
        [] => Err(input::missing_one_of("MapPublicIpOnLaunch or another attribute")),
        [..] => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "Fields for multiple attribute types specified; one can be changed at a time",
        )),
    }
}
