//! Where the code of slugs is kept as it was uploaded.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::SlugId;
use store::{BlobDigest, BlobError, Blobs, DirectoryBlobs};

/// The directory, in a data directory, of links to blobs, each named after its slug.
pub(crate) const CODE: &str = "code";
/// The directory, in a data directory, of blobs, each named after its digest.
const BLOBS: &str = "blobs";

/// Where the code of slugs is kept as it was uploaded.
///
/// In a data directory, each slug has a link of its own to its blob. So what belongs to which record is seen from
/// names, as of all other files there, and a blob without such a link is nobody's.
#[derive(Clone)]
pub(crate) struct Kept(Arc<Inner>);

struct Inner {
    local: DirectoryBlobs,
    links: PathBuf,
    shared: Option<Arc<dyn Blobs>>,
    /// Held while links of the data directory are made or taken away.
    one: Mutex<()>,
}

impl Kept {
    /// In a data directory, or in a place that several servers have.
    pub(crate) fn at(data: &Path, shared: Option<Arc<dyn Blobs>>) -> Self {
        let local = DirectoryBlobs::at(data.join(BLOBS));
        Self(Arc::new(Inner { local, links: data.join(CODE), shared, one: Mutex::default() }))
    }

    /// Whether every server of the installation has it.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.shared.is_some()
    }

    /// The blobs.
    pub(crate) fn blobs(&self) -> &dyn Blobs {
        match &self.0.shared {
            Some(shared) => &**shared,
            None => &self.0.local,
        }
    }

    /// The blobs in the data directory, whether code is kept there or not.
    pub(crate) fn local(&self) -> &DirectoryBlobs {
        &self.0.local
    }

    /// Keeps the code of a slug, from a file that has this digest and may be taken away.
    ///
    /// # Errors
    ///
    /// What keeps it from being kept.
    pub(crate) fn keep(
        &self,
        slug: SlugId,
        digest: &BlobDigest,
        file: &Path,
    ) -> Result<(), BlobError> {
        if let Some(shared) = &self.0.shared {
            return shared.put_file(digest, file);
        }
        let _one = self.0.one.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.local.put_file(digest, file)?;
        self.link(slug, digest)
    }

    /// Notes in the data directory whose code a blob there is.
    pub(crate) fn link(&self, slug: SlugId, digest: &BlobDigest) -> Result<(), BlobError> {
        let (from, to) = (self.0.local.path(digest), self.0.links.join(slug.to_string()));
        let make = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0.links)?;
            remove_file(&to)?;
            fs::hard_link(&from, &to)?;
            fs::File::open(&self.0.links)?.sync_all()
        };
        make().map_err(|error| self.failed("write to", error))
    }

    /// Takes away what the data directory has of a slug that is gone.
    ///
    /// # Errors
    ///
    /// What keeps it from being removed.
    pub(crate) fn forget(&self, slug: SlugId) -> Result<(), BlobError> {
        let _one = self.0.one.lock().unwrap_or_else(PoisonError::into_inner);
        let link = self.0.links.join(slug.to_string());
        remove_file(&link).map_err(|error| self.failed("remove from", error))?;
        self.sweep_locked()
    }

    /// Removes the blobs of the data directory that are nobody's. What was being written when the server was
    /// stopped is removed, too, if `at_start`: nothing may be written meanwhile then.
    ///
    /// # Errors
    ///
    /// What keeps them from being removed.
    pub(crate) fn sweep(&self, at_start: bool) -> Result<(), BlobError> {
        let _one = self.0.one.lock().unwrap_or_else(PoisonError::into_inner);
        if at_start {
            self.0.local.clean()?;
        }
        self.sweep_locked()
    }

    fn sweep_locked(&self) -> Result<(), BlobError> {
        for entry in self.0.local.list()? {
            let alone = fs::metadata(self.0.local.path(&entry.digest));
            if alone.is_ok_and(|data| data.nlink() == 1) {
                self.0.local.remove(&entry)?;
            }
        }
        Ok(())
    }

    /// Puts a blob in its place that is missing there while a slug's link to it is there.
    ///
    /// # Errors
    ///
    /// What keeps it from being put there.
    pub(crate) fn heal(&self, slug: SlugId, digest: &BlobDigest) -> Result<(), BlobError> {
        let (link, blob) = (self.0.links.join(slug.to_string()), self.0.local.path(digest));
        if blob.exists() || !link.exists() {
            return Ok(());
        }
        let bytes = fs::metadata(&link).and_then(|data| Ok((data.len(), fs::File::open(&link)?)));
        let (bytes, mut file) = bytes.map_err(BlobError::Source)?;
        self.0.local.put(digest, bytes, &mut file)?;
        self.link(slug, digest)
    }

    /// The slugs that have a link in the data directory.
    pub(crate) fn linked(&self) -> Vec<SlugId> {
        let entries = fs::read_dir(&self.0.links).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> BlobError {
        BlobError::Place { doing, place: self.0.links.display().to_string(), source: error.into() }
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_stays_while_a_slug_has_it() {
        let data = tempfile::tempdir().unwrap();
        let kept = Kept::at(data.path(), None);
        let [one, two] = [1, 2].map(|n| SlugId(uuid::Uuid::from_u128(n)));
        let digest = BlobDigest::of(b"code");
        let upload = data.path().join("upload");
        for slug in [one, two] {
            fs::write(&upload, "code").unwrap();
            kept.keep(slug, &digest, &upload).unwrap();
        }
        assert_eq!(kept.blobs().list().unwrap().len(), 1);
        let _ = fs::remove_file(&upload);
        kept.forget(one).unwrap();
        kept.sweep(true).unwrap();
        assert!(kept.blobs().open(&digest, 0).unwrap().is_some());
        // What was set aside with its link is no rubbish, and comes back.
        let aside = data.path().join("aside");
        fs::rename(data.path().join(CODE).join(two.to_string()), &aside).unwrap();
        kept.sweep(false).unwrap();
        assert!(kept.blobs().open(&digest, 0).unwrap().is_some());
        fs::rename(&aside, data.path().join(CODE).join(two.to_string())).unwrap();
        fs::remove_file(kept.local().path(&digest)).unwrap();
        kept.heal(two, &digest).unwrap();
        assert_eq!(kept.linked(), [two]);
        kept.forget(two).unwrap();
        kept.forget(two).unwrap();
        assert!(kept.blobs().list().unwrap().is_empty());
        assert_eq!(fs::read_dir(data.path().join(CODE)).unwrap().count(), 0);
    }
}
