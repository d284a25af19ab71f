//! What is run once a server is up and before it says that it is ready.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, anyhow, bail};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::settings::variable;
use crate::usage::usage;

/// How a snapshot begins, and no shell's script.
const SNAPSHOT: &[u8] = b"{\"causeway_snapshot\":";

/// Runs a file of commands with bash. What the commands print goes to standard error; where one of them
/// fails, its line and status are the last line on standard output.
const BY_BASH: &str = r#"
exec 3>&1 1>&2
set -eE -o pipefail
trap 'status=$?; echo "$LINENO $status" >&3; exit "$status"' ERR
. "$1"
"#;

/// The same with a shell that has no trap for errors, as in a small container. Some know at their end in
/// which line they are; of others only the status is learnt.
const BY_SH: &str = r#"
exec 3>&1 1>&2
set -e
trap 'status=$?; [ "$status" = 0 ] || echo "$LINENO $status" >&3' EXIT
. "$1"
"#;

/// Looks whether the files are there that are to be run.
///
/// # Errors
///
/// The first of them that cannot be read.
pub(super) fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    for path in files {
        let file = std::fs::File::open(path).and_then(|file| file.metadata());
        let file = file.with_context(|| format!("--init {} cannot be read", path.display()))?;
        if file.is_dir() {
            return Err(usage(format!("--init {} is a directory", path.display())));
        }
    }
    Ok(())
}

/// Where the server is, for commands on its machine.
pub(super) struct Whereabouts<'a> {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Where it keeps its data.
    pub(super) data: &'a Path,
}

impl Whereabouts<'_> {
    /// Adds it to a command of ours.
    fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let (ip, port) = (self.address.ip(), self.address.port());
        let near = match ip {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let url = format!("http://{}", SocketAddr::new(near, port));
        command.arg("--data").arg(self.data).arg("--url").arg(url)
    }
}

/// Runs the files in their order, or none of them if one cannot be read. Returns early if the server is
/// told to stop.
///
/// # Errors
///
/// A file that cannot be read, or the first command that fails, with its line.
pub(super) async fn run(
    files: &[PathBuf],
    server: &Whereabouts<'_>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut kinds = Vec::new();
    for file in files {
        let is_snapshot = is_snapshot(file)
            .map_err(|error| usage(format!("--init {}: {error}", file.display())))?;
        kinds.push((file, is_snapshot));
    }
    let us = std::env::current_exe().context("this program's own file is not known")?;
    let variables = variables(&us, server, stop).await?;
    for (file, is_snapshot) in kinds {
        if stop.is_cancelled() {
            return Ok(());
        }
        tracing::info!(file = %file.display(), "runs what comes before the server is ready");
        if is_snapshot {
            load(&us, file, server, stop).await?;
        } else {
            execute(&us, file, &variables, stop).await?;
        }
    }
    Ok(())
}

fn is_snapshot(file: &Path) -> std::io::Result<bool> {
    let mut begin = Vec::new();
    std::fs::File::open(file)?.take(SNAPSHOT.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == SNAPSHOT)
}

/// What `causeway env` says about the server.
async fn variables(
    us: &Path,
    server: &Whereabouts<'_>,
    stop: &CancellationToken,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut env = Command::new(us);
    server.tell(env.args(["env", "--json"])).stderr(Stdio::piped());
    let output = ended(env, stop).await?;
    if stop.is_cancelled() {
        return Ok(BTreeMap::new());
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`causeway env` cannot tell where the server is: {}", said.trim());
    }
    serde_json::from_slice(&output.stdout).context("`causeway env` printed no JSON")
}

async fn load(
    us: &Path,
    file: &Path,
    server: &Whereabouts<'_>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut load = Command::new(us);
    server.tell(load.args(["snapshot", "load"]).arg(file)).stderr(Stdio::piped());
    let output = ended(load, stop).await?;
    if output.status.success() || stop.is_cancelled() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("Error: ").to_owned();
    bail!("--init {}: {said}", file.display());
}

async fn execute(
    us: &Path,
    file: &Path,
    variables: &BTreeMap<String, String>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let shown = file.display();
    let (shell, script) = match on_path("bash") {
        true => ("bash", BY_BASH),
        false => ("sh", BY_SH),
    };
    let mut read = Command::new(shell);
    read.arg("-n").arg(file).stderr(Stdio::piped());
    let read = ended(read, stop).await.context("--init needs a shell for files of commands")?;
    if !read.status.success() && !stop.is_cancelled() {
        bail!("--init: {}", String::from_utf8_lossy(&read.stderr).trim());
    }
    let mut command = Command::new(shell);
    command
        .args(["-c", script, "causeway-init"])
        .arg(std::path::absolute(file)?)
        .envs(variables)
        .env("PATH", path(us))
        // The aws command would wait for somebody who turns pages.
        .env("AWS_PAGER", "")
        .stderr(Stdio::inherit());
    let output = ended(command, stop).await?;
    if output.status.success() || stop.is_cancelled() {
        return Ok(());
    }
    let last = String::from_utf8_lossy(&output.stdout);
    let failed = last.lines().last().and_then(|line| line.split_once(' '));
    let Some((line, status)) = failed.filter(|(line, _)| !line.is_empty()) else {
        return Err(anyhow!("--init {shown} ended with {}", output.status));
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let number = line.parse().unwrap_or(0_usize);
    let text = text.lines().nth(number.saturating_sub(1)).unwrap_or_default().trim();
    bail!("--init {shown}, line {line}, ended with status {status}: {text}")
}

/// Whether there is a program of this name.
fn on_path(name: &str) -> bool {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// The path on which this program is found as `causeway`.
fn path(us: &Path) -> OsString {
    let given = variable("PATH").unwrap_or_default();
    let ours = us.parent().map(Path::to_owned);
    let all = ours.into_iter().chain(std::env::split_paths(&given));
    std::env::join_paths(all).unwrap_or(given)
}

/// Runs a program to its end, or until the server is told to stop: then the program is ended, with all
/// that it has started.
async fn ended(mut command: Command, stop: &CancellationToken) -> anyhow::Result<Output> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{name} cannot be started"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(nix::unistd::Pid::from_raw);
    let stopped = async {
        stop.cancelled().await;
        if let Some(group) = group {
            // An error means that it has ended by itself.
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGTERM);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        output = child.wait_with_output() => output.with_context(|| format!("{name} is lost")),
        () = stopped => unreachable!("it waits for ever"),
    }
}
