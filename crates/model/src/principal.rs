//! Who signs requests: an access key, or whoever acts in a role, for a while.

use serde::{Deserialize, Serialize};

use crate::{AccessKeyId, AccountId, RoleId, Timestamp, World};

/// Whoever signs requests of the VPC's side. What temporary credentials stand for is one with a time: the
/// server seals it into their token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The account that requests speak for.
    pub account: AccountId,
    /// The access key by which all of it began; `None` in an emulator, where anything is a key.
    pub key: Option<AccessKeyId>,
    /// Whether requests may change nothing.
    pub read_only: bool,
    /// The roles that were assumed, one from the other. Requests act in the last one.
    #[serde(default)]
    pub roles: Vec<AssumedRole>,
    /// When the credentials end; `None` for an access key, which does not end by itself.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// A role that somebody acts in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssumedRole {
    /// The role.
    pub id: RoleId,
    /// The role's name.
    pub name: String,
    /// The name that the caller gave to the session.
    pub session: String,
}

/// Why credentials hold no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsEnded {
    /// Their time is over.
    Expired,
    /// The key by which they began, or a role that was assumed, is gone or was disabled.
    Revoked,
}

impl Principal {
    /// An access key itself.
    pub const fn of_key(account: AccountId, key: Option<AccessKeyId>, read_only: bool) -> Self {
        Self { account, key, read_only, roles: Vec::new(), expires: None }
    }

    /// The role that requests act in.
    pub fn role(&self) -> Option<&AssumedRole> {
        self.roles.last()
    }

    /// Its name among all resources. Accounts have no users, so each key acts as the account itself.
    pub fn arn(&self) -> String {
        let account = self.account;
        match self.role() {
            Some(AssumedRole { name, session, .. }) => {
                format!("arn:aws:sts::{account}:assumed-role/{name}/{session}")
            }
            None => format!("arn:aws:iam::{account}:root"),
        }
    }

    /// Its id: the account's, or the role's with the session.
    pub fn user_id(&self) -> String {
        match self.role() {
            Some(AssumedRole { id, session, .. }) => format!("{id}:{session}"),
            None => self.account.to_string(),
        }
    }

    /// Whether its credentials still hold.
    ///
    /// # Errors
    ///
    /// Says why they do not.
    pub fn check(&self, world: &World, now: Timestamp) -> Result<(), CredentialsEnded> {
        let emulator = world.settings().is_some_and(|settings| settings.emulator);
        let lives = |key| world.signing_key(key).is_some_and(|key| self.began_in(key.account));
        let has_key = self.key.map_or(emulator, lives);
        let acts = |role: &AssumedRole| {
            world.iam_role(role.id).is_some_and(|role| world.lets_in_account(role.account))
        };
        let has_roles = emulator || self.roles.iter().all(acts);
        // An account that an emulator does not know yet is made when it is first used.
        let is_open = world.account(self.account).is_none_or(|account| account.disabled.is_none());
        if !has_key || !has_roles || !is_open {
            return Err(CredentialsEnded::Revoked);
        }
        match self.expires {
            Some(end) if now >= end => Err(CredentialsEnded::Expired),
            _ => Ok(()),
        }
    }

    /// Whether the key by which it began may be one of an account: any, where roles were assumed.
    fn began_in(&self, account: AccountId) -> bool {
        !self.roles.is_empty() || self.account == account
    }
}
