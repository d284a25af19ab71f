//! A runtime with network namespaces for its workloads, both gone when it is dropped.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use causeway_fabric::driver::Interfaces;
use causeway_fabric::runtime::{CodeSource, Runc, Runtime, WorkloadState};
use causeway_fabric::slug;
use model::intent::WorkloadIntent;
use model::{AddonId, EniId, SlugId, WorkloadId};
use os::netns::{self, NetworkNamespace};

/// Nothing here takes so long, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enough for what is run here, and soon reached by what forks without end.
pub const TASKS: u64 = 200;

pub struct Bench {
    pub runtime: Runc,
    pub netns_path: PathBuf,
    enis: Vec<EniId>,
    root: tempfile::TempDir,
    instance: String,
    grace: Duration,
    last_ends: BTreeMap<WorkloadId, (Option<i32>, Option<i32>)>,
    gone: Vec<WorkloadId>,
    interrupted: Vec<WorkloadId>,
}

impl Bench {
    pub fn new(interfaces: u64) -> Self {
        Self::with_grace(interfaces, PATIENCE * 2)
    }

    pub fn with_grace(interfaces: u64, grace: Duration) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = u64::from(std::process::id()) << 16 | COUNT.fetch_add(1, Ordering::Relaxed);
        let enis: Vec<EniId> = (0..interfaces)
            .map(|n| format!("eni-{:017x}", number << 8 | n).parse().unwrap())
            .collect();
        for eni in &enis {
            add_network(&format!("cw-{eni}"));
        }
        let netns_path = netns::path(&format!("cw-{}", enis[0]));
        let root = tempfile::tempdir().unwrap();
        let instance = format!("test-{number:x}");
        let runtime = runc(root.path(), &instance, grace);
        Self {
            runtime,
            netns_path,
            enis,
            root,
            instance,
            grace,
            last_ends: BTreeMap::new(),
            gone: Vec::new(),
            interrupted: Vec::new(),
        }
    }

    pub fn instance(&self, n: u32) -> WorkloadId {
        format!("i-{n:017x}").parse().unwrap()
    }

    pub fn dyno(&self, n: u32) -> WorkloadId {
        format!("dyno-00000000-0000-4000-8000-{n:012x}").parse().unwrap()
    }

    pub fn service(&self, n: u32) -> WorkloadId {
        WorkloadId::Service(self.addon(n))
    }

    pub fn addon(&self, n: u32) -> AddonId {
        format!("00000000-0000-4000-8000-{n:012x}").parse().unwrap()
    }

    /// A slug of these files, by path and text.
    pub fn slug(&self, n: u32, files: &[(&str, &str)]) -> SlugId {
        let id: SlugId = format!("00000000-0000-4000-8000-{n:012x}").parse().unwrap();
        let source = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = source.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tar = Command::new("tar").arg("-czC").arg(source.path()).arg(".").output().unwrap();
        let into = slug::path(&self.root().join("slugs"), id);
        slug::unpack(&tar.stdout[..], &into, slug::Limits::default()).unwrap();
        id
    }

    pub fn instance_name(&self) -> &str {
        &self.instance
    }

    /// A running workload's home, as it sees it itself: a dyno's is in no mount of the host's.
    pub fn home(pid: u32) -> PathBuf {
        format!("/proc/{pid}/root/app").into()
    }

    /// Waits until a file is in a running workload's home: by a process, so nothing spins.
    pub fn file_appears(pid: u32, name: &str) {
        let path = Self::home(pid).join(name);
        let watch = "while ! test -e \"$0\"; do sleep 0.02; done";
        let waited = Command::new("timeout").args(["15", "sh", "-c", watch]).arg(path).status();
        assert!(waited.unwrap().success(), "{name} never appears");
    }

    /// What stands for the server's data directory.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn dir(&self, id: WorkloadId) -> PathBuf {
        self.root.path().join("workloads").join(id.to_string())
    }

    pub fn apply(&mut self, id: WorkloadId, intent: Option<WorkloadIntent>) {
        // Sweeps say again what was heard before.
        self.last_ends.remove(&id);
        let events = self.runtime.apply(&[(id, intent)].into());
        self.note(events);
    }

    pub fn sweep(&mut self, id: WorkloadId, intent: WorkloadIntent) {
        let events = self.runtime.sweep(&[(id, intent)].into());
        self.note(events);
    }

    pub fn state(&self, id: WorkloadId) -> WorkloadState {
        self.runtime.states()[&id].clone()
    }

    pub fn log(&self, id: WorkloadId) -> String {
        String::from_utf8(self.runtime.log(&id, 1 << 20).unwrap()).unwrap()
    }

    /// Waits until it runs, and says as which process.
    pub fn running(&mut self, id: WorkloadId) -> u32 {
        self.wait_until(id, |bench| match bench.state(id) {
            WorkloadState::Running { pid } => pid,
            _ => None,
        })
    }

    /// Waits until it ends, and says with which code and signal. An end is said once.
    pub fn ended(&mut self, id: WorkloadId) -> (Option<i32>, Option<i32>) {
        self.wait_until(id, |bench| bench.last_ends.remove(&id))
    }

    /// Waits until nothing of it is left.
    pub fn gone(&mut self, id: WorkloadId) {
        self.wait_until(id, |bench| {
            let place = bench.gone.iter().position(|gone| *gone == id)?;
            bench.gone.remove(place);
            Some(())
        });
    }

    /// Waits until it is said that the host ended it.
    pub fn interrupted(&mut self, id: WorkloadId) {
        self.wait_until(id, |bench| {
            let place = bench.interrupted.iter().position(|other| *other == id)?;
            bench.interrupted.remove(place);
            Some(())
        });
    }

    /// Waits until it is said that it cannot be started, and why.
    pub fn failed(&mut self, id: WorkloadId, why: &str) {
        self.wait_until(id, |bench| match bench.state(id) {
            WorkloadState::Failed(said) if said.contains(why) => Some(()),
            _ => None,
        });
    }

    /// Starts again what was interrupted, as the server does after a pause.
    pub fn retry(&mut self) {
        let events = self.runtime.retry();
        self.note(events);
    }

    fn wait_until<T>(&mut self, id: WorkloadId, mut ask: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                panic!("{id}: {:?}\n{:?}", self.runtime.states(), self.runtime.log(&id, 4096));
            }
            let events = self.runtime.wait(left);
            self.note(events);
        }
    }

    fn note(&mut self, events: Vec<causeway_fabric::runtime::WorkloadEvent>) {
        for event in events {
            match event.state {
                WorkloadState::Exited { code, signal, .. } => {
                    self.last_ends.insert(event.id, (code, signal));
                }
                WorkloadState::Gone => self.gone.push(event.id),
                WorkloadState::Interrupted => self.interrupted.push(event.id),
                WorkloadState::Stopped
                | WorkloadState::Starting
                | WorkloadState::Running { .. }
                | WorkloadState::Failed(_) => {}
            }
        }
    }

    /// Runs something in the workload with some input, and gives its code and output.
    pub fn exec(&self, id: WorkloadId, argv: &[&str], input: &str) -> (Option<i32>, String) {
        let argv: Vec<String> = argv.iter().map(|arg| (*arg).to_owned()).collect();
        let spec = self.runtime.exec_command(&id, &argv, false).unwrap();
        let mut child =
            Command::from(spec).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    /// Asks until the workload's shell says yes; each question is a process, so nothing spins.
    pub fn exec_until(&self, id: WorkloadId, question: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.exec(id, &["sh", "-c", question], "").0 != Some(0) {
            assert!(Instant::now() < deadline, "never: {question}\n{}", self.log(id));
        }
    }

    /// A new runtime in place of the old one, as after a restart of the daemon.
    pub fn restart(&mut self) {
        self.with_runtime_down(|| {});
    }

    pub fn with_runtime_down(&mut self, meanwhile: impl FnOnce()) {
        let elsewhere = tempfile::tempdir().unwrap();
        let stand_in = runc(elsewhere.path(), &self.instance, self.grace);
        drop(std::mem::replace(&mut self.runtime, stand_in));
        meanwhile();
        self.runtime = runc(self.root.path(), &self.instance, self.grace);
    }

    /// A new runtime in place of the old one, whose code comes from elsewhere.
    pub fn with_code(&mut self, code: Arc<dyn CodeSource>) {
        self.restart();
        let elsewhere = tempfile::tempdir().unwrap();
        let stand_in = runc(elsewhere.path(), &self.instance, self.grace);
        self.runtime = std::mem::replace(&mut self.runtime, stand_in).with_code(code);
    }

    /// Puts a new namespace in the place of the first interface's.
    pub fn remake_network(&self) {
        let name = format!("cw-{}", self.enis[0]);
        ip(&["netns", "del", &name]);
        add_network(&name);
    }

    pub fn shim(&self, id: WorkloadId) -> u32 {
        let record = fs::read(self.dir(id).join("shim.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        record["pid"].as_u64().unwrap().try_into().unwrap()
    }

    /// Everything on this machine that is of this instance.
    pub fn traces(&self) -> Vec<String> {
        let mut traces = Vec::new();
        let dir = self.root.path().join("workloads");
        for path in [&dir, &Path::new("/run/causeway").join(&self.instance)] {
            traces.extend(path.exists().then(|| path.display().to_string()));
        }
        let group = format!("causeway-{}", self.instance);
        for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let path = hierarchy.path().join(&group);
            traces.extend(path.exists().then(|| path.display().to_string()));
        }
        let dir = dir.display().to_string();
        for process in fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
            let read = |name: &str| fs::read(process.join(name)).unwrap_or_default();
            let text = [read("cmdline"), read("cgroup"), read("mountinfo")].concat();
            let text = String::from_utf8_lossy(&text);
            let pid = process.file_name().and_then(|name| name.to_str()?.parse().ok());
            if pid.is_some_and(lives) && (text.contains(&dir) || text.contains(&group)) {
                traces.push(process.display().to_string());
            }
        }
        traces
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let purged = self.runtime.purge();
        for eni in &self.enis {
            ip(&["netns", "del", &format!("cw-{eni}")]);
        }
        if !std::thread::panicking() {
            purged.unwrap();
            assert_eq!(self.traces(), Vec::<String>::new());
        }
    }
}

/// An intent for a command, on the first interface of the bench.
pub fn intent(bench: &Bench, command: &[&str]) -> WorkloadIntent {
    WorkloadIntent {
        interface: bench.enis[0],
        vpc: "vpc-00000000000000001".parse().unwrap(),
        addresses: vec!["10.9.8.7".parse().unwrap()],
        hostname: "host".into(),
        names: Default::default(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        user_data: None,
        environment: BTreeMap::new(),
        slug: None,
        blob: None,
        disk: None,
        image: None,
        mounts: Vec::new(),
        memory_limit: None,
        stdio: model::Stdio::Log,
        cpu_weight: None,
        attempt: 0,
        once: false,
        fenced: false,
        run: true,
    }
}

pub fn shell(bench: &Bench, script: &str) -> WorkloadIntent {
    intent(bench, &["sh", "-c", script])
}

/// Whether a process runs; one that only waits to be buried by the machine's first does not.
pub fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.contains("State:\tZ"))
}

pub fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Sends a signal to some processes, in this order; what one of them hears may end the next.
pub fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    let said = Command::new("kill").arg(name).args(pids).output().unwrap();
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(error.lines().all(|line| line.ends_with("No such process")), "{error}");
}

/// Waits for a process that is nobody's child here.
pub fn wait_for_end(pid: u32) {
    let status = Command::new("timeout")
        .args(["15", "tail", "-s", "0.01", "-f", "/dev/null", "--pid", &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// The namespaces that the bench makes in place of a driver.
#[derive(Debug)]
struct Networks;

impl Interfaces for Networks {
    fn namespace(&self, eni: EniId) -> Result<Option<NetworkNamespace>, netns::Error> {
        NetworkNamespace::open(&format!("cw-{eni}"))
    }
}

fn runc(root: &Path, instance: &str, grace: Duration) -> Runc {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(Path::parent).unwrap();
    let shim = target.join("examples/workload_shim");
    assert!(
        shim.exists(),
        "{} is missing: cargo build -p causeway-fabric --example workload_shim",
        shim.display()
    );
    Runc::new(root.join("workloads"), "runc", shim, instance, Arc::new(Networks))
        .unwrap()
        .with_grace(grace)
        .with_task_limit(TASKS)
        .with_slugs(root.join("slugs"))
        .with_disks(root.join("services"))
}

fn add_network(name: &str) {
    ip(&["netns", "add", name]);
    ip(&["-n", name, "link", "set", "lo", "up"]);
}

fn ip(args: &[&str]) {
    assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?}");
}
