//! ClassicLink, which joined instances of EC2-Classic with a VPC. There are none any more: no VPC
//! has it enabled, and nothing can be changed.

use aws::filter::{Filters, tag_values};
use aws::paging::{Paging, page};
use model::{Vpc, VpcId, World};

use super::describe::{Described, Stored, View, find_all, one, place, write_tags};
use super::input::{id_list, parse_id};
use super::request::{Ec2Error, Request};

/// The VPCs that a request names, or all.
fn named<'w>(view: &View<'w>, ids: &[VpcId]) -> Result<Vec<&'w Vpc>, Ec2Error> {
    let mut found = match ids.is_empty() {
        true => Vpc::all(view),
        false => find_all::<Vpc, _>(ids, |id| Vpc::get(view, id))?,
    };
    found.sort_unstable_by_key(|vpc| place(*vpc));
    found.dedup_by_key(|vpc| vpc.id);
    Ok(found)
}

/// `DescribeVpcClassicLink`.
pub(super) fn vpcs(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let filters = Filters::parse(request.params)?;
    filters.check_names(|name| name == "is-classic-link-enabled")?;
    let mut matching = Vec::new();
    for vpc in named(&view, &id_list(request.params, "VpcId")?)? {
        let tags = || vpc.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let has = |name: &str| tag_values(name, tags()).or_else(|| Some(one(false)));
        if filters.matches(has)? {
            matching.push(vpc);
        }
    }
    Ok(request.respond(|x| {
        x.items("vpcSet", matching, |x, vpc| {
            x.el("vpcId", vpc.id);
            x.el("classicLinkEnabled", false);
            write_tags(x, Some(&vpc.tags));
        });
    }))
}

/// `DescribeVpcClassicLinkDnsSupport`.
pub(super) fn dns_support(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let action = "DescribeVpcClassicLinkDnsSupport";
    let paging = Paging::parse(request.params, action, 5..=255, Some("VpcIds"))?;
    let ids = request.params.list("VpcIds").map(parse_id).collect::<Result<Vec<_>, _>>()?;
    let key = |vpc: &&Vpc| format!("{:020} {}", vpc.created().millis().max(0), vpc.id);
    let (page, next) = page(named(&view, &ids)?, key, &paging);
    Ok(request.respond(|x| {
        x.items("vpcs", page, |x, vpc| {
            x.el("vpcId", vpc.id);
            x.el("classicLinkDnsSupported", false);
        });
        x.opt("nextToken", next);
    }))
}

/// What would change anything.
pub(super) fn retired(_: &World, _: &Request<'_>) -> Result<String, Ec2Error> {
    Err(Ec2Error::new(
        "UnsupportedOperation",
        "The functionality you requested is not available in this region.",
    ))
}
