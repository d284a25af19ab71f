//! Three servers on one PostgreSQL: what one acknowledged, the others have at once; the one that leads is
//! killed, and nothing is lost or made twice. And the way from SQLite there, and back.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::postgres::Server as Postgres;
use support::{Server, text};

/// How long it may take until another server leads.
const ANOTHER_LEADS: Duration = Duration::from_secs(60);

/// An address without its password, which is in a file.
fn address(postgres: &Postgres, database: &str, dir: &Path) -> String {
    let file = dir.join("pgpass");
    fs::write(&file, "*:*:*:app:secret of the test\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    format!("postgres://app@{}/{database}?passfile={}", postgres.place(), file.display())
}

/// A directory for another server, with the key of the first.
fn beside(first: &Path, name: &str) -> std::path::PathBuf {
    let dir = first.with_file_name(name);
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(first.join("secret.key"), dir.join("secret.key")).unwrap();
    dir
}

fn vpcs(server: &Server) -> BTreeSet<String> {
    let answer = server.aws(&["ec2", "describe-vpcs"]).json();
    answer["Vpcs"].as_array().unwrap().iter().map(|vpc| text(&vpc["VpcId"])).collect()
}

/// The name of the server that leads, as a server knows it.
fn leader(server: &Server) -> Option<String> {
    let servers = server.causeway(&["servers", "--json"]).json();
    let leads = |entry: &&Value| entry["leader"] == true;
    servers.as_array().unwrap().iter().find(leads).map(|entry| text(&entry["name"]))
}

/// Makes VPCs, one after the other, until it is ended, and says the id of each that was acknowledged.
const WRITER: &str = "
import boto3, sys
from botocore.config import Config
ec2 = boto3.client('ec2', config=Config(retries={'total_max_attempts': 1}, read_timeout=30))
for n in range(10000):
    try:
        print(ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId'], flush=True)
    except Exception as error:
        print('refused:', error, flush=True)
        if 'Connection' in type(error).__name__ or 'Endpoint' in type(error).__name__:
            sys.exit()
";

fn writer(server: &Server, acknowledged: mpsc::Sender<(usize, String)>, which: usize) -> Child {
    let mut child = server.python_child(WRITER);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // Nobody listens any more at the end.
            let _ = acknowledged.send((which, line));
        }
    });
    child
}

#[test]
fn nothing_acknowledged_is_lost_when_the_leader_is_killed() {
    let postgres = Postgres::start("");
    let database = postgres.database();
    let scratch = tempfile::tempdir().unwrap();
    let url = address(&postgres, &database, scratch.path());
    let one = scratch.path().join("one");
    fs::create_dir(&one).unwrap();
    fs::set_permissions(&one, fs::Permissions::from_mode(0o700)).unwrap();
    let start = |dir: &Path, name: &str| {
        Server::on(dir, &["--fabric", "none", "--store", &url, "--server-name", name])
    };
    let mut servers = vec![start(&one, "one")];
    for name in ["two", "three"] {
        servers.push(start(&beside(&one, name), name));
    }

    // The first start said how to go on; those that joined have nothing to say.
    let made = servers[0].aws(&["ec2", "create-vpc", "--cidr-block", "10.1.0.0/16"]).json();
    let made = text(&made["Vpc"]["VpcId"]);
    for server in &servers[1..] {
        assert!(vpcs(server).contains(&made), "what one acknowledged, the others have at once");
    }
    servers[2].aws(&["ec2", "delete-vpc", "--vpc-id", &made]).ok();
    assert!(!vpcs(&servers[0]).contains(&made));
    let said = servers[1].causeway(&["doctor", "--store", &url]).ok();
    assert!(said.contains("standbys: there is none"), "{said}");

    // All three take changes; the one that leads is killed in the middle of that.
    let names = ["one", "two", "three"];
    let leading = leader(&servers[1]).expect("one leads");
    let killed = names.iter().position(|name| *name == leading).unwrap();
    let (acknowledge, acknowledged) = mpsc::channel();
    let mut writers: Vec<Child> = servers
        .iter()
        .enumerate()
        .map(|(which, server)| writer(server, acknowledge.clone(), which))
        .collect();
    let mut made: BTreeSet<String> = BTreeSet::new();
    let mut counts = [0; 3];
    let mut take = |counts: &mut [usize; 3], (which, line): (usize, String)| {
        if line.starts_with("vpc-") {
            counts[which] += 1;
            assert!(made.insert(line), "an id twice");
        } else {
            assert_eq!(which, killed, "{line}");
        }
    };
    while counts.iter().any(|count| *count < 5) {
        take(&mut counts, acknowledged.recv_timeout(Duration::from_secs(60)).unwrap());
    }
    servers[killed].kill();
    let at = Instant::now();
    let others: Vec<usize> = (0..3).filter(|which| *which != killed).collect();
    let another = loop {
        match leader(&servers[others[0]]).filter(|name| *name != leading) {
            Some(name) => break name,
            None => assert!(at.elapsed() < ANOTHER_LEADS, "nobody leads"),
        }
    };
    assert_ne!(another, leading);
    // Meanwhile and afterwards the others go on.
    let before = counts;
    while others.iter().any(|which| counts[*which] < before[*which] + 5) {
        take(&mut counts, acknowledged.recv_timeout(Duration::from_secs(60)).unwrap());
    }
    for writer in &mut writers {
        let _ = writer.kill();
        writer.wait().unwrap();
    }
    drop(acknowledge);
    while let Ok(more) = acknowledged.recv_timeout(Duration::from_secs(5)) {
        take(&mut counts, more);
    }
    let there = vpcs(&servers[others[0]]);
    let lost: Vec<&String> = made.difference(&there).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
    // Each writer may have been in the middle of one.
    assert!(there.len() <= made.len() + writers.len(), "{} of {}", there.len(), made.len());
    assert_eq!(vpcs(&servers[others[1]]), there);
    servers[killed].restart();
    assert_eq!(vpcs(&servers[killed]), there, "it catches up");
    assert_eq!(leader(&servers[killed]), Some(another));
}

/// Deploys what is in a directory.
fn deploy(server: &Server, code: &Path) {
    server.causeway(&["deploy", "--app", "shop", code.to_str().unwrap()]).ok();
}

/// The content of each file of a directory.
fn files_below(dir: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn an_installation_moves_to_postgresql_and_back() {
    let postgres = Postgres::start("fsync = off");
    let database = postgres.database();
    let scratch = tempfile::tempdir().unwrap();
    let url = address(&postgres, &database, scratch.path());
    let file = |name: &str| scratch.path().join(name).display().to_string();

    let alone = Server::none(&[]);
    alone.aws(&["ec2", "create-vpc", "--cidr-block", "10.1.0.0/16"]).ok();
    alone.heroku(&["spaces:create", "yard", "--team", "team"]).ok();
    alone.heroku(&["apps:create", "shop", "--space", "yard", "--team", "team"]).ok();
    alone.heroku(&["config:set", "SECRET=sealed", "--app", "shop"]).ok();
    let code = scratch.path().join("code");
    fs::create_dir(&code).unwrap();
    fs::write(code.join("Procfile"), "web: ./serve\n").unwrap();
    deploy(&alone, &code);
    let before = (vpcs(&alone), alone.causeway(&["audit", "--json"]).ok());
    alone.causeway(&["backup", &file("first")]).ok();

    let at = scratch.path().join("server");
    let mut restore = alone.plain();
    restore.args(["restore", &file("first"), "--store", &url, "--data"]).arg(&at);
    assert!(support::ran(restore).ok().contains("--store postgres://app@127.0.0.1"));
    let served = Server::on(&at, &["--fabric", "none", "--store", &url]);
    let audit = served.causeway(&["audit", "--json"]).ok();
    assert_eq!((vpcs(&served), audit), before);
    let var = ["config:get", "SECRET", "--app", "shop"];
    assert_eq!(served.heroku(&var).ok().trim(), "sealed");
    served.aws(&["ec2", "create-vpc", "--cidr-block", "10.2.0.0/16"]).ok();
    // The code is in the database, where every server has it, and any of them takes more.
    let kept = || postgres.sql(&database, "SELECT count(*), sum(bytes) > 0 FROM causeway.blob");
    assert_eq!(kept(), "1|t");
    let objects = "SELECT count(*) FROM pg_largeobject_metadata";
    assert_eq!(postgres.sql(&database, objects), "1");
    assert!(files_below(&at.join("blobs")).is_empty(), "it was moved");
    let other = beside(&at, "other");
    let other = Server::on(&other, &["--fabric", "none", "--store", &url]);
    fs::write(code.join("serve"), "another\n").unwrap();
    deploy(&other, &code);
    assert_eq!(kept(), "2|t");
    drop(other);
    let after = vpcs(&served);
    served.causeway(&["backup", &file("second")]).ok();
    // Not into what is in use.
    let mut again = alone.plain();
    again
        .args(["restore", &file("second"), "--store", &url, "--data"])
        .arg(scratch.path().join("no"));
    let refused = support::ran(again).refused();
    assert!(refused.contains("restore into an empty database"), "{refused}");
    // Nor does a server begin with a database in the directory of one that has it elsewhere.
    drop(served);
    let mut wrong = alone.plain();
    wrong.args(["serve", "--fabric", "none", "--listen", "127.0.0.1:0", "--data"]).arg(&at);
    let refused = support::ran(wrong).refused();
    assert!(refused.contains("is on a PostgreSQL server: name it with --store"), "{refused}");

    let back = scratch.path().join("back");
    let mut restore = alone.plain();
    restore.args(["restore", &file("second"), "--data"]).arg(&back);
    support::ran(restore).ok();
    let back = Server::on(&back, &["--fabric", "none"]);
    assert_eq!(vpcs(&back), after);
    assert_eq!(back.heroku(&var).ok().trim(), "sealed");
    let mut blobs = files_below(&scratch.path().join("back/blobs"));
    assert_eq!(blobs.len(), 2);
    let mut links = files_below(&scratch.path().join("back/code"));
    blobs.sort_unstable();
    links.sort_unstable();
    assert_eq!(blobs, links, "each slug has its own");
    back.heroku(&["releases:rollback", "v3", "--app", "shop"]).ok();
    let gone = ["apps:destroy", "shop", "--confirm", "shop"];
    back.heroku(&gone).ok();
    back.aws(&["ec2", "create-vpc", "--cidr-block", "10.3.0.0/16"]).ok();
}
