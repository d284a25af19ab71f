//! A log line for each change and each refusal, in the words of the audit.
//!
//! The ledger's writer hands over the audit's rows once they are durable, and waits for nobody: the lines
//! are written by a thread of their own, and what that cannot keep up with is counted and left out. It
//! is in the audit all the same.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use store::AuditRow;

use crate::loops::Supervisor;

/// The most commits whose lines wait to be written.
const MOST_WAITING: usize = 1024;

/// Writes a log line for each change and each refusal.
#[derive(Debug)]
pub(crate) struct ChangeLog(SyncSender<Vec<AuditRow>>);

impl ChangeLog {
    /// Starts the thread. It ends when it is told to, or with the last who can hand over anything.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it has no thread left.
    pub(crate) fn start(supervisor: &Supervisor) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, rows) = sync_channel::<Vec<AuditRow>>(MOST_WAITING);
        let thread = supervisor.spawn_task("changes", move || {
            let commits = rows.iter().take_while(|rows| !rows.is_empty());
            commits.flatten().for_each(|row| line(&row));
        })?;
        Ok((Self(sender), thread))
    }

    /// Hands over the rows of a commit. Gives how many cannot be written, as too many wait.
    pub(crate) fn add(&self, rows: Vec<AuditRow>) -> usize {
        let count = rows.len();
        if rows.is_empty() || self.0.try_send(rows).is_ok() { 0 } else { count }
    }

    /// Has the thread end once it has written what was handed over before.
    pub(crate) fn end(&self) {
        // Where it has ended already, there is nothing to be done.
        let _ = self.0.send(Vec::new());
    }
}

/// The line of an audit row. What comes from clients is quoted, so that nobody writes a line of their own.
pub(crate) fn line(row: &AuditRow) {
    let AuditRow { actor, account, action, resource, source, outcome, request_id, .. } = row;
    let (actor, account, source) = (actor.as_str(), account.as_str(), source.as_str());
    let (action, resource) = (action.as_str(), resource.as_str());
    let (outcome, request_id) = (outcome.as_str(), request_id.as_str());
    if outcome == "ok" {
        tracing::info!(
            target: "causeway::change",
            actor, account, source, action, resource, outcome, request_id, "changed"
        );
    } else {
        let why = row.message.as_str();
        tracing::info!(
            target: "causeway::change",
            actor, account, source, action, resource, outcome, request_id, why, "refused"
        );
    }
}
