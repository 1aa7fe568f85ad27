//! A loop that runs until one future is done.

use std::cell::Cell;
use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{IoLoop, Running, WeakLoop};
use crate::coro::cancel::cancelling;
use crate::coro::context;
use crate::coro::task::Resume;
use crate::coro::waits::WaitsFor;
use crate::error::{Error, Result};

impl IoLoop {
    /// Runs the loop until the future that `f` returns is done, and returns its result.
    ///
    /// `f` is called with the loop current, so a coroutine that it calls starts on it. What other
    /// coroutines do meanwhile goes on; they stay suspended when this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::{IoLoop, yield_};
    ///
    /// #[squall::coroutine]
    /// fn answer() -> u32 {
    ///     yield_!(squall::moment());
    ///     42
    /// }
    ///
    /// assert_eq!(IoLoop::current().run_sync(answer), 42);
    /// ```
    ///
    /// # Panics
    ///
    /// If the loop runs already, is closed, is closed or stopped before the future is done, or if the
    /// system's poll fails; and with the panic of the future.
    pub fn run_sync<F: IntoFuture>(&self, f: impl FnOnce() -> F) -> F::Output {
        let running = Running::enter(self).expect("run_sync is called on a loop at rest");
        match self.drive(running, None, f) {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`run_sync`](Self::run_sync), with its failures as errors.
    pub(crate) fn run_sync_result<F: IntoFuture>(
        &self,
        f: impl FnOnce() -> F,
    ) -> Result<F::Output> {
        self.drive(Running::enter(self)?, None, f)
    }

    /// As [`run_sync`](Self::run_sync), but no longer than `timeout`: Tornado's
    /// `run_sync(func, timeout)`.
    ///
    /// The future is polled before its time is looked at: with a timeout of zero it has one turn. It
    /// is dropped when the time is over; a coroutine that was started is cancelled by that, as in
    /// Tornado 5 and later, and has one more turn to be told. If it cleans up for longer, it does so
    /// in the next run of the loop.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::IoLoop;
    /// use std::future::pending;
    /// use std::time::Duration;
    ///
    /// let io_loop = IoLoop::current();
    /// let late = io_loop.run_sync_timeout(Duration::from_millis(10), pending::<()>);
    /// let error = late.unwrap_err();
    /// assert!(error.is_timeout());
    /// assert_eq!(error.to_string(), "operation timed out after 0.01 seconds");
    /// ```
    ///
    /// # Errors
    ///
    /// If the time is over first ([`Error::is_timeout`]); and where `run_sync` panics: if the loop
    /// runs already, is closed, is closed or stopped meanwhile, or if the system's poll fails.
    ///
    /// # Panics
    ///
    /// With the panic of the future.
    pub fn run_sync_timeout<F: IntoFuture>(
        &self,
        timeout: Duration,
        f: impl FnOnce() -> F,
    ) -> Result<F::Output> {
        self.drive(Running::enter(self)?, Some(timeout), f)
    }

    fn drive<F: IntoFuture>(
        &self,
        running: Running,
        timeout: Option<Duration>,
        f: impl FnOnce() -> F,
    ) -> Result<F::Output> {
        let root = Rc::new(Root {
            io_loop: self.downgrade(),
        });
        let slot = self.core.ready.insert(root);
        let _slot = scope_guard(|| {
            self.core.root_woken.set(false);
            self.core.ready.remove(slot);
            self.core.deadlock.root.set(None);
        });
        let waker = self.waker(slot);
        let mut cx = Context::from_waker(&waker);
        let late = Rc::new(Cell::new(false));
        let timer = timeout.map(|timeout| {
            let (late, waker) = (late.clone(), waker.clone());
            self.call_later(timeout, move || {
                late.set(true);
                waker.wake();
            })
        });
        let _timer = scope_guard(|| timer.into_iter().for_each(|t| self.remove_timeout(t)));
        let mut future = pin!(Some(f().into_future()));
        self.core.root_woken.set(true);
        loop {
            if self.core.root_woken.take() {
                context::with(|context| {
                    context.refill();
                    context.waits.set(WaitsFor::Unknown);
                });
                let waiting = future
                    .as_mut()
                    .as_pin_mut()
                    .expect("it is dropped at the end");
                if let Poll::Ready(value) = waiting.poll(&mut cx) {
                    // A stop in its last turn concerns this run, not the next.
                    self.core.stopping.set(false);
                    drop(running);
                    return Ok(value);
                }
                let waits = context::with(|context| context.waits.get());
                self.core.deadlock.root.set(Some(waits));
                if let Some(timeout) = timeout.filter(|_| late.get()) {
                    cancelling(|| future.set(None));
                    if !self.core.ready.is_empty() && !self.core.closed.get() {
                        // Who is cancelled is told; nothing is waited for.
                        self.core.root_woken.set(true);
                        self.turn()?;
                    }
                    self.core.stopping.set(false);
                    return Err(Error::run_timeout(timeout));
                }
            }
            if self.core.stopping.take() {
                return Err(Error::run_stopped());
            }
            self.turn()?;
            if self.core.closed.get() {
                return Err(Error::run_closed());
            }
        }
    }
}

/// The future of `run_sync`, as the run queue sees it.
struct Root {
    io_loop: WeakLoop,
}

impl Resume for Root {
    fn resume(&self, _: &Waker) -> bool {
        if let Some(io_loop) = self.io_loop.upgrade() {
            io_loop.core.root_woken.set(true);
        }
        false
    }

    fn abandon(&self) {}
}

/// Calls `f` when the answer is dropped.
fn scope_guard<F: FnMut()>(f: F) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(f)
}
