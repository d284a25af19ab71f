//! A new build takes over what an old one left: its data directories and backups, and the edge and
//! the shims that go on while it starts.
//!
//! `tests/fixtures/upgrade/` holds data directories with the first, the second and the fourth schema of the
//! database, what was answered about each, and a backup. They are made with `tests/tools/old-data` by the program whose schema it is. Two
//! are older than that tool: `001-resources` is the newest one with the second migration undone, and
//! `001-before-sealing` is that without what was added to documents since then, with its secrets unsealed,
//! as they were at first.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::talk::{ECHO, Talk};
use support::web::{Load, deploy, free_address, get, host};
use support::{Server, text};

/// What an old program left, unpacked.
struct Old {
    name: String,
    place: tempfile::TempDir,
    /// What it answered.
    told: Value,
}

impl Old {
    fn all() -> Vec<Self> {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upgrade");
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 4, "{files:?}");
        files.iter().map(|file| Self::unpack(file)).collect()
    }

    fn unpack(file: &Path) -> Self {
        let place = tempfile::tempdir().unwrap();
        let ran = Command::new("tar")
            .args(["-xpf", file.to_str().unwrap(), "--no-same-owner", "-C"])
            .arg(place.path())
            .status();
        assert!(ran.unwrap().success(), "{file:?}");
        let told = std::fs::read(place.path().join("told.json")).unwrap();
        Self {
            name: file.file_name().unwrap().to_str().unwrap().to_owned(),
            place,
            told: serde_json::from_slice(&told).unwrap(),
        }
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// Whether a server tells what the old one told.
    #[track_caller]
    fn is_told_by(&self, server: &Server) {
        let of_then: Vec<(String, String)> = self.told["variables"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .chain([("AWS_ENDPOINT_URL".to_owned(), server.url.clone())])
            .collect();
        for (path, told) in self.told["platform"].as_object().unwrap() {
            let token = &of_then.iter().find(|(name, _)| name == "HEROKU_API_KEY").unwrap().1;
            let now = fetch(&server.url, token, path);
            includes(&now, told, &format!("{}: GET {path}", self.name));
        }
        for (line, told) in self.told["ec2"].as_object().unwrap() {
            let arguments: Vec<&str> = line.split(' ').collect();
            let now = server.aws_as(&of_then, &arguments).json();
            includes(&now, told, &format!("{}: aws {line}", self.name));
        }
        for (line, told) in self.told["operator"].as_object().unwrap() {
            let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
            let now = server.causeway(&arguments).json();
            includes(&now, told, &format!("{}: causeway {line}", self.name));
        }
    }
}

/// What the Platform API answers.
fn fetch(url: &str, token: &str, path: &str) -> Value {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         accept: application/vnd.heroku+json; version=3\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    serde_json::from_str(body).unwrap()
}

/// Whether a value says all that an older one says; it may say more.
#[track_caller]
fn includes(now: &Value, then: &Value, about: &str) {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            for (name, then) in then {
                let Some(now) = now.get(name) else { panic!("{about}: `{name}` is gone") };
                includes(now, then, &format!("{about}: {name}"));
            }
        }
        (Value::Array(now), Value::Array(then)) => {
            // Earlier versions left out some of the blocks that accept refuses (R8), and the root volume of
            // an instance.
            let fuller = [": unavailable_cidr_blocks", ": BlockDeviceMappings"];
            let may_grow = fuller.iter().any(|end| about.ends_with(end)) && now.len() > then.len();
            let same = now.len() == then.len();
            assert!(same || may_grow, "{about}: {now:?}, and then {then:?}");
            for (now, then) in now.iter().zip(then) {
                includes(now, then, about);
            }
        }
        (now, then) => assert_eq!(now, then, "{about}"),
    }
}

#[test]
fn data_directories_of_earlier_versions_are_opened_and_gone_on_with() {
    for old in Old::all() {
        let mut server = Server::on(&old.data(), &["--fabric", "none"]);
        old.is_told_by(&server);
        let audit = server.causeway(&["audit", "--limit", "1000", "--json"]).json();
        let actions: Vec<String> =
            audit.as_array().unwrap().iter().map(|row| text(&row["action"])).collect();
        for action in ["Ec2.CreateVpc", "Platform.CreateSpace"] {
            assert!(actions.iter().any(|it| it == action), "{}: {actions:?}", old.name);
        }
        server.kill_and_restart();
        old.is_told_by(&server);
        // It goes on: each API changes what was there, and it lasts.
        server.causeway(&["config:set", "LATER=yes", "--app", "shop"]).ok();
        server.causeway(&["ps:scale", "web=1", "--app", "shop"]).ok();
        server.aws(&["ec2", "create-vpc", "--cidr-block", "10.77.0.0/16"]).ok();
        server.kill_and_restart();
        let config = server.causeway(&["config", "--app", "shop", "--json"]).json();
        assert_eq!((&config["LATER"], &config["GREETING"]), (&"yes".into(), &"hello".into()));
        let filter = ["--filters", "Name=cidr,Values=10.77.0.0/16"];
        let found = server.aws(&[&["ec2", "describe-vpcs"][..], &filter].concat()).json();
        assert_eq!(found["Vpcs"].as_array().unwrap().len(), 1, "{}", old.name);
        assert!(!old.data().join("lost").exists(), "{}: nothing is of no record", old.name);
    }
}

#[test]
fn backups_of_earlier_versions_are_restored() {
    let has_backup = |old: &Old| old.place.path().join("causeway.backup").exists();
    for old in Old::all().into_iter().filter(has_backup) {
        let backup = old.place.path().join("causeway.backup");
        let elsewhere = old.place.path().join("restored");
        let restored = Command::new(env!("CARGO_BIN_EXE_causeway"))
            .args(["restore".as_ref(), backup.as_os_str(), "--data".as_ref()])
            .arg(&elsewhere)
            .output()
            .unwrap();
        assert!(restored.status.success(), "{}: {restored:?}", old.name);
        old.is_told_by(&Server::on(&elsewhere, &["--fabric", "none"]));
    }
}

/// The same program in another file, which is another build as far as anybody can tell.
fn another_build(place: &Path) -> PathBuf {
    let other = place.join("causeway");
    std::fs::copy(env!("CARGO_BIN_EXE_causeway"), &other).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&other).unwrap();
    file.write_all(b"another build").unwrap();
    other
}

/// The program that each process of this installation was started from, and its number.
fn processes(program: &Path) -> Vec<u32> {
    let mut found: Vec<u32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let is_it = std::fs::read_link(entry.path().join("exe")).ok()? == program;
            is_it.then(|| entry.file_name().to_str()?.parse().ok())?
        })
        .collect();
    found.sort_unstable();
    found
}

#[test]
fn the_edge_and_shims_of_another_build_go_on_under_a_new_server() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (another_build(place.path()), PathBuf::from(env!("CARGO_BIN_EXE_causeway")));
    let router = free_address();
    let mut server = Server::linux_of(old.clone(), &["--router", &router.to_string()]);
    let info = support::space(&server, "calm", "shop");
    deploy(&server, "shop", "web: python3 app.py\n");
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", ECHO);
    let dyno = support::dyno(&server, "shop", "sleep 1000000");
    let pcx = support::join(&server, &site, "calm", &info);
    support::open(&server, &site, &pcx, "10.0.0.0/16", 8000);
    let host = host(&server, "shop");
    server.until("the app answers", |_| get(router, &host, "/").status == 200);
    server.until("the instance answers the dyno", |server| {
        server.connects(&dyno.target, &site.address, 8000)
    });
    // Each process's start, as the kernel counts: another process would have another one.
    let started = |server: &Server| {
        [&dyno.target, &site.instance].map(|target| {
            server.causeway(&["exec", target, "--", "cut", "-d ", "-f22", "/proc/1/stat"]).ok()
        })
    };
    let since = started(&server);
    let talk = Talk::start(&server, &dyno.target, &site.address);
    let kept = 2;
    let load = Load::start(router, &host, kept);
    load.pass(50);
    for program in [&new, &old] {
        let before = processes(if program == &new { &old } else { &new });
        server.kill();
        load.pass(50);
        server.restart_as(program.clone());
        server.sweep();
        load.pass(50);
        assert_eq!(started(&server), since, "the workloads go on");
        assert!(!before.is_empty());
    }
    let (answered, failed) = load.end();
    // A connection that rests ends with the edge that it is to. Whoever asks over it at that very moment
    // has no answer, not even a part of one, and asks again (RFC 9112 §9.3.1).
    assert!(
        failed.len() <= 2 * kept && failed.iter().all(|what| what == "request: no response"),
        "{answered} requests were answered, and these were not: {failed:#?}"
    );
    assert!(talk.end() > 20);
    let status = server.status();
    assert_eq!(status["fabric"]["repairs"], 0, "nothing had to be repaired: {status}");
    // What an old shim keeps is ended, and started anew, by a server of another build.
    server.kill();
    server.restart_as(new);
    server.causeway(&["ps:restart", "--app", "shop"]).ok();
    server.until("the app answers anew", |server| {
        let list = server.causeway(&["ps", "--app", "shop", "--json"]).json();
        let web = |it: &&Value| it["name"] == "web.1" && it["state"] == "up";
        list.as_array().unwrap().iter().filter(web).count() == 1
            && get(router, &host, "/").status == 200
    });
}
