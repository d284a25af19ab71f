//! A database that is not the one that was here before: refused, and nothing is touched.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Sqlite;
use crate::conformance::{puts, rows};
use crate::{DataDir, Error, Store};

/// An installation with three revisions, of which the last two are in the log of recent writes
/// alone, as a crash leaves it.
struct Crashed {
    scratch: TempDir,
    /// Copies of all of its files at the first revision, and at the last one.
    first: PathBuf,
    last: PathBuf,
}

const FILES: [&str; 3] = ["causeway.db", "causeway.db-wal", "causeway.db-shm"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in FILES {
        let _ = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

impl Crashed {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let data = scratch.path().join("data");
        let (first, last) = (scratch.path().join("first"), scratch.path().join("last"));
        {
            let mut store = Sqlite::open(&DataDir::open(&data).unwrap()).unwrap();
            store.commit(&puts(0, &["a"])).unwrap();
        }
        copy(&data, &first);
        let mut store = Sqlite::open(&DataDir::open(&data).unwrap()).unwrap();
        store.commit(&puts(1, &["b"])).unwrap();
        store.commit(&puts(2, &["c"])).unwrap();
        // Before the end of the process would copy the log back.
        copy(&data, &last);
        drop(store);
        let crashed = Self { scratch, first, last };
        copy(&crashed.last, &crashed.data());
        let data = crashed.data();
        fs::remove_file(data.join("first-start")).unwrap();
        fs::create_dir(data.join("services")).unwrap();
        crashed
    }

    fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// All but the index of the log, which whoever reads makes anew, and an empty log.
    fn content(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = FILES[..2]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), fs::read(self.data().join(name)).ok()?)))
            .filter(|(_, content)| !content.is_empty())
            .collect();
        files.sort();
        files
    }

    fn refused(&self) -> Error {
        let opened = DataDir::open(&self.data()).and_then(|dir| Sqlite::open(&dir).map(drop));
        opened.expect_err("it is not what was here before")
    }

    /// Puts the newest one back: everything is there.
    fn recovers(&self) {
        copy(&self.last, &self.data());
        let mut store = Sqlite::open(&DataDir::open(&self.data()).unwrap()).unwrap();
        let (revision, found) = rows(&mut store);
        let ids: Vec<&str> = found.iter().map(|row| row.id.as_str()).collect();
        assert_eq!((revision, ids), (3, vec!["a", "b", "c"]));
    }
}

#[test]
fn a_missing_or_empty_database_is_refused_and_not_made_anew() {
    type Harm = fn(&Path);
    let harms: [Harm; 4] = [
        |data| FILES.iter().for_each(|name| drop(fs::remove_file(data.join(name)))),
        // The log alone: the database would make nothing of it, and remove it.
        |data| fs::remove_file(data.join(FILES[0])).unwrap(),
        |data| fs::write(data.join(FILES[0]), "").unwrap(),
        // Sound, with no table in it.
        |data| {
            FILES.iter().for_each(|name| drop(fs::remove_file(data.join(name))));
            let empty = rusqlite::Connection::open(data.join(FILES[0])).unwrap();
            empty.execute_batch("VACUUM").unwrap();
        },
    ];
    for harm in harms {
        let crashed = Crashed::new();
        harm(&crashed.data());
        let before = crashed.content();
        let refused = crashed.refused();
        assert!(matches!(refused, Error::DatabaseMissing { .. }), "{refused}");
        let said = refused.to_string();
        assert!(said.contains("causeway backup") && said.contains("--new-database"), "{said}");
        assert!(crashed.content() == before, "something was touched");
        crashed.recovers();
    }
}

#[test]
fn without_its_log_or_from_an_older_copy_a_database_is_refused() {
    let without_log: fn(&Crashed) = |crashed| {
        FILES[1..].iter().for_each(|name| fs::remove_file(crashed.data().join(name)).unwrap());
    };
    let older: fn(&Crashed) = |crashed| copy(&crashed.first, &crashed.data());
    for harm in [without_log, older] {
        let crashed = Crashed::new();
        harm(&crashed);
        let before = crashed.content();
        let refused = crashed.refused();
        assert!(crashed.content() == before, "something was touched");
        assert!(
            matches!(refused, Error::OtherDatabase { found: 1, seen: 3, same: true, .. }),
            "{refused}"
        );
        assert!(refused.to_string().contains("--accept-database 1"), "{refused}");
        crashed.recovers();
        // Who says at which revision it is, means it.
        copy(&crashed.last, &crashed.data());
        harm(&crashed);
        let mut dir = DataDir::open(&crashed.data()).unwrap();
        dir.accept_database(2);
        Sqlite::open(&dir).err().expect("it is at another one");
        dir.accept_database(1);
        let mut store = Sqlite::open(&dir).unwrap();
        assert_eq!(rows(&mut store).0, 1);
        store.commit(&puts(1, &["other"])).unwrap();
        drop((store, dir));
        assert_eq!(rows(&mut Sqlite::open(&DataDir::open(&crashed.data()).unwrap()).unwrap()).0, 2);
    }
}

#[test]
fn tables_whose_rows_went_with_the_log_are_no_database() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut dir = DataDir::open(&data).unwrap();
    let mut store = Sqlite::open(&dir).unwrap();
    // What a first opening writes is in the file itself, and all that comes after is in its log.
    let empty = fs::read(dir.database_path()).unwrap();
    store.commit(&puts(0, &["one"])).unwrap();
    drop(store);
    for name in FILES {
        let _ = fs::remove_file(data.join(name));
    }
    fs::write(dir.database_path(), empty).unwrap();
    let mark = fs::read(data.join("revision")).unwrap();
    for accepted in [None, Some(0)] {
        if let Some(revision) = accepted {
            dir.accept_database(revision);
        }
        let refused = Sqlite::open(&dir).err().expect("nothing is in it");
        assert!(matches!(refused, Error::DatabaseMissing { .. }), "{refused}");
        assert!(refused.to_string().contains("-wal"), "{refused}");
        assert_eq!(fs::read(data.join("revision")).unwrap(), mark, "the mark stays");
    }
}

#[test]
fn another_database_of_the_same_key_is_refused() {
    let crashed = Crashed::new();
    let other = crashed.scratch.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::copy(crashed.data().join("secret.key"), other.join("secret.key")).unwrap();
    fs::write(other.join("first-start"), "").unwrap();
    {
        let mut store = Sqlite::open(&DataDir::open(&other).unwrap()).unwrap();
        (0..9).for_each(|n| store.commit(&puts(n, &[&n.to_string()])).unwrap());
    }
    copy(&other, &crashed.data());
    let refused = crashed.refused();
    assert!(
        matches!(refused, Error::OtherDatabase { found: 9, seen: 3, same: false, .. }),
        "{refused}"
    );
    crashed.recovers();
}

#[test]
fn to_begin_anew_is_to_say_so_and_sets_the_rest_aside() {
    let crashed = Crashed::new();
    let data = crashed.data();
    let refused = DataDir::open_anew(&data, None).unwrap_err();
    assert!(matches!(refused, Error::HasDatabase { .. }), "{refused}");
    let key = fs::read(data.join("secret.key")).unwrap();
    fs::write(data.join(FILES[0]), "garbage ".repeat(1000)).unwrap();
    let before = crashed.content();
    let refused = crashed.refused();
    assert!(crashed.content() == before, "something was touched");
    assert!(matches!(refused, Error::NotADatabase { .. }), "{refused}");
    assert!(refused.to_string().contains("--new-database"), "{refused}");
    for n in 1..=2 {
        let mut store = Sqlite::open(&DataDir::open_anew(&data, None).unwrap()).unwrap();
        assert_eq!(rows(&mut store).0, 0);
        store.commit(&puts(0, &["new"])).unwrap();
        drop(store);
        let aside = data.join(format!("lost/databases/causeway.{n}"));
        assert!(fs::read(aside.join(FILES[0])).unwrap().starts_with(b"garbage"));
        assert_eq!(aside.join(FILES[1]).exists(), n == 1, "with its log");
        fs::write(data.join(FILES[0]), "garbage").unwrap();
    }
    assert_eq!(fs::read(data.join("secret.key")).unwrap(), key);
    assert!(data.join("services").exists());
    // It can be opened like any other from then on.
    drop(DataDir::open_anew(&data, None).unwrap());
    let mut store = Sqlite::open(&DataDir::open(&data).unwrap()).unwrap();
    assert_eq!(rows(&mut store).0, 0);
}

#[test]
fn a_first_start_that_was_cut_short_goes_on() {
    let scratch = tempfile::tempdir().unwrap();
    for harm in ["", "causeway.db", "secret.key"] {
        let data = scratch.path().join(format!("data-{harm}"));
        drop(DataDir::open(&data).unwrap());
        match harm {
            "causeway.db" => fs::write(data.join(harm), "").unwrap(),
            "secret.key" => fs::remove_file(data.join(harm)).unwrap(),
            _ => {}
        }
        let mut store = Sqlite::open(&DataDir::open(&data).unwrap()).unwrap();
        assert_eq!(rows(&mut store).0, 0);
    }
}
