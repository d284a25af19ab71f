//! Messages as lines.

use std::io;

use os::panics::confine;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::OwnedReadHalf;

use crate::protocol::Order;

/// The longest line, in bytes. The intent of 10,000 VPCs has about 100 MB.
const LINE_BYTES: u64 = 1 << 30;
/// Lines longer than this, in bytes, are parsed on another thread, so that nobody has to wait
/// meanwhile.
const SHORT_LINE_BYTES: usize = 64 * 1024;

/// A message as a line of JSON.
pub(crate) fn line(message: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads orders, one in each line.
pub(crate) struct Lines {
    read: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Lines {
    /// Reads from a stream.
    pub(crate) fn new(read: OwnedReadHalf) -> Self {
        Self { read: BufReader::new(read), line: Vec::new() }
    }

    /// The next order, or `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Order>> {
        self.line.clear();
        let mut bounded = (&mut self.read).take(LINE_BYTES);
        bounded.read_until(b'\n', &mut self.line).await?;
        if self.line.last() != Some(&b'\n') {
            return Ok(None);
        }
        if self.line.len() <= SHORT_LINE_BYTES {
            return Ok(Some(serde_json::from_slice(&self.line)?));
        }
        let line = std::mem::take(&mut self.line);
        let parse = move || confine(|| serde_json::from_slice(&line));
        let read = tokio::task::spawn_blocking(parse).await.map_err(io::Error::other)?;
        Ok(Some(read.ok_or_else(|| io::Error::other("a defect"))??))
    }

    /// Whether nothing was read that was not given.
    pub(crate) fn is_drained(&self) -> bool {
        self.read.buffer().is_empty()
    }

    /// The stream.
    pub(crate) fn into_inner(self) -> OwnedReadHalf {
        self.read.into_inner()
    }
}
