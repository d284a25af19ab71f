//! Whether a VPC could be peered with a space, for the VPC's owner: by what the owner of the space
//! hands out, and no look into the space (R8).

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::State as Shared;
use axum::http::request::Parts;
use model::fit::{Fit, HandedOut, Side};
use model::{AccountId, Cidr, Need, Region, Rights, Vpc, VpcId, World};

use super::answer::{Answer, Problem, Reply, invalid, missing};
use super::context::Operator;
use super::input::Asked;
use super::viewer::rights_of;

/// The most blocks in one list. A space has as many unavailable ones as it may have peers with five
/// blocks each, and two more.
const MOST_BLOCKS: usize = 1000;

pub(super) async fn check(
    Shared(operator): Shared<Operator>,
    parts: Parts,
    asked: Result<Asked<api::PeeringCheckQuery>, Problem>,
) -> Answer<api::PeeringCheck> {
    let state = &operator.state;
    let rights = rights_of(state, &parts, &[], Need::Read)?;
    let Asked(query) = asked?;
    let world = state.world();
    let vpc = find(&world, rights, &query)?;
    let peer = handed_out(&query, vpc.region)?;
    let requester = Side::of(&world, vpc).for_owner(&world, state.clock.now());
    Ok(Reply((&Fit::of(requester, Side::handed_out(peer))).into()))
}

/// Finds a VPC of whoever asks.
fn find<'w>(
    world: &'w World,
    rights: Rights,
    query: &api::PeeringCheckQuery,
) -> Result<&'w Vpc, Problem> {
    let id: VpcId = parse("vpc", &query.vpc).map_err(invalid)?;
    let account: Option<AccountId> = optional("account", query.account.as_deref())?;
    let region: Option<Region> = optional("region", query.region.as_deref())?;
    let meant = |vpc: &&Vpc| {
        vpc.role.is_none()
            && rights.owns(world, vpc)
            && account.is_none_or(|account| vpc.account == account)
            && region.is_none_or(|region| vpc.region == region)
    };
    world.vpc(id).map(AsRef::as_ref).filter(meant).ok_or_else(|| {
        missing(format!("There is no {id} among what is yours; `aws ec2 describe-vpcs` lists it."))
    })
}

fn handed_out(query: &api::PeeringCheckQuery, own: Region) -> Result<HandedOut, Problem> {
    Ok(HandedOut {
        vpc: optional("peer_vpc", query.peer_vpc.as_deref())?,
        region: optional("peer_region", query.peer_region.as_deref())?.unwrap_or(own),
        cidr: parse("peer_cidr", &query.peer_cidr).map_err(invalid)?,
        space_cidrs: list("space_cidrs", query.space_cidrs.as_deref())?,
        unavailable: list("unavailable", query.unavailable.as_deref())?,
    })
}

fn list(name: &str, text: Option<&str>) -> Result<Vec<Cidr>, Problem> {
    let items = text.unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty());
    let items: Vec<&str> = items.take(MOST_BLOCKS + 1).collect();
    if items.len() > MOST_BLOCKS {
        return Err(invalid(format!("`{name}` has more than {MOST_BLOCKS} blocks.")));
    }
    items.into_iter().map(|item| parse(name, item).map_err(invalid)).collect()
}

fn optional<T: FromStr<Err: Display>>(
    name: &str,
    text: Option<&str>,
) -> Result<Option<T>, Problem> {
    text.map(|text| parse(name, text).map_err(invalid)).transpose()
}

fn parse<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|why| format!("Invalid value for `{name}`: {why}."))
}
