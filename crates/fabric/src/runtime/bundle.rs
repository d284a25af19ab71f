//! The bundle of a workload's container: its root directory, and its configuration for the OCI
//! runtime.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use model::intent::{NamesIntent, WorkloadIntent};
use model::{Stdio, WorkloadId};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use os::netns::{self, NetworkNamespace};
use serde_json::{Value, json};

use super::error::at;
use super::files::{Files, remove_dir, write_record};
use super::layers;
use super::layout::{INIT, LIBRARIES, STATUS, USER_DATA};
use super::libraries::Libraries;
use super::machine::Machine;
use super::user::user_of;
use super::{Error, restore, seccomp};

/// Processes and threads that a workload may have, unless the runtime is told otherwise.
pub(super) const TASKS: u64 = 4096;
const OPEN_FILES: u64 = 65_536;
/// How many files they may have open without asking for more.
const OPEN_FILES_FIRST: u64 = 10_000;
/// Pseudo terminals that a workload may have open: the kernel has a few thousand for all.
const TERMINALS: &str = "max=32";
/// Bytes that a workload may keep from being swapped out, unless its group has less.
const LOCKED_MEMORY: u64 = 64 << 20;
/// Signals and timers that may be pending in a workload, as the kernel keeps a record of each.
const PENDING_SIGNALS: u64 = 32_768;
/// Bytes of message queues. It is the kernel's own default: how the server was started must not
/// matter.
const MESSAGE_QUEUES: u64 = 819_200;
/// The CPU weight of a group without one of its own, in versions 1 and 2 of control groups.
const DEFAULT_SHARES: u64 = 1024;
const DEFAULT_WEIGHT: u64 = 100;
/// Added to a workload's badness: where memory runs out, the kernel is to kill a workload and not the
/// server.
const OOM_SCORE: i32 = 500;
/// Files of the host's `/etc` that a workload may see: all public, none secret.
const SHARED_ETC: [&str; 5] =
    ["/etc/alternatives", "/etc/ld.so.cache", "/etc/protocols", "/etc/services", "/etc/ssl/certs"];
/// The directories that something is mounted over, with the modes that the mounts take from them.
const MOUNT_POINTS: [(&str, u32); 5] =
    [("proc", 0o755), ("sys", 0o755), ("dev", 0o755), ("tmp", 0o1777), ("run", 0o1777)];

/// Writes all files that a workload needs to be started.
pub(super) fn write(
    machine: &Machine,
    files: &Files,
    id: WorkloadId,
    intent: &WorkloadIntent,
) -> Result<(), Error> {
    let network = machine.interfaces.namespace(intent.interface)?;
    let network = network.ok_or(Error::NoNetwork(intent.interface))?;
    let user = user_of(id);
    make_dir(&files.root, 0o700)?;
    remove_dir(&files.bundle()).map_err(at("remove", &files.bundle()))?;
    remove_dir(&files.rootfs()).map_err(at("remove", &files.rootfs()))?;
    make_dir(&files.bundle(), 0o700)?;
    make_home(&files.home(), user)?;
    if machine.layers(id, intent)?.is_some() {
        let [space, _] = layers::changes(&files.root);
        for dir in [layers::merged(&files.root), space] {
            make_dir(&dir, 0o700)?;
        }
    }
    if intent.image.is_some() {
        make_dir(&layers::base(&files.root), 0o700)?;
    }
    if let Some(disk) = &intent.disk {
        make_dir(&machine.disk(disk.addon)?, 0o700)?;
        make_home(&machine.data(disk)?, user)?;
    }
    make_pipe(&files.control(), None)?;
    make_pipe(&files.status(), Some(user))?;
    if let Some(script) = &intent.user_data {
        write_file(&files.user_data(), script, 0o500)?;
        chown(files.user_data(), Some(user), Some(user)).map_err(at("own", &files.user_data()))?;
    }
    let libraries = match intent.image {
        Some(_) => Libraries::of(&machine.self_exe).map_err(at("ask", &machine.self_exe))?,
        None => Libraries::default(),
    };
    let root = Root { path: files.rootfs(), id, user, libraries };
    let shared = root.write(intent)?;
    let config = config(machine, files, &root, intent, &shared, &network)?;
    write_record(&files.config(), &config).map_err(at("write", &files.config()))?;
    write_record(&files.intent(), intent).map_err(at("write", &files.intent()))
}

/// Writes the workload's `/etc/hosts` and `/etc/resolv.conf` anew while it runs.
pub(super) fn write_names(files: &Files, intent: &WorkloadIntent) -> Result<(), Error> {
    let etc = files.rootfs().join("etc");
    write_file(&etc.join("hosts"), hosts(intent).as_bytes(), 0o644)?;
    write_file(&etc.join("resolv.conf"), resolv_conf(&intent.names).as_bytes(), 0o644)
}

/// Whether a process is in the namespace that its interface has now. Where the network had to make
/// the interface anew, what still runs in the old one reaches nobody.
pub(super) fn is_in_network(machine: &Machine, pid: u32, intent: &WorkloadIntent) -> bool {
    let now = machine.interfaces.namespace(intent.interface);
    match (now, netns::identity_of_process(pid)) {
        (Ok(Some(now)), Some(its)) => now.identity().is_ok_and(|now| now == its),
        // Nothing to move to, or about to end by itself.
        (Ok(None) | Err(_), _) | (_, None) => true,
    }
}

/// A root directory in the making.
struct Root {
    path: PathBuf,
    id: WorkloadId,
    user: u32,
    libraries: Libraries,
}

impl Root {
    /// Makes it, and returns the host's paths that are mounted into it.
    fn write(&self, intent: &WorkloadIntent) -> Result<Vec<String>, Error> {
        make_dir(&self.path, 0o755)?;
        for (name, mode) in MOUNT_POINTS {
            make_dir(&self.path.join(name), mode)?;
        }
        make_dir(&self.here(Path::new(self.home())), 0o755)?;
        make_dir(&self.path.join("var"), 0o755)?;
        symlink("../tmp", self.path.join("var/tmp")).map_err(at("link", &self.path))?;
        make_dir(&self.path.join(".causeway"), 0o755)?;
        if let Some(disk) = &intent.disk {
            make_dir(&self.here(Path::new(&disk.at)), 0o755)?;
        }
        for name in [INIT, USER_DATA, STATUS] {
            write_file(&self.here(Path::new(name)), b"", 0o644)?;
        }
        make_dir(&self.here(Path::new(LIBRARIES)), 0o755)?;
        for (name, _) in &self.libraries.files {
            write_file(&self.here(Path::new(LIBRARIES)).join(name), b"", 0o644)?;
        }
        self.write_etc(intent)?;
        let mut shared = match intent.image {
            Some(_) => Vec::new(),
            None => self.share_programs()?,
        };
        for path in &intent.mounts {
            self.share(Path::new(path), &mut shared)?;
        }
        Ok(shared)
    }

    /// The host's path of what the workload knows by an absolute path.
    fn here(&self, path: &Path) -> PathBuf {
        self.path.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Makes the directory or file that a path of the host's is mounted on.
    fn share(&self, path: &Path, shared: &mut Vec<String>) -> Result<(), Error> {
        let here = self.here(path);
        if path.is_dir() {
            make_dir(&here, 0o755)?;
        } else if path.exists() {
            if let Some(parent) = here.parent() {
                make_dir(parent, 0o755)?;
            }
            write_file(&here, b"", 0o644)?;
        } else {
            let path = path.display();
            return Err(Error::Refused(format!("{path}, which it is to see, is not here")));
        }
        shared.push(path.display().to_string());
        Ok(())
    }

    /// Shares the host's own programs, and the files that these need.
    fn share_programs(&self) -> Result<Vec<String>, Error> {
        make_dir(&self.path.join("usr"), 0o755)?;
        let mut shared = vec!["/usr".to_owned()];
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let host = Path::new("/").join(name);
            let here = self.path.join(name);
            if let Ok(target) = fs::read_link(&host) {
                symlink(target, &here).map_err(at("link", &here))?;
            } else if host.is_dir() {
                make_dir(&here, 0o755)?;
                shared.push(host.display().to_string());
            }
        }
        for path in SHARED_ETC.map(Path::new).into_iter().filter(|path| path.exists()) {
            self.share(path, &mut shared)?;
        }
        Ok(shared)
    }

    fn write_etc(&self, intent: &WorkloadIntent) -> Result<(), Error> {
        let (name, user, home) = (self.user_name(), self.user, self.home());
        let files = [
            (
                "passwd",
                format!(
                    "root:x:0:0:root:/:/bin/sh\n\
                     {name}:x:{user}:{user}::{home}:/bin/sh\n\
                     nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
                ),
            ),
            ("group", format!("root:x:0:\n{name}:x:{user}:\nnogroup:x:65534:\n")),
            ("hosts", hosts(intent)),
            ("hostname", format!("{}\n", intent.hostname)),
            ("resolv.conf", resolv_conf(&intent.names)),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
        ];
        make_dir(&self.path.join("etc"), 0o755)?;
        for (name, content) in files {
            write_file(&self.path.join("etc").join(name), content.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    fn home(&self) -> &'static str {
        match self.id {
            WorkloadId::Dyno(_) => "/app",
            WorkloadId::Instance(_) => "/home/instance",
            WorkloadId::Service(_) | WorkloadId::Router(_) => "/home/service",
        }
    }

    /// The command of the first process. Where the root is an image's, it is started by its own
    /// loader with its own libraries, which the image may lack.
    fn init(&self) -> Vec<String> {
        let loader = self.libraries.loader.as_ref().map(|name| format!("{LIBRARIES}/{name}"));
        let loaded = loader
            .into_iter()
            .flat_map(|loader| [loader, "--library-path".to_owned(), LIBRARIES.to_owned()]);
        loaded.chain([INIT, "init"].map(str::to_owned)).collect()
    }

    fn user_name(&self) -> &'static str {
        match self.id {
            WorkloadId::Dyno(_) => "dyno",
            WorkloadId::Instance(_) => "instance",
            WorkloadId::Service(_) | WorkloadId::Router(_) => "service",
        }
    }

    fn environment(&self, intent: &WorkloadIntent) -> Vec<String> {
        let defaults = [
            ("HOME", self.home()),
            ("LANG", "C.UTF-8"),
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("USER", self.user_name()),
        ];
        let missing = |name: &str| !intent.environment.contains_key(name);
        let defaults = defaults
            .into_iter()
            .filter(|(name, _)| missing(name))
            .map(|(name, value)| format!("{name}={value}"));
        let own = intent.environment.iter().map(|(name, value)| format!("{name}={value}"));
        defaults.chain(own).collect()
    }
}

/// What the C library reads to look names up.
fn resolv_conf(names: &NamesIntent) -> String {
    let mut text = String::new();
    if !names.search.is_empty() {
        text = format!("search {}\n", names.search.join(" "));
    }
    for server in &names.servers {
        text += &format!("nameserver {server}\n");
    }
    text
}

fn hosts(intent: &WorkloadIntent) -> String {
    let mut text = "127.0.0.1 localhost\n".to_owned();
    if let Some(address) = intent.addresses.first() {
        text.push_str(&format!("{address} {}\n", intent.hostname));
    }
    text
}

/// The container's configuration for the OCI runtime (`config.json`).
fn config(
    machine: &Machine,
    files: &Files,
    root: &Root,
    intent: &WorkloadIntent,
    shared: &[String],
    network: &NetworkNamespace,
) -> Result<Value, Error> {
    let mut args = root.init();
    if intent.user_data.is_some() {
        args.push("--user-data".to_owned());
    }
    if let Some(disk) = &intent.disk
        && restore::is_awaited(&machine.disk(disk.addon)?)
    {
        args.extend(["--restore".to_owned(), disk.at.clone()]);
    }
    if !intent.stdio.is_log() {
        args.push("--attached".to_owned());
    }
    args.push("--".to_owned());
    args.extend(intent.command.iter().cloned());
    let path = match intent.image {
        Some(_) => layers::base(&files.root),
        None => root.path.clone(),
    };
    let (terminal, console_size) = match intent.stdio {
        Stdio::Log | Stdio::Pipes => (false, Value::Null),
        Stdio::Terminal { columns, rows } => (true, json!({ "width": columns, "height": rows })),
    };
    Ok(json!({
        "ociVersion": "1.0.2",
        "hostname": intent.hostname,
        "root": { "path": path, "readonly": true },
        "mounts": mounts(machine, files, root, intent, shared)?,
        "process": {
            "terminal": terminal,
            "consoleSize": console_size,
            "user": { "uid": root.user, "gid": root.user, "umask": 0o022 },
            "args": args,
            "env": root.environment(intent),
            "cwd": root.home(),
            "noNewPrivileges": true,
            "oomScoreAdj": OOM_SCORE,
            "capabilities": {
                "bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": [],
            },
            "rlimits": [
                { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
                rlimit("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE, OPEN_FILES_FIRST, OPEN_FILES),
                rlimit("RLIMIT_NPROC", Resource::RLIMIT_NPROC, machine.tasks, machine.tasks),
                most("RLIMIT_MEMLOCK", Resource::RLIMIT_MEMLOCK, LOCKED_MEMORY),
                most("RLIMIT_SIGPENDING", Resource::RLIMIT_SIGPENDING, PENDING_SIGNALS),
                most("RLIMIT_MSGQUEUE", Resource::RLIMIT_MSGQUEUE, MESSAGE_QUEUES),
            ],
        },
        "linux": {
            "namespaces": namespaces(network),
            "cgroupsPath": Path::new("/").join(group(machine, root.id)),
            "resources": resources(machine, intent),
            "seccomp": seccomp::profile(),
            // Without capabilities a server on port 80 and a ping would both be refused.
            "sysctl": {
                "net.ipv4.ip_unprivileged_port_start": "0",
                "net.ipv4.ping_group_range": "0 2147483647",
            },
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    }))
}

fn mounts(
    machine: &Machine,
    files: &Files,
    root: &Root,
    intent: &WorkloadIntent,
    shared: &[String],
) -> Result<Vec<Value>, Error> {
    let read_only = |source: &Path, destination: &str| {
        json!({
            "type": "bind", "source": source, "destination": destination,
            "options": ["bind", "ro", "nosuid", "nodev"],
        })
    };
    let fresh = |kind: &str, destination: &str, options: &[&str]| json!({ "type": kind, "source": kind, "destination": destination, "options": options });
    let writable = |source: &Path, destination: &str| {
        json!({
            "type": "bind", "source": source, "destination": destination,
            "options": ["bind", "rw", "nosuid", "nodev"],
        })
    };
    let home = match machine.layers(root.id, intent)? {
        Some(_) => layers::merged(&files.root),
        None => files.home(),
    };
    // A device or a program that gains rights has no business in memory file systems.
    // What is in them counts as the workload's memory.
    // A file of no bytes takes memory too, which not every machine counts.
    let scratch = |size, files| ["nosuid", "nodev", "mode=1777", size, files];
    let mut mounts = vec![
        fresh("proc", "/proc", &["nosuid", "noexec", "nodev"]),
        fresh("sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
        fresh("tmpfs", "/dev", &["nosuid", "noexec", "strictatime", "mode=755", "size=64k"]),
        fresh(
            "devpts",
            "/dev/pts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", TERMINALS],
        ),
        fresh(
            "tmpfs",
            "/dev/shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=64m", "nr_inodes=16k"],
        ),
        fresh("mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"]),
        fresh("tmpfs", "/tmp", &scratch("size=1g", "nr_inodes=256k")),
        fresh("tmpfs", "/run", &scratch("size=64m", "nr_inodes=16k")),
        writable(&home, root.home()),
        read_only(&machine.self_exe, INIT),
        read_only(&files.status(), STATUS),
    ];
    if intent.user_data.is_some() {
        mounts.push(read_only(&files.user_data(), USER_DATA));
    }
    mounts.extend(
        root.libraries
            .files
            .iter()
            .map(|(name, path)| read_only(path, &format!("{LIBRARIES}/{name}"))),
    );
    mounts.extend(shared.iter().map(|path| read_only(Path::new(path), path)));
    // Last, as it may lie in what is mounted.
    if let Some(disk) = &intent.disk {
        mounts.push(writable(&machine.data(disk)?, &disk.at));
    }
    Ok(mounts)
}

fn namespaces(network: &NetworkNamespace) -> Vec<Value> {
    let mut list: Vec<_> =
        ["pid", "mount", "uts", "ipc"].iter().map(|kind| json!({ "type": kind })).collect();
    list.push(json!({ "type": "network", "path": network.path() }));
    if Path::new("/proc/self/ns/cgroup").exists() {
        list.push(json!({ "type": "cgroup" }));
    }
    list
}

/// A limit, cut to what this process has itself: where the machine is a container, the OCI runtime
/// may not exceed that.
fn rlimit(name: &str, resource: Resource, soft: u64, hard: u64) -> Value {
    let own = getrlimit(resource).map_or(hard, |(_, own)| own);
    json!({ "type": name, "soft": soft.min(own), "hard": hard.min(own) })
}

/// A limit whose soft and hard values are the same.
fn most(name: &str, resource: Resource, limit: u64) -> Value {
    rlimit(name, resource, limit, limit)
}

fn resources(machine: &Machine, intent: &WorkloadIntent) -> Value {
    let has = |name: &str| machine.controllers.iter().any(|controller| controller == name);
    let mut resources = json!({ "devices": [{ "allow": false, "access": "rwm" }] });
    if has("pids") {
        resources["pids"] = json!({ "limit": machine.tasks });
    }
    if let Some(limit) = intent.memory_limit.filter(|_| has("memory")) {
        resources["memory"] = json!({ "limit": limit });
        if has("swap") {
            resources["memory"]["swap"] = json!(limit);
        }
    }
    if let Some(weight) = intent.cpu_weight.filter(|_| has("cpu")) {
        let weight = u64::from(weight).clamp(1, 10_000);
        if machine.one_hierarchy {
            resources["unified"] = json!({ "cpu.weight": weight.to_string() });
        } else {
            let shares = (weight * DEFAULT_SHARES / DEFAULT_WEIGHT).clamp(2, 262_144);
            resources["cpu"] = json!({ "shares": shares });
        }
    }
    resources
}

/// A workload's control group, below where each hierarchy is mounted.
pub(super) fn group(machine: &Machine, id: WorkloadId) -> PathBuf {
    super::usage::group(&machine.instance, id)
}

fn make_dir(path: &Path, mode: u32) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(at("make", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at("restrict", path))
}

fn make_home(path: &Path, user: u32) -> Result<(), Error> {
    make_dir(path, 0o700)?;
    chown(path, Some(user), Some(user)).map_err(at("own", path))
}

/// A pipe that only root may use, or that only one user may write to.
fn make_pipe(path: &Path, writer: Option<u32>) -> Result<(), Error> {
    let mode = if writer.is_some() { Mode::S_IWUSR } else { Mode::S_IRUSR | Mode::S_IWUSR };
    mkfifo(path, mode).map_err(|errno| at("make", path)(errno.into()))?;
    chown(path, writer, writer).map_err(at("own", path))
}

/// Writes in place, so that a file that is seen through a mount changes there too.
fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(at("write", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at("restrict", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_as_the_intent_says() {
        assert_eq!(resolv_conf(&NamesIntent::default()), "nameserver 169.254.169.253\n");
        let names = NamesIntent {
            search: vec!["corp.example".into(), "example.com".into()],
            servers: ["10.2.0.9", "fd00::53"].map(|server| server.parse().unwrap()).to_vec(),
        };
        assert_eq!(
            resolv_conf(&names),
            "search corp.example example.com\nnameserver 10.2.0.9\nnameserver fd00::53\n"
        );
        let none = NamesIntent { search: Vec::new(), servers: Vec::new() };
        assert_eq!(resolv_conf(&none), "");
    }
}
