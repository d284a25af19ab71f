//! The waker of a thread that waits for descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// Wakes a thread that waits for descriptors, from any other thread.
///
/// The thread polls the waker's own descriptor beside the others, and calls [`Waker::reset`] once
/// it is awake. Clones wake the same thread.
#[derive(Debug, Clone)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Makes a waker that was not used yet.
    ///
    /// # Errors
    ///
    /// The kernel's error, if the process may have no more descriptors.
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(Self(Arc::new(eventfd(0, flags)?)))
    }

    /// Makes the wait that runs now, or the next one, return at once.
    pub fn wake(&self) {
        // The only failure is a full counter, and then the thread has enough to wake up for.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Forgets all wakes so far, so that the next wait waits.
    pub fn reset(&self) {
        // One read empties the counter; it fails where nobody woke the thread.
        let _ = rustix::io::read(&self.0, &mut [0; size_of::<u64>()]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::poll::is_readable_within;

    fn is_awake(waker: &Waker) -> bool {
        is_readable_within(waker, Duration::ZERO).unwrap()
    }

    #[test]
    fn a_wake_lasts_until_it_is_reset() {
        let waker = Waker::new().unwrap();
        assert!(!is_awake(&waker));
        waker.reset();
        let other = waker.clone();
        std::thread::spawn(move || (0..1000).for_each(|_| other.wake())).join().unwrap();
        assert!(is_awake(&waker) && is_awake(&waker));
        waker.reset();
        assert!(!is_awake(&waker));
    }

    #[test]
    fn a_wait_that_runs_is_ended() {
        let waker = Waker::new().unwrap();
        let other = waker.clone();
        let waits = std::thread::spawn(move || is_readable_within(&other, Duration::MAX).unwrap());
        waker.wake();
        assert!(waits.join().unwrap());
    }
}
