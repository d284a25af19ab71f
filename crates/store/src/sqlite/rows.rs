//! What is read from the tables, and written to them; the audit apart.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::batch::{BATCHES_KEPT, ID_LETTERS, Limits, signed};
use crate::{Batch, BoxError, Change, Error, Result, Row};

pub(super) fn read_meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()
}

pub(super) fn write_meta(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let put = "INSERT INTO meta (key, value) VALUES (?1, ?2)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.execute(put, [key, value]).map(drop)
}

pub(super) fn load(
    connection: &Connection,
    path: &Path,
    each: &mut dyn FnMut(Row) -> Result<(), BoxError>,
) -> Result<u64> {
    let failed = || Error::database("read", path);
    let (revision, _) = read_revision(connection).map_err(failed())?;
    let mut select = connection
        .prepare_cached("SELECT kind, id, account, revision, body FROM resource ORDER BY kind, id")
        .map_err(failed())?;
    let mut rows = select.query([]).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let row = read_row(row).map_err(failed())?;
        let (kind, id) = (row.kind.clone(), row.id.clone());
        each(row).map_err(|source| Error::Rejected { kind, id, source })?;
    }
    Ok(revision)
}

pub(super) fn write_rows(
    transaction: &Transaction<'_>,
    batch: &Batch,
    limits: Limits,
) -> rusqlite::Result<()> {
    if !batch.puts.is_empty() {
        let mut put = transaction.prepare_cached(
            "INSERT INTO resource (kind, id, account, revision, body) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, id) DO UPDATE SET
                 account = excluded.account, revision = excluded.revision, body = excluded.body",
        )?;
        for row in &batch.puts {
            put.execute(params![row.kind, row.id, row.account, signed(row.revision), row.body])?;
        }
    }
    if !batch.deletes.is_empty() {
        delete_rows(transaction, batch, limits)?;
    }
    if batch.revision > batch.expected_revision {
        let letters = BATCHES_KEPT * (ID_LETTERS + 1);
        transaction
            .prepare_cached(
                "UPDATE ledger SET revision = ?1, batches = substr(?2 || batches, 1, ?3)",
            )?
            .execute(params![signed(batch.revision), format!("{:016x} ", batch.id), letters])?;
    }
    Ok(())
}

fn delete_rows(
    transaction: &Transaction<'_>,
    batch: &Batch,
    limits: Limits,
) -> rusqlite::Result<()> {
    let mut delete =
        transaction.prepare_cached("DELETE FROM resource WHERE kind = ?1 AND id = ?2")?;
    let mut remember = transaction
        .prepare_cached("INSERT INTO tombstone (kind, id, revision) VALUES (?1, ?2, ?3)")?;
    for (kind, id) in &batch.deletes {
        if delete.execute([kind, id])? > 0 {
            remember.execute(params![kind, id, signed(batch.revision)])?;
        }
    }
    let newest: Option<i64> = transaction
        .prepare_cached("SELECT max(number) FROM tombstone")?
        .query_row([], |row| row.get(0))?;
    let last_forgotten = newest.unwrap_or(0) - i64::from(limits.deletions.max(1));
    if last_forgotten <= 0 {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "UPDATE ledger SET forgotten = max(
                 forgotten,
                 coalesce((SELECT max(revision) FROM tombstone WHERE number <= ?1), 0))",
        )?
        .execute([last_forgotten])?;
    transaction
        .prepare_cached("DELETE FROM tombstone WHERE number <= ?1")?
        .execute([last_forgotten])?;
    Ok(())
}

/// The last state of every key that changed. A row that was deleted and put again is only put.
pub(super) fn read_changes(
    snapshot: &Transaction<'_>,
    since: u64,
) -> rusqlite::Result<Vec<Change>> {
    let mut select = snapshot.prepare_cached(
        "SELECT kind, id, max(revision) FROM tombstone AS gone
         WHERE revision > ?1 AND NOT EXISTS (
             SELECT 1 FROM resource WHERE resource.kind = gone.kind AND resource.id = gone.id)
         GROUP BY kind, id",
    )?;
    let deletes = select.query_map([signed(since)], |row| {
        let revision = row.get::<_, i64>(2)?.cast_unsigned();
        Ok(Change::Delete { kind: row.get(0)?, id: row.get(1)?, revision })
    })?;
    let mut changes = deletes.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut select = snapshot.prepare_cached(
        "SELECT kind, id, account, revision, body FROM resource
         WHERE revision > ?1 ORDER BY revision, kind, id",
    )?;
    for put in select.query_map([signed(since)], |row| read_row(row).map(Change::Put))? {
        changes.push(put?);
    }
    changes.sort_by_key(Change::revision);
    Ok(changes)
}

/// The newest batches that changed rows.
pub(super) struct Batches {
    /// Their ids.
    pub(super) ids: Vec<u64>,
    /// The revision since which all of them are known.
    pub(super) since: u64,
}

pub(super) fn read_batches(connection: &Connection) -> rusqlite::Result<Batches> {
    let (revision, ids): (i64, String) = connection
        .prepare_cached("SELECT revision, batches FROM ledger")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ids = ids.split(' ').filter_map(|id| u64::from_str_radix(id, 16).ok()).collect();
    // Each of them raised the revision by one at least.
    let since = revision.cast_unsigned().saturating_sub(BATCHES_KEPT.into());
    Ok(Batches { ids, since })
}

/// The database's revision, and the one up to which deletions are forgotten.
pub(super) fn read_revision(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    connection.prepare_cached("SELECT revision, forgotten FROM ledger")?.query_row([], |row| {
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
    })
}

/// The number of the newest leadership.
pub(super) fn read_epoch(connection: &Connection) -> rusqlite::Result<u64> {
    let epoch: i64 =
        connection.prepare_cached("SELECT epoch FROM ledger")?.query_row([], |row| row.get(0))?;
    Ok(epoch.cast_unsigned())
}

/// Begins another leadership, and says its number.
pub(super) fn raise_epoch(connection: &Connection) -> rusqlite::Result<u64> {
    let raise = "UPDATE ledger SET epoch = epoch + 1 RETURNING epoch";
    let epoch: i64 = connection.query_row(raise, [], |row| row.get(0))?;
    Ok(epoch.cast_unsigned())
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        kind: row.get(0)?,
        id: row.get(1)?,
        account: row.get(2)?,
        revision: row.get::<_, i64>(3)?.cast_unsigned(),
        body: row.get(4)?,
    })
}
