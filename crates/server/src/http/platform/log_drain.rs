//! Log drains: where the logs of apps and of spaces are sent to.

use std::sync::Arc;

use model::{App, Destination, Key, LogDrain, PlatformCommand, Reachable, Space};
use serde_json::{Value, json};

use super::app::app_ref;
use super::call::{Call, Outcome, created, list, ok};
use super::failure::Failure;
use super::identity::time;
use crate::ledger::Committed;

pub(super) fn list_drains(call: &Call, app: &Arc<App>) -> Outcome {
    let mut drains: Vec<_> = call.world.log_drains_of(Key::App(app.id)).collect();
    drains.sort_by_key(|drain| (drain.created, drain.id));
    list(drains.into_iter().map(|drain| view(app, drain)))
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    ok(view(app, &*find(call, app)?))
}

pub(super) fn add(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let url = call.body.required_text("url")?.to_owned();
    check(&call.state.reachable, &url)?;
    Ok(PlatformCommand::AddLogDrain { app: app.id, url })
}

pub(super) fn added(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    created(view(app, made(committed)?))
}

pub(super) fn remove(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::RemoveLogDrain { app: app.id, drain: find(call, app)?.id })
}

pub(super) fn removed(call: &Call, app: &Arc<App>, _: &Committed) -> Outcome {
    // The call has the world from before.
    ok(view(app, &*find(call, app)?))
}

/// Shows the drain of a space.
pub(super) fn of_space(call: &Call, space: &Arc<Space>) -> Outcome {
    let found = call.world.log_drains_of(Key::Space(space.id)).next();
    let Some(drain) = found else {
        return Err(Failure::absent(
            "log-drain",
            format!(
                "Log drain is not found: the space {} has none. Set one with `heroku \
                 spaces:drains:set URL --space {}`.",
                space.name, space.name
            ),
        ));
    };
    ok(space_view(drain))
}

pub(super) fn set(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    let url = call.body.required_text("url")?.to_owned();
    check(&call.state.reachable, &url)?;
    Ok(PlatformCommand::SetSpaceLogDrain { space: space.id, url })
}

pub(super) fn was_set(_: &Call, _: &Arc<Space>, committed: &Committed) -> Outcome {
    ok(space_view(made(committed)?))
}

/// The drain that a command made.
fn made(committed: &Committed) -> Result<&LogDrain, Failure> {
    match committed.reply.main() {
        Some(Key::LogDrain(id)) => committed.after.log_drain(id).map(|drain| &**drain),
        _ => None,
    }
    .ok_or_else(Failure::internal)
}

fn check(reachable: &Reachable, url: &str) -> Result<(), Failure> {
    check_url(
        reachable,
        url,
        "everybody on the way could read the log. Use https:// or syslog+tls://; the operator may \
         allow others by `webhook-allow`.",
    )
}

/// Refuses at once what nothing would ever be sent to, and says why where it is that others could read it.
pub(super) fn check_url(reachable: &Reachable, url: &str, readable: &str) -> Result<(), Failure> {
    let to: Destination = match url.parse() {
        Ok(to) => to,
        Err(error) => return Err(Failure::invalid(format!("Url is invalid: {error}."))),
    };
    if !reachable.rules_out(&to) {
        return Ok(());
    }
    let why = if to.scheme.is_private() {
        "that address may not be reached from here. The operator may allow it by `webhook-allow`."
    } else {
        readable
    };
    Err(Failure::invalid(format!("Url is invalid: {why}")))
}

/// Finds a drain by its id, its token or its address.
fn find(call: &Call, app: &App) -> Result<Arc<LogDrain>, Failure> {
    let identity = call.param("drain");
    let is_it = |drain: &&Arc<LogDrain>| {
        identity.parse() == Ok(drain.id) || drain.token == identity || drain.url == identity
    };
    let found = call.world.log_drains_of(Key::App(app.id)).find(is_it).cloned();
    found.ok_or_else(|| {
        let list = format!("drains --app {}", app.name);
        Failure::not_found("log-drain", "log drain").naming("", &list)
    })
}

fn view(app: &App, drain: &LogDrain) -> Value {
    let mut view = space_view(drain);
    view["app"] = json!(app_ref(app));
    view
}

fn space_view(drain: &LogDrain) -> Value {
    json!({
        "id": drain.id,
        "addon": Value::Null,
        "token": drain.token,
        "url": drain.url,
        "created_at": time(drain.created),
        "updated_at": time(drain.created),
    })
}
