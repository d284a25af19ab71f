//! The only persistence: load everything once, commit batches, tail what others committed.
//!
//! Knows no rule of the domain: what it keeps are [`Row`]s, documents in JSON with a kind, an id,
//! an owner and the revision that last changed them. The ledger holds the state in memory and
//! calls [`Store::commit`] before it answers. A commit names the revision that it was decided on,
//! and changes nothing if the database has moved on since, so that several writers are safe.
//!
//! [`Sqlite`] keeps them in a file of this host, for one server; [`Postgres`] in a database that several
//! servers have. [`DataDir`] is the directory on this host: the lock, the key, [`Sqlite`]'s file, and what
//! was seen of the database last. Bytes that are too many for rows are [`Blobs`], in a directory of this host or in
//! the database.

#![warn(unreachable_pub)]

mod batch;
pub mod blobs;
mod data_dir;
mod durable;
mod error;
mod identity;
mod key_source;
mod lease;
mod mark;
mod postgres;
mod restore;
mod secret;
mod sqlite;

#[cfg(test)]
mod conformance;
#[cfg(any(test, feature = "test-support"))]
pub mod faulty;

use std::path::Path;
use std::time::Duration;

pub use blobs::{Blob, BlobDigest, BlobEntry, BlobError, Blobs, DirectoryBlobs};
pub use data_dir::DataDir;
pub use durable::{NewFile, replace_file, write_file};
pub use error::{BoxError, Error, Result};
pub use identity::Identity;
pub use key_source::KeySource;
pub use lease::{Doorbell, Holder, Lease};
pub use postgres::{BadUrl, Finding, Postgres, PostgresBlobs, PostgresUrl};
pub use restore::Restoring;
pub use secret::Secret;
pub use sqlite::{Snapshot, Sqlite};

/// One handle on a database. A handle belongs to one thread at a time; [`Store::handle`] makes
/// more, so that a backup or an audit query does not wait for the writer, nor the writer for it.
pub trait Store: Send {
    /// Hands every row to `each`, ordered by kind and id, all as of one revision, and returns that
    /// revision. Stops at the first error of `each` ([`Error::Rejected`]).
    fn load(&mut self, each: &mut dyn FnMut(Row) -> Result<(), BoxError>) -> Result<u64>;

    /// Makes the whole batch durable, or changes nothing.
    ///
    /// [`Error::Conflict`], [`Error::Fenced`], [`Error::Refused`] and [`Error::Batch`] certainly changed
    /// nothing. After any other error it is unknown what the database holds: ask
    /// [`Store::has_committed`] before anybody is told.
    fn commit(&mut self, batch: &Batch) -> Result<()>;

    /// Whether a batch took effect whose commit failed in a way that leaves this open, also if others
    /// committed since. [`Error::Forgotten`] where those were too many to tell.
    fn has_committed(&self, batch: &Batch) -> Result<bool>;

    /// What changed after the revision `since`. [`Error::Forgotten`] if deletions of that time are
    /// no longer known, [`Error::Conflict`] if the database is older than `since`: load again.
    fn tail(&self, since: u64) -> Result<Tail>;

    /// Whether a row of this kind and id was deleted, as far as deletions are still known. Of what is
    /// neither there nor deleted, the database knows nothing.
    fn was_deleted(&self, kind: &str, id: &str) -> Result<bool>;

    /// The audit rows that match, newest first.
    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>>;

    /// The events that match, oldest first: the first ones after a number, or else the newest ones.
    fn events(&self, query: &EventQuery) -> Result<Events>;

    /// Whether something of a kind is known to have happened to something.
    fn knows_event(&self, kind: &str, resource: &str) -> Result<bool>;

    /// Notes what became of an event at a webhook, durably. It takes the place of what was noted of both
    /// before. Of each webhook only so many of the newest are kept.
    fn note_delivery(&mut self, row: &DeliveryRow) -> Result<()>;

    /// What became of the newest events at a webhook, newest first.
    fn deliveries(&self, hook: &str, limit: u32) -> Result<Vec<DeliveryRow>>;

    /// The number of the last event that is settled at a webhook.
    fn last_settled(&self, hook: &str) -> Result<Option<u64>>;

    /// Forgets all that was noted of a webhook.
    fn forget_deliveries(&mut self, hook: &str) -> Result<()>;

    /// A value kept beside the rows, outside revisions.
    fn meta(&self, key: &str) -> Result<Option<String>>;

    /// Sets such a value, durably. The last writer wins.
    fn set_meta(&mut self, key: &str, value: &str) -> Result<()>;

    /// Deletes such a value, durably; one that is absent already is passed over.
    fn delete_meta(&mut self, key: &str) -> Result<()>;

    /// Writes the state as of now to a new file that [`Snapshot`] opens. The file holds
    /// the secret key too, without which sealed values are lost, and is readable by its owner
    /// only. This handle is busy meanwhile; others go on writing.
    fn backup(&self, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<()>;

    /// Takes the lease if it is free or has run out by the database's clock, which raises the epoch;
    /// renews it if it is this server's; else says who holds it. One that ran out and that nobody took
    /// is still its holder's.
    fn lease(&mut self, me: &Holder, ttl: Duration) -> Result<Lease>;

    /// Gives the lease up, if it is this server's. The epoch stays, so that what the server has sent off
    /// takes effect until another leads.
    fn release_lease(&mut self, me: &Holder) -> Result<()>;

    /// Who holds the lease; takes nothing. `None` where it is free or has run out.
    fn leader(&self) -> Result<Option<Lease>>;

    /// Something that rings when somebody commits, from now on.
    fn doorbell(&self) -> Result<Box<dyn Doorbell>>;

    /// Which database it is, and how far it has come. Where several machines may have it, what was seen
    /// of it is remembered, and one that is older is refused by every call ([`Error::Older`]).
    fn identity(&self) -> Result<Identity>;

    /// Another handle on the same database, for another thread.
    fn handle(&self) -> Result<Box<dyn Store>>;
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is, such as `vpc`; with `id`, the key.
    pub kind: String,
    /// The document's id, unique among those of its kind.
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
    /// A number at random, which no other batch has, whoever wrote that.
    pub id: u64,
    /// The epoch of the leadership under which it was decided; 0 where nobody has led yet. The commit is
    /// refused if it is not the database's.
    pub epoch: u64,
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
    /// What happened, oldest first. A batch may hold nothing else.
    pub events: Vec<EventRow>,
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
    /// Who sent the command, such as `user/<id>`.
    pub actor: String,
    /// The account that they asked as.
    pub account: String,
    /// The command's name, such as `Ec2.CreateVpc`.
    pub action: String,
    /// The id that it was about.
    pub resource: String,
    /// The address that the request came from.
    pub source: String,
    /// `ok`, or the refusal's code.
    pub outcome: String,
    /// The refusal's message; empty where the command was accepted.
    pub message: String,
    /// The id that the caller was given for the request.
    pub request_id: String,
    /// The id of the team that it was about, or whose resource it was about; empty if it was nobody's.
    pub team: String,
    /// The id of the space that it was about, or whose resource it was about.
    pub space: String,
}

/// Which audit rows to return: those that match every field that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// The account that the rows must name.
    pub account: Option<String>,
    /// The actor that the rows must name.
    pub actor: Option<String>,
    /// A pattern that the command's name must match; a star stands for any letters.
    pub action: Option<String>,
    /// The id of the resource that the rows must be about.
    pub resource: Option<String>,
    /// The outcome that the rows must have.
    pub outcome: Option<String>,
    /// Whether only rows of refusals are wanted, whatever the refusal was.
    pub refused: bool,
    /// Whether what the installation did by itself is left out.
    pub by_people: bool,
    /// The id of the team that the rows must be about.
    pub team: Option<String>,
    /// The id of the space that the rows must be about.
    pub space: Option<String>,
    /// The id of the request that the rows must be of.
    pub request_id: Option<String>,
    /// The time, in milliseconds since 1970, that the rows must not be older than.
    pub since: Option<i64>,
    /// The time, in milliseconds since 1970, that the rows must be older than.
    pub until: Option<i64>,
    /// With a lower number: the next page is before the last row of this one.
    pub before: Option<u64>,
    /// With a higher number, oldest first: what was added since the last row of an earlier answer.
    pub after: Option<u64>,
    /// Who is to see the rows; `None` for somebody who may see all of them.
    pub sight: Option<AuditSight>,
    /// The number of rows to return at most.
    pub limit: u32,
}

/// Whose rows somebody sees. A row is seen if one of the three says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSight {
    /// What these did is seen, such as `user/<id>`.
    pub actors: Vec<String>,
    /// What was asked for as one of these accounts is seen.
    pub accounts: Vec<String>,
    /// What people did with what belongs to one of these teams is seen, but not what accounts asked
    /// of it, nor what the installation did by itself.
    pub teams: Vec<String>,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRow {
    /// Its place among all events, given by the store; a commit does not read it.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// What happened, such as `peering.requested`.
    pub kind: String,
    /// The id of what it happened to.
    pub resource: String,
    /// Who may know of it, such as `team/<id>`. None has white space.
    pub parties: Vec<String>,
    /// All that there is to say, JSON.
    pub body: String,
}

/// Which events to return: those that match every field that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// With a higher number, the lowest first; without it the highest are returned.
    pub after: Option<u64>,
    /// The time, in milliseconds since 1970, that the events must not be older than.
    pub since: Option<i64>,
    /// The kinds that are wanted.
    pub kinds: Option<Vec<String>>,
    /// Who wants to know: one of these must be among the parties of an event.
    pub parties: Option<Vec<String>>,
    /// The number of events to return at most.
    pub limit: u32,
}

/// Events that match a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// The events, oldest first.
    pub rows: Vec<EventRow>,
    /// The number of the oldest of all events that are kept; 0 where there is none.
    pub oldest: u64,
    /// The number of the newest of all events; 0 where there is none.
    pub newest: u64,
}

/// What became of an event at a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The webhook's id.
    pub hook: String,
    /// The number of the event.
    pub event: u64,
    /// Whether it was delivered or given up.
    pub settled: bool,
    /// All that there is to say, JSON.
    pub body: String,
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
            refused: false,
            by_people: false,
            team: None,
            space: None,
            request_id: None,
            since: None,
            until: None,
            before: None,
            after: None,
            sight: None,
            limit: 100,
        }
    }
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of pages written so far.
    pub done: u64,
    /// The number of pages to write in all.
    pub total: u64,
}
