//! Other runtimes: their futures yielded here, coroutines awaited there.
//!
//! A future that needs nothing but its waker can be yielded as it is, and so can those of `async-io`
//! and smol, whose reactor has a thread of its own. Those of tokio look for tokio's reactor on the
//! thread that polls them: the feature `tokio` gives them one. The other way round, a coroutine
//! belongs to its loop's thread; [`Handle::run`](crate::Handle::run) starts one there and gives a
//! future that any executor can await.

mod remote;

pub use remote::Remote;
