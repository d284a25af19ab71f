//! Several writers, and those who follow them.

use super::{Database, deletes, fresh, noted, puts, row, state};
use crate::batch::Limits;
use crate::{Batch, Change, Error};

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
