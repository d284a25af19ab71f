//! Rate limits: a burst of requests, which is replenished steadily.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

use model::Timestamp;

/// Requests per hour to the Platform API: Heroku's limit of 4,500, which may all come at once and
/// are replenished by 75 a minute (`heroku.md` §1.1).
pub const DEFAULT_PER_HOUR: u32 = 4500;

/// Requests per second of an account to EC2's API: several times the limit that AWS has for most
/// actions.
pub const DEFAULT_PER_SECOND: u32 = 100;

/// The burst, in seconds of the rate: a Terraform plan sends many requests at once and then none.
const BURST_SECONDS: u32 = 20;

/// Fractions of a request, chosen so that every rate replenishes a whole number of them in a
/// millisecond.
const PARTS: u64 = 3_600_000;
/// The most clients that are remembered before those with a full allowance are forgotten.
const MOST: usize = 10_000;

/// Counts the requests of each client.
#[derive(Debug)]
pub struct RateLimits<K> {
    /// Requests that are replenished per hour; 0 for no limit.
    per_hour: u32,
    /// The size of the burst, in requests.
    at_once: u32,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// The remaining allowance, in fractions of a request.
    left: u64,
    at: Timestamp,
}

impl<K: Eq + Hash> RateLimits<K> {
    /// A limit per hour, all of which may come at once; 0 for no limit.
    pub fn per_hour(per_hour: u32) -> Self {
        Self { per_hour, at_once: per_hour, buckets: Mutex::default() }
    }

    /// A limit per second with a burst of 20 seconds' worth; 0 for no limit.
    pub fn per_second(per_second: u32) -> Self {
        let per_hour = per_second.saturating_mul(3600);
        let at_once = per_second.saturating_mul(BURST_SECONDS);
        Self { per_hour, at_once, buckets: Mutex::default() }
    }

    /// Counts one request. Returns how many are left.
    ///
    /// # Errors
    ///
    /// No request is left; the time until there is one.
    pub fn take(&self, client: K, now: Timestamp) -> Result<u32, Duration> {
        if self.per_hour == 0 {
            return Ok(DEFAULT_PER_HOUR);
        }
        let mut buckets = self.buckets.lock().expect("no holder panics");
        if buckets.len() >= MOST && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| self.refilled(*bucket, now) < self.capacity());
        }
        let full = Bucket { left: self.capacity(), at: now };
        let bucket = buckets.entry(client).or_insert(full);
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

    /// The number of requests left, without counting one.
    pub fn remaining(&self, client: K, now: Timestamp) -> u32 {
        if self.per_hour == 0 {
            return DEFAULT_PER_HOUR;
        }
        let buckets = self.buckets.lock().expect("no holder panics");
        buckets.get(&client).map_or(self.at_once, |bucket| whole(self.refilled(*bucket, now)))
    }

    /// The number that is shown to clients without a limit, since clients expect one.
    pub fn unlimited(&self) -> u32 {
        if self.per_hour == 0 { DEFAULT_PER_HOUR } else { self.at_once }
    }

    fn capacity(&self) -> u64 {
        u64::from(self.at_once) * PARTS
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

    #[test]
    fn an_hours_requests_may_come_at_once_and_come_back_by_the_minute() {
        let limits = RateLimits::per_hour(4500);
        for left in (0..4500).rev() {
            assert_eq!(limits.take(1, at(0)), Ok(left));
        }
        assert_eq!(limits.take(1, at(0)), Err(Duration::from_millis(800)));
        assert_eq!(limits.take(2, at(0)), Ok(4499), "another's are another's");
        assert_eq!(limits.take(1, at(799)), Err(Duration::from_millis(1)));
        assert_eq!(limits.take(1, at(800)), Ok(0));
        assert_eq!(limits.remaining(1, at(60_800)), 75);
        assert_eq!(limits.take(1, at(60_800)), Ok(74));
        assert_eq!(limits.remaining(1, at(100_000_000)), 4500, "no more than an hour's");
    }

    #[test]
    fn more_may_come_at_once_than_come_back_in_a_second() {
        let limits = RateLimits::per_second(100);
        for left in (0..2000).rev() {
            assert_eq!(limits.take(1, at(0)), Ok(left));
        }
        assert_eq!(limits.take(1, at(0)), Err(Duration::from_millis(10)));
        assert_eq!(limits.take(1, at(10)), Ok(0));
        assert_eq!(limits.remaining(1, at(1010)), 100);
        assert_eq!(limits.remaining(1, at(100_000)), 2000);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let limits = RateLimits::per_hour(1);
        assert_eq!(limits.take(1, at(10_000)), Ok(0));
        limits.take(1, at(0)).unwrap_err();
        limits.take(1, at(10_000)).unwrap_err();
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limits = RateLimits::per_hour(0);
        for _ in 0..10_000 {
            assert_eq!(limits.take(1, at(0)), Ok(4500));
        }
        assert!(limits.buckets.lock().unwrap().is_empty());
    }

    #[test]
    fn clients_that_have_everything_are_forgotten() {
        let limits = RateLimits::per_hour(4500);
        for n in 0..10_000u32 {
            limits.take(n, at(0)).unwrap();
        }
        limits.take(10_000, at(800)).unwrap();
        assert_eq!(limits.buckets.lock().unwrap().len(), 1);
    }
}
