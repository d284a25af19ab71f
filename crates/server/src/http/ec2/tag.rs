//! Tags.

use aws::filter::Filters;
use aws::paging::{Paging, page};
use model::{
    DhcpOptions, Ec2Command, EgressGateway, ElasticIp, Eni, FlowLog, Instance, InternetGateway,
    KeyPair, NatGateway, NetworkAcl, NetworkInsightsAnalysis, NetworkInsightsPath, Peering,
    PrefixList, RootVolume, RouteTable, SecurityGroup, Subnet, SubnetReservation, TaggedResource,
    Tags, Timestamp, Vpc, World,
};

use super::describe::{Described, Stored, USUAL_PAGE, View, one};
use super::input::{self, missing_one_of};
use super::request::{Ec2Error, Request};

/// `CreateTags`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let mut tags = Tags::new();
    input::add_tags(&mut tags, request.params)?;
    if tags.is_empty() {
        return Err(missing_one_of("tagSet"));
    }
    Ok(Ec2Command::CreateTags { resources: resources(request)?, tags })
}

/// `DeleteTags`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let mut tags = Vec::new();
    for tag in request.params.structs("Tag") {
        let key = tag.get("Key").ok_or_else(|| tag.missing("Key"))?.to_owned();
        tags.push((key, tag.get("Value").map(str::to_owned)));
    }
    Ok(Ec2Command::DeleteTags { resources: resources(request)?, tags })
}

fn resources(request: &Request<'_>) -> Result<Vec<TaggedResource>, Ec2Error> {
    let mut resources = Vec::new();
    for text in request.params.list("ResourceId") {
        let resource = resource(text).ok_or_else(|| {
            let text: String = text.chars().take(64).collect();
            Ec2Error::new("InvalidID", format_args!("The ID '{text}' is not valid"))
        })?;
        if !resources.contains(&resource) {
            resources.push(resource);
        }
    }
    if resources.is_empty() { Err(missing_one_of("resourceIdSet")) } else { Ok(resources) }
}

/// The kind of resource that an id names, by its prefix.
fn resource(text: &str) -> Option<TaggedResource> {
    let (prefix, _) = text.rsplit_once('-')?;
    let resource = match prefix {
        "acl" => TaggedResource::NetworkAcl(text.parse().ok()?),
        "dopt" => TaggedResource::DhcpOptions(text.parse().ok()?),
        "eigw" => TaggedResource::EgressGateway(text.parse().ok()?),
        "eipalloc" => TaggedResource::ElasticIp(text.parse().ok()?),
        "eni" => TaggedResource::Eni(text.parse().ok()?),
        "fl" => TaggedResource::FlowLog(text.parse().ok()?),
        "i" => TaggedResource::Instance(text.parse().ok()?),
        "igw" => TaggedResource::InternetGateway(text.parse().ok()?),
        "key" => TaggedResource::KeyPair(text.parse().ok()?),
        "nat" => TaggedResource::NatGateway(text.parse().ok()?),
        "nia" => TaggedResource::NetworkInsightsAnalysis(text.parse().ok()?),
        "nip" => TaggedResource::NetworkInsightsPath(text.parse().ok()?),
        "pcx" => TaggedResource::Peering(text.parse().ok()?),
        "pl" => TaggedResource::PrefixList(text.parse().ok()?),
        "rtb" => TaggedResource::RouteTable(text.parse().ok()?),
        "sg" => TaggedResource::SecurityGroup(text.parse().ok()?),
        "sgr" => TaggedResource::GroupRule(text.parse().ok()?),
        "scr" => TaggedResource::SubnetReservation(text.parse().ok()?),
        "subnet" => TaggedResource::Subnet(text.parse().ok()?),
        "vol" => TaggedResource::Volume(text.parse().ok()?),
        "vpc" => TaggedResource::Vpc(text.parse().ok()?),
        _ => return None,
    };
    Some(resource)
}

/// One tag of one resource.
struct Tagged<'w> {
    resource: String,
    kind: &'static str,
    key: &'w str,
    value: &'w str,
    /// The creation time of the tagged resource, in milliseconds.
    created: i64,
}

/// `DescribeTags`.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let paging = Paging::parse(params, "DescribeTags", USUAL_PAGE, None)?;
    let filters = Filters::parse(params)?;
    filters
        .check_names(|name| matches!(name, "key" | "resource-id" | "resource-type" | "value"))?;
    let view = View::new(world, request);
    let mut tags = Vec::new();
    for tag in all(&view) {
        let matches = filters.matches(|name| match name {
            "key" | "tag-key" => Some(one(tag.key)),
            "resource-id" => Some(one(&tag.resource)),
            "resource-type" => Some(one(tag.kind)),
            "value" => Some(one(tag.value)),
            _ => {
                let key = name.strip_prefix("tag:")?;
                Some(if key == tag.key { one(tag.value) } else { Vec::new() })
            }
        })?;
        if matches {
            tags.push(tag);
        }
    }
    let place = |tag: &Tagged<'_>| format!("{:020} {}\0{}", tag.created, tag.resource, tag.key);
    tags.sort_by_cached_key(place);
    let (page, next) = page(tags, place, &paging);
    Ok(request.respond(|x| {
        x.items("tagSet", &page, |x, tag| {
            x.el("resourceId", &tag.resource);
            x.el("resourceType", tag.kind);
            x.el("key", tag.key);
            x.el("value", tag.value);
        });
        x.opt("nextToken", next);
    }))
}

/// Every tag that the caller sees.
fn all<'w>(view: &View<'w>) -> Vec<Tagged<'w>> {
    let mut found = Vec::new();
    add::<DhcpOptions>(&mut found, view, "dhcp-options");
    add::<EgressGateway>(&mut found, view, "egress-only-internet-gateway");
    add::<ElasticIp>(&mut found, view, "elastic-ip");
    add::<Instance>(&mut found, view, "instance");
    add::<InternetGateway>(&mut found, view, "internet-gateway");
    add::<KeyPair>(&mut found, view, "key-pair");
    add::<NatGateway>(&mut found, view, "natgateway");
    add::<NetworkAcl>(&mut found, view, "network-acl");
    add::<NetworkInsightsAnalysis>(&mut found, view, "network-insights-analysis");
    add::<NetworkInsightsPath>(&mut found, view, "network-insights-path");
    add::<Eni>(&mut found, view, "network-interface");
    add::<PrefixList>(&mut found, view, "prefix-list");
    add::<RouteTable>(&mut found, view, "route-table");
    add::<SecurityGroup>(&mut found, view, "security-group");
    add::<Subnet>(&mut found, view, "subnet");
    add::<SubnetReservation>(&mut found, view, "subnet-cidr-reservation");
    add::<FlowLog>(&mut found, view, "vpc-flow-log");
    add::<Vpc>(&mut found, view, "vpc");
    add::<Peering>(&mut found, view, "vpc-peering-connection");
    for instance in Instance::all(view).into_iter().filter(|instance| instance.has_volume()) {
        let of = ("volume", instance.launched);
        push(&mut found, &instance.options.volume.tags, RootVolume::id_of(instance.id), of);
    }
    for group in SecurityGroup::all(view) {
        for (id, rule) in &group.rules {
            let created = rule.created.max(group.created);
            push(&mut found, &rule.tags, id, ("security-group-rule", created));
        }
    }
    found
}

fn add<'w, T: Stored>(found: &mut Vec<Tagged<'w>>, view: &View<'w>, kind: &'static str) {
    for item in T::all(view) {
        if let Some(tags) = Described::tags(item, view) {
            push(found, tags, item.id(), (kind, item.created()));
        }
    }
}

fn push<'w>(
    found: &mut Vec<Tagged<'w>>,
    tags: &'w Tags,
    id: impl std::fmt::Display,
    (kind, created): (&'static str, Timestamp),
) {
    found.extend(tags.iter().map(|(key, value)| Tagged {
        resource: id.to_string(),
        kind,
        created: created.millis().max(0),
        key,
        value,
    }));
}
