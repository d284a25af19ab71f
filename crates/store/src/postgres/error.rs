//! What PostgreSQL says, in our words.

use std::error::Error as _;
use std::path::Path;

use tokio_postgres::error::{DbError, Severity};

use crate::{BoxError, Error};

/// The code with which a commit is refused that was decided in another epoch.
const FENCED: &str = "CW001";

/// The code with which a commit is refused that was decided on another revision.
const CONFLICT: &str = "CW002";

/// The code of a lock that was waited for in vain.
const NO_LOCK: &str = "55P03";

const STANDBY: &str = "it is a standby, which takes no changes";

/// The codes of a prepared statement that another session has, or that this one has not: what a pooler makes
/// of sessions.
const POOLED: [&str; 2] = ["26000", "42P05"];

/// Why something cannot be done over a connection.
#[derive(Debug)]
pub(super) enum Fail {
    /// The server said so, or the connection broke.
    Said(tokio_postgres::Error),
    /// The server is none that can be used.
    Unfit(String),
    /// The server is a standby.
    Standby,
    /// No answer came in time.
    Silent,
    /// An error that is ours already.
    Ours(Error),
}

impl From<tokio_postgres::Error> for Fail {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Said(error)
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Fail {
    pub(super) fn unfit(why: &str) -> Self {
        Self::Unfit(why.to_owned())
    }

    /// The refusal of a statement that certainly changed nothing.
    fn refusal(&self) -> Option<&DbError> {
        let Self::Said(error) = self else { return None };
        told(error).filter(|told| told.parsed_severity() == Some(Severity::Error))
    }

    /// Whether the connection is of no use any more, so that another one may be.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Said(_) | Self::Silent) && self.refusal().is_none()
    }

    /// Whether a lock was waited for in vain.
    pub(super) fn is_no_lock(&self) -> bool {
        self.refusal().is_some_and(|told| told.code().code() == NO_LOCK)
    }

    /// Whether the server has mixed up sessions.
    pub(super) fn is_pooled(&self) -> bool {
        self.refusal().is_some_and(|told| POOLED.contains(&told.code().code()))
    }

    /// The revision of the database, where that is why a commit was refused.
    pub(super) fn conflict(&self) -> Option<u64> {
        self.number(CONFLICT)
    }

    /// The epoch of the database, where that is why a commit was refused.
    pub(super) fn fenced(&self) -> Option<u64> {
        self.number(FENCED)
    }

    fn number(&self, code: &str) -> Option<u64> {
        let told = self.refusal().filter(|told| told.code().code() == code)?;
        told.message().parse().ok()
    }

    /// What it is to those who use a store.
    pub(super) fn at(self, doing: &'static str, place: &Path) -> Error {
        let path = place.to_owned();
        if self.is_pooled() {
            return Error::Pooled { path };
        }
        match self {
            Self::Ours(error) => error,
            Self::Silent => {
                let source = "the server does not answer".into();
                Error::Database { doing, path, source }
            }
            Self::Unfit(why) => Error::Database { doing, path, source: why.into() },
            Self::Standby => Error::Database { doing, path, source: STANDBY.into() },
            Self::Said(error) => {
                let refused = told(&error)
                    .is_some_and(|told| told.parsed_severity() == Some(Severity::Error));
                let source: BoxError = error.into();
                if refused {
                    Error::Refused { doing, path, source }
                } else {
                    Error::Database { doing, path, source }
                }
            }
        }
    }

    /// What is wrong, in one line.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Ours(error) => error.to_string(),
            Self::Silent => "it does not answer".to_owned(),
            Self::Unfit(why) => why.clone(),
            Self::Standby => STANDBY.to_owned(),
            Self::Said(error) => match told(error) {
                Some(told) => told.message().to_owned(),
                None => {
                    let mut text = error.to_string();
                    let mut cause = error.source();
                    while let Some(error) = cause {
                        text = format!("{text}: {error}");
                        cause = error.source();
                    }
                    text
                }
            },
        }
    }
}

/// What the server itself said, if it did.
pub(super) fn told(error: &tokio_postgres::Error) -> Option<&DbError> {
    error.as_db_error()
}
