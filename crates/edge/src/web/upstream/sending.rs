//! A request on its way to a dyno.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use crate::web::upload::Upload;

/// Up to so many bytes of a body are put together with what goes out before them.
const SMALL: usize = 2048;
/// So many are put together before they go out.
const GATHERED: usize = 8192;

/// A request of which not all went out.
#[derive(Debug, Default)]
pub struct Sending {
    /// What goes out first: heads, lengths of chunks, short pieces of bodies.
    small: Vec<u8>,
    /// How much of that is gone.
    gone: usize,
    /// What goes out then.
    large: Bytes,
    /// Whether a chunk is to be ended after that.
    in_chunk: bool,
    upload: Option<Upload>,
    /// What is left of a body of this length; in chunks if there is none.
    left: Option<u64>,
    begun: bool,
    /// The client's body is broken, and stays so.
    broken: bool,
}

/// Why not all of a request went out.
#[derive(Debug)]
pub enum Unsent {
    /// The dyno takes no more.
    Dyno,
    /// The client's body is broken.
    Client,
}

impl Sending {
    /// Begins to send a head, and a body of a length, or in chunks.
    pub fn new(head: Bytes, body: Option<(Upload, Option<u64>)>) -> Self {
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

    /// Whether the dyno's end took any of it.
    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// When the last of its body moved, if there is more of it.
    pub fn moved(&self) -> Option<Instant> {
        self.upload.as_ref().map(|upload| upload.progress().1)
    }

    /// Sends on, until all of it went out.
    pub fn poll(
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

    /// Takes what there is of the body, and says whether there will be more.
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
                // More than was announced would be the next request.
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
