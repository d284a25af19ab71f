//! Keys themselves: public ones are read, new ones are made, and of both the fingerprints are those
//! that EC2 computes.

mod der;
mod md5;
mod rsa;

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use model::KeyKind;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest, Sha256};

use super::failure::Ec2Error;

/// The longest public key that is read, in bytes of base64: RSA keys have 16,384 bits at most.
const MAX_MATERIAL: usize = 16 * 1024;

/// A public key.
pub(super) struct PublicKey {
    pub(super) kind: KeyKind,
    /// The key as the SSH protocol writes it.
    pub(super) blob: Vec<u8>,
    /// What stood behind it.
    pub(super) comment: Option<String>,
}

impl PublicKey {
    /// The fingerprint that EC2 gives for an imported key.
    pub(super) fn fingerprint(&self) -> String {
        let rsa = match self.kind {
            KeyKind::Rsa => rsa_numbers(&self.blob),
            KeyKind::Ed25519 => None,
        };
        match rsa {
            Some((exponent, modulus)) => colons(&md5::md5(&der::public_key(modulus, exponent))),
            None => STANDARD.encode(Sha256::digest(&self.blob)),
        }
    }
}

/// A key that was made.
pub(super) struct Made {
    pub(super) public: PublicKey,
    pub(super) fingerprint: String,
    /// The private half, in a PEM file.
    private: String,
}

/// Makes the new key of a request: once, so that the command and the answer are about the same one.
pub struct KeyMaker {
    fill: fn(&mut [u8]),
    made: OnceLock<Made>,
}

impl KeyMaker {
    /// Makes one, with what fills bytes at random.
    pub fn new(fill: fn(&mut [u8])) -> Self {
        Self { fill, made: OnceLock::new() }
    }

    pub(super) fn make(&self, kind: KeyKind) -> Result<&Made, Ec2Error> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = match kind {
            KeyKind::Ed25519 => self.ed25519()?,
            KeyKind::Rsa => self.rsa()?,
        };
        Ok(self.made.get_or_init(|| made))
    }

    /// The private half of the key that was made.
    pub(super) fn private(&self) -> Option<&str> {
        self.made.get().map(|made| made.private.as_str())
    }

    fn ed25519(&self) -> Result<Made, Ec2Error> {
        let (mut seed, mut check) = ([0; 32], [0; 4]);
        (self.fill)(&mut seed);
        (self.fill)(&mut check);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|error| Ec2Error { status: 500, ..Ec2Error::new("InternalError", error) })?;
        let public = pair.public_key().as_ref();
        let blob = [ssh_string(b"ssh-ed25519"), ssh_string(public)].concat();
        // The format of OpenSSH's own private keys, unencrypted (its file PROTOCOL.key).
        let mut secret = [&check[..], &check[..]].concat();
        secret.extend_from_slice(&blob);
        secret.extend(ssh_string(&[&seed[..], public].concat()));
        secret.extend(ssh_string(b""));
        secret.extend((1_u8..).take((8 - secret.len() % 8) % 8));
        let file = [
            b"openssh-key-v1\0".to_vec(),
            ssh_string(b"none"),
            ssh_string(b"none"),
            ssh_string(b""),
            1_u32.to_be_bytes().to_vec(),
            ssh_string(&blob),
            ssh_string(&secret),
        ]
        .concat();
        let public = PublicKey { kind: KeyKind::Ed25519, blob, comment: None };
        let private = pem("OPENSSH PRIVATE KEY", 70, &file);
        Ok(Made { fingerprint: public.fingerprint(), public, private })
    }

    fn rsa(&self) -> Result<Made, Ec2Error> {
        let key = rsa::make(self.fill)?;
        let (modulus, exponent) = (key.modulus(), key.exponent());
        let blob = [ssh_string(b"ssh-rsa"), ssh_number(&exponent), ssh_number(&modulus)].concat();
        let private = der::rsa_private_key(&key.numbers());
        let pkcs8 = der::pkcs8(&private);
        Ok(Made {
            public: PublicKey { kind: KeyKind::Rsa, blob, comment: None },
            fingerprint: colons(digest(&SHA1_FOR_LEGACY_USE_ONLY, &pkcs8).as_ref()),
            private: pem("RSA PRIVATE KEY", 64, &private),
        })
    }
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn pem(label: &str, width: usize, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(width.min(rest.len()));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(&format!("-----END {label}-----"));
    out
}

/// A string of the SSH protocol (RFC 4251 §5).
fn ssh_string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A positive number of the SSH protocol.
fn ssh_number(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = &bytes[first..];
    match bytes.first() {
        Some(0x80..) => ssh_string(&[&[0], bytes].concat()),
        _ => ssh_string(bytes),
    }
}

/// Takes a string of the SSH protocol from the front of bytes.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (taken, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// The exponent and the modulus of an RSA key as the SSH protocol writes it.
fn rsa_numbers(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = blob;
    take(&mut rest)?;
    let (exponent, modulus) = (take(&mut rest)?, take(&mut rest)?);
    rest.is_empty().then_some((exponent, modulus))
}

/// Reads a public key as clients send it: the base64 of a file in OpenSSH's format or in that of RFC
/// 4716.
pub(super) fn parse(material: &str) -> Result<PublicKey, Ec2Error> {
    let wrong =
        || Ec2Error::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    if material.len() > MAX_MATERIAL {
        return Err(wrong());
    }
    let compact: String = material.split_ascii_whitespace().collect();
    let text = decode(&compact).ok_or_else(wrong)?;
    let text = String::from_utf8(text).map_err(|_| wrong())?;
    let (encoded, comment) = lines(&text).ok_or_else(wrong)?;
    let blob = decode(&encoded).ok_or_else(wrong)?;
    let mut rest = blob.as_slice();
    let kind = match take(&mut rest) {
        Some(b"ssh-rsa") => KeyKind::Rsa,
        Some(b"ssh-ed25519") => KeyKind::Ed25519,
        _ => return Err(wrong()),
    };
    let whole = match kind {
        KeyKind::Rsa => rsa_numbers(&blob).is_some_and(|(exponent, modulus)| {
            // 1,024 to 16,384 bits, with the sign.
            !exponent.is_empty() && (128..=2049).contains(&modulus.len())
        }),
        KeyKind::Ed25519 => take(&mut rest).is_some_and(|key| key.len() == 32) && rest.is_empty(),
    };
    if whole { Ok(PublicKey { kind, blob, comment }) } else { Err(wrong()) }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// The base64 of a key in a file, and the comment on it.
fn lines(text: &str) -> Option<(String, Option<String>)> {
    const BEGIN: &str = "---- BEGIN SSH2 PUBLIC KEY ----";
    const END: &str = "---- END SSH2 PUBLIC KEY ----";
    if let Some(rest) = text.trim().strip_prefix(BEGIN) {
        let (body, _) = rest.split_once(END)?;
        let (mut encoded, mut continues) = (String::new(), false);
        for line in body.lines().map(str::trim) {
            // Headers have a colon, which base64 has not, and go on after a backslash.
            let is_header = continues || line.contains(':');
            continues = is_header && line.ends_with('\\');
            if !is_header {
                encoded.push_str(line);
            }
        }
        return Some((encoded, None));
    }
    let line =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let mut words = line.splitn(3, char::is_whitespace);
    let (_, encoded) = (words.next()?, words.next()?);
    let is_plain = |comment: &&str| {
        !comment.is_empty() && comment.len() <= 255 && !comment.chars().any(char::is_control)
    };
    let comment = words.next().map(str::trim).filter(is_plain).map(str::to_owned);
    Some((encoded.to_owned(), comment))
}

#[cfg(test)]
mod tests;
