//! Three servers on one PostgreSQL under load, of which one is killed or stopped for a while, again and
//! again: some order of all requests explains what every client saw, so that nothing that was acknowledged
//! is lost and nothing is done twice, and the others go on.
//!
//! `scripts/soak --servers` runs many more rounds.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

#[path = "../../server/src/cluster/tests/history.rs"]
mod history;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use history::{Asked, Seen, is_linearizable};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::Server;
use support::postgres::Server as Postgres;
use support::raw::{Chance, Client, given};

/// How many servers there are.
const SERVERS: usize = 3;
/// How many clients ask at once.
const CLIENTS: u64 = 6;
/// How many names they ask for at once: few, so that they meet.
const NAMES: u64 = 4;
/// How often one name is asked for at most: a check of all orders looks at that many.
const MOST_ASKED: usize = 80;
/// How long a stopped server is stopped: longer than the lease, so that another one leads by then.
const STOPPED: Duration = Duration::from_secs(9);
/// How long nobody may get an answer before that is called the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that clients saw, by name.
struct Seens {
    clock: Instant,
    /// In the name of each app, so that no two rounds have one in common.
    round: u64,
    seen: Mutex<Books>,
    /// How many answers came, of each server.
    answers: [AtomicU64; SERVERS],
    /// When the last write was acknowledged whose request began after the fault.
    fault: Mutex<Fault>,
    stop: AtomicBool,
}

#[derive(Default)]
struct Books {
    by_name: BTreeMap<String, Vec<Seen>>,
    /// Which of the names are in use; one that was asked for often enough gives way to the next.
    current: Vec<u64>,
}

/// The moment of a fault, and how soon the others went on.
#[derive(Default)]
struct Fault {
    at: Option<u64>,
    first_write: Option<u64>,
    slowest_read: u64,
}

impl Seens {
    fn new(round: u64) -> Self {
        let books = Books { by_name: BTreeMap::new(), current: (0..NAMES).collect() };
        Self {
            clock: Instant::now(),
            round,
            seen: Mutex::new(books),
            answers: Default::default(),
            fault: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_micros().try_into().unwrap()
    }

    fn answered(&self, other_than: Option<usize>) -> u64 {
        let all = self.answers.iter().enumerate();
        all.filter(|(at, _)| Some(*at) != other_than)
            .map(|(_, count)| count.load(Ordering::Relaxed))
            .sum()
    }

    /// A name, by chance.
    fn name(&self, chance: &mut Chance) -> String {
        let mut books = self.seen.lock().unwrap();
        let slot = usize::try_from(chance.below(NAMES)).unwrap();
        let name = |n: u64| format!("app-{}-{n}", self.round);
        let asked = books.by_name.get(&name(books.current[slot])).map_or(0, Vec::len);
        if asked >= MOST_ASKED {
            books.current[slot] = books.current.iter().max().unwrap() + 1;
        }
        name(books.current[slot])
    }

    fn note(&self, name: &str, seen: Seen) {
        self.seen.lock().unwrap().by_name.entry(name.to_owned()).or_default().push(seen);
    }

    /// Asks a server for something, and takes note of what came of it; whether an answer came.
    fn ask(&self, client: &Client, name: &str, asked: Asked) -> bool {
        let began = self.now();
        let answer = match asked {
            Asked::Create => {
                let new = json!({ "name": name, "space": "yard", "team": "team" });
                client.platform("POST", "/teams/apps", &new)
            }
            Asked::Delete => client.platform("DELETE", &format!("/apps/{name}"), &Value::Null),
            Asked::Describe => client.platform("GET", &format!("/apps/{name}"), &Value::Null),
        };
        let ended = self.now();
        let yes = match (asked, answer.as_ref().map(|(status, _)| *status)) {
            (Asked::Create, Some(201)) | (Asked::Delete | Asked::Describe, Some(200)) => Some(true),
            (Asked::Create, Some(422)) | (Asked::Delete | Asked::Describe, Some(404)) => {
                Some(false)
            }
            // Nobody knows whether it was done.
            (_, None | Some(500..)) => None,
            (_, Some(_)) => panic!("{asked:?} of {name}: {answer:?}"),
        };
        if let Some(yes) = yes {
            self.note(name, Seen { asked, began, ended: Some(ended), yes });
            let mut fault = self.fault.lock().unwrap();
            if let Some(at) = fault.at.filter(|at| began > *at) {
                match asked {
                    Asked::Describe => fault.slowest_read = fault.slowest_read.max(ended - began),
                    _ => drop(fault.first_write.get_or_insert(ended - at)),
                }
            }
        } else if asked != Asked::Describe {
            self.note(name, Seen { asked, began, ended: None, yes: false });
        }
        yes.is_some()
    }
}

/// Where the servers are; one that is away has none.
type Addresses = Mutex<[Option<String>; SERVERS]>;

/// Asks, until it is enough, a server that is there.
fn client(seens: &Seens, client: &Client, addresses: &Addresses, number: u64, mut chance: Chance) {
    let mut at = usize::try_from(number).unwrap() % SERVERS;
    let mut client = client.clone();
    while !seens.stop.load(Ordering::Relaxed) {
        if chance.below(8) == 0 {
            at = (at + 1) % SERVERS;
        }
        let Some(address) = addresses.lock().unwrap()[at].clone() else {
            at = (at + 1) % SERVERS;
            continue;
        };
        client.address = address;
        let asked = match chance.below(10) {
            0..4 => Asked::Create,
            4..7 => Asked::Delete,
            _ => Asked::Describe,
        };
        let name = seens.name(&mut chance);
        if seens.ask(&client, &name, asked) {
            seens.answers[at].fetch_add(1, Ordering::Relaxed);
        } else {
            at = (at + 1) % SERVERS;
        }
    }
}

/// Which server leads, as one that is there knows it.
fn leader(server: &Server) -> Option<usize> {
    let servers = server.causeway(&["servers", "--json"]).json();
    let leads = |entry: &&Value| entry["leader"] == true;
    let name = servers.as_array().unwrap().iter().find(leads)?["name"].as_str()?;
    name.strip_prefix("server-")?.parse().ok()
}

/// In the order in which they are to go.
struct Installation {
    servers: Vec<Server>,
    _scratch: tempfile::TempDir,
    _postgres: Postgres,
}

impl Installation {
    fn start() -> Self {
        let postgres = Postgres::start("");
        let database = postgres.database();
        let scratch = tempfile::tempdir().unwrap();
        let passwords = scratch.path().join("pgpass");
        fs::write(&passwords, "*:*:*:app:secret of the test\n").unwrap();
        fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
        let (place, passwords) = (postgres.place(), passwords.display());
        let url = format!("postgres://app@{place}/{database}?passfile={passwords}");
        let mut servers: Vec<Server> = Vec::new();
        for number in 0..SERVERS {
            let name = format!("server-{number}");
            let dir = scratch.path().join(&name);
            fs::create_dir(&dir).unwrap();
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
            if let Some(first) = servers.first() {
                let key = Path::new("secret.key");
                fs::copy(first.data.path().join(key), dir.join(key)).unwrap();
            }
            let arguments = [
                &["--fabric", "none", "--store", &url, "--server-name", &name][..],
                &["--rate-limit", "0"],
            ]
            .concat();
            servers.push(Server::on(&dir, &arguments));
        }
        servers[0].heroku(&["spaces:create", "yard", "--team", "team"]).ok();
        Self { servers, _scratch: scratch, _postgres: postgres }
    }

    fn addresses(&self) -> [Option<String>; SERVERS] {
        std::array::from_fn(|at| {
            Some(self.servers[at].url.strip_prefix("http://").unwrap().to_owned())
        })
    }

    /// Has one server fail while clients ask all three; what they saw until it was back.
    fn round(&mut self, round: u64, seed: u64) -> String {
        let mut chance = Chance(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let seens = Arc::new(Seens::new(round));
        let addresses = Arc::new(Mutex::new(self.addresses()));
        let of = Client::of(&self.servers[0]);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (seens, addresses) = (Arc::clone(&seens), Arc::clone(&addresses));
                let (of, chance) = (of.clone(), Chance(chance.below(u64::MAX)));
                thread::spawn(move || client(&seens, &of, &addresses, number, chance))
            })
            .collect();
        let leading = leader(&self.servers[0]);
        let any = usize::try_from(chance.below(SERVERS as u64)).unwrap();
        let failing = leading.filter(|_| round % 2 == 1).unwrap_or(any);
        let stops = round % 8 == 1;
        let enough = 30 + chance.below(100);
        wait("any server", || seens.answered(None) >= enough);

        let pid = Pid::from_raw(self.servers[failing].pid().cast_signed());
        seens.fault.lock().unwrap().at = Some(seens.now());
        if stops {
            kill(pid, Signal::SIGSTOP).unwrap();
        } else {
            self.servers[failing].kill();
        }
        addresses.lock().unwrap()[failing] = None;
        let before = seens.answered(Some(failing));
        let stopped = Instant::now();
        let another = (leading == Some(failing) && round % 4 == 1)
            .then(|| self.another_leads(failing, stopped))
            .map_or_else(String::new, |after| {
                format!("; another led {} ms later", after.as_millis())
            });
        wait("those that are left", || {
            seens.answered(Some(failing)) >= before + 30
                && seens.fault.lock().unwrap().first_write.is_some()
                && (!stops || stopped.elapsed() >= STOPPED)
        });
        if stops {
            // It believes for a moment that it is still what it was.
            kill(pid, Signal::SIGCONT).unwrap();
        } else {
            self.servers[failing].restart();
        }
        *addresses.lock().unwrap() = self.addresses();
        let before = seens.answers[failing].load(Ordering::Relaxed);
        wait("the one that is back", || {
            seens.answers[failing].load(Ordering::Relaxed) >= before + 5
        });
        seens.stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        self.check(&seens, &of);

        let names = seens.seen.lock().unwrap().by_name.len();
        let fault = seens.fault.lock().unwrap();
        let what = if stops { "stopped for a while" } else { "killed" };
        let role = if leading == Some(failing) { ", which led," } else { "" };
        format!(
            "server {failing}{role} was {what}: {} answers about {names} names; a write after {} ms, the \
             slowest look {} ms{another}",
            seens.answered(None),
            fault.first_write.unwrap_or_default() / 1000,
            fault.slowest_read / 1000
        )
    }

    /// How long after a moment another server leads.
    fn another_leads(&self, failing: usize, since: Instant) -> Duration {
        let other = &self.servers[(failing + 1) % SERVERS];
        wait("another leader", || leader(other).is_some_and(|leads| leads != failing));
        since.elapsed()
    }

    /// Every server is asked about every name, and some order explains all that was seen of it.
    fn check(&self, seens: &Seens, client: &Client) {
        let names: Vec<String> = seens.seen.lock().unwrap().by_name.keys().cloned().collect();
        for name in names {
            for address in self.addresses().into_iter().flatten() {
                let asked = seens.ask(&client.at(address), &name, Asked::Describe);
                assert!(asked, "{name}: no answer");
            }
            let history = seens.seen.lock().unwrap().by_name[&name].clone();
            assert!(is_linearizable(&history), "{name}: no order explains {history:#?}");
            let [first, ..] = self.addresses();
            seens.ask(&client.at(first.unwrap()), &name, Asked::Delete);
        }
    }
}

/// Waits until something holds, which clients bring about.
fn wait(on: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    let (_alive, never) = mpsc::channel::<()>();
    while !holds() {
        assert!(Instant::now() < until, "no answer of {on}");
        let _ = never.recv_timeout(Duration::from_millis(5));
    }
}

#[test]
fn some_order_explains_what_clients_see_while_servers_fail() {
    let rounds = given("CAUSEWAY_TEST_SERVER_ROUNDS").unwrap_or(6);
    let seed = given("CAUSEWAY_TEST_SEED").unwrap_or(1);
    let mut installation = Installation::start();
    for round in 1..=rounds {
        let what = installation.round(round, seed);
        println!("round {round} of {rounds}: {what}");
    }
}
