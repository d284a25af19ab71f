//! The unpacked code on this machine: it comes when a workload needs it, and goes when nobody does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fabric::runtime::{CodeSource, CodeState};
use fabric::slug::{self, Limits, Unpacked};
use model::SlugId;
use os::{Waker, error_chain};
use store::blobs::Verified;
use store::{Blob, BlobDigest};

use crate::loops::{Pulse, Supervisor};

/// How much code is fetched and unpacked at a time.
const AT_ONCE: [&str; 2] = ["code-1", "code-2"];
/// How long one step may take: an archive is unpacked, half a gigabyte with up to a million files.
const LONGEST_STEP: Duration = Duration::from_secs(900);
/// How often a fetch is tried that breaks off, and how long after each time.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// Bytes after which the progress of a fetch is logged, and a step has ended.
const PROGRESS: u64 = 32 << 20;

/// Opens a blob from a byte on; `None` where there is none. Why not, in words.
pub(crate) type Opens = Box<dyn Fn(&BlobDigest, u64) -> Result<Option<Blob>, String> + Send + Sync>;

/// What becomes of files that no workload needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unused {
    /// They stay until the room is needed.
    Stay,
    /// They go after a time: nobody says here when their records are gone.
    Go(Duration),
}

/// What the cache works with.
pub(crate) struct Parts {
    /// The directory of all slugs.
    pub slugs: PathBuf,
    /// Where blobs come from.
    pub opens: Opens,
    /// What blobs are said to be in, for people.
    pub place: String,
    /// How many bytes of files are kept that no workload needs, with those that one needs.
    pub limit: u64,
    /// What becomes of files that no workload needs.
    pub unused: Unused,
    /// Whether the files of a slug can be had again.
    pub replaceable: Box<dyn Fn(SlugId) -> bool + Send + Sync>,
}

/// The unpacked code on this machine. Copies are cheap.
#[derive(Clone)]
pub(crate) struct Cache(Arc<Inner>);

struct Inner {
    parts: Parts,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is unpacked here.
    here: BTreeMap<SlugId, Entry>,
    /// The slugs that workloads need, once that was said.
    used: Option<BTreeSet<SlugId>>,
    /// What is to be fetched, in turn.
    queue: VecDeque<(SlugId, BlobDigest)>,
    /// What is in the queue or being fetched.
    coming: BTreeSet<SlugId>,
    /// Why it does not come.
    missing: BTreeMap<SlugId, String>,
    wakers: Vec<Waker>,
    news: bool,
    stopping: bool,
}

struct Entry {
    bytes: u64,
    /// When a workload last needed it.
    needed: Instant,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("slugs", &self.0.parts.slugs).finish_non_exhaustive()
    }
}

impl Cache {
    /// That of a directory, with what is there. Nothing is fetched yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let mut state = State::default();
        for entry in fs::read_dir(&parts.slugs).into_iter().flatten().flatten() {
            if let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                state.here.insert(id, Entry { bytes: 0, needed: Instant::now() });
            }
        }
        Self(Arc::new(Inner { parts, state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// Starts what fetches and unpacks.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub(crate) fn start(&self, supervisor: &Supervisor) -> io::Result<Vec<JoinHandle<()>>> {
        let start = |(number, name)| {
            let (cache, waking) = (self.clone(), self.clone());
            let wake = move || waking.0.changed.notify_all();
            supervisor.spawn(name, LONGEST_STEP, wake, move |pulse| cache.run(number == 0, pulse))
        };
        AT_ONCE.into_iter().enumerate().map(start).collect()
    }

    /// Ends its threads.
    pub(crate) fn stop(&self) {
        self.state().stopping = true;
        self.0.changed.notify_all();
    }

    /// Files were put there by somebody else.
    pub(crate) fn came(&self, slug: SlugId, bytes: u64) {
        self.state().here.insert(slug, Entry { bytes, needed: Instant::now() });
        self.0.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, measures: bool, pulse: &Pulse) {
        if measures {
            self.measure(pulse);
        }
        loop {
            pulse.turn();
            self.evict();
            let mut state = self.state();
            if state.stopping {
                return;
            }
            let Some((slug, digest)) = state.queue.pop_front() else {
                pulse.idle();
                let wait = match self.0.parts.unused {
                    Unused::Stay => Duration::from_secs(600),
                    Unused::Go(after) => (after / 4).max(Duration::from_millis(50)),
                };
                // Whoever changes something wakes it; what is due by itself is looked at soon.
                drop(self.0.changed.wait_timeout(state, wait));
                continue;
            };
            drop(state);
            let fetched = self.fetch(slug, &digest, pulse);
            let mut state = self.state();
            state.coming.remove(&slug);
            match fetched {
                Ok(unpacked) => {
                    let entry = Entry { bytes: unpacked.on_disk(), needed: Instant::now() };
                    state.here.insert(slug, entry);
                }
                Err(why) => {
                    tracing::warn!(%slug, "{why}");
                    state.missing.insert(slug, why);
                }
            }
            state.news = true;
            let wakers = state.wakers.clone();
            drop(state);
            wakers.iter().for_each(Waker::wake);
        }
    }

    /// Finds out how large those are that were here at the start.
    fn measure(&self, pulse: &Pulse) {
        let unknown: Vec<SlugId> = {
            let state = self.state();
            let unknown = state.here.iter().filter(|(_, entry)| entry.bytes == 0);
            unknown.map(|(id, _)| *id).collect()
        };
        for slug in unknown {
            pulse.turn();
            let Ok(Some(found)) = slug::look_at(&self.0.parts.slugs, slug) else { continue };
            if let Some(entry) = self.state().here.get_mut(&slug) {
                entry.bytes = found.on_disk();
            }
        }
    }

    /// Brings the files of a slug here. Why that cannot be done, in words.
    fn fetch(&self, slug: SlugId, digest: &BlobDigest, pulse: &Pulse) -> Result<Unpacked, String> {
        let Parts { slugs, place, .. } = &self.0.parts;
        let named = |why: String| {
            format!("the code of this dyno (slug {slug}, sha256:{digest}) is not to be had: {why}")
        };
        let began = Instant::now();
        let download = Download::begin(slugs, digest).map_err(|error| named(error.to_string()))?;
        let bytes = self.download(slug, digest, &download, pulse).map_err(named)?;
        pulse.turn();
        let file = File::open(download.archive()).map_err(|error| named(error.to_string()))?;
        let unpacked = slug::unpack(file, &slug::path(slugs, slug), Limits::default());
        let unpacked = unpacked.map_err(|error| named(error_chain(&error)))?;
        let took = format!("{:.1} s", began.elapsed().as_secs_f64());
        tracing::info!(%slug, bytes, took, "code came from {place}");
        Ok(unpacked)
    }

    /// Fetches a blob to a file, goes on where it broke off, and verifies all of it.
    fn download(
        &self,
        slug: SlugId,
        digest: &BlobDigest,
        to: &Download,
        pulse: &Pulse,
    ) -> Result<u64, String> {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(to.archive())
            .map_err(|error| error.to_string())?;
        let (mut why, mut done) = (String::new(), 0);
        for number in 0..TRIES {
            if number > 0 && !self.pause(PAUSE * 2_u32.pow(number - 1)) {
                return Err("this process is stopping".to_owned());
            }
            pulse.turn();
            let blob = match (self.0.parts.opens)(digest, done) {
                Ok(Some(blob)) => blob,
                Ok(None) => {
                    why = format!("{} has no such blob", self.0.parts.place);
                    continue;
                }
                Err(error) => {
                    why = error;
                    continue;
                }
            };
            let copied = self.copy(slug, blob.bytes, blob.content, &mut file, &mut done, pulse);
            match copied {
                Err(Broken::Here(error)) => return Err(error.to_string()),
                Err(Broken::There(error)) => why = error_chain(&error),
                Ok(()) if done < blob.bytes => why = "it ended early".to_owned(),
                Ok(()) => {
                    let mut whole =
                        Verified::new(File::open(to.archive()).map_err(|e| e.to_string())?);
                    io::copy(&mut whole, &mut io::sink()).map_err(|error| error.to_string())?;
                    match whole.check(digest) {
                        Ok(()) => return Ok(done),
                        Err(error) => {
                            // It may be right the next time, from its beginning.
                            file.set_len(0).map_err(|error| error.to_string())?;
                            (why, done) = (error_chain(&error), 0);
                        }
                    }
                }
            }
        }
        Err(why)
    }

    fn copy(
        &self,
        slug: SlugId,
        bytes: u64,
        mut from: Box<dyn Read + Send>,
        to: &mut File,
        done: &mut u64,
        pulse: &Pulse,
    ) -> Result<(), Broken> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::There(error)),
            };
            to.write_all(buffer.get(..read).unwrap_or_default()).map_err(Broken::Here)?;
            let before = *done / PROGRESS;
            *done += read as u64;
            if *done / PROGRESS != before {
                pulse.turn();
                tracing::info!(%slug, "code comes: {} of {} MiB", *done >> 20, bytes >> 20);
                if self.state().stopping {
                    return Err(Broken::There(io::Error::other("this process is stopping")));
                }
            }
        }
    }

    /// Waits; false if it is to end.
    fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.state();
        while !state.stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Takes away files that nobody needs: where there are too many bytes, those that were needed longest ago.
    fn evict(&self) {
        while let Some(aside) = self.next_to_go() {
            if let Err(error) = fs::remove_dir_all(&aside) {
                tracing::warn!(path = %aside.display(), %error, "the next start removes what is left of unneeded code");
            }
        }
    }

    /// Takes the name away from what is to go next, and says where it is.
    fn next_to_go(&self) -> Option<PathBuf> {
        let Parts { slugs, limit, unused, replaceable, .. } = &self.0.parts;
        let mut state = self.state();
        loop {
            let used = state.used.as_ref()?;
            let total = state.here.values().map(|entry| entry.bytes).fold(0, u64::saturating_add);
            let spare = state.here.iter().filter(|(id, _)| !used.contains(id));
            let spare = spare.filter(|(id, _)| !state.coming.contains(id) && replaceable(**id));
            let (slug, entry) = spare.min_by_key(|(_, entry)| entry.needed)?;
            let late = matches!(unused, Unused::Go(after) if entry.needed.elapsed() >= *after);
            if total <= *limit && !late {
                return None;
            }
            let slug = *slug;
            state.here.remove(&slug);
            match slug::set_aside(slugs, slug) {
                Ok(Some(aside)) => {
                    tracing::debug!(%slug, "code that nobody needs goes");
                    return Some(aside);
                }
                // Somebody else removed it.
                Ok(None) => {}
                Err(error) => {
                    let error = error_chain(&error);
                    tracing::warn!(%slug, error, "code that nobody needs stays");
                }
            }
        }
    }
}

impl CodeSource for Cache {
    fn find(&self, slug: SlugId, blob: Option<&str>) -> CodeState {
        let path = slug::path(&self.0.parts.slugs, slug);
        let mut state = self.state();
        if path.is_dir() {
            let entry = state.here.entry(slug);
            entry.or_insert(Entry { bytes: 0, needed: Instant::now() }).needed = Instant::now();
            if let Some(used) = &mut state.used {
                used.insert(slug);
            }
            return CodeState::Here(path);
        }
        if let Some(why) = state.missing.remove(&slug) {
            return CodeState::Missing(why);
        }
        let Some(digest) = blob.and_then(|blob| blob.parse().ok()) else {
            return CodeState::Missing(format!(
                "the files of slug {slug} are not here, and it is not known by which digest they are kept: \
                 deploy the app again"
            ));
        };
        if state.coming.insert(slug) {
            state.queue.push_back((slug, digest));
            self.0.changed.notify_all();
        }
        CodeState::Coming
    }

    fn keep(&self, used: BTreeSet<SlugId>) {
        let mut state = self.state();
        let now = Instant::now();
        let before = state.used.replace(used).unwrap_or_default();
        let state = &mut *state;
        for slug in before.iter().chain(state.used.iter().flatten()) {
            if let Some(entry) = state.here.get_mut(slug) {
                entry.needed = now;
            }
        }
        self.0.changed.notify_all();
    }

    fn wake(&self, waker: Waker) {
        self.state().wakers.push(waker);
    }

    fn has_news(&self) -> bool {
        std::mem::take(&mut self.state().news)
    }
}

/// Which end of a copy broke off.
enum Broken {
    Here(io::Error),
    There(io::Error),
}

/// A directory for a file that is being fetched, removed with it when this is dropped.
struct Download(PathBuf);

impl Download {
    fn begin(slugs: &Path, digest: &BlobDigest) -> io::Result<Self> {
        // The dot sets it apart from slugs, so that the next start removes it after a crash.
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = slugs.join(format!(".{digest}.{number}.fetch"));
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self(dir))
    }

    fn archive(&self) -> PathBuf {
        self.0.join("archive")
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // If this fails, the next start removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
