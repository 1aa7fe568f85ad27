//! How well a wire carries.

use std::time::Duration;

use crate::random::Random;

/// What happens to bytes under way. Without a seed only the shortest latency does.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// How long bytes are on their way, at least and at most.
    pub(crate) latency: (Duration, Duration),
    /// Reads and writes move fewer bytes than they could.
    pub(crate) short_transfers: bool,
    /// How likely it is that a write breaks the connection, from 0 to 1.
    pub(crate) resets: f64,
    /// How many bytes of one direction are under way or unread at most.
    pub(crate) buffer: usize,
}

impl Default for Conditions {
    fn default() -> Conditions {
        Conditions {
            latency: (Duration::ZERO, Duration::ZERO),
            short_transfers: false,
            resets: 0.0,
            // Of the size of a socket's.
            buffer: 64 * 1024,
        }
    }
}

impl Conditions {
    /// How long the next bytes are on their way.
    pub(super) fn delay(&self, random: Option<&Random>) -> Duration {
        let (least, most) = self.latency;
        let spread = u64::try_from((most - least).as_nanos()).unwrap_or(u64::MAX);
        match random {
            Some(random) if spread > 0 => {
                least + Duration::from_nanos(random.below(spread.saturating_add(1)))
            }
            _ => least,
        }
    }

    /// How many of `possible` bytes are moved: one at least, if there are any.
    pub(super) fn transfer(&self, possible: usize, random: Option<&Random>) -> usize {
        match random {
            Some(random) if self.short_transfers && possible > 1 => {
                1 + random.below(possible as u64) as usize
            }
            _ => possible,
        }
    }

    /// True if the connection breaks now.
    pub(super) fn breaks(&self, random: Option<&Random>) -> bool {
        self.resets > 0.0 && random.is_some_and(|random| random.fraction() < self.resets)
    }
}
