//! What the router says itself.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::body::DownBody;
use super::code::Code;
use super::entry::Entry;
use super::head::{ERROR, Malformed};

/// A page about a request that failed.
pub fn failed(code: Code, mut entry: Box<Entry>) -> Response<DownBody> {
    entry.code = Some(code);
    entry.status = code.logged();
    let (what, name) = (code.description(), code.name());
    let text = match code.is_of_the_client() {
        true => format!("{what} ({name}).\n\nThe request did not arrive whole, or is none.\n"),
        false => format!(
            "Application error: {what} ({name}).\n\nThe app did not answer this request. Its owner \
             finds why in the app's log.\n"
        ),
    };
    let mut response = page(code.status(), text, Some(entry));
    let headers = response.headers_mut();
    headers.insert(&ERROR, HeaderValue::from_static(name));
    if code.is_of_the_client() {
        // What follows on the connection may not be what it seems to be.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A page for who is not within the trusted ranges.
pub fn forbidden(mut entry: Box<Entry>) -> Response<DownBody> {
    entry.status = StatusCode::FORBIDDEN.as_u16();
    entry.note = Some("Not in the trusted IP ranges");
    let text = "Your address is not in the space's trusted IP ranges.\n";
    page(StatusCode::FORBIDDEN, text, Some(entry))
}

/// A page about a host that is no app here.
pub fn unknown_host() -> Response<DownBody> {
    page(StatusCode::NOT_FOUND, "There is no app at this host.\n", None)
}

/// A page about a request that is none.
pub fn malformed(why: Malformed) -> Response<DownBody> {
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
    entry: Option<Box<Entry>>,
) -> Response<DownBody> {
    let text = text.into();
    let entry = entry.map(|mut entry| {
        entry.bytes = text.len() as u64;
        entry.ended = true;
        entry
    });
    let mut response = Response::new(DownBody::Page { text: Some(text), _entry: entry });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}
