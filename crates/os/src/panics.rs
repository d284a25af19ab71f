//! What becomes of a process in which something panics.
//!
//! A process of which one thread is gone is half alive: it takes what comes and does some of it, for
//! ever, and nobody starts it again. So a panic ends the process, with [`EXIT_STATUS`], wherever it is:
//! in a thread of the program's own, in one of a runtime's, or in a task. What may panic by what a
//! client sends, and concerns nobody else, is named as such: [`confined`] for a task, [`confine`] for one
//! step. There a panic ends that task or step alone.
//!
//! The panic is dealt with before anything is dropped: no lock is let go of with half a change under it,
//! and nobody who waits for an answer is given one.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::channel;
use std::time::Duration;

/// The exit status of a process in which something panicked: `EX_SOFTWARE` of `sysexits.h`, which nothing
/// else in this program exits with.
pub const EXIT_STATUS: i32 = 70;

/// How long the log may take: it may be in the hands of whoever panicked.
const LAST_WORDS: Duration = Duration::from_secs(1);

thread_local! {
    /// The number of steps under way on this thread whose panic concerns themselves alone.
    static CONFINED: Cell<usize> = const { Cell::new(0) };
}

/// From now on a panic that is not confined ends this process with [`EXIT_STATUS`]. Each panic is given
/// to the log first, on a thread of its own.
pub fn end_the_process(log: fn(&str)) {
    std::panic::set_hook(Box::new(move |panic| {
        let confined = CONFINED.get() > 0;
        let outcome = if confined { "it concerned one task" } else { "the process ends" };
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let said = format!("the thread {name} has a defect, {outcome}: {panic}");
        let (done, is_done) = channel();
        let written = std::thread::Builder::new().name("last-words".into()).spawn(move || {
            log(&said);
            // Whoever waits may have lost patience.
            let _ = done.send(());
        });
        if written.is_ok() {
            // What is not in the log by then is lost.
            let _ = is_done.recv_timeout(LAST_WORDS);
        }
        if !confined {
            std::process::exit(EXIT_STATUS);
        }
    }));
}

/// Does one step whose panic concerns itself alone; `None` if it panicked.
pub fn confine<T>(step: impl FnOnce() -> T) -> Option<T> {
    let _within = Within::enter();
    // What it leaves half done is its own, as the caller says.
    catch_unwind(AssertUnwindSafe(step)).ok()
}

/// A future whose panic concerns nobody but whoever waits for it. The panic goes on to whoever polls it,
/// as a runtime's task, which ends.
pub async fn confined<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        let _within = Within::enter();
        future.as_mut().poll(context)
    })
    .await
}

/// Counts a step under way until it is dropped.
struct Within;

impl Within {
    fn enter() -> Self {
        CONFINED.set(CONFINED.get() + 1);
        Self
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        CONFINED.set(CONFINED.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const PART: &str = "CAUSEWAY_OS_TEST_PANICS";

    /// Not a test: the process that those below start.
    #[test]
    #[ignore = "is run by other tests, as a process of its own"]
    fn panics_as_it_is_told() {
        let Some(part) = std::env::var_os(PART) else { return };
        end_the_process(|said| {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{said}");
        });
        match part.to_str().unwrap() {
            "thread" => {
                let part = std::thread::Builder::new().name("part".into());
                let ended = part.spawn(|| panic!("no {}", 7)).unwrap().join();
                panic!("the process went on, with {ended:?}");
            }
            "dropped" => {
                struct Loud;
                impl Drop for Loud {
                    fn drop(&mut self) {
                        eprintln!("dropped");
                    }
                }
                let _loud = Loud;
                panic!("before anything is dropped");
            }
            "confined" => {
                assert_eq!(confine(|| 1), Some(1));
                assert_eq!(confine(|| -> u8 { panic!("of one step") }), None);
                let mut context = Context::from_waker(Waker::noop());
                let mut turns = 0;
                let task = std::future::poll_fn(move |_| {
                    turns += 1;
                    assert_eq!(CONFINED.get(), 1);
                    if turns < 2 { Poll::Pending } else { panic!("of one task") }
                });
                let mut task = Box::pin(confined::<std::future::PollFn<_>>(task));
                assert_eq!(task.as_mut().poll(&mut context), Poll::<()>::Pending);
                assert_eq!(CONFINED.get(), 0, "between two turns others have the thread");
                let polled =
                    catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut context).is_ready()));
                assert!(polled.is_err());
                assert_eq!(CONFINED.get(), 0);
                std::process::exit(0);
            }
            "log" => {
                // Whoever panics may have what the log needs.
                end_the_process(|_| std::thread::park());
                panic!("with the log in its hands");
            }
            other => panic!("{other}"),
        }
    }

    fn process_that(part: &str) -> (Option<i32>, String) {
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "panics::tests::panics_as_it_is_told"])
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .output()
            .unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    }

    #[test]
    fn a_panic_of_any_thread_ends_the_process_and_is_logged_with_its_name() {
        let (status, said) = process_that("thread");
        assert_eq!(status, Some(EXIT_STATUS), "{said}");
        assert!(said.contains("the thread part has a defect, the process ends"), "{said}");
        assert!(said.contains("no 7") && !said.contains("went on"), "{said}");
    }

    #[test]
    fn nothing_is_dropped_before_the_process_ends() {
        let (status, said) = process_that("dropped");
        assert_eq!(status, Some(EXIT_STATUS), "{said}");
        assert!(said.contains("before anything") && !said.contains("\ndropped"), "{said}");
    }

    #[test]
    fn what_is_confined_ends_alone() {
        let (status, said) = process_that("confined");
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(said.matches("it concerned one task").count(), 2, "{said}");
    }

    #[test]
    fn a_log_that_does_not_answer_keeps_nothing_alive() {
        assert_eq!(process_that("log").0, Some(EXIT_STATUS));
    }
}
