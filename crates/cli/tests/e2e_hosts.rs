//! An agent on another host, here a second process with a data directory of its own: it joins a real server,
//! is told what it must be, reports, and goes on whatever is killed. Nobody answers as OVN here: e2e_ovn has that.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::postgres::look_again;
use support::{Server, text};

/// An agent that runs, and is killed at the latest when it is dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn agent(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.env_clear().args(["agent", "--fabric", "none", "--data"]).arg(data).args(arguments);
    command.env("CAUSEWAY_LOG", "info").stdout(Stdio::piped());
    command
}

impl Agent {
    /// Starts one, and gives what it says of itself.
    fn start(data: &Path, arguments: &[&str]) -> (Self, Value) {
        let arguments = [arguments, &["--json"]].concat();
        let mut child = agent(data, &arguments).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !said.ends_with("}\n") {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended: {said}");
        }
        (Self(child), serde_json::from_str(&said).unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn terminate(&mut self) -> ExitStatus {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM).unwrap();
        self.0.wait().unwrap()
    }
}

/// An agent that does not start: its exit status, and what it says.
fn refused(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = agent(data, arguments).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn hosts(server: &Server) -> Vec<Value> {
    server.causeway(&["hosts", "--json"]).json()["hosts"].as_array().unwrap().clone()
}

fn is_connected(host: &Value) -> bool {
    host["connected_since"].is_string()
}

/// A server of hosts, whose networks are those of an OVN that is away.
fn server_on(data: &Path, arguments: &[&str]) -> Server {
    let nowhere = format!("unix:{}", data.join("no.sock").display());
    let ovn = ["--fabric", "ovn", "--ovn-nb", &nowhere, "--ovn-sb", &nowhere];
    Server::on(data, &[&ovn[..], arguments].concat())
}

fn token(server: &Server) -> String {
    text(&server.causeway(&["host:token", "--json"]).json()["token"])
}

/// Waits until something holds. Nothing is swept for it, as the networks are nobody's here.
#[track_caller]
fn until(server: &Server, what: &str, mut holds: impl FnMut(&Server) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds(server) {
        assert!(Instant::now() < deadline, "never came about: {what}");
        look_again();
    }
}

/// The one host, once it is connected and has followed the ledger to some revision.
fn connected(server: &Server, least: u64) -> Value {
    until(server, "the host is connected and follows", |server| {
        let all = hosts(server);
        if all.len() != 1 || !is_connected(&all[0]) {
            return false;
        }
        let info = server.causeway(&["hosts:info", &text(&all[0]["id"]), "--json"]).json();
        let follows = |key: &str| info[key].as_u64().is_some_and(|at| at >= least);
        follows("revision") && follows("kept_revision")
    });
    hosts(server).remove(0)
}

fn revision(data: &Path, subject: &str) -> u64 {
    let kept = std::fs::read(data.join("agent").join(format!("{subject}.json"))).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    kept["stamp"]["revision"].as_u64().unwrap()
}

#[test]
fn an_agent_joins_is_told_and_goes_on_whatever_is_killed() {
    // What other fabrics carry does not reach another machine.
    let alone = Server::none(&[]);
    for command in [&["host:init", "--agents", "127.0.0.1:0"][..], &["host:token"]] {
        let said = alone.causeway(command).refused();
        assert!(said.contains("--fabric none") && said.contains("--fabric ovn"), "{said}");
    }
    let refused_start = alone.try_start(&["--agents", "127.0.0.1:0"]).refused();
    assert!(refused_start.contains("--agents needs --fabric ovn"), "{refused_start}");
    drop(alone);

    let place = tempfile::tempdir().unwrap();
    let mut server = server_on(place.path(), &[]);
    // Nobody may join a server that does not let agents connect.
    assert!(server.causeway(&["host:token"]).refused().contains("causeway host:init"));
    let ready = server.causeway(&["host:init", "--agents", "127.0.0.1:0", "--json"]).json();
    let again = server.causeway(&["host:init", "--agents", "127.0.0.1:0", "--json"]).json();
    assert_eq!(ready, again, "done once more, it changes nothing");
    let elsewhere = server.causeway(&["host:init", "--agents", "127.0.0.2:0"]).refused();
    assert!(elsewhere.contains("already"), "{elsewhere}");
    let url = format!("https://{}", text(&ready["agents"]));
    assert_eq!(hosts(&server).len(), 0);

    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [data, other, third] = [0, 1, 2].map(|n| dirs[n].path());
    let first = token(&server);
    let (status, said) = refused(data, &["--join", &url, "--token", "cwj_x"]);
    assert!(status == Some(2) && said.contains("no join token"), "{said}");
    let (status, said) = refused(data, &[]);
    assert!(status == Some(1) && said.contains("give --join and --token"), "{said}");
    let about =
        ["--name", "host-2", "--zone", "rack-1", "--label", "disk=ssd", "--address", "192.0.2.2"];
    let join = [&["--join", &url, "--token", &first], &about[..]].concat();
    let (mut running, said) = Agent::start(data, &join);
    let host = connected(&server, 1);
    assert_eq!((&host["id"], &host["name"]), (&said["host"], &Value::from("host-2")));
    assert_eq!((&host["zone"], &host["labels"]["disk"]), (&"rack-1".into(), &"ssd".into()));
    assert!(host["memory"].as_u64().unwrap() > 1 << 30 && host["cpus"].as_u64().unwrap() > 0);
    assert_eq!((&host["address"], &host["first"]), (&"192.0.2.2".into(), &true.into()));
    let table = server.causeway(&["hosts"]).ok();
    assert!(table.contains("host-2") && table.contains("rack-1"), "{table}");
    assert!(table.contains(env!("CARGO_PKG_VERSION")) && table.contains("GiB"), "{table}");

    // What it keeps is for its owner alone.
    for file in std::fs::read_dir(data.join("agent")).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }

    // A token lets one host in, an agent has its directory to itself, and a server's is none of its own.
    let (_, said) = refused(other, &["--join", &url, "--token", &first]);
    assert!(said.contains("was used"), "{said}");
    let (_, said) = refused(data, &[]);
    assert!(said.contains("another agent runs"), "{said}");
    let (_, said) = refused(server.data.path(), &["--join", &url, "--token", &token(&server)]);
    assert!(said.contains("data directory of a server"), "{said}");
    let foreign = tempfile::tempdir().unwrap();
    let stranger = server_on(foreign.path(), &["--agents", "127.0.0.1:0"]);
    let (_, said) = refused(other, &["--join", &url, "--token", &token(&stranger)]);
    assert!(said.contains("is not the server that the token is of"), "{said}");

    // Killed and started again, it goes on from its disk, and follows.
    running.kill();
    until(&server, "it counts as gone", |server| !is_connected(&hosts(server)[0]));
    let before = revision(data, "networks");
    running = Agent::start(data, &[]).0;
    connected(&server, before);

    // The server is killed and comes back later, with a ledger that has gone on: it leads anew.
    server.kill();
    assert!(revision(data, "workloads") >= before, "what it was told stays");
    server.restart();
    assert!(server.said.contains(&format!("Agents connect at {url}")), "{}", server.said);
    server.causeway(&["accounts:create", "partner"]).ok();
    server.kill_and_restart();
    assert_eq!(connected(&server, before + 1)["id"], host["id"], "it is the same host");

    // Told to stop, it ends in order, and so does one that is removed.
    assert_eq!(running.terminate().code(), Some(0));
    running = Agent::start(data, &[]).0;
    connected(&server, before + 1);
    let id = text(&host["id"]);
    server.causeway(&["hosts:remove", &id, "--force", "--confirm", "other"]).refused();
    server.causeway(&["hosts:remove", "host-2"]).ok();
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
    assert_eq!(hosts(&server).len(), 0);
    let (status, said) = refused(data, &[]);
    assert!(status == Some(1) && said.contains("was removed"), "{said}");
    assert!(server.causeway(&["hosts:remove", &id]).refused().contains("no host"));

    // A token that is late is refused.
    let short = server.causeway(&["host:token", "--lifetime", "1s", "--json"]).json();
    let expires = text(&short["expires"]);
    until(&server, "it has expired", |_| {
        let now = Command::new("date").args(["-u", "+%FT%TZ"]).output().unwrap();
        // Without what is less than a second.
        String::from_utf8(now.stdout).unwrap()[..19] > expires[..19]
    });
    let (_, said) = refused(third, &["--join", &url, "--token", &text(&short["token"])]);
    assert!(said.contains("has expired"), "{said}");
}
