//! Bytes between a host and a server, on a connection of their own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::frame::FrameError;
use crate::message::{Ask, Refusal};
use crate::tls::TlsError;

/// How many streams of one host there are at most, at either end.
pub(crate) const MOST: usize = if cfg!(test) { 8 } else { 512 };
/// How long it may take until a stream is there.
pub(crate) const OPENING: Duration = Duration::from_secs(15);
/// How long a stream may be without any byte.
const IDLE: Duration = Duration::from_secs(3600);
/// The most bytes of what is said of a stream beside its kind.
const MOST_ABOUT: usize = 24 << 10;

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// There is no connection with the other end.
    #[error("there is no connection with it at present")]
    Away,
    /// The other end knows no streams.
    #[error("its release of Causeway is too old for that; upgrade it")]
    Older,
    /// The other end refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// There are too many.
    #[error("there are {MOST} streams with it, which is as many as there may be")]
    Busy,
    /// It did not come in time.
    #[error("it did not answer in {} s", OPENING.as_secs())]
    Late,
    /// What is asked for cannot be said.
    #[error("what is asked for has more than {MOST_ABOUT} bytes")]
    TooLarge,
    /// The connection broke off.
    #[error("the connection for the stream failed")]
    Broken(#[from] FrameError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Ask {
    /// What a stream is for.
    pub(crate) fn new(kind: &str, about: &impl Serialize) -> Result<Self, StreamError> {
        let about = serde_json::to_string(about)
            .map_err(|error| StreamError::Broken(FrameError::Malformed(error)))?;
        if about.len() > MOST_ABOUT {
            return Err(StreamError::TooLarge);
        }
        Ok(Self { kind: kind.to_owned(), about })
    }
}

/// The shares of a host's streams.
pub(crate) fn shares() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MOST))
}

/// Bytes both ways between a host and a server.
///
/// Whoever has said all shuts its own direction down and may read on. A direction that ended so gives no
/// more bytes; one that broke off, or was ended because the host was removed or another server leads, is
/// an error. So is an hour without any byte.
pub struct Stream {
    io: TlsStream<TcpStream>,
    /// What came with the greeting.
    early: BytesMut,
    reads: Bounds,
    writes: Bounds,
    last: Instant,
    /// Tells that it is gone.
    _gone: DropGuard,
    _share: OwnedSemaphorePermit,
}

/// What ends one direction. Each has its own: two tasks may wait for the two.
struct Bounds {
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Pin<Box<Sleep>>,
}

impl Bounds {
    fn new(end: &CancellationToken) -> Self {
        Self {
            end: Box::pin(end.clone().cancelled_owned()),
            idle: Box::pin(tokio::time::sleep(IDLE)),
        }
    }

    /// Why the direction is over.
    fn poll(&mut self, cx: &mut Context<'_>, last: Instant) -> Option<io::Error> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Some(io::Error::new(io::ErrorKind::ConnectionAborted, "the stream was ended"));
        }
        while self.idle.as_mut().poll(cx).is_ready() {
            if last.elapsed() >= IDLE {
                let why = "the stream was ended, as nothing came for an hour";
                return Some(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            self.idle.as_mut().reset(last + IDLE);
        }
        None
    }
}

impl Stream {
    /// A stream that ends with a token, at the latest, and cancels it when it is dropped.
    pub(crate) fn new(
        io: TlsStream<TcpStream>,
        early: BytesMut,
        end: CancellationToken,
        share: OwnedSemaphorePermit,
        silence: Duration,
    ) -> Self {
        if let Err(error) = os::tcp::end_when_silent(io.get_ref().0, silence) {
            tracing::warn!(%error, "a stream whose other end vanishes is noticed late");
        }
        Self {
            io,
            early,
            reads: Bounds::new(&end),
            writes: Bounds::new(&end),
            last: Instant::now(),
            _gone: end.drop_guard(),
            _share: share,
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.reads.poll(cx, this.last) {
            return Poll::Ready(Err(error));
        }
        if !this.early.is_empty() {
            let some = this.early.len().min(buf.remaining());
            buf.put_slice(&this.early[..some]);
            this.early.advance(some);
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if read.is_ready() {
            this.last = Instant::now();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(error) = this.writes.poll(cx, this.last) {
            return Poll::Ready(Err(error));
        }
        let written = Pin::new(&mut this.io).poll_write(cx, buf);
        if written.is_ready() {
            this.last = Instant::now();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.writes.poll(cx, this.last) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.writes.poll(cx, this.last) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
