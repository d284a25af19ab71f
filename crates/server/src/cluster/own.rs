//! What a server says of itself, and what it has seen of the database.

use std::sync::atomic::{AtomicU64, Ordering};

use store::Holder;

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
    pub(super) fn saw(&self, revision: u64) {
        self.0.fetch_max(revision, Ordering::Relaxed);
    }

    /// By how many revisions a world is behind it.
    pub(crate) fn behind(&self, revision: u64) -> u64 {
        self.0.load(Ordering::Relaxed).saturating_sub(revision)
    }
}
