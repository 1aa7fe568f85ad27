//! Tornado's assertions about the loop, I1 to I62.

/// The loop itself: callbacks, timers, handlers of descriptors, its start, stop and close.
mod turn;

/// Periodic callbacks.
mod periodic;

/// Signals of the process.
mod signals;

/// Functions that block, on other threads.
mod executor;

/// Wakes from other threads, in numbers.
mod wakes;
