//! Authentication of requests: by a token, or by a password for requests that create a token
//! (`heroku.md` §1.5).

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::{Caller, Key, Timestamp};

use super::failure::Failure;
use super::headers::Credentials;
use super::route::{Route, Scope};
use super::second_factor::not_proved;
use crate::credentials::find_token;
use crate::http::passwords::PasswordError;
use crate::http::second_factor;
use crate::http::state::{Bearer, LockedOut, Origin, State};
use crate::party::{Party, network};

/// The header with a code of a second factor.
const TWO_FACTOR_CODE: &str = "heroku-two-factor-code";
/// The headers with a password that confirms what cannot be undone.
const PASSWORD: &str = "heroku-password";
const PASSWORD_BASE64: &str = "heroku-password-base64";

/// Authenticates the sender of a request.
///
/// # Errors
///
/// 401 for invalid credentials, 403 for a user who was disabled or where a second factor is missing, and
/// 429 after too many wrong passwords or codes.
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
            let code = headers.get(TWO_FACTOR_CODE).and_then(|code| code.to_str().ok());
            by_password(state, &user, password, code, origin, now).await
        }
        (None, _, _) => Err(Failure::unauthorized()),
    }
}

/// The refusal of a user who was disabled, whom only the audit is told.
fn suspended_user(state: &State, token: &str) -> Failure {
    let found = find_token(&state.world(), token).map(|token| Key::User(token.user));
    Failure::suspended("user").keeping(found)
}

/// Checks that a caller's token is for what the route is, and that the caller has what their teams
/// demand.
///
/// # Errors
///
/// 403 says what is missing.
pub(super) fn admit(state: &State, route: &Route, bearer: &Bearer) -> Result<(), Failure> {
    if let Some(own) = &bearer.token
        && !own.record.allows(route.need)
    {
        return Err(Failure::scope(&own.record, route.need));
    }
    match bearer.wants_second_factor(&state.world()) {
        Some(team) if !route.is_for_anybody() => Err(Failure::wants_second_factor(team)),
        _ => Ok(()),
    }
}

/// Checks the password of a user who has one, where a route must be confirmed by it.
///
/// # Errors
///
/// 400 where it is not sent, and those of wrong passwords.
pub(super) async fn confirm(
    state: &State,
    route: &Route,
    bearer: &Bearer,
    headers: &HeaderMap,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), Failure> {
    let Caller::User(id) = bearer.caller else { return Ok(()) };
    let world = state.world();
    let user = world.user(id).filter(|user| user.password.is_some());
    let Some(user) = user.filter(|_| route.confirmed) else { return Ok(()) };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let encoded = || {
        let bytes = BASE64.decode(text(PASSWORD_BASE64)?).ok()?;
        String::from_utf8(bytes).ok()
    };
    let Some(password) = text(PASSWORD).map(str::to_owned).or_else(encoded) else {
        return Err(Failure::bad_request(
            "This cannot be undone: send your password in the header `Heroku-Password`, or \
             `Heroku-Password-Base64`, to confirm it.",
        ));
    };
    let code = text(TWO_FACTOR_CODE);
    by_password(state, &user.email, password, code, origin, now).await.map(drop)
}

/// Checks a password. A wrong password and an unknown user cannot be told apart: not by the answer,
/// not by the time it takes, and not by the number of attempts.
async fn by_password(
    state: &State,
    email: &str,
    password: String,
    code: Option<&str>,
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
    let Some(user) = user.filter(|_| right) else {
        // Only the audit learns which user was tried.
        return Err(Failure::unauthorized().keeping(user.map(|user| Key::User(user.id))));
    };
    if user.disabled.is_some() {
        return Err(Failure::suspended("user").keeping(Some(Key::User(user.id))));
    }
    if user.second_factor.is_some() {
        let Some(code) = code else {
            // Who has the password learns nothing by asking again, and clients ask without a code first.
            state.sign_in_limits.succeeded(attempt);
            return Err(Failure::two_factor(
                "A second authentication factor is required for this request: send a code, or a \
                 recovery code, in the header `Heroku-Two-Factor-Code`.",
            ));
        };
        let proved = second_factor::prove(state, user, code, origin, now).await;
        proved.map_err(|why| not_proved(why).keeping(Some(Key::User(user.id))))?;
    }
    state.sign_in_limits.succeeded(attempt);
    Ok(Bearer { caller: Caller::User(user.id), token: None })
}
