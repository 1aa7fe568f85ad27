//! Functions that report to a callback, as futures: Tornado's `gen.Task`.
//!
//! A [`Callback`] is the writing end of a promise that knows where it was made. It is called once,
//! with what the yield gives, or it is dropped, and then the yield gives an error with that place:
//! whoever waits for a callback that is lost would wait for ever otherwise.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use crate::coro::deferred::Deferred;
use crate::coro::return_value;
use crate::error::Error;
use crate::future::Promise;
use crate::ioloop::IoLoop;
use crate::ioloop::replies::Reply;

/// Calls a function that reports to a callback, and gives what the callback is called with:
/// Tornado's `gen.Task`.
///
/// A callback with several arguments is given as a tuple, which takes the place of Tornado's
/// `Arguments`; one without any is called with `()`. A panic of the function comes at the yield.
/// The waiting coroutine resumes in the loop's turn, never inside the call of the callback.
///
/// # Examples
///
/// ```
/// use squall::{IoLoop, task, yield_};
///
/// /// An interface from before there were coroutines.
/// fn divide(a: u32, b: u32, callback: impl FnOnce(u32, u32) + 'static) {
///     IoLoop::current().add_callback(move || callback(a / b, a % b));
/// }
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let arguments = yield_!(task(|done| divide(17, 5, |q, r| done.call((q, r)))))?;
///     assert_eq!(arguments, (3, 2));
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// [`CallbackDropped`] if the callback was dropped without being called, which includes that a
/// panic unwound through whoever held it.
#[track_caller]
pub fn task<A: 'static>(
    function: impl FnOnce(Callback<A>),
) -> Deferred<Result<A, CallbackDropped>> {
    let (promise, deferred) = Promise::new();
    let callback = Callback {
        promise: Some(promise),
        site: Location::caller(),
    };
    call(|| function(callback), deferred)
}

/// As [`task`], with a callback that may be called on any thread.
///
/// For libraries with threads of their own. The function itself runs here, inside the call.
///
/// # Examples
///
/// ```
/// use squall::{task_send, yield_};
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let answer = yield_!(task_send(|callback| {
///         std::thread::spawn(move || callback.call(42));
///     }))?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// As for [`task`].
#[track_caller]
pub fn task_send<A: Send + 'static>(
    function: impl FnOnce(SendCallback<A>),
) -> Deferred<Result<A, CallbackDropped>> {
    let (reply, deferred) = IoLoop::current().expect_reply();
    let callback = SendCallback {
        reply: Some(reply),
        site: Location::caller(),
    };
    call(|| function(callback), deferred)
}

/// Calls the function; its panic is that of the deferred.
fn call<T: 'static>(function: impl FnOnce(), deferred: Deferred<T>) -> Deferred<T> {
    match catch_unwind(AssertUnwindSafe(function)) {
        Ok(()) => deferred,
        Err(panic) => {
            let (promise, deferred) = Promise::new();
            promise.set_panic(return_value::let_pass(panic));
            deferred
        }
    }
}

/// What [`task`] gives to the function: to be called once.
///
/// Where a function is wanted, [`into_fn`](Self::into_fn) makes one of it, and
/// [`repeatable`](Self::repeatable) one that may be called more often.
///
/// A second call does not compile:
///
/// ```compile_fail,E0382
/// squall::task(|callback| {
///     callback.call(1);
///     callback.call(2);
/// });
/// ```
pub struct Callback<A: 'static> {
    /// `None` once it was called.
    promise: Option<Promise<Result<A, CallbackDropped>>>,
    site: &'static Location<'static>,
}

impl<A> Callback<A> {
    /// Reports: the yield gives `arguments`.
    pub fn call(mut self, arguments: A) {
        if let Some(promise) = self.promise.take() {
            promise.set_result(Ok(arguments));
        }
    }

    /// Returns a function that calls it.
    pub fn into_fn(self) -> impl FnOnce(A) + 'static {
        move |arguments| self.call(arguments)
    }

    /// Returns a function of which the first call counts, and later ones are ignored.
    ///
    /// For interfaces that want an `Fn`, or two functions of which they call one.
    pub fn repeatable(self) -> impl Fn(A) + Clone + 'static {
        let callback = Rc::new(Cell::new(Some(self)));
        move |arguments| {
            if let Some(callback) = callback.take() {
                callback.call(arguments);
            }
        }
    }

    /// True if nobody waits for it any more.
    pub fn is_abandoned(&self) -> bool {
        (self.promise.as_ref()).is_none_or(Promise::is_abandoned)
    }
}

impl<A> Drop for Callback<A> {
    fn drop(&mut self) {
        if let Some(promise) = self.promise.take() {
            promise.set_result(Err(CallbackDropped { site: self.site }));
        }
    }
}

impl<A> fmt::Debug for Callback<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callback({})", self.site)
    }
}

/// What [`task_send`] gives to the function: to be called once, on any thread.
pub struct SendCallback<A: Send + 'static> {
    /// `None` once it was called.
    reply: Option<Reply<Result<A, CallbackDropped>>>,
    site: &'static Location<'static>,
}

impl<A: Send> SendCallback<A> {
    /// Reports: the yield gives `arguments`. If the loop is closed nobody waits, and they are
    /// dropped.
    pub fn call(mut self, arguments: A) {
        if let Some(reply) = self.reply.take() {
            reply.send(Ok(arguments));
        }
    }

    /// Returns a function that calls it.
    pub fn into_fn(self) -> impl FnOnce(A) + Send + 'static {
        move |arguments| self.call(arguments)
    }
}

impl<A: Send> Drop for SendCallback<A> {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply.send(Err(CallbackDropped { site: self.site }));
        }
    }
}

impl<A: Send> fmt::Debug for SendCallback<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendCallback({})", self.site)
    }
}

/// The error of a [`task`] whose callback was dropped without being called.
///
/// Converts to [`Error`], which names the place as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackDropped {
    site: &'static Location<'static>,
}

impl CallbackDropped {
    /// Returns where `task` was called.
    pub fn site(&self) -> &'static Location<'static> {
        self.site
    }
}

impl fmt::Display for CallbackDropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = self.site;
        write!(
            f,
            "the callback of the task at {site} was dropped without being called"
        )
    }
}

impl std::error::Error for CallbackDropped {}

impl From<CallbackDropped> for Error {
    fn from(dropped: CallbackDropped) -> Error {
        Error::callback_dropped(dropped.site)
    }
}
