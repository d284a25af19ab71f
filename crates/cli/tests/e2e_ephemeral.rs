//! A server for tests leaves nothing, however it ends; and what others left is found without their
//! data directories.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Server, Site, text};

const SLEEPER: &str = "#!/bin/sh\nexec sleep 1000000\n";

/// Where to look for what a server has on this machine.
struct Traces {
    instance: String,
    data: PathBuf,
    names: Vec<String>,
}

impl Traces {
    fn of(server: &Server, site: &Site) -> Self {
        let status = server.status();
        let asked = ["ec2", "describe-instances", "--instance-ids", &site.instance];
        let found = server.aws(&asked).json();
        let interface = &found["Reservations"][0]["Instances"][0]["NetworkInterfaces"][0];
        let eni = text(&interface["NetworkInterfaceId"]);
        let names = vec![format!("cw-{}", site.vpc), format!("cw-{eni}")];
        let traces = Self {
            instance: text(&status["instance"]),
            data: server.data.path().to_owned(),
            names,
        };
        assert!(traces.run_dir().exists() && !traces.groups().is_empty());
        assert!(traces.names.iter().all(|name| namespace(name).exists()));
        assert!(traces.processes().len() >= 2, "a shim and an edge");
        traces
    }

    fn run_dir(&self) -> PathBuf {
        Path::new("/run/causeway").join(&self.instance)
    }

    /// Processes that were started for the data directory, whatever they are.
    fn processes(&self) -> Vec<u32> {
        let data = self.data.as_os_str().as_bytes();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.windows(data.len()).any(|window| window == data)
        })
        .collect()
    }

    fn groups(&self) -> Vec<PathBuf> {
        let mount = Path::new("/sys/fs/cgroup");
        let below = fs::read_dir(mount).into_iter().flatten().flatten().map(|entry| entry.path());
        let name = format!("causeway-{}", self.instance);
        let all = std::iter::once(mount.to_owned()).chain(below);
        all.map(|dir| dir.join(&name)).filter(|path| path.exists()).collect()
    }

    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = Vec::new();
        left.extend(self.run_dir().exists().then(|| self.run_dir().display().to_string()));
        left.extend(self.names.iter().filter(|name| namespace(name).exists()).cloned());
        left.extend(self.processes().iter().map(|pid| format!("process {pid}")));
        left.extend(self.groups().iter().map(|path| path.display().to_string()));
        left
    }

    /// Waits for those that clean up: they see the server go by themselves.
    fn go(&self) {
        until_none(|| self.left());
    }
}

fn namespace(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

fn until_none(left: impl Fn() -> Vec<String>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let left = left();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        std::thread::yield_now();
    }
}

#[test]
fn an_ephemeral_server_leaves_nothing_however_it_ends() {
    let mut server = Server::linux_with(&["--ephemeral"]);
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", SLEEPER);
    let traces = Traces::of(&server, &site);
    assert!(server.hang_up().success());
    assert_eq!(traces.left(), [""; 0], "nothing is left once it has ended");

    // The data was named, so it is somebody's: all of it is there, and what is to run does.
    server.restart();
    server.until("the instance runs again", |server| {
        server.causeway(&["exec", &site.instance, "--", "true"]).code == Some(0)
    });
    let traces = Traces::of(&server, &site);
    server.kill();
    traces.go();

    // A start at once waits for who cleans up.
    server.restart();
    server.until("the instance runs again", |server| {
        server.causeway(&["exec", &site.instance, "--", "true"]).code == Some(0)
    });
    server.kill_and_restart();
    server.until("the instance runs again", |server| {
        server.causeway(&["exec", &site.instance, "--", "true"]).code == Some(0)
    });

    let traces = Traces::of(&server, &site);
    fs::remove_dir_all(server.data.path()).unwrap();
    server.kill();
    traces.go();
}

#[test]
fn the_directory_that_an_emulator_made_goes_with_it() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let scratch = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_causeway"))
            .args(["serve", "--emulator", "--fabric", "none", "--listen", "127.0.0.1:0"])
            .env_clear()
            .env("TMPDIR", scratch.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let at =
            said.find_map(|line| Some(line.unwrap().strip_prefix("Listening on ")?.to_owned()));
        // Nobody needs to know where its data is.
        let env = Command::new(env!("CARGO_BIN_EXE_causeway"))
            .args(["env", "--json", "--url", &at.unwrap()])
            .env_clear()
            .env("HOME", scratch.path())
            .env("XDG_DATA_HOME", scratch.path())
            .output()
            .unwrap();
        assert!(env.status.success(), "{env:?}");
        let made = || -> Vec<String> {
            let entries = fs::read_dir(scratch.path()).unwrap().flatten();
            entries.map(|entry| entry.path().display().to_string()).collect()
        };
        assert_eq!(made().len(), 1, "{:?}", made());
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        child.wait().unwrap();
        until_none(made);
    }
}

#[test]
fn what_a_lost_directory_leaves_is_listed_and_purged() {
    let mut server = Server::linux();
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", SLEEPER);
    let traces = Traces::of(&server, &site);
    let instance = traces.instance.clone();
    let orphans = |server: &Server, arguments: &[&str]| -> Value {
        let ours = ["fabric:orphans", "--json", "--instance", &instance];
        server.causeway(&[&ours, arguments].concat()).json()
    };
    assert_eq!(orphans(&server, &[]), Value::Array(Vec::new()), "it is looked after");
    server.kill();
    assert_eq!(orphans(&server, &["--purge"]), Value::Array(Vec::new()), "its data is there");
    assert!(!traces.left().is_empty());
    fs::remove_dir_all(server.data.path()).unwrap();
    let found = orphans(&server, &[]);
    let one = &found[0]["orphan"];
    assert_eq!(one["data"], server.data.path().to_str().unwrap());
    let names: Vec<String> = one["namespaces"].as_array().unwrap().iter().map(text).collect();
    assert!(traces.names.iter().all(|name| names.contains(name)), "{one}");
    assert_eq!(one["containers"][0], site.instance.as_str());
    assert!(one["processes"].as_array().unwrap().len() >= 2 && one["control_groups"] == true);
    assert!(!traces.left().is_empty(), "to look is not to purge");
    let shown = server.causeway(&["fabric:orphans", "--instance", &instance]).ok();
    assert!(shown.contains(&instance) && shown.contains("--purge"), "{shown}");
    assert_eq!(orphans(&server, &["--purge"])[0]["removed"], true);
    assert_eq!(traces.left(), [""; 0]);
    assert_eq!(orphans(&server, &[]), Value::Array(Vec::new()));
}
