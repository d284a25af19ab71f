//! The server that the demo works on: its own in a temporary directory, or one that runs already.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::child::end;
use super::cluster::{Cluster, SERVERS};
use super::own::Own;
use super::stop::Stop;
use crate::arguments::demo::DemoArgs;
use crate::client::{Http, TrustArgs, noted};
use crate::settings::Fabric;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);
/// The directory of a server that is alone, and its log.
const OWN_NAME: &str = "data";

/// The server that the demo works on.
pub(crate) struct Server {
    exe: PathBuf,
    directory: PathBuf,
    fabric: Fabric,
    /// Its processes, by the names of servers; a demo on one host has one.
    children: Mutex<Vec<(&'static str, Child)>>,
    cluster: Option<Cluster>,
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
            children: Mutex::default(),
            cluster: None,
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
        if self.cluster.is_some() {
            return None;
        }
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
                let (url, pid) = (&self.url, self.pid());
                let own = format!("server  {url} (process {pid}), in a temporary directory");
                match &self.cluster {
                    Some(cluster) => format!("{own}\n{}", cluster.described()),
                    None => own,
                }
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
        let data = server.data();
        server.launch(OWN_NAME, &data, &[], host)?;
        server.url = server.await_answer(&data, stop)?;
        Ok(server)
    }

    /// Starts servers on one database, and hosts that join them. The clients ask the second server, which does
    /// not lead. The calling thread is on the servers' node from then on.
    pub(crate) fn start_cluster(
        programs: lab::Programs,
        hosts: usize,
        host: IpAddr,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let mut server = Self::prepare(Fabric::Ovn, api::FIRST_TEAM.to_owned())?;
        // PostgreSQL is another user's process, and goes through it to a directory of its own.
        let passable =
            |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        passable(&server.home(), 0o700).context("a directory for the clients cannot be made")?;
        passable(&server.directory, 0o711).context("a temporary directory cannot be opened")?;
        let cluster = Cluster::new(programs, hosts, &server.directory)?;
        let settings: Vec<Vec<String>> =
            (0..SERVERS.len()).map(|it| cluster.settings(it)).collect();
        server.cluster = Some(cluster);
        let first = server.directory.join(SERVERS[0]);
        for (name, settings) in SERVERS.into_iter().zip(&settings) {
            let data = server.directory.join(name);
            if data != first {
                fs::DirBuilder::new().mode(0o700).create(&data).context("no data directory")?;
                let key = "secret.key";
                fs::copy(first.join(key), data.join(key)).context("the key cannot be copied")?;
            }
            server.launch(name, &data, settings, host)?;
            server.url = server.await_answer(&data, stop)?;
        }
        server.url = server.noted(&server.data()).context("the second server has no address")?;
        server.joined(stop).with_context(|| server.log_tail(20))?;
        Ok(server)
    }

    fn joined(&self, stop: &Stop) -> anyhow::Result<()> {
        self.cluster.as_ref().map_or(Ok(()), |cluster| cluster.join(self, stop))
    }

    fn launch(
        &mut self,
        name: &'static str,
        data: &Path,
        settings: &[String],
        host: IpAddr,
    ) -> anyhow::Result<()> {
        let log = self.log(name);
        let log = File::create(log).context("the server's log cannot be made")?;
        let fabric = match self.fabric {
            Fabric::Linux => "linux",
            Fabric::Ovn => "ovn",
            Fabric::None => "none",
        };
        let child = self
            .own(&["serve", "--fabric", fabric])
            .arg("--listen")
            .arg(SocketAddr::new(host, 0).to_string())
            .args(settings)
            .env("CAUSEWAY_DATA", data)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("the server's log cannot be shared")?)
            .stderr(log)
            // A Ctrl-C is for the demo, which then ends the server.
            .process_group(0)
            .spawn()
            .context("the server cannot be started")?;
        self.children().push((name, child));
        Ok(())
    }

    /// Waits until the server that was started last answers, and returns its address.
    fn await_answer(&self, data: &Path, stop: &Stop) -> anyhow::Result<String> {
        let http = Http::new("http://", &TrustArgs::default())?;
        let started = Instant::now();
        let wait = || loop {
            if let Some((_, child)) = self.children().last_mut()
                && let Some(status) = child.try_wait().context("the server is lost")?
            {
                bail!("it ended with {status}");
            }
            if let Some(url) = self.noted(data) {
                let answer = http.send("GET", &format!("{url}/healthz"), &[], "");
                if matches!(answer, Ok((200, _))) {
                    return Ok(url);
                }
            }
            if started.elapsed() > START {
                bail!("it did not answer within {START:?}");
            }
            stop.pause(Duration::from_millis(20))?;
        };
        wait().with_context(|| {
            format!("the server of the demo did not start. It said:\n{}", self.log_tail(20))
        })
    }

    /// Kills a server, which cannot say farewell to anybody.
    pub(crate) fn kill(&self, name: &str) -> anyhow::Result<()> {
        let mut children = self.children();
        let at = children.iter().position(|(it, _)| *it == name);
        let (_, mut child) = children.remove(at.with_context(|| format!("{name} does not run"))?);
        child.kill().context("a server cannot be killed")?;
        child.wait().context("a server does not end")?;
        Ok(())
    }

    /// The hosts, where the demo is of several.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    fn children(&self) -> MutexGuard<'_, Vec<(&'static str, Child)>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self, data: &Path) -> Option<String> {
        Some(noted(data)?.url.trim_end_matches('/').to_owned())
    }

    /// The data directory of the server that the clients ask.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join(if self.cluster.is_some() { SERVERS[1] } else { OWN_NAME })
    }

    /// A home directory for the clients, so that nothing of the user's is read or changed.
    pub(crate) fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// The id of the process of the server that the clients ask; 0 for a server that runs already.
    pub(crate) fn pid(&self) -> u32 {
        let children = self.children();
        let asked = children.get(usize::from(self.cluster.is_some()));
        asked.map_or(0, |(_, child)| child.id())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    /// The last lines of the logs of servers and agents.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let tail = |name: &str| {
            let log = fs::read_to_string(self.log(name)).unwrap_or_default();
            let all: Vec<&str> = log.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        };
        let Some(cluster) = &self.cluster else { return tail(OWN_NAME) };
        let servers = SERVERS.map(|name| format!("server {name}:\n{}\n", tail(name)));
        servers.concat() + &cluster.log_tail(lines)
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
        if let Some(mut cluster) = self.cluster.take() {
            let hosts = cluster.finish(self);
            // The servers' own networks and database go after them.
            self.end_servers()?;
            drop(cluster);
            hosts?;
        }
        self.end_servers()?;
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

impl Own for Server {
    fn own(&self, words: &[&str]) -> Command {
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
}

impl Server {
    fn end_servers(&self) -> anyhow::Result<()> {
        let children = std::mem::take(&mut *self.children());
        children.into_iter().try_for_each(|(_, child)| end(child))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // On the way out of an error or a panic; nobody is left to tell.
        let _ = self.finish();
    }
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
