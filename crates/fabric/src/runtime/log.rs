//! A workload's log: its last lines, each with the time when it began.
//!
//! Every line in its files begins with its time in 13 digits and a space, which is not the
//! workload's to write: whatever it writes comes after.

use std::io::{self, Write};

use model::Timestamp;
use os::bounded_log::{BoundedLog, Position, Writer};

use super::files::Files;

/// Bytes that each of a log's two files may have.
const FILE_BYTES: u64 = 1 << 20;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 << 10;
/// Digits of a line's time, in milliseconds since 1970.
const STAMP_DIGITS: usize = 13;
/// The digits and a space.
const STAMP_BYTES: usize = STAMP_DIGITS + 1;

/// A line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it began.
    pub at: Timestamp,
    /// What was written.
    pub text: Vec<u8>,
}

/// A part of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPart {
    /// What was written, oldest first.
    pub lines: Vec<LogLine>,
    /// Where the next part begins; `None` where there is no log yet.
    pub next: Option<Position>,
}

/// Writes a workload's log.
#[derive(Debug)]
pub(super) struct WorkloadLog {
    writer: Writer,
    /// Whether what comes next begins a line.
    at_start: bool,
}

impl WorkloadLog {
    /// Opens it. What a workload wrote before ends there, as far as lines go.
    pub(super) fn open(files: &Files) -> io::Result<Self> {
        let mut writer = bounded(files).open()?;
        writer.end_line()?;
        Ok(Self { writer, at_start: true })
    }

    /// Adds what a workload wrote at a time.
    pub(super) fn append(&mut self, bytes: &[u8], at: Timestamp) -> io::Result<()> {
        let stamp = format!("{:0STAMP_DIGITS$} ", at.millis().max(0));
        let mut stamped = Vec::with_capacity(bytes.len() + STAMP_BYTES);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.at_start {
                stamped.extend_from_slice(stamp.as_bytes());
            }
            stamped.extend_from_slice(line);
            self.at_start = line.ends_with(b"\n");
            if stamped.len() >= WRITE_BYTES {
                self.writer.write_all(&stamped)?;
                stamped.clear();
            }
        }
        self.writer.write_all(&stamped)
    }
}

impl Files {
    /// The last bytes of what the workload wrote.
    pub(super) fn tail(&self, bytes: usize) -> io::Result<Vec<u8>> {
        let whole = bounded(self).read()?;
        let mut text = Vec::with_capacity(whole.len());
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            text.extend_from_slice(split_stamp(line).1);
        }
        Ok(text.split_off(text.len().saturating_sub(bytes)))
    }

    /// What was written after a position; all that is kept where that is lost or not given. A last
    /// line that has not ended is left for later, unless `whole` asks for it.
    pub(super) fn read_log(&self, from: Option<Position>, whole: bool) -> io::Result<LogPart> {
        let part = bounded(self).read_after(from)?;
        let ended = part.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let taken = if whole { part.bytes.len() } else { ended };
        Ok(LogPart { lines: lines(&part.bytes[..taken]), next: part.position(taken) })
    }
}

fn bounded(files: &Files) -> BoundedLog {
    BoundedLog::new(files.log(), FILE_BYTES)
}

fn lines(bytes: &[u8]) -> Vec<LogLine> {
    let mut at = Timestamp::from_millis(0);
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (stamp, text) = split_stamp(line);
        // The rest of a line whose beginning was forgotten has the time of none.
        at = stamp.unwrap_or(at);
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        lines.push(LogLine { at, text: text.to_vec() });
    }
    lines
}

/// A line's time, and what the workload wrote.
fn split_stamp(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let Some((stamp, text)) = line.split_at_checked(STAMP_BYTES) else { return (None, line) };
    let (digits, space) = stamp.split_at(STAMP_DIGITS);
    let millis = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| space == b" " && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok());
    match millis {
        Some(millis) => (Some(Timestamp::from_millis(millis)), text),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * second)
    }

    fn texts(part: &LogPart) -> Vec<String> {
        let text = |line: &LogLine| String::from_utf8(line.text.clone()).unwrap();
        part.lines.iter().map(text).collect()
    }

    #[test]
    fn the_log_keeps_its_end_and_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(dir.path());
        assert_eq!(files.tail(10).unwrap(), b"");

        let mut log = WorkloadLog::open(&files).unwrap();
        let line = [[b'x'; 1000].as_slice(), b"\n"].concat();
        for _ in 0..5000 {
            log.append(&line, at(1)).unwrap();
        }
        // The shortest lines need the longest stamps.
        log.append(&[b'\n'; 1 << 16], at(1)).unwrap();
        log.append(b"the end", at(2)).unwrap();
        let size: u64 = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size <= 2 * FILE_BYTES, "{size}");
        assert_eq!(files.tail(7).unwrap(), b"the end");
        assert!(files.tail(usize::MAX).unwrap().iter().all(|byte| !byte.is_ascii_digit()));

        // What a next process writes is on lines of its own.
        WorkloadLog::open(&files).unwrap().append(b"!", at(3)).unwrap();
        assert_eq!(files.tail(9).unwrap(), b"the end\n!");
    }

    #[test]
    fn a_tail_spans_both_generations() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(dir.path());
        fs::write(dir.path().join("log.1"), "0000000001000 first ").unwrap();
        fs::write(files.log(), "second").unwrap();
        assert_eq!(files.tail(9).unwrap(), b"st second");
        assert_eq!(files.tail(0).unwrap(), b"");
        let part = files.read_log(None, true).unwrap();
        assert_eq!(part.lines, [LogLine { at: at(1), text: b"first second".to_vec() }]);
    }

    #[test]
    fn reading_goes_on_where_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(dir.path());
        assert_eq!(files.read_log(None, true).unwrap(), LogPart::default());
        let mut log = WorkloadLog::open(&files).unwrap();
        log.append(b"one\r\ntw", at(1)).unwrap();
        let first = files.read_log(None, false).unwrap();
        assert_eq!(texts(&first), ["one"]);
        let none = files.read_log(first.next, false).unwrap();
        assert_eq!((none.lines.len(), none.next), (0, first.next));
        log.append(b"o\n1234567890123 three\n", at(2)).unwrap();
        let second = files.read_log(first.next, false).unwrap();
        assert_eq!(texts(&second), ["two", "1234567890123 three"]);
        assert_eq!([second.lines[0].at, second.lines[1].at], [at(1), at(2)]);
        log.append(b"four", at(3)).unwrap();
        assert_eq!(texts(&files.read_log(second.next, true).unwrap()), ["four"]);
    }

    #[test]
    fn no_line_is_lost_or_read_twice_while_files_change_places() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(dir.path());
        let mut log = WorkloadLog::open(&files).unwrap();
        let mut place = None;
        let mut seen = Vec::new();
        let padding = "x".repeat(10_000);
        for n in 0..1000 {
            log.append(format!("{n} {padding}\n").as_bytes(), at(n)).unwrap();
            if n % 7 == 0 {
                let part = files.read_log(place, false).unwrap();
                seen.extend(part.lines.iter().map(|line| line.at));
                place = part.next;
            }
        }
        assert_eq!(seen, (0..995).map(at).collect::<Vec<_>>());
        // Whoever was away for too long goes on with what is left.
        for n in 1000..2000 {
            log.append(format!("{n} {padding}\n").as_bytes(), at(n)).unwrap();
        }
        let part = files.read_log(place, false).unwrap();
        assert_eq!(part.lines.last().unwrap().at, at(1999));
        assert!(part.lines.first().unwrap().at > at(1000));
    }
}
