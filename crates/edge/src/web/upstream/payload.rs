//! The body of a dyno's response, as it is taken out of the bytes that were read.

use bytes::{Buf, Bytes};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::not_http::{FIELDS, NotHttp};

/// The longest line with the size of a chunk, in bytes.
const LINE: usize = 4096;

/// What is to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// So many more bytes.
    Length(u64),
    /// Chunks, up to an empty one.
    Chunked(Chunk),
    /// Everything until the connection is closed.
    ToClose,
}

/// What is to come next of a body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// The line with the size of a chunk.
    Size,
    /// So many more bytes of a chunk.
    Data(u64),
    /// The line end after a chunk.
    End,
    /// The fields after the last chunk.
    Trailers,
    /// Nothing: the body is over.
    Over,
}

/// A step of reading a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Some bytes of the body, at least one.
    Data(Bytes),
    /// The fields after the last chunk.
    Trailers(HeaderMap),
    /// The body is over.
    Over,
    /// More has to be read first.
    Read,
}

impl Payload {
    /// All of a body in chunks.
    pub(crate) const fn chunked() -> Self {
        Self::Chunked(Chunk::Size)
    }

    /// Whether the body is over.
    pub(crate) fn is_over(self) -> bool {
        self == Self::Length(0) || self == Self::Chunked(Chunk::Over)
    }

    /// How many bytes of the body are to come, if that is known.
    pub(crate) fn left(self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(left),
            Self::Chunked(Chunk::Over) => Some(0),
            Self::Chunked(_) | Self::ToClose => None,
        }
    }

    /// Takes the next piece of the body out of the unread bytes. `most` is the most bytes of trailers.
    pub(super) fn next(&mut self, unread: &mut Bytes, most: usize) -> Result<Step, NotHttp> {
        match self {
            Self::Length(0) => Ok(Step::Over),
            Self::Length(left) => Ok(take(left, unread).map_or(Step::Read, Step::Data)),
            Self::ToClose if unread.is_empty() => Ok(Step::Read),
            Self::ToClose => Ok(Step::Data(std::mem::take(unread))),
            Self::Chunked(chunk) => chunk.next(unread, most),
        }
    }
}

impl Chunk {
    fn next(&mut self, unread: &mut Bytes, most: usize) -> Result<Step, NotHttp> {
        loop {
            match self {
                Self::Size => {
                    let Some(size) = size(unread)? else { return Ok(Step::Read) };
                    *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                }
                Self::Data(left) => {
                    let data = take(left, unread);
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(data.map_or(Step::Read, Step::Data));
                }
                Self::End => match &unread[..] {
                    [b'\r', b'\n', ..] => {
                        unread.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(Step::Read),
                    _ => return Err(NotHttp),
                },
                Self::Trailers => {
                    let Some(trailers) = trailers(unread, most)? else { return Ok(Step::Read) };
                    *self = Self::Over;
                    return Ok(if trailers.is_empty() {
                        Step::Over
                    } else {
                        Step::Trailers(trailers)
                    });
                }
                Self::Over => return Ok(Step::Over),
            }
        }
    }
}

/// Takes what there is of the next `left` bytes.
fn take(left: &mut u64, unread: &mut Bytes) -> Option<Bytes> {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(unread.len());
    *left -= count as u64;
    (count > 0).then(|| unread.split_to(count))
}

/// Takes the size of a chunk, once its line is whole.
fn size(unread: &mut Bytes) -> Result<Option<u64>, NotHttp> {
    // The parser would read a line without digits as a size of 0.
    if unread.first().is_some_and(|first| !first.is_ascii_hexdigit()) {
        return Err(NotHttp);
    }
    match httparse::parse_chunk_size(&unread[..unread.len().min(LINE)]) {
        Ok(httparse::Status::Complete((bytes, size))) => {
            // The parser takes an extension to end with CR LF alone, others with LF, too.
            if has_bare_line_end(&unread[..bytes]) {
                return Err(NotHttp);
            }
            unread.advance(bytes);
            Ok(Some(size))
        }
        // A line end in a line that goes on stands alone.
        Ok(httparse::Status::Partial) if unread.contains(&b'\n') => Err(NotHttp),
        Ok(httparse::Status::Partial) if unread.len() < LINE => Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => Err(NotHttp),
    }
}

/// Whether CR or LF stands alone in lines that end with both.
fn has_bare_line_end(lines: &[u8]) -> bool {
    lines.split(|byte| *byte == b'\n').rev().skip(1).any(|line| {
        let ended = line.strip_suffix(b"\r");
        ended.is_none_or(|line| line.contains(&b'\r'))
    })
}

/// Takes the fields after the last chunk, once they are whole.
fn trailers(unread: &mut Bytes, most: usize) -> Result<Option<HeaderMap>, NotHttp> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let shown = &unread[..unread.len().min(most)];
    match httparse::parse_headers(shown, &mut fields) {
        Ok(httparse::Status::Complete((bytes, fields))) => {
            if has_bare_line_end(&unread[..bytes]) {
                return Err(NotHttp);
            }
            let mut trailers = HeaderMap::new();
            for field in fields {
                let name = HeaderName::from_bytes(field.name.as_bytes());
                let value = HeaderValue::from_bytes(field.value);
                trailers.append(name.map_err(|_| NotHttp)?, value.map_err(|_| NotHttp)?);
            }
            unread.advance(bytes);
            Ok(Some(trailers))
        }
        Ok(httparse::Status::Partial) if unread.len() < most => Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => Err(NotHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a body that comes in these pieces: what it is, and what is left after it.
    fn read(
        mut payload: Payload,
        pieces: &[&[u8]],
    ) -> Result<(Vec<u8>, HeaderMap, bool, Vec<u8>), NotHttp> {
        let (mut body, mut fields, mut unread) = (Vec::new(), HeaderMap::new(), Bytes::new());
        let mut pieces = pieces.iter();
        loop {
            match payload.next(&mut unread, 1024)? {
                Step::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(&data);
                }
                Step::Trailers(trailers) => fields = trailers,
                Step::Over => {
                    let rest = pieces.fold(unread.to_vec(), |rest, more| [&rest, *more].concat());
                    return Ok((body, fields, payload.is_over(), rest));
                }
                Step::Read => match pieces.next() {
                    Some(piece) => unread = [&unread, *piece].concat().into(),
                    None => return Ok((body, fields, payload.is_over(), unread.to_vec())),
                },
            }
        }
    }

    #[test]
    fn chunks_become_a_body_and_what_follows_is_left() {
        let text = b"5\r\nhello\r\n6;x=\"y\"\r\n world\r\n0\r\nx-sum: 7\r\n\r\nHTTP";
        let (body, fields, over, rest) = read(Payload::chunked(), &[text]).unwrap();
        assert_eq!((&body[..], over, &rest[..]), (&b"hello world"[..], true, &b"HTTP"[..]));
        assert_eq!(fields.get("x-sum").unwrap(), "7");
    }

    #[test]
    fn a_length_counts() {
        let (body, _, over, rest) = read(Payload::Length(3), &[b"ab", b"cd"]).unwrap();
        assert_eq!((&body[..], over, &rest[..]), (&b"abc"[..], true, &b"d"[..]));
        let (body, _, over, _) = read(Payload::Length(3), &[b"ab"]).unwrap();
        assert_eq!((&body[..], over), (&b"ab"[..], false));
        let (body, _, over, _) = read(Payload::ToClose, &[b"ab", b"c"]).unwrap();
        assert_eq!((&body[..], over), (&b"abc"[..], false));
    }

    #[test]
    fn chunks_that_could_be_understood_in_two_ways_are_refused() {
        let long = [&b"1;"[..], &[b'x'; LINE], b"\r\na\r\n"].concat();
        let many = [&b"0\r\nx: "[..], &[b'x'; 2000], b"\r\n\r\n"].concat();
        for text in [
            &b"\r\n\r\n"[..],
            b"-1\r\na\r\n",
            b"0x1\r\na\r\n",
            b" 1\r\na\r\n",
            b"1\na\r\n",
            b"1 2\r\na\r\n",
            b"1;x\ny\r\na\r\n",
            b"1;x\ry\r\na\r\n",
            b"0\r\nx: y\n\r\n",
            b"0\r\nx: y\r\n\n",
            b"1\r\nabc\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1;x\nx",
            b"11111111111111111\r\na\r\n",
            b"0\r\nno field\r\n\r\n",
            &long[..],
            &many[..],
        ] {
            let read = read(Payload::chunked(), &[text]);
            assert_eq!(read, Err(NotHttp), "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn how_it_is_cut_on_the_way_changes_nothing(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            trailer in any::<bool>(),
            cut in prop::collection::vec(1_usize..9, 0..200),
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(if trailer { b"0\r\na: b\r\n\r\n!" } else { b"0\r\n\r\n!" });
            let (mut pieces, mut rest) = (Vec::new(), &text[..]);
            for count in cut {
                let (piece, after) = rest.split_at(count.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            let (body, fields, over, left) = read(Payload::chunked(), &pieces).unwrap();
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(fields.len(), usize::from(trailer));
            prop_assert!(over);
            prop_assert_eq!(left, b"!");
        }

        #[test]
        fn nothing_that_a_dyno_says_makes_it_panic(pieces: Vec<Vec<u8>>) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = read(Payload::chunked(), &pieces);
        }
    }
}
