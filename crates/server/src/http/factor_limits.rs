//! Limits on wrong codes of second factors. They are counted for the user wherever they come from, since only
//! whoever has the password gets as far.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use model::{Timestamp, UserId};

/// The time over which wrong codes are counted.
const WINDOW: Duration = Duration::from_secs(3600);
/// The most wrong codes of a user.
const MOST_WRONG: u32 = 10;

/// Counts wrong codes of each user, wherever they come from.
#[derive(Debug, Default)]
pub struct FactorLimits(Mutex<HashMap<UserId, Count>>);

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Timestamp,
    attempts: u32,
}

impl FactorLimits {
    /// Counts an attempt before the code is looked at, so that many at once are no way around.
    ///
    /// # Errors
    ///
    /// There were too many; the time until the next one is looked at.
    pub(crate) fn begin(&self, user: UserId, now: Timestamp) -> Result<(), Duration> {
        let mut counts = self.0.lock().expect("no holder panics");
        // Those that are over are forgotten, so there are no more than users who make mistakes.
        counts.retain(|_, count| now < count.since + WINDOW);
        let count = counts.entry(user).or_insert(Count { since: now, attempts: 0 });
        if count.attempts >= MOST_WRONG {
            return Err((count.since + WINDOW).since(now));
        }
        count.attempts += 1;
        Ok(())
    }

    /// Takes back an attempt that succeeded.
    pub(crate) fn succeeded(&self, user: UserId) {
        let mut counts = self.0.lock().expect("no holder panics");
        if let Some(count) = counts.get_mut(&user) {
            count.attempts = count.attempts.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn wrong_codes_are_bounded_for_a_user_and_for_nobody_else() {
        let limits = FactorLimits::default();
        let (ada, bob) = (UserId::MIN, UserId::MAX);
        for n in 0..MOST_WRONG {
            limits.begin(ada, at(i64::from(n))).unwrap();
        }
        assert_eq!(limits.begin(ada, at(60)), Err(Duration::from_secs(3540)));
        limits.begin(bob, at(60)).unwrap();
        limits.begin(ada, at(3600)).unwrap();
        for _ in 0..1000 {
            limits.begin(bob, at(60)).unwrap();
            limits.succeeded(bob);
        }
    }
}
