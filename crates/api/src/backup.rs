//! Backups, which the server writes to a file on its own machine.

use std::path::PathBuf;

use model::{AddonId, SlugId, Timestamp};
use serde::{Deserialize, Serialize};

/// `POST /_causeway/backup`: writes a backup. The answer comes while the work goes on, as lines of
/// JSON, each a [`BackupLine`]; an empty line says only that the work goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// The file to write, by an absolute path on the server's machine. It must not exist yet.
    pub path: PathBuf,
    /// Whether to leave out what cannot be read now, instead of giving up.
    #[serde(default)]
    pub skip_unavailable: bool,
}

/// A line of the answer to [`BackupRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupLine {
    /// How far the work is.
    Progress(BackupProgress),
    /// The last line: the backup is written.
    Done(Backup),
    /// The last line: there is no backup.
    Failed(BackupFailure),
}

/// How far a backup is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupProgress {
    /// What is being read, in words.
    pub what: String,
    /// Which part that is, counted from one.
    pub part: usize,
    /// How many parts there are; 0 until that is known.
    pub parts: usize,
    /// How many bytes were read so far, of all parts.
    pub bytes: u64,
}

/// Why there is no backup: a refusal as in [`Problem`](crate::Problem), which comes after the answer
/// has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFailure {
    /// The status of HTTP that the refusal would have had.
    pub status: u16,
    /// The reason as a program reads it.
    pub id: String,
    /// The reason in words.
    pub message: String,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// The file's size in bytes.
    pub bytes: u64,
    /// When the backup was begun.
    pub created: Timestamp,
    /// The name of the installation that was backed up.
    pub instance: String,
    /// The revision of the ledger in the backup.
    pub revision: u64,
    /// The size of the ledger in the file, in bytes.
    pub database_bytes: Option<u64>,
    /// The code of apps.
    pub slugs: Vec<SavedSlug>,
    /// The data services.
    pub services: Vec<SavedService>,
    /// What the ledger names and the backup does not hold.
    pub missing: Vec<Missing>,
}

/// The code of an app in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSlug {
    /// The slug's id.
    pub id: SlugId,
    /// The app's name.
    pub app: String,
    /// The size in the file, in bytes.
    pub bytes: Option<u64>,
}

/// A data service in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedService {
    /// The add-on's id.
    pub id: AddonId,
    /// The add-on's name.
    pub name: String,
    /// The add-on's plan, such as `heroku-postgresql:private-0`.
    pub plan: String,
    /// The name of the app that the add-on is of.
    pub app: String,
    /// The size of the data in the file, in bytes; absent (`null`) where the service had no data yet.
    pub bytes: Option<u64>,
}

/// Something that the ledger names and a backup does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The name of a data service, or `the code of APP`.
    pub name: String,
    /// Why it is not there.
    pub reason: String,
}
