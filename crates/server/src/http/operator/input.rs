//! What a request says, read so that what cannot be read is refused in the form of all refusals.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::answer::Problem;

/// A body: a JSON object.
pub(super) struct Fields<T>(pub(super) T);

/// The one variable part of a path.
pub(super) struct Segment(pub(super) String);

/// A query string.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_kind(&parts.headers)?;
        let request = Request::from_parts(parts, body);
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|error| unreadable(error.status(), error.body_text()))?;
        Self::read(&body)
    }
}

impl<T: DeserializeOwned> Fields<T> {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        // A structure is read from a list too, which nobody means.
        if body.trim_ascii_start().first() != Some(&b'{') {
            let message = "The request's body must be a JSON object.";
            return Err(unreadable(StatusCode::BAD_REQUEST, message.to_owned()));
        }
        match Json::from_bytes(body) {
            Ok(Json(fields)) => Ok(Self(fields)),
            Err(error) => Err(unreadable(error.status(), error.body_text())),
        }
    }
}

/// A body with the head of its request: for endpoints where the body must first be seen to be signed.
pub(super) struct Whole {
    /// The head.
    pub(super) parts: Parts,
    /// The body, whatever it is.
    pub(super) body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts.clone(), body);
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|error| unreadable(error.status(), error.body_text()))?;
        Ok(Self { parts, body })
    }
}

impl Whole {
    /// The body as a JSON object.
    pub(super) fn fields<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        check_kind(&self.parts.headers)?;
        Fields::read(&self.body).map(|Fields(fields)| fields)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(error) => Err(unreadable(error.status(), error.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(unreadable(error.status(), error.body_text())),
        }
    }
}

fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if is_json {
        return Ok(());
    }
    let message = "The request's body must be sent as application/json.";
    Err(unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE, message.to_owned()))
}

fn unreadable(status: StatusCode, message: String) -> Problem {
    let id = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid_params",
        status if status.is_server_error() => "internal_server_error",
        _ => "bad_request",
    };
    Problem(status, id, message)
}
