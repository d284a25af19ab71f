//! The body of a request on its way to a dyno. The first of it is kept, so that it can be sent
//! again if the connection turns out to be dead.

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
pub type BodyError = Box<dyn Error + Send + Sync>;

/// A body of a request.
#[derive(Debug, Clone)]
pub struct Upload(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    incoming: Incoming,
    /// What was read of it, until it was too much.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    bound: usize,
    whole: bool,
    trailers: Option<HeaderMap>,
    /// How much of what is kept goes out again before the rest does.
    again: usize,
    progress: Progress,
    moved: Instant,
}

/// How far a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The client is to send more.
    AwaitsClient,
    /// The dyno is to take more.
    AwaitsDyno,
    /// All of it went out.
    Done,
    /// The client broke it off.
    Broken,
    /// What the client sent is no body.
    Malformed,
}

impl Progress {
    /// Whether no more of it will come.
    fn failed(self) -> bool {
        matches!(self, Self::Broken | Self::Malformed)
    }
}

/// What an error of a client's body means: one that came from what was read, or from the end.
fn failure(error: &hyper::Error) -> Progress {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Progress::Malformed,
        _ => Progress::Broken,
    }
}

impl Upload {
    /// A body of which so many bytes are kept.
    pub fn new(incoming: Incoming, bound: usize) -> Self {
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

    /// How far it is, and since when.
    pub fn progress(&self) -> (Progress, Instant) {
        let state = self.lock();
        (state.progress, state.moved)
    }

    /// Makes it begin anew for another connection; false if too much of it is gone.
    pub fn rewind(&self) -> bool {
        let mut state = self.lock();
        let can = state.whole && !state.progress.failed();
        if can {
            state.again = 0;
            state.progress = Progress::AwaitsDyno;
        }
        can
    }

    /// What comes next of it.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
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
