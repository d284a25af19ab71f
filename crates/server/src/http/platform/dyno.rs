//! Dynos (`heroku.md` §1.4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fabric::runtime::Inside;
use model::{App, Dyno, DynoSelection, Exit, Key, PlatformCommand, Space, Stdio, World};
use serde_json::{Value, json};

use super::app::app_ref;
use super::body::Body;
use super::call::{Call, Outcome, accepted, created, items, list, ok};
use super::failure::Failure;
use super::identity::time;
use super::page::Item;
use super::release::release_ref;
use crate::apps::rendezvous::{Requester, Target};
use crate::http::rendezvous;
use crate::ledger::Committed;

pub(super) fn list_dynos(call: &Call, app: &Arc<App>) -> Outcome {
    list(call.world.shown_dynos(app.id).map(|dyno| view(&call.world, app, dyno)))
}

pub(super) fn list_space_dynos(call: &Call, space: &Arc<Space>) -> Outcome {
    let apps = call.world.apps_in(Key::Space(space.id));
    let item = |app: &Arc<App>| {
        let dynos = call.world.shown_dynos(app.id);
        let dynos: Vec<Value> = dynos.map(|dyno| view(&call.world, app, dyno)).collect();
        let body = json!({ "app_id": app.id, "app_name": app.name, "dynos": dynos });
        Item { key: app.id.to_string(), body }
    };
    items(apps.map(item).collect())
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    let dyno = call.dyno(app)?;
    ok(view(&call.world, app, &dyno))
}

pub(super) fn start(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    let environment = body.texts("env")?;
    let stdio = match body.flag("attach")? {
        None | Some(false) => Stdio::Log,
        Some(true) => {
            may_attach(call)?;
            stdio(body, &environment)?
        }
    };
    // A one-off dyno runs until it ends by itself, so the value is validated and has no effect.
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
        environment,
        stdio,
    })
}

pub(super) fn started(call: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let Some(Key::Dyno(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    let dyno = committed.after.dyno(id).ok_or_else(Failure::internal)?;
    let shown = view(&committed.after, app, dyno);
    created(if dyno.stdio.is_log() { shown } else { attached(call, dyno, Target::Dyno, shown)? })
}

pub(super) fn run_inside(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    may_attach(call)?;
    if body.flag("force_no_tty")? == Some(true) {
        return Err(Failure::invalid(
            "A command inside a dyno always has a terminal here: leave `--no-tty` out.",
        ));
    }
    Ok(PlatformCommand::RunInside {
        app: app.id,
        dyno: call.dyno(app)?.id,
        command: body.required_text("command")?.to_owned(),
        environment: body.texts("env")?,
    })
}

pub(super) fn runs_inside(call: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let Some(Key::Dyno(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    let dyno = committed.after.dyno(id).ok_or_else(Failure::internal)?;
    let environment = call.body.texts("env")?;
    let [columns, rows] = size(&environment);
    let command = call.body.required_text("command")?;
    let argv = model::dyno_command(command);
    let inside = Target::Inside(Inside { argv, environment, columns, rows });
    created(attached(call, dyno, inside, view(&committed.after, app, dyno))?)
}

/// Refuses to attach a client if dynos do not run here or there are too many sessions.
fn may_attach(call: &Call) -> Result<(), Failure> {
    if let Some(elsewhere) = call.state.elsewhere(&call.world) {
        return Err(Failure::unavailable(&format!(
            "Dynos run at {elsewhere}, and whoever is attached to one must ask there. `run:detached` works here."
        )));
    }
    if call.state.health.get().driver == "none" {
        return Err(Failure::invalid(
            "There is nothing to be attached to: the server was started with `--fabric none`, which \
             runs no dyno. `run:detached` starts one as far as the API goes.",
        ));
    }
    if call.state.rendezvous.has_room(call.caller) { Ok(()) } else { Err(no_room()) }
}

fn no_room() -> Failure {
    const A_WHILE: Duration = Duration::from_secs(10);
    Failure::too_many(
        "There are too many sessions with dynos. End one of yours, or use `run:detached`.",
        A_WHILE,
    )
}

/// The kind of standard input and output for a client that wants to attach.
fn stdio(body: &Body, environment: &BTreeMap<String, String>) -> Result<Stdio, Failure> {
    if body.flag("force_no_tty")? == Some(true) {
        return Ok(Stdio::Pipes);
    }
    let [columns, rows] = size(environment);
    Ok(Stdio::Terminal { columns, rows })
}

/// The columns and lines of the client's terminal, if it tells them.
fn size(environment: &BTreeMap<String, String>) -> [u16; 2] {
    [("COLUMNS", 80), ("LINES", 24)].map(|(name, usual)| {
        let said = environment.get(name).and_then(|value| value.parse().ok());
        said.filter(|number| *number > 0).unwrap_or(usual)
    })
}

/// Shows a dyno with the address for attaching to it.
fn attached(call: &Call, dyno: &Dyno, target: Target, mut shown: Value) -> Result<Value, Failure> {
    let token = call.token.as_ref().map(|token| token.id);
    let who = Requester { caller: call.caller, token, app: dyno.app };
    let authority = call.base.split_once("://").map_or("localhost", |(_, authority)| authority);
    let name = name_of(authority);
    let secret = rendezvous::issue(&call.state, who, dyno.id, target, name).ok_or_else(no_room)?;
    // Clients need a port in the address.
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if has_port { "" } else { ":80" };
    shown["attach_url"] = format!("rendezvous://{authority}{port}/{secret}").into();
    let (pem, _) = call.state.rendezvous.authorities(&call.state.secret, call.state.clock.wall());
    shown["attach_certificates"] = pem.into();
    Ok(shown)
}

/// The name by which a client greets the server of an authority: none where that is an IP address.
fn name_of(authority: &str) -> Option<String> {
    let uri: http::uri::Authority = authority.parse().ok()?;
    let host = uri.host().trim_matches(['[', ']']);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    (!is_address).then(|| host.to_ascii_lowercase())
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

/// The answer after a restart of several dynos does not show them.
pub(super) fn several(_: &Call, _: &Arc<App>, _: &Committed) -> Outcome {
    accepted(json!({}))
}

/// Shows a dyno.
pub(super) fn view(world: &World, app: &App, dyno: &Dyno) -> Value {
    let mut shown = json!(api::Dyno {
        id: dyno.id,
        name: dyno.name.clone(),
        process_type: dyno.process_type.clone(),
        state: dyno.state.name().to_owned(),
        size: dyno.size.name().to_owned(),
        command: dyno.command.clone(),
        app: app_ref(app),
        release: release_ref(world, dyno.release),
        exit_code: dyno.exit.as_ref().map(Exit::status),
        created_at: time(dyno.created),
        updated_at: time(dyno.updated),
    });
    // Only what is to be attached to has an address for that.
    shown["attach_url"] = Value::Null;
    shown
}
