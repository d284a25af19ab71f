//! A real server for tests, with the real clients and real packets. Whatever it made goes when it
//! is dropped.

#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    reason = "each test binary uses a part of this"
)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![allow(clippy::print_stderr, reason = "a test says what went wrong while it cleans up")]

pub mod ansible;
pub mod browser;
pub mod capture;
mod clients;
pub mod hear;
pub mod model;
pub mod outside;
pub mod peering;
#[path = "../../../store/src/postgres/tests/server.rs"]
pub mod postgres;
pub mod pytest;
pub mod raw;
pub mod sdk;
pub mod second_factor;
pub mod stage;
pub mod talk;
pub mod terminal;
pub mod terraform;
pub mod web;

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use peering::{admit, join, join_vpcs, open, peer, peered_site, route};

/// A server of its own, in a temporary directory.
pub struct Server {
    child: Child,
    pub data: Data,
    pub url: String,
    /// What it said before it listened.
    pub said: String,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
    program: PathBuf,
}

/// Where a server keeps everything.
pub enum Data {
    /// A directory that goes with it.
    Ours(tempfile::TempDir),
    /// One that stays.
    Given(PathBuf),
}

impl Data {
    pub fn path(&self) -> &Path {
        match self {
            Self::Ours(dir) => dir.path(),
            Self::Given(path) => path,
        }
    }
}

fn causeway() -> Command {
    alone(Command::new(env!("CARGO_BIN_EXE_causeway")))
}

/// A command to which the shell around the tests says nothing: neither of another server nor, as
/// `CI` does to the heroku CLI's tables, how to print.
fn alone(mut command: Command) -> Command {
    command.env_clear().env("LANG", "C.UTF-8");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

impl Server {
    /// Starts one that carries packets.
    pub fn linux() -> Self {
        Self::start(&["--fabric", "linux", "--test-clock"])
    }

    /// Starts one that carries packets, with further arguments.
    pub fn linux_with(arguments: &[&str]) -> Self {
        Self::start(&[&["--fabric", "linux", "--test-clock"], arguments].concat())
    }

    /// Starts one without packets.
    pub fn none(arguments: &[&str]) -> Self {
        Self::start(&[&["--fabric", "none"], arguments].concat())
    }

    fn start(arguments: &[&str]) -> Self {
        Self::with(Data::Ours(tempfile::tempdir().unwrap()), arguments)
    }

    /// Starts one on a directory that is there already.
    pub fn on(data: &Path, arguments: &[&str]) -> Self {
        Self::with(Data::Given(data.to_owned()), arguments)
    }

    /// Starts one of another program on a directory that is there already.
    pub fn on_by(program: PathBuf, data: &Path, arguments: &[&str]) -> Self {
        Self::of(program, Data::Given(data.to_owned()), arguments)
    }

    fn with(data: Data, arguments: &[&str]) -> Self {
        Self::of(env!("CARGO_BIN_EXE_causeway").into(), data, arguments)
    }

    /// Starts one of another program, that carries packets.
    pub fn linux_of(program: PathBuf, arguments: &[&str]) -> Self {
        let arguments = [&["--fabric", "linux", "--test-clock"], arguments].concat();
        Self::of(program, Data::Ours(tempfile::tempdir().unwrap()), &arguments)
    }

    fn of(program: PathBuf, data: Data, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let (child, said, url) = spawn(&program, data.path(), &arguments);
        let mut server = Self { child, data, url, said, variables: Vec::new(), arguments, program };
        server.variables = server.env(&[]);
        server
    }

    /// Starts it again on the same data, from another program from now on.
    pub fn restart_as(&mut self, program: PathBuf) {
        self.program = program;
        self.restart();
    }

    /// Kills it as a power cut would, and starts it again on the same data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Closes the terminal that it was started in, as it were; how it ended.
    pub fn hang_up(&mut self) -> std::process::ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
        self.child.wait().unwrap()
    }

    /// Tells it to stop, as a service manager does; how it ended.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap()
    }

    /// Starts it again on the same data, and kills it after a while, whether it listens by then or not.
    pub fn kill_while_it_starts(&mut self, after: Duration) {
        let _ = std::fs::remove_file(self.data.path().join("serve.json"));
        self.child = start(&self.program, self.data.path(), &self.arguments);
        let begun = Instant::now();
        while begun.elapsed() < after {
            std::thread::yield_now();
        }
        self.kill();
    }

    /// Starts it again on the same data.
    pub fn restart(&mut self) {
        let _ = std::fs::remove_file(self.data.path().join("serve.json"));
        self.start_again();
    }

    /// The same, with the note that the one before has left of where it was.
    pub fn start_again(&mut self) {
        let (child, said, url) = spawn(&self.program, self.data.path(), &self.arguments);
        self.child = child;
        self.said = said;
        self.url = url;
        self.variables = self.env(&[]);
    }

    /// Starts it again on the same data, this once with further arguments.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        let before = self.arguments.clone();
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self.restart();
        self.arguments = before;
    }

    /// Starts it again on a database that is older than the last one: it refuses to start, and names
    /// the revision with which it is told to go on.
    pub fn restart_with_older_database(&mut self) {
        let said = self.try_start(&[]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let (_, revision) = said.err.split_once("--accept-database ").unwrap();
        let revision: String = revision.chars().take_while(char::is_ascii_digit).collect();
        self.restart_with(&["--accept-database", &revision]);
    }

    /// Starts another one on the same data, which is to be refused.
    pub fn try_start(&self, arguments: &[&str]) -> Ran {
        let mut command = causeway();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.data.path());
        command.args(&self.arguments).args(arguments);
        run(command)
    }

    /// The process, for its memory.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The variables that `causeway env` gives.
    pub fn env(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let json = self.causeway(&[&["env", "--json"], arguments].concat());
        let map: Value = serde_json::from_str(&json.ok()).unwrap();
        map.as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect()
    }

    /// Our own command, as the operator.
    pub fn causeway(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// Our own command with the variables of somebody, and nothing else that says who it is.
    pub fn causeway_as(&self, variables: &[(String, String)], arguments: &[&str]) -> Ran {
        let mut command = causeway();
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        run(command)
    }

    /// Our own command, which nothing is said to yet.
    pub fn plain(&self) -> Command {
        causeway()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        // What comes after `--` belongs to another command.
        let at = arguments.iter().position(|a| *a == "--").unwrap_or(arguments.len());
        let mut command = causeway();
        command.args(&arguments[..at]).arg("--data").arg(self.data.path());
        command.args(&arguments[at..]);
        command
    }

    /// Our own command, with something to read.
    pub fn causeway_reading(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = causeway();
        command.args(arguments).arg("--data").arg(self.data.path());
        let file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut &file, input.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut &file).unwrap();
        command.stdin(file);
        ran(command)
    }

    /// Our own command, as the operator, while it runs. Its output is to be read.
    pub fn causeway_child(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// The same with the variables of somebody, and nothing else that says who it is.
    pub fn causeway_child_as(&self, variables: &[(String, String)], arguments: &[&str]) -> Child {
        let mut command = causeway();
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Our own command with an editor, which is a line for a shell.
    pub fn causeway_editing(&self, editor: &str, arguments: &[&str]) -> Ran {
        let mut command = causeway();
        command.args(arguments).arg("--data").arg(self.data.path()).env("EDITOR", editor);
        run(command)
    }

    /// What `causeway status --json` says. Its exit status must say the same of the fabric, whatever
    /// that is: a server that has just started may still have all before it.
    #[track_caller]
    pub fn status(&self) -> Value {
        let ran = self.causeway(&["status", "--json"]);
        let status: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:#?}"));
        let expected = if status["fabric"]["healthy"] == true { 0 } else { 1 };
        assert_eq!(ran.code, Some(expected), "{ran:#?}");
        status
    }

    /// Our own command, on a terminal.
    pub fn causeway_on_terminal(&self, arguments: &[&str]) -> terminal::Terminal {
        let mut command = causeway();
        command.args(arguments).arg("--data").arg(self.data.path());
        terminal::Terminal::start(command)
    }

    fn at_home(&self, command: &mut Command, variables: &[(String, String)]) {
        let home = self.data.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        command
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_DATA_HOME", home.join("share"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "")
            .env("HEROKU_SKIP_NEW_VERSION_CHECK", "true")
            .env("HEROKU_DISABLE_AUTOUPDATE", "true")
            .env("DISABLE_TELEMETRY", "true")
            .env("COLUMNS", "250")
            .envs(variables.iter().map(|(name, value)| (name, value)));
    }

    /// Has the fabric compared and repaired now, and waits for it.
    pub fn sweep(&self) -> Value {
        self.causeway(&["fabric:sweep", "--json"]).json()
    }

    /// Whether TCP from a workload gets an answer from an address and port.
    pub fn connects(&self, from: &str, to: &str, port: u16) -> bool {
        let script = format!(
            "import socket,sys\ns=socket.socket()\ns.settimeout(0.7)\n\
             sys.exit(0 if s.connect_ex(('{to}',{port}))==0 else 7)"
        );
        let ran = self.causeway(&["exec", from, "--", "python3", "-c", &script]);
        match ran.code {
            Some(0) => true,
            Some(7) => false,
            _ => panic!("the probe itself failed: {ran:?}"),
        }
    }

    /// Asks until the answer is as wanted: what is waited for takes a moment, and says when.
    pub fn until(&self, what: &str, mut ask: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ask(self) {
            assert!(Instant::now() < deadline, "never came about: {what}\n{}", self.log());
            self.sweep();
        }
    }

    /// What the server wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
        // Once it was waited for, its number may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(self.child.id().cast_signed()),
                nix::sys::signal::Signal::SIGTERM,
            );
            let _ = self.child.wait();
        }
        if self.arguments.iter().any(|a| a == "linux") {
            let ran = self.causeway(&["fabric:purge", "--confirm"]);
            if ran.code != Some(0) {
                eprintln!("the networks of a test are still there: {ran:?}");
            }
        }
    }
}

/// Starts a server, which says on its standard output once it listens.
fn start(program: &Path, data: &Path, arguments: &[String]) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(data.join("server.log"))
        .unwrap();
    // A test that wants the same address again says which.
    let chosen = arguments.iter().any(|argument| argument == "--listen");
    alone(Command::new(program))
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(if chosen { &[][..] } else { &["--listen", "127.0.0.1:0"] })
        .args(arguments)
        .current_dir(data)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Starts a server, and waits until it listens: the process, what it said before, and where it is.
fn spawn(program: &Path, data: &Path, arguments: &[String]) -> (Child, String, String) {
    let mut child = start(program, data, arguments);
    // It says where it listens, and that it does.
    let mut output = child.stdout.take().unwrap();
    let mut said = Vec::new();
    let said_before;
    let mut byte = [0];
    let url = loop {
        if output.read(&mut byte).unwrap() == 0 {
            let log = std::fs::read_to_string(data.join("server.log")).unwrap_or_default();
            panic!("the server ended: {}\n{log}", String::from_utf8_lossy(&said));
        }
        said.push(byte[0]);
        let text = String::from_utf8_lossy(&said);
        if let Some((before, rest)) = text.split_once("Listening on ")
            && let Some((url, _)) = rest.split_once('\n')
        {
            said_before = before.to_owned();
            break url.to_owned();
        }
    };
    (child, said_before, url)
}

fn tool(variable: &str, name: &str) -> PathBuf {
    let pinned = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin").join(name);
    let tool = std::env::var_os(variable).map_or_else(pinned, PathBuf::from);
    assert!(tool.exists(), "{} is missing: run scripts/setup --for test", tool.display());
    tool
}

/// The program of the real `aws` command.
pub fn aws_program() -> PathBuf {
    tool("CAUSEWAY_TEST_AWS", "aws")
}

/// Runs the examples of documents, with our program and the real clients on the path.
pub fn docs_examples(workspace: &Path, documents: &[PathBuf]) -> Ran {
    let clients = [aws_program(), tool("CAUSEWAY_TEST_HEROKU", "heroku")];
    let ours = PathBuf::from(env!("CARGO_BIN_EXE_causeway"));
    let directories = std::iter::once(ours).chain(clients).map(|file| file.with_file_name(""));
    let given = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(directories.chain(std::env::split_paths(&given))).unwrap();
    let mut command = alone(Command::new(tool("CAUSEWAY_TEST_PYTHON", "../py/bin/python")));
    command.arg("-B").arg(workspace.join("tests/tools/docs-examples")).args(documents);
    run({
        command.env("PATH", path);
        command
    })
}

/// Runs a command of the machine's in a directory.
pub fn run_in(directory: &Path, words: &[&str]) -> Ran {
    let mut command = alone(Command::new(words[0]));
    command.args(&words[1..]).current_dir(directory);
    run(command)
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

fn run(mut command: Command) -> Ran {
    command.stdin(Stdio::null());
    ran(command)
}

/// Runs a command.
pub fn ran(mut command: Command) -> Ran {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

impl Ran {
    /// Its output, where it did what it was asked to.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out.clone()
    }

    /// Its output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// What it said when it was refused.
    #[track_caller]
    pub fn refused(&self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "not refused: {self:#?}");
        format!("{}{}", self.out, self.err)
    }
}

/// Whether an address of this machine answers.
pub fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// A transcript in which what differs from run to run is named instead.
pub fn redact(text: &str, names: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (value, name) in names {
        if !value.is_empty() {
            text = text.replace(value, name);
        }
    }
    text
}

/// A text of an answer.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// A VPC with an instance in it.
pub struct Site {
    pub vpc: String,
    pub subnet: String,
    pub group: String,
    pub table: String,
    pub instance: String,
    pub address: String,
}

/// Makes a VPC with an instance in it that runs a script, and waits until it runs.
pub fn site(server: &Server, cidr: &str, subnet_cidr: &str, script: &str) -> Site {
    let vpc = server.aws(&["ec2", "create-vpc", "--cidr-block", cidr]).json();
    let vpc = text(&vpc["Vpc"]["VpcId"]);
    let made = ["ec2", "create-subnet", "--vpc-id", &vpc, "--cidr-block", subnet_cidr];
    let subnet = text(&server.aws(&made).json()["Subnet"]["SubnetId"]);
    let instance = launch(server, &subnet, script);
    let filter = format!("Name=vpc-id,Values={vpc}");
    let groups = server.aws(&["ec2", "describe-security-groups", "--filters", &filter]).json();
    let tables = server.aws(&["ec2", "describe-route-tables", "--filters", &filter]).json();
    Site {
        vpc,
        subnet,
        group: text(&groups["SecurityGroups"][0]["GroupId"]),
        table: text(&tables["RouteTables"][0]["RouteTableId"]),
        address: instance.address,
        instance: instance.id,
    }
}

/// An instance that runs.
pub struct Instance {
    pub id: String,
    pub address: String,
}

/// Makes an instance that runs a script, and waits until it runs.
pub fn launch(server: &Server, subnet: &str, script: &str) -> Instance {
    launch_with(server, subnet, script, &[])
}

/// The same with further arguments of `run-instances`.
pub fn launch_with(server: &Server, subnet: &str, script: &str, more: &[&str]) -> Instance {
    let images = server.aws(&["ec2", "describe-images"]).json();
    let image = text(&images["Images"][0]["ImageId"]);
    let run = ["ec2", "run-instances", "--image-id", &image, "--subnet-id", subnet];
    let ran = server.aws(&[&run[..], &["--user-data", script], more].concat()).json();
    let made = &ran["Instances"][0];
    let instance =
        Instance { id: text(&made["InstanceId"]), address: text(&made["PrivateIpAddress"]) };
    server.until("the instance runs", |server| {
        let asked = ["ec2", "describe-instances", "--instance-ids", &instance.id];
        let found = server.aws(&asked).json();
        found["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
    });
    instance
}

/// A dyno that runs.
pub struct Dyno {
    pub target: String,
    pub address: String,
}

/// Starts a dyno with the real client, and waits until it runs.
pub fn dyno(server: &Server, app: &str, command: &str) -> Dyno {
    let list = |server: &Server| {
        let list = server.causeway(&["ps", "--app", app, "--json"]).json();
        list.as_array().unwrap().clone()
    };
    let before: Vec<Value> = list(server).iter().map(|d| d["name"].clone()).collect();
    server.heroku(&["run:detached", "--app", app, "--", command]).ok();
    let new = list(server).into_iter().find(|d| !before.contains(&d["name"])).unwrap();
    server.until("the dyno is up", |server| {
        list(server).iter().any(|d| d["name"] == new["name"] && d["state"] == "up")
    });
    let target = format!("{app}/{}", text(&new["name"]));
    let asked = server.causeway(&["exec", &target, "--", "sh", "-c", "echo $HEROKU_PRIVATE_IP"]);
    Dyno { address: asked.ok().trim().to_owned(), target }
}

/// Makes a space with an app in it; what a VPC's owner needs to know of the space.
pub fn space(server: &Server, name: &str, app: &str) -> Value {
    server.heroku(&["spaces:create", name, "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", name, "--json"]).json()["state"] == "allocated"
    });
    server.heroku(&["apps:create", app, "--space", name]).ok();
    server.causeway(&["spaces:peering:info", name, "--json"]).json()
}
