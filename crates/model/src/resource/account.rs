//! Accounts: owners of VPCs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{AccountId, Alias, Key, Quota, Timestamp};

/// An owner of VPCs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account's id: 12 digits.
    pub id: AccountId,
    /// The account's name, unique in the installation.
    pub name: String,
    /// When the account was created.
    pub created: Timestamp,
    /// Since when nobody may act for it; `None` while somebody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// How much of what it may have, where that is not as for all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quotas: BTreeMap<Quota, u32>,
}

impl Resource for Account {
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::Account(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.id)
    }

    fn mentions(&self, _: &mut dyn FnMut(Key)) {}

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Account(self.name.as_str().into()));
    }
}
