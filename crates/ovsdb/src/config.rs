//! What a client connects to, and what it watches there.

use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::record::Record;
use crate::tls::Tls;
use crate::transaction::Condition;

/// What a client connects to, and what it watches there.
#[derive(Debug, Clone)]
pub struct Config {
    /// The servers, which have the same database: one alone, or those of a cluster.
    pub endpoints: Vec<Endpoint>,
    /// How servers are known over TLS; `None` where no endpoint is of that kind.
    pub tls: Option<Tls>,
    /// The name of the database.
    pub database: String,
    /// The tables that are watched.
    pub watches: Vec<Watch>,
    /// Whether only the leader of a cluster will do: followers may lag behind.
    pub leader_only: bool,
    /// How long a server may be silent before it is asked whether it is there, and how long it may be
    /// silent then.
    pub probe: Duration,
    /// The pause after all servers were tried, at first and at most.
    pub pauses: (Duration, Duration),
}

/// The columns of a table that a client watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Condition>,
}

impl Watch {
    /// Watches some columns of a table.
    pub fn columns(table: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { table: table.to_owned(), columns, rows: Vec::new() }
    }

    /// Watches the columns of a record.
    pub fn record<R: Record>() -> Self {
        Self::columns(R::TABLE, R::COLUMNS)
    }

    /// Only the rows that meet a condition, or another one that was given before.
    #[must_use]
    pub fn or_rows(mut self, condition: Condition) -> Self {
        self.rows.push(condition);
        self
    }
}

impl Config {
    /// A client of the leader, which watches nothing.
    pub fn new(database: &str, endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            tls: None,
            database: database.to_owned(),
            watches: Vec::new(),
            leader_only: true,
            probe: Duration::from_secs(5),
            pauses: (Duration::from_secs(1), Duration::from_secs(8)),
        }
    }
}
