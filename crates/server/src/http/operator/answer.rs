//! The form of all answers: JSON, or a refusal.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::ledger::LedgerError;

/// How many seconds a client should wait before it repeats a request that was answered 503.
const RETRY_AFTER_SECONDS: &str = "5";

pub(super) type Answer<T> = Result<Reply<T>, Problem>;

/// An answer in JSON, with the members of each object in the order of their names.
pub(super) struct Reply<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        match serde_json::to_value(self.0) {
            Ok(value) => Json(value).into_response(),
            Err(error) => internal(error).into_response(),
        }
    }
}

/// A refusal in the form of the Platform API. Its answer has it among the extensions, too.
#[derive(Clone)]
pub(super) struct Problem(pub(super) StatusCode, pub(super) &'static str, pub(super) String);

impl Problem {
    fn body(&self) -> api::Problem {
        api::Problem { id: self.1.to_owned(), message: self.2.clone() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(self.body())).into_response();
        if self.0 == StatusCode::SERVICE_UNAVAILABLE {
            let name = header::RETRY_AFTER;
            response.headers_mut().insert(name, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(refused) => {
                let kind = refused.code.platform();
                let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::BAD_REQUEST);
                Self(status, kind.id(), refused.message)
            }
            LedgerError::Store
            | LedgerError::NoRoom
            | LedgerError::Unknown
            | LedgerError::NotLeading
            | LedgerError::Busy
            | LedgerError::Stopped => {
                Self(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", error.to_string())
            }
        }
    }
}

pub(super) fn invalid(message: String) -> Problem {
    Problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message)
}

pub(super) fn missing(message: String) -> Problem {
    Problem(StatusCode::NOT_FOUND, "not_found", message)
}

pub(super) fn internal(message: impl std::fmt::Display) -> Problem {
    Problem(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", message.to_string())
}
