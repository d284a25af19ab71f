//! `causeway why`: for whoever can see the ends of a flow.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use model::{AccountId, Caller, EniId, Flow, InstanceId, Key, UserId, Vpc, VpcId, World};
use serde::Deserialize;

use super::input::Asked;
use super::{Answer, Operator, Problem, internal};
use crate::state::{State, role_in};

/// Carries a user's token beside an account's signature, which takes `Authorization`.
const TOKEN: &str = "causeway-token";
/// How the signature of an account begins.
const SIGNED: &str = "AWS4-HMAC-SHA256";

#[derive(Deserialize)]
pub(super) struct Why {
    from: String,
    to: String,
    port: Option<u16>,
    proto: Option<String>,
}

pub(super) async fn why(
    Shared(operator): Shared<Operator>,
    parts: Parts,
    asked: Result<Asked<Why>, Problem>,
) -> Answer {
    let state = &operator.state;
    let viewer = Viewer::of(state, &parts)?;
    let Asked(query) = asked?;
    let world = state.world();
    for end in [&query.from, &query.to] {
        viewer.may_name(&world, end).map_err(invalid)?;
    }
    let proto = query.proto.as_deref().unwrap_or("tcp");
    let flow = Flow::resolve(&world, &query.from, &query.to, proto, query.port).map_err(invalid)?;
    viewer.may_ask(&world, &flow).map_err(invalid)?;
    let verdict = model::reach(&world, &flow, state.clock.now());
    let verdict = verdict.seen_by(|vpc| world.vpc(vpc).is_none_or(|vpc| viewer.owns(&world, vpc)));
    Ok(Json(serde_json::to_value(verdict).map_err(internal)?))
}

fn invalid(message: String) -> Problem {
    Problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message)
}

/// Who asks: what they may look into is what their own commands show them.
struct Viewer {
    everything: bool,
    user: Option<UserId>,
    account: Option<AccountId>,
}

impl Viewer {
    /// Finds out by a bearer token, an account's signature, or both.
    fn of(state: &State, parts: &Parts) -> Result<Self, Problem> {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = text(header::AUTHORIZATION.as_str()).unwrap_or_default();
        let mut viewer = Self { everything: state.emulator, user: None, account: None };
        let mut refused = None;
        if authorization.starts_with(SIGNED) && !state.emulator {
            match crate::front::account_of(state, parts, &Bytes::new()) {
                Ok(account) => viewer.account = Some(account),
                // The key may be for another service altogether, and the token enough.
                Err(error) => refused = Some(error.message),
            }
        }
        let bearer = authorization.strip_prefix("Bearer ").or_else(|| text(TOKEN));
        if let Some(token) = bearer {
            let bearer = state.authenticate(token.trim(), state.clock.now());
            match bearer.map(|bearer| bearer.caller) {
                Some(Caller::Operator) => viewer.everything = true,
                Some(Caller::User(user)) => viewer.user = Some(user),
                Some(Caller::System | Caller::Account { .. }) | None => {}
            }
        }
        if viewer.everything || viewer.user.is_some() || viewer.account.is_some() {
            return Ok(viewer);
        }
        let message = refused.unwrap_or_else(|| {
            "Nothing says who you are: run `eval \"$(causeway env)\"` first, or give --data DIR on \
             the server's host."
                .to_owned()
        });
        Err(Problem(StatusCode::UNAUTHORIZED, "unauthorized", message))
    }

    /// Whether everything in a VPC may be shown.
    fn owns(&self, world: &World, vpc: &Vpc) -> bool {
        let in_team = |user| {
            let team = world.space_of_vpc(vpc).and_then(|space| world.team(space.team));
            team.is_some_and(|team| role_in(team, Caller::User(user)).is_some())
        };
        self.everything || self.account == Some(vpc.account) || self.user.is_some_and(in_team)
    }

    fn owns_id(&self, world: &World, vpc: VpcId) -> bool {
        world.vpc(vpc).is_some_and(|vpc| self.owns(world, vpc))
    }

    /// Whether there is a peering, or a request, between a VPC and one of theirs, which shows its
    /// id and its block.
    fn sees(&self, world: &World, vpc: VpcId) -> bool {
        self.owns_id(world, vpc)
            || world
                .peerings_of(Key::Vpc(vpc))
                .filter(|peering| !peering.status(peering.since).ended())
                .filter_map(|peering| peering.other_side(vpc))
                .any(|side| self.owns_id(world, side.vpc))
    }

    /// Refuses the name of what they cannot see, in the words for what is not there.
    fn may_name(&self, world: &World, end: &str) -> Result<(), String> {
        if self.everything {
            return Ok(());
        }
        if let Some((left, _)) = end.split_once('/') {
            return match left.parse::<VpcId>() {
                Ok(vpc) if self.sees(world, vpc) => Ok(()),
                Ok(vpc) => Err(format!("there is no {vpc}")),
                Err(_) => {
                    let vpc = world.app_named(left).and_then(|app| world.space(app.space));
                    match vpc.filter(|space| self.owns_id(world, space.vpc)) {
                        Some(_) => Ok(()),
                        None => {
                            let app: String = left.chars().take(64).collect();
                            Err(format!("there is no app '{app}'"))
                        }
                    }
                }
            };
        }
        if let Ok(id) = end.parse::<InstanceId>() {
            let own = world.instance(id).filter(|i| self.account == Some(i.account));
            return own.map(drop).ok_or_else(|| format!("there is no instance {id}"));
        }
        if let Ok(id) = end.parse::<EniId>() {
            let own = world.eni(id).filter(|eni| self.owns_id(world, eni.vpc));
            return own.map(drop).ok_or_else(|| format!("there is no interface {id}"));
        }
        Ok(())
    }

    /// Refuses a flow between others.
    fn may_ask(&self, world: &World, flow: &Flow) -> Result<(), String> {
        let (from, to) = (flow.from.vpc, flow.to.vpc);
        let seen = self.sees(world, from) && self.sees(world, to);
        if self.everything || seen && (self.owns_id(world, from) || self.owns_id(world, to)) {
            return Ok(());
        }
        Err("one end must be yours, and the other in a VPC that is peered with yours".to_owned())
    }
}
