//! Points in time of half an `Instant`'s size, which are also quicker to compare.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A point in time, as a count of nanoseconds: an [`Instant`] that is kept in large numbers.
///
/// Converts from and to it. It reaches from 146 years before the process's first look at the clock to
/// 438 years after it; what lies outside counts as the end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(NonZeroU64);

/// Where the count of `base` lies, so that points before it can be told apart, too.
const BASE: u64 = 1 << 62;

/// What ticks are counted from.
fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

fn nanos(duration: Duration) -> Option<u64> {
    let seconds = duration.as_secs().checked_mul(1_000_000_000)?;
    seconds.checked_add(duration.subsec_nanos().into())
}

impl Tick {
    /// Returns the point that lies `duration` after this.
    #[inline]
    pub fn saturating_add(self, duration: Duration) -> Tick {
        let nanos = nanos(duration).unwrap_or(u64::MAX);
        Tick(self.0.saturating_add(nanos))
    }

    /// Returns how long it is from `earlier` to this; nothing if it is later.
    pub fn saturating_duration_since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl From<Instant> for Tick {
    #[inline]
    fn from(point: Instant) -> Tick {
        let base = base();
        let count = match point.checked_duration_since(base) {
            Some(after) => nanos(after).and_then(|after| BASE.checked_add(after)),
            None => Some(BASE.saturating_sub(nanos(base - point).unwrap_or(u64::MAX))),
        };
        Tick(NonZeroU64::new(count.unwrap_or(u64::MAX)).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<Tick> for Instant {
    fn from(tick: Tick) -> Instant {
        match tick.0.get().checked_sub(BASE) {
            Some(after) => base() + Duration::from_nanos(after),
            None => base() - Duration::from_nanos(BASE - tick.0.get()),
        }
    }
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Instant::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_the_instant_that_it_was_made_of() {
        let now = Instant::now();
        for nanos in [0, 1, 999_999_999, 1_000_000_000, 1 << 61] {
            let away = Duration::from_nanos(nanos);
            assert_eq!(Instant::from(Tick::from(now + away)), now + away);
        }
        let earlier = base() - Duration::from_secs(5);
        assert_eq!(Instant::from(Tick::from(earlier)), earlier);
        assert!(Tick::from(earlier) < Tick::from(now));
    }

    #[test]
    fn what_is_out_of_reach_counts_as_the_end() {
        let far = Tick::from(base() + Duration::from_secs(1 << 40));
        assert_eq!(far.0.get(), u64::MAX);
        assert!(Instant::from(far) > base() + Duration::from_secs(1 << 33));
        assert_eq!(far.saturating_duration_since(far), Duration::ZERO);
    }

    #[test]
    fn a_tick_takes_a_word_also_if_it_may_be_none() {
        assert_eq!(size_of::<Option<Tick>>(), 8);
    }
}
