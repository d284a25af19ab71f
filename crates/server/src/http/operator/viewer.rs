//! Who asks from either side of a peering, and what they may look into.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use model::{AccountId, Caller, EniId, Flow, InstanceId, Key, Rights, UserId, Vpc, VpcId, World};

use super::answer::Problem;
use crate::http::state::State;
use crate::party::Party;

/// Carries a user's token beside an account's signature, which takes `Authorization`.
const TOKEN: &str = "causeway-token";
/// How the signature of an account begins.
const SIGNED: &str = "AWS4-HMAC-SHA256";

/// Who asks: what they may look into is what their own commands show them.
pub(super) struct Viewer {
    everything: bool,
    user: Option<UserId>,
    account: Option<(AccountId, ReadOnly)>,
}

/// Whether an access key may change nothing.
type ReadOnly = bool;

impl Viewer {
    /// Finds out by a bearer token, an account's signature, or both.
    ///
    /// # Errors
    ///
    /// Nothing says who it is.
    pub(super) fn of(state: &State, parts: &Parts, body: &[u8]) -> Result<Self, Problem> {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = text(header::AUTHORIZATION.as_str()).unwrap_or_default();
        let mut viewer = Self { everything: state.emulator, user: None, account: None };
        let mut refused = None;
        if authorization.starts_with(SIGNED) && !state.emulator {
            match crate::http::aws::account_of(state, parts, &Bytes::copy_from_slice(body)) {
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
    pub(super) fn owns(&self, world: &World, vpc: &Vpc) -> bool {
        let in_team = |user| {
            let team = world.space_of_vpc(vpc).and_then(|space| world.team(space.team));
            team.is_some_and(|team| Caller::User(user).role_in(team).is_some())
        };
        self.everything || self.owns_account(vpc.account) || self.user.is_some_and(in_team)
    }

    pub(super) fn owns_id(&self, world: &World, vpc: VpcId) -> bool {
        world.vpc(vpc).is_some_and(|vpc| self.owns(world, vpc))
    }

    fn owns_account(&self, account: AccountId) -> bool {
        self.account.is_some_and(|(own, _)| own == account)
    }

    /// As whom they can give commands.
    pub(super) fn rights(&self) -> Rights {
        Rights { operator: self.everything, user: self.user, account: self.account }
    }

    /// Among whom what is limited is shared.
    pub(super) fn parties(&self) -> Vec<Party> {
        match (self.everything, self.user, self.account) {
            (true, _, _) => vec![Party::Operator],
            (_, Some(user), _) => vec![Party::User(user)],
            (_, None, Some((account, _))) => vec![Party::Account(account)],
            (_, None, None) => Vec::new(),
        }
    }

    /// Whether there is a peering, or a request, between a VPC and one of theirs, which shows its
    /// id and its block.
    pub(super) fn sees(&self, world: &World, vpc: VpcId) -> bool {
        self.owns_id(world, vpc)
            || world
                .peerings_of(Key::Vpc(vpc))
                .filter(|peering| !peering.status(peering.since).ended())
                .filter_map(|peering| peering.other_side(vpc))
                .any(|side| self.owns_id(world, side.vpc))
    }

    /// Refuses the name of what they cannot see, in the words for what is not there.
    pub(super) fn may_name(&self, world: &World, end: &str) -> Result<(), String> {
        if self.everything {
            return Ok(());
        }
        if let Some((left, _)) = end.split_once('/') {
            return match left.parse::<VpcId>() {
                Ok(vpc) if self.sees(world, vpc) => Ok(()),
                Ok(vpc) => Err(format!("there is no {vpc} that is yours or peered with yours")),
                Err(_) => {
                    let vpc = world.app_named(left).and_then(|app| world.space(app.space));
                    match vpc.filter(|space| self.owns_id(world, space.vpc)) {
                        Some(_) => Ok(()),
                        None => {
                            let app: String = left.chars().take(64).collect();
                            Err(unseen(format_args!("app '{app}'")))
                        }
                    }
                }
            };
        }
        if let Ok(id) = end.parse::<InstanceId>() {
            let own = world.instance(id).filter(|i| self.owns_account(i.account));
            return own.map(drop).ok_or_else(|| unseen(format_args!("instance {id}")));
        }
        if let Ok(id) = end.parse::<EniId>() {
            let own = world.eni(id).filter(|eni| self.owns_id(world, eni.vpc));
            return own.map(drop).ok_or_else(|| unseen(format_args!("interface {id}")));
        }
        Ok(())
    }

    /// Refuses a flow between others.
    pub(super) fn may_ask(&self, world: &World, flow: &Flow) -> Result<(), String> {
        let (from, to) = (flow.from.vpc, flow.to.vpc);
        let seen = self.sees(world, from) && self.sees(world, to);
        if self.everything || seen && (self.owns_id(world, from) || self.owns_id(world, to)) {
            return Ok(());
        }
        Err("one end must be yours, and the other in a VPC that is peered with yours".to_owned())
    }
}

/// Says that something is not there, or is another's, which nobody is to tell apart; and how to
/// name what is another's.
fn unseen(what: impl std::fmt::Display) -> String {
    format!(
        "there is no {what} among what is yours; what is another's is named by its address, as \
         10.0.0.5 or vpc-…/10.0.0.5"
    )
}
