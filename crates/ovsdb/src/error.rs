//! What can go wrong with a server, and with a transaction.

use std::io;

/// Why a connection could not be used, or any longer.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The network or the server's end of the connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server ended the connection.
    #[error("the server ended the connection")]
    Ended,
    /// Nothing came from the server, though it was asked whether it is there.
    #[error("the server is silent")]
    Silent,
    /// The server sent what is not OVSDB, or what does not fit to what it sent before.
    #[error("the server sent {0}")]
    Malformed(String),
    /// The server sent a message that is larger than any may be.
    #[error("the server sent a message of more than {0} bytes")]
    TooLarge(usize),
    /// The server has no database of this name.
    #[error("the server has no database {0}")]
    NoDatabase(String),
    /// The database lacks what is to be watched: it is of another version.
    #[error("the database lacks {0}")]
    Lacks(String),
    /// The server is cut off from the other ones of its cluster.
    #[error("the server is cut off from its cluster")]
    CutOff,
    /// The server does not lead its cluster.
    #[error("the server does not lead its cluster")]
    Follower,
    /// The server knows less than one that was connected to before.
    #[error("the server's log ends at {index}, that of an earlier one at {seen}")]
    Stale {
        /// Where its log ends.
        index: i64,
        /// Where that of an earlier server ended.
        seen: i64,
    },
    /// The database is about to have another schema.
    #[error("the database changes its schema")]
    Converted,
    /// The server refused a request of the client's own.
    #[error("the server refused {request}: {answer}")]
    Refused {
        /// The method.
        request: &'static str,
        /// The server's words.
        answer: String,
    },
    /// No answer to a transaction came in time. Whether it took effect is seen after a new connection.
    #[error("the server did not answer a transaction in time")]
    Late,
}

/// Why a transaction was not done, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactError {
    /// No server was there in time, or it was busy with an earlier one. Nothing was sent.
    #[error("not sent in time: {0}")]
    NotSent(
        /// What stood in the way.
        String,
    ),
    /// The server refused it. Nothing was changed.
    #[error("{}: {error}: {details}", at(*operation))]
    Refused {
        /// Which of its operations, from 0; `None` where they were right one by one, but not together.
        operation: Option<usize>,
        /// The kind of the error: `timed out` where it is a [`crate::Transaction::require_any`] or
        /// another of its conditions that does not hold.
        error: String,
        /// The server's words.
        details: String,
    },
    /// The connection was lost after it was sent, and before the answer. It took effect as a whole or not
    /// at all: the [`crate::Database`] of the next connection shows which. It must not be sent again blindly.
    #[error("whether it took effect is unknown: {0}")]
    Unknown(
        /// What became of the connection.
        String,
    ),
}

impl TransactError {
    /// Whether it certainly changed nothing because a condition of its own did not hold.
    pub fn is_failed_condition(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error == "timed out")
    }
}

fn at(operation: Option<usize>) -> String {
    operation.map_or_else(|| "commit".to_owned(), |index| format!("operation {index}"))
}
