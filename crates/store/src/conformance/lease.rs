//! One leader among several servers, and how they hear of each other.

use std::thread;
use std::time::Duration;

use super::{Database, fresh, puts, rows, state};
use crate::{Batch, Error, Holder, Identity, Lease, Store};

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(600);

fn server(id: &str) -> Holder {
    Holder { id: id.to_owned(), address: format!("https://{id}.example:8443") }
}

/// Takes the lease, and says who has it and in which epoch.
fn ask(store: &mut dyn Store, id: &str, ttl: Duration) -> (String, u64, bool) {
    let Lease { holder, epoch, mine, remaining } = store.lease(&server(id), ttl).unwrap();
    assert_eq!(holder, server(&holder.id), "with its address");
    assert!(remaining <= LONG);
    (holder.id, epoch, mine)
}

pub(crate) fn the_lease_is_one_server_s_until_it_runs_out<D: Database>() {
    let (_database, mut one) = fresh::<D>();
    let mut two = one.handle().unwrap();
    assert_eq!(one.leader().unwrap(), None);
    assert_eq!(ask(&mut *one, "one", LONG), ("one".to_owned(), 1, true));
    assert_eq!(ask(&mut *two, "two", LONG), ("one".to_owned(), 1, false));
    let leader = two.leader().unwrap().unwrap();
    assert_eq!((leader.holder, leader.epoch, leader.mine), (server("one"), 1, false));
    assert!(leader.remaining > LONG / 2);
    // Who asks again before another does has it still, and no epoch begins.
    let over = Duration::ZERO;
    assert_eq!(ask(&mut *one, "one", over), ("one".to_owned(), 1, true));
    assert_eq!(two.leader().unwrap(), None);
    assert_eq!(ask(&mut *one, "one", over), ("one".to_owned(), 1, true));
    assert_eq!(ask(&mut *two, "two", LONG), ("two".to_owned(), 2, true));
    assert_eq!(ask(&mut *one, "one", LONG), ("two".to_owned(), 2, false));
    // One that moved says so.
    let moved = Holder { address: "https://elsewhere".to_owned(), ..server("two") };
    two.lease(&moved, LONG).unwrap();
    assert_eq!(one.leader().unwrap().unwrap().holder, moved);
}

pub(crate) fn a_lease_that_is_given_up_is_free<D: Database>() {
    let (_database, mut one) = fresh::<D>();
    let mut two = one.handle().unwrap();
    ask(&mut *one, "one", LONG);
    two.release_lease(&server("two")).unwrap();
    assert_eq!(ask(&mut *two, "two", LONG), ("one".to_owned(), 1, false), "not its to give");
    one.release_lease(&server("one")).unwrap();
    assert_eq!(two.leader().unwrap(), None);
    let last = Batch { epoch: 1, ..puts(0, &["sent off before"]) };
    one.commit(&last).unwrap();
    assert_eq!(ask(&mut *one, "one", LONG), ("one".to_owned(), 2, true), "a new leadership");
    one.release_lease(&server("one")).unwrap();
    assert_eq!(ask(&mut *two, "two", LONG), ("two".to_owned(), 3, true));
}

pub(crate) fn what_an_earlier_leader_decided_changes_nothing<D: Database>() {
    let (_database, mut one) = fresh::<D>();
    let mut two = one.handle().unwrap();
    let mut before = state(&mut *one);
    for (epoch, store) in (1..).zip([&mut one, &mut two]) {
        let id = epoch.to_string();
        assert_eq!(ask(&mut **store, &id, Duration::ZERO), (id.clone(), epoch, true));
        let revision = before.0;
        for wrong in [0, epoch - 1, epoch + 1, u64::MAX] {
            let late = Batch { id: 99, epoch: wrong, ..puts(revision, &["late"]) };
            let error = store.commit(&late).unwrap_err();
            assert!(
                matches!(error, Error::Fenced { epoch: e, found } if e == wrong && found == epoch),
                "{error}"
            );
            // Who is not to write at all is told that, not that it is behind.
            let behind = Batch { epoch: wrong, ..puts(revision + 5, &["late"]) };
            assert!(matches!(store.commit(&behind).unwrap_err(), Error::Fenced { .. }));
            assert!(!store.has_committed(&late).unwrap());
            assert_eq!(state(&mut **store), before);
        }
        store.commit(&Batch { epoch, ..puts(revision, &[&id]) }).unwrap();
        before = state(&mut **store);
    }
    assert_eq!(rows(&mut *one).0, 2);
}

pub(crate) fn the_doorbell_rings_for_commits_and_leaders<D: Database>() {
    let (_database, mut writer) = fresh::<D>();
    let follower = writer.handle().unwrap();
    let mut bell = follower.doorbell().unwrap();
    assert!(!bell.wait(Duration::from_millis(50)).unwrap(), "nobody was there");
    let ringing = thread::spawn(move || {
        writer.commit(&puts(0, &["a"])).unwrap();
        writer
    });
    assert!(bell.wait(LONG).unwrap());
    let mut writer = ringing.join().unwrap();
    assert_eq!(follower.tail(0).unwrap().revision, 1);
    // Who was not waiting hears of it the next time.
    writer.commit(&puts(1, &["b"])).unwrap();
    writer.commit(&puts(2, &["c"])).unwrap();
    assert!(bell.wait(LONG).unwrap());
    assert_eq!(follower.tail(1).unwrap().revision, 3);
    while bell.wait(Duration::from_millis(50)).unwrap() {}
    ask(&mut *writer, "one", LONG);
    assert!(bell.wait(LONG).unwrap(), "another leads");
    while bell.wait(Duration::from_millis(50)).unwrap() {}
    ask(&mut *writer, "one", LONG);
    assert!(!bell.wait(Duration::from_millis(50)).unwrap(), "who goes on leading is no news");
    writer.release_lease(&server("one")).unwrap();
    assert!(bell.wait(LONG).unwrap(), "nobody leads");
}

pub(crate) fn the_epoch_outlives_a_backup<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    for id in ["one", "two", "three"] {
        ask(&mut *store, id, Duration::ZERO);
    }
    store.commit(&Batch { epoch: 3, ..puts(0, &["a"]) }).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("backup.db");
    store.backup(&file, &mut |_| {}).unwrap();
    let mut restored = D::restore(&file, scratch.path());
    assert_eq!(restored.leader().unwrap(), None, "whoever led it does not lead the copy");
    assert_eq!(ask(&mut *restored, "one", LONG), ("one".to_owned(), 4, true));
}

pub(crate) fn the_identity_says_how_far_it_is<D: Database>() {
    let (_database, mut store) = fresh::<D>();
    let before = store.identity().unwrap();
    assert!(!before.database.is_empty() && !before.database.contains(' '));
    store.commit(&puts(0, &["a"])).unwrap();
    let other = store.handle().unwrap();
    assert_eq!(other.identity().unwrap(), Identity { revision: 1, ..before.clone() });
    assert_eq!(before.revision, 0);
}
