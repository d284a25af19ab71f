//! What is kept of Heroku's webhooks of apps: what happened, as it is told, and what became of it at each
//! webhook.

use api::DeliveryStatus;
use model::{AppAction, AppEntity, AppId, Timestamp, UserId, WebhookId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The version of what is sent.
const VERSION: &str = "application/vnd.heroku+json; version=3";
/// Who is said to have done what no user did.
const ITSELF: &str = "causeway";

/// Something that happened to an app or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppEvent {
    /// The id that the Platform API shows, and by which a receiver knows an event again.
    pub(crate) id: Uuid,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The app.
    pub(crate) app: AppId,
    /// What it happened to.
    pub(crate) entity: AppEntity,
    /// What happened.
    pub(crate) action: AppAction,
    /// The user who did it, with their address, if one did.
    pub(crate) actor: Option<(UserId, String)>,
    /// The thing as the Platform API shows it.
    pub(crate) data: Value,
    /// What was different before.
    pub(crate) previous: Map<String, Value>,
}

impl AppEvent {
    /// What receivers are sent, but for what is of one attempt alone.
    pub(crate) fn payload(&self) -> Value {
        let Self { id, entity, action, actor, data, previous, .. } = self;
        let at = self.at.to_seconds_string();
        let (actor, email) = match actor {
            Some((id, email)) => (Some(id), email.as_str()),
            None => (None, ITSELF),
        };
        json!({
            "id": id,
            "action": action,
            "actor": { "id": actor, "email": email },
            "created_at": at,
            "data": data,
            "previous_data": previous,
            "published_at": at,
            "resource": entity.resource(),
            "sequence": Value::Null,
            "updated_at": at,
            "version": VERSION,
        })
    }

    /// What a webhook is sent.
    pub(crate) fn sent(&self, hook: WebhookId, delivery: Uuid, attempt: u32) -> Value {
        let mut sent = self.payload();
        sent["webhook_metadata"] = json!({
            "attempt": { "id": attempt_id(delivery, attempt) },
            "delivery": { "id": delivery },
            "event": { "id": self.id, "include": self.entity },
            "webhook": { "id": hook },
        });
        sent
    }
}

/// What became of an event at a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppDelivery {
    /// The id that every attempt has.
    pub(crate) id: Uuid,
    /// The number of the event.
    pub(crate) number: u64,
    /// The id of the event.
    pub(crate) event: Uuid,
    /// What it happened to.
    pub(crate) include: AppEntity,
    /// When it happened.
    pub(crate) happened: Timestamp,
    /// How it stands; nothing before it was tried.
    pub(crate) status: Option<DeliveryStatus>,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// When it was last tried.
    pub(crate) last_attempt: Option<Timestamp>,
    /// The status of the last answer, if there was one.
    pub(crate) code: Option<u16>,
    /// Why the last attempt failed, in words.
    pub(crate) error: Option<String>,
    /// When it is tried again.
    pub(crate) next_attempt: Option<Timestamp>,
}

impl AppDelivery {
    /// Before the first attempt.
    pub(crate) fn pending(hook: WebhookId, number: u64, event: &AppEvent) -> Self {
        Self {
            id: delivery_id(hook, number),
            number,
            event: event.id,
            include: event.entity,
            happened: event.at,
            status: None,
            attempts: 0,
            last_attempt: None,
            code: None,
            error: None,
            next_attempt: None,
        }
    }
}

/// The id of a delivery: the same for every attempt, also after a restart.
pub(crate) fn delivery_id(hook: WebhookId, event: u64) -> Uuid {
    derived(&format!("delivery/{hook}/{event}"))
}

/// The id of one attempt of a delivery.
pub(crate) fn attempt_id(delivery: Uuid, attempt: u32) -> Uuid {
    derived(&format!("attempt/{delivery}/{attempt}"))
}

fn derived(name: &str) -> Uuid {
    let digest = Sha256::digest(name);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
