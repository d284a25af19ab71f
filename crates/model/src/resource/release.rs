//! Releases of apps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{Alias, AppId, DynoId, Key, ReleaseId, SlugId, Timestamp, UserId};

/// What an app's dynos run: code and configuration. Once it has succeeded or failed it is never
/// changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The release's id.
    pub id: ReleaseId,
    /// The app that the release belongs to.
    pub app: AppId,
    /// The release's number in the app, from 1.
    pub version: u32,
    /// The code; `None` before any was deployed.
    pub slug: Option<SlugId>,
    /// Whether it was made to change the configuration alone. It takes the code of the release that
    /// is current when its turn comes, and until then shows what that is expected to be.
    #[serde(default)]
    pub inherits_code: bool,
    /// The environment of its dynos.
    pub config: BTreeMap<String, String>,
    /// What the release changed, in words.
    pub description: String,
    /// The user who made the release; `None` for the operator and the platform.
    pub user: Option<UserId>,
    /// The release's state.
    #[serde(default)]
    pub status: ReleaseStatus,
    /// The dyno that runs its release command, or ran it; it may be forgotten by now.
    #[serde(default)]
    pub command: Option<DynoId>,
    /// When the release was created.
    pub created: Timestamp,
    /// When the release succeeded or failed; `None` while it waits, and if it never had to.
    #[serde(default)]
    pub settled: Option<Timestamp>,
}

/// The state of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseStatus {
    /// Its release command runs, or it waits for releases before it.
    Pending,
    /// It became the current release.
    #[default]
    Succeeded,
    /// It never became the current release, for the reason given.
    Failed(String),
}

impl ReleaseStatus {
    /// Its name in the Platform API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
        }
    }
}

impl Resource for Release {
    const SECRETS: &'static [&'static str] = &["config"];

    fn key(&self) -> Key {
        Key::Release(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::App(self.app)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::App(self.app));
        if let Some(slug) = self.slug {
            each(Key::Slug(slug));
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Release(self.app, self.version));
    }
}
