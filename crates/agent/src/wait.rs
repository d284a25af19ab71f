//! Waiting until somebody wakes the waiting thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use os::Waker;
use os::poll::Interest;

/// Wakes a loop that waits; for any thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Wakes a thread that waits for nothing else. It uses no descriptor: the driver of networks calls it on
/// threads that have descriptors of their own, where the number of another thread's is nobody's or
/// something else's.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    /// What makes the wait that runs now, or the next one, return at once.
    pub(crate) fn wake(&self) -> Wake {
        let bell = self.clone();
        Arc::new(move || {
            *bell.rung() = true;
            bell.0.1.notify_all();
        })
    }

    /// Waits until it is rung or the time is over.
    pub(crate) fn wait(&self, timeout: Duration) {
        let waited = self.0.1.wait_timeout_while(self.rung(), timeout, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    fn rung(&self) -> MutexGuard<'_, bool> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the waker is used, or one of some other descriptors can be read, or the time is over.
pub(crate) fn wait(waker: &Waker, others: &[BorrowedFd<'_>], timeout: Duration) {
    let all = std::iter::once(waker.as_fd()).chain(others.iter().copied());
    let fds: Vec<_> = all.map(|fd| (fd, Interest::Readable)).collect();
    // A wait that failed is a wait that ended early, which callers allow for.
    let _ = os::poll::wait(&fds, Some(timeout));
    waker.reset();
}
