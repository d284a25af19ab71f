//! AWS Signature Version 4, made and verified by one code.
//!
//! A server verifies in two steps, because the secret has to be looked up in between:
//! [`Authorization::parse`] reads who claims to have signed, when and for what, and refuses what
//! is malformed or out of date; [`Authorization::verify`] computes the signature with the key of
//! that claim. [`verify`] does both. A client calls [`sign`].

mod canonical;
mod claim;
mod key;
mod request;
mod stamp;

pub use claim::Authorization;
pub use key::{SigningKey, sha256};
pub use request::{SigError, SignedRequest};

use std::fmt;

use canonical::{canonical_hash, payload_hash};
use key::{ALGORITHM, TERMINATOR, ascii, hexadecimal, signature};
use stamp::format_stamp;

/// Headers that proxies and HTTP libraries change or add after the signature was made.
const NEVER_SIGNED: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "transfer-encoding",
    "user-agent",
    "x-amz-date",
    "x-amzn-trace-id",
];

/// What a client signs with.
#[derive(Clone)]
pub struct Credentials {
    /// Identifier of the access key.
    pub access_key: String,
    /// The secret that belongs to the access key.
    pub secret: String,
    /// Token of a temporary session.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Verifies a request whose key is at hand. `now_ms` is in milliseconds since the epoch; `lookup`
/// gives the key of the claim, or says why not.
pub fn verify<'r>(
    request: &SignedRequest<'r>,
    now_ms: i64,
    lookup: impl FnOnce(&Authorization<'r>) -> Result<SigningKey, SigError>,
) -> Result<Authorization<'r>, SigError> {
    let claim = Authorization::parse(request, now_ms)?;
    let key = lookup(&claim)?;
    claim.verify(request, &key)?;
    Ok(claim)
}

/// Signs a request at `now_ms`: the headers to add to it. All its headers are signed but those
/// that change on the way; `host` must be among them. `x-amz-date` and `authorization` that it
/// already has are to be replaced.
pub fn sign(
    request: &SignedRequest<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now_ms: i64,
) -> Result<Vec<(&'static str, String)>, SigError> {
    let stamp = format_stamp(now_ms)?;
    let mut headers: Vec<(&str, &[u8])> = request
        .headers
        .iter()
        .copied()
        .filter(|(name, _)| !NEVER_SIGNED.iter().any(|never| name.eq_ignore_ascii_case(never)))
        .collect();
    headers.push(("x-amz-date", stamp.as_bytes()));
    if let Some(token) = &credentials.session_token {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-amz-security-token"));
        headers.push(("x-amz-security-token", token.as_bytes()));
    }
    let mut names: Vec<String> = headers.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    if names.binary_search_by(|name| name.as_str().cmp("host")).is_err() {
        return Err(SigError::Incomplete { why: "'host' must be among the headers." });
    }
    let signed = names.join(";");
    let request = SignedRequest { headers: &headers, ..*request };
    let key = SigningKey::derive(&credentials.secret, &stamp[..8], region, service);
    let scope = [&stamp[..8], region, service];
    let canonical = canonical_hash(&request, &signed, payload_hash(&request)?)?;
    let signature = hexadecimal(&signature(&key, &stamp, scope, canonical));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}/{region}/{service}/{TERMINATOR}, SignedHeaders={signed}, \
         Signature={}",
        credentials.access_key,
        scope[0],
        ascii(&signature),
    );
    let mut added = Vec::with_capacity(3);
    if let Some(token) = &credentials.session_token {
        added.push(("x-amz-security-token", token.clone()));
    }
    added.extend([("x-amz-date", stamp), ("authorization", authorization)]);
    Ok(added)
}

#[cfg(test)]
mod tests;
