//! The canonical request: the one text that signer and verifier make of a request.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::key::hexadecimal;
use super::{SigError, SignedRequest};
use crate::percent;

/// The hash that stands for the body, in hexadecimal. Where `x-amz-content-sha256` is there, it must
/// be the body's: `UNSIGNED-PAYLOAD` and the chunked forms are S3's, and here they would let a body
/// be changed on the way that decides what is done.
pub(super) fn payload_hash(request: &SignedRequest<'_>) -> Result<[u8; 64], SigError> {
    let body = hexadecimal(&request.body_sha256);
    match header(request, "x-amz-content-sha256")? {
        Some(value) if !bool::from(value.trim_ascii().ct_eq(&body)) => Err(SigError::BodyMismatch),
        Some(_) | None => Ok(body),
    }
}

/// The only header of that name.
pub(super) fn header<'r>(
    request: &SignedRequest<'r>,
    name: &str,
) -> Result<Option<&'r [u8]>, SigError> {
    let mut found = request.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
    let first = found.next().map(|(_, value)| *value);
    match found.next() {
        None => Ok(first),
        Some(_) => Err(SigError::Incomplete { why: "A header of the signature is given twice." }),
    }
}

/// The hash of the canonical request. `signed` is the list of signed headers, in lower case,
/// sorted and joined by semicolons.
pub(super) fn canonical_hash(
    request: &SignedRequest<'_>,
    signed: &str,
    payload: [u8; 64],
) -> Result<[u8; 32], SigError> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(request.method.as_bytes());
    text.push(b'\n');
    path(&mut text, request.path);
    text.push(b'\n');
    query(&mut text, request.query);
    text.push(b'\n');
    for name in signed.split(';') {
        values(&mut text, request, name)?;
    }
    text.push(b'\n');
    text.extend_from_slice(signed.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(&payload);
    Ok(Sha256::digest(&text).into())
}

/// Without `.`, `..` and empty segments, and escaped once more.
fn path(out: &mut Vec<u8>, path: &str) {
    if path == "/" {
        return out.push(b'/');
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    for segment in &segments {
        out.push(b'/');
        percent::encode_into(out, segment.as_bytes());
    }
    if segments.is_empty() || path.ends_with('/') {
        out.push(b'/');
    }
}

/// Sorted by name and value, escaped in the one way; the signature itself is left out.
fn query(out: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (reencode(name), reencode(value)))
        .filter(|(name, _)| name != b"X-Amz-Signature")
        .collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

/// A broken escape stays as it is, percent sign and all: the parameters refuse it.
fn reencode(raw: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    match percent::decode(raw.as_bytes()) {
        Ok(bytes) => percent::encode_into(&mut out, &bytes),
        Err(percent::BadEscape) => percent::encode_into(&mut out, raw.as_bytes()),
    }
    out
}

/// `name:value,value\n`, white space trimmed and folded.
fn values(out: &mut Vec<u8>, request: &SignedRequest<'_>, name: &str) -> Result<(), SigError> {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut found = false;
    for (given, value) in request.headers {
        if !given.eq_ignore_ascii_case(name) {
            continue;
        }
        if found {
            out.push(b',');
        }
        found = true;
        if !value.iter().any(u8::is_ascii_whitespace) {
            out.extend_from_slice(value);
            continue;
        }
        let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for (at, word) in words.enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
    }
    out.push(b'\n');
    // Signed, and gone on the way: an empty value must not pass for an absent header.
    if found { Ok(()) } else { Err(SigError::Mismatch) }
}
