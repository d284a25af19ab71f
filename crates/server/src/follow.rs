//! Who follows commits beside the reconcile loop: an app's log is told what happened, and files
//! go once nothing names them any more.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fabric::slug;
use model::{AddonId, AppId, Change, Key, SlugId, World};

use crate::backup::Place;
use crate::clock::Clock;
use crate::hosting::RouterLog;
use crate::ledger::Step;
use crate::logs::Logs;

/// How long code stays after its record: its last dynos may need it until they have ended.
const SLUG_STAYS: Duration = Duration::from_secs(60);

enum Task {
    Step(Step),
    Stop,
}

/// The way to the thread.
#[derive(Clone)]
pub(crate) struct Hand(Sender<Task>);

impl Hand {
    /// Tells it what changed. Never blocks.
    pub fn step(&self, step: Step) {
        // The thread is gone only when the server stops; the next start removes what is left.
        let _ = self.0.send(Task::Step(step));
    }

    /// Ends it.
    pub fn stop(&self) {
        let _ = self.0.send(Task::Stop);
    }
}

/// The thread before it runs: the ledger needs the way to it.
pub(crate) struct Follower {
    hand: Hand,
    tasks: Receiver<Task>,
}

/// What the thread works with.
pub(crate) struct Parts {
    /// The directory of all slugs.
    pub slugs: PathBuf,
    /// Has a data service's disk removed.
    pub remove_disk: Box<dyn Fn(AddonId) + Send>,
    /// Says when code must stay.
    pub backups: Arc<Place>,
    /// What routers served.
    pub router_log: Arc<dyn RouterLog>,
    /// What the platform says.
    pub logs: Arc<Logs>,
    /// The time.
    pub clock: Arc<Clock>,
}

impl Follower {
    pub fn new() -> Self {
        let (sender, tasks) = channel();
        Self { hand: Hand(sender), tasks }
    }

    /// The way to it.
    pub fn hand(&self) -> Hand {
        self.hand.clone()
    }

    /// Starts it.
    pub fn start(self, parts: Parts) -> std::io::Result<JoinHandle<()>> {
        let Self { hand, tasks } = self;
        // Its own way to itself would keep it waiting for ever.
        drop(hand);
        let work = move || Work { parts, doomed: VecDeque::new() }.run(&tasks);
        std::thread::Builder::new().name("follow".to_owned()).spawn(work)
    }
}

struct Work {
    parts: Parts,
    /// Slugs whose files go, and when, soonest first.
    doomed: VecDeque<(Instant, SlugId)>,
}

impl Work {
    fn run(mut self, tasks: &Receiver<Task>) {
        loop {
            let task = match self.doomed.front() {
                None => tasks.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some((due, _)) => tasks.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match task {
                Ok(Task::Step(step)) => self.step(&step),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Task::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            self.remove_slugs(Instant::now());
        }
    }

    fn step(&mut self, step: &Step) {
        self.parts.logs.follow(step, self.parts.clock.now());
        for change in &step.changes {
            match change {
                Change::Delete(Key::Slug(id)) => {
                    self.doomed.push_back((Instant::now() + SLUG_STAYS, *id));
                }
                Change::Delete(Key::Addon(id)) => (self.parts.remove_disk)(*id),
                Change::Delete(Key::App(id)) => self.forget_router_log(*id),
                Change::Delete(_) | Change::Put(_) => {}
            }
        }
    }

    fn forget_router_log(&self, app: AppId) {
        if let Err(error) = self.parts.router_log.forget(app) {
            tracing::warn!(%app, %error, "the router log of a removed app is still there");
        }
    }

    fn remove_slugs(&mut self, now: Instant) {
        if self.doomed.front().is_some_and(|(due, _)| *due <= now)
            && self.parts.backups.needs_code()
        {
            for (due, _) in &mut self.doomed {
                *due = (*due).max(now + SLUG_STAYS);
            }
            return;
        }
        while let Some((_, id)) = self.doomed.pop_front_if(|(due, _)| *due <= now) {
            if let Err(error) = slug::remove(&self.parts.slugs, id) {
                tracing::warn!(slug = %id, %error, "a slug is still there; the next start removes it");
            }
        }
    }
}

/// Removes what uploads and removals that were cut short have left, and slugs that no world has:
/// those of which only the code was kept, and those of which only the record was forgotten. Nothing
/// may be uploaded meanwhile.
pub(crate) fn sweep_slugs(slugs: &Path, world: &World) {
    if let Err(error) = slug::clean(slugs) {
        tracing::warn!(%error, "what cut-short uploads left is still there");
    }
    let has_code = |id| world.slug(id).is_some_and(|slug| slug.size.is_some());
    for id in ids_in::<SlugId>(slugs).filter(|id| !has_code(*id)) {
        if let Err(error) = slug::remove(slugs, id) {
            tracing::warn!(slug = %id, %error, "a slug of no app is still there");
        }
    }
}

/// The disks that no data service has any more.
pub(crate) fn stray_disks(disks: &Path, world: &World) -> Vec<AddonId> {
    ids_in::<AddonId>(disks).filter(|id| world.addon(*id).is_none()).collect()
}

/// The ids that name something in a directory.
fn ids_in<T: std::str::FromStr>(dir: &Path) -> impl Iterator<Item = T> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn id(n: u128) -> SlugId {
        SlugId(uuid::Uuid::from_u128(n))
    }

    fn world_with(slugs: &[(u128, Option<u64>)]) -> World {
        let mut world = World::default();
        for (n, size) in slugs {
            let slug = model::Slug {
                id: id(*n),
                app: AppId(uuid::Uuid::from_u128(0)),
                process_types: Default::default(),
                commit: None,
                checksum: None,
                size: *size,
                released: false,
                created: model::Timestamp::from_millis(0),
                updated: model::Timestamp::from_millis(0),
            };
            world.apply(&Change::Put(slug.into()));
        }
        world
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_start_removes_what_no_world_has() {
        let dir = tempfile::tempdir().unwrap();
        let world = world_with(&[(1, Some(7)), (2, None)]);
        for name in [id(1).to_string(), id(2).to_string(), id(3).to_string(), ".x.upload".into()] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::create_dir(dir.path().join("not-ours")).unwrap();
        sweep_slugs(dir.path(), &world);
        assert_eq!(names(dir.path()), [id(1).to_string(), "not-ours".to_owned()]);
        sweep_slugs(&dir.path().join("nowhere"), &world);
    }

    #[test]
    fn code_goes_after_its_record_and_disks_at_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(id(1).to_string())).unwrap();
        let (gone, disks) = channel();
        let parts = Parts {
            slugs: dir.path().to_owned(),
            remove_disk: Box::new(move |id| gone.send(id).unwrap()),
            backups: Arc::default(),
            router_log: Arc::new(crate::hosting::NoRouterLog),
            logs: Arc::default(),
            clock: Arc::new(Clock::system()),
        };
        let backups = Arc::clone(&parts.backups);
        let addon = AddonId(uuid::Uuid::from_u128(9));
        let mut work = Work { parts, doomed: VecDeque::new() };
        let before = Arc::new(world_with(&[(1, Some(7))]));
        let changes = vec![Change::Delete(Key::Slug(id(1))), Change::Delete(Key::Addon(addon))];
        work.step(&Step { before, after: Arc::default(), changes });
        assert_eq!(disks.try_recv(), Ok(addon));
        let now = Instant::now();
        work.remove_slugs(now);
        assert_eq!(names(dir.path()).len(), 1, "its dynos may still end");
        {
            let _reading = backups.keep_code();
            work.remove_slugs(now + SLUG_STAYS);
            assert_eq!(names(dir.path()).len(), 1, "a backup is reading it");
        }
        work.remove_slugs(now + SLUG_STAYS);
        assert_eq!(names(dir.path()).len(), 1, "it is looked at again in a while");
        work.remove_slugs(now + 2 * SLUG_STAYS);
        assert!(names(dir.path()).is_empty());
    }
}
