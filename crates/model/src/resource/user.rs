//! Users: people on the platform's side.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{Alias, Key, Timestamp, UserId};

/// A person on the platform's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The user's e-mail address, unique, in lower case.
    pub email: String,
    /// The hash of the user's password; `None` until the operator sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// Since when the user is not let in; `None` for one who is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// When the user was created.
    pub created: Timestamp,
    /// When the user was last changed.
    pub updated: Timestamp,
}

/// A slow salted hash of a password, in the notation that says how it was made. It is made and
/// checked by the server; here it is a text, which shows itself nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl Resource for User {
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::User(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::None
    }

    fn mentions(&self, _: &mut dyn FnMut(Key)) {}

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::User(self.email.as_str().into()));
    }
}
