//! API tokens of users.

use serde::{Deserialize, Serialize};

use super::{App, Owner, Resource};
use crate::{Alias, AppId, Errand, Key, Need, SpaceId, Timestamp, TokenId, TokenScopes, UserId};

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
    /// What it may do of all that its user may.
    #[serde(default)]
    pub scopes: TokenScopes,
    /// What it is bound to; `None` if it reaches all that its user does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<TokenBound>,
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

/// What a token is bound to: for it, nothing else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenBound {
    /// A space, with the apps in it.
    Space(SpaceId),
    /// An app.
    App(AppId),
}

impl TokenBound {
    /// What it is, as a key.
    pub const fn key(self) -> Key {
        match self {
            Self::Space(id) => Key::Space(id),
            Self::App(id) => Key::App(id),
        }
    }

    /// Whether an app is within it.
    pub fn has_app(self, app: &App) -> bool {
        match self {
            Self::Space(space) => app.space == space,
            Self::App(id) => app.id == id,
        }
    }

    /// Whether a space is within it.
    pub fn has_space(self, space: SpaceId) -> bool {
        self == Self::Space(space)
    }
}

impl Token {
    /// Whether it could speak for its user: it has not ended, and was not disabled. Whether the user is
    /// let in is [`crate::World::lets_in_token`].
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.disabled.is_none() && self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether it may be used for something. One that is bound is never enough for what is about the
    /// user or a team.
    pub fn allows(&self, need: Need) -> bool {
        self.scopes.allow(need) && (self.bound.is_none() || need != Need::Everything)
    }

    /// Whether an app is there for it.
    pub fn reaches(&self, app: &App) -> bool {
        self.bound.is_none_or(|bound| bound.has_app(app))
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
        if let Some(bound) = self.bound {
            each(bound.key());
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Token(self.hash.as_str().into()));
    }

    fn due(&self) -> Option<(Errand, Timestamp)> {
        self.expires.map(|at| (Errand::Forget, at))
    }
}
