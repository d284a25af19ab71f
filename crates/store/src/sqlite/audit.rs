//! The audit's rows: a ring of the newest ones.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params, params_from_iter};

use crate::batch::{Limits, signed};
use crate::{AuditQuery, AuditRow, AuditSight};

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
             message, request_id, team, space)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
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
            row.team,
            row.space,
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

/// How many of the newest rows are looked through for those of a batch.
const SEARCHED: i64 = 10_000;

/// Whether a row like this one, but for its number, is among the newest rows.
pub(super) fn is_among_the_newest(
    connection: &Connection,
    row: &AuditRow,
) -> rusqlite::Result<bool> {
    let mut select = connection.prepare(
        "SELECT number, at, revision, actor, account, action, resource, source, outcome,
             message, request_id, team, space
         FROM audit WHERE number > (SELECT max(number) FROM audit) - ?1
             AND at = ?2 AND request_id = ?3",
    )?;
    let mut alike = select.query_map(params![SEARCHED, row.at, row.request_id], read_row)?;
    alike.try_fold(false, |found, other| {
        Ok(found || AuditRow { number: row.number, ..other? } == *row)
    })
}

/// The rows that match, newest first; those after a number oldest first.
pub(super) fn read(connection: &Connection, query: &AuditQuery) -> rusqlite::Result<Vec<AuditRow>> {
    let AuditQuery { account, actor, resource, outcome, request_id, team, space, .. } = query;
    let text = |value: &Option<String>| value.clone().map(Value::Text);
    let action = query.action.as_deref().map(|pattern| Value::Text(glob(pattern)));
    let conditions = [
        ("account = ?", text(account)),
        ("actor = ?", text(actor)),
        ("action GLOB ?", action),
        ("resource = ?", text(resource)),
        ("outcome = ?", text(outcome)),
        ("outcome <> ?", query.refused.then(|| Value::Text("ok".to_owned()))),
        ("actor <> ?", query.by_people.then(|| Value::Text("system".to_owned()))),
        ("request_id = ?", text(request_id)),
        ("team = ?", text(team)),
        ("space = ?", text(space)),
        ("at >= ?", query.since.map(Value::Integer)),
        ("at < ?", query.until.map(Value::Integer)),
        ("number > ?", query.after.map(|number| Value::Integer(signed(number)))),
        ("number < ?", query.before.map(|number| Value::Integer(signed(number)))),
    ];
    // Only what is asked for goes into the text, so that the number bounds what is read.
    let mut sql = "SELECT number, at, revision, actor, account, action, resource, source, outcome,
                       message, request_id, team, space
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
    if let Some(AuditSight { actors, accounts, teams }) = &query.sight {
        let mut any_of = |ids: &[String]| {
            values.extend(ids.iter().cloned().map(Value::Text));
            vec!["?"; ids.len()].join(", ")
        };
        // No id is in an empty list.
        sql.push_str(&format!(
            " AND (actor IN ({}) OR account IN ({})
                   OR (team IN ({}) AND account = '' AND actor <> 'system'))",
            any_of(actors),
            any_of(accounts),
            any_of(teams)
        ));
    }
    sql.push_str(if query.after.is_some() { " ORDER BY number" } else { " ORDER BY number DESC" });
    sql.push_str(" LIMIT ?");
    values.push(Value::Integer(query.limit.into()));
    let mut select = connection.prepare(&sql)?;
    select.query_map(params_from_iter(values), read_row)?.collect()
}

/// A pattern of SQLite's, in which only the star is special, as it is in ours.
fn glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len());
    for letter in pattern.chars() {
        match letter {
            '?' | '[' => glob.extend(['[', letter, ']']),
            letter => glob.push(letter),
        }
    }
    glob
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
        team: row.get(11)?,
        space: row.get(12)?,
    })
}
