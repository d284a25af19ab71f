//! The heads of requests and responses: what is refused, what is taken out, what is added.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Version, request};

use crate::clock;
use crate::digits::Digits;

/// What is not taken, and why, for the log and the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// No host, several, or one that is none.
    Host,
    /// A body whose end is not certain.
    Length,
    /// A method that only a proxy of clients would serve.
    Method,
    /// An expectation that is not known.
    Expectation,
}

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
/// Says for whom a request is made.
pub static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Names the code of an error that the router found.
pub static ERROR: HeaderName = HeaderName::from_static("x-causeway-error");
static FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// As this router calls itself.
static VIA: HeaderValue = HeaderValue::from_static("1.1 causeway-router");
static VIA_2: HeaderValue = HeaderValue::from_static("2.0 causeway-router");
static VIA_1_0: HeaderValue = HeaderValue::from_static("1.0 causeway-router");
static UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// Names that apps trust and that a name with an underscore becomes the same as in many of them.
const OURS: [&str; 7] = [
    "x-request-id",
    "x-request-start",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-port",
    "content-length",
    "transfer-encoding",
];

/// What every request on a connection gets.
#[derive(Debug)]
pub struct Marks {
    /// The client's address.
    pub client: HeaderValue,
    /// `http` or `https`.
    pub proto: HeaderValue,
    /// The port that the client connected to.
    pub port: HeaderValue,
}

/// Refuses what could be understood in two ways. Gives the host.
pub fn check(parts: &request::Parts) -> Result<Host<'_>, Malformed> {
    let headers = &parts.headers;
    if parts.method == Method::CONNECT {
        return Err(Malformed::Method);
    }
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        let alone = headers.get_all(header::TRANSFER_ENCODING).iter().count() == 1;
        let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !alone || !plain || headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Malformed::Length);
        }
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next()
        && (number(length).is_none() || lengths.next().is_some())
    {
        return Err(Malformed::Length);
    }
    if let Some(expectation) = headers.get(header::EXPECT)
        && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Malformed::Expectation);
    }
    host(parts)
}

/// Digits, and nothing else.
fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes().iter().all(u8::is_ascii_digit);
    value.to_str().ok().filter(|_| digits)?.parse().ok()
}

/// The length of a request's body, if it says one.
pub fn length(parts: &request::Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH).and_then(number)
}

/// Which host a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    text: &'a str,
    /// How much of it is the name.
    name: usize,
}

impl<'a> Host<'a> {
    /// A name or an address, and perhaps a port.
    fn parse(text: &'a str) -> Option<Self> {
        let end = match text.strip_prefix('[') {
            Some(address) => address.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (name, port) = text.split_at(end);
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let port = match port.strip_prefix(':') {
            Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()),
            None => port.is_empty(),
        };
        (port && !name.is_empty() && name.bytes().all(good)).then_some(Self { text, name: end })
    }

    /// Its name, without a port.
    pub fn name(&self) -> &'a str {
        self.text.get(..self.name).unwrap_or_default()
    }
}

fn host(parts: &request::Parts) -> Result<Host<'_>, Malformed> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(Malformed::Host);
    }
    let text = match (parts.uri.authority(), header) {
        (Some(authority), header) => {
            // Whoever says two different things means to be misunderstood. A port that goes
            // without saying may be said once.
            let said =
                |text: &[u8]| without_port(text, parts.uri.scheme_str()).to_ascii_lowercase();
            let same =
                |it: &HeaderValue| said(it.as_bytes()) == said(authority.as_str().as_bytes());
            header.is_none_or(same).then_some(authority.as_str())
        }
        (None, header) => header.and_then(|header| header.to_str().ok()),
    };
    text.and_then(Host::parse).ok_or(Malformed::Host)
}

/// A host without the port that its scheme has anyway.
fn without_port<'a>(host: &'a [u8], scheme: Option<&str>) -> &'a [u8] {
    let port: &[u8] = if scheme == Some("https") { b":443" } else { b":80" };
    host.strip_suffix(port).unwrap_or(host)
}

/// Whether any of the protocols that are named is HTTP/2, which would hide what follows from the
/// router.
pub fn names_http2(protocols: &HeaderValue) -> bool {
    let mut names = protocols.as_bytes().split(|byte| *byte == b',');
    names.any(|name| name.trim_ascii().to_ascii_lowercase().starts_with(b"h2"))
}

/// What a client may ask a dyno to become.
pub fn upgrade(parts: &request::Parts) -> Option<HeaderValue> {
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

/// What concerns one connection alone, apart from what `Connection` names.
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// A bit for each of those that are there.
fn hop_by_hop(headers: &HeaderMap) -> u8 {
    headers.keys().fold(0, |found, name| {
        found
            | match name.as_str() {
                "connection" => 1,
                "transfer-encoding" => 1 << 1,
                "upgrade" => 1 << 2,
                "proxy-authenticate" => 1 << 3,
                "proxy-authorization" => 1 << 4,
                "keep-alive" => 1 << 5,
                "proxy-connection" => 1 << 6,
                "http2-settings" => 1 << 7,
                _ => 0,
            }
    })
}

/// The fields that concern one connection alone because `Connection` says so.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !["close", "keep-alive"].contains(token))
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        // A client must not be able to take away what the app relies on.
        .filter(|name| !OURS.contains(&name.as_str()) && *name != header::HOST)
        .collect()
}

/// Takes out what concerns one connection alone.
fn strip(headers: &mut HeaderMap) {
    let found = hop_by_hop(headers);
    if found == 0 {
        return;
    }
    if found & 1 != 0 {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
    }
    for (bit, name) in HOP_BY_HOP.iter().enumerate() {
        if found & 1 << bit != 0 {
            headers.remove(name);
        }
    }
}

/// How a request's body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Bodiless,
    /// With the length that the client said.
    Sized,
    /// In chunks.
    Chunked,
}

/// A request's head as it goes to a dyno, as often as need be, and what the log says of it.
#[derive(Debug, Clone)]
pub struct Written {
    block: Bytes,
    target: Span,
    host: Span,
    id: Span,
    client: Span,
}

type Span = std::ops::Range<usize>;

impl Written {
    /// All of it.
    pub fn block(&self) -> &Bytes {
        &self.block
    }

    /// What is asked for: path and query.
    pub fn target(&self) -> &str {
        self.text(&self.target)
    }

    /// At which host, without a port.
    pub fn host(&self) -> &str {
        self.text(&self.host)
    }

    /// The request's id.
    pub fn id(&self) -> &str {
        self.text(&self.id)
    }

    /// For whom it is asked.
    pub fn client(&self) -> &str {
        self.text(&self.client)
    }

    fn text(&self, span: &Span) -> &str {
        self.block.get(span.clone()).and_then(|it| str::from_utf8(it).ok()).unwrap_or_default()
    }
}

/// Writes down what the log says of a request that no dyno gets.
pub fn turned_away(parts: &request::Parts, host: Host<'_>, marks: &Marks) -> Written {
    let mut out = Vec::new();
    let mut put = |text: &[u8]| put(&mut out, text);
    let target = put(target(&parts.uri).as_bytes());
    let host = put(host.name().as_bytes());
    let id = put(&new_id());
    let client = put(marks.client.as_bytes());
    Written { block: out.into(), target, host, id, client }
}

/// Writes a client's request as a dyno gets it. It must have passed [`check`].
pub fn to_dyno(
    parts: &request::Parts,
    host: Host<'_>,
    marks: &Marks,
    upgrade: Option<&HeaderValue>,
    framing: Framing,
) -> Written {
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
    field(&mut out, &REQUEST_START, millis(clock::since_epoch()).as_bytes());
    let client = joined(&mut out, headers, &FORWARDED_FOR, b", ", Some(&marks.client));
    field(&mut out, &FORWARDED_PROTO, marks.proto.as_bytes());
    field(&mut out, &FORWARDED_PORT, marks.port.as_bytes());
    let via = match parts.version {
        Version::HTTP_2 => &VIA_2,
        Version::HTTP_10 => &VIA_1_0,
        _ => &VIA,
    };
    joined(&mut out, headers, &header::VIA, b", ", Some(via));
    put(&mut out, b"\r\n");
    Written { block: out.into(), target, host, id, client }
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

fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get(header::TE).is_some_and(|te| {
        te.to_str().is_ok_and(|te| te.split(',').any(|t| t.trim().eq_ignore_ascii_case("trailers")))
    })
}

/// Whether some servers want to hear that a request has no body (RFC 9110 §8.6).
fn is_for_a_body(parts: &request::Parts) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method)
        && !parts.headers.contains_key(header::CONTENT_LENGTH)
}

/// Takes out of what follows a body what does not belong there, or only the router may say.
pub fn trailers(headers: &mut HeaderMap) {
    strip(headers);
    for name in OURS {
        headers.remove(name);
    }
    headers.remove(header::HOST);
    drop_disguised(headers);
}

/// Makes a dyno's response one for a client.
pub fn to_client(headers: &mut HeaderMap, upgraded: bool) {
    let upgrade = headers.get(header::UPGRADE).cloned();
    strip(headers);
    headers.remove(&ERROR);
    if let (true, Some(upgrade)) = (upgraded, upgrade) {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, UPGRADE.clone());
    }
    let via = appended(headers, &header::VIA, &VIA);
    headers.insert(header::VIA, via);
}

/// Whether a name becomes the same as one of ours in what apps make of it.
fn is_disguised(name: &str) -> bool {
    name.contains('_') && OURS.contains(&name.replace('_', "-").as_str())
}

fn drop_disguised(headers: &mut HeaderMap) {
    let disguised: Vec<HeaderName> =
        headers.keys().filter(|name| is_disguised(name.as_str())).cloned().collect();
    for name in disguised {
        headers.remove(name);
    }
}

/// All values of a field, and one more.
fn appended(headers: &HeaderMap, name: &HeaderName, last: &HeaderValue) -> HeaderValue {
    if !headers.contains_key(name) {
        return last.clone();
    }
    let mut all = Vec::new();
    for value in headers.get_all(name) {
        all.extend_from_slice(value.as_bytes());
        all.extend_from_slice(b", ");
    }
    all.extend_from_slice(last.as_bytes());
    HeaderValue::from_maybe_shared(Bytes::from(all)).unwrap_or_else(|_| last.clone())
}

/// The request's id if it came with one that Heroku would keep: 20 to 200 letters, digits and
/// `+/=-`.
fn known_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-".contains(byte);
    headers
        .get(&REQUEST_ID)
        .filter(|id| (20..=200).contains(&id.len()) && id.as_bytes().iter().all(good))
}

/// A new id of a request.
fn new_id() -> Id {
    let bits = u128::from(clock::chance()) << 64 | u128::from(clock::chance());
    let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    id.hyphenated().encode_lower(&mut text);
    text
}

type Id = [u8; uuid::fmt::Hyphenated::LENGTH];

fn millis(time: Duration) -> Digits {
    Digits::of(time.as_millis() as u64, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(build: impl FnOnce(request::Builder) -> request::Builder) -> request::Parts {
        build(Request::builder()).body(()).unwrap().into_parts().0
    }

    fn marks() -> Marks {
        Marks {
            client: HeaderValue::from_static("192.0.2.7"),
            proto: HeaderValue::from_static("http"),
            port: HeaderValue::from_static("80"),
        }
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        let bad = [
            (parts(|r| r.uri("/")), Malformed::Host),
            (parts(|r| r.uri("/").header("host", "a").header("host", "a")), Malformed::Host),
            (parts(|r| r.uri("/").header("host", "a b")), Malformed::Host),
            (parts(|r| r.uri("/").header("host", "a/b")), Malformed::Host),
            (parts(|r| r.uri("/").header("host", "u@a")), Malformed::Host),
            (parts(|r| r.uri("/").header("host", "")), Malformed::Host),
            (parts(|r| r.uri("http://a/").header("host", "b")), Malformed::Host),
            (parts(|r| r.method("CONNECT").uri("a:1")), Malformed::Method),
            (
                parts(|r| r.header("host", "a").header("transfer-encoding", "gzip, chunked")),
                Malformed::Length,
            ),
            (
                parts(|r| {
                    r.header("host", "a")
                        .header("transfer-encoding", "chunked")
                        .header("content-length", "4")
                }),
                Malformed::Length,
            ),
            (
                parts(|r| {
                    r.header("host", "a")
                        .header("transfer-encoding", "chunked")
                        .header("transfer-encoding", "chunked")
                }),
                Malformed::Length,
            ),
            (parts(|r| r.header("host", "a").header("content-length", "+4")), Malformed::Length),
            (parts(|r| r.header("host", "a").header("expect", "tea")), Malformed::Expectation),
        ];
        for (parts, why) in bad {
            assert_eq!(check(&parts), Err(why), "{parts:?}");
        }
        for (said, name) in [
            ("A.example:4881", "A.example"),
            ("a", "a"),
            ("a:", "a"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            let good = parts(|r| r.uri("/x").header("host", said));
            assert_eq!(check(&good).unwrap().name(), name);
        }
    }

    /// What a dyno gets: the first line, and the fields.
    fn read(written: &Written) -> (String, HeaderMap) {
        let text = str::from_utf8(written.block()).unwrap();
        let (first, rest) = text.strip_suffix("\r\n\r\n").unwrap().split_once("\r\n").unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in rest.split("\r\n").map(|line| line.split_once(": ").unwrap()) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        (first.to_owned(), headers)
    }

    fn written(parts: &request::Parts, framing: Framing) -> Written {
        to_dyno(parts, check(parts).unwrap(), &marks(), upgrade(parts).as_ref(), framing)
    }

    #[test]
    fn a_dyno_gets_no_fields_of_the_connection_and_true_ones_of_the_router() {
        let parts = parts(|r| {
            r.uri("http://a.example/p?q")
                .header("connection", "close, x-secret, x-forwarded-for, host")
                .header("x-secret", "1")
                .header("keep-alive", "5")
                .header("te", "trailers, gzip")
                .header("upgrade", "h2c")
                .header("x_forwarded_for", "6.6.6.6")
                .header("content_length", "3")
                .header("a_b", "stays")
                .header("x-forwarded-for", "198.51.100.1")
                .header("x-forwarded-for", "198.51.100.2")
                .header("x-forwarded-proto", "https")
                .header("x-request-id", "short")
                .header("accept", "a")
                .header("accept", "b")
        });
        assert_eq!(upgrade(&parts), None);
        let written = written(&parts, Framing::Chunked);
        let (first, headers) = read(&written);
        let get = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        assert_eq!(first, "GET /p?q HTTP/1.1");
        assert_eq!(get("host"), Some("a.example"));
        assert_eq!(get("x-forwarded-for"), Some("198.51.100.1, 198.51.100.2, 192.0.2.7"));
        assert_eq!(get("x-forwarded-proto"), Some("http"));
        assert_eq!(get("x-forwarded-port"), Some("80"));
        assert_eq!(get("via"), Some("1.1 causeway-router"));
        assert_eq!(get("x-request-id").map(str::len), Some(36));
        assert_eq!(get("x-request-id"), Some(written.id()));
        assert_eq!(get("te"), Some("trailers"));
        assert_eq!(get("connection"), Some("te"));
        assert_eq!(get("transfer-encoding"), Some("chunked"));
        assert_eq!(get("a_b"), Some("stays"));
        let accepted: Vec<_> = headers.get_all("accept").iter().collect();
        assert_eq!(accepted, ["a", "b"]);
        for gone in ["x-secret", "keep-alive", "upgrade", "x_forwarded_for", "content_length"] {
            assert_eq!(get(gone), None, "{gone}");
        }
        assert!(headers.keys().all(|name| {
            let all = headers.get_all(name).iter().count();
            name == "accept" || all == 1
        }));
    }

    #[test]
    fn what_the_log_says_is_what_the_dyno_gets() {
        let parts = parts(|r| {
            r.uri("/p?q=:x")
                .header("host", "a:80")
                .header("x-forwarded-for", "198.51.100.1")
                .header("x-request-id", "01234567-89ab-cdef-0123")
                .header("x-latin", HeaderValue::from_bytes(b"b=\xe9:").unwrap())
        });
        let written = written(&parts, Framing::Sized);
        assert_eq!(written.target(), "/p?q=:x");
        assert_eq!(written.host(), "a");
        assert_eq!(written.id(), "01234567-89ab-cdef-0123");
        assert_eq!(written.client(), "198.51.100.1, 192.0.2.7");
        assert!(written.block().windows(15).any(|it| it == b"x-latin: b=\xe9:\r\n"));
        let turned_away = turned_away(&parts, check(&parts).unwrap(), &marks());
        assert_eq!(turned_away.client(), "192.0.2.7");
        assert_eq!((turned_away.target(), turned_away.host()), ("/p?q=:x", "a"));
        assert_ne!(turned_away.id(), "01234567-89ab-cdef-0123");
    }

    #[test]
    fn a_body_has_one_end() {
        let length = |method, length: Option<&str>, framing| {
            let mut parts = parts(|r| r.method(method).uri("/").header("host", "a"));
            if let Some(length) = length {
                parts.headers.insert("content-length", length.parse().unwrap());
            }
            let (_, headers) = read(&written(&parts, framing));
            let get = |name| headers.get(name).map(|it| it.to_str().unwrap().to_owned());
            (get("content-length"), get("transfer-encoding"))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(length("POST", Some("5"), Framing::Sized), (some("5"), None));
        assert_eq!(length("POST", None, Framing::Chunked), (None, some("chunked")));
        assert_eq!(length("POST", None, Framing::Bodiless), (some("0"), None));
        assert_eq!(length("POST", Some("0"), Framing::Bodiless), (some("0"), None));
        assert_eq!(length("GET", None, Framing::Bodiless), (None, None));
    }

    #[test]
    fn a_good_request_id_is_kept() {
        for (id, kept) in [
            ("01234567-89ab-cdef-0123", true),
            ("0123456789012345678", false),
            ("0123456789012345678 x", false),
            (&"a".repeat(200) as &str, true),
            (&"a".repeat(201) as &str, false),
        ] {
            let parts = parts(|r| r.uri("/").header("host", "a").header("x-request-id", id));
            assert_eq!(written(&parts, Framing::Bodiless).id() == id, kept, "{id}");
        }
    }

    #[test]
    fn cookies_of_http_2_become_one_field() {
        let parts = parts(|r| {
            r.version(Version::HTTP_2)
                .uri("https://a.example/")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
        });
        let (_, headers) = read(&written(&parts, Framing::Bodiless));
        assert_eq!(headers.get("cookie").unwrap(), "a=1; b=2");
        assert_eq!(headers.get_all("cookie").iter().count(), 1);
        assert_eq!(headers.get("via").unwrap(), "2.0 causeway-router");
        assert_eq!(headers.get("host").unwrap(), "a.example");
    }

    #[test]
    fn only_a_plain_upgrade_goes_through() {
        let ask = |what: &str| {
            parts(|r| {
                r.uri("/")
                    .header("host", "a")
                    .header("connection", "keep-alive, Upgrade")
                    .header("upgrade", what)
            })
        };
        assert!(upgrade(&ask("websocket")).is_some());
        assert!(upgrade(&ask("H2C")).is_none());
        let mut with_body = ask("websocket");
        with_body.headers.insert("content-length", HeaderValue::from_static("1"));
        assert!(upgrade(&with_body).is_none());
    }
}
