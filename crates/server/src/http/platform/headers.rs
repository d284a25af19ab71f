//! The headers that all answers have, and the request headers that affect answers (`heroku.md`
//! §1.1).

use axum::http::header::{ACCEPT, AUTHORIZATION, HOST, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{IdSource, Need};
use sha2::{Digest, Sha256};

use super::failure::Failure;
use crate::http::listen::Arrived;
use crate::http::loopback_only::is_loopback;
use crate::http::state::Bearer;

/// The most bytes of the request ids. Clients send back every id that they were given, so the list
/// would grow for ever.
const MOST_ID_BYTES: usize = 7 * 1024;
/// The longest request id that is accepted from a client.
const LONGEST_ID: usize = 128;

/// The ids of a request: the server's own, then the client's.
#[derive(Debug)]
pub(super) struct RequestIds {
    /// The server's own id, which the audit keeps.
    pub(super) own: String,
    all: String,
}

impl RequestIds {
    /// Makes an id, and reads the client's ids.
    pub(super) fn new(ids: &mut dyn IdSource, request: &HeaderMap) -> Self {
        let bits = ids.next_bits().to_be_bytes();
        let own = uuid::Builder::from_random_bytes(bits).into_uuid().to_string();
        let mut all = own.clone();
        let theirs = texts(request, "request-id").flat_map(|text| text.split(','));
        for id in theirs.map(str::trim).filter(|id| is_id(id)) {
            if all.len() + 1 + id.len() > MOST_ID_BYTES {
                break;
            }
            all.push(',');
            all.push_str(id);
        }
        Self { own, all }
    }
}

fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The values of a header that are text.
fn texts<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// Adds the headers that all answers have, and the number of remaining requests if the client is
/// known.
pub(super) fn complete(answer: &mut HeaderMap, ids: &RequestIds, remaining: Option<u32>) {
    const ALWAYS: [(&str, &str); 5] = [
        ("cache-control", "private, no-cache"),
        ("content-type", "application/json;charset=utf-8"),
        ("ratelimit-multiplier", "1"),
        ("vary", "Accept-Encoding"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in ALWAYS {
        answer.insert(name, HeaderValue::from_static(value));
    }
    if let Some(remaining) = remaining {
        answer.insert("ratelimit-remaining", remaining.into());
    }
    if let Ok(ids) = HeaderValue::from_str(&ids.all) {
        answer.insert("request-id", ids);
    }
}

/// The scopes of who sent a request, as the header names them.
pub(super) fn scopes_of(bearer: &Bearer) -> String {
    let scopes = bearer.token.as_ref().map(|own| own.record.scopes.clone());
    scopes.unwrap_or_default().to_string()
}

/// Tells a known caller which scopes the token has, and of which one is enough for the route.
pub(super) fn tell_scopes(answer: &mut HeaderMap, own: Option<String>, need: Need) {
    let Some(own) = own else { return };
    let accepted: Vec<&str> = need.accepted().iter().map(|scope| scope.name()).collect();
    for (name, value) in [("oauth-scope", own), ("oauth-scope-accepted", accepted.join(" "))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.insert(name, value);
        }
    }
}

/// The entity tag of a body.
pub(super) fn etag(body: &[u8]) -> String {
    format!("W/\"{}\"", hex::encode(&Sha256::digest(body)[..16]))
}

/// Whether the client already has the body with this tag.
pub(super) fn has_already(request: &HeaderMap, etag: &str) -> bool {
    texts(request, IF_NONE_MATCH.as_str())
        .flat_map(|text| text.split(','))
        .any(|tag| tag.trim() == "*" || same(tag, etag))
}

/// The credentials of a request.
pub(super) enum Credentials {
    Bearer(String),
    /// A user, which may be empty, and a password, which may be a token.
    Basic(String, String),
}

impl Credentials {
    /// Parses the header.
    pub(super) fn of(request: &HeaderMap) -> Option<Self> {
        let (scheme, value) = request.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
        let value = value.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Bearer(value.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        Some(Self::Basic(user.to_owned(), password.to_owned()))
    }

    /// The token: a bearer token, or the password of Basic authentication with any user.
    pub(super) fn token(&self) -> &str {
        match self {
            Self::Bearer(token) | Self::Basic(_, token) => token,
        }
    }
}

/// The tags in `If-Match`; `None` without that header.
pub(super) fn wanted(request: &HeaderMap) -> Option<Vec<String>> {
    let mut tags = texts(request, IF_MATCH.as_str())
        .flat_map(|text| text.split(','))
        .map(|tag| tag.trim().to_owned())
        .peekable();
    tags.peek()?;
    Some(tags.collect())
}

/// Whether a tag is among the wanted ones.
pub(super) fn is_wanted(wanted: &[String], etag: &str) -> bool {
    wanted.iter().any(|tag| tag == "*" || same(tag, etag))
}

/// Compares two tags. A tag identifies every byte of a body, so it does not matter whether a client
/// marks it as weak.
fn same(one: &str, other: &str) -> bool {
    one.trim().trim_start_matches("W/") == other.trim().trim_start_matches("W/")
}

/// The address by which the client reached the server, for addresses in answers.
///
/// Through `causeway tunnel` a client speaks plain HTTP with its own machine, and TLS is spoken for it.
pub(super) fn base(request: &HeaderMap, authority: Option<&str>, arrived: Arrived) -> String {
    let named = authority.or_else(|| request.get(HOST).and_then(|host| host.to_str().ok()));
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-._:[]".contains(&c);
    let host = named.filter(|host| !host.is_empty() && host.bytes().all(plain));
    let host = host.unwrap_or("localhost");
    let scheme = if arrived.secure && !is_loopback(host) { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Refuses a request that does not ask for version 3, since other versions may be incompatible.
///
/// # Errors
///
/// 406 for another version.
pub(super) fn check_accept(request: &HeaderMap) -> Result<(), Failure> {
    let mut wanted = texts(request, ACCEPT.as_str()).flat_map(|text| text.split(','));
    if wanted.any(is_version_3) { Ok(()) } else { Err(Failure::not_acceptable()) }
}

/// Whether a media range asks for version 3. Variants such as `version=3.sdk` are equal to it.
fn is_version_3(range: &str) -> bool {
    let range = range.to_ascii_lowercase();
    let mut parts = range.split(';').map(str::trim);
    parts.next() == Some("application/vnd.heroku+json")
        && parts
            .filter_map(|parameter| parameter.strip_prefix("version="))
            .map(|version| version.trim_matches('"'))
            .any(|version| {
                version == "3" || version.strip_prefix("3.").is_some_and(|v| !v.is_empty())
            })
}
