//! Tornado's assertions about coroutines, G1 to G115, but for those of tracebacks, of cancellation
//! and of the web, which stand beside their subjects.

/// One coroutine: when it starts, in which order it runs among others, and how it ends.
mod coroutine;

/// Panics of coroutines.
mod panics;

/// How long coroutines live, and what is dropped when.
mod lifetime;

/// What coroutines may look like, and how their yields may be spelt.
mod shapes;

/// Lists, arrays, maps and tuples that are yielded: their results, their errors.
mod multi;

/// Thousands of futures in one yield.
mod multi_many;

/// Callbacks as futures.
mod task;

/// What can be yielded: conversions, trees, types of users.
mod convert;

/// A `Return` that a plain function raises.
mod return_value;

/// Functions of the old kind, which call back.
mod engine;

/// Results one after the other, as they come.
mod wait_iterator;

/// Variables that follow a coroutine.
mod context;

/// Cancellations: raised, waited for, caught, in lists and under a limit.
mod cancelled;

/// Waits that have an end.
mod timeout;

/// What keeps one coroutine from harming the rest: the budget of yields, the depth of calls.
mod budget;

use std::time::Duration;

use squall::{Deferred, sleep, yield_};

use crate::support::Trace;

/// Something that yields: `step` is called before each of five yields of `wait()`.
#[squall::coroutine]
pub(crate) fn five_times<W: IntoFuture>(trace: Trace, name: &'static str, wait: fn() -> W) {
    for _ in 0..5 {
        trace.add(name);
        yield_!(wait());
    }
}

pub(crate) fn done() -> Deferred<()> {
    Deferred::ready(())
}

#[squall::coroutine]
pub(crate) fn answer() -> u32 {
    42
}

#[squall::coroutine]
pub(crate) fn answer_after(wait: Duration) -> u32 {
    yield_!(sleep(wait));
    42
}

#[squall::coroutine]
pub(crate) fn fail_after(wait: Duration, error: &'static str) -> Result<u32, String> {
    yield_!(sleep(wait));
    Err(error.to_owned())
}
