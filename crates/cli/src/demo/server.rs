//! The server that the demo works on: its own in a temporary directory, or one that runs already.

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

use super::child::{self, Finished};
use super::stop::Stop;
use crate::arguments::demo::DemoArgs;
use crate::client::{Http, TrustArgs, noted};
use crate::settings::Fabric;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a server may take to end.
const END: Duration = Duration::from_secs(15);
/// How long one of our own commands may take.
pub(crate) const OWN: Duration = Duration::from_secs(30);

/// The server that the demo works on.
pub(crate) struct Server {
    exe: PathBuf,
    directory: PathBuf,
    fabric: Fabric,
    child: Option<Child>,
    attached: Option<Attached>,
    team: String,
    created: Mutex<Created>,
    /// The server's address.
    pub(crate) url: String,
    finished: bool,
}

/// How to use a server that runs already.
struct Attached {
    /// Its data directory, which makes us its operator; without it we are who the variables say.
    data: Option<PathBuf>,
}

/// What the demo has created and must remove again on a server that runs already.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    /// The name of the space.
    pub(crate) space: Option<String>,
    /// The name of the app.
    pub(crate) app: Option<String>,
    /// The ids of VPCs.
    pub(crate) vpcs: Vec<String>,
}

impl Created {
    fn note_heroku(&mut self, words: &[&str]) {
        match *words {
            ["spaces:create", name, ..] => self.space = Some(name.to_owned()),
            ["apps:create", name, ..] => self.app = Some(name.to_owned()),
            ["spaces:destroy", ..] => self.space = None,
            ["apps:destroy", ..] => self.app = None,
            _ => {}
        }
    }

    fn note_aws(&mut self, words: &[&str], output: &str) {
        match *words {
            ["ec2", "create-vpc", ..] => {
                let id = output.find("vpc-").map(|at| &output[at..]).unwrap_or_default();
                let end = id.find(|c: char| !c.is_alphanumeric() && c != '-').unwrap_or(id.len());
                self.vpcs.push(id[..end].to_owned());
            }
            ["ec2", "delete-vpc", ..] => self.vpcs.retain(|vpc| !words.contains(&vpc.as_str())),
            _ => {}
        }
    }
}

impl Server {
    /// Uses a server that runs already. It is an error if it does not answer.
    pub(crate) fn attach(url: &str, plan: &DemoArgs, stop: &Stop) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let data = plan.connection.named_data();
        let mut server = Self::prepare(Fabric::None, plan.team.clone())?;
        server.attached = Some(Attached { data: data.clone() });
        server.url = url;
        let http = Http::new(&server.url, &TrustArgs::default())?;
        let answer = http.send("GET", &format!("{}/healthz", server.url), &[], "");
        if !matches!(answer, Ok((200, _))) {
            bail!("no server answers on {}; start one with `causeway serve`", server.url);
        }
        if data.is_some() {
            let status = server.ask(&["status", "--json"], stop)?;
            server.fabric = match status["fabric"]["driver"].as_str() {
                Some("linux") => Fabric::Linux,
                Some("ovn") => Fabric::Ovn,
                _ => Fabric::None,
            };
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
            attached: None,
            team,
            created: Mutex::default(),
            url: String::new(),
            finished: false,
        };
        fs::create_dir(server.home()).context("a directory for the clients cannot be made")?;
        Ok(server)
    }

    /// Whether the server is the demo's own and ends with it.
    pub(crate) fn is_ours(&self) -> bool {
        self.attached.is_none()
    }

    /// The team that is to own the space.
    pub(crate) fn team(&self) -> &str {
        &self.team
    }

    /// Why no packet can be sent, if none can.
    pub(crate) fn why_no_packets(&self) -> Option<&'static str> {
        match (&self.attached, self.fabric) {
            (_, Fabric::Linux) => None,
            (Some(Attached { data: None }), Fabric::None | Fabric::Ovn) => {
                Some("without --data of a server on this host nobody gets into a dyno")
            }
            (Some(_) | None, Fabric::Ovn) => Some("its dynos run on other hosts"),
            (Some(_) | None, Fabric::None) => Some("--fabric none carries no packets"),
        }
    }

    /// Whether the demo acts on the server as the user of the environment's variables.
    pub(crate) fn by_variables(&self) -> bool {
        matches!(self.attached, Some(Attached { data: None }))
    }

    /// The line that introduces the server.
    pub(crate) fn described(&self) -> String {
        match self.attached {
            None => {
                format!("server  {} (process {}), in a temporary directory", self.url, self.pid())
            }
            Some(_) => format!("server  {}, which runs and stays", self.url),
        }
    }

    /// Notes what a `heroku` command has created or removed.
    pub(crate) fn note_heroku(&self, words: &[&str]) {
        self.created.lock().unwrap_or_else(PoisonError::into_inner).note_heroku(words);
    }

    /// Notes what an `aws` command has created or removed.
    pub(crate) fn note_aws(&self, words: &[&str], output: &str) {
        self.created.lock().unwrap_or_else(PoisonError::into_inner).note_aws(words, output);
    }

    /// What was created and is still there.
    pub(crate) fn created(&self) -> Created {
        self.created.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a server and waits until it answers. An error quotes the end of its log.
    pub(crate) fn start(fabric: Fabric, host: IpAddr, stop: &Stop) -> anyhow::Result<Self> {
        let mut server = Self::prepare(fabric, api::FIRST_TEAM.to_owned())?;
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
            Fabric::Ovn => "ovn",
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
        let http = Http::new("http://", &TrustArgs::default())?;
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
        Some(noted(&self.data())?.url.trim_end_matches('/').to_owned())
    }

    /// The server's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// A home directory for the clients, so that nothing of the user's is read or changed.
    pub(crate) fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// The id of the server's process; 0 for a server that runs already.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// The last lines of the server's log.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// One of our own commands, pointed at this server.
    pub(crate) fn own(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.exe);
        let given = std::env::vars_os().map(|(name, _)| name);
        for name in given.filter(|name| name.to_string_lossy().starts_with("CAUSEWAY_")) {
            if name != "CAUSEWAY_LOG" {
                command.env_remove(name);
            }
        }
        match &self.attached {
            None => command.env_remove("HEROKU_API_KEY").env("CAUSEWAY_DATA", self.data()),
            Some(Attached { data }) => {
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
    pub(crate) fn run_own(&self, words: &[&str], stop: &Stop) -> anyhow::Result<Finished> {
        child::run(self.own(words), OWN, stop)
    }

    /// Runs one of our own commands and reads the JSON that it prints.
    ///
    /// # Errors
    ///
    /// Where it prints none: what it says instead.
    pub(crate) fn ask(&self, words: &[&str], stop: &Stop) -> anyhow::Result<Value> {
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
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
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
        let mut made = Created::default();
        made.note_heroku(&["spaces:create", "demo-space", "--team", "team"]);
        made.note_heroku(&["apps:create", "shop", "--space", "demo-space"]);
        made.note_aws(&["ec2", "create-vpc"], "vpc-0123456789abcdef0\n");
        made.note_aws(&["ec2", "create-vpc"], "{\"Vpc\": {\"VpcId\": \"vpc-1\"}}");
        assert_eq!(made.vpcs, ["vpc-0123456789abcdef0", "vpc-1"]);
        made.note_aws(&["ec2", "delete-vpc", "--vpc-id", "vpc-1"], "");
        made.note_heroku(&["apps:destroy", "--app", "shop"]);
        let left = Created {
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
