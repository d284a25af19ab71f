//! The edge as a process of its own: found, started, replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stdout, setsid};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::control::client::Control;
use crate::mark;
use crate::run::Edge;

/// Tells the second start from the first.
const STAYS: &str = "CAUSEWAY_EDGE_STAYS";
/// What an edge says once it serves.
const READY: &str = "ready";
/// How long it may take until then: it may take over from another one.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of each of the two files of an edge's own log.
const LOG_BYTES: u64 = 1 << 20;

/// Why there is no edge.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// Its directory cannot be used.
    #[error("the edge's directory {} cannot be used", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program cannot be started.
    #[error("{} cannot be started as the edge", program.display())]
    Program {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It started and said why it cannot serve.
    #[error("the edge does not start: {0}")]
    Refused(String),
    /// It serves, but does not listen.
    #[error("the edge does not answer on its control socket; its log is edge.log beside it")]
    Silent(#[source] io::Error),
}

/// Makes sure that an edge of this build of a program and with this configuration serves, and
/// becomes its controller. One that is found is left as it is; one of another build or
/// configuration is replaced, which costs no request. `program edge <dir>` must end in
/// [`process_main`].
pub fn ensure(program: &Path, config: &Config) -> Result<Control, EnsureError> {
    let unusable = |source| EnsureError::Directory { dir: config.dir.clone(), source };
    let not_started = |source| EnsureError::Program { program: program.to_owned(), source };
    let build = mark::build(program).map_err(not_started)?;
    if let Ok(control) = Control::connect(&config.dir)
        && control.peer().build == build
        && control.peer().config == config.fingerprint()
    {
        return Ok(control);
    }
    if !config.socket().exists() {
        end_lost(&config.dir);
    }
    write_config(config).map_err(unusable)?;
    let mut child = Command::new(program)
        .arg("edge")
        .arg(&config.dir)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(not_started)?;
    let said = child.stdout.take().map(read_line);
    // It starts itself a second time and ends.
    child.wait().map_err(not_started)?;
    match said {
        Some(Ok(said)) if said == READY => {}
        Some(Ok(said)) => return Err(EnsureError::Refused(said)),
        Some(Err(error)) => return Err(EnsureError::Refused(error.to_string())),
        None => return Err(EnsureError::Refused("it says nothing".to_owned())),
    }
    Control::connect(&config.dir).map_err(EnsureError::Silent)
}

/// Ends edges of a directory that was removed under them, with the socket that they could be told
/// to end by: they would go on serving what is no more, beside those that come after them.
fn end_lost(dir: &Path) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid: &i32| *pid != 0) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).skip(1);
        let named = [words.next(), words.next()];
        if named == [Some(&b"edge"[..]), Some(dir.as_os_str().as_bytes())] {
            tracing::warn!(pid, "an edge is ended whose directory was removed");
            // That it has ended meanwhile is as good.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn write_config(config: &Config) -> io::Result<()> {
    crate::run::make_dir(&config.dir)?;
    let path = config_file(&config.dir);
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(config)?)?;
    fs::rename(new, path)
}

fn config_file(dir: &Path) -> PathBuf {
    dir.join("edge.json")
}

fn read_line(output: std::process::ChildStdout) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut fds = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) => return Err(io::Error::other("it took too long")),
            Ok(_) => break,
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::other("it ended without a word"));
    }
    Ok(line.trim_end().to_owned())
}

/// The hidden subcommand `edge <dir>`: starts an edge that outlives whoever started it, with the
/// configuration that [`ensure`] left in the directory.
pub fn process_main(dir: &Path) -> ExitCode {
    let ended = if std::env::var_os(STAYS).is_none() { start_again(dir) } else { stay(dir) };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever started it reads this, or is gone.
            let _ = writeln!(io::stdout(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs an edge in this process until it is told to end. For an operator's own supervision, and
/// for measuring.
pub fn main(config: Config) -> ExitCode {
    match Edge::start(config) {
        Ok(edge) => {
            edge.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the edge does not start");
            ExitCode::FAILURE
        }
    }
}

fn start_again(dir: &Path) -> io::Result<()> {
    setsid()?;
    Command::new(std::env::current_exe()?)
        .arg("edge")
        .arg(dir)
        .env(STAYS, "1")
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(())
}

fn stay(dir: &Path) -> io::Result<()> {
    let log = OwnLog::open(dir)?;
    let filter = EnvFilter::try_from_env("CAUSEWAY_LOG").unwrap_or_else(|_| "info".into());
    // One that is there already is as good.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(log))
        .try_init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let config: Config = serde_json::from_slice(&fs::read(config_file(dir))?)?;
    let edge = Edge::start(config)?;
    writeln!(io::stdout(), "{READY}")?;
    dup2_stdout(File::create("/dev/null")?)?;
    tracing::info!(pid = std::process::id(), "the edge serves");
    edge.wait();
    tracing::info!(pid = std::process::id(), "the edge ends");
    Ok(())
}

/// An edge's own log, within bounds.
struct OwnLog {
    path: PathBuf,
    file: File,
    size: u64,
}

impl OwnLog {
    fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join("edge.log");
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self { path, file, size })
    }
}

impl Write for OwnLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.size > 0 && self.size + line.len() as u64 > LOG_BYTES {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            let options = OpenOptions::new().create(true).append(true).mode(0o600).clone();
            (self.file, self.size) = (options.open(&self.path)?, 0);
        }
        let written = self.file.write(line)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
