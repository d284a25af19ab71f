//! A host of the test's own, and what is outside of it: the test and all that it starts are on the
//! host from then on.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use os::netns::NetworkNamespace;

use super::capture::Capture;

/// An address of the internet.
pub const INTERNET: &str = "198.51.100.7";
/// The router that all of it is behind.
pub const ROUTER: &str = "203.0.113.1";
/// The host on the link that leads outside.
pub const HOST: &str = "203.0.113.2";
/// What `serve --outbound` takes here.
pub const OUTBOUND: &str = "eth0:203.0.113.16/28";
/// The port that something outside echoes on.
const PORT: u16 = 8000;
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Outside {
    names: [String; 2],
    /// Who came to the server outside.
    came: Receiver<IpAddr>,
}

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a closure on a thread in a namespace.
fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let namespace = NetworkNamespace::open(namespace).unwrap().unwrap();
    std::thread::scope(|scope| {
        let enter = move || {
            namespace.enter().unwrap();
            work()
        };
        scope.spawn(enter).join().unwrap()
    })
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

impl Outside {
    /// Makes both, and moves the calling thread onto the host.
    pub fn enter() -> Self {
        let names = ["home", "out"].map(|what| format!("test-{}-{what}", std::process::id()));
        let [home, out] = &names;
        for name in &names {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        ip(&format!("-n {home} link add eth0 type veth peer name eth0 netns {out}"));
        for (name, address) in [(home, HOST), (out, ROUTER)] {
            ip(&format!("-n {name} addr add {address}/24 dev eth0"));
            ip(&format!("-n {name} link set eth0 up"));
        }
        ip(&format!("-n {out} addr add {INTERNET}/32 dev lo"));
        ip(&format!("-n {home} route add default via {ROUTER}"));
        let listener = inside(out, || TcpListener::bind(("0.0.0.0", PORT)).unwrap());
        let (tell, came) = channel();
        std::thread::spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                if tell.send(from.ip()).is_err() {
                    return;
                }
                std::thread::spawn(move || echo(stream));
            }
        });
        NetworkNamespace::open(home).unwrap().unwrap().enter().unwrap();
        Self { names, came }
    }

    /// Does something on the machine outside: what it starts is there, too.
    pub fn there<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.names[1], work)
    }

    /// Who came to the server outside last.
    pub fn came(&self) -> String {
        self.came.recv_timeout(PATIENCE).unwrap().to_string()
    }

    /// Who says its name to somebody outside at port 8000 of a public address; see [`hear`](super::hear).
    pub fn heard(&self, address: &str) -> Option<String> {
        let to: SocketAddr = format!("{address}:{PORT}").parse().unwrap();
        inside(&self.names[1], || {
            let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(500)).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).ok()?;
            Some(said)
        })
    }

    /// Takes note of what passes by outside.
    pub fn capture(&self, filter: &str) -> Capture {
        Capture::of_namespace(&self.names[1], filter)
    }

    /// Whether something inside, which somebody outside knows by this address, echoes.
    pub fn reaches(&self, address: &str, port: u16) -> bool {
        let to: SocketAddr = format!("{address}:{port}").parse().unwrap();
        inside(&self.names[1], || {
            let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_millis(500)) else {
                return false;
            };
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).is_ok()
        })
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}
