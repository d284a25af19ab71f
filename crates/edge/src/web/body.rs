//! The body of a response on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::code::Code;
use super::entry::Entry;
use super::upload::BodyError;
use super::upstream::{Cut, Upstream};

/// The body of a response.
pub enum DownBody {
    /// The router's own words.
    Page {
        /// What is left of them.
        text: Option<Bytes>,
        /// Where they are noted.
        _entry: Option<Box<Entry>>,
    },
    /// A dyno's, all of which is here.
    Whole {
        /// What is left of it.
        data: Option<Bytes>,
        /// Where it is noted.
        entry: Box<Entry>,
    },
    /// A dyno's.
    Stream(Box<Download>),
}

impl DownBody {
    /// The body of a dyno's response. The connection is kept at its end. Nothing of it may move
    /// for at most `idle`.
    pub fn of_dyno(
        mut upstream: Upstream,
        worker: usize,
        mut entry: Box<Entry>,
        idle: Duration,
    ) -> Self {
        let Some(data) = upstream.whole() else {
            let upstream = Some(upstream);
            return Self::Stream(Box::new(Download { upstream, worker, entry, idle, moved: None }));
        };
        keep(upstream, worker, &mut entry);
        // Nobody asks for an empty one.
        entry.ended = data.is_empty();
        Self::Whole { data: (!data.is_empty()).then_some(data), entry }
    }
}

/// Keeps a connection for another request, if it can take one, and lets go of the dyno.
fn keep(mut upstream: Upstream, worker: usize, entry: &mut Entry) {
    if upstream.rests()
        && let Some(dyno) = entry.dyno()
    {
        dyno.keep(worker, upstream);
    }
    entry.release();
}

/// A dyno's response, with the connection that it comes over.
pub struct Download {
    /// Gone once it is kept for another request.
    upstream: Option<Upstream>,
    worker: usize,
    entry: Box<Entry>,
    idle: Duration,
    moved: Option<Instant>,
}

impl Download {
    fn end(&mut self) {
        self.entry.ended = true;
        if let Some(upstream) = self.upstream.take() {
            keep(upstream, self.worker, &mut self.entry);
        }
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
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
        match upstream.poll_body(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.entry.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
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
        self.entry.code.is_none() && self.upstream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.upstream {
            Some(upstream) => {
                upstream.payload().left().map_or_else(SizeHint::new, SizeHint::with_exact)
            }
            None => SizeHint::with_exact(0),
        }
    }

    /// Whether nothing moved for too long, in either direction.
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
            Self::Whole { data, entry } => Poll::Ready(data.take().map(|data| {
                entry.bytes = data.len() as u64;
                entry.ended = true;
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
