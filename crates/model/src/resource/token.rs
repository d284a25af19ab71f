//! API tokens of users.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{Alias, Errand, Key, Timestamp, TokenId, UserId};

/// An API token of a user. Only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The token's public id, which is not the secret.
    pub id: TokenId,
    /// The user that the token speaks for.
    pub user: UserId,
    /// SHA-256 of the secret, in hexadecimal; unique.
    pub hash: String,
    /// What the token is for, in its user's words.
    pub description: String,
    /// When the token ends; `None` if it never does.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// Since when it speaks for nobody; `None` while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// When the token was created.
    pub created: Timestamp,
    /// When the token was last changed; `None` if it never was.
    #[serde(default)]
    pub updated: Option<Timestamp>,
}

impl Token {
    /// Whether it could speak for its user: it has not ended, and was not disabled. Whether the user is
    /// let in is [`crate::World::lets_in_token`].
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.disabled.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

impl Resource for Token {
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::Token(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::None
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::User(self.user));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Token(self.hash.as_str().into()));
    }

    fn due(&self) -> Option<(Errand, Timestamp)> {
        self.expires.map(|at| (Errand::Forget, at))
    }
}
