//! Log drains: where an app's log is sent to.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{AppId, Key, LogDrainId, Timestamp};

/// A log drain of an app.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDrain {
    /// The drain's id.
    pub id: LogDrainId,
    /// The app whose log is sent.
    pub app: AppId,
    /// The address that it is sent to, which may hold credentials.
    pub url: String,
    /// By what the receiver tells this drain from others: `d.` and a UUID.
    pub token: String,
    /// When the drain was created. What was logged before is not sent.
    pub created: Timestamp,
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
        Owner::App(self.app)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::App(self.app));
    }
}
