//! Features of apps, which people switch on and off (`heroku features`).

use std::sync::Arc;

use model::{App, Host, PlatformCommand};
use serde_json::{Value, json};

use super::absent::no_feature;
use super::call::{Call, Outcome, list, ok};
use super::failure::Failure;
use super::identity::{derived_id, time};
use crate::ledger::Committed;

/// Whether a host that cannot reach the servers ends an app's dynos.
pub(super) const FENCE_STOP: &str = "fence-stop";

pub(super) fn list_features(_: &Call, app: &Arc<App>) -> Outcome {
    list([view(app)])
}

pub(super) fn info(call: &Call, app: &Arc<App>) -> Outcome {
    find(call)?;
    ok(view(app))
}

pub(super) fn switch(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    find(call)?;
    let Some(fence_stop) = call.body.flag("enabled")? else {
        return Err(Failure::invalid("`enabled` must be given: `true` or `false`."));
    };
    Ok(PlatformCommand::SetFenceStop { app: app.id, fence_stop })
}

pub(super) fn switched(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    ok(view(committed.after.app(app.id).unwrap_or(app)))
}

fn find(call: &Call) -> Result<(), Failure> {
    if call.param("feature") == FENCE_STOP { Ok(()) } else { Err(no_feature(call)) }
}

fn view(app: &App) -> Value {
    let description = format!(
        "A host that has not reached the servers for {} seconds ends the app's dynos, so that none runs twice; \
         others start {} seconds after the host was heard last",
        Host::FENCE.as_secs(),
        Host::FENCED.as_secs()
    );
    json!({
        "id": derived_id("feature", FENCE_STOP),
        "name": FENCE_STOP,
        "display_name": "Fencing of lost hosts",
        "description": description,
        "doc_url": Value::Null,
        "feedback_email": Value::Null,
        "state": "general",
        "enabled": app.fence_stop,
        "created_at": time(app.created),
        "updated_at": time(app.updated),
    })
}
