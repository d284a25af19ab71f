//! Messages over a connection, and whether the server is still there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::SessionError;
use crate::frame::Framer;
use crate::message::{self, Message};
use crate::transport::Transport;

/// Bytes that a message may have: a whole database of some hundred thousand rows.
pub(crate) const LIMIT: usize = 64 << 20;

/// Bytes that are read in one go, before anything else has its turn.
const TURN: usize = 1 << 20;

pub(crate) struct Link {
    transport: Transport,
    framer: Framer,
    /// What was not written yet, from `written` on.
    out: Vec<u8>,
    written: usize,
    next_id: u64,
    /// After how much silence the server is asked, and after how much more it is taken for dead.
    probe: Duration,
    heard: Instant,
    asked: bool,
    /// Whether reading stopped before all was read that has come.
    more: bool,
}

impl Link {
    pub(crate) fn new(transport: Transport, probe: Duration) -> Self {
        Self {
            transport,
            framer: Framer::new(LIMIT),
            out: Vec::new(),
            written: 0,
            next_id: 0,
            probe,
            heard: Instant::now(),
            asked: false,
            more: false,
        }
    }

    /// Sends a request, and says its number.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.next_id += 1;
        self.out.extend(message::request(self.next_id, method, params));
        self.next_id
    }

    /// Answers an echo.
    pub(crate) fn echoed(&mut self, id: &Value, params: &Value) {
        self.out.extend(message::echoed(id, params));
    }

    /// Asks a silent server whether it is there, and gives up one that does not answer. Says until when
    /// there is nothing to do.
    pub(crate) fn look(&mut self, now: Instant) -> Result<Instant, SessionError> {
        let silent = now.saturating_duration_since(self.heard);
        if silent >= 2 * self.probe {
            return Err(SessionError::Silent);
        }
        if silent >= self.probe && !self.asked {
            self.asked = true;
            self.request("echo", &json!([]));
        }
        Ok(self.heard + if self.asked { 2 * self.probe } else { self.probe })
    }

    /// Writes what there is room for.
    pub(crate) fn flush(&mut self) -> Result<(), SessionError> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.transport.write(rest) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.transport.flush()?;
                    // A session of TLS takes more once it has sent what it had.
                    if matches!(self.transport, Transport::Tls(..)) && !self.transport.wants_write()
                    {
                        continue;
                    }
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
        Ok(self.transport.flush()?)
    }

    /// Whether it waits for room to write.
    pub(crate) fn wants_write(&self) -> bool {
        self.written < self.out.len() || self.transport.wants_write()
    }

    /// Reads what has come.
    pub(crate) fn receive(&mut self, now: Instant) -> Result<(), SessionError> {
        let mut buffer = vec![0; 64 << 10];
        let mut taken = 0;
        self.more = true;
        while taken < TURN {
            match self.transport.read(&mut buffer) {
                Ok(0) => return Err(SessionError::Ended),
                Ok(count) => {
                    self.heard = now;
                    self.asked = false;
                    taken += count;
                    self.framer.push(buffer.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.more = false;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(SessionError::Ended);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether there is more to read, of which the socket may say nothing: a session of TLS has read it.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// The next message of what has come.
    pub(crate) fn take(&mut self) -> Result<Option<Message>, SessionError> {
        self.framer.take()?.map(Message::read).transpose()
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}
