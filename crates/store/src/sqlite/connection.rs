//! How the file is opened.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{Error, Result, durable};

/// How every file of SQLite begins.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";

/// How long to wait for another handle's commit.
const BUSY: Duration = Duration::from_secs(10);

/// How many pages of recent writes gather in the log before they are copied back: 16 MiB. Pages
/// written again meanwhile are copied once; a start after a crash reads them all.
const LOG_PAGES: i64 = 4_000;

/// What the log of recent writes is cut to once a backup no longer holds it.
const LOG_BYTES: i64 = 64 << 20;

/// Makes the file if it is missing, and keeps others out of it and of those that SQLite puts
/// beside it. New ones of those take the file's permissions.
pub(super) fn make_private(path: &Path) -> Result<()> {
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
pub(super) fn open_connection(path: &Path) -> Result<Connection> {
    // SQLite opens what is no database, too, and writes its log to it in the end.
    if durable::has_content(path)? && !is_sqlite(path)? {
        return Err(Error::NotADatabase { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(Error::database("open", path))?;
    connection.busy_timeout(BUSY).map_err(Error::database("open", path))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn is_sqlite(path: &Path) -> Result<bool> {
    let mut begin = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut begin))
        .map_err(Error::file("read", path))?;
    Ok(begin == MAGIC)
}

/// Opens the file for one connection alone, which needs no file beside it to read.
pub(super) fn open_alone(path: &Path) -> Result<Connection> {
    let connection = open_connection(path)?;
    connection
        .pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))
        .map_err(Error::database("open", path))?;
    Ok(connection)
}

pub(super) fn configure(connection: &Connection, path: &Path) -> Result<()> {
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

/// Whether the log of recent writes stays as it is when the connection ends.
pub(super) fn leave_log(connection: &Connection, path: &Path, leave: bool) -> Result<()> {
    let failed = Error::database("open", path);
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave)
        .map(drop)
        .map_err(failed)
}
