//! What coroutines share: locks, events, queues.
//!
//! All belong to one thread, cost a few loads and stores while nobody waits, and serve those who wait
//! in the order in which they came. None is needed around code that does not yield: between two yields
//! nobody else runs.

mod condition;
mod event;
pub(crate) mod line;
mod lock;
mod queue;
mod semaphore;
mod store;
mod wait;

pub use condition::{Condition, WaitTimeout};
pub use event::Event;
pub use lock::{AcquireLock, Lock, LockGuard};
pub use queue::{Get, Join, LifoQueue, PriorityQueue, Put, Queue};
pub use semaphore::{Acquire, BoundedSemaphore, Permit, Semaphore};
pub use wait::Wait;
