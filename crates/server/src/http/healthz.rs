//! `/healthz`: whether the server does its work, for load balancers and service managers. Anybody may
//! ask, and learns nothing but the names of the server's loops.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::loops::Supervisor;

/// The route.
pub fn router(supervisor: Supervisor) -> Router {
    Router::new().route("/healthz", get(healthz)).with_state(supervisor)
}

/// Asks every loop to come round: 200 with a line for each, or 503 where one has ended or is stuck.
async fn healthz(State(supervisor): State<Supervisor>) -> (StatusCode, String) {
    let loops = supervisor.check().await;
    let well = loops.iter().all(|health| health.is_well());
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, loops.iter().map(|health| format!("{health}\n")).collect())
}
