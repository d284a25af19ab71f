use super::*;
use crate::http::ec2::tests::fill;

/// Made by `ssh-keygen`; the fingerprints are those of `openssl md5` and of `ssh-keygen -l`.
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC+ZBvNP7Oh5QhGf8CQ6yowLtyb2uJpIST60LsURaQ0b9xgZLRd9yldX72PmLiDhlSdoSYP/m+y7XNnJbzBT8IU/vzBAs4FdfB/5PwFVJr5m+6hQdMJGrODRzRdanQmk1Sdfw6mPgzYthybum0vrQUJhgCu3aPIAR13u0tHRFJWuY7cjgfbMsvoZCQxM3cWXkM5TWxsaQp7wmg/hvJe75hVHxPjw9kflPBeYhJ6GXT395qRVjA8Rn362KCosmGtbA4AJFfFGa6KVGHbK8ElUf52POD1PTYGC7eZElAYTK+x2OIVzcVAAEuooqHKzgzGYRDtB9PthgTmLoR9r+cO459t ada@example.com";
const RSA_4716: &str = "---- BEGIN SSH2 PUBLIC KEY ----
Comment: \"2048-bit RSA, \\
of a test\"
AAAAB3NzaC1yc2EAAAADAQABAAABAQC+ZBvNP7Oh5QhGf8CQ6yowLtyb2uJpIST60LsURa
Q0b9xgZLRd9yldX72PmLiDhlSdoSYP/m+y7XNnJbzBT8IU/vzBAs4FdfB/5PwFVJr5m+6h
QdMJGrODRzRdanQmk1Sdfw6mPgzYthybum0vrQUJhgCu3aPIAR13u0tHRFJWuY7cjgfbMs
voZCQxM3cWXkM5TWxsaQp7wmg/hvJe75hVHxPjw9kflPBeYhJ6GXT395qRVjA8Rn362KCo
smGtbA4AJFfFGa6KVGHbK8ElUf52POD1PTYGC7eZElAYTK+x2OIVzcVAAEuooqHKzgzGYR
DtB9PthgTmLoR9r+cO459t
---- END SSH2 PUBLIC KEY ----";
const RSA_PRINT: &str = "67:5f:a7:11:53:34:0f:2c:be:96:f5:15:c9:3d:c7:7d";
const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMTlLQf+JDKgO4nliJ0eu/bU8AUOi87qsGT9jV4xgnxc";
const ED25519_PRINT: &str = "jXpws4Tty5UWXmjjksTA/lcSpLXpCVNKS/Y69U+zStI=";

#[test]
fn public_keys_are_read_in_both_formats() {
    let read = |file: &str| parse(&STANDARD.encode(file)).unwrap();
    for (file, kind, fingerprint, comment) in [
        (RSA, KeyKind::Rsa, RSA_PRINT, Some("ada@example.com")),
        (RSA_4716, KeyKind::Rsa, RSA_PRINT, None),
        (ED25519, KeyKind::Ed25519, ED25519_PRINT, None),
    ] {
        let key = read(file);
        assert_eq!(key.kind, kind);
        assert_eq!(key.fingerprint(), fingerprint);
        assert_eq!(key.comment.as_deref(), comment);
    }
}

#[test]
fn what_is_no_public_key_is_refused() {
    let cut: String = RSA.chars().take(200).collect();
    let unknown = RSA.replace("AAAAB3NzaC1yc2E", "AAAAB3NzaC1yc2U");
    for file in
        ["", "ssh-rsa", "ssh-rsa AAAA", "-----BEGIN", &cut, &unknown, "é", "ssh-ed25519 ===="]
    {
        let error = parse(&STANDARD.encode(file)).err().map(|error| error.code);
        assert_eq!(error.as_deref(), Some("InvalidKey.Format"), "{file}");
    }
    assert!(parse(RSA).is_err(), "it is not in base64");
    assert!(parse(&"A".repeat(MAX_MATERIAL + 1)).is_err());
}

#[test]
fn a_new_ed25519_key_is_one_of_openssh() {
    let keys = KeyMaker::new(fill);
    let made = keys.make(KeyKind::Ed25519).unwrap();
    let private = keys.private().unwrap();
    assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"), "{private}");
    let body: String = private.lines().filter(|line| !line.starts_with('-')).collect();
    let file = STANDARD.decode(body).unwrap();
    let mut rest = file.strip_prefix(b"openssh-key-v1\0").unwrap();
    assert_eq!([take(&mut rest), take(&mut rest)], [Some(&b"none"[..]); 2]);
    assert_eq!(take(&mut rest), Some(&b""[..]));
    rest = rest.strip_prefix(&1_u32.to_be_bytes()).unwrap();
    assert_eq!(take(&mut rest), Some(&*made.public.blob));
    let secret = take(&mut rest).unwrap();
    assert!(rest.is_empty() && secret.len().is_multiple_of(8));
    assert_eq!(secret[..4], secret[4..8], "both checks are the same");
    // The private half signs what the public half verifies.
    let mut rest = secret[8..].strip_prefix(&*made.public.blob).unwrap();
    let pair = take(&mut rest).unwrap();
    let key = Ed25519KeyPair::from_seed_and_public_key(&pair[..32], &pair[32..]);
    assert!(key.is_ok(), "they belong together");
    assert_eq!(
        keys.make(KeyKind::Ed25519).unwrap().public.blob,
        made.public.blob,
        "it is made once"
    );
}

#[test]
fn a_new_rsa_key_undoes_what_its_public_half_does() {
    let key = rsa::make(fill).unwrap();
    let modulus = num_bigint::BigUint::from_bytes_be(&key.modulus());
    assert_eq!(modulus.bits(), 2048);
    let message = num_bigint::BigUint::from_bytes_be(b"a message");
    let signed = key.sign(&message);
    let exponent = num_bigint::BigUint::from_bytes_be(&key.exponent());
    assert_eq!(signed.modpow(&exponent, &modulus), message);
    // A library that checks all of a key's numbers takes it.
    let der = der::pkcs8(&der::rsa_private_key(&key.numbers()));
    ring::signature::RsaKeyPair::from_pkcs8(&der).unwrap();
}
