//! The router's own pages.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::body::DownBody;
use super::code::Code;
use super::head::{ERROR, Malformed};
use super::request_record::RequestRecord;

/// A page about a request that failed.
pub(crate) fn failed(code: Code, mut record: Box<RequestRecord>) -> Response<DownBody> {
    record.code = Some(code);
    record.status = code.logged();
    let (what, name) = (code.description(), code.name());
    let text = match code.is_of_the_client() {
        true => format!("{what} ({name}).\n\nThe request did not arrive whole, or is none.\n"),
        false => format!(
            "Application error: {what} ({name}).\n\nThe app did not answer this request. Its owner \
             finds why in the app's log.\n"
        ),
    };
    let mut response = page(code.status(), text, Some(record));
    let headers = response.headers_mut();
    headers.insert(&ERROR, HeaderValue::from_static(name));
    if code.is_of_the_client() {
        // What follows on the connection may not be what it seems to be.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A page for a client that is not in the trusted ranges.
pub(crate) fn forbidden(mut record: Box<RequestRecord>) -> Response<DownBody> {
    record.status = StatusCode::FORBIDDEN.as_u16();
    record.note = Some("Not in the trusted IP ranges");
    let text = "Your address is not in the space's trusted IP ranges.\n";
    page(StatusCode::FORBIDDEN, text, Some(record))
}

/// A page about a host that belongs to no app.
pub(crate) fn unknown_host() -> Response<DownBody> {
    page(StatusCode::NOT_FOUND, "There is no app at this host.\n", None)
}

/// A page about a request that is malformed.
pub(crate) fn malformed(why: Malformed) -> Response<DownBody> {
    let (status, text) = match why {
        Malformed::Host => (StatusCode::BAD_REQUEST, "The request names no host, or several.\n"),
        Malformed::Length => {
            (StatusCode::BAD_REQUEST, "It is not certain where the request's body ends.\n")
        }
        Malformed::Method => (StatusCode::METHOD_NOT_ALLOWED, "This router opens no tunnels.\n"),
        Malformed::Expectation => {
            (StatusCode::EXPECTATION_FAILED, "The request's expectation is not known.\n")
        }
    };
    let mut response = page(status, text, None);
    let headers = response.headers_mut();
    headers.insert(&ERROR, HeaderValue::from_static(Code::H26.name()));
    // What follows on the connection may not be what it seems to be.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn page(
    status: StatusCode,
    text: impl Into<Bytes>,
    record: Option<Box<RequestRecord>>,
) -> Response<DownBody> {
    let text = text.into();
    let record = record.map(|mut record| {
        record.bytes = text.len() as u64;
        record.ended = true;
        record
    });
    let mut response = Response::new(DownBody::Page { text: Some(text), _record: record });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}
