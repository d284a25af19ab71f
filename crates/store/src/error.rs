use std::io;
use std::path::{Path, PathBuf};

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
    #[error("{} is not a key: it must hold exactly 32 bytes", path.display())]
    MalformedSecret {
        /// The key file.
        path: PathBuf,
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
        /// What was tried.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// How it failed.
        #[source]
        source: io::Error,
    },
    /// The file is no database of ours.
    #[error(
        "{} is not a Causeway database: if it was one, restore a file made by `causeway backup`",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error("{} is damaged: restore a file made by `causeway backup`", path.display())]
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
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The database refuses: no room, no permission, a lock held too long.
    #[error("cannot {doing} {}", path.display())]
    Database {
        /// What was tried.
        doing: &'static str,
        /// On which database.
        path: PathBuf,
        /// How it failed.
        #[source]
        source: BoxError,
    },
    /// The database is not at the revision that the caller stands on.
    #[error("decided on revision {expected}, but the database is at {found}")]
    Conflict {
        /// The caller's revision.
        expected: u64,
        /// The database's.
        found: u64,
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
        /// Why not.
        #[source]
        source: BoxError,
    },
    /// Deletions that far back are no longer known.
    #[error("deletions are known since revision {oldest}, not since {since}")]
    Forgotten {
        /// What was asked for.
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
