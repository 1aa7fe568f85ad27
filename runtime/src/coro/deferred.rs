//! The caller's end of a result that is on its way.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::cancel::Cancelled;
use super::context;
use super::frame_key::{FrameKey, FrameMark};
use super::outcome::Outcome;

/// Something that will have an outcome once: a started coroutine or a promise.
pub(crate) trait Settle<T> {
    fn is_done(&self) -> bool;

    /// Takes the outcome, or leaves the waker. `None` if it was taken before.
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome<T>>>;

    /// Tells that nobody will take the outcome: a failure is logged instead.
    fn detach(&self);

    /// Tells that an error is of no interest, should nobody take it. A panic is still.
    fn silence(&self) {}

    /// Asks to be cancelled. False if it is done.
    fn cancel(&self) -> bool;

    /// True if it ended by being cancelled.
    fn is_cancelled(&self) -> bool;

    /// Names the coroutine, if it is one.
    fn coroutine(&self) -> Option<FrameKey> {
        None
    }

    /// Tells that the time is over: the coroutine is dropped when it is resumed next.
    fn expire(&self) {}

    /// True if it was there at the mark.
    fn is_before(&self, _: FrameMark) -> bool {
        true
    }

    /// Takes a callback for its end. False if it cannot.
    fn add_done_callback(&self, _: &mut Option<Box<dyn FnOnce()>>) -> bool {
        false
    }
}

/// The result of a started coroutine, or of a [`Promise`](crate::Promise).
///
/// Calling a coroutine starts it, and gives a `Deferred`. Yield it to wait for the result. The loop
/// drives the coroutine whether or not anyone waits; dropping the `Deferred` detaches it, and an
/// error or panic that nobody took is then logged with its traceback. A panic is resumed at the
/// yield that takes it.
///
/// Tornado's `Future`, by the name that Kotlin gives to the result of a started coroutine.
///
/// # Examples
///
/// ```
/// use squall::{Deferred, yield_};
///
/// #[squall::coroutine]
/// fn double(n: u32) -> u32 {
///     yield_!(squall::moment());
///     2 * n
/// }
///
/// #[squall::main]
/// fn main() {
///     let first: Deferred<u32> = double(1); // runs already
///     let second = double(2);
///     assert_eq!(yield_!(first) + yield_!(second), 6);
/// }
/// ```
///
/// # Panics
///
/// Waiting for a `Deferred` again after it gave its result panics, as with any Rust future.
pub struct Deferred<T>(State<T>);

enum State<T> {
    Ready(T),
    Settling(Rc<dyn Settle<T>>),
    Taken,
}

impl<T> Deferred<T> {
    /// Returns a deferred that is done: Tornado's `maybe_future` for a plain value.
    pub fn ready(value: T) -> Self {
        Deferred(State::Ready(value))
    }

    pub(crate) fn settling(cell: Rc<dyn Settle<T>>) -> Self {
        Deferred(State::Settling(cell))
    }

    /// Cancels the coroutine: at its next resume the yield where it stands tells it, see
    /// [`Cancelled`]. Returns false if it is done already.
    ///
    /// What it waits for is dropped: a coroutine that it started and yields goes on, detached. A
    /// coroutine that deals with the news goes on, and may yield as it cleans up, for as long as it
    /// likes ([`cancel_within`](Self::cancel_within) ends that); it can be cancelled again. A [`Promise`](crate::Promise)'s deferred is cancelled at once, and its result is
    /// ignored. The one who waits for a cancelled coroutine is told at its own yield, as of any
    /// failure; [`or_cancelled`](Self::or_cancelled) makes that a value.
    ///
    /// A program that is built to abort on panics cannot unwind: in it only coroutines that yield
    /// `Result`s with an error made of `Cancelled` can be cancelled.
    pub fn cancel(&self) -> bool {
        match &self.0 {
            State::Settling(cell) => cell.cancel(),
            State::Ready(_) | State::Taken => false,
        }
    }

    /// True if it was cancelled, and ended by that.
    pub fn cancelled(&self) -> bool {
        match &self.0 {
            State::Settling(cell) => cell.is_cancelled(),
            State::Ready(_) | State::Taken => false,
        }
    }

    /// Returns a future of the result, or of the news that it was cancelled.
    pub fn or_cancelled(self) -> OrCancelled<T> {
        OrCancelled { deferred: self }
    }

    /// Returns the number that [`live`](crate::live) shows the coroutine under; none if this is not the
    /// result of one, or if it is over.
    pub fn coroutine_id(&self) -> Option<u64> {
        self.started().map(|(frame, _)| frame.number())
    }

    /// Names the coroutine, and gives its own end, if it is one that was started.
    pub(crate) fn started(&self) -> Option<(FrameKey, &Rc<dyn Settle<T>>)> {
        match &self.0 {
            State::Settling(cell) => Some((cell.coroutine()?, cell)),
            State::Ready(_) | State::Taken => None,
        }
    }

    /// Puts another cell in the place of the one that will have the outcome, if there is one.
    pub(crate) fn replace_cell(&mut self, f: impl FnOnce(Rc<dyn Settle<T>>) -> Rc<dyn Settle<T>>) {
        if let State::Settling(cell) = &mut self.0 {
            *cell = f(cell.clone());
        }
    }

    /// Lets an error that nobody takes go unlogged.
    pub(crate) fn silence(&self) {
        if let State::Settling(cell) = &self.0 {
            cell.silence();
        }
    }

    /// Takes the result if it is there.
    ///
    /// # Panics
    ///
    /// With the coroutine's panic, if that ended it.
    pub fn try_take(&mut self) -> Option<T> {
        if matches!(self.0, State::Taken) || !self.done() {
            return None;
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match Pin::new(self).poll(&mut cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// True when there is a result or a failure, or it was taken.
    pub fn done(&self) -> bool {
        match &self.0 {
            State::Settling(cell) => cell.is_done(),
            State::Ready(_) | State::Taken => true,
        }
    }
}

// Nothing in a `Deferred` is pinned: a value waits in it to be moved out.
impl<T> Unpin for Deferred<T> {}

impl<T> Future for Deferred<T> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        // By itself, as it needs no outcome to be made and taken apart.
        if let State::Ready(_) = this.0
            && let State::Ready(value) = std::mem::replace(&mut this.0, State::Taken)
        {
            return Poll::Ready(value);
        }
        this.poll_outcome(cx).map(deliver)
    }
}

impl<T> Deferred<T> {
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        let taken = match &self.0 {
            State::Settling(cell) => match cell.poll_take(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(taken) => taken,
            },
            State::Ready(_) | State::Taken => None,
        };
        let old = std::mem::replace(&mut self.0, State::Taken);
        match (old, taken) {
            (State::Ready(value), _) => Poll::Ready(Outcome {
                value: Ok(value),
                traceback: None,
            }),
            (_, Some(outcome)) => Poll::Ready(outcome),
            _ => panic!("a Deferred gives its result once; it was waited for again"),
        }
    }
}

impl<T> Drop for Deferred<T> {
    fn drop(&mut self) {
        if let State::Settling(cell) = &self.0 {
            if let Some(mark) = context::with(|context| context.drop_cancels.get())
                && cell.is_before(mark)
            {
                cell.cancel();
            }
            cell.detach();
        }
    }
}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::Taken => "taken",
            _ if self.done() => "done",
            _ => "pending",
        };
        f.debug_tuple("Deferred").field(&state).finish()
    }
}

/// See [`Deferred::or_cancelled`].
#[must_use = "the result is given when this is yielded"]
#[derive(Debug)]
pub struct OrCancelled<T> {
    deferred: Deferred<T>,
}

impl<T> Future for OrCancelled<T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = std::task::ready!(self.deferred.poll_outcome(cx));
        match outcome.value {
            Err(panic) if panic.is::<Cancelled>() => Poll::Ready(Err(Cancelled)),
            _ => Poll::Ready(Ok(deliver(outcome))),
        }
    }
}

/// Hands an outcome to the coroutine that waits: a value returns, a panic goes on unwinding.
fn deliver<T>(outcome: Outcome<T>) -> T {
    if outcome.traceback.is_some() {
        context::with(|context| context.set_failure(outcome.traceback));
    }
    outcome.value.unwrap_or_else(|panic| resume_unwind(panic))
}
