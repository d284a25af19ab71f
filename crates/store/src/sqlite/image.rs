//! A backup's file that is written row by row, and read so, for databases of another kind.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params, params_from_iter};

use super::backup::{Snapshot, close, insert_secret};
use super::connection::open_connection;
use super::opening::DATABASE_ID;
use super::rows::{read_meta, write_meta};
use super::schema;
use crate::batch::signed;
use crate::{Error, NewFile, Result, Secret};

/// A column that every database has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Whether it holds text; if not, a number.
    pub(crate) text: bool,
}

const fn text(name: &'static str) -> Column {
    Column { name, text: true }
}

const fn number(name: &'static str) -> Column {
    Column { name, text: false }
}

/// A table that every database has.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// The columns by which it is read.
    pub(crate) order: &'static str,
}

impl Table {
    /// All but the ledger's own row.
    pub(crate) const ALL: &[Self] = &[
        Self {
            name: "resource",
            columns: &[text("kind"), text("id"), text("account"), number("revision"), text("body")],
            order: "kind, id",
        },
        Self {
            name: "tombstone",
            columns: &[text("kind"), text("id"), number("revision")],
            order: "number",
        },
        Self {
            name: "audit",
            columns: &[
                number("number"),
                number("at"),
                number("revision"),
                text("actor"),
                text("account"),
                text("action"),
                text("resource"),
                text("source"),
                text("outcome"),
                text("message"),
                text("request_id"),
                text("team"),
                text("space"),
            ],
            order: "number",
        },
        Self {
            name: "event",
            columns: &[
                number("number"),
                number("at"),
                text("kind"),
                text("resource"),
                text("parties"),
                text("body"),
            ],
            order: "number",
        },
        Self {
            name: "delivery",
            columns: &[text("hook"), number("event"), number("settled"), text("body")],
            order: "hook, event",
        },
        Self { name: "meta", columns: &[text("key"), text("value")], order: "key" },
    ];

    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }
}

/// A backup in the making.
pub(crate) struct Image {
    file: NewFile,
    target: Connection,
    to: PathBuf,
}

impl Image {
    /// Makes it, with empty tables.
    pub(crate) fn create(to: &Path) -> Result<Self> {
        let file = NewFile::create(to)?;
        let mut target = open_connection(file.unfinished())?;
        schema::migrate(&mut target, to, schema::MIGRATIONS)?;
        target.execute_batch("BEGIN").map_err(Error::database("write", to))?;
        Ok(Self { file, target, to: to.to_owned() })
    }

    /// Puts down the ledger's own row: its revision, up to which deletions are forgotten, its epoch; the
    /// newest batches; the key's fingerprint; the database's id.
    pub(crate) fn ledger(
        &self,
        numbers: &[u64; 3],
        batches: &str,
        fingerprint: Option<&[u8]>,
        id: &str,
    ) -> Result<()> {
        let [revision, forgotten, epoch] = numbers.map(signed);
        let put = "UPDATE ledger SET revision = ?1, forgotten = ?2, epoch = ?3, batches = ?4,
            fingerprint = ?5";
        self.target
            .execute(put, params![revision, forgotten, epoch, batches, fingerprint])
            .and_then(|_| write_meta(&self.target, DATABASE_ID, id))
            .map_err(Error::database("write", &self.to))
    }

    /// Puts down rows of a table.
    pub(crate) fn rows(&self, table: &Table, rows: impl Iterator<Item = Vec<Value>>) -> Result<()> {
        let failed = || Error::database("write", &self.to);
        let places = vec!["?"; table.columns.len()].join(", ");
        let insert = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.names());
        let mut insert = self.target.prepare_cached(&insert).map_err(failed())?;
        for row in rows {
            insert.execute(params_from_iter(row)).map_err(failed())?;
        }
        Ok(())
    }

    /// Adds the key, makes all of it durable, and gives it its name.
    pub(crate) fn publish(self, secret: &Secret) -> Result<()> {
        insert_secret(&self.target, secret)
            .and_then(|()| self.target.execute_batch("COMMIT"))
            .map_err(Error::database("write", &self.to))?;
        close(self.target, &self.to)?;
        self.file.publish()
    }
}

/// The ledger's own row in a backup.
#[derive(Debug)]
pub(crate) struct LedgerRow {
    /// The database's id.
    pub(crate) id: String,
    /// Its revision, up to which deletions are forgotten, and its epoch.
    pub(crate) numbers: [i64; 3],
    /// The newest batches.
    pub(crate) batches: String,
}

impl Snapshot {
    /// The ledger's own row. A backup of before databases had ids gets one.
    pub(crate) fn ledger(&self) -> Result<LedgerRow> {
        let failed = || Error::database("read", &self.path);
        let id = match read_meta(&self.connection, DATABASE_ID).map_err(failed())? {
            Some(id) => id,
            None => format!("{:016x}", getrandom::u64().map_err(Error::Random)?),
        };
        let ask = "SELECT revision, forgotten, epoch, batches FROM ledger";
        let (numbers, batches) = self
            .connection
            .query_row(ask, [], |row| Ok(([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?)))
            .map_err(failed())?;
        Ok(LedgerRow { id, numbers, batches })
    }

    /// What reads the rows of a table in their order, but for the database's id and for where its blobs were.
    pub(crate) fn select(&self, table: &Table) -> Result<Select<'_>> {
        let not_id = if table.name == "meta" { "key NOT IN ('database', 'blobs')" } else { "true" };
        let (name, names, order) = (table.name, table.names(), table.order);
        let select = format!("SELECT {names} FROM {name} WHERE {not_id} ORDER BY {order}");
        let statement =
            self.connection.prepare(&select).map_err(Error::database("read", &self.path))?;
        Ok(Select { statement, columns: table.columns.len(), path: &self.path })
    }
}

/// A statement that reads a table of a backup.
pub(crate) struct Select<'a> {
    statement: Statement<'a>,
    columns: usize,
    path: &'a Path,
}

impl Select<'_> {
    /// Begins to read.
    pub(crate) fn rows(&mut self) -> Result<Rows<'_>> {
        let Self { statement, columns, path } = self;
        let rows = statement.query([]).map_err(Error::database("read", path))?;
        Ok(Rows { rows, columns: *columns, path })
    }
}

/// Rows of a table of a backup.
pub(crate) struct Rows<'a> {
    rows: rusqlite::Rows<'a>,
    columns: usize,
    path: &'a Path,
}

impl Rows<'_> {
    /// The next ones, so many at most; none at the end.
    pub(crate) fn next(&mut self, most: usize) -> Result<Vec<Vec<Value>>> {
        let failed = || Error::database("read", self.path);
        let mut some = Vec::new();
        while some.len() < most
            && let Some(row) = self.rows.next().map_err(failed())?
        {
            let values = (0..self.columns).map(|place| row.get(place));
            some.push(values.collect::<rusqlite::Result<_>>().map_err(failed())?);
        }
        Ok(some)
    }
}
