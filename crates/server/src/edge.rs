//! The edge as the reconcile loop sees it: told what to answer, it tells what web dynos do.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use edge::Control;
use model::edge::{BackendState, EdgeDelta, EdgeEvent, EdgeIntent, RouterIntent};
use model::{Observation, SystemCommand};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::ledger::{Ledger, Request};

/// How long a caller waits for the edge to have done what it was told.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon an edge that could not be started is tried again: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Who answers names and web requests. Nothing here waits for the edge but [`Edge::settle`].
pub trait Edge: Send {
    /// This is all that it must answer.
    fn sync(&mut self, intent: EdgeIntent);
    /// This changed.
    fn change(&mut self, delta: EdgeDelta);
    /// Waits until all of that is so, as far as it can be.
    fn settle(&mut self);
}

/// Where no packets are carried there is nobody to answer: whatever starts is taken to be bound,
/// and has no request to finish.
pub struct NoEdge {
    ledger: Ledger,
}

impl NoEdge {
    /// Makes one that tells the ledger what an edge would find out.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    fn tell<'a>(&self, routers: impl Iterator<Item = &'a RouterIntent>) {
        let backends =
            routers.flat_map(|router| router.apps.values()).flat_map(|app| &app.backends);
        let events = backends.filter_map(|backend| match backend.state {
            BackendState::Starting => Some(EdgeEvent::Bound(backend.dyno)),
            BackendState::Draining => Some(EdgeEvent::Drained(backend.dyno)),
            BackendState::Up => None,
        });
        observe(&self.ledger, events.collect());
    }
}

impl Edge for NoEdge {
    fn sync(&mut self, intent: EdgeIntent) {
        self.tell(intent.spaces.values());
    }

    fn change(&mut self, delta: EdgeDelta) {
        self.tell(delta.spaces.values().flatten());
    }

    fn settle(&mut self) {}
}

/// Tells the ledger what an edge found out.
fn observe(ledger: &Ledger, edge: Vec<EdgeEvent>) {
    if edge.is_empty() {
        return;
    }
    let seen = Observation { edge, ..Observation::default() };
    if let Err(error) = ledger.submit_blocking(Request::system(SystemCommand::Observe(seen))) {
        tracing::warn!(%error, "what web dynos do was not kept; the edge says it again");
    }
}

enum Task {
    Sync(EdgeIntent),
    Change(EdgeDelta),
    Settle(SyncSender<()>),
    Stop,
}

/// The way to the thread that talks to the edge.
#[derive(Clone)]
pub struct Hand {
    tasks: Sender<Task>,
    waker: std::sync::Arc<UnixStream>,
}

impl Hand {
    fn send(&self, task: Task) {
        // The thread is gone only when the server stops.
        if self.tasks.send(task).is_ok() {
            // A full socket means that the thread has enough to wake up for.
            let _ = (&*self.waker).write(&[1]);
        }
    }

    /// Ends the thread. The edge goes on.
    pub fn stop(&self) {
        self.send(Task::Stop);
    }
}

impl Edge for Hand {
    fn sync(&mut self, intent: EdgeIntent) {
        self.send(Task::Sync(intent));
    }

    fn change(&mut self, delta: EdgeDelta) {
        self.send(Task::Change(delta));
    }

    fn settle(&mut self) {
        let (done, is_done) = sync_channel(1);
        self.send(Task::Settle(done));
        // An edge that cannot be had must not hold up the loop; its problem is in the log.
        let _ = is_done.recv_timeout(PATIENCE);
    }
}

/// Starts the thread that finds or starts the edge, tells it what to answer and hears from it.
///
/// # Errors
///
/// The operating system's, where it has no socket or thread left.
pub fn start(
    program: PathBuf,
    config: edge::Config,
    ledger: Ledger,
) -> std::io::Result<(Hand, JoinHandle<()>)> {
    let (waker, woken) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let (tasks, queue) = channel();
    let talker = Talker {
        program,
        config,
        ledger,
        queue,
        woken,
        table: EdgeIntent::default(),
        control: None,
        next_try: Instant::now(),
        pause: RETRY.0,
        known: false,
    };
    let thread = std::thread::Builder::new().name("edge".to_owned()).spawn(move || talker.run())?;
    Ok((Hand { tasks, waker: std::sync::Arc::new(waker) }, thread))
}

/// Ends the edge of a data directory, if there is one.
///
/// # Errors
///
/// Where one is there and does not end.
pub fn end(dir: &std::path::Path) -> std::io::Result<bool> {
    match Control::connect(dir) {
        Ok(control) => control.stop().map(|()| true),
        Err(_) => Ok(false),
    }
}

struct Talker {
    program: PathBuf,
    config: edge::Config,
    ledger: Ledger,
    queue: Receiver<Task>,
    woken: UnixStream,
    /// What the edge must answer, for one that is new.
    table: EdgeIntent,
    control: Option<Control>,
    next_try: Instant,
    pause: Duration,
    /// Whether the table was ever told: an edge that is found must not be told of nothing.
    known: bool,
}

impl Talker {
    fn run(mut self) {
        loop {
            match self.work() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "the edge went away; another one is looked for");
                    self.control = None;
                }
            }
            if self.known && self.control.is_none() && Instant::now() >= self.next_try {
                self.connect();
            }
            self.wait();
        }
    }

    /// Does what is queued and hears what was said; `false` when told to stop.
    fn work(&mut self) -> std::io::Result<bool> {
        loop {
            match self.queue.try_recv() {
                Ok(Task::Sync(intent)) => {
                    self.table = intent;
                    if let Some(control) = &mut self.control {
                        control.sync(&self.table)?;
                    }
                    if !std::mem::replace(&mut self.known, true) {
                        self.connect();
                    }
                }
                Ok(Task::Change(delta)) => {
                    merge(&mut self.table, &delta);
                    if let Some(control) = &mut self.control {
                        control.change(&delta)?;
                    }
                }
                Ok(Task::Settle(done)) => {
                    if let Some(control) = &mut self.control {
                        control.settle()?;
                        self.hear()?;
                    }
                    // A caller that waits no longer needs no answer.
                    let _ = done.send(());
                }
                Ok(Task::Stop) | Err(TryRecvError::Disconnected) => return Ok(false),
                Err(TryRecvError::Empty) => break,
            }
        }
        self.hear()?;
        Ok(true)
    }

    /// Takes in what the edge said so far.
    fn hear(&mut self) -> std::io::Result<()> {
        let Some(control) = &mut self.control else { return Ok(()) };
        let mut events = Vec::new();
        let ended = loop {
            if !control.has_more() && !readable(control) {
                break Ok(());
            }
            match control.next_event(Duration::ZERO) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        observe(&self.ledger, events);
        ended
    }

    fn connect(&mut self) {
        match edge::ensure(&self.program, &self.config) {
            Ok(mut control) => match control.sync(&self.table) {
                Ok(()) => {
                    tracing::info!(pid = control.peer().pid, "the edge answers");
                    self.control = Some(control);
                    self.pause = RETRY.0;
                    return;
                }
                Err(error) => tracing::warn!(%error, "the edge went away"),
            },
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|c| format!(": {c}"));
                tracing::error!("there is no edge: {error}{}", cause.unwrap_or_default());
            }
        }
        self.next_try = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(RETRY.1);
    }

    /// Waits for a task, for the edge, or for the next try.
    fn wait(&mut self) {
        let left = self.next_try.saturating_duration_since(Instant::now());
        let timeout = match &self.control {
            Some(_) => PollTimeout::NONE,
            None if !self.known => PollTimeout::NONE,
            None => {
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut fds = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.control.iter().map(|c| PollFd::new(c.as_fd(), PollFlags::POLLIN)));
        // Interrupted is as good as woken.
        let _ = poll(&mut fds, timeout);
        let mut wakes = [0; 64];
        while matches!(self.woken.read(&mut wakes), Ok(1..)) {}
    }
}

/// Whether the edge said something.
fn readable(control: &Control) -> bool {
    let mut fds = [PollFd::new(control.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn merge(table: &mut EdgeIntent, delta: &EdgeDelta) {
    for (id, plan) in &delta.vpcs {
        match plan {
            Some(plan) => drop(table.vpcs.insert(*id, plan.clone())),
            None => drop(table.vpcs.remove(id)),
        }
    }
    for (id, plan) in &delta.spaces {
        match plan {
            Some(plan) => drop(table.spaces.insert(*id, plan.clone())),
            None => drop(table.spaces.remove(id)),
        }
    }
}
