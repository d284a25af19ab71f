//! A process beside an ephemeral server that cleans up after it. However the server ends, the
//! warden ends what the server has started, and removes the data directory if that was made for the
//! server.
//!
//! It reads a pipe whose other end only the server holds. The kernel closes that end when the
//! server ends.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::cleanup::orphans;

/// The prefix of the line that tells the warden the instance's name.
const INSTANCE: &str = "instance ";
/// The arguments that say whether the data directory is removed.
const REMOVE: &str = "remove";
const KEEP: &str = "keep";

/// What is removed when a server ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ephemeral {
    /// Nothing: workloads, networks and the edge go on.
    #[default]
    Nothing,
    /// Workloads, networks and the edge.
    Workloads,
    /// These and the data directory, which was made for this server.
    WorkloadsAndData,
}

/// The server's handle for its warden.
#[derive(Debug)]
pub(crate) struct Warden {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Warden {
    /// Starts the warden, before the server has made anything.
    pub(crate) fn start(
        program: &Path,
        data: &Path,
        runtime: &Path,
        ephemeral: Ephemeral,
    ) -> io::Result<Self> {
        let data_too = if ephemeral == Ephemeral::WorkloadsAndData { REMOVE } else { KEEP };
        let mut command = Command::new(program);
        command
            .arg("warden")
            .arg(data)
            .arg(data_too)
            .arg(runtime)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A signal to the server's process group, as a terminal sends it, does not reach the
            // warden.
            .process_group(0);
        let mut process = command.spawn()?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// Tells the warden the name under which the server makes networks and workloads.
    pub(crate) fn tell(&mut self, instance: &str) -> io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => writeln!(pipe, "{INSTANCE}{instance}"),
            None => Ok(()),
        }
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // Closing the pipe has the warden clean up. Waiting for it makes sure that nothing is left.
        self.pipe = None;
        match self.process.wait() {
            Ok(status) if status.success() => {}
            _ => tracing::warn!("something is left behind; `causeway fabric:orphans` shows it"),
        }
    }
}

/// The hidden subcommand `warden DATA remove|keep RUNTIME`.
pub fn main(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let mut next = || arguments.next().unwrap_or_default();
    let (data, what, runtime) = (PathBuf::from(next()), next(), PathBuf::from(next()));
    match watch(&data, what == REMOVE, &runtime) {
        Ok(()) => ExitCode::SUCCESS,
        Err(()) => ExitCode::FAILURE,
    }
}

fn watch(data: &Path, remove_data: bool, runtime: &Path) -> Result<(), ()> {
    // The warden must outlive the server, so the usual signals do not end it.
    for end in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        #[expect(unsafe_code, reason = "to ignore a signal is to change the process")]
        // SAFETY: no handler is installed, so no code of this program runs when a signal comes.
        let _ = unsafe { signal(end, SigHandler::SigIgn) };
    }
    let mut instance = None;
    for line in BufReader::new(io::stdin()).lines().map_while(Result::ok) {
        instance = line.strip_prefix(INSTANCE).map(str::to_owned).or(instance);
    }
    let cleared = match &instance {
        Some(instance) => orphans::clear(instance, Some(data), runtime),
        None => Ok(()),
    };
    // If a server uses the installation again, it needs the data.
    if cleared.is_ok() && remove_data {
        remove(data);
        return if data.exists() { Err(()) } else { Ok(()) };
    }
    cleared.map_err(drop)
}

/// Removes a tree of any size and depth, as workloads leave it, and stays out of mounts.
fn remove(data: &Path) {
    let _ = Command::new("rm")
        .args(["-rf", "--one-file-system", "--"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
