//! The thread that acts on commits beside the planner: it writes the platform's lines into apps' logs,
//! and removes files that no record names any more.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fabric::slug;
use model::{AddonId, AppId, Change, HostId, Key, SlugId};

use crate::apps::logs::Logs;
use crate::apps::router_log::RouterLog;
use crate::backup::Workspace;
use crate::clock::Clock;
use crate::code::Kept;
use crate::ledger::Step;
use crate::loops::{Pulse, Supervisor};

/// How long code stays after its record: its last dynos may need it until they have ended.
pub(crate) const SLUG_STAYS: Duration = Duration::from_secs(60);

/// How long one step of the thread may take: a line in an app's log, or the removal of a slug with all
/// of its files.
const LONGEST_STEP: Duration = Duration::from_secs(120);

enum Task {
    Step(Step),
    ComeRound,
    Stop,
}

/// A handle on the thread.
#[derive(Clone)]
pub(crate) struct FilesHandle(Sender<Task>);

impl FilesHandle {
    /// Hands it a commit. Never blocks.
    pub(crate) fn step(&self, step: Step) {
        // The thread is gone only when the server stops; the next start removes what is left.
        let _ = self.0.send(Task::Step(step));
    }

    /// Ends it.
    pub(crate) fn stop(&self) {
        let _ = self.0.send(Task::Stop);
    }
}

/// The thread before it is started: its handle is needed to start the ledger.
pub(crate) struct UnstartedFiles {
    handle: FilesHandle,
    tasks: Receiver<Task>,
}

/// What the thread works with.
pub(crate) struct Parts {
    /// The directory of all slugs.
    pub slugs: PathBuf,
    /// Where their code is kept.
    pub kept: Kept,
    /// Has a data service's disk removed, where it was.
    pub remove_disk: Box<dyn Fn(AddonId, Option<HostId>) + Send>,
    /// Says when code must stay.
    pub backups: Arc<Workspace>,
    /// What routers served.
    pub router_log: Arc<dyn RouterLog>,
    /// What the platform says.
    pub logs: Arc<Logs>,
    /// The time.
    pub clock: Arc<Clock>,
}

impl UnstartedFiles {
    pub(crate) fn new() -> Self {
        let (sender, tasks) = channel();
        Self { handle: FilesHandle(sender), tasks }
    }

    /// Returns a handle on it.
    pub(crate) fn handle(&self) -> FilesHandle {
        self.handle.clone()
    }

    /// Starts it. Its supervisor knows it as `files`.
    pub(crate) fn start(
        self,
        parts: Parts,
        supervisor: &Supervisor,
    ) -> std::io::Result<JoinHandle<()>> {
        let Self { handle, tasks } = self;
        let wake = move || drop(handle.0.send(Task::ComeRound));
        let mut work = Work { parts, doomed: VecDeque::new() };
        supervisor.spawn("files", LONGEST_STEP, wake, move |pulse| work.run(&tasks, pulse))
    }
}

struct Work {
    parts: Parts,
    /// Slugs whose files go, and when, soonest first.
    doomed: VecDeque<(Instant, SlugId)>,
}

impl Work {
    fn run(&mut self, tasks: &Receiver<Task>, pulse: &Pulse) {
        loop {
            pulse.idle();
            let task = match self.doomed.front() {
                None => tasks.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some((due, _)) => tasks.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            pulse.turn();
            match task {
                Ok(Task::Step(step)) => self.step(&step),
                Ok(Task::ComeRound) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Task::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            self.remove_slugs(Instant::now(), pulse);
        }
    }

    fn step(&mut self, step: &Step) {
        self.parts.logs.follow(step, self.parts.clock.now());
        for change in &step.changes {
            match change {
                Change::Delete(Key::Slug(id)) => {
                    self.doomed.push_back((Instant::now() + SLUG_STAYS, *id));
                }
                Change::Delete(Key::Addon(id)) => {
                    let host = step.before.addon(*id).and_then(|addon| addon.host);
                    (self.parts.remove_disk)(*id, host);
                }
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

    fn remove_slugs(&mut self, now: Instant, pulse: &Pulse) {
        if self.doomed.front().is_some_and(|(due, _)| *due <= now)
            && self.parts.backups.needs_code()
        {
            for (due, _) in &mut self.doomed {
                *due = (*due).max(now + SLUG_STAYS);
            }
            return;
        }
        while let Some((_, id)) = self.doomed.pop_front_if(|(due, _)| *due <= now) {
            pulse.turn();
            if let Err(error) = slug::remove(&self.parts.slugs, id) {
                tracing::warn!(slug = %id, %error, "a slug is still there; the next start removes it");
            }
            if let Err(error) = self.parts.kept.forget(id) {
                let error = os::error_chain(&error);
                tracing::warn!(slug = %id, error, "its code is still there; the next start removes it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use model::World;

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
                unpacked: None,
                blob: None,
                released: false,
                created: model::Timestamp::from_millis(0),
                updated: model::Timestamp::from_millis(0),
            };
            world.apply(&Change::Put(slug.into()));
        }
        world
    }

    #[test]
    fn a_panic_is_told_to_the_supervisor() {
        let dir = tempfile::tempdir().unwrap();
        let parts = Parts {
            slugs: dir.path().to_owned(),
            kept: Kept::at(dir.path(), None),
            remove_disk: Box::new(|_, _| panic!("no such disk")),
            backups: Arc::default(),
            router_log: Arc::new(crate::apps::router_log::NoRouterLog),
            logs: Arc::default(),
            clock: Arc::new(Clock::system()),
        };
        let (panicked, panics) = channel();
        let supervisor = Supervisor::new(move |panic| drop(panicked.send(panic.clone())));
        let unstarted = UnstartedFiles::new();
        let handle = unstarted.handle();
        let thread = unstarted.start(parts, &supervisor).unwrap();
        let addon = AddonId(uuid::Uuid::from_u128(9));
        let changes = vec![Change::Delete(Key::Addon(addon))];
        let (before, after) = (Arc::default(), Arc::default());
        handle.step(Step { before, after, changes, revision: 1 });
        let told = panics.recv().unwrap();
        assert_eq!((told.name, told.message.as_str()), ("files", "no such disk"));
        assert!(thread.join().is_err());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let health = runtime.block_on(supervisor.check()).remove(0);
        assert_eq!(health.to_string(), "files: has ended");
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
    fn code_goes_after_its_record_and_disks_at_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(id(1).to_string())).unwrap();
        let (gone, disks) = channel();
        let parts = Parts {
            slugs: dir.path().to_owned(),
            kept: Kept::at(dir.path(), None),
            remove_disk: Box::new(move |id, _| gone.send(id).unwrap()),
            backups: Arc::default(),
            router_log: Arc::new(crate::apps::router_log::NoRouterLog),
            logs: Arc::default(),
            clock: Arc::new(Clock::system()),
        };
        let backups = Arc::clone(&parts.backups);
        let addon = AddonId(uuid::Uuid::from_u128(9));
        let mut work = Work { parts, doomed: VecDeque::new() };
        let before = Arc::new(world_with(&[(1, Some(7))]));
        let changes = vec![Change::Delete(Key::Slug(id(1))), Change::Delete(Key::Addon(addon))];
        work.step(&Step { before, after: Arc::default(), changes, revision: 1 });
        assert_eq!(disks.try_recv(), Ok(addon));
        let (now, pulse) = (Instant::now(), Pulse::unwatched());
        work.remove_slugs(now, &pulse);
        assert_eq!(names(dir.path()).len(), 1, "its dynos may still end");
        {
            let _reading = backups.keep_code();
            work.remove_slugs(now + SLUG_STAYS, &pulse);
            assert_eq!(names(dir.path()).len(), 1, "a backup is reading it");
        }
        work.remove_slugs(now + SLUG_STAYS, &pulse);
        assert_eq!(names(dir.path()).len(), 1, "it is looked at again in a while");
        work.remove_slugs(now + 2 * SLUG_STAYS, &pulse);
        assert!(names(dir.path()).is_empty());
    }
}
