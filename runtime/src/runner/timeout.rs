//! A wait that has an end.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::error::Error;
use crate::ioloop::{Sleep, sleep, sleep_until};

/// Waits for `future`, but no longer than `limit`: Tornado's `gen.with_timeout`.
///
/// `limit` is a `Duration` that counts from this call, or an `Instant` of
/// [`IoLoop::time`](crate::IoLoop::time). A future that is done in time wins, even if the limit is
/// past. At the limit the future is dropped: a started coroutine is detached by that and goes on (yield
/// `with_timeout(limit, &mut deferred)` to keep it), and if it fails later that is logged, as of any
/// that nobody waits for.
///
/// # Examples
///
/// ```
/// use squall::{sleep, with_timeout, yield_};
/// use std::time::Duration;
///
/// #[squall::main]
/// fn main() {
///     let slow = sleep(Duration::from_secs(3600));
///     let result = yield_!(with_timeout(Duration::from_millis(5), slow));
///     assert!(result.is_err());
/// }
/// ```
pub fn with_timeout<F: IntoFuture>(
    limit: impl Into<Deadline>,
    future: F,
) -> WithTimeout<F::IntoFuture> {
    let (limit, text) = match limit.into().0 {
        Limit::After(duration) => (sleep(duration), Some(duration)),
        Limit::At(instant) => (sleep_until(instant), None),
    };
    WithTimeout {
        future: future.into_future(),
        limit,
        error: TimeoutError {
            message: None,
            after: text,
        },
    }
}

/// When a wait ends: after a `Duration`, or at an `Instant`.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Limit);

#[derive(Clone, Copy, Debug)]
enum Limit {
    After(Duration),
    At(Instant),
}

impl From<Duration> for Deadline {
    fn from(duration: Duration) -> Deadline {
        Deadline(Limit::After(duration))
    }
}

impl From<Instant> for Deadline {
    fn from(instant: Instant) -> Deadline {
        Deadline(Limit::At(instant))
    }
}

pin_project! {
    /// See [`with_timeout`].
    #[must_use = "nothing is waited for unless this is yielded"]
    #[derive(Debug)]
    pub struct WithTimeout<F> {
        #[pin]
        future: F,
        limit: Sleep,
        error: TimeoutError,
    }
}

impl<F> WithTimeout<F> {
    /// Gives the error a text of its own.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.error.message = Some(message.into());
        self
    }
}

impl<F: Future> Future for WithTimeout<F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(value) = this.future.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        let limit = Pin::new(this.limit).poll(cx);
        limit.map(|()| Err(this.error.clone()))
    }
}

/// The limit came first; see [`with_timeout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutError {
    message: Option<Cow<'static, str>>,
    after: Option<Duration>,
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.message, self.after) {
            (Some(message), _) => f.write_str(message),
            (None, Some(after)) => write!(f, "timed out after {after:?}"),
            (None, None) => f.write_str("timed out"),
        }
    }
}

impl std::error::Error for TimeoutError {}

impl From<TimeoutError> for Error {
    fn from(error: TimeoutError) -> Error {
        Error::timed_out(error.to_string())
    }
}
