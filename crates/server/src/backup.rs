//! Backups: the ledger, the code of apps and the data of data services in one file, made while
//! everything runs.
//!
//! The snapshot of the ledger determines what belongs in a backup. Code and data are read after the
//! snapshot was taken, so they are at least as new: everything that was acknowledged before the
//! backup began is in it.

pub(crate) mod archive;
mod make;
mod restore;
mod service;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::{Duration, Instant};

use crate::config::disks_dir;
use model::AddonId;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

pub(crate) use make::{BackupError, Sources, Wanted, make};
pub use restore::Restored;
pub(crate) use restore::restore;

/// How often progress is reported.
const EVERY: Duration = Duration::from_millis(250);

/// The directories that backups read and work in, and the locks that they take.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The directory of data services' disks.
    disks: PathBuf,
    /// The working directory for the snapshot of the database.
    scratch: PathBuf,
    one: Mutex<()>,
    code: RwLock<()>,
}

impl Workspace {
    /// The directories of a data directory.
    pub fn at(data: &Path) -> Self {
        Self { disks: disks_dir(data), scratch: data.join("backup.partial"), ..Self::default() }
    }

    /// Removes what an interrupted backup left in the working directory.
    ///
    /// # Errors
    ///
    /// The directory cannot be removed.
    pub fn clean(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.scratch) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Whether a data service has written anything to its disk.
    pub(crate) fn has_data(&self, service: AddonId) -> bool {
        let disk = self.disks.join(service.to_string());
        std::fs::read_dir(disk).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Keeps the code of apps from being removed while the guard is held.
    pub fn keep_code(&self) -> RwLockReadGuard<'_, ()> {
        self.code.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether code must not be removed now, because a backup is reading it.
    pub fn needs_code(&self) -> bool {
        matches!(self.code.try_write(), Err(TryLockError::WouldBlock))
    }

    /// Takes the lock that only one backup holds at a time.
    fn enter(&self) -> Option<MutexGuard<'_, ()>> {
        match self.one.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Something that the ledger names and that is not in the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// A data service's name, or `code of APP`.
    pub name: String,
    /// The reason.
    pub reason: String,
}

/// The progress of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// A description of what is being read.
    pub what: String,
    /// The number of that part, from 1.
    pub part: usize,
    /// The number of parts; 0 while it is unknown.
    pub parts: usize,
    /// Bytes read so far, over all parts.
    pub bytes: u64,
}

/// Reports progress to a client, and finds out whether the client still wants the backup.
#[derive(Debug)]
pub(crate) struct Watch {
    tell: UnboundedSender<Progress>,
    closing: CancellationToken,
    progress: Progress,
    told: Instant,
}

impl Watch {
    /// Reports to a channel until its receiver is dropped or the server stops.
    pub(crate) fn new(tell: UnboundedSender<Progress>, closing: CancellationToken) -> Self {
        let progress = Progress { what: String::new(), part: 0, parts: 0, bytes: 0 };
        Self { tell, closing, progress, told: Instant::now() }
    }

    fn begin(&mut self, what: String) {
        self.progress.part += 1;
        self.progress.what = what;
        self.say();
    }

    fn read(&mut self, bytes: u64) {
        self.progress.bytes += bytes;
        if self.told.elapsed() >= EVERY {
            self.say();
        }
    }

    fn say(&mut self) {
        self.told = Instant::now();
        // A dropped receiver is noticed by `is_over`.
        let _ = self.tell.send(self.progress.clone());
    }

    fn is_over(&self) -> bool {
        self.closing.is_cancelled() || self.tell.is_closed()
    }
}
