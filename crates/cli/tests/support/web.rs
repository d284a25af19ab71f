//! Requests to the platform's web router, one at a time or without end, and what apps answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::Server;

/// An app that answers with what it sees of a request and of itself.
pub const APP: &str = r#"
import http.server, json, os, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        seen = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                "peer": self.client_address[0], "got": len(body),
                "env": {k: v for k, v in os.environ.items()}}
        out = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)
    do_GET = do_POST = answer
    def log_message(self, format, *args):
        print("served", self.path, flush=True)
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    request_queue_size = 512
    daemon_threads = True
print("listening", flush=True)
Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// Puts the app into a directory, with a Procfile.
pub fn write_app(dir: &Path, procfile: &str) {
    std::fs::write(dir.join("app.py"), APP).unwrap();
    std::fs::write(dir.join("Procfile"), procfile).unwrap();
}

/// Deploys the app, and waits until it is up.
pub fn deploy(server: &Server, app: &str, procfile: &str) {
    let dir = tempfile::tempdir().unwrap();
    write_app(dir.path(), procfile);
    server.causeway(&["deploy", "--app", app, dir.path().to_str().unwrap()]).ok();
}

/// An address of this machine that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The same, for one who comes back to it: the kernel gives ports of this range to nobody who does not ask
/// for them, so it stays free meanwhile.
pub fn lasting_address() -> SocketAddr {
    let first = std::process::id() % 10_000;
    let ports = (0..10_000).map(|n| 20_000 + (first + n) % 10_000);
    let mut addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port as u16)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

/// The name of an app under the platform's domain.
pub fn host(server: &Server, app: &str) -> String {
    let info = server.causeway(&["apps:info", "--app", app, "--json"]).json();
    let url = info["web_url"].as_str().unwrap();
    let rest = url.strip_prefix("http://").unwrap();
    rest.split(['/', ':']).next().unwrap().to_owned()
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Its body, where the app answered.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}: {}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Asks for a path once.
pub fn get(router: SocketAddr, host: &str, path: &str) -> Response {
    let mut connection = Connection::open(router).unwrap();
    connection.get(host, path).unwrap()
}

/// A connection that is kept.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens one.
    pub fn open(router: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&router, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Asks for a path.
    pub fn get(&mut self, host: &str, path: &str) -> std::io::Result<Response> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let broken = || std::io::Error::other("no response");
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(broken)?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok()).ok_or_else(broken)?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Response { status, headers, body })
    }
}

/// Requests without end, until it is told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    bad: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts it, on some connections that are kept and as many that are opened for each request.
    pub fn start(router: SocketAddr, host: &str, connections: usize) -> Self {
        let load = Self {
            stop: Arc::default(),
            good: Arc::default(),
            bad: Arc::default(),
            threads: Vec::new(),
        };
        let threads = (0..2 * connections).map(|n| {
            let (stop, good, bad) =
                (Arc::clone(&load.stop), Arc::clone(&load.good), Arc::clone(&load.bad));
            let host = host.to_owned();
            std::thread::spawn(move || {
                let mut kept = None;
                while !stop.load(Ordering::Relaxed) {
                    match ask(&mut kept, router, &host) {
                        Ok(()) => drop(good.fetch_add(1, Ordering::Relaxed)),
                        Err(what) => {
                            bad.lock().unwrap_or_else(PoisonError::into_inner).push(what);
                            kept = None;
                        }
                    }
                    if n % 2 == 1 {
                        kept = None;
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { threads, ..load }
    }

    /// Waits until as many more requests were answered.
    #[track_caller]
    pub fn pass(&self, requests: u64) {
        let wanted = self.good.load(Ordering::Relaxed) + requests;
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while self.good.load(Ordering::Relaxed) < wanted {
            let bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(bad.len() < 50, "{bad:#?}");
            drop(bad);
            assert!(std::time::Instant::now() < deadline, "nobody answers");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Stops it; how many were answered, and what went wrong.
    pub fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.good.load(Ordering::Relaxed), bad)
    }
}

fn ask(kept: &mut Option<Connection>, router: SocketAddr, host: &str) -> Result<(), String> {
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(Connection::open(router).map_err(|e| format!("connect: {e}"))?),
    };
    let response = connection.get(host, "/").map_err(|e| format!("request: {e}"))?;
    match response.status {
        200 => Ok(()),
        status => Err(format!("{status} {:?}", response.header("x-causeway-error"))),
    }
}
