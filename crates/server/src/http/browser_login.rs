//! Logging a command in by the browser, as the heroku command does it: it asks for an address, opens that
//! in a browser, and waits until somebody who is signed in to the dashboard there allows it.
//!
//! Whoever asks is nobody yet. What could go wrong is that somebody allows what another has asked for. So
//! the page says where the request came from, and whoever allows one of another network types that first.
//! Nothing is made before the command takes the answer, which it does once, with a secret that the browser
//! never sees.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, State as Shared};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use model::{Caller, IdentityCommand, NewToken};
use serde_json::{Value, json};

use crate::clock::{SystemIds, fresh_secret};
use crate::credentials::{fresh_token, token_hash};
use crate::http::login_requests::{Answer, Begun, LIFE};
use crate::http::state::{Origin, State};

/// How long the token lives, as one that is made by a password.
const TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The routes.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new().route("/auth", post(begin)).route("/auth/{id}", get(wait)).with_state(state)
}

fn refusal(status: StatusCode, id: &str, message: &str) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    (status, no_store, Json(json!({ "id": id, "message": message }))).into_response()
}

/// The client's address, if it is known.
fn address_of(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

async fn begin(
    Shared(state): Shared<Arc<State>>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // A browser asks before a page of another origin sends this, and nobody allows it.
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    let body =
        serde_json::from_slice(&body).ok().filter(|body: &Value| is_json && body.is_object());
    let Some(body) = body else {
        let message = "The request's body must be a JSON object.";
        return refusal(StatusCode::BAD_REQUEST, "bad_request", message);
    };
    let description = body["description"].as_str().unwrap_or_default();
    let now = state.clock.now();
    let Some(Begun { id, proof }) =
        state.browser_logins.begin(description, address_of(&extensions), now)
    else {
        let message = "Too many log-ins wait for an answer. Try again in some minutes.";
        return refusal(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message);
    };
    let answer = json!({
        "browser_url": format!("{}/{id}", dashboard::LOG_IN_PATH),
        "cli_url": format!("/auth/{id}"),
        "token": proof,
    });
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// Waits for the answer, and makes the token if it is allowed.
async fn wait(
    Shared(state): Shared<Arc<State>>,
    extensions: Extensions,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let proof = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let proof = proof.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let Some(mut answer) = state.browser_logins.awaited(&id, proof.trim()) else {
        let message = "No log-in waits here; begin anew.";
        return refusal(StatusCode::NOT_FOUND, "not_found", message);
    };
    let closing = state.closing.clone();
    let answered = tokio::select! {
        answered = answer.wait_for(Option::is_some) => answered.ok().and_then(|answer| *answer),
        () = tokio::time::sleep(LIFE) => None,
        () = closing.cancelled() => None,
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    let told = |value: Value| (no_store, Json(value)).into_response();
    let Some(request) = state.browser_logins.take(&id) else {
        let message = "This log-in was answered already.";
        return refusal(StatusCode::NOT_FOUND, "not_found", message);
    };
    let late = state.clock.now() >= request.made + LIFE;
    let user = match answered {
        Some(Answer::Allowed { user, as_of }) if !late => {
            if state.world().user(user).is_none_or(|user| user.updated != as_of) {
                let changed = "The user was changed after the log-in was allowed; begin anew.";
                return told(json!({ "error": changed }));
            }
            user
        }
        Some(Answer::Denied) => return told(json!({ "error": "The log-in was denied." })),
        Some(Answer::Allowed { .. }) | None => {
            return told(json!({ "error": "Nobody has allowed the log-in in time." }));
        }
    };
    let secret = fresh_token(&mut SystemIds);
    let new = NewToken::unlimited(user, token_hash(&secret), request.description);
    let create = IdentityCommand::CreateToken(NewToken { lives: Some(TOKEN_LIFE), ..new });
    let request_id = fresh_secret(&mut SystemIds).split_off(32);
    let origin = Origin { address: address_of(&extensions), request_id };
    match state.submit(Caller::User(user), create, &origin).await {
        Ok(_) => told(json!({ "access_token": secret })),
        Err(error) => told(json!({ "error": error.to_string() })),
    }
}
