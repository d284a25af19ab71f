//! The ledger: one writer decides on commands in turn, makes them durable together, and only then
//! answers. Readers take the world as it was last published and never wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use model::{Event, World};
use store::AuditRow;
use tokio::sync::{oneshot, watch};

pub(crate) use self::changes::load;
use self::queue::{Answer, Item, Notes, Outcome, Queued};
pub(crate) use self::queue::{Teller, Telling, event_row};
pub(crate) use self::request::{Committed, LedgerError, Mandate, OnlyIf, Request};
use self::writer::Writer;
pub(crate) use self::writer::{Parts, Step};
use crate::metrics::{Metrics, traces};

pub(crate) mod audit_scope;
mod changes;
pub(crate) mod document;
mod queue;
mod request;
#[cfg(test)]
mod tests;
mod writer;

/// How long one turn of the writer may take. A commit waits up to ten seconds for another writer's, and
/// then for the disk: one that needs longer than this takes no changes, whatever it does.
const LONGEST_TURN: Duration = Duration::from_secs(30);

/// Commands that may wait; more than that make their callers wait.
pub(crate) const QUEUE: usize = 4096;

/// A handle on the ledger's writer. Cheap to copy; the writer ends when it is told to, or when the last
/// copy is gone.
#[derive(Clone)]
pub struct Ledger {
    entries: Arc<SyncSender<Item>>,
    published: watch::Receiver<u64>,
    world: Arc<ArcSwap<World>>,
    metrics: Arc<Metrics>,
    /// Whether the writer was told to look for others' commits and has not begun to.
    to_follow: Arc<AtomicBool>,
}

impl Ledger {
    /// Loads the world and starts the writer on a thread of its own, which its supervisor knows as
    /// `ledger`.
    ///
    /// # Errors
    ///
    /// Those of [`load`], and where the system gives no random bytes.
    pub fn start(parts: Parts) -> store::Result<(Self, JoinHandle<()>)> {
        let (supervisor, metrics) = (parts.supervisor.clone(), Arc::clone(&parts.metrics));
        let mut writer = Writer::new(parts)?;
        let (world, published) = writer.published();
        let to_follow = writer.to_follow();
        let (entries, queue) = sync_channel(QUEUE);
        let entries = Arc::new(entries);
        // The writer ends with the last handle; this weak one does not count.
        let to_wake = Arc::downgrade(&entries);
        let wake = move || {
            // Where the queue is full, it comes round without this.
            let _ = to_wake.upgrade().map(|entries| entries.try_send(Item::Wake));
        };
        let thread = supervisor
            .spawn("ledger", LONGEST_TURN, wake, move |pulse| writer.run(&queue, pulse))
            .expect("a thread can be started at the start of a process");
        Ok((Self { entries, published, world, metrics, to_follow }, thread))
    }

    /// The store's revision of the last commit that changed something.
    pub fn revision(&self) -> u64 {
        *self.published.borrow()
    }

    /// Tells of every world that is published from now on, by its revision.
    pub fn watch(&self) -> watch::Receiver<u64> {
        let mut published = self.published.clone();
        published.mark_unchanged();
        published
    }

    /// The world as of the last commit.
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// The same for a short look, which costs no reference count that all threads share. It is not to be
    /// kept while something is waited for.
    pub fn glance(&self) -> arc_swap::Guard<Arc<World>> {
        self.world.load()
    }

    /// Hands a command to the writer and waits until it is durable or refused.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] says whether a rule or the store stood in the way.
    pub async fn submit(&self, request: Request) -> Result<Committed, LedgerError> {
        let answer = match self.enqueue(request) {
            Ok(answer) => answer,
            Err(request) => {
                // The queue is full: wait for room without holding up this runtime's thread.
                let ledger = self.clone();
                return tokio::task::spawn_blocking(move || ledger.submit_blocking(*request))
                    .await
                    .unwrap_or(Err(LedgerError::Stopped));
            }
        };
        answer.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// The same from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Self::submit`].
    pub fn submit_blocking(&self, request: Request) -> Result<Committed, LedgerError> {
        self.wait_for(request, None)
    }

    /// The same for what only one of several servers may do: it is carried out only if the mandate still
    /// stands when it becomes durable.
    ///
    /// # Errors
    ///
    /// As [`Self::submit`], and [`LedgerError::NotLeading`].
    pub(crate) fn submit_under(
        &self,
        mandate: Mandate,
        request: Request,
    ) -> Result<Committed, LedgerError> {
        self.wait_for(request, mandate.epoch())
    }

    fn wait_for(&self, request: Request, led: Option<u64>) -> Result<Committed, LedgerError> {
        let (answer, answered) = Answer::new();
        self.metrics.ledger.queue.inc();
        let trace = traces::current();
        self.entries
            .send(Item::Command(Box::new(Queued { request, answer, trace, led })))
            .map_err(|_| LedgerError::Stopped)?;
        answered.blocking_recv().unwrap_or(Err(LedgerError::Stopped))
    }

    /// Has the writer read what other servers committed. Never waits, and asks once however often it is
    /// called meanwhile.
    pub(crate) fn follow(&self) {
        if !self.to_follow.swap(true, Ordering::AcqRel)
            && self.entries.try_send(Item::Follow).is_err()
        {
            self.to_follow.store(false, Ordering::Release);
        }
    }

    fn enqueue(&self, request: Request) -> Result<oneshot::Receiver<Outcome>, Box<Request>> {
        let (answer, answered) = Answer::new();
        let (trace, led) = (traces::current(), None);
        let entry = Item::Command(Box::new(Queued { request, answer, trace, led }));
        // Before it is sent, as the writer takes it away when it takes the command.
        self.metrics.ledger.queue.inc();
        let sent = self.entries.try_send(entry);
        if sent.is_err() {
            self.metrics.ledger.queue.sub(1);
        }
        match sent {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(item) | TrySendError::Disconnected(item)) => match item {
                Item::Command(entry) => Err(Box::new(entry.request)),
                Item::Note(_)
                | Item::Barrier(_)
                | Item::Teller(_)
                | Item::Follow
                | Item::Wake
                | Item::Stop => {
                    unreachable!("a command was sent")
                }
            },
        }
    }

    /// Ends the writer, whoever still has a way to it: what was submitted before is decided, and
    /// everything later is answered by [`LedgerError::Stopped`].
    pub fn stop(&self) {
        // Where it has ended already, there is nothing to be done.
        let _ = self.entries.send(Item::Stop);
    }

    /// Has the audit say something that is no command. Never waits: where the queue is full, nothing
    /// is noted, and the answer is false.
    pub fn note(&self, rows: Vec<AuditRow>) -> bool {
        let notes = Notes { audit: rows, ..Notes::default() };
        notes.audit.is_empty() || self.entries.try_send(Item::Note(notes)).is_ok()
    }

    /// Has what happened be kept that no command brought about. Never waits: where the queue is full,
    /// nothing is kept, and the answer is false.
    pub fn happened(&self, events: &[Event]) -> bool {
        self.happened_under(Mandate::ALONE, events)
    }

    /// The same for what only one of several servers may tell: nothing is kept unless the mandate still
    /// stands when it becomes durable.
    pub(crate) fn happened_under(&self, mandate: Mandate, events: &[Event]) -> bool {
        let rows = events.iter().map(event_row);
        let notes = match mandate.epoch() {
            None => Notes { events: rows.collect(), ..Notes::default() },
            Some(epoch) => {
                Notes { led: rows.map(|row| (epoch, row)).collect(), ..Notes::default() }
            }
        };
        events.is_empty() || self.entries.try_send(Item::Note(notes)).is_ok()
    }

    /// From now on, keeps what `teller` tells of each command that is taken.
    pub(crate) fn tell_by(&self, teller: Teller) {
        // Where the writer has ended, nothing happens any more.
        let _ = self.entries.send(Item::Teller(teller));
    }

    /// Waits, on a thread that may wait, until what was handed to the writer so far was handled: then
    /// the store has every row of [`Self::note`] that it could be given. Returns at once where the
    /// writer has ended.
    pub fn wait_for_notes_blocking(&self) {
        let (passed, wait) = oneshot::channel();
        if self.entries.send(Item::Barrier(passed)).is_ok() {
            // An error means that the writer ended meanwhile.
            let _ = wait.blocking_recv();
        }
    }
}
