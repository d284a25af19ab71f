//! The client against a real cluster of three servers, whose leader is killed.

use std::sync::mpsc;
use std::time::Duration;

use crate::support::{LONG, Server, config, connected, free_port, names, port};
use causeway_ovsdb::{Client, Endpoint, Row, Status, TransactError, Transaction};
use nix::sys::signal::Signal;

struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    fn new() -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let first = Server::first(ports[0]);
        // A cluster takes others in once it has a leader.
        drop(connected(config(vec![first.endpoint()])));
        let further = ports[1..].iter().map(|port| Server::further(*port, ports[0]));
        let servers: Vec<_> = std::iter::once(first).chain(further).collect();
        for server in &servers {
            let mut any = config(vec![server.endpoint()]);
            any.leader_only = false;
            drop(connected(any));
        }
        Self { servers }
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        self.servers.iter().map(Server::endpoint).collect()
    }

    fn at(&mut self, endpoint: &Endpoint) -> &mut Server {
        self.servers.iter_mut().find(|server| server.endpoint() == *endpoint).unwrap()
    }
}

/// The server that a client is connected to, and how.
fn used(client: &Client) -> (Endpoint, u64, bool) {
    let used = client.wait_until(LONG, |_, status| match status {
        Status::Connected { endpoint, earlier, resumed } => {
            Some((endpoint.clone(), *earlier, *resumed))
        }
        Status::Connecting { .. } => None,
    });
    used.unwrap_or_else(|| panic!("{:?}", client.status()))
}

fn insert(client: &Client, name: &str) -> Result<(), TransactError> {
    let mut transaction = Transaction::new();
    transaction.insert("Port", &Row::new().with("name", name));
    client.transact(transaction, LONG).map(drop)
}

/// What came of one insertion, however often the connection was lost.
#[derive(Debug, PartialEq)]
enum Fate {
    Acknowledged,
    /// It was unknown, and then seen to have taken effect.
    Seen,
    /// It was unknown, seen not to have taken effect, and done again.
    Again,
}

fn insert_surely(client: &Client, name: &str) -> Fate {
    let mut fate = Fate::Acknowledged;
    loop {
        match insert(client, name) {
            Ok(()) => return fate,
            Err(TransactError::Unknown(_)) => {
                assert!(client.wait_until_connected(LONG), "{:?}", client.status());
                if port(&client.snapshot(), name).is_some() {
                    return Fate::Seen;
                }
                fate = Fate::Again;
            }
            // The first try took effect only after the copy was loaded: names are unique.
            Err(TransactError::Refused { error, .. }) if error == "constraint violation" => {
                assert_eq!(fate, Fate::Again);
                return Fate::Seen;
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_the_leader_is_killed() {
    let mut cluster = Cluster::new();
    let client = connected(config(cluster.endpoints()));
    let (leader, earlier, _) = used(&client);
    assert_eq!(earlier, 0);

    // Some, so that a resumed watch has less to tell than a new one.
    insert_surely(&client, "before");
    let (told, progress) = mpsc::channel();
    let fates: Vec<Fate> = std::thread::scope(|scope| {
        let client = &client;
        let writes = scope.spawn(move || {
            let insert = |index| {
                let fate = insert_surely(client, &format!("{index:03}"));
                told.send(()).unwrap();
                fate
            };
            (0..200).map(insert).collect()
        });
        // In the midst of the writing.
        progress.iter().take(50).for_each(drop);
        cluster.at(&leader).kill();
        writes.join().unwrap()
    });
    assert_eq!(fates.len(), 200);
    let (second, earlier, resumed) = used(&client);
    assert_ne!(second, leader);
    assert!(earlier >= 1 && resumed, "the next leader told only what had changed");
    let mut all: Vec<_> = (0..200).map(|index| format!("{index:03}")).collect();
    all.push("before".into());
    assert_eq!(names(&client.snapshot()), all);

    // With a transaction that the leader surely never answers.
    cluster.at(&leader).start();
    let mut returned = config(vec![leader.clone()]);
    returned.leader_only = false;
    drop(connected(returned));
    cluster.at(&second).signal(Signal::SIGSTOP);
    let unknown = std::thread::scope(|scope| {
        let insert = scope.spawn(|| {
            let mut transaction = Transaction::new();
            transaction.insert("Port", &Row::new().with("name", "unanswered"));
            client.transact(transaction, Duration::from_secs(1))
        });
        insert.join().unwrap()
    });
    assert!(matches!(unknown, Err(TransactError::Unknown(_))), "{unknown:?}");
    cluster.at(&second).kill();
    let (third, ..) = used(&client);
    assert_ne!(third, second);
    insert_surely(&client, "after");
    assert!(
        port(&client.snapshot(), "unanswered").is_none(),
        "a server that stood still did nothing"
    );

    // A new client, which knows nothing from before, sees the same.
    let fresh = connected(config(cluster.endpoints()));
    assert_eq!(fresh.snapshot(), client.snapshot());
}

#[test]
fn followers_are_for_those_who_want_them() {
    let cluster = Cluster::new();
    let leader = used(&connected(config(cluster.endpoints()))).0;
    let follower = cluster.endpoints().into_iter().find(|endpoint| *endpoint != leader).unwrap();

    let strict = Client::start(config(vec![follower.clone()])).unwrap();
    let last = strict.wait_until(LONG, |_, status| match status {
        Status::Connecting { last } => last.clone(),
        Status::Connected { .. } => panic!("a follower was taken"),
    });
    assert_eq!(last.unwrap(), "the server does not lead its cluster");

    let mut any = config(vec![follower]);
    any.leader_only = false;
    let client = connected(any);
    insert(&client, "by a follower").unwrap();
    assert_eq!(names(&client.snapshot()), ["by a follower"]);
}
