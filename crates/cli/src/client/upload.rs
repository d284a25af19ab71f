//! The body of a request that uploads a file.

use std::fs::File;
use std::io::{Error, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// A file on its way to the server.
pub(crate) struct Upload {
    file: File,
    left: u64,
    sent: Box<dyn FnMut(u64) + Send + Sync>,
}

impl Upload {
    /// Sends `size` bytes of a file from where it stands. `sent` hears how many more bytes went out.
    pub(crate) fn new(file: File, size: u64, sent: Box<dyn FnMut(u64) + Send + Sync>) -> Self {
        Self { file, left: size, sent }
    }

    /// How many bytes have not been sent yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    /// Reads the next part. This waits for the disk, as nothing else is to be done meanwhile.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        const PART: u64 = 64 << 10;
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = self.left.min(PART);
        let mut part = vec![0; usize::try_from(size).unwrap_or_default()];
        if let Err(error) = self.file.read_exact(&mut part) {
            return Poll::Ready(Some(Err(error)));
        }
        self.left -= size;
        (self.sent)(size);
        Poll::Ready(Some(Ok(Frame::data(part.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
