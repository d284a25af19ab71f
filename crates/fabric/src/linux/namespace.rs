//! The fabric's namespaces: made, marked with the instance of Causeway that owns them, and found by
//! that mark.
//!
//! The mark is the alias of a namespace's loopback link, so it lasts for as long as the namespace.

use nix::sched::{CloneFlags, unshare};
use os::netns::{self, NetworkNamespace};

use super::names;
use super::netlink::Netlink;
use crate::driver::Error;

/// How an owner's mark begins.
const OWNER: &str = "causeway:";

/// Runs a closure on a thread of its own, which may change its namespace as it likes and holds
/// no descriptor of the caller's.
pub(super) fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Error> {
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
pub(super) fn own_descriptors() -> Result<(), Error> {
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

/// Moves the calling thread into a new namespace, which has no name and goes when nothing is in it
/// any more. The purpose is for errors.
pub(super) fn enter_new(purpose: &str) -> Result<(), Error> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| failed(purpose, "make", errno.into()))
}

/// An error of the kernel's about a namespace that may have no name.
pub(super) fn failed(name: &str, step: &'static str, source: std::io::Error) -> Error {
    Error::Namespace(netns::Error { name: name.to_owned(), step, source })
}

/// Opens a namespace of an instance, or makes it; says whether it was made. Leaves the thread in it.
pub(super) fn adopt_or_create(
    name: &str,
    instance: &str,
) -> Result<(NetworkNamespace, bool), Error> {
    match NetworkNamespace::open(name)? {
        Some(found) => {
            found.enter()?;
            require_owner(&mut Netlink::open()?, name, instance)?;
            Ok((found, false))
        }
        None => {
            enter_new(name)?;
            // The mark comes first: what has a name has an owner.
            Netlink::open()?.set_alias(names::LOOPBACK, &owner_mark(instance))?;
            Ok((NetworkNamespace::name_current(name)?, true))
        }
    }
}

/// The mark of what belongs to an instance.
pub(super) fn owner_mark(instance: &str) -> String {
    format!("{OWNER}{instance}")
}

/// Refuses to touch the namespace of a socket, which has a name of the fabric's, unless it belongs
/// to an instance.
pub(super) fn require_owner(
    netlink: &mut Netlink,
    name: &str,
    instance: &str,
) -> Result<(), Error> {
    let owner = match owner_by(netlink)? {
        Some(owner) if owner == instance => return Ok(()),
        Some(owner) => format!("another instance of Causeway ({owner})"),
        None => "something else".to_owned(),
    };
    Err(Error::Foreign { name: name.to_owned(), owner })
}

/// The names of the namespaces of an instance, in order. Leaves the thread in one of them.
pub(super) fn owned_by(instance: &str) -> Result<Vec<String>, Error> {
    let mut owned = Vec::new();
    for name in all()? {
        if owner(&name)?.as_deref() == Some(instance) {
            owned.push(name);
        }
    }
    owned.sort();
    Ok(owned)
}

/// The names of all namespaces that some instance may have made.
pub(super) fn all() -> Result<Vec<String>, Error> {
    let mut names = netns::names()?;
    names.retain(|name| name.starts_with(names::PREFIX));
    Ok(names)
}

/// The instance that a namespace belongs to, if it belongs to one. Leaves the thread in it.
pub(super) fn owner(name: &str) -> Result<Option<String>, Error> {
    // One that another process removes meanwhile is none of ours.
    let Ok(Some(namespace)) = NetworkNamespace::open(name) else { return Ok(None) };
    namespace.enter()?;
    owner_by(&mut Netlink::open()?)
}

/// The instance that the namespace of a socket belongs to.
fn owner_by(netlink: &mut Netlink) -> Result<Option<String>, Error> {
    let alias = netlink.alias(names::LOOPBACK)?;
    Ok(alias.and_then(|alias| alias.strip_prefix(OWNER).map(str::to_owned)))
}
