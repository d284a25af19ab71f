//! The small process beside each workload: it outlives the daemon, keeps the workload's log, and
//! writes down how it ended.
//!
//! The program starts itself a second time and ends, so that the one that stays is nobody's
//! child and leaves no zombie to a daemon that is gone. What stays holds a lock: there are never
//! two for one workload.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use model::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stdout, setsid};

use super::files::{
    ExitRecord, Files, ShimOrder, read_pid, read_record, remove_dir, remove_file, replace,
    timestamp, write_record,
};
use super::layers::enter_own_namespace;
use super::log::BoundedLog;
use super::process::{ProcessMark, pidfd_open};
use super::runc::cgroup::killed_for_memory;

/// Tells the second start from the first.
const STAYS: &str = "CAUSEWAY_SHIM_STAYS";
/// What the shim says to the daemon once it holds the workload.
pub(super) const READY: &str = "ready";
/// What it says if another one does.
pub(super) const BUSY: &str = "busy";
/// Exit codes above this one mean that a signal ended the command.
const SIGNALLED: i32 = 128;
/// The first process says a line at its start and one at its end. Whoever says much more than
/// that is not it, and is not listened to: the pipe is within the workload's reach.
const STATUS_BYTES: usize = 4096;

/// The hidden subcommand `shim <dir>`: runs one workload to its end.
pub fn shim_main(dir: &Path) -> ExitCode {
    let result =
        if std::env::var_os(STAYS).is_none() { start_again(dir) } else { stay(&Files::at(dir)) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The daemon reads it, if the shim has not let go of it yet.
            let _ = writeln!(io::stdout(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn start_again(dir: &Path) -> io::Result<()> {
    setsid()?;
    Command::new(std::env::current_exe()?)
        .arg("shim")
        .arg(dir)
        .env(STAYS, "1")
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(())
}

fn stay(files: &Files) -> io::Result<()> {
    let lock = File::create(files.lock())?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::Error::other(BUSY)),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    set_child_subreaper(true)?;
    remove_file(&files.exit())?;
    write_record(&files.shim(), &ProcessMark::of(std::process::id())?)?;
    let order: ShimOrder = read_record(&files.order())?
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no order"))?;
    let mut shim = Shim {
        log: BoundedLog::open(files)?,
        control: open_pipe(&files.control())?,
        status: open_pipe(&files.status())?,
        order,
        files,
        asked: false,
        heard: Vec::new(),
        patience: STATUS_BYTES,
    };
    writeln!(io::stdout(), "{READY}")?;
    dup2_stdout(File::create("/dev/null")?)?;

    let record = shim.run();
    write_record(&files.exit(), &record)?;
    shim.remove_container();
    // It holds the environment, where secrets are.
    remove_dir(&files.bundle())
}

/// Both ends are held, so that neither a reader nor a writer ever waits for the other.
fn open_pipe(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

struct Shim<'a> {
    files: &'a Files,
    order: ShimOrder,
    log: BoundedLog,
    control: File,
    status: File,
    /// Whether the daemon asked for an end.
    asked: bool,
    /// What the first process said last.
    heard: Vec<u8>,
    /// How much more of it is listened to.
    patience: usize,
}

/// What is watched while the workload runs.
struct Watched {
    pid: Pid,
    process: OwnedFd,
    output: Option<PipeReader>,
    /// When to kill.
    deadline: Option<Instant>,
    /// Whether the request to end went out.
    told: bool,
}

impl Shim<'_> {
    fn run(&mut self) -> ExitRecord {
        let started = self.start();
        self.wake_daemon();
        let ended = started.and_then(|watched| self.watch(watched));
        let asked = self.asked;
        match ended {
            Ok(record) => {
                let out_of_memory = self.note_kills();
                ExitRecord { asked, out_of_memory, ..record }
            }
            Err(why) => ExitRecord { asked, failed: Some(why), ..ExitRecord::default() },
        }
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
        let told = |step: &'static str| move |error: io::Error| format!("{step}: {error}");
        // What a start that was cut off left behind.
        if self.order.runc_root.join(&self.order.container).exists() {
            self.remove_container();
        }
        if self.order.layers.is_some() || self.order.image.is_some() {
            enter_own_namespace().map_err(told("leave the host's mounts"))?;
        }
        if let Some(image) = &self.order.image {
            image.mount(&self.files.root).map_err(told("put the image in place"))?;
        }
        if let Some(layers) = &self.order.layers {
            layers.mount(&self.files.root).map_err(told("put the slug in place"))?;
        }
        let (output, input) = io::pipe().map_err(told("pipe"))?;
        nonblocking(&output).map_err(told("pipe"))?;
        let status = self
            .runc(&["--log-format", "json", "--log"])
            .arg(self.files.runc_log())
            .args(["run", "--detach", "--pid-file"])
            .arg(self.files.pid())
            .arg("--bundle")
            .arg(self.files.bundle())
            .arg(&self.order.container)
            .stdin(Stdio::null())
            .stdout(input.try_clone().map_err(told("pipe"))?)
            .stderr(input)
            .status()
            .map_err(told("run the OCI runtime"))?;
        if !status.success() {
            return Err(self.runc_error().unwrap_or_else(|| format!("OCI runtime: {status}")));
        }
        let pid = read_pid(&self.files.pid()).ok_or("the OCI runtime named no process")?;
        let process = pidfd_open(pid).map_err(told("open the process"))?;
        replace(&self.files.running(), pid.to_string().as_bytes()).map_err(told("write"))?;
        let pid = Pid::from_raw(i32::try_from(pid).map_err(|error| error.to_string())?);
        Ok(Watched { pid, process, output: Some(output), deadline: None, told: false })
    }

    fn runc(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.order.runtime);
        command.arg("--root").arg(&self.order.runc_root).args(options).env_remove(STAYS);
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

    fn watch(&mut self, mut watched: Watched) -> Result<ExitRecord, String> {
        while !self.wait(&mut watched).map_err(|error| format!("watch: {error}"))? {}
        if let Some(output) = &mut watched.output {
            copy_output(output, &mut self.log);
        }
        self.listen();
        self.bury(watched.pid).map_err(|errno| format!("wait for the process: {errno}"))
    }

    /// Waits for one thing to happen and says whether it was the end.
    fn wait(&mut self, watched: &mut Watched) -> io::Result<bool> {
        let timeout = watched.deadline.map_or(PollTimeout::NONE, |deadline| {
            // Rounded up, so that the deadline has passed when the time is over.
            let left = deadline.saturating_duration_since(Instant::now());
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let listening = match self.patience {
            0 => PollFlags::empty(),
            _ => PollFlags::POLLIN,
        };
        let mut fds = vec![
            PollFd::new(watched.process.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.status.as_fd(), listening),
        ];
        fds.extend(watched.output.iter().map(|o| PollFd::new(o.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let happened: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        if happened[0] {
            return Ok(true);
        }
        if happened[2] {
            self.listen();
        }
        if happened[1] {
            self.obey(watched);
        }
        if happened.get(3) == Some(&true)
            && watched.output.as_mut().is_some_and(|output| copy_output(output, &mut self.log))
        {
            watched.output = None;
        }
        self.press(watched);
        Ok(false)
    }

    /// Reads what the first process says of itself. It is the workload's: nothing but its own
    /// end depends on it.
    fn listen(&mut self) {
        const ENOUGH: usize = 64;
        let mut chunk = [0; ENOUGH];
        while self.patience > 0
            && let Ok(read @ 1..) = self.status.read(&mut chunk)
        {
            self.patience = self.patience.saturating_sub(read);
            self.heard.extend_from_slice(&chunk[..read]);
            let surplus = self.heard.len().saturating_sub(ENOUGH);
            self.heard.drain(..surplus);
        }
    }

    /// Reads `stop <milliseconds>` lines; the shortest grace counts.
    fn obey(&mut self, watched: &mut Watched) {
        let mut orders = [0; 256];
        let Ok(read) = self.control.read(&mut orders) else { return };
        let orders = String::from_utf8_lossy(&orders[..read]);
        for grace in orders.lines().filter_map(|line| line.strip_prefix("stop ")?.parse().ok()) {
            self.asked = true;
            let deadline = Instant::now() + Duration::from_millis(grace);
            watched.deadline =
                Some(watched.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        }
    }

    /// Sends the signals that are due.
    fn press(&self, watched: &mut Watched) {
        let Some(deadline) = watched.deadline else { return };
        // The process is a child that was not waited for: its number is nobody else's.
        if Instant::now() >= deadline {
            let _ = kill(watched.pid, Signal::SIGKILL);
            watched.deadline = None;
        } else if !watched.told && !self.heard.is_empty() {
            // Sent before the first process listens, it would be lost: the kernel spares it.
            let _ = kill(watched.pid, Signal::SIGTERM);
            watched.told = true;
        }
    }

    /// Waits for all that ended and says how the first process did.
    fn bury(&self, pid: Pid) -> nix::Result<ExitRecord> {
        let status = waitpid(pid, None)?;
        while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|s| s != WaitStatus::StillAlive) {
        }
        Ok(match status {
            WaitStatus::Exited(_, code) => match self.reported_signal(code) {
                Some(signal) => ExitRecord { signal: Some(signal), ..ExitRecord::default() },
                None => ExitRecord { code: Some(code), ..ExitRecord::default() },
            },
            WaitStatus::Signaled(_, signal, _) => {
                ExitRecord { signal: Some(signal as i32), ..ExitRecord::default() }
            }
            _ => ExitRecord::default(),
        })
    }

    /// The signal that ended the command, if the first process said so and its own exit code
    /// says the same.
    fn reported_signal(&self, code: i32) -> Option<i32> {
        let heard = String::from_utf8_lossy(&self.heard);
        let signal: i32 = heard.lines().last()?.strip_prefix("signal ")?.parse().ok()?;
        (code == SIGNALLED + signal).then_some(signal)
    }
}

/// Copies what is there, and says whether it was the last.
fn copy_output(output: &mut PipeReader, log: &mut BoundedLog) -> bool {
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
