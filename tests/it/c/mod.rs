//! Tornado's assertions about futures, C1 to C23, but for those of tracebacks and of cancellation,
//! which stand beside their subjects.

/// The two ends of a future: what a promise sets, and what a deferred gives.
mod future;

/// Callbacks of futures: when they are called, in which order, and what their panics reach.
mod done_callbacks;

/// Callbacks at the end of a deferred, which leave its result where it is.
mod deferred_done;
