//! `If-Match`: a change that is made only if the resource is as the client has seen it.

use std::sync::Arc;

use axum::http::HeaderMap;
use model::World;

use super::body::Body;
use super::call::{Call, Outcome};
use super::failure::Failure;
use super::headers;
use super::respond::{page, serialize};
use super::route::{Method, Route, Scope, Work};
use super::routes::ROUTES;
use crate::ledger::OnlyIf;

/// The condition for the world that a change is decided on: a `GET` of the same path must return a
/// body with one of the client's tags. If it fails, the condition does not hold.
pub(super) fn of(route: &Route, call: &Call, request: &HeaderMap) -> Option<OnlyIf> {
    let wanted = headers::wanted(request)?;
    let read = ROUTES.iter().find(|r| r.method == Method::Get && r.path == route.path);
    let (state, caller, token) = (Arc::clone(&call.state), call.caller, call.token.clone());
    let (params, now, request) = (call.params.clone(), call.now, request.clone());
    let (uri, base) = (call.uri.clone(), call.base.clone());
    Some(OnlyIf::new(move |world: &Arc<World>| {
        let call = Call {
            state: Arc::clone(&state),
            world: Arc::clone(world),
            caller,
            token: token.clone(),
            now,
            params: params.clone(),
            uri: uri.clone(),
            body: Body::default(),
            base: base.clone(),
        };
        let seen = read.and_then(|read| look(read, &call).ok());
        let shown = seen.and_then(|answer| page(answer, &request).ok());
        let etag = shown.map(|page| headers::etag(&serialize(&page.body)));
        etag.is_some_and(|etag| headers::is_wanted(&wanted, &etag))
    }))
}

/// Carries out the `GET`.
fn look(route: &Route, call: &Call) -> Outcome {
    match &route.scope {
        Scope::User(work) | Scope::SignIn(work) => read(work, call, &()),
        Scope::Token(work) => read(work, call, &super::session::find(call)?),
        Scope::Team(work) => read(work, call, &call.team(call.param("team"))?),
        Scope::Space(work) => read(work, call, &call.space(call.param("space"))?),
        Scope::App(work) => read(work, call, &call.app(call.param("app"))?),
        Scope::Addon(work) => read(work, call, &call.addon(call.param("addon"))?),
        Scope::Attachment(work) => read(work, call, &super::attachment::find(call)?),
    }
}

fn read<S>(work: &Work<S>, call: &Call, subject: &S) -> Outcome {
    match work {
        Work::Read(read) => read(call, subject),
        // No change is of what these show.
        Work::Look(..) | Work::Write(..) | Work::People(..) | Work::Issue(..) => {
            Err(Failure::no_method())
        }
    }
}
