//! The secret key of an installation, which seals values and derives tokens.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{Error, Result, durable};

const LENGTH: usize = 32;
/// How much of a key file is read: hexadecimal digits, and a few blanks around them.
const MOST_CONTENT: u64 = 256;
const NONCE_LENGTH: usize = 12;

/// The first byte of a sealed value, so that another cipher can follow.
const CHACHA20_POLY1305: u8 = 1;

/// What a key is made for. It is the first byte of what is hashed, so that no label that a caller
/// chooses yields the key that seals.
#[derive(Clone, Copy)]
enum Purpose {
    Derive = 1,
    Seal = 2,
    Check = 3,
}

/// The key of an installation. Seals what must be stored and read back, and derives tokens that
/// need not be stored at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; LENGTH]);

impl Secret {
    /// Makes a key from the system's random bytes.
    pub(crate) fn generate() -> Result<Self> {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes).map_err(Error::Random)?;
        Ok(Self(bytes))
    }

    pub(crate) fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// The key that text says in hexadecimal digits, or the bytes of a key itself.
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        if let Ok(bytes) = content.try_into() {
            return Some(Self(bytes));
        }
        let mut bytes = [0; LENGTH];
        hex::decode_to_slice(content.trim_ascii(), &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Reads a key file, unless others can read it too.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::file("open", path))?;
        let metadata = file.metadata().map_err(Error::file("look at", path))?;
        durable::check_mode(path, &metadata, 0o077, 0o600)?;
        let mut content = Vec::with_capacity(LENGTH * 2 + 2);
        file.take(MOST_CONTENT).read_to_end(&mut content).map_err(Error::file("read", path))?;
        Self::parse(&content).ok_or_else(|| Error::MalformedSecret { path: path.to_owned() })
    }

    /// The bytes themselves. Not for logs, nor for anything that [`Secret::seal`] or
    /// [`Secret::derive`] can do.
    pub fn expose(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// Encrypts for storage. `aad` says what the value is for, such as the access key's id:
    /// [`Secret::open`] wants the same, so a sealed value moved to another row does not open.
    pub fn seal(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).map_err(Error::Random)?;
        let ciphertext = self
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad })
            .map_err(|_| Error::Unsealable)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LENGTH + ciphertext.len());
        sealed.push(CHACHA20_POLY1305);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Decrypts what [`Secret::seal`] made for the same use.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>> {
        let Some((&CHACHA20_POLY1305, rest)) = sealed.split_first() else {
            return Err(Error::Unsealable);
        };
        let Some((nonce, ciphertext)) = rest.split_first_chunk::<NONCE_LENGTH>() else {
            return Err(Error::Unsealable);
        };
        self.cipher()
            .decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad })
            .map_err(|_| Error::Unsealable)
    }

    /// A token that follows from the key: always the same for one label and subject, and telling
    /// nothing about any other.
    pub fn derive(&self, label: &str, subject: &str) -> [u8; 32] {
        self.hash(Purpose::Derive, label, subject)
    }

    /// Tells, without revealing the key, whether a database was written with it.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.hash(Purpose::Check, "", "")
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&self.hash(Purpose::Seal, "", "").into())
    }

    /// The label's length goes first, so that no two pairs of label and subject are hashed alike.
    fn hash(&self, purpose: Purpose, label: &str, subject: &str) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0)
            .expect("HMAC takes a key of any length");
        mac.update(&[purpose as u8]);
        mac.update(&(label.len() as u64).to_be_bytes());
        mac.update(label.as_bytes());
        mac.update(subject.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> Secret {
        Secret(std::array::from_fn(|index| index as u8))
    }

    #[test]
    fn sealed_values_open_for_the_same_use_only() {
        let secret = counting();
        for plaintext in [&b""[..], b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"] {
            let sealed = secret.seal(plaintext, b"AKIA1").unwrap();
            assert_eq!(secret.open(&sealed, b"AKIA1").unwrap(), plaintext);
            assert_ne!(secret.seal(plaintext, b"AKIA1").unwrap(), sealed, "nonces differ");
            let others =
                [secret.open(&sealed, b"AKIA2"), Secret([7; LENGTH]).open(&sealed, b"AKIA1")];
            assert!(others.iter().all(|opened| matches!(opened, Err(Error::Unsealable))));
        }
    }

    #[test]
    fn altered_values_do_not_open() {
        let secret = counting();
        let sealed = secret.seal(b"value", b"use").unwrap();
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(secret.open(&altered, b"use").is_err(), "byte {index}");
            assert!(secret.open(&sealed[..index], b"use").is_err(), "cut at {index}");
        }
    }

    #[test]
    fn derived_tokens_are_stable_and_apart() {
        let secret = counting();
        // hmac.new(bytes(range(32)), b"\x01" + struct.pack(">Q", 10) + b"invitation" + b"team-1",
        // "sha256") in Python.
        let expected = "b3ab022804f1090a184547eb5e4c82ea7b0e68db6a4803dfeda3c75eb08e553b";
        let token = secret.derive("invitation", "team-1");
        assert_eq!(hex::encode(token), expected);
        assert_ne!(secret.derive("invitationteam", "-1"), token);
        assert_ne!(secret.derive("", ""), secret.fingerprint());
        assert_ne!(Secret([7; LENGTH]).derive("invitation", "team-1"), token);
    }

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", Secret([65; LENGTH])), "Secret(hidden)");
    }
}
