//! What is particular to one file on this host: permissions, crashes, damage, old schemas.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Sqlite, schema};
use crate::batch::Limits;
use crate::conformance::{Database, conformance, puts, row, rows};
use crate::{AuditQuery, Batch, DataDir, Error, Store};

struct OneFile(TempDir);

impl Database for OneFile {
    fn create() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self, limits: Limits) -> Box<dyn Store> {
        let dir = DataDir::open(self.0.path()).unwrap();
        Box::new(Sqlite::with_limits(&dir, limits).unwrap())
    }

    fn restore(backup: &Path, scratch: &Path) -> Box<dyn Store> {
        let dir = DataDir::restore(backup, &scratch.join("restored")).unwrap();
        Box::new(Sqlite::open(&dir).unwrap())
    }
}

conformance!(OneFile);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn open_error(dir: &DataDir) -> Error {
    Sqlite::open(dir).err().expect("it must not open")
}

#[test]
fn only_the_owner_reads_the_files() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(scratch.path()).unwrap();
    let path = dir.database_path();
    let files = [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")];
    let mut store = Sqlite::open(&dir).unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    assert_eq!(files.each_ref().map(|file| mode(file)), [0o600; 3]);

    let backup = scratch.path().join("backup.db");
    store.backup(&backup, &mut |_| {}).unwrap();
    assert_eq!(mode(&backup), 0o600);

    // Whoever opened them up in the meantime: the next start closes them again.
    let kept = files.each_ref().map(|file| fs::read(file).unwrap());
    drop(store);
    for (file, content) in files.iter().zip(kept) {
        fs::write(file, content).unwrap();
        set_mode(file, 0o644);
    }
    let mut store = Sqlite::open(&dir).unwrap();
    assert_eq!(rows(&mut store).0, 1);
    assert_eq!(files.each_ref().map(|file| mode(file)), [0o600; 3]);
}

#[test]
fn every_commit_is_synced_to_a_log() {
    let scratch = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&DataDir::open(scratch.path()).unwrap()).unwrap();
    let pragma = |name| {
        store
            .connection()
            .unwrap()
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
    };
    assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(pragma("synchronous").unwrap(), 2.into());
}

#[test]
fn lock_is_held_until_the_last_store_is_gone() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(scratch.path()).unwrap();
    let store = Sqlite::open(&dir).unwrap();
    let handle = store.handle().unwrap();
    let in_use = || {
        let error = DataDir::open(scratch.path()).unwrap_err();
        assert!(
            matches!(error, Error::InUse { pid, .. } if pid == Some(std::process::id())),
            "{error}"
        );
    };
    in_use();
    drop(dir);
    in_use();
    drop(store);
    in_use();
    drop(handle);
    DataDir::open(scratch.path()).unwrap();
}

const CHILD_DIRECTORY: &str = "CAUSEWAY_STORE_TEST_DIRECTORY";

/// Not a test: the process that `kill_loses_nothing_acknowledged` kills.
#[test]
#[ignore = "run by kill_loses_nothing_acknowledged"]
fn commits_until_killed() {
    let Some(path) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let mut store = Sqlite::open(&DataDir::open(Path::new(&path)).unwrap()).unwrap();
    let (mut revision, _) = rows(&mut store);
    let mut out = std::io::stdout().lock();
    loop {
        let left = row("number", &format!("left-{revision}"), revision + 1, "{}");
        let right = row("number", &format!("right-{revision}"), revision + 1, "{}");
        let batch = Batch {
            expected_revision: revision,
            revision: revision + 1,
            puts: vec![left, right],
            ..Batch::default()
        };
        store.commit(&batch).unwrap();
        revision += 1;
        writeln!(out, "acknowledged {revision}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn kill_loses_nothing_acknowledged() {
    let scratch = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::tests::commits_until_killed"])
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIRECTORY, scratch.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: std::io::Result<String>| -> Option<u64> {
            line.unwrap().strip_prefix("acknowledged ").map(|number| number.parse().unwrap())
        };
        let mut acknowledged = 0;
        // A random moment, measured in commits so that there is something to lose.
        let wait_for = 1 + getrandom::u32().unwrap() as usize % 600;
        for number in lines.by_ref().filter_map(number).take(wait_for) {
            acknowledged = number;
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it lived until it was killed");
        // What it had said before it died counts too; its last line may be cut.
        for line in lines {
            let line = line.unwrap();
            if let Some(number) = line.strip_prefix("acknowledged ") {
                acknowledged = acknowledged.max(number.parse().unwrap());
            }
        }
        assert!(acknowledged > 0);

        let mut store = Sqlite::open(&DataDir::open(scratch.path()).unwrap()).unwrap();
        let (revision, rows) = rows(&mut store);
        assert!(
            revision == acknowledged || revision == acknowledged + 1,
            "acknowledged {acknowledged}, found {revision}"
        );
        let mut revisions: Vec<_> = rows.iter().map(|row| row.revision).collect();
        revisions.sort_unstable();
        let whole: Vec<_> = (1..=revision).flat_map(|revision| [revision; 2]).collect();
        assert_eq!(revisions, whole, "no commit is missing, and none is there by half");
    }
}

/// Version 1 as it was released: never changed, so that the newest program always reads it.
const VERSION_1: &str = "
    CREATE TABLE resource (
        kind TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL, revision INTEGER NOT NULL,
        body TEXT NOT NULL, PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE INDEX resource_account ON resource (account, kind);
    CREATE INDEX resource_revision ON resource (revision);
    CREATE TABLE tombstone (
        number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL,
        revision INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX tombstone_revision ON tombstone (revision);
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, revision INTEGER NOT NULL,
        actor TEXT NOT NULL, account TEXT NOT NULL, action TEXT NOT NULL, resource TEXT NOT NULL,
        source TEXT NOT NULL, outcome TEXT NOT NULL, message TEXT NOT NULL,
        request_id TEXT NOT NULL
    ) STRICT;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE ledger (
        one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL,
        forgotten INTEGER NOT NULL, fingerprint BLOB
    ) STRICT;
    INSERT INTO ledger (one, revision, forgotten) VALUES (1, 7, 2);
    INSERT INTO resource VALUES ('vpc', 'vpc-1', '111122223333', 6, '{\"n\":1}');
    INSERT INTO tombstone VALUES (3, 'vpc', 'vpc-2', 7);
    INSERT INTO audit VALUES (9, 5, 7, 'a', 'b', 'c', 'd', 'e', 'ok', '', 'r');
    INSERT INTO meta VALUES ('key', 'value');
    PRAGMA application_id = 1129791833;
    PRAGMA user_version = 1;
";

#[test]
fn version_1_opens() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(scratch.path()).unwrap();
    Connection::open(dir.database_path()).unwrap().execute_batch(VERSION_1).unwrap();
    let mut store = Sqlite::open(&dir).unwrap();
    let (revision, rows) = rows(&mut store);
    assert_eq!((revision, rows), (7, vec![row("vpc", "vpc-1", 6, r#"{"n":1}"#)]));
    assert_eq!(store.tail(5).unwrap().changes.len(), 2);
    assert!(matches!(store.tail(1), Err(Error::Forgotten { oldest: 2, .. })));
    assert_eq!(store.audit(&AuditQuery::default()).unwrap()[0].number, 9);
    assert_eq!(store.meta("key").unwrap().as_deref(), Some("value"));
    store.commit(&puts(7, &["vpc-3"])).unwrap();
    let version = schema::version(store.connection().unwrap(), &store.path, usize::MAX).unwrap();
    assert_eq!(version, schema::MIGRATIONS.len());
}

#[test]
fn migration_goes_step_by_step_and_keeps_what_is_there() {
    let path = Path::new("in memory");
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(VERSION_1).unwrap();
    let second = "ALTER TABLE resource ADD COLUMN region TEXT NOT NULL DEFAULT 'somewhere'";
    let third = "UPDATE resource SET region = region || ' else'";
    let broken = "CREATE TABLE half (x TEXT) STRICT; SELECT no_such_function();";

    let steps = [schema::MIGRATIONS[0], second, third, broken];
    assert!(schema::migrate(&mut connection, path, &steps).is_err());
    let version = || schema::version(&connection, path, 9).unwrap();
    assert_eq!(version(), 3, "the steps before the broken one stay");
    let region: String =
        connection.query_row("SELECT region FROM resource", [], |row| row.get(0)).unwrap();
    assert_eq!(region, "somewhere else");
    assert!(connection.prepare("SELECT x FROM half").is_err(), "a step is whole or not at all");

    schema::migrate(&mut connection, path, &steps[..3]).unwrap();
    let error = schema::migrate(&mut connection, path, &steps[..1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "in memory has schema version 3, and this program knows up to 1: run a newer one"
    );
}

#[test]
fn newer_database_is_refused_untouched() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(scratch.path()).unwrap();
    drop(Sqlite::open(&dir).unwrap());
    Connection::open(dir.database_path())
        .unwrap()
        .pragma_update(None, "user_version", 1_000)
        .unwrap();
    let before = fs::read(dir.database_path()).unwrap();
    let error = open_error(&dir);
    assert!(matches!(error, Error::NewerSchema { found: 1_000, known: 5, .. }), "{error}");
    assert_eq!(fs::read(dir.database_path()).unwrap(), before);
}

#[test]
fn other_files_are_refused_untouched() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(scratch.path()).unwrap();
    let path = dir.database_path();
    let refused = || {
        let before = fs::read(&path).unwrap();
        let error = open_error(&dir);
        assert!(matches!(error, Error::NotADatabase { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
        assert!(message.contains("causeway backup"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), before);
    };
    fs::write(&path, "not a database, but long enough to hold a header. ".repeat(100)).unwrap();
    refused();
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE cats (name TEXT)").unwrap();
    refused();
}

#[test]
fn damage_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(scratch.path()).unwrap();
    let mut store = Sqlite::open(&dir).unwrap();
    let ids: Vec<String> = (0..2_000).map(|id| id.to_string()).collect();
    store.commit(&puts(0, &ids.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    drop(store);
    let path = dir.database_path();
    let mut bytes = fs::read(&path).unwrap();
    bytes[4_096..].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let error = match Sqlite::open(&dir) {
        Err(error) => error,
        Ok(mut store) => store.load(&mut |_| Ok(())).unwrap_err(),
    };
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(message.contains("causeway backup"), "{message}");
}

#[test]
fn another_database_s_key_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let ours = DataDir::open(&scratch.path().join("ours")).unwrap();
    let theirs = DataDir::open(&scratch.path().join("theirs")).unwrap();
    drop(Sqlite::open(&theirs).unwrap());
    fs::copy(theirs.database_path(), ours.database_path()).unwrap();
    let error = open_error(&ours);
    assert!(matches!(error, Error::WrongSecret { .. }), "{error}");
}

#[test]
fn restored_directory_opens_what_was_sealed_and_keeps_the_key_in_its_file_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(&scratch.path().join("old")).unwrap();
    let store = Sqlite::open(&dir).unwrap();
    let sealed = dir.secret().seal(b"secret access key", b"AKIA").unwrap();
    let backup = scratch.path().join("backup.db");
    store.backup(&backup, &mut |_| {}).unwrap();
    let holds_key = |path: &Path| {
        let key = dir.secret().expose();
        fs::read(path).unwrap().windows(key.len()).any(|window| window == key)
    };
    assert!(holds_key(&backup));
    assert!(!holds_key(&dir.database_path()));

    let restored = DataDir::restore(&backup, &scratch.path().join("deep/new")).unwrap();
    assert_eq!(restored.secret().open(&sealed, b"AKIA").unwrap(), b"secret access key");
    assert!(!holds_key(&restored.database_path()));
    assert_eq!(mode(&restored.database_path()), 0o600);
    assert_eq!(mode(&restored.path().join("secret.key")), 0o600);
    assert_eq!(mode(restored.path()), 0o700);
    assert_eq!(mode(&scratch.path().join("deep")), 0o700);
    drop(Sqlite::open(&restored).unwrap());
}

#[test]
fn restore_refuses_what_is_no_backup_and_where_something_is() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(&scratch.path().join("old")).unwrap();
    let store = Sqlite::open(&dir).unwrap();
    let backup = scratch.path().join("backup.db");
    store.backup(&backup, &mut |_| {}).unwrap();
    drop(store);
    let new = scratch.path().join("new");

    let error = DataDir::restore(&dir.database_path(), &new).unwrap_err();
    assert!(matches!(error, Error::NotABackup { .. }), "{error}");
    let error = DataDir::restore(&scratch.path().join("missing"), &new).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    let cut = scratch.path().join("cut.db");
    let bytes = fs::read(&backup).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let error = DataDir::restore(&cut, &new).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert!(!new.exists(), "a refused restore leaves nothing");

    let error = DataDir::restore(&backup, dir.path()).unwrap_err();
    assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
    fs::create_dir(&new).unwrap();
    set_mode(&new, 0o777);
    let error = DataDir::restore(&backup, &new).unwrap_err();
    assert!(matches!(error, Error::Permissions { .. }), "{error}");
    set_mode(&new, 0o700);
    DataDir::restore(&backup, &new).unwrap();
}

#[test]
fn failed_write_is_an_error_and_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = DataDir::open(scratch.path()).unwrap();
    let mut store = Sqlite::open(&dir).unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    // As on a full disk: no page may be added.
    let connection = store.connection().unwrap();
    connection.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(())).unwrap();
    let big = format!("\"{}\"", "x".repeat(100_000));
    let batch = Batch { puts: vec![row("vpc", "b", 2, &big)], ..puts(1, &[]) };
    let error = store.commit(&batch).unwrap_err();
    assert!(matches!(error, Error::Database { doing: "write", .. }), "{error:?}");
    let (revision, rows) = rows(&mut store);
    assert_eq!((revision, rows.len()), (1, 1));
}
