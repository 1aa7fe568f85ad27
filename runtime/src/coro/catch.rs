//! Panics as values, for those who serve many from one coroutine.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::cancel::Cancelled;
use super::context;
use super::panic::panic_message;
use super::return_value;
use super::traceback::Traceback;

/// Returns a future that gives a panic of `future` as an error, with the way that it came.
///
/// For servers: a panic in one request's handler ends that request, not the connection's coroutine.
///
/// # Examples
///
/// ```
/// use squall::yield_;
///
/// #[squall::main]
/// fn main() {
///     let caught = yield_!(squall::catch_panic(async { panic!("oh") }));
///     assert_eq!(caught.unwrap_err().message(), "oh");
/// }
/// ```
pub fn catch_panic<F: Future>(future: F) -> CatchPanic<F> {
    CatchPanic { future }
}

/// Returns the traceback of the error that the running coroutine took last, if it took one that
/// came through a coroutine, and has not yielded since.
///
/// For those who handle errors centrally, and show or log them: an error page, a job queue.
pub fn take_traceback() -> Option<Box<Traceback>> {
    context::with(|context| context.take_failure())
}

pin_project! {
    /// See [`catch_panic`].
    #[must_use = "the future runs only while this is yielded"]
    #[derive(Debug)]
    pub struct CatchPanic<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Panicked>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            // The news of a cancellation goes on to the coroutine that it is for.
            Err(payload) if payload.is::<Cancelled>() => resume_unwind(payload),
            Err(payload) => {
                let payload = return_value::let_pass(payload);
                Poll::Ready(Err(Panicked::new(payload, take_traceback())))
            }
        }
    }
}

/// A result that is no `Result` as far as a yield can see: a failure inside is not noted as one.
pub(crate) struct Plain<T>(pub(crate) T);

/// A panic that was caught.
pub struct Panicked {
    payload: Box<dyn Any + Send>,
    traceback: Option<Box<Traceback>>,
}

impl Panicked {
    pub(crate) fn new(payload: Box<dyn Any + Send>, traceback: Option<Box<Traceback>>) -> Panicked {
        Panicked { payload, traceback }
    }

    /// Returns the text that the panic was given.
    pub fn message(&self) -> &str {
        panic_message(&self.payload)
    }

    /// Returns the coroutines that it passed through.
    pub fn traceback(&self) -> Option<&Traceback> {
        self.traceback.as_deref()
    }

    /// Goes on with the panic where it was left, and with its traceback.
    pub(crate) fn resume(self) -> ! {
        context::with(|context| context.set_failure(self.traceback));
        resume_unwind(self.payload)
    }

    /// Returns what the panic carried, for `std::panic::resume_unwind`.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panicked").field(&self.message()).finish()
    }
}
