//! Webhooks: where events are sent to, and what became of them.

use model::{AccountId, EventKind, TeamId, Timestamp, WebhookId};
use serde::{Deserialize, Serialize};

/// `POST /_causeway/webhooks`: has events be sent to an address. A user does this for a team of which they
/// are an admin, an account for itself, and the operator for the installation or for any of those. The
/// answer is a [`WebhookCreated`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateWebhook {
    /// The address, `https://…`.
    pub url: String,
    /// The kinds of events, or groups of kinds, such as `peering` or `dyno.crashed`.
    pub include: Vec<String>,
    /// The key that what is sent is signed with; one is made up where none is given.
    #[serde(default)]
    pub secret: Option<String>,
    /// The value of the header `Authorization` that is sent along.
    #[serde(default)]
    pub authorization: Option<String>,
    /// The name or the id of the team that is told what concerns it.
    #[serde(default)]
    pub team: Option<String>,
    /// The name or the id of the account that is told what concerns it.
    #[serde(default)]
    pub account: Option<String>,
}

/// A webhook. `GET /_causeway/webhooks` answers with all that who asks may see, oldest first, and
/// `DELETE /_causeway/webhooks/ID` with the one that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// The webhook's id.
    pub id: WebhookId,
    /// The address.
    pub url: String,
    /// The kinds of events, or groups of kinds, that are sent.
    pub include: Vec<String>,
    /// The team that is told; `null` where it is an account or the operator.
    pub team: Option<TeamId>,
    /// The account that is told; `null` where it is a team or the operator.
    pub account: Option<AccountId>,
    /// The name of who is told.
    pub owner: String,
    /// When it was created.
    pub created: Timestamp,
}

/// The answer to [`CreateWebhook`]: the only one that has the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookCreated {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// The key that what is sent is signed with.
    pub secret: String,
}

/// What became of an event at a webhook. `GET /_causeway/webhooks/ID/deliveries` answers with the newest
/// ones, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDelivery {
    /// The id that every attempt has, by which a receiver knows what it was sent before.
    pub id: uuid::Uuid,
    /// The number of the event.
    pub event: u64,
    /// What happened.
    pub kind: EventKind,
    /// When it happened.
    pub happened: Timestamp,
    /// How it stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was last tried.
    pub last_attempt: Timestamp,
    /// The status of the last answer, if there was one.
    pub code: Option<u16>,
    /// Why the last attempt failed, in words.
    pub error: Option<String>,
    /// When it is tried again.
    pub next_attempt: Option<Timestamp>,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It failed, and is tried again.
    Retrying,
    /// The receiver has it.
    Succeeded,
    /// It was given up.
    Failed,
}

/// What a webhook is sent, as the body of a `POST`.
///
/// The header `Heroku-Webhook-Hmac-SHA256` has the HMAC with SHA-256 of the body by the webhook's secret,
/// in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookPayload {
    /// The id that every attempt has.
    pub id: uuid::Uuid,
    /// The webhook's id.
    pub webhook: WebhookId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What happened.
    pub event: crate::Event,
}
