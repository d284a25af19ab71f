//! A laboratory of OVN: the databases and `ovn-northd` in one room, and three hosts with a switch and a controller of
//! their own, joined by one network for Geneve and another one for the southbound database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use causeway_ovn::{Alarm, Central, Host, Ovn, Places, Routers, Settled, Switch, Uptake, watches};
use fabric::driver::{Driver, Outcome, Report};
use fabric::linux::complete_checksums;
use model::intent::{NetworksDelta, NetworksIntent, UplinkDelta, VpcIntent};
use model::{EniId, VpcId};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use os::netns::NetworkNamespace;
use ovsdb::{Client, Config, Endpoint, Watch};

use crate::room::{Room, program, tools};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(30);
pub const INSTANCE: &str = "test";
pub const HOSTS: usize = 3;
/// Bytes of a packet between hosts.
const UNDERLAY: u16 = 1500;
/// How the directories of labs begin; the number of the test's process follows.
const PREFIX: &str = "causeway-ovn-";

pub struct Lab {
    pub driver: Ovn,
    pub hosts: Vec<LabHost>,
    pub intent: NetworksIntent,
    central: Room,
    daemons: BTreeMap<String, Daemon>,
    dir: tempfile::TempDir,
}

pub struct LabHost {
    pub room: Room,
    pub host: Host,
    pub name: String,
}

struct Daemon {
    child: Child,
    arguments: (String, Vec<String>),
}

impl Lab {
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
        central.run("ip addr add 192.168.201.1/24 dev managed");
        daemons.start_central(&central);
        let rooms: Vec<Room> = (0..HOSTS).map(|_| Room::new()).collect();
        for (number, room) in rooms.iter().enumerate() {
            daemons.start_host(&central, room, number);
        }
        let hosts = rooms.into_iter().enumerate().map(|(number, room)| {
            let name = name(number);
            let socket = dir.path().join(&name).join("db.sock");
            let client = client("Open_vSwitch", socket, Switch::watches(), &Alarm::default());
            let bridged = client.wait_until(LONG, |database, _| {
                let mut bridges = database.rows("Bridge");
                bridges.any(|(_, row)| row.text("name") == Some("br-int")).then_some(())
            });
            assert!(bridged.is_some(), "no controller on {name}");
            let switch = Switch::new(client, INSTANCE, LONG);
            assert!(switch.is_user_space().unwrap());
            assert_eq!(switch.chassis().unwrap(), name);
            LabHost { room, host: Host::new(switch, INSTANCE, UNDERLAY), name }
        });
        let hosts: Vec<LabHost> = hosts.collect();
        let driver = Ovn::new(routers(dir.path(), 1, &Alarm::default()), None, Alarm::default());
        let intent = NetworksIntent::default();
        let lab = Self { driver, hosts, intent, central, daemons: daemons.all, dir };
        lab.prime_tunnels();
        lab
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

    /// Another writer.
    pub fn routers(&self, epoch: u64, alarm: &Alarm) -> Routers {
        routers(self.dir.path(), epoch, alarm)
    }

    /// Another client of a host's switch.
    pub fn switch(&self, number: usize, alarm: &Alarm) -> Switch {
        let socket = self.socket(&name(number));
        Switch::new(client("Open_vSwitch", socket, Switch::watches(), alarm), INSTANCE, LONG)
    }

    /// The number of the host that an interface is on: one of a process is where its first one is.
    pub fn host_of(&self, eni: EniId) -> usize {
        let interface = self.intent.vpcs.values().find_map(|vpc| vpc.interfaces.get(&eni));
        let first = interface.and_then(|it| it.slot).map_or(eni, |slot| slot.host);
        (first.bits() % HOSTS as u128) as usize
    }

    /// Has all be as an intent says.
    pub fn sweep(&mut self, intent: &NetworksIntent) {
        self.intent = intent.clone();
        self.place();
        let report = self.driver.sweep(intent);
        carried(&mut self.driver, report);
        self.settle_hosts();
        self.await_uptake();
    }

    /// Makes what changed so.
    pub fn apply(&mut self, next: &NetworksIntent) -> Report {
        let delta = delta(&self.intent, next);
        self.intent = next.clone();
        self.place();
        let report = self.driver.apply(&delta);
        let report = carried(&mut self.driver, report);
        self.settle_hosts();
        self.await_uptake();
        report
    }

    fn place(&mut self) {
        let all = self.intent.vpcs.values().flat_map(|vpc| vpc.interfaces.keys());
        let places: Places = all.map(|eni| (*eni, name(self.host_of(*eni)))).collect();
        // What moves is written with what it belongs to.
        self.driver.place(places);
    }

    /// Has every host make its own interfaces, and insists that nothing had drifted.
    pub fn settle_hosts(&mut self) {
        for (number, settled) in self.try_settle_hosts().into_iter().enumerate() {
            assert_eq!(settled, Settled::default(), "{}", name(number));
        }
    }

    pub fn try_settle_hosts(&mut self) -> Vec<Settled> {
        let intents: Vec<BTreeMap<VpcId, VpcIntent>> =
            (0..HOSTS).map(|number| self.part_of(number)).collect();
        let settle =
            |(LabHost { room, host, .. }, vpcs): (&mut LabHost, BTreeMap<VpcId, VpcIntent>)| {
                let gone: Vec<VpcId> = host.vpcs().filter(|vpc| !vpcs.contains_key(vpc)).collect();
                gone.into_iter().for_each(|vpc| host.want(vpc, None));
                vpcs.iter().for_each(|(vpc, intent)| host.want(*vpc, Some(intent)));
                room.inside(|| host.settle())
            };
        self.hosts.iter_mut().zip(intents).map(settle).collect()
    }

    /// What a host is told: networks with its own interfaces alone.
    fn part_of(&self, number: usize) -> BTreeMap<VpcId, VpcIntent> {
        let mut vpcs = self.intent.vpcs.clone();
        for vpc in vpcs.values_mut() {
            vpc.interfaces.retain(|eni, _| self.host_of(*eni) == number);
        }
        vpcs
    }

    /// Waits until all interfaces are taken up, and all hosts have all that was written.
    pub fn await_uptake(&mut self) {
        for LabHost { host, name, .. } in &self.hosts {
            let enis: BTreeSet<EniId> = host.vpcs().flat_map(|vpc| host.interfaces(vpc)).collect();
            let missing = host.switch().wait_installed(&enis, LONG);
            assert!(missing.is_empty(), "{name}: {missing:?} of {:#?}", host.switch().ports());
        }
        let report = self.driver.sweep(&self.intent);
        let report = carried(&mut self.driver, report);
        assert!(report.repairs.is_empty(), "{report:#?}");
        let all = report.vpcs.values().chain(report.peerings.values());
        assert!({ all }.all(|outcome| *outcome == Outcome::Carried), "{report:#?}");
    }

    /// Does something behind an interface.
    pub fn behind<T: Send>(&self, first: EniId, work: impl FnOnce() -> T + Send) -> T {
        self.hosts[self.host_of(first)].room.inside(|| {
            let namespace = NetworkNamespace::open(&format!("cw-{first}")).unwrap();
            namespace.expect("it was made").enter().unwrap();
            work()
        })
    }

    /// The first packet of each tunnel is lost while its other end's Ethernet address is asked for.
    fn prime_tunnels(&self) {
        for LabHost { room, .. } in &self.hosts {
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
        let room = self.hosts.iter().find(|host| host.name == home).map(|host| &host.room);
        let mut daemons = Daemons { dir: self.dir.path().to_owned(), all: BTreeMap::new() };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        daemons.start(room.unwrap_or(&self.central), home, what, &program, &arguments);
        self.daemons.append(&mut daemons.all);
    }

    /// Gives a host whose switch started anew the address back by which others reach it.
    pub fn restore_underlay(&self, host: &str) {
        let number = self.hosts.iter().position(|it| it.name == host).unwrap();
        let room = &self.hosts[number].room;
        let deadline = Instant::now() + LONG;
        while !room.run("ip -br link").contains("br-phy") {
            assert!(Instant::now() < deadline, "no bridge on {host}");
        }
        room.run(&format!("ip addr replace {}/24 dev br-phy", underlay(number)));
        room.run("ip link set br-phy up");
        self.prime_tunnels();
    }

    /// Waits until all clients have their servers back.
    pub fn await_connected(&self) {
        let routers = self.driver.routers();
        let central = [routers.central().client(), routers.uptake().client()];
        let switches = self.hosts.iter().map(|host| host.host.switch().client());
        for client in central.into_iter().chain(switches) {
            assert!(client.wait_until_connected(LONG), "{:?}", client.status());
        }
    }

    /// Runs a program of OVN's against a database or a host's switch, and returns what it prints.
    pub fn tool(&self, home: &str, line: &str) -> String {
        let room = self.hosts.iter().find(|host| host.name == home).map(|host| &host.room);
        let directory = self.dir.path().join(home);
        tool(room.unwrap_or(&self.central), &directory, line)
    }
}

impl Drop for Lab {
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

/// Waits until what a driver reported is carried, however slow this machine is. Nothing else may be wrong.
pub fn carried(driver: &mut Ovn, mut report: Report) -> Report {
    let deadline = Instant::now() + LONG;
    while report.failed() {
        assert!(report.errors.is_empty() && Instant::now() < deadline, "{report:#?}");
        pause(10);
        if let Some(later) = driver.step() {
            report.vpcs.extend(later.vpcs);
            report.peerings.extend(later.peerings);
            report.repairs.extend(later.repairs);
            report.errors.extend(later.errors);
        }
    }
    report
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

fn name(number: usize) -> String {
    format!("h{}", number + 1)
}

fn underlay(number: usize) -> String {
    format!("192.168.200.{}", number + 11)
}

fn client(database: &str, socket: PathBuf, watches: Vec<Watch>, alarm: &Alarm) -> Client {
    let mut config = Config::new(database, vec![Endpoint::Unix(socket)]);
    config.pauses = (Duration::from_millis(20), Duration::from_millis(200));
    config.watches = watches;
    let client = Client::start_with_alarm(config, alarm.ring()).unwrap();
    assert!(client.wait_until_connected(LONG), "{:?}", client.status());
    client
}

fn routers(dir: &Path, epoch: u64, alarm: &Alarm) -> Routers {
    let socket = dir.join("central/db.sock");
    let north = client("OVN_Northbound", socket.clone(), watches(INSTANCE), alarm);
    let central = Central::lead(north, INSTANCE, epoch, LONG).unwrap();
    Routers::new(
        central,
        Uptake::new(client("OVN_Southbound", socket, Uptake::watches(INSTANCE), alarm)),
    )
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
        let arguments =
            [&remote, "--remote=ptcp:6642:192.168.201.1", &file("nb.db"), &file("sb.db")];
        self.start(room, "central", "db", "ovsdb-server", &arguments);
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
                 external_ids:ovn-remote=tcp:192.168.201.1:6642 external_ids:ovn-encap-type=geneve \
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

fn changed<K: Ord + Copy, V: PartialEq + Clone>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> BTreeMap<K, Option<V>> {
    let gone = old.keys().filter(|key| !new.contains_key(key)).map(|key| (*key, None));
    let put = new.iter().filter(|(key, value)| old.get(key) != Some(value));
    gone.chain(put.map(|(key, value)| (*key, Some(value.clone())))).collect()
}

pub fn delta(old: &NetworksIntent, new: &NetworksIntent) -> NetworksDelta {
    NetworksDelta {
        vpcs: changed(&old.vpcs, &new.vpcs),
        peerings: changed(&old.peerings, &new.peerings),
        uplink: UplinkDelta::Same,
    }
}
