//! What waits for the ledger's writer, and the way back to whoever waits for an answer.

use std::sync::Arc;

use model::{Caller, Change, Event, Timestamp, World};
use store::{AuditRow, EventRow};
use tokio::sync::oneshot;

use super::request::{Committed, LedgerError, Request};
use crate::metrics::traces::Trace;

/// A message to the writer.
pub(super) enum Item {
    /// A command, which is answered.
    Command(Box<Queued>),
    /// What is no command, and is noted nevertheless.
    Note(Notes),
    /// Others may have committed.
    Follow,
    /// Is answered once everything that was queued before it was handled.
    Barrier(oneshot::Sender<()>),
    /// From now on this tells what happens to apps.
    Teller(Teller),
    /// A request to show that it is not stuck.
    Wake,
    /// The writer is to end.
    Stop,
}

/// What was decided, for whoever tells of it.
pub(crate) struct Telling<'a> {
    /// The world before.
    pub(crate) before: &'a World,
    /// The world after.
    pub(crate) after: &'a World,
    /// The difference.
    pub(crate) changes: &'a [Change],
    /// Who wanted it.
    pub(crate) caller: Caller,
    /// When it was decided.
    pub(crate) now: Timestamp,
}

/// Tells what happened, as it is kept. It must not block.
pub(crate) type Teller = Box<dyn Fn(&Telling<'_>) -> Vec<EventRow> + Send>;

/// What the ledger keeps beside the world.
#[derive(Default)]
pub(super) struct Notes {
    /// Rows for the audit.
    pub(super) audit: Vec<AuditRow>,
    /// What happened.
    pub(super) events: Vec<EventRow>,
    /// What happened as the leader of an epoch found, which is kept in that epoch alone.
    pub(super) led: Vec<(u64, EventRow)>,
}

impl Notes {
    pub(super) fn add(&mut self, more: Self) {
        self.led.extend(more.led);
        self.audit.extend(more.audit);
        self.events.extend(more.events);
    }
}

/// What the store keeps of an event.
pub(crate) fn event_row(event: &Event) -> EventRow {
    EventRow {
        number: 0,
        at: event.at.millis(),
        kind: event.kind.name().to_owned(),
        resource: event.resource.clone(),
        parties: event.audience.parties().collect(),
        body: serde_json::to_string(event).expect("events hold only what JSON can hold"),
    }
}

/// A command with the way back to its caller.
pub(super) struct Queued {
    pub(super) request: Request,
    pub(super) answer: Answer,
    /// The request that it came with, if that is traced.
    pub(super) trace: Option<Arc<Trace>>,
    /// The epoch in which alone it may be carried out, if it is the leader's to do.
    pub(super) led: Option<u64>,
}

/// What a caller is told of its command.
pub(super) type Outcome = Result<Committed, LedgerError>;

/// The way back to a caller. Where the writer panics, the caller is told that the outcome is unknown, not
/// that the server is stopping and nothing was done.
pub(super) struct Answer(Option<oneshot::Sender<Outcome>>);

impl Answer {
    /// Makes an answer, and the receiver that gets it.
    pub(super) fn new() -> (Self, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }

    pub(super) fn send(mut self, outcome: Outcome) {
        // A caller that went away needs no answer.
        let _ = self.0.take().map(|sender| sender.send(outcome));
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.take().map(|sender| sender.send(Err(LedgerError::Unknown)));
        }
    }
}
