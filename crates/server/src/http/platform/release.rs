//! Releases and config vars (`heroku.md` §1.4).

use std::sync::Arc;

use model::{App, Key, PlatformCommand, Release, ReleaseId, ReleaseStatus, World};
use serde_json::{Value, json};

use super::app::{app_ref, owner};
use super::call::{Call, Outcome, created, items, ok};
use super::failure::Failure;
use super::identity::time;
use super::page::Item;
use super::release_output;
use super::slug::no_slug;
use crate::ledger::Committed;

pub(super) fn config_vars(_: &Call, app: &Arc<App>) -> Outcome {
    ok(json!(app.config))
}

pub(super) fn set_config(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::SetConfig { app: app.id, changes: call.body.changes()? })
}

pub(super) fn config_was_set(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    ok(json!(committed.after.app(app.id).ok_or_else(Failure::internal)?.config))
}

/// Lists an app's releases, oldest first.
pub(super) fn list_releases(call: &Call, app: &Arc<App>) -> Outcome {
    let releases = call.world.releases_of(Key::App(app.id));
    let item = |release: &Arc<Release>| Item {
        key: format!("{:010}", release.version),
        body: view(call, &call.world, app, release),
    };
    items(releases.map(item).collect())
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    let release = find(&call.world, app, call.param("release"))?;
    ok(view(call, &call.world, app, release))
}

/// Shows the config vars of a release.
pub(super) fn config_of(call: &Call, app: &Arc<App>) -> Outcome {
    ok(json!(find(&call.world, app, call.param("release"))?.config))
}

/// Creates a release with new code, or rolls back to an old one.
pub(super) fn create(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    match (body.identity("slug")?, body.identity("release")?) {
        (Some(slug), None) => {
            let slug = slug.parse().map_err(|_| no_slug(app, slug))?;
            let description = body.text("description")?.map(str::to_owned);
            Ok(PlatformCommand::CreateRelease { app: app.id, slug, description })
        }
        (None, Some(release)) => {
            let release = find(&call.world, app, release)?.id;
            Ok(PlatformCommand::Rollback { app: app.id, release })
        }
        (Some(_), Some(_)) | (None, None) => Err(Failure::invalid(
            "Give either `slug`, the id of code to release, or `release`, the id of an old \
             release to go back to.",
        )),
    }
}

pub(super) fn made(call: &Call, _: &Arc<App>, committed: &Committed) -> Outcome {
    let Some(Key::Release(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    let release = committed.after.release(id).ok_or_else(Failure::internal)?;
    let app = committed.after.app(release.app).ok_or_else(Failure::internal)?;
    created(view(call, &committed.after, app, release))
}

/// Finds a release by id or by number, with or without the `v`.
fn find<'a>(world: &'a World, app: &App, identity: &str) -> Result<&'a Arc<Release>, Failure> {
    let number = identity.strip_prefix(['v', 'V']).unwrap_or(identity);
    let found = match (identity.parse(), number.parse()) {
        (Ok(id), _) => world.release(id),
        (Err(_), Ok(number)) => world.release_numbered(app.id, number),
        (Err(_), Err(_)) => None,
    };
    found.filter(|release| release.app == app.id).ok_or_else(|| {
        let list = format!("releases --app {}", app.name);
        Failure::not_found("release", "release").naming(identity, &list)
    })
}

fn view(call: &Call, world: &World, app: &App, release: &Release) -> Value {
    let mut shown = shown(world, app, release);
    shown["output_stream_url"] = json!(release_output::address(call, world, release));
    shown
}

/// Shows a release, but for the address of its output, which is of one client alone.
pub(super) fn shown(world: &World, app: &App, release: &Release) -> Value {
    let user = release.user.and_then(|id| Some((id, world.email_of(id)?)));
    let user = user.map_or_else(
        || owner(world, app),
        |(id, email)| api::UserRef { id, email: email.to_owned() },
    );
    let addons = world.addons_of(Key::App(app.id)).map(|addon| addon.plan.name());
    let (succeeded, failure) = match &release.status {
        ReleaseStatus::Pending => (false, None),
        ReleaseStatus::Succeeded => (true, None),
        ReleaseStatus::Failed(why) => (false, Some(why.clone())),
    };
    let mut shown = json!(api::Release {
        id: release.id,
        version: release.version,
        addon_plan_names: addons.collect(),
        app: app_ref(app),
        created_at: time(release.created),
        current: release.id == app.release,
        description: release.description.clone(),
        eligible_for_rollback: release.slug.is_some() && succeeded,
        output_stream_url: None,
        slug: release.slug.map(|id| api::SlugRef { id }),
        status: release.status.name().to_owned(),
        status_message: failure,
        updated_at: time(release.settled.unwrap_or(release.created)),
        user,
    });
    shown["artifacts"] = json!([]);
    shown
}

/// The short form of a release in other answers.
pub(super) fn release_ref(world: &World, id: ReleaseId) -> api::ReleaseRef {
    api::ReleaseRef { id, version: world.release(id).map(|release| release.version) }
}
