//! A log that keeps its end, in two files of bounded size.
//!
//! What is written goes to the newer file. When that is full it takes the place of the older one,
//! as a whole, and a new file begins. So between one and two bounds of bytes are kept, and writing
//! costs no copying.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How often reading begins anew because the files change places meanwhile.
const READ_ATTEMPTS: usize = 3;

/// Where a log's two files are, and how large each may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedLog {
    newer: PathBuf,
    older: PathBuf,
    bound: u64,
}

impl BoundedLog {
    /// The log whose newer file has a path, and whose older one has the same with `.1` added.
    /// Each may have so many bytes. Touches no file.
    pub fn new(path: impl Into<PathBuf>, bound: u64) -> Self {
        let newer = path.into();
        let mut older = OsString::from(&newer);
        older.push(".1");
        Self { newer, older: older.into(), bound }
    }

    /// Both paths, the older file's first.
    pub fn paths(&self) -> [&Path; 2] {
        [&self.older, &self.newer]
    }

    /// Opens the log for one writer that stays.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn open(&self) -> io::Result<Writer> {
        let (file, len) = self.open_newer()?;
        Ok(Writer { log: self.clone(), file, len })
    }

    /// Adds bytes by a writer that does not stay: several processes may do so in turn.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.open()?.write_all(bytes)
    }

    /// All that is kept, oldest first. The first line may lack its beginning.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        Ok(self.read_after(None)?.bytes)
    }

    /// What was written after a position: all that is kept where that is not there any more, or
    /// none is given.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn read_after(&self, position: Option<Position>) -> io::Result<Part> {
        let generations = self.generations()?;
        let found = generations
            .iter()
            .position(|generation| position.is_some_and(|position| generation.has(position)));
        let offset = found.and(position).map_or(0, |position| position.offset);
        let mut part = Part::default();
        for (index, generation) in generations.into_iter().enumerate().skip(found.unwrap_or(0)) {
            let offset = if Some(index) == found { offset } else { 0 };
            part.take(generation, offset, 2 * self.bound)?;
        }
        Ok(part)
    }

    /// Removes both files. What is not there is fine.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn remove(&self) -> io::Result<()> {
        for path in self.paths() {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn open_newer(&self) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.newer)?;
        let len = file.metadata()?.len();
        Ok((file, len))
    }

    /// The files that are there, the older one first.
    fn generations(&self) -> io::Result<Vec<Generation>> {
        for _ in 0..READ_ATTEMPTS {
            let newer = Generation::open(&self.newer)?;
            let older = Generation::open(&self.older)?;
            // A writer may rename the newer file between the two calls: then both are one file.
            let same = newer.as_ref().map(|file| file.number) == older.as_ref().map(|f| f.number);
            if newer.is_none() || !same {
                return Ok(older.into_iter().chain(newer).collect());
            }
        }
        Err(io::Error::other("the log is renamed faster than it can be read"))
    }
}

/// Writes to a log.
#[derive(Debug)]
pub struct Writer {
    log: BoundedLog,
    file: File,
    len: u64,
}

impl Writer {
    /// Ends the last line if it has not ended, so that what is written next begins a line.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn end_line(&mut self) -> io::Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        let mut file = File::open(&self.log.newer)?;
        file.seek(SeekFrom::Start(self.len - 1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last == *b"\n" { Ok(()) } else { self.write_all(b"\n") }
    }
}

/// Each call's bytes go to one file as a whole.
impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.len > 0 && self.len + bytes.len() as u64 > self.log.bound {
            fs::rename(&self.log.newer, &self.log.older)?;
            (self.file, self.len) = self.log.open_newer()?;
        }
        if let Err(error) = self.file.write_all(bytes) {
            // A part of it may be there, as on a full disk.
            self.len = self.file.metadata()?.len();
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A position in a log, where reading can go on later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which file it is in. A file keeps this number when it becomes the older one, and a new file
    /// gets another.
    pub generation: u64,
    /// Bytes from the file's beginning.
    pub offset: u64,
}

/// A part of a log that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// What was written, oldest first.
    pub bytes: Vec<u8>,
    /// Where each file's bytes begin, and how many they are.
    segments: Vec<(Position, u64)>,
}

impl Part {
    /// The position after so many of the bytes; `None` where the log has no file yet.
    pub fn position(&self, bytes: usize) -> Option<Position> {
        let mut left = bytes as u64;
        let (last, before) = self.segments.split_last()?;
        for (start, len) in before {
            if left < *len {
                return Some(Position { offset: start.offset + left, ..*start });
            }
            left -= len;
        }
        Some(Position { offset: last.0.offset + left, ..last.0 })
    }

    fn take(&mut self, generation: Generation, offset: u64, most: u64) -> io::Result<()> {
        let Generation { mut file, number, .. } = generation;
        file.seek(SeekFrom::Start(offset))?;
        let read = file.take(most).read_to_end(&mut self.bytes)?;
        self.segments.push((Position { generation: number, offset }, read as u64));
        Ok(())
    }
}

/// One of the two files, open.
struct Generation {
    file: File,
    number: u64,
    len: u64,
}

impl Generation {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        Ok(Some(Self { file, number: number_of(&about), len: about.len() }))
    }

    /// Whether a position is in it. A file that is shorter than it was is another one, which got
    /// the number of one that was removed.
    fn has(&self, position: Position) -> bool {
        position.generation == self.number && position.offset <= self.len
    }
}

/// A file's number: its inode, which the file system gives to another file soon after this one was
/// removed, mixed with the time at which it was made, where the file system keeps that.
fn number_of(about: &fs::Metadata) -> u64 {
    /// The odd number next to 2^64 divided by the golden ratio spreads times over all bits.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let made = about.created().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let nanos = made.map_or(0, |since| since.subsec_nanos().into());
    let seconds = made.map_or(0, |since| since.as_secs());
    about.ino() ^ (seconds << 30 | nanos).wrapping_mul(SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: u64 = 10_000;

    fn scratch() -> (tempfile::TempDir, BoundedLog) {
        let dir = tempfile::tempdir().unwrap();
        let log = BoundedLog::new(dir.path().join("app.log"), BOUND);
        (dir, log)
    }

    fn sizes(log: &BoundedLog) -> Vec<u64> {
        log.paths().map(|path| fs::metadata(path).map_or(0, |about| about.len())).to_vec()
    }

    #[test]
    fn the_end_is_kept_and_each_file_is_bounded() {
        let (dir, log) = scratch();
        assert_eq!(log.read().unwrap(), b"");
        let mut writer = log.open().unwrap();
        for number in 0..5000 {
            writeln!(writer, "{number:09}").unwrap();
        }
        assert!(sizes(&log).iter().all(|size| *size <= BOUND), "{:?}", sizes(&log));
        let kept = String::from_utf8(log.read().unwrap()).unwrap();
        assert!(kept.len() as u64 >= BOUND && kept.ends_with("\n000004999\n"));
        assert!(kept.lines().is_sorted());
        let names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.len() == 2 && names.contains(&"app.log.1".into()), "{names:?}");
        log.remove().unwrap();
        assert_eq!(log.read().unwrap(), b"");
        log.remove().unwrap();
    }

    #[test]
    fn writers_that_do_not_stay_keep_the_bound_too() {
        let (_dir, log) = scratch();
        let line = [[b'x'; 999].as_slice(), b"\n"].concat();
        (0..100).for_each(|_| log.append(&line).unwrap());
        assert_eq!(sizes(&log), [BOUND, BOUND]);
    }

    #[test]
    fn what_is_larger_than_a_file_is_written_all_the_same() {
        let (_dir, log) = scratch();
        log.append(b"small").unwrap();
        log.append(&[b'x'; 2 * BOUND as usize - 5]).unwrap();
        assert_eq!(sizes(&log), [5, 2 * BOUND - 5]);
        log.append(b"small").unwrap();
        assert_eq!(sizes(&log), [2 * BOUND - 5, 5]);
    }

    #[test]
    fn only_an_unfinished_line_is_ended() {
        let (_dir, log) = scratch();
        let mut writer = log.open().unwrap();
        writer.end_line().unwrap();
        writer.write_all(b"cut of").unwrap();
        writer.end_line().unwrap();
        writer.end_line().unwrap();
        assert_eq!(log.read().unwrap(), b"cut of\n");
    }

    #[test]
    fn reading_goes_on_where_it_ended_while_files_change_places() {
        let (_dir, log) = scratch();
        assert_eq!(log.read_after(None).unwrap().position(0), None);
        let mut position = None;
        let mut seen = Vec::new();
        for number in 0..1000 {
            log.append(format!("{number:09}\n").as_bytes()).unwrap();
            if number % 7 == 0 {
                let part = log.read_after(position).unwrap();
                position = part.position(part.bytes.len());
                seen.extend(part.bytes);
            }
        }
        let wanted: String = (0..995).map(|number| format!("{number:09}\n")).collect();
        assert_eq!(String::from_utf8(seen).unwrap(), wanted);
        // Whoever was away for too long goes on with what is left.
        (0..5000).for_each(|_| log.append(b"111111111\n").unwrap());
        let (rest, all) = (log.read_after(position).unwrap().bytes, log.read().unwrap());
        assert!(rest == all, "{} bytes of {}", rest.len(), all.len());
    }

    #[test]
    fn a_position_within_what_was_read_leads_back_to_it() {
        let (_dir, log) = scratch();
        let [older, newer] = log.paths();
        fs::write(older, "one two").unwrap();
        fs::write(newer, " three").unwrap();
        let all = log.read_after(None).unwrap();
        for bytes in 0..=all.bytes.len() {
            let rest = log.read_after(all.position(bytes)).unwrap().bytes;
            assert_eq!(rest, all.bytes[bytes..], "after {bytes}");
        }
    }
}
