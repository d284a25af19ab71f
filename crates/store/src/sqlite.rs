//! The store in one SQLite file.

mod audit;
mod backup;
mod connection;
mod events;
mod image;
mod opening;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_replaced;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use connection::{configure, make_private, open_alone, open_connection};
use opening::{look_alone, open_shared};
use rows::{
    load, raise_epoch, read_batches, read_changes, read_epoch, read_meta, read_revision,
    write_meta, write_rows,
};

use crate::batch::{Limits, check_batch};
use crate::data_dir::Lock;
use crate::lease::Alone;
use crate::mark::Mark;
use crate::{
    AuditQuery, AuditRow, Batch, BoxError, DataDir, DeliveryRow, Doorbell, Error, EventQuery,
    Events, Holder, Identity, Lease, Progress, Result, Row, Secret, Store, Tail, durable,
};

pub use backup::Snapshot;
pub(crate) use image::{Column, Image, Table};
pub(crate) use opening::is_sound;

/// The store in one SQLite file.
///
/// Where the disk is full at the opening, the index of the log cannot be made that connections
/// share, but one connection can read by itself. So the rows are loaded, and all else is refused
/// until there is room: then the first call that finds it opens the database as usual.
pub struct Sqlite {
    connection: OnceCell<Connection>,
    path: PathBuf,
    secret: Secret,
    limits: Limits,
    lock: Arc<Lock>,
    mark: Arc<Mark>,
    alone: Arc<Alone>,
    /// The database's own id.
    database: Arc<str>,
}

impl Sqlite {
    /// Opens the directory's database, makes it, or brings it to the newest schema.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseMissing`] and [`Error::OtherDatabase`] where it is not what was here before.
    pub fn open(dir: &DataDir) -> Result<Self> {
        Self::with_limits(dir, Limits::default())
    }

    /// The same with another bound on the history.
    pub(crate) fn with_limits(dir: &DataDir, limits: Limits) -> Result<Self> {
        let path = dir.database_path();
        make_private(&path)?;
        let (connection, seen) = match open_shared(dir, &path) {
            Err(error) if error.is_no_room() => {
                // Whatever else is wrong is said by the first error.
                let seen = look_alone(dir, &path)
                    .map_err(|second| if second.is_no_room() { error } else { second })?;
                (OnceCell::new(), seen)
            }
            opened => opened.map(|(connection, seen)| (OnceCell::from(connection), seen))?,
        };
        durable::sync_parent(&path)?;
        let mark = Arc::new(Mark::open(dir.path(), &seen)?);
        Ok(Self {
            connection,
            path,
            secret: dir.secret().clone(),
            limits,
            lock: dir.lock(),
            mark,
            alone: Arc::default(),
            database: seen.database.into(),
        })
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        Error::database(doing, &self.path)
    }

    fn connection(&self) -> Result<&Connection> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection);
        }
        let connection = open_connection(&self.path)?;
        configure(&connection, &self.path)?;
        Ok(self.connection.get_or_init(|| connection))
    }

    /// A transaction that sees one state of the database and holds no writer up.
    fn snapshot(&self) -> Result<Transaction<'_>> {
        self.connection()?.unchecked_transaction().map_err(self.failed("read"))
    }
}

impl Store for Sqlite {
    fn load(&mut self, each: &mut dyn FnMut(Row) -> Result<(), BoxError>) -> Result<u64> {
        match self.connection() {
            Ok(_) => load(&*self.snapshot()?, &self.path, each),
            Err(error) if error.is_no_room() => load(&open_alone(&self.path)?, &self.path, each),
            Err(error) => Err(error),
        }
    }

    fn commit(&mut self, batch: &Batch) -> Result<()> {
        check_batch(batch)?;
        let limits = self.limits;
        let path = &self.path;
        let failed = || Error::database("write", path);
        let behavior = TransactionBehavior::Immediate;
        let transaction =
            Transaction::new_unchecked(self.connection()?, behavior).map_err(failed())?;
        let (found, _) = read_revision(&transaction).map_err(failed())?;
        let epoch = read_epoch(&transaction).map_err(failed())?;
        if epoch != batch.epoch {
            return Err(Error::Fenced { epoch: batch.epoch, found: epoch });
        }
        if found != batch.expected_revision {
            return Err(Error::Conflict { expected: batch.expected_revision, found });
        }
        write_rows(&transaction, batch, limits).map_err(failed())?;
        audit::write(&transaction, &batch.audit, limits).map_err(failed())?;
        events::write(&transaction, &batch.events, limits).map_err(failed())?;
        transaction.commit().map_err(failed())?;
        if batch.revision > batch.expected_revision {
            self.mark.raise(0, batch.revision);
        }
        self.alone.ring();
        Ok(())
    }

    fn has_committed(&self, batch: &Batch) -> Result<bool> {
        let snapshot = self.snapshot()?;
        if batch.revision == batch.expected_revision {
            // It changed no rows, so it is known by what it noted.
            let last = batch.audit.last();
            let found = last.map_or(Ok(false), |row| audit::is_among_the_newest(&snapshot, row));
            return found.map_err(self.failed("read"));
        }
        let known = read_batches(&snapshot).map_err(self.failed("read"))?;
        if known.ids.contains(&batch.id) {
            return Ok(true);
        }
        if batch.expected_revision < known.since {
            return Err(Error::Forgotten { since: batch.expected_revision, oldest: known.since });
        }
        Ok(false)
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

    fn was_deleted(&self, kind: &str, id: &str) -> Result<bool> {
        let snapshot = self.snapshot()?;
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table} WHERE kind = ?1 AND id = ?2");
            snapshot.query_row(&sql, [kind, id], |row| row.get::<_, i64>(0))
        };
        let deleted = count("resource").and_then(|there| Ok(there == 0 && count("tombstone")? > 0));
        deleted.map_err(self.failed("read"))
    }

    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        audit::read(self.connection()?, query).map_err(self.failed("read"))
    }

    fn events(&self, query: &EventQuery) -> Result<Events> {
        events::read(&*self.snapshot()?, query).map_err(self.failed("read"))
    }

    fn knows_event(&self, kind: &str, resource: &str) -> Result<bool> {
        events::knows(self.connection()?, kind, resource).map_err(self.failed("read"))
    }

    fn note_delivery(&mut self, row: &DeliveryRow) -> Result<()> {
        let limits = self.limits;
        let failed = || Error::database("write", &self.path);
        let behavior = TransactionBehavior::Immediate;
        let transaction =
            Transaction::new_unchecked(self.connection()?, behavior).map_err(failed())?;
        events::write_delivery(&transaction, row, limits).map_err(failed())?;
        transaction.commit().map_err(failed())
    }

    fn deliveries(&self, hook: &str, limit: u32) -> Result<Vec<DeliveryRow>> {
        events::read_deliveries(self.connection()?, hook, limit).map_err(self.failed("read"))
    }

    fn last_settled(&self, hook: &str) -> Result<Option<u64>> {
        events::last_settled(self.connection()?, hook).map_err(self.failed("read"))
    }

    fn forget_deliveries(&mut self, hook: &str) -> Result<()> {
        let forget = "DELETE FROM delivery WHERE hook = ?1";
        self.connection()?.execute(forget, [hook]).map(drop).map_err(self.failed("write"))
    }

    fn meta(&self, key: &str) -> Result<Option<String>> {
        read_meta(self.connection()?, key).map_err(self.failed("read"))
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        write_meta(self.connection()?, key, value).map_err(self.failed("write"))
    }

    fn delete_meta(&mut self, key: &str) -> Result<()> {
        let delete = "DELETE FROM meta WHERE key = ?1";
        self.connection()?.execute(delete, [key]).map(drop).map_err(self.failed("write"))
    }

    fn backup(&self, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let snapshot = self.snapshot()?;
        backup::write(&snapshot, &self.path, &self.secret, to, progress)
    }

    fn lease(&mut self, me: &Holder, ttl: Duration) -> Result<Lease> {
        let connection = self.connection()?;
        self.alone.lease(me, ttl, || raise_epoch(connection).map_err(self.failed("write")))
    }

    fn release_lease(&mut self, me: &Holder) -> Result<()> {
        self.alone.release(me);
        Ok(())
    }

    fn leader(&self) -> Result<Option<Lease>> {
        Ok(self.alone.leader())
    }

    fn doorbell(&self) -> Result<Box<dyn Doorbell>> {
        Ok(self.alone.doorbell())
    }

    fn identity(&self) -> Result<Identity> {
        let (revision, _) = read_revision(self.connection()?).map_err(self.failed("read"))?;
        Ok(Identity { database: (*self.database).to_owned(), timeline: 0, revision })
    }

    fn handle(&self) -> Result<Box<dyn Store>> {
        let connection = match self.connection.get() {
            Some(_) => {
                let connection = open_connection(&self.path)?;
                configure(&connection, &self.path)?;
                OnceCell::from(connection)
            }
            None => OnceCell::new(),
        };
        Ok(Box::new(Self {
            connection,
            path: self.path.clone(),
            secret: self.secret.clone(),
            limits: self.limits,
            lock: Arc::clone(&self.lock),
            mark: Arc::clone(&self.mark),
            alone: Arc::clone(&self.alone),
            database: Arc::clone(&self.database),
        }))
    }
}
