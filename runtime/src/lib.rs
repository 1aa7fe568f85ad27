//! Coroutines that yield futures, lists or maps of futures, on one event loop a thread.
//!
//! Squall is [Tornado]'s model in Rust. Calling a coroutine starts it; it runs up to its first
//! unfinished yield and gives a [`Deferred`]. A yield takes a future, or a whole collection of
//! futures, and waits for all of them. An [`IoLoop`] a thread drives it all.
//!
//! ```
//! use squall::{sleep, yield_};
//! use std::time::Duration;
//!
//! #[squall::coroutine]
//! fn double(n: u32) -> u32 {
//!     yield_!(sleep(Duration::from_millis(10)));
//!     2 * n
//! }
//!
//! #[squall::main]
//! fn main() {
//!     let [a, b] = yield_!([double(1), double(2)]); // both run at the same time
//!     assert_eq!(a + b, 6);
//! }
//! ```
//!
//! | to do this | use |
//! |---|---|
//! | write a coroutine | [`#[squall::coroutine]`](macro@coroutine), [`yield_!`], [`coroutines!`] |
//! | write a function that reports to a callback | [`#[squall::engine]`](macro@engine) |
//! | run a program or a test of coroutines | [`#[squall::main]`](macro@main), [`#[squall::test]`](macro@test) |
//! | wait for time, or let others run | [`sleep`], [`moment`] |
//! | end a coroutine from a function that it called | [`Return`] |
//! | have a value that follows a coroutine | [`ContextVar`], [`context_var!`] |
//! | set a result by hand | [`Promise`] |
//! | take results as they come | [`WaitIterator`] |
//! | wait for a function that reports to a callback | [`task`], [`task_send`] |
//! | call back, on time, on readiness | [`IoLoop`] |
//! | wait no longer than … | [`with_timeout`] |
//! | call back again and again | [`PeriodicCallback`] |
//! | hear of signals | [`on_signal`], [`IoLoop::on_signal`], [`SignalCallback`], [`signal`] |
//! | run another program | [`Subprocess`] |
//! | hand work from one coroutine to another | [`sync::Queue`] |
//! | let one, or some, at a time | [`sync::Lock`], [`sync::Semaphore`] |
//! | tell others of something | [`sync::Event`], [`sync::Condition`] |
//! | run what blocks on another thread | [`run_in_executor`], [`ThreadPool`] |
//! | connect, listen, read and write | [`net`] |
//! | see what is alive, and what it waits for | [`dump`], [`live`] |
//! | hear of what blocks the loop | [`IoLoop::set_blocking_log_threshold`], [`IoLoop::set_blocking_signal_threshold`] |
//! | measure turns and coroutines | [`IoLoop::set_profiling`], [`IoLoop::profile`] |
//! | test on a virtual clock, with orders and faults from a seed | [`#[squall::test]`](macro@test), [`testing`] |
//! | yield tokio's futures | the feature `tokio` |
//! | await a coroutine elsewhere | [`Handle::run`] |
//!
//! The crate `squall-web` adds HTTP and a web framework.
//!
//! [Tornado]: https://www.tornadoweb.org

#![deny(unsafe_code)]
// The macros' output names the crate by its own name, here too.
extern crate self as squall;

mod coro;
mod error;
mod executor;
mod future;
mod inspect;
mod interop;
mod ioloop;
pub mod net;
#[doc(hidden)]
pub mod private;
mod process;
mod random;
mod runner;
pub mod signal;
pub mod sync;
pub mod testing;

pub use coro::cancel::{Cancelled, Shield, shield};
pub use coro::catch::{CatchPanic, Panicked, catch_panic, take_traceback};
pub use coro::deferred::{Deferred, OrCancelled};
pub use coro::frames::{LiveCoroutine, live};
pub use coro::local::{ContextVar, Previous, Scope};
pub use coro::return_value::{Return, Returnable};
pub use coro::scoped::Scoped;
pub use coro::site::{CoroutineSite, YieldSite};
pub use coro::tick::Tick;
pub use coro::traceback::{TraceFrame, Traceback};
pub use coro::waits::WaitsFor;
pub use error::{Error, Result};
pub use executor::{ThreadPool, run_in_executor};
pub use future::{Moment, Promise, moment};
pub use inspect::{Distribution, Dump, Profile, dump};
pub use interop::Remote;
pub use ioloop::{
    Blocked, BlockingAction, CallbackResult, Handle, Interest, IoLoop, PeriodicCallback,
    SignalCallback, Signals, Sleep, StackFrame, Timeout, on_signal, sleep, sleep_until, turn_time,
};
pub use process::Subprocess;
pub use runner::callback::{Callback, CallbackDropped, SendCallback, task, task_send};
pub use runner::convert::{convert_yielded, multi_future};
pub use runner::shared::Shared;
pub use runner::timeout::{Deadline, OrFail, TimeoutError, WithTimeout, with_timeout};
pub use runner::wait_iterator::{Next, WaitInputs, WaitIterator};
pub use runner::yieldable::{Fallible, TreeWait, Yieldable, multi};
pub use squall_macros::{coroutine, coroutines, engine, main, test};

/// Yields inside a coroutine: waits for a future, or for a tree of futures.
///
/// Takes any future (or `IntoFuture`), `()` for a [`moment`], and arrays, `Vec`s, `VecDeque`s,
/// `HashMap`s, `BTreeMap`s, `Option`s and tuples of what it takes, all nested. Gives the same tree
/// of results. If every leaf is a `Result` it gives one `Result` of the tree: all are waited for, the
/// first error in input order is given, and the others are logged (unless
/// [`multi`]`(…).quiet()`).
///
/// What is done already is not waited for: the coroutine goes on at once. Only one that passes 128
/// such yields without waiting is made to wait for a turn, so that others run.
///
/// # Examples
///
/// ```
/// use squall::yield_;
/// use std::collections::HashMap;
///
/// #[squall::coroutine]
/// fn half(n: u32) -> Result<u32, String> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
/// }
///
/// #[squall::main]
/// fn main() -> Result<(), String> {
///     let one = yield_!(half(2))?;
///     let list = yield_!(vec![half(4), half(6)])?;
///     let map = yield_!(HashMap::from([("a", half(8))]))?;
///     assert_eq!((one, list, map["a"]), (1, vec![2, 3], 4));
///     assert_eq!(yield_!([half(1), half(3)]), Err("1 is odd".into()));
///     Ok(())
/// }
/// ```
///
/// It ends in `.await`, so it works wherever that does, and inside another macro's arguments too.
#[macro_export]
macro_rules! yield_ {
    () => {
        $crate::yield_!(())
    };
    ($one:expr, $($more:expr),+ $(,)?) => {
        ::core::compile_error!(
            "`yield_!` takes one value: write `yield_!((a, b))`, or `yield_!([a, b])` if both are of one type"
        )
    };
    ($value:expr $(,)?) => {
        $crate::private::yield_at!(
            { ::core::file!(), ::core::line!(), ::core::column!(), ::core::stringify!($value) },
            $value
        )
    };
}

/// The runner that is explained in twenty lines, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/runner.md")]
struct RunnerPaper;
