//! The end of connections that wait for a request too long. One timer serves them all: it looks who is
//! due, and sets itself for the next.

use std::rc::{Rc, Weak};
use std::time::Duration;

use squall::{IoLoop, turn_time};

use super::shared::{Activity, Shared};

impl Shared {
    /// Has the connections that idle be looked at.
    pub(super) fn watch_idle(self: &Rc<Self>) {
        if self.idle_timer.get().is_none() {
            self.watch_idle_in(self.settings.limits.idle_timeout);
        }
    }

    fn watch_idle_in(self: &Rc<Self>, delay: Duration) {
        let shared = Rc::downgrade(self);
        let look = move || {
            if let Some(shared) = Weak::upgrade(&shared) {
                shared.idle_timer.set(None);
                shared.trim_pool();
                shared.close_idle();
            }
        };
        let timer = IoLoop::current().call_later(delay, look);
        self.idle_timer.set(Some(timer));
    }

    /// Looks at no one any more.
    pub(super) fn unwatch_idle(&self) {
        // When a thread ends, its connections go after its loop.
        if let (Some(timer), Some(io_loop)) = (self.idle_timer.take(), IoLoop::try_current()) {
            io_loop.remove_timeout(timer);
        }
    }

    /// Closes those whose time is up.
    fn close_idle(self: &Rc<Self>) {
        let limit = self.settings.limits.idle_timeout;
        let now = turn_time();
        // Looks are not more frequent than this, so that a crowd costs little.
        let mut next = limit;
        let least = (limit / 100).max(Duration::from_millis(1));
        self.each(|conn| {
            if !matches!(conn.activity.get(), Activity::Fresh | Activity::Idle) {
                return;
            }
            let idle = now.saturating_duration_since(conn.idle_since());
            match limit.checked_sub(idle) {
                Some(left) if !left.is_zero() => next = next.min(left),
                _ => conn.stream.close(),
            }
        });
        if self.len() > 0 {
            self.watch_idle_in(next.max(least));
        }
    }
}
