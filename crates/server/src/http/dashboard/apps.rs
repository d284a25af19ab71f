//! Apps: their pages, and what their forms ask for. Each becomes the same command as the Platform
//! API's, and the ledger decides.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{AppTold, DynosPage, LogShown, Problem, Refusal, Served};
use model::{App, DynoSelection, FormationUpdate, PlatformCommand, Quantity, Space, World};

use super::answer::{page, problem, see_other};
use super::app_log::{Recent, recent};
use super::app_place::find;
use super::form::Form;
use super::shared::Dashboard;
use super::visit::Visit;
use super::why_not::why_not;
use crate::ledger::OnlyIf;

/// An app as its pages show it.
pub(super) fn served<'a>(
    dashboard: &'a Dashboard,
    (space, app): (&'a Arc<Space>, &'a Arc<App>),
    url: &'a str,
) -> Served<'a> {
    Served { space, app, domains: &dashboard.state.web.domains, url }
}

/// The page of an app's dynos and its log.
pub(super) async fn show_dynos(visit: &Visit, space: &str, app: &str, query: &Form) -> Response {
    let told = query.first().and_then(|(name, value)| AppTold::read(name, value));
    dynos(visit, space, app, query, StatusCode::OK, told.as_ref(), None).await
}

async fn dynos(
    visit: &Visit,
    space: &str,
    app: &str,
    query: &Form,
    status: StatusCode,
    told: Option<&AppTold>,
    refused: Option<&Refusal>,
) -> Response {
    let of = visit.context();
    let Some(found) = find(&visit.world, visit.viewer, space, app) else {
        return problem(&of, &Problem::NotFound);
    };
    let process = query.get("dyno").filter(|name| !name.is_empty());
    let text = query.get("find").unwrap_or_default();
    let Recent { lines, position, is_busy } = recent(visit, found.1, process, text).await;
    let log = LogShown { lines: &lines, position: &position, process, find: text, is_busy };
    let url = visit.dashboard.state.web.url(found.1);
    let served = served(&visit.dashboard, found, &url);
    page(status, dashboard::app_dynos(&of, &served, &DynosPage { log, told, refused }))
}

/// The page of an app's releases.
pub(super) fn show_releases(visit: &Visit, space: &str, app: &str, query: &Form) -> Response {
    let of = visit.context();
    let Some(found) = find(&visit.world, visit.viewer, space, app) else {
        return problem(&of, &Problem::NotFound);
    };
    let before = query.get("before").and_then(|number| number.parse().ok());
    let url = visit.dashboard.state.web.url(found.1);
    let served = served(&visit.dashboard, found, &url);
    page(StatusCode::OK, dashboard::app_releases(&of, &served, before))
}

/// The config vars with their values, for who asks for them by a form: so they are in no page that is
/// led to by an address, and the browser keeps none.
pub(super) fn reveal(visit: &Visit, space: &str, app: &str, form: &Form) -> Response {
    let of = visit.context();
    let Some(found) = find(&visit.world, visit.viewer, space, app) else {
        visit.note_refused("POST /dashboard", app, "not_found", "no such app");
        return problem(&of, &Problem::NotFound);
    };
    if form.get("answer") != Some("reveal") {
        return problem(&of, &Problem::BadRequest);
    }
    let url = visit.dashboard.state.web.url(found.1);
    let served = served(&visit.dashboard, found, &url);
    page(StatusCode::OK, dashboard::app_config(&of, &served, true))
}

/// What the form of an app asks for.
enum Asked {
    Command {
        command: PlatformCommand,
        only_if: Option<OnlyIf>,
        told: AppTold,
    },
    /// It cannot be done.
    Not(StatusCode, Refusal),
    /// The form cannot be read.
    Unreadable,
}

/// Carries out what the form of an app asks for.
pub(super) async fn change(visit: Visit, space: &str, app: &str, form: &Form) -> Response {
    let caller = visit.viewer.platform_caller();
    let found = find(&visit.world, visit.viewer, space, app);
    let (Some(caller), Some((in_space, found))) = (caller, found) else {
        visit.note_refused("POST /dashboard", app, "not_found", "no such app");
        return problem(&visit.context(), &Problem::NotFound);
    };
    let path = dashboard::app_path(in_space, found);
    let refused = |visit: Visit, status, refusal: Refusal| async move {
        let query = Form::default();
        dynos(&visit, space, app, &query, status, None, Some(&refusal)).await
    };
    let (command, only_if, told) = match read(&visit.world, found, form) {
        Asked::Command { command, only_if, told } => (command, only_if, told),
        Asked::Not(status, refusal) => return refused(visit, status, refusal).await,
        Asked::Unreadable => return problem(&visit.context(), &Problem::BadRequest),
    };
    let state = Arc::clone(&visit.dashboard.state);
    match state.submit_if(caller, command, &visit.origin, only_if).await {
        Ok(_) => see_other(&format!("{path}?{}", told.query())),
        Err(error) => {
            let (status, refusal) = why_not(error);
            refused(visit.renewed(), status, refusal).await
        }
    }
}

/// Reads the form of an app.
fn read(world: &World, app: &App, form: &Form) -> Asked {
    let id = app.id;
    let dyno = || {
        let name = form.get("dyno").unwrap_or_default();
        world.dyno_named(id, name).map(|dyno| (DynoSelection::One(dyno.id), name.to_owned()))
    };
    let gone = || Asked::Not(StatusCode::NOT_FOUND, Refusal::NoSuchDyno);
    match form.get("answer") {
        Some("restart-all") => Asked::Command {
            command: PlatformCommand::RestartDynos { app: id, which: DynoSelection::All },
            only_if: None,
            told: AppTold::RestartedAll,
        },
        Some("restart") => dyno().map_or_else(gone, |(which, name)| Asked::Command {
            command: PlatformCommand::RestartDynos { app: id, which },
            only_if: None,
            told: AppTold::Restarted(name),
        }),
        Some("stop") => dyno().map_or_else(gone, |(which, name)| Asked::Command {
            command: PlatformCommand::StopDynos { app: id, which },
            only_if: None,
            told: AppTold::Stopped(name),
        }),
        Some("scale") => scale(app, form),
        _ => Asked::Unreadable,
    }
}

fn scale(app: &App, form: &Form) -> Asked {
    let (Some(process), Some(shown)) = (form.get("process"), form.get("shown")) else {
        return Asked::Unreadable;
    };
    let quantity = form.get("quantity").and_then(|text| text.trim().parse().ok());
    let Some(quantity) = quantity else {
        return Asked::Not(StatusCode::UNPROCESSABLE_ENTITY, Refusal::QuantityUnreadable);
    };
    let update = FormationUpdate {
        process_type: process.to_owned(),
        quantity: Some(Quantity::To(quantity)),
        size: form.get("size").map(str::to_owned),
    };
    let (id, named, shown) = (app.id, process.to_owned(), shown.to_owned());
    // Somebody else may have scaled it meanwhile.
    let as_shown = OnlyIf::new(move |world| {
        world.app(id).is_some_and(|app| dashboard::formation_shown(app, &named) == shown)
    });
    Asked::Command {
        command: PlatformCommand::Scale { app: id, updates: vec![update] },
        only_if: Some(as_shown),
        told: AppTold::Scaled(process.to_owned()),
    }
}
