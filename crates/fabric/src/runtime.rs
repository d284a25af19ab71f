//! Runs the processes of dynos, instances and data services, and reports how they fare.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::intent::WorkloadIntent;
use model::{AddonId, Timestamp, WorkloadId};
use os::Waker;

mod bounded;
mod bundle;
mod cgroup;
mod code;
mod error;
mod files;
mod init;
mod layers;
mod layout;
mod libraries;
mod log;
mod machine;
mod none;
mod remains;
mod restore;
mod runc;
mod seccomp;
mod shim;
mod spawn;
mod stdio;
mod usage;
mod user;

pub use code::{CodeSource, CodeState};
pub use error::Error;
pub use init::init_main;
pub use log::{LogLine, LogPart};
pub use none::NoRuntime;
pub use os::bounded_log::Position as LogPosition;
pub use remains::{containers, end_containers, instances_with_control_groups};
pub use restore::await_restore;
pub use runc::Runc;
pub use runc::doctor::doctor;
pub use shim::{SHIM, shim_main};
pub use stdio::{Ends, spawn_on_terminal, take};
pub use usage::{Traffic, Usage, usage};

/// How long a workload has to end by itself once it was asked to: as long as Heroku's dynos.
pub const GRACE: Duration = Duration::from_secs(30);

/// Makes processes follow an intent.
///
/// Workloads outlive the daemon: a new runtime on the same directory adopts what runs, and finds
/// what ended while nobody watched. What ended by itself stays ended until [`Runtime::apply`]
/// names it again: whether and when a crashed process is tried once more is not decided here.
///
/// Events repeat what is so; they do not only tell of changes. A sweep says of every workload how
/// it fares and a change of each that it names, so that whoever missed something hears it again.
pub trait Runtime: Send {
    /// The runtime's name, as `serve --fabric` takes it.
    fn name(&self) -> &'static str;

    /// Begins to make what runs match the whole intent: adopts what runs, starts what should run and
    /// never did or was interrupted, stops what no intent names. This takes note of all that is to be
    /// looked at; [`Runtime::step`] looks.
    fn begin_sweep(&mut self, workloads: BTreeMap<WorkloadId, WorkloadIntent>);

    /// Begins to compare everything once more with the intent of the last sweep and all changes since.
    fn look_again(&mut self);

    /// Looks at some of the workloads that are to be looked at, and says how each of them fares; `None`
    /// where none is left. Waits for nothing but the start itself. Changes may be applied between two
    /// steps.
    fn step(&mut self) -> Option<Vec<WorkloadEvent>>;

    /// A whole sweep in one go.
    #[cfg(any(test, feature = "test-support"))]
    fn sweep(&mut self, workloads: &BTreeMap<WorkloadId, WorkloadIntent>) -> Vec<WorkloadEvent> {
        self.begin_sweep(workloads.clone());
        std::iter::from_fn(|| self.step()).flatten().collect()
    }

    /// Applies a change to the intent of the last sweep. A workload that is named with
    /// `run = true` runs afterwards, whatever ended it before; one whose intent differs in more
    /// than its addresses from what it was started with is stopped and started anew.
    fn apply(&mut self, delta: &BTreeMap<WorkloadId, Option<WorkloadIntent>>)
    -> Vec<WorkloadEvent>;

    /// Tries once more to start what should run and could not be started or was interrupted, and
    /// reports the state of each, whether that is news or not.
    fn retry(&mut self) -> Vec<WorkloadEvent>;

    /// Waits until something happened, the waker was used or the time is over, and reports what
    /// happened.
    fn wait(&mut self, timeout: Duration) -> Vec<WorkloadEvent>;

    /// The waker that makes a [`Runtime::wait`] of another thread return.
    fn waker(&self) -> Waker;

    /// The state of every known workload.
    fn states(&self) -> BTreeMap<WorkloadId, WorkloadState>;

    /// The last bytes that a workload wrote to its standard output and error.
    fn log(&self, id: &WorkloadId, tail_bytes: usize) -> io::Result<Vec<u8>>;

    /// What a workload wrote to them after a position, line by line: all that is kept where that
    /// position is lost or not given. A last line that has not ended is left for later, unless
    /// `whole` asks for it.
    fn read_log(
        &self,
        id: &WorkloadId,
        from: Option<LogPosition>,
        whole: bool,
    ) -> io::Result<LogPart>;

    /// The command that runs another process inside a running workload, with the caller's
    /// standard input and output. `tty` needs a terminal there.
    fn exec_command(
        &self,
        id: &WorkloadId,
        argv: &[String],
        tty: bool,
    ) -> Result<ExecCommand, Error>;

    /// The command that runs another process inside a running workload, on the terminal that it is
    /// started on.
    fn session_command(&self, id: &WorkloadId, inside: &Inside) -> Result<SessionCommand, Error>;

    /// The socket from which [`take`] gets a running workload's standard input and output, if a
    /// client is to be attached to it.
    fn attach_socket(&self, id: &WorkloadId) -> Result<PathBuf, Error>;

    /// Removes what a data service kept, for good. Refused while the service is known; one that
    /// kept nothing is fine.
    fn remove_disk(&mut self, id: AddonId) -> Result<(), Error>;

    /// Kills and removes everything of this instance of Causeway, and returns how many workloads
    /// that was.
    fn purge(&mut self) -> Result<usize, Error>;
}

/// Something that happened to a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadEvent {
    /// The workload.
    pub id: WorkloadId,
    /// Its state since then.
    pub state: WorkloadState,
}

/// The state of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadState {
    /// It has never run and need not.
    Stopped,
    /// It was started and is not running yet.
    Starting,
    /// It runs.
    Running {
        /// The number of its first process on the host; `None` where there is no process.
        pid: Option<u32>,
    },
    /// It ran and ended; its log and files are kept.
    Exited {
        /// The exit status of its command; `None` where a signal ended it.
        code: Option<i32>,
        /// The number of the signal that ended its command.
        signal: Option<i32>,
        /// Whether the kernel killed any of its processes because together they used more memory
        /// than they may.
        out_of_memory: bool,
        /// The time of the end.
        at: Timestamp,
    },
    /// The host ended it, or whoever works there: by a signal from outside, by ending its shim, or
    /// by a power cut. The next retry or sweep starts it again.
    Interrupted,
    /// It could not be started, for this reason. The next retry or sweep tries again.
    Failed(String),
    /// Nothing of it is left.
    Gone,
}

/// A command for the caller to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCommand {
    /// The program.
    pub program: PathBuf,
    /// The arguments, without the program itself.
    pub args: Vec<String>,
}

/// A further process for a running workload, which a client at a terminal is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables over those of the workload.
    pub environment: BTreeMap<String, String>,
    /// The width of the terminal in characters; 0 where it is not known.
    pub columns: u16,
    /// The height of the terminal in lines; 0 where it is not known.
    pub rows: u16,
}

/// A command for [`spawn_on_terminal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCommand {
    /// The command.
    pub command: ExecCommand,
    /// A file that it reads when it starts, to be removed once it has ended.
    pub order: PathBuf,
}

impl From<ExecCommand> for std::process::Command {
    fn from(spec: ExecCommand) -> Self {
        let mut command = Self::new(spec.program);
        command.args(spec.args);
        command
    }
}

/// A path in a directory at which there is nothing: with this name, or with a number added to it.
pub fn free_name(dir: &Path, name: &str) -> PathBuf {
    let numbered = (2_u64..).map(|n| dir.join(format!("{name}.{n}")));
    let mut names = std::iter::once(dir.join(name)).chain(numbered);
    names.find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| dir.join(name))
}
