//! Who asks from either side of a peering.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use model::{Caller, Rights};

use super::answer::Problem;
use crate::http::state::State;
use crate::party::Party;

/// Carries a user's token beside an account's signature, which takes `Authorization`.
const TOKEN: &str = "causeway-token";
/// How the signature of an account begins.
const SIGNED: &str = "AWS4-HMAC-SHA256";

/// Finds out who asks by a bearer token, an account's signature, or both. What they may look into is
/// what their own commands show them.
///
/// # Errors
///
/// Nothing says who it is.
pub(super) fn rights_of(state: &State, parts: &Parts, body: &[u8]) -> Result<Rights, Problem> {
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

/// Among whom what is limited is shared.
pub(super) fn parties(rights: Rights) -> Vec<Party> {
    match (rights.operator, rights.user, rights.account) {
        (true, _, _) => vec![Party::Operator],
        (_, Some(user), _) => vec![Party::User(user)],
        (_, None, Some((account, _))) => vec![Party::Account(account)],
        (_, None, None) => Vec::new(),
    }
}
