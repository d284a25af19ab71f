//! What is said of packets that no route of their space leads anywhere, and to whom.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use model::intent::*;
use model::*;

use crate::lab::*;

const NOWHERE: &str = "192.0.2.1";

/// How a connection to where nobody listens fails.
fn failure(from: EniId, to: &str) -> ErrorKind {
    let address = SocketAddr::from((ip(to), 80));
    let patience = Duration::from_millis(700);
    inside(&at(from), || TcpStream::connect_timeout(&address, patience)).unwrap_err().kind()
}

/// VPC 1 is the platform's, 2 a customer's.
fn space_and_customer() -> (Lab, PcxId, EniId, EniId) {
    let (mut lab, pcx, a, b) = Lab::peered();
    lab.at(1).refuses_unrouted = true;
    lab.route(1, "10.9.0.0/16", RouteTarget::Blackhole);
    lab.route(2, "10.9.0.0/16", RouteTarget::Blackhole);
    (lab, pcx, a, b)
}

#[test]
fn a_space_refuses_at_once_what_it_has_no_route_for() {
    let (mut lab, pcx, a, b) = space_and_customer();
    lab.sweep();
    for to in [NOWHERE, "10.9.0.4"] {
        assert_eq!(failure(a, to), ErrorKind::HostUnreachable, "{to}");
        assert_eq!(
            failure(b, to),
            ErrorKind::TimedOut,
            "a customer's VPC is as silent as EC2: {to}"
        );
    }
    // Who waits in `connect` itself hears it at the second try, as the first answer comes before
    // the call has begun to wait.
    let waiting = inside(&at(a), || TcpStream::connect((ip(NOWHERE), 80))).unwrap_err();
    assert_eq!(waiting.kind(), ErrorKind::HostUnreachable);
    // What may be there in a moment, or is somebody else's to tell, is dropped.
    assert_eq!(failure(a, "10.1.0.99"), ErrorKind::TimedOut, "its own block");
    lab.change(|lab| {
        lab.group(2).ingress.clear();
        lab.route(1, "10.9.0.0/16", RouteTarget::Peering(pcx));
    });
    assert_eq!(failure(a, "10.2.0.4"), ErrorKind::TimedOut, "a peer's rules");
    assert_eq!(failure(a, "10.9.0.4"), ErrorKind::TimedOut, "what a peer has no route for");
    let report = lab.sweep();
    assert!(is_quiet(&report), "{report:#?}");
}

#[test]
fn a_peer_learns_nothing() {
    let (mut lab, pcx, _, b) = space_and_customer();
    for block in ["10.9.0.0/16", "192.0.2.0/24"] {
        lab.route(2, block, RouteTarget::Peering(pcx));
    }
    lab.sweep();
    for to in ["10.1.0.99", "10.9.0.4", NOWHERE] {
        assert_eq!(failure(b, to), ErrorKind::TimedOut, "{to}");
    }
}

#[test]
fn refusals_are_few_and_never_go_to_who_did_not_ask() {
    let (mut lab, _, a, _) = space_and_customer();
    lab.sweep();
    let tell = |source: &str| {
        let socket = inside(&at(a), || UdpSocket::bind((ip(source), 0)).unwrap());
        socket.connect((ip(NOWHERE), 9)).unwrap();
        socket.set_read_timeout(Some(SHORT)).unwrap();
        socket
    };
    let socket = tell("10.1.0.4");
    // A refusal is an error of the next call.
    let refused = (0..200).filter(|_| socket.send(b"x").is_err()).count();
    assert!((1..50).contains(&refused), "{refused}");
    run(&at(a), "ip addr add 10.1.0.77/32 dev lo");
    let forged = tell("10.1.0.77");
    forged.send(b"x").unwrap();
    assert_eq!(forged.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
}
