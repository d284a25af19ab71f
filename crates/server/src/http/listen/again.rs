//! A future that is polled again at once when it is woken while it is being polled.
//!
//! hyper hands a body to whoever reads it by a channel between two parts of the same connection, so with
//! nearly every request a task wakes itself. The runtime takes that for new work: it puts the task at the
//! end of its queue and wakes another of its threads to take it from there, for two system calls and a
//! change of the processor. Here such a wake is only noted, and the future polled once more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often a future is polled in a row before the runtime's other tasks have their turn.
const MOST: usize = 8;

/// The future is being polled.
const POLLED: u8 = 1;
/// It was woken since it was last polled.
const WOKEN: u8 = 2;

/// The waker of one future.
pub(super) struct Again {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Default)]
struct Shared {
    /// Every change reads what it replaces, so that who wakes and who polls agree on which of them
    /// came first.
    state: AtomicU8,
    task: AtomicWaker,
}

impl Again {
    pub(super) fn new() -> Self {
        let shared = Arc::<Shared>::default();
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    /// Polls the future.
    pub(super) fn poll<F: Future>(
        &self,
        mut future: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let Shared { state, task } = &*self.shared;
        task.register(context.waker());
        let mut own = Context::from_waker(&self.waker);
        for _ in 0..MOST {
            state.swap(POLLED, AcqRel);
            if let Poll::Ready(output) = future.as_mut().poll(&mut own) {
                return Poll::Ready(output);
            }
            if state.compare_exchange(POLLED, 0, AcqRel, Acquire).is_ok() {
                return Poll::Pending;
            }
        }
        state.swap(0, AcqRel);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Who polls it will see that it was woken; and who woke it before has told the task.
        if self.state.fetch_or(WOKEN, AcqRel) == 0 {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn who_wakes_itself_is_polled_again_without_the_task() {
        let (task, again) = (Arc::<Task>::default(), Again::new());
        let waker = Waker::from(Arc::clone(&task));
        let mut left = 3;
        let mut future = pin!(poll_fn(|context| {
            left -= 1;
            if left == 0 {
                return Poll::Ready("done");
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        let polled = again.poll(future.as_mut(), &mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Ready("done"));
        assert_eq!(task.0.load(SeqCst), 0);
    }

    #[test]
    fn who_never_stops_waking_itself_leaves_others_their_turn() {
        let (task, again) = (Arc::<Task>::default(), Again::new());
        let waker = Waker::from(Arc::clone(&task));
        let mut polls = 0;
        let mut future = pin!(poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        for _ in 0..2 {
            assert!(again.poll(future.as_mut(), &mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(task.0.load(SeqCst), 2);
        assert_eq!(polls, 2 * MOST);
    }

    #[test]
    fn who_is_woken_at_rest_has_its_task_woken_once() {
        let (task, again) = (Arc::<Task>::default(), Again::new());
        let waker = Waker::from(Arc::clone(&task));
        let mut seen = None;
        let mut future = pin!(poll_fn(|context| {
            seen = Some(context.waker().clone());
            Poll::<()>::Pending
        }));
        assert!(again.poll(future.as_mut(), &mut Context::from_waker(&waker)).is_pending());
        let own = seen.clone().unwrap();
        own.wake_by_ref();
        own.wake();
        assert_eq!(task.0.load(SeqCst), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_of_another_thread_is_lost() {
        let again = Again::new();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let sending = tokio::spawn(async move {
            for number in 0..50_000 {
                sender.send(number).await.unwrap();
            }
        });
        let mut receiving = pin!(async move {
            let mut sum = 0u64;
            while let Some(number) = receiver.recv().await {
                sum += number;
            }
            sum
        });
        let sum = poll_fn(|context| again.poll(receiving.as_mut(), context)).await;
        assert_eq!(sum, 50_000 * 49_999 / 2);
        sending.await.unwrap();
    }
}
