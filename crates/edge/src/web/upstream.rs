//! A connection to a dyno, on which the router is the client of HTTP/1.1 (RFC 9112). Heads are
//! parsed by `httparse`; what goes over the wire besides, and when, is ours.
//!
//! It has no task of its own: whoever uses it moves it along, so that a request costs no hand-over
//! from task to task, and a dead one is noticed when it is taken up. One that rests holds no
//! memory but its own: what is read goes through memory that a thread's connections share, and
//! which therefore is in the processor's caches.

mod answer;
mod payload;
mod sending;

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

pub use answer::Answer;
pub use payload::Payload;

use super::alarm::Alarm;
use super::upload::Upload;
use answer::{NotHttp, Parsed};
use payload::Step;
use sending::{Sending, Unsent};

/// What is read at once, as long as it is not known to be more.
const SHARED: usize = 16 * 1024;
/// What is read at once of a long body.
const BULK: usize = 64 * 1024;

thread_local! {
    static SHARED_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SHARED].into());
}

/// A connection to a dyno.
#[derive(Debug)]
pub struct Upstream {
    stream: TcpStream,
    /// What was read and not yet looked at, or is not whole yet.
    unread: Bytes,
    /// How much of it is known not to have the end of a head.
    looked: usize,
    /// Whether the last read found as much as it had room for.
    bulk: bool,
    method: Method,
    /// The memory of a map of fields, for the next answer.
    spare: HeaderMap,
    sending: Option<Sending>,
    /// What is to come of the response.
    payload: Payload,
    keeps: bool,
    head_bytes: usize,
    alarm: Alarm,
    used: bool,
    since: Instant,
}

/// Why no response came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The dyno closed the connection.
    Closed {
        /// Nothing of the request was sent.
        unsent: bool,
    },
    /// What came is no response.
    NotHttp,
    /// The client broke its request off.
    Upload,
}

/// Who is to blame that the rest of a response does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The dyno broke off, or said what is no body.
    Dyno,
    /// The client broke its request off, and the dyno waits for more of it.
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
    /// Speaks HTTP on a stream, with heads of at most so many bytes.
    pub fn new(stream: TcpStream, head_bytes: usize) -> Self {
        Self {
            stream,
            unread: Bytes::new(),
            looked: 0,
            bulk: false,
            method: Method::GET,
            spare: HeaderMap::new(),
            sending: None,
            payload: Payload::Length(0),
            keeps: false,
            head_bytes,
            alarm: Alarm::default(),
            used: false,
            since: Instant::now(),
        }
    }

    /// Whether a request went over it before.
    pub fn was_used(&self) -> bool {
        self.used
    }

    /// Since when no request goes over it.
    pub fn idle_for(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether whoever waits for it waited until a deadline.
    pub fn is_late(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        self.alarm.poll(cx, deadline).is_ready()
    }

    /// Whether the dyno has neither closed it nor said anything unasked, as far as this thread has
    /// heard.
    pub fn is_alive(&self) -> bool {
        would_block(&self.stream.try_read(&mut [0]))
    }

    /// The same, and the kernel is asked.
    pub fn is_surely_alive(&self) -> bool {
        let peeked =
            recv(self.stream.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
        would_block(&peeked.map_err(io::Error::from))
    }

    /// Begins a request with this head and body. [`Self::poll_answer`] sends it. `spare` is a map
    /// of which the memory is used for the answer.
    pub fn ask(
        &mut self,
        method: &Method,
        head: Bytes,
        body: Option<(Upload, Option<u64>)>,
        spare: HeaderMap,
    ) {
        self.method = method.clone();
        self.sending = Some(Sending::new(head, body));
        self.spare = spare;
    }

    /// The head of the response.
    pub fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Lost>> {
        match self.send(cx) {
            Some(Unsent::Client) => return Poll::Ready(Err(Lost::Upload)),
            // It may have said why.
            Some(Unsent::Dyno) | None => {}
        }
        loop {
            if let Some(answer) = self.parse()? {
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

    /// Sends what is left of the request.
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

    fn parse(&mut self) -> Result<Option<Answer>, NotHttp> {
        while !self.unread.is_empty() && has_end(&self.unread, self.looked) {
            match answer::parse(&self.unread, &self.method, std::mem::take(&mut self.spare))? {
                Parsed::Partial => break,
                Parsed::Interim(bytes) => {
                    let _ = self.unread.split_to(bytes);
                    self.looked = 0;
                }
                Parsed::Head { bytes, .. } if bytes > self.head_bytes => return Err(NotHttp),
                Parsed::Head { bytes, answer, payload, keeps } => {
                    let _ = self.unread.split_to(bytes);
                    self.looked = 0;
                    (self.payload, self.keeps) = (payload, keeps);
                    return Ok(Some(answer));
                }
            }
        }
        self.looked = self.unread.len();
        if self.looked > self.head_bytes { Err(NotHttp) } else { Ok(None) }
    }

    /// All of the response's body, if it was read and can be given in one piece: no bytes for one
    /// that is empty.
    pub fn whole(&mut self) -> Option<Bytes> {
        match self.payload {
            Payload::Length(length) if length <= self.unread.len() as u64 => {
                self.payload = Payload::Length(0);
                Some(self.unread.split_to(length as usize))
            }
            Payload::Length(_) | Payload::Chunked(_) | Payload::ToClose => None,
        }
    }

    /// What comes next of the response's body. Sends what is left of the request, too.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        // What the dyno does not take it does not need for its answer.
        let broken = matches!(self.send(cx), Some(Unsent::Client));
        loop {
            match self.payload.next(&mut self.unread, self.head_bytes).map_err(Cut::from)? {
                Step::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Step::Trailers(fields) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Step::Over => return Poll::Ready(None),
                Step::Read if broken => return Poll::Ready(Some(Err(Cut::Client))),
                Step::Read => match ready!(self.poll_fill(cx)) {
                    Ok(0) if self.payload == Payload::ToClose => return Poll::Ready(None),
                    Ok(0) | Err(_) => return Poll::Ready(Some(Err(Cut::Dyno))),
                    Ok(_) => {}
                },
            }
        }
    }

    /// How the rest of the response's body ends.
    pub fn payload(&self) -> Payload {
        self.payload
    }

    /// When the last of the request's body moved, if not all of it went out.
    pub fn upload_moved(&self) -> Option<Instant> {
        self.sending.as_ref().and_then(Sending::moved)
    }

    /// Whether it is done with a request and can take another.
    pub fn rests(&mut self) -> bool {
        let rests = self.keeps
            && self.sending.is_none()
            && self.payload.is_over()
            && self.unread.is_empty();
        if rests {
            self.unread = Bytes::new();
            self.bulk = false;
            self.used = true;
            self.since = Instant::now();
        }
        rests
    }

    /// Reads more, and says how much that was.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let left = self.payload.left().map_or(0, |left| usize::try_from(left).unwrap_or(BULK));
        let more = left.saturating_sub(self.unread.len());
        if !self.unread.is_empty() || self.bulk || more > SHARED {
            // Memory is made ready only for what is there.
            ready!(self.stream.poll_read_ready(cx))?;
            let mut buffer = BytesMut::from(std::mem::take(&mut self.unread));
            let room = if self.bulk || more > SHARED { BULK } else { SHARED };
            buffer.reserve(room);
            let polled = poll_read_buf(Pin::new(&mut self.stream), cx, &mut buffer);
            self.unread = buffer.freeze();
            let count = ready!(polled)?;
            self.bulk = count >= SHARED;
            return Poll::Ready(Ok(count));
        }
        SHARED_BUFFER.with_borrow_mut(|shared| {
            let mut buffer = ReadBuf::new(shared);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            self.unread = Bytes::copy_from_slice(buffer.filled());
            self.bulk = buffer.remaining() == 0;
            Poll::Ready(Ok(self.unread.len()))
        })
    }

    /// What it becomes when both ends agreed to speak something else.
    pub fn into_raw(self) -> Raw {
        Raw { stream: self.stream, unread: self.unread }
    }
}

/// Whether the end of a head may be in what was read, of which so much was looked at before.
fn has_end(unread: &[u8], looked: usize) -> bool {
    // Most heads come as a whole, and then the parser is as fast.
    looked == 0
        || unread[looked.saturating_sub(3)..]
            .windows(2)
            .any(|pair| pair == b"\n\n" || pair == b"\n\r")
}

fn would_block(read: &io::Result<usize>) -> bool {
    read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// A connection that does not speak HTTP any more.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    /// What came right behind the head.
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
