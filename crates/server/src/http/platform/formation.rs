//! Formations: how many dynos of each process type an app has (`heroku.md` §1.4).

use std::sync::Arc;

use model::{App, DynoSize, FormationUpdate, PlatformCommand, Quantity, World};
use serde_json::{Value, json};
use uuid::Uuid;

use super::app::app_ref;
use super::body::Body;
use super::call::{Call, Outcome, list, ok};
use super::failure::Failure;
use super::identity::{derived_id, time};
use crate::ledger::Committed;

pub(super) fn list_formation(call: &Call, app: &Arc<App>) -> Outcome {
    list(views(&call.world, app))
}

pub(super) fn one(call: &Call, app: &Arc<App>) -> Outcome {
    ok(named(&call.world, app, call.param("type"))?)
}

/// Changes several process types at once.
pub(super) fn scale(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let updates = call.body.objects("updates")?;
    if updates.is_empty() {
        return Err(Failure::invalid("`updates` must name at least one process type."));
    }
    let update = |update: &Body| {
        let named = update.identity("type")?.or(update.text("process")?);
        let named = named.ok_or_else(|| Failure::invalid("`updates.type` must be given."))?;
        read_update(named, update)
    };
    let updates = updates.iter().map(update).collect::<Result<_, _>>()?;
    Ok(PlatformCommand::Scale { app: app.id, updates })
}

pub(super) fn scaled(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let app = committed.after.app(app.id).ok_or_else(Failure::internal)?;
    list(views(&committed.after, app))
}

pub(super) fn scale_one(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let known = named(&call.world, app, call.param("type"))?;
    let update = read_update(known["type"].as_str().unwrap_or_default(), &call.body)?;
    Ok(PlatformCommand::Scale { app: app.id, updates: vec![update] })
}

pub(super) fn scaled_one(call: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let app = committed.after.app(app.id).ok_or_else(Failure::internal)?;
    ok(named(&committed.after, app, call.param("type"))?)
}

/// Parses the change of one process type. The CLI sends quantities as the texts `"2"`, `"+1"` and
/// `"-1"`.
fn read_update(process_type: &str, body: &Body) -> Result<FormationUpdate, Failure> {
    let quantity = match body.number_or_text("quantity")? {
        None => None,
        Some(text) => Some(text.parse::<Quantity>().map_err(|_| bad_quantity(&text))?),
    };
    let size = match body.identity("size")? {
        Some(size) => Some(size),
        None => body.identity("dyno_size")?,
    };
    let size = size.map(|size| find_size(size).unwrap_or(size).to_owned());
    Ok(FormationUpdate { process_type: process_type.to_owned(), quantity, size })
}

fn bad_quantity(text: &str) -> Failure {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let why = match !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => "is more dynos of a type than there can be",
        false => "is no number of dynos such as 2, +1 or -1",
    };
    let text: String = text.chars().take(64).collect();
    Failure::invalid(format!("Invalid value for `quantity`: '{text}' {why}."))
}

/// Finds the name of a size by its id. The model parses names.
fn find_size(identity: &str) -> Option<&'static str> {
    let id = Uuid::try_parse(identity).ok()?;
    DynoSize::ALL.map(DynoSize::name).into_iter().find(|name| derived_id("dyno-size", name) == id)
}

/// The id of a formation, derived from its app and process type.
pub(super) fn id_of(app: &App, process_type: &str) -> Uuid {
    derived_id("formation", &format!("{}/{process_type}", app.id))
}

/// Finds a process type by its name or its formation's id.
fn named(world: &World, app: &App, identity: &str) -> Result<Value, Failure> {
    let same = |view: &Value| view["type"] == identity || view["id"] == identity;
    let found = views(world, app).into_iter().find(same);
    found.ok_or_else(|| {
        let list = format!("ps:scale --app {}", app.name);
        Failure::not_found("formation", "process type").naming(identity, &list)
    })
}

/// The formations of the current release.
pub(super) fn views(world: &World, app: &App) -> Vec<Value> {
    let slug = world.release(app.release).and_then(|release| world.slug(release.slug?));
    let types = slug.into_iter().flat_map(|slug| &slug.process_types);
    types
        .map(|(process_type, command)| {
            let formation = app.formation.get(process_type);
            let size = formation.map_or(DynoSize::S, |formation| formation.size).name();
            json!({
                "id": id_of(app, process_type),
                "type": process_type,
                "quantity": formation.map_or(0, |formation| formation.quantity),
                "size": size,
                "dyno_size": { "id": derived_id("dyno-size", size), "name": size },
                "command": command,
                "app": app_ref(app),
                "created_at": time(app.created),
                "updated_at": time(formation.map_or(app.created, |formation| formation.updated)),
            })
        })
        .collect()
}
