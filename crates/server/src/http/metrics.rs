//! `/metrics`: what the server and its edge count, in Prometheus' text form.
//!
//! It tells how much is done here, by everybody together, so no tenant may read it. On the address of the
//! APIs it takes the operator's token, or a token that is for this alone (`serve --metrics-token`). On an
//! address of its own (`serve --metrics`), which is on loopback, programs of this machine need none.

mod figures;
mod page;

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub(crate) use self::figures::Figures;
use self::page::page;
use crate::http::listen::{Handler, Timed};
use crate::http::loopback_only;
use crate::metrics::text::MEDIA_TYPE;

/// The path.
const PATH: &str = "/metrics";

/// The page, for whoever may read it.
async fn answer(figures: &Figures) -> Response {
    match page(figures).await {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the figures cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The route on the address of the APIs. An emulator shows it to anybody on its machine.
pub(crate) fn router(figures: Figures) -> Router {
    Router::new().route(PATH, get(show)).with_state(figures)
}

async fn show(Shared(figures): Shared<Figures>, headers: HeaderMap) -> Response {
    if figures.state.emulator || figures.admits(&headers) {
        return answer(&figures).await;
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
                None => answer(&figures).await,
            }
        }
    }
}
