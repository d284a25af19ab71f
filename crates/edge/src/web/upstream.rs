//! A connection to a dyno, on which the router is the client of HTTP/1.1 (RFC 9112).
//!
//! What the bytes of a response mean is decided by [`response`], apart from any socket: it is compared
//! with hyper's client and tried with foreign bytes. [`sending`] writes the body of a request.
//!
//! A connection has no task of its own: whoever uses it moves it along, so that a request costs no
//! hand-over from task to task, and a closed one is noticed when it is taken up. An unused connection
//! has no buffer: what is read goes through memory that a thread's connections share, and which
//! therefore is in the processor's caches.

mod answer;
#[cfg(test)]
mod differential;
mod not_http;
mod payload;
mod response;
mod sending;
mod silence;

use std::cell::RefCell;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use http_body::Frame;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

pub(crate) use answer::Answer;
pub(crate) use payload::Payload;

use super::alarm::Alarm;
use super::upload::Upload;
use not_http::NotHttp;
use payload::Step;
use response::ResponseReader;
use sending::{Sending, Unsent};

/// The most bytes that are read at once, unless more are known to come.
const SHARED: usize = 16 * 1024;
/// The most bytes that are read at once of a long body.
const BULK: usize = 64 * 1024;

thread_local! {
    static SHARED_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SHARED].into());
}

/// A connection to a dyno.
#[derive(Debug)]
pub(crate) struct Upstream {
    stream: TcpStream,
    response: ResponseReader,
    /// Whether the last read filled the buffer.
    bulk: bool,
    /// The request, until all of it is sent.
    sending: Option<Sending>,
    alarm: Alarm,
    used: bool,
    since: Instant,
}

/// Why a request got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The dyno closed the connection.
    Closed {
        /// Nothing of the request was sent.
        unsent: bool,
    },
    /// The dyno sent what is not a response.
    NotHttp,
    /// The body of the request is broken.
    Upload,
}

/// Who is the cause that the rest of a response does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The dyno closed the connection, or sent what is not a body.
    Dyno,
    /// The body of the request is broken, and the dyno waits for more of it.
    Client,
}

impl From<NotHttp> for Lost {
    fn from(_: NotHttp) -> Self {
        Self::NotHttp
    }
}

impl From<NotHttp> for Cut {
    fn from(_: NotHttp) -> Self {
        Self::Dyno
    }
}

impl Upstream {
    /// A new connection. The head of a response has at most so many bytes.
    pub(crate) fn new(stream: TcpStream, head_bytes: usize) -> Self {
        Self {
            stream,
            response: ResponseReader::new(head_bytes),
            bulk: false,
            sending: None,
            alarm: Alarm::default(),
            used: false,
            since: Instant::now(),
        }
    }

    /// Whether a request went over the connection before.
    pub(crate) fn was_used(&self) -> bool {
        self.used
    }

    /// How long the connection has been unused.
    pub(crate) fn idle_for(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether a deadline is over, for whoever waits for the connection.
    pub(crate) fn is_late(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        self.alarm.poll(cx, deadline).is_ready()
    }

    /// Whether the machine that the dyno is on has not acknowledged what it was sent, though it was sent again.
    pub(crate) fn is_silent(&self) -> bool {
        silence::is_silent(&self.stream)
    }

    /// Whether the dyno has neither closed the connection nor sent anything unasked, as far as this
    /// thread's runtime knows.
    pub(crate) fn is_alive(&self) -> bool {
        would_block(&self.stream.try_read(&mut [0]))
    }

    /// Like [`Self::is_alive`], but asks the kernel.
    pub(crate) fn is_surely_alive(&self) -> bool {
        let peeked =
            recv(self.stream.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
        would_block(&peeked.map_err(io::Error::from))
    }

    /// Begins a request with this head and body, and the body's length if it is known. The request is
    /// sent by [`Self::poll_answer`]. The memory of `spare` is used for the fields of the response.
    pub(crate) fn ask(
        &mut self,
        method: &Method,
        head: Bytes,
        body: Option<(Upload, Option<u64>)>,
        spare: HeaderMap,
    ) {
        self.response.expect(method, spare);
        self.sending = Some(Sending::new(head, body));
    }

    /// Sends the request, and gives the head of the response.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Lost>> {
        match self.send(cx) {
            Some(Unsent::Client) => return Poll::Ready(Err(Lost::Upload)),
            // The dyno may have answered before it closed the connection.
            Some(Unsent::Dyno) | None => {}
        }
        loop {
            if let Some(answer) = self.response.answer()? {
                return Poll::Ready(Ok(answer));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => {
                    let unsent = self.sending.as_ref().is_some_and(|sending| !sending.is_begun());
                    return Poll::Ready(Err(Lost::Closed { unsent }));
                }
            }
        }
    }

    /// Sends what can be sent of the request.
    fn send(&mut self, cx: &mut Context<'_>) -> Option<Unsent> {
        let polled = self.sending.as_mut()?.poll(Pin::new(&mut self.stream), cx);
        match polled {
            Poll::Pending => None,
            Poll::Ready(Ok(())) => {
                self.sending = None;
                None
            }
            Poll::Ready(Err(unsent)) => Some(unsent),
        }
    }

    /// The whole body of the response, if it was read already and is one piece. It may be empty.
    pub(crate) fn whole(&mut self) -> Option<Bytes> {
        self.response.whole()
    }

    /// The next piece of the response's body. Sends what is left of the request, too.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        // A dyno that takes no more of the request needs no more of it to answer.
        let broken = matches!(self.send(cx), Some(Unsent::Client));
        loop {
            match self.response.body().map_err(Cut::from)? {
                Step::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Step::Trailers(fields) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Step::Over => return Poll::Ready(None),
                Step::Read if broken => return Poll::Ready(Some(Err(Cut::Client))),
                Step::Read => match ready!(self.poll_fill(cx)) {
                    Ok(0) if self.payload() == Payload::ToClose => return Poll::Ready(None),
                    Ok(0) | Err(_) => return Poll::Ready(Some(Err(Cut::Dyno))),
                    Ok(_) => {}
                },
            }
        }
    }

    /// What is to come of the response's body.
    pub(crate) fn payload(&self) -> Payload {
        self.response.payload()
    }

    /// When the last of the request's body moved, if not all of it is sent.
    pub(crate) fn upload_moved(&self) -> Option<Instant> {
        self.sending.as_ref().and_then(Sending::moved)
    }

    /// Whether the connection is done with a request and can take another. If so, it counts as unused
    /// from now on.
    pub(crate) fn rests(&mut self) -> bool {
        let rests = self.sending.is_none() && self.response.ends_at_rest();
        if rests {
            self.bulk = false;
            self.used = true;
            self.since = Instant::now();
        }
        rests
    }

    /// Reads more of the response, and gives the number of bytes.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let left = self.payload().left().map_or(0, |left| usize::try_from(left).unwrap_or(BULK));
        let unread = &mut self.response.unread;
        let more = left.saturating_sub(unread.len());
        if !unread.is_empty() || self.bulk || more > SHARED {
            // No memory is allocated before there is something to read.
            ready!(self.stream.poll_read_ready(cx))?;
            let mut buffer = BytesMut::from(std::mem::take(unread));
            let room = if self.bulk || more > SHARED { BULK } else { SHARED };
            buffer.reserve(room);
            let polled = poll_read_buf(Pin::new(&mut self.stream), cx, &mut buffer);
            *unread = buffer.freeze();
            let count = ready!(polled)?;
            self.bulk = count >= SHARED;
            return Poll::Ready(Ok(count));
        }
        SHARED_BUFFER.with_borrow_mut(|shared| {
            let mut buffer = ReadBuf::new(shared);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            *unread = Bytes::copy_from_slice(buffer.filled());
            self.bulk = buffer.remaining() == 0;
            Poll::Ready(Ok(unread.len()))
        })
    }

    /// The connection as it is once both ends agreed to switch to another protocol.
    pub(crate) fn into_raw(self) -> Raw {
        Raw { stream: self.stream, unread: self.response.unread }
    }
}

fn would_block(read: &io::Result<usize>) -> bool {
    read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// A connection that does not speak HTTP any more.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
    /// The bytes that came right after the head of the response.
    unread: Bytes,
}

impl AsyncRead for Raw {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let count = this.unread.len().min(buffer.remaining());
        buffer.put_slice(&this.unread.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Raw {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
