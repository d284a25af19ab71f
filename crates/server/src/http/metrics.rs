//! `/metrics`: what the server and its edge count, in Prometheus' text form.
//!
//! It tells how much is done here, by everybody together, so no tenant may read it. On the address of the
//! APIs it takes the operator's token, or a token that is for this alone (`serve --metrics-token`). On an
//! address of its own (`serve --metrics`), which is on loopback, programs of this machine need none.

mod page;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::Caller;
use subtle::ConstantTimeEq;

use self::page::page;
use crate::http::listen::{Handler, Timed};
use crate::http::loopback_only;
use crate::http::state::State;
use crate::loops::Supervisor;
use crate::metrics::text::MEDIA_TYPE;

/// The path.
const PATH: &str = "/metrics";

/// What `/metrics` shows, and to whom.
#[derive(Clone)]
pub(crate) struct Figures {
    pub(crate) state: Arc<State>,
    pub(crate) supervisor: Supervisor,
    /// The edge's directory; `None` where there is no edge.
    pub(crate) edge: Option<PathBuf>,
    /// The token that is for this alone, if there is one.
    pub(crate) token: Option<Arc<str>>,
}

impl Figures {
    /// The page, for whoever may read it.
    async fn answer(&self) -> Response {
        match page(self).await {
            Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "the figures cannot be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// Whether a request has a token with which one may read this.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(given) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
            return false;
        };
        let given = given.trim();
        let same = |token: &Arc<str>| bool::from(token.as_bytes().ct_eq(given.as_bytes()));
        self.token.as_ref().is_some_and(same)
            || self
                .state
                .authenticate(given, self.state.clock.now())
                .is_some_and(|bearer| bearer.caller == Caller::Operator)
    }
}

/// The route on the address of the APIs. An emulator shows it to anybody on its machine.
pub(crate) fn router(figures: Figures) -> Router {
    Router::new().route(PATH, get(show)).with_state(figures)
}

async fn show(Shared(figures): Shared<Figures>, headers: HeaderMap) -> Response {
    if figures.state.emulator || figures.admits(&headers) {
        return figures.answer().await;
    }
    let body = "This is for who runs the installation: send the operator's token or that of \
                --metrics-token as `Authorization: Bearer …`.\n";
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response()
}

/// What answers on an address of its own.
#[derive(Clone)]
pub(crate) struct OwnAddress {
    pub(crate) figures: Figures,
    /// The address.
    pub(crate) on: IpAddr,
}

impl Handler for OwnAddress {
    fn answer(
        &self,
        request: Request<Timed>,
        _: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        let figures = self.figures.clone();
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let reads = *method == Method::GET || *method == Method::HEAD;
        // A page that a browser shows could have its own name lead here.
        let refusal = if self.on.to_canonical().is_loopback() {
            loopback_only::refusal(&[], headers, uri)
        } else {
            (!figures.admits(headers)).then(|| StatusCode::UNAUTHORIZED.into_response())
        };
        let refusal = refusal.or_else(|| match (uri.path(), reads) {
            (PATH, true) => None,
            (PATH, false) => Some(StatusCode::METHOD_NOT_ALLOWED.into_response()),
            _ => Some((StatusCode::NOT_FOUND, "There is /metrics here.\n").into_response()),
        });
        async move {
            match refusal {
                Some(refusal) => refusal,
                None => figures.answer().await,
            }
        }
    }
}
