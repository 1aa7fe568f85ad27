//! How long a peer may stand still, if it is not to do so for ever a byte at a time.
//!
//! A limit that any byte renews is no limit: one byte a minute holds a connection for a year. So
//! waiting uses an allowance up, and bytes pay it back at a rate.

use std::time::Duration;

/// What is left of the time that a peer may keep us waiting.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    left: Duration,
    most: Duration,
    /// Bytes that pay back a second; with 0 any byte pays all.
    rate: u64,
}

impl Allowance {
    pub(crate) fn new(most: Duration, rate: u64) -> Allowance {
        Allowance {
            left: most,
            most,
            rate,
        }
    }

    /// How long may be waited from now.
    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// Takes note of a wait.
    pub(crate) fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }

    /// Takes note of bytes that went through.
    pub(crate) fn earn(&mut self, bytes: usize) {
        let nanos = (bytes as u128 * 1_000_000_000).checked_div(u128::from(self.rate));
        let earned = match nanos {
            Some(nanos) => Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            None if bytes > 0 => self.most,
            None => Duration::ZERO,
        };
        self.left = self.left.saturating_add(earned).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_byte_now_and_then_runs_out() {
        let mut allowance = Allowance::new(60 * SECOND, 240);
        let mut bytes = 0;
        while allowance.left() > 10 * SECOND {
            allowance.spend(10 * SECOND);
            allowance.earn(1);
            bytes += 1;
        }
        assert_eq!(bytes, 6);
    }

    #[test]
    fn the_rate_lasts_for_ever_and_saves_nothing_up() {
        let mut allowance = Allowance::new(60 * SECOND, 240);
        for _ in 0..10_000 {
            allowance.spend(SECOND);
            allowance.earn(240);
        }
        assert_eq!(allowance.left(), 60 * SECOND);
        allowance.earn(usize::MAX);
        assert_eq!(allowance.left(), 60 * SECOND);
        allowance.spend(61 * SECOND);
        assert_eq!(allowance.left(), Duration::ZERO);
    }

    #[test]
    fn without_a_rate_any_byte_pays_all() {
        let mut allowance = Allowance::new(60 * SECOND, 0);
        allowance.spend(59 * SECOND);
        allowance.earn(0);
        assert_eq!(allowance.left(), SECOND);
        allowance.earn(1);
        assert_eq!(allowance.left(), 60 * SECOND);
    }
}
