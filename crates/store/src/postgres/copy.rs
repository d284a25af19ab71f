//! Backups: the tables in a file of SQLite's, as every backup is, and the way back.

use std::path::Path;

use rusqlite::types::Value;
use tokio_postgres::Row as Line;
use tokio_postgres::types::ToSql;

use super::error::Fail;
use super::guard::Guard;
use super::handle::{Engine, Postgres, ROWS, connect, in_time, refuse_pooled};
use super::link::Link;
use super::read::{number, text};
use super::schema;
use super::url::PostgresUrl;
use crate::sqlite::{Column, Image, Table};
use crate::{Error, Progress, Result, Snapshot};

/// A table as it is here: how a column is read that is kept in another form, and how it is written.
fn read(table: &Table) -> String {
    let column = |column: &Column| match (table.name, column.name) {
        ("event", "parties") => "coalesce((
            SELECT string_agg(' ' || party || ' ', '' ORDER BY place)
            FROM unnest(parties) WITH ORDINALITY AS each (party, place)), '')"
            .to_owned(),
        ("delivery", "settled") => "settled::integer::bigint".to_owned(),
        (_, name) => name.to_owned(),
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    format!("SELECT {} FROM causeway.{} ORDER BY {}", columns.join(", "), table.name, table.order)
}

fn write(table: &Table) -> String {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let value = |column: &Column| match (table.name, column.name) {
        ("event", "parties") => "array_remove(string_to_array(parties, ' '), '')".to_owned(),
        ("delivery", "settled") => "settled <> 0".to_owned(),
        (_, name) => name.to_owned(),
    };
    let values: Vec<String> = table.columns.iter().map(value).collect();
    let array = |(place, column): (usize, &Column)| {
        format!("${}::{}[]", place + 1, if column.text { "text" } else { "bigint" })
    };
    let arrays: Vec<String> = table.columns.iter().enumerate().map(array).collect();
    format!(
        "INSERT INTO causeway.{} ({names}) SELECT {} FROM unnest({}) WITH ORDINALITY
         AS row ({names}, place) ORDER BY place",
        table.name,
        values.join(", "),
        arrays.join(", "),
        names = names.join(", "),
    )
}

/// A walk through tables, all as of one moment.
pub(super) struct Scan<'a> {
    store: &'a Postgres,
    link: Link,
    floor: u64,
    revision: u64,
    under_way: bool,
}

impl Postgres {
    /// Begins a walk.
    pub(super) fn scan(&self) -> Result<Scan<'_>> {
        let floor = self.shared.guard.floor();
        let revision = self.ask("read", async |link| {
            link.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let lines = link.rows_of("SELECT revision FROM causeway.ledger", &[]).await?;
            Ok(lines.first().map(|line| number(line, 0)).unwrap_or_default())
        })?;
        let (link, _) = self.link.take().map_or_else(|| self.link(), |link| Ok((link, false)))?;
        Ok(Scan { store: self, link, floor, revision, under_way: false })
    }
}

impl Scan<'_> {
    fn ask<T>(&self, asking: impl Future<Output = Result<T, Fail>>) -> Result<T> {
        let asked = self.store.engine.block_on(in_time(asking));
        asked.map_err(|fail| fail.at("read", &self.store.shared.place))
    }

    /// Begins to read rows.
    pub(super) fn begin(&mut self, select: &str) -> Result<()> {
        let close = if self.under_way { "CLOSE walk; " } else { "" };
        self.under_way = true;
        self.ask(self.link.execute(&format!("{close}DECLARE walk NO SCROLL CURSOR FOR {select}")))
    }

    /// The next rows; none at the end.
    pub(super) fn next(&mut self) -> Result<Vec<Line>> {
        self.ask(self.link.rows_of(&format!("FETCH FORWARD {ROWS} FROM walk"), &[]))
    }

    /// Ends the walk, and says of which revision all was.
    pub(super) fn end(self) -> Result<u64> {
        self.ask(self.link.execute("COMMIT"))?;
        let Self { store, link, floor, revision, .. } = self;
        store.shared.guard.note(link.timeline, revision, floor)?;
        store.link.replace(Some(link));
        Ok(revision)
    }
}

/// Writes everything to a new file.
pub(super) fn backup(
    store: &Postgres,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let image = Image::create(to)?;
    let mut scan = store.scan()?;
    let count: Vec<String> = Table::ALL
        .iter()
        .map(|table| format!("(SELECT count(*) FROM causeway.{})", table.name))
        .collect();
    let lines = scan.ask(scan.link.rows_of(&format!("SELECT {}", count.join(" + ")), &[]))?;
    // One more for all that is in no table.
    let total = 1 + lines.first().map(|line| number(line, 0)).unwrap_or_default();
    let mut done = 0;
    let ledger = "SELECT forgotten, epoch, batches, fingerprint, id FROM causeway.ledger";
    let lines = scan.ask(scan.link.rows_of(ledger, &[]))?;
    if let Some(line) = lines.first() {
        image.ledger(
            &[scan.revision, number(line, 0), number(line, 1)],
            line.get(2),
            line.get::<_, Option<Vec<u8>>>(3).as_deref(),
            line.get(4),
        )?;
    }
    for table in Table::ALL {
        scan.begin(&read(table))?;
        loop {
            let lines = scan.next()?;
            if lines.is_empty() {
                break;
            }
            let value = |line: &Line, (place, column): (usize, &Column)| match column.text {
                true => Value::Text(line.get(place)),
                false => Value::Integer(line.get(place)),
            };
            let rows = lines
                .iter()
                .map(|line| table.columns.iter().enumerate().map(|it| value(line, it)).collect());
            image.rows(table, rows)?;
            done += lines.len() as u64;
            progress(Progress { done, total });
        }
    }
    scan.end()?;
    image.publish(&store.shared.secret)?;
    progress(Progress { done: total, total });
    Ok(())
}

impl Postgres {
    /// Puts what a backup holds into a database that has none of ours. The directory gets what is
    /// known of the database.
    ///
    /// # Errors
    ///
    /// [`Error::Occupied`], and what keeps the database from being reached or written.
    pub(crate) fn restore(url: &PostgresUrl, snapshot: &Snapshot, dir: &Path) -> Result<()> {
        let place = url.place();
        let guard = Guard::new(dir, place.clone(), None)?;
        let engine = Engine::new(&place)?;
        let link = engine.block_on(connect(url, &guard, 0))?;
        let failed = |fail: Fail| fail.at("write", &place);
        let all = async || {
            refuse_pooled(url, &link).await?;
            schema::begin(&link).await?;
            if schema::version(&link, &place).await? > 0
                && link.identity().await?.is_some_and(|found| found.revision > 0)
            {
                return Err(Error::Occupied { path: place.clone() }.into());
            }
            let ledger = snapshot.ledger()?;
            schema::migrate(&link, &place, &ledger.id).await?;
            schema::seal(&link, snapshot.secret()).await?;
            let put = "UPDATE causeway.ledger SET id = $1, revision = $2, forgotten = $3,
                epoch = $4, batches = $5";
            let [revision, forgotten, epoch] = ledger.numbers;
            let values: [&(dyn ToSql + Sync); 5] =
                [&ledger.id, &revision, &forgotten, &epoch, &ledger.batches];
            link.rows_of(put, &values).await?;
            for table in Table::ALL {
                link.execute(&format!("DELETE FROM causeway.{}", table.name)).await?;
                let insert = write(table);
                let mut select = snapshot.select(table)?;
                let mut rows = select.rows()?;
                loop {
                    let some = rows.next(ROWS)?;
                    if some.is_empty() {
                        break;
                    }
                    insert_rows(&link, table, &insert, &some).await?;
                }
            }
            let numbers = "UPDATE causeway.ledger SET
                audit = coalesce((SELECT max(number) FROM causeway.audit), 0),
                event = coalesce((SELECT max(number) FROM causeway.event), 0)";
            link.execute(numbers).await?;
            link.execute("COMMIT").await?;
            link.identity().await
        };
        let found = engine.block_on(all()).map_err(failed)?;
        let found = found.ok_or_else(|| Error::NotALedger { path: place.clone() })?;
        guard.begin(dir, found)
    }
}

async fn insert_rows(
    link: &Link,
    table: &Table,
    insert: &str,
    rows: &[Vec<Value>],
) -> Result<(), Fail> {
    let mut columns: Vec<Box<dyn ToSql + Sync>> = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        let values = rows.iter().filter_map(|row| row.get(place));
        if column.text {
            let texts: Vec<String> = values
                .map(|value| match value {
                    Value::Text(value) => text(value).into_owned(),
                    _ => String::new(),
                })
                .collect();
            columns.push(Box::new(texts));
        } else {
            let numbers: Vec<i64> = values
                .map(|value| match value {
                    Value::Integer(number) => *number,
                    _ => 0,
                })
                .collect();
            columns.push(Box::new(numbers));
        }
    }
    let values: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| &**column).collect();
    in_time(link.rows_of(insert, &values)).await.map(drop)
}
