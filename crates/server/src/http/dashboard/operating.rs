//! The pages of who runs the installation. For everybody else there are none.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{LoopShown, Machinery, OperatorPart, Problem, Refusal};
use model::{Caller, PlatformCommand};

use super::answer::{page, problem, see_other};
use super::form::Form;
use super::visit::Visit;
use super::why_not::why_not;
use crate::ledger::OnlyIf;
use crate::loops::LoopState;

/// How the installation fares: what the page of it needs beside the world. It reads a directory, and waits
/// for loops.
pub(super) async fn show_health(visit: &Visit) -> Response {
    let of = visit.context();
    let dashboard = &visit.dashboard;
    let lost = match dashboard.lost.clone() {
        Some(lost) => tokio::task::spawn_blocking(move || lost.list()).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let lost: Vec<_> = lost
        .into_iter()
        .map(|entry| api::SetAside { id: entry.id, path: entry.path, since: entry.since })
        .collect();
    let loops = match &dashboard.supervisor {
        Some(supervisor) => supervisor.check().await,
        None => Vec::new(),
    };
    let loops: Vec<_> = loops
        .into_iter()
        .map(|each| LoopShown { name: each.name, state: state(&each.state) })
        .collect();
    let fabric = dashboard.state.fabric();
    let machinery = Machinery { fabric: &fabric, lost: &lost, loops: &loops };
    page(StatusCode::OK, dashboard::operator_health(&of, &machinery))
}

const fn state(state: &LoopState) -> dashboard::LoopState {
    match state {
        LoopState::Turns => dashboard::LoopState::Turns,
        LoopState::Works(since) => dashboard::LoopState::Works(since.as_secs()),
        LoopState::Stuck { since, bound } => {
            dashboard::LoopState::Stuck { since: since.as_secs(), bound: bound.as_secs() }
        }
        LoopState::Ended => dashboard::LoopState::Ended,
    }
}

/// The limits of spaces.
pub(super) fn show_limits(visit: &Visit, query: &Form) -> Response {
    limits(visit, StatusCode::OK, query.get("limited"), None)
}

fn limits(
    visit: &Visit,
    status: StatusCode,
    told: Option<&str>,
    refused: Option<&Refusal>,
) -> Response {
    page(status, dashboard::operator_limits(&visit.context(), told, refused))
}

/// Sets the limit of a space.
pub(super) async fn set_limit(visit: Visit, form: &Form) -> Response {
    let space = form.get("space").and_then(|name| visit.world.space_named(name)).cloned();
    let (Some(space), Some(shown)) = (space, form.get("shown").map(str::to_owned)) else {
        return problem(&visit.context(), &Problem::BadRequest);
    };
    let Some(limit) = form.get("limit").and_then(|number| number.trim().parse().ok()) else {
        let refusal = Some(&Refusal::LimitUnreadable);
        return limits(&visit, StatusCode::UNPROCESSABLE_ENTITY, None, refusal);
    };
    let id = space.id;
    let as_shown = OnlyIf::new(move |world| {
        world.space(id).is_some_and(|space| dashboard::limit_shown(space) == shown)
    });
    let state = Arc::clone(&visit.dashboard.state);
    let command = PlatformCommand::SetPeeringLimit { space: id, limit };
    match state.submit_if(Caller::Operator, command, &visit.origin, Some(as_shown)).await {
        Ok(_) => {
            let path = dashboard::operator_path(OperatorPart::Limits);
            see_other(&format!("{path}?limited={}", space.name))
        }
        Err(error) => {
            let (status, refusal) = why_not(error);
            limits(&visit.renewed(), status, None, Some(&refusal))
        }
    }
}
