//! Dynos that behave as they are told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::socket::{Backlog, listen};

use super::bench::LOCAL;

/// A request as a dyno got it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// A connection of a dyno.
pub struct Connection {
    pub reader: BufReader<TcpStream>,
}

impl Connection {
    /// The next request's head.
    pub fn head(&mut self) -> Option<Asked> {
        let mut asked = Asked::default();
        if self.reader.read_line(&mut asked.line).ok()? == 0 {
            return None;
        }
        asked.line = asked.line.trim_end().to_owned();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(asked)
    }

    /// The next request, with its body.
    pub fn request(&mut self) -> Option<Asked> {
        let mut asked = self.head()?;
        if let Some(length) = asked.header("content-length") {
            asked.body = vec![0; length.parse().ok()?];
            self.reader.read_exact(&mut asked.body).ok()?;
        } else if asked.header("transfer-encoding").is_some() {
            loop {
                let mut line = String::new();
                self.reader.read_line(&mut line).ok()?;
                let length = usize::from_str_radix(line.trim(), 16).ok()?;
                let start = asked.body.len();
                asked.body.resize(start + length, 0);
                self.reader.read_exact(&mut asked.body[start..]).ok()?;
                line.clear();
                while self.reader.read_line(&mut line).ok()? > 2 && length == 0 {
                    asked.headers.push(("trailer-line".into(), line.trim().to_owned()));
                    line.clear();
                }
                if length == 0 {
                    break;
                }
            }
        }
        Some(asked)
    }

    pub fn say(&mut self, text: impl AsRef<[u8]>) -> bool {
        self.reader.get_mut().write_all(text.as_ref()).is_ok()
    }

    pub fn reply(&mut self, body: &str) -> bool {
        self.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }
}

/// A dyno. Dropping it closes its port and its connections.
pub struct Dyno {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub requests: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Dyno {
    /// One that does this with each connection. The number is the connection's.
    pub fn with(
        serve: impl Fn(usize, &mut Connection, &AtomicUsize) + Send + Sync + 'static,
    ) -> Self {
        Self::on(TcpListener::bind((LOCAL, 0)).unwrap(), serve)
    }

    pub fn on(
        listener: TcpListener,
        serve: impl Fn(usize, &mut Connection, &AtomicUsize) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        // The standard library lets 128 connections wait, and a test opens 200 at once.
        listen(&listener, Backlog::new(1024).unwrap()).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(AtomicUsize::new(0));
        let closed = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (counted, served) = (Arc::clone(&connections), Arc::clone(&requests));
        let (ends, streams) = (Arc::clone(&closed), Arc::clone(&open));
        let serve = Arc::new(serve);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                streams.lock().unwrap().push(stream.try_clone().unwrap());
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let (serve, served) = (Arc::clone(&serve), Arc::clone(&served));
                std::thread::spawn(move || {
                    let closing = stream.try_clone();
                    serve(number, &mut Connection { reader: BufReader::new(stream) }, &served);
                    // Clones of it are kept for the end; the peer is to see this one's.
                    let _ = closing.map(|stream| stream.shutdown(std::net::Shutdown::Both));
                });
            }
        });
        Self { address, connections, requests, closed, open, thread: Some(thread) }
    }

    /// One that answers every request with this.
    pub fn saying(text: &'static str) -> Self {
        Self::with(move |_, connection, served| {
            while connection.request().is_some() {
                served.fetch_add(1, Ordering::SeqCst);
                if !connection.reply(text) {
                    return;
                }
            }
        })
    }

    /// One that answers with the request that it got.
    pub fn echoing() -> Self {
        Self::with(|_, connection, served| {
            while let Some(asked) = connection.request() {
                served.fetch_add(1, Ordering::SeqCst);
                let headers: Vec<String> =
                    asked.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                let body = String::from_utf8_lossy(&asked.body);
                let text = format!("{}\n{}\n\n{body}", asked.line, headers.join("\n"));
                if !connection.reply(&text) {
                    return;
                }
            }
        })
    }
}

impl Drop for Dyno {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}
