//! The ledger's writer: it decides on commands, has the store keep what they change, publishes the world
//! that comes of it, and answers.
//!
//! What was decided stands only once it was committed. If another writer was faster, what it committed is
//! read and everything is decided anew, refusals too. If a commit fails and leaves open whether it took
//! effect, the store is asked before anybody is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use model::{Caller, Change, Code, IdSource, Refused, Timestamp, World};
use store::{AuditRow, Batch, EventRow, Secret, Store};
use tokio::sync::watch;

use super::audit_scope;
use super::changes::{add_rows, difference, followed, load, read_changes};
use super::queue::{Item, Notes, Outcome, Queued, Teller, Telling, event_row};
use super::request::{Committed, LedgerError, Request};
use crate::clock::Clock;
use crate::loops::{Pulse, Supervisor};
use crate::metrics::Metrics;
use crate::metrics::traces::Trace;
use os::error_chain;

/// Commands that share one commit at most: bounds the latency of the first of them.
const MAX_BATCH: usize = 512;

/// After how many conflicts only half of the commands are decided at once.
const CONFLICTS_BEFORE_HALF: u32 = 3;

/// How often in a row a commit may be called a conflict though the store has nothing new. Real conflicts
/// are without a bound: with each of them somebody else's commit took effect.
const MOST_EMPTY_CONFLICTS: u32 = 3;

/// What a commit changed, for those who follow.
#[derive(Debug, Clone)]
pub struct Step {
    /// The world before it.
    pub before: Arc<World>,
    /// The world after it.
    pub after: Arc<World>,
    /// The difference.
    pub changes: Vec<Change>,
    /// The store's revision of the world after it.
    pub revision: u64,
}

/// What the writer works with.
pub struct Parts {
    /// The store that keeps the world.
    pub store: Box<dyn Store>,
    /// The key that seals secrets in the store.
    pub secret: Secret,
    /// The source of new ids.
    pub ids: Box<dyn IdSource + Send>,
    /// The clock.
    pub clock: Arc<Clock>,
    /// Called with each commit, in order. Must not block.
    pub follow: Box<dyn FnMut(Step) + Send>,
    /// Where the writer counts what it does.
    pub metrics: Arc<Metrics>,
    /// The supervisor of the writer's thread.
    pub supervisor: Supervisor,
}

/// The writer: the only one that changes the world.
pub(super) struct Writer {
    parts: Parts,
    /// The world as it is published.
    world: Arc<ArcSwap<World>>,
    /// The revision of that world, for others to read.
    published: watch::Sender<u64>,
    revision: u64,
    /// The id of the next batch.
    next_batch: u64,
    /// The database's epoch, as far as it is known here.
    epoch: u64,
    /// Set when somebody said that others may have committed.
    to_follow: Arc<AtomicBool>,
    /// The store may have more than the world, or could not be asked: read what is new before going on.
    behind: bool,
    /// Tells what happens to apps.
    teller: Option<Teller>,
}

/// Some commands, decided in turn, each on the world that the one before left.
struct Decided {
    /// The world after all of them.
    world: Arc<World>,
    changes: Vec<Change>,
    notes: Notes,
    /// What becomes of each command if this is committed.
    results: Vec<Outcome>,
}

impl Decided {
    /// What was noted before anything was decided, of which there were so many rows.
    fn take_notes(&mut self, (audit, events): (usize, usize)) -> Notes {
        let mut notes = std::mem::take(&mut self.notes);
        notes.audit.truncate(audit);
        notes.events.truncate(events);
        notes
    }
}

/// What became of a commit.
enum Commit {
    /// It is durable.
    Done,
    /// Another writer was faster, and nothing was changed.
    Conflict,
    /// Another server leads since the batch was decided, in this epoch, and nothing was changed.
    Fenced(u64),
    /// It is not in effect, or nobody can say; this is for the callers.
    Failed(LedgerError),
}

impl Writer {
    /// Loads the world.
    ///
    /// # Errors
    ///
    /// Those of [`load`], and where the system gives no random bytes.
    pub(super) fn new(mut parts: Parts) -> store::Result<Self> {
        let (world, revision) = load(&mut *parts.store, &parts.secret)?;
        set_clock(&parts.clock, &world);
        Ok(Self {
            parts,
            world: Arc::new(ArcSwap::from_pointee(world)),
            published: watch::Sender::new(revision),
            revision,
            // Counted from a start at random, so that no two writers have one in common.
            next_batch: getrandom::u64().map_err(store::Error::Random)?,
            // Where others have led before, the first commit is told so.
            epoch: 0,
            to_follow: Arc::default(),
            behind: false,
            teller: None,
        })
    }

    /// The world as it is published, and the revisions of those that are.
    pub(super) fn published(&self) -> (Arc<ArcSwap<World>>, watch::Receiver<u64>) {
        (Arc::clone(&self.world), self.published.subscribe())
    }

    /// What is set when others may have committed.
    pub(super) fn to_follow(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.to_follow)
    }

    /// Takes what is queued, turn by turn, until it is told to stop.
    pub(super) fn run(&mut self, queue: &Receiver<Item>, pulse: &Pulse) {
        loop {
            pulse.idle();
            let Ok(first) = queue.recv() else { return };
            let (mut entries, mut notes, mut barriers) = (Vec::new(), Notes::default(), Vec::new());
            let items = std::iter::once(first).chain(queue.try_iter().take(MAX_BATCH - 1));
            let (mut stopping, mut follow) = (false, false);
            for item in items {
                match item {
                    Item::Command(entry) => entries.push(*entry),
                    Item::Note(more) => notes.add(more),
                    Item::Barrier(passed) => barriers.push(passed),
                    Item::Teller(teller) => self.teller = Some(teller),
                    Item::Follow => follow = true,
                    Item::Wake => {}
                    Item::Stop => {
                        stopping = true;
                        break;
                    }
                }
            }
            if !entries.is_empty() {
                self.parts.metrics.ledger.queue.sub(entries.len() as u64);
                self.parts.metrics.ledger.batch.observe(entries.len() as u64);
            }
            if follow {
                self.follow(pulse);
            }
            self.turn(entries, notes, pulse);
            for passed in barriers {
                // Whoever asked may have gone away.
                let _ = passed.send(());
            }
            if stopping {
                return;
            }
        }
    }

    /// Takes in what others committed. Where that cannot be read, it is tried again with the next turn.
    fn follow(&mut self, pulse: &Pulse) {
        pulse.turn();
        // Before the store is asked: who commits later sets it again.
        self.to_follow.store(false, Ordering::Release);
        if let Err(error) = self.catch_up() {
            tracing::warn!(error = error_chain(&error), "what others committed cannot be read");
        }
    }

    /// Decides on some commands in turn, commits them together, publishes, answers; in several commits
    /// where others are so fast that one for all does not get through.
    fn turn(&mut self, entries: Vec<Queued>, notes: Notes, pulse: &Pulse) {
        let mut later = self.commit_first(entries, notes, pulse);
        while !later.is_empty() {
            later = self.commit_first(later, Notes::default(), pulse);
        }
    }

    /// The same for as many of the first of them as get through at once. Returns the others.
    fn commit_first(
        &mut self,
        mut entries: Vec<Queued>,
        mut notes: Notes,
        pulse: &Pulse,
    ) -> Vec<Queued> {
        pulse.turn();
        if self.behind
            && let Err(error) = self.catch_up()
        {
            tracing::error!(error = error_chain(&error), "the store cannot be read");
            answer_all(entries, &LedgerError::from(&error));
            return Vec::new();
        }
        let noted = (notes.audit.len(), notes.events.len());
        let (mut empty_conflicts, mut conflicts) = (0, 0);
        let mut later = Vec::new();
        loop {
            let mut decided = self.decide(&entries, notes);
            let began = Instant::now();
            let outcome = self.commit(&mut decided);
            for trace in entries.iter().filter_map(|entry| entry.trace.as_ref()) {
                let failed = matches!(outcome, Commit::Failed(_));
                self.trace(Some((trace, began)), "commit", failed);
            }
            let failed = match outcome {
                Commit::Done => {
                    self.publish_and_answer(entries, decided);
                    return later;
                }
                Commit::Failed(error) => error,
                Commit::Fenced(epoch) if epoch > self.epoch => {
                    self.epoch = epoch;
                    notes = decided.take_notes(noted);
                    continue;
                }
                Commit::Fenced(epoch) => {
                    tracing::error!(epoch, "the store reports an epoch that has passed");
                    LedgerError::Store
                }
                Commit::Conflict => {
                    let revision = self.revision;
                    let caught_up = self.catch_up();
                    empty_conflicts =
                        if self.revision > revision { 0 } else { empty_conflicts + 1 };
                    match caught_up {
                        Ok(()) if empty_conflicts <= MOST_EMPTY_CONFLICTS => {
                            notes = decided.take_notes(noted);
                            conflicts += 1;
                            if conflicts % CONFLICTS_BEFORE_HALF == 0 && entries.len() > 1 {
                                // What takes half as long to decide gets through sooner.
                                let mut half = entries.split_off(entries.len() / 2);
                                half.append(&mut later);
                                later = half;
                            }
                            pulse.turn();
                            continue;
                        }
                        Ok(()) => {
                            tracing::error!(
                                revision,
                                "the store reports a revision whose changes it does not have"
                            );
                            LedgerError::Store
                        }
                        Err(error) => {
                            tracing::error!(
                                error = error_chain(&error),
                                "the store cannot be read"
                            );
                            LedgerError::from(&error)
                        }
                    }
                }
            };
            self.answer_failed(entries, decided, &failed);
            return later;
        }
    }

    /// Decides on commands, each on the world that the one before left.
    fn decide(&mut self, entries: &[Queued], notes: Notes) -> Decided {
        let mut decided = Decided {
            world: self.world.load_full(),
            changes: Vec::new(),
            notes,
            results: Vec::with_capacity(entries.len()),
        };
        // Who leads knows of its epoch before the writer does.
        let led = entries.iter().filter_map(|entry| entry.led);
        let led = led.chain(decided.notes.led.iter().map(|(epoch, _)| *epoch));
        self.epoch = led.fold(self.epoch, u64::max);
        let ours = decided.notes.led.iter().filter(|(epoch, _)| *epoch == self.epoch);
        let ours: Vec<EventRow> = ours.map(|(_, row)| row.clone()).collect();
        decided.notes.events.extend(ours);
        for Queued { request, trace, led, .. } in entries {
            if led.is_some_and(|epoch| epoch != self.epoch) {
                decided.results.push(Err(LedgerError::NotLeading));
                continue;
            }
            let began = trace.as_ref().map(|_| Instant::now());
            let (at, outcome) = self.decide_one(&decided.world, request);
            self.trace(trace.as_ref().zip(began), "decide", false);
            let quiet = request.caller == Caller::System
                && outcome
                    .as_ref()
                    .is_ok_and(|it| it.changes.is_empty() || request.is_heartbeat(&it.reply));
            if !quiet {
                decided.notes.audit.push(self.audit_row(&decided.world, request, at, &outcome));
            }
            decided.results.push(outcome.map_err(LedgerError::Refused).map(|outcome| {
                let after = Arc::new(outcome.world);
                let before = std::mem::replace(&mut decided.world, Arc::clone(&after));
                let now = Timestamp::from_millis(at);
                let events = model::events_of(&before, &after, &outcome.changes, now);
                decided.notes.events.extend(events.iter().map(event_row));
                if let Some(teller) = &self.teller {
                    decided.notes.events.extend(teller(&Telling {
                        before: &before,
                        after: &after,
                        changes: &outcome.changes,
                        caller: request.caller,
                        now,
                    }));
                }
                decided.changes.extend(outcome.changes);
                Committed { before, after, reply: outcome.reply }
            }));
        }
        decided
    }

    /// Decides on one command, and says at which millisecond.
    fn decide_one(
        &mut self,
        world: &Arc<World>,
        request: &Request,
    ) -> (i64, Result<model::Decided, Refused>) {
        let now = self.parts.clock.now();
        let outcome = match &request.only_if {
            Some(only_if) if !only_if.holds(world) => Err(changed_meanwhile()),
            _ => world.decide(request.caller, &request.command, now, &mut *self.parts.ids),
        };
        (now.millis(), outcome)
    }

    /// Tells of a part of a request that is traced, which has just ended.
    fn trace(&self, part: Option<(&Arc<Trace>, Instant)>, name: &str, failed: bool) {
        if let (Some(traces), Some((trace, began))) = (self.parts.metrics.traces.get(), part) {
            traces.part(trace, name, began, failed);
        }
    }

    /// Publishes what was committed, and only then answers.
    fn publish_and_answer(&mut self, entries: Vec<Queued>, decided: Decided) {
        let Decided { world, changes, results, notes } = decided;
        if !changes.is_empty() {
            if let Some(traces) = self.parts.metrics.traces.get() {
                let changed = entries.iter().zip(&results).filter(|(_, result)| result.is_ok());
                for trace in changed.filter_map(|(entry, _)| entry.trace.as_ref()) {
                    traces.committed(trace, self.revision);
                }
            }
            self.publish(world, changes, self.revision);
        }
        if let Some(log) = self.parts.metrics.changes.get() {
            self.parts.metrics.ledger.unlogged.add(log.add(notes.audit) as u64);
        }
        let figures = &self.parts.metrics.ledger;
        for (Queued { answer, .. }, result) in entries.into_iter().zip(results) {
            if result.is_ok() {
                figures.accepted.inc()
            } else {
                figures.refused.inc()
            }
            answer.send(result);
        }
    }

    /// Answers commands whose batch was not committed. A refusal stands only if the world refuses the
    /// command that there is: it may have been refused for what is not in effect, or is not there any more
    /// since another server removed it. Where it is not known what there is, no refusal stands.
    fn answer_failed(&mut self, entries: Vec<Queued>, decided: Decided, error: &LedgerError) {
        let is_current = self.catch_up().is_ok();
        let world = self.world.load_full();
        let same_world = Arc::ptr_eq(&world, &decided.world);
        for (Queued { request, answer, .. }, result) in entries.into_iter().zip(decided.results) {
            let refused = match result {
                Ok(_) => None,
                Err(LedgerError::Refused(_)) if !is_current => None,
                Err(LedgerError::Refused(_)) if !same_world => {
                    let again = self.decide_one(&world, &request).1.err();
                    again.map(LedgerError::Refused)
                }
                Err(refused) => Some(refused),
            };
            answer.send(Err(refused.unwrap_or_else(|| error.clone())));
        }
    }

    fn audit_row(
        &self,
        before: &World,
        request: &Request,
        at: i64,
        outcome: &Result<model::Decided, Refused>,
    ) -> AuditRow {
        let (made, verdict, message) = match outcome {
            Ok(decided) => (decided.reply.main(), "ok".to_owned(), String::new()),
            Err(refused) => (None, refused.code.ec2().to_owned(), refused.message.clone()),
        };
        let resource = made.or_else(|| request.command.about());
        let after = outcome.as_ref().map_or(before, |decided| &decided.world);
        let place = resource.map(|key| {
            let place = audit_scope::of(after, key);
            if place == audit_scope::AuditScope::default() {
                audit_scope::of(before, key)
            } else {
                place
            }
        });
        let (team, space) = place.unwrap_or_default().texts();
        let account = match request.caller {
            Caller::Account { scope, .. } => scope.account.to_string(),
            Caller::User(_) | Caller::Operator | Caller::System => String::new(),
        };
        AuditRow {
            at,
            revision: self.revision + 1,
            actor: request.caller.to_string(),
            account,
            action: request.command.name(),
            resource: resource.map(|key| key.to_string()).unwrap_or_default(),
            source: request.source.map(|ip| ip.to_string()).unwrap_or_default(),
            outcome: verdict,
            message,
            request_id: request.request_id.clone(),
            team,
            space,
            ..AuditRow::default()
        }
    }

    /// Has the store keep what was decided. Leaves what is noted where it was.
    fn commit(&mut self, decided: &mut Decided) -> Commit {
        let Notes { audit, events, .. } = &decided.notes;
        if decided.changes.is_empty() && audit.is_empty() && events.is_empty() {
            return Commit::Done;
        }
        let mut batch = match self.batch(decided) {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(error = error_chain(&error), "a change cannot be written down");
                return Commit::Failed(LedgerError::from(&error));
            }
        };
        let began = Instant::now();
        let committed = self.parts.store.commit(&batch);
        self.parts.metrics.ledger.commit.took(began.elapsed());
        let outcome = match committed {
            Ok(()) => Commit::Done,
            Err(store::Error::Conflict { .. }) => Commit::Conflict,
            Err(store::Error::Fenced { found, .. }) => Commit::Fenced(found),
            Err(error) => self.after_failure(&batch, &error),
        };
        match outcome {
            Commit::Done => self.parts.metrics.ledger.committed.inc(),
            Commit::Conflict | Commit::Fenced(_) => self.parts.metrics.ledger.conflicts.inc(),
            Commit::Failed(_) => self.parts.metrics.ledger.failed.inc(),
        }
        if matches!(outcome, Commit::Done) {
            self.revision = batch.revision;
        }
        decided.notes.audit = std::mem::take(&mut batch.audit);
        decided.notes.events = std::mem::take(&mut batch.events);
        outcome
    }

    /// What became of a commit that failed.
    fn after_failure(&mut self, batch: &Batch, error: &store::Error) -> Commit {
        let (why, revision) = (error_chain(error), batch.revision);
        if matches!(error, store::Error::Batch(_) | store::Error::Refused { .. }) {
            tracing::error!(error = why, revision, "a commit was refused");
            return Commit::Failed(LedgerError::from(error));
        }
        match self.parts.store.has_committed(batch) {
            Ok(true) => {
                tracing::warn!(error = why, revision, "a commit failed, and took effect");
                Commit::Done
            }
            Ok(false) => {
                tracing::error!(error = why, revision, "a commit failed, and changed nothing");
                Commit::Failed(LedgerError::from(error))
            }
            Err(asking) => {
                let asking = error_chain(&asking);
                tracing::error!(
                    error = why,
                    asking,
                    revision,
                    "a commit failed, and the store cannot say whether it took effect"
                );
                self.behind = true;
                Commit::Failed(LedgerError::Unknown)
            }
        }
    }

    fn batch(&mut self, decided: &mut Decided) -> store::Result<Batch> {
        let changes = &decided.changes;
        let revision = if changes.is_empty() { self.revision } else { self.revision + 1 };
        let (id, expected_revision) = (self.next_batch, self.revision);
        self.next_batch = id.wrapping_add(1);
        let epoch = self.epoch;
        let mut batch = Batch { id, epoch, expected_revision, revision, ..Batch::default() };
        add_rows(&mut batch, &decided.world, changes, &self.parts.secret)?;
        batch.audit = std::mem::take(&mut decided.notes.audit);
        batch.events = std::mem::take(&mut decided.notes.events);
        for row in &mut batch.audit {
            row.revision = row.revision.min(revision);
        }
        Ok(batch)
    }

    /// Takes in what others committed, and what this writer committed without being told.
    fn catch_up(&mut self) -> store::Result<()> {
        // Whatever fails here, what the store has is not known.
        self.behind = true;
        let before = self.world.load_full();
        let (after, changes, revision) = match self.parts.store.tail(self.revision) {
            Ok(tail) => {
                let mut changes = read_changes(&tail.changes, &self.parts.secret)?;
                // What came and went meanwhile was never here.
                changes.retain(|change| match change {
                    Change::Put(_) => true,
                    Change::Delete(key) => before.get(*key).is_some(),
                });
                (followed(&before, &changes), changes, tail.revision)
            }
            Err(store::Error::Forgotten { .. }) => {
                let (world, revision) = load(&mut *self.parts.store, &self.parts.secret)?;
                if revision < self.revision {
                    // Whoever follows would take all that is missing there for deleted.
                    return Err(store::Error::Conflict {
                        expected: self.revision,
                        found: revision,
                    });
                }
                let changes = difference(&before, &world);
                (world, changes, revision)
            }
            Err(error) => return Err(error),
        };
        self.behind = false;
        if revision > self.revision {
            self.publish(Arc::new(after), changes, revision);
        }
        Ok(())
    }

    fn publish(&mut self, after: Arc<World>, changes: Vec<Change>, revision: u64) {
        set_clock(&self.parts.clock, &after);
        let before = self.world.swap(Arc::clone(&after));
        self.revision = revision;
        self.published.send_replace(revision);
        self.parts.metrics.reconcile.in_force.committed(revision);
        (self.parts.follow)(Step { before, after, changes, revision });
    }
}

fn answer_all(entries: Vec<Queued>, error: &LedgerError) {
    for Queued { answer, .. } in entries {
        answer.send(Err(error.clone()));
    }
}

/// Moves the clock to where the ledger has it, once that is durable.
fn set_clock(clock: &Clock, world: &World) {
    if let Some(settings) = world.settings() {
        clock.put_ahead(Duration::from_secs(settings.clock_offset));
    }
}

fn changed_meanwhile() -> Refused {
    Refused::new(
        Code::PreconditionFailed,
        "The resource has changed since the version that `If-Match` names. Read it again, and then \
         change it.",
    )
}

#[cfg(test)]
mod tests;
