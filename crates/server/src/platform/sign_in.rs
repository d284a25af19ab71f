//! Who sends a request: by a token, or, where a token is asked for, by a password (`heroku.md`
//! §1.5).

use axum::http::HeaderMap;
use model::{Caller, Timestamp};

use super::failure::Failure;
use super::headers::Credentials;
use super::route::{Route, Scope};
use crate::password::PasswordError;
use crate::state::{Bearer, Origin, State};

/// Finds out.
///
/// # Errors
///
/// 401 for who cannot be found out, and 429 for who was wrong too often.
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
    let by_token = state.authenticate(credentials.token(), now).or_else(|| state.anybody());
    match (by_token, &route.scope, credentials) {
        (Some(bearer), _, _) => Ok(bearer),
        (None, Scope::SignIn(_), Credentials::Basic(user, password)) => {
            by_password(state, &user, password, origin, now).await
        }
        (None, _, _) => Err(Failure::unauthorized()),
    }
}

/// A wrong password and a user who is none are told apart by nothing: neither by the answer, nor by
/// how long it takes, nor by how often it may be tried.
async fn by_password(
    state: &State,
    email: &str,
    password: String,
    origin: &Origin,
    now: Timestamp,
) -> Result<Bearer, Failure> {
    let attempt = state.attempts.begin(email, origin.address, now).map_err(|wait| {
        let seconds = wait.as_millis().div_ceil(1000);
        let message = format!(
            "Too many wrong passwords. Try again in {seconds} seconds, or ask whoever runs this \
             installation for a new one."
        );
        Failure::too_many(message, wait)
    })?;
    let world = state.world();
    let user = world.user_named(email);
    let stored = user.and_then(|user| user.password.clone());
    let right = state.passwords.matches(password, stored).await.map_err(|error| match error {
        PasswordError::Busy | PasswordError::Length => Failure::unavailable(&error.to_string()),
    })?;
    match user.filter(|_| right) {
        Some(user) => {
            state.attempts.succeeded(attempt);
            Ok(Bearer { caller: Caller::User(user.id), token: None })
        }
        None => Err(Failure::unauthorized()),
    }
}
