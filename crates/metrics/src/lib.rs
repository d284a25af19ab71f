//! Counters and histograms for what happens often.
//!
//! Each is a fixed number of atomics. So counting takes no lock and no memory, and both can be in a
//! `static`. What is read of them while others count is a little old, and never less than before.

#![warn(unreachable_pub)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The upper bounds of a [`Latency`], in microseconds: from a tenth of a millisecond to ten seconds.
pub const LATENCY_BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// How long something took, in microseconds.
pub type Latency = Histogram<16>;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds some.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// A gauge at zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Sets the number.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes some away.
    pub fn sub(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    /// The number. One that was taken away before it was added shows as zero, not as a huge number.
    pub fn get(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed).cast_signed()).unwrap_or(0)
    }
}

/// How often a value was within each of `N` bounds, or beyond them all.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: [u64; N],
    within: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    /// An empty histogram with these upper bounds, in rising order. A bound is within its bucket.
    pub const fn new(bounds: [u64; N]) -> Self {
        Self {
            bounds,
            within: [const { AtomicU64::new(0) }; N],
            beyond: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.within.get(at).unwrap_or(&self.beyond).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration, in microseconds.
    pub fn took(&self, time: Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted so far.
    pub fn read(&self) -> Distribution {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Distribution {
            bounds: self.bounds.to_vec(),
            counts: self.within.iter().chain([&self.beyond]).map(read).collect(),
            sum: read(&self.sum),
        }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new(LATENCY_BOUNDS)
    }
}

/// What a [`Histogram`] has counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// The upper bounds of all buckets but the last one, which has none.
    pub bounds: Vec<u64>,
    /// How many values fell into each bucket.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

impl Distribution {
    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_within_its_bucket_and_what_is_beyond_all_is_counted() {
        let histogram = Histogram::new([10, 20]);
        for value in [0, 10, 11, 20, 21, 1000] {
            histogram.observe(value);
        }
        let read = histogram.read();
        assert_eq!(read, Distribution { bounds: vec![10, 20], counts: vec![2, 2, 2], sum: 1062 });
        assert_eq!(read.count(), 6);
    }

    #[test]
    fn what_many_threads_count_is_all_there() {
        static LATENCY: Latency = Latency::new(LATENCY_BOUNDS);
        static COUNTER: Counter = Counter::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for micros in 0..10_000 {
                        LATENCY.took(Duration::from_micros(micros));
                        COUNTER.inc();
                    }
                });
            }
        });
        assert_eq!((COUNTER.get(), LATENCY.read().count()), (40_000, 40_000));
        assert_eq!(LATENCY.read().counts[0], 4 * 101, "0 to 100 microseconds");
    }

    #[test]
    fn a_gauge_is_never_below_zero() {
        let gauge = Gauge::new();
        gauge.sub(1);
        assert_eq!(gauge.get(), 0);
        gauge.inc();
        gauge.inc();
        assert_eq!(gauge.get(), 1);
    }
}
