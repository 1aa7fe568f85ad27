//! Something that others may be told of.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::line::Line;
use crate::coro::deferred::Deferred;
use crate::runner::timeout::with_timeout;

/// Lets coroutines wait until they are notified: Tornado's `locks.Condition`.
///
/// Cheap to clone; every clone is the same condition. A notification that nobody waits for is lost.
/// Unlike a thread's condition it needs no lock: between two yields nobody else runs.
///
/// # Examples
///
/// ```
/// # use squall::{sync::Condition, yield_};
/// #[squall::coroutine]
/// fn waiter(condition: Condition) {
///     yield_!(condition.wait());
///     println!("something has changed");
/// }
///
/// #[squall::main]
/// fn main() {
///     let condition = Condition::new();
///     let waiting = waiter(condition.clone());
///     condition.notify(1);
///     yield_!(waiting);
/// }
/// ```
#[derive(Clone, Default)]
pub struct Condition {
    line: Rc<RefCell<Line>>,
}

impl Condition {
    /// Makes a condition.
    pub fn new() -> Condition {
        Condition::default()
    }

    /// Waits for a notification.
    pub fn wait(&self) -> Deferred<()> {
        self.line.borrow_mut().join()
    }

    /// Waits for a notification, but no longer than `timeout`. Gives whether there was one.
    pub fn wait_timeout(&self, timeout: Duration) -> Deferred<bool> {
        notified(self.wait(), timeout)
    }

    /// Wakes the first `count` who wait.
    pub fn notify(&self, count: usize) {
        for _ in 0..count {
            let Some(next) = self.next() else { return };
            next.set_result(());
        }
    }

    /// Wakes all who wait now.
    pub fn notify_all(&self) {
        let waiting = self.line.borrow().len();
        self.notify(waiting);
    }

    /// Ends the borrow before anyone is woken.
    fn next(&self) -> Option<crate::Promise<()>> {
        self.line.borrow_mut().next()
    }
}

#[crate::coroutine]
fn notified(wait: Deferred<()>, timeout: Duration) -> bool {
    crate::yield_!(async { with_timeout(timeout, wait).await.is_ok() })
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("waiters", &self.line.borrow().len())
            .finish()
    }
}
