//! A histogram of lengths of time.
//!
//! Log-linear: each power of two of nanoseconds has eight buckets, so that what is read off it is an
//! eighth too long at most, and never too short. It grows with the longest time that it was given.

use std::fmt;
use std::time::Duration;

/// Buckets for each power of two, as a power of two.
const PRECISION: u32 = 3;

#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u32>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket(nanos);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    pub(crate) fn summary(&self) -> Distribution {
        Distribution {
            count: self.count,
            p50: self.percentile(50),
            p99: self.percentile(99),
            max: Duration::from_nanos(self.max),
        }
    }

    fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += u64::from(*count);
            if below >= rank {
                return Duration::from_nanos(longest(bucket).min(self.max));
            }
        }
        Duration::from_nanos(self.max)
    }
}

/// The bucket of a length.
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(PRECISION + 1);
    ((shift as usize) << PRECISION) + (nanos >> shift) as usize
}

/// The longest that falls into the bucket.
fn longest(bucket: usize) -> u64 {
    let shift = (bucket >> PRECISION).saturating_sub(1);
    let first = (bucket - (shift << PRECISION)) as u64;
    first << shift | ((1 << shift) - 1)
}

/// How lengths of time are distributed.
///
/// The percentiles are an eighth too long at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Distribution {
    /// How many there were.
    pub count: u64,
    /// Half were no longer.
    pub p50: Duration,
    /// 99 of 100 were no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Distribution {
            count,
            p50,
            p99,
            max,
        } = self;
        write!(
            f,
            "count {count}, p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_and_hold_their_longest() {
        for n in 0..bucket(u64::MAX) {
            assert_eq!(bucket(longest(n)), n);
            assert_eq!(bucket(longest(n) + 1), n + 1);
        }
        assert_eq!(longest(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn lengths_are_an_eighth_too_long_at_most() {
        for nanos in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) + (1 << bit) / 3]) {
            let read = longest(bucket(nanos));
            assert!(read >= nanos && read - nanos <= nanos / 8, "{nanos} {read}");
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.summary().max, Duration::ZERO);
        for n in 1..=100 {
            histogram.record(Duration::from_millis(n));
        }
        let Distribution {
            count,
            p50,
            p99,
            max,
        } = histogram.summary();
        assert_eq!((count, max), (100, Duration::from_millis(100)));
        assert!((50..=57).contains(&p50.as_millis()), "{p50:?}");
        assert!((99..=100).contains(&p99.as_millis()), "{p99:?}");
    }
}
