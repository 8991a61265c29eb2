//! A histogram of latencies, written by one core and read from anywhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::counting::add;

/// The upper bounds of the buckets, inclusive, in nanoseconds: 50 µs to 10 s in steps of about two. One more bucket takes what
/// is longer.
pub(crate) const BOUNDS: [u64; 17] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// How many latencies fell into each bucket, and their sum in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    sum: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len() + 1],
}

impl Histogram {
    /// Takes a latency that so many requests had.
    #[inline]
    pub(crate) fn observe(&self, latency: Duration, requests: u64) {
        // 584 years are enough.
        let nanos = latency.as_nanos() as u64;
        // Most answers are made in place, and end in one of the first buckets.
        let bucket = BOUNDS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS.len());
        add(&self.buckets[bucket], requests);
        add(&self.sum, nanos.wrapping_mul(requests));
    }

    pub(crate) fn sum_nanos(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// How many fell into each bucket; the last has those beyond all bounds.
    pub(crate) fn buckets(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_beyond_all_to_the_last() {
        let histogram = Histogram::default();
        for bound in BOUNDS {
            histogram.observe(Duration::from_nanos(bound), 1);
            histogram.observe(Duration::from_nanos(bound + 1), 1);
        }
        let mut expected = [2; BOUNDS.len() + 1];
        (expected[0], expected[BOUNDS.len()]) = (1, 1);
        assert_eq!(histogram.buckets(), expected);
        assert_eq!(
            histogram.sum_nanos(),
            2 * BOUNDS.iter().sum::<u64>() + BOUNDS.len() as u64
        );
    }

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS.is_sorted());
    }
}
