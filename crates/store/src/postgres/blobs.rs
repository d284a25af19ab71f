//! Blobs as large objects of a PostgreSQL database.
//!
//! A blob and the row that names it are made and removed in one transaction, so that whatever breaks off
//! leaves both or neither. Nothing is read or written in parts of more than [`CHUNK`] bytes.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_postgres::types::Oid;

use super::error::{Fail, told};
use super::handle::{Postgres, in_time};
use super::link::Link;
use super::read::number;
use crate::batch::signed;
use crate::{Blob, BlobDigest, BlobEntry, BlobError, Blobs, Error, Result};

/// Bytes that are read or written at once.
const CHUNK: usize = 1 << 20;

/// How many connections are kept for the next use.
const SPARE: usize = 4;

/// The code of a large object that is not there.
const NO_OBJECT: &str = "42704";

/// Blobs in the database of a store. Each use has a connection of its own while it takes.
pub struct PostgresBlobs {
    first: Mutex<Postgres>,
    spare: Arc<Mutex<Vec<Postgres>>>,
    place: String,
}

impl Postgres {
    /// The place for blobs in this database.
    ///
    /// # Errors
    ///
    /// The system has no room for another handle.
    pub fn blobs(&self) -> Result<PostgresBlobs> {
        let place = self.shared.place.display().to_string();
        Ok(PostgresBlobs { first: Mutex::new(self.another()?), spare: Arc::default(), place })
    }
}

impl PostgresBlobs {
    fn take(&self, doing: &'static str) -> Result<Lent, BlobError> {
        let kept = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let store = match kept {
            Some(store) => store,
            None => {
                let another = self.first.lock().unwrap_or_else(PoisonError::into_inner).another();
                another.map_err(|error| self.failed(doing, error))?
            }
        };
        Ok(Lent { store: Some(store), spare: Arc::clone(&self.spare) })
    }

    fn failed(&self, doing: &'static str, error: Error) -> BlobError {
        BlobError::Place { doing, place: self.place.clone(), source: error.into() }
    }

    fn write(
        &self,
        store: &Postgres,
        digest: &BlobDigest,
        bytes: u64,
        from: &mut dyn Read,
    ) -> Result<(), BlobError> {
        const WRITE: &str = "write to";
        let failed = |fail: Fail| self.failed(WRITE, fail.at("write", &store.shared.place));
        let (link, _) = store.link().map_err(|error| self.failed(WRITE, error))?;
        let writing = Writing { store, link: Some(link) };
        let object = writing.run(async |link| begin(link).await).map_err(failed)?;
        let (mut hasher, mut at) = (Sha256::new(), 0_u64);
        let mut from = from.take(bytes);
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            chunk.clear();
            let part = from.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
            if part.map_err(BlobError::Source)? == 0 {
                break;
            }
            hasher.update(&chunk);
            let put = "SELECT lo_put($1, $2, $3)";
            let put = async |link: &Link| link.rows(put, &[&object, &signed(at), &chunk]).await;
            writing.run(put).map_err(failed)?;
            at += chunk.len() as u64;
        }
        let found = BlobDigest::finish(hasher);
        if found != *digest {
            return Err(BlobError::Damaged { wanted: *digest, found });
        }
        writing.run(async |link| name(link, digest, object, at).await).map_err(failed)?;
        writing.done();
        Ok(())
    }
}

/// A transaction that writes. Unless it is done, its connection ends, and the server undoes it.
struct Writing<'a> {
    store: &'a Postgres,
    link: Option<Link>,
}

impl Writing<'_> {
    fn run<T>(&self, work: impl AsyncFnOnce(&Link) -> Result<T, Fail>) -> Result<T, Fail> {
        let link = self.link.as_ref().ok_or_else(|| Fail::unfit("the connection is gone"))?;
        self.store.engine.block_on(in_time(work(link)))
    }

    fn done(mut self) {
        self.store.link.replace(self.link.take());
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            self.store.end(link);
        }
    }
}

async fn begin(link: &Link) -> Result<Oid, Fail> {
    link.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let row = link.row("SELECT lo_create(0)", &[]).await?;
    row.map(|row| row.get(0)).ok_or_else(|| Fail::unfit("it makes no large object"))
}

/// Names the object, or takes the one of somebody who was faster, and commits.
async fn name(link: &Link, digest: &BlobDigest, object: Oid, bytes: u64) -> Result<(), Fail> {
    let put = "INSERT INTO causeway.blob (digest, object, bytes, touched)
        VALUES ($1, $2, $3, clock_timestamp())
        ON CONFLICT (digest) DO UPDATE SET touched = clock_timestamp()
        RETURNING object";
    let named = link.row(put, &[&digest.to_string(), &object, &signed(bytes)]).await?;
    if named.is_none_or(|row| row.get::<_, Oid>(0) != object) {
        link.rows("SELECT lo_unlink($1)", &[&object]).await?;
    }
    link.execute("COMMIT").await
}

impl Blobs for PostgresBlobs {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn put(&self, digest: &BlobDigest, bytes: u64, from: &mut dyn Read) -> Result<(), BlobError> {
        let lent = self.take("write to")?;
        let store = lent.store();
        let touch = "UPDATE causeway.blob SET touched = clock_timestamp() WHERE digest = $1
            RETURNING object";
        let touched = store.ask("write", async |link| {
            Ok(link.row(touch, &[&digest.to_string()]).await?.is_some())
        });
        match touched.map_err(|error| self.failed("write to", error))? {
            true => Ok(()),
            false => self.write(store, digest, bytes, from),
        }
    }

    fn open(&self, digest: &BlobDigest, from: u64) -> Result<Option<Blob>, BlobError> {
        let lent = self.take("read")?;
        let ask = "SELECT object, bytes FROM causeway.blob WHERE digest = $1";
        let found = lent.store().ask("read", async |link| {
            let row = link.row(ask, &[&digest.to_string()]).await?;
            Ok(row.map(|row| (row.get::<_, Oid>(0), number(&row, 1))))
        });
        let found = found.map_err(|error| self.failed("read", error))?;
        Ok(found.map(|(object, bytes)| {
            let content = Reading { lent, object, at: from, bytes, chunk: Vec::new(), read: 0 };
            Blob { bytes, content: Box::new(content) }
        }))
    }

    fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        let ask = "SELECT digest, bytes,
                greatest(0, 1000 * extract(epoch FROM clock_timestamp() - touched))::bigint,
                (1000000 * extract(epoch FROM touched))::bigint
            FROM causeway.blob ORDER BY digest";
        let lent = self.take("list")?;
        let lines = lent.store().ask("read", async |link| link.rows(ask, &[]).await);
        let lines = lines.map_err(|error| self.failed("list", error))?;
        let entry = |line: &tokio_postgres::Row| {
            Some(BlobEntry {
                digest: line.get::<_, &str>(0).parse().ok()?,
                bytes: number(line, 1),
                age: Duration::from_millis(number(line, 2)),
                tag: number(line, 3).to_string(),
            })
        };
        Ok(lines.iter().filter_map(entry).collect())
    }

    fn remove(&self, entry: &BlobEntry) -> Result<bool, BlobError> {
        let remove = "WITH gone AS (
                DELETE FROM causeway.blob
                WHERE digest = $1 AND (1000000 * extract(epoch FROM touched))::bigint = $2
                RETURNING object)
            SELECT lo_unlink(object) FROM gone";
        let Ok(tag) = entry.tag.parse::<i64>() else { return Ok(false) };
        let lent = self.take("remove from")?;
        let removed = lent.store().ask("write", async |link| {
            Ok(link.row(remove, &[&entry.digest.to_string(), &tag]).await?.is_some())
        });
        removed.map_err(|error| self.failed("remove from", error))
    }
}

/// A handle that is put back when it is not needed any more.
struct Lent {
    store: Option<Postgres>,
    spare: Arc<Mutex<Vec<Postgres>>>,
}

impl Lent {
    fn store(&self) -> &Postgres {
        self.store.as_ref().expect("it is taken at the end alone")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.extend(self.store.take());
        }
    }
}

/// Reads a large object in parts, each asked for by itself: a reader that is slow keeps no transaction open,
/// and one whose connection breaks goes on over another.
struct Reading {
    lent: Lent,
    object: Oid,
    /// The first byte that was not fetched.
    at: u64,
    bytes: u64,
    chunk: Vec<u8>,
    /// How many bytes of the chunk were read.
    read: usize,
}

impl Reading {
    fn fetch(&mut self) -> io::Result<()> {
        let get = "SELECT lo_get($1, $2, $3)";
        let length = self.bytes.saturating_sub(self.at).min(CHUNK as u64);
        let wanted = i32::try_from(length).unwrap_or(0);
        let fetched = self.lent.store().ask("read", async |link| {
            let row = link.row(get, &[&self.object, &signed(self.at), &wanted]).await;
            match row {
                Err(Fail::Said(error))
                    if told(&error).is_some_and(|told| told.code().code() == NO_OBJECT) =>
                {
                    Ok(None)
                }
                row => Ok(row?.map(|row| row.get::<_, Vec<u8>>(0))),
            }
        });
        let chunk = fetched.map_err(io::Error::other)?;
        let chunk = chunk.filter(|chunk| chunk.len() as u64 == length);
        self.chunk = chunk.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "it was removed while it was read")
        })?;
        self.at += length;
        self.read = 0;
        Ok(())
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.chunk.len() && self.at < self.bytes {
            self.fetch()?;
        }
        let rest = self.chunk.get(self.read..).unwrap_or_default();
        let some = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..some), rest.get(..some)) {
            to.copy_from_slice(from);
        }
        self.read += some;
        Ok(some)
    }
}
