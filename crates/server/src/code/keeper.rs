//! The thread that looks after kept code: it brings code that other versions or places kept to where it belongs,
//! and has the leader remove from a shared place what no record names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fabric::slug;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Caller, SlugId, SystemCommand, World};
use os::error_chain;
use sha2::{Digest, Sha256};
use store::{BlobDigest, BlobEntry, BlobError, Blobs, BoxError, Store};

use super::Kept;
use crate::cluster::Duties;
use crate::ledger::{Ledger, Request};
use crate::loops::{Pulse, Supervisor};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(600);
/// How long a blob of a shared place stays that no record names: its record may be about to be made, a
/// backup of another server may read it, and dynos may start from it for a moment.
const GRACE: Duration = Duration::from_secs(3600);
/// How long one step may take: half a gigabyte is packed, or goes over the network.
const LONGEST_STEP: Duration = Duration::from_secs(1800);
/// How long it waits for the world here to be as new as the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the thread works with.
pub(crate) struct Parts {
    /// Where code is kept.
    pub kept: Kept,
    /// Where servers kept code before, if that is another place that they share.
    pub older: Option<Arc<dyn Blobs>>,
    /// The directory of all unpacked slugs.
    pub slugs: PathBuf,
    /// What records name code.
    pub ledger: Ledger,
    /// Says how far the database has come.
    pub store: Box<dyn Store>,
    /// Whether this server leads.
    pub duties: Duties,
    /// Says when code must stay.
    pub must_stay: Box<dyn Fn() -> bool + Send>,
}

/// A handle on the thread.
pub(crate) struct KeeperHandle {
    tasks: Sender<Task>,
    /// The thread.
    pub thread: JoinHandle<()>,
}

enum Task {
    ComeRound,
    Stop,
}

impl KeeperHandle {
    /// What ends it.
    pub(crate) fn stop(&self) -> impl Fn() + Send + Sync + use<> {
        let tasks = self.tasks.clone();
        move || drop(tasks.send(Task::Stop))
    }
}

/// Looks after kept code.
pub(crate) struct Keeper {
    parts: Parts,
    /// Since when no record was seen to name a blob, by its digest and what tells it from a later one.
    unnamed: BTreeMap<(BlobDigest, String), Instant>,
    grace: Duration,
}

impl Keeper {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, unnamed: BTreeMap::new(), grace: GRACE }
    }

    /// Starts it. Its supervisor knows it as `code`.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub(crate) fn start(mut self, supervisor: &Supervisor) -> io::Result<KeeperHandle> {
        let (tasks, inbox) = channel();
        let waking = tasks.clone();
        let wake = move || drop(waking.send(Task::ComeRound));
        let run = move |pulse: &Pulse| self.run(&inbox, pulse);
        let thread = supervisor.spawn("code", LONGEST_STEP, wake, run)?;
        Ok(KeeperHandle { tasks, thread })
    }

    fn run(&mut self, inbox: &Receiver<Task>, pulse: &Pulse) {
        let mut next = Instant::now();
        loop {
            pulse.turn();
            if next <= Instant::now() {
                self.look(pulse);
                next = Instant::now() + EVERY;
            }
            pulse.idle();
            match inbox.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Task::ComeRound) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Task::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self, pulse: &Pulse) {
        self.bring(pulse);
        if self.parts.kept.is_shared() {
            match self.collect() {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "code that no record names was removed"),
                Err(error) => {
                    let place = self.parts.kept.blobs().place();
                    let error = error_chain(&*error);
                    tracing::warn!(error, "unneeded code stays in {place} for now");
                }
            }
        }
    }

    /// Brings code to where it belongs: what an older version unpacked and did not keep otherwise, and what is
    /// in the data directory though it is kept in a shared place.
    fn bring(&self, pulse: &Pulse) {
        let world = self.parts.ledger.world();
        for slug in world.slugs().filter(|slug| slug.size.is_some()) {
            let brought = match slug.blob.as_deref().map(str::parse::<BlobDigest>) {
                None => self.pack(slug.id),
                Some(Ok(digest)) => self.parts.kept.heal(slug.id, &digest).map_err(BoxError::from),
                Some(Err(error)) => Err(error.into()),
            };
            if let Err(error) = brought {
                tracing::warn!(slug = %slug.id, error = error_chain(&*error), "code cannot be kept as a blob");
            }
            pulse.turn();
        }
        if let Err(error) = move_all(&self.parts.kept, &world, &mut || pulse.turn()) {
            let place = self.parts.kept.blobs().place();
            tracing::warn!(
                error = error_chain(&error),
                "code cannot be moved to {place}: tried again later"
            );
        }
        let older = self.parts.older.as_ref().filter(|_| self.parts.duties.leads().is_some());
        if let Some(older) = older
            && let Err(error) =
                move_from(&**older, &self.parts.kept, &self.parts.ledger.world(), pulse)
        {
            let (from, error) = (older.place(), error_chain(&error));
            tracing::warn!(error, "code cannot be moved from {from}: tried again later");
        }
    }

    /// Keeps the code of a slug of which only the files are there.
    fn pack(&self, slug: SlugId) -> Result<(), BoxError> {
        let slugs = &self.parts.slugs;
        if !slug::path(slugs, slug).is_dir() {
            return Ok(());
        }
        let dir = Scratch::make(slugs.join(format!(".{slug}.pack")))?;
        let file = dir.0.join("archive");
        let mut to = GzEncoder::new(File::create_new(&file)?, Compression::fast());
        slug::pack(slugs, slug, &mut to)?;
        to.finish()?.sync_all()?;
        let mut hasher = Sha256::new();
        io::copy(&mut File::open(&file)?, &mut Hashing(&mut hasher))?;
        let digest = BlobDigest::finish(hasher);
        self.parts.kept.keep(slug, &digest, &file)?;
        let keep = SystemCommand::KeepCode { slug, blob: digest.to_string() };
        self.parts.ledger.submit_blocking(Request {
            caller: Caller::System,
            command: keep.into(),
            source: None,
            request_id: "code".to_owned(),
            only_if: None,
        })?;
        Ok(())
    }

    /// Removes from a shared place what no record has named for a while; says how much that was.
    ///
    /// What is removed was listed before the records were read that do not name it, by a world that is as new as
    /// the list; and what is put again meanwhile is spared by [`Blobs::remove`](store::Blobs::remove). So also a leader that stood still
    /// in between removes nothing that a record names.
    fn collect(&mut self) -> Result<usize, BoxError> {
        if self.parts.duties.leads().is_none() || (self.parts.must_stay)() {
            self.unnamed.clear();
            return Ok(0);
        }
        let blobs = self.parts.kept.blobs();
        let listed = blobs.list()?;
        let Some(world) = self.newest_world()? else { return Ok(0) };
        let gone = unnamed_for(&mut self.unnamed, listed, &world, Instant::now(), self.grace);
        let mut removed = 0;
        for entry in gone {
            if self.parts.duties.leads().is_none() {
                break;
            }
            removed += usize::from(blobs.remove(&entry)?);
        }
        Ok(removed)
    }

    /// A world that has all that was in the database when this was called; `None` where it does not come.
    fn newest_world(&self) -> Result<Option<Arc<World>>, BoxError> {
        let wanted = self.parts.store.identity()?.revision;
        let (mut published, until) = (self.parts.ledger.watch(), Instant::now() + PATIENCE);
        self.parts.ledger.follow();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let arrives = async {
            while self.parts.ledger.revision() < wanted && published.changed().await.is_ok() {}
        };
        let left = until.saturating_duration_since(Instant::now());
        let came = runtime.block_on(async { tokio::time::timeout(left, arrives).await });
        let arrived = came.is_ok() && self.parts.ledger.revision() >= wanted;
        Ok(arrived.then(|| self.parts.ledger.world()))
    }
}

/// Those of a list that no record has named for so long, and that were put as long ago. Notes of the others since when
/// none names them.
fn unnamed_for(
    unnamed: &mut BTreeMap<(BlobDigest, String), Instant>,
    listed: Vec<BlobEntry>,
    world: &World,
    now: Instant,
    grace: Duration,
) -> Vec<BlobEntry> {
    let named: BTreeSet<String> = world.slugs().filter_map(|slug| slug.blob.clone()).collect();
    let before = std::mem::take(unnamed);
    let mut gone = Vec::new();
    for entry in listed {
        if named.contains(&entry.digest.to_string()) {
            continue;
        }
        let key = (entry.digest, entry.tag.clone());
        let since = before.get(&key).copied().unwrap_or(now);
        if now.saturating_duration_since(since) >= grace && entry.age >= grace {
            gone.push(entry);
        }
        unnamed.insert(key, since);
    }
    gone
}

/// Moves the code in a data directory to the shared place, if there is one, as far as records name it. What is there
/// already is left.
///
/// # Errors
///
/// What keeps it from being moved; the rest is moved later.
pub(crate) fn move_all(
    kept: &Kept,
    world: &World,
    moved: &mut dyn FnMut(),
) -> Result<(), BlobError> {
    if !kept.is_shared() {
        return Ok(());
    }
    for id in kept.linked() {
        let slug = world.slug(id);
        let Some(digest) = slug.and_then(|slug| slug.blob.as_deref()?.parse().ok()) else {
            continue;
        };
        if let Some(mut blob) = kept.local().open(&digest, 0)? {
            kept.blobs().put(&digest, blob.bytes, &mut blob.content)?;
            tracing::info!(slug = %id, "code was moved to {}", kept.blobs().place());
        }
        kept.forget(id)?;
        moved();
    }
    Ok(())
}

/// Moves what records name from a place where servers kept it before. What they do not name goes.
fn move_from(
    older: &dyn Blobs,
    kept: &Kept,
    world: &World,
    pulse: &Pulse,
) -> Result<(), BlobError> {
    let named: BTreeSet<&str> = world.slugs().filter_map(|slug| slug.blob.as_deref()).collect();
    for entry in older.list()? {
        if !named.contains(entry.digest.to_string().as_str()) {
            if entry.age >= GRACE {
                older.remove(&entry)?;
            }
            continue;
        }
        if let Some(mut blob) = older.open(&entry.digest, 0)? {
            kept.blobs().put(&entry.digest, blob.bytes, &mut blob.content)?;
        }
        older.remove(&entry)?;
        tracing::info!(digest = %entry.digest, "code was moved to {}", kept.blobs().place());
        pulse.turn();
    }
    Ok(())
}

/// Computes a digest of what is written.
struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A directory that is removed with what is in it when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make(path: PathBuf) -> io::Result<Self> {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If this fails, the next start removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use model::{AppId, Change, Slug, Timestamp};

    use super::*;
    use store::blobs::Verified;

    fn slug(n: u128, blob: Option<BlobDigest>) -> Change {
        let time = Timestamp::from_millis(0);
        let slug = Slug {
            id: SlugId(uuid::Uuid::from_u128(n)),
            app: AppId(uuid::Uuid::from_u128(1)),
            process_types: BTreeMap::new(),
            commit: None,
            checksum: None,
            size: Some(4),
            unpacked: None,
            blob: blob.map(|blob| blob.to_string()),
            released: false,
            created: time,
            updated: time,
        };
        Change::Put(slug.into())
    }

    #[test]
    fn what_no_record_names_goes_after_a_grace_and_not_what_is_put_anew() {
        let [one, two, three] = [b"one", b"two", b"thr"].map(|bytes| BlobDigest::of(bytes));
        let mut world = World::default();
        world.apply(&slug(1, Some(one)));
        let (grace, old) = (Duration::from_secs(60), Duration::from_secs(61));
        let entry = |digest: BlobDigest, age: Duration, tag: &str| BlobEntry {
            digest,
            bytes: 3,
            age,
            tag: tag.to_owned(),
        };
        let listed =
            |tag: &str, age| vec![entry(one, old, ""), entry(two, old, tag), entry(three, age, "")];
        let (mut unnamed, start) = (BTreeMap::new(), Instant::now());
        let mut gone = |list, world: &World, seconds| {
            let now = start + Duration::from_secs(seconds);
            let gone = unnamed_for(&mut unnamed, list, world, now, grace);
            gone.into_iter().map(|entry| entry.digest).collect::<Vec<_>>()
        };
        assert_eq!(gone(listed("a", grace), &world, 0), []);
        assert_eq!(gone(listed("a", Duration::ZERO), &world, 59), []);
        assert_eq!(gone(listed("a", Duration::ZERO), &world, 60), [two], "the other is new");
        assert_eq!(gone(listed("b", old), &world, 61), [three], "it was put again");
        world.apply(&slug(2, Some(two)));
        assert_eq!(gone(listed("b", old), &world, 200), [three]);
        let mut fewer = World::default();
        fewer.apply(&slug(2, Some(two)));
        assert_eq!(gone(listed("b", old), &fewer, 201), [three], "it was named until now");
        assert_eq!(gone(listed("b", old), &fewer, 261), [one, three]);
    }

    #[test]
    fn code_of_a_data_directory_is_moved_to_the_shared_place() {
        let dir = tempfile::tempdir().unwrap();
        let (data, shared) = (dir.path().join("data"), dir.path().join("shared"));
        let (digest, id) = (BlobDigest::of(b"code"), SlugId(uuid::Uuid::from_u128(1)));
        let upload = dir.path().join("upload");
        for (id, code) in [(id, "code"), (SlugId(uuid::Uuid::from_u128(9)), "of no record")] {
            fs::write(&upload, code).unwrap();
            Kept::at(&data, None).keep(id, &BlobDigest::of(code.as_bytes()), &upload).unwrap();
        }
        let mut world = World::default();
        world.apply(&slug(1, Some(digest)));
        let place = Arc::new(store::DirectoryBlobs::at(shared));
        let kept = Kept::at(&data, Some(place));
        for _ in 0..2 {
            move_all(&kept, &world, &mut || ()).unwrap();
            let mut blob = Verified::new(kept.blobs().open(&digest, 0).unwrap().unwrap().content);
            io::copy(&mut blob, &mut io::sink()).unwrap();
            blob.check(&digest).unwrap();
            // What no record names is not for this to decide.
            assert_eq!(kept.linked().len(), 1);
            assert_eq!(kept.local().list().unwrap().len(), 1);
        }
        // From there to another one.
        let (older, newer) = (kept.clone(), store::DirectoryBlobs::at(dir.path().join("newer")));
        let kept = Kept::at(&data, Some(Arc::new(newer)));
        let of_nobody = BlobDigest::of(b"x");
        older.blobs().put(&of_nobody, 1, &mut &b"x"[..]).unwrap();
        move_from(older.blobs(), &kept, &world, &Pulse::unwatched()).unwrap();
        assert!(kept.blobs().open(&digest, 0).unwrap().is_some());
        // A record may be about to name it.
        let left = older.blobs().list().unwrap();
        assert_eq!(left.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [of_nobody]);
    }
}
