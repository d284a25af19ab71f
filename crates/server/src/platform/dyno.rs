//! Dynos (`heroku.md` §1.4).

use std::sync::Arc;

use model::{App, Dyno, DynoSelection, DynoState, Exit, Key, PlatformCommand, Space, World};
use serde_json::{Value, json};

use super::app::app_ref;
use super::call::{Call, Outcome, accepted, created, items, list, ok};
use super::failure::Failure;
use super::identity::time;
use super::page::Item;
use super::release::release_ref;
use crate::ledger::Committed;

pub(super) fn list_dynos(call: &Call, app: &Arc<App>) -> Outcome {
    list(shown(&call.world, app).map(|dyno| view(&call.world, app, dyno)))
}

pub(super) fn list_space_dynos(call: &Call, space: &Arc<Space>) -> Outcome {
    let apps = call.world.apps_in(Key::Space(space.id));
    let item = |app: &Arc<App>| {
        let dynos: Vec<Value> =
            shown(&call.world, app).map(|dyno| view(&call.world, app, dyno)).collect();
        let body = json!({ "app_id": app.id, "app_name": app.name, "dynos": dynos });
        Item { key: app.id.to_string(), body }
    };
    items(apps.map(item).collect())
}

/// The dynos of an app that have not ended, or crashed and are about to be tried again. In a place
/// of the formation that is the one that has it, and the one before that for as long as it is up
/// and the other is not; none that is on its way out.
pub(super) fn shown<'a>(world: &'a World, app: &App) -> impl Iterator<Item = &'a Arc<Dyno>> {
    world.dynos_in(Key::App(app.id)).filter(|dyno| match dyno.superseded {
        true => dyno.state == DynoState::Up,
        false => dyno.is_live(),
    })
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    let dyno = call.dyno(app)?;
    ok(view(&call.world, app, &dyno))
}

pub(super) fn start(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    if body.flag("attach")? == Some(true) {
        return Err(Failure::invalid(
            "Dynos cannot be attached to. Start it with `run:detached`, or run a command \
             in one that runs with `causeway exec APP/DYNO -- COMMAND`.",
        ));
    }
    // Every dyno is a one-off that lives until it ends, so this is checked and changes nothing.
    body.integer("time_to_live")?;
    if let Some(named) = body.text("type")?.filter(|named| *named != "run") {
        let named: String = named.chars().take(64).collect();
        return Err(Failure::invalid(format!(
            "Invalid value for `type`: a one-off dyno is of the type `run` here, not `{named}`: \
             leave `--type` out. Dynos of the other types run by `ps:scale {named}=1`."
        )));
    }
    Ok(PlatformCommand::StartDyno {
        app: app.id,
        command: body.required_text("command")?.to_owned(),
        size: body.text("size")?.map(str::to_owned),
        environment: body.texts("env")?,
    })
}

pub(super) fn started(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let Some(Key::Dyno(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    let dyno = committed.after.dyno(id).ok_or_else(Failure::internal)?;
    created(view(&committed.after, app, dyno))
}

pub(super) fn stop(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::StopDynos { app: app.id, which: DynoSelection::One(call.dyno(app)?.id) })
}

pub(super) fn stopped(call: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let dyno = call.dyno(app)?;
    let after = &committed.after;
    accepted(view(after, app, after.dyno(dyno.id).unwrap_or(&dyno)))
}

/// Replaces all dynos of the formation.
pub(super) fn restart_all(_: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::RestartDynos { app: app.id, which: DynoSelection::All })
}

pub(super) fn restart(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::RestartDynos { app: app.id, which: DynoSelection::One(call.dyno(app)?.id) })
}

pub(super) fn restart_type(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::RestartDynos { app: app.id, which: type_of(call) })
}

pub(super) fn stop_type(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::StopDynos { app: app.id, which: type_of(call) })
}

fn type_of(call: &Call) -> DynoSelection {
    DynoSelection::Type(call.param("type").to_owned())
}

/// Several are not shown one by one.
pub(super) fn several(_: &Call, _: &Arc<App>, _: &Committed) -> Outcome {
    accepted(json!({}))
}

/// A dyno as it is shown.
fn view(world: &World, app: &App, dyno: &Dyno) -> Value {
    json!({
        "id": dyno.id,
        "name": dyno.name,
        "type": dyno.process_type,
        "state": dyno.state.name(),
        "size": dyno.size.name(),
        "command": dyno.command,
        "attach_url": Value::Null,
        "app": app_ref(app),
        "release": release_ref(world, dyno.release),
        "exit_code": dyno.exit.as_ref().map(Exit::status),
        "created_at": time(dyno.created),
        "updated_at": time(dyno.updated),
    })
}
