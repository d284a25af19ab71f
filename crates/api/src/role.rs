//! Roles of accounts, which others act in for a while.

use model::{Access, AccountId, RoleId, Timestamp};
use serde::{Deserialize, Serialize};

/// A role. `GET /_causeway/roles` answers with all of them, oldest first; `GET` and `DELETE
/// /_causeway/roles/ROLE` with the one that is named by its name, its id or its ARN, and by a [`RoleQuery`]
/// where roles of several accounts have the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IamRole {
    /// The role's id.
    pub id: RoleId,
    /// The role's ARN, which `sts assume-role` takes.
    pub arn: String,
    /// The role's name, unique in its account.
    pub name: String,
    /// The account that the role is of.
    pub account: AccountId,
    /// Who may assume it: ids of accounts and of access keys.
    pub trust: Vec<String>,
    /// What whoever assumes it has to say as well, if anything.
    pub external_id: Option<String>,
    /// What its credentials may do.
    pub access: Access,
    /// How many seconds its credentials hold at most.
    pub max_duration: u32,
    /// What it is for.
    pub description: String,
    /// When the role was made.
    pub created: Timestamp,
}

/// `POST /_causeway/roles`: makes a role. The answer is an [`IamRole`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRole {
    /// The role's name.
    pub name: String,
    /// The name or the id of the account that the role is to be of.
    pub account: String,
    /// Who may assume it: names or ids of accounts, and ids of access keys.
    pub trust: Vec<String>,
    /// What whoever assumes it has to say as well.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Whether its credentials may describe and change nothing.
    #[serde(default)]
    pub read_only: bool,
    /// How many seconds its credentials hold at most; 3600 by default.
    #[serde(default)]
    pub max_duration: Option<u32>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// Which role is meant, in the query string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleQuery {
    /// The name or the id of the role's account.
    #[serde(default)]
    pub account: Option<String>,
}
