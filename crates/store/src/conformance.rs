//! What every store must do, whatever database it keeps its rows in.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod events;
pub(crate) mod lease;
pub(crate) mod rows;
pub(crate) mod writers;

use std::path::Path;

use crate::batch::Limits;
use crate::{AuditQuery, AuditRow, Batch, Row, Store, Tail};

/// A database that is there as long as this is.
pub(crate) trait Database: Sized {
    /// A fresh one.
    fn create() -> Self;

    /// Its store; one at a time.
    fn open(&self, limits: Limits) -> Box<dyn Store>;

    /// What a backup of it becomes when it is restored into a fresh place under `scratch`.
    fn restore(backup: &Path, scratch: &Path) -> Box<dyn Store>;
}

/// Makes a test of each test of a topic, on one kind of database. A database that is made slowly has one
/// test for each topic (`together`), so that those share a server.
macro_rules! conformance {
    ($database:ty) => { conformance! { @all each $database } };
    ($database:ty, together) => { conformance! { @all together $database } };
    (@all $how:ident $database:ty) => {
        conformance! { @$how $database, rows:
            empty_database_is_at_revision_zero
            load_returns_what_was_committed_in_order
            load_stops_at_a_rejected_row
            put_replaces_and_delete_removes
            contradictory_batches_change_nothing
            deleted_rows_are_told_from_unknown_ones
            meta_is_kept_outside_revisions
            meta_is_deleted_by_its_own_key_alone
            reopen_finds_everything
            any_sequence_agrees_with_a_map
        }
        conformance! { @$how $database, writers:
            conflict_changes_nothing
            second_handle_catches_up_after_a_conflict
            a_batch_is_known_by_its_id_also_after_others
            a_batch_of_audit_rows_alone_is_known_by_them
            tail_gives_each_key_once_in_its_last_state
            tail_refuses_what_it_cannot_know
        }
        conformance! { @$how $database, audit:
            audit_alone_keeps_the_revision
            audit_query_filters_and_pages
            audit_shows_each_what_is_theirs
            audit_keeps_the_newest
        }
        conformance! { @$how $database, events:
            events_are_kept_with_what_brought_them_about
            events_keep_the_newest_and_their_numbers
            deliveries_are_kept_for_each_webhook
        }
        conformance! { @$how $database, backup:
            backup_is_a_snapshot_and_restores
            backup_while_writing
            backup_overwrites_nothing
        }
        conformance! { @$how $database, lease:
            the_lease_is_one_server_s_until_it_runs_out
            a_lease_that_is_given_up_is_free
            what_an_earlier_leader_decided_changes_nothing
            the_doorbell_rings_for_commits_and_leaders
            the_epoch_outlives_a_backup
            the_identity_says_how_far_it_is
        }
    };
    (@each $database:ty, $topic:ident: $($name:ident)*) => {
        $(#[test]
        fn $name() {
            crate::conformance::$topic::$name::<$database>();
        })*
    };
    (@together $database:ty, $topic:ident: $($name:ident)*) => {
        #[test]
        fn $topic() {
            $(
                // The last name is the one of the test that failed.
                let name = concat!(stringify!($name), "\n");
                let _ = std::io::Write::write_all(&mut std::io::stderr(), name.as_bytes());
                crate::conformance::$topic::$name::<$database>();
            )*
        }
    };
}
pub(crate) use conformance;

pub(crate) fn row(kind: &str, id: &str, revision: u64, body: &str) -> Row {
    Row {
        kind: kind.to_owned(),
        id: id.to_owned(),
        account: "111122223333".to_owned(),
        revision,
        body: body.to_owned(),
    }
}

pub(crate) fn rows(store: &mut dyn Store) -> (u64, Vec<Row>) {
    let mut rows = Vec::new();
    let revision = store
        .load(&mut |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
    (revision, rows)
}

/// A batch that puts rows with the given ids one revision later.
pub(crate) fn puts(expected: u64, ids: &[&str]) -> Batch {
    let revision = expected + 1;
    Batch {
        expected_revision: expected,
        revision,
        puts: ids.iter().map(|id| row("vpc", id, revision, "{}")).collect(),
        ..Batch::default()
    }
}

fn deletes(expected: u64, ids: &[&str]) -> Batch {
    Batch {
        expected_revision: expected,
        revision: expected + 1,
        deletes: ids.iter().map(|id| ("vpc".to_owned(), (*id).to_owned())).collect(),
        ..Batch::default()
    }
}

fn noted(at: i64, account: &str, outcome: &str) -> AuditRow {
    AuditRow {
        number: 0,
        at,
        revision: 0,
        actor: format!("user-{account}"),
        account: account.to_owned(),
        action: "CreateVpc".to_owned(),
        resource: format!("vpc-{at}"),
        source: "127.0.0.1".to_owned(),
        outcome: outcome.to_owned(),
        message: "said \"no\"".to_owned(),
        request_id: format!("request-{at}"),
        team: format!("team-{account}"),
        space: format!("space-{at}"),
    }
}

/// The whole state that a refused commit must leave as it was.
fn state(store: &mut dyn Store) -> (u64, Vec<Row>, Tail, Vec<AuditRow>) {
    let (revision, rows) = rows(store);
    let audit = store.audit(&AuditQuery { limit: 10_000, ..AuditQuery::default() }).unwrap();
    (revision, rows, store.tail(0).unwrap(), audit)
}

fn fresh<D: Database>() -> (D, Box<dyn Store>) {
    let database = D::create();
    let store = database.open(Limits::default());
    (database, store)
}
