//! A laboratory: intents made by hand, real packets between real namespaces.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use causeway_fabric::driver::{Driver, Outcome, Report};
use causeway_fabric::linux::Linux;
use model::intent::*;
use model::*;
use os::netns::NetworkNamespace;

/// Long enough for a packet on this machine, short enough to wait for one that never comes.
pub const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(3);

static COUNTER: AtomicU32 = AtomicU32::new(1);

/// An instance of Causeway with an intent, removed when dropped.
pub struct Lab {
    pub instance: String,
    pub driver: Linux,
    pub intent: NetworksIntent,
    high: u64,
}

pub fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

pub fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub fn tcp(port: u16) -> Traffic {
    Traffic::Tcp(PortRange { from: port, to: port })
}

pub fn rule(traffic: Traffic, block: &str) -> RuleIntent {
    RuleIntent { traffic, peer: RulePeer::Cidr(cidr(block)) }
}

/// A member of a group that is an interface of the VPC itself.
pub fn member(eni: EniId, address: &str) -> Member {
    Member { via: Via::Interface(eni), address: ip(address) }
}

/// A member of a group that is seen over a peering.
pub fn member_over(pcx: PcxId, address: &str) -> Member {
    Member { via: Via::Peering(pcx), address: ip(address) }
}

pub fn open_group() -> GroupIntent {
    let all = || [rule(Traffic::All, "0.0.0.0/0")].into();
    GroupIntent { ingress: all(), egress: all() }
}

impl Lab {
    pub fn new() -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let instance = format!("test-{pid}-{number}");
        let high = (u64::from(pid) << 8 | u64::from(number & 0xff)) & 0xffff_ffff;
        Self { driver: Linux::new(&instance), instance, intent: NetworksIntent::default(), high }
    }

    /// An id that no other test has.
    pub fn id<T: PrefixedId>(&self, number: u32) -> T {
        format!("{}-{:017x}", T::PREFIX, u128::from(self.high) << 16 | u128::from(number))
            .parse()
            .unwrap()
    }

    /// A VPC with one route table, an open group 1 and no subnet; its ids count from its number.
    pub fn vpc(&mut self, number: u32, block: &str) -> VpcId {
        let id = self.id(number);
        let second = u32::from(cidr(block).base()) + 2;
        let vpc = VpcIntent {
            resolvers: vec![second.into(), edge::RESOLVER],
            cidrs: vec![cidr(block)],
            subnets: BTreeMap::new(),
            route_tables: [(self.id(number), BTreeMap::new())].into(),
            interfaces: BTreeMap::new(),
            groups: [(self.id(number), open_group())].into(),
            members: BTreeMap::new(),
            acls: BTreeMap::new(),
            peerings: BTreeMap::new(),
            exits: BTreeMap::new(),
            denied: Vec::new(),
            refuses_unrouted: false,
        };
        self.intent.vpcs.insert(id, vpc);
        id
    }

    pub fn subnet(&mut self, vpc: u32, number: u32, block: &str) -> SubnetId {
        let id = self.id(number);
        let subnet = SubnetIntent { cidr: cidr(block), route_table: self.id(vpc), acl: None };
        self.at(vpc).subnets.insert(id, subnet);
        id
    }

    /// An interface in the group that the VPC has from the start.
    pub fn eni(&mut self, vpc: u32, subnet: u32, number: u32, address: &str) -> EniId {
        let id = self.id(number);
        let interface = InterfaceIntent {
            mac: MacAddr([0x06, 0, 0, 0, (number >> 8) as u8, number as u8]),
            subnet: self.id(subnet),
            addresses: vec![ip(address)],
            groups: vec![self.id(vpc)],
            source_dest_check: true,
            mtu: 9001,
            slot: None,
        };
        self.at(vpc).interfaces.insert(id, interface);
        id
    }

    pub fn at(&mut self, vpc: u32) -> &mut VpcIntent {
        let id = self.id(vpc);
        self.intent.vpcs.get_mut(&id).unwrap()
    }

    pub fn group(&mut self, vpc: u32) -> &mut GroupIntent {
        let id = self.id(vpc);
        self.at(vpc).groups.get_mut(&id).unwrap()
    }

    pub fn route(&mut self, vpc: u32, block: &str, target: RouteTarget) {
        let table = self.id(vpc);
        self.at(vpc).route_tables.get_mut(&table).unwrap().insert(cidr(block), target);
    }

    /// A peering whose ends admit what is for their first blocks; no routes.
    pub fn peer(&mut self, number: u32, a: u32, b: u32) -> PcxId {
        let id = self.id(number);
        let link = PeeringIntent { requester: self.id(a), accepter: self.id(b), mtu: 9001 };
        self.intent.peerings.insert(id, link);
        for (end, other) in [(a, b), (b, a)] {
            let admits_to = vec![self.at(end).cidrs[0]];
            let behind = self.at(other).cidrs.clone();
            let planned = PeeringEnd { admits_to, admits_from: None, behind };
            self.at(end).peerings.insert(id, planned);
        }
        id
    }

    /// Removes a peering as the plan does: routes to it become blackholes.
    pub fn unpeer(&mut self, pcx: PcxId) {
        self.intent.peerings.remove(&pcx);
        for vpc in self.intent.vpcs.values_mut() {
            vpc.peerings.remove(&pcx);
            for target in vpc.route_tables.values_mut().flat_map(|routes| routes.values_mut()) {
                if *target == RouteTarget::Peering(pcx) {
                    *target = RouteTarget::Blackhole;
                }
            }
        }
    }

    /// Two VPCs, 10.1/16 and 10.2/16, each with an interface .0.4, peered and routed.
    pub fn peered() -> (Self, PcxId, EniId, EniId) {
        let mut lab = Self::new();
        lab.vpc(1, "10.1.0.0/16");
        lab.vpc(2, "10.2.0.0/16");
        lab.subnet(1, 1, "10.1.0.0/24");
        lab.subnet(2, 2, "10.2.0.0/24");
        let a = lab.eni(1, 1, 1, "10.1.0.4");
        let b = lab.eni(2, 2, 2, "10.2.0.4");
        let pcx = lab.peer(1, 1, 2);
        lab.route(1, "10.2.0.0/16", RouteTarget::Peering(pcx));
        lab.route(2, "10.1.0.0/16", RouteTarget::Peering(pcx));
        (lab, pcx, a, b)
    }

    /// Sweeps, and insists that all went well.
    pub fn sweep(&mut self) -> Report {
        let report = self.driver.sweep(&self.intent);
        assert!(!report.failed(), "{report:#?}");
        assert!(
            report.vpcs.values().chain(report.peerings.values()).all(|o| *o == Outcome::Carried)
        );
        self.await_links();
        report
    }

    /// Waits until the kernel has found out that the links of all routers can carry.
    pub fn await_links(&self) {
        self.intent.vpcs.keys().for_each(|vpc| await_links(&format!("cw-{vpc}")));
    }

    /// Applies what changed since `old`, and insists that all went well without a look around.
    pub fn apply(&mut self, old: &NetworksIntent) -> Report {
        let delta = delta(old, &self.intent);
        let report = self.driver.apply(&delta);
        assert!(!report.failed(), "{report:#?}");
        assert!(report.repairs.is_empty(), "{report:#?}");
        self.await_links();
        report
    }

    /// Changes the intent by a closure and applies just that.
    pub fn change(&mut self, change: impl FnOnce(&mut Self)) -> Report {
        let old = self.intent.clone();
        change(self);
        self.apply(&old)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let purged = self.driver.purge();
        if !std::thread::panicking() {
            purged.unwrap();
        }
    }
}

/// Whether all went well and the kernel was found exactly as it must be.
pub fn is_quiet(report: &Report) -> bool {
    report.removed.is_empty() && report.repairs.is_empty() && !report.failed()
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
        uplink: match &new.uplink {
            same if *same == old.uplink => UplinkDelta::Same,
            Some(uplink) => UplinkDelta::Put(uplink.clone()),
            None => UplinkDelta::Gone,
        },
    }
}

/// Runs a closure on a thread in a namespace.
pub fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let namespace = NetworkNamespace::open(namespace).unwrap().expect("it was made");
    std::thread::scope(|scope| {
        let enter = move || {
            namespace.enter().unwrap();
            work()
        };
        scope.spawn(enter).join().unwrap()
    })
}

pub fn at(eni: EniId) -> String {
    format!("cw-{eni}")
}

/// Runs a program in a namespace and returns what it prints.
pub fn run(namespace: &str, line: &str) -> String {
    let mut words = line.split(' ');
    let output =
        inside(namespace, || Command::new(words.next().unwrap()).args(words).output().unwrap());
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A listener on all addresses of an interface.
pub fn listen(eni: EniId, port: u16) -> TcpListener {
    inside(&at(eni), || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap())
}

/// A connection both ends of which are held.
pub fn connect(from: EniId, listener: &TcpListener, to: &str) -> (TcpStream, TcpStream) {
    let port = listener.local_addr().unwrap().port();
    let address = SocketAddr::from((ip(to), port));
    let client = inside(&at(from), || TcpStream::connect_timeout(&address, LONG)).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(SHORT)).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    (client, server)
}

/// Whether a connection can be made.
pub fn reaches(from: EniId, to: EniId, address: &str, port: u16) -> bool {
    let _listener = listen(to, port);
    let address = SocketAddr::from((ip(address), port));
    inside(&at(from), || TcpStream::connect_timeout(&address, SHORT)).is_ok()
}

/// Whether a byte goes through an open connection.
pub fn carries(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    from.write_all(b"x").unwrap();
    match to.read(&mut [0]) {
        Ok(count) => count == 1,
        Err(error) => {
            assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
            false
        }
    }
}

/// Waits until the kernel has found out that the links of a router can carry. It does so by itself, up to a
/// second after they were made or set up; until then what is sent over them is lost. A link that somebody
/// keeps down is not waited for to the end of all days.
pub fn await_links(router: &str) {
    let deadline = Instant::now() + LONG;
    let carries = |line: &str| line.contains(" state UP ") || line.contains(" lo: ");
    while !run(router, "ip -o link").lines().all(carries) && Instant::now() < deadline {}
}

/// A UDP socket of an interface.
pub fn udp(eni: EniId, port: u16) -> UdpSocket {
    let socket = inside(&at(eni), || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
    socket.set_read_timeout(Some(SHORT)).unwrap();
    socket
}

/// Whether a datagram arrives, and from whom.
pub fn datagram(from: &UdpSocket, to: &UdpSocket, address: &str) -> Option<IpAddr> {
    let port = to.local_addr().unwrap().port();
    // A dropped datagram is not an error of the sender's.
    from.send_to(b"x", (ip(address), port)).ok()?;
    to.recv_from(&mut [0; 8]).ok().map(|(_, from)| from.ip())
}
