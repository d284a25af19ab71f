//! The fields of one connection alone, and those that clients must not set.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The fields that apps trust. A name with underscores for hyphens is the same to many apps.
pub(super) const OURS: [&str; 7] = [
    "x-request-id",
    "x-request-start",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-port",
    "content-length",
    "transfer-encoding",
];

/// Whether any of these protocols is HTTP/2, in which the router could not see the requests that
/// follow.
pub(crate) fn names_http2(protocols: &HeaderValue) -> bool {
    let mut names = protocols.as_bytes().split(|byte| *byte == b',');
    names.any(|name| name.trim_ascii().to_ascii_lowercase().starts_with(b"h2"))
}

/// The fields that concern one connection alone, besides those that `Connection` names.
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

/// A bit for each of [`HOP_BY_HOP`] that is there.
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
pub(super) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !["close", "keep-alive"].contains(token))
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        // A client must not be able to remove what the app relies on.
        .filter(|name| !OURS.contains(&name.as_str()) && *name != header::HOST)
        .collect()
}

/// Removes the fields that concern one connection alone.
pub(super) fn strip(headers: &mut HeaderMap) {
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

/// Whether a name with underscores is to many apps the same as one of [`OURS`].
pub(super) fn is_disguised(name: &str) -> bool {
    name.contains('_') && OURS.contains(&name.replace('_', "-").as_str())
}

pub(super) fn drop_disguised(headers: &mut HeaderMap) {
    let disguised: Vec<HeaderName> =
        headers.keys().filter(|name| is_disguised(name.as_str())).cloned().collect();
    for name in disguised {
        headers.remove(name);
    }
}
