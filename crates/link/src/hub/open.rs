//! Streams are opened: those that this server asks hosts for, and those that hosts ask it for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;

use super::admission::removed;
use super::state::{Host, Shared};
use super::streams::{Tls, Waiting, Waits};
use crate::frame::{self, FrameError, MOST_BYTES_OF_STRANGERS, Reader};
use crate::identity::HostId;
use crate::message::{Ask, Refusal, RefusalCode, ToHost, Versions, Which};
use crate::stream::{OPENING, Stream, StreamError};

impl Shared {
    /// Opens a stream to a host that is connected.
    ///
    /// # Errors
    ///
    /// [`StreamError`].
    pub(super) async fn open(
        &self,
        host: &HostId,
        kind: &str,
        about: &impl Serialize,
    ) -> Result<Stream, StreamError> {
        let ask = Ask::new(kind, about)?;
        let host = self.hosts().get(host).cloned().ok_or(StreamError::Away)?;
        let asks = {
            let state = host.state();
            let connection = state.connection.as_ref().ok_or(StreamError::Away)?;
            if connection.version < Versions::STREAMS {
                return Err(StreamError::Older);
            }
            connection.asks.clone()
        };
        let streams = &host.streams;
        let share = Arc::clone(&streams.shares);
        let share = share.try_acquire_owned().map_err(|_| StreamError::Busy)?;
        let number = streams.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (waits, comes) = oneshot::channel();
        streams.asked().insert(number, waits);
        let _waiting = Waiting { streams, number };
        asks.try_send(ToHost::Stream { number, ask }).map_err(|_| StreamError::Busy)?;
        let came = tokio::time::timeout(OPENING, comes).await.map_err(|_| StreamError::Late)?;
        let (io, early, end) =
            came.map_err(|_| StreamError::Away)?.map_err(StreamError::Refused)?;
        let silence = self.parts.pulse.silence;
        Ok(Stream::new(TlsStream::Server(io), early, end, share, silence))
    }
}

/// Makes a connection of a host a stream, and lasts as long as that.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    id: HostId,
    which: Which,
    reader: Reader<ReadHalf<Tls>>,
    mut write: WriteHalf<Tls>,
    stop: CancellationToken,
) -> Result<(), FrameError> {
    let found = match shared.streams_of(&id) {
        Ok((host, end)) => match which {
            Which::Asked(number) => {
                let waits = host.streams.asked().remove(&number);
                waits.map(|waits| (end, Taker::Asked(waits))).ok_or_else(|| Refusal {
                    code: RefusalCode::Other,
                    message: "nobody waits for that stream any more".to_owned(),
                })
            }
            Which::Own(ask) => {
                let share = Arc::clone(&host.streams.shares).try_acquire_owned();
                match share {
                    Err(_) => Err(Refusal {
                        code: RefusalCode::Busy,
                        message: StreamError::Busy.to_string(),
                    }),
                    Ok(share) => {
                        let answer = shared.parts.kinds.answer(id, ask);
                        let answer = tokio::time::timeout(OPENING, answer).await;
                        let late = |_| Refusal {
                            code: RefusalCode::Other,
                            message: StreamError::Late.to_string(),
                        };
                        let takes = answer.map_err(late).and_then(|answer| answer);
                        takes.map(|takes| (end, Taker::Own(takes, share)))
                    }
                }
            }
        },
        Err(refusal) => Err(refusal),
    };
    let (end, taker) = match found {
        Ok(found) => found,
        Err(refusal) => {
            let refused = ToHost::Refused(refusal);
            frame::write(&mut write, &refused, MOST_BYTES_OF_STRANGERS).await?;
            return Ok(write.shutdown().await?);
        }
    };
    frame::write(&mut write, &ToHost::Streaming, MOST_BYTES_OF_STRANGERS).await?;
    let (read, early) = reader.into_parts();
    let io = read.unsplit(write);
    match taker {
        Taker::Asked(waits) => {
            // Where nobody waits any longer, the connection ends with what is not taken.
            if waits.send(Ok((io, early, end.clone()))).is_ok() {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = stop.cancelled() => end.cancel(),
                }
            }
        }
        Taker::Own(takes, share) => {
            let silence = shared.parts.pulse.silence;
            let stream = Stream::new(TlsStream::Server(io), early, end, share, silence);
            tokio::select! {
                () = stop.cancelled() => {}
                () = takes(stream) => {}
            }
        }
    }
    Ok(())
}

/// Who takes a stream.
enum Taker<T> {
    /// This server asked for it.
    Asked(Waits),
    /// The host did.
    Own(T, tokio::sync::OwnedSemaphorePermit),
}

impl Shared {
    /// Whose streams these are, and what ends the next one; or why there is none.
    fn streams_of(&self, id: &HostId) -> Result<(Arc<Host>, CancellationToken), Refusal> {
        if !self.parts.registry.admits(id) {
            return Err(removed(id));
        }
        let refused = |code, message: &str| Refusal { code, message: message.to_owned() };
        if (self.parts.epoch)().is_none() {
            let message = "this server does not lead at present";
            return Err(refused(RefusalCode::NotLeading, message));
        }
        let host = self.hosts().get(id).cloned();
        let host = host.filter(|host| host.state().connection.is_some());
        let Some(host) = host else {
            let message = "the host has no connection on which it follows this server";
            return Err(refused(RefusalCode::Other, message));
        };
        let end = host.state().streams_end.child_token();
        Ok((host, end))
    }
}
