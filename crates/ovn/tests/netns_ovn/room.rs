//! A machine of its own, as far as networks and mounts go: namespaces that have no name, and end with the process
//! that holds them. That one, and every other that is started here, ends with the test, even if the test is killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, setns, unshare};

pub struct Room {
    holder: Child,
}

/// A program that ends when the thread that starts it does.
fn bound(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]).stdin(Stdio::null());
    command
}

impl Room {
    /// A room in which nothing is yet but a loopback. Names of namespaces there are the room's own.
    pub fn new() -> Self {
        let script = "mount -t tmpfs tmpfs /run && mkdir /run/netns /run/cgroup && \
                      mount --rbind /sys/fs/cgroup /run/cgroup && mount -t sysfs sysfs /sys && \
                      mount --move /run/cgroup /sys/fs/cgroup && ip link set lo up && echo && exec sleep infinity";
        let mut holder = bound("unshare")
            .args(["--net", "--mount", "--propagation", "private", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "\n", "the room could not be made");
        Self { holder }
    }

    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A program in the room, which ends with the calling thread.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = bound("nsenter");
        let pid = self.pid().to_string();
        command.args(["--target", &pid, "--net", "--mount", "--"]).arg(program);
        command
    }

    /// Moves the calling thread into the room's network, with all that it starts from then on. Its files stay.
    #[allow(dead_code, clippy::allow_attributes, reason = "not every test has a thread to give")]
    pub fn enter_network(&self) {
        let network = File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
        setns(network, CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// Does something in the room, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let open = |kind| File::open(format!("/proc/{}/ns/{kind}", self.pid())).unwrap();
        let (mounts, network) = (open("mnt"), open("net"));
        std::thread::scope(|scope| {
            let enter = move || {
                // Only a thread with a directory of its own can change its mounts.
                unshare(CloneFlags::CLONE_FS).unwrap();
                setns(&mounts, CloneFlags::CLONE_NEWNS).unwrap();
                setns(&network, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            };
            scope.spawn(enter).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `ip` or another program, and returns what it prints.
    pub fn run(&self, line: &str) -> String {
        self.try_run(line).unwrap_or_else(|said| panic!("{line}: {said}"))
    }

    /// The same, or what it says where it fails.
    pub fn try_run(&self, line: &str) -> Result<String, String> {
        let (program, arguments) = line.split_once(' ').unwrap();
        let output = self.command(Path::new(program)).args(arguments.split(' ')).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let printed = String::from_utf8(output.stdout).unwrap();
        if output.status.success() { Ok(printed) } else { Err(said + &printed) }
    }

    /// Joins a link of this room with one of another.
    pub fn join(&self, here: &str, other: &Self, there: &str) {
        let pid = other.pid();
        self.run(&format!("ip link add {here} type veth peer name {there} netns {pid}"));
        self.run(&format!("ip link set {here} up"));
        other.run(&format!("ip link set {there} up"));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Where `scripts/setup` puts OVN.
pub fn tools() -> PathBuf {
    let named = std::env::var_os("CAUSEWAY_TEST_OVN").map(PathBuf::from);
    named.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/ovn-trixie").into())
}

/// A program of OVN's.
pub fn program(name: &str) -> PathBuf {
    let found = tools().join("bin").join(name);
    assert!(found.exists(), "no {}: scripts/setup brings it", found.display());
    found
}
