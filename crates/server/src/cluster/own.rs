//! What a server says of itself, and what it has seen of the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store::{Holder, Store};

use crate::ledger::Ledger;

/// What a server says of itself to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Me {
    /// The id that its data directory has.
    pub id: String,
    /// Another one at each start.
    pub start: String,
    /// The name that people know it by.
    pub name: String,
    /// Where it is reached.
    pub address: String,
}

impl Me {
    pub(super) fn holder(&self) -> Holder {
        Holder { id: self.start.clone(), address: self.address.clone() }
    }
}

/// The newest revision that this server has seen at the database.
#[derive(Debug, Default)]
pub(crate) struct Newest(AtomicU64);

impl Newest {
    fn saw(&self, revision: u64) {
        self.0.fetch_max(revision, Ordering::Relaxed);
    }

    /// By how many revisions a world is behind it.
    pub(crate) fn behind(&self, revision: u64) -> u64 {
        self.0.load(Ordering::Relaxed).saturating_sub(revision)
    }
}

/// What a thread needs to see how far the database has come.
pub(super) struct Look {
    pub(super) store: Box<dyn Store>,
    pub(super) ledger: Ledger,
    pub(super) newest: Arc<Newest>,
}

impl Look {
    /// The revision that the database is at. Where that is past the ledger's, the ledger reads what is new.
    pub(super) fn revision(&self) -> store::Result<u64> {
        let revision = self.store.identity()?.revision;
        self.newest.saw(revision);
        if revision > self.ledger.revision() {
            self.ledger.follow();
        }
        Ok(revision)
    }
}
