//! The routers of web requests: the public one, and one inside each space.
//!
//! Each worker thread has a runtime of its own. A connection stays with the worker that it was
//! given to, and so do the connections to dynos that its requests use.

pub mod alarm;
pub mod body;
pub mod client_io;
pub mod code;
pub mod doors;
pub mod dyno;
pub mod entry;
pub mod exchange;
pub mod head;
pub mod log;
pub mod page;
pub mod pieces;
pub mod probe;
pub mod table;
pub mod tunnel;
pub mod upload;
pub mod upstream;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock;
use crate::config::Limits;
use crate::sockets::{Kind, Namespace, Sockets};
use code::Code;
use head::Marks;
use table::Hosts;
use upstream::Upstream;

/// What all requests share.
#[derive(Debug)]
pub struct Web {
    /// How long things may take.
    pub limits: Limits,
    /// The public router's hosts.
    pub public: Hosts,
    sockets: Sockets,
    open: Arc<AtomicUsize>,
    closed: Arc<tokio::sync::Notify>,
    leaving: watch::Sender<bool>,
}

/// Counts something that the process must not end before.
#[derive(Debug)]
pub struct UnderWay(Arc<AtomicUsize>, Arc<tokio::sync::Notify>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.1.notify_waiters();
        }
    }
}

impl Web {
    /// With no hosts yet.
    pub fn new(limits: Limits, sockets: Sockets) -> Self {
        Self {
            limits,
            public: Hosts::default(),
            sockets,
            open: Arc::default(),
            closed: Arc::default(),
            leaving: watch::Sender::new(false),
        }
    }

    /// Counts a connection, or what became of one.
    pub fn under_way(&self) -> UnderWay {
        self.open.fetch_add(1, Ordering::SeqCst);
        UnderWay(Arc::clone(&self.open), Arc::clone(&self.closed))
    }

    /// Whether another edge took over, and clients are to connect anew.
    pub fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Says that another edge took over.
    pub fn leave(&self) {
        self.leaving.send_replace(true);
    }

    /// Waits until another edge takes over.
    pub async fn until_leaving(&self) {
        // The sender is here.
        let _ = self.leaving.subscribe().wait_for(|leaving| *leaving).await;
    }

    /// Waits until no connection is left.
    pub async fn until_closed(&self) {
        loop {
            let mut closed = std::pin::pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            closed.await;
        }
    }

    /// Connects to a dyno from its space.
    pub async fn connect(
        &self,
        address: SocketAddr,
        exits: &[Namespace],
    ) -> Result<Upstream, Code> {
        let connected = timeout(self.limits.connect, self.stream(address, exits)).await;
        match connected {
            Err(_) => Err(Code::H19),
            Ok(Ok(stream)) => Ok(Upstream::new(stream, self.limits.head_bytes)),
            Ok(Err(error)) => Err(match error.kind() {
                io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => Code::H19,
                _ => Code::H21,
            }),
        }
    }

    /// Opens a stream to an address from the first of some namespaces that is there, beginning
    /// with any.
    pub async fn stream(&self, address: SocketAddr, exits: &[Namespace]) -> io::Result<TcpStream> {
        let first = clock::chance() as u32 as usize % exits.len().max(1);
        let mut last = io::Error::other("the space has no interface for its router");
        for exit in exits.iter().cycle().skip(first).take(exits.len()) {
            match self.sockets.make(exit, Kind::Stream).await {
                Ok(fd) => return connect(fd, address).await,
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

async fn connect(fd: OwnedFd, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::from_std_stream(std::net::TcpStream::from(fd));
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Which hosts a listener knows.
#[derive(Debug, Clone)]
pub enum Scope {
    /// The public ones.
    Public,
    /// Those of a space's apps with internal routing.
    Space(Arc<Hosts>),
}

impl Scope {
    fn hosts<'a>(&'a self, web: &'a Web) -> &'a Hosts {
        match self {
            Self::Public => &web.public,
            Self::Space(hosts) => hosts,
        }
    }

    fn is_public(&self) -> bool {
        match self {
            Self::Public => true,
            Self::Space(_) => false,
        }
    }
}

/// A client's connection.
#[derive(Debug)]
pub struct Client {
    web: Arc<Web>,
    worker: usize,
    scope: Scope,
    address: IpAddr,
    secure: bool,
    marks: Marks,
}
