//! For tests: a store that fails as it is told to, around a real one.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::ffi;

use crate::{
    AuditQuery, AuditRow, Batch, BoxError, DeliveryRow, Doorbell, Error, EventQuery, Events,
    Holder, Identity, Lease, Progress, Result, Row, Store, Tail,
};

/// What becomes of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails before it took effect.
    Before,
    /// It fails after it took effect.
    After,
    /// It fails before it took effect, as the disk is full.
    NoRoom,
    /// It is refused as a conflict, though nobody else has committed.
    Conflict,
    /// The store panics before it took effect.
    PanicBefore,
    /// The store panics after it took effect.
    PanicAfter,
}

/// Says what is to fail. Copies speak of the same store.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Planned>>);

#[derive(Default)]
struct Planned {
    commits: VecDeque<Option<Fault>>,
    /// Whether questions are answered with errors too.
    silent: bool,
}

impl Faults {
    /// What becomes of each of the next commits, in order; of later ones nothing.
    pub fn plan(&self, commits: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().commits = commits.into_iter().collect();
    }

    /// Whether all questions about what is stored fail.
    pub fn silence(&self, silent: bool) {
        self.lock().silent = silent;
    }

    fn lock(&self) -> MutexGuard<'_, Planned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn question(&self) -> Result<()> {
        if self.lock().silent { Err(injected("read")) } else { Ok(()) }
    }
}

/// The store that fails.
pub struct Faulty {
    inner: Box<dyn Store>,
    faults: Faults,
}

impl Faulty {
    /// Makes one around another store, and the way to make it fail.
    pub fn new(inner: Box<dyn Store>) -> (Self, Faults) {
        let faults = Faults::default();
        (Self { inner, faults: faults.clone() }, faults)
    }
}

fn injected(doing: &'static str) -> Error {
    Error::Database { doing, path: "injected".into(), source: "it was told to fail".into() }
}

fn no_room() -> Error {
    let full = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
    Error::Database { doing: "write", path: "injected".into(), source: full.into() }
}

impl Store for Faulty {
    fn load(&mut self, each: &mut dyn FnMut(Row) -> Result<(), BoxError>) -> Result<u64> {
        self.faults.question()?;
        self.inner.load(each)
    }

    fn commit(&mut self, batch: &Batch) -> Result<()> {
        let fault = self.faults.lock().commits.pop_front().flatten();
        match fault {
            None => self.inner.commit(batch),
            Some(Fault::Before) => Err(injected("write")),
            Some(Fault::NoRoom) => Err(no_room()),
            Some(Fault::Conflict) => {
                let expected = batch.expected_revision;
                Err(Error::Conflict { expected, found: expected + 1 })
            }
            Some(Fault::PanicBefore) => panic!("the store was told to panic"),
            Some(fault @ (Fault::After | Fault::PanicAfter)) => {
                self.inner.commit(batch)?;
                assert!(fault == Fault::After, "the store was told to panic");
                Err(injected("write"))
            }
        }
    }

    fn has_committed(&self, batch: &Batch) -> Result<bool> {
        self.faults.question()?;
        self.inner.has_committed(batch)
    }

    fn tail(&self, since: u64) -> Result<Tail> {
        self.faults.question()?;
        self.inner.tail(since)
    }

    fn was_deleted(&self, kind: &str, id: &str) -> Result<bool> {
        self.faults.question()?;
        self.inner.was_deleted(kind, id)
    }

    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        self.faults.question()?;
        self.inner.audit(query)
    }

    fn events(&self, query: &EventQuery) -> Result<Events> {
        self.faults.question()?;
        self.inner.events(query)
    }

    fn knows_event(&self, kind: &str, resource: &str) -> Result<bool> {
        self.faults.question()?;
        self.inner.knows_event(kind, resource)
    }

    fn note_delivery(&mut self, row: &DeliveryRow) -> Result<()> {
        self.inner.note_delivery(row)
    }

    fn deliveries(&self, hook: &str, limit: u32) -> Result<Vec<DeliveryRow>> {
        self.faults.question()?;
        self.inner.deliveries(hook, limit)
    }

    fn last_settled(&self, hook: &str) -> Result<Option<u64>> {
        self.faults.question()?;
        self.inner.last_settled(hook)
    }

    fn forget_deliveries(&mut self, hook: &str) -> Result<()> {
        self.inner.forget_deliveries(hook)
    }

    fn meta(&self, key: &str) -> Result<Option<String>> {
        self.faults.question()?;
        self.inner.meta(key)
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        self.inner.set_meta(key, value)
    }

    fn delete_meta(&mut self, key: &str) -> Result<()> {
        self.inner.delete_meta(key)
    }

    fn backup(&self, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        self.inner.backup(to, progress)
    }

    fn lease(&mut self, me: &Holder, ttl: Duration) -> Result<Lease> {
        self.faults.question()?;
        self.inner.lease(me, ttl)
    }

    fn release_lease(&mut self, me: &Holder) -> Result<()> {
        self.inner.release_lease(me)
    }

    fn leader(&self) -> Result<Option<Lease>> {
        self.faults.question()?;
        self.inner.leader()
    }

    fn doorbell(&self) -> Result<Box<dyn Doorbell>> {
        self.inner.doorbell()
    }

    fn identity(&self) -> Result<Identity> {
        self.faults.question()?;
        self.inner.identity()
    }

    fn handle(&self) -> Result<Box<dyn Store>> {
        let (inner, faults) = (self.inner.handle()?, self.faults.clone());
        Ok(Box::new(Self { inner, faults }))
    }
}
