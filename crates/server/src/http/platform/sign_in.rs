//! Authentication of requests: by a token, or by a password for requests that create a token
//! (`heroku.md` §1.5).

use axum::http::HeaderMap;
use model::{Caller, Key, Timestamp};

use super::failure::Failure;
use super::headers::Credentials;
use super::route::{Route, Scope};
use crate::credentials::find_token;
use crate::http::passwords::PasswordError;
use crate::http::state::{Bearer, LockedOut, Origin, State};
use crate::party::{Party, network};

/// Authenticates the sender of a request.
///
/// # Errors
///
/// 401 for invalid credentials, 403 for a user who was disabled, and 429 after too many wrong passwords.
pub(super) async fn identify(
    state: &State,
    route: &Route,
    headers: &HeaderMap,
    origin: &Origin,
    now: Timestamp,
) -> Result<Bearer, Failure> {
    let Some(credentials) = Credentials::of(headers) else {
        return state.anybody().ok_or_else(Failure::unauthorized);
    };
    let token = credentials.token();
    let by_token = match state.authenticate(token, now) {
        Some(bearer) => Some(bearer),
        None => match state.locked_out(token) {
            Some(LockedOut::User) => return Err(suspended_user(state, token)),
            Some(LockedOut::Token) => return Err(Failure::unauthorized()),
            None => state.anybody(),
        },
    };
    match (by_token, &route.scope, credentials) {
        (Some(bearer), _, _) => Ok(bearer),
        (None, Scope::SignIn(_), Credentials::Basic(user, password)) => {
            by_password(state, &user, password, origin, now).await
        }
        (None, _, _) => Err(Failure::unauthorized()),
    }
}

/// The refusal of a user who was disabled, whom only the audit is told.
fn suspended_user(state: &State, token: &str) -> Failure {
    let found = find_token(&state.world(), token).map(|token| Key::User(token.user));
    Failure::suspended("user").keeping(found)
}

/// Checks a password. A wrong password and an unknown user cannot be told apart: not by the answer,
/// not by the time it takes, and not by the number of attempts.
async fn by_password(
    state: &State,
    email: &str,
    password: String,
    origin: &Origin,
    now: Timestamp,
) -> Result<Bearer, Failure> {
    let attempt = state.sign_in_limits.begin(email, origin.address, now).map_err(|wait| {
        let seconds = wait.as_millis().div_ceil(1000);
        let message = format!(
            "Too many wrong passwords. Try again in {seconds} seconds, or ask whoever runs this \
             installation for a new one."
        );
        Failure::too_many(message, wait)
    })?;
    let party = Party::Network(origin.address.map(network));
    let world = state.world();
    let user = world.user_named(email);
    let stored = user.and_then(|user| user.password.clone());
    let right =
        state.passwords.matches(password, stored, party).await.map_err(|error| match error {
            PasswordError::Busy | PasswordError::Length => Failure::unavailable(&error.to_string()),
        })?;
    match user.filter(|_| right) {
        Some(user) if user.disabled.is_some() => {
            Err(Failure::suspended("user").keeping(Some(Key::User(user.id))))
        }
        Some(user) => {
            state.sign_in_limits.succeeded(attempt);
            Ok(Bearer { caller: Caller::User(user.id), token: None })
        }
        // Only the audit learns which user was tried.
        None => Err(Failure::unauthorized().keeping(user.map(|user| Key::User(user.id)))),
    }
}
