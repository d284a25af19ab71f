//! Apps (`heroku.md` §1.4).

use std::sync::Arc;

use model::{App, Key, PlatformCommand, Team, World};
use serde_json::{Value, json};

use super::call::{Call, Outcome, as_made, created, list, ok};
use super::failure::Failure;
use super::identity::{cedar, derived_id, region_ref, team_ref, time};
use crate::apps::web::Web;
use crate::ledger::Committed;

pub(super) fn list_apps(call: &Call, (): &()) -> Outcome {
    list(call.apps().into_iter().map(|app| view(&call.state.web, &call.world, app)))
}

pub(super) fn list_team_apps(call: &Call, team: &Arc<Team>) -> Outcome {
    let apps = as_made(call.world.apps_in(Key::Team(team.id)), |app| (app.created, app.id));
    list(apps.into_iter().map(|app| team_view(call, &call.world, app)))
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    ok(view(&call.state.web, &call.world, app))
}

pub(super) fn team_app(call: &Call, app: &Arc<App>) -> Outcome {
    ok(team_view(call, &call.world, app))
}

pub(super) fn create(call: &Call, (): &()) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    let name = body.text("name")?.map(str::to_owned);
    let internal_routing = body.flag("internal_routing")?.unwrap_or(false);
    let team = body.identity("team")?;
    let Some(space) = body.identity("space")? else {
        return Err(Failure::invalid(
            "`space` must be given: apps run in Private Spaces here. With the CLI, add \
             `--space SPACE`.",
        ));
    };
    let space = call.space(space)?;
    if let Some(team) = team
        && call.team(team)?.id != space.team
    {
        return Err(Failure::invalid(format!(
            "The space `{}` belongs to another team than `{team}`: leave `team` out.",
            space.name
        )));
    }
    Ok(PlatformCommand::CreateApp { name, space: space.id, internal_routing })
}

pub(super) fn created_app(call: &Call, (): &(), committed: &Committed) -> Outcome {
    created(view(&call.state.web, &committed.after, made(committed)?))
}

pub(super) fn created_team_app(call: &Call, (): &(), committed: &Committed) -> Outcome {
    created(team_view(call, &committed.after, made(committed)?))
}

fn made(committed: &Committed) -> Result<&Arc<App>, Failure> {
    let Some(Key::App(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    committed.after.app(id).ok_or_else(Failure::internal)
}

pub(super) fn delete(_: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::DeleteApp { app: app.id })
}

pub(super) fn deleted(call: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    ok(view(&call.state.web, &committed.before, committed.before.app(app.id).unwrap_or(app)))
}

/// An empty list, for things that apps do not have. Clients ask for them and do not expect a 404.
pub(super) fn nothing(_: &Call, _: &Arc<App>) -> Outcome {
    list([])
}

/// The short form of an app in other answers.
pub(super) fn app_ref(app: &App) -> api::AppRef {
    api::AppRef { id: app.id, name: app.name.to_string() }
}

/// The stack that every app has.
pub(super) fn stack() -> Value {
    json!({ "id": derived_id("stack", "container"), "name": "container" })
}

/// Shows an app.
pub(super) fn view(web: &Web, world: &World, app: &App) -> Value {
    let (team, space) = (world.team(app.team), world.space(app.space));
    let team = team.map(|team| team_ref(team));
    let release = world.release(app.release);
    let slug = release.and_then(|release| world.slug(release.slug?));
    let released = release.filter(|release| release.slug.is_some());
    json!({
        "id": app.id,
        "name": app.name,
        "acm": false,
        "archived_at": Value::Null,
        "build_stack": stack(),
        "buildpack_provided_description": Value::Null,
        "create_status": "complete",
        "created_at": time(app.created),
        "generation": cedar(),
        // There is no git server. The CLI prints no line for `null`, and a pair of quotes for an
        // empty text.
        "git_url": Value::Null,
        "internal_routing": app.internal_routing,
        "maintenance": false,
        "organization": team,
        "owner": owner(world, app),
        "region": space.map(|space| region_ref(space.region)),
        "released_at": released.map(|release| time(release.created)),
        "repo_size": Value::Null,
        "slug_size": slug.and_then(|slug| slug.size),
        "space": space.map(|space| {
            json!({ "id": space.id, "name": space.name, "shield": false })
        }),
        "stack": stack(),
        "team": team,
        "updated_at": time(app.updated),
        "web_url": web.url(app),
    })
}

pub(super) fn owner(world: &World, app: &App) -> api::UserRef {
    let email = world.email_of(app.owner).unwrap_or_default();
    api::UserRef { id: app.owner, email: email.to_owned() }
}

/// Shows an app of a team.
fn team_view(call: &Call, world: &World, app: &App) -> Value {
    let mut view = view(&call.state.web, world, app);
    view["joined"] = true.into();
    view["locked"] = false.into();
    view
}
