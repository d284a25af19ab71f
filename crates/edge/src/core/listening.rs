//! A socket that is kept open as long as it is wanted: it is opened as soon as its namespace exists,
//! closed when the namespace goes, and opened anew when that comes back.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::watch::Names;
use crate::dns::serve::{Resolver, datagrams, streams};
use crate::sockets::{Kind, Namespace, Sockets};
use crate::web::connections::{Endpoint, Workers};

/// The pause between two tries to open a socket: the first pause, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What serves the connections or packets that come to a socket.
#[derive(Clone)]
pub(crate) enum Acceptor {
    /// A router, over TCP.
    Web(Endpoint),
    /// A resolver, over UDP.
    Datagrams(Arc<Resolver>),
    /// A resolver, over TCP.
    Streams(Arc<Resolver>),
}

/// An open socket.
#[derive(Debug, Clone)]
pub(crate) enum Socket {
    /// A TCP socket that listens.
    Listener(Arc<TcpListener>),
    /// A UDP socket.
    Datagrams(Arc<UdpSocket>),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Listener(listener) => listener.as_fd(),
            Self::Datagrams(socket) => socket.as_fd(),
        }
    }
}

/// How far the binding of all wanted sockets has come: counts those that were not tried yet or are
/// about to be closed, and those that could not be opened.
#[derive(Debug, Default)]
pub(crate) struct Binding {
    waiting: AtomicUsize,
    unbound: AtomicUsize,
    none: Notify,
}

impl Binding {
    /// Waits until every wanted socket was tried and every other one is closed. Gives the number of
    /// sockets that could not be opened yet.
    pub(crate) async fn settled(&self) -> usize {
        loop {
            let mut none = std::pin::pin!(self.none.notified());
            none.as_mut().enable();
            if self.waiting.load(Ordering::SeqCst) == 0 {
                return self.unbound.load(Ordering::SeqCst);
            }
            none.await;
        }
    }

    fn begin(self: &Arc<Self>) -> BindAttempt {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.unbound.fetch_add(1, Ordering::SeqCst);
        let closing = Arc::new(AtomicBool::new(false));
        BindAttempt { binding: Arc::clone(self), closing, tried: false, bound: false }
    }

    fn end_one(&self) {
        if self.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.none.notify_waiters();
        }
    }
}

struct BindAttempt {
    binding: Arc<Binding>,
    /// Whether [`Binding`] counts the socket as one that is about to be closed.
    closing: Arc<AtomicBool>,
    tried: bool,
    bound: bool,
}

impl BindAttempt {
    fn set_bound(&mut self, bound: bool) {
        if bound && !self.bound {
            self.binding.unbound.fetch_sub(1, Ordering::SeqCst);
        } else if !bound && self.bound {
            self.binding.unbound.fetch_add(1, Ordering::SeqCst);
        }
        self.bound = bound;
        if !self.tried {
            self.tried = true;
            self.binding.end_one();
        }
    }
}

impl Drop for BindAttempt {
    fn drop(&mut self) {
        // A socket that is not wanted any more is not missing.
        self.set_bound(true);
        if self.closing.load(Ordering::SeqCst) {
            self.binding.end_one();
        }
    }
}

/// What all listening sockets need.
pub(crate) struct Environment {
    /// Opens them.
    pub sockets: Sockets,
    /// Notifies of namespaces that come and go.
    pub names: Arc<Names>,
    /// The threads that serve connections of routers.
    pub workers: Arc<Workers>,
    /// Counts what is not done yet.
    pub binding: Arc<Binding>,
    /// Whether the edge has a table. Before that nothing is taken from a socket: whoever comes
    /// waits there, and does not hear that what they ask for does not exist.
    pub has_table: watch::Sender<bool>,
}

/// A socket that is wanted. It is closed when this is dropped.
pub(crate) struct Listening {
    open: Arc<Mutex<Option<Socket>>>,
    binding: Arc<Binding>,
    closing: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The task ends after this, and counts down as the last it does.
        self.binding.waiting.fetch_add(1, Ordering::SeqCst);
        self.closing.store(true, Ordering::SeqCst);
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Listening {
    /// Opens a socket, or goes on with one that is open already.
    pub(crate) fn start(
        environment: &Arc<Environment>,
        namespace: Namespace,
        address: SocketAddr,
        acceptor: Acceptor,
        adopted: Option<OwnedFd>,
    ) -> Self {
        let open = Arc::new(Mutex::default());
        let attempt = environment.binding.begin();
        let closing = Arc::clone(&attempt.closing);
        let task = ListenTask {
            attempt,
            environment: Arc::clone(environment),
            namespace,
            address,
            acceptor,
            open: Arc::clone(&open),
        };
        let binding = Arc::clone(&environment.binding);
        Self {
            open,
            binding,
            closing,
            _task: AbortOnDropHandle::new(tokio::spawn(task.run(adopted))),
        }
    }

    /// The socket, if it is open.
    pub(crate) fn socket(&self) -> Option<Socket> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The task that keeps a socket open and serves it.
struct ListenTask {
    environment: Arc<Environment>,
    namespace: Namespace,
    address: SocketAddr,
    acceptor: Acceptor,
    open: Arc<Mutex<Option<Socket>>>,
    attempt: BindAttempt,
}

impl ListenTask {
    async fn run(mut self, mut adopted: Option<OwnedFd>) {
        let changes = self.environment.names.of(&self.namespace);
        let mut pause = RETRY.0;
        let mut logged = false;
        #[cfg(test)]
        crate::fault::at("listener", b"");
        loop {
            let identity = self.namespace.identity();
            match self.open(adopted.take()).await {
                Ok(socket) => {
                    (pause, logged) = (RETRY.0, false);
                    self.set(Some(socket.clone()));
                    self.attempt.set_bound(true);
                    let gone = async {
                        loop {
                            let mut changed = std::pin::pin!(changes.notified());
                            changed.as_mut().enable();
                            if self.namespace.identity() != identity {
                                return;
                            }
                            changed.await;
                        }
                    };
                    let mut has_table = self.environment.has_table.subscribe();
                    let serving = async {
                        has_table
                            .wait_for(|has_table| *has_table)
                            .await
                            .map_err(io::Error::other)?;
                        serve(&self.environment.workers, socket, self.acceptor.clone()).await
                    };
                    tokio::select! {
                        ended = serving => {
                            tracing::warn!(?ended, address = %self.address, "a listener ended");
                        }
                        () = gone => {}
                    }
                    self.set(None);
                    self.attempt.set_bound(false);
                }
                Err(error) => {
                    self.attempt.set_bound(false);
                    if !logged {
                        let (namespace, address) = (&self.namespace, self.address);
                        tracing::info!(?namespace, %address, %error, "cannot listen yet");
                    }
                    logged = true;
                }
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(RETRY.1),
                () = changes.notified() => pause = RETRY.0,
            }
        }
    }

    async fn open(&self, adopted: Option<OwnedFd>) -> io::Result<Socket> {
        let (datagrams, kind) = match &self.acceptor {
            Acceptor::Datagrams(_) => (true, Kind::Datagrams(self.address)),
            Acceptor::Web(_) | Acceptor::Streams(_) => (false, Kind::Listener(self.address)),
        };
        let fd = match adopted {
            Some(fd) => fd,
            None => self.environment.sockets.make(&self.namespace, kind).await?,
        };
        // Whoever had it before may have left it blocking, and one that blocks stops all others.
        if datagrams {
            let socket = UdpSocket::from(fd);
            socket.set_nonblocking(true)?;
            return Ok(Socket::Datagrams(Arc::new(socket)));
        }
        let listener = TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        Ok(Socket::Listener(Arc::new(listener)))
    }

    fn set(&self, socket: Option<Socket>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }
}

async fn serve(workers: &Workers, socket: Socket, acceptor: Acceptor) -> io::Result<()> {
    match (socket, acceptor) {
        (Socket::Listener(listener), Acceptor::Web(endpoint)) => {
            workers.accept(listener, endpoint).await
        }
        (Socket::Listener(listener), Acceptor::Streams(resolver)) => {
            streams(listener, resolver).await
        }
        (Socket::Datagrams(socket), Acceptor::Datagrams(resolver)) => {
            datagrams(socket, resolver).await
        }
        (Socket::Listener(_), Acceptor::Datagrams(_))
        | (Socket::Datagrams(_), Acceptor::Web(_) | Acceptor::Streams(_)) => {
            Err(io::Error::other("the socket is of another kind"))
        }
    }
}
