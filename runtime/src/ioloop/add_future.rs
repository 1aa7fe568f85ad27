//! A callback for the result of a future.

use std::cell::RefCell;
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{IoLoop, WeakLoop};
use crate::coro::context;
use crate::coro::task::Resume;

impl IoLoop {
    /// Calls `callback` with the result of `future`, from the loop: Tornado's `add_future`.
    ///
    /// It is called in a later turn, never inside this call, also if the future is done already. For
    /// code that is no coroutine; a coroutine yields the future. If the future panics (a coroutine
    /// did, and its [`Deferred`](crate::Deferred) was given) the callback is dropped, and the panic
    /// goes where those of callbacks go. On a closed loop both are dropped at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::IoLoop;
    ///
    /// #[squall::coroutine]
    /// fn double(n: u32) -> u32 {
    ///     2 * n
    /// }
    ///
    /// let io_loop = IoLoop::current();
    /// let stopper = io_loop.clone();
    /// io_loop.add_future(double(21), move |result| {
    ///     assert_eq!(result, 42);
    ///     stopper.stop();
    /// });
    /// io_loop.start()?;
    /// # Ok::<(), squall::Error>(())
    /// ```
    pub fn add_future<F>(&self, future: F, callback: impl FnOnce(F::Output) + 'static)
    where
        F: IntoFuture,
        F::IntoFuture: 'static,
    {
        if self.core.closed.get() {
            return;
        }
        let watched = Watched {
            io_loop: self.downgrade(),
            work: RefCell::new(Some((Box::pin(future.into_future()), callback))),
        };
        let slot = self.insert_runnable(Rc::new(watched));
        self.ready().queue(slot);
    }
}

struct Watched<F, C> {
    io_loop: WeakLoop,
    /// None while it runs, and in the end.
    work: RefCell<Option<(Pin<Box<F>>, C)>>,
}

impl<F: Future, C: FnOnce(F::Output)> Resume for Watched<F, C> {
    fn resume(&self, waker: &Waker) -> bool {
        let taken = self.work.borrow_mut().take();
        let (Some((mut future, callback)), Some(io_loop)) = (taken, self.io_loop.upgrade()) else {
            return true;
        };
        let mut cx = Context::from_waker(waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        let traceback = context::with(|context| context.take_failure());
        match polled {
            Ok(Poll::Pending) => {
                *self.work.borrow_mut() = Some((future, callback));
                return false;
            }
            Ok(Poll::Ready(value)) => io_loop.run_callback(|| callback(value)),
            Err(panic) => io_loop.report_panic(panic, traceback),
        }
        true
    }

    fn abandon(&self) {
        let work = self.work.borrow_mut().take();
        drop(work);
    }
}
