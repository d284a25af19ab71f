//! Apps (`heroku.md` §1.4).

use std::sync::Arc;

use model::{App, Key, PlatformCommand, Release, ReleaseId, Team, World};
use serde_json::{Value, json};

use super::call::{Call, Outcome, created, items, list, ok};
use super::failure::Failure;
use super::identity::{cedar, derived_id, region_ref, team_ref, time};
use super::page::Item;
use crate::ledger::Committed;

pub(super) fn list_apps(call: &Call, (): &()) -> Outcome {
    list(call.apps().into_iter().map(|app| view(&call.world, app)))
}

pub(super) fn list_team_apps(call: &Call, team: &Arc<Team>) -> Outcome {
    list(call.world.apps_in(Key::Team(team.id)).map(|app| team_view(&call.world, app)))
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    ok(view(&call.world, app))
}

pub(super) fn team_app(call: &Call, app: &Arc<App>) -> Outcome {
    ok(team_view(&call.world, app))
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

pub(super) fn created_app(_: &Call, (): &(), committed: &Committed) -> Outcome {
    created(view(&committed.after, made(committed)?))
}

pub(super) fn created_team_app(_: &Call, (): &(), committed: &Committed) -> Outcome {
    created(team_view(&committed.after, made(committed)?))
}

fn made(committed: &Committed) -> Result<&Arc<App>, Failure> {
    let Some(Key::App(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    committed.after.app(id).ok_or_else(Failure::internal)
}

pub(super) fn delete(_: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::DeleteApp { app: app.id })
}

pub(super) fn deleted(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    ok(view(&committed.before, committed.before.app(app.id).unwrap_or(app)))
}

pub(super) fn config_vars(_: &Call, app: &Arc<App>) -> Outcome {
    ok(json!(app.config))
}

/// An app's releases, oldest first.
pub(super) fn releases(call: &Call, app: &Arc<App>) -> Outcome {
    let releases = call.world.releases_of(Key::App(app.id));
    let item = |release: &Arc<Release>| Item {
        key: format!("{:010}", release.version),
        body: release_view(&call.world, app, release),
    };
    items(releases.map(item).collect())
}

fn release_view(world: &World, app: &App, release: &Release) -> Value {
    let user = release.user.and_then(|id| world.user(id));
    let user = user.map_or_else(|| owner(world, app), |u| json!({ "id": u.id, "email": u.email }));
    let addons = world.addons_of(Key::App(app.id)).map(|addon| addon.plan.name());
    json!({
        "id": release.id,
        "version": release.version,
        "addon_plan_names": addons.collect::<Vec<_>>(),
        "app": app_ref(app),
        "artifacts": [],
        "created_at": time(release.created),
        "current": release.id == app.release,
        "description": release.description,
        "eligible_for_rollback": release.slug.is_some(),
        "output_stream_url": Value::Null,
        "slug": release.slug.map(|id| json!({ "id": id })),
        "status": "succeeded",
        "updated_at": time(release.created),
        "user": user,
    })
}

/// A release as other things show theirs.
pub(super) fn release_ref(world: &World, id: ReleaseId) -> Value {
    json!({ "id": id, "version": world.release(id).map(|release| release.version) })
}

/// What apps have none of here. Clients ask, and do not take a 404 for it.
pub(super) fn nothing(_: &Call, _: &Arc<App>) -> Outcome {
    list([])
}

/// An app as other things show theirs.
pub(super) fn app_ref(app: &App) -> Value {
    json!({ "id": app.id, "name": app.name })
}

/// An app as it is shown.
fn view(world: &World, app: &App) -> Value {
    let (team, space) = (world.team(app.team), world.space(app.space));
    let team = team.map(|team| team_ref(team));
    let stack = json!({ "id": derived_id("stack", "container"), "name": "container" });
    json!({
        "id": app.id,
        "name": app.name,
        "acm": false,
        "archived_at": Value::Null,
        "build_stack": stack,
        "buildpack_provided_description": Value::Null,
        "created_at": time(app.created),
        "generation": cedar(),
        "git_url": "",
        "internal_routing": app.internal_routing,
        "maintenance": false,
        "organization": team,
        "owner": owner(world, app),
        "region": space.map(|space| region_ref(space.region)),
        "released_at": Value::Null,
        "repo_size": Value::Null,
        "slug_size": Value::Null,
        "space": space.map(|space| {
            json!({ "id": space.id, "name": space.name, "shield": false })
        }),
        "stack": stack,
        "team": team,
        "updated_at": time(app.updated),
        "web_url": format!("http://{}.app.localspace/", app.name),
    })
}

fn owner(world: &World, app: &App) -> Value {
    let email = world.user(app.owner).map_or("", |user| user.email.as_str());
    json!({ "id": app.owner, "email": email })
}

/// An app as a team's.
fn team_view(world: &World, app: &App) -> Value {
    let mut view = view(world, app);
    view["joined"] = true.into();
    view["locked"] = false.into();
    view
}
