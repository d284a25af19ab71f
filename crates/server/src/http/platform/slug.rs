//! Slugs: an app's code (`heroku.md` §1.4).

use std::sync::Arc;

use model::{App, Key, PlatformCommand, Slug};
use serde_json::{Value, json};

use super::app::{app_ref, stack};
use super::blob;
use super::call::{Call, Outcome, as_made, created, list, ok};
use super::failure::Failure;
use super::identity::time;
use crate::ledger::Committed;

/// Lists the slugs of an app. Heroku's API has no such list, but without it nobody could find a
/// slug again.
pub(super) fn list_slugs(call: &Call, app: &Arc<App>) -> Outcome {
    let slugs = as_made(call.world.slugs_of(Key::App(app.id)), |slug| (slug.created, slug.id));
    list(slugs.into_iter().map(|slug| view(call, app, slug)))
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    let found = call.param("slug").parse().ok().and_then(|id| call.world.slug(id));
    let slug = found.filter(|slug| slug.app == app.id);
    ok(view(call, app, slug.ok_or_else(|| no_slug(app, call.param("slug")))?))
}

/// The 404 for a slug that the app does not have.
pub(super) fn no_slug(app: &App, named: &str) -> Failure {
    let list = format!("causeway slugs --app {}", app.name);
    Failure::not_found("slug", "slug").naming(named, &list)
}

pub(super) fn create(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    Ok(PlatformCommand::CreateSlug {
        app: app.id,
        process_types: body.texts("process_types")?,
        commit: body.text("commit")?.map(str::to_owned),
        checksum: body.text("checksum")?.map(str::to_owned),
    })
}

pub(super) fn made(call: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let Some(Key::Slug(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    let slug = committed.after.slug(id).ok_or_else(Failure::internal)?;
    created(view(call, app, slug))
}

/// Shows a slug. The upload address is shown only until the code is uploaded, and to who may do so.
fn view(call: &Call, app: &App, slug: &Slug) -> Value {
    let waits = slug.size.is_none();
    let address = if waits { blob::address(call, slug.id) } else { None };
    let blob = address.map(|url| json!({ "method": "PUT", "url": url }));
    json!({
        "id": slug.id,
        "app": app_ref(app),
        "blob": blob,
        "buildpack_provided_description": Value::Null,
        "checksum": slug.checksum.as_ref().map(|digits| format!("SHA256:{digits}")),
        "commit": slug.commit,
        "commit_description": Value::Null,
        "created_at": time(slug.created),
        "process_types": slug.process_types,
        "size": slug.size,
        "stack": stack(),
        "updated_at": time(slug.updated),
    })
}
