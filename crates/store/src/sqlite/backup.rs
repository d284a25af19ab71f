//! Backups: the database and its key in one file, and the way back.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension, ffi};

use super::connection::{MAGIC, make_private, open_connection};
use super::rows::load;
use super::schema;
use crate::blobs::BLOBS_PLACE;
use crate::{BoxError, Error, NewFile, Progress, Result, Row, Secret, durable};

/// How many pages are copied between two reports of progress: 1 MiB.
const PAGES: i32 = 256;

/// Copies what `source` sees into a new file. `source` is a transaction, so that writers elsewhere
/// do not make the copy start over.
pub(super) fn write(
    source: &Connection,
    path: &Path,
    secret: &Secret,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let file = NewFile::create(to)?;
    let mut target = open_connection(file.unfinished())?;
    // Reading anything makes the transaction's view the state of now.
    source
        .query_row("SELECT revision FROM ledger", [], |_| Ok(()))
        .map_err(Error::database("read", path))?;
    copy(source, &mut target, to, progress)?;
    insert_secret(&target, secret).map_err(Error::database("write", to))?;
    close(target, to)?;
    file.publish()
}

/// A file that [`Store::backup`](crate::Store::backup) wrote, found whole.
pub struct Snapshot {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    secret: Secret,
}

impl Snapshot {
    /// How such a file begins.
    pub const MAGIC: &[u8] = MAGIC;

    /// Opens it, and refuses one that is damaged or newer than this program.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = || Error::database("read", path);
        // SQLite's own error for a missing file does not say so.
        File::open(path).map_err(Error::file("open", path))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed())?;
        let not_a_backup = || Error::NotABackup { path: path.to_owned() };
        if schema::version(&connection, path, schema::MIGRATIONS.len())? == 0 {
            return Err(not_a_backup());
        }
        let verdict: String = connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(failed())?;
        if verdict != "ok" {
            return Err(Error::Corrupt { path: path.to_owned(), source: verdict.into() });
        }
        let has_key: bool = connection
            .query_row(
                "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'backup_key'",
                [],
                |row| row.get(0),
            )
            .map_err(failed())?;
        if !has_key {
            return Err(not_a_backup());
        }
        let key: Option<Vec<u8>> = connection
            .query_row("SELECT key FROM backup_key", [], |row| row.get(0))
            .optional()
            .map_err(failed())?;
        let key = key.and_then(|key| key.try_into().ok()).ok_or_else(not_a_backup)?;
        Ok(Self { connection, path: path.to_owned(), secret: Secret::from_bytes(key) })
    }

    /// Hands every row to `each`, as [`Store::load`](crate::Store::load) does, and returns the
    /// revision that they are of.
    ///
    /// # Errors
    ///
    /// A row that cannot be read, or that `each` rejects.
    pub fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), BoxError>) -> Result<u64> {
        load(&self.connection, &self.path, each)
    }

    /// The key that it carries.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Writes the database, without the key, to a new file.
    pub(crate) fn restore(&self, to: &Path) -> Result<()> {
        make_private(to)?;
        let mut target = open_connection(to)?;
        copy(&self.connection, &mut target, &self.path, &mut |_| {})?;
        // Without secure_delete the key would stay in a free page.
        target
            .execute_batch("PRAGMA secure_delete = ON; DROP TABLE backup_key;")
            .and_then(|()| forget_place(&target))
            .map_err(Error::database("write", to))?;
        close(target, to)?;
        File::open(to).and_then(|file| file.sync_all()).map_err(Error::file("sync", to))?;
        durable::sync_parent(to)
    }
}

/// Forgets where the blobs were: those of a backup are put anew where the installation has them.
fn forget_place(target: &Connection) -> rusqlite::Result<()> {
    target.execute("DELETE FROM meta WHERE key = ?1", [BLOBS_PLACE]).map(drop)
}

fn copy(
    source: &Connection,
    target: &mut Connection,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let failed = || Error::database("copy", path);
    {
        let backup = Backup::new(source, target).map_err(failed())?;
        loop {
            let step = backup.step(PAGES).map_err(failed())?;
            let now = backup.progress();
            let total = u64::try_from(now.pagecount).unwrap_or(0);
            let remaining = u64::try_from(now.remaining).unwrap_or(0);
            progress(Progress { done: total.saturating_sub(remaining), total });
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // The busy timeout has passed already.
                _ => return Err(failed()(busy())),
            }
        }
    }
    // The copy says that it has a write-ahead log beside it; it is to be one file.
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(failed())
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)
}

pub(super) fn insert_secret(target: &Connection, secret: &Secret) -> rusqlite::Result<()> {
    target.execute_batch("CREATE TABLE backup_key (key BLOB NOT NULL) STRICT")?;
    target.execute("INSERT INTO backup_key (key) VALUES (?1)", [secret.expose()])?;
    Ok(())
}

pub(super) fn close(connection: Connection, path: &Path) -> Result<()> {
    connection.close().map_err(|(_, error)| Error::database("close", path)(error))
}
