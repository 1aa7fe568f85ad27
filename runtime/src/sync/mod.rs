//! What coroutines share: queues. (Locks come with the next milestone.)

mod queue;

pub use queue::{Get, Join, Put, Queue};
