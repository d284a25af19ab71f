//! The first process of a workload: runs its script and its command, reaps the processes that it
//! inherits, and forwards signals.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, ExitCode};

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::layout::{STATUS, USER_DATA};
use super::restore::Restore;
use super::spawn::{spawn, spawn_in_foreground};

const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;
const SIGNALLED: u8 = 128;
/// The signal by which the shim says that a client is attached.
pub(super) const ATTACHED: Signal = Signal::SIGUSR2;
/// The line that the first process writes when somebody outside the workload told it to end: its
/// shim, or whoever shuts the host down.
pub(super) const TOLD_FROM_OUTSIDE: &str = "told";
/// The number that the kernel gives for a sender outside the workload's process namespace.
const OUTSIDE: u32 = 0;
/// Signals that are forwarded to every process of the workload.
const FORWARDED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// The hidden subcommand `init [--user-data] [--restore DISK] [--attached] -- [COMMAND…]`: what comes
/// after `init`.
///
/// The script runs first, and how it ends is nobody's concern; then the command, whose end is
/// the workload's. Without a command the workload stays until it is told to end. Where a data
/// service's disk is to be restored, that comes before all else, and its failure is the workload's
/// end. Where a client is to be attached, the command waits for it.
pub fn init_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter().peekable();
    let script = args.next_if(|arg| arg == "--user-data").is_some();
    let restore = args.next_if(|arg| arg == "--restore").and_then(|_| args.next());
    let attached = args.next_if(|arg| arg == "--attached").is_some();
    args.next_if(|arg| arg == "--");
    match Init::new(args.collect()).and_then(|init| init.run(script, restore, attached)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("the first process failed: {error}"));
            ExitCode::from(CANNOT_RUN)
        }
    }
}

struct Init {
    command: Vec<OsString>,
    signals: SignalFd,
    status: Option<File>,
    script: Option<Pid>,
    restore: Option<Restore>,
    main: Option<Pid>,
    ending: bool,
    /// How the command ended, while others that were told to end have not yet.
    ended: Option<WaitStatus>,
}

impl Init {
    fn new(command: Vec<OsString>) -> io::Result<Self> {
        let mut mask = SigSet::from_iter(FORWARDED);
        mask.add(Signal::SIGCHLD);
        mask.thread_block()?;
        let signals = SignalFd::new(&mask)?;
        let mut status =
            OpenOptions::new().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(STATUS).ok();
        write_status(&mut status, "ready");
        Ok(Self {
            command,
            signals,
            status,
            script: None,
            restore: None,
            main: None,
            ending: false,
            ended: None,
        })
    }

    fn run(mut self, script: bool, restore: Option<OsString>, attached: bool) -> io::Result<u8> {
        if attached && let Some(code) = self.await_client()? {
            return Ok(code);
        }
        if let Some(disk) = restore {
            complain("the disk is being restored from a backup");
            self.restore = Some(Restore::start(disk.into())?);
        }
        if script {
            self.script = spawn_script();
        }
        if self.script.is_none()
            && self.restore.is_none()
            && let Some(code) = self.start_command()
        {
            return Ok(code);
        }
        loop {
            let Some(info) = self.signals.read_signal()? else { continue };
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|n| n.try_into().ok());
            if let Some(signal) = signal.filter(|signal| *signal != Signal::SIGCHLD) {
                if signal == Signal::SIGTERM && info.ssi_pid == OUTSIDE {
                    write_status(&mut self.status, TOLD_FROM_OUTSIDE);
                }
                self.forward(signal);
            }
            if let Some(code) = self.reap()? {
                return Ok(code);
            }
        }
    }

    /// Waits for the client that is to be attached, or says the code to end with if it is told to.
    fn await_client(&mut self) -> io::Result<Option<u8>> {
        loop {
            let Some(info) = self.signals.read_signal()? else { continue };
            match i32::try_from(info.ssi_signo).ok().and_then(|n| n.try_into().ok()) {
                Some(ATTACHED) => return Ok(None),
                Some(signal @ (Signal::SIGTERM | Signal::SIGHUP)) => {
                    write_status(&mut self.status, &format!("signal {}", signal as i32));
                    return Ok(Some(SIGNALLED.saturating_add(signal as u8)));
                }
                Some(_) | None => {}
            }
        }
    }

    /// Starts the command, or says the code to end with if it cannot be.
    fn start_command(&mut self) -> Option<u8> {
        let (program, args) = self.command.split_first()?;
        let mut command = Command::new(program);
        command.args(args);
        // A client is attached: what is typed there, such as Ctrl-C, is for the command.
        let started = match io::stdin().is_terminal() {
            true => spawn_in_foreground(&mut command),
            false => spawn(&mut command),
        };
        match started {
            Ok(pid) => {
                self.main = Some(pid);
                None
            }
            Err(error) => {
                complain(&format!("{}: {error}", program.display()));
                Some(match error.kind() {
                    io::ErrorKind::NotFound => NOT_FOUND,
                    _ => CANNOT_RUN,
                })
            }
        }
    }

    fn forward(&mut self, signal: Signal) {
        self.ending |= signal == Signal::SIGTERM;
        // To every process but this one; that there is none is no error.
        let _ = kill(Pid::from_raw(-1), signal);
    }

    /// Waits for all that ended, and says the code to end with if it is time. The command's end is
    /// the workload's; but where all were told to end, the last of them is waited for: a shell
    /// that started the command ends at once, and its child is the one that has work to finish.
    fn reap(&mut self) -> io::Result<Option<u8>> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return Ok(None),
                Ok(status) => status,
                Err(nix::errno::Errno::ECHILD) => {
                    return Ok(match self.ended {
                        Some(status) => Some(self.code_of(status)),
                        None => (self.ending && self.main.is_none()).then_some(0),
                    });
                }
                Err(errno) => return Err(errno.into()),
            };
            if status.pid() == self.main && self.main.is_some() {
                if !self.ending {
                    return Ok(Some(self.code_of(status)));
                }
                self.ended = Some(status);
            } else if let Some(WaitStatus::Signaled(..)) = self.ended {
                self.ended = Some(status);
            }
            if let Some(restore) = self.restore.take_if(|it| status.pid() == Some(it.process)) {
                if !matches!(status, WaitStatus::Exited(_, 0)) {
                    complain("the disk was not restored; the next start tries it again");
                    return Ok(Some(self.code_of(status)));
                }
                restore.finish()?;
                complain("the disk is restored");
                if !self.ending
                    && let Some(code) = self.start_command()
                {
                    return Ok(Some(code));
                }
            }
            if status.pid() == self.script && self.script.is_some() {
                self.script = None;
                if !self.ending
                    && let Some(code) = self.start_command()
                {
                    return Ok(Some(code));
                }
            }
        }
    }

    fn code_of(&mut self, status: WaitStatus) -> u8 {
        match status {
            WaitStatus::Exited(_, code) => u8::try_from(code & 0xff).unwrap_or(CANNOT_RUN),
            WaitStatus::Signaled(_, signal, _) => {
                write_status(&mut self.status, &format!("signal {}", signal as i32));
                SIGNALLED.saturating_add(signal as u8)
            }
            _ => CANNOT_RUN,
        }
    }
}

/// Starts the script with the interpreter that it names, or with the shell.
fn spawn_script() -> Option<Pid> {
    let names_interpreter = fs::read(USER_DATA).is_ok_and(|script| script.starts_with(b"#!"));
    let mut command = if names_interpreter {
        Command::new(USER_DATA)
    } else {
        let mut shell = Command::new("/bin/sh");
        shell.arg(USER_DATA);
        shell
    };
    spawn(&mut command).inspect_err(|error| complain(&format!("user data: {error}"))).ok()
}

fn write_status(status: &mut Option<File>, line: &str) {
    if let Some(pipe) = status {
        // Nobody listens where the shim was killed; the workload runs on without it.
        let _ = pipe.write_all(format!("{line}\n").as_bytes());
    }
}

/// Writes what went wrong to the workload's own standard error.
fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "causeway: {what}");
}
