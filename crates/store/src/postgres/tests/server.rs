//! A PostgreSQL server for tests, that ends and leaves nothing when the test's process does.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server with a cluster of its own. It is no super-user's process: PostgreSQL refuses that.
pub(crate) struct Server {
    dir: TempDir,
    port: u16,
    /// Ends the server when its standard input does.
    keeper: Child,
}

/// Waits before it is looked again whether a program listens.
#[expect(clippy::disallowed_methods, reason = "a program of others wakes nobody")]
pub(crate) fn look_again() {
    std::thread::sleep(Duration::from_millis(20));
}

/// A pooler in front of a server.
pub(crate) struct Pooler {
    child: Child,
    port: u16,
}

impl Pooler {
    /// The address of a database behind it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://app@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // Gone already, if it cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the programs of the newest version are that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let version = |entry: std::io::Result<fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse::<u32>().ok()
    };
    let newest = versions.filter_map(version).max().expect("some version is installed");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}

/// A program that is run by nobody, if the test is run by the super-user.
fn by_nobody(program: &Path) -> Command {
    if !nix::unistd::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

impl Server {
    /// Starts one with settings of its own besides the usual ones.
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_in(&std::env::temp_dir(), &[], settings)
    }

    /// Starts one whose files are in a directory, made with further arguments of initdb.
    pub(crate) fn start_in(parent: &Path, made: &[&str], settings: &str) -> Self {
        let dir = tempfile::tempdir_in(parent).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let password = dir.path().join("password");
        fs::write(&password, "secret of the test\n").unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
        let data = dir.path().join("data");
        run(by_nobody(&programs().join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-U", "app", "-A", "scram-sha-256", "--no-sync", "--encoding=UTF8"])
            .arg("--locale=C")
            .args(made)
            .arg("--pwfile")
            .arg(&password));
        Self::start_on(dir, settings)
    }

    /// Starts a standby of a server, which needs settings for it.
    pub(crate) fn standby(&self, settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = dir.path().join("data");
        run(by_nobody(&programs().join("pg_basebackup"))
            .arg("-D")
            .arg(&data)
            .args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d"])
            .arg(self.url("postgres")));
        Self::start_on(dir, settings)
    }

    fn start_on(dir: TempDir, settings: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut file =
            fs::File::options().append(true).open(dir.path().join("data/postgresql.conf")).unwrap();
        writeln!(
            file,
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n\
             max_connections = 60\nshared_buffers = '16MB'\nmin_wal_size = '32MB'\n\
             autovacuum = off\nlogging_collector = off\n{settings}",
            dir.path().display()
        )
        .unwrap();
        let keeper = Self::keeper(dir.path(), port);
        Self { dir, port, keeper }
    }

    fn keeper(dir: &Path, port: u16) -> Child {
        let log = fs::File::options().append(true).create(true).open(dir.join("log")).unwrap();
        // Whoever holds the other end of the pipe says how to end it, or just ends: then nobody needs what it
        // kept. A server that tests share is never dropped, so that this is what removes its directory.
        let script = r#"
            dir=$1; shift
            "$@" -D "$dir/data" <&- &
            read -r signal || signal=
            kill -s "${signal:-QUIT}" $!
            wait
            [ -n "$signal" ] || rm -rf "$dir""#;
        let server = by_nobody(&programs().join("postgres"));
        let keeper = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(dir)
            .arg(server.get_program())
            .args(server.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        let ready = || {
            let mut ask = Command::new(programs().join("pg_isready"));
            let port = port.to_string();
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().unwrap().success()
        };
        while !(TcpStream::connect(("127.0.0.1", port)).is_ok() && ready()) {
            let log = || fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "PostgreSQL does not start: {}", log());
            look_again();
        }
        keeper
    }

    /// Ends the server, by a signal.
    pub(crate) fn stop(&mut self, signal: &str) {
        // Its end is what is waited for.
        let _ = self.keeper.stdin.take().map(|mut stdin| writeln!(stdin, "{signal}"));
        self.keeper.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        self.keeper = Self::keeper(self.dir.path(), self.port);
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        let data = self.dir.path().join("data");
        run(by_nobody(&programs().join("pg_ctl")).args(["promote", "-w", "-D"]).arg(data));
    }

    /// Puts a file of the server's own beside its data, and says where.
    pub(crate) fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let script = r#"umask 077; printf %s "$2" > "$1""#;
        run(by_nobody(Path::new("/bin/sh")).args(["-c", script, "sh"]).arg(&path).arg(content));
        path
    }

    /// Changes settings of the server that need no new start.
    pub(crate) fn set(&self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            self.sql("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"));
        }
        self.sql("postgres", "SELECT pg_reload_conf(), pg_sleep(0.3)");
    }

    /// A pgbouncer before this server, which gives each transaction or each session a connection.
    pub(crate) fn pooler(&self, mode: &str) -> Pooler {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=app password='secret of the test'\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n\
             pool_mode = {mode}\nunix_socket_dir =\n",
            self.port
        );
        let file = self.put(&format!("pgbouncer-{port}.ini"), &settings);
        let child = by_nobody(Path::new("/usr/sbin/pgbouncer"))
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "pgbouncer does not start");
            look_again();
        }
        Pooler { child, port }
    }

    /// The address of a database over TCP.
    pub(crate) fn url(&self, database: &str) -> String {
        let port = self.port;
        format!("postgres://app:secret%20of%20the%20test@127.0.0.1:{port}/{database}")
    }

    /// Its host and port.
    pub(crate) fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of a database on the socket of this machine.
    pub(crate) fn socket(&self, database: &str) -> String {
        let (dir, port) = (self.dir.path().display(), self.port);
        format!(
            "postgres:///{database}?host={dir}&port={port}&user=app&password=secret%20of%20the%20test"
        )
    }

    /// What a statement answers.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement]).arg(self.url(database));
        String::from_utf8(run(&mut psql).stdout).unwrap().trim().to_owned()
    }

    /// Makes an empty database, and says its name.
    pub(crate) fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} STRATEGY file_copy"));
        name
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
