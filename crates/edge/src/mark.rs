//! Which process an edge is, and which build of the program: what tells whether one that is found
//! is the one that is wanted.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::libc;
use serde::{Deserialize, Serialize};

const NOTE: &str = "edge.pid";
/// The 22nd word of a process's `stat` is when it was started; 20 words come after the name and
/// the state.
const STARTED: usize = 19;

/// A process that cannot be mistaken for a later one with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pid: u32,
    started: u64,
}

impl Mark {
    /// This process.
    pub fn of_this_process() -> io::Result<Self> {
        let pid = std::process::id();
        Ok(Self { pid, started: started(pid)? })
    }

    /// Notes it in an edge's directory.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let new = dir.join("edge.pid.new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(new, dir.join(NOTE))
    }

    /// What was noted there.
    pub fn read(dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(dir.join(NOTE))?)?)
    }

    /// Ends it, if it is still there, and waits for that.
    pub fn end(&self) -> io::Result<()> {
        if self.pid == std::process::id() {
            return Err(io::Error::other("this very process is in the way of the edge"));
        }
        let process = match open(self.pid) {
            Ok(process) => process,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(()),
            Err(error) => return Err(error),
        };
        // With the process held open its number is not given away again: it is this one or none.
        match started(self.pid) {
            Ok(started) if started == self.started => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        #[expect(unsafe_code, reason = "no safe wrapper signals by descriptor")]
        // SAFETY: takes no pointers but a null one, which is allowed.
        let status = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                process.as_raw_fd(),
                libc::SIGKILL,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        if status < 0 {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) };
        }
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(10_000_u16))?;
        Ok(())
    }
}

fn open(pid: u32) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "no safe wrapper opens a process")]
    // SAFETY: takes no pointers; the descriptor is new and nobody else's.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

fn started(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let word = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(STARTED));
    let malformed = || io::Error::other("the kernel tells no start of a process");
    word.and_then(|word| word.parse().ok()).ok_or_else(malformed)
}

/// What tells one build of a program from another: which file it is, and when it was written.
pub fn build(program: &Path) -> io::Result<String> {
    let metadata = fs::metadata(program)?;
    let version = env!("CARGO_PKG_VERSION");
    let (size, at, nanos) = (metadata.size(), metadata.mtime(), metadata.mtime_nsec());
    Ok(format!("{version}-{size}-{at}.{nanos}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let mark = Mark::of_this_process().unwrap();
        mark.write(dir.path()).unwrap();
        assert_eq!(Mark::read(dir.path()).unwrap(), mark);
        assert!(mark.end().is_err(), "nobody ends itself");
    }

    #[test]
    fn a_process_is_ended_and_one_with_its_number_is_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mark = Mark { pid: child.id(), started: started(child.id()).unwrap() };
        Mark { started: mark.started + 1, ..mark.clone() }.end().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        mark.end().unwrap();
        assert!(!child.wait().unwrap().success());
        mark.end().unwrap();
    }
}
