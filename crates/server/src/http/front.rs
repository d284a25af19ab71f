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
use hyper::{Request, Response};

use crate::cluster::Stale;
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
        let aws = (path == aws::PATH).then(|| request.headers().clone());
        let wait_for = state.fresh.clone().filter(|_| !needs_no_world(path)).map(|it| (it, aws));
        let to = match refusal.flatten() {
            Some(refusal) => To::Nobody(refusal),
            None if request.uri().path() == aws::PATH => To::Aws(Arc::clone(state), request),
            None => To::Router(Box::pin(self.router.answer(request, client))),
        };
        let trace = state.metrics.traces.get().and_then(|_| Trace::begin());
        let answer = async move {
            if let Some((fresh, aws)) = wait_for
                && let Err(stale) = fresh.wait().await
            {
                return stale_answer(aws, &stale);
            }
            match to {
                To::Nobody(refusal) => refusal,
                To::Aws(state, request) => aws::answer(&state, client.ip(), request).await,
                To::Router(answer) => answer.await,
            }
        };
        let state = trace.as_ref().map(|_| Arc::clone(state));
        async move {
            let (Some(trace), Some(state)) = (trace, state) else { return answer.await };
            let response = Arc::clone(&trace).scope(answer).await;
            if let Some(traces) = state.metrics.traces.get() {
                traces.answered(&trace, response.status());
            }
            response
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
    PATHS.contains(&path) || path.starts_with("/dashboard/static/")
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

/// Who answers a request.
#[expect(clippy::large_enum_variant, reason = "the large one is what most requests are")]
enum To<R> {
    Nobody(Response<Body>),
    Aws(Arc<State>, Request<Timed>),
    Router(R),
}
