//! Clients that ask several servers for the same few names, and what each of them saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::SERVERS;
use super::history::{Asked, Seen, is_linearizable};
use super::support::raw::{Chance, Client};

/// How many clients ask at once.
const CLIENTS: u64 = 6;
/// How many names they ask for at once: few, so that they meet.
const NAMES: u64 = 4;
/// How often one name is asked for at most: a check of all orders looks at that many.
const MOST_ASKED: usize = 80;
/// How long nobody may get an answer before that is called the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the servers are; one that is away has none.
pub(crate) type Addresses = [Option<String>; SERVERS];

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

/// Asks, until it is enough, a server that is there.
fn client(
    seens: &Seens,
    client: &Client,
    addresses: &Mutex<Addresses>,
    number: u64,
    mut chance: Chance,
) {
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

/// Clients that ask until they are told to end.
pub(crate) struct Crowd {
    seens: Arc<Seens>,
    client: Client,
    addresses: Arc<Mutex<Addresses>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    pub(crate) fn start(
        round: u64,
        client: Client,
        addresses: Addresses,
        chance: &mut Chance,
    ) -> Self {
        let seens = Arc::new(Seens::new(round));
        let addresses = Arc::new(Mutex::new(addresses));
        let threads = (0..CLIENTS)
            .map(|number| {
                let (seens, addresses) = (Arc::clone(&seens), Arc::clone(&addresses));
                let (of, chance) = (client.clone(), Chance(chance.below(u64::MAX)));
                thread::spawn(move || self::client(&seens, &of, &addresses, number, chance))
            })
            .collect();
        Self { seens, client, addresses, threads }
    }

    /// Waits for as many answers, of all servers or of all but one.
    pub(crate) fn answers(&self, enough: u64, but: Option<usize>) {
        let before = self.seens.answered(but);
        wait("the servers", || self.seens.answered(but) >= before + enough);
    }

    /// The fault is now; nobody asks a server that has gone with it.
    pub(crate) fn fault(&self, gone: Option<usize>) {
        self.seens.fault.lock().unwrap().at = Some(self.seens.now());
        if let Some(gone) = gone {
            self.addresses.lock().unwrap()[gone] = None;
        }
    }

    /// Waits for a change that was asked for after the fault and acknowledged.
    pub(crate) fn goes_on(&self) {
        wait("a change", || self.seens.fault.lock().unwrap().first_write.is_some());
    }

    /// Has clients ask all servers, which are at these addresses from now on, and waits until one has
    /// answered some of them.
    pub(crate) fn back(&self, addresses: Addresses, which: usize) {
        *self.addresses.lock().unwrap() = addresses;
        let answers = &self.seens.answers[which];
        let before = answers.load(Ordering::Relaxed);
        wait("the one that is back", || answers.load(Ordering::Relaxed) >= before + 5);
    }

    /// Ends the clients. Every server is asked about every name, and some order explains all that was seen
    /// of it; in words, how it went.
    pub(crate) fn end(self) -> String {
        let Self { seens, client, addresses, threads } = self;
        seens.stop.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let servers: Vec<Client> = addresses
            .lock()
            .unwrap()
            .iter()
            .map(|address| client.at(address.clone().expect("all are there")))
            .collect();
        let names: Vec<String> = seens.seen.lock().unwrap().by_name.keys().cloned().collect();
        for name in &names {
            for server in &servers {
                assert!(seens.ask(server, name, Asked::Describe), "{name}: no answer");
            }
            let history = seens.seen.lock().unwrap().by_name[name].clone();
            assert!(is_linearizable(&history), "{name}: no order explains {history:#?}");
            seens.ask(&servers[0], name, Asked::Delete);
        }
        let fault = seens.fault.lock().unwrap();
        format!(
            "{} answers about {} names; a change after {} ms, the slowest look {} ms",
            seens.answered(None),
            names.len(),
            fault.first_write.unwrap_or_default() / 1000,
            fault.slowest_read / 1000
        )
    }
}

/// Waits until something holds, which clients bring about.
pub(crate) fn wait(on: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    let (_alive, never) = mpsc::channel::<()>();
    while !holds() {
        assert!(Instant::now() < until, "no answer of {on}");
        let _ = never.recv_timeout(Duration::from_millis(5));
    }
}
