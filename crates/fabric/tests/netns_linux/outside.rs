//! What leads out and what does not, with an outside of the test's own: a namespace that has the
//! internet's addresses, and beside it one that is the host.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

use causeway_fabric::driver::Driver;
use causeway_fabric::linux::Linux;
use model::intent::*;
use model::*;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect as nix_connect, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

pub use crate::conformance::ways::{INTERNET, outbound};
use crate::lab::*;

/// An address of the host's own network, and the one of clouds' metadata.
const LAN: &str = "192.168.77.1";
const METADATA: &str = "169.254.169.254";
/// The address of the host on the link that leads outside, and of the router behind it.
const HOST: &str = "203.0.113.2";
const ROUTER: &str = "203.0.113.1";
const UPLINK: &str = "203.0.113.16";
const WEB: u16 = 80;

/// A host and what is outside of it.
pub struct Outside {
    pub home: String,
    pub out: String,
}

fn ip_command(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Outside {
    pub fn new(lab: &Lab) -> Self {
        let [home, out] = ["home", "out"].map(|what| format!("{}-{what}", lab.instance));
        let outside = Self { home, out };
        for name in [&outside.home, &outside.out] {
            ip_command(&format!("netns add {name}"));
            ip_command(&format!("-n {name} link set lo up"));
        }
        for address in [INTERNET, LAN, METADATA] {
            ip_command(&format!("-n {} addr add {address}/32 dev lo", outside.out));
        }
        outside.connect_host();
        outside
    }

    /// Joins the host with what is outside of it.
    pub fn connect_host(&self) {
        let (home, out) = (&self.home, &self.out);
        ip_command(&format!("-n {home} link add eth0 type veth peer name eth0 netns {out}"));
        for (name, address) in [(home, HOST), (out, ROUTER)] {
            ip_command(&format!("-n {name} addr add {address}/24 dev eth0"));
            ip_command(&format!("-n {name} link set eth0 up"));
        }
        ip_command(&format!("-n {home} route add default via {ROUTER}"));
    }

    /// Does something on the host.
    pub fn on_host<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.home, work)
    }

    /// Sweeps by a driver that was started on the host.
    pub fn sweep(&self, lab: &mut Lab) {
        let report = inside(&self.home, || lab.sweep());
        assert!(report.errors.is_empty(), "{report:#?}");
        self.await_uplink(lab);
    }

    pub fn await_uplink(&self, lab: &Lab) {
        await_links(&uplink_of(lab));
    }

    /// Has whoever is outside send echoes without being root.
    pub fn lets_echo(&self) {
        inside(&self.out, || {
            std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647").unwrap();
        });
    }

    /// Who a server outside sees where an interface connects to an address; `None` if nobody comes.
    pub fn sees(&self, from: EniId, to: &str) -> Option<IpAddr> {
        let listener =
            inside(&self.out, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, WEB)).unwrap());
        let to = SocketAddr::from((ip(to), WEB));
        let client = inside(&at(from), || TcpStream::connect_timeout(&to, SHORT)).ok()?;
        let (_, peer) = listener.accept().unwrap();
        drop(client);
        Some(peer.ip())
    }

    /// Who an interface sees where somebody outside connects to an address.
    fn is_seen_as(&self, by: EniId, to: &str) -> Option<IpAddr> {
        let listener = listen(by, WEB);
        let to = SocketAddr::from((ip(to), WEB));
        inside(&self.out, || TcpStream::connect_timeout(&to, SHORT)).ok()?;
        Some(listener.accept().unwrap().1.ip())
    }

    /// Whether a datagram or an echo of an interface's is answered by an address outside.
    fn answers_otherwise(&self, from: EniId, to: &str) -> bool {
        let server = inside(&self.out, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 9000)).unwrap());
        server.set_read_timeout(Some(SHORT)).unwrap();
        let arrived = datagram(&udp(from, 0), &server, to).is_some();
        let echo = inside(&at(from), || {
            Command::new("ping").args(["-q", "-c", "1", "-W", "0.3", to]).output().unwrap()
        });
        arrived || echo.status.success()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for name in [&self.home, &self.out] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

pub fn uplink_of(lab: &Lab) -> String {
    format!("cw-uplink-{}", lab.instance)
}

fn lead_out(lab: &mut Lab) {
    lead_out_by(lab, &outbound());
}

pub fn lead_out_by(lab: &mut Lab, outbound: &Outbound) {
    lab.intent.uplink = Some(UplinkIntent { way: outbound.way.clone(), denied: outbound.denied() });
    for vpc in lab.intent.vpcs.values_mut() {
        vpc.denied = outbound.denied();
    }
}

/// A NAT gateway of a VPC by which all of it goes out.
pub fn share(lab: &mut Lab, vpc: u32, subnet: u32, address: &str) -> ExitId {
    let exit = ExitId::Nat(lab.id(vpc));
    let shared =
        SharedExit { address: ip(address), subnet: lab.id(subnet), leads_to: vec![Cidr::ANY] };
    lab.at(vpc).exits.insert(exit, ExitIntent::Shared(shared));
    lab.route(vpc, "0.0.0.0/0", RouteTarget::Exit(exit));
    exit
}

/// The internet gateway of a VPC, with the public addresses of some of its own.
fn publish(lab: &mut Lab, vpc: u32, pairs: &[(&str, &str)]) -> ExitId {
    let exit = ExitId::Gateway(lab.id(vpc));
    let publics = pairs.iter().map(|(private, public)| (ip(private), ip(public))).collect();
    lab.at(vpc).exits.insert(exit, ExitIntent::OneToOne(publics));
    lab.route(vpc, "0.0.0.0/0", RouteTarget::Exit(exit));
    exit
}

/// Two VPCs of the same block, each with an interface of the same address and a way out.
fn twins() -> (Lab, Outside, [EniId; 2]) {
    let mut lab = Lab::new();
    for number in [1, 2] {
        lab.vpc(number, "10.0.0.0/16");
        lab.subnet(number, number, "10.0.1.0/24");
    }
    let enis = [1, 2].map(|number| lab.eni(number, number, number, "10.0.1.10"));
    lead_out(&mut lab);
    share(&mut lab, 1, 1, "203.0.113.17");
    share(&mut lab, 2, 2, "203.0.113.18");
    let outside = Outside::new(&lab);
    outside.sweep(&mut lab);
    (lab, outside, enis)
}

#[test]
fn each_network_goes_out_by_its_own_address_and_nothing_comes_in() {
    let (_lab, outside, [a, b]) = twins();
    assert_eq!(outside.sees(a, INTERNET), Some(ip("203.0.113.17").into()));
    assert_eq!(outside.sees(b, INTERNET), Some(ip("203.0.113.18").into()), "the same address");
    assert!(outside.answers_otherwise(a, INTERNET), "datagrams and echoes too");
    for closed in [LAN, METADATA, UPLINK, HOST, "203.0.113.18"] {
        assert_eq!(outside.sees(a, closed), None, "{closed}");
        assert!(!outside.answers_otherwise(a, closed), "{closed}");
    }
    assert_eq!(outside.is_seen_as(b, "203.0.113.18"), None, "nobody asked for it");
    ip_command(&format!("-n {} route add 10.0.0.0/8 via {UPLINK}", outside.out));
    assert_eq!(outside.is_seen_as(b, "10.0.1.10"), None, "a private address is no way in");
    run(&at(a), "ip addr add 10.0.9.9/32 dev lo");
    let forged = inside(&at(a), || {
        let socket = UdpSocket::bind(("10.0.9.9", 0)).unwrap();
        socket.set_read_timeout(Some(SHORT)).unwrap();
        socket
    });
    let server = inside(&outside.out, || UdpSocket::bind((INTERNET, 9000)).unwrap());
    server.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(datagram(&forged, &server, INTERNET), None, "a source that is not its own");
}

#[test]
fn the_host_is_out_of_reach_and_left_as_it_was() {
    let (lab, outside, [a, _]) = twins();
    let forwards = run(&outside.home, "sysctl -n net.ipv4.ip_forward");
    assert_eq!(forwards.trim(), "0");
    assert_eq!(run(&outside.home, "nft list ruleset").trim(), "");
    let links = run(&outside.home, "ip -o link");
    assert_eq!(links.lines().count(), 2, "its own and its loopback: {links}");
    // Even where nothing is denied, the link itself does not lead to the host.
    let mut lab = lab;
    lab.change(|lab| {
        lab.at(1).denied.clear();
        if let Some(uplink) = &mut lab.intent.uplink {
            uplink.denied = vec![cidr("127.0.0.0/8")];
        }
    });
    let listener = inside(&outside.home, || TcpListener::bind((HOST, 81)).unwrap());
    let to = listener.local_addr().unwrap();
    assert!(inside(&at(a), || TcpStream::connect_timeout(&to, SHORT)).is_err());
    assert_eq!(outside.sees(a, INTERNET), Some(ip("203.0.113.17").into()));
}

#[test]
fn a_public_address_leads_both_ways_behind_groups_and_acls() {
    let mut lab = Lab::new();
    lab.vpc(1, "10.0.0.0/16");
    lab.subnet(1, 1, "10.0.1.0/24");
    let a = lab.eni(1, 1, 1, "10.0.1.10");
    let b = lab.eni(1, 1, 2, "10.0.1.11");
    lead_out(&mut lab);
    let exit = publish(&mut lab, 1, &[("10.0.1.10", "203.0.113.20")]);
    let outside = Outside::new(&lab);
    outside.sweep(&mut lab);
    let public: IpAddr = ip("203.0.113.20").into();
    assert_eq!(outside.sees(a, INTERNET), Some(public));
    assert_eq!(outside.sees(b, INTERNET), None, "it has no public address");
    assert_eq!(outside.is_seen_as(a, "203.0.113.20"), Some(ip(ROUTER).into()));
    assert!(!outside.answers_otherwise(a, LAN) && outside.sees(a, LAN).is_none());

    lab.change(|lab| lab.group(1).ingress.clear());
    assert_eq!(outside.is_seen_as(a, "203.0.113.20"), None, "no group lets it in");
    assert_eq!(outside.sees(a, INTERNET), Some(public), "answers come in");
    lab.change(|lab| lab.group(1).ingress = [rule(tcp(WEB), "203.0.113.0/30")].into());
    assert_eq!(outside.is_seen_as(a, "203.0.113.20"), Some(ip(ROUTER).into()));
    lab.change(|lab| lab.group(1).egress = [rule(tcp(443), "0.0.0.0/0")].into());
    assert_eq!(outside.sees(a, INTERNET), None, "no group lets it out");
    lab.change(|lab| *lab.group(1) = open_group());

    let guard = lab.id::<AclId>(1);
    let allow = AclEntryIntent { allow: true, traffic: Traffic::All, cidr: Cidr::ANY };
    lab.change(|lab| {
        let (subnet, ingress) = (lab.id::<SubnetId>(1), vec![allow]);
        lab.at(1).acls.insert(guard, AclIntent { ingress, egress: vec![allow] });
        lab.at(1).subnets.get_mut(&subnet).unwrap().acl = Some(guard);
    });
    assert_eq!(outside.sees(a, INTERNET), Some(public));
    lab.change(|lab| lab.at(1).acls.get_mut(&guard).unwrap().ingress.clear());
    assert_eq!(outside.sees(a, INTERNET), None, "ACLs stop answers too");
    assert_eq!(outside.is_seen_as(a, "203.0.113.20"), None);
    lab.change(|lab| lab.at(1).acls.get_mut(&guard).unwrap().ingress.push(allow));

    // Another interface gets the address, and what was there for the first one is over.
    let listener = inside(&outside.out, || TcpListener::bind((INTERNET, 81)).unwrap());
    let (mut client, mut server) = connect(a, &listener, INTERNET);
    assert!(carries(&mut client, &mut server));
    lab.change(|lab| {
        let publics = [(ip("10.0.1.11"), ip("203.0.113.20"))].into();
        lab.at(1).exits.insert(exit, ExitIntent::OneToOne(publics));
    });
    assert!(!carries(&mut client, &mut server) && !carries(&mut server, &mut client));
    assert_eq!(outside.sees(b, INTERNET), Some(public));
    assert_eq!(outside.is_seen_as(b, "203.0.113.20"), Some(ip(ROUTER).into()));
}

#[test]
fn what_goes_by_a_nat_gateway_meets_the_acl_of_its_subnet() {
    let mut lab = Lab::new();
    lab.vpc(1, "10.0.0.0/16");
    lab.subnet(1, 1, "10.0.1.0/24");
    lab.subnet(1, 2, "10.0.2.0/24");
    let (a, same) = (lab.eni(1, 1, 1, "10.0.1.10"), lab.eni(1, 2, 2, "10.0.2.10"));
    lead_out(&mut lab);
    let exit = share(&mut lab, 1, 2, "203.0.113.17");
    let guard = lab.id::<AclId>(2);
    let entry =
        |allow, text: &str| AclEntryIntent { allow, traffic: Traffic::All, cidr: cidr(text) };
    let all = vec![entry(true, "0.0.0.0/0")];
    let second = lab.id::<SubnetId>(2);
    let open = AclIntent { ingress: all.clone(), egress: all.clone() };
    lab.at(1).acls.insert(guard, open.clone());
    lab.at(1).subnets.get_mut(&second).unwrap().acl = Some(guard);
    let outside = Outside::new(&lab);
    outside.sweep(&mut lab);
    let public = Some(IpAddr::from(ip("203.0.113.17")));
    let mut with = |ingress: &[AclEntryIntent], egress: &[AclEntryIntent]| {
        let acl = AclIntent { ingress: ingress.to_vec(), egress: egress.to_vec() };
        lab.change(|lab| drop(lab.at(1).acls.insert(guard, acl)));
        [outside.sees(a, INTERNET), outside.sees(same, INTERNET)]
    };
    assert_eq!(with(&all, &all), [public, public]);
    let from_inside = [entry(false, "10.0.1.0/24"), all[0]];
    assert_eq!(with(&from_inside, &all), [None, public], "on the way into the subnet");
    let to_outside = [entry(false, "198.51.100.0/24"), all[0]];
    assert_eq!(with(&all, &to_outside), [None, None], "on the way out of it");
    assert_eq!(with(&to_outside, &all), [None, None], "the answer, on its way into it");
    let to_inside = [entry(false, "10.0.1.0/24"), all[0]];
    assert_eq!(with(&all, &to_inside), [None, public], "the answer, on its way out of it");
    // What the subnet's own table does not lead outside goes nowhere.
    lab.change(|lab| {
        lab.at(1).acls.insert(guard, open);
        let shared = SharedExit {
            address: ip("203.0.113.17"),
            subnet: second,
            leads_to: Cidr::ANY.without(cidr("198.51.100.0/24")),
        };
        lab.at(1).exits.insert(exit, ExitIntent::Shared(shared));
    });
    assert_eq!(outside.sees(a, INTERNET), None);
    assert_eq!(outside.sees(a, ROUTER), public);
}

/// A connection from a port of an interface to a server outside, if it comes about.
fn connected_from(from: EniId, port: u16) -> Option<OwnedFd> {
    let to = SocketAddrV4::new(ip(INTERNET), WEB);
    inside(&at(from), || {
        let kind = (AddressFamily::Inet, SockType::Stream);
        let socket = socket(kind.0, kind.1, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&socket, sockopt::SendTimeout, &TimeVal::milliseconds(300)).unwrap();
        let own = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        bind(socket.as_raw_fd(), &SockaddrIn::from(own)).unwrap();
        nix_connect(socket.as_raw_fd(), &SockaddrIn::from(to)).is_ok().then_some(socket)
    })
}

#[test]
fn an_acl_is_asked_about_the_port_that_a_nat_gateway_chose() {
    let mut lab = Lab::new();
    lab.vpc(1, "10.0.0.0/16");
    lab.subnet(1, 1, "10.0.1.0/24");
    lab.subnet(1, 2, "10.0.2.0/24");
    let [a, b] = [(1, "10.0.1.10"), (2, "10.0.1.11")].map(|(n, own)| lab.eni(1, 1, n, own));
    let same = lab.eni(1, 2, 3, "10.0.2.10");
    lead_out(&mut lab);
    share(&mut lab, 1, 2, "203.0.113.17");
    let guard = lab.id::<AclId>(2);
    let entry = |traffic, text: &str| AclEntryIntent { allow: true, traffic, cidr: cidr(text) };
    let answers_to = |from, to| AclIntent {
        ingress: vec![
            entry(Traffic::All, "10.0.0.0/16"),
            entry(Traffic::Tcp(PortRange { from, to }), "198.51.100.0/24"),
        ],
        egress: vec![entry(Traffic::All, "0.0.0.0/0")],
    };
    let second = lab.id::<SubnetId>(2);
    lab.at(1).acls.insert(guard, answers_to(7000, 7000));
    lab.at(1).subnets.get_mut(&second).unwrap().acl = Some(guard);
    let outside = Outside::new(&lab);
    outside.sweep(&mut lab);
    let _server = inside(&outside.out, || TcpListener::bind((INTERNET, WEB)).unwrap());
    // The port stays, as long as nobody else has it to the same place.
    let mut held = vec![connected_from(a, 7000).unwrap()];
    assert!(connected_from(a, 7001).is_none(), "the ACL is asked about it");
    assert!(connected_from(b, 7000).is_none(), "it has another port outside");
    lab.change(|lab| drop(lab.at(1).acls.insert(guard, answers_to(1024, 65_535))));
    held.push(connected_from(a, 7002).unwrap());
    held.push(connected_from(b, 7002).expect("it has another one of these"));
    held.push(connected_from(a, 500).expect("as has who asks from one that is none of these"));
    lab.change(|lab| drop(lab.at(1).acls.insert(guard, answers_to(1, 1023))));
    assert!(connected_from(a, 501).is_none());
    // What is in the subnet of the NAT gateway itself gets there and back without the ACL.
    lab.change(|lab| {
        let mut acl = answers_to(1024, 65_535);
        acl.ingress.remove(0);
        acl.egress = vec![entry(Traffic::Tcp(PortRange { from: WEB, to: WEB }), "198.51.100.0/24")];
        lab.at(1).acls.insert(guard, acl);
    });
    assert!(connected_from(same, 7003).is_some() && connected_from(a, 7003).is_none());
    assert_eq!(held.len(), 4);
}

#[test]
fn nothing_of_a_peering_goes_out() {
    let (mut lab, pcx, a, b) = Lab::peered();
    lead_out(&mut lab);
    share(&mut lab, 1, 1, "203.0.113.17");
    lab.route(2, "0.0.0.0/0", RouteTarget::Peering(pcx));
    let outside = Outside::new(&lab);
    outside.sweep(&mut lab);
    assert_eq!(outside.sees(a, INTERNET), Some(ip("203.0.113.17").into()));
    assert_eq!(outside.sees(b, INTERNET), None, "a gateway is its own VPC's");
    assert!(reaches(a, b, "10.2.0.4", WEB), "the peering itself carries");
    lab.change(|lab| {
        let exit = publish(lab, 1, &[("10.1.0.4", "203.0.113.20"), ("10.2.0.4", "203.0.113.21")]);
        assert_eq!(exit, ExitId::Gateway(lab.id(1)));
    });
    assert_eq!(outside.sees(a, INTERNET), Some(ip("203.0.113.20").into()));
    assert_eq!(outside.sees(b, INTERNET), None, "nor is it where it has a name for the peer");
    assert_eq!(outside.is_seen_as(b, "203.0.113.21"), None, "nor the other way round");
}

#[test]
fn connections_go_on_without_the_driver_and_a_new_one_finds_all_as_it_was() {
    let (mut lab, outside, [a, _]) = twins();
    let listener = inside(&outside.out, || TcpListener::bind((INTERNET, 81)).unwrap());
    let (mut client, mut server) = connect(a, &listener, INTERNET);
    assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
    // As after kill -9: nobody puts anything in order.
    lab.driver = Linux::new(&lab.instance);
    assert!(carries(&mut client, &mut server), "nobody is there");
    let before = run(&uplink_of(&lab), "nft list ruleset") + &run(&uplink_of(&lab), "ip route");
    let report = inside(&outside.home, || lab.driver.sweep(&lab.intent));
    assert!(is_quiet(&report), "{report:#?}");
    assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
    let after = run(&uplink_of(&lab), "nft list ruleset") + &run(&uplink_of(&lab), "ip route");
    assert_eq!(before, after);
}

#[test]
fn connections_end_with_their_interface_and_with_their_way_out() {
    let (mut lab, outside, [a, b]) = twins();
    let listener = inside(&outside.out, || TcpListener::bind((INTERNET, 81)).unwrap());
    let mut kept = connect(b, &listener, INTERNET);
    let mut cut = connect(a, &listener, INTERNET);
    assert!(carries(&mut cut.0, &mut cut.1) && carries(&mut kept.0, &mut kept.1));
    let router = format!("cw-{}", lab.id::<VpcId>(1));
    let tracked = |lab: &Lab| tracked(&format!("cw-{}", lab.id::<VpcId>(1)));
    assert!(tracked(&lab) > 0);
    lab.change(|lab| {
        let eni = lab.id(1);
        lab.at(1).interfaces.remove(&eni);
    });
    assert_eq!(tracked(&lab), 0, "{router}");
    // Its way out goes, and the other's connection with it.
    lab.change(|lab| {
        lab.at(2).exits.clear();
        lab.route(2, "0.0.0.0/0", RouteTarget::Blackhole);
    });
    assert!(!carries(&mut kept.0, &mut kept.1));
    assert_eq!(outside.sees(b, INTERNET), None);
    lab.change(|lab| {
        share(lab, 2, 2, "203.0.113.18");
    });
    assert_eq!(outside.sees(b, INTERNET), Some(ip("203.0.113.18").into()), "a new one is made");
}

/// How many connections over an exit a router knows of.
fn tracked(router: &str) -> usize {
    let text = inside(router, || std::fs::read_to_string("/proc/thread-self/net/nf_conntrack"));
    match text {
        Ok(text) => text.lines().filter(|line| line.contains("dst=198.51.100.7")).count(),
        // Not every kernel has the file; then the command lists them.
        Err(_) => run(router, "conntrack -L").lines().filter(|l| l.contains(INTERNET)).count(),
    }
}

#[test]
fn what_is_broken_is_mended_and_stays_closed_meanwhile() {
    let (mut lab, outside, [a, b]) = twins();
    let uplink = uplink_of(&lab);
    let exit = |lab: &Lab| format!("n{:014x}", lab.id::<NatGatewayId>(1).bits() & ((1 << 56) - 1));
    for damage in [
        "ip route del default".to_owned(),
        "nft delete table inet causeway".to_owned(),
        "nft flush chain inet causeway forward".to_owned(),
        "ip link del out0".to_owned(),
        format!("ip link del {}", exit(&lab)),
        format!("ip link set {} down", exit(&lab)),
        "ip link set out0 down".to_owned(),
        "ip addr flush dev out0".to_owned(),
    ] {
        run(&uplink, &damage);
        assert_eq!(outside.is_seen_as(b, "203.0.113.18"), None, "{damage}");
        outside.sweep(&mut lab);
        assert_eq!(outside.sees(a, INTERNET), Some(ip("203.0.113.17").into()), "{damage}");
        for closed in [LAN, METADATA, "203.0.113.18"] {
            assert_eq!(outside.sees(a, closed), None, "{damage}: {closed}");
        }
    }
}

#[test]
fn without_a_link_outside_networks_are_carried_and_lead_nowhere() {
    let mut lab = Lab::new();
    lab.vpc(1, "10.0.0.0/16");
    lab.subnet(1, 1, "10.0.1.0/24");
    let a = lab.eni(1, 1, 1, "10.0.1.10");
    let b = lab.eni(1, 1, 2, "10.0.1.11");
    lead_out(&mut lab);
    share(&mut lab, 1, 1, "203.0.113.17");
    let outside = Outside::new(&lab);
    run(&outside.home, "ip link set eth0 name other");
    let report = inside(&outside.home, || lab.driver.sweep(&lab.intent));
    assert!(report.errors.iter().any(|error| error.contains("eth0")), "{report:#?}");
    await_links(&format!("cw-{}", lab.id::<VpcId>(1)));
    assert!(reaches(a, b, "10.0.1.11", WEB));
    run(&outside.home, "ip link set other name eth0");
    run(&outside.home, "ip link set eth0 up");
    run(&outside.home, &format!("ip route replace default via {ROUTER}"));
    outside.sweep(&mut lab);
    assert_eq!(outside.sees(a, INTERNET), Some(ip("203.0.113.17").into()));
}

#[test]
fn a_purge_leaves_nothing() {
    let (mut lab, outside, [a, _]) = twins();
    assert!(outside.sees(a, INTERNET).is_some());
    let before = run(&outside.home, "ip -o link");
    lab.driver.purge().unwrap();
    let left: Vec<String> = os::netns::names().unwrap();
    assert!(!left.contains(&uplink_of(&lab)), "{left:?}");
    assert_eq!(run(&outside.home, "ip -o link"), before, "nothing of ours was there");
    let own =
        left.iter().filter(|name| name.contains(&format!("{:x}", lab.id::<VpcId>(0).bits() >> 16)));
    assert_eq!(own.count(), 0, "{left:?}");
}

#[test]
fn a_way_out_that_goes_takes_all_of_it_along() {
    let (mut lab, outside, [a, b]) = twins();
    let old = lab.intent.clone();
    lab.intent.uplink = None;
    for number in [1, 2] {
        lab.at(number).exits.clear();
        lab.route(number, "0.0.0.0/0", RouteTarget::Blackhole);
    }
    let report = lab.apply(&old);
    assert_eq!(report.removed, [uplink_of(&lab)].into());
    assert_eq!(outside.sees(a, INTERNET), None);
    let gone = lab.intent.clone();
    lab.intent = old;
    lab.apply(&gone);
    outside.await_uplink(&lab);
    assert_eq!(outside.sees(b, INTERNET), Some(ip("203.0.113.18").into()), "and it comes back");
}

#[test]
fn the_host_may_stand_for_its_networks() {
    let (mut lab, outside, [a, b]) = twins();
    let before = |outside: &Outside| {
        let ruleset = run(&outside.home, "nft list ruleset");
        (
            ruleset,
            run(&outside.home, "ip -o link"),
            run(&outside.home, "sysctl net.ipv4.ip_forward"),
        )
    };
    let untouched = before(&outside);
    let old = lab.intent.clone();
    let through = Outbound { way: OutboundWay::Host, ..outbound() };
    lead_out_by(&mut lab, &through);
    for (number, address) in [(1, "198.18.0.1"), (2, "198.18.0.2")] {
        share(&mut lab, number, number, address);
    }
    lab.apply(&old);
    outside.await_uplink(&lab);
    await_links(&outside.home);
    for eni in [a, b] {
        assert_eq!(outside.sees(eni, INTERNET), Some(ip(HOST).into()), "the host's own address");
        assert!(outside.answers_otherwise(eni, INTERNET));
    }
    let _listener = inside(&outside.home, || TcpListener::bind((HOST, WEB)).unwrap());
    for closed in [HOST, LAN, METADATA, "198.18.0.2", "100.64.0.1"] {
        assert_eq!(outside.sees(a, closed), None, "{closed}");
        assert!(!outside.answers_otherwise(a, closed), "{closed}");
    }
    let transit = run(&uplink_of(&lab), "ip -o -4 addr show dev out0");
    let transit = transit.split_whitespace().nth(3).unwrap().trim_end_matches("/32").to_owned();
    ip_command(&format!("-n {} route add {transit}/32 via {HOST}", outside.out));
    ip_command(&format!("-n {} route add 198.18.0.0/16 via {HOST}", outside.out));
    for address in [transit.as_str(), "198.18.0.1"] {
        assert_eq!(outside.is_seen_as(a, address), None, "{address}");
    }
    let quiet = inside(&outside.home, || lab.driver.sweep(&lab.intent));
    assert!(is_quiet(&quiet), "{quiet:#?}");

    // By a pool again, the host is left as it was, and so it is by a purge.
    let host = lab.intent.clone();
    lab.intent = old.clone();
    lab.apply(&host);
    outside.await_uplink(&lab);
    assert_eq!(before(&outside), untouched);
    assert_eq!(outside.sees(a, INTERNET), Some(ip("203.0.113.17").into()));
    lab.intent = host;
    lab.apply(&old);
    outside.await_uplink(&lab);
    await_links(&outside.home);
    assert_eq!(outside.sees(a, INTERNET), Some(ip(HOST).into()));
    lab.driver.purge().unwrap();
    assert_eq!(before(&outside), untouched);
}

#[test]
fn what_is_sent_outside_is_as_it_was() {
    let (_lab, outside, [a, _]) = twins();
    let listener = inside(&outside.out, || TcpListener::bind((INTERNET, 81)).unwrap());
    let (client, mut server) = connect(a, &listener, INTERNET);
    let sent: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let writer = {
        let sent = sent.clone();
        std::thread::spawn(move || std::io::Write::write_all(&mut { client }, &sent))
    };
    server.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let mut got = Vec::new();
    server.read_to_end(&mut got).unwrap();
    writer.join().unwrap().unwrap();
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
}
