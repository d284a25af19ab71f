//! Apps: their configuration, formation and domains.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DynoSize, Owner, Resource};
use crate::{Alias, AppId, DomainId, Key, ReleaseId, SpaceId, TeamId, Timestamp, UserId};

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// The app's id.
    pub id: AppId,
    /// The app's name, unique in the installation.
    pub name: String,
    /// The team that owns the app.
    pub team: TeamId,
    /// The space that the app runs in.
    pub space: SpaceId,
    /// The user who created the app.
    pub owner: UserId,
    /// Whether it is served inside only (R26).
    pub internal_routing: bool,
    /// Whether a host that cannot reach the servers ends its dynos, so that none runs twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fence_stop: bool,
    /// The app's name under the platform's domain, unique: `<name>-<12 hexadecimal digits>`.
    pub label: String,
    /// What its dynos are to find in their environment: that of its last release, also while this
    /// is pending or when it failed.
    pub config: BTreeMap<String, String>,
    /// The formation of each process type.
    pub formation: BTreeMap<String, Formation>,
    /// Custom domains, by name.
    pub domains: BTreeMap<String, Domain>,
    /// The release that the app's dynos run.
    pub release: ReleaseId,
    /// When the app was created.
    pub created: Timestamp,
    /// When the app was last changed.
    pub updated: Timestamp,
}

impl App {
    /// The process type that gets web requests.
    pub const WEB: &str = "web";
}

/// How many dynos of one process type are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    /// The number of dynos.
    pub quantity: u16,
    /// The size of each dyno.
    pub size: DynoSize,
    /// When the number or the size was last changed.
    pub updated: Timestamp,
}

/// A custom domain of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// The domain's id.
    pub id: DomainId,
    /// When the domain was added.
    pub created: Timestamp,
}

impl Resource for App {
    const SECRETS: &'static [&'static str] = &["config"];

    fn key(&self) -> Key {
        Key::App(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::App(self.id)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Team(self.team));
        each(Key::Space(self.space));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::App(self.name.as_str().into()));
        each(Alias::Label(self.label.as_str().into()));
        self.domains.keys().for_each(|host| each(Alias::host(host)));
    }
}
