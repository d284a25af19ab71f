//! The bodies of requests and answers, as a connection's limits and its watch need them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::limits::{Limits, QUIET};
use super::watch::UnderWay;

/// The body of an answer, whose request is under way until the body is sent or given up.
pub(super) struct Counted {
    body: axum::body::Body,
    _under_way: UnderWay,
}

impl Counted {
    pub(super) fn new(body: axum::body::Body, under_way: UnderWay) -> Self {
        Self { body, _under_way: under_way }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the bodies of a connection's requests have in common.
pub(super) struct Terms {
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
}

/// The body of a request, which fails if it arrives too slowly.
pub(crate) struct Timed {
    body: Incoming,
    terms: Arc<Terms>,
    /// Whether the body was asked for what comes next. hyper hands over what it has only then.
    asked: bool,
    /// The deadline for what has not arrived yet; set when the body is first waited for.
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Wakes the reader of the body when the server stops.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// The deadline for the next byte once the server stops.
    quiet: Option<Instant>,
}

impl Timed {
    pub(super) fn new(body: Incoming, terms: Arc<Terms>) -> Self {
        Self { body, terms, asked: false, deadline: None, sleep: None, stopping: None, quiet: None }
    }

    /// Extends the deadline for bytes that have arrived.
    fn came(&mut self, bytes: usize) {
        self.quiet = None;
        if let Some(deadline) = &mut self.deadline {
            let more = Duration::from_secs(1) / self.terms.limits.body_rate.max(1);
            *deadline += more.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Ready when the deadline has passed.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.terms.limits.body;
        let mut deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
        let stop = &self.terms.stop;
        let stopping =
            self.stopping.get_or_insert_with(|| Box::pin(stop.clone().cancelled_owned()));
        if stop.is_cancelled() || stopping.as_mut().poll(context).is_ready() {
            deadline = deadline.min(*self.quiet.get_or_insert_with(|| Instant::now() + QUIET));
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context)
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.asked = false;
                self.came(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other.map(|frame| frame.map_err(Into::into))),
            Poll::Pending if !self.asked => {
                self.asked = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => {
                ready!(self.poll_late(context));
                let late = io::Error::new(io::ErrorKind::TimedOut, "the body came too slowly");
                Poll::Ready(Some(Err(late.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether an error means that a body arrived too slowly.
pub(crate) fn is_late(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
    })
}
