//! What was seen of a database, so that an older one in its place is refused.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::mark::Mark;
use crate::{Error, Identity, Result};

/// What was seen of the database by all handles, and by earlier processes on this data directory.
#[derive(Debug)]
pub(super) struct Guard {
    place: PathBuf,
    seen: Mutex<Option<Identity>>,
    /// The revision that is taken at the start, whatever was seen.
    accepted: Option<u64>,
    mark: OnceLock<Mark>,
}

impl Guard {
    /// Knows what the data directory says. At the start the accepted revision is taken, whatever was seen.
    pub(super) fn new(dir: &Path, place: PathBuf, accepted: Option<u64>) -> Result<Self> {
        let seen = Mutex::new(Identity::read(dir)?);
        Ok(Self { place, seen, accepted, mark: OnceLock::new() })
    }

    /// What was seen; `None` if nothing was.
    pub(super) fn seen(&self) -> Option<Identity> {
        self.lock().clone()
    }

    /// The newest timeline that was seen.
    pub(super) fn timeline(&self) -> u64 {
        self.lock().as_ref().map_or(0, |seen| seen.timeline)
    }

    /// The highest revision that was seen. Whatever is asked of the database from now on must be of it or of
    /// a later one.
    pub(super) fn floor(&self) -> u64 {
        self.lock().as_ref().map_or(0, |seen| seen.revision)
    }

    /// Refuses what is another database, or an older one, than was seen before it was asked.
    pub(super) fn check(&self, seen: Option<Identity>, found: Option<&Identity>) -> Result<()> {
        let Some(seen) = seen else { return Ok(()) };
        let path = self.place.clone();
        let Some(found) = found else {
            return Err(Error::LedgerMissing { path });
        };
        let at_start = self.mark.get().is_none();
        if at_start && self.accepted == Some(found.revision) {
            return Ok(());
        }
        if found.database != seen.database {
            return Err(Error::OtherLedger { path, found: found.clone(), seen });
        }
        if found.timeline < seen.timeline || found.revision < seen.revision {
            return Err(Error::Older { path, found: found.clone(), seen });
        }
        Ok(())
    }

    /// Keeps what was found at the start, and gets ready for what comes.
    pub(super) fn begin(&self, dir: &Path, found: Identity) -> Result<()> {
        let mark = Mark::open(dir, &found)?;
        *self.lock() = Some(found);
        // Nobody else has it yet.
        let _ = self.mark.set(mark);
        Ok(())
    }

    /// Notes that the database was at a revision, which is durable, and refuses one that is lower than what
    /// was seen before the question.
    pub(super) fn note(&self, timeline: u64, revision: u64, floor: u64) -> Result<()> {
        let mut seen = self.lock();
        let Some(seen) = seen.as_mut() else { return Ok(()) };
        if revision < floor || timeline < seen.timeline {
            let found = Identity { database: seen.database.clone(), timeline, revision };
            let seen = seen.clone();
            return Err(Error::Older { path: self.place.clone(), found, seen });
        }
        if timeline > seen.timeline || revision > seen.revision {
            seen.timeline = seen.timeline.max(timeline);
            seen.revision = seen.revision.max(revision);
            // Under the lock, so that the file does not go back.
            let _ = self.mark.get().map(|mark| mark.raise(seen.timeline, seen.revision));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Identity>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
