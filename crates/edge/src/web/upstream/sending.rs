//! A request that is being sent to a dyno.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use crate::web::upload::Upload;

/// Pieces of a body up to this many bytes are copied behind what is sent before them.
const SMALL: usize = 2048;
/// With this many bytes put together, they are sent.
const GATHERED: usize = 8192;

/// A request of which not all is sent.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// What is sent next: the head, sizes of chunks, short pieces of the body.
    small: Vec<u8>,
    /// The number of bytes of `small` that are sent.
    gone: usize,
    /// What is sent after that.
    large: Bytes,
    /// Whether a chunk ends with `large`.
    in_chunk: bool,
    upload: Option<Upload>,
    /// The number of bytes of the body that are to come. Without it the body is sent in chunks.
    left: Option<u64>,
    begun: bool,
    /// Whether the body failed, which it does for good.
    broken: bool,
}

/// Why not all of a request can be sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The dyno takes no more.
    Dyno,
    /// The client's body is broken.
    Client,
}

impl Sending {
    /// A request with this head and body. The body is sent in chunks if its length is not known.
    pub(super) fn new(head: Bytes, body: Option<(Upload, Option<u64>)>) -> Self {
        let (upload, left) = match body {
            Some((upload, length)) => (Some(upload), length),
            None => (None, Some(0)),
        };
        let (small, large) = match upload {
            Some(_) => (head.to_vec(), Bytes::new()),
            None => (Vec::new(), head),
        };
        Self { small, large, upload, left, ..Self::default() }
    }

    /// Whether any of the request is sent.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    /// When the last of the body moved, if not all of it was taken.
    pub(super) fn moved(&self) -> Option<Instant> {
        self.upload.as_ref().map(|upload| upload.progress().1)
    }

    /// Sends what can be sent. Ready once all of the request is sent.
    pub(super) fn poll(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unsent>> {
        loop {
            let gathered = if self.broken { Err(Unsent::Client) } else { self.gather(cx) };
            self.broken = gathered.is_err();
            let waits = gathered?;
            while self.gone < self.small.len() || !self.large.is_empty() {
                let written = ready!(self.write(stream.as_mut(), cx));
                self.went(written.map_err(|_| Unsent::Dyno)?);
            }
            if self.upload.is_none() && !self.in_chunk {
                return Poll::Ready(Ok(()));
            }
            if waits {
                return Poll::Pending;
            }
        }
    }

    fn write(
        &mut self,
        stream: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let small = self.small.get(self.gone..).unwrap_or_default();
        let written = match (small, &self.large[..]) {
            ([], large) => stream.poll_write(cx, large),
            (small, []) => stream.poll_write(cx, small),
            (small, large) => {
                stream.poll_write_vectored(cx, &[IoSlice::new(small), IoSlice::new(large)])
            }
        };
        written.map(|written| match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        })
    }

    fn went(&mut self, count: usize) {
        self.begun = true;
        let small = count.min(self.small.len() - self.gone);
        self.gone += small;
        self.large.advance(count - small);
        if self.gone == self.small.len() {
            self.small.clear();
            self.gone = 0;
        }
    }

    /// Takes what there is of the body; true if more has to be waited for.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<bool, Unsent> {
        if self.in_chunk && self.large.is_empty() {
            self.small.extend_from_slice(b"\r\n");
            self.in_chunk = false;
        }
        while let Some(upload) = &mut self.upload {
            if !self.large.is_empty() || self.small.len() >= GATHERED {
                return Ok(false);
            }
            match upload.poll(cx) {
                Poll::Pending => return Ok(true),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => self.put(data)?,
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        self.end(&trailers)?;
                    }
                },
                Poll::Ready(Some(Err(_))) => return Err(Unsent::Client),
                Poll::Ready(None) => self.end(&HeaderMap::new())?,
            }
        }
        Ok(false)
    }

    fn put(&mut self, data: Bytes) -> Result<(), Unsent> {
        let chunked = match &mut self.left {
            None => true,
            Some(left) => {
                // The dyno would take what goes beyond the announced length for the next request.
                *left = left.checked_sub(data.len() as u64).ok_or(Unsent::Client)?;
                false
            }
        };
        if chunked {
            self.small.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        }
        if data.len() > SMALL {
            self.large = data;
            self.in_chunk = chunked;
            return Ok(());
        }
        self.small.extend_from_slice(&data);
        if chunked {
            self.small.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn end(&mut self, trailers: &HeaderMap) -> Result<(), Unsent> {
        self.upload = None;
        match self.left {
            None => {
                self.small.extend_from_slice(b"0\r\n");
                for (name, value) in trailers {
                    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                        self.small.extend_from_slice(part);
                    }
                }
                self.small.extend_from_slice(b"\r\n");
                Ok(())
            }
            Some(0) => Ok(()),
            Some(_) => Err(Unsent::Client),
        }
    }
}
