//! The instance: the name by which one installation's networks and workloads on a machine are told
//! from every other's, and the lock that keeps two servers from taking the same ones for theirs.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory of what lives until the next boot; each instance has one below it.
const RUN_DIR: &str = "/run/causeway";
/// The name of the lock file in an instance's directory.
const LOCK: &str = "lock";
/// The end of the lock file's text while the instance is being ended.
const ENDING: &str = "\nis being ended";
/// The prefix of an instance's name if it is a copy that was made to run beside its original.
pub const COPY: &str = "copy-";

/// The prefix of the names of all namespaces of the fabric.
pub const NAMESPACE_PREFIX: &str = "cw-";

/// The prefix of the names of an instance's namespaces. A copy has the same VPCs as its original, so
/// its own name is part of its prefix.
pub(crate) fn namespace_prefix(instance: &str) -> String {
    if instance.starts_with(COPY) {
        format!("{NAMESPACE_PREFIX}{instance}-")
    } else {
        NAMESPACE_PREFIX.to_owned()
    }
}

/// The directory in which an instance keeps what lives until the next boot.
pub(crate) fn run_dir(instance: &str) -> PathBuf {
    Path::new(RUN_DIR).join(instance)
}

/// The instance that a data directory's server held last, unless another process holds it now: what
/// that server left on this machine is found by the instance's name.
pub fn last_of(data: &Path) -> Option<String> {
    let data = absolute(data);
    let last = |seen: &Seen| !seen.held && seen.data.as_ref() == Some(&data);
    all().into_iter().find(last).map(|seen| seen.name)
}

/// An instance that has a lock file on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The instance's name.
    pub name: String,
    /// The data directory of the server that held it last, as far as that is known.
    pub data: Option<PathBuf>,
    /// Whether a process holds it now.
    pub held: bool,
}

/// The instances that have lock files on this machine, by name.
pub fn all() -> Vec<Seen> {
    let entries = fs::read_dir(RUN_DIR).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // Taking each lock to see whether it is free would refuse it to a server that starts now.
    let locks = fs::read_to_string("/proc/locks").ok();
    let mut seen: Vec<Seen> = names
        .filter(|name| is_name(name))
        .map(|name| match File::open(run_dir(&name).join(LOCK)) {
            Err(_) => Seen { name, data: None, held: false },
            Ok(mut file) => {
                let held = locks.as_deref().is_none_or(|locks| is_locked(&file, locks));
                Seen { name, data: holder(&mut file).map(|(_, data)| data), held }
            }
        })
        .collect();
    seen.sort_by(|one, other| one.name.cmp(&other.name));
    seen
}

/// Whether the kernel's list of locks names a file. Files are compared by their inode alone, so a
/// lock of another file system's file with the same inode counts, too.
fn is_locked(file: &File, locks: &str) -> bool {
    let Ok(data) = file.metadata() else { return true };
    let end = format!(":{}", data.ino());
    let mut fields = locks.lines().filter_map(|line| line.split_ascii_whitespace().nth(5));
    fields.any(|place| place.ends_with(&end))
}

/// Whether a text can be an instance's name, which becomes part of paths.
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
        "instance {instance} is managed by {holder}, and two servers would both change its networks \
         and workloads: stop that server first; or, for a copy that can run beside it, make one with \
         `causeway restore --new-instance`"
    )]
    Taken {
        /// The instance.
        instance: String,
        /// The process that holds it, in words.
        holder: String,
    },
    /// The lock cannot be used.
    #[error("{} cannot be used as a lock: {source}", path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// The kernel's reason.
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
        Self::take_in(&run_dir(instance), instance, data, "")
    }

    /// Takes an instance to end all that it has. A server that takes it meanwhile waits until then.
    ///
    /// # Errors
    ///
    /// [`HoldError`].
    pub fn take_to_end(instance: &str, data: &Path) -> Result<Self, HoldError> {
        if !is_name(instance) {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "no name of an instance");
            return Err(HoldError::File { path: instance.into(), source });
        }
        Self::take_in(&run_dir(instance), instance, data, ENDING)
    }

    fn take_in(dir: &Path, instance: &str, data: &Path, why: &str) -> Result<Self, HoldError> {
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
                // Somebody removed the instance, and with it this directory, meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(broken)?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if why.is_empty() && is_ending(&mut file) => {
                    // Whoever holds it ends soon, and needs nobody for that.
                    file.lock().map_err(broken)?;
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = match holder(&mut file) {
                        Some((pid, data)) => format!("process {pid} on {}", data.display()),
                        None => "another process".to_owned(),
                    };
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
                .and_then(|()| {
                    write!(file, "{} {}{why}", std::process::id(), absolute(data).display())
                })
                .map_err(broken)?;
            return Ok(Self { path, _file: file });
        }
    }

    /// Releases it and removes its lock file: nothing of the instance is left on this machine.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
        for dir in self.path.ancestors().skip(1).take(2) {
            // A directory that is not empty has somebody else's things in it, and stays.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// The process that holds a lock or held it last, and its data directory, as far as that was
/// written down yet.
fn holder(file: &mut File) -> Option<(u32, PathBuf)> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    let (pid, data) = text.strip_suffix(ENDING).unwrap_or(&text).split_once(' ')?;
    Some((pid.parse().ok()?, data.into()))
}

/// Whether the holder of a lock is ending the instance.
fn is_ending(file: &mut File) -> bool {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(4096).read_to_string(&mut text));
    file.rewind().is_ok() && read.is_ok() && text.ends_with(ENDING)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_held_once_and_says_by_whom() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("causeway/1a2b3c4d");
        let held = Held::take_in(&dir, "1a2b3c4d", Path::new("/data/one"), "").unwrap();
        let refused = Held::take_in(&dir, "1a2b3c4d", Path::new("/data/two"), "").unwrap_err();
        let said = refused.to_string();
        let holder = format!("process {} on /data/one", std::process::id());
        assert!(said.contains(&holder) && said.contains("restore --new-instance"), "{said}");
        drop(held);
        let held = Held::take_in(&dir, "1a2b3c4d", Path::new("/data/two"), "").unwrap();
        held.remove();
        assert!(!scratch.path().join("causeway").exists(), "nothing is left");
        Held::take_in(&dir, "1a2b3c4d", Path::new("/data/two"), "").unwrap();
    }

    #[test]
    fn only_a_copy_s_namespaces_bear_its_name() {
        assert_eq!(namespace_prefix("1a2b3c4d"), "cw-");
        assert_eq!(namespace_prefix("copy-1a2b3c4d"), "cw-copy-1a2b3c4d-");
        assert!(Held::take("../etc", Path::new("/")).is_err());
    }
}
