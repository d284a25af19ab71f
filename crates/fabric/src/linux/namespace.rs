//! Network namespaces: made, marked with their owner, entered, found and removed.
//!
//! They are kept by mounts in the place where `ip netns` looks, so they outlive the process.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use super::names;
use super::netlink::Netlink;
use crate::driver::Error;

/// Where namespaces are mounted, by name.
pub const DIR: &str = "/run/netns";

const OWNER: &str = "causeway:";

/// Runs a closure on a thread of its own, which may change its namespace as it likes and holds
/// no descriptor of the caller's.
pub fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("fabric".into())
            .spawn_scoped(scope, || own_descriptors().map(|()| work()))
            .map_err(|error| Error::Thread(error.to_string()))?;
        let joined = thread.join().map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Error::Thread(text.unwrap_or("panicked").to_owned())
        });
        joined.flatten()
    })
}

/// Gives the calling thread descriptors of its own, none but the standard three: however many
/// files the rest of the process has open, those that this thread opens have small numbers.
pub fn own_descriptors() -> Result<(), Error> {
    let alone = || -> nix::Result<()> {
        unshare(CloneFlags::CLONE_FILES)?;
        #[expect(unsafe_code, reason = "no safe wrapper closes descriptors that others own")]
        // SAFETY: the table was copied for this thread alone just now, and the thread is new, so
        // no object that it holds owns one of these; the owners' own table is another.
        let status = unsafe { nix::libc::close_range(3, u32::MAX, 0) };
        nix::errno::Errno::result(status).map(drop)
    };
    alone().map_err(|error| Error::Thread(format!("descriptors: {error}")))
}

/// A namespace that is open.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Opens a namespace by name; `None` if there is none.
    pub fn open(name: &str) -> Result<Option<Self>, Error> {
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_CLOEXEC | nix::libc::O_NOFOLLOW)
            .open(path(name));
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(name, "open")(error)),
        };
        // A crash between making the file and mounting on it leaves an empty file.
        let kind = fstatfs(&file).map_err(|e| failed(name, "look at")(e.into()))?;
        Ok((kind.filesystem_type() == NSFS_MAGIC).then(|| Self { name: name.to_owned(), file }))
    }

    /// Makes a namespace that belongs to an instance of Causeway, and leaves the thread in it.
    pub fn create(name: &str, instance: &str) -> Result<Self, Error> {
        prepare_directory()?;
        unshare(CloneFlags::CLONE_NEWNET).map_err(|e| failed(name, "make")(e.into()))?;
        // The mark comes first: what has a name has an owner.
        Netlink::open()?.set_alias("lo", &format!("{OWNER}{instance}"))?;
        let target = path(name);
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o444).open(&target) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(name, "name")(error)),
        }
        mount(
            Some("/proc/thread-self/ns/net"),
            &target,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )
        .map_err(|e| failed(name, "mount")(e.into()))?;
        Self::open(name)?.ok_or_else(|| failed(name, "open")(io::ErrorKind::NotFound.into()))
    }

    /// Opens a namespace of this instance, or makes it; says whether it was made.
    pub fn adopt_or_create(name: &str, instance: &str) -> Result<(Self, bool), Error> {
        let Some(found) = Self::open(name)? else {
            return Ok((Self::create(name, instance)?, true));
        };
        found.enter()?;
        match Netlink::open()?.owner()? {
            Some(owner) if owner == instance => Ok((found, false)),
            Some(owner) => {
                let owner = format!("another instance of Causeway ({owner})");
                Err(Error::Foreign { name: name.to_owned(), owner })
            }
            None => {
                Err(Error::Foreign { name: name.to_owned(), owner: "something else".to_owned() })
            }
        }
    }

    /// Moves the calling thread into it.
    pub fn enter(&self) -> Result<(), Error> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|e| failed(&self.name, "enter")(e.into()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The open file, for netlink.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// The names of the namespaces of an instance, in order.
pub fn owned_by(instance: &str) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(DIR) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(DIR, "list")(error)),
    };
    let mut owned = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if !name.starts_with(names::PREFIX) {
            continue;
        }
        // One that another process removes meanwhile is none of ours.
        let Ok(Some(namespace)) = Namespace::open(&name) else { continue };
        namespace.enter()?;
        if Netlink::open()?.owner()?.as_deref() == Some(instance) {
            owned.push(name);
        }
    }
    owned.sort();
    Ok(owned)
}

/// Removes a namespace's name, and with it the namespace unless a process is in it.
pub fn remove(name: &str) -> Result<(), Error> {
    let target = path(name);
    match umount2(&target, MntFlags::MNT_DETACH) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
        Err(error) => return Err(failed(name, "unmount")(error.into())),
    }
    match fs::remove_file(&target) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(name, "remove")(error)),
    }
}

/// The owner that an alias of `lo` names.
pub fn owner_of(alias: &str) -> Option<String> {
    alias.strip_prefix(OWNER).map(str::to_owned)
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn failed<'a>(name: &'a str, step: &'static str) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Namespace { name: name.to_owned(), step, source }
}

/// Makes the directory and a shared mount of it, as `ip netns` does and under the same lock.
fn prepare_directory() -> Result<(), Error> {
    fs::create_dir_all(DIR).map_err(failed(DIR, "make"))?;
    let directory = File::open(DIR).map_err(failed(DIR, "open"))?;
    let _lock = Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, e)| failed(DIR, "lock")(e.into()))?;
    let share = || {
        let flags = MsFlags::MS_SHARED | MsFlags::MS_REC;
        mount(None::<&str>, DIR, None::<&str>, flags, None::<&str>)
    };
    match share() {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EINVAL) => {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(DIR), DIR, None::<&str>, flags, None::<&str>)
                .and_then(|()| share())
                .map_err(|e| failed(DIR, "mount")(e.into()))
        }
        Err(error) => Err(failed(DIR, "share")(error.into())),
    }
}
