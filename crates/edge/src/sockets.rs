//! Makes sockets in network namespaces: a thread enters the namespace, makes the socket and hands
//! it over. A socket stays in the namespace that it was made in.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use model::{EniId, VpcId};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::sockopt;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// Something whose descriptor is open, and the same one, as long as it is there.
pub trait Steady: AsRawFd {}

impl Steady for Arc<TcpListener> {}
impl Steady for Arc<UdpSocket> {}
impl Steady for super::core::watch::Watch {}

/// Waits for what comes to a descriptor.
pub fn readable<T: Steady>(inner: T) -> io::Result<AsyncFd<T>> {
    #[expect(unsafe_code, reason = "no safe function takes shared ownership")]
    // SAFETY: the descriptor stays open and the same while `inner` is there: see `Steady`.
    let registered = unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) };
    Ok(registered?)
}

/// Where namespaces are mounted, by name.
pub const DIR: &str = "/run/netns";
/// Connections that wait to be taken: the kernel's own bound cuts it if it is lower.
const BACKLOG: i32 = 4096;
/// Room for bursts of questions.
const DATAGRAM_BUFFER: usize = 256 * 1024;

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Namespace {
    /// The process's own.
    Own,
    /// One that has a name.
    Named(Arc<str>),
}

impl Namespace {
    /// The router of a VPC.
    pub fn router(prefix: &str, vpc: VpcId) -> Self {
        Self::Named(format!("{prefix}{vpc}").into())
    }

    /// What a network interface leads into.
    pub fn interface(prefix: &str, eni: EniId) -> Self {
        Self::Named(format!("{prefix}{eni}").into())
    }

    /// Which one it is now, or `None` if there is none: a name may be given to another one later.
    pub fn identity(&self) -> Option<(u64, u64)> {
        match self {
            Self::Own => Some((0, 0)),
            Self::Named(name) => {
                let metadata = fs::symlink_metadata(path(name)).ok()?;
                // A file that nothing is mounted on yet is no namespace.
                (metadata.size() == 0 && metadata.dev() != directory_device())
                    .then(|| (metadata.dev(), metadata.ino()))
            }
        }
    }
}

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A stream that listens on an address.
    Listener(SocketAddr),
    /// Datagrams at an address.
    Datagrams(SocketAddr),
    /// A stream to be connected to somewhere.
    Stream,
}

struct Wish {
    namespace: Arc<str>,
    kind: Kind,
    answer: oneshot::Sender<io::Result<OwnedFd>>,
}

/// Makes sockets. Clones share one thread.
#[derive(Debug, Clone)]
pub struct Sockets {
    wishes: Sender<Wish>,
}

impl Sockets {
    /// Starts the thread, which ends with the last clone.
    pub fn start() -> io::Result<Self> {
        let (wishes, waiting) = channel();
        std::thread::Builder::new().name("edge-sockets".into()).spawn(move || serve(&waiting))?;
        Ok(Self { wishes })
    }

    /// Makes one in a namespace, not blocking.
    pub async fn make(&self, namespace: &Namespace, kind: Kind) -> io::Result<OwnedFd> {
        match namespace {
            Namespace::Own => make_here(kind),
            Namespace::Named(name) => {
                let (answer, answered) = oneshot::channel();
                let wish = Wish { namespace: Arc::clone(name), kind, answer };
                let gone = || io::Error::other("the thread that makes sockets is gone");
                self.wishes.send(wish).map_err(|_| gone())?;
                answered.await.map_err(|_| gone())?
            }
        }
    }
}

fn serve(waiting: &Receiver<Wish>) {
    // Nobody waits for one whose answer cannot be given.
    while let Ok(wish) = waiting.recv() {
        let _ = wish.answer.send(make_in(&wish.namespace, wish.kind));
    }
}

fn make_in(name: &str, kind: Kind) -> io::Result<OwnedFd> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_CLOEXEC | nix::libc::O_NOFOLLOW)
        .open(path(name))?;
    if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
        return Err(io::ErrorKind::NotFound.into());
    }
    setns(&file, CloneFlags::CLONE_NEWNET)?;
    make_here(kind)
}

fn make_here(kind: Kind) -> io::Result<OwnedFd> {
    let of = |address: Option<SocketAddr>, kind: SockType| {
        let family = match address {
            Some(SocketAddr::V6(_)) => AddressFamily::Inet6,
            Some(SocketAddr::V4(_)) | None => AddressFamily::Inet,
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        socket(family, kind, flags, None)
    };
    match kind {
        Kind::Stream => Ok(of(None, SockType::Stream)?),
        Kind::Listener(address) => {
            let fd = of(Some(address), SockType::Stream)?;
            setsockopt(&fd, sockopt::ReuseAddr, &true)?;
            take(&fd, address)?;
            listen(&fd, Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN))?;
            Ok(fd)
        }
        Kind::Datagrams(address) => {
            let fd = of(Some(address), SockType::Datagram)?;
            // A kernel that gives less gives what it has.
            let _ = setsockopt(&fd, sockopt::RcvBuf, &DATAGRAM_BUFFER);
            take(&fd, address)?;
            Ok(fd)
        }
    }
}

/// The address may come to the namespace after the socket.
fn take(fd: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() && !address.ip().is_loopback() && !address.ip().is_unspecified() {
        setsockopt(fd, sockopt::IpFreebind, &true)?;
    }
    Ok(bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?)
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// The file system that the mount points lie on.
fn directory_device() -> u64 {
    fs::metadata(DIR).map_or(0, |metadata| metadata.dev())
}

/// Raises the number of open files as far as the machine lets it: each VPC has four sockets.
pub fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const WANTED: u64 = 1 << 20;
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    // Only root may go beyond the hard limit, and only so far as the kernel has it.
    if setrlimit(Resource::RLIMIT_NOFILE, WANTED.max(hard), WANTED.max(hard)).is_err() {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
