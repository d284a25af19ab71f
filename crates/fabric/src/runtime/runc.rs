//! Workloads in containers of an OCI runtime, each with a shim beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::intent::WorkloadIntent;
use model::{AddonId, WorkloadId};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::mkfifo;
use os::poll::Interest;
use os::process::Process;
use os::{Waker, error_chain};

use super::code::{AllHere, CodeSource};
use super::error::at;
use super::files::{ExitRecord, Files, write_record};
use super::machine::Machine;
use super::{
    Error, ExecCommand, Inside, LogPart, LogPosition, Runtime, SessionCommand, WorkloadEvent,
    WorkloadState, bundle, cgroup,
};
use crate::driver::Interfaces;

pub(super) mod doctor;
mod exec;
mod purge;
mod remove;
mod start;

/// How many workloads a step of a sweep looks at. A start takes some milliseconds.
const SWEPT_AT_ONCE: usize = 4;
/// The name of the directory of removed workloads whose files are being deleted.
const GONE_DIR: &str = ".gone";
/// The name of the pipe by which shims wake the daemon.
const EVENTS: &str = ".events";

/// Runs workloads with `runc`, or what has the same commands.
#[derive(Debug)]
pub struct Runc {
    dir: PathBuf,
    runtime: PathBuf,
    run_dir: PathBuf,
    machine: Machine,
    grace: Duration,
    waker: Waker,
    events: File,
    workloads: BTreeMap<WorkloadId, Workload>,
    /// What a sweep has left to look at, if one is under way.
    unswept: Option<Unswept>,
    removals: Vec<Child>,
    removed: u64,
    /// The workloads that no record names, and the directory that they are moved to.
    lost: (PathBuf, BTreeSet<WorkloadId>),
    /// Whether other slugs may be used than when that was said last.
    uses_changed: bool,
}

/// What a sweep has left to look at.
#[derive(Debug)]
struct Unswept {
    /// Whether containers are to be looked for that nobody knows.
    containers: bool,
    workloads: BTreeSet<WorkloadId>,
}

#[derive(Debug, Default)]
struct Workload {
    wanted: Wanted,
    shim: Option<Shim>,
    /// The reason why the last start did not come as far as a shim.
    failed: Option<String>,
    /// Whether it is started once its code has come.
    awaits_code: bool,
    reported: Option<WorkloadState>,
}

#[derive(Debug, Default, Clone)]
enum Wanted {
    /// No sweep named it or left it out yet, so it stays as it is.
    #[default]
    Unknown,
    Nothing,
    Intent(Box<WorkloadIntent>),
}

/// A shim that lives.
#[derive(Debug)]
struct Shim {
    /// The shim's process.
    process: Process,
    started_with: Option<WorkloadIntent>,
    stopping: bool,
}

/// The occasion on which a workload is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Swept,
    Named,
    Ended,
}

impl Workload {
    /// Whether it has a shim that has not yet reported it running.
    fn is_starting(&self) -> bool {
        self.shim.is_some() && !matches!(self.reported, Some(WorkloadState::Running { .. }))
    }

    /// Whether it would be started if its code were here.
    fn awaits_code(&self) -> bool {
        let wanted = matches!(&self.wanted, Wanted::Intent(intent) if intent.run);
        wanted && self.awaits_code && self.shim.is_none()
    }
}

impl Runc {
    /// Takes over what an earlier one left in `dir`. `self_exe` is our own program, which knows
    /// the subcommands `shim` and `init`; `instance` sets what is ours apart from what another
    /// Causeway on this machine has; `interfaces` are what workloads are started behind.
    pub fn new(
        dir: impl Into<PathBuf>,
        runtime: impl Into<PathBuf>,
        self_exe: impl Into<PathBuf>,
        instance: &str,
        interfaces: Arc<dyn Interfaces>,
    ) -> Result<Self, Error> {
        if !crate::instance::is_name(instance) {
            return Err(Error::Refused(format!("'{instance}' cannot name an instance")));
        }
        let dir = dir.into();
        let run_dir = crate::instance::run_dir(instance);
        fs::create_dir_all(&run_dir).map_err(at("make", &run_dir))?;
        for path in [&dir, &dir.join(GONE_DIR), &run_dir.join("runc")] {
            private_dir(path).map_err(at("make", path))?;
        }
        let dir = fs::canonicalize(&dir).map_err(at("resolve", &dir))?;
        let waker =
            Waker::new().map_err(|source| Error::Program { program: "waker".into(), source })?;
        let machine = Machine {
            self_exe: self_exe.into(),
            instance: instance.to_owned(),
            interfaces,
            controllers: cgroup::controllers(),
            one_hierarchy: cgroup::is_one_hierarchy(),
            tasks: bundle::TASKS,
            code: None,
            disks: None,
        };
        let events = open_events(&dir)?;
        let mut runc = Self {
            dir,
            runtime: runtime.into(),
            run_dir,
            machine,
            grace: super::GRACE,
            waker,
            events,
            workloads: BTreeMap::new(),
            unswept: None,
            removals: Vec::new(),
            removed: 0,
            lost: Default::default(),
            uses_changed: false,
        };
        runc.adopt()?;
        Ok(runc)
    }

    /// Sets how long a workload has to end by itself once it was asked to ([`super::GRACE`] by
    /// default).
    #[cfg(any(test, feature = "test-support"))]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how many processes and threads a workload may have (4,096 by default).
    #[cfg(any(test, feature = "test-support"))]
    pub fn with_task_limit(mut self, tasks: u64) -> Self {
        self.machine.tasks = tasks;
        self
    }

    /// Sets where slugs are unpacked: each is a directory by its id.
    pub fn with_slugs(mut self, slugs: impl Into<PathBuf>) -> Self {
        self.machine.code = Some(Arc::new(AllHere(slugs.into())));
        self
    }

    /// Sets where the files of slugs come from, which says so when some have come.
    pub fn with_code(mut self, code: Arc<dyn CodeSource>) -> Self {
        code.wake(self.waker.clone());
        self.machine.code = Some(code);
        self
    }

    /// Sets where data services keep their data: each has a directory by its id, which is made
    /// when it first starts and outlives it.
    pub fn with_disks(mut self, disks: impl Into<PathBuf>) -> Self {
        self.machine.disks = Some(disks.into());
        self.delete_removed();
        self
    }

    /// Sets of which workloads nobody knows whether they are wanted: once they have ended, they are
    /// moved to a directory instead of being removed.
    pub fn with_lost(mut self, dir: impl Into<PathBuf>, ids: BTreeSet<WorkloadId>) -> Self {
        self.lost = (dir.into(), ids);
        self
    }

    fn files(&self, id: &WorkloadId) -> Files {
        Files::at(self.dir.join(id.to_string()))
    }

    fn runc_root(&self) -> PathBuf {
        self.run_dir.join("runc")
    }

    fn remove_container(&self, name: &str) {
        if !self.runc_root().join(name).exists() {
            return;
        }
        let status = Command::new(&self.runtime)
            .arg("--root")
            .arg(self.runc_root())
            .args(["delete", "--force", name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            tracing::warn!(container = name, "could not remove what is left of a container");
        }
    }

    /// Moves a workload one step from its present state to the wanted one.
    fn settle(&mut self, id: WorkloadId, cause: Cause) {
        self.uses_changed = true;
        let Some(workload) = self.workloads.get(&id) else { return };
        match (&workload.wanted, &workload.shim) {
            (Wanted::Unknown, _) => {}
            (Wanted::Intent(intent), Some(shim)) if intent.run && !shim.stopping => {
                let same = shim.started_with.as_ref().is_none_or(|with| same_process(with, intent));
                let pid = self.files(&id).running_pid();
                let machine = &self.machine;
                let connected = pid.is_none_or(|pid| bundle::is_in_network(machine, pid, intent));
                let intent = intent.clone();
                if same && connected {
                    self.rename(&id, *intent);
                } else {
                    self.stop(&id, self.grace);
                }
            }
            (_, Some(shim)) => {
                if !shim.stopping {
                    self.stop(&id, self.grace);
                }
            }
            (Wanted::Nothing, None) => self.forget(&id),
            (Wanted::Intent(intent), None) => {
                let waits = workload.failed.is_some() || workload.awaits_code;
                if intent.run && (waits || self.is_to_start(&id, cause)) {
                    let intent = intent.clone();
                    self.start(id, &intent);
                }
            }
        }
    }

    fn is_to_start(&self, id: &WorkloadId, cause: Cause) -> bool {
        let ended = self.files(id).ended().map(|(record, _)| record);
        match (cause, ended) {
            (Cause::Named, _) | (Cause::Swept | Cause::Ended, None) => true,
            // What was interrupted may be about to be so once more: a shutdown ends one after the
            // other. It is started again by a retry.
            (Cause::Ended, Some(record)) => record.asked,
            (Cause::Swept, Some(record)) => {
                record.asked || record.was_interrupted() || record.failed.is_some()
            }
        }
    }

    /// Applies what may change while it runs: its addresses, and how it looks names up.
    fn rename(&mut self, id: &WorkloadId, intent: WorkloadIntent) {
        let files = self.files(id);
        let Some(shim) = self.workloads.get_mut(id).and_then(|w| w.shim.as_mut()) else { return };
        let same = |with: &WorkloadIntent| {
            with.addresses == intent.addresses && with.names == intent.names
        };
        if shim.started_with.as_ref().is_none_or(same) {
            return;
        }
        let written = bundle::write_names(&files, &intent).and_then(|()| {
            write_record(&files.intent(), &intent).map_err(at("write", &files.intent()))
        });
        match written {
            Ok(()) => shim.started_with = Some(intent),
            Err(error) => {
                tracing::warn!(workload = %id, error = error_chain(&error), "addresses and resolvers stay as they were");
            }
        }
    }

    fn stop(&mut self, id: &WorkloadId, grace: Duration) {
        let control = self.files(id).control();
        // Written at once, so that the shim never reads half of it.
        let order = format!("stop {}\n", grace.as_millis());
        let Some(shim) = self.workloads.get_mut(id).and_then(|w| w.shim.as_mut()) else { return };
        let sent = OpenOptions::new()
            .write(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(control)
            .and_then(|mut pipe| pipe.write_all(order.as_bytes()));
        match sent {
            Ok(()) => shim.stopping = true,
            // Without its pipe it is ending by itself, which its descriptor will say.
            Err(error) => tracing::debug!(workload = %id, %error, "no shim to stop"),
        }
    }

    fn state_of(&self, id: &WorkloadId, workload: &Workload) -> WorkloadState {
        let files = self.files(id);
        if workload.shim.is_some() {
            return match files.running_pid() {
                Some(pid) => WorkloadState::Running { pid: Some(pid) },
                None => WorkloadState::Starting,
            };
        }
        if workload.awaits_code() {
            return WorkloadState::Starting;
        }
        if let Some(why) = &workload.failed {
            return WorkloadState::Failed(why.clone());
        }
        if matches!(workload.wanted, Wanted::Nothing) {
            return WorkloadState::Gone;
        }
        match files.ended() {
            Some((record, _)) if record.was_interrupted() => WorkloadState::Interrupted,
            Some((ExitRecord { failed: Some(why), .. }, _)) => WorkloadState::Failed(why),
            Some((ExitRecord { code, signal, out_of_memory, .. }, at)) => {
                WorkloadState::Exited { code, signal, out_of_memory, at }
            }
            None => WorkloadState::Stopped,
        }
    }

    /// Reports a workload's state if that is news, and forgets it if nothing of it is left.
    fn report(&mut self, id: WorkloadId, events: &mut Vec<WorkloadEvent>) {
        let Some(workload) = self.workloads.get(&id) else { return };
        let state = self.state_of(&id, workload);
        if workload.reported.as_ref() == Some(&state) {
            return;
        }
        if state == WorkloadState::Gone {
            self.workloads.remove(&id);
        } else if let Some(workload) = self.workloads.get_mut(&id) {
            workload.reported = Some(state.clone());
        }
        events.push(WorkloadEvent { id, state });
    }

    /// Reports how a workload ended, also where it is about to be removed or started anew.
    fn report_end(&mut self, id: WorkloadId, events: &mut Vec<WorkloadEvent>) {
        let Some(workload) = self.workloads.get_mut(&id) else { return };
        let wanted = std::mem::take(&mut workload.wanted);
        self.report(id, events);
        if let Some(workload) = self.workloads.get_mut(&id) {
            workload.wanted = wanted;
        }
    }

    fn settle_and_report(&mut self, id: WorkloadId, cause: Cause, out: &mut Vec<WorkloadEvent>) {
        self.settle(id, cause);
        self.report(id, out);
    }

    /// As [`Self::settle_and_report`], but reports the state even if it is not news: whoever missed it
    /// gets it again. A start that failed is reported once for each try.
    fn settle_and_repeat(&mut self, id: WorkloadId, cause: Cause, out: &mut Vec<WorkloadEvent>) {
        if self.is_interrupted(&id) {
            // Before it is started again, after which nobody could tell.
            self.report_end(id, out);
        }
        self.settle(id, cause);
        if let Some(workload) = self.workloads.get_mut(&id)
            && !matches!(workload.reported, Some(WorkloadState::Failed(_)))
        {
            workload.reported = None;
        }
        self.report(id, out);
    }

    /// Whether a sweep is under way that has not come to this one yet.
    fn is_unswept(&self, id: &WorkloadId) -> bool {
        self.unswept.as_ref().is_some_and(|unswept| unswept.workloads.contains(id))
    }

    fn is_interrupted(&self, id: &WorkloadId) -> bool {
        let workload = self.workloads.get(id);
        workload.is_some_and(|workload| self.state_of(id, workload) == WorkloadState::Interrupted)
    }

    /// Waits on every shim, and returns those that ended.
    fn poll(&self, timeout: Duration) -> Vec<WorkloadId> {
        let shims: Vec<_> = self
            .workloads
            .iter()
            .filter_map(|(id, workload)| Some((*id, workload.shim.as_ref()?)))
            .collect();
        let own = [self.waker.as_fd(), self.events.as_fd()];
        let watched = shims.iter().map(|(_, shim)| shim.process.as_fd());
        let fds: Vec<_> =
            own.into_iter().chain(watched).map(|fd| (fd, Interest::Readable)).collect();
        // A wait that failed is a wait that ended early, which callers allow for.
        let ready = os::poll::wait(&fds, Some(timeout)).unwrap_or_default();
        let ended = ready.into_iter().skip(own.len());
        shims.iter().zip(ended).filter(|(_, ended)| *ended).map(|((id, _), _)| *id).collect()
    }

    /// Releases a shim that ended, and reaps it if it is this process's child.
    fn release(&mut self, id: &WorkloadId) {
        let Some(shim) = self.workloads.get_mut(id).and_then(|w| w.shim.take()) else { return };
        // It is our child only where we are the first process of the machine, or of a container.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        let _ = waitid(Id::PIDFd(shim.process.as_fd()), flags);
    }

    /// Starts what waited for code, unless a sweep comes to it anyhow.
    fn start_those_with_code(&mut self, events: &mut Vec<WorkloadEvent>) {
        let waits = |(id, workload): (&WorkloadId, &Workload)| {
            (workload.awaits_code() && !self.is_unswept(id)).then_some(*id)
        };
        let ids: Vec<_> = self.workloads.iter().filter_map(waits).collect();
        for id in ids {
            self.settle_and_report(id, Cause::Swept, events);
        }
    }

    /// Says which slugs must stay, once that is known of all that runs.
    fn say_which_code_is_used(&mut self) {
        let Some(code) = self.machine.code.as_ref().filter(|_| self.uses_changed) else { return };
        self.uses_changed = false;
        let mut used = BTreeSet::new();
        for workload in self.workloads.values() {
            if let Wanted::Intent(intent) = &workload.wanted {
                used.extend(intent.slug);
            }
            match &workload.shim {
                None => {}
                Some(Shim { started_with: Some(with), .. }) => used.extend(with.slug),
                // It may run from any.
                Some(Shim { started_with: None, .. }) => return,
            }
        }
        code.keep(used);
    }

    fn drain(&mut self) {
        self.waker.reset();
        let mut sink = [0; 1024];
        while matches!(self.events.read(&mut sink), Ok(1..)) {}
        self.removals.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

impl Runtime for Runc {
    fn name(&self) -> &'static str {
        "runc"
    }

    fn begin_sweep(&mut self, workloads: BTreeMap<WorkloadId, WorkloadIntent>) {
        for (id, workload) in &mut self.workloads {
            if !workloads.contains_key(id) {
                workload.wanted = Wanted::Nothing;
            }
        }
        for (id, intent) in workloads {
            self.workloads.entry(id).or_default().wanted = Wanted::Intent(Box::new(intent));
        }
        self.look_again();
    }

    fn look_again(&mut self) {
        let workloads = self.workloads.keys().copied().collect();
        self.unswept = Some(Unswept { containers: true, workloads });
    }

    fn step(&mut self) -> Option<Vec<WorkloadEvent>> {
        let unswept = self.unswept.as_mut()?;
        if std::mem::take(&mut unswept.containers) {
            self.remove_lost_containers();
            return Some(self.wait(Duration::ZERO));
        }
        let some: Vec<_> = unswept.workloads.iter().take(SWEPT_AT_ONCE).copied().collect();
        unswept.workloads.retain(|id| !some.contains(id));
        if some.is_empty() {
            self.unswept = None;
            return None;
        }
        let mut events = Vec::new();
        for id in some {
            self.settle_and_repeat(id, Cause::Swept, &mut events);
        }
        Some(events)
    }

    fn apply(
        &mut self,
        delta: &BTreeMap<WorkloadId, Option<WorkloadIntent>>,
    ) -> Vec<WorkloadEvent> {
        let mut events = Vec::new();
        for (id, intent) in delta {
            let wanted = match intent {
                Some(intent) => Wanted::Intent(Box::new(intent.clone())),
                None => Wanted::Nothing,
            };
            self.workloads.entry(*id).or_default().wanted = wanted;
            self.settle_and_repeat(*id, Cause::Named, &mut events);
        }
        events
    }

    fn retry(&mut self) -> Vec<WorkloadEvent> {
        let waits = |(id, workload): (&WorkloadId, &Workload)| {
            let wanted = matches!(&workload.wanted, Wanted::Intent(intent) if intent.run);
            let state = self.state_of(id, workload);
            let waits = matches!(state, WorkloadState::Failed(_) | WorkloadState::Interrupted);
            // What a sweep has yet to come to is reported there, before it is started again.
            (wanted && waits && !self.is_unswept(id)).then_some(*id)
        };
        let ids: Vec<_> = self.workloads.iter().filter_map(waits).collect();
        let mut events = Vec::new();
        for id in ids {
            if let Some(workload) = self.workloads.get_mut(&id) {
                workload.reported = None;
            }
            self.settle_and_report(id, Cause::Swept, &mut events);
        }
        events
    }

    fn wait(&mut self, timeout: Duration) -> Vec<WorkloadEvent> {
        let ended = self.poll(timeout);
        self.drain();
        let mut events = Vec::new();
        for id in ended {
            self.release(&id);
            self.note_if_vanished(&id);
            self.report_end(id, &mut events);
            self.settle_and_report(id, Cause::Ended, &mut events);
        }
        let starting: Vec<_> = self
            .workloads
            .iter()
            .filter(|(_, workload)| workload.is_starting())
            .map(|(id, _)| *id)
            .collect();
        for id in starting {
            self.report(id, &mut events);
        }
        if self.machine.code.as_ref().is_some_and(|code| code.has_news()) {
            self.start_those_with_code(&mut events);
        }
        self.say_which_code_is_used();
        events
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn states(&self) -> BTreeMap<WorkloadId, WorkloadState> {
        self.workloads.iter().map(|(id, workload)| (*id, self.state_of(id, workload))).collect()
    }

    fn log(&self, id: &WorkloadId, tail_bytes: usize) -> io::Result<Vec<u8>> {
        match self.workloads.contains_key(id) {
            true => self.files(id).tail(tail_bytes),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read_log(
        &self,
        id: &WorkloadId,
        from: Option<LogPosition>,
        whole: bool,
    ) -> io::Result<LogPart> {
        match self.workloads.contains_key(id) {
            true => self.files(id).read_log(from, whole),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn exec_command(
        &self,
        id: &WorkloadId,
        argv: &[String],
        tty: bool,
    ) -> Result<ExecCommand, Error> {
        self.running(id)?;
        let mut args = vec!["--root".to_owned(), self.runc_root().display().to_string()];
        args.push("exec".to_owned());
        if tty {
            args.push("--tty".to_owned());
        }
        args.push(id.to_string());
        // Through a shell, which says what is wrong with a command, and with which status (126,
        // 127), as every other place does where a command is typed.
        args.extend(["/bin/sh", "-c", "exec \"$@\"", "causeway"].map(str::to_owned));
        args.extend(argv.iter().cloned());
        Ok(ExecCommand { program: self.runtime.clone(), args })
    }

    fn session_command(&self, id: &WorkloadId, inside: &Inside) -> Result<SessionCommand, Error> {
        Self::session_command(self, id, inside)
    }

    fn attach_socket(&self, id: &WorkloadId) -> Result<PathBuf, Error> {
        Ok(self.running(id)?.attach_socket())
    }

    fn remove_disk(&mut self, id: AddonId) -> Result<(), Error> {
        self.give_up_disk(id)
    }

    fn purge(&mut self) -> Result<usize, Error> {
        self.purge_all()
    }
}

/// Whether a workload that was started with one intent is what another one asks for. Addresses
/// and how it looks names up may change while it runs.
fn same_process(with: &WorkloadIntent, wanted: &WorkloadIntent) -> bool {
    let WorkloadIntent {
        interface,
        vpc,
        addresses: _,
        hostname,
        names: _,
        command,
        user_data,
        environment,
        slug,
        // The same slug has the same files.
        blob: _,
        disk,
        image,
        mounts,
        memory_limit,
        cpu_weight,
        stdio,
        attempt: _,
        once: _,
        fenced: _,
        run: _,
    } = with;
    *interface == wanted.interface
        && *vpc == wanted.vpc
        && *hostname == wanted.hostname
        && *command == wanted.command
        && *user_data == wanted.user_data
        && *environment == wanted.environment
        && *slug == wanted.slug
        && *disk == wanted.disk
        && *image == wanted.image
        && *mounts == wanted.mounts
        && *memory_limit == wanted.memory_limit
        && *cpu_weight == wanted.cpu_weight
        && *stdio == wanted.stdio
}

fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn open_events(dir: &Path) -> Result<File, Error> {
    let path = dir.join(EVENTS);
    match mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
        Err(errno) => return Err(at("make", &path)(errno.into())),
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(&path)
        .map_err(at("open", &path))
}
