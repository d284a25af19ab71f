//! Access keys of accounts.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{AccessKeyId, AccountId, Key, Timestamp};

/// An access key of an account. The secret is needed to check signatures, so it is stored, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// The public half of the key.
    pub id: AccessKeyId,
    /// The account that it speaks for.
    pub account: AccountId,
    /// The secret half, sealed by the server under the data directory's key.
    pub sealed_secret: String,
    /// What requests with the key may do.
    pub access: Access,
    /// Since when it signs nothing; `None` while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// When the access key was created.
    pub created: Timestamp,
}

/// What an access key may do (R4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// May do everything in its account.
    Full,
    /// May describe everything in its account, and change nothing.
    ReadOnly,
}

impl Resource for AccessKey {
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::AccessKey(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
    }
}
