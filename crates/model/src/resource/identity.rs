//! Who acts: accounts with access keys on the VPC's side, teams and users with tokens on the
//! space's side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccessKeyId, AccountId, Region, TeamId, Timestamp, TokenId, UserId};

/// What the whole installation was set up with. There is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The account that owns the spaces' VPCs.
    pub platform_account: AccountId,
    /// The region where a space is made when none is asked for.
    pub region: Region,
    /// Whether this is a test double: any credentials, default VPCs in every region.
    pub emulator: bool,
    /// A short random name that marks what this installation made outside its database.
    pub instance: String,
    /// When it was set up.
    pub created: Timestamp,
}

/// An owner of VPCs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id: 12 digits.
    pub id: AccountId,
    /// Its name, unique.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
}

/// An access key of an account. The secret is needed to check signatures, so it is stored, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Its public half.
    pub id: AccessKeyId,
    /// The account that it speaks for.
    pub account: AccountId,
    /// The secret half, sealed by the server under the data directory's key.
    pub sealed_secret: String,
    /// What it may do.
    pub access: Access,
    /// When it was made.
    pub created: Timestamp,
}

/// What an access key may do (R4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everything in its account.
    Full,
    /// Look, and change nothing.
    ReadOnly,
}

/// A person on the platform's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its address, unique, in lower case.
    pub email: String,
    /// What is stored of its password; nothing until the operator sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
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

/// An API token of a user. Only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its public handle.
    pub id: TokenId,
    /// The user that it speaks for.
    pub user: UserId,
    /// SHA-256 of the secret, in hexadecimal; unique.
    pub hash: String,
    /// What it is for.
    pub description: String,
    /// When it ends; never if nothing is said.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed, where it was.
    #[serde(default)]
    pub updated: Option<Timestamp>,
}

impl Token {
    /// Whether it speaks for its user still.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// An owner of spaces and apps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name, unique.
    pub name: String,
    /// Who belongs to it, and as what.
    pub members: BTreeMap<UserId, Role>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// What a member of a team may do (`heroku.md` §4, Roles).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees spaces and works with apps.
    Member,
    /// Changes spaces too.
    Admin,
}

impl Role {
    /// Its name in the Platform API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}
