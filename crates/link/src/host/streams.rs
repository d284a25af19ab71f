//! A host's end of streams. It is always the host that connects, to the server that it follows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use super::connect::connect;
use crate::frame::{self, FrameError, MOST_BYTES_OF_STRANGERS, Reader};
use crate::identity::HostId;
use crate::kinds::Kinds;
use crate::message::{Ask, Refusal, RefusalCode, ToHost, ToServer, Versions, Which};
use crate::stream::{OPENING, Stream, StreamError, shares};

/// Opens streams to the server that a host follows. There is one of it from the beginning, so that whatever
/// needs streams can be made before the host is.
#[derive(Clone)]
pub struct HostStreams(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    shares: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    /// The server, while one is followed.
    server: Option<Server>,
    /// The leader whose streams there are.
    epoch: u64,
    /// Ends them.
    end: CancellationToken,
}

/// The server that is followed.
#[derive(Clone)]
pub(super) struct Server {
    pub address: String,
    pub config: Arc<ClientConfig>,
    pub version: u16,
    /// When it counts as dead.
    pub silence: Duration,
}

/// A server is followed as long as this is there.
pub(super) struct Following<'a>(&'a HostStreams);

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.state().server = None;
    }
}

impl Default for HostStreams {
    fn default() -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), shares: shares() }))
    }
}

impl HostStreams {
    /// Opens a stream to the server.
    ///
    /// # Errors
    ///
    /// [`StreamError`].
    pub async fn open(&self, kind: &str, about: &impl Serialize) -> Result<Stream, StreamError> {
        let ask = Ask::new(kind, about)?;
        let share = self.share().ok_or(StreamError::Busy)?;
        let opened = self.connect(Which::Own(ask), share);
        tokio::time::timeout(OPENING, opened).await.map_err(|_| StreamError::Late)?
    }

    /// Opens the stream that the server asked for, and serves it; or says why not.
    pub(super) fn asked(
        &self,
        host: HostId,
        number: u64,
        ask: Ask,
        kinds: &Kinds,
        outgoing: mpsc::Sender<ToServer>,
    ) {
        let (streams, kinds) = (self.clone(), kinds.clone());
        let end = self.state().end.clone();
        let opens = async move {
            let served = streams.serve(host, number, ask, &kinds);
            if let Err(refusal) = served.await {
                let message = ToServer::NoStream { number, refusal };
                // Where the connection has ended, nobody waits any more.
                let _ = outgoing.send(message).await;
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = opens => {}
            }
        });
    }

    async fn serve(
        &self,
        host: HostId,
        number: u64,
        ask: Ask,
        kinds: &Kinds,
    ) -> Result<(), Refusal> {
        let refused = |error: &StreamError| Refusal {
            code: match error {
                StreamError::Busy => RefusalCode::Busy,
                _ => RefusalCode::Other,
            },
            message: os::error_chain(error),
        };
        let share = self.share().ok_or_else(|| refused(&StreamError::Busy))?;
        let takes = kinds.answer(host, ask).await?;
        let opened = self.connect(Which::Asked(number), share);
        let opened = tokio::time::timeout(OPENING, opened).await.unwrap_or(Err(StreamError::Late));
        let stream = opened.map_err(|error| refused(&error))?;
        takes(stream).await;
        Ok(())
    }

    async fn connect(
        &self,
        which: Which,
        share: OwnedSemaphorePermit,
    ) -> Result<Stream, StreamError> {
        let (server, end) = {
            let state = self.state();
            (state.server.clone().ok_or(StreamError::Away)?, state.end.child_token())
        };
        if server.version < Versions::STREAMS {
            return Err(StreamError::Older);
        }
        let io = connect(&server.address, server.config).await.map_err(FrameError::Io)?;
        let (read, mut write) = tokio::io::split(io);
        let mut reader = Reader::new(read, MOST_BYTES_OF_STRANGERS);
        let first = ToServer::Stream(Box::new(which));
        frame::write(&mut write, &first, MOST_BYTES_OF_STRANGERS).await?;
        match reader.next(OPENING).await? {
            ToHost::Streaming => {
                let (read, early) = reader.into_parts();
                let io = TlsStream::Client(read.unsplit(write));
                Ok(Stream::new(io, early, end, share, server.silence))
            }
            ToHost::Refused(refusal) => Err(StreamError::Refused(refusal)),
            _ => Err(StreamError::Refused(Refusal {
                code: RefusalCode::Other,
                message: "the server answered in another way".to_owned(),
            })),
        }
    }

    /// A server is followed from now on. The streams of an earlier leader end.
    pub(super) fn follow(&self, server: Server, epoch: u64) -> Following<'_> {
        let mut state = self.state();
        if state.epoch != epoch || state.end.is_cancelled() {
            state.end.cancel();
            (state.end, state.epoch) = (CancellationToken::new(), epoch);
        }
        state.server = Some(server);
        Following(self)
    }

    /// Ends all.
    pub(super) fn end(&self) {
        self.state().end.cancel();
    }

    fn share(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.shares).try_acquire_owned().ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
