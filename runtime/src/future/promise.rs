//! A result that is set by hand.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::coro::cancel::Cancelled;
use crate::coro::context;
use crate::coro::deferred::{Deferred, Settle};
use crate::coro::outcome::Outcome;
use crate::coro::panic::Panic;
use crate::coro::waits::WaitsFor;

/// Sets the result of a [`Deferred`]: Tornado's `Future` seen from the side of its maker.
///
/// Setting it never runs the waiting coroutine: it is queued, and resumes in the loop's turn.
/// A promise that is dropped without a result makes the yield panic, rather than wait for ever; the
/// message tells where the promise was made.
///
/// # Examples
///
/// ```
/// use squall::{IoLoop, Promise, yield_};
///
/// #[squall::main]
/// fn main() {
///     let (promise, answer) = Promise::new();
///     IoLoop::current().add_callback(move || promise.set_result(42));
///     assert_eq!(yield_!(answer), 42);
/// }
/// ```
pub struct Promise<T> {
    cell: Rc<PromiseCell<T>>,
    made_at: &'static Location<'static>,
}

struct PromiseCell<T> {
    state: Cell<State<T>>,
    waiter: Cell<Option<Waker>>,
    cancelled: Cell<bool>,
    /// What it is that is waited for, and the bound of the queue that made it. Apart from each other,
    /// so that they find room beside `cancelled`.
    subject: Cell<Subject>,
    bound: Cell<u32>,
}

/// What a promise is for.
#[derive(Clone, Copy)]
enum Subject {
    Promise,
    QueuePlace,
    QueueWork,
}

enum State<T> {
    Pending,
    Done(Result<T, Panic>),
    Taken,
}

impl<T: 'static> Promise<T> {
    /// Returns a promise and the deferred that it settles.
    // The pair is the point: neither end is of use without the other.
    #[allow(clippy::new_ret_no_self)]
    #[track_caller]
    pub fn new() -> (Promise<T>, Deferred<T>) {
        let cell = Rc::new(PromiseCell {
            state: Cell::new(State::Pending),
            waiter: Cell::new(None),
            cancelled: Cell::new(false),
            subject: Cell::new(Subject::Promise),
            bound: Cell::new(0),
        });
        let promise = Promise {
            cell: cell.clone(),
            made_at: Location::caller(),
        };
        (promise, Deferred::settling(cell))
    }
}

impl<T> Promise<T> {
    /// Sets the result. It can be done once, so it takes the promise.
    pub fn set_result(self, value: T) {
        self.cell.settle(Ok(value));
    }

    /// Says that it is for a place in a queue that holds `bound` items.
    pub(crate) fn for_queue_place(&self, bound: u32) {
        self.cell.subject.set(Subject::QueuePlace);
        self.cell.bound.set(bound);
    }

    /// Says that it is for the end of a queue's work.
    pub(crate) fn for_queue_work(&self) {
        self.cell.subject.set(Subject::QueueWork);
    }

    /// Lets the yield panic, with what a panic carried.
    pub(crate) fn set_panic(self, panic: Panic) {
        self.cell.settle(Err(panic));
    }

    /// True if the deferred was dropped, or is cancelled: nobody will see the result.
    pub fn is_abandoned(&self) -> bool {
        Rc::strong_count(&self.cell) == 1 || self.cell.cancelled.get()
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let state = self.cell.state.replace(State::Taken);
        let was_pending = matches!(state, State::Pending);
        self.cell.state.set(state);
        if was_pending && !self.is_abandoned() {
            let made_at = self.made_at;
            let message =
                format!("a Promise was dropped without a result; it was made at {made_at}");
            (self.cell).settle(Err(Box::new(message)));
        }
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").finish_non_exhaustive()
    }
}

impl<T> PromiseCell<T> {
    fn waits(&self) -> WaitsFor {
        match self.subject.get() {
            Subject::Promise => WaitsFor::Promise,
            Subject::QueuePlace => WaitsFor::QueuePlace {
                bound: self.bound.get(),
            },
            Subject::QueueWork => WaitsFor::QueueWork,
        }
    }

    fn settle(&self, result: Result<T, Panic>) {
        if self.cancelled.get() {
            return;
        }
        self.state.set(State::Done(result));
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }
}

impl<T> Settle<T> for PromiseCell<T> {
    fn is_done(&self) -> bool {
        let state = self.state.replace(State::Taken);
        let done = !matches!(state, State::Pending);
        self.state.set(state);
        done
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome<T>>> {
        match self.state.replace(State::Taken) {
            State::Pending => {
                self.state.set(State::Pending);
                self.waiter.set(Some(cx.waker().clone()));
                context::waits_for(self.waits());
                Poll::Pending
            }
            State::Done(value) => Poll::Ready(Some(Outcome {
                value,
                traceback: None,
            })),
            State::Taken => Poll::Ready(None),
        }
    }

    fn detach(&self) {
        self.waiter.set(None);
    }

    fn cancel(&self) -> bool {
        if self.is_done() {
            return false;
        }
        // Before anyone is woken, who may set a result.
        self.state.set(State::Done(Err(Box::new(Cancelled))));
        self.cancelled.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
        true
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }
}

#[cfg(test)]
mod tests {
    use super::PromiseCell;

    // What is said of the wait takes no room of its own.
    #[test]
    fn it_stays_small() {
        assert_eq!(size_of::<PromiseCell<()>>(), 48);
    }
}
