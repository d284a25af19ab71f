//! The routers' log: a line per request, in a file per app, within bounds, and never in the way
//! of a request.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use model::AppId;

/// Of each of an app's two files.
const FILE_BYTES: u64 = 1 << 20;
/// What waits to be written, per app. More is dropped, and counted.
const WAITING_BYTES: usize = 256 * 1024;
/// With so many, they are written at once.
const HURRY_BYTES: usize = WAITING_BYTES / 4;
/// How long lines are gathered before they are written.
const LINGER: Duration = Duration::from_millis(100);

/// The last lines of an app's router log, oldest first. `dir` is the edge's directory.
pub fn tail(dir: &Path, app: AppId, lines: usize) -> io::Result<Vec<String>> {
    let current = current_file(&logs(dir), app);
    let mut text = String::new();
    for path in [older(&current), current] {
        match File::open(path) {
            // What another edge writes at this moment may come in halves.
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(2 * FILE_BYTES).read_to_end(&mut bytes)?;
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    Ok(all[from..].iter().map(|line| (*line).to_owned()).collect())
}

/// Removes an app's router log.
pub fn forget(dir: &Path, app: AppId) -> io::Result<()> {
    let current = current_file(&logs(dir), app);
    for path in [older(&current), current] {
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn logs(dir: &Path) -> PathBuf {
    dir.join("logs")
}

fn current_file(logs: &Path, app: AppId) -> PathBuf {
    logs.join(format!("{app}.log"))
}

fn older(current: &Path) -> PathBuf {
    current.with_extension("log.1")
}

/// One app's log.
#[derive(Debug)]
pub struct AppLog {
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
    pub fn add(self: &Arc<Self>, write: impl FnOnce(&mut String)) {
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        // Written before the lock is taken: a thread that is put aside while it has the lock keeps
        // all others waiting.
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
    /// Those that have something to be written.
    written: Vec<Arc<AppLog>>,
    /// Whether one of them has much to be written.
    hurry: bool,
    /// Whether the thread is to end.
    closed: bool,
    /// How many callers wait for all of it to be in the files.
    flushes: u64,
    done: u64,
}

/// All apps' logs, and the thread that writes them.
#[derive(Debug)]
pub struct Logs {
    shared: Arc<Shared>,
    apps: Mutex<BTreeMap<AppId, Weak<AppLog>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Logs {
    /// Starts the thread. `dir` is the edge's directory.
    pub fn start(dir: &Path) -> io::Result<Self> {
        let dir = logs(dir);
        fs::create_dir_all(&dir)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("edge-log".into())
            .spawn(move || write_all(&dir, &theirs))?;
        Ok(Self { shared, apps: Mutex::default(), thread: Some(thread) })
    }

    /// An app's.
    pub fn of(&self, app: AppId) -> Arc<AppLog> {
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
    pub fn flush(&self) {
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
            // It only writes; whatever it ended with, there is nothing left to do.
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
            // What comes within a moment is written at once.
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
            let waiting = std::mem::take(&mut *lock(&log.waiting));
            if let Err(error) = append(&current_file(dir, log.app), waiting) {
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

fn append(path: &Path, mut waiting: Waiting) -> io::Result<()> {
    if waiting.dropped > 0 {
        use std::fmt::Write as _;
        let _ = writeln!(waiting.text, "{} lines were dropped: too many at once", waiting.dropped);
    }
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let size = file.seek(SeekFrom::End(0))?;
    if size > 0 && size + waiting.text.len() as u64 > FILE_BYTES {
        fs::rename(path, older(path))?;
        file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    }
    file.write_all(waiting.text.as_bytes())
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
