//! Hosts that OVN joins: its databases and `ovn-northd` on one node, and on each host a switch and a controller.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use fabric::linux::complete_checksums;

use crate::node::finish;
use crate::{Node, Programs, until};

/// Where the node in the middle is reached by all hosts.
pub const CENTRAL: &str = "192.168.201.1";
/// The port of the southbound database there.
const SOUTHBOUND: u16 = 6642;

/// A node in the middle and hosts around it, joined by one network for Geneve and another one for all else.
#[derive(Debug)]
pub struct Lab {
    /// Where OVN's databases are.
    pub central: Node,
    /// The hosts by number, each with a switch and a controller; those that lost their power are `None`.
    pub hosts: Vec<Option<Node>>,
    daemons: BTreeMap<(String, &'static str), Child>,
    programs: Programs,
    directory: PathBuf,
}

impl Lab {
    /// Makes the nodes, and starts OVN on them, with all files below a directory.
    ///
    /// # Errors
    ///
    /// What cannot be made or does not start.
    pub fn new(programs: Programs, hosts: usize, directory: &Path) -> anyhow::Result<Self> {
        let mut lab = Self {
            central: Node::new()?,
            hosts: Vec::new(),
            daemons: BTreeMap::new(),
            programs,
            directory: directory.to_owned(),
        };
        for bridge in ["managed", "under"] {
            lab.central.run(&format!("ip link add {bridge} type bridge"))?;
            lab.central.run(&format!("ip link set {bridge} up"))?;
        }
        lab.central.run(&format!("ip addr add {CENTRAL}/24 dev managed"))?;
        lab.start_central()?;
        for number in 0..hosts {
            lab.start_host(number)?;
        }
        lab.greet()?;
        Ok(lab)
    }

    /// The name of a host.
    #[must_use]
    pub fn name(number: usize) -> String {
        format!("h{}", number + 1)
    }

    /// How clients reach the databases of OVN: both of them on one socket.
    #[must_use]
    pub fn database(&self) -> String {
        format!("unix:{}", self.file("central", "db.sock").display())
    }

    /// How clients reach the switch of a host.
    #[must_use]
    pub fn switch(&self, number: usize) -> String {
        format!("unix:{}", self.file(&Self::name(number), "db.sock").display())
    }

    /// Takes a host away at once, with all that ran there.
    ///
    /// # Errors
    ///
    /// There is no such host any more, or a process there does not end.
    pub fn cut_power(&mut self, number: usize) -> anyhow::Result<()> {
        let host = self.hosts.get_mut(number).and_then(Option::take);
        host.with_context(|| format!("there is no {} any more", Self::name(number)))?
            .lose_power()?;
        let name = Self::name(number);
        for (_, daemon) in self.daemons.extract_if(.., |(home, _), _| *home == name) {
            reap(daemon);
        }
        Ok(())
    }

    fn file(&self, home: &str, name: &str) -> PathBuf {
        self.directory.join(home).join(name)
    }

    fn node(&self, home: &str) -> anyhow::Result<&Node> {
        let numbers = 0..self.hosts.len();
        match numbers.into_iter().find(|number| Self::name(*number) == home) {
            Some(number) => self.hosts[number].as_ref().with_context(|| format!("{home} is gone")),
            None => Ok(&self.central),
        }
    }

    fn start_central(&mut self) -> anyhow::Result<()> {
        let home = "central";
        fs::create_dir(self.directory.join(home)).context("a directory cannot be made")?;
        let file = |name: &str| self.file(home, name).display().to_string();
        let (north, south, socket) = (file("nb.db"), file("sb.db"), file("db.sock"));
        for (database, schema) in [(&north, "ovn-nb"), (&south, "ovn-sb")] {
            let schema = self.programs.schema(schema)?;
            self.tool(home, &format!("ovsdb-tool create {database} {}", schema.display()))?;
        }
        let remotes =
            [format!("--remote=punix:{socket}"), format!("--remote=ptcp:{SOUTHBOUND}:{CENTRAL}")];
        self.start(home, "db", "ovsdb-server", &[&remotes[0], &remotes[1], &north, &south])?;
        self.tool(home, &format!("ovn-nbctl --db=unix:{socket} init"))?;
        self.tool(home, &format!("ovn-sbctl --db=unix:{socket} init"))?;
        let databases = ["nb", "sb"].map(|it| format!("--ovn{it}-db=unix:{socket}"));
        self.start(home, "northd", "ovn-northd", &databases.each_ref().map(String::as_str))
    }

    fn start_host(&mut self, number: usize) -> anyhow::Result<()> {
        let name = Self::name(number);
        let node = Node::new()?;
        fs::create_dir(self.directory.join(&name)).context("a directory cannot be made")?;
        for (bridge, link) in [("managed", "mgmt0"), ("under", "up0")] {
            let port = format!("{bridge}-{name}");
            self.central.join(&port, &node, link)?;
            self.central.run(&format!("ip link set {port} master {bridge}"))?;
            // What a switch outside of the kernel passes on must be whole.
            let whole = |link: &str| complete_checksums(link).with_context(|| link.to_owned());
            self.central.inside(|| whole(&port))?;
            node.inside(|| whole(link))?;
        }
        node.run(&format!("ip addr add 192.168.201.{}/24 dev mgmt0", number + 11))?;
        self.hosts.push(Some(node));
        let file = |file: &str| self.file(&name, file).display().to_string();
        let (configuration, socket) = (file("conf.db"), file("db.sock"));
        let schema = self.programs.schema("vswitch")?;
        self.tool(&name, &format!("ovsdb-tool create {configuration} {}", schema.display()))?;
        self.start(
            &name,
            "db",
            "ovsdb-server",
            &[&format!("--remote=punix:{socket}"), &configuration],
        )?;
        let set = format!("ovs-vsctl --timeout=20 --db=unix:{socket}");
        self.tool(&name, &format!("{set} --no-wait init"))?;
        let address = underlay(number);
        let settings = format!(
            "{set} --no-wait set Open_vSwitch . external_ids:system-id={name} external_ids:hostname={name} \
             external_ids:ovn-remote=tcp:{CENTRAL}:{SOUTHBOUND} external_ids:ovn-encap-type=geneve \
             external_ids:ovn-encap-ip={address} external_ids:ovn-bridge-datapath-type=netdev"
        );
        self.tool(&name, &settings)?;
        let socket = format!("unix:{socket}");
        self.start(&name, "vswitchd", "ovs-vswitchd", &[&socket])?;
        let bridge =
            "add-br br-phy -- set Bridge br-phy datapath_type=netdev -- add-port br-phy up0";
        self.tool(&name, &format!("{set} {bridge}"))?;
        let node = self.node(&name)?;
        node.run(&format!("ip addr add {address}/24 dev br-phy"))?;
        node.run("ip link set br-phy up")?;
        self.start(&name, "controller", "ovn-controller", &[&socket])
    }

    /// The first packet of each tunnel is lost while its other end's Ethernet address is asked for.
    fn greet(&self) -> anyhow::Result<()> {
        for host in self.hosts.iter().flatten() {
            for other in 0..self.hosts.len() {
                let ping = format!("ping -n -c 1 -W 1 {}", underlay(other));
                until("hosts did not reach each other", || Ok(host.run(&ping).is_ok()))?;
            }
        }
        Ok(())
    }

    /// Starts a daemon, and waits until it can be told things.
    fn start(
        &mut self,
        home: &str,
        what: &'static str,
        daemon: &str,
        arguments: &[&str],
    ) -> anyhow::Result<()> {
        let control = self.file(home, &format!("{what}.ctl"));
        let mut child = self
            .in_node(home, daemon)?
            .args(arguments)
            .arg(format!("--unixctl={}", control.display()))
            .arg(format!("--log-file={}", self.file(home, &format!("{what}.log")).display()))
            .args(["--no-chdir", "-vconsole:off"])
            .stdout(Stdio::null())
            // What it says while it starts is in its log, too.
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{daemon} cannot be started"))?;
        until(&format!("{daemon} of {home} did not start"), || {
            let ended = child.try_wait().with_context(|| format!("{daemon} is lost"))?;
            anyhow::ensure!(ended.is_none(), "{daemon} of {home} ended at once");
            Ok(control.exists())
        })?;
        self.daemons.insert((home.to_owned(), what), child);
        Ok(())
    }

    /// Runs a program of OVN's to its end.
    fn tool(&self, home: &str, line: &str) -> anyhow::Result<String> {
        let mut words = line.split_whitespace();
        let program = words.next().context("no program is named")?;
        finish(self.in_node(home, program)?.args(words), line)
    }

    /// A program of OVN's on a node, with a directory of its own for all that it keeps.
    fn in_node(&self, home: &str, program: &str) -> anyhow::Result<Command> {
        let mut command = self.node(home)?.command(&self.programs.program(program)?);
        for software in ["OVS", "OVN"] {
            for kind in ["RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"] {
                command.env(format!("{software}_{kind}"), self.directory.join(home));
            }
        }
        Ok(command)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (_, daemon) in std::mem::take(&mut self.daemons) {
            reap(daemon);
        }
    }
}

fn reap(mut daemon: Child) {
    // Gone already, if it cannot be ended.
    let _ = daemon.kill();
    let _ = daemon.wait();
}

fn underlay(number: usize) -> String {
    format!("192.168.200.{}", number + 11)
}
