//! The catalog: regions, zones, images and instance types. It is the same for every account.

use aws::filter::Filters;
use aws::paging::{Paging, page};
use aws::params::Params;
use aws::xml::Xml;
use model::{IMAGES, Image, Region, World, Zone};

use super::describe::{Values, View, one};
use super::input::wrong_value;
use super::request::{Ec2Error, Request};

/// The creation date of the images, which are part of the program.
const IMAGE_DATE: &str = "2026-01-01T00:00:00.000Z";

/// Instance types with their processors and MiB of memory. They are not enforced: instances share
/// the machine.
const INSTANCE_TYPES: [(&str, u32, u32); 5] = [
    ("t3.large", 2, 8192),
    ("t3.medium", 2, 4096),
    ("t3.micro", 2, 1024),
    ("t3.nano", 2, 512),
    ("t3.small", 2, 2048),
];

/// The account attributes, with their values.
const ATTRIBUTES: [(&str, &str); 6] = [
    ("supported-platforms", "VPC"),
    ("max-instances", "1000"),
    ("vpc-max-security-groups-per-interface", "5"),
    ("max-elastic-ips", "0"),
    ("vpc-max-elastic-ips", "0"),
    ("default-vpc", "none"),
];

/// Returns the values that an item has under a filter's name.
type Fields<T> = fn(&str, &T) -> Option<Values<'static>>;

/// The items that pass the request's filters. `names` are the names of all filters.
fn filtered<T>(
    params: &Params,
    names: &[&str],
    fields: Fields<T>,
    items: impl IntoIterator<Item = T>,
) -> Result<Vec<T>, Ec2Error> {
    let filters = Filters::parse(params)?;
    filters.check_names(|name| names.contains(&name))?;
    let mut matching = Vec::new();
    for item in items {
        // Items of the catalog have no tags and nothing under the other known filters.
        if filters.matches(|name| Some(fields(name, &item).unwrap_or_default()))? {
            matching.push(item);
        }
    }
    Ok(matching)
}

/// The items that a list parameter names, or all of them without such a list.
fn chosen<T>(
    params: &Params,
    parameter: &str,
    items: Vec<T>,
    has_name: impl Fn(&T, &str) -> bool,
    unknown: impl Fn(&str) -> Ec2Error,
) -> Result<Vec<T>, Ec2Error> {
    let names: Vec<&str> = params.list(parameter).collect();
    if names.is_empty() {
        return Ok(items);
    }
    if let Some(name) = names.iter().find(|name| !items.iter().any(|item| has_name(item, name))) {
        return Err(unknown(&name.chars().take(64).collect::<String>()));
    }
    Ok(items.into_iter().filter(|item| names.iter().any(|name| has_name(item, name))).collect())
}

/// `DescribeRegions`.
pub(super) fn regions(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    params.bool("AllRegions")?;
    let all = chosen(
        params,
        "RegionName",
        Region::all().collect(),
        |region, name| region.name() == name,
        |name| wrong_value(format_args!("Invalid region name '{name}'")),
    )?;
    let names = ["endpoint", "opt-in-status", "region-name"];
    let fields: Fields<Region> = |name, region| match name {
        "endpoint" => Some(one(endpoint(*region))),
        "opt-in-status" => Some(one("opt-in-not-required")),
        "region-name" => Some(one(region.name())),
        _ => None,
    };
    let regions = filtered(params, &names, fields, all)?;
    Ok(request.respond(|x| {
        x.items("regionInfo", regions, |x, region| {
            x.el("regionName", region);
            x.el("regionEndpoint", endpoint(region));
            x.el("optInStatus", "opt-in-not-required");
        });
    }))
}

fn endpoint(region: Region) -> String {
    format!("ec2.{region}.amazonaws.com")
}

/// `DescribeAvailabilityZones`.
pub(super) fn zones(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    params.bool("AllAvailabilityZones")?;
    let unknown = |name: &str| wrong_value(format_args!("Invalid availability zone: [{name}]"));
    let all: Vec<Zone> = request.scope.region.zones().collect();
    let all = chosen(params, "ZoneName", all, |zone, name| zone.to_string() == name, unknown)?;
    let all = chosen(params, "ZoneId", all, |zone, name| zone.zone_id() == name, unknown)?;
    let names = [
        "group-long-name",
        "group-name",
        "message",
        "opt-in-status",
        "parent-zone-id",
        "parent-zone-name",
        "region-name",
        "state",
        "zone-id",
        "zone-name",
        "zone-type",
    ];
    let fields: Fields<Zone> = |name, zone| match name {
        "group-name" => Some(one(group_name(*zone))),
        "opt-in-status" => Some(one("opt-in-not-required")),
        "region-name" => Some(one(zone.region())),
        "state" => Some(one("available")),
        "zone-id" => Some(one(zone.zone_id())),
        "zone-name" => Some(one(zone)),
        "zone-type" => Some(one("availability-zone")),
        _ => None,
    };
    let zones = filtered(params, &names, fields, all)?;
    Ok(request.respond(|x| {
        x.items("availabilityZoneInfo", zones, |x, zone| {
            x.el("zoneName", zone);
            x.el("zoneId", zone.zone_id());
            x.el("zoneState", "available");
            x.el("zoneType", "availability-zone");
            x.el("regionName", zone.region());
            x.el("groupName", group_name(zone));
            x.el("networkBorderGroup", zone.region());
            x.el("optInStatus", "opt-in-not-required");
            x.items("messageSet", [(); 0], |_, ()| {});
        });
    }))
}

fn group_name(zone: Zone) -> String {
    format!("{}-zg-1", zone.region())
}

/// `DescribeImages`. The images belong to the platform and are public.
pub(super) fn images(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    Paging::parse(params, "DescribeImages", 1..=1000, Some("ImageId"))?;
    for name in ["IncludeDeprecated", "IncludeDisabled"] {
        params.bool(name)?;
    }
    let all = chosen(
        params,
        "ImageId",
        IMAGES.iter().collect(),
        // By id or by name, as RunInstances takes them.
        |image, name| image.id == name || image.name == name,
        |name| {
            let message = format_args!("The image id '[{name}]' does not exist");
            match name.starts_with("ami-") {
                true => Ec2Error::new("InvalidAMIID.NotFound", message),
                false => Ec2Error::new(
                    "InvalidAMIID.Malformed",
                    format_args!("Invalid id: \"{name}\" (expecting \"ami-...\")"),
                ),
            }
        },
    )?;
    let owner = world.settings().map(|settings| settings.platform_account.to_string());
    let theirs = |wanted: &str| wanted == "amazon" || Some(wanted) == owner.as_deref();
    let everybodys = |wanted: &str| wanted == "all";
    let (mut owners, mut users) = (params.list("Owner").peekable(), params.list("ExecutableBy"));
    let asked = (owners.peek().is_none() || owners.any(theirs))
        && users.next().is_none_or(|user| everybodys(user) || users.any(everybodys));
    let fields: Fields<&Image> = |name, image| match name {
        "architecture" => Some(one("x86_64")),
        "description" => Some(one(image.description)),
        "image-id" => Some(one(image.id)),
        "image-type" => Some(one("machine")),
        "is-public" => Some(one(true)),
        "name" => Some(one(image.name)),
        "owner-alias" => Some(one("amazon")),
        "root-device-type" => Some(one("ebs")),
        "state" => Some(one("available")),
        "virtualization-type" => Some(one("hvm")),
        _ => None,
    };
    let names = [
        "architecture",
        "block-device-mapping.volume-type",
        "creation-date",
        "description",
        "ena-support",
        "hypervisor",
        "image-id",
        "image-type",
        "is-public",
        "name",
        "owner-alias",
        "owner-id",
        "platform",
        "platform-details",
        "root-device-type",
        "state",
        "virtualization-type",
    ];
    let images = filtered(params, &names, fields, all.into_iter().filter(|_| asked))?;
    Ok(request.respond(|x| {
        x.items("imagesSet", images, |x, image| write_image(image, owner.as_deref(), x));
    }))
}

fn write_image(image: &Image, owner: Option<&str>, x: &mut Xml) {
    x.el("imageId", image.id);
    x.el("name", image.name);
    x.el("description", image.description);
    x.el("imageLocation", format_args!("amazon/{}", image.name));
    x.el("imageState", "available");
    x.opt("imageOwnerId", owner);
    x.el("imageOwnerAlias", "amazon");
    x.el("isPublic", true);
    x.el("imageType", "machine");
    x.el("architecture", "x86_64");
    x.el("creationDate", IMAGE_DATE);
    x.el("platformDetails", "Linux/UNIX");
    x.el("rootDeviceType", "ebs");
    x.el("rootDeviceName", "/dev/xvda");
    x.items("blockDeviceMapping", [(); 0], |_, ()| {});
    x.el("virtualizationType", "hvm");
    x.el("hypervisor", "xen");
    x.el("enaSupport", true);
}

/// `DescribeInstanceTypes`.
pub(super) fn instance_types(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    params.bool("IncludeUnsupportedInRegion")?;
    let paging = Paging::parse(params, "DescribeInstanceTypes", 5..=100, Some("InstanceType"))?;
    let all = chosen(
        params,
        "InstanceType",
        INSTANCE_TYPES.to_vec(),
        |(size, ..), name| *size == name,
        |name| {
            Ec2Error::new(
                "InvalidInstanceType",
                format_args!("The following supplied instance types do not exist: [{name}]"),
            )
        },
    )?;
    let fields: Fields<(&'static str, u32, u32)> = |name, (size, cpus, memory)| match name {
        "current-generation" | "burstable-performance-supported" => Some(one(true)),
        "bare-metal" => Some(one(false)),
        "instance-type" => Some(one(size)),
        "memory-info.size-in-mib" => Some(one(memory)),
        "processor-info.supported-architecture" => Some(one("x86_64")),
        "vcpu-info.default-vcpus" => Some(one(cpus)),
        _ => None,
    };
    let names = [
        "bare-metal",
        "burstable-performance-supported",
        "current-generation",
        "instance-type",
        "memory-info.size-in-mib",
        "processor-info.supported-architecture",
        "vcpu-info.default-vcpus",
    ];
    let types = filtered(params, &names, fields, all)?;
    let (types, next) = page(types, |(size, ..)| (*size).to_owned(), &paging);
    Ok(request.respond(|x| {
        x.items("instanceTypeSet", types, |x, (size, cpus, memory)| {
            write_instance_type(size, cpus, memory, x);
        });
        x.opt("nextToken", next);
    }))
}

fn write_instance_type(size: &str, cpus: u32, memory: u32, x: &mut Xml) {
    x.el("instanceType", size);
    x.el("currentGeneration", true);
    x.el("freeTierEligible", false);
    x.items("supportedUsageClasses", ["on-demand"], |x, class| x.text(class));
    x.items("supportedRootDeviceTypes", ["ebs"], |x, kind| x.text(kind));
    x.items("supportedVirtualizationTypes", ["hvm"], |x, kind| x.text(kind));
    x.el("bareMetal", false);
    x.el("hypervisor", "xen");
    x.nest("processorInfo", |x| {
        x.items("supportedArchitectures", ["x86_64"], |x, name| x.text(name));
    });
    x.nest("vCpuInfo", |x| x.el("defaultVCpus", cpus));
    x.nest("memoryInfo", |x| x.el("sizeInMiB", memory));
    x.el("instanceStorageSupported", false);
    x.nest("networkInfo", |x| {
        x.el("maximumNetworkInterfaces", 1);
        x.el("ipv4AddressesPerInterface", 1);
        x.el("ipv6Supported", false);
    });
    x.el("burstablePerformanceSupported", true);
    x.el("dedicatedHostsSupported", false);
}

/// `DescribeAccountAttributes`.
pub(super) fn account_attributes(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let attributes = chosen(
        request.params,
        "AttributeName",
        ATTRIBUTES.to_vec(),
        |(known, _), name| *known == name,
        |name| wrong_value(format_args!("The attribute '{name}' is not known")),
    )?;
    let default = View::new(world, request).default_vpc().map(|vpc| vpc.id.to_string());
    Ok(request.respond(|x| {
        x.items("accountAttributeSet", attributes, |x, (name, value)| {
            let value = default.as_deref().filter(|_| name == "default-vpc").unwrap_or(value);
            x.el("attributeName", name);
            x.items("attributeValueSet", [value], |x, value| x.el("attributeValue", value));
        });
    }))
}
