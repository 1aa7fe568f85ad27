//! A yield that only lets others run.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::coro::context;
use crate::coro::waits::WaitsFor;

/// Returns a future that lets the loop take one turn: Tornado's `gen.moment`.
///
/// A yield of a future that is done goes on at once; a coroutine that works for long without ever
/// waiting yields a moment so that others run. `yield_!(())` is the same.
///
/// # Examples
///
/// ```
/// # use squall::yield_;
/// #[squall::coroutine]
/// fn sum(numbers: Vec<u64>) -> u64 {
///     let mut sum = 0;
///     for chunk in numbers.chunks(10_000) {
///         sum += chunk.iter().sum::<u64>();
///         yield_!(squall::moment());
///     }
///     sum
/// }
/// ```
pub fn moment() -> Moment {
    Moment { passed: false }
}

/// See [`moment`].
#[must_use = "a moment passes only when it is yielded"]
#[derive(Debug)]
pub struct Moment {
    passed: bool,
}

impl Future for Moment {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.passed {
            return Poll::Ready(());
        }
        self.passed = true;
        context::waits_for(WaitsFor::Turn);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
