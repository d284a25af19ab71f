//! How an empty database becomes ours, and an old one a new one.

use std::path::Path;

use super::error::Fail;
use super::link::Link;
use crate::{Error, Result, Secret};

/// The schema's versions, each made from the one before. One that was released never changes.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/001-ledger.sql"), include_str!("migrations/002-blobs.sql")];

/// Whoever makes or changes the schema holds this lock, so that servers that start together do it in turn.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1129791065)";

/// The newest version known here.
pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// The version of a database's schema; 0 where there is none. Refuses another program's and a newer one.
pub(super) async fn version(link: &Link, place: &Path) -> Result<u32, Fail> {
    // By the tables of the catalogue: `to_regclass` may answer from a cache of the session, which does not know
    // what another one made while this one waited for the lock.
    let look = "SELECT count(*) > 0, count(c.oid) > 0 FROM pg_catalog.pg_namespace n
         LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema'
         WHERE n.nspname = 'causeway'";
    let Some(row) = link.row(look, &[]).await? else { return Ok(0) };
    match (row.get(0), row.get(1)) {
        (false, _) => return Ok(0),
        (true, false) => return Err(Error::NotALedger { path: place.to_owned() }.into()),
        (true, true) => {}
    }
    let row = link.rows_of("SELECT version FROM causeway.schema", &[]).await?;
    let found = row.first().map_or(0, |row| row.get::<_, i32>(0).cast_unsigned());
    if found > KNOWN {
        return Err(Error::NewerSchema { path: place.to_owned(), found, known: KNOWN }.into());
    }
    Ok(found)
}

/// Begins a transaction in which nobody else changes the schema.
pub(super) async fn begin(link: &Link) -> Result<(), Fail> {
    link.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    link.rows_of(LOCK, &[]).await?;
    Ok(())
}

/// Brings the database to the newest version, in a transaction that [`begin`] began. One that is made gets
/// this id.
pub(super) async fn migrate(link: &Link, place: &Path, id: &str) -> Result<(), Fail> {
    // Again, as another server may have done it meanwhile.
    let found = version(link, place).await?;
    if found == 0 {
        link.execute(
            "CREATE SCHEMA causeway;
             CREATE TABLE causeway.schema (version integer NOT NULL);
             INSERT INTO causeway.schema VALUES (0)",
        )
        .await?;
    }
    for step in MIGRATIONS.iter().skip(found as usize) {
        link.execute(step).await?;
    }
    if found == 0 {
        link.rows_of("INSERT INTO causeway.ledger (id) VALUES ($1)", &[&id]).await?;
    }
    if found < KNOWN {
        let known = KNOWN.cast_signed();
        link.rows_of("UPDATE causeway.schema SET version = $1", &[&known]).await?;
    }
    Ok(())
}

/// Whether the database has the fingerprint of a key, and whether it is this one's.
pub(super) async fn fingerprint(link: &Link, secret: &Secret) -> Result<Option<bool>, Fail> {
    let rows = link.rows_of("SELECT fingerprint FROM causeway.ledger", &[]).await?;
    let stored: Option<Vec<u8>> = rows.first().and_then(|row| row.get(0));
    Ok(stored.map(|stored| stored == secret.fingerprint()))
}

/// Notes the key by its fingerprint.
pub(super) async fn seal(link: &Link, secret: &Secret) -> Result<(), Fail> {
    let fingerprint = secret.fingerprint().to_vec();
    link.rows_of("UPDATE causeway.ledger SET fingerprint = $1", &[&fingerprint]).await?;
    Ok(())
}
