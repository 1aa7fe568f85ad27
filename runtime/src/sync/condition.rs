//! Something that others may be told of.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::Call;
use super::wait::{Crowd, Wait};
use crate::runner::timeout::{Deadline, WithTimeout, with_timeout};

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
    crowd: Crowd,
}

impl Condition {
    /// Makes a condition.
    pub fn new() -> Condition {
        Condition::default()
    }

    /// Waits for a notification.
    pub fn wait(&self) -> Wait {
        self.crowd.wait()
    }

    /// Waits for a notification, but no longer than `limit`. Gives whether there was one: running out
    /// of time is no error here.
    ///
    /// The place in the line and the time are those of this call; it leaves the line when the yield
    /// is over, or when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use squall::{sync::Condition, yield_};
    /// # use std::time::Duration;
    /// #[squall::main]
    /// fn main() {
    ///     let condition = Condition::new();
    ///     let was_notified = yield_!(condition.wait_timeout(Duration::from_millis(5)));
    ///     assert!(!was_notified);
    /// }
    /// ```
    pub fn wait_timeout(&self, limit: impl Into<Deadline>) -> WaitTimeout {
        WaitTimeout(with_timeout(limit, self.wait()))
    }

    /// Wakes the first `count` who wait.
    pub fn notify(&self, count: usize) {
        self.crowd.tell(count, Call::Next);
    }

    /// Wakes all who wait now.
    pub fn notify_all(&self) {
        self.crowd.tell(self.crowd.len(), Call::All);
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("waiters", &self.crowd.len())
            .finish()
    }
}

/// The wait for a notification, with an end; see [`Condition::wait_timeout`].
///
/// # Cancellation
///
/// As of a [`Wait`].
#[must_use = "nothing is waited for unless this is yielded"]
#[derive(Debug)]
pub struct WaitTimeout(WithTimeout<Wait>);

impl Future for WaitTimeout {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        Pin::new(&mut self.0).poll(cx).map(|wait| wait.is_ok())
    }
}
