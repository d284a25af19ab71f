//! Deadlines that are set with every request and hardly ever reached.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::rt;
use tokio::time::{Sleep, sleep_until};

/// Waits for a deadline that may move. A timer that waits for an earlier one is left alone until
/// it fires: to set a timer anew costs more than all else that a deadline needs, and wakes the
/// runtime.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once the deadline is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let deadline = deadline.into();
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// The timer of one connection of HTTP/1, on which no two deadlines are waited for at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionTimer(Arc<Mutex<Alarm>>);

struct Deadline {
    at: Instant,
    alarm: Arc<Mutex<Alarm>>,
}

impl rt::Timer for ConnectionTimer {
    fn sleep(&self, duration: std::time::Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Deadline { at, alarm: Arc::clone(&self.0) })
    }
}

impl rt::Sleep for Deadline {}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner).poll(cx, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test]
    async fn a_deadline_that_moves_is_neither_missed_nor_early() {
        let mut alarm = Alarm::default();
        let began = Instant::now();
        let after = |millis| began + Duration::from_millis(millis);
        let mut pending =
            async |deadline| poll_fn(|cx| Poll::Ready(alarm.poll(cx, deadline).is_pending())).await;
        assert!(pending(after(60_000)).await);
        assert!(pending(after(5)).await);
        assert!(pending(after(20)).await);
        poll_fn(|cx| alarm.poll(cx, after(20))).await;
        assert!(began.elapsed() >= Duration::from_millis(20));
        poll_fn(|cx| alarm.poll(cx, after(40))).await;
        assert!(began.elapsed() >= Duration::from_millis(40));
    }
}
