//! Finds out that a loop waits for what can never come.
//!
//! A loop that has nothing to run, and no timer, descriptor, signal or answer of another thread to
//! wait for, is woken only by a waker or a [`Handle`](super::Handle) that is elsewhere. If no handle
//! is, and each coroutine waits for what only this thread does (another coroutine, a promise, a
//! queue, a lock, an event), nothing will wake it. A future that does not say what it waits for may
//! have given its waker to anyone: while there is one, nothing is said.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use super::{IoLoop, main_loop};
use crate::coro::waits::WaitsFor;
use crate::inspect;

/// How long a loop is idle before it looks, so that one that is often idle does not look often.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// What a loop knows of itself for this.
#[derive(Default)]
pub(super) struct Deadlock {
    /// What the future of `run_sync` waits for, while it runs and is pending.
    pub(super) root: Cell<Option<WaitsFor>>,
    /// True once the loop was idle for as long as it has patience.
    pub(super) is_impatient: Cell<bool>,
    /// True once it was logged.
    told: Cell<bool>,
}

impl IoLoop {
    /// Looks for a deadlock, when nothing can run and no timer is set. Returns how long to wait
    /// before it is to be called again; `None` if it need not be until something happened.
    pub(super) fn look_for_deadlock(&self) -> Option<Duration> {
        let deadlock = &self.core.deadlock;
        if deadlock.told.get() || self.can_be_woken() {
            return None;
        }
        if !self.core.clock.is_virtual() && !deadlock.is_impatient.take() {
            return Some(PATIENCE);
        }
        let dump = inspect::dump();
        let is_stuck = dump.waits().all(WaitsFor::is_of_the_thread);
        if is_stuck && !dump.is_empty() {
            deadlock.told.set(true);
            tracing::warn!(target: "squall", "deadlock: nothing can run, and every coroutine waits for what only another one could do; there is no timer, descriptor, signal or handle that could wake them\n{dump}");
        }
        None
    }

    /// True if something other than this thread's coroutines is known that could wake the loop.
    fn can_be_woken(&self) -> bool {
        let core = &self.core;
        let has_sources = core.sources.borrow().descriptors() > core.background_sources.get();
        // The loop and the table of loops have one each.
        let handles = Arc::strong_count(&core.inbox).saturating_sub(2);
        let root = core.deadlock.root.get();
        has_sources
            || !core.replies.borrow().is_empty()
            || handles > usize::from(main_loop::is_main(&core.inbox))
            || core.inbox.was_given_out()
            || root.is_some_and(|root| !root.is_of_the_thread())
            // Futures that no coroutine waits for, such as those of `add_future`.
            || core.ready.others() > usize::from(root.is_some())
    }
}
