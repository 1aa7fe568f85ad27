//! Tornado's assertions about queues, Q1 to Q27.

/// Queues between coroutines.
mod queue;
