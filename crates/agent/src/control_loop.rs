//! The loop that makes one subject follow what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use model::protocol::{Order, Report, Subject, Swept};

use crate::actuator::{Actuator, Fate, Found};
use crate::progress::Progress;
use crate::retries::{Pauses, Retries};
use crate::wait::Wake;

#[cfg(test)]
mod tests;

/// How long orders may follow each other without a step of a comparison between them.
const LONGEST_WITHOUT_STEP: Duration = Duration::from_millis(50);
/// How long after a change a comparison stands still for the next one. One change often leads to another:
/// a peering becomes active once it is reported that its networks are joined.
const LULL: Duration = Duration::from_millis(10);
/// How often events are picked up while a comparison is under way.
const HEAR_EVERY: Duration = Duration::from_millis(10);
/// How long a loop waits at most if nothing is due; orders and events wake it earlier.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The pause after a full comparison is at least this many times as long as the comparison took, so that
/// comparisons take at most a twentieth of the time.
const REST: u32 = 20;

/// Takes the reports of a loop, on the loop's thread.
pub type Tell<S> = Box<dyn FnMut(Report<S>) + Send>;

/// How often a loop compares everything and retries what failed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long after a comparison of everything the next one begins.
    pub sweep: Duration,
    /// How long after a failure it is tried again: each time twice as long.
    pub retry: Duration,
    /// How long after a failure it is tried again at most.
    pub longest_retry: Duration,
    /// How long there is between two tries after interruptions at least.
    pub interrupted: Duration,
}

/// How a loop shows its supervisor that it is not stuck.
pub trait Pulse {
    /// The loop begins its next step.
    fn turn(&self);
    /// The loop has nothing to do until it is woken.
    fn idle(&self);
}

/// Sends orders to a control loop.
pub trait Orders<S: Subject>: Send {
    /// Sends an order. Never blocks.
    fn give(&self, order: Order<S>);
}

enum Input<A: Actuator> {
    /// An order, its number, and how many orders the loop before this one had been given by then.
    Order(u64, u64, Box<Order<A::Subject>>),
    /// Something to be done on the loop's thread for somebody on the same host.
    Call(Box<dyn FnOnce(&mut A) + Send>),
    Stop,
}

/// A handle on a running control loop.
pub struct Handle<A: Actuator> {
    inputs: Sender<Input<A>>,
    wake: Wake,
    progress: Progress,
    after: Option<Progress>,
}

impl<A: Actuator> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self {
            inputs: self.inputs.clone(),
            wake: Arc::clone(&self.wake),
            progress: self.progress.clone(),
            after: self.after.clone(),
        }
    }
}

impl<A: Actuator> Handle<A> {
    /// Has something done on the loop's thread, before its next step. This is for requests that are
    /// answered on the host itself and are no part of the protocol, such as for a process's output.
    pub fn call(&self, call: impl FnOnce(&mut A) + Send + 'static) {
        self.send(Input::Call(Box::new(call)));
    }

    /// Ends the loop. Networks, workloads or the edge stay as they are.
    pub fn stop(&self) {
        self.send(Input::Stop);
    }

    /// Wakes the loop if it waits.
    pub fn wake(&self) {
        (self.wake)();
    }

    /// How far the loop has come, for a loop that comes after it.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn send(&self, input: Input<A>) {
        // The loop is gone only when its process stops.
        if self.inputs.send(input).is_ok() {
            self.wake();
        }
    }
}

impl<A: Actuator> Orders<A::Subject> for Handle<A> {
    fn give(&self, order: Order<A::Subject>) {
        let after = self.after.as_ref().map_or(0, Progress::given);
        self.send(Input::Order(self.progress.give(), after, Box::new(order)));
    }
}

/// The control loop of one subject. It runs until [`Handle::stop`].
pub struct ControlLoop<A: Actuator> {
    actuator: A,
    inputs: Receiver<Input<A>>,
    progress: Progress,
    after: Option<Progress>,
    tell: Tell<A::Subject>,
    sweep_every: Duration,
    waiting: Waiting<A::Subject>,
    /// The revision of the last order that was carried out.
    revision: u64,
    retries: Retries<A::Part>,
    /// What the last report said is failing: each part, and why.
    said: BTreeMap<String, String>,
    /// The comparison of everything that is under way.
    sweep: Option<Sweep<A::Part>>,
    /// Whether a `Sync` has come since the start.
    synced: bool,
    /// Whether there may be something to look at.
    busy: bool,
    /// When changes were last made, unless none were for longer than [`LULL`].
    changed: Option<Instant>,
    /// When the last step ended.
    stepped: Instant,
    /// When events were last picked up.
    heard: Instant,
    /// When the last comparison of everything ended.
    swept: Instant,
    /// How long it took.
    sweep_took: Duration,
}

/// Orders that were taken from the queue and not carried out yet.
struct Waiting<S: Subject> {
    /// Changes, merged into one.
    change: Option<Waits<S::Delta>>,
    /// The intent of the last `Sync`, with the changes that came after it; those are made without
    /// waiting for it.
    sync: Option<(u64, Waits<S::Intent>)>,
    /// The numbers of `Settle` orders that are not answered yet.
    settles: Vec<u64>,
    /// The number of the last order that was taken.
    taken: u64,
}

struct Waits<T> {
    what: T,
    revision: u64,
    /// How many orders of the loop before this one come first.
    after: u64,
}

/// A comparison of everything that is under way.
struct Sweep<Part> {
    began: Instant,
    /// The number of the first order that asked for it.
    order: Option<u64>,
    /// Whether something failed.
    failed: bool,
    failing: Vec<Part>,
}

impl<A: Actuator> ControlLoop<A> {
    /// Makes a loop, and the way to it. `after` is the progress of a loop of the same host: nothing is
    /// done before that loop has done what it was told earlier.
    pub fn new(
        actuator: A,
        pace: Pace,
        after: Option<Progress>,
        tell: Tell<A::Subject>,
    ) -> (Handle<A>, Self) {
        let (sender, inputs) = channel();
        let (wake, progress) = (actuator.wake(), Progress::default());
        if let Some(after) = &after {
            after.on_change(Arc::clone(&wake));
        }
        let handle =
            Handle { inputs: sender, wake, progress: progress.clone(), after: after.clone() };
        let pauses = Pauses {
            first: pace.retry,
            longest: pace.longest_retry,
            interrupted: pace.interrupted,
        };
        let now = Instant::now();
        let looped = Self {
            actuator,
            inputs,
            progress,
            after,
            tell,
            sweep_every: pace.sweep,
            waiting: Waiting { change: None, sync: None, settles: Vec::new(), taken: 0 },
            revision: 0,
            retries: Retries::new(pauses),
            said: BTreeMap::new(),
            sweep: None,
            synced: false,
            busy: false,
            changed: None,
            stepped: now,
            heard: now,
            swept: now,
            sweep_took: Duration::ZERO,
        };
        (handle, looped)
    }

    /// Runs until it is told to stop.
    pub fn run(&mut self, pulse: &dyn Pulse) {
        loop {
            pulse.turn();
            if !self.turn() {
                return;
            }
            if !self.busy {
                let left = self.until_due(Instant::now());
                pulse.idle();
                self.hear(left);
            }
        }
    }

    /// Does everything that is to be done, and hears what happened by itself; for a loop that is moved
    /// by hand. False once it was told to stop.
    #[cfg(any(test, feature = "test-support"))]
    pub fn run_until_idle(&mut self) -> bool {
        let mut heard = false;
        loop {
            if !self.turn() {
                return false;
            }
            match (self.busy, heard) {
                (true, _) => {}
                (false, false) => {
                    self.hear(Duration::ZERO);
                    heard = true;
                }
                (false, true) => return true,
            }
        }
    }

    /// Takes the orders that wait and carries them out, begins what is due, and takes one step; false
    /// once it was told to stop.
    fn turn(&mut self) -> bool {
        let Some(took) = self.take() else { return false };
        self.advance();
        if !self.actuator.is_closing() {
            self.begin_what_is_due(Instant::now());
        }
        let may_wait = self.stepped.elapsed() < LONGEST_WITHOUT_STEP;
        match self.lull(Instant::now()) {
            _ if !self.busy || took && may_wait => {}
            Some(left) if may_wait => self.hear(left),
            _ => {
                self.step();
                if self.busy && self.heard.elapsed() >= HEAR_EVERY {
                    self.hear(Duration::ZERO);
                }
            }
        }
        self.answer();
        true
    }

    /// How much longer a comparison that is under way stands still; `None` where it goes on.
    fn lull(&mut self, now: Instant) -> Option<Duration> {
        let left = LULL
            .checked_sub(now.saturating_duration_since(self.changed?))
            .filter(|left| !left.is_zero());
        if left.is_none() {
            self.changed = None;
        }
        left.filter(|_| self.sweep.is_some())
    }

    /// Takes what is queued; says whether that was anything, and `None` where it is to end.
    fn take(&mut self) -> Option<bool> {
        let mut took = false;
        loop {
            match self.inputs.try_recv() {
                Ok(Input::Order(number, after, order)) => {
                    self.waiting.taken = number;
                    if !self.actuator.is_closing() {
                        self.accept(number, after, *order);
                    }
                }
                Ok(Input::Call(call)) => call(&mut self.actuator),
                Ok(Input::Stop) | Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => return Some(took),
            }
            took = true;
        }
    }

    fn accept(&mut self, number: u64, after: u64, order: Order<A::Subject>) {
        match order {
            Order::Sync { intent, revision } => {
                // Changes that were queued before a `Sync` are made before it.
                self.make_changes();
                self.waiting.sync = Some((number, Waits { what: intent, revision, after }));
                self.begin_sync();
            }
            Order::Change { delta, revision } => {
                if let Some((_, sync)) = &mut self.waiting.sync {
                    A::Subject::change(&mut sync.what, delta.clone());
                    sync.revision = revision;
                }
                match &mut self.waiting.change {
                    None => self.waiting.change = Some(Waits { what: delta, revision, after }),
                    Some(change) => {
                        A::Subject::merge(&mut change.what, delta);
                        (change.revision, change.after) = (revision, after);
                    }
                }
            }
            Order::Settle(number) => self.waiting.settles.push(number),
        }
    }

    /// Carries out what waits, as far as its turn has come.
    fn advance(&mut self) {
        self.make_changes();
        self.begin_sync();
        self.note_progress();
    }

    fn note_progress(&self) {
        let Waiting { change, sync, taken, .. } = &self.waiting;
        if change.is_none() && sync.is_none() {
            let unswept = self.sweep.as_ref().and_then(|sweep| sweep.order);
            self.progress.reach(*taken, unswept.map_or(*taken, |order| order - 1));
        }
    }

    fn make_changes(&mut self) {
        let comes = |after| self.after.as_ref().is_none_or(|before| before.has_changed(after));
        let Some(change) = self.waiting.change.take_if(|change| comes(change.after)) else {
            return;
        };
        self.revision = change.revision;
        if change.what == Default::default() {
            (self.tell)(Report::at(self.revision));
            return;
        }
        A::at_rest(&change.what).iter().for_each(|part| self.retries.forget(part));
        let found = self.actuator.change(change.what);
        self.changed = Some(Instant::now());
        // Something may have come to light on the way.
        self.busy = true;
        self.report(found, Report::at(self.revision), true);
    }

    fn begin_sync(&mut self) {
        let comes = |after| self.after.as_ref().is_none_or(|before| before.has_swept(after));
        let Some((number, sync)) = self.waiting.sync.take_if(|(_, sync)| comes(sync.after)) else {
            return;
        };
        self.revision = sync.revision;
        self.retries.retain(|part| A::needs(&sync.what, part));
        self.actuator.begin_sweep(sync.what);
        self.synced = true;
        let under_way = self.sweep.as_ref().and_then(|sweep| sweep.order);
        self.begin_looking(Some(under_way.unwrap_or(number)));
    }

    fn begin_looking(&mut self, order: Option<u64>) {
        let failing = Vec::new();
        self.sweep = Some(Sweep { began: Instant::now(), order, failed: false, failing });
        self.busy = true;
        if A::RETRIES_BY_SWEEP {
            self.retries.begin();
        }
    }

    /// Begins what time alone brings: another try, or a comparison of everything.
    fn begin_what_is_due(&mut self, now: Instant) {
        if self.until_retry(now).is_some_and(|left| left.is_zero()) {
            self.retries.begin();
            if A::RETRIES_BY_SWEEP {
                self.sweep_again(now);
            } else {
                let found = self.actuator.retry();
                self.busy = true;
                self.report(found, Report::at(self.revision), false);
            }
        }
        if self.until_sweep(now).is_some_and(|left| left.is_zero()) {
            self.sweep_again(now);
        }
    }

    fn sweep_again(&mut self, now: Instant) {
        if self.actuator.look_again() {
            self.begin_looking(None);
        } else {
            self.swept = now;
            (self.tell)(Report { forgot: true, ..Report::at(self.revision) });
        }
    }

    /// How long until what failed is tried again; `None` where nothing is to be.
    fn until_retry(&self, now: Instant) -> Option<Duration> {
        let due = self.retries.due()?;
        let due = match A::RETRIES_BY_SWEEP {
            true if self.sweep.is_some() => return None,
            true => due.max(self.swept + self.sweep_took * REST),
            false => due,
        };
        Some(due.saturating_duration_since(now))
    }

    /// How long until everything is compared again; `None` while it is.
    fn until_sweep(&self, now: Instant) -> Option<Duration> {
        let pause = self.sweep_every.max(self.sweep_took * REST);
        let idle = self.synced && self.sweep.is_none();
        idle.then(|| (self.swept + pause).saturating_duration_since(now))
    }

    /// The time until something is due, if no order and no event comes first.
    fn until_due(&self, now: Instant) -> Duration {
        if self.actuator.is_closing() {
            return LONGEST_WAIT;
        }
        let due = [self.until_retry(now), self.until_sweep(now)];
        due.into_iter().flatten().fold(LONGEST_WAIT, Duration::min)
    }

    fn step(&mut self) {
        match self.actuator.step() {
            Some(found) => self.report(found, Report::at(self.revision), false),
            None => {
                self.busy = false;
                self.end_sweep();
            }
        }
        self.stepped = Instant::now();
    }

    fn end_sweep(&mut self) {
        let Some(sweep) = self.sweep.take() else { return };
        self.swept = Instant::now();
        self.sweep_took = sweep.began.elapsed();
        if A::RETRIES_BY_SWEEP {
            self.retries.retain(|part| sweep.failing.contains(part));
        }
        let took_millis = u64::try_from(self.sweep_took.as_millis()).unwrap_or(u64::MAX);
        let swept = Some(Swept { failed: sweep.failed, took_millis });
        self.report(Found::default(), Report { swept, ..Report::at(self.revision) }, true);
        self.note_progress();
    }

    /// Answers who asked whether everything is as it was told, if it is.
    fn answer(&mut self) {
        let Waiting { change, sync, settles, .. } = &mut self.waiting;
        if settles.is_empty() || change.is_some() || sync.is_some() || self.sweep.is_some() {
            return;
        }
        let settled = std::mem::take(settles);
        let found = self.actuator.settle();
        self.report(found, Report { settled, ..Report::at(self.revision) }, true);
    }

    /// Waits up to `within` for events, and takes them in.
    fn hear(&mut self, within: Duration) {
        let found = self.actuator.wait(within);
        self.heard = Instant::now();
        self.busy = true;
        self.report(found, Report::at(self.revision), false);
    }

    /// Reports what was found, and what else there is to say.
    fn report(&mut self, found: Found<A::Subject>, said: Report<A::Subject>, in_any_case: bool) {
        if self.actuator.is_closing() {
            return;
        }
        let nothing = found == Found::default();
        let now = Instant::now();
        for (part, fate) in A::fates(&found) {
            match fate {
                Fate::Fine => self.retries.forget(&part),
                Fate::Interrupted => {
                    self.retries.forget(&part);
                    self.retries.note_interrupted(part, now);
                }
                Fate::Failed(why) => {
                    if let Some(sweep) = &mut self.sweep {
                        sweep.failed = true;
                        sweep.failing.push(part.clone());
                    }
                    self.retries.note_failed(part, why, now);
                }
            }
        }
        let failing = self.retries.failing();
        let news = failing != self.said;
        if nothing && !news && !in_any_case {
            return;
        }
        let failing = news.then(|| {
            self.said.clone_from(&failing);
            failing
        });
        (self.tell)(Report { events: found.events, outcomes: found.outcomes, failing, ..said });
    }
}
