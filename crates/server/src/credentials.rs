//! Tokens and access keys: how they are made, derived, stored and looked up.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{
    AccessKeyId, AccountId, Alias, IdSource, IdentityCommand, Key, Principal, TemporaryKeyId,
    Token, TokenId, UserId, World,
};
use sha2::{Digest, Sha256};
use store::Secret;

use crate::clock::{SystemIds, fresh_secret};

/// The token of a request.
#[derive(Clone)]
pub struct OwnToken {
    /// The id by which it is managed.
    pub id: TokenId,
    /// The secret that the client sent.
    pub secret: String,
    /// What is known of it: above all, what it may be used for.
    pub record: Arc<Token>,
}

/// The operator's token. It is derived from the key in the data directory, so whoever can read that
/// directory is the operator.
pub(crate) fn operator_token(secret: &Secret) -> String {
    api::operator_token(|purpose| secret.derive(purpose, ""))
}

/// A new token for a user.
pub(crate) fn fresh_token(ids: &mut dyn IdSource) -> String {
    format!("HRKU-{}", fresh_secret(ids))
}

/// The token that `causeway env` gives a user. It is derived from the key, so it is the same every
/// time, and only its hash is stored.
pub(crate) fn user_token(secret: &Secret, user: UserId) -> String {
    format!("HRKU-{}", hex::encode(secret.derive("user-token", &user.to_string())))
}

/// Finds a token by its secret. The token may have expired.
pub(crate) fn find_token<'a>(world: &'a World, secret: &str) -> Option<&'a Arc<Token>> {
    match world.find(&Alias::Token(token_hash(secret).into()))? {
        Key::Token(id) => world.token(id),
        _ => None,
    }
}

/// The hash that is stored of a token.
pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Encrypts the secret of an access key for the store, bound to the key's id.
///
/// # Errors
///
/// The cipher refuses.
pub(crate) fn seal_access_key(
    secret: &Secret,
    id: AccessKeyId,
    plain: &str,
) -> store::Result<String> {
    Ok(hex::encode(secret.seal(plain.as_bytes(), id.to_string().as_bytes())?))
}

/// Decrypts what [`seal_access_key`] encrypted. `None` if it was not encrypted with this key.
pub(crate) fn open_access_key(secret: &Secret, id: AccessKeyId, sealed: &str) -> Option<String> {
    let bytes = hex::decode(sealed).ok()?;
    String::from_utf8(secret.open(&bytes, id.to_string().as_bytes()).ok()?).ok()
}

/// Makes an access key: its id, its secret, and the command that stores it.
///
/// # Errors
///
/// The secret cannot be encrypted.
pub(crate) fn new_access_key(
    secret: &Secret,
    account: AccountId,
    access: model::Access,
) -> store::Result<(AccessKeyId, String, IdentityCommand)> {
    make_access_key(secret, account, access, None)
}

/// Makes an access key that comes in the place of another one.
///
/// # Errors
///
/// The secret cannot be encrypted.
pub(crate) fn replacing_access_key(
    secret: &Secret,
    old: &model::AccessKey,
) -> store::Result<(AccessKeyId, String, IdentityCommand)> {
    make_access_key(secret, old.account, old.access, Some(old.id))
}

fn make_access_key(
    secret: &Secret,
    account: AccountId,
    access: model::Access,
    replaces: Option<AccessKeyId>,
) -> store::Result<(AccessKeyId, String, IdentityCommand)> {
    let id = AccessKeyId::fresh(&mut SystemIds);
    let mut plain = fresh_secret(&mut SystemIds);
    plain.truncate(40);
    let sealed_secret = seal_access_key(secret, id, &plain)?;
    let command = IdentityCommand::CreateAccessKey { id, account, sealed_secret, access, replaces };
    Ok((id, plain, command))
}

/// Temporary credentials, as their holder gets them. Nothing is kept of them: the token says all that
/// they stand for, encrypted, and the secret follows from the token.
pub struct TemporaryCredentials {
    /// Their public half.
    pub id: TemporaryKeyId,
    /// Their secret half.
    pub secret: String,
    /// The token that every request with them carries.
    pub token: String,
}

/// How many characters of a token are looked at, at most. Those of eight roles with the longest names
/// have 2,000.
const LONGEST_TOKEN: usize = 4096;
/// The length of a secret: in Base64 it has 40 characters, as those of AWS have.
const SECRET_BYTES: usize = 30;

impl TemporaryCredentials {
    /// Makes new ones.
    ///
    /// # Errors
    ///
    /// What they stand for cannot be encrypted.
    pub(crate) fn new(secret: &Secret, of: &Principal) -> store::Result<Self> {
        let id = TemporaryKeyId::fresh(&mut SystemIds);
        let plain = serde_json::to_vec(of).expect("a principal holds only what JSON can hold");
        let token = STANDARD.encode(secret.seal(&plain, id.to_string().as_bytes())?);
        Ok(Self { id, secret: Self::secret_of(secret, id, &token), token })
    }

    /// What a token stands for that was given out with an id, and the secret of both. `None` if it was
    /// not given out here, or with another id.
    pub(crate) fn open(
        secret: &Secret,
        id: TemporaryKeyId,
        token: &str,
    ) -> Option<(Principal, String)> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let plain = secret.open(&STANDARD.decode(token).ok()?, id.to_string().as_bytes()).ok()?;
        let of: Principal = serde_json::from_slice(&plain).ok()?;
        // A token without an end would hold for ever, and none was given out.
        of.expires?;
        Some((of, Self::secret_of(secret, id, token)))
    }

    fn secret_of(secret: &Secret, id: TemporaryKeyId, token: &str) -> String {
        let derived = secret.derive("temporary-secret", &format!("{id} {token}"));
        STANDARD.encode(&derived[..SECRET_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use model::{AssumedRole, RoleId, Sequence, Timestamp};

    use super::*;

    fn secret() -> (tempfile::TempDir, Secret) {
        let directory = tempfile::tempdir().unwrap();
        let secret = store::DataDir::open(directory.path()).unwrap().secret().clone();
        (directory, secret)
    }

    fn principal() -> Principal {
        let (account, name) = (AccountId::EMULATED, "n".repeat(64));
        let mut ids = Sequence(0);
        let role =
            AssumedRole { id: RoleId::fresh(&mut ids), name: name.clone(), session: name.clone() };
        Principal {
            account,
            key: Some(AccessKeyId::fresh(&mut ids)),
            read_only: false,
            roles: vec![role; 8],
            expires: Some(Timestamp::from_millis(1_800_000_000_000)),
        }
    }

    #[test]
    fn a_token_opens_with_its_own_id_and_key_alone() {
        let (_kept, secret) = secret();
        let of = principal();
        let made = TemporaryCredentials::new(&secret, &of).unwrap();
        assert!(made.token.len() <= LONGEST_TOKEN, "{}", made.token.len());
        assert_eq!(made.secret.len(), 40);
        let opened = TemporaryCredentials::open(&secret, made.id, &made.token).unwrap();
        assert_eq!(opened, (of.clone(), made.secret.clone()));
        let other = TemporaryCredentials::new(&secret, &of).unwrap();
        assert!(made.secret != other.secret && made.token != other.token && made.id != other.id);
        assert!(TemporaryCredentials::open(&secret, other.id, &made.token).is_none());
        let (_also, elsewhere) = self::secret();
        assert!(TemporaryCredentials::open(&elsewhere, made.id, &made.token).is_none());
        for wrong in ["", "a", "é", &made.token[1..], &made.token[..40], &"A".repeat(5000)] {
            assert!(TemporaryCredentials::open(&secret, made.id, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn no_bit_of_a_token_can_be_changed_and_no_other_text_says_the_same() {
        let (_kept, secret) = secret();
        let made = TemporaryCredentials::new(&secret, &principal()).unwrap();
        let opens = |token: &str| TemporaryCredentials::open(&secret, made.id, token).is_some();
        assert!(opens(&made.token));
        let bytes = STANDARD.decode(&made.token).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(!opens(&STANDARD.encode(&changed)), "byte {at}");
            assert!(!opens(&STANDARD.encode(&bytes[..at])), "cut at {at}");
        }
        for at in 0..made.token.len() {
            assert!(!opens(&made.token[..at]), "cut at {at}");
        }
        let longer = [&bytes[..], b"\0"].concat();
        let mut others = vec![STANDARD.encode(longer), format!("{0}{0}", made.token)];
        for added in ["A", "=", "====", " ", "\n", "\0", "AAAA"] {
            others.push(format!("{}{added}", made.token));
            others.push(format!("{added}{}", made.token));
        }
        for other in others {
            assert!(!opens(&other), "{other}");
        }
    }

    #[test]
    fn a_token_without_an_end_is_none() {
        let (_kept, secret) = secret();
        let endless = Principal { expires: None, ..principal() };
        let made = TemporaryCredentials::new(&secret, &endless).unwrap();
        assert!(TemporaryCredentials::open(&secret, made.id, &made.token).is_none());
    }
}
