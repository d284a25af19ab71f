//! Formats answers and failures, with the headers that all of them have.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::Caller;
use serde_json::Value;
use store::AuditRow;

use super::call::{Answer, Content, Outcome};
use super::failure::Failure;
use super::headers::{self, RequestIds};
use super::page::{Page, Range};
use super::route::Method;
use crate::http::refusals::Refusal;
use crate::http::refused;
use crate::http::state::{Origin, State};

/// The header that shows a webhook's secret once.
const HEROKU_WEBHOOK_SECRET: HeaderName = HeaderName::from_static("heroku-webhook-secret");

/// Records a request in the audit that was refused because of its sender.
pub(super) fn note_stranger(
    state: &State,
    failure: &Failure,
    caller: Option<Caller>,
    action: String,
    origin: &Origin,
) {
    let Some(outcome) = failure.of_stranger() else {
        if let Some(caller) = caller.filter(|_| !failure.decided) {
            refused::log(caller, &action, "", failure.id(), failure.message(), origin);
        }
        return;
    };
    let place = failure.kept_from.map(|key| crate::ledger::audit_scope::of(&state.world(), key));
    let (team, space) = place.unwrap_or_default().texts();
    let row = AuditRow {
        actor: caller.map_or("nobody".to_owned(), |caller| caller.to_string()),
        action,
        resource: failure.kept_from.map(|key| key.to_string()).unwrap_or_default(),
        outcome: outcome.to_owned(),
        message: failure.message().to_owned(),
        request_id: origin.request_id.clone(),
        team,
        space,
        ..AuditRow::default()
    };
    state.refused(Refusal { source: origin.address, row });
}

/// Formats an answer.
pub(super) fn respond(
    outcome: Outcome,
    method: Option<Method>,
    request: &HeaderMap,
    ids: &RequestIds,
    remaining: Option<u32>,
) -> Response {
    let failed = |failure: Failure| {
        let mut body = failure.body();
        if failure.status.is_server_error() {
            // The answer and the server's log have the same id.
            body["request_id"] = ids.own.as_str().into();
            tracing::warn!(request_id = ids.own, status = %failure.status, "{}", failure.message());
        }
        let wait = failure.retry_after.map(|s| (header::RETRY_AFTER, s.into()));
        Page { status: failure.status, body, headers: wait.into_iter().collect() }
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

pub(super) fn page(answer: Answer, request: &HeaderMap) -> Result<Page, Failure> {
    match answer.content {
        Content::One(body) => {
            let secret = answer.secret.and_then(|secret| HeaderValue::try_from(secret).ok());
            let headers = secret.map(|secret| (HEROKU_WEBHOOK_SECRET, secret)).into_iter();
            Ok(Page { status: answer.status, body, headers: headers.collect() })
        }
        Content::List(items) => Range::of(request)?.cut(items),
    }
}

/// Adds the entity tag, and answers 304 if the client has the body already.
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

pub(super) fn serialize(body: &Value) -> Vec<u8> {
    serde_json::to_vec(body).expect("a JSON value can be written")
}
