//! The harness of tests itself: seeds, the log of events, streams in memory, the look for leaks.

/// The virtual clock, and the same run from the same seed.
mod replay;

/// Races that the order of arrival hides, and that some seed finds.
mod races;

/// Pairs in memory: what a stream promises, without a socket.
mod pair;

/// A network whose latency, short transfers and resets come from the seed.
mod network;

/// What a test may not leave behind.
mod leaks;

/// The attribute, and what the environment says to it.
mod attribute;
