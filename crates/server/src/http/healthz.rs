//! `/healthz`: whether the server does its work, for load balancers and service managers. Anybody may
//! ask, and learns nothing but the names of the server's loops.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::routing::get;

use crate::http::state::State;
use crate::loops::Supervisor;

/// The route. Where several servers share the installation, it says what this one is among them, too.
pub fn router(supervisor: Supervisor, state: Arc<State>) -> Router {
    Router::new().route("/healthz", get(healthz)).with_state((supervisor, state))
}

/// Asks every loop to come round: 200 with a line for each, or 503 where one has ended or is stuck, or
/// the server is not ready yet.
async fn healthz(
    Extract((supervisor, state)): Extract<(Supervisor, Arc<State>)>,
) -> (StatusCode, String) {
    let loops = supervisor.check().await;
    let initializing = state.initializing.load(Ordering::Acquire);
    let well = loops.iter().all(|health| health.is_well()) && !initializing;
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text: String = loops.iter().map(|health| format!("{health}\n")).collect();
    if initializing {
        text.push_str("init: under way\n");
    }
    if let Some(members) = &state.members {
        let role = if members.epoch().is_some() { "leader" } else { "follower" };
        let behind = members.behind(state.ledger.revision());
        text.push_str(&format!("role: {role}, {behind} revisions behind\n"));
    }
    (status, text)
}
