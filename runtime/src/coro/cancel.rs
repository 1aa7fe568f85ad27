//! Stopping a coroutine at the yield where it stands.
//!
//! A coroutine that is cancelled is resumed once more, and the yield it waits at does not give its
//! value but the news: as `Err` if it yields a `Result` whose error converts from [`Cancelled`], so
//! that the coroutine can clean up and even yield again; otherwise as an unwind that destructors see
//! and the runner catches, as Python's `CancelledError` is. Of nested scoped coroutines the innermost
//! gets it, and passes it outwards as it passes any error or panic.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::frame_key::FrameMark;
use super::{context, frames};
use crate::error::Error;

/// The news that a coroutine was cancelled: Python's `CancelledError`.
///
/// # Examples
///
/// ```
/// use squall::{Cancelled, yield_};
/// use std::time::Duration;
///
/// #[squall::coroutine]
/// fn patient() -> u32 {
///     yield_!(squall::sleep(Duration::from_secs(3600)));
///     7
/// }
///
/// #[squall::coroutine]
/// fn asks() -> Result<u32, Cancelled> {
///     let answer = patient();
///     answer.cancel();
///     yield_!(answer.or_cancelled())
/// }
///
/// #[squall::main]
/// fn main() {
///     assert_eq!(yield_!(asks()), Err(Cancelled));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the coroutine was cancelled")
    }
}

impl std::error::Error for Cancelled {}

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Error {
        Error::cancelled()
    }
}

/// How a yield tells that its coroutine is cancelled.
pub trait Deliver<T> {
    /// Returns what the yield gives, or unwinds.
    fn deliver() -> T;
}

/// As an error of the yield.
#[derive(Debug)]
pub struct AsError;

/// As an unwind.
#[derive(Debug)]
pub struct AsUnwind;

impl<T, E: From<Cancelled>> Deliver<Result<T, E>> for AsError {
    fn deliver() -> Result<T, E> {
        Err(Cancelled.into())
    }
}

impl<T> Deliver<T> for AsUnwind {
    fn deliver() -> T {
        // Past the panic hook: it is no panic.
        resume_unwind(Box::new(Cancelled))
    }
}

/// Returns a future during which a cancellation waits: Python's `asyncio.shield` for a section.
///
/// For what must not be left half done. The news comes at the next yield after it.
///
/// # Examples
///
/// ```
/// # use squall::{shield, sleep, yield_};
/// # use std::time::Duration;
/// #[squall::coroutine]
/// fn save() {
///     yield_!(shield(async {
///         yield_!(sleep(Duration::from_millis(1))); // write the first half
///         yield_!(sleep(Duration::from_millis(1))); // write the second half
///     }));
/// }
/// ```
pub fn shield<F: IntoFuture>(future: F) -> Shield<F::IntoFuture> {
    Shield {
        future: future.into_future(),
        keeps: false,
    }
}

pin_project! {
    /// See [`shield`].
    #[must_use = "the future runs only while this is yielded"]
    #[derive(Debug)]
    pub struct Shield<F> {
        #[pin]
        future: F,
        // True while it keeps the news from the coroutine.
        keeps: bool,
    }

    impl<F> PinnedDrop for Shield<F> {
        fn drop(this: Pin<&mut Self>) {
            // Given up in the resume that brought the news: the coroutine is told elsewhere.
            if this.keeps && context::with(|context| context.shielded.replace(false)) {
                context::with(|context| context.cancelling.set(true));
            }
        }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut news = News(context::with(|context| context.cancelling.replace(false)));
        *this.keeps = false;
        let polled = this.future.poll(cx);
        if polled.is_pending() && std::mem::take(&mut news.0) {
            // This yield stays quiet; the runner tells again at the next resume.
            *this.keeps = true;
            context::with(|context| context.shielded.set(true));
        }
        polled
    }
}

/// The news that a shield holds back while it polls. Let go at the end, or by a panic, it is told
/// at the next yield of the coroutine.
struct News(bool);

impl Drop for News {
    fn drop(&mut self) {
        if self.0 {
            context::with(|context| context.cancelling.set(true));
        }
    }
}

/// Runs `drops`, and has the deferreds that it drops cancelled rather than detached.
pub(crate) fn cancelling(drops: impl FnOnce()) {
    struct Restore(Option<FrameMark>);
    impl Drop for Restore {
        fn drop(&mut self) {
            context::with(|context| context.drop_cancels.set(self.0));
        }
    }
    let mark = frames::mark();
    // Restored by a destructor, as those of the children may panic.
    let _restore = Restore(context::with(|context| {
        context.drop_cancels.replace(Some(mark))
    }));
    drops();
}
