//! Backups, and what they become.

use std::sync::mpsc;
use std::thread;

use super::{Database, deletes, fresh, noted, puts, row, rows, state};
use crate::{Batch, Error, Row, Store};

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
