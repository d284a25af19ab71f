//! Messages on a connection: the length of each in four bytes, the greatest first, and then its JSON.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a message between hosts and servers that know each other: all that runs on one host is told
/// in one.
pub const MOST_BYTES: usize = 64 << 20;
/// Bytes of a message before that.
pub(crate) const MOST_BYTES_OF_STRANGERS: usize = 64 << 10;
/// Bytes of a length.
const HEAD: usize = 4;
/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It broke off.
    #[error("the connection broke off")]
    Io(#[from] io::Error),
    /// The other end closed it.
    #[error("the other end closed the connection")]
    Closed,
    /// Nothing came for as long as the other end may be silent.
    #[error("nothing was heard for {} s", .0.as_secs())]
    Silent(Duration),
    /// A message has more bytes than one may have.
    #[error("a message has {0} bytes, and may have {1}")]
    TooLarge(usize, usize),
    /// A message is none.
    #[error("a message is not understood")]
    Malformed(#[source] serde_json::Error),
}

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    bytes: BytesMut,
}

impl Framer {
    /// The next message, if all of it has come.
    pub(crate) fn take(&mut self, most: usize) -> Result<Option<BytesMut>, FrameError> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if length > most {
            return Err(FrameError::TooLarge(length, most));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.bytes.advance(HEAD);
        Ok(Some(self.bytes.split_to(length)))
    }
}

/// What is written for a message.
pub(crate) fn framed(message: &impl Serialize, most: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEAD];
    serde_json::to_writer(&mut bytes, message).map_err(FrameError::Malformed)?;
    let length = bytes.len() - HEAD;
    let head = u32::try_from(length).ok().filter(|_| length <= most);
    let head = head.ok_or(FrameError::TooLarge(length, most))?;
    bytes[..HEAD].copy_from_slice(&head.to_be_bytes());
    Ok(bytes)
}

/// Reads messages.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    from: R,
    framer: Framer,
    most: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(from: R, most: usize) -> Self {
        Self { from, framer: Framer::default(), most }
    }

    /// From now on messages may be as large as those of hosts and servers that know each other.
    pub(crate) fn trust(&mut self) {
        self.most = MOST_BYTES;
    }

    /// What it reads from, and what it has read beyond the last message.
    pub(crate) fn into_parts(self) -> (R, BytesMut) {
        (self.from, self.framer.bytes)
    }

    /// The next message. The other end counts as dead once no byte has come for so long: a large message
    /// may take longer as long as it goes on.
    ///
    /// It may be dropped before it is done: no byte is lost.
    pub(crate) async fn next<T: DeserializeOwned>(
        &mut self,
        silence: Duration,
    ) -> Result<T, FrameError> {
        loop {
            if let Some(message) = self.framer.take(self.most)? {
                return serde_json::from_slice(&message).map_err(FrameError::Malformed);
            }
            self.framer.bytes.reserve(CHUNK);
            let read = self.from.read_buf(&mut self.framer.bytes);
            match tokio::time::timeout(silence, read).await {
                Err(_) => return Err(FrameError::Silent(silence)),
                // Without the farewell of TLS, as where its process was killed.
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(FrameError::Closed);
                }
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(0)) => return Err(FrameError::Closed),
                Ok(Ok(_)) => {}
            }
        }
    }
}

/// Writes a message.
pub(crate) async fn write<W: AsyncWrite + Unpin>(
    to: &mut W,
    message: &impl Serialize,
    most: usize,
) -> Result<(), FrameError> {
    to.write_all(&framed(message, most)?).await?;
    to.flush().await?;
    Ok(())
}

/// Reads one message of at most so many bytes from a [`Stream`](crate::Stream), and nothing of what follows
/// it.
///
/// # Errors
///
/// [`FrameError`].
pub async fn read_message<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> Result<T, FrameError> {
    let closed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => FrameError::Closed,
        _ => FrameError::Io(error),
    };
    let length = from.read_u32().await.map_err(closed)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > most {
        return Err(FrameError::TooLarge(length, most));
    }
    let mut message = Vec::new();
    from.take(length as u64).read_to_end(&mut message).await.map_err(closed)?;
    if message.len() < length {
        return Err(FrameError::Closed);
    }
    serde_json::from_slice(&message).map_err(FrameError::Malformed)
}

/// Writes one message of at most so many bytes to a [`Stream`](crate::Stream).
///
/// # Errors
///
/// [`FrameError`].
pub async fn write_message(
    to: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
    most: usize,
) -> Result<(), FrameError> {
    write(to, message, most).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a stream that comes in pieces of this size, and why it cannot go on.
    fn cut(stream: &[u8], size: usize, most: usize) -> (Vec<Vec<u8>>, Option<String>) {
        let (mut framer, mut messages) = (Framer::default(), Vec::new());
        for piece in stream.chunks(size.max(1)) {
            framer.bytes.extend_from_slice(piece);
            loop {
                match framer.take(most) {
                    Ok(Some(message)) => messages.push(message.to_vec()),
                    Ok(None) => break,
                    Err(error) => return (messages, Some(error.to_string())),
                }
            }
        }
        (messages, None)
    }

    #[test]
    fn messages_are_cut_wherever_the_pieces_end() {
        let stream = [framed(&"one", 9).unwrap(), framed(&2, 9).unwrap(), vec![0, 0, 0, 0, 0]];
        let stream = stream.concat();
        for size in 1..=stream.len() {
            let (messages, error) = cut(&stream, size, 9);
            assert_eq!(messages, [&b"\"one\""[..], b"2", b""], "{size}");
            assert_eq!(error, None);
        }
    }

    #[test]
    fn no_message_is_larger_than_it_may_be_and_none_is_waited_for() {
        assert!(matches!(framed(&"ten bytes", 10), Err(FrameError::TooLarge(11, 10))));
        let (messages, error) = cut(&[0xff, 0xff, 0xff, 0xff], 1, MOST_BYTES);
        assert_eq!(messages, Vec::<Vec<u8>>::new());
        assert_eq!(error.unwrap(), "a message has 4294967295 bytes, and may have 67108864");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_may_take_its_time_as_long_as_it_goes_on() {
        let silence = Duration::from_secs(15);
        let (mut near, far) = tokio::io::duplex(1 << 10);
        let mut reader = Reader::new(far, 1 << 10);
        let slow = async {
            for byte in framed(&"slowly", 100).unwrap() {
                tokio::time::sleep(Duration::from_secs(14)).await;
                near.write_all(&[byte]).await.unwrap();
            }
            near
        };
        let (near, got) = tokio::join!(slow, reader.next::<String>(silence));
        assert_eq!(got.unwrap(), "slowly");
        let silent = reader.next::<String>(silence).await.unwrap_err();
        assert_eq!(silent.to_string(), "nothing was heard for 15 s");
        drop(near);
        assert!(matches!(reader.next::<String>(silence).await, Err(FrameError::Closed)));
    }

    /// Whatever comes is cut into the same messages in one piece or in many, and each is refused or
    /// says the same once it is written and read again.
    #[test]
    fn fuzz_link() {
        use crate::message::{ToHost, ToServer};

        fn again<T: Serialize + DeserializeOwned>(message: &[u8]) {
            let Ok(read) = serde_json::from_slice::<T>(message) else { return };
            let written = serde_json::to_vec(&read).unwrap();
            let twice: T = serde_json::from_slice(&written).unwrap();
            assert_eq!(serde_json::to_vec(&twice).unwrap(), written);
        }

        fuzz::target("link", |input| {
            let Some((size, stream)) = input.split_first() else { return };
            let whole = cut(stream, usize::MAX, 1 << 16);
            assert_eq!(cut(stream, usize::from(*size), 1 << 16), whole);
            for message in whole.0 {
                again::<ToHost>(&message);
                again::<ToServer>(&message);
            }
        });
    }
}
