//! Webhooks: where events are sent to.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{AccountId, EventKind, Key, TeamId, Timestamp, WebhookId};

/// A webhook.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// The webhook's id.
    pub id: WebhookId,
    /// Who is told by it.
    pub owner: WebhookOwner,
    /// The address that events are sent to, which may hold credentials.
    pub url: String,
    /// The kinds of events, or groups of kinds, that are sent.
    pub include: Vec<String>,
    /// The key that what is sent is signed with.
    pub secret: String,
    /// The value of the header `Authorization` that is sent, if there is one.
    #[serde(default)]
    pub authorization: Option<String>,
    /// When the webhook was created. What happened before is not sent.
    pub created: Timestamp,
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
}

impl Webhook {
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
            WebhookOwner::Operator | WebhookOwner::Team(_) => Owner::None,
        }
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        match self.owner {
            WebhookOwner::Operator => {}
            WebhookOwner::Account(id) => each(Key::Account(id)),
            WebhookOwner::Team(id) => each(Key::Team(id)),
        }
    }
}
