//! The only persistence: load everything once, commit batches, tail what others committed.
//!
//! Knows no rule of the domain: what it keeps are [`Row`]s, documents in JSON with a kind, an id,
//! an owner and the revision that last changed them. The ledger holds the state in memory and
//! calls [`Store::commit`] before it answers. A commit names the revision that it was decided on,
//! and changes nothing if the database has moved on since, so that several writers are safe.
//!
//! [`DataDir`] is the directory on this host: the lock, the key and [`Sqlite`]'s file.

mod data_dir;
mod durable;
mod error;
mod secret;
mod sqlite;

#[cfg(test)]
mod conformance;

use std::path::Path;

pub use data_dir::{DataDir, Restoring};
pub use durable::NewFile;
pub use error::{BoxError, Error, Result};
pub use secret::Secret;
pub use sqlite::{Limits, Snapshot, Sqlite};

/// One handle on a database. A handle belongs to one thread at a time; [`Store::handle`] makes
/// more, so that a backup or an audit query does not wait for the writer, nor the writer for it.
pub trait Store: Send {
    /// Hands every row to `each`, ordered by kind and id, all as of one revision, and returns that
    /// revision. Stops at the first error of `each` ([`Error::Rejected`]).
    fn load(&mut self, each: &mut dyn FnMut(Row) -> Result<(), BoxError>) -> Result<u64>;

    /// Makes the whole batch durable, or changes nothing.
    ///
    /// [`Error::Conflict`] and [`Error::Batch`] certainly changed nothing. After any other error
    /// the disk itself is in doubt and a crash may yet bring the batch back: do not go on from
    /// the state in memory, load again.
    fn commit(&mut self, batch: &Batch) -> Result<()>;

    /// What changed after the revision `since`. [`Error::Forgotten`] if deletions of that time are
    /// no longer known, [`Error::Conflict`] if the database is older than `since`: load again.
    fn tail(&self, since: u64) -> Result<Tail>;

    /// The audit rows that match, newest first.
    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>>;

    /// A value kept beside the rows, outside revisions.
    fn meta(&self, key: &str) -> Result<Option<String>>;

    /// Sets such a value, durably. The last writer wins.
    fn set_meta(&mut self, key: &str, value: &str) -> Result<()>;

    /// Writes the state as of now to a new file that [`Snapshot`] opens. The file holds
    /// the secret key too, without which sealed values are lost, and is readable by its owner
    /// only. This handle is busy meanwhile; others go on writing.
    fn backup(&self, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<()>;

    /// Another handle on the same database, for another thread.
    fn handle(&self) -> Result<Box<dyn Store>>;
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is, such as `vpc`; with `id`, the key.
    pub kind: String,
    /// Which one.
    pub id: String,
    /// Who owns it; empty if nobody does.
    pub account: String,
    /// The revision that last changed it.
    pub revision: u64,
    /// The document, JSON.
    pub body: String,
}

/// What one transaction writes: the outcome of one command, or of several that arrived together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The revision that the batch was decided on. The commit is refused if it is not the
    /// database's.
    pub expected_revision: u64,
    /// The database's revision afterwards: greater if any row is put or deleted.
    pub revision: u64,
    /// Rows to insert or replace, each with a revision after `expected_revision` and up to
    /// `revision`.
    pub puts: Vec<Row>,
    /// Kind and id of rows to delete; what is absent already is passed over. A key is put or
    /// deleted in one batch, not both.
    pub deletes: Vec<(String, String)>,
    /// What to note in the audit, oldest first. A batch may hold nothing else.
    pub audit: Vec<AuditRow>,
}

/// The changes after a revision. Every key appears once, in its last state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The database's revision now: what to pass next time.
    pub revision: u64,
    /// Ordered by revision; deletions come before rows of the same revision.
    pub changes: Vec<Change>,
}

/// One entry of a [`Tail`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The row was inserted or replaced.
    Put(Row),
    /// The row was deleted.
    Delete {
        /// The row's kind.
        kind: String,
        /// The row's id.
        id: String,
        /// The revision of the batch that deleted it.
        revision: u64,
    },
}

impl Change {
    /// The revision that made the change.
    pub fn revision(&self) -> u64 {
        match self {
            Self::Put(row) => row.revision,
            Self::Delete { revision, .. } => *revision,
        }
    }
}

/// One command, accepted or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditRow {
    /// Its place in the audit, given by the store; a commit does not read it.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The revision that it made, or met if it was refused.
    pub revision: u64,
    /// Who asked.
    pub actor: String,
    /// The account that they asked as.
    pub account: String,
    /// What they asked for.
    pub action: String,
    /// The id that it was about.
    pub resource: String,
    /// The address that the request came from.
    pub source: String,
    /// `ok`, or the refusal's code.
    pub outcome: String,
    /// The refusal in words.
    pub message: String,
    /// The id that the caller was given for the request.
    pub request_id: String,
}

/// Which audit rows to return: those that match every field that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of this account.
    pub account: Option<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// Asking for this.
    pub action: Option<String>,
    /// About this.
    pub resource: Option<String>,
    /// That ended so.
    pub outcome: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// At this millisecond or later.
    pub since: Option<i64>,
    /// Before this millisecond.
    pub until: Option<i64>,
    /// With a lower number: the next page is before the last row of this one.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u32,
}

impl Default for AuditQuery {
    /// The newest 100 of all.
    fn default() -> Self {
        Self {
            account: None,
            actor: None,
            action: None,
            resource: None,
            outcome: None,
            request_id: None,
            since: None,
            until: None,
            before: None,
            limit: 100,
        }
    }
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pages written.
    pub done: u64,
    /// Pages in all.
    pub total: u64,
}
