//! Machines with OVN: the databases and `ovn-northd` in one room, and three hosts with a switch and a controller of
//! their own, joined by one network for Geneve and another one for all else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::linux::complete_checksums;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::room::{Room, program, tools};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(30);
pub const HOSTS: usize = 3;
/// Where what is in the middle is reached by all hosts.
pub const CENTRAL: &str = "192.168.201.1";
/// How the directories of machines begin; the number of the test's process follows.
const PREFIX: &str = "causeway-ovn-";

pub struct Machines {
    pub central: Room,
    pub hosts: Vec<Arc<Room>>,
    daemons: BTreeMap<String, Daemon>,
    dir: tempfile::TempDir,
}

struct Daemon {
    child: Child,
    arguments: (String, Vec<String>),
}

impl Machines {
    pub fn new() -> Self {
        sweep_up();
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        let central = Room::new();
        let mut daemons = Daemons { dir: dir.path().to_owned(), all: BTreeMap::new() };
        for bridge in ["managed", "under"] {
            central.run(&format!("ip link add {bridge} type bridge"));
            central.run(&format!("ip link set {bridge} up"));
        }
        central.run(&format!("ip addr add {CENTRAL}/24 dev managed"));
        daemons.start_central(&central);
        let hosts: Vec<Arc<Room>> = (0..HOSTS).map(|_| Arc::new(Room::new())).collect();
        for (number, room) in hosts.iter().enumerate() {
            daemons.start_host(&central, room, number);
        }
        let machines = Self { central, hosts, daemons: daemons.all, dir };
        machines.prime_tunnels();
        machines
    }

    /// The socket of the databases of OVN.
    pub fn northbound(&self) -> PathBuf {
        self.dir.path().join("central/db.sock")
    }

    /// The socket of a host's switch.
    pub fn socket(&self, host: &str) -> PathBuf {
        self.dir.path().join(host).join("db.sock")
    }

    /// Where all of it is.
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// The first packet of each tunnel is lost while its other end's Ethernet address is asked for.
    fn prime_tunnels(&self) {
        for room in &self.hosts {
            for other in 0..HOSTS {
                let deadline = Instant::now() + LONG;
                while room.try_run(&format!("ping -n -c 1 -W 1 {}", underlay(other))).is_err() {
                    assert!(Instant::now() < deadline, "hosts do not reach each other");
                }
            }
        }
    }

    /// Sends a signal to a daemon: `h1/controller`, `central/northd` and so on.
    pub fn signal(&self, daemon: &str, signal: Signal) {
        let pid = self.daemons[daemon].child.id();
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
    }

    /// Kills a daemon and starts it again.
    pub fn restart(&mut self, daemon: &str) {
        let Daemon { mut child, arguments: (program, arguments) } =
            self.daemons.remove(daemon).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let (home, what) = daemon.split_once('/').unwrap();
        let mut daemons = Daemons { dir: self.dir.path().to_owned(), all: BTreeMap::new() };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        daemons.start(self.room(home), home, what, &program, &arguments);
        self.daemons.append(&mut daemons.all);
    }

    /// Gives a host whose switch started anew the address back by which others reach it.
    pub fn restore_underlay(&self, host: &str) {
        let number = (0..HOSTS).find(|number| name(*number) == host).unwrap();
        let room = &self.hosts[number];
        let deadline = Instant::now() + LONG;
        while !room.run("ip -br link").contains("br-phy") {
            assert!(Instant::now() < deadline, "no bridge on {host}");
        }
        room.run(&format!("ip addr replace {}/24 dev br-phy", underlay(number)));
        room.run("ip link set br-phy up");
        self.prime_tunnels();
    }

    /// Runs a program of OVN's against a database or a host's switch, and returns what it prints.
    pub fn tool(&self, home: &str, line: &str) -> String {
        tool(self.room(home), &self.dir.path().join(home), line)
    }

    /// The room of a home: a host's, or the one in the middle.
    fn room(&self, home: &str) -> &Room {
        let number = (0..HOSTS).find(|number| name(*number) == home);
        number.map_or(&self.central, |number| &*self.hosts[number])
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(keep) = std::env::var_os("CAUSEWAY_TEST_KEEP_LOGS")
        {
            let from = self.dir.path().join(".");
            let _ = std::process::Command::new("cp").arg("-r").arg(from).arg(keep).status();
        }
        for daemon in self.daemons.values_mut() {
            let _ = daemon.child.kill();
            let _ = daemon.child.wait();
        }
    }
}

/// Waits between two looks at what nothing tells of.
pub fn pause(milliseconds: u64) {
    #[expect(clippy::disallowed_methods, reason = "nobody would wake it")]
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Removes the directories that tests left which were killed. Their processes and namespaces ended with them.
fn sweep_up() {
    for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

pub fn name(number: usize) -> String {
    format!("h{}", number + 1)
}

fn underlay(number: usize) -> String {
    format!("192.168.200.{}", number + 11)
}

struct Daemons {
    dir: PathBuf,
    all: BTreeMap<String, Daemon>,
}

impl Daemons {
    fn start_central(&mut self, room: &Room) {
        let home = self.dir.join("central");
        std::fs::create_dir(&home).unwrap();
        for (database, schema) in [("nb", "ovn-nb"), ("sb", "ovn-sb")] {
            let schema = tools().join(format!("share/{schema}.ovsschema"));
            tool(
                room,
                &home,
                &format!("ovsdb-tool create {}/{database}.db {}", home.display(), schema.display()),
            );
        }
        let file = |name: &str| home.join(name).display().to_string();
        let remote = format!("--remote=punix:{}", file("db.sock"));
        let managed = format!("--remote=ptcp:6642:{CENTRAL}");
        let databases = [file("nb.db"), file("sb.db")];
        let arguments = [&remote, &managed, &databases[0], &databases[1]];
        self.start(room, "central", "db", "ovsdb-server", &arguments.map(String::as_str));
        tool(room, &home, &format!("ovn-nbctl --db=unix:{} init", file("db.sock")));
        tool(room, &home, &format!("ovn-sbctl --db=unix:{} init", file("db.sock")));
        let [north, south] =
            ["nb", "sb"].map(|database| format!("--ovn{database}-db=unix:{}", file("db.sock")));
        self.start(room, "central", "northd", "ovn-northd", &[&north, &south]);
    }

    fn start_host(&mut self, central: &Room, room: &Room, number: usize) {
        let name = name(number);
        let home = self.dir.join(&name);
        std::fs::create_dir(&home).unwrap();
        let file = |name: &str| home.join(name).display().to_string();
        for (bridge, link) in [("managed", "mgmt0"), ("under", "up0")] {
            let port = format!("{bridge}-{name}");
            central.join(&port, room, link);
            central.run(&format!("ip link set {port} master {bridge}"));
            // What a switch outside of the kernel passes on must be whole.
            central.inside(|| complete_checksums(&port)).unwrap();
            room.inside(|| complete_checksums(link)).unwrap();
        }
        room.run(&format!("ip addr add 192.168.201.{}/24 dev mgmt0", number + 11));
        let schema = tools().join("share/vswitch.ovsschema");
        tool(room, &home, &format!("ovsdb-tool create {} {}", file("conf.db"), schema.display()));
        let remote = format!("--remote=punix:{}", file("db.sock"));
        self.start(room, &name, "db", "ovsdb-server", &[&remote, &file("conf.db")]);
        let set = format!("ovs-vsctl --no-wait --db=unix:{}", file("db.sock"));
        tool(room, &home, &format!("{set} init"));
        let address = underlay(number);
        tool(
            room,
            &home,
            &format!(
                "{set} set Open_vSwitch . external_ids:system-id={name} external_ids:hostname={name} \
                 external_ids:ovn-remote=tcp:{CENTRAL}:6642 external_ids:ovn-encap-type=geneve \
                 external_ids:ovn-encap-ip={address} external_ids:ovn-bridge-datapath-type=netdev"
            ),
        );
        let socket = format!("unix:{}", file("db.sock"));
        self.start(room, &name, "vswitchd", "ovs-vswitchd", &[&socket]);
        let set = format!("ovs-vsctl --timeout=20 --db={socket}");
        tool(
            room,
            &home,
            &format!(
                "{set} add-br br-phy -- set Bridge br-phy datapath_type=netdev -- add-port br-phy up0"
            ),
        );
        room.run(&format!("ip addr add {address}/24 dev br-phy"));
        room.run("ip link set br-phy up");
        self.start(room, &name, "controller", "ovn-controller", &[&socket]);
    }

    /// Starts a daemon, and waits until it can be told things.
    fn start(&mut self, room: &Room, home: &str, what: &str, daemon: &str, arguments: &[&str]) {
        let directory = self.dir.join(home);
        let control = directory.join(format!("{what}.ctl"));
        let _ = std::fs::remove_file(&control);
        let child = in_room(room, &directory, daemon)
            .args(arguments)
            .arg(format!("--unixctl={}", control.display()))
            .arg(format!("--log-file={}", directory.join(format!("{what}.log")).display()))
            .args(["--no-chdir", "-vconsole:off"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + LONG;
        while !control.exists() {
            assert!(Instant::now() < deadline, "{home}/{what} does not start");
            pause(5);
        }
        let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
        let daemon = Daemon { child, arguments: (daemon.to_owned(), arguments) };
        self.all.insert(format!("{home}/{what}"), daemon);
    }
}

/// A program of OVN's in a room, with a directory of its own for all that it keeps.
fn in_room(room: &Room, directory: &Path, name: &str) -> std::process::Command {
    let mut command = room.command(&program(name));
    for software in ["OVS", "OVN"] {
        for kind in ["RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"] {
            command.env(format!("{software}_{kind}"), directory);
        }
    }
    command
}

fn tool(room: &Room, directory: &Path, line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = in_room(room, directory, words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
