//! Limits on failed attempts to sign in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use model::Timestamp;
use sha2::{Digest, Sha256};

use crate::party::network;

/// The time over which attempts are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// The most failed attempts for one user from one network.
const OF_USER: u32 = 5;
/// The most failed attempts from one network, for all users together.
const OF_SOURCE: u32 = 60;
/// The most users and networks that are remembered. If there are more, the oldest are forgotten.
const MOST: usize = 10_000;

/// Counts attempts to sign in that failed or have not succeeded yet.
#[derive(Debug, Default)]
pub struct SignInLimits(Mutex<HashMap<Subject, Count>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    /// The network, and a hash of the given user name, which may be as long as a header.
    User(Option<IpAddr>, [u8; 32]),
    Source(Option<IpAddr>),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Timestamp,
    attempts: u32,
}

/// An attempt that was counted and is taken back if it succeeds.
#[derive(Debug)]
pub struct Attempt([Subject; 2]);

impl SignInLimits {
    /// Counts an attempt before the password is checked, so that concurrent attempts cannot exceed
    /// the limit. Unknown users are counted like others.
    ///
    /// # Errors
    ///
    /// There were too many; the time until the next attempt is allowed.
    pub fn begin(
        &self,
        user: &str,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Attempt, Duration> {
        let source = source.map(network);
        let user = Sha256::digest(user.to_lowercase().as_bytes()).into();
        let subjects =
            [(Subject::User(source, user), OF_USER), (Subject::Source(source), OF_SOURCE)];
        let mut counts = self.0.lock().expect("no holder panics");
        for (who, limit) in &subjects {
            if let Some(count) = counts.get(who).filter(|count| count.is_current(now))
                && count.attempts >= *limit
            {
                return Err((count.since + WINDOW).since(now));
            }
        }
        if counts.len() + subjects.len() > MOST {
            forget(&mut counts, now);
        }
        for (who, _) in &subjects {
            let count = counts.entry(who.clone()).or_insert(Count { since: now, attempts: 0 });
            if !count.is_current(now) {
                *count = Count { since: now, attempts: 0 };
            }
            count.attempts += 1;
        }
        Ok(Attempt(subjects.map(|(who, _)| who)))
    }

    /// Takes back an attempt that succeeded.
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

/// Makes room: removes expired counts, and the older half if that is not enough.
fn forget(counts: &mut HashMap<Subject, Count>, now: Timestamp) {
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
        let limits = SignInLimits::default();
        for second in 0..5 {
            limits.begin("ada@example.com", source(1), at(second)).unwrap();
        }
        let wait = limits.begin("ADA@example.com", source(1), at(10)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(50));
        limits.begin("ada@example.com", source(2), at(10)).unwrap();
        limits.begin("bob@example.com", source(1), at(10)).unwrap();
        limits.begin("ada@example.com", source(1), at(60)).unwrap();
    }

    #[test]
    fn what_succeeds_does_not_count() {
        let limits = SignInLimits::default();
        for _ in 0..100 {
            let attempt = limits.begin("ada@example.com", source(1), at(0)).unwrap();
            limits.succeeded(attempt);
        }
    }

    #[test]
    fn an_address_that_tries_many_users_is_stopped() {
        let limits = SignInLimits::default();
        for n in 0..60 {
            limits.begin(&format!("user-{n}"), source(1), at(0)).unwrap();
        }
        limits.begin("user-60", source(1), at(0)).unwrap_err();
        limits.begin("user-60", source(2), at(0)).unwrap();
    }

    #[test]
    fn the_addresses_of_one_network_are_one_source() {
        let limits = SignInLimits::default();
        let address = |n: u8| format!("2001:db8::{n}").parse().ok();
        for n in 0..5 {
            limits.begin("ada@example.com", address(n), at(0)).unwrap();
        }
        limits.begin("ada@example.com", address(5), at(0)).unwrap_err();
        limits.begin("ada@example.com", "2001:db8:0:1::5".parse().ok(), at(0)).unwrap();
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let limits = SignInLimits::default();
        for n in 0..30_000u32 {
            let source = Some(IpAddr::from(n.to_be_bytes()));
            limits.begin("ada", source, at(u64::from(n) / 1000)).unwrap();
            assert!(limits.0.lock().unwrap().len() <= MOST);
        }
    }
}
