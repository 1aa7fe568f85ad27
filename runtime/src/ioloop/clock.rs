//! Where the loop's time comes from. The only file that asks the system for it.

use std::cell::Cell;
use std::time::{Duration, Instant};

pub(crate) enum Clock {
    /// The system's monotonic clock.
    Real,
    /// A clock that stands still until the loop moves it.
    Virtual { now: Cell<Instant> },
}

/// The real time, for measuring what runs.
pub(super) fn real_now() -> Instant {
    Instant::now()
}

impl Clock {
    pub(crate) fn real() -> Clock {
        Clock::Real
    }

    pub(crate) fn virtual_from_now() -> Clock {
        Clock::Virtual {
            now: Cell::new(Instant::now()),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Clock::Real => Instant::now(),
            Clock::Virtual { now } => now.get(),
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self, Clock::Virtual { .. })
    }

    /// Moves a virtual clock on to `deadline`; it never goes back.
    pub(crate) fn jump_to(&self, deadline: Instant) {
        if let Clock::Virtual { now } = self {
            now.set(deadline.max(now.get()));
        }
    }

    /// Runs `wait` and lets a virtual clock go on by the real time that it took.
    pub(crate) fn spending<R>(&self, limit: Option<Duration>, wait: impl FnOnce() -> R) -> R {
        let Clock::Virtual { now } = self else {
            return wait();
        };
        let start = Instant::now();
        let result = wait();
        // Not past the limit, or a timer would be late by what the system took to wake up.
        let spent = start.elapsed().min(limit.unwrap_or(Duration::MAX));
        now.set(now.get() + spent);
        result
    }
}
