//! The only module that reads the clock and uses random numbers.

use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::{IdSource, Timestamp};

/// The source of `now`.
#[derive(Debug)]
pub struct Clock {
    kind: Kind,
    /// How far it is ahead of its base, in milliseconds.
    offset: AtomicI64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    System,
    Movable,
    Still(Timestamp),
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self::of(Kind::System)
    }

    /// The machine's clock, which a test may move forward (`serve --test-clock`).
    pub const fn movable() -> Self {
        Self::of(Kind::Movable)
    }

    /// A clock that stands still until it is moved, for golden tests.
    pub const fn still(at: Timestamp) -> Self {
        Self::of(Kind::Still(at))
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, offset: AtomicI64::new(0) }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        let offset = self.offset.load(Ordering::Relaxed);
        Timestamp::from_millis(self.base().millis() + offset)
    }

    /// The machine's time without a test's offset. The age of a signature is measured by it,
    /// because clients sign with the time of their own machine.
    pub fn wall(&self) -> Timestamp {
        match self.kind {
            Kind::System | Kind::Movable => self.base(),
            Kind::Still(_) => self.now(),
        }
    }

    fn base(&self) -> Timestamp {
        match self.kind {
            Kind::System | Kind::Movable => Timestamp::from_millis(system_millis()),
            Kind::Still(at) => at,
        }
    }

    /// Whether a test may move it forward.
    pub fn may_move(&self) -> bool {
        self.kind != Kind::System
    }

    /// Sets the offset that the ledger has, unless it is ahead of that already. The machine's clock
    /// gets the offset too, because the times in the ledger were made with it.
    pub(crate) fn put_ahead(&self, offset: Duration) {
        let millis = i64::try_from(offset.as_millis()).unwrap_or(i64::MAX / 2);
        self.offset.fetch_max(millis, Ordering::Relaxed);
    }

    /// Moves it forward without the ledger.
    #[cfg(test)]
    pub(crate) fn advance(&self, span: Duration) {
        self.offset.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn system_millis() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

/// Random numbers of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemIds;

impl IdSource for SystemIds {
    fn next_bits(&mut self) -> u128 {
        let mut bytes = [0; 16];
        fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }
}

/// Random bits for what must differ from all others and is no secret, such as the id of a request. The
/// operating system is asked for those of many at a time.
pub(crate) fn distinct_bits() -> u128 {
    thread_local! {
        static LEFT: RefCell<([u8; 1024], usize)> = const { RefCell::new(([0; 1024], 0)) };
    }
    LEFT.with_borrow_mut(|(bytes, left)| {
        if *left == 0 {
            fill(bytes);
            *left = bytes.len();
        }
        let (rest, last) = bytes[..*left].split_last_chunk().expect("it is a multiple of 16");
        *left = rest.len();
        u128::from_be_bytes(*last)
    })
}

/// Fills bytes with random ones of the operating system.
pub(crate) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has randomness once it runs");
}

/// A new secret: 32 random bytes in hexadecimal.
pub(crate) fn fresh_secret(ids: &mut dyn IdSource) -> String {
    format!("{:032x}{:032x}", ids.next_bits(), ids.next_bits())
}

/// A new password of 25 letters and digits that are hard to mistake for one another.
pub(crate) fn fresh_password(ids: &mut dyn IdSource) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bits = ids.next_bits();
    (0..25).map(|n| char::from(LETTERS[(bits >> (5 * n)) as usize % 32])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_bits_are_never_the_same_twice() {
        let draw = || std::thread::spawn(|| (0..500).map(|_| distinct_bits()).collect::<Vec<_>>());
        let drawn = [draw(), draw()].map(|thread| thread.join().unwrap()).concat();
        let different: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert_eq!(different.len(), 1000);
    }

    #[test]
    fn only_a_test_clock_moves_and_none_goes_back() {
        assert!(!Clock::system().may_move());
        assert!(Clock::movable().may_move());
        let clock = Clock::still(Timestamp::from_millis(1000));
        for (seconds, millis) in [(2, 3000), (1, 3000), (5, 6000)] {
            clock.put_ahead(Duration::from_secs(seconds));
            assert_eq!(clock.now().millis(), millis);
        }
        let week = Duration::from_secs(7 * 24 * 3600);
        for clock in [Clock::movable(), Clock::system()] {
            clock.put_ahead(week);
            assert!(clock.now() >= clock.wall() + week / 2, "signatures do not age with it");
        }
    }
}
