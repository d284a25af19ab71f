//! The demo's own server, in a temporary directory, and its end.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use super::Plan;
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

/// A server that is ours alone, or one that runs and is lent to us.
pub struct Server {
    exe: PathBuf,
    directory: PathBuf,
    fabric: Fabric,
    child: Option<Child>,
    lent: Option<Lent>,
    team: String,
    made: Mutex<Made>,
    /// Where it listens.
    pub url: String,
    finished: bool,
}

/// How to use a server that is not ours.
struct Lent {
    /// Its data directory, which makes us its operator; without it we are who the variables say.
    data: Option<PathBuf>,
}

/// What must go again on a server that is not ours.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Made {
    /// The space, once it was made.
    pub space: Option<String>,
    /// The app.
    pub app: Option<String>,
    /// VPCs.
    pub vpcs: Vec<String>,
}

impl Made {
    fn note_heroku(&mut self, words: &[&str]) {
        match *words {
            ["spaces:create", name, ..] => self.space = Some(name.to_owned()),
            ["apps:create", name, ..] => self.app = Some(name.to_owned()),
            ["spaces:destroy", ..] => self.space = None,
            ["apps:destroy", ..] => self.app = None,
            _ => {}
        }
    }

    fn note_aws(&mut self, words: &[&str], said: &str) {
        match *words {
            ["ec2", "create-vpc", ..] => {
                let id = said.find("vpc-").map(|at| &said[at..]).unwrap_or_default();
                let end = id.find(|c: char| !c.is_alphanumeric() && c != '-').unwrap_or(id.len());
                self.vpcs.push(id[..end].to_owned());
            }
            ["ec2", "delete-vpc", ..] => self.vpcs.retain(|vpc| !words.contains(&vpc.as_str())),
            _ => {}
        }
    }
}

impl Server {
    /// Uses one that runs.
    ///
    /// # Errors
    ///
    /// A server that does not answer.
    pub fn attach(url: &str, plan: &Plan, stop: &Stop) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let data = plan.connection.named_data();
        let mut server = Self::prepare(Fabric::None, plan.team.clone())?;
        server.lent = Some(Lent { data: data.clone() });
        server.url = url;
        let answer = Http::new()?.send("GET", &format!("{}/healthz", server.url), &[], "");
        if !matches!(answer, Ok((200, _))) {
            bail!("no server answers on {}; start one with `causeway serve`", server.url);
        }
        if data.is_some() {
            let status = server.ask(&["status", "--json"], stop)?;
            if status["fabric"]["driver"] == "linux" {
                server.fabric = Fabric::Linux;
            }
        }
        Ok(server)
    }

    fn prepare(fabric: Fabric, team: String) -> anyhow::Result<Self> {
        let exe = std::env::current_exe().context("this program's own file is not known")?;
        let directory = tempfile::Builder::new()
            .prefix("causeway-demo-")
            .tempdir()
            .context("a temporary directory cannot be made")?
            // What may hold mounts is removed by a look first, not by a destructor.
            .keep();
        let server = Self {
            exe,
            directory,
            fabric,
            child: None,
            lent: None,
            team,
            made: Mutex::default(),
            url: String::new(),
            finished: false,
        };
        fs::create_dir(server.home()).context("a directory for the clients cannot be made")?;
        Ok(server)
    }

    /// Whether it goes with the demo.
    pub fn is_ours(&self) -> bool {
        self.lent.is_none()
    }

    /// Who is to own the space.
    pub fn team(&self) -> &str {
        &self.team
    }

    /// Why no packet can be tried, if none can.
    pub fn moves_none(&self) -> Option<&'static str> {
        match (&self.lent, self.fabric) {
            (_, Fabric::Linux) => None,
            (Some(Lent { data: None }), Fabric::None) => {
                Some("without --data of a server on this host nobody gets into a dyno")
            }
            (Some(_) | None, Fabric::None) => Some("--fabric none moves none"),
        }
    }

    /// Whether the variables of the environment say who we are there.
    pub fn by_variables(&self) -> bool {
        matches!(self.lent, Some(Lent { data: None }))
    }

    /// The line that introduces it.
    pub fn described(&self) -> String {
        match self.lent {
            None => {
                format!("server  {} (process {}), in a temporary directory", self.url, self.pid())
            }
            Some(_) => format!("server  {}, which runs and stays", self.url),
        }
    }

    /// Notes what a `heroku` command made or removed.
    pub fn note_heroku(&self, words: &[&str]) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).note_heroku(words);
    }

    /// Notes what an `aws` command made or removed.
    pub fn note_aws(&self, words: &[&str], said: &str) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).note_aws(words, said);
    }

    /// What was made and is still there.
    pub fn made(&self) -> Made {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts one and waits until it answers.
    ///
    /// # Errors
    ///
    /// What keeps it from starting, with the end of its log.
    pub fn start(fabric: Fabric, host: IpAddr, stop: &Stop) -> anyhow::Result<Self> {
        let mut server = Self::prepare(fabric, server::FIRST_TEAM.to_owned())?;
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
        match &self.lent {
            None => command.env_remove("HEROKU_API_KEY").env("CAUSEWAY_DATA", self.data()),
            Some(Lent { data }) => {
                command.env("CAUSEWAY_URL", &self.url);
                match data {
                    Some(data) => command.env_remove("HEROKU_API_KEY").env("CAUSEWAY_DATA", data),
                    None => &mut command,
                }
            }
        };
        command.args(words);
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
        if self.is_ours() && self.fabric == Fabric::Linux && self.data().exists() {
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
    fn what_was_made_is_noted_until_it_is_gone() {
        let mut made = Made::default();
        made.note_heroku(&["spaces:create", "demo-space", "--team", "team"]);
        made.note_heroku(&["apps:create", "shop", "--space", "demo-space"]);
        made.note_aws(&["ec2", "create-vpc"], "vpc-0123456789abcdef0\n");
        made.note_aws(&["ec2", "create-vpc"], "{\"Vpc\": {\"VpcId\": \"vpc-1\"}}");
        assert_eq!(made.vpcs, ["vpc-0123456789abcdef0", "vpc-1"]);
        made.note_aws(&["ec2", "delete-vpc", "--vpc-id", "vpc-1"], "");
        made.note_heroku(&["apps:destroy", "--app", "shop"]);
        let left = Made {
            space: Some("demo-space".to_owned()),
            app: None,
            vpcs: vec!["vpc-0123456789abcdef0".to_owned()],
        };
        assert_eq!(made, left);
    }

    #[test]
    fn mounts_below_a_directory_are_seen() {
        let info = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    30 22 0:5 / /tmp/causeway-demo-x/data/w/rootfs rw - tmpfs tmpfs rw\n";
        assert!(mounts_below(info, Path::new("/tmp/causeway-demo-x")));
        assert!(!mounts_below(info, Path::new("/tmp/causeway-demo-y")));
        assert!(!mounts_below(info, Path::new("/tmp/causeway-demo")));
    }
}
