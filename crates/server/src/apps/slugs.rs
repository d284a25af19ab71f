//! Slugs: where their code is kept and unpacked, and the uploads of code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge::{NoShare, Share, Shares};
use model::{CodeRoom, SlugId};

use crate::code::{Cache, Kept};
use crate::party::Party;

/// Concurrent uploads: each may fill half a gigabyte before it is checked.
const MOST_UPLOADS: usize = 16;
/// How long an upload may take as a whole: 500 MB arrive in that time over a line of 2.3 Mbit/s.
const UPLOAD_TIME: Duration = Duration::from_secs(1800);
/// How long the sender of an upload may send nothing.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);

/// Where the code of slugs is, and the limits for uploads.
pub struct Slugs {
    /// The directory that holds one directory for each slug.
    pub directory: PathBuf,
    /// Where code is kept as it was uploaded.
    pub(crate) kept: Kept,
    /// What unpacks it for workloads of this machine, if there can be any.
    pub(crate) cache: Option<Cache>,
    /// How much code is kept.
    pub room: CodeRoom,
    /// How long an upload may take as a whole.
    pub upload_time: Duration,
    /// How long the sender of an upload may send nothing.
    pub upload_patience: Duration,
    /// The shares of the parties that upload at the same time.
    pub(crate) uploads: Shares<Party>,
    uploading: Arc<Mutex<BTreeSet<SlugId>>>,
}

impl Slugs {
    /// The slugs in a data directory.
    pub fn at(data: &Path, room: CodeRoom) -> Self {
        Self {
            directory: slugs_dir(data),
            kept: Kept::at(data, None),
            cache: None,
            room,
            upload_time: UPLOAD_TIME,
            upload_patience: UPLOAD_PATIENCE,
            uploads: Shares::new(MOST_UPLOADS),
            uploading: Arc::default(),
        }
    }

    /// Whether the files of what was uploaded here are of no use here: others unpack them where they are needed.
    pub(crate) fn are_for_others(&self) -> bool {
        self.cache.is_none() && self.kept.is_shared()
    }

    /// Starts the upload of a slug, which counts towards the limits of the given parties.
    ///
    /// # Errors
    ///
    /// Somebody uploads the slug already, or there are too many uploads.
    pub fn start_upload(&self, slug: SlugId, parties: Vec<Party>) -> Result<Upload, NoUpload> {
        let mut running = self.uploading.lock().expect("no holder panics");
        if running.contains(&slug) {
            return Err(NoUpload::UnderWay);
        }
        let share = self.uploads.take(parties).map_err(NoUpload::NoShare)?;
        running.insert(slug);
        Ok(Upload { slug, running: Arc::clone(&self.uploading), _share: share })
    }
}

/// The directory of unpacked slugs in a data directory.
pub(crate) fn slugs_dir(data: &Path) -> PathBuf {
    data.join("slugs")
}

/// Why a slug cannot be uploaded now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoUpload {
    /// An upload of this slug is under way.
    UnderWay,
    /// There are too many uploads.
    NoShare(NoShare),
}

/// An upload under way. No other one of the same slug starts before it is dropped.
#[derive(Debug)]
pub struct Upload {
    slug: SlugId,
    running: Arc<Mutex<BTreeSet<SlugId>>>,
    _share: Share<Party>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.running.lock().expect("no holder panics").remove(&self.slug);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_uploaded_once_at_a_time() {
        let slugs = Slugs::at(Path::new(""), CodeRoom::default());
        let slug: SlugId = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        let start = || slugs.start_upload(slug, vec![Party::Operator]);
        let first = start();
        assert!(first.is_ok());
        assert_eq!(start().unwrap_err(), NoUpload::UnderWay);
        drop(first);
        assert!(start().is_ok());
    }
}
