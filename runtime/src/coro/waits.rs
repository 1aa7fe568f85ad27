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
    /// The children of a list, map, array or tuple.
    Children {
        /// Those that are done.
        done: u32,
        /// All of them.
        total: u32,
    },
    /// The same, where some do not say what they wait for.
    MixedChildren {
        /// Those that are done.
        done: u32,
        /// All of them.
        total: u32,
    },
    /// Another coroutine, by its [`LiveCoroutine::id`](crate::LiveCoroutine::id).
    Coroutine(u64),
    /// A promise to be settled.
    Promise,
    /// An item of a queue, which is empty.
    QueueItem {
        /// How many items the queue holds; 0 means no limit.
        bound: u32,
    },
    /// A place in a queue, which is full.
    QueuePlace {
        /// How many items the queue holds.
        bound: u32,
    },
    /// All work of a queue to be done.
    QueueWork,
    /// A lock, by a number that it has while it is waited for; see
    /// [`LiveCoroutine::holder_id`](crate::LiveCoroutine::holder_id).
    Lock(u32),
    /// A permit of a semaphore.
    Permit,
    /// An event to be set, or a condition to be notified.
    Event,
}

impl WaitsFor {
    /// True if it ends by what coroutines and callbacks of this thread do, and by nothing else.
    pub(crate) fn is_of_the_thread(self) -> bool {
        match self {
            WaitsFor::Children { .. }
            | WaitsFor::Coroutine(_)
            | WaitsFor::Promise
            | WaitsFor::QueueItem { .. }
            | WaitsFor::QueuePlace { .. }
            | WaitsFor::QueueWork
            | WaitsFor::Lock(_)
            | WaitsFor::Permit
            | WaitsFor::Bytes
            | WaitsFor::Room
            | WaitsFor::Event => true,
            WaitsFor::Unknown
            | WaitsFor::MixedChildren { .. }
            | WaitsFor::Turn
            | WaitsFor::Time(_)
            | WaitsFor::Readable(_)
            | WaitsFor::Writable(_) => false,
        }
    }
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
            WaitsFor::Children { done, total } | WaitsFor::MixedChildren { done, total } => {
                write!(f, "children, {done} of {total} are done")
            }
            WaitsFor::Coroutine(_) => f.write_str("a coroutine"),
            WaitsFor::Promise => f.write_str("a promise"),
            WaitsFor::QueueItem { bound: 0 } => f.write_str("an item of an empty queue"),
            WaitsFor::QueueItem { bound } => {
                write!(f, "an item of an empty queue that holds {bound}")
            }
            WaitsFor::QueuePlace { bound } => {
                write!(f, "a place in a full queue that holds {bound}")
            }
            WaitsFor::QueueWork => f.write_str("the work of a queue to be done"),
            WaitsFor::Lock(_) => f.write_str("a lock"),
            WaitsFor::Permit => f.write_str("a permit"),
            WaitsFor::Event => f.write_str("an event or a condition"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::WaitsFor;

    // Each live coroutine has one.
    #[test]
    fn it_stays_small() {
        assert_eq!(size_of::<WaitsFor>(), 16);
    }
}
