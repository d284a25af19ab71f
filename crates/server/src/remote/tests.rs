//! A server and the agent of another host, over the real link: what it says of its processes is what a test
//! has them say.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::Orders;
use fabric::driver::{Dialer, Dialled, Error};
use fabric::runtime::{Ends, ExecCommand, Inside, LogLine, LogPart, LogPosition, SessionCommand};
use link::{
    About, Authority, EnrolError, HOST_LIFETIME, Host, HostOrders, HostParts, HostStreams, Hub,
    HubParts, JoinParts, Keep, Kinds, Newcomer, NotServed, Pulse, Registry, Reports, Tells,
    Versions,
};
use model::protocol::{Order, Subject};
use model::{
    AddonId, AppId, Caller, DynoId, EniId, HostCapacity, HostCommand, HostFacts, Key, NewHost,
    PlatformCommand, Timestamp, WorkloadId,
};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::message::{Answer, Asks, Attach};
use super::{HostConsole, frame, kinds, remove_disks, server_kinds};
use crate::apps::console::{Attachment, Console, NotRun, Running, on_terminal, piped};
use crate::apps::log_reader::Reader;
use crate::apps::logs::{Line, Wanted};
use crate::apps::router_log::{NoRouterLog, RouterLog};
use crate::clock::Clock;
use crate::http::platform::tests::fixture::{Fixture, past};

/// The processes of the other host.
#[derive(Debug)]
struct Processes {
    written: Mutex<BTreeMap<WorkloadId, Vec<LogLine>>>,
    routed: Mutex<Vec<String>>,
    removed: Arc<Mutex<Vec<AddonId>>>,
    dir: tempfile::TempDir,
}

impl Processes {
    fn remove_disk(&self) -> super::agent::RemoveDisk {
        let removed = Arc::clone(&self.removed);
        Arc::new(move |service| removed.lock().unwrap().push(service))
    }

    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { written: Mutex::default(), routed: Mutex::default(), removed: Arc::default(), dir }
    }

    fn write(&self, dyno: DynoId, second: u64, text: &str) {
        let line = LogLine { at: at(second), text: text.as_bytes().to_vec() };
        self.written.lock().unwrap().entry(WorkloadId::Dyno(dyno)).or_default().push(line);
    }

    fn route(&self, second: u64, text: &str) {
        self.routed.lock().unwrap().push(format!("{} router: {text}", at(second)));
    }
}

fn at(second: u64) -> Timestamp {
    past() + Duration::from_secs(second)
}

impl Console for Processes {
    fn tail(&self, workload: WorkloadId, bytes: usize) -> io::Result<Vec<u8>> {
        let part = self.lines(workload, None, true)?;
        let text: Vec<u8> = part.lines.into_iter().flat_map(|line| line.text).collect();
        Ok(text[text.len().saturating_sub(bytes)..].to_vec())
    }

    fn lines(
        &self,
        workload: WorkloadId,
        from: Option<LogPosition>,
        _: bool,
    ) -> io::Result<LogPart> {
        let written = self.written.lock().unwrap();
        let all = written.get(&workload).ok_or(io::ErrorKind::NotFound)?;
        let from = from.map_or(0, |place| place.offset) as usize;
        let next = Some(LogPosition { generation: 5, offset: all.len() as u64 });
        Ok(LogPart { lines: all[from..].to_vec(), next })
    }

    fn exec(&self, _: WorkloadId, command: &[String], _: bool) -> Result<Vec<String>, NotRun> {
        match command {
            [program, ..] if program == "/idle" => Err(NotRun::Idle),
            command => Ok(command.to_vec()),
        }
    }

    fn session(&self, _: WorkloadId, inside: &Inside) -> Result<Attachment, String> {
        let order = self.dir.path().join("order");
        std::fs::write(&order, "").unwrap();
        let (program, args) = inside.argv.split_first().unwrap();
        let command = ExecCommand { program: program.into(), args: args.to_vec() };
        let session = SessionCommand { command, order };
        on_terminal(session, inside.columns, inside.rows).map_err(|error| error.to_string())
    }

    fn attach(&self, workload: WorkloadId) -> Result<Attachment, String> {
        let WorkloadId::Dyno(_) = workload else { return Err("the dyno has ended".to_owned()) };
        let (read, input) = io::pipe().unwrap();
        let (output, write) = io::pipe().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "cat; echo done"])
            .stdin(read)
            .stdout(write)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::spawn(move || child.wait());
        let ends = Ends::Pipes { input: input.into(), output: output.into() };
        Ok(Attachment { ends, ended: None })
    }
}

impl RouterLog for Processes {
    fn tail(&self, _: AppId, lines: usize) -> io::Result<Vec<String>> {
        let routed = self.routed.lock().unwrap();
        Ok(routed[routed.len().saturating_sub(lines)..].to_vec())
    }

    fn forget(&self, _: AppId) -> io::Result<()> {
        self.routed.lock().unwrap().clear();
        Ok(())
    }
}

/// Says of each packet, by its port, what may come of one, and of the last one where it came from.
impl Dialer for Processes {
    fn dial(
        &self,
        from: EniId,
        source: Ipv4Addr,
        to: SocketAddrV4,
        patience: Duration,
    ) -> Result<Dialled, Error> {
        match to.port() {
            1 => Ok(Dialled::Answered),
            2 => Ok(Dialled::Refused),
            3 => Ok(Dialled::Silent),
            4 => Ok(Dialled::Unreachable(format!("{from} {source} {to} {patience:?}"))),
            _ => Err(Error::Dial("there is no such namespace".to_owned())),
        }
    }
}

/// A registry of one host.
struct One(link::HostId);

impl Registry for One {
    fn enrol(&self, _: Newcomer<'_>) -> Result<link::HostId, EnrolError> {
        Ok(self.0)
    }

    fn admits(&self, host: &link::HostId) -> bool {
        *host == self.0
    }

    fn connected(&self, _: &link::HostId, _: &About, _: IpAddr) -> Result<(), NotServed> {
        Ok(())
    }
}

/// A control loop that does nothing.
struct Idle;

impl<S: Subject> Orders<S> for Idle {
    fn give(&self, _: Order<S>) {}
}

fn nobody_hears() -> Tells {
    Tells { networks: Box::new(|_| ()), workloads: Box::new(|_| ()), edge: Box::new(|_| ()) }
}

/// A server, and another host on which all is placed.
pub(crate) struct Two {
    pub(crate) server: Fixture,
    processes: Arc<Processes>,
    hub: Hub,
    id: link::HostId,
    keep: tempfile::TempDir,
    streams: HostStreams,
    everywhere: HostConsole,
    agent: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Two {
    pub(crate) async fn start() -> Self {
        let processes = Arc::new(Processes::new());
        let console = Arc::clone(&processes) as Arc<dyn Console>;
        let log = Arc::clone(&processes) as Arc<dyn RouterLog>;
        let dialer = Arc::clone(&processes) as Arc<dyn Dialer>;
        let kinds = kinds(console, log, processes.remove_disk(), Some(dialer));
        Self::with(processes, kinds).await
    }

    async fn with(processes: Arc<Processes>, kinds: Kinds) -> Self {
        let server = Fixture::new();
        let facts = HostFacts {
            address: [192, 0, 2, 1].into(),
            zone: "rack-1".to_owned(),
            labels: BTreeMap::new(),
            capacity: HostCapacity { memory: 64 << 30, cpus: 4 },
            version: String::new(),
        };
        let init = HostCommand::Init(NewHost { name: "node-1".to_owned(), facts });
        let made = server.command(Caller::Operator, init).await;
        let Key::Host(host) = made else { panic!("{made:?}") };
        let id = host;
        let store = server.state.store.lock().unwrap().handle().unwrap();
        let hub = Hub::new(HubParts {
            authority: Arc::new(Authority::of_seed(&[1; 32]).unwrap()),
            registry: Arc::new(One(id)),
            epoch: Box::new(|| Some(1)),
            servers: Box::new(link::Servers::default),
            attach: Box::new(|_, _| nobody_hears()),
            kinds: server_kinds(server.state.ledger.clone(), store),
            now: Box::new(|| Clock::system().wall()),
            settings: link::Settings::default(),
            lifetime: HOST_LIFETIME,
            versions: Versions::OURS,
            pulse: Pulse::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = hub.clone();
        tokio::spawn(async move { served.serve(listener, CancellationToken::new()).await });
        let keep = tempfile::tempdir().unwrap();
        join(&hub, address, keep.path()).await;
        let used = hub.clone();
        let here = Arc::clone(&server.state.console);
        let (log, ledger) = (Arc::new(NoRouterLog), server.state.ledger.clone());
        let everywhere = HostConsole::new(here, log, used, ledger, Handle::current());
        let console = everywhere.clone();
        let server = server.set(|state| {
            state.host_logs = Arc::new(console.clone());
            state.router_log = Arc::new(console.clone());
            state.console = Arc::new(console);
        });
        let mut two = Self {
            server,
            processes,
            hub,
            id,
            keep,
            streams: HostStreams::default(),
            everywhere,
            agent: None,
        };
        two.run_agent(kinds).await;
        two
    }

    /// Starts the agent, and waits until it is connected.
    async fn run_agent(&mut self, kinds: Kinds) {
        let parts = HostParts {
            keep: Keep::at(self.keep.path()),
            reports: Reports::default(),
            streams: self.streams.clone(),
            kinds,
            now: Box::new(|| Clock::system().wall()),
            uptime: Arc::new(crate::host_agent::uptime().unwrap()),
            versions: Versions::OURS,
            pulse: Pulse::default(),
        };
        let loops = HostOrders {
            networks: Box::new(Idle),
            workloads: Box::new(Idle),
            edge: Box::new(Idle),
        };
        let (host, stop) = (Host::start(parts, loops).unwrap(), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move { host.run(stopped).await.unwrap() });
        self.agent = Some((stop, task));
        self.until_connected(true).await;
    }

    pub(crate) async fn stop_agent(&mut self) {
        let (stop, task) = self.agent.take().unwrap();
        stop.cancel();
        task.await.unwrap();
        self.until_connected(false).await;
    }

    async fn until_connected(&self, wanted: bool) {
        for _ in 0..1000 {
            let view = self.hub.hosts().into_iter().find(|host| host.id == self.id);
            if view.is_some_and(|host| host.connected.is_some()) == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not come about in 10 s");
    }

    fn kinds(&self) -> Kinds {
        let console = Arc::clone(&self.processes) as Arc<dyn Console>;
        let log = Arc::clone(&self.processes) as Arc<dyn RouterLog>;
        let dialer = Arc::clone(&self.processes) as Arc<dyn Dialer>;
        kinds(console, log, self.processes.remove_disk(), Some(dialer))
    }

    fn dyno(&self, name: &str) -> DynoId {
        let world = self.server.state.world();
        let dyno = world.dynos().find(|dyno| dyno.name == name).unwrap();
        assert!(dyno.host.is_some(), "it is on the other host");
        dyno.id
    }

    fn workload(&self) -> WorkloadId {
        WorkloadId::Dyno(self.dyno("run.0001"))
    }

    /// Waits as a request does.
    async fn console<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Console) -> T + Send + 'static,
    ) -> T {
        let console = Arc::clone(&self.server.state.console);
        tokio::task::spawn_blocking(move || work(&*console)).await.unwrap()
    }
}

async fn join(hub: &Hub, address: SocketAddr, keep: &Path) {
    let token = link::JoinToken::of_bits(7, hub.authority().fingerprint());
    let about = About { name: "node-1".to_owned(), ..About::default() };
    let parts = JoinParts {
        servers: &[format!("https://{address}")],
        token: &token,
        about: &about,
        keep: &Keep::at(keep),
        versions: Versions::OURS,
    };
    link::join(parts).await.unwrap();
}

fn reader(two: &Two, tail: bool) -> Reader {
    let app = two.server.state.world().apps().find(|app| app.name == "shop").unwrap().id;
    let wanted = Wanted { app, lines: 100, tail, source: None, process: None };
    Reader::new(two.server.state.log_sources(), wanted, None)
}

async fn read(mut reader: Reader) -> (Vec<String>, Reader) {
    let read = tokio::task::spawn_blocking(move || {
        let lines: Vec<Line> = reader.read();
        (lines, reader)
    });
    let (lines, reader) = read.await.unwrap();
    let show = |line: &Line| format!("{}[{}] {}", line.source.name(), line.process, line.text);
    (lines.iter().map(show).collect(), reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_processes_and_routers_on_other_hosts_are_merged_by_time() {
    let mut two = Two::start().await;
    let (web, run) = (two.dyno("web.1"), two.dyno("run.0001"));
    two.processes.write(web, 1, "first");
    two.processes.write(run, 2, "second \u{ff}");
    two.processes.route(3, "at=info request_id=3");
    two.processes.write(web, 4, "fourth");
    let (lines, after) = read(reader(&two, true)).await;
    let all = [
        "app[web.1] first",
        "app[run.0001] second \u{ff}",
        "heroku[router] at=info request_id=3",
        "app[web.1] fourth",
    ];
    assert_eq!(lines, all);
    let (none, after) = read(after).await;
    assert_eq!(none, [""; 0]);
    two.processes.write(run, 5, "fifth");
    two.processes.route(6, "at=info request_id=6");
    let (lines, after) = read(after).await;
    assert_eq!(lines[0], "app[run.0001] fifth");
    let mut after = after;
    let mut routed = lines[1..].to_vec();
    for _ in 0..8 {
        let (lines, next) = read(after).await;
        (after, routed) = (next, [routed, lines].concat());
    }
    assert_eq!(routed, ["heroku[router] at=info request_id=6"], "once");
    // A host that is away: that lines are missing is said once, and nobody waits.
    two.stop_agent().await;
    let began = std::time::Instant::now();
    let (lines, after) = read(after).await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("heroku[logs] The output of "), "{line}");
    assert!(line.contains("web.1") && line.contains("missing: the host node-1 is away"), "{line}");
    let (lines, after) = read(after).await;
    assert_eq!(lines, [""; 0], "once");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let (lines, _) = read(reader(&two, false)).await;
    assert_eq!(lines.len(), 1, "one who comes now is told, too: {lines:?}");
    // It is back, and so is what it has.
    two.processes.write(web, 7, "seventh");
    let kinds = two.kinds();
    two.run_agent(kinds).await;
    let (lines, _) = read(after).await;
    assert_eq!(lines, ["app[web.1] seventh"]);
    two.stop_agent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_are_sent_by_the_host_that_has_the_interface() {
    let mut two = Two::start().await;
    let (host, from) = (two.id, "eni-00000000000000001".parse().unwrap());
    let source = Ipv4Addr::new(10, 0, 0, 4);
    let dial = |from, port, patience| {
        let (dialer, to) = (two.everywhere.clone(), SocketAddrV4::new([10, 0, 0, 9].into(), port));
        let patience = Duration::from_millis(patience);
        let dial = move || dialer.dial_on(host, from, source, to, patience);
        async { tokio::task::spawn_blocking(dial).await.unwrap() }
    };
    assert_eq!(dial(from, 1, 700).await.unwrap(), Dialled::Answered);
    assert_eq!(dial(from, 2, 700).await.unwrap(), Dialled::Refused);
    assert_eq!(dial(from, 3, 700).await.unwrap(), Dialled::Silent);
    let asked = format!("{from} 10.0.0.4 10.0.0.9:4 700ms");
    assert_eq!(dial(from, 4, 700).await.unwrap(), Dialled::Unreachable(asked));
    // No server has a host wait for ever.
    let asked = format!("{from} 10.0.0.4 10.0.0.9:4 5s");
    assert_eq!(dial(from, 4, u64::MAX).await.unwrap(), Dialled::Unreachable(asked));
    let failed = dial(from, 5, 700).await.unwrap_err();
    assert_eq!(failed.to_string(), "dial: there is no such namespace");
    let (dialer, to) = (two.everywhere.clone(), SocketAddrV4::new(source, 1));
    let dial = move || dialer.dial(from, source, to, Duration::from_millis(700));
    let nobody = tokio::task::spawn_blocking(dial).await.unwrap().unwrap_err();
    assert!(matches!(nobody, Error::Away(_)), "{nobody}");

    two.stop_agent().await;
    let (dialer, to) = (two.everywhere.clone(), SocketAddrV4::new(source, 1));
    let dial = move || dialer.dial_on(host, from, source, to, Duration::from_millis(700));
    let away = tokio::task::spawn_blocking(dial).await.unwrap().unwrap_err();
    assert!(away.to_string().starts_with("the host node-1 is away"), "{away}");
    let carries_none = || {
        let console = Arc::clone(&two.processes) as Arc<dyn Console>;
        let log = Arc::clone(&two.processes) as Arc<dyn RouterLog>;
        kinds(console, log, two.processes.remove_disk(), None)
    };
    let without = carries_none();
    two.run_agent(without).await;
    let dialer = two.everywhere.clone();
    let dial = move || dialer.dial_on(host, from, source, to, Duration::from_millis(700));
    let none = tokio::task::spawn_blocking(dial).await.unwrap().unwrap_err();
    assert_eq!(none.to_string(), "its agent was started with --fabric none");
    two.stop_agent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_read_where_it_is() {
    let mut two = Two::start().await;
    let workload = two.workload();
    two.processes.write(two.dyno("run.0001"), 1, "one");
    let tail = two.console(move |console| console.tail(workload, 2)).await;
    assert_eq!(tail.unwrap(), b"ne");
    let part = two.console(move |console| console.lines(workload, None, true)).await.unwrap();
    assert_eq!((part.lines[0].at, &part.lines[0].text[..]), (at(1), &b"one"[..]));
    let next = part.next;
    let part = two.console(move |console| console.lines(workload, next, true)).await.unwrap();
    assert_eq!((part.lines.len(), part.next), (0, next));
    let web = WorkloadId::Dyno(two.dyno("web.1"));
    let none = two.console(move |console| console.lines(web, None, true)).await.unwrap_err();
    assert_eq!(none.kind(), io::ErrorKind::NotFound, "{none}");
    // What is on no other host is asked for here.
    let nowhere = WorkloadId::Instance("i-00000000000000009".parse().unwrap());
    assert_eq!(two.console(move |console| console.tail(nowhere, 9)).await.unwrap(), b"");
    let exec = move |console: &dyn Console| console.exec(workload, &["ls".to_owned()], true);
    let why = "it runs on the host node-1, and not on this machine".to_owned();
    assert_eq!(two.console(exec).await, Err(NotRun::Elsewhere(why)));
    assert_eq!(two.console(move |console| console.runs(workload)).await, Ok(()));
    two.stop_agent().await;
    let away = two.console(move |console| console.runs(workload)).await;
    let Err(NotRun::Elsewhere(why)) = away else { panic!("{away:?}") };
    assert!(why.starts_with("the host node-1 is away"), "{why}");
    let away = two.console(move |console| console.tail(workload, 2)).await.unwrap_err();
    assert!(away.to_string().starts_with("the host node-1 is away"), "{away}");
}

async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..500 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come about in 5 s: {what}");
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

fn all_of(fd: OwnedFd) -> String {
    let mut text = String::new();
    File::from(fd).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_on_another_host_writes_and_ends_as_one_does_here() {
    let mut two = Two::start().await;
    let workload = two.workload();
    let script = "seq 100000; echo no way >&2; exit 3";
    let run = move |console: &dyn Console| {
        let Running { output, errors, mut process } =
            console.run(workload, &shell(script)).unwrap();
        let output = all_of(output);
        (output, all_of(errors), process.wait().unwrap())
    };
    let (output, errors, status) = two.console(run).await;
    assert_eq!(output.lines().count(), 100_000);
    assert_eq!((&*errors, status.code()), ("no way\n", Some(3)));
    let killed = move |console: &dyn Console| {
        let mut running = console.run(workload, &shell("kill -9 $$")).unwrap();
        running.process.wait().unwrap().to_string()
    };
    assert_eq!(two.console(killed).await, "signal: 9 (SIGKILL)");
    let idle = move |console: &dyn Console| console.run(workload, &["/idle".to_owned()]).err();
    assert_eq!(two.console(idle).await.unwrap(), "it does not run");
    // One that nobody wants any more is ended there.
    let mark = two.processes.dir.path().join("mark");
    let script = format!("echo $$ > {}; exec sleep 1000", mark.display());
    let running = two.console(move |console| console.run(workload, &shell(&script))).await;
    let pid = || std::fs::read_to_string(&mark).ok().filter(|pid| pid.ends_with('\n'));
    until("it runs", || pid().is_some()).await;
    drop(running);
    let cwd = Path::new("/proc").join(pid().unwrap().trim()).join("cwd");
    until("it is ended", || std::fs::read_link(&cwd).is_err()).await;
    // One whose host goes has not ended well.
    let running = two.console(move |console| console.run(workload, &shell("echo some; sleep 99")));
    let Running { output, errors, mut process } = running.await.unwrap();
    two.stop_agent().await;
    let lost = tokio::task::spawn_blocking(move || {
        drop(errors);
        (all_of(output), process.wait())
    });
    let (output, ended) = lost.await.unwrap();
    assert!(["", "some\n"].contains(&&*output), "{output}");
    let why = ended.unwrap_err().to_string();
    assert!(why.starts_with("the connection with its host broke off"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_on_another_host_is_as_one_here() {
    let mut two = Two::start().await;
    let workload = two.workload();
    let inside = |script: &str| Inside {
        argv: shell(script),
        environment: BTreeMap::new(),
        columns: 100,
        rows: 30,
    };
    let wanted = inside("stty size; read line; echo got $line; exit 4");
    let attached = two.console(move |console| console.session(workload, &wanted)).await.unwrap();
    let Attachment { ends: Ends::Terminal(master), ended } = attached else {
        panic!("it is a terminal")
    };
    let typed = tokio::task::spawn_blocking(move || {
        let mut terminal = File::from(master);
        let mut said = String::new();
        while !said.contains("30 100") {
            let mut some = [0; 100];
            let read = terminal.read(&mut some).unwrap();
            said.push_str(std::str::from_utf8(&some[..read]).unwrap());
        }
        terminal.write_all(b"hello\n").unwrap();
        let mut rest = String::new();
        terminal.read_to_string(&mut rest).unwrap();
        rest
    });
    assert_eq!(typed.await.unwrap().trim(), "got hello");
    assert_eq!(ended.unwrap().await, Ok(Some(4)));
    assert!(!two.processes.dir.path().join("order").exists(), "what it was started with is gone");
    // A client that goes hangs up.
    let mark = two.processes.dir.path().join("hung-up");
    let script =
        format!("trap 'echo > {}; exit' HUP; while :; do sleep 0.05; done", mark.display());
    let wanted = inside(&format!("{script} # "));
    let attached = two.console(move |console| console.session(workload, &wanted)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(attached.ends);
    assert_eq!(attached.ended.unwrap().await, Ok(None));
    until("it hears of it", || mark.exists()).await;
    // So does a host that goes, and it is said why.
    let wanted = inside("sleep 99");
    let attached = two.console(move |console| console.session(workload, &wanted)).await.unwrap();
    two.stop_agent().await;
    let why = attached.ended.unwrap().await.unwrap_err();
    assert!(why.starts_with("the connection with its host broke off"), "{why}");
    let away = two.console(move |console| console.attach(workload).err()).await.unwrap();
    assert!(away.starts_with("the host node-1 is away"), "{away}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipes_of_a_process_are_closed_one_after_the_other() {
    let mut two = Two::start().await;
    let workload = two.workload();
    let attached = two.console(move |console| console.attach(workload)).await.unwrap();
    let Attachment { ends: Ends::Pipes { input, output }, ended } = attached else {
        panic!("it has pipes")
    };
    let piped = tokio::task::spawn_blocking(move || {
        let writes = std::thread::spawn(move || {
            File::from(input).write_all("a line\n".repeat(50_000).as_bytes()).unwrap();
        });
        let text = all_of(output);
        writes.join().unwrap();
        text
    });
    let text = piped.await.unwrap();
    assert_eq!(text.lines().filter(|line| *line == "a line").count(), 50_000);
    assert!(text.ends_with("\ndone\n"), "it wrote after its input had ended");
    assert_eq!(ended.unwrap().await, Ok(None), "its exit status is reported with the dyno's");
    two.stop_agent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_know_what_is_asked_is_named() {
    let two = Two::with(Arc::new(Processes::new()), Kinds::default()).await;
    let workload = two.workload();
    let why = two.console(move |console| console.attach(workload).err()).await.unwrap();
    let says =
        format!("release {} does not know streams of the kind 'attach'", env!("CARGO_PKG_VERSION"));
    assert_eq!(why, says);
    let (lines, _) = read(reader(&two, false)).await;
    assert!(lines[0].contains("does not know streams of the kind 'logs'"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_routers_served_is_forgotten_with_the_app() {
    let mut two = Two::start().await;
    two.processes.route(1, "at=info request_id=1");
    let app = two.server.state.world().apps().next().unwrap().id;
    two.server.state.router_log.forget(app).unwrap();
    until("it is forgotten", || two.processes.routed.lock().unwrap().is_empty()).await;
    two.stop_agent().await;
}

/// The disk of a service that was destroyed goes at once, and where its host was away then, later. One of
/// which the database knows nothing stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_a_destroyed_service_is_removed_where_it_is() {
    let mut two = Two::start().await;
    let addon = two.server.state.world().addons().next().unwrap().id;
    let unknown: AddonId = "00000000-0000-0000-0000-00000000dead".parse().unwrap();
    let host = two.id.to_string().parse().unwrap();
    let removed = Arc::clone(&two.processes.removed);
    let wait = async |what: &[AddonId]| {
        for _ in 0..500 {
            if *removed.lock().unwrap() == what {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?} and not {what:?} after 5 s", removed.lock().unwrap());
    };
    two.everywhere.remove_disk(host, addon);
    wait(&[addon]).await;
    // What the host has of disks, and a server which has destroyed one of the two.
    let disks = tempfile::tempdir().unwrap();
    for name in [addon.to_string(), unknown.to_string(), "lost+found".to_owned()] {
        std::fs::create_dir(disks.path().join(name)).unwrap();
    }
    let remove = two.processes.remove_disk();
    let ask = || {
        let (streams, remove) = (two.streams.clone(), Arc::clone(&remove));
        let removing = remove_disks(streams, disks.path().to_owned(), move |id| remove(id));
        tokio::time::timeout(Duration::from_millis(500), removing)
    };
    ask().await.unwrap_err();
    wait(&[addon]).await;
    let app = two.server.state.world().apps().find(|app| app.name == "shop").unwrap().id;
    let destroy = PlatformCommand::DeleteApp { app };
    two.server.command(Caller::System, destroy).await;
    assert!(two.server.state.world().addon(addon).is_none());
    ask().await.unwrap_err();
    wait(&[addon, addon]).await;
    two.stop_agent().await;
}

#[test]
fn a_command_that_is_given_up_is_not_left_behind() {
    let running = piped(&shell("exec sleep 1000")).unwrap();
    drop(running.process);
    let mut text = String::new();
    File::from(running.output).read_to_string(&mut text).unwrap();
    assert_eq!(text, "", "nobody writes there any more");
}

/// Whatever an agent sends is read or refused, and says the same once it is written and read again.
#[test]
fn fuzz_remote() {
    fuzz::target("remote", |input| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut from = input;
            while let Ok(Some(read)) = frame::read(&mut from).await {
                let mut written = Vec::new();
                match &read {
                    frame::Frame::Output(bytes) => frame::write(&mut written, false, bytes).await,
                    frame::Frame::Errors(bytes) => frame::write(&mut written, true, bytes).await,
                    frame::Frame::End(status) => frame::write_end(&mut written, *status).await,
                }
                .unwrap();
                assert_eq!(frame::read(&mut &written[..]).await.unwrap(), Some(read));
            }
        });
        fn again<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq>(input: &[u8]) {
            let Ok(read) = serde_json::from_slice::<T>(input) else { return };
            let written = serde_json::to_vec(&read).unwrap();
            assert!(serde_json::from_slice::<T>(&written).unwrap() == read);
        }
        again::<Answer>(input);
        again::<Asks>(input);
        again::<Attach>(input);
        let Ok(answer) = serde_json::from_slice::<Answer>(input) else { return };
        let _ = answer.into_part();
    });
}
