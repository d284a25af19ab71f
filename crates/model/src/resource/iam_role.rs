//! Roles of accounts: what somebody of another account can act in for a while.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Access, Owner, Resource};
use crate::{AccessKeyId, AccountId, Alias, Key, RoleId, Timestamp};

/// A role of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IamRole {
    /// The role's id. A role that is made again under the same name has another one.
    pub id: RoleId,
    /// The account that whoever acts in the role speaks for.
    pub account: AccountId,
    /// The role's name, unique in its account, whatever its case.
    pub name: String,
    /// Who may assume it.
    pub trust: BTreeSet<Trusted>,
    /// What whoever assumes it has to say as well.
    pub external_id: Option<String>,
    /// What requests with its credentials may do.
    pub access: Access,
    /// How many seconds its credentials hold at most.
    pub max_seconds: u32,
    /// What it is for, in words.
    pub description: String,
    /// When the role was created.
    pub created: Timestamp,
}

/// Somebody whom a role trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trusted {
    /// Everybody in an account: its keys, and whoever acts in one of its roles.
    Account(AccountId),
    /// One access key, and its own temporary credentials.
    Key(AccessKeyId),
}

impl IamRole {
    /// The role's name among all resources.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.name)
    }

    /// By what the world finds a role of an account.
    pub(crate) fn alias(account: AccountId, name: &str) -> Alias {
        Alias::IamRole(account, name.to_ascii_lowercase().into())
    }
}

impl Resource for IamRole {
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::IamRole(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
        for trusted in &self.trust {
            // A key that is trusted finds its roles, and an account those that are its own.
            if let Trusted::Key(id) = trusted {
                each(Key::AccessKey(*id));
            }
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Self::alias(self.account, &self.name));
    }
}
