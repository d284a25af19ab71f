//! What every request meets first.
//!
//! Nearly all requests of EC2's clients have the same path. They are told apart here, because a router
//! copies its layers for each request, which takes longer than the rest of a small answer.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::FutureExt;
use futures_util::future::ready;
use hyper::{Request, Response};

use crate::cluster::{Fresh, Stale};
use crate::http::listen::{Handler, Timed};
use crate::http::state::State;
use crate::http::{aws, loopback_only};
use crate::metrics::traces::Trace;

/// All that is served on the address of the server.
#[derive(Clone)]
pub(crate) struct Front {
    state: Arc<State>,
    /// The names by which an emulator is reached besides this machine's own.
    allowed: Arc<[String]>,
    router: Router,
}

impl Front {
    /// The AWS endpoint, and a router for all other paths.
    pub(crate) fn new(state: Arc<State>, allowed: Vec<String>, router: Router) -> Self {
        let router = router.layer(axum::middleware::from_fn(aws::other_services));
        Self { state, allowed: allowed.into(), router }
    }
}

impl Handler for Front {
    fn answer(
        &self,
        request: Request<Timed>,
        client: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        let state = &self.state;
        let refused = || loopback_only::refusal(&self.allowed, request.headers(), request.uri());
        let refusal = state.emulator.then(refused);
        let path = request.uri().path();
        let fresh = state.fresh.as_ref().filter(|_| !needs_no_world(path)).map(|fresh| {
            let aws = (path == aws::PATH).then(|| request.headers().clone());
            (fresh.clone(), aws)
        });
        let answer = match refusal.flatten() {
            Some(refusal) => ready(refusal).left_future(),
            None if request.uri().path() == aws::PATH => {
                let answer = aws::answer(Arc::clone(state), client.ip(), request);
                answer.left_future().right_future()
            }
            None => {
                let answer = Box::pin(self.router.answer(request, client));
                answer.right_future().right_future()
            }
        };
        let answer = match fresh {
            Some((fresh, aws)) => Box::pin(once_fresh(fresh, aws, answer)).left_future(),
            None => answer.right_future(),
        };
        match state.metrics.traces.get().and_then(|_| Trace::begin()) {
            Some(trace) => Box::pin(traced(Arc::clone(state), trace, answer)).left_future(),
            None => answer.right_future(),
        }
    }
}

/// Whether a path is answered from what this server knows, also while the database is out of reach: it
/// says how the server fares, or is the same at all times.
fn needs_no_world(path: &str) -> bool {
    const PATHS: [&str; 6] = [
        "/healthz",
        "/metrics",
        "/_causeway/status",
        "/_causeway/servers",
        "/_causeway/about",
        "/_causeway/ca.pem",
    ];
    PATHS.contains(&path) || path.starts_with("/dashboard/assets/")
}

/// The answer to a request where nobody can say whether what is known here is out of date.
fn stale_answer(aws: Option<HeaderMap>, stale: &Stale) -> Response<Body> {
    if let Some(headers) = aws {
        return aws::unavailable(&headers, stale.to_string());
    }
    let body = serde_json::json!({ "id": "service_unavailable", "message": stale.to_string() });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, body.to_string()).into_response()
}

/// Answers a request once the world here has all that was acknowledged before it came.
async fn once_fresh(
    fresh: Fresh,
    aws: Option<HeaderMap>,
    answer: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    match fresh.wait().await {
        Ok(()) => answer.await,
        Err(stale) => stale_answer(aws, &stale),
    }
}

async fn traced(
    state: Arc<State>,
    trace: Arc<Trace>,
    answer: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    let response = Arc::clone(&trace).scope(answer).await;
    if let Some(traces) = state.metrics.traces.get() {
        traces.answered(&trace, response.status());
    }
    response
}
