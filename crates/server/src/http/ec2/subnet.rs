//! Subnets.

use aws::xml::Xml;
use model::{Ec2Command, Key, Reply, Subnet, SubnetId, Tags, Timestamp, World, Zone};

use super::describe::{Described, Filter, Stored, View, nothing, one, write_tags};
use super::input::{self, cidr, id, not_offered};
use super::request::{Ec2Error, Request};

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
        ("available-ip-address-count", |view, subnet| one(free(view, subnet))),
        ("cidr", |_, subnet| one(subnet.cidr)),
        ("cidr-block", |_, subnet| one(subnet.cidr)),
        ("cidrBlock", |_, subnet| one(subnet.cidr)),
        ("customer-owned-ipv4-pool", nothing),
        ("default-for-az", |_, subnet| one(subnet.default_for_zone)),
        ("defaultForAz", |_, subnet| one(subnet.default_for_zone)),
        ("enable-dns64", |_, _| one(false)),
        ("enable-lni-at-device-index", nothing),
        ("ipv6-cidr-block-association.ipv6-cidr-block", nothing),
        ("ipv6-cidr-block-association.association-id", nothing),
        ("ipv6-cidr-block-association.state", nothing),
        ("ipv6-native", |_, _| one(false)),
        ("map-customer-owned-ip-on-launch", |_, _| one(false)),
        ("map-public-ip-on-launch", |_, subnet| one(subnet.map_public_ip)),
        ("outpost-arn", nothing),
        ("owner-id", |view, _| one(view.scope.account)),
        ("private-dns-name-options-on-launch.hostname-type", |_, _| one("ip-name")),
        ("private-dns-name-options-on-launch.enable-resource-name-dns-a-record", |_, _| one(false)),
        ("private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", |_, _| {
            one(false)
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
        write_subnet(self, view, "available", x);
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

/// The number of free addresses in a subnet.
fn free(view: &View<'_>, subnet: &Subnet) -> u64 {
    let (first, last) = (subnet.cidr.base(), subnet.cidr.last());
    let taken = view.world.addresses_between(subnet.vpc, first, last).count();
    (subnet.cidr.size())
        .saturating_sub(Subnet::RESERVED_ADDRESSES)
        .saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX))
}

fn write_subnet(subnet: &Subnet, view: &View<'_>, state: &str, x: &mut Xml) {
    x.el("subnetId", subnet.id);
    x.el("subnetArn", view.arn("subnet", subnet.id));
    x.el("state", state);
    x.el("ownerId", view.scope.account);
    x.el("vpcId", subnet.vpc);
    x.el("cidrBlock", subnet.cidr);
    x.items("ipv6CidrBlockAssociationSet", [(); 0], |_, ()| {});
    x.el("availableIpAddressCount", free(view, subnet));
    x.el("availabilityZone", subnet.zone);
    x.el("availabilityZoneId", subnet.zone.zone_id());
    x.el("defaultForAz", subnet.default_for_zone);
    x.el("mapPublicIpOnLaunch", subnet.map_public_ip);
    x.el("mapCustomerOwnedIpOnLaunch", false);
    x.el("assignIpv6AddressOnCreation", false);
    x.el("enableDns64", false);
    x.el("ipv6Native", false);
    x.nest("privateDnsNameOptionsOnLaunch", |x| {
        x.el("hostnameType", "ip-name");
        x.el("enableResourceNameDnsARecord", false);
        x.el("enableResourceNameDnsAAAARecord", false);
    });
    write_tags(x, Some(&subnet.tags));
}

/// `CreateSubnet`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    const OTHERS: [&str; 5] =
        ["Ipv6CidrBlock", "Ipv4IpamPoolId", "Ipv4NetmaskLength", "Ipv6IpamPoolId", "OutpostArn"];
    let params = request.params;
    not_offered(params, &OTHERS, "only IPv4 blocks that the request names are offered.")?;
    if params.bool("Ipv6Native")? == Some(true) {
        not_offered(params, &["Ipv6Native"], "only IPv4 is offered.")?;
    }
    Ok(Ec2Command::CreateSubnet {
        vpc: id(params, "VpcId")?,
        cidr: cidr(params, "CidrBlock")?,
        zone: zone(request)?,
        tags: input::tag_specifications(params, "subnet", &[])?,
    })
}

fn zone(request: &Request<'_>) -> Result<Option<Zone>, Ec2Error> {
    let params = request.params;
    let find = |name: &str| match params.get(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => Zone::find(text)
            .map(Some)
            .ok_or_else(|| params.invalid(name, text, "There is no such availability zone.")),
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

/// The answer to `CreateSubnet`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::Subnet(id)) = reply.main()
            && let Some(subnet) = after.subnet(id)
        {
            x.nest("subnet", |x| write_subnet(subnet, &view, "pending", x));
        }
    })
}

/// `DeleteSubnet`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteSubnet { subnet: id(request.params, "SubnetId")? })
}
