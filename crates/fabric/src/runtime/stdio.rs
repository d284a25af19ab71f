//! The standard input and output of a workload that a client is attached to.
//!
//! The shim has them from the start, and gives them away once, through a socket in the workload's
//! directory. From then on whoever took them holds the only ends. When those are closed, also because
//! their holder was killed, the kernel hangs up: a terminal sends SIGHUP to the first process, which
//! hands it on to all others; pipes end what is read and break what is written.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, PipeReader};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio as ChildStdio};
use std::time::{Duration, Instant};

use model::Stdio;
use nix::cmsg_space;
use nix::fcntl::OFlag;
use nix::pty::{Winsize, openpty};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::setsid;

use super::ExecCommand;
use super::files::Files;

/// How long a workload waits for the client that is to be attached to it.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a client waits for the shim's answer, which has nothing else to do.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// The ends of a workload's standard input and output that an attached client holds.
#[derive(Debug)]
pub enum Ends {
    /// The master side of a terminal, where it is typed and shown.
    Terminal(OwnedFd),
    /// Two pipes.
    Pipes {
        /// The writing end of the pipe that is the workload's standard input.
        input: OwnedFd,
        /// The reading end of the pipe that is its standard output and error.
        output: OwnedFd,
    },
}

impl Ends {
    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Terminal(master) => vec![master.as_fd()],
            Self::Pipes { input, output } => vec![input.as_fd(), output.as_fd()],
        }
    }

    fn of(fds: Vec<OwnedFd>) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        match (fds.next(), fds.next(), fds.next()) {
            (Some(master), None, None) => Ok(Self::Terminal(master)),
            (Some(input), Some(output), None) => Ok(Self::Pipes { input, output }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the shim gave nothing to hold")),
        }
    }
}

/// Takes a workload's ends from its shim, which gives them away once. Waits a few seconds at most.
///
/// # Errors
///
/// They were taken before, or the workload has ended.
pub fn take(socket: &Path) -> io::Result<Ends> {
    let (_dir, short) = shortened(socket)?;
    let stream = UnixStream::connect(short)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    receive(&stream).and_then(Ends::of)
}

/// Starts a command on a raw terminal of its own; returns the terminal's master side and the process.
/// When the master side is closed, the command gets SIGHUP.
///
/// # Errors
///
/// The kernel's error.
pub fn spawn_on_terminal(
    command: ExecCommand,
    columns: u16,
    rows: u16,
) -> io::Result<(OwnedFd, Child)> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None)?;
    // The OCI runtime has another terminal for the command, and hands on what is typed as it is. It would
    // do so only after a while, and what came until then would be taken for lines here.
    let mut settings = tcgetattr(&pty.slave)?;
    cfmakeraw(&mut settings);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &settings)?;
    nix::fcntl::fcntl(&pty.master, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    let mut command = Command::from(command);
    command
        .stdin(ChildStdio::from(pty.slave.try_clone()?))
        .stdout(ChildStdio::from(pty.slave.try_clone()?))
        .stderr(ChildStdio::from(pty.slave));
    #[expect(unsafe_code, reason = "only the child itself can take a terminal for its own")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; `setsid` and `ioctl`
    // are, and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            own_terminal()
        });
    }
    let child = command.spawn()?;
    Ok((pty.master, child))
}

#[expect(unsafe_code, reason = "nix has no TIOCSCTTY")]
fn own_terminal() -> io::Result<()> {
    use nix::libc;
    // SAFETY: standard input is open, and the request takes a number and no pointer.
    match unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A workload's standard input and output as the shim prepares them before the start.
pub(super) enum Prepared {
    /// All output goes to the log.
    Log { output: PipeReader },
    /// A client has the other ends.
    Pipes(Ends),
    /// The OCI runtime makes the terminal, and hands it over here.
    Terminal(UnixListener),
}

impl Prepared {
    /// Connects the OCI runtime's `run` to where the workload is to read and write.
    pub(super) fn new(stdio: Stdio, files: &Files, runc: &mut Command) -> io::Result<Self> {
        runc.stdin(ChildStdio::null());
        match stdio {
            Stdio::Log => {
                let (output, input) = io::pipe()?;
                runc.stdout(input.try_clone()?).stderr(input);
                Ok(Self::Log { output })
            }
            Stdio::Pipes => {
                let (read, input) = io::pipe()?;
                let (output, write) = io::pipe()?;
                runc.stdin(read).stdout(write.try_clone()?).stderr(write);
                Ok(Self::Pipes(Ends::Pipes { input: input.into(), output: output.into() }))
            }
            Stdio::Terminal { .. } => {
                let (dir, short) = shortened(&files.console())?;
                let listener = UnixListener::bind(short)?;
                // The OCI runtime goes through this process's descriptor, too.
                let theirs = format!("/proc/{}/fd/{}", std::process::id(), dir.as_raw_fd());
                runc.arg("--console-socket").arg(Path::new(&theirs).join(CONSOLE));
                runc.stdout(ChildStdio::null()).stderr(ChildStdio::null());
                // The descriptor must stay open until the OCI runtime has used it; it is closed when
                // the shim ends.
                std::mem::forget(dir);
                Ok(Self::Terminal(listener))
            }
        }
    }

    /// Once the workload runs: the pipe that its log is copied from, or what a client is to have.
    pub(super) fn started(
        self,
        files: &Files,
    ) -> io::Result<(Option<PipeReader>, Option<Offered>)> {
        match self {
            Self::Log { output } => Ok((Some(output), None)),
            Self::Pipes(ends) => Ok((None, Some(Offered::new(ends, files)?))),
            Self::Terminal(listener) => {
                // The OCI runtime has ended, so it has connected if it ever will.
                listener.set_nonblocking(true)?;
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
                let ends = Ends::of(receive(&stream)?)?;
                Ok((None, Some(Offered::new(ends, files)?)))
            }
        }
    }
}

/// The ends of a workload that nobody has taken yet.
pub(super) struct Offered {
    ends: Ends,
    listener: UnixListener,
    until: Instant,
}

impl Offered {
    fn new(ends: Ends, files: &Files) -> io::Result<Self> {
        let (_dir, short) = shortened(&files.attach_socket())?;
        let listener = UnixListener::bind(short)?;
        listener.set_nonblocking(true)?;
        Ok(Self { ends, listener, until: Instant::now() + PATIENCE })
    }

    /// The socket, which becomes readable when a client comes for them.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// The time at which they are given up.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Gives them to the client that came; returns whether that worked.
    pub(super) fn give(&self) -> bool {
        let Ok((stream, _)) = self.listener.accept() else { return false };
        let fds: Vec<RawFd> = self.ends.fds().iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let byte = [IoSlice::new(b"!")];
        sendmsg::<()>(stream.as_raw_fd(), &byte, &rights, MsgFlags::MSG_NOSIGNAL, None).is_ok()
    }
}

const CONSOLE: &str = "console";

/// A path to a socket that is short enough for one (107 bytes), through a descriptor of the socket's
/// directory, which keeps the path valid for as long as it is open.
fn shortened(path: &Path) -> io::Result<(File, PathBuf)> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let dir = File::options().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(dir)?;
    let short = Path::new("/proc/self/fd")
        .join(dir.as_raw_fd().to_string())
        .join(path.file_name().unwrap_or_default());
    Ok((dir, short))
}

/// The descriptors that come with the next byte.
fn receive(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut byte = [0; 64];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!([RawFd; 2]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut bytes, Some(&mut space), flags)?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            #[expect(unsafe_code, reason = "the kernel hands descriptors over as numbers")]
            // SAFETY: the kernel has just made these for us, and nobody else has them.
            fds.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(fds)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn files() -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        // Longer than the path of a socket may be.
        let files = Files::at(dir.path().join("x".repeat(120)));
        std::fs::create_dir_all(files.bundle()).unwrap();
        (dir, files)
    }

    #[test]
    fn what_is_offered_is_given_once() {
        let (_dir, files) = files();
        let mut command = Command::new("cat");
        let prepared = Prepared::new(Stdio::Pipes, &files, &mut command).unwrap();
        let mut child = command.spawn().unwrap();
        drop(command);
        let (output, offered) = prepared.started(&files).unwrap();
        assert!(output.is_none());
        let offered = offered.unwrap();
        assert!(!offered.give(), "nobody came");
        let socket = files.attach_socket();
        let taker = std::thread::spawn(move || take(&socket).unwrap());
        while !offered.give() {
            std::thread::yield_now();
        }
        drop(offered);
        let Ends::Pipes { input, output } = taker.join().unwrap() else { panic!() };
        File::from(input).write_all(b"hello").unwrap();
        let mut said = String::new();
        File::from(output).read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello", "its input has ended with the only other end");
        child.wait().unwrap();
        assert!(take(&files.attach_socket()).is_err(), "they are gone");
    }

    #[test]
    fn a_command_has_a_terminal_of_its_own_and_ends_with_it() {
        let script = "test -t 0 && stty size && read line && echo got $line && exec sleep 1000";
        let args = ["-c", script].map(str::to_owned).to_vec();
        let command = ExecCommand { program: "/bin/sh".into(), args };
        let (master, mut child) = spawn_on_terminal(command, 91, 17).unwrap();
        let mut master = File::from(master);
        master.write_all(b"tea\n").unwrap();
        let mut shown = String::new();
        let mut bytes = [0; 256];
        while !shown.contains("got tea") {
            let read = master.read(&mut bytes).unwrap();
            shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        assert!(shown.contains("17 91"), "{shown}");
        drop(master);
        let ended = child.wait().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
        assert_eq!(signal, Some(nix::libc::SIGHUP), "{ended}");
    }
}
