//! What a process writes, as frames: what each is in one byte, the length of it in four, and then it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of one frame at most.
pub(super) const MOST: usize = 64 << 10;

const OUTPUT: u8 = 0;
const ERRORS: u8 = 1;
const END: u8 = 2;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// Some of its output.
    Output(Vec<u8>),
    /// Some of its complaints.
    Errors(Vec<u8>),
    /// It has ended, with this status if there is one.
    End(Option<i32>),
}

/// Writes output or complaints.
pub(super) async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    errors: bool,
    bytes: &[u8],
) -> io::Result<()> {
    put(to, if errors { ERRORS } else { OUTPUT }, bytes).await
}

/// Writes how it ended.
pub(super) async fn write_end(
    to: &mut (impl AsyncWrite + Unpin),
    status: Option<i32>,
) -> io::Result<()> {
    let status = status.map(i32::to_be_bytes);
    put(to, END, status.as_ref().map_or(&[], |bytes| &bytes[..])).await
}

async fn put(to: &mut (impl AsyncWrite + Unpin), kind: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MOST);
    let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut frame = Vec::with_capacity(5 + bytes.len());
    frame.push(kind);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(bytes);
    to.write_all(&frame).await?;
    to.flush().await
}

/// Reads a frame; `None` where the other end has said all.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut kind = [0];
    if from.read(&mut kind).await? == 0 {
        return Ok(None);
    }
    let length = usize::try_from(from.read_u32().await?).unwrap_or(usize::MAX);
    if length > MOST {
        return Err(malformed("a frame is too large"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    match (kind[0], &bytes[..]) {
        (OUTPUT, _) => Ok(Some(Frame::Output(bytes))),
        (ERRORS, _) => Ok(Some(Frame::Errors(bytes))),
        (END, []) => Ok(Some(Frame::End(None))),
        (END, status) => {
            let status = status.try_into().map_err(|_| malformed("a status has four bytes"))?;
            Ok(Some(Frame::End(Some(i32::from_be_bytes(status)))))
        }
        _ => Err(malformed("a frame is of no kind that is known")),
    }
}
