//! Webhooks: where events are sent to.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{AccountId, AppEntity, AppId, EventKind, Key, TeamId, Timestamp, WebhookId};

/// A webhook.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// The webhook's id.
    pub id: WebhookId,
    /// Who is told by it.
    pub owner: WebhookOwner,
    /// The address that events are sent to, which may hold credentials.
    pub url: String,
    /// The kinds of events, or groups of kinds, that are sent; for an app's, the entities.
    pub include: Vec<String>,
    /// The key that what is sent is signed with.
    pub secret: String,
    /// The value of the header `Authorization` that is sent, if there is one.
    #[serde(default)]
    pub authorization: Option<String>,
    /// When the webhook was created. What happened before is not sent.
    pub created: Timestamp,
    /// When the webhook was last changed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    /// Whether what fails is tried again.
    #[serde(default, skip_serializing_if = "WebhookLevel::is_sync")]
    pub level: WebhookLevel,
}

/// What a webhook does where a delivery fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookLevel {
    /// Nothing: each event is sent once.
    Notify,
    /// It tries again, and holds up what comes after.
    #[default]
    Sync,
}

impl WebhookLevel {
    /// Its name in the Platform API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Sync => "sync",
        }
    }

    /// The level of a name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Notify, Self::Sync].into_iter().find(|level| level.name() == name)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
    fn is_sync(&self) -> bool {
        *self == Self::Sync
    }
}

/// Who is told by a webhook, and so what of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookOwner {
    /// The operator, of everything.
    Operator,
    /// An account, of what concerns it.
    Account(AccountId),
    /// A team, of what concerns it.
    Team(TeamId),
    /// An app, of what happens to it, as Heroku's webhooks are.
    App(AppId),
}

impl Webhook {
    /// What an app's webhook is told of.
    pub fn entities(&self) -> Vec<AppEntity> {
        self.include.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// The kinds of events that are sent.
    pub fn kinds(&self) -> Vec<EventKind> {
        let named = self.include.iter().filter_map(|name| EventKind::named(name).ok());
        let mut kinds: Vec<_> = named.flatten().collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

impl std::fmt::Debug for Webhook {
    /// Without the secret, and without the address, which may hold one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({}, {:?}, {:?})", self.id, self.owner, self.include)
    }
}

impl Resource for Webhook {
    const SECRETS: &'static [&'static str] = &["url", "secret", "authorization"];

    fn key(&self) -> Key {
        Key::Webhook(self.id)
    }

    fn owner(&self) -> Owner {
        match self.owner {
            WebhookOwner::Account(id) => Owner::Account(id),
            WebhookOwner::App(id) => Owner::App(id),
            WebhookOwner::Operator | WebhookOwner::Team(_) => Owner::None,
        }
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        match self.owner {
            WebhookOwner::Operator => {}
            WebhookOwner::Account(id) => each(Key::Account(id)),
            WebhookOwner::Team(id) => each(Key::Team(id)),
            WebhookOwner::App(id) => each(Key::App(id)),
        }
    }
}
