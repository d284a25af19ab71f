//! Several servers on one PostgreSQL, and several hosts that OVN joins, all on this machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lab::{CENTRAL, Lab, Node, Postgres, Programs};
use serde_json::Value;

use super::child::{Finished, end};
use super::own::{Own, run};
use super::stop::Stop;

/// The names of servers, the first of which leads first. The clients ask the second.
pub(crate) const SERVERS: [&str; 3] = ["one", "two", "three"];
/// Where agents reach the first server; each further one has the next port.
const AGENTS: u16 = 4882;
/// Where each host takes requests from outside.
const ROUTER: &str = "127.0.0.1:8080";
/// By how many letters at the end of its id a host is known to the machine.
const MARK: usize = 8;
/// How long hosts may take to join.
const JOIN: Duration = Duration::from_secs(30);

/// Hosts of namespaces, with what carries packets between them and what keeps the servers' ledger.
pub(crate) struct Cluster {
    lab: Mutex<Lab>,
    postgres: Postgres,
    agents: Mutex<Vec<Agent>>,
    /// What hosts that are gone were for the machine, whose control groups they left.
    gone: Mutex<Vec<String>>,
    directory: PathBuf,
    hosts: usize,
    /// The release of OVN.
    release: String,
}

/// The agent of a host.
struct Agent {
    host: usize,
    child: Child,
}

impl Cluster {
    /// Makes the hosts. The calling thread, and each that it starts from then on, is in the network of the
    /// node that servers are on. What runs there ends with the calling thread.
    pub(crate) fn new(programs: Programs, hosts: usize, directory: &Path) -> anyhow::Result<Self> {
        let release = programs.release.clone();
        let lab = Lab::new(programs, hosts, directory).context("the hosts cannot be made")?;
        lab.central.enter_network()?;
        let postgres = Postgres::start(&lab.central, directory)?;
        Ok(Self {
            lab: Mutex::new(lab),
            postgres,
            agents: Mutex::default(),
            gone: Mutex::default(),
            directory: directory.to_owned(),
            hosts,
            release,
        })
    }

    /// What it is made of, in words.
    pub(crate) fn described(&self) -> String {
        format!(
            "hosts   {}, each in network and mount namespaces of its own, joined by OVN {}\n\
             ledger  PostgreSQL {}, with {} servers on it",
            self.names().join(", "),
            self.release,
            self.postgres.version,
            SERVERS.len()
        )
    }

    /// The names of all hosts, also of those that are gone.
    pub(crate) fn names(&self) -> Vec<String> {
        (0..self.hosts).map(Lab::name).collect()
    }

    /// What each server is given beside its address.
    pub(crate) fn settings(&self, number: usize) -> Vec<String> {
        let database = self.lab().database();
        let agents = format!("{CENTRAL}:{}", AGENTS + u16::try_from(number).unwrap_or_default());
        let words = ["--ovn-nb", &database, "--ovn-sb", &database, "--agents", &agents];
        let store = ["--store", &self.postgres.url(), "--server-name", SERVERS[number]];
        [&words[..], &store].concat().into_iter().map(ToOwned::to_owned).collect()
    }

    /// Has all hosts join, and waits until they did.
    pub(crate) fn join(&self, server: &impl Own, stop: &Stop) -> anyhow::Result<()> {
        for host in 0..self.hosts {
            let token = server.ask(&["host:token", "--json"], stop)?;
            let agent = self.agent(host, &token, server)?;
            self.agents().push(agent);
        }
        let started = Instant::now();
        loop {
            let all = server.ask(&["hosts", "--json"], stop)?;
            let hosts = all["hosts"].as_array().map(Vec::as_slice).unwrap_or_default();
            let connected = |host: &&Value| host["connected_since"].is_string();
            if hosts.iter().filter(connected).count() == self.hosts {
                return Ok(());
            }
            for agent in &mut *self.agents() {
                if let Some(status) = agent.child.try_wait().context("an agent is lost")? {
                    bail!("the agent of {} ended with {status}", Lab::name(agent.host));
                }
            }
            if started.elapsed() > JOIN {
                bail!("the hosts did not join within {JOIN:?}: {all}");
            }
            stop.pause(Duration::from_millis(50))?;
        }
    }

    fn agent(&self, host: usize, token: &Value, server: &impl Own) -> anyhow::Result<Agent> {
        let data = self.data(host);
        fs::create_dir(&data).context("an agent's directory cannot be made")?;
        let log = File::create(self.log(host)).context("an agent's log cannot be made")?;
        let mut words = vec!["agent", "--fabric", "ovn", "--router", ROUTER, "--ovs"];
        let (switch, name) = (self.lab().switch(host), Lab::name(host));
        words.extend([&*switch, "--name", &name, "--zone", &name]);
        let servers = token["servers"].as_array().into_iter().flatten();
        for address in servers.filter_map(Value::as_str) {
            words.extend(["--join", address]);
        }
        let token = token["token"].as_str().context("host:token gives no token")?;
        let child = self
            .on(host, &server.own(&words))?
            .arg("--data")
            .arg(&data)
            // Not among the arguments, which every process can read.
            .env("CAUSEWAY_JOIN_TOKEN", token)
            .env_remove("CAUSEWAY_DATA")
            .stdout(log.try_clone().context("an agent's log cannot be shared")?)
            .stderr(log)
            .spawn()
            .context("an agent cannot be started")?;
        Ok(Agent { host, child })
    }

    /// The same command on a host.
    fn on(&self, host: usize, command: &Command) -> anyhow::Result<Command> {
        let lab = self.lab();
        let node = lab.hosts.get(host).and_then(Option::as_ref);
        let node = node.with_context(|| format!("{} is gone", Lab::name(host)))?;
        Ok(within(node, command))
    }

    fn data(&self, host: usize) -> PathBuf {
        self.directory.join(format!("{}-agent", Lab::name(host)))
    }

    fn log(&self, host: usize) -> PathBuf {
        self.directory.join(format!("{}-agent.log", Lab::name(host)))
    }

    /// The last that the agents said.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let tail = |host: usize| {
            let log = fs::read_to_string(self.log(host)).unwrap_or_default();
            let all: Vec<&str> = log.lines().collect();
            let last = all[all.len().saturating_sub(lines)..].join("\n");
            format!("agent of {}:\n{last}\n", Lab::name(host))
        };
        (0..self.hosts).map(tail).collect()
    }

    /// Runs a command in the network namespace that has an address, on whichever host that is.
    pub(crate) fn exec(
        &self,
        address: &str,
        words: &[&str],
        stop: &Stop,
    ) -> anyhow::Result<Finished> {
        let command = {
            let lab = self.lab();
            let (node, namespace) = lab
                .hosts
                .iter()
                .flatten()
                .find_map(|node| {
                    let found = node.addresses().ok()?;
                    let (name, _) = found.into_iter().find(|(_, it)| it == address)?;
                    Some((node, name))
                })
                .with_context(|| format!("no host has {address}"))?;
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &namespace]).args(words);
            within(node, &command)
        };
        run(command, stop)
    }

    /// Asks a host's web router for a path of an app, and returns the status of the answer; `None` where
    /// nobody answers.
    pub(crate) fn request(
        &self,
        host: usize,
        app: &str,
        path: &str,
        stop: &Stop,
    ) -> anyhow::Result<Option<u16>> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "2", "--output", "/dev/null"]);
        curl.args(["--write-out", "%{http_code}", "--header"]).arg(format!("Host: {app}"));
        curl.arg(format!("http://{ROUTER}{path}"));
        let done = run(self.on(host, &curl)?, stop)?;
        Ok(done.stdout.trim().parse().ok().filter(|code| *code != 0))
    }

    /// The hosts that are there.
    pub(crate) fn living(&self) -> Vec<usize> {
        let lab = self.lab();
        (0..self.hosts).filter(|host| lab.hosts[*host].is_some()).collect()
    }

    /// Takes a host away with all that runs there, at once.
    pub(crate) fn cut_power(&self, host: usize, id: &str) -> anyhow::Result<()> {
        self.lab().cut_power(host)?;
        let mark = &id[id.len().saturating_sub(MARK)..];
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).push(mark.to_owned());
        let mut agents = self.agents();
        if let Some(at) = agents.iter().position(|agent| agent.host == host) {
            let mut agent = agents.remove(at);
            agent.child.wait().context("an agent does not end")?;
        }
        Ok(())
    }

    /// Ends the agents, and removes what they made.
    ///
    /// # Errors
    ///
    /// What is left behind.
    pub(crate) fn finish(&mut self, server: &impl Own) -> anyhow::Result<()> {
        let mut left = Vec::new();
        for agent in self.agents().drain(..) {
            let name = Lab::name(agent.host);
            left.extend(end(agent.child).err().map(|error| format!("{name}: {error:#}")));
        }
        for host in self.living() {
            let switch = self.lab().switch(host);
            let data = self.data(host);
            if !data.exists() {
                continue;
            }
            let data = data.display().to_string();
            let purge =
                server.own(&["fabric:purge", "--confirm", "--ovs", &switch, "--data", &data]);
            // What ends the demo must not end its cleaning up.
            let purged = run(self.on(host, &purge)?, &Stop::default())?;
            if !purged.ok {
                left.push(format!("{}: {}", Lab::name(host), purged.stderr.trim()));
            }
        }
        for mark in &*self.gone.lock().unwrap_or_else(PoisonError::into_inner) {
            let purged = server
                .run_own(&["fabric:orphans", "--purge", "--instance", mark], &Stop::default())?;
            if !purged.ok {
                left.push(purged.stderr.trim().to_owned());
            }
        }
        if !left.is_empty() {
            bail!("something is left behind on hosts: {}", left.join("; "));
        }
        Ok(())
    }

    fn lab(&self) -> MutexGuard<'_, Lab> {
        self.lab.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn agents(&self) -> MutexGuard<'_, Vec<Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // On the way out of an error; what they made was removed where that was possible.
        for agent in self.agents().drain(..) {
            let _ = end(agent.child);
        }
    }
}

/// The same command on a node, with what its environment says.
fn within(node: &Node, command: &Command) -> Command {
    let mut inside = node.command(Path::new(command.get_program()));
    inside.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}
