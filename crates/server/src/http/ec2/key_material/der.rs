//! The little of DER (X.690) that RSA keys are written in.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// The algorithm's identifier: rsaEncryption without parameters (RFC 8017 §A.1).
const RSA_ENCRYPTION: [u8; 15] =
    [SEQUENCE, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0];

fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ ..0x80) => out.push(short),
        _ => {
            let bytes = content.len().to_be_bytes();
            let first = bytes.iter().position(|byte| *byte != 0).unwrap_or_default();
            let length = &bytes[first..];
            out.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
            out.extend_from_slice(length);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A positive number.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0);
    match first.map(|first| &bytes[first..]) {
        None => value(INTEGER, &[0]),
        Some(bytes) if bytes[0] >= 0x80 => value(INTEGER, &[&[0], bytes].concat()),
        Some(bytes) => value(INTEGER, bytes),
    }
}

/// A public RSA key with its algorithm (SubjectPublicKeyInfo).
pub(super) fn public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let numbers = value(SEQUENCE, &[integer(modulus), integer(exponent)].concat());
    let bits = value(BIT_STRING, &[&[0], &numbers[..]].concat());
    value(SEQUENCE, &[&RSA_ENCRYPTION[..], &bits].concat())
}

/// A private RSA key (RFC 8017 §A.1.2): modulus, exponents, primes, and what follows from them.
pub(super) fn rsa_private_key(numbers: &[Vec<u8>; 8]) -> Vec<u8> {
    let version = integer(&[]);
    let content: Vec<Vec<u8>> =
        std::iter::once(version).chain(numbers.iter().map(|number| integer(number))).collect();
    value(SEQUENCE, &content.concat())
}

/// The same with its algorithm (RFC 5208 §5).
pub(super) fn pkcs8(private: &[u8]) -> Vec<u8> {
    let octets = value(OCTET_STRING, private);
    value(SEQUENCE, &[integer(&[]), RSA_ENCRYPTION.to_vec(), octets].concat())
}
