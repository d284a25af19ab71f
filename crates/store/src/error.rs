//! What can go wrong between the ledger and the disk.

use std::io;
use std::path::{Path, PathBuf};

use crate::Identity;

/// An error of the caller's own, passed through.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between the ledger and the disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the data directory open.
    #[error(
        "{} is in use by {}: stop that first, or name another directory", path.display(),
        pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The process, unless it has not written its number yet.
        pid: Option<u32>,
    },
    /// A file or directory gives people other than its owner more than is safe.
    #[error(
        "{} is open to others (mode {mode:04o}): run `chmod {wanted:o} {}`",
        path.display(), path.display()
    )]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// The permissions that it has.
        mode: u32,
        /// The permissions that it should have.
        wanted: u32,
    },
    /// The key file is not a key.
    #[error("{} is not a key: it must hold exactly 32 bytes, or 64 hexadecimal digits", path.display())]
    MalformedSecret {
        /// The key file.
        path: PathBuf,
    },
    /// No key is where it is said to be.
    #[error("{place} {reason}")]
    NoKey {
        /// Where it is said to be.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A key from elsewhere is not the one that the directory has.
    #[error(
        "{} and {other} are two keys: this installation's is the former; put a copy of it where the other \
         is, or start without that", path.display()
    )]
    OtherKey {
        /// The directory's own key.
        path: PathBuf,
        /// Where the other one is.
        other: String,
    },
    /// There is a database, but not the key that its secrets are sealed with.
    #[error(
        "{} is missing, and the database beside it is of no use without it: put it back, or \
         restore a file made by `causeway backup`", path.display()
    )]
    SecretMissing {
        /// Where the key file should be.
        path: PathBuf,
    },
    /// There is a key, or a mark of a database, but no database.
    #[error(
        "{} is missing or empty, though this directory had one: put it back together with its -wal \
         file, or restore a file made by `causeway backup` into a new directory; to begin anew \
         here, start once with --new-database, which sets aside what is left under lost/",
        path.display()
    )]
    DatabaseMissing {
        /// Where the database should be.
        path: PathBuf,
    },
    /// The database is another one than the one that was here last, or has gone back.
    #[error(
        "{} is at revision {found}, but {}: put the right one back together with its -wal file, or \
         restore a file made by `causeway backup` into a new directory; to go on with this one, \
         start once with --accept-database {found}, which sets aside under lost/ what it does not \
         know", path.display(),
        if *same {
            format!("it was at {seen} before, so this is an older copy")
        } else {
            format!("another one was here before, at {seen}")
        }
    )]
    OtherDatabase {
        /// The database.
        path: PathBuf,
        /// The revision of that database.
        found: u64,
        /// The highest revision that was seen here.
        seen: u64,
        /// Whether it is the same database, of an earlier time.
        same: bool,
    },
    /// The file beside the database does not say what was seen of it.
    #[error(
        "{} cannot be read, so that nobody can tell whether the database beside it is the newest: \
         if it is, remove that file and start again", path.display()
    )]
    MalformedMark {
        /// The file.
        path: PathBuf,
    },
    /// A database is there that can be used, so nothing begins anew.
    #[error(
        "{} is there and sound: start without --new-database, or name another directory",
        path.display()
    )]
    HasDatabase {
        /// The database.
        path: PathBuf,
    },
    /// The key is another database's.
    #[error(
        "{} was written with another secret.key: put the right one back, or restore a file made \
         by `causeway backup`", path.display()
    )]
    WrongSecret {
        /// The database.
        path: PathBuf,
    },
    /// A sealed value does not open: altered, sealed with another key, or for another use.
    #[error("a sealed value does not open: it was altered, or belongs elsewhere")]
    Unsealable,
    /// A document has no fields, so that the secrets in it cannot be sealed one by one.
    #[error("the secrets of {kind} {id} cannot be sealed: its document is no JSON object")]
    NoObject {
        /// The document's kind.
        kind: String,
        /// The document's id.
        id: String,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// An operation on a file failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The operation that was tried, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is no database of ours.
    #[error(
        "{} is not a Causeway database: if it was one, put it back, or restore a file made by \
         `causeway backup` into a new directory; to begin anew here, start once with \
         --new-database, which sets aside under lost/ what is there", path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error(
        "{} is damaged: restore a file made by `causeway backup` into a new directory; to begin \
         anew here, start once with --new-database, which sets aside under lost/ what is there",
        path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was found, in the database's words.
        #[source]
        source: BoxError,
    },
    /// A newer program wrote the database.
    #[error(
        "{} has schema version {found}, and this program knows up to {known}: run a newer one",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// The version of its schema.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The database refuses: no room, no permission, a lock held too long.
    #[error("cannot {doing} {}", path.display())]
    Database {
        /// The operation that was tried, as a verb.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The database is not at the revision that the caller stands on.
    #[error("decided on revision {expected}, but the database is at {found}")]
    Conflict {
        /// The revision that the batch was decided on.
        expected: u64,
        /// The revision of the database.
        found: u64,
    },
    /// Somebody else leads since the batch was decided.
    #[error("decided in epoch {epoch}, but the database is in epoch {found}: another leads")]
    Fenced {
        /// The epoch of the batch.
        epoch: u64,
        /// The epoch of the database.
        found: u64,
    },
    /// The database is of an earlier time than what was seen of it: a copy, or a server that was
    /// replaced by another.
    #[error(
        "{} is at {found}, but was seen at {seen} before: what was committed since is not in it. \
         Name the server that has it; if none has it any more, start once with \
         --accept-database {}", path.display(), found.revision
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// What was found.
        found: Identity,
        /// What was seen before.
        seen: Identity,
    },
    /// The server refused a statement, which certainly changed nothing: no room, no right to do it, a lock
    /// held too long.
    #[error("{} refuses to {doing}", path.display())]
    Refused {
        /// The operation that was tried, as a verb.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// The address of a database is none, or a file that it names cannot be used.
    #[error("{0}")]
    Url(String),
    /// No server of an address can be used.
    #[error("{} cannot be used: {reasons}", path.display())]
    Unreachable {
        /// The database.
        path: PathBuf,
        /// What is wrong with each server.
        reasons: String,
    },
    /// What answers there gives each transaction to another session.
    #[error(
        "{} is a pooler that gives each transaction another session, as pgbouncer does with \
         pool_mode = transaction: name the server itself, or set pool_mode = session", path.display()
    )]
    Pooled {
        /// The database.
        path: PathBuf,
    },
    /// Another program has a schema of our name.
    #[error(
        "{} has a schema `causeway` that is not Causeway's: name another database", path.display()
    )]
    NotALedger {
        /// The database.
        path: PathBuf,
    },
    /// There is nothing in the database, though there was.
    #[error(
        "{} holds no installation, though this directory had one there: is it the right database? To \
         begin with an empty one, name another directory", path.display()
    )]
    LedgerMissing {
        /// The database.
        path: PathBuf,
    },
    /// The database is another one than the one that was used last.
    #[error(
        "{} is another database, at {found}, than the one that this directory had last, at {seen}: name \
         that one; to go on with this one, start once with --accept-database {}",
        path.display(), found.revision
    )]
    OtherLedger {
        /// The database.
        path: PathBuf,
        /// What was found.
        found: Identity,
        /// What was seen before.
        seen: Identity,
    },
    /// The database was written with another key than the directory has.
    #[error(
        "{} was written with another key than {}: put there the secret.key of a server that uses the \
         database, or name where that is with --key-file or --key-command", path.display(), data.join("secret.key").display()
    )]
    WrongKey {
        /// The database.
        path: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// The database has an installation, and the directory no key for it.
    #[error(
        "{} has an installation already: copy the secret.key of a server that uses it to {}, or \
         name where its key is with --key-file or --key-command",
        path.display(), data.join("secret.key").display()
    )]
    KeyWanted {
        /// The database.
        path: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// The directory has a database of its own.
    #[error(
        "{} has a database of its own: to move it, write a backup with `causeway backup`, and restore that \
         into a new directory with `causeway restore --store`", path.display()
    )]
    OwnDatabase {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory's database is on a server.
    #[error(
        "the database of {} is on a PostgreSQL server: name it with --store", path.display()
    )]
    Elsewhere {
        /// The data directory.
        path: PathBuf,
    },
    /// The database to restore into has an installation.
    #[error("{} has an installation already: restore into an empty database", path.display())]
    Occupied {
        /// The database.
        path: PathBuf,
    },
    /// The batch contradicts itself.
    #[error("the batch contradicts itself: {0}")]
    Batch(String),
    /// The caller of `load` did not want a row.
    #[error("the stored {kind} {id} does not load")]
    Rejected {
        /// The row's kind.
        kind: String,
        /// The row's id.
        id: String,
        /// The caller's reason.
        #[source]
        source: BoxError,
    },
    /// Deletions that far back are no longer known.
    #[error("deletions are known since revision {oldest}, not since {since}")]
    Forgotten {
        /// The revision that was asked for.
        since: u64,
        /// The lowest revision that can be asked for.
        oldest: u64,
    },
    /// The backup's target is there already.
    #[error("{} exists already, and a backup overwrites nothing", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The directory to restore into holds something.
    #[error("{} is not empty: restore into a new directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is none of an installation.
    #[error(
        "{} is no installation of Causeway: it has no secret.key and causeway.db; name the \
         directory that `causeway serve --data` has", path.display()
    )]
    NotAnInstallation {
        /// The directory.
        path: PathBuf,
    },
    /// The file to restore was not made by a backup.
    #[error("{} was not made by `causeway backup`: it holds no key", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// Wraps a file's error with what was tried on it.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { doing, path: path.to_owned(), source }
    }

    /// Whether the disk is full: what is there can be read, and nothing be added.
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::File { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Refused { source, .. } => source
                .downcast_ref()
                .and_then(tokio_postgres::Error::code)
                .is_some_and(|code| *code == tokio_postgres::error::SqlState::DISK_FULL),
            Self::Database { source, .. } => {
                let code = source.downcast_ref().and_then(rusqlite::Error::sqlite_error_code);
                // Where there is no room for an index of the log, that is an error of the file.
                matches!(
                    code,
                    Some(
                        rusqlite::ErrorCode::DiskFull
                            | rusqlite::ErrorCode::SystemIoFailure
                            | rusqlite::ErrorCode::CannotOpen
                    )
                )
            }
            _ => false,
        }
    }

    /// Wraps the database's error, telling damage from the rest.
    pub(crate) fn database(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::NotADatabase) => Self::NotADatabase { path },
                Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
                    Self::Corrupt { path, source: source.into() }
                }
                _ => Self::Database { doing, path, source: source.into() },
            }
        }
    }
}
