//! The one place that reads the clock and asks for chance.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::{IdSource, Timestamp};

/// Where `now` comes from.
#[derive(Debug)]
pub struct Clock {
    /// Milliseconds by which a test moved it, or the time itself where it stands still.
    state: AtomicI64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    System,
    Movable,
    Still,
}

impl Clock {
    /// The machine's.
    pub const fn system() -> Self {
        Self { state: AtomicI64::new(0), kind: Kind::System }
    }

    /// The machine's, which a test may move forward (`serve --test-clock`).
    pub const fn movable() -> Self {
        Self { state: AtomicI64::new(0), kind: Kind::Movable }
    }

    /// One that stands still until it is moved, for golden tests.
    pub const fn still(at: Timestamp) -> Self {
        Self { state: AtomicI64::new(at.millis()), kind: Kind::Still }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        let state = self.state.load(Ordering::Relaxed);
        match self.kind {
            Kind::System | Kind::Movable => Timestamp::from_millis(system_millis() + state),
            Kind::Still => Timestamp::from_millis(state),
        }
    }

    /// The machine's own time, whatever a test made of the clock: what others signed with theirs
    /// is as old as that says.
    pub fn wall(&self) -> Timestamp {
        match self.kind {
            Kind::System | Kind::Movable => Timestamp::from_millis(system_millis()),
            Kind::Still => self.now(),
        }
    }

    /// Moves it forward; `false` where it is the machine's own.
    pub fn advance(&self, span: Duration) -> bool {
        if self.kind == Kind::System {
            return false;
        }
        // A century is enough for any test and keeps the sum far from overflow.
        let span = span.min(Duration::from_secs(100 * 366 * 24 * 3600));
        self.state.fetch_add(i64::try_from(span.as_millis()).unwrap_or(0), Ordering::Relaxed);
        true
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn system_millis() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

/// Chance from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl IdSource for SystemIds {
    fn next_bits(&mut self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has randomness once it runs");
        u128::from_be_bytes(bytes)
    }
}

/// A new secret in hexadecimal: 32 bytes of chance.
pub fn fresh_secret(ids: &mut dyn IdSource) -> String {
    format!("{:032x}{:032x}", ids.next_bits(), ids.next_bits())
}

/// A new password that can be typed: 25 letters and digits, of which none is taken for another.
pub fn fresh_password(ids: &mut dyn IdSource) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bits = ids.next_bits();
    (0..25).map(|n| char::from(LETTERS[(bits >> (5 * n)) as usize % 32])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_test_clock_moves() {
        assert!(!Clock::system().advance(Duration::from_secs(1)));
        let clock = Clock::still(Timestamp::from_millis(1000));
        assert!(clock.advance(Duration::from_secs(2)));
        assert_eq!(clock.now().millis(), 3000);
        let movable = Clock::movable();
        let week = Duration::from_secs(7 * 24 * 3600);
        assert!(movable.advance(week));
        assert!(movable.now() >= movable.wall() + week / 2, "signatures do not age with it");
        clock.advance(Duration::MAX);
        assert!(clock.now() > Timestamp::from_millis(3000));
    }
}
