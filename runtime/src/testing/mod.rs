//! Tests that can be replayed: a virtual clock, orders and networks that come from a seed, a log of
//! events, a look for what is left over.
//!
//! [`#[squall::test]`](macro@crate::test) runs a test on all of it; [`Simulation`] is the same as a
//! plain function, and shows what happened. [`Network`] joins streams in memory.
//!
//! ```
//! use squall::testing::Simulation;
//! use squall::{sleep, yield_};
//! use std::time::Duration;
//!
//! #[squall::coroutine]
//! fn day() {
//!     yield_!(sleep(Duration::from_secs(24 * 60 * 60)));
//! }
//!
//! let run = Simulation::new().seed(17).run(day);
//! assert_eq!(run.elapsed(), Duration::from_secs(24 * 60 * 60)); // in no time
//! assert_eq!(run.log(), Simulation::new().seed(17).run(day).log()); // to the byte
//! ```
//!
//! # The event log
//!
//! A line an event: the number of the turn, the virtual time in seconds since the start, what it was.
//!
//! ```text
//! 0 0.000000000 start fetch #2 (src/client.rs:14)
//! 0 0.000000000 suspend fetch #2 at src/client.rs:17: network.connect(address)
//! 3 0.031000000 stream 1: 10.255.255.254:49152 → 10.0.0.1:80: 12 of 90 bytes written, 7.1ms away
//! 4 0.038100000 timer calls
//! 4 0.038100000 stream 1: 10.255.255.254:49152 → 10.0.0.1:80: 12 bytes arrive
//! 4 0.038100000 resume fetch #2
//! 4 0.038100000 finish fetch #2
//! ```
//!
//! Coroutines are numbered in the order in which they first run, streams in that in which they are
//! made. A coroutine that borrows runs in its caller, and has no lines of its own.
//!
//! # What a seed does not decide
//!
//! Real descriptors, other threads and the time of day are as they are: a run that has any may differ
//! from the next with the same seed. So may one that goes by the order of a `HashMap`, whose keys the
//! standard library hashes with random numbers of its own: take a `BTreeMap`.

pub(crate) mod entry;
mod failure;
mod leaks;
mod network;
mod simulation;

pub use failure::Failure;
pub use leaks::Leaks;
pub use network::Network;
pub use simulation::{Run, Simulation};

/// The chapter on testing, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
struct TestingPaper;
