//! The copy of a database's tables that a client keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::error::SessionError;
use crate::record::Record;
use crate::schema::{TableSchema, object};
use crate::value::Row;

/// What a database held after some transaction, as far as it is watched. A copy of it shares the rows, so
/// that it is cheap, and stays as it is while the client goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    tables: BTreeMap<String, Table>,
}

/// The rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table(imbl::OrdMap<Uuid, Arc<Row>>);

impl Table {
    /// A row, with the columns that are watched.
    pub fn get(&self, uuid: Uuid) -> Option<&Row> {
        self.0.get(&uuid).map(Arc::as_ref)
    }

    /// All rows, in the order of their identities.
    pub fn rows(&self) -> impl Iterator<Item = (Uuid, &Row)> {
        self.0.iter().map(|(uuid, row)| (*uuid, row.as_ref()))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The columns of the tables that are watched, with their types.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched(pub(crate) BTreeMap<String, WatchedTable>);

#[derive(Debug, Clone)]
pub(crate) struct WatchedTable {
    pub(crate) schema: TableSchema,
    pub(crate) columns: Vec<String>,
}

impl Database {
    /// A table; `None` where it is not watched, or has no rows.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The rows of a table; none where it is not watched.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = (Uuid, &Row)> {
        self.table(table).into_iter().flat_map(Table::rows)
    }

    /// The rows of a record's table that can be read as such.
    pub fn records<R: Record>(&self) -> impl Iterator<Item = (Uuid, R)> {
        self.rows(R::TABLE).filter_map(|(uuid, row)| Some((uuid, R::from_row(row)?)))
    }

    /// Does what a server says to have changed, or nothing if that does not fit. Says whether anything
    /// changed.
    pub(crate) fn apply(
        &mut self,
        watched: &Watched,
        changes: &Value,
    ) -> Result<bool, SessionError> {
        let mut changed = Vec::new();
        for (name, rows) in object(Some(changes), "an update")? {
            let table = watched.0.get(name);
            let table = table.ok_or_else(|| unfit(format!("an update of the table {name:?}")))?;
            for (uuid, change) in object(Some(rows), "a table's update")? {
                let uuid: Uuid = uuid
                    .parse()
                    .map_err(|_| unfit(format!("a row {uuid:?} of the table {name:?}")))?;
                let old = self.table(name).and_then(|rows| rows.get(uuid));
                changed.push((name, uuid, table.change(old, change)?));
            }
        }
        let any = !changed.is_empty();
        for (name, uuid, row) in changed {
            let table = self.tables.entry(name.clone()).or_default();
            match row {
                Some(row) => table.0.insert(uuid, Arc::new(row)),
                None => table.0.remove(&uuid),
            };
            if table.is_empty() {
                self.tables.remove(name);
            }
        }
        Ok(any)
    }
}

impl WatchedTable {
    /// What a row becomes by a change.
    fn change(&self, old: Option<&Row>, change: &Value) -> Result<Option<Row>, SessionError> {
        let change = object(Some(change), "a row's update")?;
        let (kind, content) = match change.iter().next() {
            Some((kind, content)) if change.len() == 1 => (kind.as_str(), content),
            _ => return Err(unfit("a row's update of several kinds".into())),
        };
        match (kind, old) {
            ("initial" | "insert", None) => {
                self.schema.read_whole(content, &self.columns).map(Some)
            }
            ("delete", Some(_)) => Ok(None),
            ("modify", Some(old)) => {
                let mut row = old.clone();
                for (name, difference) in object(Some(content), "a row")? {
                    let kind = self.schema.column(name)?;
                    let old = old.get(name).ok_or_else(|| unfit(format!("the column {name:?}")))?;
                    row.set(name, kind.changed(old, difference)?);
                }
                Ok(Some(row))
            }
            ("insert" | "initial", Some(_)) => Err(unfit("a row twice".into())),
            ("delete" | "modify", None) => Err(unfit("a change of a row that is not there".into())),
            _ => Err(unfit(format!("a row's update {kind:?}"))),
        }
    }
}

fn unfit(what: String) -> SessionError {
    SessionError::Malformed(what)
}
