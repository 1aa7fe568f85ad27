//! A coroutine's result, awaited on another thread.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::coro::cancel::Cancelled;
use crate::coro::catch::{Plain, catch_panic};
use crate::coro::deferred::Deferred;
use crate::error::{Error, Result};
use crate::ioloop::Handle;

impl Handle {
    /// Starts a coroutine on the loop's thread, and gives a future of its result that any executor
    /// can await: Tornado's `to_asyncio_future`, for tokio and all others.
    ///
    /// `f` is called on the loop's thread. The future is an error if the loop is closed before the
    /// coroutine is done; a panic of the coroutine is resumed where the future is awaited. Dropping the
    /// future detaches the coroutine.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::{Deferred, IoLoop, yield_};
    ///
    /// #[squall::coroutine]
    /// fn double(n: u32) -> u32 {
    ///     yield_!(());
    ///     2 * n
    /// }
    ///
    /// let io_loop = IoLoop::current();
    /// let (handle, stop) = (io_loop.handle(), io_loop.handle());
    /// let other = std::thread::spawn(move || {
    ///     let answer = futures_lite::future::block_on(handle.run(|| double(21)));
    ///     stop.add_callback(|| IoLoop::current().stop()).unwrap();
    ///     answer
    /// });
    /// io_loop.start()?;
    /// assert_eq!(other.join().unwrap()?, 42);
    /// # Ok::<(), squall::Error>(())
    /// ```
    pub fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Deferred<T> + Send + 'static,
    ) -> Remote<T> {
        let cell = Arc::new(Cell {
            state: Mutex::new(State::Waiting(None)),
        });
        let sender = Sender { cell: cell.clone() };
        // If the loop is closed the callback is dropped, and the sender with it tells.
        let _ = self.add_callback(move || {
            watch(f(), sender);
        });
        Remote { cell }
    }
}

/// Waits for the coroutine on its own thread, and hands the outcome over.
#[crate::coroutine]
fn watch<T: Send + 'static>(deferred: Deferred<T>, sender: Sender<T>) {
    let outcome = catch_panic(deferred.or_cancelled());
    let outcome = match crate::yield_!(async { Plain(outcome.await) }).0 {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Cancelled)) => Err(Box::new(Cancelled) as Box<dyn Any + Send>),
        Err(panic) => Err(panic.into_payload()),
    };
    sender.send(outcome);
}

/// See [`Handle::run`].
#[must_use = "the coroutine runs, but its result is given only when this is awaited"]
pub struct Remote<T> {
    cell: Arc<Cell<T>>,
}

struct Cell<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    Waiting(Option<Waker>),
    Done(std::thread::Result<T>),
    /// The loop is gone, or the result was given.
    Over,
}

impl<T> Cell<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, state: State<T>) {
        let old = std::mem::replace(&mut *self.lock(), state);
        if let State::Waiting(Some(waker)) = old {
            waker.wake();
        }
    }
}

/// The coroutine's end: without an outcome it tells that there will be none.
struct Sender<T> {
    cell: Arc<Cell<T>>,
}

impl<T> Sender<T> {
    fn send(self, outcome: std::thread::Result<T>) {
        self.cell.settle(State::Done(outcome));
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waiting = matches!(*self.cell.lock(), State::Waiting(_));
        if waiting {
            self.cell.settle(State::Over);
        }
    }
}

impl<T> Future for Remote<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut state = self.cell.lock();
        if let State::Waiting(waker) = &mut *state {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let outcome = std::mem::replace(&mut *state, State::Over);
        drop(state);
        match outcome {
            State::Done(Ok(value)) => Poll::Ready(Ok(value)),
            State::Done(Err(panic)) if panic.is::<Cancelled>() => {
                Poll::Ready(Err(Error::cancelled()))
            }
            State::Done(Err(panic)) => resume_unwind(panic),
            State::Waiting(_) | State::Over => Poll::Ready(Err(Error::loop_closed())),
        }
    }
}

impl<T> fmt::Debug for Remote<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}
