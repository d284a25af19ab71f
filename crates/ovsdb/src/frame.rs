//! Finds where messages end: they follow each other as JSON objects, with nothing between them.

use crate::error::SessionError;

/// Cuts a stream of bytes into messages.
#[derive(Debug)]
pub(crate) struct Framer {
    bytes: Vec<u8>,
    /// Where the message begins that was not taken yet.
    start: usize,
    /// How far it was looked at.
    at: usize,
    /// How many brackets are open there.
    depth: usize,
    /// Whether that is within a text, and behind a backslash in it.
    text: Option<Escaped>,
    /// Bytes that a message may have.
    limit: usize,
}

type Escaped = bool;

impl Framer {
    /// A framer for messages of no more bytes than this.
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, at: 0, depth: 0, text: None, limit }
    }

    /// Takes what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // What was taken goes at once: the buffer grows to the size of one message, not of all.
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.at -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if it is there.
    pub(crate) fn take(&mut self) -> Result<Option<&[u8]>, SessionError> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += 1;
            match (self.text, byte) {
                (Some(true), _) => self.text = Some(false),
                (Some(false), b'\\') => self.text = Some(true),
                (Some(false), b'"') => self.text = None,
                (Some(false), _) => {}
                (None, b' ' | b'\t' | b'\r' | b'\n') if self.depth == 0 => self.start = self.at,
                (None, b'{') => self.depth += 1,
                (None, _) if self.depth == 0 => {
                    return Err(SessionError::Malformed("something that is no JSON object".into()));
                }
                (None, b'[') => self.depth += 1,
                (None, b'"') => self.text = Some(false),
                (None, b'}' | b']') => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        let message = self.start..self.at;
                        self.start = self.at;
                        return self.within_limit(message.len()).map(|()| self.bytes.get(message));
                    }
                }
                (None, _) => {}
            }
        }
        self.within_limit(self.at - self.start)?;
        Ok(None)
    }

    fn within_limit(&self, length: usize) -> Result<(), SessionError> {
        if length > self.limit { Err(SessionError::TooLarge(self.limit)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a stream that comes in pieces of this size.
    fn cut(stream: &str, size: usize) -> Result<Vec<String>, String> {
        let mut framer = Framer::new(40);
        let mut messages = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            framer.push(piece);
            while let Some(message) = framer.take().map_err(|error| error.to_string())? {
                messages.push(String::from_utf8(message.to_vec()).unwrap());
            }
        }
        Ok(messages)
    }

    #[test]
    fn messages_are_cut_wherever_the_pieces_end() {
        let stream = " {\"a\":\"}\\\"{\"}\n{\"b\":[{}, \"]\\\\\"]}{}{\"c\":";
        for size in 1..stream.len() {
            let messages = cut(stream, size).unwrap();
            assert_eq!(messages, ["{\"a\":\"}\\\"{\"}", "{\"b\":[{}, \"]\\\\\"]}", "{}"], "{size}");
        }
    }

    #[test]
    fn what_is_no_object_or_too_large_is_refused() {
        let long = format!("{{}}{{\"a\":\"{}", "x".repeat(40));
        for size in [1, 7, 100] {
            assert_eq!(
                cut("{}[]", size),
                Err("the server sent something that is no JSON object".into())
            );
            assert_eq!(
                cut(&long, size),
                Err("the server sent a message of more than 40 bytes".into())
            );
        }
    }
}
