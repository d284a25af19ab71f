//! A PostgreSQL server of its own.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use crate::Node;
use crate::node::finish;
use crate::until;

/// The port on the node's loopback.
const PORT: u16 = 5432;
/// The user of the database.
const USER: &str = "causeway";
/// Where Debian puts versions of PostgreSQL.
const VERSIONS: &str = "/usr/lib/postgresql";

/// A server in a node, reached on the loopback there.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    password: PathBuf,
    /// Its version, such as `15`.
    pub version: u32,
}

impl Postgres {
    /// Starts one in a node, with its files below a directory that others can pass through.
    ///
    /// # Errors
    ///
    /// It is not installed, or does not start, with what it says.
    pub fn start(node: &Node, directory: &Path) -> anyhow::Result<Self> {
        let (version, programs) = newest()?;
        // PostgreSQL refuses to be the super-user's process.
        let user = User::from_name("postgres").ok().flatten();
        let (uid, gid) = user.map_or((65_534, 65_534), |it| (it.uid.as_raw(), it.gid.as_raw()));
        let home = directory.join("postgres");
        fs::DirBuilder::new().mode(0o700).create(&home).context("no directory for PostgreSQL")?;
        std::os::unix::fs::chown(&home, Some(uid), Some(gid)).context("PostgreSQL's directory")?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).context("no random bytes")?;
        let secret = hex::encode(secret);
        let given = home.join("password");
        fs::write(&given, format!("{secret}\n")).context("the password cannot be written")?;
        std::os::unix::fs::chown(&given, Some(uid), Some(gid)).context("the password's file")?;
        let by_user = |program: &str| {
            let mut command = node.command(Path::new("setpriv"));
            let (uid, gid) = (uid.to_string(), gid.to_string());
            command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
            command.args(["--pdeathsig", "KILL"]).arg(programs.join(program)).current_dir("/");
            command
        };
        let data = home.join("data");
        let mut init = by_user("initdb");
        init.arg("-D").arg(&data).arg("--pwfile").arg(&given);
        init.args(["-U", USER, "-A", "scram-sha-256", "--no-sync", "--encoding=UTF8"]);
        finish(init.arg("--locale=C"), "initdb")?;
        let log = File::create(directory.join("postgres.log")).context("PostgreSQL's log")?;
        let mut server = by_user("postgres");
        server.arg("-D").arg(&data);
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={PORT}"),
            format!("unix_socket_directories={}", home.display()),
            "shared_buffers=16MB".to_owned(),
        ] {
            server.arg("-c").arg(setting);
        }
        let child = server
            .stdout(log.try_clone().context("PostgreSQL's log")?)
            .stderr(log)
            .spawn()
            .context("PostgreSQL cannot be started")?;
        let password = directory.join("pgpass");
        let mut file = File::create(&password).context("the password cannot be written")?;
        file.set_permissions(fs::Permissions::from_mode(0o600)).context("the password's file")?;
        writeln!(file, "*:*:*:{USER}:{secret}").context("the password cannot be written")?;
        let mut postgres = Self { child, password, version };
        let ask = |program: &str, arguments: &[&str]| {
            let mut command = node.command(&programs.join(program));
            command.env("PGPASSFILE", &postgres.password).env("PGDATABASE", "postgres");
            command.args(["-h", "127.0.0.1", "-p", &PORT.to_string(), "-U", USER]).args(arguments);
            finish(&mut command, program)
        };
        let waited = until("PostgreSQL did not answer", || {
            if let Some(status) = postgres.child.try_wait().context("PostgreSQL is lost")? {
                bail!("PostgreSQL ended with {status}");
            }
            Ok(ask("pg_isready", &["-q"]).is_ok())
        });
        let made = waited.and_then(|()| ask("createdb", &[USER]));
        made.with_context(|| {
            let said = fs::read_to_string(directory.join("postgres.log")).unwrap_or_default();
            format!("PostgreSQL said:\n{said}")
        })?;
        Ok(postgres)
    }

    /// The address of its database, as `serve --store` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        let file = self.password.display();
        format!("postgres://{USER}@127.0.0.1:{PORT}/{USER}?passfile={file}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It ends at once, and takes the processes of its connections with it.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGQUIT);
        let _ = self.child.wait();
    }
}

/// The newest version that is installed, and where its programs are.
fn newest() -> anyhow::Result<(u32, PathBuf)> {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let with_server = |version: &u32| programs_of(*version).join("postgres").is_file();
    let newest = versions.filter_map(number).filter(with_server).max();
    let version = newest.context("there is no PostgreSQL: `apt install postgresql`")?;
    Ok((version, programs_of(version)))
}

fn programs_of(version: u32) -> PathBuf {
    PathBuf::from(format!("{VERSIONS}/{version}/bin"))
}
