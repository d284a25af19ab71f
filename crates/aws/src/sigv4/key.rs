//! Signing keys, and the signatures made with them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const TERMINATOR: &str = "aws4_request";

/// The key of one secret, day, region and service. Deriving it costs four HMACs; it can be kept
/// for the day.
#[derive(Clone)]
pub struct SigningKey {
    /// What an HMAC with the key begins with, computed once and not for each request.
    keyed: Hmac<Sha256>,
    #[cfg(test)]
    bytes: [u8; 32],
}

impl SigningKey {
    /// Derives it. `date` is `YYYYMMDD`.
    pub fn derive(secret: &str, date: &str, region: &str, service: &str) -> Self {
        let mut first = Vec::with_capacity(4 + secret.len());
        first.extend_from_slice(b"AWS4");
        first.extend_from_slice(secret.as_bytes());
        let key = hmac(&first, date);
        let key = hmac(&key, region);
        let key = hmac(&key, service);
        let bytes = hmac(&key, TERMINATOR);
        Self {
            keyed: keyed(&bytes),
            #[cfg(test)]
            bytes,
        }
    }

    /// Signs a text that is no request, for a service of its own.
    pub fn sign(&self, text: &str) -> [u8; 32] {
        finish(self.keyed.clone(), text.as_bytes())
    }

    #[cfg(test)]
    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The SHA-256 of a body.
pub fn sha256(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// Signs the string to sign, made of the time, the scope's date, region and service, and the
/// hash of the canonical request.
pub(super) fn signature(
    key: &SigningKey,
    stamp: &str,
    scope: [&str; 3],
    canonical: [u8; 32],
) -> [u8; 32] {
    /// What nearly all texts fit into.
    const USUAL: usize = 192;
    let mut text = Vec::with_capacity(USUAL);
    for part in [ALGORITHM, "\n", stamp, "\n"] {
        text.extend_from_slice(part.as_bytes());
    }
    for part in scope {
        text.extend_from_slice(part.as_bytes());
        text.push(b'/');
    }
    text.extend_from_slice(TERMINATOR.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(&hexadecimal(&canonical));
    finish(key.keyed.clone(), &text)
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    finish(keyed(key), text.as_bytes())
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn finish(mut mac: Hmac<Sha256>, text: &[u8]) -> [u8; 32] {
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    hex::encode_to_slice(bytes, &mut out).expect("each byte has two digits");
    out
}

pub(super) fn ascii(hex: &[u8; 64]) -> &str {
    str::from_utf8(hex).expect("hexadecimal is ASCII")
}
