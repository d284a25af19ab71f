//! What a request says, read so that what cannot be read is refused in the form of all refusals.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::Problem;

/// A body: a JSON object.
pub(super) struct Fields<T>(pub(super) T);

/// The one variable part of a path.
pub(super) struct Segment(pub(super) String);

/// A query string.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(&request) {
            let message = "The request's body must be sent as application/json.";
            return Err(unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE, message.to_owned()));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|error| unreadable(error.status(), error.body_text()))?;
        // A structure is read from a list too, which nobody means.
        if body.trim_ascii_start().first() != Some(&b'{') {
            let message = "The request's body must be a JSON object.";
            return Err(unreadable(StatusCode::BAD_REQUEST, message.to_owned()));
        }
        match Json::from_bytes(&body) {
            Ok(Json(fields)) => Ok(Self(fields)),
            Err(error) => Err(unreadable(error.status(), error.body_text())),
        }
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

fn is_json(request: &Request) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
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
