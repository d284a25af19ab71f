//! Accounts, access keys, users, tokens and teams.
//!
//! What holds a secret has no `Debug`, so that no log can show it.

use model::{Access, AccessKeyId, AccountId, Role, TeamId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// An owner of VPCs. `GET /_causeway/accounts` answers with all of them, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account's id: 12 digits.
    pub id: AccountId,
    /// The account's name, unique in the installation.
    pub name: String,
    /// Whether this is the account that owns the spaces' VPCs.
    pub platform: bool,
    /// When the account was made.
    pub created: Timestamp,
    /// Since when nobody may act for it, if so.
    #[serde(default)]
    pub disabled: Option<Timestamp>,
}

/// `POST /_causeway/accounts`: makes an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateAccount {
    /// The new account's name.
    pub name: String,
}

/// The answer to [`CreateAccount`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountCreated {
    /// The new account's id.
    pub id: AccountId,
    /// The new account's name.
    pub name: String,
}

/// An access key without its secret. `GET /_causeway/keys` answers with all of them, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// The key's id, as requests are signed with it.
    pub access_key_id: AccessKeyId,
    /// The account that the key speaks for.
    pub account: AccountId,
    /// What the key may do.
    pub access: Access,
    /// When the key was made.
    pub created: Timestamp,
    /// Since when it signs nothing, if so.
    #[serde(default)]
    pub disabled: Option<Timestamp>,
}

/// `POST /_causeway/keys`: makes an access key. The answer is a [`NewAccessKey`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateAccessKey {
    /// The name or the id of the account that the key is to speak for.
    pub account: String,
    /// Whether the key may describe and change nothing.
    #[serde(default)]
    pub read_only: bool,
}

/// A new access key with its secret, which no other answer shows. Also the answer to
/// `POST /_causeway/keys/ID/rotate`, which ends the key ID and takes an empty body.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccessKey {
    /// The new key's id.
    pub access_key_id: AccessKeyId,
    /// The new key's secret.
    pub secret_access_key: String,
    /// The account that the key speaks for.
    pub account: AccountId,
}

/// A person who uses spaces. `GET /_causeway/users` answers with all of them, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The user's email address, unique in the installation.
    pub email: String,
    /// When the user was made.
    pub created: Timestamp,
    /// Since when the user is not let in, if so.
    #[serde(default)]
    pub disabled: Option<Timestamp>,
}

/// `POST /_causeway/users`: makes a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateUser {
    /// The new user's email address.
    pub email: String,
    /// The new user's password. Without one the user can do no more than use tokens.
    pub password: Option<String>,
}

/// The answer to [`CreateUser`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCreated {
    /// The new user's id.
    pub id: UserId,
    /// The new user's email address, as it was stored: in lower case.
    pub email: String,
}

/// `PUT /_causeway/users/EMAIL/password`: sets a user's password. Either `password` or `generate`
/// is needed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPassword {
    /// The new password.
    pub password: Option<String>,
    /// Whether the server makes a password up instead, which the answer then shows.
    #[serde(default)]
    pub generate: bool,
    /// Whether all of the user's tokens end with this.
    #[serde(default)]
    pub end_tokens: bool,
}

/// The answer to [`SetPassword`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordSet {
    /// The user's email address.
    pub user: String,
    /// The password that the server made up; absent (`null`) where the request gave one.
    pub password: Option<String>,
    /// Whether the user's tokens have ended.
    pub ended_tokens: bool,
}

/// `POST /_causeway/tokens`: makes a token for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateToken {
    /// The user's email address.
    pub user: String,
    /// What the token is for, in words.
    #[serde(default)]
    pub description: String,
    /// After how many seconds the token ends; without it the token does not end.
    pub expires_in: Option<u64>,
}

/// The answer to [`CreateToken`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCreated {
    /// The token, which no other answer shows.
    pub token: String,
    /// The user's email address.
    pub user: String,
}

/// An owner of spaces. `GET /_causeway/teams` answers with all of them, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// The team's id.
    pub id: TeamId,
    /// The team's name, unique in the installation.
    pub name: String,
    /// The users who belong to the team.
    pub members: Vec<TeamMember>,
    /// Since when its members are locked out, if so.
    #[serde(default)]
    pub disabled: Option<Timestamp>,
}

/// A user who belongs to a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamMember {
    /// The user's email address.
    pub email: String,
    /// What the user may do in the team.
    pub role: Role,
}

/// `POST /_causeway/teams`: makes a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTeam {
    /// The new team's name.
    pub name: String,
    /// The email address of its first admin.
    pub admin: String,
}

/// The answer to [`CreateTeam`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamCreated {
    /// The new team's id.
    pub id: TeamId,
    /// The new team's name.
    pub name: String,
}

/// `PUT /_causeway/teams/TEAM/members`: adds a user to a team, or changes or ends a membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMember {
    /// The user's email address.
    pub user: String,
    /// What the user may do in the team; without it the membership ends.
    pub role: Option<Role>,
}

/// The answer to [`SetMember`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSet {
    /// The user's email address.
    pub user: String,
    /// What the user may do in the team now; absent (`null`) where the membership has ended.
    pub role: Option<Role>,
}
