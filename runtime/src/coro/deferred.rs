//! The caller's end of a result that is on its way.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::context;
use super::outcome::Outcome;

/// Something that will have an outcome once: a started coroutine or a promise.
pub(crate) trait Settle<T> {
    fn is_done(&self) -> bool;

    /// Takes the outcome, or leaves the waker. `None` if it was taken before.
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome<T>>>;

    /// Tells that nobody will take the outcome: a failure is logged instead.
    fn detach(&self);
}

/// The result of a started coroutine, or of a [`Promise`](crate::Promise).
///
/// Calling a coroutine starts it, and gives a `Deferred`. Yield it to wait for the result. The loop
/// drives the coroutine whether or not anyone waits; dropping the `Deferred` detaches it, and an
/// error or panic that nobody took is then logged with its traceback. A panic is resumed at the
/// yield that takes it.
///
/// Tornado's `Future`, by the name that Kotlin gives to the result of a started coroutine.
///
/// # Examples
///
/// ```
/// use squall::{Deferred, yield_};
///
/// #[squall::coroutine]
/// fn double(n: u32) -> u32 {
///     yield_!(squall::moment());
///     2 * n
/// }
///
/// #[squall::main]
/// fn main() {
///     let first: Deferred<u32> = double(1); // runs already
///     let second = double(2);
///     assert_eq!(yield_!(first) + yield_!(second), 6);
/// }
/// ```
///
/// # Panics
///
/// Waiting for a `Deferred` again after it gave its result panics, as with any Rust future.
pub struct Deferred<T>(State<T>);

enum State<T> {
    Ready(T),
    Settling(Rc<dyn Settle<T>>),
    Taken,
}

impl<T> Deferred<T> {
    /// Returns a deferred that is done: Tornado's `maybe_future` for a plain value.
    pub fn ready(value: T) -> Self {
        Deferred(State::Ready(value))
    }

    pub(crate) fn settling(cell: Rc<dyn Settle<T>>) -> Self {
        Deferred(State::Settling(cell))
    }

    /// True when there is a result or a failure, or it was taken.
    pub fn done(&self) -> bool {
        match &self.0 {
            State::Settling(cell) => cell.is_done(),
            State::Ready(_) | State::Taken => true,
        }
    }
}

// Nothing in a `Deferred` is pinned: a value waits in it to be moved out.
impl<T> Unpin for Deferred<T> {}

impl<T> Future for Deferred<T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let taken = match &self.0 {
            State::Settling(cell) => match cell.poll_take(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(taken) => taken,
            },
            State::Ready(_) | State::Taken => None,
        };
        let old = std::mem::replace(&mut self.0, State::Taken);
        match (old, taken) {
            (State::Ready(value), _) => Poll::Ready(value),
            (_, Some(outcome)) => Poll::Ready(deliver(outcome)),
            _ => panic!("a Deferred gives its result once; it was waited for again"),
        }
    }
}

impl<T> Drop for Deferred<T> {
    fn drop(&mut self) {
        if let State::Settling(cell) = &self.0 {
            cell.detach();
        }
    }
}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::Taken => "taken",
            _ if self.done() => "done",
            _ => "pending",
        };
        f.debug_tuple("Deferred").field(&state).finish()
    }
}

/// Hands an outcome to the coroutine that waits: a value returns, a panic goes on unwinding.
fn deliver<T>(outcome: Outcome<T>) -> T {
    if outcome.traceback.is_some() {
        context::with(|context| context.set_failure(outcome.traceback));
    }
    outcome.value.unwrap_or_else(|panic| resume_unwind(panic))
}
