//! What is read of the database.

use std::borrow::Cow;

use tokio_postgres::Row as Line;
use tokio_postgres::types::ToSql;

use super::error::Fail;
use super::link::Link;
use crate::batch::signed;
use crate::{
    AuditQuery, AuditRow, AuditSight, Change, DeliveryRow, Error, EventQuery, EventRow, Events,
    Row, Tail,
};

/// A value of a query that is put together.
type Value = Box<dyn ToSql + Sync>;

/// A number that is never below zero.
pub(super) fn number(line: &Line, place: usize) -> u64 {
    line.get::<_, i64>(place).cast_unsigned()
}

/// What changed after a revision, all as of one moment: a statement by itself sees one state.
pub(super) async fn tail(link: &Link, since: u64) -> Result<Tail, Fail> {
    let ask = "SELECT now.revision, now.forgotten, change.*
        FROM causeway.ledger AS now LEFT JOIN LATERAL (
            SELECT true AS put, kind, id, account, revision, body
            FROM causeway.resource WHERE revision > $1
            UNION ALL
            SELECT false, kind, id, '', max(revision), ''
            FROM causeway.tombstone AS gone
            WHERE revision > $1 AND NOT EXISTS (
                SELECT 1 FROM causeway.resource AS it WHERE it.kind = gone.kind AND it.id = gone.id)
            GROUP BY kind, id
        ) AS change ON now.forgotten <= $1
        ORDER BY change.revision, change.put, change.kind, change.id";
    let lines = link.rows(ask, &[&signed(since)]).await?;
    let (revision, forgotten) =
        lines.first().map(|line| (number(line, 0), number(line, 1))).unwrap_or_default();
    if since > revision {
        return Err(Error::Conflict { expected: since, found: revision }.into());
    }
    if since < forgotten {
        return Err(Error::Forgotten { since, oldest: forgotten }.into());
    }
    let change = |line: &Line| {
        let put: Option<bool> = line.get(2);
        let (kind, id) = (|| line.get(3), || line.get(4));
        Some(if put? {
            Change::Put(Row {
                kind: kind(),
                id: id(),
                account: line.get(5),
                revision: number(line, 6),
                body: line.get(7),
            })
        } else {
            Change::Delete { kind: kind(), id: id(), revision: number(line, 6) }
        })
    };
    Ok(Tail { revision, changes: lines.iter().filter_map(change).collect() })
}

/// Adds a value, and says how it is named.
fn add(values: &mut Vec<Value>, value: impl ToSql + Sync + 'static) -> String {
    values.push(Box::new(value));
    format!("${}", values.len())
}

async fn ask(link: &Link, sql: &str, values: &[Value]) -> Result<Vec<Line>, Fail> {
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
    link.rows_of(sql, &values).await
}

/// Text as the database takes it, which has no zero bytes: JSON has none either.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The rows of the audit that match, newest first; those after a number oldest first.
pub(super) async fn audit(link: &Link, query: &AuditQuery) -> Result<Vec<AuditRow>, Fail> {
    let AuditQuery { account, actor, resource, outcome, request_id, team, space, .. } = query;
    let mut values = Vec::new();
    let mut sql = "SELECT number, at, revision, actor, account, action, resource, source, outcome,
            message, request_id, team, space
        FROM causeway.audit WHERE true"
        .to_owned();
    let action = query.action.as_deref().map(like);
    let refused = query.refused.then(|| "ok".to_owned());
    let by_people = query.by_people.then(|| "system".to_owned());
    let texts = [
        ("account =", account),
        ("actor =", actor),
        ("action LIKE", &action),
        ("resource =", resource),
        ("outcome =", outcome),
        ("outcome <>", &refused),
        ("actor <>", &by_people),
        ("request_id =", request_id),
        ("team =", team),
        ("space =", space),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            let name = add(&mut values, text(value).into_owned());
            sql.push_str(&format!(" AND {condition} {name}"));
        }
    }
    let numbers = [
        ("at >=", query.since),
        ("at <", query.until),
        ("number >", query.after.map(signed)),
        ("number <", query.before.map(signed)),
    ];
    for (condition, value) in numbers {
        if let Some(value) = value {
            let name = add(&mut values, value);
            sql.push_str(&format!(" AND {condition} {name}"));
        }
    }
    if let Some(AuditSight { actors, accounts, teams }) = &query.sight {
        let mut any_of = |ids: &[String]| {
            let ids: Vec<String> = ids.iter().map(|id| text(id).into_owned()).collect();
            format!("ANY ({})", add(&mut values, ids))
        };
        sql.push_str(&format!(
            " AND (actor = {} OR account = {}
                   OR (team = {} AND account = '' AND actor <> 'system'))",
            any_of(actors),
            any_of(accounts),
            any_of(teams)
        ));
    }
    let order = if query.after.is_some() { "number" } else { "number DESC" };
    let limit = add(&mut values, i64::from(query.limit));
    sql.push_str(&format!(" ORDER BY {order} LIMIT {limit}"));
    Ok(ask(link, &sql, &values).await?.iter().map(audit_row).collect())
}

/// A pattern of `LIKE`, in which the star of ours is a percent sign.
fn like(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for letter in pattern.chars() {
        match letter {
            '*' => like.push('%'),
            '%' | '_' | '\\' => like.extend(['\\', letter]),
            letter => like.push(letter),
        }
    }
    like
}

pub(super) fn audit_row(line: &Line) -> AuditRow {
    AuditRow {
        number: number(line, 0),
        at: line.get(1),
        revision: number(line, 2),
        actor: line.get(3),
        account: line.get(4),
        action: line.get(5),
        resource: line.get(6),
        source: line.get(7),
        outcome: line.get(8),
        message: line.get(9),
        request_id: line.get(10),
        team: line.get(11),
        space: line.get(12),
    }
}

/// The events that match, oldest first: the first ones after a number, or else the newest ones.
pub(super) async fn events(link: &Link, query: &EventQuery) -> Result<Events, Fail> {
    let mut values = Vec::new();
    let mut conditions = "true".to_owned();
    if let Some(after) = query.after {
        conditions.push_str(&format!(" AND number > {}", add(&mut values, signed(after))));
    }
    if let Some(since) = query.since {
        conditions.push_str(&format!(" AND at >= {}", add(&mut values, since)));
    }
    if let Some(kinds) = &query.kinds {
        let kinds: Vec<String> = kinds.iter().map(|kind| text(kind).into_owned()).collect();
        conditions.push_str(&format!(" AND kind = ANY ({})", add(&mut values, kinds)));
    }
    if let Some(parties) = &query.parties {
        // Nobody's events are seen by nobody.
        let named = parties.iter().filter(|party| !party.is_empty());
        let parties: Vec<String> = named.map(|party| text(party).into_owned()).collect();
        conditions.push_str(&format!(" AND parties && {}", add(&mut values, parties)));
    }
    let order = if query.after.is_some() { "number" } else { "number DESC" };
    let limit = add(&mut values, i64::from(query.limit));
    // Of one state of the database, whatever is found.
    let sql = format!(
        "SELECT bounds.oldest, bounds.newest, found.*
         FROM (SELECT coalesce(min(number), 0), coalesce(max(number), 0) FROM causeway.event)
             AS bounds (oldest, newest)
         LEFT JOIN LATERAL (
             SELECT number, at, kind, resource, parties, body FROM causeway.event
             WHERE {conditions} ORDER BY {order} LIMIT {limit}) AS found ON true
         ORDER BY found.number"
    );
    let lines = ask(link, &sql, &values).await?;
    let (oldest, newest) =
        lines.first().map(|line| (number(line, 0), number(line, 1))).unwrap_or_default();
    let row = |line: &Line| {
        let found: Option<i64> = line.get(2);
        Some(EventRow {
            number: found?.cast_unsigned(),
            at: line.get(3),
            kind: line.get(4),
            resource: line.get(5),
            parties: line.get(6),
            body: line.get(7),
        })
    };
    Ok(Events { rows: lines.iter().filter_map(row).collect(), oldest, newest })
}

pub(super) fn delivery_row(line: &Line) -> DeliveryRow {
    DeliveryRow {
        hook: line.get(0),
        event: number(line, 1),
        settled: line.get(2),
        body: line.get(3),
    }
}
