//! A stream that is written to in small pieces, such as a head and a short body.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Up to this many bytes it takes less time to copy pieces together than to write a vector of them.
const SMALL: usize = 2048;

/// A stream that writes small pieces as one.
pub(crate) struct CoalescedWrites<S>(TokioIo<S>);

impl<S> CoalescedWrites<S> {
    /// Wraps a stream.
    pub(crate) fn new(stream: S) -> Self {
        Self(TokioIo::new(stream))
    }
}

impl<S: AsyncRead + Unpin> Read for CoalescedWrites<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> Write for CoalescedWrites<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = Pin::new(&mut self.0);
        if let [only] = parts {
            return inner.poll_write(cx, only);
        }
        if parts.iter().map(|part| part.len()).sum::<usize>() > SMALL {
            return inner.poll_write_vectored(cx, parts);
        }
        let mut whole = [0; SMALL];
        let mut end = 0;
        for part in parts {
            let next = end + part.len();
            whole[end..next].copy_from_slice(part);
            end = next;
        }
        inner.poll_write(cx, &whole[..end])
    }
}
