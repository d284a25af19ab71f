//! Real servers of OVSDB for tests, each in a directory of its own.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use causeway_ovsdb::{Client, Config, Database, Endpoint, Row, Watch};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(30);

const SCHEMA: &str = r#"{
    "name": "D", "version": "1.2.3",
    "tables": {
        "Global": {"isRoot": true, "maxRows": 1, "columns": {
            "cfg": {"type": "integer"},
            "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}},
        "Switch": {"isRoot": true, "columns": {
            "name": {"type": "string"},
            "ports": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}}}},
        "Port": {"isRoot": true, "indexes": [["name"]], "columns": {
            "name": {"type": "string"},
            "tag": {"type": {"key": {"type": "integer", "maxInteger": 4095}, "min": 0, "max": 1}},
            "weight": {"type": "real"},
            "up": {"type": "boolean"},
            "addresses": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
            "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}}
    }
}"#;

/// A server that runs, and is killed when it is dropped.
pub struct Server {
    dir: tempfile::TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A server of a database that is made by `ovsdb-tool` with these arguments, `DB` and `SCHEMA` being
    /// the files.
    fn make(tool: &[&str], arguments: Vec<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("schema"), SCHEMA).unwrap();
        let mut server = Self { dir, arguments, child: None };
        let arguments: Vec<PathBuf> = tool
            .iter()
            .map(|argument| match *argument {
                "DB" => server.path("db"),
                "SCHEMA" => server.path("schema"),
                other => other.into(),
            })
            .collect();
        run("ovsdb-tool", &arguments);
        server.start();
        server
    }

    /// A server that is alone, with further arguments.
    pub fn alone(arguments: &[String]) -> Self {
        Self::make(&["create", "DB", "SCHEMA"], arguments.to_vec())
    }

    /// The first server of a cluster, which talks to others on a port.
    pub fn first(port: u16) -> Self {
        let address = format!("tcp:127.0.0.1:{port}");
        Self::make(&["create-cluster", "DB", "SCHEMA", &address], Vec::new())
    }

    /// A further server of a cluster.
    pub fn further(port: u16, first: u16) -> Self {
        let (address, first) = (format!("tcp:127.0.0.1:{port}"), format!("tcp:127.0.0.1:{first}"));
        Self::make(&["join-cluster", "DB", "D", &address, &first], Vec::new())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.path("socket"))
    }

    pub fn start(&mut self) {
        let child = Command::new(program("ovsdb-server"))
            .arg(format!("--remote=punix:{}", self.path("socket").display()))
            .arg(format!("--unixctl={}", self.path("control").display()))
            .args(["--no-chdir", "-vconsole:off"])
            .args(&self.arguments)
            .arg(self.path("db"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().unwrap().id();
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Does a transaction in the file of a server that does not run.
    pub fn change_file(&self, operations: &str) {
        assert!(self.child.is_none());
        run("ovsdb-tool", &["transact".into(), self.path("db"), operations.into()]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A client that watches all that tests are about, and does not wait for long.
pub fn config(endpoints: Vec<Endpoint>) -> Config {
    let mut config = Config::new("D", endpoints);
    config.pauses = (Duration::from_millis(20), Duration::from_millis(200));
    config.watches = vec![
        Watch::columns("Port", &["name", "tag", "weight", "up", "addresses", "external_ids"]),
        Watch::columns("Switch", &["name", "ports"]),
        Watch::columns("Global", &["cfg", "external_ids"]),
    ];
    config
}

pub fn connected(config: Config) -> Client {
    let client = Client::start(config).unwrap();
    assert!(client.wait_until_connected(LONG), "{:?}", client.status());
    client
}

/// The port of a name.
pub fn port<'a>(database: &'a Database, name: &str) -> Option<&'a Row> {
    database.rows("Port").map(|(_, row)| row).find(|row| row.text("name") == Some(name))
}

/// The names of all ports, in order.
pub fn names(database: &Database) -> Vec<String> {
    let name = |(_, row): (_, &Row)| row.text("name").unwrap().to_owned();
    let mut names: Vec<_> = database.rows("Port").map(name).collect();
    names.sort();
    names
}

/// A port of this host that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(name: &str, arguments: &[impl AsRef<OsStr>]) {
    let output = Command::new(program(name)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Debian has servers where not everybody's `PATH` leads.
fn program(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("no {name}: scripts/setup installs it"))
}
