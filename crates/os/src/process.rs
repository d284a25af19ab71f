//! Processes that are not children of this one: held, found again, and ended, without mistaking
//! another process for them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::poll::is_readable_within;

/// How long a process that was killed may take to be gone: it may be writing to a slow disk.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A process that is held by a descriptor (a pidfd). While it is held, its number may be given to
/// another process, but this value never means that one. The descriptor becomes readable when the
/// process ends.
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// Holds the process that has a number now; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn open(pid: u32) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Self(fd))),
            // The last two mean that the number is a thread's; which one depends on the kernel.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether it has ended, even if its parent has not waited for it yet.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn has_ended(&self) -> io::Result<bool> {
        is_readable_within(self, Duration::ZERO)
    }

    /// Kills it by SIGKILL. A process that has ended needs no signal, and is fine.
    ///
    /// # Errors
    ///
    /// The kernel's error, if this process may not kill it.
    pub fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(self, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Kills it by SIGKILL and waits for its end.
    ///
    /// # Errors
    ///
    /// As [`Process::kill`], and where it does not end within ten seconds.
    pub fn end(&self) -> io::Result<()> {
        self.kill()?;
        match is_readable_within(self, ENDS_WITHIN)? {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::TimedOut, "a process does not end")),
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Which process has a number: its number, its start and the boot tell it apart from every other
/// that had or will have the same number. It can be written to a file and read by a later process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    pid: u32,
    /// Clock ticks from boot to its start.
    // Edges up to version 0.1.0 called it `started`.
    #[serde(alias = "started")]
    start: u64,
    /// The kernel's random id of the boot. A mark without one is of no boot that there is.
    #[serde(default)]
    boot: String,
}

impl ProcessMark {
    /// Marks a process that is known to live.
    ///
    /// # Errors
    ///
    /// The kernel's error, if there is none of this number.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, start: start_ticks(pid)?, boot: boot_id()? })
    }

    /// Marks this process.
    ///
    /// # Errors
    ///
    /// The kernel's error, if `/proc` is not there.
    pub fn of_this_process() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Holds the process; `None` if it has ended, whoever has its number now.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn open(&self) -> io::Result<Option<Process>> {
        let Some(process) = Process::open(self.pid)? else { return Ok(None) };
        if process.has_ended()? {
            // Its parent has not waited for it yet.
            return Ok(None);
        }
        // The descriptor came first: if the start still fits, it holds the process that is meant.
        match Self::of(self.pid) {
            Ok(now) if now == *self => Ok(Some(process)),
            Ok(_) => Ok(None),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A file below `/proc/<pid>` is not found, or cannot be read any more, once the process is gone.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Which start of the machine this is.
///
/// # Errors
///
/// The kernel does not say.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The 22nd field of `/proc/<pid>/stat`. The second is the program's name and may hold anything, so
/// fields are counted from the last parenthesis.
fn start_ticks(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    stat.rsplit_once(')')
        .and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19))
        .and_then(|ticks| ticks.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has no start time")))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn another_process_of_the_same_number_is_not_taken_for_it() {
        let mark = ProcessMark::of_this_process().unwrap();
        assert!(mark.open().unwrap().is_some());
        let later = ProcessMark { start: mark.start + 1, ..mark.clone() };
        assert!(later.open().unwrap().is_none());
        let before_the_boot = ProcessMark { boot: "another".to_owned(), ..mark };
        assert!(before_the_boot.open().unwrap().is_none());
    }

    /// A number that a process had may be a thread's of another one later.
    #[test]
    fn a_thread_of_the_same_number_is_not_taken_for_it() {
        let mark = ProcessMark::of_this_process().unwrap();
        let found = std::thread::spawn(move || {
            let pid = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
            ProcessMark { pid, ..mark }.open().unwrap().is_some()
        });
        assert!(!found.join().unwrap());
    }

    #[test]
    fn numbers_that_no_process_can_have_are_of_none() {
        assert!(Process::open(0).unwrap().is_none());
        assert!(Process::open(u32::MAX).unwrap().is_none());
    }

    #[test]
    fn an_ended_process_is_not_found() {
        let mut child = sleeper();
        let mark = ProcessMark::of(child.id()).unwrap();
        let process = mark.open().unwrap().unwrap();
        child.kill().unwrap();
        assert!(is_readable_within(&process, ENDS_WITHIN).unwrap());
        assert!(mark.open().unwrap().is_none(), "not waited for");
        child.wait().unwrap();
        assert!(mark.open().unwrap().is_none());
    }

    #[test]
    fn a_process_is_ended_once() {
        let mut child = sleeper();
        let process = Process::open(child.id()).unwrap().unwrap();
        assert!(!process.has_ended().unwrap());
        process.end().unwrap();
        assert!(!child.wait().unwrap().success());
        process.end().unwrap();
    }

    /// Shims and edges of an earlier version run on under a later one, which reads their marks.
    #[test]
    fn marks_of_earlier_versions_are_read() {
        let mark = ProcessMark { pid: 7, start: 11, boot: "b".to_owned() };
        let read = |text| serde_json::from_str::<ProcessMark>(text).unwrap();
        assert_eq!(read(r#"{"pid":7,"start":11,"boot":"b"}"#), mark);
        assert_eq!(read(r#"{"pid":7,"started":11,"boot":"b"}"#), mark);
        assert_eq!(read(r#"{"pid":7,"started":11}"#), ProcessMark { boot: String::new(), ..mark });
    }
}
