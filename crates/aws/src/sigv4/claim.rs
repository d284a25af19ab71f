//! What a request claims of its signature.

use std::borrow::Cow;
use std::fmt;

use subtle::ConstantTimeEq;

use super::canonical::{canonical_hash, header, payload_hash};
use super::key::{ALGORITHM, TERMINATOR, hexadecimal, signature};
use super::stamp::{format_stamp, rfc_millis, stamp_date, stamp_millis};
use super::{SigError, SignedRequest, SigningKey};
use crate::percent;

/// How far the clocks of client and server may be apart.
const MAX_SKEW_MS: i64 = 15 * 60 * 1000;
/// Longest life of a presigned query: seven days.
const MAX_EXPIRES_S: i64 = 7 * 24 * 3600;
/// Longest access key identifier that AWS makes.
const MAX_ACCESS_KEY: usize = 128;

/// Who claims to have signed a request, when and for what; not yet believed.
pub struct Authorization<'r> {
    credential: Cow<'r, str>,
    /// Where the credential's access key, date, region and service end.
    ends: [usize; 4],
    signed_headers: Cow<'r, str>,
    signature: Cow<'r, str>,
    stamp: Cow<'r, str>,
    session_token: Option<Cow<'r, str>>,
}

/// Without the signature: whoever has it can repeat the request for some minutes.
impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("credential", &self.credential)
            .field("stamp", &self.stamp)
            .finish_non_exhaustive()
    }
}

/// The fields of a signature, wherever they were found.
struct Fields<'r> {
    credential: Cow<'r, str>,
    signed_headers: Cow<'r, str>,
    signature: Cow<'r, str>,
}

impl<'r> Authorization<'r> {
    /// Reads the `Authorization` header or the presigned query, and refuses what is malformed,
    /// out of date or leaves out a header that must be signed.
    pub fn parse(request: &SignedRequest<'r>, now_ms: i64) -> Result<Self, SigError> {
        let authorization = header(request, "authorization")?;
        let presigned = Presigned::find(request.query)?;
        match (authorization, presigned) {
            (None, None) => Err(SigError::MissingToken),
            (Some(_), Some(_)) => Err(incomplete("The request is signed twice.")),
            (Some(value), None) => Self::of_header(request, value, now_ms),
            (None, Some(presigned)) => Self::of_query(presigned, now_ms),
        }
    }

    /// Computes the signature with the key of this claim, and compares in constant time.
    pub fn verify(&self, request: &SignedRequest<'_>, key: &SigningKey) -> Result<(), SigError> {
        let canonical = canonical_hash(request, &self.signed_headers, payload_hash(request)?)?;
        let scope = [self.date(), self.region(), self.service()];
        let expected = hexadecimal(&signature(key, &self.stamp, scope, canonical));
        if bool::from(expected.ct_eq(self.signature.as_bytes())) {
            Ok(())
        } else {
            Err(SigError::Mismatch)
        }
    }

    /// The identifier of the access key.
    pub fn access_key(&self) -> &str {
        &self.credential[..self.ends[0]]
    }

    /// The day that the key is derived for, `YYYYMMDD`.
    pub fn date(&self) -> &str {
        &self.credential[self.ends[0] + 1..self.ends[1]]
    }

    /// The date, the region and the service, with slashes between them.
    pub fn scope(&self) -> &str {
        &self.credential[self.ends[0] + 1..self.ends[3]]
    }

    /// The region that the request is meant for.
    pub fn region(&self) -> &str {
        &self.credential[self.ends[1] + 1..self.ends[2]]
    }

    /// The service that the request is meant for.
    pub fn service(&self) -> &str {
        &self.credential[self.ends[2] + 1..self.ends[3]]
    }

    /// The token of a temporary session, covered by the signature.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    fn of_header(
        request: &SignedRequest<'r>,
        value: &'r [u8],
        now_ms: i64,
    ) -> Result<Self, SigError> {
        let value = str::from_utf8(value).map_err(|_| incomplete("It is not ASCII."))?;
        let fields = header_fields(value)?;
        let (date_header, date) = match header(request, "x-amz-date")? {
            Some(date) => ("x-amz-date", date),
            None => ("date", header(request, "date")?.ok_or_else(no_date)?),
        };
        let date = str::from_utf8(date.trim_ascii()).map_err(|_| no_date())?;
        let (millis, stamp) = match stamp_millis(date) {
            Some(millis) => (millis, Cow::Borrowed(date)),
            None => {
                let millis = rfc_millis(date).ok_or_else(no_date)?;
                (millis, Cow::Owned(format_stamp(millis)?))
            }
        };
        let token = header(request, "x-amz-security-token")?;
        let token = token.map(|token| str::from_utf8(token.trim_ascii())).transpose();
        let token = token.map_err(|_| incomplete("The security token is not ASCII."))?;
        let required = ["host", date_header].into_iter();
        require(&fields.signed_headers, required.chain(token.map(|_| "x-amz-security-token")))?;
        if now_ms.saturating_sub(millis).saturating_abs() > MAX_SKEW_MS {
            return Err(SigError::Expired);
        }
        Self::new(fields, stamp, token.map(Cow::Borrowed))
    }

    fn of_query(presigned: Presigned<'r>, now_ms: i64) -> Result<Self, SigError> {
        let missing = || incomplete("A parameter of the presigned query is missing.");
        if presigned.algorithm.as_deref() != Some(ALGORITHM) {
            return Err(incomplete("Unsupported AWS 'algorithm'."));
        }
        let fields = Fields {
            credential: presigned.credential.ok_or_else(missing)?,
            signed_headers: presigned.signed_headers.ok_or_else(missing)?,
            signature: presigned.signature.ok_or_else(missing)?,
        };
        let stamp = presigned.date.ok_or_else(missing)?;
        let millis = stamp_millis(&stamp).ok_or_else(no_date)?;
        let expires: i64 = presigned
            .expires
            .ok_or_else(missing)?
            .parse()
            .ok()
            .filter(|seconds| (1..=MAX_EXPIRES_S).contains(seconds))
            .ok_or(incomplete("X-Amz-Expires must be a number of seconds, at most a week."))?;
        require(&fields.signed_headers, ["host"].into_iter())?;
        let age = now_ms.saturating_sub(millis);
        if age < -MAX_SKEW_MS || age > expires * 1000 {
            return Err(SigError::Expired);
        }
        Self::new(fields, stamp, presigned.session_token)
    }

    fn new(
        fields: Fields<'r>,
        stamp: Cow<'r, str>,
        session_token: Option<Cow<'r, str>>,
    ) -> Result<Self, SigError> {
        let Fields { credential, signed_headers, signature } = fields;
        let ends = scope_ends(&credential)?;
        let claim = Self { credential, ends, signed_headers, signature, stamp, session_token };
        if stamp_date(&claim.stamp) != Some(claim.date()) {
            return Err(SigError::ScopeDate);
        }
        Ok(claim)
    }
}

/// The `X-Amz-*` of a query.
#[derive(Default)]
struct Presigned<'r> {
    algorithm: Option<Cow<'r, str>>,
    credential: Option<Cow<'r, str>>,
    date: Option<Cow<'r, str>>,
    expires: Option<Cow<'r, str>>,
    signed_headers: Option<Cow<'r, str>>,
    signature: Option<Cow<'r, str>>,
    session_token: Option<Cow<'r, str>>,
}

impl<'r> Presigned<'r> {
    /// `None` if the query is not presigned.
    fn find(query: &'r str) -> Result<Option<Self>, SigError> {
        if query.is_empty() {
            return Ok(None);
        }
        let mut found = Self::default();
        let mut any = false;
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // The canonical query drops the signature by its decoded name; so must this.
            let Some(name) = decoded(name) else { continue };
            let slot = match name.as_ref() {
                "X-Amz-Algorithm" => &mut found.algorithm,
                "X-Amz-Credential" => &mut found.credential,
                "X-Amz-Date" => &mut found.date,
                "X-Amz-Expires" => &mut found.expires,
                "X-Amz-SignedHeaders" => &mut found.signed_headers,
                "X-Amz-Signature" => &mut found.signature,
                "X-Amz-Security-Token" => &mut found.session_token,
                _ => continue,
            };
            any = true;
            let value = decoded(value).ok_or(incomplete("The presigned query is malformed."))?;
            if slot.replace(value).is_some() {
                return Err(incomplete("A parameter of the presigned query is given twice."));
            }
        }
        Ok(any.then_some(found))
    }
}

fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    match percent::decode(raw.as_bytes()).ok()? {
        Cow::Borrowed(_) => Some(Cow::Borrowed(raw)),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, spaces after commas optional.
fn header_fields(value: &str) -> Result<Fields<'_>, SigError> {
    let (algorithm, mut rest) = split_at(value.trim(), b' ').unwrap_or((value, ""));
    if algorithm != ALGORITHM {
        return Err(incomplete("Unsupported AWS 'algorithm'."));
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    loop {
        let (field, more) = match split_at(rest, b',') {
            Some((field, more)) => (field, Some(more)),
            None => (rest, None),
        };
        let (name, value) = split_at(field.trim(), b'=')
            .ok_or(incomplete("A field of Authorization has no '='."))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(incomplete("Authorization has an unknown field.")),
        };
        if slot.replace(Cow::Borrowed(value)).is_some() {
            return Err(incomplete("A field of Authorization is given twice."));
        }
        match more {
            Some(more) => rest = more,
            None => break,
        }
    }
    Ok(Fields {
        credential: credential
            .ok_or(incomplete("Authorization header requires 'Credential' parameter."))?,
        signed_headers: signed_headers
            .ok_or(incomplete("Authorization header requires 'SignedHeaders' parameter."))?,
        signature: signature
            .ok_or(incomplete("Authorization header requires 'Signature' parameter."))?,
    })
}

/// The text before and after the first of an ASCII character. The texts here are short, and the library's
/// search is made for long ones.
fn split_at(text: &str, ascii: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == ascii)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Checks `ACCESSKEY/YYYYMMDD/region/service/aws4_request` and says where its parts end.
fn scope_ends(credential: &str) -> Result<[usize; 4], SigError> {
    let wrong = || {
        incomplete(
            "Credential must be of the form <access key>/<date>/<region>/<service>/aws4_request.",
        )
    };
    let plain = |part: &[u8]| {
        let may_be = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !part.is_empty() && part.iter().all(may_be)
    };
    let mut parts = credential.as_bytes().split(|byte| *byte == b'/');
    let mut next = || parts.next().ok_or_else(wrong);
    let [access_key, date, region, service, end] = [next()?, next()?, next()?, next()?, next()?];
    if end != TERMINATOR.as_bytes() || parts.next().is_some() {
        return Err(wrong());
    }
    if access_key.len() > MAX_ACCESS_KEY
        || ![access_key, date, region, service].into_iter().all(plain)
    {
        return Err(wrong());
    }
    let mut end = 0;
    let mut ends = [0; 4];
    for (slot, part) in ends.iter_mut().zip([access_key, date, region, service]) {
        end += part.len();
        *slot = end;
        end += 1;
    }
    Ok(ends)
}

/// Signed headers are in lower case, sorted, each once, and these are among them.
fn require<'n>(signed: &str, names: impl Iterator<Item = &'n str>) -> Result<(), SigError> {
    let given = || signed.as_bytes().split(|byte| *byte == b';');
    let sorted = given().is_sorted_by(|a, b| a < b);
    if !sorted || signed.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii_graphic()) {
        return Err(incomplete("SignedHeaders must be in lower case and sorted."));
    }
    for name in names {
        if !given().any(|given| given == name.as_bytes()) {
            return Err(incomplete(match name {
                "host" => "'host' must be a 'SignedHeader' in the Authorization.",
                "x-amz-security-token" => "'x-amz-security-token' must be a 'SignedHeader'.",
                _ => "The date of the request must be a 'SignedHeader' in the Authorization.",
            }));
        }
    }
    Ok(())
}

const fn incomplete(why: &'static str) -> SigError {
    SigError::Incomplete { why }
}

const fn no_date() -> SigError {
    incomplete("Authorization requires a valid 'X-Amz-Date' or a 'Date' header.")
}
