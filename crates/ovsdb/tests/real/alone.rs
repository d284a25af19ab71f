//! The client against a real server that is alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::Duration;

use crate::support::{LONG, Server, config, connected, free_port, names, port};
use causeway_ovsdb::{
    Client, Condition, Datum, Endpoint, Mutation, Record, Row, Status, Tls, TransactError,
    Transaction, Uuid, Watch, record,
};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

record! {
    #[derive(Debug, Clone, PartialEq)]
    struct Port = "Port" {
        name: String = "name",
        tag: Option<i64> = "tag",
        up: bool = "up",
        addresses: BTreeSet<String> = "addresses",
        external_ids: BTreeMap<String, String> = "external_ids",
    }
}

fn insert_port(name: &str) -> Transaction {
    let mut transaction = Transaction::new();
    transaction.insert("Port", &Row::new().with("name", name));
    transaction
}

#[test]
fn what_a_transaction_does_is_in_the_copy_once_it_is_done() {
    let server = Server::alone(&[]);
    let client = connected(config(vec![server.endpoint()]));
    let other = connected(config(vec![server.endpoint()]));
    assert_eq!(client.schema().unwrap().version, "1.2.3");

    let one = Port {
        name: "one \"\\ é".into(),
        tag: Some(7),
        up: true,
        addresses: ["10.0.0.1".into(), "10.0.0.2".into()].into(),
        external_ids: [("a".into(), "1".into()), ("b".into(), "2".into())].into(),
    };
    let mut transaction = Transaction::new();
    let first = transaction.insert("Port", &one.to_row());
    let second = transaction.insert("Port", &Row::new().with("name", "two"));
    let ports = Datum::set([&first, &second]);
    let switch = transaction.insert("Switch", &Row::new().with("name", "s").with("ports", ports));
    transaction.comment("a switch with two ports");
    let committed = client.transact(transaction, LONG).unwrap();

    let [first, second, switch] =
        [first, second, switch].map(|name| committed.uuid(&name).unwrap());
    let seen = client.snapshot();
    let records: BTreeMap<Uuid, Port> = seen.records().collect();
    let two = Port {
        name: "two".into(),
        tag: None,
        up: false,
        addresses: BTreeSet::new(),
        external_ids: BTreeMap::new(),
    };
    assert_eq!(records, [(first, one.clone()), (second, two)].into());
    let switch = seen.table("Switch").unwrap().get(switch).unwrap();
    assert_eq!(switch.get("ports"), Some(&Datum::set([first, second])));

    let mut transaction = Transaction::new();
    transaction.mutate(
        "Port",
        &[Condition::row(first)],
        &[
            Mutation::insert("addresses", "10.0.0.3"),
            Mutation::delete("addresses", "10.0.0.1"),
            Mutation::delete("external_ids", "a"),
            Mutation::add("tag", 1),
        ],
    );
    let put = Row::new().with("up", false).with("external_ids", Datum::map([("b", "3")]));
    transaction.update("Port", &[Condition::equal("name", one.name.as_str())], &put);
    transaction.update("Port", &[Condition::equal("name", "nobody")], &put);
    transaction.mutate("Switch", &[], &[Mutation::delete("ports", second)]);
    transaction.delete("Port", &[Condition::row(second)]);
    let committed = client.transact(transaction, LONG).unwrap();
    let counts = [0, 1, 2, 3, 4].map(|operation| committed.count(operation));
    assert_eq!(counts, [Some(1), Some(1), Some(0), Some(1), Some(1)]);

    let changed = Port {
        tag: Some(8),
        up: false,
        addresses: ["10.0.0.2".into(), "10.0.0.3".into()].into(),
        external_ids: [("b".into(), "3".into())].into(),
        ..one
    };
    let now = client.snapshot();
    assert_eq!(now.records().collect::<BTreeMap<Uuid, Port>>(), [(first, changed)].into());
    assert_eq!(seen.rows("Port").count(), 2, "an earlier copy stays as it is");
    let same = other.wait_until(LONG, |database, _| (*database == now).then_some(()));
    assert_eq!(same, Some(()), "another client sees the same");
}

#[test]
fn what_is_refused_changes_nothing() {
    let server = Server::alone(&[]);
    let client = connected(config(vec![server.endpoint()]));
    let mut transaction = insert_port("a");
    let ids = Datum::map([("epoch", "5")]);
    transaction.insert("Global", &Row::new().with("external_ids", ids));
    client.transact(transaction, LONG).unwrap();
    let before = client.snapshot();

    let fenced = |epoch: &str, name: &str| {
        let mut transaction = Transaction::new();
        let mine = Condition::includes("external_ids", Datum::map([("epoch", epoch)]));
        transaction.require_any("Global", &[mine]);
        transaction.require_none("Port", &[Condition::equal("name", name)]);
        transaction.insert("Port", &Row::new().with("name", name));
        client.transact(transaction, LONG)
    };
    for (epoch, name, operation) in [("4", "b", 0), ("6", "b", 0), ("5", "a", 1)] {
        let error = fenced(epoch, name).unwrap_err();
        assert!(error.is_failed_condition(), "{error}");
        assert!(
            matches!(error, TransactError::Refused { operation: Some(at), .. } if at == operation)
        );
    }

    let error = client.transact(insert_port("a"), LONG).unwrap_err();
    let TransactError::Refused { operation: None, error, .. } = error else { panic!("{error}") };
    assert_eq!(error, "constraint violation");
    let mut transaction = insert_port("b");
    transaction.update("Port", &[], &Row::new().with("tag", 5000));
    let error = client.transact(transaction, LONG).unwrap_err();
    let TransactError::Refused { operation: Some(1), .. } = error else { panic!("{error}") };
    let mut transaction = insert_port("b");
    transaction.require_lock("nobody");
    let error = client.transact(transaction, LONG).unwrap_err();
    let TransactError::Refused { operation: Some(1), error, .. } = error else { panic!("{error}") };
    assert_eq!(error, "not owner");
    assert_eq!(client.snapshot(), before);

    fenced("5", "b").unwrap();
    assert_eq!(names(&client.snapshot()), ["a", "b"]);
}

#[test]
fn only_the_rows_and_columns_that_are_watched_are_told() {
    let server = Server::alone(&[]);
    let mut narrow = config(vec![server.endpoint()]);
    let mine = |owner: &str| Condition::includes("external_ids", Datum::map([("owner", owner)]));
    let watch = Watch::columns("Port", &["name", "external_ids"]);
    narrow.watches = vec![watch.or_rows(mine("a")).or_rows(mine("b"))];
    let client = connected(narrow);
    let mut transaction = Transaction::new();
    for owner in ["a", "b", "c"] {
        let ids = Datum::map([("owner", owner)]);
        transaction.insert("Port", &Row::new().with("name", owner).with("external_ids", ids));
    }
    client.transact(transaction, LONG).unwrap();
    assert_eq!(names(&client.snapshot()), ["a", "b"]);
    assert_eq!(port(&client.snapshot(), "a").unwrap().columns().count(), 2);
    // A row that is not any more what is watched is gone.
    let mut transaction = Transaction::new();
    let row = Row::new().with("external_ids", Datum::map([("owner", "d")]));
    transaction.update("Port", &[Condition::equal("name", "a")], &row);
    client.transact(transaction, LONG).unwrap();
    assert_eq!(names(&client.snapshot()), ["b"]);

    let mut lacking = config(vec![server.endpoint()]);
    lacking.watches = vec![Watch::columns("Port", &["name", "colour"])];
    let client = Client::start(lacking).unwrap();
    let last = client.wait_until(LONG, |_, status| match status {
        Status::Connecting { last } => last.clone(),
        Status::Connected { .. } => None,
    });
    assert_eq!(last.unwrap(), "the database lacks D the column colour of the table Port");
}

#[test]
fn a_server_that_comes_back_is_loaded_anew() {
    let mut server = Server::alone(&[]);
    let client = connected(config(vec![server.endpoint()]));
    client.transact(insert_port("a"), LONG).unwrap();
    server.kill();
    client.wait_until(LONG, |_, status| (!status.is_connected()).then_some(())).unwrap();
    assert_eq!(names(&client.snapshot()), ["a"], "what was last seen stays");
    let error = client.transact(insert_port("b"), Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, TransactError::NotSent(_)), "{error}");
    server.change_file(r#"["D", {"op": "insert", "table": "Port", "row": {"name": "c"}}]"#);
    server.start();
    // It waits for the server.
    client.transact(insert_port("d"), LONG).unwrap();
    assert_eq!(names(&client.snapshot()), ["a", "c", "d"]);
    let Status::Connected { earlier, resumed, .. } = client.status() else { panic!() };
    assert_eq!((earlier, resumed), (1, false));
}

#[test]
fn the_fate_of_a_transaction_without_an_answer_is_unknown_until_the_next_connection() {
    let server = Server::alone(&[]);
    let client = connected(config(vec![server.endpoint()]));
    client.transact(insert_port("a"), LONG).unwrap();
    server.signal(Signal::SIGSTOP);
    let error = client.transact(insert_port("b"), Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, TransactError::Unknown(_)), "{error}");
    assert!(!client.status().is_connected());
    server.signal(Signal::SIGCONT);
    assert!(client.wait_until_connected(LONG));
    // The server has read it by now, or never will: a later transaction tells.
    client.transact(insert_port("c"), LONG).unwrap();
    let known = client.snapshot();
    let other = connected(config(vec![server.endpoint()]));
    assert_eq!(other.snapshot(), known);
    assert!(port(&known, "a").is_some() && port(&known, "c").is_some());
}

#[test]
fn a_silent_server_is_given_up_for_another() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free_port();
    let server = Server::alone(&[format!("--remote=ptcp:{port}:127.0.0.1")]);
    let endpoints = vec![
        Endpoint::Tcp("127.0.0.1".into(), silent.local_addr().unwrap().port()),
        Endpoint::Tcp("127.0.0.1".into(), port),
    ];
    let mut config = config(endpoints.clone());
    config.probe = Duration::from_millis(200);
    let client = Client::start(config).unwrap();
    let used = || {
        client.wait_until(LONG, |_, status| match status {
            Status::Connected { endpoint, earlier, .. } => Some((endpoint.clone(), *earlier)),
            Status::Connecting { .. } => None,
        })
    };
    assert_eq!(used(), Some((endpoints[1].clone(), 0)));
    // It is asked now and then whether it is there, and answers.
    let lost = client
        .wait_until(Duration::from_secs(1), |_, status| (!status.is_connected()).then_some(()));
    assert_eq!(lost, None);
    // When it falls silent, that is noticed without any transaction.
    server.signal(Signal::SIGSTOP);
    client.wait_until(LONG, |_, status| (!status.is_connected()).then_some(())).unwrap();
    server.signal(Signal::SIGCONT);
    assert_eq!(used(), Some((endpoints[1].clone(), 1)));
}

/// An authority, and certificates that it vouches for.
struct Authority {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca"), certificate.pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    /// Where a file is.
    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn vouch(&self, name: &str, names: &[&str]) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(name), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}-key")), key.serialize_pem()).unwrap();
    }
}

#[test]
fn over_tls_both_sides_must_be_vouched_for() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    authority.vouch("server", &["central.example"]);
    authority.vouch("client", &[]);
    foreign.vouch("client", &[]);
    let port = free_port();
    let file = |option: &str, name: &str| format!("--{option}={}", authority.file(name).display());
    let server = Server::alone(&[
        file("private-key", "server-key"),
        file("certificate", "server"),
        file("ca-cert", "ca"),
        format!("--remote=pssl:{port}:127.0.0.1"),
    ]);
    // Only once it listens is there something to be refused by.
    drop(connected(config(vec![server.endpoint()])));

    let with = |ca: &Authority, identity: Option<&Authority>, name: Option<&str>| {
        let own = identity.map(|own| (own.file("client"), own.file("client-key")));
        let own = own.as_ref().map(|(chain, key)| (chain.as_path(), key.as_path()));
        let mut config = config(vec![Endpoint::Ssl("127.0.0.1".into(), port)]);
        config.tls = Some(Tls::read(&ca.file("ca"), own, name).unwrap());
        config
    };
    for name in [None, Some("central.example")] {
        let client = connected(with(&authority, Some(&authority), name));
        let large = "x".repeat(1 << 20);
        let ids = Datum::map([("large", large.as_str())]);
        let mut transaction = Transaction::new();
        let port = Row::new().with("name", format!("{name:?}")).with("external_ids", ids);
        transaction.insert("Port", &port);
        client.transact(transaction, LONG).unwrap();
        let seen = client.snapshot();
        let row = crate::support::port(&seen, &format!("{name:?}")).unwrap();
        assert_eq!(row.text_of_key("external_ids", "large"), Some(large.as_str()));
    }

    let refused = |config| {
        let client = Client::start(config).unwrap();
        let last = client.wait_until(LONG, |_, status| match status {
            Status::Connecting { last } => last.clone(),
            Status::Connected { .. } => panic!("connected"),
        });
        last.unwrap()
    };
    let unknown = refused(with(&foreign, Some(&authority), None));
    assert!(unknown.contains("invalid peer certificate"), "{unknown}");
    let other = refused(with(&authority, Some(&authority), Some("other.example")));
    assert!(other.contains("other.example"), "{other}");
    for identity in [None, Some(&foreign)] {
        let why = refused(with(&authority, identity, None));
        assert!(why.contains("alert") || why.contains("ended") || why.contains("reset"), "{why}");
    }
    let mut without = with(&authority, None, None);
    without.tls = None;
    assert_eq!(refused(without), "no certificates are set");

    let missing = Tls::read(&authority.file("none"), None, None).unwrap_err().to_string();
    assert!(missing.contains("none"), "{missing}");
    let key = authority.file("server-key");
    assert!(
        Tls::read(&authority.file("ca"), Some((&authority.file("client"), &key)), None).is_err()
    );
}

#[test]
fn the_alarm_tells_of_changes() {
    let server = Server::alone(&[]);
    let (told, news) = std::sync::mpsc::channel();
    let alarm = std::sync::Arc::new(move || {
        let _ = told.send(());
    });
    let client = Client::start_with_alarm(config(vec![server.endpoint()]), alarm).unwrap();
    assert!(client.wait_until_connected(LONG));
    while news.try_recv().is_ok() {}
    let other = connected(config(vec![server.endpoint()]));
    other.transact(insert_port("a"), LONG).unwrap();
    news.recv_timeout(LONG).unwrap();
    assert!(Client::start(config(Vec::new())).is_err(), "there is nothing to connect to");
}
