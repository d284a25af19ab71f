//! Who asks from either side of a peering.

use ::edge::Share;
use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use model::{Caller, Need, Rights};

use super::answer::{Problem, internal};
use crate::http::state::{Bearer, State};
use crate::party::Party;

/// Carries a user's token beside an account's signature, which takes `Authorization`.
const TOKEN: &str = "causeway-token";
/// How the signature of an account begins.
const SIGNED: &str = "AWS4-HMAC-SHA256";

/// Finds out who asks by a bearer token, an account's signature, or both. What they may look into is
/// what their own commands show them. A token must be one for what is asked.
///
/// # Errors
///
/// Nothing says who it is, or the token is for something else.
pub(super) fn rights_of(
    state: &State,
    parts: &Parts,
    body: &[u8],
    need: Need,
) -> Result<Rights, Problem> {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = text(header::AUTHORIZATION.as_str()).unwrap_or_default();
    let mut rights = Rights { operator: state.emulator, user: None, account: None };
    let mut refused = None;
    if authorization.starts_with(SIGNED) && !state.emulator {
        match crate::http::aws::account_of(state, parts, &Bytes::copy_from_slice(body)) {
            Ok(account) => rights.account = Some(account),
            // The key may be for another service altogether, and the token enough.
            Err(error) => refused = Some(error.message),
        }
    }
    let bearer = authorization.strip_prefix("Bearer ").or_else(|| text(TOKEN));
    if let Some(token) = bearer {
        let bearer = state.authenticate(token.trim(), state.clock.now());
        if let Some(bearer) = &bearer {
            admit(state, bearer, need)?;
        }
        match bearer.map(|bearer| bearer.caller) {
            Some(Caller::Operator) => rights.operator = true,
            Some(Caller::User(user)) => rights.user = Some(user),
            Some(Caller::System | Caller::Account { .. }) | None => {}
        }
    }
    if rights.operator || rights.user.is_some() || rights.account.is_some() {
        return Ok(rights);
    }
    let message = refused.unwrap_or_else(|| {
        "Nothing says who you are: run `eval \"$(causeway env)\"` first, or give --data DIR on \
         the server's host."
            .to_owned()
    });
    Err(Problem(StatusCode::UNAUTHORIZED, "unauthorized", message))
}

/// Refuses a token that is for something else. One that is bound tells nothing of what lies beyond, which
/// each answer here is about.
fn admit(state: &State, bearer: &Bearer, need: Need) -> Result<(), Problem> {
    let forbidden = |message| Err(Problem(StatusCode::FORBIDDEN, "forbidden", message));
    if let Some(team) = bearer.wants_second_factor(&state.world()) {
        return forbidden(format!(
            "The team {} demands a second factor of its members, and you have none. Enable it with \
             `causeway 2fa:enable`.",
            team.name
        ));
    }
    match &bearer.token {
        Some(own) if own.record.bound.is_some() => forbidden(
            "The token is bound to a space or an app, and this looks beyond it.".to_owned(),
        ),
        Some(own) if !own.record.allows(need) => {
            let accepted = need.accepted().iter().map(|scope| format!("`{scope}`"));
            let accepted = accepted.collect::<Vec<_>>().join(", ");
            let own = &own.record.scopes;
            forbidden(format!("The token has `{own}`; any of these would do: {accepted}."))
        }
        Some(_) | None => Ok(()),
    }
}

/// A share of what many may read at a time, for as long as it is kept.
///
/// # Errors
///
/// There is none left.
pub(super) fn reading(state: &State, rights: Rights) -> Result<Share<Party>, Problem> {
    state.log_readers.take(parties(rights)).map_err(|_| {
        let message =
            "As many records and logs are being read as may be at a time; try again soon.";
        Problem(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message.to_owned())
    })
}

/// Makes an answer that takes its time on a thread that other requests do not wait for. It takes a share of
/// what many may read at a time, until it is made: also if nobody waits for it any more.
///
/// # Errors
///
/// There is no share left.
pub(super) async fn work_out<T: Send + 'static>(
    state: &State,
    rights: Rights,
    answer: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let share = reading(state, rights)?;
    let working = tokio::task::spawn_blocking(move || {
        let _until_it_is_made = share;
        answer()
    });
    working.await.map_err(internal)
}

/// Among whom what is limited is shared.
pub(super) fn parties(rights: Rights) -> Vec<Party> {
    match (rights.operator, rights.user, rights.account) {
        (true, _, _) => vec![Party::Operator],
        (_, Some(user), _) => vec![Party::User(user)],
        (_, None, Some((account, _))) => vec![Party::Account(account)],
        (_, None, None) => Vec::new(),
    }
}
