//! A server whose ledger is on PostgreSQL beside one that has it in a file: how many changes each takes, and
//! what the same world costs each in memory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::api::{create, megabytes};
use super::client::{Connection, Server};
use super::postgres::Server as Postgres;
use crate::row;

/// How often everything is asked for before memory is looked at.
const LOOKS: usize = 3;
/// How long a server has been idle then.
const IDLE: Duration = Duration::from_secs(3);

pub fn run() -> anyhow::Result<()> {
    let postgres = Postgres::start("shared_buffers = '128MB'");
    let scratch = tempfile::tempdir()?;
    let passwords = scratch.path().join("pgpass");
    std::fs::write(&passwords, "*:*:*:app:secret of the test\n")?;
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o600))?;
    let url = |database: &str| {
        let (place, passwords) = (postgres.place(), passwords.display());
        format!("postgres://app@{place}/{database}?passfile={passwords}")
    };

    let alone = Server::start("none")?;
    let (in_file, _) = create(&alone)?;
    let beside =
        Server::on(tempfile::tempdir()?, "none", &["--store", &url(&postgres.database())])?;
    let (in_postgres, _) = create(&beside)?;
    drop(beside);
    row("CreateVpc by the API, SQLite, 8 connections", format!("{in_file:.0}/s"), "");
    row("CreateVpc by the API, PostgreSQL over TCP", format!("{in_postgres:.0}/s"), "");
    row("  PostgreSQL ÷ SQLite", format!("{:.2}", in_postgres / in_file), "");

    // The same world for both, as each has it after a start.
    let backup = scratch.path().join("backup");
    alone.causeway(&["backup", &backup.display().to_string()])?;
    drop(alone);
    let file = tempfile::tempdir()?;
    restore(&backup, file.path(), &[])?;
    let of_file = memory(&Server::on(file, "none", &[])?)?;
    let (dir, url) = (tempfile::tempdir()?, url(&postgres.database()));
    restore(&backup, dir.path(), &["--store", &url])?;
    let of_postgres = memory(&Server::on(dir, "none", &["--store", &url])?)?;
    row("memory, 10000 VPCs, SQLite", megabytes(of_file), "");
    row("memory, 10000 VPCs, PostgreSQL", megabytes(of_postgres), "");
    let more = of_postgres.saturating_sub(of_file);
    row("  PostgreSQL − SQLite", megabytes(more), "≤ 10 MB");
    Ok(())
}

fn restore(backup: &Path, to: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let program = std::env::var_os("CAUSEWAY").context("CAUSEWAY does not name the binary")?;
    let mut command = Command::new(program);
    command.arg("restore").arg(backup).args(arguments).arg("--data").arg(to);
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What a server has in memory that has answered and rests again, in KiB.
#[expect(clippy::disallowed_methods, reason = "nothing tells of rest")]
fn memory(server: &Server) -> anyhow::Result<u64> {
    let request = server.request("Action=DescribeVpcs")?;
    let mut connection = Connection::open(&server.address)?;
    for _ in 0..LOOKS {
        connection.exchange(&request)?;
    }
    drop(connection);
    std::thread::sleep(IDLE);
    server.memory()
}
