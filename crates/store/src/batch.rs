//! What holds of batches in every database.

use std::collections::HashSet;

use crate::{Batch, Error, Result, Row};

/// How many of the newest batches that changed rows are known by their ids.
pub(crate) const BATCHES_KEPT: u16 = 64;

/// How many letters of hexadecimal the id of a batch has in the database.
pub(crate) const ID_LETTERS: u16 = 16;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Audit rows; at least one.
    pub(crate) audit: u32,
    /// Events; at least one.
    pub(crate) events: u32,
    /// Deliveries of each webhook; at least one.
    pub(crate) deliveries: u32,
    /// Deletions that [`Store::tail`] still knows; at least one.
    pub(crate) deletions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { audit: 1_000_000, events: 100_000, deliveries: 1000, deletions: 100_000 }
    }
}

/// Refuses what no ledger decides: it would be read back as something else.
pub(crate) fn check_batch(batch: &Batch) -> Result<()> {
    let refuse = |reason: String| Err(Error::Batch(reason));
    let (from, to) = (batch.expected_revision, batch.revision);
    if to < from || i64::try_from(to).is_err() {
        return refuse(format!("revision {to} does not follow {from}"));
    }
    if to == from && !(batch.puts.is_empty() && batch.deletes.is_empty()) {
        return refuse(format!("it changes rows and stays at revision {to}"));
    }
    if let Some(row) = batch.puts.iter().find(|row| row.revision <= from || row.revision > to) {
        let Row { kind, id, revision, .. } = row;
        return refuse(format!("{kind} {id} has revision {revision}, not one of {from} to {to}"));
    }
    if let Some(row) = batch.audit.iter().find(|row| row.revision > to) {
        return refuse(format!("it notes revision {} in the audit of {to}", row.revision));
    }
    if !batch.deletes.is_empty() {
        let deleted: HashSet<(&str, &str)> =
            batch.deletes.iter().map(|(kind, id)| (&**kind, &**id)).collect();
        if let Some(row) = batch.puts.iter().find(|row| deleted.contains(&(&*row.kind, &*row.id))) {
            return refuse(format!("{} {} is both put and deleted", row.kind, row.id));
        }
    }
    Ok(())
}

/// The databases' integers are signed; those beyond them are beyond every stored number.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
