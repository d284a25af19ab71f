//! What several crates' tests of an edge serve by it: an app with one dyno that greets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use model::edge::{AppRoute, Backend, BackendState, EdgeIntent, RouterIntent};
use model::{AppId, Cidr, DynoId, SpaceId};
use uuid::Uuid;

/// The host of the app.
pub const HOST: &str = "demo.apps.localhost";
/// The body of each of its responses.
pub const GREETING: &str = "hello";

/// An address of this machine that nobody listens at. It is one of this process alone: at 127.0.0.1 a
/// connection of any other program may have taken the port by the time that it is listened at.
pub fn free_address() -> SocketAddr {
    const LARGEST_PID: u32 = (1 << 22) - 1;
    let [_, first, second, third] = (std::process::id() & LARGEST_PID).to_be_bytes();
    let own = Ipv4Addr::new(127, 64 | first, second, third);
    TcpListener::bind((own, 0)).unwrap().local_addr().unwrap()
}

/// What an edge has to answer so that the app is served by everybody, with a dyno that was started
/// for it.
pub fn greeting_app() -> EdgeIntent {
    let SocketAddr::V4(dyno) = start_dyno() else { panic!("an address of IPv6") };
    let backend = Backend {
        dyno: DynoId(Uuid::from_u128(1)),
        name: "web.1".to_owned(),
        address: *dyno.ip(),
        port: dyno.port(),
        state: BackendState::Up,
    };
    let route = AppRoute {
        name: "demo".into(),
        internal: false,
        hosts: BTreeSet::from([HOST.to_owned()]),
        backends: vec![backend],
        crashed: false,
    };
    let interface = ("eni-00000000000000001".parse().unwrap(), Ipv4Addr::LOCALHOST);
    let router = RouterIntent {
        vpc: "vpc-00000000000000001".parse().unwrap(),
        interfaces: BTreeMap::from([interface]),
        trusted: vec![Cidr::ANY],
        apps: BTreeMap::from([(AppId(Uuid::from_u128(2)), route)]),
    };
    let mut intent = EdgeIntent::default();
    intent.spaces.insert(SpaceId(Uuid::from_u128(3)), router);
    intent
}

fn start_dyno() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || greet(stream));
        }
    });
    address
}

fn greet(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if std::mem::take(&mut line) == "\r\n" {
            let length = GREETING.len();
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{GREETING}");
            // A client that is gone needs none.
            let _ = reader.get_mut().write_all(response.as_bytes());
        }
    }
}
