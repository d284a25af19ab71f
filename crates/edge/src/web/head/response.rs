//! The head of a dyno's response on its way to the client.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::fields::strip;

/// The code of an error that the router found.
pub(crate) static ERROR: HeaderName = HeaderName::from_static("x-causeway-error");

/// The router's own element of `Via`.
static VIA: HeaderValue = HeaderValue::from_static("1.1 causeway-router");
static UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// Makes the head of a dyno's response one for a client.
pub(crate) fn to_client(headers: &mut HeaderMap, upgraded: bool) {
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

/// All values of a field and one more, as one.
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
