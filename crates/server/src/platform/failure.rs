//! What the Platform API answers when it does not do what it was asked for (`heroku.md` §1.2).

use std::time::Duration;

use axum::http::StatusCode;
use model::Refused;
use serde_json::{Value, json};

use crate::ledger::LedgerError;

/// An error as clients see it: a status, and a body with `id` and `message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    id: &'static str,
    message: String,
    resource: Option<&'static str>,
    /// Seconds after which the same request may be answered otherwise.
    pub(super) retry_after: Option<u64>,
}

impl Failure {
    fn new(status: StatusCode, id: &'static str, message: impl Into<String>) -> Self {
        Self { status, id, message: message.into(), resource: None, retry_after: None }
    }

    /// 400: the body is no JSON object.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 401: no token, or one that nobody has.
    pub(super) fn unauthorized() -> Self {
        let message = "Invalid credentials provided.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: not there, or not to be seen; which of the two is not told.
    pub(super) fn not_found(resource: &'static str, what: &str) -> Self {
        let message = format!("Couldn't find that {what}.");
        Self { resource: Some(resource), ..Self::new(StatusCode::NOT_FOUND, "not_found", message) }
    }

    /// 404: this installation has nothing of the kind, and says what it has instead.
    pub(super) fn absent(resource: &'static str, message: impl Into<String>) -> Self {
        Self { resource: Some(resource), ..Self::new(StatusCode::NOT_FOUND, "not_found", message) }
    }

    /// The same with the name that was asked for, and with the command that lists what there is:
    /// without a program's name, as several have it.
    pub(super) fn naming(self, identity: &str, list: &str) -> Self {
        let identity: String = identity.chars().take(64).collect();
        let message = format!(
            "{} There is no `{identity}` that you can see; the command `{list}` lists what there is.",
            self.message
        );
        Self { message, ..self }
    }

    /// 404: no such path.
    pub(super) fn no_endpoint() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "The requested API endpoint was not found. Are you using the right HTTP verb (i.e. \
             `GET` vs. `POST`), and did you specify your intended version with the `Accept` \
             header?",
        )
    }

    /// 405: the path has other methods.
    pub(super) fn no_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This endpoint does not take that method. The `Allow` header names those it takes.",
        )
    }

    /// 406: a version that is not spoken here.
    pub(super) fn not_acceptable() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            "The `Accept` header must specify version 3, i.e. \
             `application/vnd.heroku+json; version=3`.",
        )
    }

    /// 409.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 408: the body came too slowly.
    pub(super) fn late() -> Self {
        let message = "The request's body came too slowly.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    /// 412: `If-Match` names another version than there is.
    pub(super) fn changed() -> Self {
        let message = "It is not any more what `If-Match` says that it is. Read it again.";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message)
    }

    /// 413.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The request's body is larger than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    /// 416.
    pub(super) fn bad_range(message: impl Into<String>) -> Self {
        let id = "requested_range_not_satisfiable";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, id, message)
    }

    /// 422.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message)
    }

    /// 429: too many requests, or too many wrong passwords; after some time it is another matter.
    pub(super) fn too_many(message: impl Into<String>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let retry_after = Some(seconds.max(1));
        Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message) }
    }

    /// 500: what a command did is not to be found. A fault of ours, whose story is in the log.
    pub(super) fn internal() -> Self {
        let message = "The request was carried out, but its result cannot be shown. Look it up.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", message)
    }

    /// 503: what was sent cannot be kept here. The story is in the log.
    pub(super) fn full() -> Self {
        Self::unavailable(
            "What was sent could not be written here. Ask whoever runs this installation to look \
             at its log.",
        )
    }

    /// 503.
    pub(super) fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message)
    }

    /// The answer's body.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "id": self.id, "message": self.message });
        if let Some(resource) = self.resource {
            body["resource"] = resource.into();
        }
        body
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let kind = refused.code.platform();
        let status = StatusCode::from_u16(kind.status()).expect("the table has real statuses");
        Self::new(status, kind.id(), refused.message)
    }
}

impl From<LedgerError> for Failure {
    /// What the store has to say is for the operator: it is in the log.
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(refused) => refused.into(),
            LedgerError::Store(_) => Self::unavailable(
                "The change could not be stored, and is not in effect. Try again; if that does \
                 not help, ask whoever runs this installation to look at its log.",
            ),
            LedgerError::Stopped => {
                Self::unavailable("The server is stopping. Try again in a moment.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_inside_stays_inside() {
        let store = LedgerError::Store("/var/lib/causeway/causeway.db: disk full".to_owned());
        for error in [store, LedgerError::Stopped] {
            let failure = Failure::from(error);
            assert_eq!(failure.status, StatusCode::SERVICE_UNAVAILABLE);
            let body = failure.body();
            assert_eq!(body["id"], "service_unavailable");
            assert!(!body.to_string().contains("causeway.db"), "{body}");
        }
    }
}
