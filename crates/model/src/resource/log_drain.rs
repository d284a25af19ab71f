//! Log drains: where the log of an app, or of a whole space, is sent to.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{AppId, Key, LogDrainId, SpaceId, Timestamp};

/// A log drain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDrain {
    /// The drain's id.
    pub id: LogDrainId,
    /// Whose log is sent.
    #[serde(flatten)]
    pub of: DrainOf,
    /// The address that it is sent to, which may hold credentials.
    pub url: String,
    /// By what the receiver tells this drain from others: `d.` and a UUID.
    pub token: String,
    /// When the drain was created. What was logged before is not sent.
    pub created: Timestamp,
}

/// Whose log a drain sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainOf {
    /// An app's.
    App(AppId),
    /// The drain gets the logs of all apps of a space, and what happens in the space itself.
    Space(SpaceId),
}

impl std::fmt::Debug for LogDrain {
    /// Without the address, which may hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogDrain({}, {})", self.id, self.token)
    }
}

impl Resource for LogDrain {
    const SECRETS: &'static [&'static str] = &["url"];

    fn key(&self) -> Key {
        Key::LogDrain(self.id)
    }

    fn owner(&self) -> Owner {
        match self.of {
            DrainOf::App(id) => Owner::App(id),
            DrainOf::Space(_) => Owner::None,
        }
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(match self.of {
            DrainOf::App(id) => Key::App(id),
            DrainOf::Space(id) => Key::Space(id),
        });
    }
}
