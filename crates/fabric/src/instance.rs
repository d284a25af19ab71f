//! What sets one installation on a machine apart from every other, and keeps two servers from
//! taking the same for theirs.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where what lives until the next boot is kept, by instance.
const RUN_DIR: &str = "/run/causeway";
/// The file that is locked.
const LOCK: &str = "lock";
/// What the name of a copy begins with that was made to run beside its original.
pub const COPY: &str = "copy-";

/// What the names of all namespaces of the fabric begin with.
pub const NAMESPACE_PREFIX: &str = "cw-";

/// What the names of an instance's namespaces begin with. A copy has the same VPCs as its
/// original, so its own name sets them apart.
pub fn namespace_prefix(instance: &str) -> String {
    if instance.starts_with(COPY) {
        format!("{NAMESPACE_PREFIX}{instance}-")
    } else {
        NAMESPACE_PREFIX.to_owned()
    }
}

/// Where an instance keeps what lives until the next boot.
pub(crate) fn run_dir(instance: &str) -> PathBuf {
    Path::new(RUN_DIR).join(instance)
}

/// Whether a text can name an instance: it becomes part of paths.
pub(crate) fn is_name(instance: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=32).contains(&instance.len()) && instance.bytes().all(plain)
}

/// An instance's namespaces and workloads on this machine, held by one process at a time.
///
/// The data directory's own lock does not do: a restored backup is another directory of the same
/// instance. The kernel lets go of it when the process ends, however that comes about.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    _file: File,
}

/// Why an instance cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Another process holds it.
    #[error(
        "instance {instance} is looked after by {holder}, and both would take its networks and \
         workloads for their own: stop that server first; or, for a copy that runs beside it, \
         make one with `causeway restore --new-instance`"
    )]
    Taken {
        /// The instance.
        instance: String,
        /// Who has it, in words.
        holder: String,
    },
    /// The lock cannot be used.
    #[error("{} cannot be used as a lock: {source}", path.display())]
    File {
        /// The lock.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Held {
    /// Takes an instance for the server of a data directory.
    ///
    /// # Errors
    ///
    /// [`HoldError`].
    pub fn take(instance: &str, data: &Path) -> Result<Self, HoldError> {
        if !is_name(instance) {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "no name of an instance");
            return Err(HoldError::File { path: instance.into(), source });
        }
        Self::take_in(&run_dir(instance), instance, data)
    }

    fn take_in(dir: &Path, instance: &str, data: &Path) -> Result<Self, HoldError> {
        let path = dir.join(LOCK);
        let broken = |source| HoldError::File { path: path.clone(), source };
        loop {
            DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(broken)?;
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path);
            let mut file = match opened {
                // Whoever removed the instance took the directory away meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(broken)?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = holder(&mut file);
                    return Err(HoldError::Taken { instance: instance.to_owned(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(broken(source)),
            }
            // It may have been removed between opening and locking: then another is the lock now.
            let named = fs::metadata(&path).map(|found| (found.dev(), found.ino()));
            let ours = file.metadata().map(|found| (found.dev(), found.ino())).map_err(broken)?;
            if !named.is_ok_and(|named| named == ours) {
                continue;
            }
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| write!(file, "{} {}", std::process::id(), data.display()))
                .map_err(broken)?;
            return Ok(Self { path, _file: file });
        }
    }

    /// Lets go of it for good: nothing of the instance is left on this machine.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
        for dir in self.path.ancestors().skip(1).take(2) {
            // Not empty: somebody else's things are in it.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Who holds a lock, as far as that was written down yet.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(4096).read_to_string(&mut text);
    match read.ok().and_then(|_| text.split_once(' ')) {
        Some((pid, data)) => format!("process {pid} on {data}"),
        None => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_held_once_and_says_by_whom() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("causeway/1a2b3c4d");
        let held = Held::take_in(&dir, "1a2b3c4d", Path::new("/data/one")).unwrap();
        let refused = Held::take_in(&dir, "1a2b3c4d", Path::new("/data/two")).unwrap_err();
        let said = refused.to_string();
        let holder = format!("process {} on /data/one", std::process::id());
        assert!(said.contains(&holder) && said.contains("restore --new-instance"), "{said}");
        drop(held);
        let held = Held::take_in(&dir, "1a2b3c4d", Path::new("/data/two")).unwrap();
        held.remove();
        assert!(!scratch.path().join("causeway").exists(), "nothing is left");
        Held::take_in(&dir, "1a2b3c4d", Path::new("/data/two")).unwrap();
    }

    #[test]
    fn only_a_copy_s_namespaces_bear_its_name() {
        assert_eq!(namespace_prefix("1a2b3c4d"), "cw-");
        assert_eq!(namespace_prefix("copy-1a2b3c4d"), "cw-copy-1a2b3c4d-");
        assert!(Held::take("../etc", Path::new("/")).is_err());
    }
}
