//! Key pairs: the public halves of keys, by name.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{AccountId, Alias, Key, KeyPairId, Region, Scope, Timestamp};

/// The public half of a key. Nobody but its owner has the private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// The key pair's id.
    pub id: KeyPairId,
    /// The account that owns it.
    pub account: AccountId,
    /// The region that it is known in.
    pub region: Region,
    /// Its name, unique for its account in the region.
    pub name: Arc<str>,
    /// The algorithm.
    pub kind: KeyKind,
    /// What people compare it by, as EC2 computes it.
    pub fingerprint: String,
    /// The public half, as OpenSSH writes it.
    pub public_key: String,
    /// When it was made or imported.
    pub created: Timestamp,
    /// The tags that the owner put on it.
    pub tags: Tags,
}

/// The algorithm of a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// Its name in EC2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl Resource for KeyPair {
    fn key(&self) -> Key {
        Key::KeyPair(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        let scope = Scope { account: self.account, region: self.region };
        each(Alias::KeyPair(scope, Arc::clone(&self.name)));
    }
}
