//! A server under a service manager, which keeps its sockets while one server takes the place of another.
//! The manager here does what systemd does: it hears `sd_notify(3)`, and starts the next server with what
//! the one before asked it to keep.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be, says why, and lets time go by"
)]

mod support;

use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use support::web::free_address;

/// A service manager with one service.
struct Manager {
    place: tempfile::TempDir,
    notify: UnixDatagram,
    /// What it keeps, by name.
    store: Vec<(String, OwnedFd)>,
    /// What a socket unit would give besides.
    unit: Vec<(String, OwnedFd)>,
    child: Option<Child>,
}

impl Manager {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        // Users of dynos pass through it.
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let notify = UnixDatagram::bind(place.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        std::fs::create_dir(place.path().join("data")).unwrap();
        Self { place, notify, store: Vec::new(), unit: Vec::new(), child: None }
    }

    fn data(&self) -> std::path::PathBuf {
        self.place.path().join("data")
    }

    /// Starts the service with what is kept for it, and waits until it is ready.
    fn start(&mut self, arguments: &[&str]) {
        self.launch(arguments);
        while self.hear() != "READY=1" {}
    }

    fn launch(&mut self, arguments: &[&str]) {
        let given: Vec<&(String, OwnedFd)> = self.store.iter().chain(&self.unit).collect();
        let names: Vec<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
        // The shell puts what it was given, at most three, to where it belongs, and becomes the server.
        let moved = ["3<&0 </dev/null", "4<&1 >/dev/null", "5<&2"];
        let (moved, rest) = moved.split_at(given.len());
        let log = self.place.path().join("log");
        let quiet = if rest.len() > 1 { ">/dev/null" } else { "" };
        let script = format!(
            "export LISTEN_PID=$$; exec \"$@\" {} {quiet} 2>>{}",
            moved.join(" "),
            log.to_str().unwrap()
        );
        let as_stdio = |at: usize| match given.get(at) {
            Some((_, fd)) => Stdio::from(fd.try_clone().unwrap()),
            None => Stdio::null(),
        };
        let child = Command::new("sh")
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_causeway"), "serve", "--data"])
            .arg(self.data())
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("NOTIFY_SOCKET", self.place.path().join("notify"))
            .env("LISTEN_FDS", given.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .stdin(as_stdio(0))
            .stdout(as_stdio(1))
            .stderr(as_stdio(2))
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Takes the next message; what it asks for is done. Its first line.
    fn hear(&mut self) -> String {
        let mut text = [0; 512];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let read = recvmsg(&self.notify, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
            .unwrap_or_else(|error| panic!("nothing is heard: {error}\n{}", self.log()));
        let fds: Vec<OwnedFd> = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            })
            .flatten()
            .collect();
        let text = String::from_utf8(text[..read.bytes].to_vec()).unwrap();
        let mut lines = text.lines();
        let first = lines.next().unwrap().to_owned();
        let name = lines.find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
        match first.as_str() {
            "FDSTORE=1" => self.store.extend(fds.into_iter().map(|fd| (name.to_owned(), fd))),
            "FDSTOREREMOVE=1" => self.store.retain(|(kept, _)| kept != name),
            _ => {}
        }
        first
    }

    /// Ends the service, and hears that it stops where it can say so.
    fn stop(&mut self, signal: nix::sys::signal::Signal) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), signal)
            .unwrap();
        if signal == nix::sys::signal::Signal::SIGTERM {
            while self.hear() != "STOPPING=1" {}
        }
        child.wait().unwrap()
    }

    /// The first user's token.
    fn token(&self) -> String {
        let mut env = Command::new(env!("CARGO_BIN_EXE_causeway"));
        let said = env.args(["env", "--json", "--data"]).arg(self.data()).output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        support::text(&said["HEROKU_API_KEY"])
    }

    fn kept(&self) -> Vec<&str> {
        self.store.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
        if let Some(mut child) = self.child.take() {
            let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ = child.wait();
        }
    }
}

/// Asks for something; what was answered, or why it was not.
fn ask(address: SocketAddr, request: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = body.len();
    let head = format!(
        "{request}\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/vnd.heroku+json; version=3\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_well(address: SocketAddr) -> bool {
    ask(address, "GET /healthz HTTP/1.1", "").unwrap().starts_with("HTTP/1.1 200 ")
}

/// Asks without a pause until it is told to stop, for what is there and for changes in turn: how often, and
/// what went wrong.
fn flood(address: SocketAddr, token: &str, stop: &AtomicBool) -> (u32, Vec<String>) {
    const MEMBER: &str = r#"{"email": "admin@causeway.local", "role": "admin"}"#;
    let (mut asked, mut failed) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        asked += 1;
        let (request, body) = match asked % 2 {
            0 => ("GET /account", ""),
            _ => ("PUT /teams/team/members", MEMBER),
        };
        let request = format!("{request} HTTP/1.1\r\nauthorization: Bearer {token}");
        match ask(address, &request, body) {
            Ok(answer) if answer.starts_with("HTTP/1.1 20") => {}
            Ok(answer) => failed.push(answer),
            Err(error) => failed.push(error.to_string()),
        }
    }
    (asked, failed)
}

#[test]
fn a_restart_under_a_flood_refuses_nobody() {
    use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
    let (address, figures) = (free_address(), free_address());
    let (listen, metrics) = (address.to_string(), figures.to_string());
    let addresses = ["--listen", &listen, "--metrics", &metrics];
    let arguments = [&["--fabric", "none", "--rate-limit", "0"], &addresses[..]].concat();
    let mut manager = Manager::new();
    manager.start(&arguments);
    assert_eq!(manager.kept(), ["causeway-apis", "causeway-metrics"]);

    let stop = AtomicBool::new(false);
    let token = manager.token();
    let counts = std::thread::scope(|scope| {
        let floods: Vec<_> =
            (0..4).map(|_| scope.spawn(|| flood(address, &token, &stop))).collect();
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(300));
            let ended = manager.stop(SIGTERM);
            assert!(ended.success(), "{ended}");
            // For a moment there is no server at all, and nobody is told so.
            std::thread::sleep(Duration::from_millis(100));
            manager.start(&arguments);
        }
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        floods.into_iter().map(|flood| flood.join().unwrap()).collect::<Vec<_>>()
    });
    for (asked, failed) in &counts {
        assert!(*asked > 8, "{asked}");
        assert!(failed.is_empty(), "of {asked}: {failed:?}");
    }
    assert_eq!(manager.kept(), ["causeway-apis", "causeway-metrics"], "and each once");

    // Whoever comes while a server is gone that was killed waits for the next one.
    manager.stop(SIGKILL);
    let waiting = std::thread::spawn(move || is_well(address));
    let waiting_too = std::thread::spawn(move || TcpStream::connect(figures).map(|_| ()));
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished());
    manager.start(&arguments);
    assert!(waiting.join().unwrap());
    waiting_too.join().unwrap().unwrap();
}

#[test]
fn an_address_that_was_changed_is_not_served_by_the_old_socket() {
    use nix::sys::signal::Signal::SIGTERM;
    let (before, figures, after) = (free_address(), free_address(), free_address());
    let mut manager = Manager::new();
    let (listen, metrics) = (before.to_string(), figures.to_string());
    manager.start(&["--fabric", "none", "--listen", &listen, "--metrics", &metrics]);
    manager.stop(SIGTERM);
    manager.start(&["--fabric", "none", "--listen", &after.to_string()]);
    assert_eq!(manager.kept(), ["causeway-apis"]);
    assert!(is_well(after));
    for gone in [before, figures] {
        let refused = TcpStream::connect(gone).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{gone}");
    }
}

#[test]
fn a_socket_unit_s_socket_is_served_where_the_configuration_says_so() {
    use nix::sys::signal::Signal::SIGTERM;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut manager = Manager::new();
    manager.unit.push(("causeway.socket".to_owned(), listener.into()));
    let listen = address.to_string();
    manager.start(&["--fabric", "none", "--listen", &listen]);
    assert!(is_well(address));
    assert!(manager.kept().is_empty(), "its unit keeps it");
    manager.stop(SIGTERM);

    let elsewhere = free_address().to_string();
    manager.launch(&["--fabric", "none", "--listen", &elsewhere]);
    let ended = manager.child.take().unwrap().wait().unwrap();
    assert_eq!(ended.code(), Some(1));
    let log = manager.log();
    assert!(log.contains(&format!("the socket causeway.socket ({address})")), "{log}");
}

/// The processes whose arguments or environment name a directory, but for one.
fn processes_of(directory: &Path, but: u32) -> Vec<(u32, String)> {
    let directory = directory.to_str().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let named = pids.filter(|pid| *pid != but && *pid != std::process::id()).filter_map(|pid| {
        let read = |name| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let both = [read("cmdline"), read("environ")].concat();
        let text = String::from_utf8_lossy(&both).replace('\0', " ");
        text.contains(directory).then_some((pid, text))
    });
    named.collect()
}

/// The inodes of the sockets that a process has.
fn sockets_of(pid: u32) -> Vec<String> {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

#[test]
fn nothing_that_the_service_manager_gives_reaches_what_the_server_starts() {
    use nix::sys::signal::Signal::SIGTERM;
    let address = free_address();
    let listen = address.to_string();
    let mut manager = Manager::new();
    let seen = manager.place.path().join("seen");
    let init = manager.place.path().join("init.sh");
    let script = format!(
        "env >{0}.env\nls -l /proc/self/fd >{0}.fds\n\
         causeway spaces:create calm --team team\n\
         causeway apps:create shop --space calm\n",
        seen.display()
    );
    std::fs::write(&init, script).unwrap();
    let arguments = ["--fabric", "linux", "--listen", &listen];
    let with_init = [&arguments[..], &["--init", init.to_str().unwrap()]].concat();
    manager.start(&with_init);
    // The second one is given the socket when it starts.
    manager.stop(SIGTERM);
    assert_eq!(manager.kept(), ["causeway-apis"]);
    manager.start(&arguments);
    let data = manager.data();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
        let done = command.args(words).arg("--data").arg(&data).output().unwrap();
        assert!(done.status.success(), "{words:?}: {done:?}");
    };
    let app = manager.place.path().join("app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(app.join("Procfile"), "worker: exec sleep 1000\n").unwrap();
    run(&["deploy", "--app", "shop", app.to_str().unwrap()]);
    run(&["ps:scale", "worker=1", "--app", "shop"]);

    let server = manager.child.as_ref().unwrap().id();
    let socket = std::fs::read_link(format!("/proc/self/fd/{}", manager.store[0].1.as_raw_fd()));
    let socket = socket.unwrap().to_string_lossy().into_owned();
    assert!(sockets_of(server).contains(&socket), "the server listens on it");
    let own = std::fs::read_to_string(format!("/proc/{server}/environ")).unwrap();
    assert!(own.contains("LISTEN_FDS=1") && own.contains("NOTIFY_SOCKET="), "it was given them");
    let until = Instant::now() + Duration::from_secs(30);
    let others = loop {
        let others = processes_of(&data, server);
        let has = |word| others.iter().any(|(_, text)| text.contains(word));
        if has(" shim ") && has(" edge ") {
            break others;
        }
        assert!(Instant::now() < until, "{others:?}\n{}", manager.log());
        std::thread::sleep(Duration::from_millis(100));
    };
    let given = ["NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
    for (pid, text) in others {
        assert!(!sockets_of(pid).contains(&socket), "{pid} has the socket: {text}");
        for name in given {
            assert!(!text.contains(&format!("{name}=")), "{pid} has {name}: {text}");
        }
    }
    let env = std::fs::read_to_string(seen.with_extension("env")).unwrap();
    let fds = std::fs::read_to_string(seen.with_extension("fds")).unwrap();
    assert!(env.contains("PATH=") && !env.contains("NOTIFY_SOCKET"), "{env}");
    assert!(!fds.contains(&socket), "{fds}");
    manager.stop(SIGTERM);
    run(&["fabric:purge", "--confirm"]);
}
