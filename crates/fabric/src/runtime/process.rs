//! Processes that are not children: found again without mistaking another for them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};

/// A process, told apart from every other that had or will have its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessMark {
    pub(super) pid: u32,
    /// Clock ticks from boot to its start.
    start: u64,
    /// Which boot.
    boot: String,
}

impl ProcessMark {
    /// Marks a process that is known to live.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, start: start_ticks(pid)?, boot: boot_id()? })
    }

    /// A descriptor that becomes readable when the process ends; `None` if it has.
    pub(super) fn open(&self) -> io::Result<Option<OwnedFd>> {
        let fd = match pidfd_open(self.pid) {
            Ok(fd) => fd,
            Err(error) if gone(&error) => return Ok(None),
            // The number is that of a thread by now; newer kernels say that it is not found.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(None),
            Err(error) => return Err(error),
        };
        if has_ended(&fd)? {
            // Nobody has waited for it yet.
            return Ok(None);
        }
        // The descriptor came first: if the start still fits, it is of the process meant.
        match Self::of(self.pid) {
            Ok(now) if now == *self => Ok(Some(fd)),
            Ok(_) => Ok(None),
            Err(error) if gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// Opens a descriptor for a process.
pub(super) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "no safe wrapper of pidfd_open in our dependencies")]
    // SAFETY: the call takes two integers, touches no memory of ours, and returns either -1 or a
    // new descriptor, which nothing else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

fn has_ended(process: &OwnedFd) -> io::Result<bool> {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO)?;
    Ok(fds[0].any() == Some(true))
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The 22nd field of `/proc/<pid>/stat`; the second may hold anything, so it is counted from the
/// last parenthesis.
fn start_ticks(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    stat.rsplit_once(')')
        .and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19))
        .and_then(|ticks| ticks.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has no start time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_of_the_same_number_is_not_taken_for_it() {
        let mut mark = ProcessMark::of(std::process::id()).unwrap();
        assert!(mark.open().unwrap().is_some());
        mark.start += 1;
        assert!(mark.open().unwrap().is_none());
    }

    /// A number that a process had may be a thread's of another one later.
    #[test]
    fn a_thread_of_the_same_number_is_not_taken_for_it() {
        let mark = ProcessMark::of(std::process::id()).unwrap();
        let found = std::thread::spawn(move || {
            let pid = u32::try_from(nix::unistd::gettid().as_raw()).unwrap();
            ProcessMark { pid, ..mark }.open().unwrap().is_some()
        });
        assert!(!found.join().unwrap());
    }

    #[test]
    fn an_ended_process_is_not_found() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mark = ProcessMark::of(child.id()).unwrap();
        assert!(mark.open().unwrap().is_some());
        let process = mark.open().unwrap().unwrap();
        child.kill().unwrap();
        poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
        assert!(mark.open().unwrap().is_none(), "not waited for");
        child.wait().unwrap();
        assert!(mark.open().unwrap().is_none());
    }
}
