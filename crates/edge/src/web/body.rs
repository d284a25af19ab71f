//! The body of a response on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::code::Code;
use super::entry::Entry;
use super::upload::BodyError;
use super::upstream::Upstream;

/// The body of a response.
pub enum DownBody {
    /// The router's own words.
    Page {
        /// What is left of them.
        text: Option<Bytes>,
        /// Where they are noted.
        _entry: Option<Box<Entry>>,
    },
    /// A dyno's.
    Stream(Box<Download>),
}

/// A dyno's response, with the connection that it comes over.
pub struct Download {
    incoming: Incoming,
    /// Gone once it is kept for another request.
    upstream: Option<Upstream>,
    worker: usize,
    entry: Box<Entry>,
    idle: Duration,
    moved: Option<Instant>,
}

impl Download {
    /// A response's body. The connection is kept at its end.
    pub fn new(
        incoming: Incoming,
        upstream: Upstream,
        worker: usize,
        entry: Box<Entry>,
        idle: Duration,
    ) -> Self {
        Self { incoming, upstream: Some(upstream), worker, entry, idle, moved: None }
    }

    /// Ends it if there is nothing more to come.
    pub fn end_if_whole(&mut self) {
        if self.incoming.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.entry.ended = true;
        if let Some(mut upstream) = self.upstream.take()
            && upstream.rests()
            && let Some(dyno) = self.entry.dyno()
        {
            dyno.keep(self.worker, upstream);
        }
        self.entry.release();
    }

    fn fail(&mut self, code: Code) {
        self.entry.ended = true;
        self.entry.code = Some(code);
        self.upstream = None;
        self.entry.release();
    }

    /// Once it failed it never looks as if it were whole.
    fn failure(&self) -> Option<BodyError> {
        self.entry.code.map(|code| code.description().into())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(failure) = self.failure() {
            return Poll::Ready(Some(Err(failure)));
        }
        let mut polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if polled.is_pending()
            && let Some(upstream) = &mut self.upstream
        {
            upstream.drive(cx);
            polled = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.entry.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.moved = None;
                self.end_if_whole();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => {
                self.fail(Code::H18);
                // What came before goes out first.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                if !self.entry.ended {
                    self.end();
                }
                Poll::Ready(None)
            }
            Poll::Pending if self.is_late(cx) => {
                self.fail(Code::H15);
                Poll::Ready(self.failure().map(Err))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether nothing came for too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = *self.moved.get_or_insert_with(Instant::now) + self.idle;
        self.upstream.as_mut().is_some_and(|upstream| upstream.is_late(cx, deadline))
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
            Self::Stream(download) => download.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Page { text, .. } => text.is_none(),
            Self::Stream(download) => {
                download.entry.code.is_none() && download.incoming.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page { text, .. } => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Stream(download) => download.incoming.size_hint(),
        }
    }
}
