//! What is put, deleted, loaded and followed.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Database, deletes, fresh, noted, puts, row, rows, state};
use crate::batch::Limits;
use crate::{AuditRow, Batch, Change, Error, Row, Tail};

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
