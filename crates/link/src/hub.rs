//! The servers' side: hosts connect here, are told what they are to do, and say what came of it.

mod admission;
mod open;
mod session;
mod state;
mod streams;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::state::{
    Attach, ConnectedHost, Epoch, HOST_LIFETIME, HostOrders, HostView, HubParts, Pulse,
    WhereServers,
};

use self::admission::join;
use self::session::serve;
use self::state::Shared;
use crate::authority::Authority;
use crate::frame::{self, FrameError, MOST_BYTES_OF_STRANGERS, Reader};
use crate::identity::{HostId, host_of};
use crate::message::ToServer;
use crate::stream::{Stream, StreamError};
use crate::tls::TlsError;

/// How long a stranger may take for a greeting, and for its first message.
const GREETING: Duration = Duration::from_secs(10);

/// Where hosts connect.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

impl Hub {
    /// Makes one. Nobody listens yet.
    pub fn new(parts: HubParts) -> Self {
        Self(Arc::new(Shared::new(parts)))
    }

    /// Who says who a host is.
    pub fn authority(&self) -> &Authority {
        &self.0.parts.authority
    }

    /// Opens a stream to a host that is connected.
    ///
    /// # Errors
    ///
    /// [`StreamError`].
    pub async fn open(
        &self,
        host: &HostId,
        kind: &str,
        about: &impl Serialize,
    ) -> Result<Stream, StreamError> {
        self.0.open(host, kind, about).await
    }

    /// Every host that was connected since the start, by id.
    pub fn hosts(&self) -> Vec<HostView> {
        self.0.hosts().values().map(|host| host.view()).collect()
    }

    /// The hosts that are connected and of which something came within a while.
    pub fn heard_within(&self, span: Duration) -> BTreeSet<HostId> {
        let hosts = self.0.hosts();
        hosts.values().filter(|host| host.is_heard_within(span)).map(|host| host.id).collect()
    }

    /// Whether a host is one of the installation's, be it connected or not.
    pub fn admits(&self, host: &HostId) -> bool {
        self.0.parts.registry.admits(host)
    }

    /// Ends the connections of hosts that are none any more, at once. Called after one was removed.
    pub fn review(&self) {
        let registry = &self.0.parts.registry;
        let mut hosts = self.0.hosts();
        hosts.retain(|id, host| {
            let stays = registry.admits(id);
            if !stays {
                let state = host.state();
                state.streams_end.cancel();
                if let Some(connection) = &state.connection {
                    connection.end.cancel();
                }
            }
            stays
        });
    }

    /// Serves hosts until it is told to stop, and ends all connections then.
    ///
    /// # Errors
    ///
    /// A certificate that cannot be made.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), TlsError> {
        // Said now and not to the first host.
        self.0.tls.config((self.0.parts.now)())?;
        let sessions = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no host can connect for want of descriptors or memory");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(stranger) = Arc::clone(&self.0.strangers).try_acquire_owned() else { continue };
            let (shared, stop) = (Arc::clone(&self.0), stop.child_token());
            sessions.spawn(async move {
                if let Err(error) = greet(shared, stream, peer.ip(), stranger, stop).await {
                    tracing::debug!(%peer, error = os::error_chain(&error), "a connection of a host ended");
                }
            });
        }
        sessions.close();
        sessions.wait().await;
        Ok(())
    }
}

/// Finds out who is there, and serves them.
async fn greet(
    shared: Arc<Shared>,
    stream: TcpStream,
    from: IpAddr,
    stranger: OwnedSemaphorePermit,
    stop: CancellationToken,
) -> Result<(), GreetError> {
    stream.set_nodelay(true).map_err(FrameError::Io)?;
    let acceptor = TlsAcceptor::from(shared.tls.config((shared.parts.now)())?);
    let greeted = async {
        let stream = acceptor.accept(stream).await.map_err(FrameError::Io)?;
        let certificates = stream.get_ref().1.peer_certificates();
        let host = certificates
            .and_then(|shown| shown.first())
            .map(|shown| host_of(shown).ok_or(GreetError::Nameless))
            .transpose()?;
        let (read, write) = tokio::io::split(stream);
        let mut reader = Reader::new(read, MOST_BYTES_OF_STRANGERS);
        let first = reader.next(GREETING).await?;
        Ok::<_, GreetError>((host, reader, write, first))
    };
    let greeted = tokio::time::timeout(2 * GREETING, greeted);
    let (host, reader, mut write, first) = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        greeted = greeted => greeted.map_err(|_| FrameError::Silent(2 * GREETING))??,
    };
    match (host, first) {
        (Some(host), ToServer::Hello(hello)) => {
            drop(stranger);
            serve(&shared, (host, from), *hello, reader, write, stop).await;
            Ok(())
        }
        (Some(host), ToServer::Stream(which)) => {
            drop(stranger);
            Ok(open::serve(&shared, host, *which, reader, write, stop).await?)
        }
        (None, ToServer::Join(newcomer)) => {
            let answer = join(&shared, *newcomer, from).await;
            frame::write(&mut write, &answer, MOST_BYTES_OF_STRANGERS).await?;
            Ok(write.shutdown().await.map_err(FrameError::Io)?)
        }
        _ => Err(GreetError::Unexpected),
    }
}

/// Why a connection ended before anybody was served.
#[derive(Debug, thiserror::Error)]
enum GreetError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("its certificate names no host")]
    Nameless,
    #[error("its first message is no greeting")]
    Unexpected,
}
