//! Who is disabled and destroyed: users, teams, accounts, access keys and tokens.

use model::{Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// A kind of those who act, and of what they act by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// Users, by their address.
    User,
    /// Teams, by their name or id.
    Team,
    /// Accounts, by their name or id.
    Account,
    /// Access keys, by their id.
    Key,
    /// Tokens, by their id.
    Token,
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::User, Self::Team, Self::Account, Self::Key, Self::Token];

    /// What one is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::Account => "account",
            Self::Key => "access key",
            Self::Token => "token",
        }
    }

    /// What all of them are called, in paths and commands.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Team => "teams",
            Self::Account => "accounts",
            Self::Key => "keys",
            Self::Token => "tokens",
        }
    }
}

/// What is about to be done to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// They are locked out, until that is undone.
    Disable,
    /// They are removed for good.
    Destroy,
}

/// What is asked about, in the query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependentsQuery {
    /// What is about to be done.
    #[serde(rename = "for")]
    pub measure: Measure,
}

/// What depends on somebody: the answer to `GET /_causeway/KINDS/NAME/dependents`, where `KINDS` is `users`,
/// `teams`, `accounts`, `keys` or `tokens`. Nothing is changed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependents {
    /// The kind of who is meant.
    pub kind: SubjectKind,
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Since when they are disabled, if they are.
    pub disabled: Option<Timestamp>,
    /// What depends on them.
    pub dependents: Vec<Dependent>,
    /// Why it would be refused, if it would.
    pub refused: Option<String>,
}

/// Things of one kind that depend on somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependent {
    /// What they are.
    pub what: String,
    /// Their names.
    pub names: Vec<String>,
    /// What becomes of them.
    pub then: String,
}

/// `PUT /_causeway/KINDS/NAME/disabled`: locks somebody out, or undoes that. The answer is a
/// [`SubjectState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetDisabled {
    /// Whether they are to be disabled.
    pub disabled: bool,
}

/// What became of somebody. Also the answer to `DELETE /_causeway/KINDS/NAME`, which destroys them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectState {
    /// Their kind.
    pub kind: SubjectKind,
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Since when they are disabled, if they are.
    pub disabled: Option<Timestamp>,
    /// Whether they are gone for good.
    pub destroyed: bool,
}

/// A token without its secret. `GET /_causeway/tokens` answers with all that have not ended, or with those of
/// the user whom a [`TokenQuery`] names, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The token's id.
    pub id: TokenId,
    /// The email address of its user.
    pub user: String,
    /// What it is for.
    pub description: String,
    /// What it may do, as `global` or `read`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What it is bound to, as `app shop` or `space alpha`; `null` for one that reaches all that its user does.
    #[serde(default)]
    pub bound: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; `null` for one that does not.
    pub expires: Option<Timestamp>,
    /// Since when it is disabled, if it is.
    pub disabled: Option<Timestamp>,
}

/// Whose tokens are meant, in the query string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenQuery {
    /// The email address of a user; those of all if it is absent.
    #[serde(default)]
    pub user: Option<String>,
}
