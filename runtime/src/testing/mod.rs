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
#![doc = include_str!("../../../docs/testing.md")]

pub(crate) mod entry;
mod failure;
mod leaks;
mod network;
mod simulation;

pub use failure::Failure;
pub use leaks::Leaks;
pub use network::Network;
pub use simulation::{Run, Simulation};
