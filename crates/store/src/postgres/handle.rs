//! A handle on a database: its connection, and what all handles have in common.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::error::Fail;
use super::guard::Guard;
use super::link::{Backend, Link};
use super::schema;
use super::url::PostgresUrl;
use crate::batch::Limits;
use crate::data_dir::Lock;
use crate::{DataDir, Error, Identity, Result, Secret};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a server is waited for that is only compared with another one.
const TO_COMPARE: Duration = Duration::from_secs(3);

/// How many rows are fetched at once where there may be many.
pub(super) const ROWS: usize = 1000;

/// The store in a PostgreSQL database.
///
/// Each handle has one connection, made when it is needed, and a runtime of its own that runs while a
/// call waits: nothing happens between calls. A connection that breaks is made anew, to whichever
/// server of the address takes changes and is not older than what was seen.
pub struct Postgres {
    pub(super) link: RefCell<Option<Link>>,
    /// The process that served a commit of which nobody knows what became.
    pub(super) unsure: Cell<Option<Backend>>,
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Engine,
}

/// What all handles have in common.
pub(super) struct Shared {
    pub(super) url: PostgresUrl,
    pub(super) place: PathBuf,
    pub(super) secret: Secret,
    pub(super) limits: Limits,
    pub(super) guard: Guard,
    /// The database's own id, with that of the server.
    pub(super) database: String,
    /// The server that was of use last.
    pub(super) server: AtomicUsize,
    _lock: Arc<Lock>,
}

/// What runs while a handle's caller waits.
pub(super) struct Engine(Option<Runtime>);

impl Engine {
    pub(super) fn new(place: &Path) -> Result<Self> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(Error::file("connect to", place))
    }

    pub(super) fn block_on<T>(&self, asking: impl Future<Output = T>) -> T {
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
pub(super) async fn in_time<T>(asking: impl Future<Output = Result<T, Fail>>) -> Result<T, Fail> {
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(Fail::Silent))
}

/// Connects to one server of an address, if it can be used and is not refused by the guard.
async fn connect_to(url: &PostgresUrl, guard: &Guard, server: usize) -> Result<Link, Fail> {
    let link = Link::to(url, server).await?;
    in_time(async {
        schema::version(&link, &url.place()).await?;
        let seen = guard.seen();
        let found = link.identity().await?;
        Ok(guard.check(seen, found.as_ref())?)
    })
    .await?;
    Ok(link)
}

/// Connects at a start, when nobody may know yet what there was: where several servers take changes, to the
/// one that took over last.
async fn connect_first(url: &PostgresUrl, guard: &Guard) -> Result<Link> {
    let mut newest = connect(url, guard, 0).await?;
    // Those before it are of no use.
    for server in newest.server + 1..url.servers.len() {
        let looking = tokio::time::timeout(TO_COMPARE, connect_to(url, guard, server));
        let Ok(Ok(other)) = looking.await else { continue };
        let (newer, older) =
            if other.timeline > newest.timeline { (other, newest) } else { (newest, other) };
        pass_over(&url.name(older.server), older.timeline);
        newest = newer;
    }
    Ok(newest)
}

/// Says that a server has come back that another one had replaced.
fn pass_over(name: &str, timeline: u64) {
    tracing::warn!(
        timeline,
        "{name} takes changes, too, but another server of the address has taken its place: it is passed \
         over. Stop it, or make it a standby of the other (pg_rewind)"
    );
}

/// Connects to the first server of an address that can be used and is not refused by the guard, beginning
/// with one of them.
pub(super) async fn connect(url: &PostgresUrl, guard: &Guard, first: usize) -> Result<Link> {
    let place = url.place();
    let (mut reasons, mut refused) = (Vec::new(), None);
    let mut older = Vec::new();
    let count = url.servers.len();
    for server in (0..count).map(|turn| (first + turn) % count) {
        match connect_to(url, guard, server).await {
            Ok(link) => {
                for (server, timeline) in older {
                    pass_over(&url.name(server), timeline);
                }
                return Ok(link);
            }
            Err(fail @ Fail::Ours(_)) => {
                let error = fail.at("open", &place);
                if let Error::Older { found, .. } = &error {
                    older.push((server, found.timeline));
                }
                reasons.push(format!("{}: {error}", url.name(server)));
                refused.get_or_insert(error);
            }
            Err(fail) if fail.is_pooled() => {
                refused.get_or_insert(fail.at("open", &place));
            }
            Err(fail) => reasons.push(format!("{}: {}", url.name(server), fail.reason())),
        }
    }
    // Where only some cannot be reached, the one with the database may be among them.
    match refused {
        Some(error) if count == 1 => Err(error),
        Some(error @ (Error::Older { .. } | Error::Pooled { .. })) => Err(error),
        _ => Err(Error::Unreachable { path: place, reasons: reasons.join("; ") }),
    }
}

impl Shared {
    pub(super) async fn connect(&self) -> Result<Link> {
        let link = connect(&self.url, &self.guard, self.server.load(Ordering::Relaxed)).await?;
        self.server.store(link.server, Ordering::Relaxed);
        Ok(link)
    }

    /// Refuses an answer that says that the database is older than it was.
    pub(super) fn note(&self, link: &Link, revision: u64, floor: u64) -> Result<(), Fail> {
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
            let link = connect_first(url, &guard).await?;
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
    pub(super) fn link(&self) -> Result<(Link, bool)> {
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
    pub(super) fn end(&self, link: Link) {
        drop(link);
        self.engine.block_on(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Asks for something that does no harm if it is done twice: if the connection is found broken, it is
    /// asked for again over another one.
    pub(super) fn ask<T>(
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
pub(super) async fn refuse_pooled(url: &PostgresUrl, link: &Link) -> Result<(), Fail> {
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
            dir.begin()?;
            schema::seal(link, dir.secret()).await?;
        }
        link.execute("COMMIT").await?;
    }
    if schema::fingerprint(link, dir.secret()).await? != Some(true) {
        let path = place.to_owned();
        return Err(match dir.has_new_key() {
            true => Error::KeyWanted { path, data: dir.path().to_owned() },
            false => Error::WrongKey { path, data: dir.path().to_owned() },
        }
        .into());
    }
    dir.settle()?;
    let identity = link.identity().await?;
    identity.ok_or_else(|| Error::NotALedger { path: place.to_owned() }.into())
}
