//! Writes the log's lines on a thread of its own.
//!
//! A disk that is full or a pipe that nobody reads must not hold up the server, so whoever logs puts a line
//! into a queue and goes on. Where the queue is full, lines are left out, and how many is said in the log
//! once it goes on. An error is waited for, for a moment: it may be the last thing that is said.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The most lines that wait.
const MOST_WAITING: usize = 8192;
/// How long an error is waited for.
const FOR_AN_ERROR: Duration = Duration::from_millis(200);
/// How long the end is waited for.
const FOR_THE_END: Duration = Duration::from_secs(1);

/// Something for the thread.
enum Item {
    /// A line, and who is told that it was written.
    Line(Vec<u8>, Option<SyncSender<()>>),
    /// Everything before this is to be written; then the thread ends.
    End(SyncSender<()>),
}

/// Takes lines.
#[derive(Clone)]
pub(super) struct Lines {
    items: SyncSender<Item>,
    shared: Arc<Shared>,
    /// Whether each line begins with its level as syslog numbers them.
    numbered: bool,
}

#[derive(Default)]
struct Shared {
    dropped: AtomicU64,
    /// Whether nothing can be written at present.
    stuck: AtomicBool,
}

/// Has what waits written when it is dropped.
pub(crate) struct End(SyncSender<Item>);

impl Drop for End {
    fn drop(&mut self) {
        let (done, is_done) = sync_channel(1);
        // Where the queue is full for so long, nobody reads.
        if self.0.try_send(Item::End(done)).is_ok() {
            let _ = is_done.recv_timeout(FOR_THE_END);
        }
    }
}

impl Lines {
    /// Starts the thread, which writes to `to`.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it has no thread left.
    pub(super) fn start(
        to: impl Write + Send + 'static,
        numbered: bool,
    ) -> io::Result<(Self, End)> {
        let (items, taken) = sync_channel(MOST_WAITING);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(to, &taken, &theirs))?;
        Ok((Self { items: items.clone(), shared, numbered }, End(items)))
    }
}

fn write_all(mut to: impl Write, items: &Receiver<Item>, shared: &Shared) {
    for item in items {
        let dropped = shared.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            // What cannot be written is nobody's concern, here and below: there is nobody to tell.
            let _ = writeln!(to, "{dropped} lines of the log were left out: it could not keep up");
        }
        match item {
            Item::Line(line, written) => {
                let _ = to.write_all(&line);
                let _ = written.map(|written| written.try_send(()));
            }
            Item::End(written) => {
                let _ = to.flush();
                let _ = written.try_send(());
                return;
            }
        }
        shared.stuck.store(false, Ordering::Relaxed);
    }
}

/// Takes the lines of one level.
pub(super) struct OfLevel<'a> {
    lines: &'a Lines,
    level: Level,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = OfLevel<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        OfLevel { lines: self, level: Level::INFO }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Self::Writer {
        OfLevel { lines: self, level: *of.level() }
    }
}

/// The numbers of levels that syslog has, which journald takes (sd-daemon(3)).
fn number(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

impl Write for OfLevel<'_> {
    /// Takes a whole event, as the subscriber writes each at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let Lines { items, shared, numbered } = self.lines;
        let prefix = if *numbered { number(self.level).as_bytes() } else { &[] };
        let line = [prefix, event].concat();
        let waits = self.level == Level::ERROR && !shared.stuck.load(Ordering::Relaxed);
        let (written, is_written) = waits.then(|| sync_channel(1)).unzip();
        if items.try_send(Item::Line(line, written)).is_err() {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
        } else if let Some(is_written) = is_written
            && is_written.recv_timeout(FOR_AN_ERROR).is_err()
        {
            shared.stuck.store(true, Ordering::Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Instant;

    use super::*;

    fn say(lines: &Lines, level: Level, text: &str) {
        OfLevel { lines, level }.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_up_nobody_and_what_is_left_out_is_said() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (lines, end) = Lines::start(writer, false).unwrap();
        let text = format!("{}\n", "x".repeat(99));
        let began = Instant::now();
        // Far more than the pipe and the queue take together.
        for _ in 0..4 * MOST_WAITING {
            say(&lines, Level::INFO, &text);
        }
        for _ in 0..100 {
            say(&lines, Level::ERROR, &text);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(lines.shared.dropped.load(Ordering::Relaxed) > MOST_WAITING as u64);
        let read = std::thread::spawn(move || {
            let mut all = String::new();
            reader.read_to_string(&mut all).map(|_| all)
        });
        // Until there is room, as the reader takes what waits.
        while lines.shared.dropped.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        drop((end, lines));
        let all = read.join().unwrap().unwrap();
        assert!(all.contains("lines of the log were left out"), "it says nothing of it");
        assert!(all.lines().count() > MOST_WAITING / 2);
    }

    #[test]
    fn an_error_is_written_once_it_was_logged() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (lines, _end) = Lines::start(writer, true).unwrap();
        say(&lines, Level::ERROR, "last words\n");
        let mut said = [0; 14];
        reader.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"<3>last words\n");
    }
}
