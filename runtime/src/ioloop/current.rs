//! Which loop is the thread's current one, and which one runs.

use std::cell::RefCell;
use std::time::Instant;

use super::{IoLoop, tokio_context};
use crate::coro::context;
use crate::error::{Error, Result};

thread_local! {
    pub(super) static CURRENT: RefCell<Option<IoLoop>> = const { RefCell::new(None) };
}

impl IoLoop {
    /// Returns the thread's current loop; makes one if there is none.
    ///
    /// # Panics
    ///
    /// If there is none and the system has no descriptors left for one; see [`new`](Self::new).
    pub fn current() -> IoLoop {
        if let Some(current) = CURRENT.with_borrow(Clone::clone) {
            return current;
        }
        let io_loop = IoLoop::new().expect("the system has descriptors for a loop");
        io_loop.make_current();
        io_loop
    }

    /// Returns the thread's current loop if there is one.
    pub fn try_current() -> Option<IoLoop> {
        CURRENT.try_with(|c| c.borrow().clone()).ok().flatten()
    }

    /// Makes this the thread's current loop.
    pub fn make_current(&self) {
        // Dropped outside of the borrow: destructors of its coroutines may wake others.
        let old = CURRENT.replace(Some(self.clone()));
        drop(old);
    }

    /// Makes the thread have no current loop. Harmless when there is none.
    pub fn clear_current() {
        let current = CURRENT.take();
        drop(current);
    }
}

/// Returns the time that the current turn of the loop began with, without asking the clock; outside
/// of a loop that runs, the [time](IoLoop::time) of the current one.
pub fn turn_time() -> Instant {
    match context::with(|context| context.now.get()) {
        Some(turn) => turn.instant,
        None => IoLoop::current().time(),
    }
}

/// Calls `f` with the current loop, making one if needed.
pub(crate) fn with_current<R>(f: impl FnOnce(&IoLoop) -> R) -> R {
    // Cloned: `f` may run coroutines, which may make another loop current.
    f(&IoLoop::current())
}

/// Marks a loop as running, and as current, until it is dropped.
pub(super) struct Running {
    io_loop: IoLoop,
    previous: Option<IoLoop>,
    /// Of the loop in whose coroutine this one runs, if it does.
    outer: context::Outer,
    _tokio: tokio_context::Entered,
}

impl Running {
    pub(super) fn enter(io_loop: &IoLoop) -> Result<Running> {
        if io_loop.core.closed.get() {
            return Err(Error::loop_closed());
        }
        if io_loop.core.running.replace(true) {
            return Err(Error::already_running());
        }
        let previous = CURRENT.replace(Some(io_loop.clone()));
        let outer = context::with(|context| context.set_aside());
        io_loop.set_turn_time();
        io_loop.begin_watch();
        Ok(Running {
            io_loop: io_loop.clone(),
            previous,
            outer,
            _tokio: tokio_context::enter(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.io_loop.core.running.set(false);
        context::with(|context| context.restore(&self.outer));
        self.io_loop.end_watch(self.previous.as_ref());
        let own = CURRENT.replace(self.previous.take());
        drop(own);
    }
}
