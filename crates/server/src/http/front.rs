//! What every request meets first.
//!
//! Nearly all requests of EC2's clients have the same path. They are told apart here, because a router
//! copies its layers for each request, which takes longer than the rest of a small answer.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::ready;
use hyper::{Request, Response};

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
        match state.metrics.traces.get().and_then(|_| Trace::begin()) {
            Some(trace) => Box::pin(traced(Arc::clone(state), trace, answer)).left_future(),
            None => answer.right_future(),
        }
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
