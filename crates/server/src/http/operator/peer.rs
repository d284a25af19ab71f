//! Plans of `causeway peer` and `causeway unpeer`, for whoever owns one of the two ends.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::request::Parts;
use model::{Need, PeerAsk, Rights, Space, VpcId, World, plan_peer, plan_unpeer};

use super::answer::{Answer, Problem, Reply, invalid};
use super::context::Operator;
use super::input::Asked;
use super::viewer::{rights_of, work_out};

pub(super) async fn plan(
    Shared(operator): Shared<Operator>,
    parts: Parts,
    asked: Result<Asked<api::PeerQuery>, Problem>,
) -> Answer<api::PeerPlan> {
    let state = &operator.state;
    let rights = rights_of(state, &parts, &[], Need::Read)?;
    let Asked(query) = asked?;
    let (world, now) = (state.world(), state.clock.now());
    let plan = work_out(state, rights, move || answer(&world, rights, &query, now));
    plan.await?.map(Reply).map_err(invalid)
}

/// The plan that somebody asks for.
fn answer(
    world: &World,
    rights: Rights,
    query: &api::PeerQuery,
    now: model::Timestamp,
) -> Result<api::PeerPlan, String> {
    let vpc: VpcId = query.vpc.parse().map_err(|_| {
        let shown: String = query.vpc.chars().take(64).collect();
        format!("'{shown}' is no id of a VPC (vpc-…)")
    })?;
    let (space_vpc, space) = find_space(world, rights, &query.space)?;
    let owns_space = space.is_some() && rights.owns_id(world, space_vpc);
    let owns_vpc = rights.owns_id(world, vpc);
    if rights.operator && !owns_vpc {
        return Err(format!("there is no {vpc}"));
    }
    if !owns_space && !owns_vpc {
        return Err(format!(
            "neither the space nor {vpc} is yours; who owns one of the two asks, with the variables \
             of `causeway env`"
        ));
    }
    let ports = listed(query.ports.as_deref())
        .map(|text| text.parse().map_err(|_| format!("'{}' is no port", short(text))))
        .collect::<Result<Vec<u16>, String>>()?;
    let to = listed(query.to.as_deref()).map(FromStr::from_str).collect::<Result<Vec<_>, _>>()?;
    let ask = PeerAsk {
        space_vpc,
        space: space.as_deref(),
        vpc,
        owns_space,
        owns_vpc,
        rights,
        ports: &ports,
        to: &to,
        from: query.from.as_deref().filter(|kind| *kind != "all"),
    };
    let plan = match query.take_back {
        true => plan_unpeer(world, &ask, now)?,
        false => plan_peer(world, &ask, now)?,
    };
    Ok(api::PeerPlan {
        space: space.filter(|_| owns_space).map(|space| space.name.clone()),
        space_vpc,
        vpc,
        peering: plan
            .peering
            .map(|(id, status)| api::LivePeering { id, status: status.code().to_owned() }),
        steps: plan.steps.into_iter().map(Into::into).collect(),
        obstacles: plan.obstacles.into_iter().map(Into::into).collect(),
        trials: plan.trials.into_iter().map(Into::into).collect(),
        notes: plan.notes,
    })
}

/// The VPC of a space that somebody names; with the space, if they may know of it. Another's space has no
/// name for them, and whether a VPC exists is its owner's business until a peering shows it.
fn find_space(
    world: &World,
    rights: Rights,
    text: &str,
) -> Result<(VpcId, Option<Arc<Space>>), String> {
    if let Ok(id) = text.parse::<VpcId>() {
        let vpc = world.vpc(id).filter(|_| rights.sees(world, id));
        let space = vpc.and_then(|vpc| world.space_of_vpc(vpc)).filter(|space| space.vpc == id);
        return match (vpc, space) {
            (Some(_), None) => Err(format!("{id} is not the VPC of a space")),
            (_, space) => Ok((id, space.cloned())),
        };
    }
    match world.space_named(text).filter(|space| rights.owns_id(world, space.vpc)) {
        Some(space) => Ok((space.vpc, Some(Arc::clone(space)))),
        None => Err(format!(
            "there is no space '{}' among yours; another's is named by the id of its VPC, which its \
             owner finds with `heroku spaces:peering:info`",
            short(text)
        )),
    }
}

/// The items of a list with commas between them.
fn listed(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
