//! The error answers of the Platform API (`heroku.md` §1.2).

use std::time::Duration;

use axum::http::StatusCode;
use edge::NoShare;
use model::{Key, Need, Refused, SettingsKey, Team, Token};
use serde_json::{Value, json};

use crate::ledger::LedgerError;

/// The `Retry-After` of a request that was refused because of others.
const SOON: Duration = Duration::from_secs(5);

/// An error answer: a status, and a body with `id` and `message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    id: &'static str,
    message: String,
    resource: Option<&'static str>,
    /// The `Retry-After` header, in seconds.
    pub(super) retry_after: Option<u64>,
    /// Whether the ledger refused it, so that the audit has it.
    pub(super) decided: bool,
    /// For the audit only: an existing resource that was hidden from the client.
    pub(super) kept_from: Option<Key>,
}

impl Failure {
    fn new(status: StatusCode, id: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            id,
            message: message.into(),
            resource: None,
            retry_after: None,
            decided: false,
            kept_from: None,
        }
    }

    /// 400: the request is malformed.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 401: there is no token, or it is not valid.
    pub(super) fn unauthorized() -> Self {
        let message = "Invalid credentials provided.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403: the client may not do this.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 403: the client, or the team that something belongs to, was disabled.
    pub(super) fn suspended(what: &str) -> Self {
        let message = format!(
            "This {what} was suspended. Ask whoever runs this installation to let you in again."
        );
        Self::new(StatusCode::FORBIDDEN, "suspended", message)
    }

    /// 403: the client is unknown, and may not do this.
    pub(super) fn stranger(message: impl Into<String>) -> Self {
        Self { kept_from: Some(Key::Settings(SettingsKey)), ..Self::forbidden(message) }
    }

    /// 403: the token is for something else. The first sentence is Heroku's.
    pub(super) fn scope(token: &Token, need: Need) -> Self {
        let message =
            "The scope of this OAuth authorization does not allow access to this resource.";
        let accepted: Vec<String> =
            need.accepted().iter().map(|scope| format!("`{scope}`")).collect();
        let accepted = accepted.join(", ");
        let why = match token.bound {
            Some(_) if token.scopes.allow(need) => {
                "It is bound to a space or an app, and this is about the user or a team.".to_owned()
            }
            _ => format!("It has `{}`; any of these would do: {accepted}.", token.scopes),
        };
        Self::stranger(format!("{message} {why}"))
    }

    /// 403: a team of the user's demands what the user does not have.
    pub(super) fn wants_second_factor(team: &Team) -> Self {
        Self::stranger(format!(
            "The team {} demands a second factor of its members, and you have none. Enable it with \
             `causeway 2fa:enable`.",
            team.name
        ))
    }

    /// 403: the password alone is not enough. Clients that know the id ask for a code and send it.
    pub(super) fn two_factor(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "two_factor", message)
    }

    /// 404: the resource does not exist or is hidden from the client, who cannot tell which.
    pub(super) fn not_found(resource: &'static str, what: &str) -> Self {
        let message = format!("Couldn't find that {what}.");
        Self { resource: Some(resource), ..Self::new(StatusCode::NOT_FOUND, "not_found", message) }
    }

    /// 404: there is nothing of the kind, or no such feature; the message says what to do instead.
    pub(super) fn absent(resource: &'static str, message: impl Into<String>) -> Self {
        Self { resource: Some(resource), ..Self::new(StatusCode::NOT_FOUND, "not_found", message) }
    }

    /// Adds the name that was asked for, and the command that lists what exists. The command has no
    /// program name, because `heroku` and `causeway` both have it.
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

    /// Adds the existing resource that is hidden from the client.
    pub(super) fn keeping(self, found: Option<Key>) -> Self {
        Self { kept_from: found, ..self }
    }

    /// The audit's name for a refusal of the client itself; `None` if the ledger has recorded it.
    pub(super) fn of_stranger(&self) -> Option<&'static str> {
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
        (self.kept_from.is_some() || refused.contains(&self.status)).then_some(self.id)
    }

    /// 405: the path has no such method.
    pub(super) fn no_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This endpoint does not take that method. The `Allow` header names those it takes.",
        )
    }

    /// 406: the requested version does not exist.
    pub(super) fn not_acceptable() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            "The `Accept` header must specify version 3, i.e. \
             `application/vnd.heroku+json; version=3`.",
        )
    }

    /// 409: the resource is in another state.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 408: the body arrived too slowly.
    pub(super) fn late() -> Self {
        Self::slow("The request's body came too slowly.")
    }

    /// 408: something that the client sends arrived too slowly.
    pub(super) fn slow(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    /// 412: `If-Match` names another version of the resource.
    pub(super) fn changed() -> Self {
        let message =
            "The resource has changed since the version that `If-Match` names. Read it again.";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message)
    }

    /// 413: the body is too large.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The request's body is larger than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    /// 416: the `Range` header cannot be satisfied.
    pub(super) fn bad_range(message: impl Into<String>) -> Self {
        let id = "requested_range_not_satisfiable";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, id, message)
    }

    /// 422: a parameter is not valid.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message)
    }

    /// 429: there were too many requests or wrong passwords. `wait` is the time until the next one
    /// is accepted.
    pub(super) fn too_many(message: impl Into<String>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let retry_after = Some(seconds.max(1));
        Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message) }
    }

    /// 500: the result of a command cannot be found, which is a defect of the server.
    pub(super) fn internal() -> Self {
        let message = "The request was carried out, but its result cannot be shown. Look it up.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", message)
    }

    /// 503: what is kept beside the world cannot be read.
    pub(super) fn unread(error: &impl std::fmt::Display) -> Self {
        tracing::warn!(%error, "what is kept beside the world cannot be read");
        Self::unavailable(
            "What is kept of this cannot be read now. Ask whoever runs this installation to look at \
             its log.",
        )
    }

    /// 503: the disk is full.
    pub(super) fn full() -> Self {
        Self::unavailable(
            "What was sent could not be written here. Ask whoever runs this installation to look \
             at its log.",
        )
    }

    /// 503: the request may succeed later.
    pub(super) fn unavailable(message: &str) -> Self {
        let retry_after = Some(SOON.as_secs());
        Self {
            retry_after,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message)
        }
    }

    /// 429 or 503: a limit on concurrent use is reached, by this client or by all together. `held`
    /// says what is used.
    pub(super) fn no_share(why: NoShare, held: &str) -> Self {
        match why {
            NoShare::OverShare => Self::too_many(
                format!(
                    "You or your team already use as many {held} as are allowed at a time. End one, or \
                     try again in a moment."
                ),
                SOON,
            ),
            NoShare::Full => {
                Self::unavailable(&format!("Too many {held} are in use. Try again in a moment."))
            }
        }
    }

    /// The name of what is wrong.
    pub(super) fn id(&self) -> &'static str {
        self.id
    }

    /// The message for people.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The body of the answer.
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
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(refused) => Self { decided: true, ..refused.into() },
            LedgerError::Busy => Self::too_many(error.to_string(), Duration::from_secs(1)),
            LedgerError::Store
            | LedgerError::NoRoom
            | LedgerError::Unknown
            | LedgerError::NotLeading
            | LedgerError::Stopped => Self::unavailable(&error.to_string()),
        }
    }
}
