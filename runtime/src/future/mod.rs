//! Futures that need no loop: a promise, and the moment.

mod moment;
mod promise;

pub use moment::{Moment, moment};
pub use promise::Promise;
