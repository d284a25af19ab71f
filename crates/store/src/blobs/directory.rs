//! Blobs in a directory of this machine.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Blob, BlobDigest, BlobEntry, BlobError, Blobs, Verified};
use crate::durable::{create_dir, create_file, sync_dir};

/// Blobs in a directory of this machine, one file for each. It is made when it is first needed, and one
/// process has it at a time.
#[derive(Debug)]
pub struct DirectoryBlobs {
    dir: PathBuf,
    /// Held while a name is given or taken away.
    names: Mutex<()>,
}

impl DirectoryBlobs {
    /// Those of a directory.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), names: Mutex::default() }
    }

    /// Removes what was being written when the process before this one ended. Nothing may be written
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`BlobError`].
    pub fn clean(&self) -> Result<(), BlobError> {
        for entry in self.entries()? {
            let entry = entry.map_err(|error| self.failed("list", error))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                fs::remove_file(entry.path()).map_err(|error| self.failed("clean", error))?;
            }
        }
        Ok(())
    }

    /// The file of a blob, whether it is there or not.
    pub fn path(&self, digest: &BlobDigest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    fn entries(&self) -> Result<impl Iterator<Item = io::Result<fs::DirEntry>>, BlobError> {
        match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
            Ok(entries) => Ok(Some(entries).into_iter().flatten()),
            Err(error) => Err(self.failed("list", error)),
        }
    }

    fn names(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> BlobError {
        BlobError::Place { doing, place: self.place(), source: error.into() }
    }

    /// Notes that a blob is put now; whether it is there.
    fn touch(&self, digest: &BlobDigest) -> Result<bool, BlobError> {
        match File::options().write(true).open(self.path(digest)) {
            Ok(file) => {
                let touched = file.set_modified(now());
                touched.map(|()| true).map_err(|error| self.failed("write to", error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("write to", error)),
        }
    }

    /// Gives a file that is durable its name.
    fn publish(&self, file: &Path, digest: &BlobDigest) -> Result<(), BlobError> {
        let _names = self.names();
        let written = File::open(file)
            .and_then(|file| file.set_modified(now()))
            .and_then(|()| fs::rename(file, self.path(digest)));
        written.map_err(|error| self.failed("write to", error))?;
        sync_dir(&self.dir).map_err(|error| self.failed("write to", io::Error::other(error)))
    }

    fn make_dir(&self) -> Result<(), BlobError> {
        create_dir(&self.dir).map_err(|error| BlobError::Place {
            doing: "make",
            place: self.place(),
            source: error.into(),
        })
    }
}

impl Blobs for DirectoryBlobs {
    fn place(&self) -> String {
        self.dir.display().to_string()
    }

    fn put(&self, digest: &BlobDigest, bytes: u64, from: &mut dyn Read) -> Result<(), BlobError> {
        {
            let _names = self.names();
            if self.touch(digest)? {
                return Ok(());
            }
        }
        self.make_dir()?;
        let unfinished = Unfinished::beside(&self.dir, digest);
        let mut file =
            create_file(&unfinished.0).map_err(|error| self.failed("write to", error))?;
        let mut from = Verified::new(from.take(bytes));
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(BlobError::Source(error)),
            };
            let part = buffer.get(..read).unwrap_or_default();
            io::Write::write_all(&mut file, part)
                .map_err(|error| self.failed("write to", error))?;
        }
        from.check(digest)?;
        file.sync_all().map_err(|error| self.failed("write to", error))?;
        self.publish(&unfinished.0, digest)
    }

    /// Takes the file, if it is on the same disk: nothing is copied. Whoever wrote it has computed the digest.
    fn put_file(&self, digest: &BlobDigest, file: &Path) -> Result<(), BlobError> {
        {
            let _names = self.names();
            if self.touch(digest)? {
                return Ok(());
            }
        }
        self.make_dir()?;
        let synced = File::open(file).and_then(|file| file.sync_all());
        synced.map_err(BlobError::Source)?;
        match self.publish(file, digest) {
            Err(BlobError::Place { source, .. })
                if source
                    .downcast_ref::<io::Error>()
                    .is_some_and(|error| error.kind() == io::ErrorKind::CrossesDevices) =>
            {
                let mut from = File::open(file).map_err(BlobError::Source)?;
                let bytes = from.metadata().map_err(BlobError::Source)?.len();
                self.put(digest, bytes, &mut from)
            }
            published => published,
        }
    }

    fn open(&self, digest: &BlobDigest, from: u64) -> Result<Option<Blob>, BlobError> {
        let mut file = match File::open(self.path(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| self.failed("read", error))?,
        };
        let bytes = file.metadata().map_err(|error| self.failed("read", error))?.len();
        file.seek(SeekFrom::Start(from)).map_err(|error| self.failed("read", error))?;
        Ok(Some(Blob { bytes, content: Box::new(file) }))
    }

    fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        let mut found = Vec::new();
        for entry in self.entries()? {
            let entry = entry.map_err(|error| self.failed("list", error))?;
            let name = entry.file_name();
            let Some(digest) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            let data = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                data => data.map_err(|error| self.failed("list", error))?,
            };
            let put = data.modified().map_err(|error| self.failed("list", error))?;
            found.push(BlobEntry {
                digest,
                bytes: data.len(),
                age: now().duration_since(put).unwrap_or_default(),
                tag: tag(put),
            });
        }
        found.sort_unstable_by_key(|entry| entry.digest);
        Ok(found)
    }

    fn remove(&self, entry: &BlobEntry) -> Result<bool, BlobError> {
        let path = self.path(&entry.digest);
        let _names = self.names();
        let put = match fs::metadata(&path).and_then(|data| data.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            put => put.map_err(|error| self.failed("look at", error))?,
        };
        if tag(put) != entry.tag {
            return Ok(false);
        }
        fs::remove_file(&path).map_err(|error| self.failed("remove from", error))?;
        Ok(true)
    }
}

/// The time by which files of this machine are dated.
#[expect(clippy::disallowed_methods, reason = "it is compared with times of files alone")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn tag(put: SystemTime) -> String {
    put.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos().to_string()
}

/// A file in the making, which goes unless it was given another name.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(dir: &Path, digest: &BlobDigest) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(dir.join(format!(".{digest}.{}.{number}", std::process::id())))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // If this fails, the next start removes it.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[test]
    fn it_does_what_every_place_for_blobs_does() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = DirectoryBlobs::at(dir.path().join("blobs"));
        conformance::all(&|| Box::new(DirectoryBlobs::at(dir.path().join("blobs"))));
        assert!(blobs.list().unwrap().is_empty());
    }

    #[test]
    fn a_file_is_taken_and_what_was_not_finished_goes() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = DirectoryBlobs::at(dir.path().join("blobs"));
        blobs.clean().unwrap();
        let file = dir.path().join("upload");
        fs::write(&file, "code").unwrap();
        let digest = BlobDigest::of(b"code");
        blobs.put_file(&digest, &file).unwrap();
        assert!(!file.exists());
        fs::write(&file, "code").unwrap();
        blobs.put_file(&digest, &file).unwrap();
        assert!(file.exists(), "it was there already");
        fs::write(dir.path().join("blobs/.half"), "").unwrap();
        blobs.clean().unwrap();
        assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 1);
        let mode = |path: &Path| {
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions())
        };
        assert_eq!(mode(&dir.path().join("blobs")) & 0o777, 0o700);
    }
}
