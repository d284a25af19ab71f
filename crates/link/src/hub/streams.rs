//! The streams of a host, as its servers know them.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::server;
use tokio_util::sync::CancellationToken;

use crate::message::Refusal;
use crate::stream::shares;

pub(super) type Tls = server::TlsStream<TcpStream>;
/// A connection that is to be a stream, with what came already and what ends it.
pub(super) type Connected = (Tls, BytesMut, CancellationToken);
/// Waits for a host to open a stream.
pub(super) type Waits = oneshot::Sender<Result<Connected, Refusal>>;

/// The streams of a host.
pub(super) struct Streams {
    pub(super) shares: Arc<Semaphore>,
    pub(super) last: AtomicU64,
    asked: Mutex<BTreeMap<u64, Waits>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { shares: shares(), last: AtomicU64::new(0), asked: Mutex::default() }
    }
}

impl Streams {
    pub(super) fn asked(&self) -> MutexGuard<'_, BTreeMap<u64, Waits>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits no longer for any: the connection on which they were asked for is gone.
    pub(super) fn give_up(&self) {
        self.asked().clear();
    }

    /// A host opens none.
    pub(super) fn refused(&self, number: u64, refusal: Refusal) {
        if let Some(waits) = self.asked().remove(&number) {
            // Whoever waits no longer need not know.
            let _ = waits.send(Err(refusal));
        }
    }
}

/// A stream that is waited for, until this is dropped.
pub(super) struct Waiting<'a> {
    pub(super) streams: &'a Streams,
    pub(super) number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.streams.asked().remove(&self.number);
    }
}
