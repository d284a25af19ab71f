//! Tokens by which hosts join.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{Alias, Errand, HostId, JoinTokenId, Key, Timestamp};

/// A token by which one host joins. Only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// The token's public id, which is not the secret.
    pub id: JoinTokenId,
    /// SHA-256 of the secret, in hexadecimal; unique.
    pub hash: String,
    /// From when on it lets nobody in.
    pub expires: Timestamp,
    /// Who was let in by it; `None` while it lets one in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<JoinTokenUse>,
    /// When the token was created.
    pub created: Timestamp,
}

/// How a token was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenUse {
    /// SHA-256 of the public key of whoever showed it, in hexadecimal. Who shows it once more with the
    /// same key is the same host, which the answer did not reach.
    pub key: String,
    /// The host that came of it, which may have been removed since.
    pub host: HostId,
}

impl JoinToken {
    /// How long a token lets a host in where nothing else is said.
    pub const LIFETIME: Duration = Duration::from_secs(3600);
    /// How long it does so at most.
    pub const LONGEST_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
    /// How long one that has expired is remembered, so that whoever shows it hears why it is refused.
    const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
}

impl Resource for JoinToken {
    /// Hosts stay, and so do those that are about to join.
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::JoinToken(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::None
    }

    fn mentions(&self, _: &mut dyn FnMut(Key)) {}

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::JoinToken(self.hash.as_str().into()));
    }

    fn due(&self) -> Option<(Errand, Timestamp)> {
        Some((Errand::Forget, self.expires + Self::REMEMBERED))
    }
}
