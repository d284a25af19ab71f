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
    Destination, Event, Timestamp, Webhook, WebhookLevel, WebhookOwner, party_of_account,
    party_of_hook, party_of_team,
};
use ring::hmac;
use serde::Deserialize;
use store::{DeliveryRow, EventQuery, EventRow, Store};
use uuid::Uuid;

use super::dial::{Dialer, pause_after};
use crate::app_webhook::{AppDelivery, AppEvent, delivery_id};

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
    current: Option<(EventRow, Option<Noted>)>,
    /// Whether the webhook is there still, so that something may be noted of it.
    is_there: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// What is known of a delivery that failed.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Noted {
    attempts: u32,
    next_attempt: Option<Timestamp>,
}

/// What happened, as a webhook's owner is told it.
enum Told {
    /// To the operator, an account or a team.
    Event(Event),
    /// To an app.
    App(AppEvent),
}

/// What came of an attempt.
struct Outcome {
    status: DeliveryStatus,
    at: Timestamp,
    code: Option<u16>,
    error: Option<String>,
    next: Option<Timestamp>,
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
        let is_there = Arc::new(|| true);
        Self { hook, to, dialer, store, after: None, current: None, is_there }
    }

    /// The same, which notes nothing any more once the webhook is gone: what was noted of it is forgotten
    /// then, and a note that was under way would stay for ever.
    pub(super) fn noting_while(self, is_there: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { is_there: Arc::new(is_there), ..self }
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
            let due = noted.and_then(|noted| noted.next_attempt);
            if let Some(at) = due.filter(|at| now() < *at) {
                self.current = Some((row, noted));
                return Ok(Next::At(at));
            }
            let attempts = noted.map_or(0, |noted| noted.attempts).saturating_add(1);
            let Some(told) = self.told(&row) else {
                // A later version kept it.
                self.after = Some(row.number);
                continue;
            };
            let outcome = self.attempt(&row, &told, attempts, &now).await;
            let (settled, next_attempt) =
                (outcome.status != DeliveryStatus::Retrying, outcome.next);
            self.note(&row, delivery(&self.hook, &row, told, attempts, outcome), settled).await?;
            if settled {
                self.after = Some(row.number);
            } else {
                self.current = Some((row, Some(Noted { attempts, next_attempt })));
            }
        }
    }

    fn told(&self, row: &EventRow) -> Option<Told> {
        match self.hook.owner {
            WebhookOwner::App(_) => serde_json::from_str(&row.body).ok().map(Told::App),
            _ => serde_json::from_str(&row.body).ok().map(Told::Event),
        }
    }

    /// The next event, with what is known of it from before a restart.
    async fn next_event(&mut self) -> store::Result<Option<(EventRow, Option<Noted>)>> {
        let id = self.hook.id.to_string();
        let first = self.after.is_none();
        let query = EventQuery {
            after: self.after,
            since: Some(self.hook.created.millis()),
            kinds: match self.hook.owner {
                // What it is told was said when it happened.
                WebhookOwner::App(_) => None,
                _ => Some(self.hook.kinds().iter().map(|kind| kind.name().to_owned()).collect()),
            },
            parties: match self.hook.owner {
                WebhookOwner::Operator => None,
                WebhookOwner::Account(id) => Some(vec![party_of_account(id)]),
                WebhookOwner::Team(id) => Some(vec![party_of_team(id)]),
                WebhookOwner::App(_) => Some(vec![party_of_hook(self.hook.id)]),
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
        told: &Told,
        attempt: u32,
        now: impl Fn() -> Timestamp,
    ) -> Outcome {
        let id = delivery_id(self.hook.id, row.number);
        let (body, happened) = match told {
            Told::Event(event) => {
                let event = self.as_told(row.number, event.clone());
                let payload = WebhookPayload { id, webhook: self.hook.id, attempt, event };
                (serde_json::to_vec(&payload), payload.event.time)
            }
            Told::App(event) => {
                (serde_json::to_vec(&event.sent(self.hook.id, id, attempt)), event.at)
            }
        };
        let outcome = match body {
            Ok(body) => self.post(id, body).await,
            Err(error) => Err(error.to_string()),
        };
        let at = now();
        let (code, error) = match outcome {
            Ok(code) if (200..300).contains(&code) => (Some(code), None),
            Ok(code) => (Some(code), Some(format!("the answer had the status {code}"))),
            Err(error) => (None, Some(error)),
        };
        let later = at + pause_after(attempt);
        let once = self.hook.level == WebhookLevel::Notify;
        let (status, next) = match &error {
            None => (DeliveryStatus::Succeeded, None),
            Some(_) if once || later > happened + GIVEN_UP_AFTER => (DeliveryStatus::Failed, None),
            Some(_) => (DeliveryStatus::Retrying, Some(later)),
        };
        Outcome { status, at, code, error, next }
    }

    fn as_told(&self, number: u64, event: Event) -> api::Event {
        let knows_space = match self.hook.owner {
            WebhookOwner::Operator => true,
            WebhookOwner::Account(_) | WebhookOwner::App(_) => false,
            WebhookOwner::Team(team) => event.audience.teams.contains(&team),
        };
        api::Event::told(number, event, knows_space)
    }

    async fn post(&self, delivery: Uuid, body: Vec<u8>) -> Result<u16, String> {
        let to = self.to.as_ref().ok_or("the address cannot be read")?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.hook.secret.as_bytes());
        let signature = BASE64.encode(hmac::sign(&key, &body).as_ref());
        let mut request = Request::post(&to.path)
            .header(header::HOST, to.authority())
            .header(header::USER_AGENT, AGENT)
            .header(header::CONTENT_TYPE, "application/json")
            .header(DELIVERY, delivery.to_string())
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

    async fn note(&self, row: &EventRow, body: String, settled: bool) -> store::Result<()> {
        let noted =
            DeliveryRow { hook: self.hook.id.to_string(), event: row.number, settled, body };
        let is_there = Arc::clone(&self.is_there);
        self.ask(move |store| if is_there() { store.note_delivery(&noted) } else { Ok(()) }).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Store) -> store::Result<T> + Send + 'static,
    ) -> store::Result<T> {
        ask(&self.store, question).await
    }
}

/// What is kept of a delivery.
fn delivery(hook: &Webhook, row: &EventRow, told: Told, attempts: u32, outcome: Outcome) -> String {
    let Outcome { status, at, code, error, next } = outcome;
    let kept = match told {
        Told::Event(event) => serde_json::to_string(&WebhookDelivery {
            id: delivery_id(hook.id, row.number),
            event: row.number,
            kind: event.kind,
            happened: event.at,
            status,
            attempts,
            last_attempt: at,
            code,
            error,
            next_attempt: next,
        }),
        Told::App(event) => serde_json::to_string(&AppDelivery {
            status: Some(status),
            attempts,
            last_attempt: Some(at),
            code,
            error,
            next_attempt: next,
            ..AppDelivery::pending(hook.id, row.number, &event)
        }),
    };
    kept.expect("it holds only what JSON can hold")
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
