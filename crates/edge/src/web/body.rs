//! The body of a response, on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::code::Code;
use super::request_record::RequestRecord;
use super::upload::BodyError;
use super::upstream::{Cut, Upstream};

/// The body of a response.
pub(crate) enum DownBody {
    /// A page of the router's own.
    Page {
        /// The text, until it is sent.
        text: Option<Bytes>,
        /// Written to the log when this is dropped.
        _record: Option<Box<RequestRecord>>,
    },
    /// A dyno's body that was read as a whole.
    Whole {
        /// The body, until it is sent.
        data: Option<Bytes>,
        /// Written to the log when this is dropped.
        record: Box<RequestRecord>,
    },
    /// A dyno's body that is still being read.
    Stream(Box<Download>),
}

impl DownBody {
    /// The body of a dyno's response. At its end the connection is kept for other requests. It fails if
    /// nothing moves for longer than `idle`.
    pub(crate) fn of_dyno(
        mut upstream: Upstream,
        worker: usize,
        mut record: Box<RequestRecord>,
        idle: Duration,
    ) -> Self {
        let Some(data) = upstream.whole() else {
            let upstream = Some(upstream);
            return Self::Stream(Box::new(Download {
                upstream,
                worker,
                record,
                idle,
                moved: None,
            }));
        };
        keep(upstream, worker, &mut record);
        // hyper does not poll a body that is empty.
        record.ended = data.is_empty();
        Self::Whole { data: (!data.is_empty()).then_some(data), record }
    }
}

/// Keeps a connection for another request, if it can take one, and ends the request to the dyno.
fn keep(mut upstream: Upstream, worker: usize, record: &mut RequestRecord) {
    if upstream.rests()
        && let Some(dyno) = record.dyno()
    {
        dyno.keep(worker, upstream);
    }
    record.release();
}

/// A dyno's response, with the connection that it comes over.
pub(crate) struct Download {
    /// `None` once the connection is kept for another request.
    upstream: Option<Upstream>,
    worker: usize,
    record: Box<RequestRecord>,
    idle: Duration,
    moved: Option<Instant>,
}

impl Download {
    fn end(&mut self) {
        self.record.ended = true;
        if let Some(upstream) = self.upstream.take() {
            keep(upstream, self.worker, &mut self.record);
        }
    }

    fn fail(&mut self, code: Code) {
        self.record.ended = true;
        self.record.code = Some(code);
        self.upstream = None;
        self.record.release();
    }

    /// The error of a body that failed: it never looks as if it were whole.
    fn failure(&self) -> Option<BodyError> {
        self.record.code.map(|code| code.description().into())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(failure) = self.failure() {
            return Poll::Ready(Some(Err(failure)));
        }
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
        match upstream.poll_body(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.record.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.moved = None;
                if upstream.payload().is_over() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(cut))) => {
                self.fail(match cut {
                    Cut::Dyno => Code::H18,
                    Cut::Client => Code::H27,
                });
                // What came before goes out first.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending if self.is_late(cx) => {
                self.fail(Code::H15);
                Poll::Ready(self.failure().map(Err))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_over(&self) -> bool {
        self.record.code.is_none() && self.upstream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.upstream {
            Some(upstream) => {
                upstream.payload().left().map_or_else(SizeHint::new, SizeHint::with_exact)
            }
            None => SizeHint::with_exact(0),
        }
    }

    /// Whether nothing of the request or the response moved for too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let moved = *self.moved.get_or_insert_with(Instant::now);
        let Some(upstream) = &mut self.upstream else { return false };
        let moved = upstream.upload_moved().map_or(moved, |at| at.max(moved));
        upstream.is_late(cx, moved + self.idle)
    }
}

impl Body for DownBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Page { text, .. } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Whole { data, record } => Poll::Ready(data.take().map(|data| {
                record.bytes = data.len() as u64;
                record.ended = true;
                Ok(Frame::data(data))
            })),
            Self::Stream(download) => download.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Page { text, .. } => text.is_none(),
            Self::Whole { data, .. } => data.is_none(),
            Self::Stream(download) => download.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let exact = |text: &Option<Bytes>| {
            SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
        };
        match self {
            Self::Page { text, .. } => exact(text),
            Self::Whole { data, .. } => exact(data),
            Self::Stream(download) => download.size_hint(),
        }
    }
}
