//! Whether a file is the database that is meant, and what is made of it before it is used.

use std::path::Path;

use rusqlite::{Connection, ffi};

use super::connection::{configure, leave_log, open_alone, open_connection};
use super::rows::{read_meta, read_revision, write_meta};
use super::schema;
use crate::{DataDir, Error, Identity, Result, Secret};

/// Under which name a database keeps its own id, which all of its copies have.
pub(super) const DATABASE_ID: &str = "database";

/// Opens the database for several connections, and makes of it what it must be.
pub(super) fn open_shared(dir: &DataDir, path: &Path) -> Result<(Connection, Identity)> {
    let mut connection = open_connection(path)?;
    // First of all: one that is not meant stays as it is.
    leave_log(&connection, path, true)?;
    compare(&connection, dir, path)?;
    leave_log(&connection, path, false)?;
    schema::migrate(&mut connection, path, schema::MIGRATIONS)?;
    configure(&connection, path)?;
    check_fingerprint(&connection, path, dir.secret())?;
    let failed = || Error::database("open", path);
    let database = match read_meta(&connection, DATABASE_ID).map_err(failed())? {
        Some(database) => database,
        None => {
            let database = format!("{:016x}", getrandom::u64().map_err(Error::Random)?);
            write_meta(&connection, DATABASE_ID, &database).map_err(failed())?;
            database
        }
    };
    let (revision, _) = read_revision(&connection).map_err(failed())?;
    Ok((connection, Identity { database, timeline: 0, revision }))
}

/// Looks at the database where nothing can be written.
pub(super) fn look_alone(dir: &DataDir, path: &Path) -> Result<Identity> {
    let connection = open_alone(path)?;
    compare(&connection, dir, path)?;
    let failed = || Error::database("open", path);
    let no_room = || {
        let full = ffi::Error::new(ffi::SQLITE_FULL);
        failed()(rusqlite::Error::SqliteFailure(full, None))
    };
    if schema::version(&connection, path, schema::MIGRATIONS.len())? < schema::MIGRATIONS.len() {
        return Err(no_room());
    }
    check_fingerprint(&connection, path, dir.secret())?;
    let database = read_meta(&connection, DATABASE_ID).map_err(failed())?.ok_or_else(no_room)?;
    let (revision, _) = read_revision(&connection).map_err(failed())?;
    Ok(Identity { database, timeline: 0, revision })
}

/// Refuses a database that is not the one that was here last, or is of an earlier time.
fn compare(connection: &Connection, dir: &DataDir, path: &Path) -> Result<()> {
    if schema::version(connection, path, schema::MIGRATIONS.len())? == 0 {
        if dir.is_new() {
            return Ok(());
        }
        return Err(Error::DatabaseMissing { path: path.to_owned() });
    }
    let failed = || Error::database("open", path);
    let (found, _) = read_revision(connection).map_err(failed())?;
    let seen = Identity::read(dir.path())?;
    // Tables without a row are as good as no database: what was in it was in its log.
    if found == 0 && seen.as_ref().is_some_and(|seen| seen.revision > 0) {
        return Err(Error::DatabaseMissing { path: path.to_owned() });
    }
    if dir.accepted() == Some(found) {
        return Ok(());
    }
    let Some(seen) = seen else { return Ok(()) };
    let database = read_meta(connection, DATABASE_ID).map_err(failed())?;
    // One of before databases had ids is an older one at most.
    let same = database.is_none_or(|database| database == seen.database);
    if same && found >= seen.revision {
        return Ok(());
    }
    Err(Error::OtherDatabase { path: path.to_owned(), found, seen: seen.revision, same })
}

/// Whether a file is a database of ours without any damage.
pub(crate) fn is_sound(path: &Path) -> bool {
    let verdict = || -> Result<bool> {
        let connection = open_connection(path)?;
        leave_log(&connection, path, true)?;
        let known = schema::MIGRATIONS.len();
        if schema::version(&connection, path, known)? == 0 {
            return Ok(false);
        }
        let verdict: String = connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(Error::database("read", path))?;
        Ok(verdict == "ok")
    };
    match verdict() {
        Ok(sound) => sound,
        // It is not for this program to judge, or not now.
        Err(Error::NewerSchema { .. } | Error::Database { .. }) => path.exists(),
        Err(_) => false,
    }
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
