//! `/healthz`: whether the server does its work, for load balancers and service managers. Anybody may
//! ask, and learns nothing but the names of the server's loops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::loops::Supervisor;

/// The route. `initializing` says that whoever started the server has not yet done what comes before
/// it is ready.
pub fn router(supervisor: Supervisor, initializing: Arc<AtomicBool>) -> Router {
    Router::new().route("/healthz", get(healthz)).with_state((supervisor, initializing))
}

/// Asks every loop to come round: 200 with a line for each, or 503 where one has ended or is stuck, or
/// the server is not ready yet.
async fn healthz(
    State((supervisor, initializing)): State<(Supervisor, Arc<AtomicBool>)>,
) -> (StatusCode, String) {
    let loops = supervisor.check().await;
    let initializing = initializing.load(Ordering::Acquire);
    let well = loops.iter().all(|health| health.is_well()) && !initializing;
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text: String = loops.iter().map(|health| format!("{health}\n")).collect();
    if initializing {
        text.push_str("init: under way\n");
    }
    (status, text)
}
