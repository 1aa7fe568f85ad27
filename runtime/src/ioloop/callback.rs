//! Callbacks: what they may return, and what becomes of their panics.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::IoLoop;
use crate::coro::catch::Panicked;
use crate::coro::context;
use crate::coro::deferred::Deferred;
use crate::coro::traceback::Traceback;

pub(crate) type Callback = Box<dyn FnOnce()>;

/// What a callback may return: nothing, or a started coroutine.
#[diagnostic::on_unimplemented(
    message = "a callback cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "return `()`, or call a coroutine with owned parameters, which starts when it is called",
    note = "a coroutine that borrows (`Scoped`) or an `async fn` does not run by itself: yield it inside a coroutine"
)]
pub trait CallbackResult {
    /// Lets the result go; failures are logged.
    fn detach(self);

    /// Lets the result go, and returns what is done when it is there; none if it is.
    #[doc(hidden)]
    fn finished(self) -> Option<Pin<Box<dyn Future<Output = ()>>>>;
}

impl CallbackResult for () {
    fn detach(self) {}

    fn finished(self) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        None
    }
}

impl<T: 'static> CallbackResult for Deferred<T> {
    fn detach(self) {}

    fn finished(self) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        (!self.done()).then(|| Box::pin(Finished(Some(self))) as _)
    }
}

/// Waits for an outcome without taking it, so that a failure is logged as nobody's.
struct Finished<T>(Option<Deferred<T>>);

impl<T> Future for Finished<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = self.0.as_mut().filter(|deferred| !deferred.done());
        if let Some(deferred) = waiting {
            // It is pending: this only leaves the waker.
            if Pin::new(deferred).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.0 = None;
        Poll::Ready(())
    }
}

/// Sees the panics of a loop's callbacks.
pub(super) type ErrorHook = Rc<dyn Fn(&Panicked)>;

impl IoLoop {
    /// Calls `hook` with each panic of a callback, instead of logging it: Tornado's
    /// `handle_callback_exception`.
    ///
    /// It sees panics of callbacks, timers, handlers, and of what [`add_future`](Self::add_future)
    /// waits for; the loop goes on after it. Failures of coroutines that nobody waits for are logged
    /// as ever. A panic of the hook is logged together with the one that it was called for.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::IoLoop;
    ///
    /// let io_loop = IoLoop::current();
    /// let stopper = io_loop.clone();
    /// io_loop.set_callback_error_hook(move |panicked| {
    ///     assert_eq!(panicked.message(), "oh");
    ///     stopper.stop();
    /// });
    /// io_loop.add_callback(|| panic!("oh"));
    /// io_loop.start()?;
    /// # Ok::<(), squall::Error>(())
    /// ```
    pub fn set_callback_error_hook(&self, hook: impl Fn(&Panicked) + 'static) {
        let old = self.core.error_hook.replace(Some(Rc::new(hook)));
        drop(old);
    }

    /// Runs a callback; a panic goes to the hook or the log, and no further.
    pub(crate) fn run_callback(&self, callback: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(callback)) {
            let traceback = context::with(|context| context.take_failure());
            self.report_panic(panic, traceback);
        }
    }

    #[cold]
    pub(super) fn report_panic(
        &self,
        panic: Box<dyn Any + Send>,
        traceback: Option<Box<Traceback>>,
    ) {
        let panicked = Panicked::new(panic, traceback);
        let hook = self.core.error_hook.borrow().clone();
        let Some(hook) = hook else {
            tracing::error!(target: "squall", "panic in callback: {}", panicked.message());
            return;
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(&panicked))) {
            let (first, second) = (panicked.message(), Panicked::new(panic, None));
            let second = second.message();
            tracing::error!(target: "squall", "panic in callback: {first}; and in the hook that it was handed to: {second}");
        }
    }
}
