//! Add-ons: data services of apps.

use serde::{Deserialize, Serialize};

use super::plan::first_words;
use super::{Owner, Plan, Resource, pause_after};
use crate::{AddonId, Alias, AppId, EniId, Errand, HostId, Key, SpaceId, Timestamp};

/// A data service of an app, in its space's data VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addon {
    /// The add-on's id.
    pub id: AddonId,
    /// The app that it was made for.
    pub app: AppId,
    /// The space that the add-on belongs to.
    pub space: SpaceId,
    /// The add-on's name, unique in the installation.
    pub name: String,
    /// The plan that the add-on was made from.
    pub plan: Plan,
    /// The service's password, for its process and for its app's environment.
    pub password: String,
    /// The add-on's state.
    pub state: AddonState,
    /// The add-on's interface in the data VPC.
    pub eni: EniId,
    /// The host that has its disk; `None` while it waits for one, or where there are no hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The config vars that the app got with it, which go when it goes.
    pub variables: Vec<String>,
    /// Further attachments, by which apps have its variables under other names.
    #[serde(default)]
    pub attachments: Vec<AddonAttachment>,
    /// How often in a row its process has ended before it had run for ten minutes.
    pub crashes: u16,
    /// How often its process was started anew, modulo 2^16.
    #[serde(default)]
    pub attempt: u16,
    /// When the add-on was created.
    pub created: Timestamp,
    /// When the add-on was last changed.
    pub updated: Timestamp,
}

impl Addon {
    /// The name under which the app that it was made for has it: `DATABASE` of `DATABASE_URL`.
    pub fn own_attachment(&self) -> &str {
        first_words(&self.variables).unwrap_or(&self.name)
    }

    /// What an app has of it: the name and the variables of each attachment, its own first.
    pub fn attachments_to(&self, app: AppId) -> impl Iterator<Item = (&str, &[String])> {
        let own = (self.app == app).then(|| (self.own_attachment(), self.variables.as_slice()));
        let others = self.attachments.iter().filter(move |attachment| attachment.app == app);
        own.into_iter().chain(others.map(|a| (a.name.as_str(), a.variables.as_slice())))
    }
}

/// What gives an app of the same space a data service's variables, beside the app that the service
/// was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddonAttachment {
    /// The app that gets the variables.
    pub app: AppId,
    /// The attachment's name, unique in the app: `CACHE`.
    pub name: String,
    /// The variables that the app got with it: `CACHE_URL`.
    pub variables: Vec<String>,
    /// When the attachment was created.
    pub created: Timestamp,
}

/// The state of an add-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddonState {
    /// Its process is about to run.
    Provisioning,
    /// Its process runs.
    Provisioned,
    /// It ended, and is tried again after a pause.
    Crashed,
}

impl AddonState {
    /// How its process fares, in the words that states of dynos have.
    pub const fn of_process(self) -> &'static str {
        match self {
            Self::Provisioning => "starting",
            Self::Provisioned => "up",
            Self::Crashed => "crashed",
        }
    }
}

impl Resource for Addon {
    const SECRETS: &'static [&'static str] = &["password"];

    fn key(&self) -> Key {
        Key::Addon(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::App(self.app)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::App(self.app));
        each(Key::Space(self.space));
        self.attachments.iter().for_each(|attachment| each(Key::App(attachment.app)));
        self.host.into_iter().for_each(|host| each(Key::Host(host)));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Addon(self.name.as_str().into()));
    }

    /// When a service whose process ended is started again.
    fn due(&self) -> Option<(Errand, Timestamp)> {
        match self.state {
            AddonState::Crashed => Some((Errand::Act, self.updated + pause_after(self.crashes))),
            AddonState::Provisioning | AddonState::Provisioned => None,
        }
    }
}
