//! What every store must do, whatever database it keeps its rows in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use proptest::prelude::*;

use crate::sqlite::Limits;
use crate::{
    AuditQuery, AuditRow, AuditSight, Batch, Change, DeliveryRow, Error, EventQuery, EventRow, Row,
    Store, Tail,
};

/// A database that is there as long as this is.
pub(crate) trait Database: Sized {
    /// A fresh one.
    fn create() -> Self;

    /// Its store; one at a time.
    fn open(&self, limits: Limits) -> Box<dyn Store>;

    /// What a backup of it becomes when it is restored into a fresh place under `scratch`.
    fn restore(backup: &Path, scratch: &Path) -> Box<dyn Store>;
}

/// Runs every test below on one kind of database.
macro_rules! conformance {
    ($database:ty: $($name:ident)*) => {
        $(#[test]
        fn $name() {
            crate::conformance::$name::<$database>();
        })*
    };
    ($database:ty) => {
        conformance! { $database:
            empty_database_is_at_revision_zero
            load_returns_what_was_committed_in_order
            load_stops_at_a_rejected_row
            put_replaces_and_delete_removes
            conflict_changes_nothing
            second_handle_catches_up_after_a_conflict
            a_batch_is_known_by_its_id_also_after_others
            a_batch_of_audit_rows_alone_is_known_by_them
            contradictory_batches_change_nothing
            audit_alone_keeps_the_revision
            tail_gives_each_key_once_in_its_last_state
            tail_refuses_what_it_cannot_know
            deleted_rows_are_told_from_unknown_ones
            audit_query_filters_and_pages
            audit_shows_each_what_is_theirs
            audit_keeps_the_newest
            events_are_kept_with_what_brought_them_about
            events_keep_the_newest_and_their_numbers
            deliveries_are_kept_for_each_webhook
            meta_is_kept_outside_revisions
            meta_is_deleted_by_its_own_key_alone
            reopen_finds_everything
            backup_is_a_snapshot_and_restores
            backup_while_writing
            backup_overwrites_nothing
            any_sequence_agrees_with_a_map
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

pub(crate) fn empty_database_is_at_revision_zero<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let nothing = Tail { revision: 0, changes: Vec::new() };
    assert_eq!(state(&mut *store), (0, Vec::new(), nothing, Vec::new()));
}

pub(crate) fn load_returns_what_was_committed_in_order<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let body = r#"{"name":"日本 'quoted' \u0000","n":18446744073709551615}"#;
    let written = [
        row("vpc", "b", 1, body),
        row("subnet", "z", 2, "{}"),
        row("vpc", "a", 3, "[1,2]"),
        Row { account: String::new(), ..row("region", "eu-west-1", 2, "null") },
    ];
    let batch = Batch { revision: 3, puts: written.to_vec(), ..Batch::default() };
    store.commit(&batch).unwrap();
    let [b, z, a, region] = written;
    assert_eq!(rows(&mut *store), (3, vec![region, z, a, b]));
}

pub(crate) fn load_stops_at_a_rejected_row<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    store.commit(&puts(0, &["a", "b", "c"])).unwrap();
    let mut seen = Vec::new();
    let error = store
        .load(&mut |row| {
            seen.push(row.id.clone());
            if row.id == "b" { Err("no such field".into()) } else { Ok(()) }
        })
        .unwrap_err();
    assert_eq!(seen, ["a", "b"]);
    assert_eq!(error.to_string(), "the stored vpc b does not load");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no such field");
    store.commit(&puts(1, &["d"])).unwrap();
}

pub(crate) fn put_replaces_and_delete_removes<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    store.commit(&puts(0, &["a", "b"])).unwrap();
    let changed = Row { account: "444455556666".to_owned(), ..row("vpc", "a", 2, r#"{"n":2}"#) };
    let batch = Batch {
        expected_revision: 1,
        revision: 2,
        puts: vec![changed.clone()],
        deletes: vec![("vpc".into(), "b".into()), ("vpc".into(), "never was".into())],
        ..Batch::default()
    };
    store.commit(&batch).unwrap();
    assert_eq!(rows(&mut *store), (2, vec![changed]));
    assert_eq!(store.tail(1).unwrap().changes.len(), 2, "what never was is not told as deleted");
}

pub(crate) fn conflict_changes_nothing<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    store.commit(&puts(0, &["a", "b"])).unwrap();
    let before = state(&mut *store);
    for expected in [0, 2, 7] {
        let batch = Batch {
            deletes: vec![("vpc".into(), "a".into())],
            audit: vec![noted(1, "1", "ok")],
            ..puts(expected, &["c"])
        };
        let error = store.commit(&batch).unwrap_err();
        assert!(
            matches!(error, Error::Conflict { expected: e, found: 1 } if e == expected),
            "{error}"
        );
        assert_eq!(state(&mut *store), before);
    }
    store.commit(&puts(1, &["c"])).unwrap();
}

pub(crate) fn second_handle_catches_up_after_a_conflict<D: Database>() {
    let (_database, mut one) = fresh::<D>();
    let mut two = one.handle().unwrap();
    one.commit(&puts(0, &["a"])).unwrap();
    let error = two.commit(&puts(0, &["b"])).unwrap_err();
    assert!(matches!(error, Error::Conflict { expected: 0, found: 1 }), "{error}");
    let tail = two.tail(0).unwrap();
    assert_eq!(tail.changes, [Change::Put(row("vpc", "a", 1, "{}"))]);
    two.commit(&puts(tail.revision, &["b"])).unwrap();
    assert_eq!(one.tail(1).unwrap().changes, [Change::Put(row("vpc", "b", 2, "{}"))]);
}

pub(crate) fn a_batch_is_known_by_its_id_also_after_others<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let batch_of = |id, expected| Batch { id, ..puts(expected, &["a"]) };
    let batch = batch_of(7, 0);
    assert!(!store.has_committed(&batch).unwrap());
    store.commit(&batch).unwrap();
    assert!(store.has_committed(&batch).unwrap());
    // Another writer's at the same place, with the same rows.
    let other = batch_of(u64::MAX, 0);
    assert!(!store.has_committed(&other).unwrap());
    let mut two = store.handle().unwrap();
    for revision in 1..64 {
        two.commit(&batch_of(100 + revision, revision)).unwrap();
        assert!(store.has_committed(&batch).unwrap(), "{revision} others came after it");
        assert!(!store.has_committed(&other).unwrap());
    }
    two.commit(&batch_of(164, 64)).unwrap();
    let error = store.has_committed(&batch).unwrap_err();
    assert!(matches!(error, Error::Forgotten { since: 0, oldest: 1 }), "{error}");
    assert!(store.has_committed(&batch_of(101, 1)).unwrap());
}

pub(crate) fn a_batch_of_audit_rows_alone_is_known_by_them<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let batch_of = |at| Batch { audit: vec![noted(at, "1", "DryRun")], ..Batch::default() };
    store.commit(&batch_of(1)).unwrap();
    assert!(store.has_committed(&batch_of(1)).unwrap());
    assert!(!store.has_committed(&batch_of(2)).unwrap());
    let other = Batch { audit: vec![noted(1, "1", "ok")], ..Batch::default() };
    assert!(!store.has_committed(&other).unwrap());
    assert!(!store.has_committed(&Batch::default()).unwrap());
}

pub(crate) fn contradictory_batches_change_nothing<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    store.commit(&Batch { revision: 5, ..puts(0, &["a"]) }).unwrap();
    let before = state(&mut *store);
    let good = puts(5, &["b"]);
    let both = vec![("vpc".to_owned(), "b".to_owned())];
    let late = AuditRow { revision: 7, ..noted(1, "1", "ok") };
    let bad = [
        Batch { revision: 5, puts: vec![row("vpc", "b", 5, "{}")], ..good.clone() },
        Batch { revision: 5, puts: Vec::new(), deletes: both.clone(), ..good.clone() },
        Batch { revision: 4, puts: Vec::new(), ..good.clone() },
        Batch { revision: u64::MAX, ..good.clone() },
        Batch { puts: vec![row("vpc", "b", 5, "{}")], ..good.clone() },
        Batch { puts: vec![row("vpc", "b", 7, "{}")], ..good.clone() },
        Batch { deletes: both, ..good.clone() },
        Batch { audit: vec![late], ..good.clone() },
    ];
    for batch in bad {
        let error = store.commit(&batch).unwrap_err();
        assert!(matches!(error, Error::Batch(_)), "{error}: {batch:?}");
        assert_eq!(state(&mut *store), before);
    }
    store.commit(&good).unwrap();
}

pub(crate) fn audit_alone_keeps_the_revision<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    store.commit(&puts(0, &["a"])).unwrap();
    let refusal = AuditRow { revision: 1, ..noted(9, "1", "VpcLimitExceeded") };
    let batch = Batch {
        expected_revision: 1,
        revision: 1,
        audit: vec![refusal.clone()],
        ..Batch::default()
    };
    store.commit(&batch).unwrap();
    let kept = store.audit(&AuditQuery::default()).unwrap();
    assert_eq!(kept, [AuditRow { number: 1, ..refusal }]);
    assert_eq!(rows(&mut *store).0, 1);
    assert_eq!(store.tail(1).unwrap(), Tail { revision: 1, changes: Vec::new() });
}

pub(crate) fn tail_gives_each_key_once_in_its_last_state<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let gone = |id: &str, revision| Change::Delete { kind: "vpc".into(), id: id.into(), revision };
    let put = |id: &str, revision| Change::Put(row("vpc", id, revision, "{}"));
    store.commit(&puts(0, &["a", "b", "c"])).unwrap();
    store.commit(&deletes(1, &["a", "b"])).unwrap();
    store.commit(&puts(2, &["a"])).unwrap();
    store.commit(&puts(3, &["b"])).unwrap();
    store.commit(&deletes(4, &["b"])).unwrap();
    let mixed = Batch { deletes: deletes(5, &["c"]).deletes, ..puts(5, &["d"]) };
    store.commit(&mixed).unwrap();
    let since = |since| store.tail(since).unwrap().changes;
    assert_eq!(since(0), [put("a", 3), gone("b", 5), gone("c", 6), put("d", 6)]);
    assert_eq!(since(1), since(0));
    assert_eq!(since(3), [gone("b", 5), gone("c", 6), put("d", 6)]);
    assert_eq!(since(5), [gone("c", 6), put("d", 6)]);
    assert_eq!(since(6), []);
    assert_eq!(store.tail(0).unwrap().revision, 6);
}

pub(crate) fn tail_refuses_what_it_cannot_know<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits { deletions: 2, ..Limits::default() });
    store.commit(&puts(0, &["a", "b", "c", "d"])).unwrap();
    for (revision, id) in (1..).zip(["a", "b", "c", "d"]) {
        store.commit(&deletes(revision, &[id])).unwrap();
    }
    // Deletions 2 and 3 are forgotten, 4 and 5 known.
    for since in 0..3 {
        let error = store.tail(since).unwrap_err();
        assert!(matches!(error, Error::Forgotten { since: s, oldest: 3 } if s == since), "{error}");
    }
    assert_eq!(store.tail(3).unwrap().changes.len(), 2);
    let error = store.tail(6).unwrap_err();
    assert!(matches!(error, Error::Conflict { expected: 6, found: 5 }), "{error}");
}

pub(crate) fn deleted_rows_are_told_from_unknown_ones<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    store.commit(&puts(0, &["a", "b", "c"])).unwrap();
    store.commit(&deletes(1, &["a", "b"])).unwrap();
    store.commit(&puts(2, &["b"])).unwrap();
    let deleted = |kind: &str, id: &str| store.was_deleted(kind, id).unwrap();
    assert!(deleted("vpc", "a"));
    assert!(!deleted("vpc", "b") && !deleted("vpc", "c"), "they are there");
    assert!(!deleted("vpc", "never was") && !deleted("subnet", "a"));
}

pub(crate) fn audit_query_filters_and_pages<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let audit = (0..20)
        .map(|at| noted(at, ["1", "2"][at as usize % 2], ["ok", "DryRun"][at as usize / 10]))
        .collect();
    store.commit(&Batch { audit, ..Batch::default() }).unwrap();
    let all = AuditQuery::default();
    let times = |query: &AuditQuery| -> Vec<i64> {
        store.audit(query).unwrap().iter().map(|row| row.at).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(times(&all), (0..20).rev().collect::<Vec<_>>());
    let first = AuditQuery { account: some("2"), limit: 3, ..all.clone() };
    assert_eq!(times(&first), [19, 17, 15]);
    let last_number = store.audit(&first).unwrap()[2].number;
    assert_eq!(times(&AuditQuery { before: Some(last_number), ..first }), [13, 11, 9]);
    let window = AuditQuery { since: Some(8), until: Some(12), ..all.clone() };
    assert_eq!(times(&window), [11, 10, 9, 8]);
    assert_eq!(times(&AuditQuery { outcome: some("ok"), ..window }), [9, 8]);
    assert_eq!(times(&AuditQuery { resource: some("vpc-7"), ..all.clone() }), [7]);
    assert_eq!(times(&AuditQuery { request_id: some("request-6"), ..all.clone() }), [6]);
    let both = AuditQuery { actor: some("user-1"), resource: some("vpc-7"), ..all.clone() };
    assert!(times(&both).is_empty());
    assert!(times(&AuditQuery { action: some("DeleteVpc"), ..all.clone() }).is_empty());
    for (pattern, matches) in [
        ("CreateVpc", 20),
        ("Create*", 20),
        ("*Vpc", 20),
        ("*", 20),
        ("create*", 0),
        ("CreateVp?", 0),
        ("[C]reateVpc", 0),
        ("Delete*", 0),
    ] {
        let query = AuditQuery { action: some(pattern), ..all.clone() };
        assert_eq!(times(&query).len(), matches, "{pattern}");
    }
    let refused = AuditQuery { refused: true, ..all.clone() };
    assert_eq!(times(&refused), (10..20).rev().collect::<Vec<_>>());
    assert_eq!(times(&AuditQuery { team: some("team-2"), limit: 2, ..all.clone() }), [19, 17]);
    assert_eq!(times(&AuditQuery { space: some("space-4"), ..all.clone() }), [4]);
    let newer = AuditQuery { after: Some(last_number), limit: 3, ..all.clone() };
    assert_eq!(times(&newer), [16, 17, 18], "oldest first, so that none is passed over");
    assert!(times(&AuditQuery { account: some("' OR true --"), ..all.clone() }).is_empty());
    assert!(times(&AuditQuery { limit: 0, ..all }).is_empty());
}

pub(crate) fn audit_shows_each_what_is_theirs<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let row = |at: i64, actor: &str, account: &str, team: &str| AuditRow {
        at,
        actor: actor.to_owned(),
        account: account.to_owned(),
        team: team.to_owned(),
        outcome: "ok".to_owned(),
        ..AuditRow::default()
    };
    let audit = vec![
        row(0, "user/ada", "", ""),
        row(1, "user/bob", "", "acme"),
        row(2, "user/bob", "", "other"),
        row(3, "account/1", "1", "acme"),
        row(4, "account/2", "2", ""),
        row(5, "operator", "", "acme"),
        row(6, "system", "", "acme"),
        row(7, "nobody", "", ""),
        row(8, "user/ada", "", "other"),
    ];
    store.commit(&Batch { audit, ..Batch::default() }).unwrap();
    let list = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let times = |actors: &[&str], accounts: &[&str], teams: &[&str]| -> Vec<i64> {
        let (actors, accounts, teams) = (list(actors), list(accounts), list(teams));
        let sight = Some(AuditSight { actors, accounts, teams });
        let query = AuditQuery { sight, ..AuditQuery::default() };
        store.audit(&query).unwrap().iter().map(|row| row.at).collect()
    };
    assert!(times(&[], &[], &[]).is_empty());
    assert_eq!(times(&["user/ada"], &[], &["acme"]), [8, 5, 1, 0]);
    assert_eq!(times(&["account/1"], &["1"], &[]), [3]);
    assert_eq!(times(&["user/ada", "account/2"], &["2"], &["acme", "other"]), [8, 5, 4, 2, 1, 0]);
    assert!(times(&["' OR true --"], &["') OR ('' = '"], &["*"]).is_empty());
    let by_people = AuditQuery { by_people: true, ..AuditQuery::default() };
    let seen: Vec<i64> = store.audit(&by_people).unwrap().iter().map(|row| row.at).collect();
    assert_eq!(seen, [8, 7, 5, 4, 3, 2, 1, 0]);
    // The other conditions hold besides, and pages are of what is seen.
    let sight = Some(AuditSight { teams: list(&["acme"]), ..AuditSight::default() });
    let first = AuditQuery { sight, limit: 1, ..AuditQuery::default() };
    let newest = store.audit(&first).unwrap();
    assert_eq!(newest[0].at, 5);
    let next = AuditQuery { before: Some(newest[0].number), ..first.clone() };
    assert_eq!(store.audit(&next).unwrap()[0].at, 1);
    let by_nobody = AuditQuery { actor: Some("nobody".to_owned()), ..first };
    assert!(store.audit(&by_nobody).unwrap().is_empty());
}

pub(crate) fn audit_keeps_the_newest<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits { audit: 5, ..Limits::default() });
    let note = |from: i64, to: i64| Batch {
        audit: (from..to).map(|at| noted(at, "1", "ok")).collect(),
        ..Batch::default()
    };
    store.commit(&note(0, 4)).unwrap();
    store.commit(&note(4, 6)).unwrap();
    store.commit(&note(6, 7)).unwrap();
    let times = |store: &dyn Store| -> Vec<i64> {
        store.audit(&AuditQuery::default()).unwrap().iter().map(|row| row.at).collect()
    };
    assert_eq!(times(&*store), [6, 5, 4, 3, 2]);
    store.commit(&note(100, 120)).unwrap();
    assert_eq!(times(&*store), [119, 118, 117, 116, 115]);
}

fn event(at: i64, kind: &str, resource: &str, parties: &[&str]) -> EventRow {
    EventRow {
        number: 0,
        at,
        kind: kind.to_owned(),
        resource: resource.to_owned(),
        parties: parties.iter().map(|party| (*party).to_owned()).collect(),
        body: format!("{{\"at\":{at}}}"),
    }
}

pub(crate) fn events_are_kept_with_what_brought_them_about<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits::default());
    let happened = |batch: Batch, events: &[EventRow]| Batch { events: events.to_vec(), ..batch };
    let first = [event(1, "a.x", "r1", &["team/1", "account/2"]), event(2, "b.y", "r2", &[])];
    store.commit(&happened(puts(0, &["a"]), &first)).unwrap();
    let conflict = store.commit(&happened(puts(0, &["b"]), &[event(9, "a.x", "r9", &[])]));
    assert!(matches!(conflict, Err(Error::Conflict { .. })));
    // Without any change, too.
    let alone = Batch { expected_revision: 1, revision: 1, ..Batch::default() };
    store.commit(&happened(alone, &[event(3, "a.x", "r3", &["team/1"])])).unwrap();
    let numbers = |query: EventQuery| {
        let events = store.events(&EventQuery { limit: 10, ..query }).unwrap();
        assert_eq!((events.oldest, events.newest), (1, 3));
        events.rows.iter().map(|row| row.number).collect::<Vec<_>>()
    };
    let texts = |list: &[&str]| Some(list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    assert_eq!(numbers(EventQuery::default()), [1, 2, 3]);
    assert_eq!(numbers(EventQuery { after: Some(1), ..EventQuery::default() }), [2, 3]);
    assert_eq!(numbers(EventQuery { after: Some(u64::MAX), ..EventQuery::default() }), []);
    assert_eq!(numbers(EventQuery { since: Some(2), ..EventQuery::default() }), [2, 3]);
    let of = |kinds: &[&str]| EventQuery { kinds: texts(kinds), ..EventQuery::default() };
    assert_eq!(numbers(of(&["a.x"])), [1, 3]);
    assert_eq!(numbers(of(&[])), []);
    let seen_by =
        |parties: &[&str]| EventQuery { parties: texts(parties), ..EventQuery::default() };
    assert_eq!(numbers(seen_by(&["team/1"])), [1, 3]);
    assert_eq!(numbers(seen_by(&["account/2", "team/9"])), [1]);
    for nobody in [&["team/"][..], &["eam/1"], &["team/1 "], &[""], &[]] {
        assert_eq!(numbers(seen_by(nobody)), [], "{nobody:?}");
    }
    let newest = store.events(&EventQuery { limit: 1, ..EventQuery::default() }).unwrap();
    assert_eq!(newest.rows, [EventRow { number: 3, ..event(3, "a.x", "r3", &["team/1"]) }]);
    let next = store.events(&EventQuery { limit: 1, after: Some(0), ..EventQuery::default() });
    assert_eq!(next.unwrap().rows, [EventRow { number: 1, ..first[0].clone() }]);
    assert!(store.knows_event("a.x", "r3").unwrap());
    assert!(!store.knows_event("b.y", "r3").unwrap());
}

pub(crate) fn events_keep_the_newest_and_their_numbers<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits { events: 2, ..Limits::default() });
    for at in 1..=5 {
        let events = vec![event(at, "a.x", "r", &[])];
        store.commit(&Batch { events, ..Batch::default() }).unwrap();
    }
    let events = store.events(&EventQuery { limit: 10, ..EventQuery::default() }).unwrap();
    assert_eq!(events.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [4, 5]);
    assert_eq!((events.oldest, events.newest), (4, 5));
}

pub(crate) fn deliveries_are_kept_for_each_webhook<D: Database>() {
    let database = D::create();
    let mut store = database.open(Limits { deliveries: 3, ..Limits::default() });
    let row = |hook: &str, event, settled, body: &str| DeliveryRow {
        hook: hook.to_owned(),
        event,
        settled,
        body: body.to_owned(),
    };
    assert_eq!(store.last_settled("h").unwrap(), None);
    store.note_delivery(&row("h", 1, false, "tried")).unwrap();
    assert_eq!(store.last_settled("h").unwrap(), None);
    store.note_delivery(&row("h", 1, true, "done")).unwrap();
    store.note_delivery(&row("h", 2, true, "done")).unwrap();
    store.note_delivery(&row("h", 5, false, "tried")).unwrap();
    store.note_delivery(&row("other", 7, true, "done")).unwrap();
    assert_eq!(store.last_settled("h").unwrap(), Some(2));
    store.note_delivery(&row("h", 6, false, "tried")).unwrap();
    let kept = store.deliveries("h", 10).unwrap();
    assert_eq!(kept.iter().map(|row| row.event).collect::<Vec<_>>(), [6, 5, 2]);
    assert_eq!(store.deliveries("h", 1).unwrap(), [row("h", 6, false, "tried")]);
    store.forget_deliveries("h").unwrap();
    assert_eq!(store.deliveries("h", 10).unwrap(), []);
    assert_eq!(store.last_settled("other").unwrap(), Some(7));
}

pub(crate) fn meta_is_kept_outside_revisions<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    assert_eq!(store.meta("platform").unwrap(), None);
    store.set_meta("platform", "1").unwrap();
    store.set_meta("platform", "2").unwrap();
    store.set_meta("other", "").unwrap();
    assert_eq!(store.meta("platform").unwrap().as_deref(), Some("2"));
    assert_eq!(store.handle().unwrap().meta("other").unwrap().as_deref(), Some(""));
    assert_eq!(rows(&mut *store).0, 0);
}

pub(crate) fn meta_is_deleted_by_its_own_key_alone<D: Database>() {
    let (database, mut store) = fresh::<D>();
    for key in ["drain/1", "drain/1/2", "drain/%", "drain/_"] {
        store.set_meta(key, "seen").unwrap();
    }
    store.delete_meta("drain/%").unwrap();
    store.delete_meta("drain/1").unwrap();
    store.delete_meta("drain/1").unwrap();
    store.delete_meta("never set").unwrap();
    assert_eq!(store.handle().unwrap().meta("drain/1").unwrap(), None);
    assert_eq!(rows(&mut *store).0, 0, "it is outside revisions");
    drop(store);
    let mut store = database.open(Limits::default());
    for (key, left) in [
        ("drain/1", None),
        ("drain/%", None),
        ("drain/1/2", Some("seen")),
        ("drain/_", Some("seen")),
    ] {
        assert_eq!(store.meta(key).unwrap().as_deref(), left, "{key}");
    }
    store.set_meta("drain/1", "again").unwrap();
    assert_eq!(store.meta("drain/1").unwrap().as_deref(), Some("again"));
}

pub(crate) fn reopen_finds_everything<D: Database>() {
    let (database, mut store) = fresh::<D>();
    let batch = Batch { audit: vec![noted(1, "1", "ok")], ..puts(0, &["a", "b"]) };
    store.commit(&batch).unwrap();
    store.commit(&deletes(1, &["b"])).unwrap();
    store.set_meta("key", "value").unwrap();
    let before = state(&mut *store);
    drop(store);
    let mut store = database.open(Limits::default());
    assert_eq!(state(&mut *store), before);
    assert_eq!(store.meta("key").unwrap().as_deref(), Some("value"));
    store.commit(&puts(2, &["c"])).unwrap();
}

pub(crate) fn backup_is_a_snapshot_and_restores<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let batch = Batch { audit: vec![noted(1, "1", "ok")], ..puts(0, &["a", "b"]) };
    store.commit(&batch).unwrap();
    store.commit(&deletes(1, &["b"])).unwrap();
    store.set_meta("key", "value").unwrap();
    let before = state(&mut *store);
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("backup.db");
    let mut reports = Vec::new();
    store.backup(&file, &mut |progress| reports.push(progress)).unwrap();
    store.commit(&puts(2, &["later"])).unwrap();

    let last = reports.last().unwrap();
    assert!(last.total > 0 && last.done == last.total, "{last:?}");
    let names: Vec<_> =
        scratch.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["backup.db"], "nothing else is left beside it");
    let mut restored = D::restore(&file, scratch.path());
    assert_eq!(state(&mut *restored), before);
    assert_eq!(restored.meta("key").unwrap().as_deref(), Some("value"));
    restored.commit(&puts(2, &["other"])).unwrap();
}

/// Commits go on between the copy's steps, and the copy is still of one moment.
pub(crate) fn backup_while_writing<D: Database>() {
    let (_database, mut writer) = fresh::<D>();
    let body = format!("\"{}\"", "x".repeat(3_000));
    let step = move |expected: u64, writer: &mut dyn Store| {
        let revision = expected + 1;
        let id = |side: &str| format!("{side}-{:04}", revision % 1_000);
        let batch = Batch {
            expected_revision: expected,
            revision,
            puts: ["left", "right"].map(|side| row("vpc", &id(side), revision, &body)).to_vec(),
            ..Batch::default()
        };
        writer.commit(&batch).unwrap();
    };
    for expected in 0..1_000 {
        step(expected, &mut *writer);
    }
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("backup.db");
    let reader = writer.handle().unwrap();
    let (go, wait) = mpsc::channel::<mpsc::Sender<()>>();
    let writing = thread::spawn(move || {
        let mut revision = 1_000;
        for done in wait {
            step(revision, &mut *writer);
            revision += 1;
            done.send(()).unwrap();
        }
        revision
    });
    // One commit during every step: the copy neither starts over nor mixes them in.
    reader
        .backup(&file, &mut |_| {
            let (done, answer) = mpsc::channel();
            go.send(done).unwrap();
            answer.recv().unwrap();
        })
        .unwrap();
    drop(go);
    assert!(writing.join().unwrap() >= 1_003, "at least three steps");

    let (revision, rows) = rows(&mut *D::restore(&file, scratch.path()));
    assert_eq!(revision, 1_000);
    let (left, right): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.id.starts_with("left"));
    let revisions = |rows: Vec<&Row>| rows.iter().map(|row| row.revision).collect::<Vec<_>>();
    let left = revisions(left);
    assert_eq!((left.len(), left.iter().max()), (1_000, Some(&1_000)));
    assert_eq!(left, revisions(right));
}

pub(crate) fn backup_overwrites_nothing<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    store.commit(&puts(0, &["a"])).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("precious");
    std::fs::write(&file, "mine").unwrap();
    let error = store.backup(&file, &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");

    // Somebody else's file that appears during the backup is theirs too.
    let file = scratch.path().join("late");
    let error = store.backup(&file, &mut |_| std::fs::write(&file, "mine").unwrap()).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    for name in ["precious", "late"] {
        assert_eq!(std::fs::read_to_string(scratch.path().join(name)).unwrap(), "mine");
    }
    assert_eq!(scratch.path().read_dir().unwrap().count(), 2);

    let error = store.backup(&scratch.path().join("no/such"), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    store.commit(&puts(1, &["b"])).unwrap();
}

/// Puts and deletes of a few ids, in batches; loading and tailing agree with a map throughout.
pub(crate) fn any_sequence_agrees_with_a_map<D: Database>() {
    let batches = proptest::collection::vec(
        proptest::collection::btree_map(0..6_u8, any::<bool>(), 0..4),
        0..12,
    );
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() };
    proptest!(config, |(batches in batches, seen in 0..12_u64)| {
        let (_database, mut store) = fresh::<D>();
        let mut map = BTreeMap::new();
        let mut follower = BTreeMap::new();
        for (expected, changes) in (0..).zip(&batches) {
            if expected == seen {
                follower = map.clone();
            }
            let mut batch = puts(expected, &[]);
            for (id, put) in changes {
                let id = id.to_string();
                if *put {
                    let row = row("vpc", &id, batch.revision, "{}");
                    map.insert(id, row.clone());
                    batch.puts.push(row);
                } else {
                    map.remove(&id);
                    batch.deletes.push(("vpc".to_owned(), id));
                }
            }
            store.commit(&batch).unwrap();
        }
        let revision = batches.len() as u64;
        prop_assert_eq!(rows(&mut *store), (revision, map.values().cloned().collect()));
        let since = if seen < revision { seen } else { 0 };
        for change in store.tail(since).unwrap().changes {
            match change {
                Change::Put(row) => { follower.insert(row.id.clone(), row); }
                Change::Delete { id, .. } => { follower.remove(&id); }
            }
        }
        prop_assert_eq!(follower, map);
    });
}
