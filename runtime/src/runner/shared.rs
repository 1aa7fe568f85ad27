//! One result for several who wait.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::coro::cancel::Cancelled;
use crate::coro::catch::{Plain, catch_panic, take_traceback};
use crate::coro::context;
use crate::coro::deferred::Deferred;
use crate::coro::traceback::Traceback;
use crate::coro::waits::WaitsFor;

/// A result that several coroutines wait for, or one several times: each gets a clone.
///
/// Made by [`Deferred::shared`]. In Tornado every `Future` is one.
pub struct Shared<T> {
    state: Rc<RefCell<State<T>>>,
}

enum State<T> {
    Waiting(Vec<Waker>),
    // Shared, as a clone of it may be anything, and is made when nothing is borrowed.
    Done(Rc<T>, Way),
    Cancelled,
    /// The text of the panic that ended it, and its way.
    Panicked(String, Way),
}

/// The way of a failure through coroutines; who waits goes on with a copy.
type Way = Option<Box<Traceback>>;

impl<T: Clone + 'static> Deferred<T> {
    /// Returns a future that can be cloned, and yielded any number of times.
    ///
    /// It waits for the result whether or not anyone yields it; an error that nobody looks at is
    /// not logged any more. A panic is passed on by its text.
    ///
    /// # Examples
    ///
    /// ```
    /// # use squall::yield_;
    /// #[squall::coroutine]
    /// fn answer() -> u32 {
    ///     yield_!(());
    ///     42
    /// }
    ///
    /// #[squall::main]
    /// fn main() {
    ///     let answer = answer().shared();
    ///     let both = yield_!([answer.clone(), answer.clone()]);
    ///     assert_eq!(both, [42, 42]);
    ///     assert_eq!(yield_!(answer), 42);
    /// }
    /// ```
    pub fn shared(self) -> Shared<T> {
        let shared = Shared {
            state: Rc::new(RefCell::new(State::Waiting(Vec::new()))),
        };
        settle(self, shared.clone());
        shared
    }
}

impl<T> Shared<T> {
    /// True when there is a result or a panic.
    pub fn done(&self) -> bool {
        !matches!(*self.state.borrow(), State::Waiting(_))
    }
}

/// Waits for the result, and wakes all who want it.
#[crate::coroutine]
fn settle<T: 'static>(deferred: Deferred<T>, shared: Shared<T>) {
    let outcome = catch_panic(deferred.or_cancelled());
    let state = match crate::yield_!(async { Plain(outcome.await) }).0 {
        Ok(Ok(value)) => State::Done(Rc::new(value), take_traceback()),
        Ok(Err(Cancelled)) => State::Cancelled,
        Err(panic) => {
            let way = panic.traceback().cloned().map(Box::new);
            State::Panicked(panic.message().to_owned(), way)
        }
    };
    if let State::Waiting(waiters) = shared.state.replace(state) {
        waiters.into_iter().for_each(Waker::wake);
    }
}

impl<T: Clone> Future for Shared<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.state.borrow_mut();
        let message = match &mut *state {
            State::Waiting(waiters) => {
                if !waiters.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiters.push(cx.waker().clone());
                }
                context::waits_for(WaitsFor::Promise);
                return Poll::Pending;
            }
            State::Done(value, way) => {
                let (value, way) = (value.clone(), way.clone());
                drop(state);
                let value = T::clone(&value);
                go_on(way);
                return Poll::Ready(value);
            }
            State::Cancelled => None,
            State::Panicked(message, way) => {
                go_on(way.clone());
                Some(message.clone())
            }
        };
        drop(state);
        match message {
            Some(message) => resume_unwind(Box::new(message)),
            None => resume_unwind(Box::new(Cancelled)),
        }
    }
}

/// Puts the way of a failure on its way again.
fn go_on(way: Way) {
    if way.is_some() {
        context::with(|context| context.set_failure(way));
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared {
            state: self.state.clone(),
        }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.done() { "done" } else { "pending" };
        f.debug_tuple("Shared").field(&state).finish()
    }
}
