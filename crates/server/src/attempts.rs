//! How many wrong passwords are listened to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use model::Timestamp;
use sha2::{Digest, Sha256};

/// In which time they are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// For one user from one address.
const OF_USER: u32 = 5;
/// From one address, whoever the users.
const OF_SOURCE: u32 = 60;
/// How many users and addresses are kept in mind. When there are more, the eldest are forgotten.
const MOST: usize = 10_000;

/// Counts attempts to sign in that failed, or have not succeeded yet. The clock is an argument.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<Who, Count>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    /// The address, and a hash of what was given as the user, which may be as long as a header.
    User(Option<IpAddr>, [u8; 32]),
    Source(Option<IpAddr>),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Timestamp,
    attempts: u32,
}

/// One attempt, to be taken back if it succeeds.
#[derive(Debug)]
pub struct Attempt([Who; 2]);

impl Attempts {
    /// Counts one before anything is checked, so that many at once are no way around. Whether
    /// there is such a user makes no difference.
    ///
    /// # Errors
    ///
    /// How long to wait, where there were too many.
    pub fn begin(
        &self,
        user: &str,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Attempt, Duration> {
        let user = Sha256::digest(user.to_lowercase().as_bytes()).into();
        let limits = [(Who::User(source, user), OF_USER), (Who::Source(source), OF_SOURCE)];
        let mut counts = self.0.lock().expect("no holder panics");
        for (who, limit) in &limits {
            if let Some(count) = counts.get(who).filter(|count| count.is_current(now))
                && count.attempts >= *limit
            {
                return Err((count.since + WINDOW).since(now));
            }
        }
        if counts.len() + limits.len() > MOST {
            forget(&mut counts, now);
        }
        for (who, _) in &limits {
            let count = counts.entry(who.clone()).or_insert(Count { since: now, attempts: 0 });
            if !count.is_current(now) {
                *count = Count { since: now, attempts: 0 };
            }
            count.attempts += 1;
        }
        Ok(Attempt(limits.map(|(who, _)| who)))
    }

    /// Takes one back that succeeded.
    pub fn succeeded(&self, attempt: Attempt) {
        let mut counts = self.0.lock().expect("no holder panics");
        for who in attempt.0 {
            if let Some(count) = counts.get_mut(&who) {
                count.attempts = count.attempts.saturating_sub(1);
            }
        }
    }
}

impl Count {
    fn is_current(&self, now: Timestamp) -> bool {
        now < self.since + WINDOW
    }
}

/// Makes room: first what is over, and if that is little, the elder half.
fn forget(counts: &mut HashMap<Who, Count>, now: Timestamp) {
    counts.retain(|_, count| count.is_current(now));
    if counts.len() > MOST / 2 {
        let mut since: Vec<Timestamp> = counts.values().map(|count| count.since).collect();
        since.sort_unstable();
        let middle = since[since.len() / 2];
        counts.retain(|_, count| count.since > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_secs(seconds)
    }

    fn source(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, n]))
    }

    #[test]
    fn five_in_a_minute_and_no_more() {
        let attempts = Attempts::default();
        for second in 0..5 {
            attempts.begin("ada@example.com", source(1), at(second)).unwrap();
        }
        let wait = attempts.begin("ADA@example.com", source(1), at(10)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(50));
        attempts.begin("ada@example.com", source(2), at(10)).unwrap();
        attempts.begin("bob@example.com", source(1), at(10)).unwrap();
        attempts.begin("ada@example.com", source(1), at(60)).unwrap();
    }

    #[test]
    fn what_succeeds_does_not_count() {
        let attempts = Attempts::default();
        for _ in 0..100 {
            let attempt = attempts.begin("ada@example.com", source(1), at(0)).unwrap();
            attempts.succeeded(attempt);
        }
    }

    #[test]
    fn an_address_that_tries_many_users_is_stopped() {
        let attempts = Attempts::default();
        for n in 0..60 {
            attempts.begin(&format!("user-{n}"), source(1), at(0)).unwrap();
        }
        attempts.begin("user-60", source(1), at(0)).unwrap_err();
        attempts.begin("user-60", source(2), at(0)).unwrap();
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let attempts = Attempts::default();
        for n in 0..30_000u32 {
            let source = Some(IpAddr::from(n.to_be_bytes()));
            attempts.begin("ada", source, at(u64::from(n) / 1000)).unwrap();
            assert!(attempts.0.lock().unwrap().len() <= MOST);
        }
    }
}
