//! The rows that a VPC or a peering needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::{PcxId, VpcId};
use ovsdb::{Datum, Row};
use sha2::{Digest, Sha256};

/// Rows that change together, in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartId {
    /// The rows of a VPC.
    Vpc(VpcId),
    /// The ends of a peering, in two routers.
    Peering(PcxId),
}

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vpc(vpc) => vpc.fmt(f),
            Self::Peering(pcx) => pcx.fmt(f),
        }
    }
}

/// A row of ours: its table, and a name that no other of ours in this table has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The table.
    pub table: &'static str,
    /// The name.
    pub name: String,
}

impl RowKey {
    pub(crate) fn new(table: &'static str, name: impl Into<String>) -> Self {
        Self { table, name: name.into() }
    }
}

/// A row that there must be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Its columns, without `external_ids` and without references.
    pub row: Row,
    /// The row that holds it, and in which column; `None` for one that stands alone.
    pub parent: Option<(RowKey, &'static str)>,
    /// References to other rows, by column.
    pub references: BTreeMap<&'static str, BTreeSet<RowKey>>,
    /// What is noted of it in `external_ids`, beside what every row of ours has.
    pub notes: BTreeMap<String, String>,
}

/// All rows of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which part.
    pub id: PartId,
    /// Its rows.
    pub rows: BTreeMap<RowKey, Wanted>,
}

/// The keys in `external_ids`: whose a row is, of which part, by which name, and a digest of its content.
pub(crate) const OWNER: &str = "causeway";
pub(crate) const PART: &str = "part";
pub(crate) const NAME: &str = "id";
pub(crate) const DIGEST: &str = "h";

impl Part {
    pub(crate) fn new(id: PartId) -> Self {
        Self { id, rows: BTreeMap::new() }
    }

    /// Adds a row that stands alone.
    pub(crate) fn add(&mut self, table: &'static str, name: impl Into<String>, row: Row) -> RowKey {
        let key = RowKey::new(table, name);
        self.rows.insert(key.clone(), Wanted { row, ..Wanted::default() });
        key
    }

    /// Adds a row that another one holds.
    pub(crate) fn add_to(
        &mut self,
        parent: &RowKey,
        column: &'static str,
        table: &'static str,
        name: impl Into<String>,
        row: Row,
    ) -> RowKey {
        let key = RowKey::new(table, name);
        let parent = Some((parent.clone(), column));
        self.rows.insert(key.clone(), Wanted { row, parent, ..Wanted::default() });
        key
    }
}

impl Wanted {
    /// What `external_ids` must hold.
    pub(crate) fn external_ids(&self, instance: &str, part: PartId, key: &RowKey) -> Datum {
        let pairs = [
            (OWNER, instance.to_owned()),
            (PART, part.to_string()),
            (NAME, key.name.clone()),
            (DIGEST, self.digest()),
        ];
        let notes = self.notes.iter().map(|(name, note)| (name.as_str(), note.clone()));
        Datum::map(pairs.into_iter().chain(notes))
    }

    /// A short digest of the row's content: who reads the database sees at a glance what two rows that
    /// should be alike differ in, and whether somebody else changed one.
    fn digest(&self) -> String {
        let names = |keys: &BTreeSet<RowKey>| keys.iter().map(|key| key.name.clone()).collect();
        let references: BTreeMap<_, Vec<_>> =
            self.references.iter().map(|(column, keys)| (column, names(keys))).collect();
        let content = serde_json::json!([self.row.to_json(), references]).to_string();
        let mut digest = hex::encode(Sha256::digest(content));
        digest.truncate(16);
        digest
    }
}

/// A map of texts.
pub(crate) fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Datum {
    Datum::map(pairs)
}
