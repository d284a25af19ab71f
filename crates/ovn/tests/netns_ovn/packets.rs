//! Packets of tests that send one at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use model::EniId;

use crate::lab::{Lab, pause};

/// For what must arrive: a first packet may be lost, and is sent again after a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// For what must not: what arrives takes some milliseconds.
const QUIET: Duration = Duration::from_millis(500);

impl Lab {
    fn listen(&self, at: EniId, port: u16) -> TcpListener {
        self.behind(at, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap())
    }

    fn try_connect(
        &self,
        from: EniId,
        to: &str,
        port: u16,
        patience: Duration,
    ) -> Option<TcpStream> {
        let address = SocketAddr::new(to.parse().unwrap(), port);
        self.behind(from, || TcpStream::connect_timeout(&address, patience)).ok()
    }

    /// Insists that a connection can be made.
    #[track_caller]
    pub fn reaches(&self, from: EniId, (to, address): (EniId, &str), port: u16) {
        let _listener = self.listen(to, port);
        let made = self.try_connect(from, address, port, PATIENCE);
        assert!(made.is_some(), "{from} does not reach {address}:{port}");
    }

    /// Insists that no connection can be made.
    #[track_caller]
    pub fn is_cut_off(&self, from: EniId, (to, address): (EniId, &str), port: u16) {
        let _listener = self.listen(to, port);
        let made = self.try_connect(from, address, port, QUIET);
        assert!(made.is_none(), "{from} reaches {address}:{port}");
    }

    /// A connection both ends of which are held.
    pub fn connect(&self, from: EniId, (to, address): (EniId, &str), port: u16) -> Connection {
        let listener = self.listen(to, port);
        let client = self.try_connect(from, address, port, PATIENCE).unwrap();
        let (server, _) = listener.accept().unwrap();
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(QUIET)).unwrap();
            stream.set_nodelay(true).unwrap();
        }
        Connection { client, server }
    }

    /// Whether a datagram arrives that bears a source address of its sender's choice.
    pub fn forged_arrives(&self, from: EniId, source: &str, (to, address): (EniId, &str)) -> bool {
        let server = self.behind(to, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5000)).unwrap());
        server.set_read_timeout(Some(QUIET)).unwrap();
        let send = || {
            let socket = UdpSocket::bind((source, 0)).unwrap();
            for _ in 0..3 {
                let _ = socket.send_to(b"x", (address, 5000));
                pause(50);
            }
        };
        self.behind(from, send);
        let seen = server.recv_from(&mut [0; 8]);
        seen.is_ok_and(|(_, from)| from.ip().to_string() == source)
    }
}

pub struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    /// Whether a byte goes through it each way.
    pub fn carries(&mut self) -> bool {
        let Self { client, server } = self;
        pass(client, server) && pass(server, client)
    }

    /// Whether it goes on, after a while in which packets may be lost.
    pub fn carries_again(&mut self) -> bool {
        let deadline = Instant::now() + 3 * PATIENCE;
        while Instant::now() < deadline {
            if self.carries() {
                return true;
            }
        }
        false
    }
}

fn pass(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    from.write_all(b"x").unwrap();
    match to.read(&mut [0]) {
        Ok(count) => count == 1,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
            false
        }
    }
}
