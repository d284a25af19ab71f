//! Slugs: the code of apps.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{AppId, Errand, Key, SlugId, Timestamp};

/// An app's code as it was uploaded, with what can be run of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slug {
    /// The slug's id.
    pub id: SlugId,
    /// The app that the slug belongs to.
    pub app: AppId,
    /// The command of each process type.
    pub process_types: BTreeMap<String, String>,
    /// The commit that the code is of, as its uploader says.
    pub commit: Option<String>,
    /// SHA-256 of what must be uploaded, in hexadecimal, where its maker says it.
    pub checksum: Option<String>,
    /// Bytes that were uploaded; `None` before that.
    pub size: Option<u64>,
    /// Bytes that the code takes on disk; `None` before it was uploaded, and where that was not
    /// noted.
    #[serde(default)]
    pub unpacked: Option<u64>,
    /// SHA-256 of what was uploaded, in hexadecimal, by which it is kept; `None` before it was uploaded, and
    /// where the version that took it kept the unpacked files alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// Whether a release was made of it: then it goes with the last of them.
    #[serde(default)]
    pub released: bool,
    /// When the slug was created.
    pub created: Timestamp,
    /// When the slug was last changed.
    pub updated: Timestamp,
}

impl Slug {
    /// Bytes of disk that it takes, as far as they are known.
    pub fn bytes(&self) -> u64 {
        self.unpacked.or(self.size).unwrap_or(0)
    }
}

/// How long a slug may wait for its code and for a release before it is forgotten.
const WAITS: Duration = Duration::from_secs(24 * 3600);

impl Resource for Slug {
    fn key(&self) -> Key {
        Key::Slug(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::App(self.app)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::App(self.app));
    }

    fn due(&self) -> Option<(Errand, Timestamp)> {
        (!self.released).then(|| (Errand::Forget, self.updated + WAITS))
    }
}
