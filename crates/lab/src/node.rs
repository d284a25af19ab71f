//! A machine, as far as networks, mounts and processes go.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, anyhow, bail};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::until;

/// A network namespace and a mount namespace that have no name, and end with the process that holds them. That process,
/// and each that is started in the node, ends with the thread that started it: start what is to last from a thread that
/// lasts.
#[derive(Debug)]
pub struct Node {
    holder: Child,
}

/// A program that ends when the thread that starts it does, and that a Ctrl-C for us does not reach.
fn bound(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]).stdin(Stdio::null()).process_group(0);
    command
}

impl Node {
    /// Makes one in which nothing is yet but a loopback. Names of namespaces in it are its own.
    ///
    /// # Errors
    ///
    /// Namespaces cannot be made here, as they need root.
    pub fn new() -> anyhow::Result<Self> {
        let script = "mount -t tmpfs tmpfs /run && mkdir /run/netns /run/cgroup && \
                      mount --rbind /sys/fs/cgroup /run/cgroup && mount -t sysfs sysfs /sys && \
                      mount --move /run/cgroup /sys/fs/cgroup && ip link set lo up && echo && exec sleep infinity";
        let mut holder = bound("unshare")
            .args(["--net", "--mount", "--propagation", "private", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .context("setpriv cannot be run")?;
        let printed = holder.stdout.take().context("it has no output")?;
        let node = Self { holder };
        let mut line = String::new();
        BufReader::new(printed).read_line(&mut line).context("namespaces cannot be made")?;
        if line != "\n" {
            bail!("network and mount namespaces cannot be made here; they need root");
        }
        Ok(node)
    }

    /// The process that holds the namespaces.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A program in the node, which ends with the thread that starts it.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = bound("nsenter");
        let pid = self.pid().to_string();
        command.args(["--target", &pid, "--net", "--mount", "--"]).arg(program);
        command
    }

    /// Moves the calling thread into the node's network, with all that it starts from then on. Its files stay.
    ///
    /// # Errors
    ///
    /// The node has ended.
    pub fn enter_network(&self) -> anyhow::Result<()> {
        setns(self.namespace("net")?, CloneFlags::CLONE_NEWNET)
            .context("a network cannot be entered")
    }

    fn namespace(&self, kind: &str) -> anyhow::Result<File> {
        let path = format!("/proc/{}/ns/{kind}", self.pid());
        File::open(&path).with_context(|| format!("{path} cannot be opened"))
    }

    /// Does something in the node, on a thread of its own.
    ///
    /// # Errors
    ///
    /// The node has ended, and what the work itself says.
    pub fn inside<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let (mounts, network) = (self.namespace("mnt")?, self.namespace("net")?);
        std::thread::scope(|scope| {
            let enter = move || {
                // Only a thread with a directory of its own can change its mounts.
                unshare(CloneFlags::CLONE_FS)?;
                setns(&mounts, CloneFlags::CLONE_NEWNS)?;
                setns(&network, CloneFlags::CLONE_NEWNET)?;
                work()
            };
            scope.spawn(enter).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `ip` or another program, and returns what it prints.
    ///
    /// # Errors
    ///
    /// What it says where it fails.
    pub fn run(&self, line: &str) -> anyhow::Result<String> {
        let mut words = line.split_whitespace();
        let program = words.next().context("no program is named")?;
        finish(self.command(Path::new(program)).args(words), line)
    }

    /// Joins a link of this node with one of another.
    ///
    /// # Errors
    ///
    /// A link of that name is there.
    pub fn join(&self, here: &str, other: &Self, there: &str) -> anyhow::Result<()> {
        let pid = other.pid();
        self.run(&format!("ip link add {here} type veth peer name {there} netns {pid}"))?;
        self.run(&format!("ip link set {here} up"))?;
        other.run(&format!("ip link set {there} up"))?;
        Ok(())
    }

    /// The addresses in each named network namespace of the node: name and IPv4 address.
    ///
    /// # Errors
    ///
    /// The node has ended.
    pub fn addresses(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for line in self.run("ip netns list")?.lines() {
            let Some(name) = line.split_whitespace().next() else { continue };
            // One that goes at this moment has no address.
            let listed = self.run(&format!("ip -n {name} -4 -o addr show scope global"));
            for line in listed.unwrap_or_default().lines() {
                let address = line.split_whitespace().nth(3).and_then(|it| it.split('/').next());
                found.extend(address.map(|it| (name.to_owned(), it.to_owned())));
            }
        }
        Ok(found)
    }

    /// Ends all processes in the node and the node itself at once, as if its machine lost its power.
    ///
    /// # Errors
    ///
    /// A process does not end.
    pub fn lose_power(&mut self) -> anyhow::Result<()> {
        let networks = self.networks()?;
        let kill_all = || {
            let mut left = processes_in(&networks);
            left.remove(&self.holder.id());
            for pid in &left {
                // It may have ended just now.
                let _ = kill(pid_of(*pid), Signal::SIGKILL);
            }
            left.is_empty()
        };
        until("the processes of a node did not end", || Ok(kill_all()))?;
        self.holder.kill().context("a node cannot be ended")?;
        self.holder.wait().context("a node does not end")?;
        Ok(())
    }

    /// The network namespaces of the node, by the numbers of their files.
    fn networks(&self) -> anyhow::Result<BTreeSet<u64>> {
        let own = self.namespace("net")?.metadata().context("a namespace has no number")?.ino();
        let mut found = self.inside(|| {
            let files = fs::read_dir("/run/netns").context("/run/netns cannot be read")?;
            let numbers = files.filter_map(|file| fs::metadata(file.ok()?.path()).ok());
            Ok(numbers.map(|it| it.ino()).collect::<BTreeSet<u64>>())
        })?;
        found.insert(own);
        Ok(found)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Gone already, if it cannot be ended.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The processes whose network is one of these.
fn processes_in(networks: &BTreeSet<u64>) -> BTreeSet<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let inside = |pid: &u32| {
        let network = fs::metadata(format!("/proc/{pid}/ns/net"));
        network.is_ok_and(|it| networks.contains(&it.ino()))
    };
    pids.filter(inside).collect()
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

/// Runs a command to its end, and returns what it prints.
pub(crate) fn finish(command: &mut Command, shown: &str) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{shown}: it cannot be run"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(anyhow!("{shown}: {}{printed}", said.trim()))
}
