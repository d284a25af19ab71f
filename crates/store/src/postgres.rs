//! The store in a PostgreSQL database, which several servers may have.

mod bell;
mod blobs;
mod commit;
mod copy;
mod doctor;
mod error;
mod guard;
mod handle;
mod link;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod tls;
mod url;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bell::Bell;
use handle::{Engine, in_time};
use read::{delivery_row, number, text};

use crate::batch::{check_batch, signed};
use crate::{
    AuditQuery, AuditRow, Batch, BoxError, DeliveryRow, Doorbell, Error, EventQuery, Events,
    Holder, Identity, Lease, Progress, Result, Row, Store, Tail,
};

pub use blobs::PostgresBlobs;
pub use doctor::Finding;
pub use handle::Postgres;
pub use url::{BadUrl, PostgresUrl};

impl Store for Postgres {
    fn load(&mut self, each: &mut dyn FnMut(Row) -> Result<(), BoxError>) -> Result<u64> {
        let mut scan = self.scan()?;
        scan.begin(
            "SELECT kind, id, account, revision, body FROM causeway.resource
             ORDER BY kind, id",
        )?;
        loop {
            let lines = scan.next()?;
            if lines.is_empty() {
                break;
            }
            for line in &lines {
                let row = Row {
                    kind: line.get(0),
                    id: line.get(1),
                    account: line.get(2),
                    revision: number(line, 3),
                    body: line.get(4),
                };
                let (kind, id) = (row.kind.clone(), row.id.clone());
                each(row).map_err(|source| Error::Rejected { kind, id, source })?;
            }
        }
        scan.end()
    }

    fn commit(&mut self, batch: &Batch) -> Result<()> {
        check_batch(batch)?;
        self.ask("write", async |link| commit::prepare(link).await)?;
        let floor = self.shared.guard.floor();
        let (link, _) = self.link()?;
        let (backend, limits) = (link.backend, self.shared.limits);
        let committed = self.engine.block_on(in_time(commit::commit(&link, batch, limits)));
        let Err(fail) = committed else {
            let timeline = link.timeline;
            self.link.replace(Some(link));
            // Where a standby has taken over meanwhile, this server may be the only one that has it.
            return self.shared.guard.note(timeline, batch.revision, floor);
        };
        let error = commit::failure(fail, batch, &self.shared.place);
        match &error {
            Error::Conflict { found, .. } => {
                self.shared.guard.note(link.timeline, *found, floor)?;
                self.link.replace(Some(link));
            }
            Error::Fenced { .. } => drop(self.link.replace(Some(link))),
            // Whatever the server minded, the next one begins anew.
            Error::Refused { .. } => self.end(link),
            _ => {
                self.unsure.set(Some(backend));
                self.end(link);
            }
        }
        Err(error)
    }

    fn has_committed(&self, batch: &Batch) -> Result<bool> {
        let old = self.unsure.get();
        let (link, _) = self.link()?;
        let found = self.engine.block_on(in_time(commit::has_committed(&link, batch, old)));
        match found {
            Ok(found) => {
                self.link.replace(Some(link));
                self.unsure.set(None);
                Ok(found)
            }
            // What it left open ends with the connection.
            Err(fail) => {
                self.end(link);
                Err(fail.at("read", &self.shared.place))
            }
        }
    }

    fn tail(&self, since: u64) -> Result<Tail> {
        self.ask("read", async |link| {
            let floor = self.shared.guard.floor();
            let tail = read::tail(link, since).await?;
            self.shared.note(link, tail.revision, floor)?;
            Ok(tail)
        })
    }

    fn was_deleted(&self, kind: &str, id: &str) -> Result<bool> {
        let ask = "SELECT NOT EXISTS (
                SELECT 1 FROM causeway.resource WHERE kind = $1 AND id = $2)
            AND EXISTS (SELECT 1 FROM causeway.tombstone WHERE kind = $1 AND id = $2)";
        self.ask("read", async |link| {
            let row = link.row(ask, &[&text(kind), &text(id)]).await?;
            Ok(row.is_some_and(|row| row.get(0)))
        })
    }

    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        self.ask("read", async |link| read::audit(link, query).await)
    }

    fn events(&self, query: &EventQuery) -> Result<Events> {
        self.ask("read", async |link| read::events(link, query).await)
    }

    fn knows_event(&self, kind: &str, resource: &str) -> Result<bool> {
        let ask = "SELECT EXISTS (
            SELECT 1 FROM causeway.event WHERE kind = $1 AND resource = $2)";
        self.ask("read", async |link| {
            let row = link.row(ask, &[&text(kind), &text(resource)]).await?;
            Ok(row.is_some_and(|row| row.get(0)))
        })
    }

    fn note_delivery(&mut self, row: &DeliveryRow) -> Result<()> {
        let note = "SELECT causeway.note_delivery_1($1, $2, $3, $4, $5)";
        let event = signed(row.event);
        let keep = i64::from(self.shared.limits.deliveries.max(1));
        let (hook, body) = (text(&row.hook), text(&row.body));
        self.ask("write", async |link| {
            link.row(note, &[&hook, &event, &row.settled, &body, &keep]).await.map(drop)
        })
    }

    fn deliveries(&self, hook: &str, limit: u32) -> Result<Vec<DeliveryRow>> {
        let ask = "SELECT hook, event, settled, body FROM causeway.delivery WHERE hook = $1
            ORDER BY event DESC LIMIT $2";
        self.ask("read", async |link| {
            let lines = link.rows(ask, &[&text(hook), &i64::from(limit)]).await?;
            Ok(lines.iter().map(delivery_row).collect())
        })
    }

    fn last_settled(&self, hook: &str) -> Result<Option<u64>> {
        let ask = "SELECT event FROM causeway.delivery WHERE hook = $1 AND settled
            ORDER BY event DESC LIMIT 1";
        self.ask("read", async |link| {
            Ok(link.row(ask, &[&text(hook)]).await?.map(|line| number(&line, 0)))
        })
    }

    fn forget_deliveries(&mut self, hook: &str) -> Result<()> {
        let forget = "DELETE FROM causeway.delivery WHERE hook = $1";
        self.ask("write", async |link| link.rows(forget, &[&text(hook)]).await.map(drop))
    }

    fn meta(&self, key: &str) -> Result<Option<String>> {
        let ask = "SELECT value FROM causeway.meta WHERE key = $1";
        self.ask("read", async |link| {
            Ok(link.row(ask, &[&text(key)]).await?.map(|line| line.get(0)))
        })
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (text(key), text(value));
        let put = "INSERT INTO causeway.meta (key, value) VALUES ($1, $2)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.ask("write", async |link| link.rows(put, &[&key, &value]).await.map(drop))
    }

    fn delete_meta(&mut self, key: &str) -> Result<()> {
        let delete = "DELETE FROM causeway.meta WHERE key = $1";
        self.ask("write", async |link| link.rows(delete, &[&text(key)]).await.map(drop))
    }

    fn backup(&self, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        copy::backup(self, to, progress)
    }

    fn lease(&mut self, me: &Holder, ttl: Duration) -> Result<Lease> {
        let ask = "SELECT holder, address, epoch, remaining FROM causeway.lease_1($1, $2, $3)";
        let milliseconds = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let lease = self.ask("write", async |link| {
            Ok(link
                .row(ask, &[&text(&me.id), &text(&me.address), &milliseconds])
                .await?
                .map(|line| lease(&line)))
        })?;
        let lease = lease.ok_or_else(|| Error::NotALedger { path: self.shared.place.clone() })?;
        Ok(Lease { mine: lease.holder.id == me.id, ..lease })
    }

    fn release_lease(&mut self, me: &Holder) -> Result<()> {
        let release = "SELECT causeway.release_1($1)";
        self.ask("write", async |link| link.rows(release, &[&text(&me.id)]).await.map(drop))
    }

    fn leader(&self) -> Result<Option<Lease>> {
        let ask = "SELECT holder, address, epoch,
                (1000 * extract(epoch FROM expires - clock_timestamp()))::bigint
            FROM causeway.lease, causeway.ledger
            WHERE holder <> '' AND expires > clock_timestamp()";
        self.ask("read", async |link| Ok(link.row(ask, &[]).await?.map(|line| lease(&line))))
    }

    fn doorbell(&self) -> Result<Box<dyn Doorbell>> {
        Ok(Box::new(Bell::new(Arc::clone(&self.shared))?))
    }

    fn identity(&self) -> Result<Identity> {
        let ask = "SELECT revision, pg_backend_pid() FROM causeway.ledger";
        self.ask("read", async |link| {
            let floor = self.shared.guard.floor();
            let line = link.row(ask, &[]).await?;
            let path = || self.shared.place.clone();
            let line = line.ok_or_else(|| Error::LedgerMissing { path: path() })?;
            if line.get::<_, i32>(1) != link.backend.pid {
                return Err(Error::Pooled { path: path() }.into());
            }
            let revision = number(&line, 0);
            self.shared.note(link, revision, floor)?;
            let (database, timeline) = (self.shared.database.clone(), link.timeline);
            Ok(Identity { database, timeline, revision })
        })
    }

    fn handle(&self) -> Result<Box<dyn Store>> {
        Ok(Box::new(self.another()?))
    }
}

impl Postgres {
    /// Another handle on the same database.
    fn another(&self) -> Result<Self> {
        Ok(Self {
            link: RefCell::default(),
            unsure: Cell::default(),
            engine: Engine::new(&self.shared.place)?,
            shared: Arc::clone(&self.shared),
        })
    }
}

/// A lease as it is seen by somebody who does not hold it.
fn lease(line: &tokio_postgres::Row) -> Lease {
    Lease {
        holder: Holder { id: line.get(0), address: line.get(1) },
        epoch: number(line, 2),
        mine: false,
        remaining: Duration::from_millis(line.get::<_, i64>(3).max(0).cast_unsigned()),
    }
}
