//! The body of a request, on its way to a dyno. Its first bytes are kept, so that it can be sent again
//! if the connection turns out to be closed.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::head;

/// What went wrong with a body.
pub(crate) type BodyError = Box<dyn Error + Send + Sync>;

/// The body of a request. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Upload(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    incoming: Incoming,
    /// All that was read of the body, as long as that is not more than `bound` bytes.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    bound: usize,
    whole: bool,
    trailers: Option<HeaderMap>,
    /// The number of pieces in `kept` that went out over the present connection.
    again: usize,
    progress: Progress,
    moved: Instant,
}

/// How far a body has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The client has to send more.
    AwaitsClient,
    /// The dyno has to take more.
    AwaitsDyno,
    /// All of the body went out.
    Done,
    /// The client stopped sending before the end.
    Broken,
    /// The client sent what is not a body.
    Malformed,
}

impl Progress {
    /// Whether the body will never be whole.
    fn failed(self) -> bool {
        matches!(self, Self::Broken | Self::Malformed)
    }
}

/// Tells a body that is malformed from one that ended too early.
fn failure(error: &hyper::Error) -> Progress {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Progress::Malformed,
        _ => Progress::Broken,
    }
}

impl Upload {
    /// A body of which up to `bound` bytes are kept.
    pub(crate) fn new(incoming: Incoming, bound: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            incoming,
            kept: Vec::new(),
            kept_bytes: 0,
            bound,
            whole: true,
            trailers: None,
            again: 0,
            progress: Progress::AwaitsDyno,
            moved: Instant::now(),
        })))
    }

    /// How far the body has gone, and when the last of it moved.
    pub(crate) fn progress(&self) -> (Progress, Instant) {
        let state = self.lock();
        (state.progress, state.moved)
    }

    /// Begins anew, for another connection; false if too much of the body is gone.
    pub(crate) fn rewind(&self) -> bool {
        let mut state = self.lock();
        let can = state.whole && !state.progress.failed();
        if can {
            state.again = 0;
            state.progress = Progress::AwaitsDyno;
        }
        can
    }

    /// The next piece of the body.
    pub(crate) fn poll(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.lock().poll(cx)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(chunk) = self.kept.get(self.again) {
            let chunk = chunk.clone();
            self.again += 1;
            self.moved = Instant::now();
            if self.is_end_stream() {
                self.progress = Progress::Done;
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let (true, Some(trailers)) = (self.incoming.is_end_stream(), &self.trailers) {
            if self.progress != Progress::Done {
                let trailers = trailers.clone();
                self.progress = Progress::Done;
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        self.moved = match polled {
            Poll::Pending if self.progress == Progress::AwaitsClient => self.moved,
            Poll::Pending | Poll::Ready(_) => Instant::now(),
        };
        match polled {
            Poll::Pending => {
                self.progress = Progress::AwaitsClient;
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.progress = Progress::Done;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.progress = failure(&error);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    head::trailers(trailers);
                }
                self.keep(&frame);
                let ended = self.incoming.is_end_stream() && self.trailers.is_none();
                let ended = ended || frame.is_trailers();
                self.progress = if ended { Progress::Done } else { Progress::AwaitsDyno };
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        let Some(chunk) = frame.data_ref() else { return };
        self.kept_bytes += chunk.len();
        if self.whole && self.kept_bytes <= self.bound {
            self.kept.push(chunk.clone());
            self.again += 1;
        } else {
            self.whole = false;
            self.kept.clear();
            self.again = 0;
        }
    }

    fn is_end_stream(&self) -> bool {
        self.again >= self.kept.len()
            && self.incoming.is_end_stream()
            && (self.trailers.is_none() || self.progress == Progress::Done)
    }
}
