//! Whether a host is sure that servers know of it, by its own clock.
//!
//! A server answers a question of a host once it has said all that it has to say, and counts silence from
//! when it heard the question at the earliest. So whoever counts from when it asked what was answered last
//! is never later than the servers, whatever the wall clocks of the two say, and however long an answer is
//! on its way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Host;

use crate::keep::{Contact, Keep};

/// How many questions may be without an answer.
const MOST_ASKED: usize = 64;

/// The clock of a machine, which goes on while the machine sleeps.
pub struct Uptime {
    /// Which start of the machine this is.
    pub boot: String,
    /// How long ago that was.
    pub now: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// When servers were known to know of this host.
pub(super) struct Fence {
    keep: Keep,
    uptime: Arc<Uptime>,
    state: Mutex<State>,
}

struct State {
    /// When that was last; `None` where it was never, since the machine was started.
    contact: Option<Duration>,
    /// The number of the last question.
    number: u64,
    /// When what was asked without an answer was asked.
    asked: VecDeque<(u64, Duration)>,
}

impl Fence {
    /// As it was when this host's process ended.
    pub(super) fn open(keep: &Keep, uptime: Arc<Uptime>) -> Self {
        let now = (uptime.now)();
        let contact = keep.contact().filter(|contact| contact.boot == uptime.boot);
        let contact = contact.map(|contact| Duration::from_millis(contact.millis));
        // A time to come is no contact.
        let contact = contact.filter(|contact| *contact <= now);
        let state = State { contact, number: 0, asked: VecDeque::new() };
        Self { keep: keep.clone(), uptime, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a question that is asked now.
    pub(super) fn ask(&self) -> u64 {
        let now = (self.uptime.now)();
        let mut state = self.state();
        state.number += 1;
        let number = state.number;
        state.asked.push_back((number, now));
        if state.asked.len() > MOST_ASKED {
            state.asked.pop_front();
        }
        number
    }

    /// A question was answered, and with it those before it. Returns whether there was one.
    pub(super) fn answered(&self, number: u64) -> bool {
        let mut state = self.state();
        let mut at = None;
        while let Some((_, asked)) = state.asked.pop_front_if(|(asked, _)| *asked <= number) {
            at = Some(asked);
        }
        let Some(at) = at else { return false };
        state.contact = state.contact.max(Some(at));
        true
    }

    /// A server that answers no questions, as its release knows none, said something.
    pub(super) fn heard(&self) {
        let now = (self.uptime.now)();
        self.state().contact = Some(now);
    }

    /// A connection has ended: nothing that was asked on it is answered any more.
    pub(super) fn disconnected(&self) {
        self.state().asked.clear();
    }

    /// Keeps when the last contact was, for a process of this host that is started after this one.
    pub(super) fn keep(&self) {
        let Some(contact) = self.state().contact else { return };
        let millis = u64::try_from(contact.as_millis()).unwrap_or(u64::MAX);
        let contact = Contact { boot: self.uptime.boot.clone(), millis };
        if let Err(error) = self.keep.set_contact(&contact) {
            tracing::warn!(%error, "when servers were reached last is not kept");
        }
    }

    /// Whether servers were not known to know of this host for too long.
    pub(super) fn is_up(&self) -> bool {
        let now = (self.uptime.now)();
        self.state().contact.is_none_or(|contact| now.saturating_sub(contact) >= Host::FENCE)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn open(keep: &Keep, boot: &str, seconds: &Arc<AtomicU64>) -> Fence {
        let now = Arc::clone(seconds);
        let now = Box::new(move || Duration::from_secs(now.load(Ordering::Relaxed)));
        Fence::open(keep, Arc::new(Uptime { boot: boot.to_owned(), now }))
    }

    #[test]
    fn time_is_counted_from_the_question_and_not_from_its_answer() {
        let dir = tempfile::tempdir().unwrap();
        let seconds = Arc::new(AtomicU64::new(100));
        let at = |second| seconds.store(second, Ordering::Relaxed);
        let fence = open(&Keep::at(dir.path()), "a", &seconds);
        assert!(fence.is_up(), "there was no contact");
        let first = fence.ask();
        at(120);
        let second = fence.ask();
        assert!(fence.answered(first) && !fence.is_up());
        at(130);
        assert!(fence.is_up(), "the answer came at 120, and the question was of 100");
        assert!(fence.answered(second) && !fence.is_up());
        assert!(!fence.answered(second), "it was answered");
        at(150);
        assert!(fence.is_up());
        let lost = fence.ask();
        fence.disconnected();
        assert!(!fence.answered(lost) && fence.is_up(), "that was another connection");
    }

    #[test]
    fn a_process_goes_on_with_the_time_of_the_one_before_it_until_the_machine_starts_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (keep, seconds) = (Keep::at(dir.path()), Arc::new(AtomicU64::new(100)));
        let fence = open(&keep, "a", &seconds);
        let number = fence.ask();
        fence.answered(number);
        fence.keep();
        seconds.store(129, Ordering::Relaxed);
        assert!(!open(&keep, "a", &seconds).is_up());
        assert!(open(&keep, "b", &seconds).is_up(), "that was before the machine started");
        seconds.store(130, Ordering::Relaxed);
        assert!(open(&keep, "a", &seconds).is_up());
        seconds.store(50, Ordering::Relaxed);
        assert!(open(&keep, "a", &seconds).is_up(), "a time to come is none");
        std::fs::write(dir.path().join("contact.json"), b"{").unwrap();
        assert!(open(&keep, "a", &seconds).is_up(), "half a file says nothing");
    }
}
