//! The audit's rows: a ring of the newest ones.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params, params_from_iter};

use super::{Limits, signed};
use crate::{AuditQuery, AuditRow};

/// Appends the rows and drops as many of the oldest as are too many.
pub(super) fn write(
    transaction: &Transaction<'_>,
    rows: &[AuditRow],
    limits: Limits,
) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO audit (at, revision, actor, account, action, resource, source, outcome,
             message, request_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for row in rows {
        insert.execute(params![
            row.at,
            signed(row.revision),
            row.actor,
            row.account,
            row.action,
            row.resource,
            row.source,
            row.outcome,
            row.message,
            row.request_id,
        ])?;
    }
    let last_dropped = transaction.last_insert_rowid() - i64::from(limits.audit.max(1));
    if last_dropped > 0 {
        transaction
            .prepare_cached("DELETE FROM audit WHERE number <= ?1")?
            .execute([last_dropped])?;
    }
    Ok(())
}

/// The rows that match, newest first.
pub(super) fn read(connection: &Connection, query: &AuditQuery) -> rusqlite::Result<Vec<AuditRow>> {
    let AuditQuery { account, actor, action, resource, outcome, request_id, .. } = query;
    let text = |value: &Option<String>| value.clone().map(Value::Text);
    let conditions = [
        ("account = ?", text(account)),
        ("actor = ?", text(actor)),
        ("action = ?", text(action)),
        ("resource = ?", text(resource)),
        ("outcome = ?", text(outcome)),
        ("request_id = ?", text(request_id)),
        ("at >= ?", query.since.map(Value::Integer)),
        ("at < ?", query.until.map(Value::Integer)),
        ("number < ?", query.before.map(|number| Value::Integer(signed(number)))),
    ];
    // Only what is asked for goes into the text, so that the number bounds what is read.
    let mut sql = "SELECT number, at, revision, actor, account, action, resource, source, outcome,
                       message, request_id
                   FROM audit WHERE true"
        .to_owned();
    let mut values = Vec::new();
    for (condition, value) in conditions {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(" ORDER BY number DESC LIMIT ?");
    values.push(Value::Integer(query.limit.into()));
    let mut select = connection.prepare(&sql)?;
    select.query_map(params_from_iter(values), read_row)?.collect()
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        number: row.get::<_, i64>(0)?.cast_unsigned(),
        at: row.get(1)?,
        revision: row.get::<_, i64>(2)?.cast_unsigned(),
        actor: row.get(3)?,
        account: row.get(4)?,
        action: row.get(5)?,
        resource: row.get(6)?,
        source: row.get(7)?,
        outcome: row.get(8)?,
        message: row.get(9)?,
        request_id: row.get(10)?,
    })
}
