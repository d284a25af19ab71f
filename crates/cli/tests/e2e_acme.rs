//! Certificates from a real ACME server: Debian's pebble, with a name server that says of every name that it
//! is this machine.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Server;

/// A process that is ended with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The ports of what this test starts. They are on an address of its own, so nobody else takes them.
const SERVER: u16 = 14880;
const NAMES: u16 = 14053;
const NAMES_MANAGEMENT: u16 = 14055;
const ACME: u16 = 14000;

/// An address of this machine that no other test has: it follows from the process, which each test has to
/// itself.
fn own_address() -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + (high & 63), middle, low.max(1))
}

#[expect(
    clippy::disallowed_methods,
    reason = "programs that are not ours tell nobody when they are ready"
)]
fn until(what: &str, mut ask: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !ask() {
        assert!(Instant::now() < deadline, "never came about: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// An ACME server that proves names on the server's port, and what it needs.
struct Acme {
    directory: tempfile::TempDir,
    address: Ipv4Addr,
    _names: Running,
    pebble: Option<Running>,
}

impl Acme {
    fn new(address: Ipv4Addr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed([address.to_string()]).unwrap();
        std::fs::write(directory.path().join("ca.pem"), made.cert.pem()).unwrap();
        std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let names = Running::start(Command::new("pebble-challtestsrv").args([
            "-dns01",
            &format!("{address}:{NAMES}"),
            "-management",
            &format!("{address}:{NAMES_MANAGEMENT}"),
            "-defaultIPv4",
            &address.to_string(),
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
        ]));
        Self { directory, address, _names: names, pebble: None }
    }

    /// Starts it anew: it has forgotten everything then. Its certificates are valid for some seconds.
    fn restart(&mut self, valid: u64) {
        self.pebble = None;
        let path = |name: &str| self.directory.path().join(name);
        let config = json!({ "pebble": {
            "listenAddress": format!("{}:{ACME}", self.address),
            "managementListenAddress": "",
            "certificate": path("ca.pem"),
            "privateKey": path("key.pem"),
            // No name is proved there.
            "httpPort": 9,
            "tlsPort": SERVER,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": valid,
            "domainBlocklist": ["refused.test"],
        }});
        std::fs::write(path("config.json"), config.to_string()).unwrap();
        let mut command = Command::new("pebble");
        command.arg("-config").arg(path("config.json"));
        command.args(["-dnsserver", &format!("{}:{NAMES}", self.address)]);
        command.env("PEBBLE_VA_NOSLEEP", "1");
        self.pebble = Some(Running::start(&mut command));
        let address = SocketAddr::from((self.address, ACME));
        until("pebble listens", || TcpStream::connect(address).is_ok());
    }

    fn arguments(&self) -> Vec<String> {
        let ca = self.directory.path().join("ca.pem");
        vec![
            "--acme-directory".to_owned(),
            format!("https://{}:{ACME}/dir", self.address),
            "--acme-ca".to_owned(),
            ca.display().to_string(),
            "--acme-email".to_owned(),
            "ops@example.org".to_owned(),
        ]
    }
}

/// What a server shows for a name: its certificate's serial number, or what openssl says.
fn shown(address: Ipv4Addr, name: &str) -> Result<String, String> {
    let script = format!(
        "openssl s_client -connect {address}:{SERVER} -servername {name} </dev/null 2>&1 | tee /dev/stderr \
         | openssl x509 -noout -serial -ext subjectAltName"
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// What the status says of the certificate, be it well or not.
fn certificate(server: &Server) -> Value {
    let status: Value = serde_json::from_str(&server.causeway(&["status", "--json"]).out).unwrap();
    status["certificate"].clone()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_certificate_is_gained_kept_renewed_and_not_lost_by_a_refusal() {
    let address = own_address();
    let mut acme = Acme::new(address);
    let listen = format!("{address}:{SERVER}");
    let more = acme.arguments();
    let own = |names: &[&str]| {
        let mut all = vec!["--listen".to_owned(), listen.clone()];
        all.extend(names.iter().flat_map(|name| ["--acme".to_owned(), (*name).to_owned()]));
        all.extend(more.clone());
        all
    };
    let data = tempfile::tempdir().unwrap();
    let start = |names: &[&str]| {
        let all = own(names);
        let all: Vec<&str> =
            ["--fabric", "none"].into_iter().chain(all.iter().map(String::as_str)).collect();
        Server::on(data.path(), &all)
    };

    // Before there is an ACME server: it listens, shows none, and says why.
    let server = start(&["cw.test"]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let none = shown(address, "cw.test").unwrap_err();
    assert!(none.contains("alert internal error"), "{none}");
    until("the failure is known", || certificate(&server)["failing"].is_string());
    let status = server.causeway(&["status"]);
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(status.out.contains("PROBLEM no new certificate"), "{status:?}");
    drop(server);

    // The first one.
    acme.restart(90 * 24 * 3600);
    let mut server = start(&["cw.test"]);
    until("a certificate", || shown(address, "cw.test").is_ok());
    let first = shown(address, "cw.test").unwrap();
    assert!(first.contains("DNS:cw.test"), "{first}");
    let other = shown(address, "other.test").unwrap_err();
    assert!(other.contains("unrecognized name"), "{other}");
    let curl = Command::new("curl")
        .args(["-sSk", "--resolve", &format!("cw.test:{SERVER}:{address}")])
        .arg(format!("https://cw.test:{SERVER}/healthz"))
        .output()
        .unwrap();
    let loops = String::from_utf8_lossy(&curl.stdout).into_owned();
    assert!(curl.status.success() && loops.lines().any(|line| line == "acme: ok"), "{curl:?}");
    until("it says so", || certificate(&server)["valid_until"].is_string());
    assert!(server.causeway(&["status"]).ok().contains("Certificate cw.test, until 20"));
    let kept = data.path().join("acme");
    assert_eq!(mode(&kept), 0o700);
    for name in ["account.json", "certificate.json"] {
        assert_eq!(mode(&kept.join(name)), 0o600, "{name}");
    }

    // A start asks for nothing: there is nobody to ask.
    acme.pebble = None;
    server.kill_and_restart();
    assert_eq!(shown(address, "cw.test").unwrap(), first);
    assert!(certificate(&server)["failing"].is_null());
    drop(server);

    // A name that is refused: the one before serves on, and it is said why.
    acme.restart(90 * 24 * 3600);
    let server = start(&["cw.test", "refused.test"]);
    let failing = || certificate(&server)["failing"].as_str().unwrap_or_default().to_owned();
    until("a refusal", || failing().contains("refused.test"));
    assert_eq!(shown(address, "cw.test").unwrap(), first);
    assert!(server.log().contains("refused.test"), "{}", server.log());
    drop(server);
    // A start after it says so still, and does not ask again before its time.
    let refused = std::fs::read(kept.join("refusals.json")).unwrap();
    let server = start(&["cw.test", "refused.test"]);
    let still = certificate(&server)["failing"].as_str().unwrap_or_default().to_owned();
    assert!(still.contains("refused.test"), "{still}");
    assert_eq!(std::fs::read(kept.join("refusals.json")).unwrap(), refused);
    drop(server);

    // Certificates of a few seconds, for two names, from a server that has forgotten the account.
    acme.restart(12);
    let _server = start(&["cw.test", "www.cw.test"]);
    until("another certificate", || shown(address, "www.cw.test").is_ok());
    let (second, ends) = (shown(address, "cw.test").unwrap(), Arc::new(AtomicBool::new(false)));
    assert!(second != first && second.contains("DNS:www.cw.test"), "{second}");
    // A connection that was there before the renewal goes on, and new ones are never refused.
    let stopped = Arc::clone(&ends);
    let asking = std::thread::spawn(move || {
        let mut before = tls(address);
        let mut asked = 0;
        while !stopped.load(Ordering::Relaxed) {
            ask(&mut before);
            ask(&mut tls(address));
            asked += 1;
        }
        ask(&mut before);
        asked
    });
    until("a renewal", || shown(address, "cw.test").unwrap() != second);
    ends.store(true, Ordering::Relaxed);
    assert!(asking.join().unwrap() > 10);
}

/// An openssl that holds a connection.
struct Tls(Child);

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tls(address: Ipv4Addr) -> Tls {
    let child = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &format!("{address}:{SERVER}")])
        .args(["-servername", "cw.test", "-alpn", "http/1.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Tls(child)
}

/// Asks over a connection, which stays open.
fn ask(tls: &mut Tls) {
    let request = b"GET /healthz HTTP/1.1\r\nHost: cw.test\r\n\r\n";
    let stdin = tls.0.stdin.as_mut().unwrap();
    stdin.write_all(request).unwrap();
    stdin.flush().unwrap();
    let mut answer = [0; 12];
    tls.0.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut rest = Vec::new();
    let mut byte = [0];
    while !rest.ends_with(b"\r\n\r\n") {
        tls.0.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
        rest.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&rest).to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ").unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    tls.0.stdout.as_mut().unwrap().read_exact(&mut body).unwrap();
}
