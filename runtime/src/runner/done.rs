//! Callbacks at the end of a deferred, which leave its result where it is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::coro::context;
use crate::coro::deferred::{Deferred, Settle};
use crate::coro::frame_key::{FrameKey, FrameMark};
use crate::coro::outcome::Outcome;
use crate::coro::task::Resume;
use crate::coro::waits::WaitsFor;
use crate::ioloop::{IoLoop, WeakLoop};

type Callback = Box<dyn FnOnce()>;

impl<T: 'static> Deferred<T> {
    /// Calls `callback` when there is a result or a failure: Tornado's `add_done_callback`.
    ///
    /// It is called from the thread's current loop, in a later turn and never inside this call, also
    /// if the deferred is done already; several are called in the order in which they were added. The
    /// result stays where it is, for whoever yields the deferred; `callback` may look by a clone of
    /// what it shares with him. [`IoLoop::add_future`] gives the callback the result. Dropping the
    /// deferred does not take the callback back; closing the loop does, and drops it.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::{IoLoop, sleep, yield_};
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    ///
    /// #[squall::coroutine]
    /// fn answer() -> u32 {
    ///     yield_!(sleep(Duration::from_millis(1)));
    ///     42
    /// }
    ///
    /// #[squall::main]
    /// fn main() {
    ///     let told = Rc::new(Cell::new(false));
    ///     let tell = told.clone();
    ///     let mut answer = answer();
    ///     answer.add_done_callback(move || tell.set(true));
    ///     assert_eq!(yield_!(answer), 42);
    ///     yield_!(()); // a turn
    ///     assert!(told.get());
    /// }
    /// ```
    pub fn add_done_callback(&mut self, callback: impl FnOnce() + 'static) {
        let io_loop = IoLoop::current();
        if self.done() {
            return io_loop.add_callback(callback);
        }
        let mut callback: Option<Callback> = Some(Box::new(callback));
        self.replace_cell(|cell| {
            if cell.add_done_callback(&mut callback) {
                return cell;
            }
            let watched = Rc::new(Watched {
                io_loop: io_loop.downgrade(),
                cell,
                callbacks: RefCell::new(callback.take().into_iter().collect()),
                waiter: Cell::new(None),
            });
            let slot = io_loop.insert_runnable(watched.clone());
            io_loop.ready().queue(slot);
            watched
        });
    }
}

/// A cell that somebody wants to be told of, in its place.
struct Watched<T> {
    io_loop: WeakLoop,
    /// Its waiter is this one's slot.
    cell: Rc<dyn Settle<T>>,
    /// In the order in which they were added.
    callbacks: RefCell<Vec<Callback>>,
    /// Whoever waits for the outcome.
    waiter: Cell<Option<Waker>>,
}

impl<T> Watched<T> {
    fn tell(&self) {
        let callbacks = self.callbacks.take();
        if let Some(io_loop) = self.io_loop.upgrade() {
            callbacks.into_iter().for_each(|f| io_loop.add_callback(f));
        }
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }
}

impl<T> Resume for Watched<T> {
    fn resume(&self, waker: &Waker) -> bool {
        // It is asked first, as whoever polls it when it is done takes the outcome.
        if !self.cell.is_done() {
            let polled = self.cell.poll_take(&mut Context::from_waker(waker));
            debug_assert!(polled.is_pending(), "it is not done");
            return false;
        }
        self.tell();
        true
    }

    fn abandon(&self) {
        let callbacks = self.callbacks.take();
        drop(callbacks);
        // The cell may be another loop's, or of none, and is told of no more: who waits looks himself.
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }
}

impl<T> Settle<T> for Watched<T> {
    fn is_done(&self) -> bool {
        self.cell.is_done()
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome<T>>> {
        let is_watched = self
            .io_loop
            .upgrade()
            .is_some_and(|io_loop| !io_loop.is_closed());
        if self.cell.is_done() || !is_watched {
            return self.cell.poll_take(cx);
        }
        let old = self.waiter.replace(Some(cx.waker().clone()));
        drop(old);
        let coroutine = self.cell.coroutine();
        context::waits_for(
            coroutine.map_or(WaitsFor::Promise, |key| WaitsFor::Coroutine(key.number())),
        );
        Poll::Pending
    }

    fn detach(&self) {
        self.waiter.set(None);
        self.cell.detach();
    }

    fn silence(&self) {
        self.cell.silence();
    }

    fn cancel(&self) -> bool {
        self.cell.cancel()
    }

    fn is_cancelled(&self) -> bool {
        self.cell.is_cancelled()
    }

    fn coroutine(&self) -> Option<FrameKey> {
        self.cell.coroutine()
    }

    fn expire(&self) {
        self.cell.expire();
    }

    fn is_before(&self, mark: FrameMark) -> bool {
        self.cell.is_before(mark)
    }

    fn add_done_callback(&self, callback: &mut Option<Callback>) -> bool {
        self.callbacks.borrow_mut().extend(callback.take());
        true
    }
}
