//! Has the events of one webhook delivered, one after the other, each at least once.
//!
//! Where it goes on after a restart follows from what the store has: after the last event that is settled.
//! An event that cannot be delivered is tried again until it is too old, and holds up those after it, which
//! the receiver would otherwise get in another order; other webhooks have couriers of their own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{DeliveryStatus, WebhookDelivery, WebhookPayload};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use model::{
    Destination, Event, Timestamp, Webhook, WebhookOwner, party_of_account, party_of_team,
};
use ring::hmac;
use sha2::{Digest, Sha256};
use store::{DeliveryRow, EventQuery, EventRow, Store};
use uuid::Uuid;

use super::dial::{Dialer, pause_after};

/// How old an event may become before it is given up: as long as Heroku tries.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(72 * 3600);
/// The `User-Agent` of all requests.
pub(super) const AGENT: &str = concat!("causeway/", env!("CARGO_PKG_VERSION"));
/// By what a receiver knows that it was causeway that sent it.
const SIGNATURE: &str = "heroku-webhook-hmac-sha256";
const DELIVERY: &str = "causeway-delivery";

/// A handle of the store that the couriers share.
pub(super) type SharedStore = Arc<Mutex<Box<dyn Store>>>;

/// Delivers the events of one webhook.
pub(super) struct Courier {
    hook: Arc<Webhook>,
    to: Option<Destination>,
    dialer: Dialer,
    store: SharedStore,
    /// Everything up to this event is settled, or not for this webhook; `None` before the store was asked.
    after: Option<u64>,
    /// The event that is under way.
    current: Option<(EventRow, Option<WebhookDelivery>)>,
}

/// What a courier waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Something to happen.
    Event,
    /// The time of another attempt.
    At(Timestamp),
}

impl Courier {
    pub(super) fn new(hook: Arc<Webhook>, dialer: Dialer, store: SharedStore) -> Self {
        let to = hook.url.parse().ok();
        Self { hook, to, dialer, store, after: None, current: None }
    }

    /// Delivers all that can be delivered now, and says what it waits for.
    ///
    /// # Errors
    ///
    /// The store's: it is to be called again later.
    pub(super) async fn turn(&mut self, now: impl Fn() -> Timestamp) -> store::Result<Next> {
        loop {
            let (row, noted) = match self.current.take() {
                Some(current) => current,
                None => match self.next_event().await? {
                    Some(current) => current,
                    None => return Ok(Next::Event),
                },
            };
            let due = noted.as_ref().and_then(|noted| noted.next_attempt);
            if let Some(at) = due.filter(|at| now() < *at) {
                self.current = Some((row, noted));
                return Ok(Next::At(at));
            }
            let attempt = noted.as_ref().map_or(0, |noted| noted.attempts).saturating_add(1);
            let Ok(event) = serde_json::from_str::<Event>(&row.body) else {
                // A later version kept it.
                self.after = Some(row.number);
                continue;
            };
            let delivery = self.attempt(&row, event, attempt, &now).await;
            let settled = delivery.status != DeliveryStatus::Retrying;
            self.note(&row, &delivery, settled).await?;
            if settled {
                self.after = Some(row.number);
            } else {
                self.current = Some((row, Some(delivery)));
            }
        }
    }

    /// The next event, with what is known of it from before a restart.
    async fn next_event(&mut self) -> store::Result<Option<(EventRow, Option<WebhookDelivery>)>> {
        let id = self.hook.id.to_string();
        let first = self.after.is_none();
        let query = EventQuery {
            after: self.after,
            since: Some(self.hook.created.millis()),
            kinds: Some(self.hook.kinds().iter().map(|kind| kind.name().to_owned()).collect()),
            parties: match self.hook.owner {
                WebhookOwner::Operator => None,
                WebhookOwner::Account(id) => Some(vec![party_of_account(id)]),
                WebhookOwner::Team(id) => Some(vec![party_of_team(id)]),
            },
            limit: 1,
        };
        let asked = self.ask(move |store| {
            let mut query = query;
            if first {
                query.after = Some(store.last_settled(&id)?.unwrap_or(0));
            }
            let events = store.events(&query)?;
            let noted = match events.rows.first() {
                Some(row) => {
                    let last = store.deliveries(&id, 1)?.into_iter().next();
                    last.filter(|noted| noted.event == row.number && !noted.settled)
                }
                None => None,
            };
            Ok((events, noted))
        });
        let (events, noted) = asked.await?;
        let noted = noted.and_then(|noted| serde_json::from_str(&noted.body).ok());
        match events.rows.into_iter().next() {
            Some(row) => Ok(Some((row, noted))),
            None => {
                self.after = Some(events.newest.max(self.after.unwrap_or(0)));
                Ok(None)
            }
        }
    }

    /// Tries to deliver an event, and says what came of it.
    async fn attempt(
        &self,
        row: &EventRow,
        event: Event,
        attempt: u32,
        now: impl Fn() -> Timestamp,
    ) -> WebhookDelivery {
        let (id, kind, happened) = (self.delivery_id(row.number), event.kind, event.at);
        let knows_space = match self.hook.owner {
            WebhookOwner::Operator => true,
            WebhookOwner::Account(_) => false,
            WebhookOwner::Team(team) => event.audience.teams.contains(&team),
        };
        let event = api::Event::told(row.number, event, knows_space);
        let payload = WebhookPayload { id, webhook: self.hook.id, attempt, event };
        let outcome = self.post(&payload).await;
        let now = now();
        let (code, error) = match outcome {
            Ok(code) if (200..300).contains(&code) => (Some(code), None),
            Ok(code) => (Some(code), Some(format!("the answer had the status {code}"))),
            Err(error) => (None, Some(error)),
        };
        let next = now + pause_after(attempt);
        let (status, next_attempt) = match &error {
            None => (DeliveryStatus::Succeeded, None),
            Some(_) if next > happened + GIVEN_UP_AFTER => (DeliveryStatus::Failed, None),
            Some(_) => (DeliveryStatus::Retrying, Some(next)),
        };
        let (event, attempts) = (row.number, attempt);
        WebhookDelivery {
            id,
            event,
            kind,
            happened,
            status,
            attempts,
            last_attempt: now,
            code,
            error,
            next_attempt,
        }
    }

    async fn post(&self, payload: &WebhookPayload) -> Result<u16, String> {
        let to = self.to.as_ref().ok_or("the address cannot be read")?;
        let body = serde_json::to_vec(payload).map_err(|error| error.to_string())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.hook.secret.as_bytes());
        let signature = BASE64.encode(hmac::sign(&key, &body).as_ref());
        let mut request = Request::post(&to.path)
            .header(header::HOST, to.authority())
            .header(header::USER_AGENT, AGENT)
            .header(header::CONTENT_TYPE, "application/json")
            .header(DELIVERY, payload.id.to_string())
            .header(SIGNATURE, signature);
        let basic = to.credentials.as_deref().map(basic);
        if let Some(value) = self.hook.authorization.clone().or(basic) {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request =
            request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        let answer = self.dialer.request(to, request).await;
        answer.map(|status| status.as_u16()).map_err(|error| error.to_string())
    }

    /// The same for every attempt, also after a restart.
    fn delivery_id(&self, event: u64) -> Uuid {
        let digest = Sha256::digest(format!("delivery/{}/{event}", self.hook.id));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    async fn note(
        &self,
        row: &EventRow,
        delivery: &WebhookDelivery,
        settled: bool,
    ) -> store::Result<()> {
        let noted = DeliveryRow {
            hook: self.hook.id.to_string(),
            event: row.number,
            settled,
            body: serde_json::to_string(delivery).expect("it holds only what JSON can hold"),
        };
        self.ask(move |store| store.note_delivery(&noted)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Store) -> store::Result<T> + Send + 'static,
    ) -> store::Result<T> {
        ask(&self.store, question).await
    }
}

/// Asks the store on a thread that may wait.
pub(super) async fn ask<T: Send + 'static>(
    store: &SharedStore,
    question: impl FnOnce(&mut dyn Store) -> store::Result<T> + Send + 'static,
) -> store::Result<T> {
    let store = Arc::clone(store);
    let asked = tokio::task::spawn_blocking(move || {
        question(&mut **store.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    });
    match asked.await {
        Ok(answer) => answer,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The value of `Authorization` that an address with a name and a password means.
pub(super) fn basic(credentials: &str) -> String {
    let plain: Vec<u8> = percent_encoding::percent_decode_str(credentials).collect();
    format!("Basic {}", BASE64.encode(plain))
}

#[cfg(test)]
mod tests;
