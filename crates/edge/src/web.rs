//! The routers of web requests: the public one, and one inside each space.
//!
//! Each worker thread has a runtime of its own. A connection stays with the worker that it was
//! given to, and so do the connections to dynos that its requests use.

pub(crate) mod alarm;
pub(crate) mod body;
pub(crate) mod client_io;
pub(crate) mod coalesced;
pub(crate) mod code;
pub(crate) mod connections;
pub(crate) mod dyno;
pub(crate) mod exchange;
pub(crate) mod figures;
#[cfg(test)]
mod fuzz;
pub(crate) mod head;
mod in_flight;
#[cfg(test)]
mod in_flight_model;
pub(crate) mod log;
pub(crate) mod page;
pub(crate) mod probe;
pub(crate) mod request_record;
mod sync;
pub(crate) mod table;
pub(crate) mod tunnel;
pub(crate) mod upload;
pub(crate) mod upstream;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock;
use crate::config::Limits;
use crate::sockets::{Kind, Namespace, Sockets};
use code::Code;
use head::ForwardedHeaders;
use table::Hosts;
use upstream::Upstream;

/// The routers, as all requests share them.
#[derive(Debug)]
pub(crate) struct Web {
    /// The limits on time and size.
    pub limits: Limits,
    /// The hosts of public apps.
    pub public: Hosts,
    sockets: Sockets,
    open: Arc<AtomicUsize>,
    closed: Arc<tokio::sync::Notify>,
    leaving: watch::Sender<bool>,
}

/// Something in flight, before whose end the process must not end.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<AtomicUsize>, Arc<tokio::sync::Notify>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.1.notify_waiters();
        }
    }
}

impl Web {
    /// Routers without any hosts.
    pub(crate) fn new(limits: Limits, sockets: Sockets) -> Self {
        Self {
            limits,
            public: Hosts::default(),
            sockets,
            open: Arc::default(),
            closed: Arc::default(),
            leaving: watch::Sender::new(false),
        }
    }

    /// Counts a client's connection until the guard is dropped.
    pub(crate) fn under_way(&self) -> UnderWay {
        self.open.fetch_add(1, Ordering::SeqCst);
        UnderWay(Arc::clone(&self.open), Arc::clone(&self.closed))
    }

    /// How many clients' connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether a successor took over, so that clients are to connect anew.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Tells connections that a successor took over.
    pub(crate) fn leave(&self) {
        self.leaving.send_replace(true);
    }

    /// Waits until a successor takes over.
    pub(crate) async fn until_leaving(&self) {
        // It fails only without a sender, which is `self.leaving`.
        let _ = self.leaving.subscribe().wait_for(|leaving| *leaving).await;
    }

    /// Waits until no client's connection is left.
    pub(crate) async fn until_closed(&self) {
        loop {
            let mut closed = std::pin::pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            closed.await;
        }
    }

    /// Connects to a dyno from one of these namespaces, which belong to the dyno's space.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        exits: &[Namespace],
        limit: Duration,
    ) -> Result<Upstream, Code> {
        let connected = timeout(limit, self.stream(address, exits)).await;
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

    /// Opens a TCP connection to an address from the first of these namespaces that exists, beginning
    /// with a random one.
    pub(crate) async fn stream(
        &self,
        address: SocketAddr,
        exits: &[Namespace],
    ) -> io::Result<TcpStream> {
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

/// The hosts that a listener serves.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// The hosts of public apps.
    Public,
    /// The hosts of a space's internal apps.
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

/// A client's connection, as its requests share it.
#[derive(Debug)]
pub(crate) struct Client {
    web: Arc<Web>,
    worker: usize,
    scope: Scope,
    address: IpAddr,
    secure: bool,
    forwarded: ForwardedHeaders,
}
