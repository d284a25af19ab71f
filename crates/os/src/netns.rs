//! Network namespaces by name, as `ip netns` keeps them: each is mounted on a file below
//! [`DIR`], and so outlives the processes that were in it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FsWord, OFlags, fstatfs};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive, mount_change, unmount,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where network namespaces are mounted, by name.
pub const DIR: &str = "/run/netns";

/// What the kernel calls the file system of namespaces (`linux/magic.h`).
const NSFS_MAGIC: FsWord = 0x6e73_6673;

/// What could not be done with a namespace.
#[derive(Debug, thiserror::Error)]
#[error("network namespace {name}: {step}")]
pub struct Error {
    /// The namespace's name.
    pub name: String,
    /// What was tried.
    pub step: &'static str,
    /// The kernel's reason.
    #[source]
    pub source: io::Error,
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.source.kind(), crate::error_chain(&error))
    }
}

/// Which namespace it is, whatever it is called. The kernel may give the same identity to another
/// one once this one is gone, so whoever compares must hold one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(about: &fs::Metadata) -> Self {
        Self { device: about.dev(), inode: about.ino() }
    }
}

/// The file that a namespace of a name is mounted on.
pub fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Which namespace has a name now; `None` where there is none. A name may be given to another one
/// later.
pub fn identity(name: &str) -> Option<Identity> {
    let about = fs::symlink_metadata(path(name)).ok()?;
    // A crash between making the file and mounting on it leaves a plain file of the directory's
    // own file system.
    let directory = fs::metadata(DIR).ok()?;
    (about.dev() != directory.dev()).then(|| Identity::of(&about))
}

/// Which namespace a process is in; `None` once it has ended.
pub fn identity_of_process(pid: u32) -> Option<Identity> {
    fs::metadata(format!("/proc/{pid}/ns/net")).ok().map(|about| Identity::of(&about))
}

/// The names that there are, in no order. Some may have no namespace.
///
/// # Errors
///
/// What keeps the directory from being read; that there is none is fine.
pub fn names() -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(DIR) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(DIR, "list")(error)),
    };
    let entries = entries.filter_map(Result::ok);
    Ok(entries.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// A network namespace that is open. It lives for as long as this does, whatever becomes of its
/// name.
#[derive(Debug)]
pub struct NetworkNamespace {
    name: String,
    file: File,
}

impl NetworkNamespace {
    /// Opens a namespace by its name; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn open(name: &str) -> Result<Option<Self>, Error> {
        let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let opened =
            OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path(name));
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(name, "open")(error)),
        };
        // A crash between making the file and mounting on it leaves an empty file.
        let about = fstatfs(&file).map_err(|errno| failed(name, "look at")(errno.into()))?;
        Ok((about.f_type == NSFS_MAGIC).then(|| Self { name: name.to_owned(), file }))
    }

    /// Gives a name to the namespace that the calling thread is in, and opens it.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn name_current(name: &str) -> Result<Self, Error> {
        prepare_directory()?;
        mount_at("/proc/thread-self/ns/net", name)?;
        Self::open(name)?.ok_or_else(|| failed(name, "open")(io::ErrorKind::NotFound.into()))
    }

    /// Moves the calling thread into it.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn enter(&self) -> Result<(), Error> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|errno| failed(&self.name, "enter")(errno.into()))
    }

    /// Its name, as it was opened.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that it was mounted on when it was opened.
    pub fn path(&self) -> PathBuf {
        path(&self.name)
    }

    /// Which namespace it is.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn identity(&self) -> Result<Identity, Error> {
        let about = self.file.metadata().map_err(failed(&self.name, "look at"))?;
        Ok(Identity::of(&about))
    }

    /// Whether its name still leads to it.
    pub fn is_current(&self) -> bool {
        self.identity().is_ok_and(|own| identity(&self.name) == Some(own))
    }

    /// Another descriptor of it, with a number of at least `from`.
    ///
    /// # Errors
    ///
    /// The kernel's error, if the process may have no descriptor of such a number.
    pub fn hold(&self, from: i32) -> Result<Self, Error> {
        let held = rustix::io::fcntl_dupfd_cloexec(&self.file, from)
            .map_err(|errno| failed(&self.name, "hold")(errno.into()))?;
        Ok(Self { name: self.name.clone(), file: held.into() })
    }

    /// Gives it its name back, which no other may have.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn restore_name(&self) -> Result<(), Error> {
        prepare_directory()?;
        mount_at(&format!("/proc/thread-self/fd/{}", self.file.as_raw_fd()), &self.name)
    }
}

impl AsFd for NetworkNamespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Removes a name, and with it the namespace unless somebody is in it or holds it. A name that is
/// not there is fine.
///
/// # Errors
///
/// The kernel's error.
pub fn remove(name: &str) -> Result<(), Error> {
    let target = path(name);
    match unmount(&target, UnmountFlags::DETACH) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
        Err(errno) => return Err(failed(name, "unmount")(errno.into())),
    }
    match fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(name, "remove")(error)),
        _ => Ok(()),
    }
}

fn failed<'a>(name: &'a str, step: &'static str) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error { name: name.to_owned(), step, source }
}

/// Mounts a namespace by its name, on a file that is there already after a crash.
fn mount_at(source: &str, name: &str) -> Result<(), Error> {
    let target = path(name);
    match OpenOptions::new().write(true).create_new(true).mode(0o444).open(&target) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(name, "name")(error)),
    }
    mount_bind(source, &target).map_err(|errno| failed(name, "mount")(errno.into()))
}

/// Makes the directory and a shared mount of it, as `ip netns` does and under the same lock.
fn prepare_directory() -> Result<(), Error> {
    fs::create_dir_all(DIR).map_err(failed(DIR, "make"))?;
    let directory = File::open(DIR).map_err(failed(DIR, "open"))?;
    // The lock goes when the file is closed.
    directory.lock().map_err(failed(DIR, "lock"))?;
    let share = || mount_change(DIR, MountPropagationFlags::SHARED | MountPropagationFlags::REC);
    match share() {
        Ok(()) => Ok(()),
        Err(Errno::INVAL) => mount_bind_recursive(DIR, DIR)
            .and_then(|()| share())
            .map_err(|errno| failed(DIR, "mount")(errno.into())),
        Err(errno) => Err(failed(DIR, "share")(errno.into())),
    }
}
