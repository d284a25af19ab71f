//! Backups: the database and its key in one file, and the way back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension, ffi};

use super::{make_private, open_connection, schema};
use crate::{Error, Progress, Result, Secret, durable};

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
    let exists = || Error::Exists { path: to.to_owned() };
    if fs::symlink_metadata(to).is_ok() {
        return Err(exists());
    }
    let unfinished = Unfinished::create(to)?;
    let mut target = open_connection(&unfinished.0)?;
    // Reading anything makes the transaction's view the state of now.
    source
        .query_row("SELECT revision FROM ledger", [], |_| Ok(()))
        .map_err(Error::database("read", path))?;
    copy(source, &mut target, to, progress)?;
    insert_secret(&target, secret).map_err(Error::database("write", to))?;
    close(target, to)?;
    File::open(&unfinished.0)
        .and_then(|file| file.sync_all())
        .map_err(Error::file("sync", &unfinished.0))?;
    match put_in_place(&unfinished.0, to) {
        Ok(()) => durable::sync_parent(to),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists()),
        Err(error) => Err(Error::file("write", to)(error)),
    }
}

/// A backup that was found whole.
pub(crate) struct OpenBackup {
    connection: Connection,
    path: PathBuf,
    secret: Secret,
}

impl OpenBackup {
    /// Opens a backup, and refuses one that is damaged or newer than this program.
    pub(crate) fn open(path: &Path) -> Result<Self> {
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

    /// The key that the backup carries.
    pub(crate) fn secret(&self) -> &Secret {
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
            .map_err(Error::database("write", to))?;
        close(target, to)?;
        File::open(to).and_then(|file| file.sync_all()).map_err(Error::file("sync", to))?;
        durable::sync_parent(to)
    }
}

/// A file that is removed unless it was renamed.
struct Unfinished(PathBuf);

impl Unfinished {
    fn create(to: &Path) -> Result<Self> {
        let number = getrandom::u32().map_err(Error::Random)?;
        let mut name = to.as_os_str().to_owned();
        name.push(format!(".{number:08x}.partial"));
        let path = PathBuf::from(name);
        durable::create_file(&path).map_err(Error::file("create", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already if it became the backup; if it cannot be removed, it does no harm.
        let _ = fs::remove_file(&self.0);
    }
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

fn insert_secret(target: &Connection, secret: &Secret) -> rusqlite::Result<()> {
    target.execute_batch("CREATE TABLE backup_key (key BLOB NOT NULL) STRICT")?;
    target.execute("INSERT INTO backup_key (key) VALUES (?1)", [secret.expose()])?;
    Ok(())
}

fn close(connection: Connection, path: &Path) -> Result<()> {
    connection.close().map_err(|(_, error)| Error::database("close", path)(error))
}

/// Renames without overwriting, where the file system can.
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // No hard links here, as on a memory stick.
        Err(_) => fs::rename(from, to),
    }
}
