//! How many requests a token has left (`heroku.md` §1.1): as many as in an hour at once, and then
//! as they come back.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use model::{Timestamp, TokenId};

/// Heroku's: 4,500 an hour, which come back by 75 a minute.
pub const DEFAULT_PER_HOUR: u32 = 4500;

/// Parts of a request, so that what comes back in a millisecond is a whole number of them.
const PARTS: u64 = 3_600_000;
/// How many tokens are kept in mind before those that have everything are forgotten.
const MOST: usize = 10_000;

/// Counts the requests of each token. The clock is an argument.
#[derive(Debug)]
pub struct RateLimits {
    /// Requests in an hour; 0 for no limit.
    per_hour: u32,
    buckets: Mutex<HashMap<TokenId, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In parts of a request.
    left: u64,
    at: Timestamp,
}

impl RateLimits {
    /// So many requests in an hour; 0 for no limit.
    pub fn per_hour(per_hour: u32) -> Self {
        Self { per_hour, buckets: Mutex::default() }
    }

    /// Takes one request. How many are left.
    ///
    /// # Errors
    ///
    /// How long to wait for the next one, where none is left.
    pub fn take(&self, token: TokenId, now: Timestamp) -> Result<u32, Duration> {
        if self.per_hour == 0 {
            return Ok(DEFAULT_PER_HOUR);
        }
        let mut buckets = self.buckets.lock().expect("no holder panics");
        if buckets.len() >= MOST && !buckets.contains_key(&token) {
            buckets.retain(|_, bucket| self.refilled(*bucket, now) < self.capacity());
        }
        let full = Bucket { left: self.capacity(), at: now };
        let bucket = buckets.entry(token).or_insert(full);
        let left = self.refilled(*bucket, now);
        let (left, answer) = match left.checked_sub(PARTS) {
            Some(left) => (left, Ok(whole(left))),
            None => {
                let lacking = (PARTS - left).div_ceil(u64::from(self.per_hour));
                (left, Err(Duration::from_millis(lacking)))
            }
        };
        *bucket = Bucket { left, at: bucket.at.max(now) };
        answer
    }

    /// How many requests are left, without taking one.
    pub fn remaining(&self, token: TokenId, now: Timestamp) -> u32 {
        if self.per_hour == 0 {
            return DEFAULT_PER_HOUR;
        }
        let buckets = self.buckets.lock().expect("no holder panics");
        buckets.get(&token).map_or(self.per_hour, |bucket| whole(self.refilled(*bucket, now)))
    }

    /// How many there are for who is not counted, as clients want to read a number.
    pub fn unlimited(&self) -> u32 {
        if self.per_hour == 0 { DEFAULT_PER_HOUR } else { self.per_hour }
    }

    fn capacity(&self) -> u64 {
        u64::from(self.per_hour) * PARTS
    }

    fn refilled(&self, bucket: Bucket, now: Timestamp) -> u64 {
        let passed = u64::try_from(now.since(bucket.at).as_millis()).unwrap_or(u64::MAX);
        let back = passed.saturating_mul(u64::from(self.per_hour));
        bucket.left.saturating_add(back).min(self.capacity())
    }
}

fn whole(parts: u64) -> u32 {
    u32::try_from(parts / PARTS).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_millis(millis)
    }

    fn token(n: u128) -> TokenId {
        TokenId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn an_hours_requests_may_come_at_once_and_come_back_by_the_minute() {
        let limits = RateLimits::per_hour(4500);
        for left in (0..4500).rev() {
            assert_eq!(limits.take(token(1), at(0)), Ok(left));
        }
        assert_eq!(limits.take(token(1), at(0)), Err(Duration::from_millis(800)));
        assert_eq!(limits.take(token(2), at(0)), Ok(4499), "another's are another's");
        assert_eq!(limits.take(token(1), at(799)), Err(Duration::from_millis(1)));
        assert_eq!(limits.take(token(1), at(800)), Ok(0));
        assert_eq!(limits.remaining(token(1), at(60_800)), 75);
        assert_eq!(limits.take(token(1), at(60_800)), Ok(74));
        assert_eq!(limits.remaining(token(1), at(100_000_000)), 4500, "no more than an hour's");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let limits = RateLimits::per_hour(1);
        assert_eq!(limits.take(token(1), at(10_000)), Ok(0));
        limits.take(token(1), at(0)).unwrap_err();
        limits.take(token(1), at(10_000)).unwrap_err();
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limits = RateLimits::per_hour(0);
        for _ in 0..10_000 {
            assert_eq!(limits.take(token(1), at(0)), Ok(4500));
        }
        assert!(limits.buckets.lock().unwrap().is_empty());
    }

    #[test]
    fn tokens_that_have_everything_are_forgotten() {
        let limits = RateLimits::per_hour(4500);
        for n in 0..10_000u128 {
            limits.take(token(n), at(0)).unwrap();
        }
        limits.take(token(10_000), at(800)).unwrap();
        assert_eq!(limits.buckets.lock().unwrap().len(), 1);
    }
}
