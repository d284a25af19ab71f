//! The form of all answers.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dashboard::{Asset, Context, Problem};

/// What a page may load, and who may show it: files of its own, and nobody.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     connect-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers of every answer. The referrer is kept within the dashboard, and not left out: forms of a page
/// without any would have no origin.
const ALWAYS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Adds the headers of every answer.
pub(super) fn complete(headers: &mut HeaderMap, request_id: &str) {
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("request-id", id);
    }
}

/// A page, or a page that says that it cannot be made.
pub(super) fn page(status: StatusCode, html: Result<String, impl std::fmt::Display>) -> Response {
    match html {
        Ok(html) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::VARY, "Cookie, Accept-Language"),
            ];
            (status, headers, dashboard::without_turns(html)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page of the dashboard cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page that says why there is no other.
pub(super) fn problem(of: &Context<'_>, why: &Problem) -> Response {
    let status = match why {
        Problem::NotFound => StatusCode::NOT_FOUND,
        Problem::BadRequest => StatusCode::BAD_REQUEST,
        Problem::CrossSite => StatusCode::FORBIDDEN,
        Problem::TooFast => StatusCode::TOO_MANY_REQUESTS,
        Problem::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    page(status, dashboard::problem(of, why))
}

/// Leads to another page, which is asked for by `GET`. The path must be one of the dashboard's.
pub(super) fn see_other(path: &str) -> Response {
    let path = HeaderValue::from_str(path)
        .unwrap_or_else(|_| HeaderValue::from_static(dashboard::HOME_PATH));
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// A file of the pages, which browsers may keep for ever.
pub(super) fn asset(asset: &'static Asset) -> Response {
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, Body::from(asset.bytes)).into_response()
}

/// Adds a cookie.
pub(super) fn with_cookie(mut answer: Response, cookie: HeaderValue) -> Response {
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    answer
}
