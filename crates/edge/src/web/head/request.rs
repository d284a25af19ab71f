//! The head of a request on its way to a dyno.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Version, request};
use std::borrow::Cow;

use super::check::Host;
use super::fields::{OURS, drop_disguised, is_disguised, named_by_connection, names_http2, strip};
use crate::clock;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
/// The addresses by which a request came.
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The router's own element of `Via`, by the version of the request.
static VIA: HeaderValue = HeaderValue::from_static("1.1 causeway-router");
static VIA_2: HeaderValue = HeaderValue::from_static("2.0 causeway-router");
static VIA_1_0: HeaderValue = HeaderValue::from_static("1.0 causeway-router");

/// The values that every request of a client's connection gets in its `X-Forwarded-…` fields.
#[derive(Debug)]
pub(crate) struct ForwardedHeaders {
    /// The client's address.
    pub client: HeaderValue,
    /// `http` or `https`.
    pub proto: HeaderValue,
    /// The port to which the client connected.
    pub port: HeaderValue,
}

/// The protocols to which a client asks the dyno to switch, if it may.
pub(crate) fn upgrade(parts: &request::Parts) -> Option<HeaderValue> {
    let wanted = parts.headers.get(header::UPGRADE)?;
    let asked = parts.version == Version::HTTP_11
        && has_token(&parts.headers, "upgrade")
        && !parts.headers.contains_key(header::CONTENT_LENGTH)
        && !parts.headers.contains_key(header::TRANSFER_ENCODING);
    (asked && !names_http2(wanted)).then(|| wanted.clone())
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    headers.get_all(header::CONNECTION).iter().any(|value| {
        let tokens = value.to_str().unwrap_or_default().split(',');
        tokens.map(str::trim).any(|it| it.eq_ignore_ascii_case(token))
    })
}

/// How a request's body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body.
    Bodiless,
    /// The body has the length that the client said.
    Sized,
    /// The body comes in chunks.
    Chunked,
}

/// The head of a request as dynos get it, and the parts of it that are logged.
#[derive(Debug, Clone)]
pub(crate) struct RequestHead {
    block: Bytes,
    target: Span,
    host: Span,
    id: Span,
    client: Span,
}

type Span = std::ops::Range<usize>;

impl RequestHead {
    /// The whole head as it is sent.
    pub(crate) fn block(&self) -> &Bytes {
        &self.block
    }

    /// The path and query.
    pub(crate) fn target(&self) -> &str {
        self.text(&self.target)
    }

    /// The host, without a port.
    pub(crate) fn host(&self) -> &str {
        self.text(&self.host)
    }

    /// The id by which logs know the request.
    pub(crate) fn id(&self) -> &str {
        self.text(&self.id)
    }

    /// The addresses by which the request came.
    pub(crate) fn client(&self) -> &str {
        self.text(&self.client)
    }

    fn text(&self, span: &Span) -> &str {
        self.block.get(span.clone()).and_then(|it| str::from_utf8(it).ok()).unwrap_or_default()
    }
}

/// What is logged of a request that no dyno gets.
pub(crate) fn turned_away(
    parts: &request::Parts,
    host: Host<'_>,
    forwarded: &ForwardedHeaders,
) -> RequestHead {
    let mut out = Vec::new();
    let mut put = |text: &[u8]| put(&mut out, text);
    let target = put(target(&parts.uri).as_bytes());
    let host = put(host.name().as_bytes());
    let id = put(&new_id());
    let client = put(forwarded.client.as_bytes());
    RequestHead { block: out.into(), target, host, id, client }
}

/// The head of a client's request as a dyno gets it. The request must have passed [`check`].
pub(crate) fn to_dyno(
    parts: &request::Parts,
    host: Host<'_>,
    forwarded: &ForwardedHeaders,
    upgrade: Option<&HeaderValue>,
    framing: Framing,
) -> RequestHead {
    let headers = &parts.headers;
    let mut out = Vec::with_capacity(1024);
    put(&mut out, parts.method.as_str().as_bytes());
    out.push(b' ');
    let target = put(&mut out, target(&parts.uri).as_bytes());
    put(&mut out, b" HTTP/1.1\r\nhost: ");
    let said = put(&mut out, host.text.as_bytes());
    let host = said.start..said.start + host.name;
    put(&mut out, b"\r\n");
    let named = named_by_connection(headers);
    let http2 = parts.version == Version::HTTP_2;
    for (name, value) in headers {
        let goes = match name.as_str() {
            "host"
            | "connection"
            | "transfer-encoding"
            | "upgrade"
            | "te"
            | "expect"
            | "via"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "keep-alive"
            | "http2-settings"
            | "x-request-id"
            | "x-request-start"
            | "x-forwarded-for"
            | "x-forwarded-proto"
            | "x-forwarded-port" => false,
            "content-length" => framing != Framing::Chunked,
            "cookie" => !http2,
            text => !is_disguised(text) && !named.contains(name),
        };
        if goes {
            field(&mut out, name, value.as_bytes());
        }
    }
    if http2 {
        // HTTP/2 may send each cookie in a field of its own; HTTP/1.1 may not.
        joined(&mut out, headers, &header::COOKIE, b"; ", None);
    }
    if let Some(upgrade) = upgrade {
        field(&mut out, &header::UPGRADE, upgrade.as_bytes());
        field(&mut out, &header::CONNECTION, b"upgrade");
    } else if takes_trailers(headers) {
        field(&mut out, &header::TE, b"trailers");
        field(&mut out, &header::CONNECTION, b"te");
    }
    match framing {
        Framing::Chunked => _ = field(&mut out, &header::TRANSFER_ENCODING, b"chunked"),
        Framing::Bodiless if is_for_a_body(parts) => {
            field(&mut out, &header::CONTENT_LENGTH, b"0");
        }
        Framing::Bodiless | Framing::Sized => {}
    }
    let id = match known_id(headers) {
        Some(id) => field(&mut out, &REQUEST_ID, id.as_bytes()),
        None => field(&mut out, &REQUEST_ID, &new_id()),
    };
    let start = clock::since_epoch().as_millis() as u64;
    field(&mut out, &REQUEST_START, itoa::Buffer::new().format(start).as_bytes());
    let client = joined(&mut out, headers, &FORWARDED_FOR, b", ", Some(&forwarded.client));
    field(&mut out, &FORWARDED_PROTO, forwarded.proto.as_bytes());
    field(&mut out, &FORWARDED_PORT, forwarded.port.as_bytes());
    let via = match parts.version {
        Version::HTTP_2 => &VIA_2,
        Version::HTTP_10 => &VIA_1_0,
        _ => &VIA,
    };
    joined(&mut out, headers, &header::VIA, b", ", Some(via));
    put(&mut out, b"\r\n");
    RequestHead { block: out.into(), target, host, id, client }
}

fn put(out: &mut Vec<u8>, text: &[u8]) -> Span {
    let start = out.len();
    out.extend_from_slice(text);
    start..out.len()
}

/// Writes a field, and says where its value is.
fn field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) -> Span {
    put(out, name.as_str().as_bytes());
    put(out, b": ");
    let span = put(out, value);
    put(out, b"\r\n");
    span
}

/// Writes all values of a field as one, and one more, unless there are none.
fn joined(
    out: &mut Vec<u8>,
    headers: &HeaderMap,
    name: &HeaderName,
    between: &[u8],
    last: Option<&HeaderValue>,
) -> Span {
    let mut values = headers.get_all(name).iter().chain(last).map(HeaderValue::as_bytes);
    let Some(first) = values.next() else { return 0..0 };
    put(out, name.as_str().as_bytes());
    put(out, b": ");
    let start = put(out, first).start;
    for value in values {
        put(out, between);
        put(out, value);
    }
    let span = start..out.len();
    put(out, b"\r\n");
    span
}

fn target(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query().map_or("", PathAndQuery::as_str) {
        "" => "/".into(),
        // Of an address that has no path, as `http://example.com?q`: its path is `/` (RFC 9112 §3.2.1).
        query if query.starts_with('?') => format!("/{query}").into(),
        target => target.into(),
    }
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get(header::TE).is_some_and(|te| {
        te.to_str().is_ok_and(|te| te.split(',').any(|t| t.trim().eq_ignore_ascii_case("trailers")))
    })
}

/// Whether a request without a body should have a length of 0 (RFC 9110 §8.6).
fn is_for_a_body(parts: &request::Parts) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method)
        && !parts.headers.contains_key(header::CONTENT_LENGTH)
}

/// Removes from the trailers of a request the fields that do not belong there, and those that only the
/// router may add.
pub(crate) fn trailers(headers: &mut HeaderMap) {
    strip(headers);
    for name in OURS {
        headers.remove(name);
    }
    headers.remove(header::HOST);
    drop_disguised(headers);
}

/// The id that a client gave its request, if Heroku would keep it: 20 to 200 letters, digits and
/// `+/=-`.
fn known_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-".contains(byte);
    headers
        .get(&REQUEST_ID)
        .filter(|id| (20..=200).contains(&id.len()) && id.as_bytes().iter().all(good))
}

/// A new id for a request.
fn new_id() -> Id {
    let bits = u128::from(clock::chance()) << 64 | u128::from(clock::chance());
    let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    id.hyphenated().encode_lower(&mut text);
    text
}

type Id = [u8; uuid::fmt::Hyphenated::LENGTH];
