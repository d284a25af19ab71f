//! The Platform API: the space's side, as the Heroku CLI and Terraform speak it (`heroku.md`).
//!
//! Every route is a line of `routes::ROUTES`, with the team, space or app that the caller must
//! belong to. A request is authenticated and scoped. Then it is either answered from the world of
//! the last commit, or turned into a command for the ledger and answered from the result.

mod absent;
mod addon;
mod app;
mod attachment;
mod blob;
mod body;
mod call;
mod domain;
mod dyno;
mod failure;
mod feature;
mod formation;
mod headers;
mod host;
mod identity;
mod inbound;
mod log;
mod log_drain;
mod member;
mod page;
mod peering;
mod peering_check;
mod precondition;
mod release;
mod release_output;
mod respond;
mod route;
mod routes;
mod second_factor;
mod session;
mod sign_in;
mod size;
mod slug;
mod space;
mod space_access;
mod webhook;
mod webhook_event;

#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, RawPathParams, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::on;
use edge::Share;
use model::{Caller, Command, Timestamp};

use self::body::Body;
use self::call::{Call, Outcome};
use self::failure::Failure;
use self::headers::RequestIds;
use self::respond::{note_stranger, respond};
use self::route::{Method, Route, Scope, Work};
use self::routes::{RATE_LIMITS, ROUTES};
use crate::clock::SystemIds;
use crate::credentials::{fresh_token, token_hash};
use crate::http::listen::Arrived;
use crate::http::measure::{OTHER, measured};
use crate::http::state::{Bearer, Origin, State};
use crate::ledger::{Committed, OnlyIf};
use crate::metrics::Endpoint;
use crate::party::Party;

pub(crate) use self::webhook_event::teller;

/// The name under which requests are counted.
const API: &str = "platform";

/// The router of the Platform API, with JSON answers for unknown paths and methods.
///
/// It has a fallback, so routers that it is merged with must have none. The audit keeps the
/// client's address if it is known as [`ConnectInfo`].
pub(crate) fn router(state: Arc<State>) -> Router {
    let streams = blob::router(Arc::clone(&state))
        .merge(log::router(Arc::clone(&state)))
        .merge(release_output::router(Arc::clone(&state)))
        .merge(absent::buildpack_registry());
    let mut router = measured(streams, API, &state.metrics);
    for route in ROUTES {
        let action = format!("{} {}", route.method.name(), route.path);
        let (state, endpoint) = (Arc::clone(&state), state.metrics.endpoints.of(API, &action));
        let serve = move |params: Result<RawPathParams, RawPathParamsRejection>,
                          request: Request| {
            let began = Instant::now();
            let answer = serve(state, route, params, request);
            async move {
                let response = answer.await;
                endpoint.answered(began, response.status());
                response
            }
        };
        router = router.route(route.path, on(route.method.filter(), serve));
    }
    let other = state.metrics.endpoints.of(API, OTHER);
    let others = Arc::clone(&other);
    router
        .method_not_allowed_fallback(move |request: Request| {
            refuse(&other, request, Failure::no_method())
        })
        .fallback(move |request: Request| refuse(&others, request, Failure::no_endpoint()))
}

fn refuse(endpoint: &Endpoint, request: Request, failure: Failure) -> std::future::Ready<Response> {
    let began = Instant::now();
    let ids = RequestIds::new(&mut SystemIds, request.headers());
    let response = respond(Err(failure), None, &HeaderMap::new(), &ids, None);
    endpoint.answered(began, response.status());
    std::future::ready(response)
}

/// Answers one request.
async fn serve(
    state: Arc<State>,
    route: &'static Route,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let ids = RequestIds::new(&mut SystemIds, request.headers());
    let (parts, body) = request.into_parts();
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let origin = Origin { address, request_id: ids.own.clone() };
    let authority = parts.uri.authority().map(Authority::as_str);
    let arrived = parts.extensions.get::<Arrived>().copied().unwrap_or_default();
    let base = headers::base(&parts.headers, authority, arrived);
    let now = state.clock.now();
    let known = sign_in::identify(&state, route, &parts.headers, &origin, now).await;
    let caller = known.as_ref().ok().map(|bearer| bearer.caller);
    let scopes = known.as_ref().ok().map(headers::scopes_of);
    let auditing = Arc::clone(&state);
    let (outcome, remaining) = match known {
        Ok(bearer) => {
            let (counted, remaining) = count(&state, route, &bearer, now);
            let uri = parts.uri.clone();
            let received = Received { params, uri, body, headers: &parts.headers, base };
            let outcome = match counted {
                Ok(()) => match sign_in::admit(&state, route, &bearer) {
                    Ok(()) => {
                        let headers = received.headers;
                        match sign_in::confirm(&state, route, &bearer, headers, &origin, now).await
                        {
                            Ok(()) => answer(state, route, bearer, received, &origin).await,
                            Err(failure) => Err(failure),
                        }
                    }
                    Err(failure) => Err(failure),
                },
                Err(failure) => Err(failure),
            };
            (outcome, Some(remaining))
        }
        Err(failure) => (Err(failure), None),
    };
    if let Err(failure) = &outcome {
        let action = format!("{} {}", route.method.name(), route.path);
        note_stranger(&auditing, failure, caller, action, &origin);
    }
    let mut response = respond(outcome, Some(route.method), &parts.headers, &ids, remaining);
    headers::tell_scopes(response.headers_mut(), scopes, route.need);
    response
}

/// Counts a request towards the user's rate limit, which all of the user's tokens share. Returns
/// how many requests are left. The operator has no limit.
fn count(
    state: &State,
    route: &Route,
    bearer: &Bearer,
    now: Timestamp,
) -> (Result<(), Failure>, u32) {
    let Caller::User(user) = bearer.caller else { return (Ok(()), state.rates.unlimited()) };
    if route.path == RATE_LIMITS {
        return (Ok(()), state.rates.remaining(user, now));
    }
    match state.rates.take(user, now) {
        Ok(remaining) => (Ok(()), remaining),
        Err(wait) => {
            let milliseconds = wait.as_millis();
            let message = format!(
                "Your account reached the API rate limit. The next request is taken in \
                 {milliseconds} ms; `GET {RATE_LIMITS}` says how many are left."
            );
            (Err(Failure::too_many(message, wait)), 0)
        }
    }
}

/// The parts of a request that was received.
struct Received<'a> {
    params: Result<RawPathParams, RawPathParamsRejection>,
    uri: Uri,
    body: axum::body::Body,
    headers: &'a HeaderMap,
    base: String,
}

async fn answer(
    state: Arc<State>,
    route: &'static Route,
    bearer: Bearer,
    received: Received<'_>,
    origin: &Origin,
) -> Outcome {
    headers::check_accept(received.headers)?;
    let params = received
        .params
        .map_err(|_| Failure::bad_request("The path is not UTF-8."))?
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let body =
        if route.method.has_body() { Body::read(received.body).await? } else { Body::default() };
    let (world, now) = (state.world(), state.clock.now());
    let Bearer { caller, token } = bearer;
    let Received { uri, base, .. } = received;
    let call = Call { state, world, caller, token, now, params, uri, body, base };
    let only_if = match route.method {
        Method::Get => None,
        Method::Post | Method::Put | Method::Patch | Method::Delete => {
            precondition::of(route, &call, received.headers)
        }
    };
    let submit = Submit { call: &call, origin, only_if };
    match &route.scope {
        Scope::User(work) | Scope::SignIn(work) => submit.run(work, &()).await,
        Scope::Token(work) => submit.run(work, &session::find(&call)?).await,
        Scope::Team(work) => submit.run(work, &call.team(call.param("team"))?).await,
        Scope::Space(work) => submit.run(work, &call.space(call.param("space"))?).await,
        Scope::App(work) => submit.run(work, &call.app(call.param("app"))?).await,
        Scope::Addon(work) => submit.run(work, &call.addon(call.param("addon"))?).await,
        Scope::Attachment(work) => submit.run(work, &attachment::find(&call)?).await,
    }
}

/// A share of those who read logs and records.
fn reading(call: &Call) -> Result<Share<Party>, Failure> {
    let party = call.user().map_or(Party::Operator, |user| Party::User(user.id));
    call.state.log_readers.take(vec![party]).map_err(|_| {
        let message =
            "As many records and logs are being read as may be at a time; try again soon.";
        Failure::too_many(message, Duration::from_secs(1))
    })
}

/// What a command is submitted to the ledger with.
struct Submit<'a> {
    call: &'a Call,
    origin: &'a Origin,
    only_if: Option<OnlyIf>,
}

impl Submit<'_> {
    async fn run<S>(self, work: &Work<S>, subject: &S) -> Outcome {
        let call = self.call;
        match work {
            Work::Read(read) => read(call, subject),
            Work::Look(ask, show) => {
                let question = ask(call, subject);
                let _share = reading(call)?;
                let store = call.state.store.lock().expect("no holder panics").handle();
                let store = store.map_err(|error| Failure::unread(&error))?;
                let asked = tokio::task::spawn_blocking(move || question(&*store)).await;
                let kept = asked.map_err(|error| Failure::unread(&error))?;
                show(call, subject, &kept.map_err(|error| Failure::unread(&error))?)
            }
            Work::Write(parse, show) => {
                let committed = self.submit(parse(call, subject)?).await?;
                show(call, subject, &committed)
            }
            Work::People(parse, show) => {
                let committed = self.submit(parse(call, subject)?).await?;
                show(call, subject, &committed)
            }
            Work::Issue(parse, show) => {
                let secret = fresh_token(&mut SystemIds);
                let committed = self.submit(parse(call, subject, token_hash(&secret))?).await?;
                show(call, subject, &committed, &secret)
            }
        }
    }

    async fn submit(self, command: impl Into<Command>) -> Result<Committed, Failure> {
        let Self { call, origin, only_if } = self;
        Ok(call.state.submit_if(call.caller, command, origin, only_if).await?)
    }
}
