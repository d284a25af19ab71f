//! The heads of requests and responses: what is refused, what is taken out, what is added.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Uri};
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
static CHUNKED: HeaderValue = HeaderValue::from_static("chunked");
static TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
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

/// Refuses what could be understood in two ways. Gives the host, without a port.
pub fn check(parts: &request::Parts) -> Result<Authority, Malformed> {
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
    if let Some(length) = lengths.next() {
        let digits = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
        if !digits || lengths.next().is_some() {
            return Err(Malformed::Length);
        }
    }
    if let Some(expectation) = headers.get(header::EXPECT)
        && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Malformed::Expectation);
    }
    host(parts)
}

fn host(parts: &request::Parts) -> Result<Authority, Malformed> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(Malformed::Host);
    }
    let authority = match (parts.uri.authority(), header) {
        (Some(authority), None) => authority.clone(),
        (Some(authority), Some(header)) => {
            // Whoever says two different things means to be misunderstood. A port that goes
            // without saying may be said once.
            let said =
                |text: &[u8]| without_port(text, parts.uri.scheme_str()).to_ascii_lowercase();
            if said(header.as_bytes()) != said(authority.as_str().as_bytes()) {
                return Err(Malformed::Host);
            }
            authority.clone()
        }
        (None, Some(header)) => {
            // `from_maybe_shared` takes nothing but the whole as an authority.
            Authority::try_from(header.as_bytes()).map_err(|_| Malformed::Host)?
        }
        (None, None) => return Err(Malformed::Host),
    };
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if !authority.as_str().bytes().all(good) || authority.host().is_empty() {
        return Err(Malformed::Host);
    }
    Ok(authority)
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

/// Takes out what concerns one connection alone.
fn strip(headers: &mut HeaderMap) {
    let found = hop_by_hop(headers);
    if found == 0 {
        return;
    }
    if found & 1 != 0 {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|token| !["close", "keep-alive"].contains(token))
            .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
            // A client must not be able to take away what the app relies on.
            .filter(|name| !OURS.contains(&name.as_str()) && *name != header::HOST)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for (bit, name) in HOP_BY_HOP.iter().enumerate() {
        if found & 1 << bit != 0 {
            headers.remove(name);
        }
    }
}

/// Makes a client's request one for a dyno, and gives its id. A body that tells no length is sent
/// in chunks.
pub fn to_dyno(
    parts: &mut request::Parts,
    authority: &Authority,
    marks: &Marks,
    upgrade: Option<HeaderValue>,
    unsized_body: bool,
) -> HeaderValue {
    let via = match parts.version {
        Version::HTTP_2 => &VIA_2,
        Version::HTTP_10 => &VIA_1_0,
        _ => &VIA,
    };
    let headers = &mut parts.headers;
    let trailers = headers.get(header::TE).is_some_and(|te| {
        te.to_str().is_ok_and(|te| te.split(',').any(|t| t.trim().eq_ignore_ascii_case("trailers")))
    });
    strip(headers);
    headers.remove(header::TE);
    headers.remove(header::EXPECT);
    drop_disguised(headers);
    if trailers {
        headers.insert(header::TE, TRAILERS.clone());
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, UPGRADE.clone());
    }
    if unsized_body {
        headers.insert(header::TRANSFER_ENCODING, CHUNKED.clone());
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    if parts.uri.authority().is_some() || !headers.contains_key(header::HOST) {
        // An authority has no bytes that a header must not have.
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            headers.insert(header::HOST, host);
        }
    }
    let id = request_id(headers);
    headers.insert(&REQUEST_ID, id.clone());
    headers.insert(&REQUEST_START, decimal(clock::since_epoch()));
    let forwarded = appended(headers, &FORWARDED_FOR, &marks.client);
    headers.insert(&FORWARDED_FOR, forwarded);
    headers.insert(&FORWARDED_PROTO, marks.proto.clone());
    headers.insert(&FORWARDED_PORT, marks.port.clone());
    let via = appended(headers, &header::VIA, via);
    headers.insert(header::VIA, via);
    parts.version = Version::HTTP_11;
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
        let path = parts.uri.path_and_query().cloned();
        parts.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    id
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

fn drop_disguised(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| name.as_str().contains('_')) {
        return;
    }
    let disguised: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().contains('_'))
        .filter(|name| OURS.contains(&name.as_str().replace('_', "-").as_str()))
        .cloned()
        .collect();
    for name in disguised {
        headers.remove(name);
    }
}

/// HTTP/2 may send each cookie in a field of its own; HTTP/1.1 may not.
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.next().is_none() || cookies.next().is_none() {
        return;
    }
    let all: Vec<&[u8]> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
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
/// `+/=-`. Else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    if let Some(id) = headers.get(&REQUEST_ID) {
        let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-".contains(byte);
        if (20..=200).contains(&id.len()) && id.as_bytes().iter().all(good) {
            return id.clone();
        }
    }
    new_id()
}

/// A new id of a request.
pub fn new_id() -> HeaderValue {
    let bits = u128::from(clock::chance()) << 64 | u128::from(clock::chance());
    let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text: &str = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).expect("an id has hexadecimal digits and hyphens")
}

/// Milliseconds.
fn decimal(time: Duration) -> HeaderValue {
    let digits = Digits::of(time.as_millis() as u64, 1);
    HeaderValue::from_bytes(digits.as_bytes()).expect("digits are good in a header")
}

/// A request's target and fields in one piece of memory of their own, so that the buffer that
/// they were read into is free for the next read, and so that they can be sent again.
#[derive(Debug)]
pub struct Copied {
    block: Bytes,
    fields_at: usize,
}

impl Copied {
    /// Copies them, and makes them parts of the copy.
    pub fn of(parts: &mut request::Parts) -> Self {
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let fields = |headers: &HeaderMap| {
            headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum::<usize>()
        };
        let mut block = Vec::with_capacity(path.len() + fields(&parts.headers));
        block.extend_from_slice(path.as_bytes());
        let fields_at = block.len();
        for (name, value) in &parts.headers {
            block.extend_from_slice(name.as_str().as_bytes());
            block.push(b':');
            block.extend_from_slice(value.as_bytes());
            block.push(b'\n');
        }
        let copied = Self { block: block.into(), fields_at };
        copied.replace(parts);
        copied
    }

    fn replace(&self, parts: &mut request::Parts) {
        if let Ok(path) = PathAndQuery::from_maybe_shared(self.block.slice(..self.fields_at)) {
            parts.uri = Uri::from(path);
        }
        let mut at = self.fields_at;
        for (name, value) in &mut parts.headers {
            at += name.as_str().len() + 1;
            let end = at + value.len();
            if let Ok(copy) = HeaderValue::from_maybe_shared(self.block.slice(at..end)) {
                *value = copy;
            }
            at = end + 1;
        }
    }

    /// The fields once more.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in self.block[self.fields_at..].split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            let value = HeaderValue::from_maybe_shared(self.block.slice_ref(value));
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
                headers.append(name, value);
            }
        }
        headers
    }
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
        let good = parts(|r| r.uri("/x").header("host", "A.example:4881"));
        assert_eq!(check(&good).unwrap().host(), "A.example");
    }

    #[test]
    fn a_dyno_gets_no_fields_of_the_connection_and_true_ones_of_the_router() {
        let mut parts = parts(|r| {
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
        });
        let authority = check(&parts).unwrap();
        assert_eq!(upgrade(&parts), None);
        let id = to_dyno(&mut parts, &authority, &marks(), None, true);
        let get = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
        assert_eq!(parts.uri, "/p?q");
        assert_eq!(get("host"), Some("a.example"));
        assert_eq!(get("x-forwarded-for"), Some("198.51.100.1, 198.51.100.2, 192.0.2.7"));
        assert_eq!(get("x-forwarded-proto"), Some("http"));
        assert_eq!(get("x-forwarded-port"), Some("80"));
        assert_eq!(get("via"), Some("1.1 causeway-router"));
        assert_eq!(get("x-request-id").map(str::len), Some(36));
        assert_eq!(get("x-request-id"), id.to_str().ok());
        assert_eq!(get("te"), Some("trailers"));
        assert_eq!(get("connection"), Some("te"));
        assert_eq!(get("transfer-encoding"), Some("chunked"));
        assert_eq!(get("a_b"), Some("stays"));
        for gone in ["x-secret", "keep-alive", "upgrade", "x_forwarded_for", "content_length"] {
            assert_eq!(get(gone), None, "{gone}");
        }
    }

    #[test]
    fn a_copy_is_what_it_is_a_copy_of() {
        let mut parts = parts(|r| {
            r.uri("/p?q=:x")
                .header("host", "a:80")
                .header("cookie", "a=1")
                .header("x-empty", "")
                .header("cookie", "b=\u{e9}:")
        });
        let before = parts.headers.clone();
        let copied = Copied::of(&mut parts);
        assert_eq!(parts.headers, before);
        assert_eq!(copied.headers(), before);
        assert_eq!(parts.uri, "/p?q=:x");
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
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_str(id).unwrap());
            assert_eq!(request_id(&headers) == id, kept, "{id}");
        }
    }

    #[test]
    fn cookies_of_http_2_become_one_field() {
        let mut parts = parts(|r| {
            r.version(Version::HTTP_2)
                .uri("https://a.example/")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
        });
        let authority = check(&parts).unwrap();
        to_dyno(&mut parts, &authority, &marks(), None, false);
        assert_eq!(parts.headers.get("cookie").unwrap(), "a=1; b=2");
        assert_eq!(parts.headers.get_all("cookie").iter().count(), 1);
        assert_eq!(parts.headers.get("via").unwrap(), "2.0 causeway-router");
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
