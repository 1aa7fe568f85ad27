//! A cancellation that does not wait for ever.

use std::rc::Rc;
use std::time::Duration;

use crate::coro::deferred::Deferred;
use crate::coro::grace::{self, Grace};
use crate::ioloop::IoLoop;

impl<T: 'static> Deferred<T> {
    /// Cancels the coroutine as [`cancel`](Self::cancel) does, and drops it if it has not ended after
    /// `grace`. Returns false if it is done already.
    ///
    /// Within the time it is told at its yield, may deal with the news, clean up and yield. If it has
    /// not ended then, it is dropped where it stands: its destructors run, what it waits for is
    /// dropped, and a coroutine that it started goes on, detached. Who waits for it is told as of any
    /// cancellation, and a warning names the coroutine and the yield where it was stuck.
    ///
    /// The time runs by the clock of the thread's current loop. A [`shield`](crate::shield) keeps the
    /// news from the coroutine, but does not stop the time. Of several calls the earliest end counts; each
    /// call tells it anew. A coroutine that runs at that moment is dropped at its next yield. A
    /// [`Promise`](crate::Promise)'s deferred is cancelled at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::{Cancelled, Deferred, Promise, sleep, yield_};
    /// use std::time::Duration;
    ///
    /// #[squall::coroutine]
    /// fn serve(requests: Deferred<squall::Result<()>>) {
    ///     let _ = yield_!(requests); // told here
    ///     yield_!(sleep(Duration::from_secs(3600))); // cleans up, for too long
    /// }
    ///
    /// #[squall::main]
    /// fn main() {
    ///     let (_promise, requests) = Promise::new();
    ///     let server = serve(requests);
    ///     server.cancel_within(Duration::from_millis(10));
    ///     assert_eq!(yield_!(server.or_cancelled()), Err(Cancelled));
    /// }
    /// ```
    pub fn cancel_within(&self, grace: Duration) -> bool {
        if !self.cancel() {
            return false;
        }
        let Some((coroutine, cell)) = self.started() else {
            return true;
        };
        let io_loop = IoLoop::current();
        let deadline = io_loop.deadline_after(grace);
        if grace::deadline(coroutine).is_some_and(|earlier| earlier <= deadline) {
            return true;
        }
        let weak = Rc::downgrade(cell);
        let timer = io_loop.call_at(deadline, move || {
            if let Some(cell) = weak.upgrade() {
                cell.expire();
            }
        });
        let io_loop = io_loop.downgrade();
        let over = Box::new(move || {
            if let Some(io_loop) = io_loop.upgrade() {
                io_loop.remove_timeout(timer);
            }
        });
        let time = grace;
        grace::begin(
            coroutine,
            Grace {
                time,
                deadline,
                over,
            },
        );
        true
    }
}
