//! Heroku's webhooks of apps: where what happens to an app is sent to, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::DeliveryStatus;
use model::{
    App, AppWebhook, Key, PlatformCommand, Webhook, WebhookId, WebhookOwner, party_of_app,
};
use serde_json::{Value, json};
use store::{DeliveryRow, EventQuery, EventRow};

use super::app::app_ref;
use super::call::{Answer, Call, Outcome, created, list, ok};
use super::failure::Failure;
use super::identity::time;
use super::log_drain::check_url;
use super::route::{Kept, Question};
use crate::app_webhook::{AppDelivery, AppEvent, attempt_id};
use crate::clock::{SystemIds, fresh_secret};
use crate::ledger::Committed;

/// How many events and how many deliveries of one webhook are looked at: as many as a list may have.
const MOST: u32 = 1000;

pub(super) fn list_webhooks(call: &Call, app: &Arc<App>) -> Outcome {
    list(hooks(call, app).iter().map(|hook| view(app, hook)))
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    ok(view(app, &*find(call, app)?))
}

pub(super) fn create(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    call.body.required_text("url")?;
    let mut new = read(call)?;
    new.secret.get_or_insert_with(|| fresh_secret(&mut SystemIds));
    Ok(PlatformCommand::CreateAppWebhook { app: app.id, new })
}

/// Shows a new webhook, and its secret this once.
pub(super) fn made(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let hook = changed(committed)?;
    let secret = Some(hook.secret.clone());
    created(view(app, hook)).map(|answer| Answer { secret, ..answer })
}

pub(super) fn update(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let (app, id) = (app.id, find(call, app)?.id);
    Ok(PlatformCommand::UpdateAppWebhook { app, id, to: read(call)? })
}

pub(super) fn updated(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    ok(view(app, changed(committed)?))
}

pub(super) fn remove(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::DeleteAppWebhook { app: app.id, id: find(call, app)?.id })
}

pub(super) fn removed(call: &Call, app: &Arc<App>, _: &Committed) -> Outcome {
    // The call has the world from before.
    ok(view(app, &*find(call, app)?))
}

/// What is kept of an app's events and of their deliveries.
pub(super) fn question(call: &Call, app: &Arc<App>) -> Question {
    let hooks: Vec<_> = hooks(call, app).iter().map(|hook| hook.id).collect();
    let query = EventQuery {
        parties: Some(vec![party_of_app(app.id)]),
        limit: MOST,
        ..EventQuery::default()
    };
    Box::new(move |store| {
        let events = store.events(&query)?.rows;
        let mut deliveries = Vec::new();
        for hook in hooks {
            deliveries.extend(store.deliveries(&hook.to_string(), MOST)?);
        }
        Ok(Kept { events, deliveries })
    })
}

pub(super) fn list_events(_: &Call, _: &Arc<App>, kept: &Kept) -> Outcome {
    list(events(&kept.events).map(|(_, event)| event_view(&event)))
}

pub(super) fn event(call: &Call, app: &Arc<App>, kept: &Kept) -> Outcome {
    let id = call.param("event");
    let found = events(&kept.events).find(|(_, event)| id.parse() == Ok(event.id));
    let (_, event) = found.ok_or_else(|| none("event", app, "webhooks:events"))?;
    ok(event_view(&event))
}

/// Lists deliveries, those alone that have a status where `eq[status]` says one.
pub(super) fn list_deliveries(call: &Call, app: &Arc<App>, kept: &Kept) -> Outcome {
    let query = call.query()?;
    let wanted = query.iter().find(|(name, _)| name == "eq[status]").map(|(_, value)| value);
    let all = deliveries(call, app, kept);
    let shown = all.iter().map(|(hook, delivery)| delivery_view(hook, delivery));
    list(shown.filter(|shown| wanted.is_none_or(|wanted| shown["status"] == **wanted)))
}

pub(super) fn delivery(call: &Call, app: &Arc<App>, kept: &Kept) -> Outcome {
    let id = call.param("delivery");
    let all = deliveries(call, app, kept);
    let found = all.iter().find(|(_, delivery)| id.parse() == Ok(delivery.id));
    let (hook, delivery) = found.ok_or_else(|| none("delivery", app, "webhooks:deliveries"))?;
    ok(delivery_view(hook, delivery))
}

/// The events that this version can read, oldest first, with their rows.
fn events(rows: &[EventRow]) -> impl Iterator<Item = (&EventRow, AppEvent)> {
    rows.iter().filter_map(|row| Some((row, serde_json::from_str(&row.body).ok()?)))
}

/// What became of events at each webhook, and what is still to be sent; oldest first.
fn deliveries(call: &Call, app: &App, kept: &Kept) -> Vec<(Arc<Webhook>, AppDelivery)> {
    let mut noted: BTreeMap<(String, u64), AppDelivery> = BTreeMap::new();
    for DeliveryRow { hook, event, body, .. } in &kept.deliveries {
        if let Ok(delivery) = serde_json::from_str(body) {
            noted.insert((hook.clone(), *event), delivery);
        }
    }
    let mut all = Vec::new();
    for hook in hooks(call, app) {
        let name = hook.id.to_string();
        let of_hook = noted.range((name.clone(), 0)..=(name, u64::MAX)).map(|(_, it)| it.clone());
        let of_hook: Vec<_> = of_hook.collect();
        let last = of_hook.last().map_or(0, |last| last.number);
        let told = model::party_of_hook(hook.id);
        let later = events(&kept.events)
            .filter(|(row, _)| row.number > last && row.parties.contains(&told))
            .map(|(row, event)| AppDelivery::pending(hook.id, row.number, &event));
        all.extend(of_hook.into_iter().chain(later).map(|it| (Arc::clone(&hook), it)));
    }
    all.sort_by_key(|(hook, delivery)| (delivery.number, hook.created, hook.id));
    all
}

fn hooks(call: &Call, app: &App) -> Vec<Arc<Webhook>> {
    let of_app = call.world.webhooks_of(Key::App(app.id));
    let mut hooks: Vec<_> =
        of_app.filter(|hook| hook.owner == WebhookOwner::App(app.id)).cloned().collect();
    hooks.sort_by_key(|hook| (hook.created, hook.id));
    hooks
}

fn find(call: &Call, app: &App) -> Result<Arc<Webhook>, Failure> {
    let id = call.param("webhook").parse::<WebhookId>().ok();
    let found = id.and_then(|id| call.world.webhook(id));
    let found = found.filter(|hook| hook.owner == WebhookOwner::App(app.id)).cloned();
    found.ok_or_else(|| none("webhook", app, "webhooks"))
}

fn none(what: &str, app: &App, command: &str) -> Failure {
    let what = if what == "webhook" { what.to_owned() } else { format!("webhook {what}") };
    let list = format!("{command} --app {}", app.name);
    Failure::not_found("webhook", &what).naming("", &list)
}

/// The webhook that a command made or changed.
fn changed(committed: &Committed) -> Result<&Webhook, Failure> {
    match committed.reply.main() {
        Some(Key::Webhook(id)) => committed.after.webhook(id).map(|hook| &**hook),
        _ => None,
    }
    .ok_or_else(Failure::internal)
}

fn read(call: &Call) -> Result<AppWebhook, Failure> {
    let body = &call.body;
    let text = |name: &str| Ok::<_, Failure>(body.text(name)?.map(str::to_owned));
    let names = |values: &[Value]| {
        let name = |value: &Value| value.as_str().map(str::to_owned);
        values.iter().map(name).collect::<Option<Vec<_>>>().ok_or_else(|| {
            Failure::invalid("Invalid value for `include`: it must be a list of strings.")
        })
    };
    let new = AppWebhook {
        url: text("url")?,
        include: body.list("include")?.map(names).transpose()?,
        level: text("level")?,
        secret: text("secret")?,
        authorization: text("authorization")?,
    };
    if let Some(url) = &new.url {
        check_url(
            &call.state.reachable,
            url,
            "everybody on the way could read what is sent. Use https://; the operator may allow others \
             by `webhook-allow`.",
        )?;
    }
    Ok(new)
}

fn view(app: &App, hook: &Webhook) -> Value {
    json!({
        "id": hook.id,
        "app": app_ref(app),
        "include": hook.include,
        "level": hook.level.name(),
        "url": hook.url,
        "created_at": time(hook.created),
        "updated_at": time(hook.updated.unwrap_or(hook.created)),
    })
}

fn event_view(event: &AppEvent) -> Value {
    json!({
        "id": event.id,
        "include": event.entity,
        "payload": event.payload(),
        "created_at": time(event.at),
        "updated_at": time(event.at),
    })
}

fn delivery_view(hook: &Webhook, delivery: &AppDelivery) -> Value {
    let status = match delivery.status {
        None => "pending",
        Some(DeliveryStatus::Retrying) => "retrying",
        Some(DeliveryStatus::Succeeded) => "succeeded",
        Some(DeliveryStatus::Failed) => "failed",
    };
    let attempted = delivery.last_attempt.map(time);
    let last_attempt = attempted.as_ref().map(|at| {
        let status = if delivery.error.is_some() { "failed" } else { "succeeded" };
        json!({
            "id": attempt_id(delivery.id, delivery.attempts),
            "code": delivery.code,
            "error_class": delivery.error,
            "status": status,
            "created_at": at,
            "updated_at": at,
        })
    });
    json!({
        "id": delivery.id,
        "seq": delivery.number,
        "event": { "id": delivery.event, "include": delivery.include },
        "webhook": { "id": hook.id, "level": hook.level.name() },
        "status": status,
        "num_attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt.map(time),
        "last_attempt": last_attempt,
        "created_at": time(delivery.happened),
        "updated_at": attempted.unwrap_or_else(|| time(delivery.happened)),
    })
}
