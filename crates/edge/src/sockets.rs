//! Makes sockets in network namespaces: a thread enters the namespace, makes the socket and hands
//! it over. A socket stays in the namespace that it was made in.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::socket::sockopt;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
};
use os::netns::{self, NetworkNamespace};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// Something whose file descriptor stays open, and stays the same, as long as the value exists.
pub(crate) trait Steady: AsRawFd {}

impl Steady for Arc<TcpListener> {}
impl Steady for Arc<UdpSocket> {}

/// Registers a descriptor with the runtime, so that a task can wait until it is readable.
pub(crate) fn readable<T: Steady>(inner: T) -> io::Result<AsyncFd<T>> {
    #[expect(unsafe_code, reason = "no safe function takes shared ownership")]
    // SAFETY: the descriptor stays open and the same while `inner` is there: see `Steady`.
    let registered = unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) };
    Ok(registered?)
}

/// The most connections that wait to be accepted. The kernel's own limit applies if it is lower.
const BACKLOG: i32 = 4096;
/// The receive buffer of a UDP socket, in bytes: room for a burst of questions.
const DATAGRAM_BUFFER: usize = 256 * 1024;

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Namespace {
    /// The process's own namespace.
    Own,
    /// A namespace that is mounted under this name.
    Named(Arc<str>),
}

impl Namespace {
    /// The identity of the namespace that the name stands for now, or `None` if there is none. The
    /// same name may be given to another namespace later.
    pub(crate) fn identity(&self) -> Option<netns::Identity> {
        match self {
            Self::Own => netns::identity_of_process(std::process::id()),
            Self::Named(name) => netns::identity(name),
        }
    }
}

/// The kind of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A TCP socket that listens on an address.
    Listener(SocketAddr),
    /// A UDP socket that is bound to an address.
    Datagrams(SocketAddr),
    /// A TCP socket that is to be connected.
    Stream,
}

/// Asks the thread for a socket.
struct SocketRequest {
    namespace: Arc<str>,
    kind: Kind,
    answer: oneshot::Sender<io::Result<OwnedFd>>,
}

/// Opens sockets in namespaces. Clones share one thread.
#[derive(Debug, Clone)]
pub(crate) struct Sockets {
    requests: Sender<SocketRequest>,
}

impl Sockets {
    /// Starts the thread, which ends with the last clone.
    pub(crate) fn start() -> io::Result<Self> {
        let (requests, waiting) = channel();
        std::thread::Builder::new().name("edge-sockets".into()).spawn(move || serve(&waiting))?;
        Ok(Self { requests })
    }

    /// Opens a socket in a namespace. It is in non-blocking mode.
    pub(crate) async fn make(&self, namespace: &Namespace, kind: Kind) -> io::Result<OwnedFd> {
        match namespace {
            Namespace::Own => make_here(kind),
            Namespace::Named(name) => {
                let (answer, answered) = oneshot::channel();
                let request = SocketRequest { namespace: Arc::clone(name), kind, answer };
                let gone = || io::Error::other("the thread that makes sockets is gone");
                self.requests.send(request).map_err(|_| gone())?;
                answered.await.map_err(|_| gone())?
            }
        }
    }
}

fn serve(waiting: &Receiver<SocketRequest>) {
    // Nobody waits for one whose answer cannot be given.
    while let Ok(request) = waiting.recv() {
        #[cfg(test)]
        crate::fault::at("edge-sockets", b"");
        let _ = request.answer.send(make_in(&request.namespace, request.kind));
    }
}

fn make_in(name: &str, kind: Kind) -> io::Result<OwnedFd> {
    let namespace = NetworkNamespace::open(name)?.ok_or(io::ErrorKind::NotFound)?;
    namespace.enter()?;
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

/// Binds a socket to an address that the namespace may get only later.
fn take(fd: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() && !address.ip().is_loopback() && !address.ip().is_unspecified() {
        setsockopt(fd, sockopt::IpFreebind, &true)?;
    }
    Ok(bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?)
}
