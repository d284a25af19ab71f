//! A laboratory of OVN: a writer of all networks, and three hosts that make their own interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use causeway_ovn::{Alarm, Central, Host, Ovn, Places, Routers, Settled, Switch, Uptake, watches};
use fabric::driver::{Driver, Outcome, Report};
use model::intent::{NetworksDelta, NetworksIntent, UplinkDelta, VpcIntent};
use model::{EniId, VpcId};
use nix::sys::signal::Signal;
use os::netns::NetworkNamespace;
use ovsdb::{Client, Config, Endpoint, Watch};

use crate::machines::{Machines, name};
use crate::room::Room;

pub use crate::machines::{HOSTS, LONG, pause};

pub const INSTANCE: &str = "test";
/// Bytes of a packet between hosts.
const UNDERLAY: u16 = 1500;
pub struct Lab {
    pub driver: Ovn,
    pub hosts: Vec<LabHost>,
    pub intent: NetworksIntent,
    machines: Machines,
}

pub struct LabHost {
    pub room: Arc<Room>,
    pub host: Host,
    pub name: String,
}

impl Lab {
    pub fn new() -> Self {
        let machines = Machines::new();
        let hosts = machines.hosts.iter().enumerate().map(|(number, room)| {
            let (name, room) = (name(number), Arc::clone(room));
            let socket = machines.socket(&name);
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
        let routers = routers(machines.directory(), 1, &Alarm::default());
        let driver = Ovn::new(routers, None, Alarm::default());
        Self { driver, hosts, intent: NetworksIntent::default(), machines }
    }

    /// The socket of the databases of OVN.
    pub fn northbound(&self) -> PathBuf {
        self.machines.northbound()
    }

    /// The socket of a host's switch.
    pub fn socket(&self, host: &str) -> PathBuf {
        self.machines.socket(host)
    }

    /// Where all of it is.
    pub fn directory(&self) -> &Path {
        self.machines.directory()
    }

    /// Sends a signal to a daemon: `h1/controller`, `central/northd` and so on.
    pub fn signal(&self, daemon: &str, signal: Signal) {
        self.machines.signal(daemon, signal);
    }

    /// Kills a daemon and starts it again.
    pub fn restart(&mut self, daemon: &str) {
        self.machines.restart(daemon);
    }

    /// Gives a host whose switch started anew the address back by which others reach it.
    pub fn restore_underlay(&self, host: &str) {
        self.machines.restore_underlay(host);
    }

    /// Runs a program of OVN's against a database or a host's switch, and returns what it prints.
    pub fn tool(&self, home: &str, line: &str) -> String {
        self.machines.tool(home, line)
    }

    /// Another writer.
    pub fn routers(&self, epoch: u64, alarm: &Alarm) -> Routers {
        routers(self.machines.directory(), epoch, alarm)
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

    /// Waits until all clients have their servers back.
    pub fn await_connected(&self) {
        let routers = self.driver.routers();
        let central = [routers.central().client(), routers.uptake().client()];
        let switches = self.hosts.iter().map(|host| host.host.switch().client());
        for client in central.into_iter().chain(switches) {
            assert!(client.wait_until_connected(LONG), "{:?}", client.status());
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
