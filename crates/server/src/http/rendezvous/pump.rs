//! Copies bytes between a client and the dyno that it is attached to. The buffers have a fixed
//! size, so a side that does not read keeps the other from writing.

use std::io;
use std::time::Duration;

use fabric::runtime::Ends;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::apps::console::halves;

/// The size of a buffer, in bytes.
const CHUNK: usize = 16 << 10;
/// The byte that a client sends at the end of its input: Ctrl-D.
const END: u8 = 0x04;
/// How often the end of input is repeated to a program that reads from a terminal.
const END_AGAIN: Duration = Duration::from_millis(250);
/// How long bytes are held back that may be the beginning of a marker.
const MARKER_WITHIN: Duration = Duration::from_millis(100);

/// The input and output of a dyno.
pub(super) struct Attached {
    terminal: bool,
    input: Sender,
    output: Receiver,
}

impl Attached {
    pub(super) fn new(ends: Ends) -> io::Result<Self> {
        let (terminal, input, output) = halves(ends)?;
        Ok(Self { terminal, input, output })
    }

    /// Splits it into its two directions.
    pub(super) fn split(self) -> (Input, Output) {
        let input =
            Input { terminal: self.terminal, to: Some(self.input), typed: Typed::default() };
        (input, Output { from: self.output, markers: ExitMarkers::default() })
    }
}

/// The direction from the client.
pub(super) struct Input {
    terminal: bool,
    /// `None` after a pipe was closed.
    to: Option<Sender>,
    typed: Typed,
}

impl Input {
    /// Copies what a client sends. Returns only when the client is gone.
    pub(super) async fn run(&mut self, client: &mut (impl AsyncRead + Unpin), early: Vec<u8>) {
        if self.hand_on(&early).await.is_err() {
            self.to = None;
        }
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = tokio::select! {
                read = client.read(&mut chunk) => read,
                () = tokio::time::sleep(END_AGAIN), if self.says_end_again() => {
                    // If the terminal's buffer is full, it is tried again soon.
                    self.try_end();
                    continue;
                }
            };
            match read {
                Ok(0) | Err(_) => return,
                // The dyno does not read any more, but may still write.
                Ok(read) => {
                    if self.hand_on(&chunk[..read]).await.is_err() {
                        self.to = None;
                    }
                }
            }
        }
    }

    /// Reads on after the dyno has ended, until the client's input has ended or the client is gone.
    pub(super) async fn finish(&mut self, client: &mut (impl AsyncRead + Unpin)) {
        let mut chunk = vec![0; CHUNK];
        while !self.typed.ended {
            match client.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => self.typed.see(&chunk[..read]),
            };
        }
    }

    /// Hands nothing on any more.
    pub(super) fn close(&mut self) {
        self.to = None;
    }

    async fn hand_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        let ended = self.typed.see(bytes);
        let Some(to) = &mut self.to else { return Ok(()) };
        let bytes = if ended && !self.terminal { &bytes[..bytes.len() - 1] } else { bytes };
        to.write_all(bytes).await?;
        if ended && !self.terminal {
            self.to = None;
        }
        Ok(())
    }

    fn says_end_again(&self) -> bool {
        self.terminal && self.typed.ended && self.to.is_some()
    }

    /// Types Ctrl-D at the terminal. It is repeated, because a terminal drops it when a program
    /// such as a shell switches its mode, while the client's input has ended for all later programs
    /// too.
    fn try_end(&self) {
        if let Some(to) = &self.to {
            let _ = to.try_write(&[END]);
        }
    }
}

/// Finds out whether the client's input is a terminal, and if it is not, whether it has ended.
#[derive(Debug, Default)]
struct Typed {
    /// Whether a carriage return was seen, which is typed at a terminal. Other input has line
    /// feeds.
    returns: bool,
    feeds: bool,
    ended: bool,
}

impl Typed {
    /// Inspects input. Returns whether it ends with the end of the client's input.
    fn see(&mut self, bytes: &[u8]) -> bool {
        self.returns |= bytes.contains(&b'\r');
        self.feeds |= bytes.contains(&b'\n');
        if let Some(last) = bytes.last() {
            self.ended = *last == END && (self.feeds || !self.returns);
        }
        self.ended
    }
}

/// The direction to the client.
pub(super) struct Output {
    from: Receiver,
    markers: ExitMarkers,
}

impl Output {
    /// Copies output to its end. Returns whether it contained a marker.
    ///
    /// # Errors
    ///
    /// The client's connection fails.
    pub(super) async fn run(mut self, client: &mut (impl AsyncWrite + Unpin)) -> io::Result<bool> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = tokio::select! {
                read = self.from.read(&mut chunk) => read,
                () = tokio::time::sleep(MARKER_WITHIN), if self.markers.holds() => {
                    send(client, &[self.markers.rest()]).await?;
                    continue;
                }
            };
            match read {
                // Reading from a terminal whose other end is closed fails like this.
                Ok(0) | Err(_) => {
                    send(client, &[self.markers.rest()]).await?;
                    return Ok(self.markers.seen);
                }
                Ok(read) => send(client, &self.markers.cut(&chunk[..read])).await?,
            }
        }
    }
}

/// Sends each part separately, so that the client reads it separately.
async fn send(client: &mut (impl AsyncWrite + Unpin), parts: &[Vec<u8>]) -> io::Result<()> {
    for part in parts.iter().filter(|part| !part.is_empty()) {
        client.write_all(part).await?;
        client.flush().await?;
    }
    Ok(())
}

/// Finds the exit markers: lines with an exit status that the `heroku` command has the shell print
/// after a command. The client recognizes a marker only at the beginning of what it reads at once, so
/// markers are sent separately.
#[derive(Debug, Default)]
struct ExitMarkers {
    held: Vec<u8>,
    seen: bool,
}

/// Whether a command ends with the part that prints a marker.
pub(super) fn prints_exit_marker(command: &str) -> bool {
    command.contains("\u{ffff} heroku-command-exit-status: $?")
}

/// The marker for an exit status.
pub(super) fn exit_marker(status: i32) -> String {
    format!("\u{ffff} heroku-command-exit-status: {status}\r\n")
}

impl ExitMarkers {
    /// U+FFFF, which occurs in no text.
    const BEGIN: &[u8] = "\u{ffff}".as_bytes();
    /// The most bytes of a marker with its line end.
    const MOST: usize = 64;

    fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Splits the held and the new bytes before and after each marker. Holds back what may be the
    /// beginning of a marker.
    fn cut(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut left = self.rest();
        left.extend_from_slice(bytes);
        let mut parts = Vec::new();
        loop {
            let begin = left.windows(Self::BEGIN.len()).position(|window| window == Self::BEGIN);
            let Some(begin) = begin else {
                let mut lengths = (1..Self::BEGIN.len()).rev();
                let held = lengths.find(|n| left.ends_with(&Self::BEGIN[..*n])).unwrap_or(0);
                self.held = left.split_off(left.len() - held);
                parts.push(left);
                return parts;
            };
            let marker = left.split_off(begin);
            parts.push(left);
            match marker.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    left = marker[end + 1..].to_vec();
                    parts.push(marker[..=end].to_vec());
                    self.seen = true;
                }
                None if marker.len() < Self::MOST => {
                    self.held = marker;
                    return parts;
                }
                None => {
                    left = marker[Self::BEGIN.len()..].to_vec();
                    parts.push(Self::BEGIN.to_vec());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(markers: &mut ExitMarkers, text: &str) -> Vec<String> {
        let parts = markers.cut(text.as_bytes()).into_iter().filter(|part| !part.is_empty());
        parts.map(|part| String::from_utf8(part).unwrap()).collect()
    }

    #[test]
    fn a_marker_comes_by_itself_however_it_is_written() {
        let marker = "\u{ffff} heroku-command-exit-status: 3\r\n";
        let mut markers = ExitMarkers::default();
        assert_eq!(cut(&mut markers, &format!("no line end{marker}")), ["no line end", marker]);
        assert_eq!(cut(&mut markers, &format!("{marker}after")), [marker, "after"]);
        assert_eq!(cut(&mut markers, "half \u{ffff} heroku-comm"), ["half "]);
        assert_eq!(cut(&mut markers, "and-exit-status: 3\r\n"), [marker]);
        assert!(!markers.holds());
        let odd = format!("\u{ffff}{}", "x".repeat(100));
        assert_eq!(cut(&mut markers, &odd).concat(), odd, "no marker");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_kept(chunks in prop::collection::vec("[a\u{ffff}\u{fffd}\n]{0,9}", 0..20), at in 0..9usize) {
            let whole: Vec<u8> = chunks.concat().into_bytes();
            let mut markers = ExitMarkers::default();
            let mut said: Vec<u8> =
                whole.chunks(at + 1).flat_map(|chunk| markers.cut(chunk).concat()).collect();
            said.extend(markers.rest());
            prop_assert_eq!(said, whole);
        }
    }

    #[test]
    fn an_end_that_is_typed_is_told_from_an_input_that_has_ended() {
        let sees = |chunks: &[&str]| {
            let mut typed = Typed::default();
            chunks.iter().map(|chunk| typed.see(chunk.as_bytes())).collect::<Vec<_>>()
        };
        assert_eq!(sees(&["ls\n", "\u{4}"]), [false, true], "piped");
        assert_eq!(sees(&["\u{4}"]), [true], "nothing was piped");
        assert_eq!(sees(&["l", "s", "\r", "\u{4}"]), [false; 4], "typed");
        assert_eq!(sees(&["a\r\nb\r\n", "\u{4}"]), [false, true], "a file of another system");
    }

    #[tokio::test]
    async fn an_input_whose_dyno_has_ended_is_read_to_its_end() {
        let input = |client: &'static [u8]| {
            let (read, to) = io::pipe().unwrap();
            let (from, _) = io::pipe().unwrap();
            drop(read);
            let ends = Ends::Pipes { input: to.into(), output: from.into() };
            let (mut input, _) = Attached::new(ends).unwrap().split();
            async move {
                let mut client = client;
                input.finish(&mut client).await;
                client
            }
        };
        assert_eq!(input(b"some\n\x04").await, b"", "the client says that its input has ended");
        assert_eq!(input(b"some\n").await, b"", "the client is gone");
    }

    #[tokio::test]
    async fn what_has_pipes_reads_to_the_end_and_writes_on() {
        let (read, input) = io::pipe().unwrap();
        let (output, write) = io::pipe().unwrap();
        let ends = Ends::Pipes { input: input.into(), output: output.into() };
        let (mut input, output) = Attached::new(ends).unwrap().split();
        let mut child = std::process::Command::new("sh")
            .args(["-c", "cat; echo done"])
            .stdin(read)
            .stdout(write)
            .spawn()
            .unwrap();
        let (near, far) = tokio::io::duplex(8);
        let (mut reads, mut writes) = tokio::io::split(far);
        let client = tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(near);
            // More than all buffers hold, so each side waits for the other.
            let text = "x".repeat(200_000);
            let sent = text.clone();
            let sender = tokio::spawn(async move {
                to.write_all(sent.as_bytes()).await.unwrap();
                to.write_all(&[b'\n', END]).await.unwrap();
                to
            });
            let mut said = String::new();
            from.read_to_string(&mut said).await.unwrap();
            let _to = sender.await.unwrap();
            assert_eq!(said, format!("{text}\ndone\n"));
        });
        tokio::select! {
            () = input.run(&mut reads, Vec::new()) => panic!("the client is there"),
            sent = output.run(&mut writes) => assert!(!sent.unwrap(), "no marker"),
        }
        writes.shutdown().await.unwrap();
        drop((reads, writes));
        client.await.unwrap();
        child.wait().unwrap();
    }
}
