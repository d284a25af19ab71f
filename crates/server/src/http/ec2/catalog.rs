//! The catalog: regions, zones and what an account may do. It is the same for every account.

use aws::filter::{Filters, tag_values};
use aws::params::Params;
use model::{Quota, Region, World, Zone};

use super::describe::{Values, View, one};
use super::input::wrong_value;
use super::request::{Ec2Error, Request};

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
pub(super) fn filtered<T>(
    params: &Params,
    names: &[&str],
    fields: impl Fn(&str, &T) -> Option<Values<'static>>,
    items: impl IntoIterator<Item = T>,
) -> Result<Vec<T>, Ec2Error> {
    let filters = Filters::parse(params)?;
    filters.check_names(|name| names.contains(&name))?;
    let mut matching = Vec::new();
    for item in items {
        // Items of the catalog have no tags and nothing under the other known filters.
        let values = |name: &str| {
            let none = tag_values(name, []);
            Some(none.or_else(|| fields(name, &item)).unwrap_or_default())
        };
        if filters.matches(values)? {
            matching.push(item);
        }
    }
    Ok(matching)
}

/// The items that a list parameter names, or all of them without such a list.
pub(super) fn chosen<T>(
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

/// The quota that an attribute of an account says.
fn quota_of(attribute: &str) -> Option<Quota> {
    match attribute {
        "vpc-max-security-groups-per-interface" => Some(Quota::InterfaceGroups),
        "vpc-max-elastic-ips" => Some(Quota::ElasticIps),
        _ => None,
    }
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
    let account = request.scope.account;
    Ok(request.respond(|x| {
        x.items("accountAttributeSet", attributes, |x, (name, value)| {
            let quota = quota_of(name).and_then(|quota| world.quota(account, quota));
            let quota = quota.map(|most| most.to_string());
            let default = default.as_deref().filter(|_| name == "default-vpc");
            let value = quota.as_deref().or(default).unwrap_or(value);
            x.el("attributeName", name);
            x.items("attributeValueSet", [value], |x, value| x.el("attributeValue", value));
        });
    }))
}
