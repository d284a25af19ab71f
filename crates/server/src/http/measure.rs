//! Counts the requests of a router's routes, where few requests come.
//!
//! What many requests go to has its [`Endpoint`] at hand and does not need this.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State as Shared};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use crate::metrics::Metrics;

/// The action of requests that no action or route is for.
pub(crate) const OTHER: &str = "other";

/// A router whose requests are counted as an API's, by method and route.
pub(crate) fn measured(router: Router, api: &'static str, metrics: &Arc<Metrics>) -> Router {
    router.layer(from_fn_with_state((api, Arc::clone(metrics)), measure))
}

async fn measure(
    Shared((api, metrics)): Shared<(&'static str, Arc<Metrics>)>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = name(request.method());
    let response = next.run(request).await;
    let known = route.filter(|_| response.status() != StatusCode::METHOD_NOT_ALLOWED);
    let action = match (method, &known) {
        (Some(method), Some(route)) => &format!("{method} {}", route.as_str()),
        _ => OTHER,
    };
    metrics.endpoints.of(api, action).answered(began, response.status());
    response
}

/// A method's name; none for one that a client made up. `HEAD` is answered by what answers `GET`.
fn name(method: &Method) -> Option<&'static str> {
    match *method {
        Method::GET | Method::HEAD => Some("GET"),
        Method::POST => Some("POST"),
        Method::PUT => Some("PUT"),
        Method::PATCH => Some("PATCH"),
        Method::DELETE => Some("DELETE"),
        _ => None,
    }
}
