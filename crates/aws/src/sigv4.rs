//! AWS Signature Version 4, made and verified by one code.
//!
//! A server verifies in two steps, because the secret has to be looked up in between:
//! [`Authorization::parse`] reads who claims to have signed, when and for what, and refuses what
//! is malformed or out of date; [`Authorization::verify`] computes the signature with the key of
//! that claim. [`verify`] does both. A client calls [`sign`].

mod canonical;
mod claim;

pub use claim::Authorization;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use canonical::{Payload, canonical_hash};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

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

/// A request as it is on the wire, as far as signatures care.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method, such as `POST`.
    pub method: &'a str,
    /// The path as sent, not decoded.
    pub path: &'a str,
    /// What follows `?`, as sent, not decoded; empty if there is none.
    pub query: &'a str,
    /// All headers, in the order sent, names in any case. `host` must be among them: HTTP/2
    /// carries it as `:authority`.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// SHA-256 of the body, as [`sha256`] gives it.
    pub body_sha256: [u8; 32],
}

/// Why a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigError {
    /// It is not signed at all.
    #[error("Request is missing Authentication Token")]
    MissingToken,
    /// The signature's fields are absent, malformed or contradict each other.
    #[error("{why}")]
    Incomplete {
        /// What is wrong with them.
        why: &'static str,
    },
    /// No access key has the identifier that the signature names.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The key exists, but not for this: it is disabled, or the scope is another region's or
    /// service's.
    #[error("AWS was not able to validate the provided access credentials: {why}")]
    Refused {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The signature is another than the secret makes of this request.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    Mismatch,
    /// The body is another than `x-amz-content-sha256` says.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    BodyMismatch,
    /// The date of the scope is not that of the request.
    #[error("Date in Credential scope does not match the date of the request")]
    ScopeDate,
    /// It was signed too long ago, or in the future.
    #[error("Request has expired.")]
    Expired,
}

impl SigError {
    /// The error code that EC2, STS and IAM give for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "MissingAuthenticationToken",
            Self::Incomplete { .. } => "IncompleteSignature",
            Self::UnknownKey => "InvalidClientTokenId",
            Self::Refused { .. } => "AuthFailure",
            Self::Mismatch | Self::BodyMismatch | Self::ScopeDate => "SignatureDoesNotMatch",
            Self::Expired => "RequestExpired",
        }
    }

    /// The HTTP status that goes with it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Incomplete { .. } | Self::Expired => 400,
            Self::Refused { .. } => 401,
            Self::MissingToken
            | Self::UnknownKey
            | Self::Mismatch
            | Self::BodyMismatch
            | Self::ScopeDate => 403,
        }
    }
}

/// The key of one secret, day, region and service. Deriving it costs four HMACs; it can be kept
/// for the day.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives it. `date` is `YYYYMMDD`.
    pub fn derive(secret: &str, date: &str, region: &str, service: &str) -> Self {
        let mut first = Vec::with_capacity(4 + secret.len());
        first.extend_from_slice(b"AWS4");
        first.extend_from_slice(secret.as_bytes());
        let key = hmac(&first, &[date]);
        let key = hmac(&key, &[region]);
        let key = hmac(&key, &[service]);
        Self(hmac(&key, &[TERMINATOR]))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// What a client signs with.
#[derive(Clone)]
pub struct Credentials {
    /// Identifier of the access key.
    pub access_key: String,
    /// Its secret.
    pub secret: String,
    /// Token of a temporary session.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// The SHA-256 of a body.
pub fn sha256(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
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
    let canonical = canonical_hash(&request, &signed, Payload::of(&request)?)?;
    let signature = hex(&signature(&key, &stamp, scope, canonical));
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

/// Signs the string to sign, made of the time, the scope's date, region and service, and the
/// hash of the canonical request.
fn signature(key: &SigningKey, stamp: &str, scope: [&str; 3], canonical: [u8; 32]) -> [u8; 32] {
    let hash = hex(&canonical);
    let [date, region, service] = scope;
    let parts = [
        ALGORITHM,
        "\n",
        stamp,
        "\n",
        date,
        "/",
        region,
        "/",
        service,
        "/",
        TERMINATOR,
        "\n",
        ascii(&hash),
    ];
    hmac(&key.0, &parts)
}

fn hmac(key: &[u8], parts: &[&str]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

fn ascii(hex: &[u8; 64]) -> &str {
    str::from_utf8(hex).expect("hexadecimal is ASCII")
}

/// The time as signatures write it: `20260131T120000Z`.
fn format_stamp(now_ms: i64) -> Result<String, SigError> {
    let time = Timestamp::from_millisecond(now_ms)
        .map_err(|_| SigError::Incomplete { why: "The time is out of range." })?;
    let at = TimeZone::UTC.to_datetime(time);
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    Ok(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"))
}

#[cfg(test)]
mod tests;
