//! The store in a PostgreSQL database, which several servers may have.

mod bell;
mod commit;
mod copy;
mod doctor;
mod error;
mod guard;
mod link;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod tls;
mod url;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;

use bell::Bell;
use error::Fail;
use guard::Guard;
use link::{Backend, Link};
use read::{delivery_row, number, text};

use crate::batch::{Limits, check_batch, signed};
use crate::data_dir::Lock;
use crate::{
    AuditQuery, AuditRow, Batch, BoxError, DataDir, DeliveryRow, Doorbell, Error, EventQuery,
    Events, Holder, Identity, Lease, Progress, Result, Row, Secret, Store, Tail,
};

pub use doctor::Finding;
pub use url::{BadUrl, PostgresUrl};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many rows are fetched at once where there may be many.
const ROWS: usize = 1000;

/// The store in a PostgreSQL database.
///
/// Each handle has one connection, made when it is needed, and a runtime of its own that runs while a
/// call waits: nothing happens between calls. A connection that breaks is made anew, to whichever
/// server of the address takes changes and is not older than what was seen.
pub struct Postgres {
    link: RefCell<Option<Link>>,
    /// The process that served a commit of which nobody knows what became.
    unsure: Cell<Option<Backend>>,
    shared: Arc<Shared>,
    engine: Engine,
}

/// What all handles have in common.
struct Shared {
    url: PostgresUrl,
    place: PathBuf,
    secret: Secret,
    limits: Limits,
    guard: Guard,
    /// The database's own id, with that of the server.
    database: String,
    /// The server that was of use last.
    server: AtomicUsize,
    _lock: Arc<Lock>,
}

/// What runs while a handle's caller waits.
struct Engine(Option<Runtime>);

impl Engine {
    fn new(place: &Path) -> Result<Self> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(Error::file("connect to", place))
    }

    fn block_on<T>(&self, asking: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is taken at the end alone").block_on(asking)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Whoever drops a handle may be a task, and must not wait then.
        let _ = self.0.take().map(Runtime::shutdown_background);
    }
}

/// What an answer is, if it comes in time.
async fn in_time<T>(asking: impl Future<Output = Result<T, Fail>>) -> Result<T, Fail> {
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(Fail::Silent))
}

/// Connects to the first server of an address that can be used and is not refused by the guard, beginning
/// with one of them.
async fn connect(url: &PostgresUrl, guard: &Guard, first: usize) -> Result<Link> {
    let place = url.place();
    let (mut reasons, mut refused) = (Vec::new(), None);
    let count = url.servers.len();
    for server in (0..count).map(|turn| (first + turn) % count) {
        let link = match Link::to(url, server).await {
            Ok(link) => link,
            Err(fail) => {
                reasons.push(format!("{}: {}", url.name(server), fail.reason()));
                continue;
            }
        };
        let looked = in_time(async {
            schema::version(&link, &place).await?;
            guard.check(link.identity().await?.as_ref())?;
            Ok(())
        });
        match looked.await {
            Ok(()) => return Ok(link),
            Err(Fail::Ours(error)) => {
                reasons.push(format!("{}: {error}", url.name(server)));
                refused.get_or_insert(error);
            }
            Err(fail) => reasons.push(format!("{}: {}", url.name(server), fail.reason())),
        }
    }
    // Where only some cannot be reached, the one with the database may be among them.
    match refused {
        Some(error) if count == 1 => Err(error),
        Some(Error::Older { path, found, seen }) => Err(Error::Older { path, found, seen }),
        _ => Err(Error::Unreachable { path: place, reasons: reasons.join("; ") }),
    }
}

impl Shared {
    async fn connect(&self) -> Result<Link> {
        let link = connect(&self.url, &self.guard, self.server.load(Ordering::Relaxed)).await?;
        self.server.store(link.server, Ordering::Relaxed);
        Ok(link)
    }

    /// Refuses an answer that says that the database is older than it was.
    fn note(&self, link: &Link, revision: u64, floor: u64) -> Result<(), Fail> {
        Ok(self.guard.note(link.timeline, revision, floor)?)
    }
}

impl Postgres {
    /// Opens a database, makes its tables, or brings them to the newest schema. The directory keeps the
    /// key and what was seen of the database.
    ///
    /// # Errors
    ///
    /// What keeps it from being reached, used, or taken for the one that was here last.
    pub fn open(url: &PostgresUrl, dir: &DataDir) -> Result<Self> {
        Self::with_limits(url, dir, Limits::default())
    }

    /// The same with another bound on the history.
    pub(crate) fn with_limits(url: &PostgresUrl, dir: &DataDir, limits: Limits) -> Result<Self> {
        let place = url.place();
        let guard = Guard::new(dir.path(), place.clone(), dir.accepted())?;
        let engine = Engine::new(&place)?;
        let (link, identity) = engine.block_on(async {
            let link = connect(url, &guard, 0).await?;
            let opening = async {
                refuse_pooled(url, &link).await?;
                open(&link, dir, &place).await
            };
            let identity = in_time(opening).await.map_err(|fail| fail.at("open", &place))?;
            Ok::<_, Error>((link, identity))
        })?;
        let (database, server) = (identity.database.clone(), link.server.into());
        guard.begin(dir.path(), identity)?;
        let secret = dir.secret().clone();
        let shared = Shared {
            url: url.clone(),
            place,
            secret,
            limits,
            guard,
            database,
            server,
            _lock: dir.lock(),
        };
        Ok(Self {
            link: RefCell::new(Some(link)),
            unsure: Cell::new(None),
            shared: Arc::new(shared),
            engine,
        })
    }

    /// A connection that is open as far as is known, and whether it was made for this.
    fn link(&self) -> Result<(Link, bool)> {
        let newest = self.shared.guard.timeline();
        let kept = self.link.take().filter(|link| link.timeline >= newest);
        self.engine.block_on(async {
            match kept {
                Some(link) if !link.is_closed().await => Ok((link, false)),
                _ => Ok((self.shared.connect().await?, true)),
            }
        })
    }

    /// Closes a connection, now.
    fn end(&self, link: Link) {
        drop(link);
        self.engine.block_on(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Asks for something that does no harm if it is done twice: if the connection is found broken, it is
    /// asked for again over another one.
    fn ask<T>(
        &self,
        doing: &'static str,
        work: impl AsyncFn(&Link) -> Result<T, Fail>,
    ) -> Result<T> {
        loop {
            let (link, new) = self.link()?;
            match self.engine.block_on(in_time(work(&link))) {
                Ok(answer) => {
                    self.link.replace(Some(link));
                    return Ok(answer);
                }
                Err(Fail::Ours(error)) => {
                    self.link.replace(Some(link));
                    return Err(error);
                }
                Err(fail) if fail.is_lost() && !new => {}
                Err(fail) => return Err(fail.at(doing, &self.shared.place)),
            }
        }
    }
}

/// Refuses what hands a session's statements to whichever connection of the server's is free: what a
/// session waits for would be told to another.
async fn refuse_pooled(url: &PostgresUrl, link: &Link) -> Result<(), Fail> {
    let other = Link::to(url, link.server).await?;
    link.execute("BEGIN").await?;
    let (one, two) = (link.pid().await?, other.pid().await?);
    link.execute("ROLLBACK").await?;
    let again = (link.pid().await?, other.pid().await?);
    if one == link.backend.pid && two == other.backend.pid && again == (one, two) && one != two {
        return Ok(());
    }
    Err(Error::Pooled { path: url.place() }.into())
}

/// Makes of a database what it must be, and says which one it is.
async fn open(link: &Link, dir: &DataDir, place: &Path) -> Result<Identity, Fail> {
    let id = format!("{:016x}", getrandom::u64().map_err(Error::Random)?);
    let known = schema::version(link, place).await?;
    let sealed = if known == 0 { None } else { schema::fingerprint(link, dir.secret()).await? };
    if known < schema::KNOWN || sealed.is_none() {
        schema::begin(link).await?;
        schema::migrate(link, place, &id).await?;
        if schema::fingerprint(link, dir.secret()).await?.is_none() {
            // Before anybody relies on it.
            dir.keep_secret()?;
            schema::seal(link, dir.secret()).await?;
        }
        link.execute("COMMIT").await?;
    }
    if schema::fingerprint(link, dir.secret()).await? != Some(true) {
        let path = place.to_owned();
        return Err(match dir.has_secret() {
            true => Error::WrongKey { path, data: dir.path().to_owned() },
            false => Error::KeyWanted { path, data: dir.path().to_owned() },
        }
        .into());
    }
    let identity = link.identity().await?;
    identity.ok_or_else(|| Error::NotALedger { path: place.to_owned() }.into())
}

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
        self.ask("write", async |link| link.rows(delete, &[&key]).await.map(drop))
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
        Ok(Box::new(Self {
            link: RefCell::default(),
            unsure: Cell::default(),
            engine: Engine::new(&self.shared.place)?,
            shared: Arc::clone(&self.shared),
        }))
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
