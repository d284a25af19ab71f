//! The thread that looks after processes: it alone talks to the runtime, tells the ledger what
//! processes do, and answers for their output.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fabric::runtime::{
    self, LogPart, LogPlace, NoRuntime, Runc, Runtime, WorkloadEvent, WorkloadState,
};
use model::intent::WorkloadIntent;
use model::{AddonId, Exit, Observation, SystemCommand, WorkloadId, WorkloadReport};

use crate::ledger::{Ledger, Request};
use crate::reconcile::{Health, Workloads};
use crate::serve::{Config, FabricKind};
use crate::state::Console;

/// How long the thread sleeps if nothing happens: it is woken by what it waits for.
const IDLE: Duration = Duration::from_secs(60);

/// How often it is tried to start a workload before that is taken for its end.
const MOST_STARTS: u32 = 5;
/// The pause after the first try; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What was started.
pub(crate) struct Started {
    /// For the reconcile loop.
    pub workloads: Box<dyn Workloads>,
    /// For requests.
    pub console: Arc<dyn Console>,
    /// The thread.
    pub thread: Option<JoinHandle<()>>,
    /// Ends it.
    pub stop: Stop,
    /// Has the disks of data services removed.
    pub disks: Disks,
}

/// Has the disks of data services removed, once they have ended.
#[derive(Clone)]
pub(crate) struct Disks(Hand);

impl Disks {
    /// Has one removed.
    pub fn remove(&self, id: AddonId) {
        self.0.send(Task::RemoveDisk(id));
    }
}

/// Ends the thread. Processes go on.
pub(crate) struct Stop(Hand);

impl Stop {
    /// Ends it.
    pub fn stop(&self) {
        self.0.send(Task::Stop);
    }
}

enum Task {
    Sweep(BTreeMap<WorkloadId, WorkloadIntent>),
    Apply(BTreeMap<WorkloadId, Option<WorkloadIntent>>),
    Tail(WorkloadId, usize, SyncSender<std::io::Result<Vec<u8>>>),
    Lines(WorkloadId, Option<LogPlace>, bool, SyncSender<std::io::Result<LogPart>>),
    RemoveDisk(AddonId),
    Exec(WorkloadId, Vec<String>, bool, SyncSender<Option<Vec<String>>>),
    Stop,
}

/// The way to the thread.
#[derive(Clone)]
struct Hand {
    tasks: Sender<Task>,
    waker: runtime::Waker,
}

impl Hand {
    fn send(&self, task: Task) {
        // The thread is gone only when the server stops.
        if self.tasks.send(task).is_ok() {
            self.waker.wake();
        }
    }
}

impl Workloads for Hand {
    fn sweep(&mut self, workloads: BTreeMap<WorkloadId, WorkloadIntent>) {
        self.send(Task::Sweep(workloads));
    }

    fn apply(&mut self, changed: BTreeMap<WorkloadId, Option<WorkloadIntent>>) {
        if !changed.is_empty() {
            self.send(Task::Apply(changed));
        }
    }
}

/// `Sender` is not `Sync`, requests share this.
struct Desk(std::sync::Mutex<Hand>);

impl Desk {
    fn ask<T>(&self, task: impl FnOnce(SyncSender<T>) -> Task) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        self.0.lock().expect("no holder panics").send(task(answer));
        answered.recv().ok()
    }
}

impl Console for Desk {
    fn tail(&self, workload: WorkloadId, bytes: usize) -> std::io::Result<Vec<u8>> {
        self.ask(|answer| Task::Tail(workload, bytes, answer))
            .unwrap_or_else(|| Err(std::io::Error::other("the server is stopping")))
    }

    fn lines(
        &self,
        workload: WorkloadId,
        from: Option<LogPlace>,
        whole: bool,
    ) -> std::io::Result<LogPart> {
        self.ask(|answer| Task::Lines(workload, from, whole, answer))
            .unwrap_or_else(|| Err(std::io::Error::other("the server is stopping")))
    }

    fn exec(&self, workload: WorkloadId, command: &[String], tty: bool) -> Option<Vec<String>> {
        self.ask(|answer| Task::Exec(workload, command.to_vec(), tty, answer))?
    }
}

/// Where data services keep their data.
pub(crate) fn disks(data: &Path) -> PathBuf {
    data.join("services")
}

fn runtime_of(
    fabric: FabricKind,
    data: &Path,
    program: &Path,
    self_exe: &Path,
    instance: &str,
) -> Result<Box<dyn Runtime>, String> {
    match fabric {
        FabricKind::None => NoRuntime::new()
            .map(|none| Box::new(none) as Box<dyn Runtime>)
            .map_err(|error| error.to_string()),
        FabricKind::Linux => {
            // Shims have a directory of their own, and mount what is named from there.
            let data = std::path::absolute(data).map_err(|error| error.to_string())?;
            Runc::new(data.join("workloads"), program, self_exe, instance)
                .map(|runc| runc.with_slugs(data.join("slugs")).with_disks(disks(&data)))
                .map(|runc| Box::new(runc) as Box<dyn Runtime>)
                .map_err(|error| error.chain())
        }
    }
}

/// Starts the thread.
///
/// # Errors
///
/// What the runtime lacks, in words.
pub(crate) fn start(
    config: &Config,
    instance: &str,
    ledger: Ledger,
    health: Arc<Health>,
) -> Result<Started, String> {
    let runtime =
        runtime_of(config.fabric, &config.data, &config.runtime, &config.self_exe, instance)?;
    let (tasks, queue) = channel();
    let hand = Hand { tasks, waker: runtime.waker() };
    let (failing, pause, doomed) = (Failing::default(), FIRST_PAUSE, BTreeSet::new());
    let keeper = Keeper { runtime, ledger, queue, health, failing, pause, doomed };
    let thread = std::thread::Builder::new()
        .name("workloads".to_owned())
        .spawn(move || keeper.run())
        .map_err(|error| error.to_string())?;
    Ok(Started {
        workloads: Box::new(hand.clone()),
        console: Arc::new(Desk(std::sync::Mutex::new(hand.clone()))),
        thread: Some(thread),
        disks: Disks(hand.clone()),
        stop: Stop(hand),
    })
}

/// Ends and removes every process of an installation.
///
/// # Errors
///
/// What could not be removed, in words.
pub(crate) fn purge(data: &Path, instance: &str) -> Result<usize, String> {
    if !data.join("workloads").exists() {
        return Ok(0);
    }
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    runtime_of(FabricKind::Linux, data, Path::new("runc"), &exe, instance)?
        .purge()
        .map_err(|error| error.chain())
}

struct Keeper {
    runtime: Box<dyn Runtime>,
    ledger: Ledger,
    queue: Receiver<Task>,
    health: Arc<Health>,
    failing: Failing,
    /// After the first failed start.
    pause: Duration,
    /// Disks that go once their services have ended.
    doomed: BTreeSet<AddonId>,
}

/// Workloads that could not be started yet.
#[derive(Default)]
struct Failing {
    starts: BTreeMap<WorkloadId, Starts>,
    /// When all of them are tried once more.
    next: Option<Instant>,
}

/// What was tried with one of them.
struct Starts {
    tried: u32,
    why: String,
}

impl Failing {
    fn left(&self) -> Option<Duration> {
        self.next.map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Notes one more failure; whether it was the last.
    fn note(&mut self, id: WorkloadId, why: &str, pause: Duration) -> bool {
        let starts = self.starts.entry(id).or_insert(Starts { tried: 0, why: String::new() });
        starts.tried += 1;
        why.clone_into(&mut starts.why);
        let pause = pause * (1 << (starts.tried - 1).min(8));
        let next = Instant::now() + pause;
        self.next = Some(self.next.map_or(next, |other| other.min(next)));
        starts.tried >= MOST_STARTS
    }

    fn forget(&mut self, id: WorkloadId) {
        self.starts.remove(&id);
        if self.starts.is_empty() {
            self.next = None;
        }
    }
}

impl Keeper {
    fn run(mut self) {
        loop {
            let mut events = Vec::new();
            loop {
                match self.queue.try_recv() {
                    Ok(Task::Stop) | Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Ok(task) => events.extend(self.work(task)),
                }
            }
            if self.failing.left().is_some_and(|left| left.is_zero()) {
                self.failing.next = None;
                events.extend(self.runtime.retry());
            }
            self.remove_disks();
            if events.is_empty() {
                events = self.runtime.wait(self.failing.left().map_or(IDLE, |left| left.min(IDLE)));
            }
            self.tell(events);
        }
    }

    fn work(&mut self, task: Task) -> Vec<WorkloadEvent> {
        match task {
            Task::Sweep(workloads) => {
                let runs = |id: &WorkloadId| workloads.get(id).is_some_and(|intent| intent.run);
                let idle: Vec<_> = self.failing.starts.keys().filter(|id| !runs(id)).collect();
                let idle: Vec<_> = idle.into_iter().copied().collect();
                self.rest(idle);
                self.runtime.sweep(&workloads)
            }
            Task::Apply(changed) => {
                let runs = |intent: &Option<WorkloadIntent>| intent.as_ref().is_some_and(|i| i.run);
                let idle = changed.iter().filter(|(_, intent)| !runs(intent)).map(|(id, _)| *id);
                self.rest(idle.collect());
                self.runtime.apply(&changed)
            }
            // A caller that went away needs no answer.
            Task::Tail(id, bytes, answer) => {
                let _ = answer.send(self.runtime.log(&id, bytes));
                Vec::new()
            }
            Task::Lines(id, from, whole, answer) => {
                let _ = answer.send(self.runtime.read_log(&id, from, whole));
                Vec::new()
            }
            Task::RemoveDisk(id) => {
                self.doomed.insert(id);
                Vec::new()
            }
            Task::Exec(id, command, tty, answer) => {
                let found = self.runtime.exec_command(&id, &command, tty).ok().map(|spec| {
                    let program = spec.program.to_string_lossy().into_owned();
                    [vec![program], spec.args].concat()
                });
                let _ = answer.send(found);
                Vec::new()
            }
            Task::Stop => Vec::new(),
        }
    }

    /// These need not run any more, so it is no problem that they could not be started.
    fn rest(&mut self, ids: Vec<WorkloadId>) {
        let before = self.failing.starts.len();
        for id in ids {
            self.failing.forget(id);
        }
        if self.failing.starts.len() != before {
            self.show_failing();
        }
    }

    fn show_failing(&self) {
        let starts = self.failing.starts.iter();
        self.health.set_failing(starts.map(|(id, s)| (id.to_string(), s.why.clone())).collect());
    }

    /// Removes disks whose services have ended; the others wait for that.
    fn remove_disks(&mut self) {
        let runtime = &mut self.runtime;
        self.doomed.retain(|id| match runtime.remove_disk(*id) {
            Ok(()) => false,
            Err(error) => {
                tracing::debug!(addon = %id, error = error.chain(), "a disk is still in use");
                true
            }
        });
    }

    /// Tells the ledger what processes do.
    fn tell(&mut self, events: Vec<WorkloadEvent>) {
        let failing = !self.failing.starts.is_empty();
        let news = events.iter().any(|e| matches!(e.state, WorkloadState::Failed(_)));
        let mut seen = Observation::default();
        for WorkloadEvent { id, state } in events {
            if !matches!(state, WorkloadState::Failed(_) | WorkloadState::Starting) {
                self.failing.forget(id);
            }
            let gave_up = match &state {
                WorkloadState::Failed(why) => self.failing.note(id, why, self.pause),
                _ => false,
            };
            let Some(report) = report_of(&id, state, gave_up) else { continue };
            seen.workloads.insert(id, report);
        }
        if failing || news {
            self.show_failing();
        }
        if seen.workloads.is_empty() {
            return;
        }
        let request = Request::system(SystemCommand::Observe(seen));
        if let Err(error) = self.ledger.submit_blocking(request) {
            tracing::warn!(%error, "what processes did was not kept; the next start finds it");
        }
    }
}

/// What the ledger is told of how a workload fares; nothing where that changes nothing.
fn report_of(id: &WorkloadId, state: WorkloadState, gave_up: bool) -> Option<WorkloadReport> {
    match state {
        WorkloadState::Starting => None,
        WorkloadState::Running { .. } => Some(WorkloadReport::Running),
        WorkloadState::Exited { code: Some(137), out_of_memory: true, .. }
        | WorkloadState::Exited { signal: Some(9), out_of_memory: true, .. } => {
            Some(WorkloadReport::Ended(Exit::OutOfMemory))
        }
        WorkloadState::Exited { signal: Some(signal), .. } => {
            Some(WorkloadReport::Ended(Exit::Signal(signal)))
        }
        WorkloadState::Exited { code: Some(code), .. } => {
            Some(WorkloadReport::Ended(Exit::Code(code)))
        }
        WorkloadState::Exited { .. } => {
            Some(WorkloadReport::Ended(Exit::Failed("it vanished".to_owned())))
        }
        WorkloadState::Failed(why) => {
            tracing::error!(workload = %id, "a workload cannot be started: {why}");
            match id {
                // Its owner sees it crash, and it is tried again after longer and longer pauses.
                WorkloadId::Dyno(_) | WorkloadId::Service(_) => {
                    Some(WorkloadReport::Ended(Exit::Failed(why)))
                }
                // It may be a matter of a moment, and an instance that ended is not started again.
                // But it is not tried for ever: who asked for it must hear why it does not run.
                WorkloadId::Instance(_) if gave_up => {
                    Some(WorkloadReport::Ended(Exit::Failed(why)))
                }
                WorkloadId::Instance(_) | WorkloadId::Router(_) => None,
            }
        }
        // It was told to stop before it ran: nobody else says that it has ended.
        WorkloadState::Stopped | WorkloadState::Gone => Some(WorkloadReport::Gone),
    }
}

#[cfg(test)]
mod tests;
