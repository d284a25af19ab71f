//! Two servers on PostgreSQL servers that have no room left, wait for a standby that is away, or were replaced
//! by one that took over; and servers whose clocks are an hour apart. What was acknowledged is there, what
//! cannot be done is told in time, and all goes on by itself once the cause is gone.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use support::Server;
use support::postgres::Server as Postgres;
use support::raw::Client;

/// In what time a change is answered, whatever the database does.
const ANSWERED: Duration = Duration::from_secs(40);
/// In what time it goes on once the cause is gone.
const GOES_ON: Duration = Duration::from_secs(60);
/// What nobody may be told.
const INSIDE: [&str; 3] = ["postgres", "causeway.", "pgpass"];

/// A small disk, which is there for what this thread starts, and for nobody else.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(megabytes: u32) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let everything = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, everything, None::<&str>).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=0777");
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(&*size)).unwrap();
        Self(dir)
    }

    /// Takes all room that there is.
    fn fill(&self) {
        let mut file = File::create(self.0.path().join("full")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.0.path().join("full")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(self.0.path(), nix::mount::MntFlags::MNT_DETACH);
    }
}

/// Servers that share a database.
struct Installation {
    servers: Vec<Server>,
    clients: Vec<Client>,
    url: String,
    /// Everything that was acknowledged.
    made: BTreeSet<String>,
    /// How many changes are neither in effect nor not, as far as anybody was told.
    unknown: usize,
    scratch: tempfile::TempDir,
}

impl Installation {
    /// Servers of the names, on the database of an address without a password.
    fn start(places: &str, database: &str, names: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let passwords = scratch.path().join("pgpass");
        fs::write(&passwords, "*:*:*:app:secret of the test\n").unwrap();
        fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
        let url = format!("postgres://app@{places}/{database}?passfile={}", passwords.display());
        let (servers, clients) = (Vec::new(), Vec::new());
        let mut all = Self { servers, clients, url, made: BTreeSet::new(), unknown: 0, scratch };
        for name in names {
            all.join(name, None);
        }
        all
    }

    /// One more server, of another program than ours if it is named.
    fn join(&mut self, name: &str, program: Option<PathBuf>) {
        let dir = self.scratch.path().join(name);
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        if let Some(first) = self.servers.first() {
            let key = Path::new("secret.key");
            fs::copy(first.data.path().join(key), dir.join(key)).unwrap();
        }
        let arguments = ["--fabric", "none", "--rate-limit", "0", "--store", &self.url];
        let arguments = [&arguments[..], &["--server-name", name]].concat();
        let server = match program {
            Some(program) => Server::on_by(program, &dir, &arguments),
            None => Server::on(&dir, &arguments),
        };
        self.clients.push(match self.clients.first() {
            Some(first) => first.at(server.url.strip_prefix("http://").unwrap().to_owned()),
            None => Client::of(&server),
        });
        self.servers.push(server);
    }

    /// Asks a server for a VPC: what was wrong, if it was not made.
    fn create(&mut self, which: usize) -> Result<(), String> {
        let began = Instant::now();
        let answer = self.clients[which].ec2("Action=CreateVpc&CidrBlock=10.0.0.0/16");
        assert!(began.elapsed() < ANSWERED, "it was answered after {:?}", began.elapsed());
        match answer.expect("each request is answered") {
            (200, body) => {
                let id = body.pointer("/vpc/vpcId").unwrap_or(&Value::Null);
                let id = id.as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
                assert!(self.made.insert(id), "an id twice");
                Ok(())
            }
            (503, body) => {
                let said = body.to_string();
                assert!(!INSIDE.iter().any(|word| said.contains(word)), "{said}");
                self.unknown += usize::from(said.contains("cannot say whether"));
                Err(said)
            }
            (status, body) => panic!("{status}: {body}"),
        }
    }

    /// Asks a server for VPCs until it refuses one; how it says so.
    fn until_refused(&mut self, which: usize) -> String {
        for _ in 0..20_000 {
            if let Err(said) = self.create(which) {
                return said;
            }
        }
        panic!("it is never refused");
    }

    /// Asks each server for a VPC until it makes one again.
    fn goes_on(&mut self) {
        for which in 0..self.servers.len() {
            let began = Instant::now();
            while let Err(said) = self.create(which) {
                assert!(began.elapsed() < GOES_ON, "it does not go on: {said}");
                pause();
            }
        }
    }

    /// Reads go on: every server has everything that was acknowledged, and what nobody knew of at most.
    fn has_all(&self) {
        for client in &self.clients {
            let began = Instant::now();
            let (status, body) = client.ec2("Action=DescribeVpcs").expect("reads go on");
            assert_eq!(status, 200, "{body}");
            assert!(began.elapsed() < ANSWERED, "a look took {:?}", began.elapsed());
            let mut there = BTreeSet::new();
            ids(&body, &mut there);
            let lost: Vec<&String> = self.made.difference(&there).collect();
            assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
            assert!(there.len() <= self.made.len() + self.unknown, "{} too many", there.len());
        }
    }

    fn doctor(&self) -> support::Ran {
        self.servers[0].causeway(&["doctor", "--store", &self.url])
    }

    /// Which server leads, as the last one knows it.
    fn leader(&self) -> Option<String> {
        let servers = self.servers.last()?.causeway(&["servers", "--json"]).json();
        let leads = |entry: &&Value| entry["leader"] == true;
        Some(servers.as_array()?.iter().find(leads)?["name"].as_str()?.to_owned())
    }
}

/// The ids of all VPCs in an answer.
fn ids(answer: &Value, found: &mut BTreeSet<String>) {
    match answer {
        Value::Object(fields) => {
            found.extend(fields.get("vpcId").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| ids(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        _ => {}
    }
}

/// Lets a server try by itself.
fn pause() {
    wait(Duration::from_millis(200));
}

fn wait(time: Duration) {
    let (_alive, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}

#[test]
fn a_database_without_room_is_read_from_and_written_to_once_there_is_room() {
    let disk = Disk::new(160);
    let postgres = Postgres::start_in(disk.0.path(), &[], "");
    let database = postgres.database();
    let mut all = Installation::start(&postgres.place(), &database, &["one", "two"]);
    all.goes_on();
    disk.fill();
    // A page or two have room yet.
    for which in [0, 1] {
        let said = all.until_refused(which);
        assert!(said.contains("disk is full") && said.contains("not in effect"), "{said}");
    }
    let new = json!({ "name": "two", "team": "team" });
    let (status, said) = all.clients[1].platform("POST", "/spaces", &new).unwrap();
    assert_eq!((status, &said["id"]), (503, &json!("service_unavailable")), "{said}");
    all.has_all();
    disk.make_room();
    all.goes_on();
    all.has_all();
    assert!(all.leader().is_some());
}

#[test]
fn a_database_that_ends_for_want_of_room_has_all_that_was_acknowledged_once_it_is_back() {
    // Its log of changes is in files so small that they are what has no room first.
    let disk = Disk::new(120);
    let mut postgres =
        Postgres::start_in(disk.0.path(), &["--wal-segsize=1"], "min_wal_size = '2MB'");
    let database = postgres.database();
    let mut all = Installation::start(&postgres.place(), &database, &["one", "two"]);
    all.goes_on();
    disk.fill();
    let said = all.until_refused(0);
    all.until_refused(1);
    println!("{said}");
    disk.make_room();
    // As a service manager does, where it has ended.
    if TcpStream::connect(postgres.place()).is_err() {
        postgres.stop("QUIT");
        postgres.start_again();
    }
    all.goes_on();
    all.has_all();
}

#[test]
fn a_change_that_no_standby_has_is_not_acknowledged_and_told_in_time() {
    let postgres = Postgres::start("");
    let database = postgres.database();
    let mut standby = postgres.standby("");
    postgres.set(&[("synchronous_standby_names", "*")]);
    let mut all = Installation::start(&postgres.place(), &database, &["one", "two"]);
    all.goes_on();
    standby.stop("QUIT");
    let since = Instant::now();
    for which in [0, 1, 0] {
        let said = all.create(which).expect_err("it is on one disk alone");
        println!("after {:?}: {said}", since.elapsed());
        all.has_all();
    }
    let said = all.doctor();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("none is connected: every change waits for one"), "{said:?}");
    let log = all.servers[0].log();
    assert!(log.contains("waits for a synchronous standby"), "the operator is told why: {log}");
    standby.start_again();
    all.goes_on();
    all.has_all();
    assert!(all.doctor().ok().contains("1 of 1 have every change"));
}

#[test]
fn a_primary_that_was_replaced_and_comes_back_first_is_passed_over_and_named() {
    let mut old = Postgres::start("");
    let database = old.database();
    let new = old.standby("");
    old.set(&[("synchronous_standby_names", "*")]);
    let places = format!("{},{}", old.place(), new.place());
    let mut all = Installation::start(&places, &database, &["one", "two"]);
    all.goes_on();
    old.stop("KILL");
    new.promote();
    new.set(&[("synchronous_standby_names", "")]);
    all.goes_on();
    all.has_all();
    old.start_again();
    // It takes changes, too, and is the first that is named; it would keep them from everybody else.
    old.set(&[("synchronous_standby_names", "")]);
    for which in 0..2 {
        all.servers[which].kill_and_restart();
        let address = all.servers[which].url.strip_prefix("http://").unwrap().to_owned();
        all.clients[which] = all.clients[which].at(address);
    }
    // One that was not there before knows nothing of what happened.
    all.join("three", None);
    all.goes_on();
    all.has_all();
    let named = format!("{} takes changes, too", old.place());
    for server in &all.servers {
        assert!(server.log().contains(&named), "{}", server.log());
    }
    let said = all.doctor();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("two servers that take changes are two databases"), "{said:?}");
    // With nobody else to ask, it is refused.
    all.servers[0].kill();
    let mut wrong = all.servers[0].plain();
    wrong.args(["serve", "--fabric", "none", "--listen", "127.0.0.1:0", "--store"]);
    wrong.arg(all.url.replace(&places, &old.place()));
    wrong.arg("--data").arg(all.servers[0].data.path());
    let refused = support::ran(wrong).refused();
    assert!(refused.contains("of timeline 1, but was seen at"), "{refused}");
}

/// Our program, by whose clock it is so many hours earlier or later.
fn elsewhen(dir: &Path, hours: &str) -> PathBuf {
    let program = dir.join(format!("causeway{hours}"));
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    let library = fs::metadata(library).map_or("libfaketime.so.1", |_| library);
    let script = format!(
        "#!/bin/sh\nexec env LD_PRELOAD={library} FAKETIME={hours}h FAKETIME_DONT_FAKE_MONOTONIC=1 \
         FAKETIME_NO_CACHE=1 {} \"$@\"\n",
        env!("CARGO_BIN_EXE_causeway")
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn servers_whose_clocks_are_hours_apart_have_one_leader_and_one_world() {
    let postgres = Postgres::start("fsync = off");
    let database = postgres.database();
    let programs = tempfile::tempdir().unwrap();
    let mut all = Installation::start(&postgres.place(), &database, &["one"]);
    all.join("early", Some(elsewhen(programs.path(), "-1")));
    all.join("late", Some(elsewhen(programs.path(), "+1")));
    let led = all.leader().expect("one leads");
    all.servers[0].heroku(&["spaces:create", "yard", "--team", "team"]).ok();
    let create = |client: &Client, name: &str| {
        let new = json!({ "name": name, "space": "yard", "team": "team" });
        client.platform("POST", "/teams/apps", &new).unwrap()
    };
    let hours: Vec<i64> = ["now", "an-hour-ago", "in-an-hour"]
        .iter()
        .zip(&all.clients)
        .map(|(name, client)| {
            let (_, made) = create(client, name);
            let at = made["created_at"].as_str().unwrap_or_else(|| panic!("{made}"));
            at[11..13].parse().unwrap()
        })
        .collect();
    let apart = [1, 2].map(|which| (hours[which] - hours[0]).rem_euclid(24));
    assert!(matches!(apart, [22..=23, 1..=2]), "their clocks are not apart: {hours:?}");
    // Longer than a lease, by every clock, and each has what the others made at once.
    let since = Instant::now();
    let mut made = 0;
    while since.elapsed() < Duration::from_secs(10) {
        for which in 0..3 {
            let name = format!("app-{which}-{made}");
            let (status, said) = create(&all.clients[which], &name);
            assert_eq!(status, 201, "{said}");
            for client in &all.clients {
                let found = client.platform("GET", &format!("/apps/{name}"), &Value::Null);
                assert_eq!(found.unwrap().0, 200, "{name}");
            }
        }
        made += 1;
        pause();
    }
    assert_eq!(all.leader(), Some(led.clone()), "nobody else took the lease");
    // What one hands out is good at the others, however young or old it is there.
    for which in 0..3 {
        let token = all.servers[which]
            .causeway(&["tokens:create", "--user", "admin@causeway.local", "--json"])
            .json();
        let token = token["token"].as_str().unwrap().to_owned();
        for server in &all.servers {
            let asks = [("HEROKU_API_KEY".to_owned(), token.clone())];
            server.causeway_as(&asks, &["spaces", "--url", &server.url]).ok();
        }
    }
    // The one that leads goes, and one whose clock is another takes over, once.
    let names = ["one", "early", "late"];
    let gone = names.iter().position(|name| *name == led).unwrap();
    all.servers[gone].kill();
    all.servers.remove(gone);
    all.clients.remove(gone);
    let since = Instant::now();
    let another = loop {
        if let Some(name) = all.leader().filter(|name| *name != led) {
            break name;
        }
        assert!(since.elapsed() < GOES_ON, "nobody leads");
        pause();
    };
    let (status, said) = create(&all.clients[0], "afterwards");
    assert_eq!(status, 201, "{said}");
    assert_eq!(all.leader(), Some(another));
}
