//! What a suspended coroutine waits for, as those who make it wait say it.

use std::fmt;

use super::tick::Tick;

/// What a coroutine waits for.
///
/// Each future of this crate notes it when it is pending; of a foreign one nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A future that does not say.
    #[default]
    Unknown,
    /// Its next turn.
    Turn,
    /// A point in time.
    Time(Tick),
    /// A descriptor to become readable.
    Readable(i32),
    /// A descriptor to become writable.
    Writable(i32),
    /// Bytes of a stream in memory, or a connection that is accepted there.
    Bytes,
    /// Room in a stream in memory.
    Room,
    /// The children of a list, map or array.
    Children {
        /// Those that are done.
        done: u32,
        /// All of them.
        total: u32,
    },
    /// Another coroutine, by its [`LiveCoroutine::id`](crate::LiveCoroutine::id).
    Coroutine(u64),
    /// A promise to be settled.
    Promise,
    /// An item of a queue.
    QueueItem,
    /// A permit of a semaphore, or a lock.
    Permit,
    /// An event to be set, or a condition to be notified.
    Event,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitsFor::Unknown => f.write_str("something"),
            WaitsFor::Turn => f.write_str("its turn"),
            WaitsFor::Time(_) => f.write_str("a time"),
            WaitsFor::Readable(fd) => write!(f, "descriptor {fd} to be readable"),
            WaitsFor::Writable(fd) => write!(f, "descriptor {fd} to be writable"),
            WaitsFor::Bytes => f.write_str("bytes of a stream in memory"),
            WaitsFor::Room => f.write_str("room in a stream in memory"),
            WaitsFor::Children { done, total } => write!(f, "children, {done} of {total} are done"),
            WaitsFor::Coroutine(_) => f.write_str("a coroutine"),
            WaitsFor::Promise => f.write_str("a promise"),
            WaitsFor::QueueItem => f.write_str("an item of a queue"),
            WaitsFor::Permit => f.write_str("a lock or a permit"),
            WaitsFor::Event => f.write_str("an event or a condition"),
        }
    }
}
