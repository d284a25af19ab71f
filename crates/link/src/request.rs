//! Requests for certificates (PKCS #10, RFC 2986): an agent makes its key, which never leaves its host,
//! and proves by a signature that it has it. What else a request says is not believed.

use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::der::{self, BIT_STRING, INTEGER, SEQUENCE};

/// The fixed beginning of a public key on the curve P-256 (RFC 5480), before its point.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The algorithm of the signature, ECDSA with SHA-256.
const ECDSA_WITH_SHA256: [u8; 12] =
    [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// How many bytes a point has, uncompressed.
const POINT: usize = 65;

/// A public key, of which somebody has proved to have the private one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedKey([u8; POINT]);

/// Why a request for a certificate is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Its form is another.
    #[error("that is no request for a certificate of a key on the curve P-256")]
    Malformed,
    /// Its signature is not the key's.
    #[error("the request for a certificate was not signed with its own key")]
    Signature,
}

impl ProvedKey {
    /// Reads a request, in DER.
    ///
    /// # Errors
    ///
    /// [`BadRequest`].
    pub fn of_request(request: &[u8]) -> Result<Self, BadRequest> {
        let (signed, point, signature) = parts(request).ok_or(BadRequest::Malformed)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &point)
            .verify(signed, signature)
            .map_err(|_| BadRequest::Signature)?;
        Ok(Self(point))
    }

    /// What tells it from any other key.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl PublicKeyData for ProvedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// What is signed, the point of the key, and the signature.
fn parts(request: &[u8]) -> Option<(&[u8], [u8; POINT], &[u8])> {
    let request = der::tagged(SEQUENCE, request).filter(|request| request.rest.is_empty())?;
    let info = der::tagged(SEQUENCE, request.content)?;
    let version = der::tagged(INTEGER, info.content).filter(|version| version.content == [0])?;
    let subject = der::tagged(SEQUENCE, version.rest)?;
    let key = der::tagged(SEQUENCE, subject.rest)?;
    let point = key.whole.strip_prefix(&P256)?.try_into().ok()?;
    let signature = info.rest.strip_prefix(&ECDSA_WITH_SHA256)?;
    let signature = der::tagged(BIT_STRING, signature).filter(|it| it.rest.is_empty())?;
    Some((info.whole, point, signature.content.strip_prefix(&[0])?))
}

/// A private key that was just made, and the request for its certificate.
#[derive(Debug)]
pub struct NewKey {
    /// The private key, in PEM.
    pub key: String,
    /// The request, in DER.
    pub request: Vec<u8>,
}

impl NewKey {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// The cryptographic library's, which no input can cause.
    pub fn generate() -> Result<Self, rcgen::Error> {
        Self::of(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
    }

    /// The request for a key that is there already, in PEM.
    ///
    /// # Errors
    ///
    /// What is no such key.
    pub fn of_pem(key: &str) -> Result<Self, rcgen::Error> {
        Self::of(&KeyPair::from_pem(key)?)
    }

    fn of(key: &KeyPair) -> Result<Self, rcgen::Error> {
        let request = CertificateParams::default().serialize_request(key)?.der().to_vec();
        Ok(Self { key: key.serialize_pem(), request })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_proves_its_key_and_no_changed_one_does() {
        let made = NewKey::generate().unwrap();
        let key = ProvedKey::of_request(&made.request).unwrap();
        let again = ProvedKey::of_request(&NewKey::of_pem(&made.key).unwrap().request).unwrap();
        assert_eq!(key.digest(), again.digest(), "another signature by the same key");
        for at in 0..made.request.len() {
            let mut changed = made.request.clone();
            changed[at] ^= 1;
            assert_ne!(ProvedKey::of_request(&changed), Ok(key.clone()), "byte {at}");
            assert!(ProvedKey::of_request(&made.request[..at]).is_err(), "cut at {at}");
        }
        let longer = [&made.request[..], &[0]].concat();
        assert_eq!(ProvedKey::of_request(&longer), Err(BadRequest::Malformed));
    }

    #[test]
    fn a_key_that_is_another_s_cannot_be_asked_for() {
        let (mine, theirs) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        let at = |request: &[u8]| {
            request.windows(P256.len()).position(|part| part == P256).unwrap() + P256.len()
        };
        let mut forged = mine.request.clone();
        let (to, from) = (at(&forged), at(&theirs.request));
        forged[to..to + POINT].copy_from_slice(&theirs.request[from..from + POINT]);
        assert_eq!(ProvedKey::of_request(&forged), Err(BadRequest::Signature));
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        assert_eq!(ProvedKey::of_request(request.der()), Err(BadRequest::Malformed));
    }

    /// Whatever is sent as a request, it is refused or proves a key.
    #[test]
    fn fuzz_certificate_request() {
        fuzz::target("certificate_request", |input| {
            if let Ok(key) = ProvedKey::of_request(input) {
                assert!(input.windows(POINT).any(|part| part == key.der_bytes()));
            }
            let _ = crate::Validity::of(input);
            let _ = crate::identity::host_of(input);
        });
    }
}
