//! Watches a connection: what happens on it is counted, and from time to time looked at.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::limits::{Limits, QUIET, STALLED};

/// Counters of what happens on a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose answers are not complete.
    under_way: AtomicU32,
    /// Increased when a request begins or ends, and when bytes of an answer are sent.
    progress: AtomicU64,
    /// Whether bytes have arrived that are not a whole request yet.
    reading: AtomicBool,
    /// Whether bytes of an answer wait because the client has not taken earlier ones.
    blocked: AtomicBool,
}

/// Checks a connection periodically.
pub(super) struct Watch {
    limits: Limits,
    sleep: Pin<Box<Sleep>>,
    /// The counters at the last check.
    progress: u64,
    reading: bool,
    /// The time of the last progress.
    since: Instant,
    closing: bool,
    /// Whether the server stops.
    pub(super) stopping: bool,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    GoOn,
    /// The connection takes no more requests.
    Close,
    /// The connection is dropped, because it did not close by itself.
    Drop,
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sleep: Box::pin(tokio::time::sleep(limits.headers)),
            progress: 0,
            reading: false,
            since: Instant::now(),
            closing: false,
            stopping: false,
        }
    }

    pub(super) async fn tick(&mut self) {
        self.sleep.as_mut().await;
        let pause = if self.stopping { QUIET } else { self.limits.headers };
        self.sleep.as_mut().reset(Instant::now() + pause);
    }

    /// Checks more often from now on, and waits for no client.
    pub(super) fn stop(&mut self, activity: &Activity) {
        self.stopping = true;
        self.progress = activity.progress.load(Relaxed);
        self.since = Instant::now();
        self.sleep.as_mut().reset(self.since + QUIET);
    }

    pub(super) fn look(&mut self, activity: &Activity) -> Look {
        if self.stopping { self.look_at_the_end(activity) } else { self.look_for_life(activity) }
    }

    fn look_at_the_end(&mut self, activity: &Activity) -> Look {
        let progress = activity.progress.load(Relaxed);
        let patience = match activity.under_way.load(Relaxed) {
            _ if activity.blocked.load(Relaxed) => STALLED,
            0 => QUIET,
            // An answer is being made, which has a limit of its own.
            _ => Duration::MAX,
        };
        if progress != self.progress {
            (self.progress, self.since) = (progress, Instant::now());
        }
        if self.since.elapsed() >= patience { Look::Drop } else { Look::GoOn }
    }

    fn look_for_life(&mut self, activity: &Activity) -> Look {
        let (progress, reading) = (activity.progress.load(Relaxed), activity.reading.load(Relaxed));
        if activity.under_way.load(Relaxed) > 0 || progress != self.progress {
            (self.progress, self.reading) = (progress, reading);
            (self.since, self.closing) = (Instant::now(), false);
            return Look::GoOn;
        }
        let half = reading && self.reading;
        self.reading = reading;
        match (self.closing, half || self.since.elapsed() >= self.limits.idle) {
            (true, _) => Look::Drop,
            (false, true) => {
                self.closing = true;
                Look::Close
            }
            (false, false) => Look::GoOn,
        }
    }
}

/// Counts a request as under way until it is dropped.
pub(super) struct UnderWay(Arc<Activity>);

impl UnderWay {
    pub(super) fn new(activity: &Arc<Activity>) -> Self {
        activity.under_way.fetch_add(1, Relaxed);
        activity.progress.fetch_add(1, Relaxed);
        activity.reading.store(false, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.progress.fetch_add(1, Relaxed);
        self.0.reading.store(false, Relaxed);
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

/// A connection that updates the counters.
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.blocked.store(written.is_pending(), Relaxed);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.progress.fetch_add(1, Relaxed);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.reading.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
