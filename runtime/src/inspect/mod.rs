//! Looking into a thread's coroutines while they live.

mod dump;

pub use dump::{Dump, dump};
