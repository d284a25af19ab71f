//! How a batch is committed, and how it is found out whether it was.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::ToSql;

use super::error::Fail;
use super::link::{Backend, Link};
use super::read::{audit_row, number, text};
use crate::batch::{BATCHES_KEPT, Limits, signed};
use crate::{AuditRow, Batch, Error, Result};

const COMMIT: &str =
    "SELECT causeway.commit_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
    $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)";

/// How long it is tried to find out whether a batch was committed.
const TO_ASK: Duration = Duration::from_secs(5);

const NO_STANDBY: &str = "a commit waits for a synchronous standby, and none has it yet: start the standby, or take it \
    out of synchronous_standby_names";

/// How many of the newest rows of the audit are looked through for those of a batch.
const SEARCHED: i64 = 10_000;

/// Makes the statement ready, which changes nothing.
pub(super) async fn prepare(link: &Link) -> Result<(), Fail> {
    link.statement(COMMIT).await.map(drop)
}

/// One column of a batch's rows.
fn texts<'a, T>(rows: &'a [T], of: impl Fn(&'a T) -> &'a str) -> Vec<Cow<'a, str>> {
    rows.iter().map(|row| text(of(row))).collect()
}

/// Commits a batch in one round trip: a statement by itself is a transaction.
pub(super) async fn commit(link: &Link, batch: &Batch, limits: Limits) -> Result<(), Fail> {
    let Batch { puts, deletes, audit, events, .. } = batch;
    let (from, to) = (signed(batch.expected_revision), signed(batch.revision));
    let (epoch, id) = (signed(batch.epoch), format!("{:016x}", batch.id));
    let put_kind = texts(puts, |row| &row.kind);
    let put_id = texts(puts, |row| &row.id);
    let put_account = texts(puts, |row| &row.account);
    let put_revision: Vec<i64> = puts.iter().map(|row| signed(row.revision)).collect();
    let put_body = texts(puts, |row| &row.body);
    let delete_kind = texts(deletes, |key| &key.0);
    let delete_id = texts(deletes, |key| &key.1);
    let audit_at: Vec<i64> = audit.iter().map(|row| row.at).collect();
    let audit_revision: Vec<i64> = audit.iter().map(|row| signed(row.revision)).collect();
    let audit_actor = texts(audit, |row| &row.actor);
    let audit_account = texts(audit, |row| &row.account);
    let audit_action = texts(audit, |row| &row.action);
    let audit_resource = texts(audit, |row| &row.resource);
    let audit_source = texts(audit, |row| &row.source);
    let audit_outcome = texts(audit, |row| &row.outcome);
    let audit_message = texts(audit, |row| &row.message);
    let audit_request = texts(audit, |row| &row.request_id);
    let audit_team = texts(audit, |row| &row.team);
    let audit_space = texts(audit, |row| &row.space);
    let event_at: Vec<i64> = events.iter().map(|row| row.at).collect();
    let event_kind = texts(events, |row| &row.kind);
    let event_resource = texts(events, |row| &row.resource);
    let event_parties: Vec<String> =
        events.iter().map(|row| text(&row.parties.join(" ")).into_owned()).collect();
    let event_body = texts(events, |row| &row.body);
    let keep = |count: u32| i64::from(count.max(1));
    let (keep_audit, keep_events) = (keep(limits.audit), keep(limits.events));
    let keep_deletions = keep(limits.deletions);
    let values: [&(dyn ToSql + Sync); 31] = [
        &from,
        &to,
        &epoch,
        &id,
        &put_kind,
        &put_id,
        &put_account,
        &put_revision,
        &put_body,
        &delete_kind,
        &delete_id,
        &audit_at,
        &audit_revision,
        &audit_actor,
        &audit_account,
        &audit_action,
        &audit_resource,
        &audit_source,
        &audit_outcome,
        &audit_message,
        &audit_request,
        &audit_team,
        &audit_space,
        &event_at,
        &event_kind,
        &event_resource,
        &event_parties,
        &event_body,
        &keep_audit,
        &keep_events,
        &keep_deletions,
    ];
    link.rows(COMMIT, &values).await.map(drop)
}

/// Whether a batch took effect that was sent over a connection that `old` served.
///
/// Nobody commits while this is found out. Whoever may still be about to do so is ended, so that what is
/// found stays true; unless it waits for the standby: ending it then would have the batch take effect
/// without that.
pub(super) async fn has_committed(
    link: &Link,
    batch: &Batch,
    old: Option<Backend>,
) -> Result<bool, Fail> {
    let until = Instant::now() + TO_ASK;
    loop {
        // Whoever stops in the middle of this must not keep others from committing.
        link.execute(
            "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'; \
                      SET LOCAL lock_timeout = '2s'",
        )
        .await?;
        let lock = "SELECT revision, batches FROM causeway.ledger FOR UPDATE";
        match link.rows_of(lock, &[]).await {
            Ok(rows) => {
                if let Some(old) = old {
                    end(link, old).await?;
                }
                let (revision, batches) = rows
                    .first()
                    .map(|row| (number(row, 0), row.get::<_, String>(1)))
                    .unwrap_or_default();
                let found = judge(link, batch, revision, &batches).await;
                link.execute("ROLLBACK").await?;
                return found;
            }
            Err(error) if error.is_no_lock() && Instant::now() < until => {
                link.execute("ROLLBACK").await?;
                // It holds the lock itself, or stands still on its way to it.
                if let Some(old) = old
                    && !waits_for_standby(link, old).await?
                {
                    end(link, old).await?;
                }
            }
            Err(error) => {
                if error.is_no_lock()
                    && let Some(old) = old
                {
                    link.execute("ROLLBACK").await?;
                    if waits_for_standby(link, old).await? {
                        return Err(Fail::unfit(NO_STANDBY));
                    }
                }
                return Err(error);
            }
        }
    }
}

async fn waits_for_standby(link: &Link, old: Backend) -> Result<bool, Fail> {
    let ask = "SELECT wait_event = 'SyncRep' FROM pg_stat_activity
        WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2";
    let rows = link.rows_of(ask, &[&old.pid, &old.began]).await?;
    Ok(rows.first().and_then(|row| row.get::<_, Option<bool>>(0)).unwrap_or(false))
}

/// Ends a process of the server's, and waits until it is gone.
async fn end(link: &Link, old: Backend) -> Result<(), Fail> {
    let end = "SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity
        WHERE pid = $1 AND pid <> pg_backend_pid()
            AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2";
    let rows = link.rows_of(end, &[&old.pid, &old.began]).await?;
    if rows.first().is_some_and(|row| !row.get::<_, bool>(0)) {
        return Err(Fail::unfit("a commit is under way there that cannot be ended"));
    }
    Ok(())
}

async fn judge(link: &Link, batch: &Batch, revision: u64, batches: &str) -> Result<bool, Fail> {
    if batch.revision == batch.expected_revision {
        // It changed no rows, so it is known by what it noted.
        return match batch.audit.last() {
            Some(row) => is_among_the_newest(link, row).await,
            None => Ok(false),
        };
    }
    let id = format!("{:016x}", batch.id);
    if batches.split(' ').any(|known| known == id) {
        return Ok(true);
    }
    // Each of them raised the revision by one at least.
    let oldest = revision.saturating_sub(BATCHES_KEPT.into());
    if batch.expected_revision < oldest {
        return Err(Error::Forgotten { since: batch.expected_revision, oldest }.into());
    }
    Ok(false)
}

async fn is_among_the_newest(link: &Link, row: &AuditRow) -> Result<bool, Fail> {
    let ask = "SELECT number, at, revision, actor, account, action, resource, source, outcome,
            message, request_id, team, space
        FROM causeway.audit
        WHERE number > (SELECT audit FROM causeway.ledger) - $1 AND at = $2 AND request_id = $3";
    let request = text(&row.request_id);
    let alike = link.rows_of(ask, &[&SEARCHED, &row.at, &request]).await?;
    let cleaned = |value: &str| text(value).into_owned();
    let wanted = AuditRow {
        number: 0,
        at: row.at,
        revision: row.revision,
        actor: cleaned(&row.actor),
        account: cleaned(&row.account),
        action: cleaned(&row.action),
        resource: cleaned(&row.resource),
        source: cleaned(&row.source),
        outcome: cleaned(&row.outcome),
        message: cleaned(&row.message),
        request_id: cleaned(&row.request_id),
        team: cleaned(&row.team),
        space: cleaned(&row.space),
    };
    Ok(alike.iter().any(|other| AuditRow { number: 0, ..audit_row(other) } == wanted))
}

/// What a commit's failure is to the ledger: what certainly changed nothing is told from the rest.
pub(super) fn failure(fail: Fail, batch: &Batch, place: &Path) -> Error {
    if let Some(found) = fail.fenced() {
        return Error::Fenced { epoch: batch.epoch, found };
    }
    if let Some(found) = fail.conflict() {
        return Error::Conflict { expected: batch.expected_revision, found };
    }
    fail.at("write", place)
}
