//! The ledger: one writer decides on commands in turn, makes them durable together, and only then
//! answers. Readers take the world as it was last published and never wait.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use model::{Caller, Change, Code, Command, IdSource, Key, Record, Refused, Reply, World};
use store::{AuditRow, Batch, Row, Secret, Store};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::document;

/// Commands that share one commit at most: bounds the latency of the first of them.
const MAX_BATCH: usize = 512;
/// Commands that may wait; more than that make their callers wait.
const QUEUE: usize = 4096;

/// A command on its way, with what the audit wants to know of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// For what.
    pub command: Command,
    /// From which address.
    pub source: Option<IpAddr>,
    /// The request's id, which the caller was told.
    pub request_id: String,
    /// What must hold of the world that it is decided on; nothing where nothing is said.
    pub only_if: Option<OnlyIf>,
}

/// Something that holds of a world or does not.
#[derive(Clone)]
pub struct OnlyIf(Arc<Holds>);

type Holds = dyn Fn(&Arc<World>) -> bool + Send + Sync;

impl OnlyIf {
    /// Makes one. It is asked on the writer's thread, so it must not wait for anything.
    pub fn new(holds: impl Fn(&Arc<World>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }
}

impl std::fmt::Debug for OnlyIf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnlyIf(…)")
    }
}

impl Request {
    /// One that Causeway makes itself.
    pub fn system(command: impl Into<Command>) -> Self {
        Self {
            caller: Caller::System,
            command: command.into(),
            source: None,
            request_id: String::new(),
            only_if: None,
        }
    }
}

/// A command that was decided and is durable.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The world that it was decided on.
    pub before: Arc<World>,
    /// The world after it.
    pub after: Arc<World>,
    /// What to tell the caller.
    pub reply: Reply,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// A rule refused it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store could not keep it. Nothing of it is visible; whether it is found again after a
    /// crash is unknown.
    #[error("the change could not be stored: {0}")]
    Store(String),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopped,
}

/// What a commit changed, for those who follow.
#[derive(Debug, Clone)]
pub struct Step {
    /// The world before it.
    pub before: Arc<World>,
    /// The world after it.
    pub after: Arc<World>,
    /// The difference.
    pub changes: Vec<Change>,
}

struct Entry {
    request: Request,
    answer: oneshot::Sender<Result<Committed, LedgerError>>,
}

/// The way to the writer. Cheap to copy; the writer ends when the last copy is gone.
#[derive(Clone)]
pub struct Ledger {
    entries: SyncSender<Entry>,
    world: Arc<ArcSwap<World>>,
}

/// What the writer works with.
pub struct Parts {
    /// Where it is kept.
    pub store: Box<dyn Store>,
    /// What seals the secrets in it.
    pub secret: Secret,
    /// Where new ids come from.
    pub ids: Box<dyn IdSource + Send>,
    /// Where the time comes from.
    pub clock: Arc<Clock>,
    /// Who follows, in order. Must not block.
    pub follow: Box<dyn FnMut(Step) + Send>,
}

/// Reads the whole world from a store, with its revision.
///
/// # Errors
///
/// The store's, and rows that cannot be read.
pub fn load(store: &mut dyn Store, secret: &Secret) -> store::Result<(World, u64)> {
    let mut world = World::default();
    let revision = store.load(&mut |row| {
        world.apply(&Change::Put(document::read(&row, secret)?));
        Ok(())
    })?;
    Ok((world, revision))
}

impl Ledger {
    /// Loads the world and starts the writer on a thread of its own.
    ///
    /// # Errors
    ///
    /// Those of [`load`].
    pub fn start(mut parts: Parts) -> store::Result<(Self, JoinHandle<()>)> {
        let (world, revision) = load(&mut *parts.store, &parts.secret)?;
        let world = Arc::new(ArcSwap::from_pointee(world));
        let (entries, queue) = sync_channel(QUEUE);
        let writer = Writer { parts, world: Arc::clone(&world), revision, doubt: false };
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.run(&queue))
            .expect("a thread can be started at the start of a process");
        Ok((Self { entries, world }, thread))
    }

    /// The world as of the last commit.
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// Hands a command to the writer and waits until it is durable or refused.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] says whether a rule or the store stood in the way.
    pub async fn submit(&self, request: Request) -> Result<Committed, LedgerError> {
        let answer = match self.enqueue(request) {
            Ok(answer) => answer,
            Err(request) => {
                // The queue is full: wait for room without holding up this runtime's thread.
                let ledger = self.clone();
                return tokio::task::spawn_blocking(move || ledger.submit_blocking(*request))
                    .await
                    .unwrap_or(Err(LedgerError::Stopped));
            }
        };
        answer.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// The same from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Self::submit`].
    pub fn submit_blocking(&self, request: Request) -> Result<Committed, LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.entries.send(Entry { request, answer }).map_err(|_| LedgerError::Stopped)?;
        answered.blocking_recv().unwrap_or(Err(LedgerError::Stopped))
    }

    fn enqueue(
        &self,
        request: Request,
    ) -> Result<oneshot::Receiver<Result<Committed, LedgerError>>, Box<Request>> {
        let (answer, answered) = oneshot::channel();
        match self.entries.try_send(Entry { request, answer }) {
            Ok(()) => Ok(answered),
            Err(
                std::sync::mpsc::TrySendError::Full(entry)
                | std::sync::mpsc::TrySendError::Disconnected(entry),
            ) => Err(Box::new(entry.request)),
        }
    }
}

struct Writer {
    parts: Parts,
    world: Arc<ArcSwap<World>>,
    revision: u64,
    /// A commit failed in a way that leaves open what the disk holds: load before going on.
    doubt: bool,
}

/// A command that waits for the commit.
struct Decided {
    answer: oneshot::Sender<Result<Committed, LedgerError>>,
    result: Result<Committed, LedgerError>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Entry>) {
        while let Ok(first) = queue.recv() {
            let mut entries = vec![first];
            entries.extend(queue.try_iter().take(MAX_BATCH - 1));
            self.turn(entries);
        }
    }

    /// Decides on some commands in turn, commits them together, publishes, answers.
    fn turn(&mut self, entries: Vec<Entry>) {
        if self.doubt
            && let Err(error) = self.reload()
        {
            for entry in entries {
                // A caller that went away needs no answer, here and below.
                let _ = entry.answer.send(Err(LedgerError::Store(error.to_string())));
            }
            return;
        }
        let before = self.world.load_full();
        let mut world = Arc::clone(&before);
        let mut changes = Vec::new();
        let mut audit = Vec::new();
        let mut decided = Vec::with_capacity(entries.len());
        for Entry { request, answer } in entries {
            let now = self.parts.clock.now();
            let outcome = match &request.only_if {
                Some(only_if) if !only_if.0(&world) => Err(changed_meanwhile()),
                _ => world.decide(request.caller, &request.command, now, &mut *self.parts.ids),
            };
            let quiet = request.caller == Caller::System
                && outcome.as_ref().is_ok_and(|d| d.changes.is_empty());
            if !quiet {
                audit.push(self.audit_row(&request, now.millis(), &outcome));
            }
            let result = outcome.map_err(LedgerError::Refused).map(|outcome| {
                let after = Arc::new(outcome.world);
                let before = std::mem::replace(&mut world, Arc::clone(&after));
                changes.extend(outcome.changes);
                Committed { before, after, reply: outcome.reply }
            });
            decided.push(Decided { answer, result });
        }
        let kept = self.commit(&world, &changes, audit);
        if kept.is_ok() && !changes.is_empty() {
            self.world.store(Arc::clone(&world));
            (self.parts.follow)(Step { before, after: world, changes });
        }
        for Decided { answer, result } in decided {
            let result = match (&kept, result) {
                (Err(error), Ok(_)) => Err(LedgerError::Store(error.clone())),
                (_, result) => result,
            };
            let _ = answer.send(result);
        }
    }

    fn audit_row(
        &self,
        request: &Request,
        at: i64,
        outcome: &Result<model::Decided, Refused>,
    ) -> AuditRow {
        let (made, verdict, message) = match outcome {
            Ok(decided) => (decided.reply.main(), "ok".to_owned(), String::new()),
            Err(refused) => (None, refused.code.ec2().to_owned(), refused.message.clone()),
        };
        let resource = made.or_else(|| request.command.about());
        let account = match request.caller {
            Caller::Account { scope, .. } => scope.account.to_string(),
            Caller::User(_) | Caller::Operator | Caller::System => String::new(),
        };
        AuditRow {
            at,
            revision: self.revision + 1,
            actor: request.caller.to_string(),
            account,
            action: request.command.name(),
            resource: resource.map(|key| key.to_string()).unwrap_or_default(),
            source: request.source.map(|ip| ip.to_string()).unwrap_or_default(),
            outcome: verdict,
            message,
            request_id: request.request_id.clone(),
            ..AuditRow::default()
        }
    }

    fn commit(
        &mut self,
        world: &World,
        changes: &[Change],
        audit: Vec<AuditRow>,
    ) -> Result<(), String> {
        if changes.is_empty() && audit.is_empty() {
            return Ok(());
        }
        let revision = if changes.is_empty() { self.revision } else { self.revision + 1 };
        let audit = audit
            .into_iter()
            .map(|row| AuditRow { revision: row.revision.min(revision), ..row })
            .collect();
        let mut batch =
            Batch { expected_revision: self.revision, revision, audit, ..Batch::default() };
        add_rows(&mut batch, world, changes, &self.parts.secret)
            .map_err(|error| error.to_string())?;
        match self.parts.store.commit(&batch) {
            Ok(()) => {
                self.revision = revision;
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, revision, "a commit failed; the world is loaded anew");
                self.doubt = true;
                Err(error.to_string())
            }
        }
    }

    fn reload(&mut self) -> store::Result<()> {
        let (world, revision) = load(&mut *self.parts.store, &self.parts.secret)?;
        let before = self.world.load_full();
        let after = Arc::new(world);
        let changes = difference(&before, &after);
        self.world.store(Arc::clone(&after));
        self.revision = revision;
        self.doubt = false;
        if !changes.is_empty() {
            (self.parts.follow)(Step { before, after, changes });
        }
        Ok(())
    }
}

fn changed_meanwhile() -> Refused {
    Refused::new(
        Code::PreconditionFailed,
        "It is not any more what `If-Match` says that it is. Read it again, and then change it.",
    )
}

/// Puts the last state of every resource that changed into a batch.
fn add_rows(
    batch: &mut Batch,
    world: &World,
    changes: &[Change],
    secret: &Secret,
) -> store::Result<()> {
    let last: BTreeMap<Key, &Change> = changes.iter().map(|c| (c.key(), c)).collect();
    for (key, change) in last {
        let (kind, id) = (key.kind().name().to_owned(), key.to_string());
        match change {
            Change::Put(record) => batch.puts.push(Row {
                kind,
                id,
                account: world.owner(record).map(|a| a.to_string()).unwrap_or_default(),
                revision: batch.revision,
                body: document::write(record, secret)?,
            }),
            Change::Delete(_) => batch.deletes.push((kind, id)),
        }
    }
    Ok(())
}

fn difference(before: &World, after: &World) -> Vec<Change> {
    let gone = before
        .records()
        .map(Record::key)
        .filter(|key| after.get(*key).is_none())
        .map(Change::Delete);
    let new = after
        .records()
        .filter(|record| before.get(record.key()) != Some(record))
        .map(|record| Change::Put(record.clone()));
    gone.chain(new).collect()
}
