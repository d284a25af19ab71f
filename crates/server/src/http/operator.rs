//! Endpoints of who runs the installation, under `/_causeway/`. The token follows from the data
//! directory's key, so whoever reads that directory may use them. `causeway-api` has the types of
//! their requests and answers.

mod answer;
pub(crate) mod audit;
mod backup;
mod context;
mod environment;
mod event;
mod flows;
mod host;
mod identity;
mod input;
mod installation;
mod join;
mod names;
mod overview;
mod peer;
mod peering_check;
mod probe;
mod quota;
mod role;
mod snapshot;
mod subject;
mod usage;
mod viewer;
mod webhook;
mod why;
mod workload;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use model::Caller;

use self::answer::Problem;
pub(crate) use self::context::Operator;
use self::context::{DECIDED, PEER, REQUEST_ID};
use crate::clock::{SystemIds, fresh_secret};
use crate::http::measure::measured;
use crate::http::refused;
use crate::http::state::{Origin, State};

/// Where the id of a request begins in a fresh secret: half of that is enough.
const REQUEST_ID_BYTES: usize = 32;

/// The routes.
pub(crate) fn router(operator: Operator) -> Router {
    let metrics = Arc::clone(&operator.state.metrics);
    let admit = axum::middleware::from_fn_with_state(operator.clone(), admit);
    let note = axum::middleware::from_fn_with_state(operator.clone(), note);
    let router = subject::routes()
        .route("/_causeway/status", get(installation::status))
        .route("/_causeway/servers", get(installation::servers))
        .route("/_causeway/accounts", get(identity::accounts).post(identity::create_account))
        .route("/_causeway/keys", get(identity::keys).post(identity::create_key))
        .route("/_causeway/keys/{id}/rotate", post(identity::rotate_key))
        .route("/_causeway/host/init", post(join::init))
        .route("/_causeway/host/token", post(join::create_token))
        .route("/_causeway/hosts", get(host::hosts))
        .route("/_causeway/hosts/{host}", get(host::host).delete(host::remove))
        .route("/_causeway/hosts/{host}/drain", post(host::drain))
        .route("/_causeway/hosts/{host}/undrain", post(host::undrain))
        .route("/_causeway/quotas", get(quota::quotas))
        .route("/_causeway/quotas/{quota}", put(quota::set))
        .route("/_causeway/roles", get(role::roles).post(role::create))
        .route("/_causeway/roles/{role}", get(role::role).delete(role::delete))
        .route("/_causeway/users", get(identity::users).post(identity::create_user))
        .route("/_causeway/users/{email}/password", put(identity::set_password))
        .route("/_causeway/users/{email}/two-factor", delete(identity::disable_second_factor))
        .route("/_causeway/tokens", get(identity::tokens).post(identity::create_token))
        .route("/_causeway/teams", get(identity::teams).post(identity::create_team))
        .route("/_causeway/teams/{team}/members", put(identity::set_member))
        .route("/_causeway/env", post(environment::env))
        .route("/_causeway/spaces/{space}/limits", put(installation::set_limits))
        .route("/_causeway/workloads/{*target}", get(workload::workload))
        .route("/_causeway/logs/{*target}", get(workload::logs))
        .route("/_causeway/usage", get(usage::usage))
        .route("/_causeway/audit", get(audit::audit))
        .route("/_causeway/backup", post(backup::backup))
        .route("/_causeway/clock", post(installation::clock))
        .route("/_causeway/reset", post(installation::reset))
        .route(
            "/_causeway/snapshot",
            get(snapshot::save)
                .put(snapshot::load)
                .layer(axum::extract::DefaultBodyLimit::max(snapshot::MOST_BYTES)),
        )
        .route("/_causeway/sweep", post(installation::sweep))
        .route("/_causeway/lost", get(installation::lost))
        .route("/_causeway/lost/{*id}", delete(installation::delete_lost))
        .method_not_allowed_fallback(no_method)
        .layer(admit)
        // They look by themselves at who asks: not only the operator may.
        .merge(
            Router::new()
                .route("/_causeway/why", get(why::why))
                .route("/_causeway/peering-check", get(peering_check::check))
                .route("/_causeway/peer-plan", get(peer::plan))
                .route("/_causeway/probe", post(probe::probe))
                .route("/_causeway/flows", get(flows::follow))
                .route("/_causeway/flow-logs", get(flows::kept))
                .route("/_causeway/webhooks", get(webhook::webhooks).post(webhook::create))
                .route("/_causeway/webhooks/{id}", delete(webhook::delete))
                .route("/_causeway/webhooks/{id}/deliveries", get(webhook::deliveries))
                .route("/_causeway/events", get(event::events))
                .route("/_causeway/overview/vpcs", get(overview::vpcs))
                .route("/_causeway/overview/peerings", get(overview::peerings))
                .route("/_causeway/overview/instances", get(overview::instances))
                .route("/_causeway/overview/spaces", get(overview::spaces))
                .route("/_causeway/overview/apps", get(overview::apps))
                .method_not_allowed_fallback(no_method)
                .layer(note),
        )
        // What is public, for clients on other machines.
        .merge(
            Router::new()
                .route("/_causeway/about", get(environment::about))
                .route("/_causeway/ca.pem", get(environment::authorities)),
        )
        .with_state(operator);
    measured(router, "operator", &metrics)
}

/// Lets only the operator through; in emulator mode, which listens on loopback alone, anybody.
async fn admit(Shared(operator): Shared<Operator>, request: Request, next: Next) -> Response {
    let caller = caller(&operator.state, request.headers());
    if caller == Some(Caller::Operator) || operator.state.emulator {
        let Answered { answer, action, origin, decided } = answered(request, next).await;
        let status = answer.status();
        if status.is_client_error() && !decided {
            refused::log(Caller::Operator, &action, "", status.as_str(), "", &origin);
        }
        return answer;
    }
    let problem = Problem(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "This is for the operator alone. On the server's host, give --data DIR (or CAUSEWAY_DATA) \
         so that the operator's token can be read from there."
            .to_owned(),
    );
    let origin = Origin { address: address(&request), ..Origin::default() };
    audit::note_stranger(&operator.state, caller, &origin, request.method(), &problem);
    problem.into_response()
}

/// Has the audit know of whoever is not let in, and the log of what else is refused, where endpoints look
/// by themselves at who asks.
async fn note(Shared(operator): Shared<Operator>, request: Request, next: Next) -> Response {
    let caller = caller(&operator.state, request.headers());
    let method = request.method().clone();
    let Answered { answer, action, origin, decided } = answered(request, next).await;
    let Some(problem) = answer.extensions().get::<Problem>().filter(|_| !decided) else {
        return answer;
    };
    let Problem(status, outcome, message) = problem;
    match (*status, caller) {
        (status, _) if !status.is_client_error() => {}
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _)
            if caller != Some(Caller::Operator) =>
        {
            audit::note_stranger(&operator.state, caller, &origin, &method, problem);
        }
        (_, Some(caller)) => refused::log(caller, &action, "", outcome, message, &origin),
        // An account signs, and its name is not known here.
        (_, None) => {}
    }
    answer
}

/// Whose token a request has.
fn caller(state: &State, headers: &HeaderMap) -> Option<Caller> {
    let token = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer "))?;
    state.authenticate(token.trim(), state.clock.now()).map(|bearer| bearer.caller)
}

/// The address of who asks.
fn address(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

/// An answer, and what is known of its request.
struct Answered {
    answer: Response,
    /// The method and the route.
    action: String,
    origin: Origin,
    /// Whether the ledger refused a command, so that the audit has it.
    decided: bool,
}

/// Answers a request. Its commands know where it came from, and by which id.
async fn answered(request: Request, next: Next) -> Answered {
    let address = address(&request);
    let request_id = fresh_secret(&mut SystemIds).split_off(REQUEST_ID_BYTES);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let action = route.map(|route| format!("{} {}", request.method(), route.as_str()));
    let work = async {
        let answer = next.run(request).await;
        (answer, DECIDED.with(Cell::get))
    };
    let work = DECIDED.scope(Cell::new(false), work);
    let work = PEER.scope(address, REQUEST_ID.scope(request_id.clone(), work));
    let (mut answer, decided) = work.await;
    let status = answer.status();
    if status.is_server_error() {
        tracing::warn!(request_id, %status, "an operator's request failed");
    }
    if let Ok(id) = http::HeaderValue::from_str(&request_id) {
        answer.headers_mut().insert("request-id", id);
    }
    let origin = Origin { address, request_id };
    Answered { answer, action: action.unwrap_or_default(), origin, decided }
}

async fn no_method() -> Problem {
    let message =
        "This endpoint does not take that method. The `Allow` header names those it takes.";
    Problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message.to_owned())
}
