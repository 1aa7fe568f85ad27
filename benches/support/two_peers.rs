//! The peers that the workspace builds: light ones. `peers/` has the others as well.

// Not every bench has rows with timers.
#![allow(unused_macros)]

/// Adds each peer to a group, as `NAME named`: `with_peers!(group, "spawn", P => |n| …::<P>(n))`.
macro_rules! with_peers {
    ($($rest:tt)*) => {
        with_each!([$crate::support::Tokio, $crate::support::Smol], $($rest)*)
    };
}

/// The same of those with timers.
macro_rules! with_timed_peers {
    ($($rest:tt)*) => {
        with_peers!($($rest)*)
    };
}
