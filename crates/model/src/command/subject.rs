//! Who acts, and by what: what can be disabled and destroyed.

use std::fmt;

use crate::{AccessKeyId, AccountId, Key, TeamId, TokenId, UserId};

/// Somebody who acts, those who act together, or by what somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A user.
    User(UserId),
    /// A team.
    Team(TeamId),
    /// An account.
    Account(AccountId),
    /// An access key.
    AccessKey(AccessKeyId),
    /// A token.
    Token(TokenId),
}

impl Subject {
    /// Its key.
    pub const fn key(self) -> Key {
        match self {
            Self::User(id) => Key::User(id),
            Self::Team(id) => Key::Team(id),
            Self::Account(id) => Key::Account(id),
            Self::AccessKey(id) => Key::AccessKey(id),
            Self::Token(id) => Key::Token(id),
        }
    }

    /// What it is, in words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Team(_) => "team",
            Self::Account(_) => "account",
            Self::AccessKey(_) => "access key",
            Self::Token(_) => "token",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key().fmt(f)
    }
}
