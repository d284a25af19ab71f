//! Where a VPC's resolver answers, and who may ask it (`ec2.md` §1.8).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use model::intent::*;
use model::*;
use os::poll::readable;

use crate::lab::*;

const OWN: &str = "10.1.0.2";
const SAME: &str = "169.254.169.253";

fn router(lab: &Lab, vpc: u32) -> String {
    format!("cw-{}", lab.id::<VpcId>(vpc))
}

/// A server in a router that sends back what it gets, in front of it the name it goes by.
struct Echo<'scope> {
    stop: UnixStream,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
    asked: &'scope AtomicU64,
}

impl<'scope> Echo<'scope> {
    fn start(
        scope: &'scope Scope<'scope, '_>,
        namespace: &str,
        name: &'static str,
        addresses: &[SocketAddr],
        asked: &'scope AtomicU64,
    ) -> Self {
        let (stop, stopped) = UnixStream::pair().unwrap();
        let mut threads = Vec::new();
        for address in addresses {
            let (udp, tcp) = inside(namespace, || {
                (UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap())
            });
            let stopped = stopped.try_clone().unwrap();
            threads.push(scope.spawn(move || serve(name, &udp, &tcp, &stopped, asked)));
        }
        Self { stop, threads, asked }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn stop(self) {
        drop(self.stop);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn serve(name: &str, udp: &UdpSocket, tcp: &TcpListener, stop: &UnixStream, asked: &AtomicU64) {
    loop {
        let ready = os::poll::wait(&[readable(udp), readable(tcp), readable(stop)], None).unwrap();
        let [datagram, connection, stopped] = ready[..] else { panic!("one for each") };
        if stopped {
            return;
        }
        let mut buffer = [0; 64];
        if datagram {
            asked.fetch_add(1, Ordering::Relaxed);
            let (length, from) = udp.recv_from(&mut buffer).unwrap();
            let answer = [name.as_bytes(), &buffer[..length]].concat();
            // An answer that the firewall drops is an error here.
            let _ = udp.send_to(&answer, from);
        }
        if connection {
            asked.fetch_add(1, Ordering::Relaxed);
            let (mut stream, _) = tcp.accept().unwrap();
            let length = stream.read(&mut buffer).unwrap();
            stream.write_all(&[name.as_bytes(), &buffer[..length]].concat()).unwrap();
        }
    }
}

/// The answer to a datagram, if it comes from the address that was asked.
fn ask_udp(from: EniId, to: &str, port: u16) -> Option<String> {
    let socket = udp(from, 0);
    let target = SocketAddr::from((ip(to), port));
    socket.connect(target).unwrap();
    socket.send(b"?").ok()?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn ask_tcp(from: EniId, to: &str, port: u16) -> Option<String> {
    let target = SocketAddr::from((ip(to), port));
    let mut stream = inside(&at(from), || TcpStream::connect_timeout(&target, SHORT)).ok()?;
    stream.set_read_timeout(Some(SHORT)).unwrap();
    stream.write_all(b"?").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// What both kinds of question are answered with.
fn ask(from: EniId, to: &str, port: u16) -> [Option<String>; 2] {
    [ask_udp(from, to, port), ask_tcp(from, to, port)]
}

fn both(answer: &str) -> [Option<String>; 2] {
    [Some(answer.to_owned()), Some(answer.to_owned())]
}

const NEITHER: [Option<String>; 2] = [None, None];

fn port_53(addresses: &[&str]) -> Vec<SocketAddr> {
    addresses.iter().map(|address| SocketAddr::from((ip(address), 53))).collect()
}

#[test]
fn nothing_stands_between_an_interface_and_its_resolver() {
    let (mut lab, _, a, _) = Lab::peered();
    let closed = AclIntent::default();
    let (acl, subnet): (AclId, SubnetId) = (lab.id(1), lab.id(1));
    lab.at(1).acls.insert(acl, closed);
    lab.at(1).subnets.get_mut(&subnet).unwrap().acl = Some(acl);
    *lab.group(1) = GroupIntent::default();
    let middlebox = lab.eni(1, 1, 3, "10.1.0.9");
    lab.at(1).interfaces.get_mut(&middlebox).unwrap().source_dest_check = false;
    lab.route(1, "10.1.0.0/24", RouteTarget::Interface(middlebox));
    lab.route(1, "0.0.0.0/0", RouteTarget::Blackhole);
    lab.sweep();
    let asked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let addresses = port_53(&[OWN, SAME]);
        let echo = Echo::start(scope, &router(&lab, 1), "one", &addresses, &asked);
        assert_eq!(ask(a, OWN, 53), both("one?"));
        assert_eq!(ask(a, SAME, 53), both("one?"));
        assert_eq!(ask(middlebox, OWN, 53), both("one?"));
        echo.stop();
    });
    assert_eq!(ask(a, OWN, 53), NEITHER, "nobody listens");
}

#[test]
fn nothing_else_of_a_router_is_reached() {
    let (mut lab, _, a, _) = Lab::peered();
    lab.sweep();
    let asked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let addresses = [54, 80, 4880].map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
        let echo = Echo::start(scope, &router(&lab, 1), "one", &addresses, &asked);
        for port in [54, 80, 4880] {
            for address in [OWN, SAME, "169.254.1.1", "127.0.0.1"] {
                assert_eq!(ask(a, address, port), NEITHER, "{address}:{port}");
            }
        }
        assert_eq!(echo.asked(), 0);
        echo.stop();
    });
    for address in [OWN, SAME] {
        let line = format!("ping -c1 -W1 {address}");
        let mut words = line.split(' ');
        let ping = inside(&at(a), || {
            std::process::Command::new(words.next().unwrap()).args(words).output().unwrap()
        });
        assert!(!ping.status.success(), "{address}");
    }
    // Nor does it begin anything.
    let target = udp(a, 5000);
    let own = inside(&router(&lab, 1), || UdpSocket::bind((ip(OWN), 53)).unwrap());
    assert_eq!(datagram(&own, &target, "10.1.0.4"), None);
}

#[test]
fn a_peer_asks_its_own_resolver_only() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.sweep();
    let asked = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        let ours = port_53(&[OWN, SAME]);
        let one = Echo::start(scope, &router(&lab, 1), "one", &ours, &asked[0]);
        let ours = port_53(&["10.2.0.2", SAME]);
        let two = Echo::start(scope, &router(&lab, 2), "two", &ours, &asked[1]);
        assert_eq!(ask(b, OWN, 53), NEITHER);
        assert_eq!(ask(a, "10.2.0.2", 53), NEITHER);
        assert_eq!((one.asked(), two.asked()), (0, 0));
        assert_eq!(ask(b, SAME, 53), both("two?"));
        assert_eq!(ask(a, SAME, 53), both("one?"));

        // Whoever may forge a source gets no answer sent to a peer, and cannot answer either.
        lab.change(|lab| lab.at(1).interfaces.get_mut(&a).unwrap().source_dest_check = false);
        run(&at(a), "ip addr add 10.2.0.4/32 dev lo");
        run(&at(a), "ip addr add 10.1.0.2/32 dev lo");
        let forge =
            |source: &str, port| inside(&at(a), || UdpSocket::bind((ip(source), port)).unwrap());
        let target = inside(&at(b), || UdpSocket::bind("0.0.0.0:5353").unwrap());
        target.set_read_timeout(Some(SHORT)).unwrap();
        let before = one.asked();
        forge("10.2.0.4", 5353).send_to(b"?", (ip(SAME), 53)).unwrap();
        assert!(target.recv(&mut [0; 8]).is_err());
        assert_eq!(one.asked(), before + 1, "its own VPC's resolver does hear it");
        assert_eq!(datagram(&forge(OWN, 53), &target, "10.2.0.4"), None);
        one.stop();
        two.stop();
    });
}

#[test]
fn nobody_sends_in_the_name_of_a_resolver() {
    let (mut lab, _, a, b) = Lab::peered();
    let neighbour = lab.eni(1, 1, 3, "10.1.0.5");
    lab.at(1).interfaces.get_mut(&a).unwrap().source_dest_check = false;
    lab.sweep();
    let ends = [(udp(neighbour, 5353), "10.1.0.5"), (udp(b, 5353), "10.2.0.4")];
    for (source, arrives) in [(OWN, false), (SAME, false), ("192.0.2.1", true)] {
        run(&at(a), &format!("ip addr add {source}/32 dev lo"));
        let forged = inside(&at(a), || UdpSocket::bind((ip(source), 53)).unwrap());
        for (end, address) in &ends {
            let seen = datagram(&forged, end, address);
            assert_eq!(seen.is_some(), arrives, "{source} to {address}");
        }
    }
}

#[test]
fn a_forged_source_asks_nothing() {
    let (mut lab, _, a, _) = Lab::peered();
    lab.sweep();
    run(&at(a), "ip addr add 10.1.0.77/32 dev lo");
    let own = inside(&router(&lab, 1), || UdpSocket::bind((ip(OWN), 53)).unwrap());
    own.set_read_timeout(Some(SHORT)).unwrap();
    let forged = inside(&at(a), || UdpSocket::bind("10.1.0.77:0").unwrap());
    assert_eq!(datagram(&forged, &own, OWN), None);
    assert!(datagram(&udp(a, 0), &own, OWN).is_some());
}

#[test]
fn a_vpc_without_a_resolver_has_none() {
    let (mut lab, _, a, _) = Lab::peered();
    lab.sweep();
    let addresses = |lab: &Lab| run(&router(lab, 1), "ip -o -4 addr show dev lo");
    assert!(addresses(&lab).contains(OWN) && addresses(&lab).contains(SAME));
    let asked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let all = port_53(&[OWN, SAME]);
        let echo = Echo::start(scope, &router(&lab, 1), "one", &all, &asked);
        assert_eq!(ask(a, SAME, 53), both("one?"));
        lab.change(|lab| lab.at(1).resolvers.clear());
        assert!(!addresses(&lab).contains(OWN) && !addresses(&lab).contains(SAME));
        assert_eq!(ask(a, SAME, 53), NEITHER);
        lab.change(|lab| lab.at(1).resolvers = vec![ip(SAME)]);
        assert_eq!(ask(a, SAME, 53), both("one?"));
        assert_eq!(ask(a, OWN, 53), NEITHER);
        echo.stop();
    });
}
