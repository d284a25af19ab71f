//! The Platform API: the space's side, as the Heroku CLI and Terraform speak it (`heroku.md`).
//!
//! Every route is a line of `route::ROUTES`, with what the caller must belong to. A request is
//! authenticated, scoped, and then either answered from the world as of the last commit, or turned
//! into a command for the ledger and answered from what that led to.

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
mod formation;
mod headers;
mod host;
mod identity;
mod inbound;
mod log;
mod member;
mod page;
mod peering;
mod precondition;
mod release;
mod route;
mod session;
mod sign_in;
mod slug;
mod space;
mod space_access;

#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, RawPathParams, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::on;
use model::{Command, Timestamp};
use serde_json::Value;

use self::body::Body;
use self::call::{Answer, Call, Content, Outcome};
use self::failure::Failure;
use self::headers::RequestIds;
use self::page::{Page, Range};
use self::route::{Method, RATE_LIMITS, ROUTES, Route, Scope, Work};
use crate::clock::SystemIds;
use crate::ledger::{Committed, OnlyIf};
use crate::state::{Bearer, Origin, State, fresh_token, token_hash};

/// Every route of the Platform API, with a JSON answer for paths and methods that are none.
///
/// It has a fallback, so what it is merged with must have none. Where the client's address is
/// known as [`ConnectInfo`], the audit keeps it.
pub fn router(state: Arc<State>) -> Router {
    let mut router = blob::router(Arc::clone(&state)).merge(log::router(Arc::clone(&state)));
    for route in ROUTES {
        let state = Arc::clone(&state);
        let serve = move |params: Result<RawPathParams, RawPathParamsRejection>,
                          request: Request| {
            serve(state, route, params, request)
        };
        router = router.route(route.path, on(route.method.filter(), serve));
    }
    router
        .method_not_allowed_fallback(|request: Request| refuse(request, Failure::no_method()))
        .fallback(|request: Request| refuse(request, Failure::no_endpoint()))
}

fn refuse(request: Request, failure: Failure) -> std::future::Ready<Response> {
    let ids = RequestIds::new(&mut SystemIds, request.headers());
    std::future::ready(respond(Err(failure), None, &HeaderMap::new(), &ids, None))
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
    let base = headers::base(&parts.headers, authority);
    let now = state.clock.now();
    let known = sign_in::identify(&state, route, &parts.headers, &origin, now).await;
    let (outcome, remaining) = match known {
        Ok(bearer) => {
            let (counted, remaining) = count(&state, route, &bearer, now);
            let received = Received { params, body, headers: &parts.headers, base };
            let outcome = match counted {
                Ok(()) => answer(state, route, bearer, received, &origin).await,
                Err(failure) => Err(failure),
            };
            (outcome, Some(remaining))
        }
        Err(failure) => (Err(failure), None),
    };
    respond(outcome, Some(route.method), &parts.headers, &ids, remaining)
}

/// Takes a request from what the token has left, and how many that are then. Those of the operator,
/// and of who has no token yet, are not counted.
fn count(
    state: &State,
    route: &Route,
    bearer: &Bearer,
    now: Timestamp,
) -> (Result<(), Failure>, u32) {
    let Some(token) = &bearer.token else { return (Ok(()), state.rates.unlimited()) };
    if route.path == RATE_LIMITS {
        return (Ok(()), state.rates.remaining(token.id, now));
    }
    match state.rates.take(token.id, now) {
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

/// A request as it came in.
struct Received<'a> {
    params: Result<RawPathParams, RawPathParamsRejection>,
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
    let base = received.base;
    let call = Call { state, world, caller, token, now, params, body, base };
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

/// What a command is handed to the ledger with.
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

/// Writes the answer down.
fn respond(
    outcome: Outcome,
    method: Option<Method>,
    request: &HeaderMap,
    ids: &RequestIds,
    remaining: Option<u32>,
) -> Response {
    let failed = |failure: Failure| Page {
        status: failure.status,
        body: failure.body(),
        headers: failure.retry_after.map(|s| (header::RETRY_AFTER, s.into())).into_iter().collect(),
    };
    let mut page = outcome.and_then(|answer| page(answer, request)).unwrap_or_else(failed);
    let mut body = serialize(&page.body);
    let mut etag =
        (method == Some(Method::Get) && page.status.is_success()).then(|| headers::etag(&body));
    if let (Some(tag), Some(wanted)) = (&etag, headers::wanted(request))
        && !headers::is_wanted(&wanted, tag)
    {
        page = failed(Failure::changed());
        (body, etag) = (serialize(&page.body), None);
    }
    let mut response = (page.status, body).into_response();
    response.headers_mut().extend(page.headers);
    headers::complete(response.headers_mut(), ids, remaining);
    match etag {
        Some(etag) => tag(response, etag, request),
        None => response,
    }
}

fn page(answer: Answer, request: &HeaderMap) -> Result<Page, Failure> {
    match answer.content {
        Content::One(body) => Ok(Page { status: answer.status, body, headers: Vec::new() }),
        Content::List(items) => Ok(Range::of(request)?.cut(items)),
    }
}

/// Tags an answer, and empties it where the client has it already.
fn tag(mut response: Response, etag: String, request: &HeaderMap) -> Response {
    if headers::has_already(request, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = axum::body::Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn serialize(body: &Value) -> Vec<u8> {
    serde_json::to_vec(body).expect("a JSON value can be written")
}
