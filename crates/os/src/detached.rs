//! Processes that outlive whoever started them, and how they are found when nothing else tells of
//! them.
//!
//! `program subcommand DIR` leaves its parent's session, starts itself a second time and ends. The
//! one that stays is then nobody's child: it leaves no zombie to a parent that is gone, and no
//! signal to its parent's terminal reaches it. It says one thing on its standard output, which its
//! parent waits for: that it is ready, or why it cannot be.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use crate::poll::is_readable_within;
use crate::process::Process;
use crate::service_manager::VARIABLES;

/// What the process that stays says once it does its work.
const READY: &str = "ready";
/// Bytes that are read of what it says instead.
const REASON_BYTES: u64 = 64 << 10;
/// What the kernel adds to the name of a program whose file was removed or replaced.
const DELETED: &[u8] = b" (deleted)";

/// A subcommand that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detached {
    /// The program's first argument; the second is the directory that the process works for.
    pub subcommand: &'static str,
    /// The environment variable that tells the second start from the first, and by which the
    /// process that stays is known afterwards.
    pub variable: &'static str,
    /// How long it may take until it is ready.
    pub patience: Duration,
}

/// Why there is no process that stays.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program cannot be started.
    #[error("{} cannot be started", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// It started and said why it cannot stay.
    #[error("{0}")]
    Refused(String),
    /// It started and ended without saying why.
    #[error("it ended without an error message")]
    Silent,
    /// It did not say that it is ready in time; it may be later.
    #[error("it was not ready in time")]
    Late,
}

impl Detached {
    /// Starts a program as this subcommand for a directory, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn start(&self, program: &Path, dir: &Path) -> Result<(), StartError> {
        let failed = |source| StartError::Program { program: program.to_owned(), source };
        let mut command = Command::new(program);
        for name in VARIABLES {
            command.env_remove(name);
        }
        let mut child = command
            .arg(self.subcommand)
            .arg(dir)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let answer = child.stdout.take().map(|stdout| self.await_ready(stdout));
        // It has started itself a second time, and ends.
        child.wait().map_err(failed)?;
        answer.unwrap_or(Ok(Err(StartError::Silent))).map_err(failed)?
    }

    fn await_ready(&self, stdout: ChildStdout) -> io::Result<Result<(), StartError>> {
        if !is_readable_within(&stdout, self.patience)? {
            return Ok(Err(StartError::Late));
        }
        let mut stdout = BufReader::new(stdout);
        let mut answer = String::new();
        stdout.read_line(&mut answer)?;
        if answer.trim_end() == READY {
            return Ok(Ok(()));
        }
        // The process ends, and with it what it says.
        stdout.take(REASON_BYTES).read_to_string(&mut answer)?;
        Ok(Err(match answer.trim_end() {
            "" => StartError::Silent,
            reason => StartError::Refused(reason.to_owned()),
        }))
    }

    /// The subcommand itself, for the program's `main`: starts the program a second time and ends,
    /// or, as that second process, does the work.
    pub fn run(&self, dir: &Path, work: impl FnOnce(Ready) -> io::Result<()>) -> ExitCode {
        let ended = match std::env::var_os(self.variable) {
            None => self.start_again(dir),
            Some(_) => work(Ready(())),
        };
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Whoever started it reads this, unless it was told `ready` or is gone.
                let _ = writeln!(io::stdout(), "{error}");
                ExitCode::FAILURE
            }
        }
    }

    fn start_again(&self, dir: &Path) -> io::Result<()> {
        rustix::process::setsid()?;
        Command::new(std::env::current_exe()?)
            .arg(self.subcommand)
            .arg(dir)
            .env(self.variable, "1")
            .current_dir("/")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(())
    }

    /// The processes of a program that stay as this subcommand for some directories, whether these
    /// are there or not. Arguments alone tell little, as anybody may start another program with
    /// the same; so the program's name and the variable are asked for, too.
    pub fn find(&self, program: &Path, is_dir: impl Fn(&Path) -> bool) -> Vec<Found> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter_map(|pid| {
            // It is held before it is looked at, so that what is seen is of the process held.
            let process = Process::open(pid).ok()??;
            let dir = self.works_for(&Path::new("/proc").join(pid.to_string()), program)?;
            is_dir(&dir).then_some(Found { pid, dir, process })
        })
        .collect()
    }

    /// The directory that a process below `/proc` works for, if it is one of these.
    fn works_for(&self, process: &Path, program: &Path) -> Option<PathBuf> {
        let read = |name| fs::read(process.join(name)).unwrap_or_default();
        let line = read("cmdline");
        let mut words = line.split(|byte| *byte == 0).skip(1);
        if words.next() != Some(self.subcommand.as_bytes()) {
            return None;
        }
        let dir = Path::new(OsStr::from_bytes(words.next()?)).to_owned();
        let set = format!("{}=1", self.variable);
        if !read("environ").split(|byte| *byte == 0).any(|word| word == set.as_bytes()) {
            return None;
        }
        let runs = fs::read_link(process.join("exe")).ok()?.into_os_string().into_encoded_bytes();
        let runs = OsStr::from_bytes(runs.strip_suffix(DELETED).unwrap_or(&runs));
        (Path::new(runs).file_name() == program.file_name()).then_some(dir)
    }
}

/// The right of the process that stays to say, once, that it is ready.
#[derive(Debug)]
pub struct Ready(());

impl Ready {
    /// Says that the process is ready and lets go of its standard output, which its parent had for
    /// this alone.
    ///
    /// # Errors
    ///
    /// The kernel's error, also where the parent is gone.
    pub fn tell(self) -> io::Result<()> {
        writeln!(io::stdout(), "{READY}")?;
        Ok(rustix::stdio::dup2_stdout(File::create("/dev/null")?)?)
    }
}

/// A process that stays, held: its number is not mistaken for another's.
#[derive(Debug)]
pub struct Found {
    /// The process id.
    pub pid: u32,
    /// The directory that it works for.
    pub dir: PathBuf,
    process: Process,
}

impl Found {
    /// Kills it, and waits for its end.
    ///
    /// # Errors
    ///
    /// As [`Process::end`].
    pub fn end(&self) -> io::Result<()> {
        self.process.end()
    }
}
