mod audit;
mod backup;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use crate::data_dir::Lock;
use crate::{
    AuditQuery, AuditRow, Batch, BoxError, Change, DataDir, Error, Progress, Result, Row, Secret,
    Store, Tail, durable,
};

pub use backup::Snapshot;

/// How long to wait for another handle's commit.
const BUSY: Duration = Duration::from_secs(10);

/// How many pages of recent writes gather in the log before they are copied back: 16 MiB. Pages
/// written again meanwhile are copied once; a start after a crash reads them all.
const LOG_PAGES: i64 = 4_000;

/// What the log of recent writes is cut to once a backup no longer holds it.
const LOG_BYTES: i64 = 64 << 20;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Audit rows; at least one.
    pub audit: u32,
    /// Deletions that [`Store::tail`] still knows; at least one.
    pub deletions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { audit: 1_000_000, deletions: 100_000 }
    }
}

/// The store in one SQLite file.
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    secret: Secret,
    limits: Limits,
    lock: Arc<Lock>,
}

impl Sqlite {
    /// Opens the directory's database, makes it, or brings it to the newest schema.
    pub fn open(dir: &DataDir) -> Result<Self> {
        Self::with_limits(dir, Limits::default())
    }

    /// The same with another bound on the history.
    pub fn with_limits(dir: &DataDir, limits: Limits) -> Result<Self> {
        let path = dir.database_path();
        make_private(&path)?;
        let mut connection = open_connection(&path)?;
        schema::migrate(&mut connection, &path, schema::MIGRATIONS)?;
        configure(&connection, &path)?;
        check_fingerprint(&connection, &path, dir.secret())?;
        durable::sync_parent(&path)?;
        Ok(Self { connection, path, secret: dir.secret().clone(), limits, lock: dir.lock() })
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        Error::database(doing, &self.path)
    }

    /// A transaction that sees one state of the database and holds no writer up.
    fn snapshot(&self) -> Result<Transaction<'_>> {
        self.connection.unchecked_transaction().map_err(self.failed("read"))
    }
}

impl Store for Sqlite {
    fn load(&mut self, each: &mut dyn FnMut(Row) -> Result<(), BoxError>) -> Result<u64> {
        load(&*self.snapshot()?, &self.path, each)
    }

    fn commit(&mut self, batch: &Batch) -> Result<()> {
        check_batch(batch)?;
        let limits = self.limits;
        let path = &self.path;
        let failed = || Error::database("write", path);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed())?;
        let (found, _) = read_revision(&transaction).map_err(failed())?;
        if found != batch.expected_revision {
            return Err(Error::Conflict { expected: batch.expected_revision, found });
        }
        write_rows(&transaction, batch, limits).map_err(failed())?;
        audit::write(&transaction, &batch.audit, limits).map_err(failed())?;
        transaction.commit().map_err(failed())
    }

    fn tail(&self, since: u64) -> Result<Tail> {
        let snapshot = self.snapshot()?;
        let (revision, forgotten) = read_revision(&snapshot).map_err(self.failed("read"))?;
        if since > revision {
            return Err(Error::Conflict { expected: since, found: revision });
        }
        if since < forgotten {
            return Err(Error::Forgotten { since, oldest: forgotten });
        }
        let changes = if since == revision {
            Vec::new()
        } else {
            read_changes(&snapshot, since).map_err(self.failed("read"))?
        };
        Ok(Tail { revision, changes })
    }

    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        audit::read(&self.connection, query).map_err(self.failed("read"))
    }

    fn meta(&self, key: &str) -> Result<Option<String>> {
        self.connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(self.failed("read"))
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        self.connection
            .execute(
                "INSERT INTO meta (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [key, value],
            )
            .map_err(self.failed("write"))?;
        Ok(())
    }

    fn backup(&self, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let snapshot = self.snapshot()?;
        backup::write(&snapshot, &self.path, &self.secret, to, progress)
    }

    fn handle(&self) -> Result<Box<dyn Store>> {
        let connection = open_connection(&self.path)?;
        configure(&connection, &self.path)?;
        Ok(Box::new(Self {
            connection,
            path: self.path.clone(),
            secret: self.secret.clone(),
            limits: self.limits,
            lock: Arc::clone(&self.lock),
        }))
    }
}

fn load(
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

/// Makes the file if it is missing, and keeps others out of it and of those that SQLite puts
/// beside it. New ones of those take the file's permissions.
fn make_private(path: &Path) -> Result<()> {
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        durable::make_private(Path::new(&beside))?;
    }
    if !durable::make_private(path)? {
        durable::create_file(path).map_err(Error::file("create", path))?;
    }
    Ok(())
}

/// Opens a file that is there, and touches nothing in it.
fn open_connection(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(Error::database("open", path))?;
    connection.busy_timeout(BUSY).map_err(Error::database("open", path))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn configure(connection: &Connection, path: &Path) -> Result<()> {
    let failed = || Error::database("open", path);
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(failed())?;
    if mode != "wal" {
        let source = format!("the file system allows no write-ahead log, only {mode}").into();
        return Err(Error::Database { doing: "open", path: path.to_owned(), source });
    }
    connection
        .pragma_update(None, "synchronous", "FULL")
        .and_then(|()| connection.pragma_update(None, "temp_store", "MEMORY"))
        .and_then(|()| connection.pragma_update(None, "trusted_schema", false))
        .and_then(|()| connection.pragma_update(None, "cell_size_check", true))
        .map_err(failed())?;
    connection
        .pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))
        .map_err(failed())?;
    connection
        .pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))
        .map_err(failed())
}

/// Refuses a key that is not the one this database was first opened with.
fn check_fingerprint(connection: &Connection, path: &Path, secret: &Secret) -> Result<()> {
    let failed = || Error::database("open", path);
    let stored: Option<Vec<u8>> = connection
        .query_row("SELECT fingerprint FROM ledger", [], |row| row.get(0))
        .map_err(failed())?;
    let fingerprint = secret.fingerprint();
    match stored {
        Some(stored) if stored == fingerprint => Ok(()),
        Some(_) => Err(Error::WrongSecret { path: path.to_owned() }),
        None => {
            connection
                .execute("UPDATE ledger SET fingerprint = ?1", [fingerprint])
                .map_err(failed())?;
            Ok(())
        }
    }
}

/// Refuses what no ledger decides: it would be read back as something else.
fn check_batch(batch: &Batch) -> Result<()> {
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

fn write_rows(
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
        transaction
            .prepare_cached("UPDATE ledger SET revision = ?1")?
            .execute([signed(batch.revision)])?;
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
fn read_changes(snapshot: &Transaction<'_>, since: u64) -> rusqlite::Result<Vec<Change>> {
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

/// The database's revision, and the one up to which deletions are forgotten.
fn read_revision(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    connection.prepare_cached("SELECT revision, forgotten FROM ledger")?.query_row([], |row| {
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
    })
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

/// SQLite's integers are signed; those beyond them are beyond every stored number.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
