//! The responses that are read from one connection, as a function of the bytes alone.

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::answer::{self, Answer, Parsed};
use super::not_http::NotHttp;
use super::payload::{Payload, Step};

/// Reads one response after the other.
#[derive(Debug)]
pub(super) struct ResponseReader {
    /// The bytes that were read from the connection and not used yet. Whoever reads more appends it.
    pub(super) unread: Bytes,
    /// The number of bytes of `unread` that are known to hold no end of a head.
    looked: usize,
    /// The method of the request.
    method: Method,
    /// The memory of a map of fields, for the next response.
    spare: HeaderMap,
    /// What is to come of the response's body.
    payload: Payload,
    /// Whether the dyno will take another request after this response.
    keeps: bool,
    /// The most bytes of a head, or of the trailers of a body.
    head_bytes: usize,
}

impl ResponseReader {
    /// A reader of heads of at most so many bytes.
    pub(super) fn new(head_bytes: usize) -> Self {
        Self {
            unread: Bytes::new(),
            looked: 0,
            method: Method::GET,
            spare: HeaderMap::new(),
            payload: Payload::Length(0),
            keeps: false,
            head_bytes,
        }
    }

    /// Expects the response to a request with this method. The memory of `spare` is used for its
    /// fields.
    pub(super) fn expect(&mut self, method: &Method, spare: HeaderMap) {
        self.method = method.clone();
        self.spare = spare;
    }

    /// The head of the response, or `None` if not all of it was read yet.
    pub(super) fn answer(&mut self) -> Result<Option<Answer>, NotHttp> {
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

    /// The whole body, if it was read already and is one piece. It may be empty.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        match self.payload {
            Payload::Length(length) if length <= self.unread.len() as u64 => {
                self.payload = Payload::Length(0);
                Some(self.unread.split_to(length as usize))
            }
            Payload::Length(_) | Payload::Chunked(_) | Payload::ToClose => None,
        }
    }

    /// The next piece of the body.
    pub(super) fn body(&mut self) -> Result<Step, NotHttp> {
        self.payload.next(&mut self.unread, self.head_bytes)
    }

    /// What is to come of the body.
    pub(super) fn payload(&self) -> Payload {
        self.payload
    }

    /// Whether the response is over, nothing follows it, and the dyno will take another request. If so,
    /// no memory is kept.
    pub(super) fn ends_at_rest(&mut self) -> bool {
        let rests = self.keeps && self.payload.is_over() && self.unread.is_empty();
        if rests {
            self.unread = Bytes::new();
        }
        rests
    }
}

/// Whether the end of a head may be among the unread bytes, of which so many were looked at before.
fn has_end(unread: &[u8], looked: usize) -> bool {
    // Most heads come as a whole, for which the parser is as fast.
    looked == 0
        || unread[looked.saturating_sub(3)..]
            .windows(2)
            .any(|pair| pair == b"\n\n" || pair == b"\n\r")
}
