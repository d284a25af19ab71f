//! Which file is a database of ours, and how an old one becomes a new one.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::{Error, Result};

/// "CWAY", in the file's header: tells our databases from other programs'.
const APPLICATION_ID: i64 = 0x4357_4159;

/// The schema's versions, each made from the one before. One that was released never changes.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001-resources.sql"),
    include_str!("migrations/002-audit-places.sql"),
    include_str!("migrations/003-batches.sql"),
    include_str!("migrations/004-events.sql"),
    include_str!("migrations/005-epoch.sql"),
];

/// The file's schema version; 0 for an empty one. Refuses other programs' and newer ones.
pub(super) fn version(connection: &Connection, path: &Path, known: usize) -> Result<usize> {
    let failed = || Error::database("read", path);
    let header = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = header("application_id").map_err(failed())?;
    let version = header("user_version").map_err(failed())?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed())?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(Error::NotADatabase { path: path.to_owned() });
    }
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        Ok(_) | Err(_) => Err(Error::NewerSchema {
            path: path.to_owned(),
            found: u32::try_from(version).unwrap_or(u32::MAX),
            known: u32::try_from(known).unwrap_or(u32::MAX),
        }),
    }
}

/// Brings the file to the newest version, one transaction for each step.
pub(super) fn migrate(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<()> {
    let failed = || Error::database("migrate", path);
    while version(connection, path, steps.len())? < steps.len() {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed())?;
        // Read again: another process may have been here before the transaction began.
        let done = version(&transaction, path, steps.len())?;
        if let Some(step) = steps.get(done) {
            transaction.execute_batch(step).map_err(failed())?;
            transaction
                .pragma_update(None, "application_id", APPLICATION_ID)
                .and_then(|()| transaction.pragma_update(None, "user_version", (done + 1) as i64))
                .map_err(failed())?;
        }
        transaction.commit().map_err(failed())?;
    }
    Ok(())
}
