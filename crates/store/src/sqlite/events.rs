//! The events' rows, a ring of the newest ones, and what became of them at webhooks.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};

use crate::batch::{Limits, signed};
use crate::{DeliveryRow, EventQuery, EventRow, Events};

/// Appends the rows and drops as many of the oldest as are too many.
pub(super) fn write(
    transaction: &Transaction<'_>,
    rows: &[EventRow],
    limits: Limits,
) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO event (at, kind, resource, parties, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for row in rows {
        let parties: String = row.parties.iter().map(|party| format!(" {party} ")).collect();
        insert.execute(params![row.at, row.kind, row.resource, parties, row.body])?;
    }
    let last_dropped = transaction.last_insert_rowid() - i64::from(limits.events.max(1));
    if last_dropped > 0 {
        transaction
            .prepare_cached("DELETE FROM event WHERE number <= ?1")?
            .execute([last_dropped])?;
    }
    Ok(())
}

/// The rows that match, oldest first: the first ones after a number, or else the newest ones.
pub(super) fn read(connection: &Connection, query: &EventQuery) -> rusqlite::Result<Events> {
    let mut sql =
        "SELECT number, at, kind, resource, parties, body FROM event WHERE true".to_owned();
    let mut values = Vec::new();
    let conditions = [("number > ?", query.after.map(signed)), ("at >= ?", query.since)];
    for (condition, value) in conditions {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.push(Value::Integer(value));
        }
    }
    if let Some(kinds) = &query.kinds {
        sql.push_str(&format!(" AND kind IN ({})", vec!["?"; kinds.len()].join(", ")));
        values.extend(kinds.iter().cloned().map(Value::Text));
    }
    if let Some(parties) = &query.parties {
        // Nobody's events are seen by nobody, and no party has a space in its name.
        let parties: Vec<_> =
            parties.iter().filter(|party| !party.is_empty() && !party.contains(' ')).collect();
        let any = vec!["instr(parties, ?) > 0"; parties.len()].join(" OR ");
        sql.push_str(&format!(" AND ({})", if any.is_empty() { "false" } else { &any }));
        values.extend(parties.iter().map(|party| Value::Text(format!(" {party} "))));
    }
    let oldest_first = query.after.is_some();
    sql.push_str(if oldest_first { " ORDER BY number" } else { " ORDER BY number DESC" });
    sql.push_str(" LIMIT ?");
    values.push(Value::Integer(query.limit.into()));
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select
        .query_map(params_from_iter(values), read_row)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    if !oldest_first {
        rows.reverse();
    }
    // Of the same state of the database, if the caller has a snapshot of it.
    let bound = |name: &str| {
        let sql = format!("SELECT {name}(number) FROM event");
        let number: Option<i64> = connection.query_row(&sql, [], |row| row.get(0))?;
        Ok::<_, rusqlite::Error>(number.unwrap_or(0).cast_unsigned())
    };
    Ok(Events { rows, oldest: bound("min")?, newest: bound("max")? })
}

/// Whether something of a kind is known to have happened to something.
pub(super) fn knows(connection: &Connection, kind: &str, resource: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM event WHERE kind = ?1 AND resource = ?2)";
    connection.prepare_cached(sql)?.query_row([kind, resource], |row| row.get(0))
}

/// Notes what became of an event at a webhook, and drops the oldest of what is noted of the webhook.
pub(super) fn write_delivery(
    transaction: &Transaction<'_>,
    row: &DeliveryRow,
    limits: Limits,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO delivery (hook, event, settled, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (hook, event) DO UPDATE SET
                 settled = excluded.settled, body = excluded.body",
        )?
        .execute(params![row.hook, signed(row.event), row.settled, row.body])?;
    transaction
        .prepare_cached(
            "DELETE FROM delivery WHERE hook = ?1 AND event <= (
                 SELECT event FROM delivery WHERE hook = ?1 ORDER BY event DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![row.hook, limits.deliveries.max(1)])?;
    Ok(())
}

/// What became of the newest events at a webhook, newest first.
pub(super) fn read_deliveries(
    connection: &Connection,
    hook: &str,
    limit: u32,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let mut select = connection.prepare_cached(
        "SELECT hook, event, settled, body FROM delivery WHERE hook = ?1
         ORDER BY event DESC LIMIT ?2",
    )?;
    select.query_map(params![hook, limit], read_delivery)?.collect()
}

/// The last event that is settled at a webhook.
pub(super) fn last_settled(connection: &Connection, hook: &str) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT event FROM delivery WHERE hook = ?1 AND settled ORDER BY event DESC LIMIT 1";
    let found: Option<i64> =
        connection.prepare_cached(sql)?.query_row([hook], |row| row.get(0)).optional()?;
    Ok(found.map(i64::cast_unsigned))
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<EventRow> {
    let parties: String = row.get(4)?;
    Ok(EventRow {
        number: row.get::<_, i64>(0)?.cast_unsigned(),
        at: row.get(1)?,
        kind: row.get(2)?,
        resource: row.get(3)?,
        parties: parties.split_ascii_whitespace().map(str::to_owned).collect(),
        body: row.get(5)?,
    })
}

fn read_delivery(row: &rusqlite::Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        hook: row.get(0)?,
        event: row.get::<_, i64>(1)?.cast_unsigned(),
        settled: row.get(2)?,
        body: row.get(3)?,
    })
}
