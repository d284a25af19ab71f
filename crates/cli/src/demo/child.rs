//! Commands that are run for their output.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::stop::Stop;

/// How often a wait looks whether it was called off.
const LOOK: Duration = Duration::from_millis(50);
/// How long a command that was told to end may take to do so.
const GRACE: Duration = Duration::from_secs(2);

/// How a command ended, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Whether its exit status is 0.
    pub(crate) ok: bool,
    /// What it printed to standard output.
    pub(crate) stdout: String,
    /// What it printed to standard error.
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end, in a process group of its own.
///
/// # Errors
///
/// A program that cannot be started, one that takes longer than `limit`, and `stop`.
pub(crate) fn run(mut command: Command, limit: Duration, stop: &Stop) -> anyhow::Result<Finished> {
    stop.check()?;
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("{name} cannot be run"))?;
    let group = group_of(&child)?;
    stop.adopt(group);
    let (ended, end) = channel();
    std::thread::spawn(move || {
        // Nobody listens any more where the wait was given up.
        let _ = ended.send(child.wait_with_output());
    });
    let waited = wait(&end, group, limit, stop);
    stop.release(group);
    stop.check()?;
    match waited {
        Some(output) => {
            Ok(output.with_context(|| format!("the output of {name} cannot be read"))?.into())
        }
        None => bail!("{name} did not end within {limit:?}"),
    }
}

/// The process group of a child that was started as its leader.
pub(crate) fn group_of(child: &Child) -> anyhow::Result<i32> {
    i32::try_from(child.id()).context("a process has a strange id")
}

fn wait<T>(end: &Receiver<T>, group: i32, limit: Duration, stop: &Stop) -> Option<T> {
    let started = Instant::now();
    let mut told = None;
    loop {
        match end.recv_timeout(LOOK) {
            Ok(output) => return Some(output),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stop.is_set() && told.is_none() {
            told = Some(Instant::now());
        }
        if started.elapsed() > limit || told.is_some_and(|told| told.elapsed() > GRACE) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            // Its output ends with it; what it printed is not asked for any more.
            let _ = end.recv_timeout(GRACE);
            return None;
        }
    }
}

/// How long a server or an agent may take to end.
const END: Duration = Duration::from_secs(15);

/// Ends a server or an agent gracefully, or else by force.
pub(crate) fn end(mut child: Child) -> anyhow::Result<()> {
    let group = Pid::from_raw(group_of(&child)?);
    // It is not reaped yet, so the id is still its own.
    let _ = kill(group, Signal::SIGTERM);
    let (ended, end) = channel();
    std::thread::spawn(move || {
        let _ = ended.send(child.wait());
    });
    if end.recv_timeout(END).is_err() {
        let _ = killpg(group, Signal::SIGKILL);
        let _ = end.recv_timeout(END);
        bail!("process {group} did not end within {END:?} and was killed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_failure_are_told() {
        let stop = Stop::default();
        let done = run(shell("echo out; echo beside >&2; exit 3"), GRACE, &stop).unwrap();
        let expected = Finished { ok: false, stdout: "out\n".into(), stderr: "beside\n".into() };
        assert_eq!(done, expected);
        assert!(run(Command::new("/nowhere/program"), GRACE, &stop).is_err());
    }

    #[test]
    fn what_takes_too_long_is_ended_with_its_children() {
        let started = Instant::now();
        let limit = Duration::from_millis(50);
        let error = run(shell("sleep 600 & sleep 600"), limit, &Stop::default()).unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_stop_ends_what_runs() {
        let stop = Stop::default();
        let other = stop.clone();
        std::thread::scope(|scope| {
            let running = scope.spawn(|| run(shell("sleep 600"), Duration::from_secs(600), &stop));
            other.set();
            assert_eq!(running.join().unwrap().unwrap_err().to_string(), "interrupted");
        });
    }
}
