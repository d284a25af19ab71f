//! The routers' log: one line for each request, in bounded files for each app. No request waits for
//! it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use model::AppId;
use os::bounded_log::BoundedLog;

/// The size of each of the two files of an app's log, in bytes.
const FILE_BYTES: u64 = 1 << 20;
/// The most bytes of an app's lines that wait to be written. Further lines are dropped and counted.
const WAITING_BYTES: usize = 256 * 1024;
/// With this many bytes waiting, the lines are written without further delay.
const HURRY_BYTES: usize = WAITING_BYTES / 4;
/// How long lines are gathered before they are written.
const LINGER: Duration = Duration::from_millis(100);

/// The last lines of an app's router log, oldest first. `dir` is the edge's directory.
pub fn tail(dir: &Path, app: AppId, lines: usize) -> io::Result<Vec<String>> {
    // Half of a line may be read that another edge is writing at this moment.
    let bytes = file_of(&logs(dir), app).read()?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    Ok(all[from..].iter().map(|line| (*line).to_owned()).collect())
}

/// Removes an app's router log. `dir` is the edge's directory.
pub fn forget(dir: &Path, app: AppId) -> io::Result<()> {
    file_of(&logs(dir), app).remove()
}

fn logs(dir: &Path) -> PathBuf {
    dir.join("logs")
}

fn file_of(logs: &Path, app: AppId) -> BoundedLog {
    BoundedLog::new(logs.join(format!("{app}.log")), FILE_BYTES)
}

/// One app's log.
#[derive(Debug)]
pub(crate) struct AppLog {
    app: AppId,
    waiting: Mutex<Waiting>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Waiting {
    text: String,
    dropped: u64,
}

impl AppLog {
    /// Adds a line, which the closure writes without its end.
    pub(crate) fn add(self: &Arc<Self>, write: impl FnOnce(&mut String)) {
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        // The line is written before the lock is taken: a thread that the kernel preempts while it has
        // the lock keeps all others waiting.
        LINE.with_borrow_mut(|line| {
            line.clear();
            write(line);
            line.push('\n');
            self.push(line);
        });
    }

    fn push(self: &Arc<Self>, line: &str) {
        let mut waiting = lock(&self.waiting);
        if waiting.text.len() > WAITING_BYTES {
            waiting.dropped += 1;
            return;
        }
        let before = waiting.text.len();
        waiting.text.push_str(line);
        let after = waiting.text.len();
        drop(waiting);
        let full = before < HURRY_BYTES && after >= HURRY_BYTES;
        if before == 0 || full {
            let mut state = lock(&self.shared.state);
            if before == 0 {
                state.written.push(Arc::clone(self));
            }
            state.hurry |= full;
            drop(state);
            self.shared.wake.notify_one();
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    flushed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The logs with lines that wait.
    written: Vec<Arc<AppLog>>,
    /// Whether an app has many lines to be written.
    hurry: bool,
    /// Whether the thread has to end.
    closed: bool,
    /// The number of calls of [`Logs::flush`].
    flushes: u64,
    /// The number of those calls that are answered.
    done: u64,
}

/// All apps' logs, and the thread that writes them.
#[derive(Debug)]
pub(crate) struct Logs {
    shared: Arc<Shared>,
    apps: Mutex<BTreeMap<AppId, Weak<AppLog>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Logs {
    /// Starts the thread. `dir` is the edge's directory.
    pub(crate) fn start(dir: &Path) -> io::Result<Self> {
        let dir = logs(dir);
        fs::create_dir_all(&dir)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("edge-log".into())
            .spawn(move || write_all(&dir, &theirs))?;
        Ok(Self { shared, apps: Mutex::default(), thread: Some(thread) })
    }

    /// The log of an app.
    pub(crate) fn of(&self, app: AppId) -> Arc<AppLog> {
        let mut apps = lock(&self.apps);
        if let Some(log) = apps.get(&app).and_then(Weak::upgrade) {
            return log;
        }
        apps.retain(|_, log| log.strong_count() > 0);
        let log =
            Arc::new(AppLog { app, waiting: Mutex::default(), shared: Arc::clone(&self.shared) });
        apps.insert(app, Arc::downgrade(&log));
        log
    }

    /// Waits until all lines are in their files.
    #[cfg(any(test, feature = "test-support"))]
    pub(crate) fn flush(&self) {
        let mut state = lock(&self.shared.state);
        state.flushes += 1;
        let mine = state.flushes;
        self.shared.wake.notify_one();
        while state.done < mine && !state.closed {
            state = self.shared.flushed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // However the thread ended, there is nothing left to do.
            let _ = thread.join();
        }
    }
}

fn write_all(dir: &Path, shared: &Shared) {
    let mut state = lock(&shared.state);
    loop {
        while state.written.is_empty() && !state.closed && state.flushes == state.done {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.closed && state.flushes == state.done {
            // Lines that come within a moment are written together.
            let waits =
                |state: &mut State| !state.closed && !state.hurry && state.flushes == state.done;
            let waited = shared.wake.wait_timeout_while(state, LINGER, waits);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let flushes = state.flushes;
        let written = std::mem::take(&mut state.written);
        state.hurry = false;
        let closed = state.closed;
        drop(state);
        for log in written {
            #[cfg(test)]
            crate::fault::at("edge-log", b"");
            let waiting = std::mem::take(&mut *lock(&log.waiting));
            if let Err(error) = append(&file_of(dir, log.app), waiting) {
                tracing::warn!(app = %log.app, %error, "cannot write an app's router log");
            }
        }
        state = lock(&shared.state);
        state.done = flushes;
        shared.flushed.notify_all();
        if closed && state.written.is_empty() {
            return;
        }
    }
}

fn append(file: &BoundedLog, mut waiting: Waiting) -> io::Result<()> {
    if waiting.dropped > 0 {
        use std::fmt::Write as _;
        let _ = writeln!(waiting.text, "{} lines were dropped: too many at once", waiting.dropped);
    }
    file.append(waiting.text.as_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_and_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::start(dir.path()).unwrap();
        let app = AppId(uuid::Uuid::from_u128(7));
        let log = logs.of(app);
        for round in 0..300 {
            for line in 0..100 {
                log.add(|out| out.push_str(&format!("{round:03}-{line:03}-{}", "x".repeat(100))));
            }
            logs.flush();
        }
        let all = tail(dir.path(), app, usize::MAX).unwrap();
        assert!(
            all.len() * 108 <= 2 * FILE_BYTES as usize && all.len() * 108 >= FILE_BYTES as usize
        );
        assert!(all.is_sorted());
        let last = tail(dir.path(), app, 2).unwrap();
        assert!(last[0].starts_with("299-098") && last[1].starts_with("299-099"), "{last:?}");
        forget(dir.path(), app).unwrap();
        assert!(tail(dir.path(), app, 2).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_written_in_time_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::start(dir.path()).unwrap();
        let app = AppId(uuid::Uuid::from_u128(8));
        let log = logs.of(app);
        // One look under the lock stands for a disk that is slow.
        let big = "y".repeat(WAITING_BYTES + 1);
        lock(&log.waiting).text = big;
        log.add(|out| out.push_str("late"));
        assert_eq!(lock(&log.waiting).dropped, 1);
        drop(logs);
    }
}
