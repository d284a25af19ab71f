//! What happens to apps, as their webhooks are told it: with each thing as this API shows it.

use model::{
    App, AppAction, AppChange, AppPart, Caller, IdSource, World, party_of_app, party_of_hook,
};
use serde_json::{Map, Value};
use store::EventRow;

use super::{addon, app, attachment, domain, dyno, formation, release};
use crate::app_webhook::AppEvent;
use crate::apps::web::Web;
use crate::clock::SystemIds;
use crate::ledger::{Teller, Telling};

/// Tells what happens to apps.
pub(crate) fn teller(web: Web) -> Teller {
    Box::new(move |telling| {
        let changes = model::app_changes(telling.before, telling.after, telling.changes);
        changes.iter().filter_map(|change| row(&web, telling, change)).collect()
    })
}

fn row(web: &Web, telling: &Telling<'_>, change: &AppChange) -> Option<EventRow> {
    let Telling { before, after, caller, now, .. } = telling;
    let then = before.app(change.app).and_then(|app| shown(web, before, app, &change.part));
    let now_is = after.app(change.app).and_then(|app| shown(web, after, app, &change.part));
    let (data, previous) = match change.action {
        AppAction::Create => (now_is?, Map::new()),
        AppAction::Destroy => (now_is.or(then)?, Map::new()),
        AppAction::Update => {
            let data = now_is?;
            let previous = then.map(|then| different(then, &data)).unwrap_or_default();
            (data, previous)
        }
    };
    let actor = match caller {
        Caller::User(id) => after.email_of(*id).map(|email| (*id, email.to_owned())),
        Caller::Operator | Caller::System | Caller::Account { .. } => None,
    };
    let entity = change.part.entity();
    let event = AppEvent {
        id: uuid::Builder::from_random_bytes(SystemIds.next_bits().to_be_bytes()).into_uuid(),
        at: *now,
        app: change.app,
        entity,
        action: change.action,
        actor,
        data,
        previous,
    };
    let hooks = change.hooks.iter().map(|id| party_of_hook(*id));
    Some(EventRow {
        number: 0,
        at: now.millis(),
        kind: entity.name().to_owned(),
        resource: event.data["id"].as_str().unwrap_or_default().to_owned(),
        parties: hooks.chain([party_of_app(change.app)]).collect(),
        body: serde_json::to_string(&event).expect("events hold only what JSON can hold"),
    })
}

/// What was different before.
fn different(then: Value, data: &Value) -> Map<String, Value> {
    let Value::Object(then) = then else { return Map::new() };
    then.into_iter().filter(|(name, value)| data.get(name) != Some(value)).collect()
}

/// A part of an app as this API shows it, if a world has it.
fn shown(web: &Web, world: &World, app: &App, part: &AppPart) -> Option<Value> {
    Some(match part {
        AppPart::App => app::view(web, world, app),
        AppPart::Release(id) => release::shown(world, app, world.release(*id)?),
        AppPart::Dyno(id) => dyno::view(world, app, world.dyno(*id)?),
        AppPart::Addon(id) => addon::view(app, world.addon(*id)?),
        AppPart::AddonAttachment(id, name) => {
            let all = attachment::of_app(world, app);
            let is_it = |it: &&attachment::Attachment| it.addon.id == *id && it.name == *name;
            attachment::view(all.iter().find(is_it)?)
        }
        AppPart::Domain(name) => domain::view(web, app, name, app.domains.get(name)?),
        AppPart::Formation(process_type) => {
            let mut all = formation::views(world, app).into_iter();
            all.find(|shown| shown["type"] == **process_type)?
        }
    })
}
