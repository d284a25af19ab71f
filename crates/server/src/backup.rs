//! Backups: the ledger, apps' code and what data services hold, in one file, while all of it runs.
//!
//! What belongs in a backup follows from the snapshot of the ledger that is in it. Code and data are
//! read after the snapshot was taken, so they are at least as new: whatever was acknowledged before
//! a backup began is in it.

pub mod archive;
mod make;
mod restore;
mod service;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

pub use make::{BackupError, Wanted, make};
pub use restore::{Restored, restore};

/// How often it is said how far a backup is.
const EVERY: Duration = Duration::from_millis(250);

/// Where a server finds what it backs up, and works on it.
#[derive(Debug, Default)]
pub struct Place {
    /// Data services' disks.
    disks: PathBuf,
    /// For the database's snapshot, until it is in the backup.
    scratch: PathBuf,
    one: Mutex<()>,
    code: RwLock<()>,
}

impl Place {
    /// Those of a data directory.
    pub fn at(data: &Path, disks: PathBuf) -> Self {
        Self { disks, scratch: data.join("backup.partial"), ..Self::default() }
    }

    /// Removes what a backup has left that was under way when the server was killed.
    pub fn clean(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.scratch) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Has apps' code stay where it is.
    pub fn keep_code(&self) -> RwLockReadGuard<'_, ()> {
        self.code.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether apps' code must stay where it is, because a backup is reading it.
    pub fn needs_code(&self) -> bool {
        matches!(self.code.try_write(), Err(TryLockError::WouldBlock))
    }

    /// One backup at a time: two would only be slower.
    fn enter(&self) -> Option<MutexGuard<'_, ()>> {
        match self.one.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Something that is not in a backup, though the ledger names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// A data service's name, or `code of APP`.
    pub name: String,
    /// Why it is not there.
    pub reason: String,
}

/// How far a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What is being read.
    pub what: String,
    /// Which part that is, counted from one.
    pub part: usize,
    /// How many parts there are, where that is known.
    pub parts: usize,
    /// Bytes read so far, of all parts.
    pub bytes: u64,
}

/// Who is told how far a backup is, and may end it by going away.
#[derive(Debug)]
pub struct Watch {
    tell: UnboundedSender<Progress>,
    closing: CancellationToken,
    progress: Progress,
    told: Instant,
}

impl Watch {
    /// Tells somebody, until the server stops.
    pub fn new(tell: UnboundedSender<Progress>, closing: CancellationToken) -> Self {
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
        // That nobody listens is noticed where it matters.
        let _ = self.tell.send(self.progress.clone());
    }

    fn is_over(&self) -> bool {
        self.closing.is_cancelled() || self.tell.is_closed()
    }
}

/// An error with all its reasons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let reasons = std::iter::successors(error.source(), |reason| reason.source());
    reasons.fold(error.to_string(), |text, reason| format!("{text}: {reason}"))
}
