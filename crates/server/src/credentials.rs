//! Tokens and access keys: how they are made, derived, stored and looked up.

use std::sync::Arc;

use model::{
    AccessKeyId, AccountId, Alias, IdSource, IdentityCommand, Key, Token, TokenId, UserId, World,
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
    let id = AccessKeyId::fresh(&mut SystemIds);
    let mut plain = fresh_secret(&mut SystemIds);
    plain.truncate(40);
    let sealed_secret = seal_access_key(secret, id, &plain)?;
    let command = IdentityCommand::CreateAccessKey { id, account, sealed_secret, access };
    Ok((id, plain, command))
}
