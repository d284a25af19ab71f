//! Access to running workloads: their output, and commands inside them.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use fabric::runtime::{self, Ends, Inside, LogPart, LogPosition, SessionCommand};
use model::WorkloadId;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::net::unix::pipe::{Receiver, Sender};

/// How long a command that lost its client may take to end by itself.
pub(crate) const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// Reads the output of workloads, and runs commands inside them. Each call may wait for the workload's
/// host, so none is made where other requests would wait with it.
pub trait Console: Send + Sync {
    /// The last `bytes` bytes of a workload's output, or as many of them as are kept.
    ///
    /// # Errors
    ///
    /// The output cannot be read, or there is no such workload.
    fn tail(&self, workload: WorkloadId, bytes: usize) -> io::Result<Vec<u8>>;
    /// The lines of a workload's output after a position, or from the beginning. With `whole`, a
    /// last line that has no line end yet is included.
    ///
    /// # Errors
    ///
    /// The output cannot be read, or there is no such workload.
    fn lines(
        &self,
        workload: WorkloadId,
        from: Option<LogPosition>,
        whole: bool,
    ) -> io::Result<LogPart>;
    /// The program and arguments that run a command inside a workload, for a client of this machine.
    ///
    /// # Errors
    ///
    /// [`NotRun`].
    fn exec(
        &self,
        workload: WorkloadId,
        command: &[String],
        tty: bool,
    ) -> Result<Vec<String>, NotRun>;
    /// Runs another command inside a workload, for a client with a terminal.
    ///
    /// # Errors
    ///
    /// Why it does not run, in words.
    fn session(&self, workload: WorkloadId, inside: &Inside) -> Result<Attachment, String>;
    /// Takes over the standard input and output of a workload that waits for a client.
    ///
    /// # Errors
    ///
    /// Why they cannot be had, in words.
    fn attach(&self, workload: WorkloadId) -> Result<Attachment, String>;
    /// Runs a command inside a workload, without any input.
    ///
    /// # Errors
    ///
    /// Why it does not run, in words.
    fn run(&self, workload: WorkloadId, command: &[String]) -> Result<Running, String> {
        let argv = self.exec(workload, command, false).map_err(|error| error.to_string())?;
        piped(&argv).map_err(|error| format!("its command cannot be run: {error}"))
    }
    /// Whether commands can be run inside a workload now.
    ///
    /// # Errors
    ///
    /// [`NotRun`].
    fn runs(&self, workload: WorkloadId) -> Result<(), NotRun> {
        self.exec(workload, &["/bin/true".to_owned()], false).map(drop)
    }
}

/// Why a command is not run inside a workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// The workload does not run.
    #[error("it does not run")]
    Idle,
    /// It is on another host, and this is why it cannot be run there.
    #[error("{0}")]
    Elsewhere(String),
}

/// How a command ended: its exit status, if it has one, or why nobody knows.
pub(crate) type Ended = Pin<Box<dyn Future<Output = Result<Option<i32>, String>> + Send>>;

/// The standard input and output of a process.
pub struct Attachment {
    /// Where it is typed and read.
    pub ends: Ends,
    /// The end of the command that they are of, which is killed if it takes too long; `None` where whoever
    /// asks is told otherwise how it ended.
    pub(crate) ended: Option<Ended>,
}

/// A command that writes to pipes.
pub struct Running {
    /// What it writes.
    pub output: OwnedFd,
    /// What it says of errors.
    pub errors: OwnedFd,
    /// Its process.
    pub process: Box<dyn Process>,
}

/// A process, be it a child of this one or far away. It is ended where this is dropped.
pub trait Process: Send {
    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// Nobody knows how it ended.
    fn wait(&mut self) -> io::Result<ExitStatus>;
    /// Ends it.
    fn kill(&mut self);
}

/// A child that is not left behind.
struct Own(Option<Child>);

impl Own {
    fn wait(&mut self) -> io::Result<ExitStatus> {
        match self.0.take() {
            Some(mut child) => child.wait(),
            None => Err(io::Error::other("it was waited for")),
        }
    }

    fn kill(&mut self) {
        if let Some(child) = &mut self.0 {
            // One that has ended need not be.
            let _ = child.kill();
        }
    }
}

impl Process for Own {
    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.wait()
    }

    fn kill(&mut self) {
        self.kill();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut child) = self.0.take() {
            std::thread::spawn(move || child.wait());
        }
    }
}

/// Runs a command whose output goes to pipes.
///
/// # Errors
///
/// It cannot be started.
pub(crate) fn piped(argv: &[String]) -> io::Result<Running> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pipes = child.stdout.take().zip(child.stderr.take());
    let process = Box::new(Own(Some(child)));
    let (output, errors) = pipes.ok_or_else(|| io::Error::other("it has no output"))?;
    Ok(Running { output: output.into(), errors: errors.into(), process })
}

/// Starts a command on a terminal of its own.
///
/// # Errors
///
/// It cannot be started.
pub(crate) fn on_terminal(
    command: SessionCommand,
    columns: u16,
    rows: u16,
) -> io::Result<Attachment> {
    let order = Order(command.order);
    let (master, child) = runtime::spawn_on_terminal(command.command, columns, rows)?;
    let ended = end(Own(Some(child)), order);
    Ok(Attachment { ends: Ends::Terminal(master), ended: Some(Box::pin(ended)) })
}

/// The file that a command reads when it starts.
struct Order(PathBuf);

impl Drop for Order {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Waits for the end of a command, and kills it if that takes too long.
async fn end(mut command: Own, order: Order) -> Result<Option<i32>, String> {
    let Some(mut child) = command.0.take() else { return Ok(None) };
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let wait = tokio::task::spawn_blocking(move || child.wait());
    tokio::pin!(wait);
    let ended = match tokio::time::timeout(ENDS_WITHIN, &mut wait).await {
        Ok(ended) => ended,
        Err(_) => {
            // It is a child that was not waited for, so its process id was not reused.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            wait.await
        }
    };
    drop(order);
    Ok(ended.ok().and_then(Result::ok).and_then(|status| status.code()))
}

/// The two directions of a process's ends, and whether they are a terminal.
///
/// # Errors
///
/// The kernel's error.
pub(crate) fn halves(ends: Ends) -> io::Result<(bool, Sender, Receiver)> {
    let (terminal, input, output) = match ends {
        Ends::Terminal(master) => (true, master.try_clone()?, master),
        Ends::Pipes { input, output } => (false, input, output),
    };
    Ok((terminal, sender(input)?, receiver(output)?))
}

/// A terminal or a socket can be read and written like a pipe.
pub(crate) fn sender(fd: OwnedFd) -> io::Result<Sender> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Sender::from_owned_fd_unchecked(fd)
}

/// The same for reading.
pub(crate) fn receiver(fd: OwnedFd) -> io::Result<Receiver> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Receiver::from_owned_fd_unchecked(fd)
}
