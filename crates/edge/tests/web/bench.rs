//! What the tests stand on: an edge, its controller, and clients that say exactly what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use causeway_edge::{Config, Control, Edge, Limits, Location, Namespaces};
use model::edge::{
    AppRoute, Backend, BackendState, EdgeDelta, EdgeEvent, EdgeIntent, RouterIntent,
};
use model::{AppId, Cidr, DynoId, EniId, SpaceId, VpcId};
use uuid::Uuid;

/// The host of the app that most tests ask for.
pub const HOST: &str = "demo.apps.localhost";
pub const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Long enough for anything that is to happen.
pub const SOON: Duration = Duration::from_secs(10);

pub fn space() -> SpaceId {
    SpaceId(Uuid::from_u128(1))
}

pub fn app() -> AppId {
    AppId(Uuid::from_u128(2))
}

pub fn dyno(number: u16) -> DynoId {
    DynoId(Uuid::from_u128(1000 + u128::from(number)))
}

pub fn eni() -> EniId {
    "eni-00000000000000001".parse().unwrap()
}

pub fn vpc() -> VpcId {
    "vpc-00000000000000001".parse().unwrap()
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind((LOCAL, 0)).unwrap().local_addr().unwrap().port()
}

/// Short limits, so that nobody has to wait.
pub fn limits() -> Limits {
    Limits {
        connect: Duration::from_millis(500),
        first_byte: Duration::from_millis(300),
        idle: Duration::from_millis(400),
        boot: Duration::from_millis(600),
        keep_alive: Duration::from_secs(5),
        probe: (Duration::from_millis(10), Duration::from_millis(50)),
        ..Limits::default()
    }
}

/// An edge with its controller.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub config: Config,
    pub edge: Option<Edge>,
    pub control: Control,
    pub intent: EdgeIntent,
}

impl Bench {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut bench = Self::untold(change);
        bench.sync();
        bench
    }

    /// One that was not told yet what to serve.
    pub fn untold(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path().join("edge"));
        config.router = Some(SocketAddr::from((LOCAL, free_port())));
        config.location =
            Location::Here { http: free_port(), https: free_port(), dns: free_port() };
        config.limits = limits();
        change(&mut config);
        let edge = Edge::start(config.clone()).unwrap();
        let control = Control::connect(&config.dir).unwrap();
        let mut intent = EdgeIntent::default();
        intent.spaces.insert(space(), router(vec![]));
        Self { dir, config, edge: Some(edge), control, intent }
    }

    pub fn sync(&mut self) {
        self.control.sync(&self.intent, &Namespaces::default()).unwrap();
        assert_eq!(self.control.settle().unwrap(), 0);
    }

    /// Sets the app's dynos.
    pub fn backends(&mut self, backends: Vec<Backend>) {
        self.route(|route| route.backends = backends);
    }

    /// Changes the app.
    pub fn route(&mut self, change: impl FnOnce(&mut AppRoute)) {
        let router = self.intent.spaces.get_mut(&space()).unwrap();
        change(router.apps.get_mut(&app()).unwrap());
        let mut delta = EdgeDelta::default();
        delta.spaces.insert(space(), Some(router.clone()));
        self.control.change(&delta, &Namespaces::default()).unwrap();
        assert_eq!(self.control.settle().unwrap(), 0);
    }

    pub fn router(&self) -> SocketAddr {
        self.config.router.unwrap()
    }

    pub fn internal(&self) -> SocketAddr {
        let Location::Here { http, .. } = self.config.location else { panic!("in namespaces") };
        SocketAddr::from((LOCAL, http))
    }

    pub fn await_event(&mut self, wanted: EdgeEvent) {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            if self.control.next_event(SOON).unwrap() == Some(wanted) {
                return;
            }
        }
        panic!("no {wanted:?}");
    }

    /// The app's router log.
    pub fn log(&self) -> Vec<String> {
        if let Some(edge) = &self.edge {
            edge.flush_logs();
        }
        causeway_edge::tail(&self.config.dir, app(), 1000).unwrap()
    }

    /// The last line of it that is about a path. A line is written when the last hand lets go of
    /// a request, which may be a moment after the client had its answer.
    pub fn logged(&self, path: &str) -> String {
        let deadline = Instant::now() + SOON;
        let about = format!("path=\"{path}\"");
        while Instant::now() < deadline {
            if let Some(line) = self.log().into_iter().rev().find(|line| line.contains(&about)) {
                return line;
            }
            std::thread::yield_now();
        }
        panic!("nothing about {path} in {:#?}", self.log());
    }
}

pub fn router(backends: Vec<Backend>) -> RouterIntent {
    let route = AppRoute {
        name: "demo".into(),
        internal: false,
        hosts: BTreeSet::from([HOST.to_owned()]),
        backends,
        crashed: false,
    };
    RouterIntent {
        vpc: vpc(),
        interfaces: BTreeMap::from([(eni(), LOCAL)]),
        trusted: vec![Cidr::ANY],
        apps: BTreeMap::from([(app(), route)]),
    }
}

pub fn backend(number: u16, address: SocketAddr, state: BackendState) -> Backend {
    let SocketAddr::V4(address) = address else { panic!("an address of IPv6") };
    Backend {
        dyno: dyno(number),
        name: format!("web.{number}"),
        address: *address.ip(),
        port: address.port(),
        state,
    }
}

pub fn up(number: u16, address: SocketAddr) -> Backend {
    backend(number, address, BackendState::Up)
}

/// A client that says what it is told, byte for byte.
pub struct Raw {
    pub stream: BufReader<TcpStream>,
}

/// What it got.
#[derive(Debug, Default)]
pub struct Got {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub whole: bool,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Raw {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub fn say(&mut self, text: impl AsRef<[u8]>) {
        // The other side may have closed already, which the answer tells.
        let _ = self.stream.get_mut().write_all(text.as_ref());
    }

    pub fn get(&mut self, path: &str) -> Got {
        self.say(format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n"));
        self.answer()
    }

    pub fn head(&mut self) -> Got {
        let mut got = Got::default();
        let mut line = String::new();
        if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
            return got;
        }
        got.status = line.split(' ').nth(1).unwrap().parse().unwrap();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                return got;
            }
            let (name, value) = line.trim_end().split_once(':').unwrap();
            let place = got.headers.entry(name.to_ascii_lowercase()).or_default();
            if !place.is_empty() {
                place.push_str(", ");
            }
            place.push_str(value.trim());
        }
    }

    /// The next answer, with its body.
    pub fn answer(&mut self) -> Got {
        let mut got = self.head();
        while got.status == 100 {
            got = self.head();
        }
        self.body(&mut got);
        got
    }

    pub fn body(&mut self, got: &mut Got) {
        if got.header("transfer-encoding") == "chunked" {
            got.whole = self.chunks(&mut got.body);
        } else if let Ok(length) = got.header("content-length").parse() {
            let mut body = (&mut self.stream).take(length);
            got.whole = body.read_to_end(&mut got.body).is_ok() && got.body.len() as u64 == length;
        } else if got.status != 0 && got.status != 204 && got.status != 304 && got.status != 101 {
            got.whole = self.stream.read_to_end(&mut got.body).is_ok();
        }
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(chunk) = self.chunk() else { return false };
            if chunk.is_empty() {
                return true;
            }
            body.extend(chunk);
        }
    }

    /// The next chunk; `None` if there is no whole one.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length];
        self.stream.read_exact(&mut chunk).ok()?;
        line.clear();
        while self.stream.read_line(&mut line).ok()? > 2 && length == 0 {
            line.clear();
        }
        Some(chunk)
    }
}
