//! The supervisor of the server's loops: it starts each on a thread of its own, ends the process when
//! one of them panics, and can say whether each of them still turns.
//!
//! A server of which one loop is gone would accept requests and carry none of them out, for ever. So
//! there is no such server: the first panic ends the process with [`EXIT_STATUS`], and whoever started
//! it starts it again. What was acknowledged is durable by then, as it is when the process is killed.
//!
//! How long ago a loop last did something does not tell a stuck one from one that has nothing to do. So
//! each is asked: [`Supervisor::check`] wakes every loop, and a loop answers by coming round
//! ([`Pulse::turn`], [`Pulse::idle`]). One that does not come round at once is in the middle of a step,
//! and has as long for it as its bound says.
//!
//! To register a loop, start it by [`Supervisor::spawn`] with
//! - a name, which is the thread's name too and is what `/healthz` and the log call it;
//! - a bound: how long its longest legitimate step may take, with the reason beside the constant;
//! - a function that wakes it where it waits, and that never blocks;
//! - its body, which calls [`Pulse::idle`] before it waits and [`Pulse::turn`] before each step.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use os::panics::EXIT_STATUS;
use tokio::sync::watch;

/// How long [`Supervisor::check`] waits for loops that are in the middle of a step. Whoever asks for the
/// health of a server, as a load balancer does, waits for some seconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts loops and watches over them. Copies are cheap and watch over the same loops.
#[derive(Clone)]
pub struct Supervisor(Arc<Shared>);

struct Shared {
    on_panic: Box<OnPanic>,
    loops: Mutex<Vec<Arc<Watched>>>,
}

type OnPanic = dyn Fn(&Panicked) + Send + Sync;

/// A thread of the server that panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// The name that it was started with.
    pub name: &'static str,
    /// What the panic said.
    pub message: String,
}

/// How one loop fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopHealth {
    /// The name that the loop was started with.
    pub name: &'static str,
    /// Whether it turns, and if not, since when.
    pub state: LoopState,
}

/// Whether a loop turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoopState {
    /// It came round when it was asked.
    Turns,
    /// It is in the middle of a step, for so long already, which is within its bound.
    Works(Duration),
    /// It has not come round for longer than its bound.
    Stuck {
        /// How long it has not come round.
        since: Duration,
        /// How long it may take.
        bound: Duration,
    },
    /// Its thread has ended.
    Ended,
}

impl LoopHealth {
    /// Whether the loop does its work.
    pub fn is_well(&self) -> bool {
        matches!(self.state, LoopState::Turns | LoopState::Works(_))
    }
}

impl fmt::Display for LoopHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match &self.state {
            LoopState::Turns => write!(f, "{name}: ok"),
            LoopState::Works(since) => {
                write!(f, "{name}: ok, in one step for {} s", since.as_secs())
            }
            LoopState::Stuck { since, bound } => {
                let (since, bound) = (since.as_secs(), bound.as_secs());
                write!(f, "{name}: stuck in one step for {since} s, which may take {bound} s")
            }
            LoopState::Ended => write!(f, "{name}: has ended"),
        }
    }
}

impl Supervisor {
    /// A supervisor that calls `on_panic` when a loop panics, for tests and other programs. The panic
    /// then goes on to whoever joins the thread.
    pub fn new(on_panic: impl Fn(&Panicked) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared { on_panic: Box::new(on_panic), loops: Mutex::default() }))
    }

    /// One that ends the process with [`EXIT_STATUS`] when a loop panics.
    pub fn ending_the_process() -> Self {
        Self::new(|_| std::process::exit(EXIT_STATUS))
    }

    /// Starts a loop. It is watched over from now on.
    ///
    /// What the body owns is not dropped before the panic was dealt with: nothing waits for it, and
    /// nobody who waits for its answer is given one. `wake` must not keep the loop from ending, as the
    /// last sender of a channel would.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it has no thread left.
    pub fn spawn(
        &self,
        name: &'static str,
        bound: Duration,
        wake: impl Fn() + Send + Sync + 'static,
        mut body: impl FnMut(&Pulse) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let pulse = Pulse::new(name, bound, Box::new(wake));
        let watched = Arc::clone(&pulse.0);
        let ended = Arc::clone(&pulse.0);
        let thread = self.start(name, move || body(&pulse), move || ended.end())?;
        lock(&self.0.loops).push(watched);
        Ok(thread)
    }

    /// Starts a thread that does one thing and ends, on which a loop waits: were it to panic unseen, the
    /// loop would wait for ever.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it has no thread left.
    pub fn spawn_task(
        &self,
        name: &'static str,
        task: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let mut task = Some(task);
        self.start(name, move || task.take().map_or((), |task| task()), || ())
    }

    fn start(
        &self,
        name: &'static str,
        mut body: impl FnMut() + Send + 'static,
        ended: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.0);
        Builder::new().name(name.to_owned()).spawn(move || {
            // What it leaves half done is seen by nobody: the process ends.
            let outcome = catch_unwind(AssertUnwindSafe(&mut body));
            ended();
            if let Err(payload) = outcome {
                let message = message_of(&*payload);
                tracing::error!("the thread {name} panicked, which is a defect: {message}");
                (shared.on_panic)(&Panicked { name, message });
                resume_unwind(payload);
            }
        })
    }

    /// Asks every loop to come round, and says how each fares, in the order in which they were started.
    pub async fn check(&self) -> Vec<LoopHealth> {
        let loops = lock(&self.0.loops).clone();
        let asked: Vec<_> = loops.iter().map(|watched| watched.ask(Instant::now())).collect();
        let answers = async {
            for (watched, ticket) in loops.iter().zip(asked) {
                let mut answered = watched.answered.subscribe();
                // The sender is `watched` itself, which is not gone.
                let _ = answered.wait_for(|answered| *answered >= ticket).await;
            }
        };
        // Those that did not answer in time are judged by how long they have not come round.
        let _ = tokio::time::timeout(PATIENCE, answers).await;
        loops.iter().map(|watched| watched.judge(Instant::now())).collect()
    }
}

/// What a panic says, as the standard library prints it.
fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// How a loop shows its supervisor that it is not stuck.
pub struct Pulse(Arc<Watched>);

/// One loop, as the supervisor knows it.
struct Watched {
    name: &'static str,
    bound: Duration,
    wake: Box<dyn Fn() + Send + Sync>,
    seen: Mutex<Seen>,
    /// The number of the last question that the loop has answered.
    answered: watch::Sender<u64>,
}

/// What is known of a loop.
#[derive(Default)]
struct Seen {
    /// The number of the last question.
    asked: u64,
    /// When the oldest question was put that has no answer yet.
    waiting_since: Option<Instant>,
    /// When the step began that it is in; `None` while it waits for something to do.
    step_since: Option<Instant>,
    ended: bool,
}

impl Pulse {
    fn new(name: &'static str, bound: Duration, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        // Its first step is to get ready.
        let seen = Seen { step_since: Some(Instant::now()), ..Seen::default() };
        Self(Arc::new(Watched {
            name,
            bound,
            wake,
            seen: Mutex::new(seen),
            answered: watch::Sender::new(0),
        }))
    }

    /// One that nobody watches, for a loop that is moved by hand.
    #[cfg(test)]
    pub(crate) fn unwatched() -> Self {
        Self::new("unwatched", Duration::MAX, Box::new(|| ()))
    }

    /// The loop has come round, and begins its next step.
    pub fn turn(&self) {
        self.0.came_round(Some(Instant::now()));
    }

    /// The loop has come round, and has nothing to do until it is woken.
    pub fn idle(&self) {
        self.0.came_round(None);
    }
}

impl Watched {
    fn came_round(&self, step_since: Option<Instant>) {
        let mut seen = lock(&self.seen);
        seen.step_since = step_since;
        if seen.waiting_since.take().is_some() {
            self.answered.send_replace(seen.asked);
        }
    }

    fn end(&self) {
        lock(&self.seen).ended = true;
        // Nobody is to wait for an answer any more.
        self.answered.send_replace(u64::MAX);
    }

    /// Puts a question, and returns its number. The loop is woken for the first one that waits: however
    /// often it is asked meanwhile, no queue grows.
    fn ask(&self, now: Instant) -> u64 {
        let mut seen = lock(&self.seen);
        seen.asked += 1;
        let ticket = seen.asked;
        let first = seen.waiting_since.is_none() && !seen.ended;
        seen.waiting_since.get_or_insert(now);
        drop(seen);
        if first {
            (self.wake)();
        }
        ticket
    }

    /// How it fares, without a question.
    fn judge(&self, now: Instant) -> LoopHealth {
        let seen = lock(&self.seen);
        let state = match seen.waiting_since {
            _ if seen.ended => LoopState::Ended,
            None => LoopState::Turns,
            Some(asked) => {
                // One that is in no step was woken by the question, and has had a step since then.
                let since = now.saturating_duration_since(seen.step_since.unwrap_or(asked));
                let bound = self.bound;
                if since <= bound {
                    LoopState::Works(since)
                } else {
                    LoopState::Stuck { since, bound }
                }
            }
        };
        LoopHealth { name: self.name, state }
    }
}

/// Locks what holds numbers and times only, each of which is whole whatever its last holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel, sync_channel};

    use super::*;

    const BOUND: Duration = Duration::from_secs(30);

    /// A supervisor, and what panicked under it.
    fn supervisor() -> (Supervisor, Receiver<Panicked>) {
        let (sender, panicked) = channel();
        (Supervisor::new(move |panic| drop(sender.send(panic.clone()))), panicked)
    }

    async fn states(supervisor: &Supervisor) -> Vec<(&'static str, LoopState)> {
        supervisor.check().await.into_iter().map(|health| (health.name, health.state)).collect()
    }

    #[tokio::test]
    async fn a_loop_that_waits_for_ever_is_woken_by_the_question() {
        let (supervisor, _) = supervisor();
        let (stop, tasks) = channel::<bool>();
        let wake = stop.clone();
        let turns = move |pulse: &Pulse| {
            loop {
                pulse.idle();
                let go_on = tasks.recv().unwrap();
                pulse.turn();
                if !go_on {
                    return;
                }
            }
        };
        let wakes = move || wake.send(true).unwrap();
        let thread = supervisor.spawn("idle", BOUND, wakes, turns).unwrap();
        for _ in 0..3 {
            assert_eq!(states(&supervisor).await, [("idle", LoopState::Turns)]);
        }
        stop.send(false).unwrap();
        thread.join().unwrap();
        let health = supervisor.check().await.remove(0);
        assert!(!health.is_well());
        assert_eq!(health.to_string(), "idle: has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_step_has_the_time_of_its_bound_and_queues_no_questions() {
        let (supervisor, _) = supervisor();
        let (woken, wakes) = channel();
        let (go_on, gate) = sync_channel(0);
        let (began, step) = channel();
        let works = move |pulse: &Pulse| {
            pulse.turn();
            began.send(()).unwrap();
            gate.recv().unwrap();
            pulse.turn();
            gate.recv().unwrap();
        };
        let thread = supervisor.spawn("slow", BOUND, move || woken.send(()).unwrap(), works);
        let thread = thread.unwrap();
        // A question put before its first step would be answered by that step's beginning.
        step.recv().unwrap();
        for _ in 0..3 {
            let health = supervisor.check().await.remove(0);
            assert!(health.is_well(), "{health}");
            assert!(matches!(health.state, LoopState::Works(_)), "{health}");
        }
        assert_eq!(wakes.try_iter().count(), 1, "one question waits, however many were put");
        let watched = Arc::clone(&lock(&supervisor.0.loops)[0]);
        let later = Instant::now() + 2 * BOUND;
        let health = watched.judge(later);
        assert!(!health.is_well(), "{health}");
        let said = health.to_string();
        assert!(said.starts_with("slow: stuck in one step for 60 s"), "{said}");
        assert!(said.ends_with("which may take 30 s"), "{said}");
        go_on.send(()).unwrap();
        // Once it has come round it is well, however long it took.
        go_on.send(()).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn a_loop_that_does_not_wake_is_stuck_once_its_bound_has_passed_since_the_question() {
        let pulse = Pulse::new("deaf", BOUND, Box::new(|| ()));
        pulse.idle();
        let hours_later = Instant::now() + Duration::from_secs(7200);
        let state = |now| pulse.0.judge(now).state;
        assert_eq!(state(hours_later), LoopState::Turns, "nobody asked");
        pulse.0.ask(hours_later);
        assert_eq!(state(hours_later + BOUND), LoopState::Works(BOUND));
        let (since, bound) = (BOUND * 2, BOUND);
        assert_eq!(state(hours_later + since), LoopState::Stuck { since, bound });
        pulse.idle();
        assert_eq!(state(hours_later + since), LoopState::Turns);
    }

    #[tokio::test]
    async fn a_panic_is_told_with_the_name_of_its_thread_and_before_anything_is_dropped() {
        struct Dropped(std::sync::mpsc::Sender<&'static str>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                let _ = self.0.send("dropped");
            }
        }
        let (order, events) = channel();
        let told = order.clone();
        let supervisor = Supervisor::new(move |panicked| {
            assert_eq!(*panicked, Panicked { name: "bad", message: "no 7".to_owned() });
            told.send("told").unwrap();
        });
        let owned = Dropped(order);
        let body = move |_: &Pulse| {
            let _owned = &owned;
            panic!("no {}", 7);
        };
        let thread = supervisor.spawn("bad", BOUND, || (), body).unwrap();
        assert!(thread.join().is_err(), "the panic goes on to whoever joins the thread");
        assert_eq!(events.iter().take(2).collect::<Vec<_>>(), ["told", "dropped"]);
        assert_eq!(states(&supervisor).await, [("bad", LoopState::Ended)]);
    }

    #[test]
    fn a_task_that_panics_is_told_and_is_no_loop() {
        let (supervisor, panicked) = supervisor();
        supervisor.spawn_task("fine", || ()).unwrap().join().unwrap();
        let thread = supervisor.spawn_task("plan", || panic!("no plan")).unwrap();
        assert!(thread.join().is_err());
        assert_eq!(panicked.try_iter().map(|p| p.name).collect::<Vec<_>>(), ["plan"]);
        assert!(lock(&supervisor.0.loops).is_empty());
    }
}
