//! The processes of dynos and instances: what runs them, and what is known of them.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::intent::WorkloadIntent;
use model::{AddonId, Timestamp, WorkloadId};

mod bundle;
mod files;
mod init;
mod layers;
mod libraries;
mod log;
mod none;
mod process;
mod restore;
mod runc;
mod seccomp;
mod shim;

pub use init::init_main;
pub use log::{LogLine, LogPart, LogPlace};
pub use none::NoRuntime;
pub use restore::await_restore;
pub use runc::Runc;
pub use runc::doctor::doctor;
pub use shim::shim_main;

/// Makes processes follow an intent.
///
/// Workloads outlive the daemon: a new runtime on the same directory adopts what runs, and finds
/// what ended while nobody watched. What ended by itself stays ended until [`Runtime::apply`]
/// names it again: whether and when a crashed process is tried once more is not decided here.
pub trait Runtime: Send {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Makes what runs match the whole intent: adopts what runs, starts what should run and never
    /// did (or vanished without a trace, as in a reboot), stops what no intent names. Waits for
    /// nothing but the start itself.
    fn sweep(&mut self, workloads: &BTreeMap<WorkloadId, WorkloadIntent>) -> Vec<WorkloadEvent>;

    /// Applies a change to the intent of the last sweep. A workload that is named with
    /// `run = true` runs afterwards, whatever ended it before; one whose intent differs in more
    /// than its addresses from what it was started with is stopped and started anew.
    fn apply(&mut self, delta: &BTreeMap<WorkloadId, Option<WorkloadIntent>>)
    -> Vec<WorkloadEvent>;

    /// Tries once more to start what should run and could not be started, and says of each what
    /// came of it, whether that is news or not.
    fn retry(&mut self) -> Vec<WorkloadEvent>;

    /// Waits until something happened, the waker was used or the time is over, and says what
    /// happened.
    fn wait(&mut self, timeout: Duration) -> Vec<WorkloadEvent>;

    /// What makes a `wait` of another thread return.
    fn waker(&self) -> Waker;

    /// How every known workload fares.
    fn states(&self) -> BTreeMap<WorkloadId, WorkloadState>;

    /// The last bytes that a workload wrote to its standard output and error.
    fn log(&self, id: &WorkloadId, tail_bytes: usize) -> io::Result<Vec<u8>>;

    /// What a workload wrote to them from some place on, line by line: from the beginning where
    /// that place is lost or not given. A last line that has not ended is left for later, unless
    /// `whole` asks for it.
    fn read_log(&self, id: &WorkloadId, from: Option<LogPlace>, whole: bool)
    -> io::Result<LogPart>;

    /// The command that runs another process inside a running workload, with the caller's
    /// standard input and output. `tty` needs a terminal there.
    fn exec_command(
        &self,
        id: &WorkloadId,
        argv: &[String],
        tty: bool,
    ) -> Result<ExecCommand, Error>;

    /// Removes what a data service kept, for good. Refused while the service is known; one that
    /// kept nothing is fine.
    fn remove_disk(&mut self, id: AddonId) -> Result<(), Error>;

    /// Kills and removes everything of this instance of Causeway, and says how many workloads
    /// that was.
    fn purge(&mut self) -> Result<usize, Error>;
}

/// Something that happened to a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadEvent {
    /// Which.
    pub id: WorkloadId,
    /// How it fares since.
    pub state: WorkloadState,
}

/// How a workload fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadState {
    /// It has never run and need not.
    Stopped,
    /// It was started and is not running yet.
    Starting,
    /// It runs.
    Running {
        /// Its first process, as the host counts; `None` where there is none.
        pid: Option<u32>,
    },
    /// It ran and ended; its log and files are kept. Neither code nor signal: it vanished.
    Exited {
        /// What its command returned.
        code: Option<i32>,
        /// The signal that ended its command.
        signal: Option<i32>,
        /// Whether the kernel killed any of its processes because together they used more memory
        /// than they may.
        out_of_memory: bool,
        /// When.
        at: Timestamp,
    },
    /// It could not be started, and why. The next retry or sweep tries again.
    Failed(String),
    /// Nothing of it is left.
    Gone,
}

/// A command for the caller to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

impl From<ExecCommand> for std::process::Command {
    fn from(spec: ExecCommand) -> Self {
        let mut command = Self::new(spec.program);
        command.args(spec.args);
        command
    }
}

/// Makes a `wait` return; cheap to clone and to use from any thread.
#[derive(Debug, Clone)]
pub struct Waker(Arc<UnixStream>);

impl Waker {
    /// Makes the `wait` that runs now, or the next one, return at once.
    pub fn wake(&self) {
        // A full socket means that the wait has enough to wake up for.
        let _ = io::Write::write(&mut &*self.0, &[1]);
    }

    fn pair() -> io::Result<(Self, UnixStream)> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok((Self(Arc::new(sender)), receiver))
    }
}

/// Why the runtime could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of a workload could not be read, written or removed.
    #[error("{step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A program could not be run.
    #[error("run {program}")]
    Program {
        /// Which.
        program: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A program or a shim said no.
    #[error("{0}")]
    Refused(String),
    /// The workload's interface has no network namespace yet.
    #[error("interface {0} has no network namespace yet")]
    NoNetwork(model::EniId),
    /// The workload does not run.
    #[error("workload {0} does not run")]
    NotRunning(WorkloadId),
    /// Several things went wrong; all of the rest was done.
    #[error("{}", .0.join("; "))]
    Several(Vec<String>),
}

impl Error {
    /// The message with those of its sources, for reports.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
