//! What a panic does to an edge that is a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::edge::{EdgeDelta, EdgeIntent};

use super::*;
use crate::config::Location;
use crate::fault;
use crate::protocol::Namespaces;
use crate::test_support::{GREETING, HOST, free_address, greeting_app};

/// Long enough for anything that is to happen.
const SOON: Duration = Duration::from_secs(20);
const DIRECTORY: &str = "CAUSEWAY_EDGE_TEST_DIRECTORY";

/// Not a test: the process that those below start.
#[test]
#[ignore = "is run by other tests, as a process of its own"]
fn is_an_edge() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    process_main(Path::new(&dir));
}

/// An edge that is a child of the test's process, and what it serves.
struct Lab {
    _dir: tempfile::TempDir,
    config: Config,
    intent: EdgeIntent,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path().join("edge"));
        config.router = Some(free_address());
        config.dns = Some(free_address());
        config.location = Location::Here { http: free_address().port(), https: 1, dns: 1 };
        Self { _dir: dir, config, intent: greeting_app() }
    }

    /// Starts an edge with a fault, and waits until it is ready or has ended.
    fn start(&self, fault: &str, input: Option<&str>) -> Child {
        write_config(&self.config).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "process::tests::is_an_edge"])
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, &self.config.dir)
            .env(EDGE.variable, "1")
            .env(fault::PART, fault)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(input) = input {
            command.env(fault::INPUT, input);
        }
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        // The harness has begun the line.
        said.lines().map_while(Result::ok).find(|line| line.ends_with("ready"));
        child
    }

    /// Becomes the controller, and tells the edge what to serve.
    fn control(&self) -> io::Result<Control> {
        let mut control = Control::connect(&self.config.dir)?;
        let interfaces = self.intent.spaces.values().flat_map(|space| space.interfaces.keys());
        // Nothing has this name.
        let interfaces = interfaces.map(|eni| (*eni, "cw-no-namespace".to_owned())).collect();
        control.sync(&self.intent, &Namespaces { interfaces, ..Namespaces::default() })?;
        control.settle()?;
        Ok(control)
    }

    fn client(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.config.router.unwrap())?;
        stream.set_read_timeout(Some(SOON))?;
        Ok(stream)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.config.dir.join("edge.log")).unwrap()
    }
}

/// Asks for a path. What comes back ends with the connection or the body; empty if that was closed
/// without an answer.
fn get(stream: &mut TcpStream, path: &str) -> io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes())?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(GREETING.as_bytes()) {
        match stream.read(&mut chunk)? {
            0 => break,
            read => answer.extend_from_slice(&chunk[..read]),
        }
    }
    Ok(String::from_utf8(answer).unwrap())
}

/// What everybody needs: without it the edge would go on, and do half of its work.
#[test]
fn a_part_that_panics_ends_the_edge_and_another_one_takes_its_place() {
    for part in ["edge-sockets", "edge-log", "edge-web", "core", "listener", "names", "control"] {
        let mut lab = Lab::new();
        let here = lab.config.location;
        if part == "edge-sockets" {
            // It makes what is inside a namespace.
            lab.config.location = Location::Namespaces;
        }
        let mut edge = lab.start(part, None);
        // Somewhere on this way is the part that panics.
        let control = lab.control();
        let answer = lab.client().and_then(|mut client| get(&mut client, "/"));
        let status = edge.wait().unwrap();
        let log = lab.log();
        assert_eq!(status.code(), Some(os::panics::EXIT_STATUS), "{part}: {log}");
        assert!(log.contains("has a defect, the process ends"), "{part}: {log}");
        assert!(log.contains(&format!("the fault {part}")), "{part}: {log}");
        assert!(!log.contains("the edge ends"), "{part}: {log}");
        drop((control, answer));
        lab.config.location = here;
        let next = Edge::start(lab.config.clone()).unwrap();
        let mut control = lab.control().unwrap();
        while control.settle().unwrap() > 0 {
            std::thread::yield_now();
        }
        assert!(get(&mut lab.client().unwrap(), "/").unwrap().ends_with(GREETING), "{part}");
        drop((control, next));
    }
}

#[test]
fn a_request_that_panics_ends_its_connection_and_no_other() {
    let lab = Lab::new();
    let mut edge = lab.start("request", Some("/defect"));
    let control = lab.control().unwrap();
    let mut other = lab.client().unwrap();
    assert!(get(&mut other, "/").unwrap().ends_with(GREETING));
    for _ in 0..20 {
        assert_eq!(get(&mut lab.client().unwrap(), "/defect").unwrap_or_default(), "");
        assert!(get(&mut other, "/").unwrap().ends_with(GREETING));
        assert!(get(&mut lab.client().unwrap(), "/").unwrap().ends_with(GREETING));
    }
    assert_eq!(lab.log().matches("has a defect, it concerned one task").count(), 20);
    assert_eq!(edge.try_wait().unwrap(), None);
    control.stop().unwrap();
    assert!(edge.wait().unwrap().success());
}

/// Of HTTP/2 too: its other requests are answered, or the connection ends, and the edge goes on.
#[test]
fn a_request_of_http2_that_panics_ends_its_connection_at_most() {
    let lab = Lab::new();
    let mut edge = lab.start("request", Some("/defect"));
    let control = lab.control().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = async |path: &str| {
        let stream = tokio::net::TcpStream::connect(lab.config.router.unwrap()).await?;
        let executor = TokioExecutor::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = http::Request::get(format!("http://{HOST}{path}"));
        let response = sender.send_request(request.body(Empty::<&[u8]>::new())?).await?;
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, Box<dyn std::error::Error>>(body)
    };
    runtime.block_on(async {
        for _ in 0..5 {
            assert!(ask("/defect").await.is_err());
            assert_eq!(ask("/").await.unwrap(), GREETING);
        }
    });
    assert_eq!(edge.try_wait().unwrap(), None);
    control.stop().unwrap();
    assert!(edge.wait().unwrap().success());
}

/// A packet comes to a socket that many share.
#[test]
fn a_question_that_panics_has_no_answer_and_costs_no_other_one_its_own() {
    let question = |id: &[u8; 2]| {
        let mut packet = id.to_vec();
        packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in HOST.split('.') {
            packet.push(u8::try_from(label.len()).unwrap());
            packet.extend_from_slice(label.as_bytes());
        }
        packet.extend([0, 0, 1, 0, 1]);
        packet
    };
    let lab = Lab::new();
    let mut edge = lab.start("question", Some("PX"));
    let control = lab.control().unwrap();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket.connect(lab.config.dns.unwrap()).unwrap();
    for _ in 0..5 {
        socket.send(&question(b"PX")).unwrap();
        socket.send(&question(b"OK")).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        assert_eq!(&answer[..2], b"OK", "{:?}", &answer[..length]);
    }
    assert_eq!(edge.try_wait().unwrap(), None);
    control.stop().unwrap();
    assert!(edge.wait().unwrap().success());
}

/// A controller must not go on talking to nobody.
#[test]
fn an_order_that_panics_ends_the_controllers_connection_and_not_the_edge() {
    let lab = Lab::new();
    let mut edge = lab.start("order", None);
    let mut control = lab.control().unwrap();
    let mut client = lab.client().unwrap();
    assert!(get(&mut client, "/").unwrap().ends_with(GREETING));
    control.change(&EdgeDelta::default(), &Namespaces::default()).unwrap();
    assert!(control.settle().is_err(), "the connection is closed");
    assert!(get(&mut client, "/").unwrap().ends_with(GREETING), "it serves what it was told last");
    let control = lab.control().unwrap();
    assert!(get(&mut client, "/").unwrap().ends_with(GREETING));
    assert_eq!(edge.try_wait().unwrap(), None);
    control.stop().unwrap();
    assert!(edge.wait().unwrap().success());
}
