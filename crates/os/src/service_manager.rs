//! What a service manager as systemd has with the process that it started: what it is told, and the sockets
//! that it gives. It keeps those that this process listens on, too, and gives them to the process that takes
//! its place, so that whoever connects in between waits and is not refused.
//!
//! The protocol is that of `sd_notify(3)` and `sd_listen_fds(3)`, which is a promise of systemd's and needs
//! no library.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, listen, sendmsg, shutdown,
};

/// What a service manager gives to the process that it started, and to that one alone. An OCI runtime that
/// finds `NOTIFY_SOCKET` waits until the workload says on it that it is ready, which none does.
pub const VARIABLES: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "FDSTORE",
];

/// The number of the first descriptor that is given.
const FIRST: RawFd = 3;
/// More descriptors than anybody gives.
const MOST: RawFd = 1024;
/// How many connections wait until they are accepted: those of a restart, too.
const BACKLOG: i32 = 4096;

/// The service manager of this process, if it has one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    notify: Option<UnixDatagram>,
    given: Vec<Given>,
}

/// A socket that was given.
#[derive(Debug)]
struct Given {
    name: String,
    socket: TcpListener,
}

/// Who has a socket that was given, so that it outlives this process.
#[derive(Debug, Clone, Copy)]
enum Keeper {
    /// The service manager, because an earlier process of this service asked for it.
    Store,
    /// A socket unit.
    Unit,
}

/// A place where this process listens, or could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The name under which the service manager keeps the socket. No two places share one.
    pub name: &'static str,
    /// The address; `None` where nothing is to listen.
    pub address: Option<SocketAddr>,
}

/// What the service manager can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The process does its work.
    Ready,
    /// The process ends.
    Stopping,
}

/// Why a process does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The place's name.
        name: &'static str,
        /// The place's address.
        address: SocketAddr,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A socket of somebody else's, on which nobody would answer.
    #[error("the service manager gives the socket {name} ({place}), where nothing is to listen")]
    Unwanted {
        /// The name that it was given with, which is its unit's if nothing else is said.
        name: String,
        /// Where it is.
        place: String,
    },
}

impl ServiceManager {
    /// Takes what this process was given when it was started. Its children find nothing of it: neither
    /// sockets nor, if this is called before there are other threads, variables.
    pub fn of_this_process() -> Self {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Self::default();
        }
        let variable = |name: &str| std::env::var_os(name);
        let ours = variable("LISTEN_PID").and_then(number) == Some(std::process::id());
        let count = variable("LISTEN_FDS").and_then(number).filter(|_| ours).unwrap_or(0);
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.to_string_lossy();
        let mut names = names.split(':');
        let last = FIRST.saturating_add_unsigned(count).min(MOST);
        let given = (FIRST..last)
            .filter_map(|fd| {
                let name = names.next().unwrap_or_default().to_owned();
                Some(Given { name, socket: TcpListener::from(own(fd)?) })
            })
            .collect();
        let notify = variable("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        remove_variables();
        Self { notify, given }
    }

    /// Tells how things are. Where nobody wants to know, nothing is done.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn tell(&self, state: State) -> io::Result<()> {
        self.send(match state {
            State::Ready => "READY=1",
            State::Stopping => "STOPPING=1",
        })
    }

    /// Listens on all of some places, in their order: on the sockets that were given where these are at the
    /// places' addresses, and on new ones elsewhere. New ones are kept by the service manager from now on. A
    /// socket that it kept for a place whose address is another one now is closed, for whoever has it.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    pub fn listen<const N: usize>(
        &mut self,
        places: [Place; N],
    ) -> Result<[Option<TcpListener>; N], ListenError> {
        let mut sockets: [Option<(TcpListener, Keeper)>; N] = [const { None }; N];
        let mut past = Vec::new();
        for Given { name, socket } in std::mem::take(&mut self.given) {
            let kept = places.iter().position(|place| place.name == name);
            let at = match kept {
                Some(at) => {
                    places.get(at).is_some_and(|place| place.has_kept(&socket)).then_some(at)
                }
                None => places.iter().position(|place| place.is_at(&socket)),
            };
            match (at.and_then(|at| sockets.get_mut(at)), kept) {
                // Given twice, it is the same one.
                (Some(slot), Some(_)) => *slot = slot.take().or(Some((socket, Keeper::Store))),
                (Some(slot), None) => *slot = slot.take().or(Some((socket, Keeper::Unit))),
                (None, Some(_)) => past.push(Given { name, socket }),
                (None, None) => {
                    return Err(ListenError::Unwanted { name, place: place_of(&socket) });
                }
            }
        }
        for Given { name, socket } in &past {
            // Whoever connects to what others still hold open would wait for ever.
            let _ = shutdown(socket, Shutdown::Both);
            let _ = self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"));
        }
        let mut listening = [const { None }; N];
        for ((slot, socket), place) in listening.iter_mut().zip(sockets).zip(places) {
            let Place { name, address: Some(address) } = place else { continue };
            let failed = |source| ListenError::Bind { name, address, source };
            let forgotten = past.iter().any(|it| it.name == name);
            let (socket, is_kept) = match socket {
                Some((socket, Keeper::Unit)) => (socket, true),
                Some((socket, Keeper::Store)) => (socket, !forgotten),
                None => (TcpListener::bind(address).map_err(failed)?, false),
            };
            socket.set_nonblocking(true).map_err(failed)?;
            listen(&socket, BACKLOG).map_err(|errno| failed(errno.into()))?;
            if !is_kept {
                // Where nobody can be told, `tell` says so.
                let _ = self.keep(name, socket.as_fd());
            }
            *slot = Some(socket);
        }
        Ok(listening)
    }

    fn keep(&self, name: &str, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.send_with(&format!("FDSTORE=1\nFDNAME={name}"), &[socket])
    }

    fn send(&self, text: &str) -> io::Result<()> {
        self.send_with(text, &[])
    }

    fn send_with(&self, text: &str, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let Some(notify) = &self.notify else { return Ok(()) };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let text = [IoSlice::new(text.as_bytes())];
        sendmsg(notify, &text, &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Place {
    /// Whether a socket is the one that was kept for this place: where any port will do, any port.
    fn has_kept(&self, socket: &TcpListener) -> bool {
        let Some(mut address) = self.address else { return false };
        if address.port() == 0
            && let Ok(local) = socket.local_addr()
        {
            address.set_port(local.port());
        }
        is_at(socket, address)
    }

    fn is_at(&self, socket: &TcpListener) -> bool {
        self.address.is_some_and(|address| is_at(socket, address))
    }
}

/// Whether a socket listens at an address.
fn is_at(socket: &TcpListener, address: SocketAddr) -> bool {
    let listens = rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false);
    listens
        && socket
            .local_addr()
            .is_ok_and(|local| (local.ip(), local.port()) == (address.ip(), address.port()))
}

fn place_of(socket: &TcpListener) -> String {
    socket.local_addr().map_or_else(|_| "no address".to_owned(), |address| address.to_string())
}

fn number(text: OsString) -> Option<u32> {
    text.to_str()?.parse().ok()
}

/// A descriptor that was open when this process began.
fn own(fd: RawFd) -> Option<OwnedFd> {
    // The variables may say more than there is.
    std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).ok()?;
    #[expect(unsafe_code, reason = "descriptors are given as numbers")]
    // SAFETY: it is open, and it is for this process to take, which happens once, before anything else could
    // have come to own it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_setfd(&fd, FdFlags::CLOEXEC).ok()?;
    Some(fd)
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&UnixAddr::from_abstract_name(name)?)?,
        None => socket.connect(name)?,
    }
    Ok(socket)
}

/// Takes the variables out of this process' environment, from which its children would have them.
fn remove_variables() {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    if !threads.is_ok_and(|threads| threads == 1) {
        return;
    }
    for name in VARIABLES {
        #[expect(unsafe_code, reason = "no safe function changes the environment")]
        // SAFETY: this is the only thread, so no other one reads the environment meanwhile.
        unsafe {
            std::env::remove_var(name);
        }
    }
}

#[cfg(test)]
mod tests;
