//! A socket that is kept open as long as it is wanted: made as soon as its namespace is there,
//! closed when that goes, made anew when it comes back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{EniId, SpaceId, VpcId};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::watch::Names;
use crate::dns::serve::{Resolver, datagrams, streams};
use crate::sockets::{Kind, Namespace, Sockets};
use crate::web::doors::{Door, Workers};

/// From one try to the next, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Which socket: what an edge calls it that hands it over to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// The public router in the clear.
    PublicHttp,
    /// The public router over TLS.
    PublicHttps,
    /// Public names, in packets.
    PublicDatagrams,
    /// Public names, over streams.
    PublicStreams,
    /// A space's router on one of its interfaces, in the clear.
    SpaceHttp(SpaceId, EniId),
    /// The same over TLS.
    SpaceHttps(SpaceId, EniId),
    /// A VPC's resolver at one of its addresses, in packets.
    VpcDatagrams(VpcId, Ipv4Addr),
    /// The same over streams.
    VpcStreams(VpcId, Ipv4Addr),
}

/// Who takes what comes to a socket.
#[derive(Clone)]
pub enum Taker {
    /// A router.
    Web(Door),
    /// A resolver, packet by packet.
    Datagrams(Arc<Resolver>),
    /// A resolver, over streams.
    Streams(Arc<Resolver>),
}

/// A socket that is open.
#[derive(Debug, Clone)]
pub enum Socket {
    /// For streams.
    Listener(Arc<TcpListener>),
    /// For packets.
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

/// Counts sockets that were not tried yet or are about to be closed, and those that could not be
/// made.
#[derive(Debug, Default)]
pub struct Attempts {
    waiting: AtomicUsize,
    unbound: AtomicUsize,
    none: Notify,
}

impl Attempts {
    /// Waits until every socket was tried, and every one that is not wanted any more is closed.
    /// Says how many are still missing.
    pub async fn all_made(&self) -> usize {
        loop {
            let mut none = std::pin::pin!(self.none.notified());
            none.as_mut().enable();
            if self.waiting.load(Ordering::SeqCst) == 0 {
                return self.unbound.load(Ordering::SeqCst);
            }
            none.await;
        }
    }

    fn begin(self: &Arc<Self>) -> Attempt {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.unbound.fetch_add(1, Ordering::SeqCst);
        let closing = Arc::new(AtomicBool::new(false));
        Attempt { attempts: Arc::clone(self), closing, tried: false, bound: false }
    }

    fn end_one(&self) {
        if self.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.none.notify_waiters();
        }
    }
}

struct Attempt {
    attempts: Arc<Attempts>,
    /// Whether somebody counts on it being closed.
    closing: Arc<AtomicBool>,
    tried: bool,
    bound: bool,
}

impl Attempt {
    fn tried(&mut self, bound: bool) {
        if bound && !self.bound {
            self.attempts.unbound.fetch_sub(1, Ordering::SeqCst);
        } else if !bound && self.bound {
            self.attempts.unbound.fetch_add(1, Ordering::SeqCst);
        }
        self.bound = bound;
        if !self.tried {
            self.tried = true;
            self.attempts.end_one();
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // What is not wanted any more is not missing.
        self.tried(true);
        if self.closing.load(Ordering::SeqCst) {
            self.attempts.end_one();
        }
    }
}

/// What all sockets need.
pub struct Means {
    /// Makes them.
    pub sockets: Sockets,
    /// Says when namespaces change.
    pub names: Arc<Names>,
    /// Serves the connections.
    pub workers: Arc<Workers>,
    /// Counts tries.
    pub attempts: Arc<Attempts>,
    /// Whether we were told what to answer. Before that nothing is taken from a socket: what comes
    /// waits there, rather than hear that what it asks for does not exist.
    pub told: watch::Sender<bool>,
}

/// A socket that is wanted. Dropping it closes it.
pub struct Listening {
    open: Arc<Mutex<Option<Socket>>>,
    attempts: Arc<Attempts>,
    closing: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The task ends after this, and counts down as the last it does.
        self.attempts.waiting.fetch_add(1, Ordering::SeqCst);
        self.closing.store(true, Ordering::SeqCst);
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Listening {
    /// Wants one. `adopted` is one that is there already.
    pub fn start(
        means: &Arc<Means>,
        namespace: Namespace,
        address: SocketAddr,
        taker: Taker,
        adopted: Option<OwnedFd>,
    ) -> Self {
        let open = Arc::new(Mutex::default());
        let attempt = means.attempts.begin();
        let closing = Arc::clone(&attempt.closing);
        let keeper = Keeper {
            attempt,
            means: Arc::clone(means),
            namespace,
            address,
            taker,
            open: Arc::clone(&open),
        };
        let attempts = Arc::clone(&means.attempts);
        Self {
            open,
            attempts,
            closing,
            _task: AbortOnDropHandle::new(tokio::spawn(keeper.run(adopted))),
        }
    }

    /// The socket, while there is one.
    pub fn socket(&self) -> Option<Socket> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Keeper {
    means: Arc<Means>,
    namespace: Namespace,
    address: SocketAddr,
    taker: Taker,
    open: Arc<Mutex<Option<Socket>>>,
    attempt: Attempt,
}

impl Keeper {
    async fn run(mut self, mut adopted: Option<OwnedFd>) {
        let changes = self.means.names.of(&self.namespace);
        let mut pause = RETRY.0;
        let mut told = false;
        loop {
            let identity = self.namespace.identity();
            match self.open(adopted.take()).await {
                Ok(socket) => {
                    (pause, told) = (RETRY.0, false);
                    self.set(Some(socket.clone()));
                    self.attempt.tried(true);
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
                    let mut orders = self.means.told.subscribe();
                    let serving = async {
                        orders.wait_for(|told| *told).await.map_err(io::Error::other)?;
                        serve(&self.means.workers, socket, self.taker.clone()).await
                    };
                    tokio::select! {
                        ended = serving => {
                            tracing::warn!(?ended, address = %self.address, "a listener ended");
                        }
                        () = gone => {}
                    }
                    self.set(None);
                    self.attempt.tried(false);
                }
                Err(error) => {
                    self.attempt.tried(false);
                    if !told {
                        let (namespace, address) = (&self.namespace, self.address);
                        tracing::info!(?namespace, %address, %error, "cannot listen yet");
                    }
                    told = true;
                }
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(RETRY.1),
                () = changes.notified() => pause = RETRY.0,
            }
        }
    }

    async fn open(&self, adopted: Option<OwnedFd>) -> io::Result<Socket> {
        let (datagrams, kind) = match &self.taker {
            Taker::Datagrams(_) => (true, Kind::Datagrams(self.address)),
            Taker::Web(_) | Taker::Streams(_) => (false, Kind::Listener(self.address)),
        };
        let fd = match adopted {
            Some(fd) => fd,
            None => self.means.sockets.make(&self.namespace, kind).await?,
        };
        Ok(if datagrams {
            Socket::Datagrams(Arc::new(fd.into()))
        } else {
            Socket::Listener(Arc::new(fd.into()))
        })
    }

    fn set(&self, socket: Option<Socket>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }
}

async fn serve(workers: &Workers, socket: Socket, taker: Taker) -> io::Result<()> {
    match (socket, taker) {
        (Socket::Listener(listener), Taker::Web(door)) => workers.accept(listener, door).await,
        (Socket::Listener(listener), Taker::Streams(resolver)) => streams(listener, resolver).await,
        (Socket::Datagrams(socket), Taker::Datagrams(resolver)) => {
            datagrams(socket, resolver).await
        }
        (Socket::Listener(_), Taker::Datagrams(_))
        | (Socket::Datagrams(_), Taker::Web(_) | Taker::Streams(_)) => {
            Err(io::Error::other("the socket is of another kind"))
        }
    }
}
