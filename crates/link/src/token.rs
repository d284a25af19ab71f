//! What lets a host in once: a secret, and the fingerprint of the only authority that it is to trust.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What every token begins with.
const PREFIX: &str = "cwj_";
/// Bytes of the secret.
const SECRET: usize = 16;
/// Bytes of the fingerprint.
const FINGERPRINT: usize = 32;

/// The SHA-256 of an authority's certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; FINGERPRINT]);

impl Fingerprint {
    /// That of a certificate, in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A token by which one host joins. Servers keep its hash alone.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    secret: [u8; SECRET],
    /// The authority that the host is to trust.
    pub authority: Fingerprint,
}

/// Text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "that is no join token: one begins with cwj_ and has 68 characters; `causeway host:token` makes one"
)]
pub struct NoToken;

impl JoinToken {
    /// Makes one of random bits.
    pub fn of_bits(bits: u128, authority: Fingerprint) -> Self {
        Self { secret: bits.to_be_bytes(), authority }
    }

    /// What servers keep of it.
    pub fn hash(&self) -> String {
        Self::hash_of(&self.secret)
    }

    /// What is shown to the server, and what servers keep of that.
    pub(crate) fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secret)
    }

    /// What servers keep of what was shown; `None` where that was no secret.
    pub(crate) fn hash_of_shown(shown: &str) -> Option<String> {
        let secret: [u8; SECRET] = URL_SAFE_NO_PAD.decode(shown).ok()?.try_into().ok()?;
        Some(Self::hash_of(&secret))
    }

    fn hash_of(secret: &[u8; SECRET]) -> String {
        hex::encode(Sha256::digest([b"causeway join token ", &secret[..]].concat()))
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.secret[..], &self.authority.0].concat();
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(hidden)")
    }
}

impl FromStr for JoinToken {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let bytes = text.trim().strip_prefix(PREFIX).ok_or(NoToken)?;
        let bytes = URL_SAFE_NO_PAD.decode(bytes).map_err(|_| NoToken)?;
        let (secret, authority) = bytes.split_first_chunk().ok_or(NoToken)?;
        let authority = Fingerprint(authority.try_into().map_err(|_| NoToken)?);
        Ok(Self { secret: *secret, authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_says_its_secret_to_nobody_else() {
        let token = JoinToken::of_bits(7, Fingerprint([9; 32]));
        let text = token.to_string();
        assert_eq!((text.len(), &text[..4]), (68, "cwj_"));
        assert_eq!(text.parse::<JoinToken>().unwrap(), token);
        assert_eq!(format!(" {text}\n").parse::<JoinToken>().unwrap(), token, "as it is pasted");
        assert_eq!(format!("{token:?}"), "JoinToken(hidden)");
        assert_eq!(JoinToken::hash_of_shown(&token.secret()), Some(token.hash()));
        assert_ne!(JoinToken::of_bits(8, token.authority).hash(), token.hash());
        for wrong in ["", "cwj_", &text[1..], &text[..67], &format!("{text}A"), "cwj_?"] {
            assert_eq!(wrong.parse::<JoinToken>(), Err(NoToken), "{wrong}");
        }
    }
}
