//! The edge in network namespaces: what it answers inside a VPC and a space, from where it reaches
//! dynos, and what happens when namespaces come and go. Needs root.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "netns_edge/lab.rs"]
mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use causeway_edge::{Config, Control, Edge, Forward, Namespaces};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use model::edge::{AppRoute, Backend, BackendState, EdgeEvent, EdgeIntent, RESOLVER};
use model::edge::{ResolverIntent, RouterIntent};
use model::{AppId, DynoId, SpaceId};
use uuid::Uuid;

use lab::{INTERFACE, Lab, ROUTER};

const HOST: &str = "inside.apps.internal";
const PLUS_TWO: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const PORT: u16 = 5000;

fn dyno() -> DynoId {
    DynoId(Uuid::from_u128(3))
}

fn intent(lab: &Lab) -> EdgeIntent {
    let resolver = ResolverIntent {
        addresses: vec![PLUS_TWO, RESOLVER],
        zones: BTreeSet::from(["apps.internal".to_owned()]),
        names: BTreeMap::from([
            (HOST.to_owned(), vec![INTERFACE]),
            ("*.example.com".to_owned(), vec![INTERFACE]),
            ("own.example.com".to_owned(), vec![ROUTER]),
            ("big.localspace".to_owned(), (1..=100).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect()),
        ]),
        pointers: BTreeMap::new(),
    };
    let backend = Backend {
        dyno: dyno(),
        name: "web.1".into(),
        address: ROUTER,
        port: PORT,
        state: BackendState::Starting,
    };
    let app = AppRoute {
        name: "inside".into(),
        internal: true,
        hosts: BTreeSet::from([HOST.to_owned()]),
        backends: vec![backend],
        crashed: false,
    };
    let router = RouterIntent {
        vpc: lab.vpc,
        interfaces: BTreeMap::from([(lab.eni, INTERFACE)]),
        trusted: vec![],
        apps: BTreeMap::from([(AppId(Uuid::from_u128(2)), app)]),
    };
    EdgeIntent {
        vpcs: BTreeMap::from([(lab.vpc, resolver)]),
        spaces: BTreeMap::from([(SpaceId(Uuid::from_u128(1)), router)]),
    }
}

fn start(change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Edge, Control) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path().join("edge"));
    change(&mut config);
    let edge = Edge::start(config.clone()).unwrap();
    let control = Control::connect(&config.dir).unwrap();
    (dir, edge, control)
}

/// Waits until no socket is missing.
fn await_all(control: &mut Control) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while control.settle().unwrap() > 0 {
        assert!(Instant::now() < deadline, "a socket is missing");
        // Events are waited for as well as anything.
        let _ = control.next_event(Duration::from_millis(20)).unwrap();
    }
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::new(9, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn ask(server: Ipv4Addr, name: &str) -> Option<Message> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // Connected, so that an answer from another address does not count.
    socket.connect((server, 53)).unwrap();
    let mut buffer = [0; 4096];
    // A link that was just made may lose a packet.
    for _ in 0..10 {
        let sent = socket.send(&question(name));
        if let Ok(length) = sent.and_then(|_| socket.recv(&mut buffer)) {
            return Some(Message::from_vec(&buffer[..length]).unwrap());
        }
    }
    None
}

fn ask_by_stream(server: Ipv4Addr, names: &[&str]) -> Vec<Message> {
    let mut stream = TcpStream::connect((server, 53)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for name in names {
        let packet = question(name);
        stream.write_all(&u16::try_from(packet.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(&packet).unwrap();
    }
    let mut answers = Vec::new();
    for _ in names {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut packet).unwrap();
        answers.push(Message::from_vec(&packet).unwrap());
    }
    answers
}

fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(address.0),
        _ => None,
    };
    message.answers.iter().filter_map(|record| address(&record.data)).collect()
}

#[test]
fn netns_names_and_internal_routing_inside_a_space() {
    let lab = Lab::new();
    lab.build();
    let (_dir, _edge, mut control) = start(|_| {});
    control.sync(&intent(&lab), &lab.namespaces()).unwrap();
    await_all(&mut control);
    // R26: the name, from a host in the VPC, at both addresses of the resolver.
    lab.in_interface(|| {
        for server in [PLUS_TWO, RESOLVER] {
            assert_eq!(addresses(&ask(server, HOST).unwrap()), [INTERFACE]);
            let missing = ask(server, "no.apps.internal").unwrap();
            assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
            // A pattern stands for all names under it but those that are there, and not for itself.
            for name in ["a.example.com", "A.b.example.com", "x.own.example.com"] {
                assert_eq!(addresses(&ask(server, name).unwrap()), [INTERFACE], "{name}");
            }
            assert_eq!(addresses(&ask(server, "own.example.com").unwrap()), [ROUTER]);
            let refused = ask(server, "example.com").unwrap();
            assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
            assert!(ask(server, "big.localspace").unwrap().metadata.truncation);
            let whole = ask_by_stream(server, &["big.localspace", HOST]);
            assert_eq!(addresses(&whole[0]).len(), 100);
            assert_eq!(addresses(&whole[1]), [INTERFACE]);
        }
    });
    // The dyno is found, from the space's own interface, as soon as it is up.
    let listener = lab.in_router(|| TcpListener::bind((ROUTER, PORT)).unwrap());
    let server = std::thread::spawn(move || {
        // The first connection is the probe, the second a request.
        loop {
            let (mut stream, from) = listener.accept().unwrap();
            assert_eq!(from.ip(), INTERFACE);
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap();
            if length > 0 {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nin").unwrap();
                return String::from_utf8_lossy(&buffer[..length]).into_owned();
            }
        }
    });
    let event = control.next_event(Duration::from_secs(10)).unwrap();
    assert_eq!(event, Some(EdgeEvent::Bound(dyno())));
    let answer = lab.in_router(|| {
        let mut stream = TcpStream::connect((INTERFACE, 80)).unwrap();
        let host = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
        stream.write_all(host.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(answer.ends_with("in"), "{answer}");
    let asked = server.join().unwrap();
    assert!(asked.contains(&format!("x-forwarded-for: {ROUTER}\r\n")), "{asked}");
}

#[test]
fn netns_sockets_come_and_go_with_their_namespaces() {
    let lab = Lab::new();
    let (_dir, _edge, mut control) = start(|_| {});
    control.sync(&intent(&lab), &lab.namespaces()).unwrap();
    assert_eq!(control.settle().unwrap(), 5, "four of the resolver, one of the router");
    for _ in 0..2 {
        lab.build();
        await_all(&mut control);
        lab.in_interface(|| {
            assert_eq!(addresses(&ask(RESOLVER, HOST).unwrap()), [INTERFACE]);
            drop(TcpStream::connect((INTERFACE, 80)).unwrap());
        });
        lab.remove();
        let deadline = Instant::now() + Duration::from_secs(10);
        while control.settle().unwrap() < 5 {
            assert!(Instant::now() < deadline, "sockets hold on to what is gone");
            let _ = control.next_event(Duration::from_millis(20)).unwrap();
        }
    }
    lab.build();
    await_all(&mut control);
    control.sync(&EdgeIntent::default(), &Namespaces::default()).unwrap();
    assert_eq!(control.settle().unwrap(), 0);
    lab.in_interface(|| {
        assert!(TcpStream::connect((PLUS_TWO, 53)).is_err(), "nobody listens any more");
    });
}

#[test]
fn netns_a_source_is_heard_so_often_in_a_second_and_others_are_asked_from_the_host() {
    let lab = Lab::new();
    lab.build();
    let upstream = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = upstream.local_addr().unwrap();
    let (_dir, _edge, mut control) =
        start(|config| config.forward = Forward::Servers(vec![address]));
    control.sync(&intent(&lab), &lab.namespaces()).unwrap();
    await_all(&mut control);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let (length, from) = upstream.recv_from(&mut buffer).unwrap();
        let asked = Message::from_vec(&buffer[..length]).unwrap();
        let mut answer = asked.clone().into_response();
        answer.metadata.response_code = ResponseCode::NXDomain;
        // One that answers another question is not believed.
        let mut forged = answer.clone();
        forged.metadata.id ^= 1;
        upstream.send_to(&forged.to_vec().unwrap(), from).unwrap();
        upstream.send_to(&answer.to_vec().unwrap(), from).unwrap();
    });
    lab.in_interface(|| {
        let elsewhere = ask(PLUS_TWO, "example.com").unwrap();
        assert_eq!(elsewhere.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(elsewhere.metadata.id, 9);
        // More than anybody may ask within a second; the answers are counted.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.connect((PLUS_TWO, 53)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let reader = socket.try_clone().unwrap();
        let counting = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let mut answers = 0;
            while reader.recv(&mut buffer).is_ok() {
                answers += 1;
            }
            answers
        });
        let began = Instant::now();
        let packet = question(HOST);
        let mut sent = 0_u32;
        while sent < 6000 {
            // What the socket cannot take is asked again.
            if socket.send(&packet).is_ok() {
                sent += 1;
            }
        }
        let seconds = u32::try_from(began.elapsed().as_secs()).unwrap() + 2;
        let answers = counting.join().unwrap();
        assert!(answers > 100 && answers <= 1024 * seconds, "{answers} in {seconds} s");
    });
}

/// The machine of one of two dynos is lost: nothing says so, and nothing of it answers any more. Requests that may be
/// made twice are answered by the other dyno, also where they went over a connection that was open, and those that may
/// not go to the other dyno from the start.
#[test]
fn netns_requests_go_elsewhere_when_the_machine_of_a_dyno_is_silent() {
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 9);
    let lab = Lab::new();
    lab.build();
    lab.appear(OTHER);
    for address in [ROUTER, OTHER] {
        let listener = lab.in_router(|| TcpListener::bind((address, PORT)).unwrap());
        std::thread::spawn(move || serve_by_name(&listener, address));
    }
    let mut intent = intent(&lab);
    let router = intent.spaces.values_mut().next().unwrap();
    let app = router.apps.values_mut().next().unwrap();
    app.backends[0].state = BackendState::Up;
    let other =
        Backend { dyno: DynoId(Uuid::from_u128(4)), address: OTHER, ..app.backends[0].clone() };
    app.backends.push(other);
    let (_dir, _edge, mut control) = start(|_| {});
    control.sync(&intent, &lab.namespaces()).unwrap();
    await_all(&mut control);

    let answers = |method: &str| {
        let asked = format!(
            "{method} / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        lab.in_router(|| {
            let mut stream = TcpStream::connect((INTERFACE, 80)).unwrap();
            stream.write_all(asked.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            answer.rsplit("\r\n").next().unwrap().parse::<Ipv4Addr>().unwrap()
        })
    };
    let until_both = || {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut seen = BTreeSet::new();
        while seen.len() < 2 {
            assert!(Instant::now() < deadline, "only {seen:?} answers");
            seen.insert(answers("GET"));
        }
    };
    until_both();
    lab.vanish(OTHER);
    // Open connections and new ones, one after the other and at once.
    for _ in 0..10 {
        assert_eq!(answers("GET"), ROUTER);
    }
    for _ in 0..10 {
        assert_eq!(answers("POST"), ROUTER, "once, and to the one that answers");
    }
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..8).map(|_| scope.spawn(|| answers("PUT"))).collect();
        assert!(askers.into_iter().all(|asker| asker.join().unwrap() == ROUTER));
    });
    lab.appear(OTHER);
    until_both();
}

/// Answers each request with the dyno's address, and keeps connections open.
fn serve_by_name(listener: &TcpListener, address: Ipv4Addr) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).is_ok_and(|length| length > 0) {
                let body = address.to_string();
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}
