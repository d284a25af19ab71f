//! The demo's own server, in a temporary directory, and its end.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use super::child::{self, Finished};
use super::http::Http;
use super::stop::Stop;
use crate::settings::Fabric;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);
/// How long it may take to end.
const END: Duration = Duration::from_secs(15);
/// How long one of our own commands may take.
pub const OWN: Duration = Duration::from_secs(30);

/// A server that is ours alone.
pub struct Server {
    exe: PathBuf,
    directory: PathBuf,
    fabric: Fabric,
    child: Option<Child>,
    /// Where it listens.
    pub url: String,
    finished: bool,
}

impl Server {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    ///
    /// What keeps it from starting, with the end of its log.
    pub fn start(fabric: Fabric, host: IpAddr, stop: &Stop) -> anyhow::Result<Self> {
        let exe = std::env::current_exe().context("this program's own file is not known")?;
        let directory = tempfile::Builder::new()
            .prefix("causeway-demo-")
            .tempdir()
            .context("a temporary directory cannot be made")?
            // What may hold mounts is removed by a look first, not by a destructor.
            .keep();
        let mut server =
            Self { exe, directory, fabric, child: None, url: String::new(), finished: false };
        fs::create_dir(server.home()).context("a directory for the clients cannot be made")?;
        server.launch(host)?;
        server.await_answer(stop).with_context(|| {
            format!("the server of the demo did not start. It said:\n{}", server.log_tail(20))
        })?;
        Ok(server)
    }

    fn launch(&mut self, host: IpAddr) -> anyhow::Result<()> {
        let log = File::create(self.log()).context("the server's log cannot be made")?;
        let fabric = match self.fabric {
            Fabric::Linux => "linux",
            Fabric::None => "none",
        };
        let child = self
            .own(&["serve", "--fabric", fabric])
            .arg("--listen")
            .arg(SocketAddr::new(host, 0).to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("the server's log cannot be shared")?)
            .stderr(log)
            // A Ctrl-C is for the demo, which then ends the server.
            .process_group(0)
            .spawn()
            .context("the server cannot be started")?;
        self.child = Some(child);
        Ok(())
    }

    fn await_answer(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let http = Http::new()?;
        let started = Instant::now();
        loop {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait().context("the server is lost")?
            {
                bail!("it ended with {status}");
            }
            if let Some(url) = self.noted() {
                let answer = http.send("GET", &format!("{url}/healthz"), &[], "");
                if matches!(answer, Ok((200, _))) {
                    self.url = url;
                    return Ok(());
                }
            }
            if started.elapsed() > START {
                bail!("it did not answer within {START:?}");
            }
            stop.pause(Duration::from_millis(20))?;
        }
    }

    fn noted(&self) -> Option<String> {
        let note = fs::read_to_string(self.data().join("serve.json")).ok()?;
        let note: Value = serde_json::from_str(&note).ok()?;
        note["url"].as_str().map(|url| url.trim_end_matches('/').to_owned())
    }

    /// Where it keeps everything.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// A home for the clients, so that nothing of the user's is read or changed.
    pub fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// One of our own commands, pointed at this server.
    pub fn own(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.exe);
        let given = std::env::vars_os().map(|(name, _)| name);
        for name in given.filter(|name| name.to_string_lossy().starts_with("CAUSEWAY_")) {
            if name != "CAUSEWAY_LOG" {
                command.env_remove(name);
            }
        }
        command.env_remove("HEROKU_API_KEY").env("CAUSEWAY_DATA", self.data()).args(words);
        command
    }

    /// Runs one of our own commands to its end.
    ///
    /// # Errors
    ///
    /// As [`child::run`].
    pub fn run_own(&self, words: &[&str], stop: &Stop) -> anyhow::Result<Finished> {
        child::run(self.own(words), OWN, stop)
    }

    /// Runs one of our own commands and reads the JSON that it prints.
    ///
    /// # Errors
    ///
    /// Where it prints none: what it says instead.
    pub fn ask(&self, words: &[&str], stop: &Stop) -> anyhow::Result<Value> {
        let done = self.run_own(words, stop)?;
        serde_json::from_str(&done.stdout).with_context(|| {
            format!("causeway {}: {}{}", words.join(" "), done.stdout, done.stderr.trim())
        })
    }

    /// Ends the server, removes its networks and its directory. A second call does nothing.
    ///
    /// # Errors
    ///
    /// What is left behind, and where.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        if let Some(child) = self.child.take() {
            end(child)?;
        }
        let at = self.directory.display().to_string();
        if self.fabric == Fabric::Linux && self.data().exists() {
            // What ends the demo must not end its cleaning up.
            let data = self.data().display().to_string();
            let purge = ["fabric:purge", "--data", &data, "--confirm"];
            let purged = self.run_own(&purge, &Stop::default())?;
            if !purged.ok {
                bail!("the networks of {at} are left behind: {}", purged.stderr.trim());
            }
        }
        // Never through a mount: what is mounted there is the machine's own.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if mounts_below(&mounts, &self.directory) {
            bail!("something is still mounted below {at}, so it was not removed");
        }
        fs::remove_dir_all(&self.directory).with_context(|| format!("{at} cannot be removed"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // On the way out of an error or a panic; nobody is left to tell.
        let _ = self.finish();
    }
}

/// Ends a server gracefully, or else by force.
fn end(mut child: Child) -> anyhow::Result<()> {
    let group = Pid::from_raw(child::group_of(&child)?);
    // It is not reaped yet, so the id is still its own.
    let _ = kill(group, Signal::SIGTERM);
    let (ended, end) = channel();
    std::thread::spawn(move || {
        let _ = ended.send(child.wait());
    });
    if end.recv_timeout(END).is_err() {
        let _ = killpg(group, Signal::SIGKILL);
        let _ = end.recv_timeout(END);
        bail!("the server (process {group}) did not end within {END:?} and was killed");
    }
    Ok(())
}

/// Whether anything is mounted in a directory, by `/proc/self/mountinfo`.
fn mounts_below(mountinfo: &str, directory: &Path) -> bool {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|point| Path::new(&point.replace("\\040", " ")).starts_with(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_directory_are_seen() {
        let info = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    30 22 0:5 / /tmp/causeway-demo-x/data/w/rootfs rw - tmpfs tmpfs rw\n";
        assert!(mounts_below(info, Path::new("/tmp/causeway-demo-x")));
        assert!(!mounts_below(info, Path::new("/tmp/causeway-demo-y")));
        assert!(!mounts_below(info, Path::new("/tmp/causeway-demo")));
    }
}
