//! Waiting for descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// What is waited for with a descriptor. That it has ended or failed counts always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// It can be read.
    Readable,
    /// It can be written to.
    Writable,
    /// Something out of the ordinary, such as a change of the mount table.
    Exceptional,
    /// Nothing beside its end or failure.
    End,
}

impl Interest {
    fn flags(self) -> PollFlags {
        match self {
            Self::Readable => PollFlags::IN,
            Self::Writable => PollFlags::OUT,
            Self::Exceptional => PollFlags::PRI,
            Self::End => PollFlags::empty(),
        }
    }
}

/// A descriptor that is waited for until it can be read.
pub fn readable(fd: &impl AsFd) -> (BorrowedFd<'_>, Interest) {
    (fd.as_fd(), Interest::Readable)
}

/// Waits until what is waited for happens with any of some descriptors, and says with which, in their
/// order. It happened with none if the time was over before, or a signal came; without a time it waits
/// for as long as that takes.
///
/// # Errors
///
/// The kernel's error.
pub fn wait(
    fds: &[(BorrowedFd<'_>, Interest)],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let mut polled: Vec<_> =
        fds.iter().map(|(fd, interest)| PollFd::from_borrowed_fd(*fd, interest.flags())).collect();
    // A time too long for the kernel is longer than anybody waits.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut polled, timeout.as_ref()) {
        Ok(_) => Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
        Err(Errno::INTR) => Ok(vec![false; fds.len()]),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits until what is waited for happens with a descriptor, and says whether it did within the time.
/// A signal does not end the wait.
///
/// # Errors
///
/// The kernel's error.
pub fn is_ready_within(fd: impl AsFd, interest: Interest, time: Duration) -> io::Result<bool> {
    let deadline = Instant::now().checked_add(time);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if wait(&[(fd.as_fd(), interest)], left)?.contains(&true) {
            return Ok(true);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(false);
        }
    }
}

/// Waits until a descriptor can be read, or has ended or failed, and says whether it did within the
/// time. A signal does not end the wait.
///
/// # Errors
///
/// The kernel's error.
pub fn is_readable_within(fd: impl AsFd, time: Duration) -> io::Result<bool> {
    is_ready_within(fd, Interest::Readable, time)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn each_descriptor_is_told_apart() {
        let (mut one, other) = UnixStream::pair().unwrap();
        let (quiet, _end) = UnixStream::pair().unwrap();
        let all = [readable(&other), readable(&quiet), (quiet.as_fd(), Interest::Writable)];
        assert_eq!(wait(&all, Some(Duration::ZERO)).unwrap(), [false, false, true]);
        assert_eq!(wait(&all[..2], Some(Duration::ZERO)).unwrap(), [false, false]);
        one.write_all(b"x").unwrap();
        assert_eq!(wait(&all, None).unwrap(), [true, false, true]);
        assert_eq!(wait(&[], Some(Duration::ZERO)).unwrap(), [false; 0]);
    }

    #[test]
    fn the_end_of_a_descriptor_always_counts() {
        let (one, other) = UnixStream::pair().unwrap();
        let end = [(one.as_fd(), Interest::End)];
        assert_eq!(wait(&end, Some(Duration::ZERO)).unwrap(), [false]);
        drop(other);
        assert_eq!(wait(&end, None).unwrap(), [true]);
        assert!(is_ready_within(&one, Interest::End, Duration::MAX).unwrap());
    }
}
