//! What failed, and when it is tried again.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long to wait before something is tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses {
    /// After the first failure, and after an interruption. Each later pause is twice as long.
    pub(crate) first: Duration,
    /// After a failure at most.
    pub(crate) longest: Duration,
    /// Between two interruptions of the same part at least.
    pub(crate) interrupted: Duration,
}

/// The parts that failed or were interrupted.
pub(crate) struct Retries<Part> {
    pauses: Pauses,
    failing: BTreeMap<Part, Failing>,
    /// When each part that was interrupted is, or was, tried again.
    again: BTreeMap<Part, Instant>,
    /// When all of them are tried once more.
    next: Option<Instant>,
}

struct Failing {
    times: u32,
    why: String,
}

impl<Part: Ord + Clone + Display> Retries<Part> {
    pub(crate) fn new(pauses: Pauses) -> Self {
        Self { pauses, failing: BTreeMap::new(), again: BTreeMap::new(), next: None }
    }

    /// Notes one more failure.
    pub(crate) fn note_failed(&mut self, part: Part, why: String, now: Instant) {
        let failing = self.failing.entry(part).or_insert(Failing { times: 0, why: String::new() });
        failing.times += 1;
        failing.why = why;
        let pause = self.pauses.first.saturating_mul(1 << (failing.times - 1).min(16));
        self.try_at(now + pause.min(self.pauses.longest));
    }

    /// Notes that something outside ended a part. It is tried again soon: not at once, as a shutdown
    /// ends one thing after the other, and this process may be among the last.
    pub(crate) fn note_interrupted(&mut self, part: Part, now: Instant) {
        let pauses = self.pauses;
        self.again.retain(|_, at| *at + pauses.interrupted > now);
        let soon = now + pauses.first;
        let at = self.again.get(&part).map_or(soon, |last| soon.max(*last + pauses.interrupted));
        self.again.insert(part, at);
        self.try_at(at);
    }

    /// Notes that a part fares well, or need not any more. That one more try may be due for nobody does
    /// no harm.
    pub(crate) fn forget(&mut self, part: &Part) {
        self.failing.remove(part);
    }

    /// Forgets all parts but some.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Part) -> bool) {
        self.failing.retain(|part, _| keep(part));
    }

    /// When to try again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Notes that everything is tried again now.
    pub(crate) fn begin(&mut self) {
        self.next = None;
    }

    /// What fails, and why.
    pub(crate) fn failing(&self) -> BTreeMap<String, String> {
        self.failing.iter().map(|(part, it)| (part.to_string(), it.why.clone())).collect()
    }

    fn try_at(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |other| other.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn retries() -> Retries<u8> {
        Retries::new(Pauses { first: SECOND, longest: 5 * SECOND, interrupted: 15 * SECOND })
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let (mut retries, now) = (retries(), Instant::now());
        let fail = |retries: &mut Retries<u8>| {
            retries.begin();
            retries.note_failed(1, "no".to_owned(), now);
            retries.due().unwrap() - now
        };
        let pauses: Vec<_> = (0..5).map(|_| fail(&mut retries).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        retries.forget(&1);
        assert!(retries.failing().is_empty());
        assert_eq!(fail(&mut retries), SECOND);
        for _ in 0..100 {
            assert!(fail(&mut retries) <= 5 * SECOND, "however often it fails");
        }
    }

    #[test]
    fn the_soonest_of_all_is_due() {
        let (mut retries, now) = (retries(), Instant::now());
        retries.note_failed(1, "no".to_owned(), now);
        retries.note_failed(1, "no".to_owned(), now);
        retries.note_failed(2, "no".to_owned(), now + 3 * SECOND);
        assert_eq!(retries.due(), Some(now + SECOND));
        assert_eq!(retries.failing().keys().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn what_is_interrupted_over_and_over_is_tried_again_less_often() {
        let (mut retries, now) = (retries(), Instant::now());
        let mut interrupt = |at: Instant| {
            retries.begin();
            retries.note_interrupted(1, at);
            (retries.due().unwrap() - now).as_secs()
        };
        assert_eq!(interrupt(now), 1);
        assert_eq!(interrupt(now + 2 * SECOND), 16);
        assert_eq!(interrupt(now + 17 * SECOND), 31);
        assert_eq!(interrupt(now + 60 * SECOND), 61, "after a while without any");
    }
}
