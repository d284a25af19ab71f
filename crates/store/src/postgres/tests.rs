//! What is particular to a server that others have, too: restarts, standbys, what is in front of it.

mod blobs;
mod server;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::server::Server;
use super::{Postgres, PostgresUrl};
use crate::batch::Limits;
use crate::conformance::{Database, puts, rows};
use crate::{
    AuditQuery, AuditRow, Batch, DataDir, Error, KeySource, Result, Snapshot, Sqlite, Store,
};

/// A database of its own on a server that a process's tests share.
struct OneDatabase {
    dir: TempDir,
    url: PostgresUrl,
}

/// Its keeper ends it with the process, as what is static is not dropped. What is lost with the power does not
/// matter here.
fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("fsync = off"))
}

fn url(text: &str) -> PostgresUrl {
    PostgresUrl::read(text).unwrap()
}

impl Database for OneDatabase {
    fn create() -> Self {
        let url = url(&shared().url(&shared().database()));
        Self { dir: tempfile::tempdir().unwrap(), url }
    }

    fn open(&self, limits: Limits) -> Box<dyn Store> {
        let dir = DataDir::open_for_server(self.dir.path(), None).unwrap();
        Box::new(Postgres::with_limits(&self.url, &dir, limits).unwrap())
    }

    fn restore(backup: &Path, scratch: &Path) -> Box<dyn Store> {
        let url = url(&shared().socket(&shared().database()));
        let snapshot = Snapshot::open(backup).unwrap();
        let restoring = crate::Restoring::begin(&scratch.join("restored")).unwrap();
        let dir = restoring.finish_on(&snapshot, &url).unwrap();
        Box::new(Postgres::open(&url, &dir).unwrap())
    }
}

mod conformance_suite {
    use super::OneDatabase;
    use crate::conformance::conformance;

    conformance!(OneDatabase, together);
}

/// A data directory, and a store in it.
fn opened(dir: &Path, address: &str) -> Result<Postgres> {
    let dir = DataDir::open_for_server(dir, None)?;
    Postgres::open(&url(address), &dir)
}

fn refused(dir: &Path, address: &str) -> Error {
    opened(dir, address).err().expect("it must not open")
}

/// A second server's directory, with the key of the first.
fn joined(first: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::copy(first.join("secret.key"), dir.path().join("secret.key")).unwrap();
    dir
}

#[test]
fn what_cannot_be_used_is_said() {
    let server = shared();
    let name = server.database();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("data");
    let said = |address: &str| refused(&dir, address).to_string();

    let nobody = said("postgres://app@127.0.0.1:1/x");
    assert!(
        nobody.starts_with("postgres://app@127.0.0.1:1/x cannot be used: 127.0.0.1:1: "),
        "{nobody}"
    );
    assert!(nobody.contains("refused"), "{nobody}");
    let wrong = said(&server.url(&name).replace("secret", "hunter2"));
    assert!(wrong.contains("password authentication failed for user \"app\""), "{wrong}");
    assert!(!wrong.contains("hunter2"), "{wrong}");
    let none = said(&server.url("no_such"));
    assert!(none.contains("database \"no_such\" does not exist"), "{none}");
    server.sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    assert!(said(&server.url("latin")).contains("UTF8 is needed"));
    server.sql(&name, "CREATE SCHEMA causeway");
    assert!(matches!(refused(&dir, &server.url(&name)), Error::NotALedger { .. }));
    assert!(!dir.join("secret.key").exists(), "no key is made for what is not used");

    server.sql(&name, "DROP SCHEMA causeway");
    drop(opened(&dir, &server.url(&name)).unwrap());
    server.sql(&name, "UPDATE causeway.schema SET version = 99");
    let newer = refused(&dir, &server.url(&name));
    assert!(matches!(newer, Error::NewerSchema { found: 99, known: 2, .. }), "{newer}");
    server.sql(&name, "UPDATE causeway.schema SET version = 2");
    let empty = refused(&dir, &server.url(&server.database()));
    assert!(matches!(empty, Error::LedgerMissing { .. }), "{empty}");

    let stranger = refused(&scratch.path().join("stranger"), &server.url(&name));
    assert!(matches!(stranger, Error::KeyWanted { .. }), "{stranger}");
    let other = scratch.path().join("other");
    drop(DataDir::open(&other).unwrap());
    let wrong_key = refused(&other, &server.url(&name));
    assert!(matches!(wrong_key, Error::WrongKey { .. }), "{wrong_key}");

    // A directory has one database, and says where.
    let elsewhere = DataDir::open(&dir).unwrap_err();
    assert!(matches!(elsewhere, Error::Elsewhere { .. }), "{elsewhere}");
    Sqlite::open(&DataDir::open(&other).unwrap()).unwrap();
    assert!(matches!(refused(&other, &server.url(&name)), Error::OwnDatabase { .. }));
}

#[test]
fn a_database_begins_with_a_key_from_elsewhere_and_others_join_with_it() {
    let server = shared();
    let address = server.url(&server.database());
    let scratch = tempfile::tempdir().unwrap();
    let key = scratch.path().join("key");
    std::fs::write(&key, "0f".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let source = KeySource::File(key.clone());
    let open = |dir: &Path, address: &str, key: Option<&KeySource>| {
        Postgres::open(&url(address), &DataDir::open_for_server(dir, key)?).map(drop)
    };
    let one = scratch.path().join("one");
    // What fails before there is a database leaves a directory that can still begin one.
    open(&one, "postgres://app@127.0.0.1:1/x", Some(&source)).unwrap_err();
    assert!(!DataDir::first_start(&one).exists() && !one.join("key-source").exists());
    open(&one, &address, Some(&source)).unwrap();
    assert!(DataDir::first_start(&one).exists(), "the installation begins");
    assert!(!one.join("secret.key").exists());
    open(&one, &address, None).unwrap();

    let two = scratch.path().join("two");
    open(&two, &address, Some(&source)).unwrap();
    assert!(!DataDir::first_start(&two).exists(), "it joins, and begins nothing");
    open(&two, &address, None).unwrap();
    let wrong = scratch.path().join("wrong");
    std::fs::write(&key, "1f".repeat(32)).unwrap();
    let refused = open(&wrong, &address, Some(&source)).unwrap_err();
    assert!(matches!(refused, Error::WrongKey { .. }), "{refused}");
    assert!(!wrong.join("key-source").exists(), "a key that is of no use is not noted");
}

#[test]
fn servers_that_begin_together_make_one_database() {
    let address = shared().url(&shared().database());
    let first = tempfile::tempdir().unwrap();
    // One key for all, as each has only once it was copied.
    drop(opened(first.path(), &shared().url(&shared().database())).unwrap());
    let dirs: Vec<TempDir> = (0..4).map(|_| joined(first.path())).collect();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let open =
            |dir: &'_ TempDir| opened(dir.path(), &address).unwrap().identity().unwrap().database;
        let starting: Vec<_> = dirs.iter().map(|dir| scope.spawn(move || open(dir))).collect();
        starting.into_iter().map(|starting| starting.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn an_older_database_is_refused_until_it_is_accepted() {
    let server = shared();
    let name = server.database();
    let (one, address) = (tempfile::tempdir().unwrap(), server.url(&name));
    let mut store = opened(one.path(), &address).unwrap();
    let two = joined(one.path());
    let other = opened(two.path(), &address).unwrap();
    for revision in 0..3 {
        store.commit(&puts(revision, &["a"])).unwrap();
    }
    // What it heard of by following counts as well as what it committed.
    assert_eq!(other.tail(0).unwrap().revision, 3);
    server.sql(&name, "UPDATE causeway.ledger SET revision = 2");
    for store in [&store, &other] {
        let older = store.tail(0).unwrap_err();
        assert!(
            matches!(&older, Error::Older { found, seen, .. } if (found.revision, seen.revision) == (2, 3)),
            "{older}"
        );
        assert!(matches!(store.identity().unwrap_err(), Error::Older { .. }));
    }
    assert!(matches!(store.commit(&puts(3, &["b"])).unwrap_err(), Error::Older { .. }));
    drop((store, other));
    for dir in [&one, &two] {
        let older = refused(dir.path(), &address);
        assert!(older.to_string().ends_with("start once with --accept-database 2"), "{older}");
        let mut accepting = DataDir::open_for_server(dir.path(), None).unwrap();
        accepting.accept_database(2);
        let store = Postgres::open(&url(&address), &accepting).unwrap();
        assert_eq!(store.identity().unwrap().revision, 2);
        drop((store, accepting));
        opened(dir.path(), &address).unwrap();
    }
    server.sql(&name, "UPDATE causeway.ledger SET id = 'another'");
    let another = refused(one.path(), &address);
    assert!(matches!(another, Error::OtherLedger { .. }), "{another}");
}

#[test]
fn what_the_server_refuses_changed_nothing() {
    let server = shared();
    let name = server.database();
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path(), &server.url(&name)).unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    // No room, as the server says it.
    server.sql(
        &name,
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
         CREATE TRIGGER no_room BEFORE UPDATE ON causeway.ledger EXECUTE FUNCTION no_room()",
    );
    let batch = Batch { id: 7, ..puts(1, &["b"]) };
    let refused = store.commit(&batch).unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }) && refused.is_no_room(), "{refused}");
    server.sql(&name, "DROP TRIGGER no_room ON causeway.ledger");
    assert_eq!(rows(&mut store).0, 1);
    assert!(!store.has_committed(&batch).unwrap());

    // A lock that is held too long.
    let holding = std::thread::spawn({
        let name = name.clone();
        move || {
            shared().sql(&name, "BEGIN; SELECT FROM causeway.ledger FOR UPDATE; SELECT pg_sleep(6)")
        }
    });
    until_waiting(&name, "PgSleep");
    let refused = store.commit(&batch).unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }) && !refused.is_no_room(), "{refused}");
    holding.join().unwrap();
    store.commit(&batch).unwrap();
    assert!(store.has_committed(&batch).unwrap());
}

/// Waits until a session of the database waits in this way.
fn until_waiting(name: &str, event: &str) {
    let ask = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event = '{event}'"
    );
    let until = Instant::now() + Duration::from_secs(20);
    while shared().sql("postgres", &ask) == "0" {
        assert!(Instant::now() < until, "nobody waits for {event}");
        server::look_again();
    }
}

#[test]
fn a_commit_whose_connection_ends_does_not_take_effect_later() {
    let server = shared();
    let name = server.database();
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path(), &server.url(&name)).unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    let batch = Batch { id: 8, ..puts(1, &["b"]) };
    let holding = std::thread::spawn({
        let name = name.clone();
        move || {
            shared().sql(&name, "BEGIN; SELECT FROM causeway.ledger FOR UPDATE; SELECT pg_sleep(2)")
        }
    });
    until_waiting(&name, "PgSleep");
    let ending = std::thread::spawn({
        let name = name.clone();
        move || {
            until_waiting(&name, "transactionid");
            shared().sql(
                "postgres",
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = '{name}' AND wait_event = 'transactionid'"
                ),
            )
        }
    });
    let unknown = store.commit(&batch).unwrap_err();
    assert!(matches!(unknown, Error::Database { .. }), "{unknown}");
    assert!(!store.has_committed(&batch).unwrap());
    ending.join().unwrap();
    holding.join().unwrap();
    assert_eq!(rows(&mut store).0, 1, "a connection is made anew");
    store.commit(&batch).unwrap();
}

#[test]
fn a_server_that_is_started_anew_is_found_again() {
    let mut server = Server::start("");
    let name = server.database();
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path(), &server.url(&name)).unwrap();
    let reader = store.handle().unwrap();
    let mut bell = store.doorbell().unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    assert!(bell.wait(Duration::from_secs(10)).unwrap());
    while bell.wait(Duration::from_millis(50)).unwrap() {}
    assert_eq!(reader.tail(0).unwrap().revision, 1);

    server.stop("QUIT");
    let gone = reader.tail(1).unwrap_err();
    assert!(matches!(gone, Error::Unreachable { .. }), "{gone}");
    let batch = Batch { id: 9, ..puts(1, &["b"]) };
    assert!(store.commit(&batch).is_err());
    assert!(bell.wait(Duration::from_millis(50)).unwrap(), "it is out of order");
    assert!(bell.wait(Duration::from_millis(50)).is_err(), "and cannot be mended");

    server.start_again();
    assert_eq!(reader.tail(1).unwrap().revision, 1);
    store.commit(&batch).unwrap();
    assert!(bell.wait(Duration::from_millis(50)).unwrap(), "it was out of order meanwhile");
    while bell.wait(Duration::from_millis(50)).unwrap() {}
    store.commit(&puts(2, &["c"])).unwrap();
    assert!(bell.wait(Duration::from_secs(10)).unwrap());
    assert_eq!(rows(&mut store).0, 3);
}

/// A standby takes over, and the old primary comes back, first in the address.
#[test]
fn a_server_that_was_replaced_is_passed_over() {
    let mut old = Server::start("");
    let name = old.database();
    let dir = tempfile::tempdir().unwrap();
    let new = old.standby("");
    let both = format!("{},{}", old.place(), new.place());
    let address = &*old.url(&name).replacen(&old.place(), &both, 1);
    let mut store = opened(dir.path(), address).unwrap();
    let mut reader = store.handle().unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    assert_eq!(rows(&mut *reader).0, 1);
    let lag = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()";
    while old.sql("postgres", lag) != "1" {
        server::look_again();
    }
    old.stop("QUIT");
    new.promote();
    // It is found at the second place, with all that was acknowledged.
    let batch = Batch { id: 10, ..puts(1, &["b"]) };
    if store.commit(&batch).is_err() {
        assert!(!store.has_committed(&batch).unwrap());
        store.commit(&batch).unwrap();
    }
    let before = store.identity().unwrap();
    assert_eq!((before.timeline, before.revision), (2, 2));

    old.start_again();
    // Another handle has its old connection no more, and the first place answers again.
    assert_eq!(rows(&mut *reader).0, 2);
    let fresh = store.handle().unwrap();
    assert_eq!(fresh.identity().unwrap(), before);
    drop((store, reader, fresh));
    // So it is for a process that begins now, and knows of it from the data directory alone.
    assert_eq!(opened(dir.path(), address).unwrap().identity().unwrap(), before);
    let alone = refused(dir.path(), &old.url(&name));
    assert!(
        matches!(&alone, Error::Older { found, .. } if (found.timeline, found.revision) == (1, 1)),
        "{alone}"
    );
}

/// Where a commit waits for a standby that does not come, nobody is told that it is done, nor that it is not.
#[test]
fn a_commit_that_waits_for_a_standby_is_not_cut_short() {
    let server = Server::start("synchronous_standby_names = ''");
    let name = server.database();
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path(), &server.url(&name)).unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    let set = |names: &str| server.set(&[("synchronous_standby_names", names)]);
    let found = |name: &str| {
        let findings = Postgres::doctor(&url(&server.url("postgres"))).unwrap();
        findings.into_iter().find(|finding| finding.name == name).unwrap()
    };
    assert!(found("durable commits").ok && found("sessions").ok && found("encryption").ok);
    let alone = found("standbys");
    assert!(!alone.ok && !alone.needed, "{alone:?}");
    set("missing");
    let absent = found("standbys");
    assert!(!absent.ok && absent.needed, "{absent:?}");

    let batch = Batch { id: 11, ..puts(1, &["b"]) };
    let unknown = store.commit(&batch).unwrap_err();
    assert!(matches!(unknown, Error::Database { .. }), "{unknown}");
    let reader = store.handle().unwrap();
    assert_eq!(reader.tail(0).unwrap().revision, 1, "reads go on, and do not see it");
    let unknown = store.has_committed(&batch).unwrap_err();
    assert!(!matches!(unknown, Error::Forgotten { .. }), "{unknown}");
    assert_eq!(reader.tail(0).unwrap().revision, 1, "it still waits");
    set("");
    assert!(store.has_committed(&batch).unwrap());
    assert_eq!(reader.tail(0).unwrap().revision, 2);
}

#[test]
fn zero_bytes_are_kept_as_what_stands_for_them() {
    let address = shared().url(&shared().database());
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(dir.path(), &address).unwrap();
    let audit = vec![AuditRow {
        at: 5,
        message: "a\0b".to_owned(),
        request_id: "\0".to_owned(),
        ..AuditRow::default()
    }];
    let batch = Batch { audit, ..Batch::default() };
    store.commit(&batch).unwrap();
    assert!(store.has_committed(&batch).unwrap());
    assert_eq!(store.audit(&AuditQuery::default()).unwrap()[0].message, "a\u{fffd}b");
    let query = AuditQuery { request_id: Some("\0".to_owned()), ..AuditQuery::default() };
    assert_eq!(store.audit(&query).unwrap().len(), 1);
    store.set_meta("k", "\0").unwrap();
    assert_eq!(store.meta("k").unwrap().as_deref(), Some("\u{fffd}"));
    assert!(!store.was_deleted("\0", "\0").unwrap());
}

/// Handles are dropped by tasks, too.
#[test]
fn a_handle_may_end_where_nothing_may_wait() {
    let address = shared().url(&shared().database());
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), &address).unwrap();
    let bell = store.doorbell().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async move { drop((store, bell)) });
}

#[test]
fn what_leaves_the_machine_goes_to_a_server_that_proves_itself() {
    let server = Server::start("fsync = off");
    let name = server.database();
    let scratch = tempfile::tempdir().unwrap();
    let certificate = || rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (its, other) = (certificate(), certificate());
    let chain = server.put("server.pem", &its.cert.pem());
    let key = server.put("server.key", &its.signing_key.serialize_pem());
    let file = |path: &Path| path.to_str().unwrap().to_owned();
    server.set(&[("ssl_cert_file", &file(&chain)), ("ssl_key_file", &file(&key)), ("ssl", "on")]);
    let trusted = |name: &str, pem: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let (ours, wrong) =
        (trusted("ca.pem", &its.cert.pem()), trusted("other.pem", &other.cert.pem()));
    let address =
        |roots: &str| format!("{}?sslmode=verify-full&sslrootcert={roots}", server.url(&name));

    let mut store = opened(&scratch.path().join("data"), &address(&ours)).unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    let mut bell = store.doorbell().unwrap();
    store.commit(&puts(1, &["b"])).unwrap();
    assert!(bell.wait(Duration::from_secs(10)).unwrap());
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'causeway'";
    assert_eq!(server.sql("postgres", encrypted), "2");
    drop((store, bell));
    let refused = refused(&scratch.path().join("data"), &address(&wrong)).to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let none = PostgresUrl::read(&address(&trusted("none.pem", ""))).unwrap_err();
    assert!(matches!(none, Error::File { .. }), "{none}");
}

#[test]
fn a_pooler_of_transactions_is_refused() {
    let server = Server::start("fsync = off");
    let name = server.database();
    let dir = tempfile::tempdir().unwrap();
    let pooler = server.pooler("transaction");
    for _ in 0..3 {
        let refused = refused(dir.path(), &pooler.url(&name));
        assert!(matches!(refused, Error::Pooled { .. }), "{refused}");
    }
    assert!(!dir.path().join("secret.key").exists());
    let pooler = server.pooler("session");
    let mut store = opened(dir.path(), &pooler.url(&name)).unwrap();
    let mut bell = store.doorbell().unwrap();
    store.commit(&puts(0, &["a"])).unwrap();
    assert!(bell.wait(Duration::from_secs(10)).unwrap());
    assert_eq!(store.identity().unwrap().revision, 1);
}
