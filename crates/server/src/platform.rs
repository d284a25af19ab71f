//! The Platform API: the space's side, as the Heroku CLI and Terraform speak it (`heroku.md`).
//!
//! Every route is a line of `route::ROUTES`, with what the caller must belong to. A request is
//! authenticated, scoped, and then either answered from the world as of the last commit, or turned
//! into a command for the ledger and answered from what that led to.

mod absent;
mod app;
mod body;
mod call;
mod dyno;
mod failure;
mod headers;
mod host;
mod identity;
mod inbound;
mod member;
mod page;
mod peering;
mod route;
mod space;
mod space_access;

#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::on;
use serde_json::Value;

use self::body::Body;
use self::call::{Answer, Call, Content, Outcome};
use self::failure::Failure;
use self::headers::RequestIds;
use self::page::{Page, Range};
use self::route::{Method, ROUTES, Route, Scope, Work};
use crate::clock::SystemIds;
use crate::state::{Origin, State};

/// Every route of the Platform API, with a JSON answer for paths and methods that are none.
///
/// It has a fallback, so what it is merged with must have none. Where the client's address is
/// known as [`ConnectInfo`], the audit keeps it.
pub fn router(state: Arc<State>) -> Router {
    let mut router = Router::new();
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
    std::future::ready(respond(Err(failure), None, &HeaderMap::new(), &ids))
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
    let received = Received { params, body, headers: &parts.headers };
    let outcome = answer(state, route, received, &origin).await;
    respond(outcome, Some(route.method), &parts.headers, &ids)
}

/// A request as it came in.
struct Received<'a> {
    params: Result<RawPathParams, RawPathParamsRejection>,
    body: axum::body::Body,
    headers: &'a HeaderMap,
}

async fn answer(
    state: Arc<State>,
    route: &'static Route,
    received: Received<'_>,
    origin: &Origin,
) -> Outcome {
    let token = headers::token(received.headers).ok_or_else(Failure::unauthorized)?;
    let caller =
        state.authenticate(&token).or_else(|| state.anybody()).ok_or_else(Failure::unauthorized)?;
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
    let call = Call { state, world, caller, now, params, body };
    match &route.scope {
        Scope::User(work) => run(work, &call, &(), origin).await,
        Scope::Team(work) => run(work, &call, &call.team(call.param("team"))?, origin).await,
        Scope::Space(work) => run(work, &call, &call.space(call.param("space"))?, origin).await,
        Scope::App(work) => run(work, &call, &call.app(call.param("app"))?, origin).await,
    }
}

async fn run<S>(work: &Work<S>, call: &Call, subject: &S, origin: &Origin) -> Outcome {
    match work {
        Work::Read(read) => read(call, subject),
        Work::Write(parse, show) => {
            let command = parse(call, subject)?;
            let committed = call.state.submit(call.caller, command, origin).await?;
            show(call, subject, &committed)
        }
        Work::People(parse, show) => {
            let command = parse(call, subject)?;
            let committed = call.state.submit(call.caller, command, origin).await?;
            show(call, subject, &committed)
        }
    }
}

/// Writes the answer down.
fn respond(
    outcome: Outcome,
    method: Option<Method>,
    request: &HeaderMap,
    ids: &RequestIds,
) -> Response {
    let page = outcome.and_then(|answer| page(answer, request)).unwrap_or_else(|failure| Page {
        status: failure.status,
        body: failure.body(),
        headers: Vec::new(),
    });
    let body = serialize(&page.body);
    let etag =
        (method == Some(Method::Get) && page.status.is_success()).then(|| headers::etag(&body));
    let mut response = (page.status, body).into_response();
    response.headers_mut().extend(page.headers);
    headers::complete(response.headers_mut(), ids);
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
