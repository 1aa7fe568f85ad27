//! A wait that has an end.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::coro::deferred::Deferred;
use crate::error::Error;
use crate::ioloop::{Sleep, turn_until, with_current};

/// Waits for `future`, but no longer than `limit`: Tornado's `gen.with_timeout`.
///
/// `limit` is a `Duration` that counts from this call, an `Instant` of
/// [`IoLoop::time`](crate::IoLoop::time), or an `Option` of one of them; with `None` there is no end.
/// A future that is done wins, even if the limit is past. One that is not has a turn of the loop at
/// least, even if there is no time.
///
/// The yield gives a `Result` of what the future gives. If that is a `Result` itself, `??` takes both
/// apart, and [`or_fail`](WithTimeout::or_fail) makes one of them, as lists of fetches want it.
///
/// # Errors
///
/// A [`TimeoutError`] if the limit came first; try again, or give up.
///
/// # Cancellation
///
/// At the limit the future is dropped, and what that loses its own documentation says. A started
/// coroutine is detached by it and goes on; if it fails later that is logged, as of any that nobody
/// waits for, unless [`quiet`](WithTimeout::quiet). Yield `with_timeout(limit, &mut deferred)` to
/// keep it, and wait again.
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
///     assert_eq!(result.unwrap_err().to_string(), "timed out after 5 ms");
/// }
/// ```
pub fn with_timeout<F: IntoFuture>(
    limit: impl Into<Deadline>,
    future: F,
) -> WithTimeout<F::IntoFuture> {
    let (limit, text) = match limit.into().0 {
        Limit::After(duration) => {
            let deadline = with_current(|io_loop| io_loop.deadline_after(duration));
            (Some(turn_until(deadline)), Text::After(duration))
        }
        Limit::At(instant) => (Some(turn_until(instant)), Text::None),
        Limit::Never => (None, Text::None),
    };
    WithTimeout {
        future: Some(future.into_future()),
        limit,
        message: Message::Given(text),
        give_up: |_| {},
    }
}

/// When a wait ends: after a `Duration`, at an `Instant`, or never.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Limit);

#[derive(Clone, Copy, Debug)]
enum Limit {
    After(Duration),
    At(Instant),
    Never,
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

impl<D: Into<Deadline>> From<Option<D>> for Deadline {
    fn from(limit: Option<D>) -> Deadline {
        limit.map_or(Deadline(Limit::Never), D::into)
    }
}

pin_project! {
    /// See [`with_timeout`].
    #[must_use = "nothing is waited for unless this is yielded"]
    pub struct WithTimeout<F> {
        // `None` once it was late.
        #[pin]
        future: Option<F>,
        // `None` if there is none, and once the future was in time.
        limit: Option<Sleep>,
        message: Message,
        // What is done to a future before it is dropped for being late.
        give_up: fn(&F),
    }
}

/// The text of the error.
enum Message {
    Given(Text),
    Made(Box<dyn FnOnce() -> String>),
}

impl<F> WithTimeout<F> {
    /// Gives the error a text of its own.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Message::Given(Text::Own(message.into()));
        self
    }

    /// Gives the error a text that is made when the limit comes, and not at all if it does not.
    pub fn message_with(mut self, message: impl FnOnce() -> String + 'static) -> Self {
        self.message = Message::Made(Box::new(message));
        self
    }

    /// Makes the timeout one of the future's own errors: a yield of this gives the future's `Result`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use squall::{with_timeout, yield_};
    /// # use std::time::Duration;
    /// #[squall::coroutine]
    /// fn ask(n: u32) -> squall::Result<u32> {
    ///     yield_!(squall::sleep(Duration::from_millis(1)));
    ///     Ok(n)
    /// }
    ///
    /// #[squall::main]
    /// fn main() -> squall::Result<()> {
    ///     let limit = Duration::from_secs(5);
    ///     let both = yield_!([1, 2].map(|n| with_timeout(limit, ask(n)).or_fail()))?;
    ///     assert_eq!(both, [1, 2]);
    ///     Ok(())
    /// }
    /// ```
    pub fn or_fail<T, E>(self) -> OrFail<F>
    where
        F: Future<Output = Result<T, E>>,
        E: From<TimeoutError>,
    {
        OrFail { wait: self }
    }
}

impl<T> WithTimeout<Deferred<T>> {
    /// Does not log the error of a coroutine that was late and fails: Tornado's `quiet_exceptions`.
    ///
    /// A panic is logged still: it is a mistake in the program, whenever it comes.
    pub fn quiet(mut self) -> Self {
        self.give_up = Deferred::silence;
        self
    }
}

impl<F: Future> Future for WithTimeout<F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            panic!("the limit came, and is waited for again");
        };
        if let Poll::Ready(value) = future.poll(cx) {
            *this.limit = None;
            return Poll::Ready(Ok(value));
        }
        let Some(limit) = this.limit else {
            return Poll::Pending;
        };
        ready!(Pin::new(limit).poll(cx));
        if let Some(late) = this.future.as_ref().as_pin_ref() {
            (this.give_up)(late.get_ref());
        }
        this.future.set(None);
        let text = match std::mem::replace(this.message, Message::Given(Text::None)) {
            Message::Given(text) => text,
            Message::Made(make) => Text::Own(make().into()),
        };
        Poll::Ready(Err(TimeoutError { text }))
    }
}

impl<F: fmt::Debug> fmt::Debug for WithTimeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithTimeout")
            .field("future", &self.future)
            .field("deadline", &self.limit.as_ref().map(Sleep::deadline))
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// See [`WithTimeout::or_fail`].
    #[must_use = "nothing is waited for unless this is yielded"]
    #[derive(Debug)]
    pub struct OrFail<F> {
        #[pin]
        wait: WithTimeout<F>,
    }
}

impl<T, E, F> Future for OrFail<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<TimeoutError>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        Poll::Ready(ready!(self.project().wait.poll(cx))?)
    }
}

/// The limit came first; see [`with_timeout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutError {
    text: Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    None,
    After(Duration),
    Own(Cow<'static, str>),
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Text::None => f.write_str("timed out"),
            Text::After(duration) => {
                // `1.5ms` is written `1.5 ms`.
                let text = format!("{duration:?}");
                let unit = text.find(char::is_alphabetic).unwrap_or(text.len());
                let (number, unit) = text.split_at(unit);
                write!(f, "timed out after {number} {unit}")
            }
            Text::Own(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for TimeoutError {}

impl From<TimeoutError> for Error {
    fn from(error: TimeoutError) -> Error {
        Error::timed_out(error.to_string())
    }
}
