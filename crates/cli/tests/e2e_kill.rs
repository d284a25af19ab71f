//! `kill -9` at any moment, again and again: nothing that either API acknowledged is lost, nothing is
//! done twice, and packets flow all the while.
//!
//! `scripts/soak` runs many more rounds.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::raw::{Chance, Client, given};
use support::talk::{ECHO, Talk};
use support::{Server, text};

/// How many clients write to each of the two APIs at once.
const WRITERS: usize = 2;

/// What became of something that a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// No answer came: it was made or it was not.
    Asked,
    /// It was acknowledged, and has this id.
    Made(String),
    /// Its removal was asked for, and no answer came.
    Leaving(String),
    /// Its removal was acknowledged.
    Gone,
}

/// What one client asked for, by name.
type Book = BTreeMap<String, Fate>;

/// What the clients of this test do.
trait Clients {
    fn make_tables(&self, writer: usize, vpc: &str, book: &Mutex<Book>, done: &dyn Fn());
    fn set_vars(&self, app: &str, book: &Mutex<Book>, done: &dyn Fn());
    fn check_tables(&self, writer: usize, vpc: &str, book: &mut Book);
    fn check_vars(&self, app: &str, book: &mut Book);
}

impl Clients for Client {
    /// Route tables of a VPC, each the router's own in the kernel: made, and some removed again, until
    /// the server is gone. What EC2 makes has no name that would keep it from being made twice.
    fn make_tables(&self, writer: usize, vpc: &str, book: &Mutex<Book>, done: &dyn Fn()) {
        let first = book.lock().unwrap().len();
        for n in first.. {
            let name = format!("{writer}-{n}");
            book.lock().unwrap().insert(name.clone(), Fate::Asked);
            let tag =
                "TagSpecification.1.ResourceType=route-table&TagSpecification.1.Tag.1.Key=Name";
            let form = format!(
                "Action=CreateRouteTable&VpcId={vpc}&{tag}&TagSpecification.1.Tag.1.Value={name}"
            );
            let Some((status, answer)) = self.ec2(&form) else { return };
            assert_eq!(status, 200, "{answer}");
            let id = text(&answer["routeTable"]["routeTableId"]);
            book.lock().unwrap().insert(name.clone(), Fate::Made(id.clone()));
            done();
            if n % 8 != 0 {
                book.lock().unwrap().insert(name.clone(), Fate::Leaving(id.clone()));
                let form = format!("Action=DeleteRouteTable&RouteTableId={id}");
                let Some((status, answer)) = self.ec2(&form) else { return };
                assert_eq!(status, 200, "{answer}");
                book.lock().unwrap().insert(name, Fate::Gone);
                done();
            }
        }
    }

    /// Config vars of an app, one after the other, each of which makes a release.
    fn set_vars(&self, app: &str, book: &Mutex<Book>, done: &dyn Fn()) {
        let first = book.lock().unwrap().len();
        for n in first.. {
            // Few names, so that a config stays small over many rounds: the value tells which came last.
            let value = n.to_string();
            book.lock().unwrap().insert(format!("{n:09}"), Fate::Asked);
            let path = format!("/apps/{app}/config-vars");
            let Some((status, answer)) =
                self.platform("PATCH", &path, &json!({ format!("K{}", n % 10): value }))
            else {
                return;
            };
            assert_eq!(status, 200, "{answer}");
            book.lock().unwrap().insert(format!("{n:09}"), Fate::Made(value));
            done();
        }
    }

    /// Holds what is there against what was acknowledged, and notes what became of what was not.
    fn check_tables(&self, writer: usize, vpc: &str, book: &mut Book) {
        let form =
            format!("Action=DescribeRouteTables&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
        let (status, answer) = self.ec2(&form).unwrap();
        assert_eq!(status, 200, "{answer}");
        let mut there: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for table in answer["routeTableSet"].as_array().unwrap() {
            if let Some(name) = table["tagSet"][0]["value"].as_str()
                && name.starts_with(&format!("{writer}-"))
            {
                there.entry(name.to_owned()).or_default().push(text(&table["routeTableId"]));
            }
        }
        for (name, ids) in &there {
            assert!(book.contains_key(name), "nobody asked for {name}");
            assert_eq!(ids.len(), 1, "{name} was made twice: {ids:?}");
        }
        for (name, fate) in book {
            let found = there.get(name).and_then(|ids| ids.first());
            match &*fate {
                Fate::Made(id) => {
                    assert_eq!(found, Some(id), "{name} was acknowledged and is gone");
                }
                Fate::Gone => assert_eq!(found, None, "{name} was removed and is back"),
                Fate::Asked | Fate::Leaving(_) => {
                    *fate = found.cloned().map_or(Fate::Gone, Fate::Made);
                }
            }
        }
    }

    /// The same for config vars: the newest value of each name, and one release for each change.
    fn check_vars(&self, app: &str, book: &mut Book) {
        let vars =
            self.platform("GET", &format!("/apps/{app}/config-vars"), &Value::Null).unwrap().1;
        let path = format!("/apps/{app}/releases");
        let releases = self.platform("GET", &path, &Value::Null).unwrap().1;
        let version = releases[0]["version"].as_u64().unwrap();
        // Only the last one can be in doubt; it is the newest of its name if it was made.
        if let Some((_, fate)) = book.iter_mut().next_back()
            && *fate == Fate::Asked
        {
            let n = book.len() - 1;
            let value = n.to_string();
            let made = vars[format!("K{}", n % 10)].as_str() == Some(value.as_str());
            let fate = if made { Fate::Made(value) } else { Fate::Gone };
            book.insert(format!("{n:09}"), fate);
        }
        let mut newest = BTreeMap::new();
        for (n, fate) in book.values().enumerate() {
            if let Fate::Made(value) = fate {
                newest.insert(format!("K{}", n % 10), value.clone());
            }
        }
        assert_eq!(vars, json!(newest), "{app}: its config is what was acknowledged last");
        let made = book.values().filter(|fate| matches!(fate, Fate::Made(_))).count() as u64;
        assert_eq!(version, 1 + made, "{app}: one release for each change, and the first");
    }
}

/// Runs clients against a server until so many answers came, and so much time after that, and kills
/// it then, whatever it is doing.
fn kill_under_load(
    server: &mut Server,
    vpc: &str,
    books: &[Arc<Mutex<Book>>],
    moment: (u64, Duration),
) {
    let client = Client::of(server);
    let answers = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = books
        .iter()
        .enumerate()
        .map(|(at, book)| {
            let (client, book, vpc) = (client.clone(), Arc::clone(book), vpc.to_owned());
            let (answers, ended) = (Arc::clone(&answers), Arc::clone(&ended));
            std::thread::spawn(move || {
                let done = || _ = answers.fetch_add(1, Ordering::Relaxed);
                match at < WRITERS {
                    true => client.make_tables(at, &vpc, &book, &done),
                    false => client.set_vars(&app(at - WRITERS), &book, &done),
                }
                ended.store(true, Ordering::Relaxed);
            })
        })
        .collect();
    let (enough, later) = moment;
    while answers.load(Ordering::Relaxed) < enough {
        assert!(!ended.load(Ordering::Relaxed), "a client met the end before the kill");
        std::thread::yield_now();
    }
    let reached = Instant::now();
    while reached.elapsed() < later {
        std::thread::yield_now();
    }
    server.kill();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

/// The app of a writer.
fn app(writer: usize) -> String {
    format!("app-{writer}")
}

#[test]
fn what_was_acknowledged_survives_kill_nine_at_any_moment() {
    let rounds = given("CAUSEWAY_TEST_ROUNDS").unwrap_or(10);
    let seed = given("CAUSEWAY_TEST_SEED").unwrap_or(1);
    let mut chance = Chance(seed);
    let mut server = Server::linux();
    let info = support::space(&server, "calm", &app(0));
    server.causeway(&["apps:create", &app(1), "--space", "calm"]).ok();
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", ECHO);
    let dyno = support::dyno(&server, &app(0), "sleep 1000000");
    let pcx = support::join(&server, &site, "calm", &info);
    support::open(&server, &site, &pcx, "10.0.0.0/16", 8000);
    server.until("the instance answers the dyno", |server| {
        server.connects(&dyno.target, &site.address, 8000)
    });
    let talk = Talk::start(&server, &dyno.target, &site.address);

    let books: Vec<Arc<Mutex<Book>>> = (0..2 * WRITERS).map(|_| Arc::default()).collect();
    for round in 1..=rounds {
        let moment = (5 + chance.below(40), Duration::from_micros(chance.below(3_000)));
        kill_under_load(&mut server, &site.vpc, &books, moment);
        // Some are killed once more while they start.
        for _ in 0..chance.below(3) {
            server.kill_while_it_starts(Duration::from_millis(chance.below(400)));
        }
        server.restart();
        let client = Client::of(&server);
        for (at, book) in books.iter().enumerate() {
            let mut book = book.lock().unwrap();
            match at < WRITERS {
                true => client.check_tables(at, &site.vpc, &mut book),
                false => client.check_vars(&app(at - WRITERS), &mut book),
            }
        }
        let asked: usize = books.iter().map(|book| book.lock().unwrap().len()).sum();
        println!("round {round} of {rounds}: {asked} things asked for, none lost, none made twice");
    }
    server.sweep();
    let answered = talk.end();
    assert!(u64::from(answered) > 10 * rounds, "the connection was used all the while: {answered}");
    assert!(server.connects(&dyno.target, &site.address, 8000));
    let status = server.status();
    assert_eq!(status["fabric"]["repairs"], 0, "nothing had to be repaired: {status}");
    println!("{rounds} rounds with the seed {seed}; {answered} bytes answered over one connection");
}
