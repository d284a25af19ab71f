//! The small process beside each workload: it outlives the daemon, keeps the workload's log, and
//! writes down how it ended.
//!
//! Where the host ends it, or whoever works there, it ends its workload in good order and notes that
//! the workload did not end by itself: whoever starts next starts it again, as after a power cut.
//!
//! It holds a lock: there are never two for one workload.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use model::Timestamp;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use os::detached::{Detached, Ready};
use os::poll::{Interest, readable};
use os::process::{Process, ProcessMark};
use os::service_manager::VARIABLES;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::cgroup::killed_for_memory;
use super::files::{
    ExitRecord, Files, ShimOrder, read_pid, read_record, remove_dir, remove_file, replace,
    timestamp, write_record,
};
use super::init::{ATTACHED, TOLD_FROM_OUTSIDE};
use super::layers::enter_own_namespace;
use super::log::WorkloadLog;
use super::stdio::{Offered, Prepared};

/// The shim as a process that stays: `program shim DIR`, of a workload's directory.
pub const SHIM: Detached = Detached {
    subcommand: "shim",
    variable: "CAUSEWAY_SHIM_STAYS",
    // It only reads and writes a few small files until it is ready.
    patience: Duration::from_secs(60),
};
/// An exit code above this one means that a signal ended the command, whose number is the rest.
const SIGNALLED: i32 = 128;
/// Bytes that are read from the status pipe. The first process writes a line at its start and one at
/// its end; whoever writes much more is not it, as the pipe is within the workload's reach.
const STATUS_BYTES: usize = 4096;

/// The hidden subcommand `shim DIR`: runs one workload to its end.
pub fn shim_main(dir: &Path) -> ExitCode {
    SHIM.run(dir, |ready| stay(&Files::at(dir), ready))
}

fn stay(files: &Files, ready: Ready) -> io::Result<()> {
    let lock = File::create(files.lock())?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::other("another shim holds the workload"));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    set_child_subreaper(true)?;
    let signals = signal_pipe()?;
    remove_file(&files.exit())?;
    write_record(&files.shim(), &ProcessMark::of_this_process()?)?;
    let order: ShimOrder = read_record(&files.order())?
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no order"))?;
    let mut shim = Shim {
        log: WorkloadLog::open(files)?,
        control: open_pipe(&files.control())?,
        status: open_pipe(&files.status())?,
        order,
        files,
        signals,
        asked: false,
        interrupted: false,
        term_sent: false,
        status_text: Vec::new(),
        status_budget: STATUS_BYTES,
    };
    ready.tell()?;

    let record = shim.run();
    write_record(&files.exit(), &record)?;
    shim.remove_container();
    if shim.is_ended_by_a_signal_to_all(&record) {
        write_record(&files.exit(), &ExitRecord { interrupted: true, ..record })?;
    }
    // It holds the environment, where secrets are.
    remove_dir(&files.bundle())
}

/// A pipe to which each signal that tells this process to end writes a byte. Processes that it starts
/// are not concerned: a handler does not outlive the start of another program.
fn signal_pipe() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    reader.set_nonblocking(true)?;
    Ok(reader)
}

/// Both ends are held, so that neither a reader nor a writer ever waits for the other.
fn open_pipe(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

struct Shim<'a> {
    files: &'a Files,
    order: ShimOrder,
    log: WorkloadLog,
    control: File,
    status: File,
    /// Becomes readable when a signal tells the shim itself to end.
    signals: UnixStream,
    /// Whether the daemon asked for the workload's end.
    asked: bool,
    /// Whether a signal told the shim to end.
    interrupted: bool,
    /// Whether the first process was sent SIGTERM or SIGKILL.
    term_sent: bool,
    /// The last bytes that the first process wrote to the status pipe.
    status_text: Vec<u8>,
    /// How many more bytes are read from that pipe.
    status_budget: usize,
}

/// The workload while it runs.
struct Watched {
    pid: Pid,
    process: Process,
    output: Option<PipeReader>,
    /// The ends that a client is to take, as long as none has.
    offered: Option<Offered>,
    /// Whether a client has taken them and the first process does not know it yet.
    taken: bool,
    /// The time at which the workload is killed.
    deadline: Option<Instant>,
}

impl Shim<'_> {
    fn run(&mut self) -> ExitRecord {
        let started = self.start();
        self.wake_daemon();
        let ended = started.and_then(|watched| self.watch(watched));
        // The OCI runtime may have been told to end at the same time, and failed.
        self.note_signals();
        // An order that came just before the end was not read yet. What was asked to stop is not
        // interrupted, whoever ended it in the end.
        self.read_orders();
        let (asked, interrupted) = (self.asked, self.interrupted);
        match ended {
            Ok((record, killed)) => {
                let out_of_memory = self.note_kills();
                // Nobody inside can kill the first process, or make it hear from outside.
                let from_outside = killed || (!self.term_sent && self.was_told_from_outside());
                let interrupted = interrupted || (from_outside && !out_of_memory);
                ExitRecord { asked, interrupted, out_of_memory, ..record }
            }
            Err(why) => {
                ExitRecord { asked, interrupted, failed: Some(why), ..ExitRecord::default() }
            }
        }
    }

    /// Notes whether the shim was told to end.
    fn note_signals(&mut self) {
        let mut signals = [0; 64];
        while matches!(self.signals.read(&mut signals), Ok(1..)) {
            self.interrupted = true;
        }
    }

    fn was_told_from_outside(&self) -> bool {
        String::from_utf8_lossy(&self.status_text).lines().any(|line| line == TOLD_FROM_OUTSIDE)
    }

    /// Whether the command ended by one of the signals that the shim has heard only since: where all
    /// processes are told to end at once, nobody knows which of them is the first.
    fn is_ended_by_a_signal_to_all(&mut self, record: &ExitRecord) -> bool {
        self.note_signals();
        let signals = [SIGTERM, SIGINT, SIGHUP];
        let by_signal = record.signal.is_some_and(|signal| signals.contains(&signal))
            || record.code.is_some_and(|code| signals.contains(&(code - SIGNALLED)));
        self.interrupted && by_signal && !record.asked
    }

    /// Says in the log that the kernel killed processes for memory, if it did.
    fn note_kills(&mut self) -> bool {
        let killed = killed_for_memory(&self.order.group);
        if killed > 0 {
            let line =
                format!("causeway: out of memory: the kernel killed {killed} of its processes\n");
            // A full disk costs the log, not the workload.
            let _ = self.log.append(line.as_bytes(), now());
        }
        killed > 0
    }

    fn start(&mut self) -> Result<Watched, String> {
        let failed = |step: &'static str| move |error: io::Error| format!("{step}: {error}");
        // A start that was cut off may have left a container behind.
        if self.order.runc_root.join(&self.order.container).exists() {
            self.remove_container();
        }
        let Self { order, files, .. } = &*self;
        let bounded = [&order.bounded, &order.home].into_iter().flatten();
        if order.layers.is_some() || order.image.is_some() || bounded.clone().next().is_some() {
            enter_own_namespace().map_err(failed("leave the host's mounts"))?;
        }
        for disk in bounded {
            disk.mount().map_err(failed("put the disk in place"))?;
        }
        if let Some(image) = &order.image {
            image.mount(&files.root).map_err(failed("put the image in place"))?;
        }
        if let Some(layers) = &order.layers {
            layers.mount(&files.root).map_err(failed("put the home in place"))?;
        }
        let mut runc = self.runc(&["--log-format", "json", "--log"]);
        runc.arg(self.files.runc_log())
            .args(["run", "--detach", "--pid-file"])
            .arg(self.files.pid())
            .arg("--bundle")
            .arg(self.files.bundle());
        let prepared = Prepared::new(self.order.stdio, self.files, &mut runc)
            .map_err(failed("prepare its input and output"))?;
        let status =
            runc.arg(&self.order.container).status().map_err(failed("run the OCI runtime"))?;
        // The command holds the workload's own ends of its input and output.
        drop(runc);
        if !status.success() {
            return Err(self.runc_error().unwrap_or_else(|| format!("OCI runtime: {status}")));
        }
        let pid = read_pid(&self.files.pid()).ok_or("the OCI runtime named no process")?;
        let process = Process::open(pid)
            .and_then(|process| process.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(failed("open the process"))?;
        let (output, offered) =
            prepared.started(self.files).map_err(failed("take its input and output"))?;
        if let Some(output) = &output {
            nonblocking(output).map_err(failed("pipe"))?;
        }
        // From now on it can be asked for.
        replace(&self.files.running(), pid.to_string().as_bytes()).map_err(failed("write"))?;
        let pid = Pid::from_raw(i32::try_from(pid).map_err(|error| error.to_string())?);
        Ok(Watched { pid, process, output, offered, taken: false, deadline: None })
    }

    fn runc(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.order.runtime);
        command.arg("--root").arg(&self.order.runc_root).args(options).env_remove(SHIM.variable);
        for name in VARIABLES {
            command.env_remove(name);
        }
        command
    }

    /// The last message of the OCI runtime's own log.
    fn runc_error(&self) -> Option<String> {
        let log = fs::read_to_string(self.files.runc_log()).ok()?;
        let last: serde_json::Value = serde_json::from_str(log.lines().last()?).ok()?;
        Some(last.get("msg")?.as_str()?.to_owned())
    }

    fn remove_container(&self) {
        // Most often there is none, and that is what it says then.
        let _ = self
            .runc(&[])
            .args(["delete", "--force", &self.order.container])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }

    fn wake_daemon(&self) {
        let pipe = OpenOptions::new()
            .write(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&self.order.events);
        if let Ok(mut pipe) = pipe {
            // A full pipe wakes it as well as a fuller one.
            let _ = pipe.write_all(b"!");
        }
    }

    /// Waits for the end, and says how it came and whether somebody killed the first process.
    fn watch(&mut self, mut watched: Watched) -> Result<(ExitRecord, bool), String> {
        while !self.wait(&mut watched).map_err(|error| format!("watch: {error}"))? {}
        if let Some(output) = &mut watched.output {
            copy_output(output, &mut self.log);
        }
        self.read_status();
        self.reap(watched.pid).map_err(|errno| format!("wait for the process: {errno}"))
    }

    /// Waits for one thing to happen and says whether it was the end.
    fn wait(&mut self, watched: &mut Watched) -> io::Result<bool> {
        let given_up = watched.offered.as_ref().map(Offered::until);
        let next = watched.deadline.into_iter().chain(given_up).min();
        let timeout = next.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let status = match self.status_budget {
            0 => Interest::End,
            _ => Interest::Readable,
        };
        let mut fds = vec![
            readable(&watched.process),
            readable(&self.control),
            (self.status.as_fd(), status),
            readable(&self.signals),
        ];
        // A workload has one of the two.
        fds.extend(watched.output.iter().map(readable));
        fds.extend(watched.offered.iter().map(|offered| (offered.socket(), Interest::Readable)));
        let happened = os::poll::wait(&fds, timeout)?;
        if happened[0] {
            return Ok(true);
        }
        if happened[2] {
            self.read_status();
        }
        if happened[1]
            && let Some(grace) = self.read_orders()
        {
            self.end_within(watched, grace);
        }
        if happened[3] {
            self.note_signals();
            self.end_within(watched, Duration::from_millis(self.order.grace));
        }
        if happened.get(4) == Some(&true) && watched.offered.as_ref().is_some_and(Offered::give) {
            watched.offered = None;
            watched.taken = true;
        }
        // Sent before the first process listens, it would be lost.
        if watched.taken && !self.status_text.is_empty() {
            watched.taken = false;
            let _ = kill(watched.pid, ATTACHED);
        }
        if watched.offered.as_ref().is_some_and(|offered| Instant::now() >= offered.until()) {
            // Nobody came. A terminal hangs up by this alone; what has pipes is told so.
            watched.offered = None;
            let _ = kill(watched.pid, Signal::SIGHUP);
        }
        if happened.get(4) == Some(&true)
            && watched.output.as_mut().is_some_and(|output| copy_output(output, &mut self.log))
        {
            watched.output = None;
        }
        self.send_due_signals(watched);
        Ok(false)
    }

    /// Reads the first process's lines about itself. The workload can write such lines, too: nothing
    /// but its own end depends on them.
    fn read_status(&mut self) {
        const ENOUGH: usize = 64;
        let mut chunk = [0; ENOUGH];
        while self.status_budget > 0
            && let Ok(read @ 1..) = self.status.read(&mut chunk)
        {
            self.status_budget = self.status_budget.saturating_sub(read);
            self.status_text.extend_from_slice(&chunk[..read]);
            let surplus = self.status_text.len().saturating_sub(ENOUGH);
            self.status_text.drain(..surplus);
        }
    }

    /// Reads `stop <milliseconds>` lines, and returns the shortest grace of them.
    fn read_orders(&mut self) -> Option<Duration> {
        let mut orders = [0; 256];
        let read = self.control.read(&mut orders).ok()?;
        let orders = String::from_utf8_lossy(&orders[..read]);
        let graces = orders.lines().filter_map(|line| line.strip_prefix("stop ")?.parse().ok());
        let shortest = graces.min().map(Duration::from_millis);
        self.asked |= shortest.is_some();
        shortest
    }

    fn end_within(&self, watched: &mut Watched, grace: Duration) {
        let deadline = Instant::now() + grace;
        watched.deadline = Some(watched.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// Sends the signals that are due.
    fn send_due_signals(&mut self, watched: &mut Watched) {
        let Some(deadline) = watched.deadline else { return };
        // The process is a child that was not waited for: its number is nobody else's.
        if Instant::now() >= deadline {
            let _ = kill(watched.pid, Signal::SIGKILL);
            watched.deadline = None;
            self.term_sent = true;
        } else if !self.term_sent && !self.status_text.is_empty() {
            // Sent before the first process listens, it would be lost: the kernel spares it.
            let _ = kill(watched.pid, Signal::SIGTERM);
            self.term_sent = true;
        }
    }

    /// Waits for all that ended, and says how the first process did and whether somebody killed it.
    fn reap(&self, pid: Pid) -> nix::Result<(ExitRecord, bool)> {
        let status = waitpid(pid, None)?;
        let killed =
            matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)) && !self.term_sent;
        while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|s| s != WaitStatus::StillAlive) {
        }
        let record = match status {
            WaitStatus::Exited(_, code) => match self.reported_signal(code) {
                Some(signal) => ExitRecord { signal: Some(signal), ..ExitRecord::default() },
                None => ExitRecord { code: Some(code), ..ExitRecord::default() },
            },
            WaitStatus::Signaled(_, signal, _) => {
                ExitRecord { signal: Some(signal as i32), ..ExitRecord::default() }
            }
            _ => ExitRecord::default(),
        };
        Ok((record, killed))
    }

    /// The signal that ended the command, if the first process said so and its own exit code
    /// says the same.
    fn reported_signal(&self, code: i32) -> Option<i32> {
        let text = String::from_utf8_lossy(&self.status_text);
        let signal: i32 = text.lines().last()?.strip_prefix("signal ")?.parse().ok()?;
        (code == SIGNALLED + signal).then_some(signal)
    }
}

/// Copies what is there, and says whether it was the last.
fn copy_output(output: &mut PipeReader, log: &mut WorkloadLog) -> bool {
    let mut chunk = [0; 1 << 16];
    // A few at a time: a workload that writes without end must not keep an order from being read.
    for _ in 0..16 {
        match output.read(&mut chunk) {
            Ok(0) => return true,
            // A full disk costs the log, not the workload.
            Ok(read) => drop(log.append(&chunk[..read], now())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    false
}

/// The shim is a process of its own, and the only one that sees when its workload writes.
#[expect(clippy::disallowed_methods, reason = "nobody is there to say what time it is")]
fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

fn nonblocking(fd: impl AsFd) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
