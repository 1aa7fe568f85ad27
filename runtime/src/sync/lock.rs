//! One at a time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::semaphore::{Acquire, Permit, Semaphore};

/// Lets one coroutine at a time do something: Tornado's `locks.Lock`.
///
/// Cheap to clone; every clone is the same lock. It is held as a [`LockGuard`] and let go when that
/// is dropped, so it cannot be released by who does not hold it. Who waits is served in order.
/// Needed only where a coroutine yields in the middle: between two yields nobody else runs.
///
/// # Examples
///
/// ```
/// # use squall::{sync::Lock, yield_};
/// #[squall::coroutine]
/// fn append(lock: Lock, line: &'static str) {
///     let _held = yield_!(lock.acquire());
///     yield_!(squall::sleep(std::time::Duration::from_millis(1))); // others wait meanwhile
///     println!("{line}");
/// }
///
/// #[squall::main]
/// fn main() {
///     let lock = Lock::new();
///     yield_!([append(lock.clone(), "one"), append(lock, "two")]);
/// }
/// ```
#[derive(Clone)]
pub struct Lock {
    semaphore: Semaphore,
}

impl Lock {
    /// Makes a lock that nobody holds.
    pub fn new() -> Lock {
        Lock {
            semaphore: Semaphore::for_lock(),
        }
    }

    /// Takes the lock, and waits until it is free. The place in the line is that of this call.
    #[inline]
    pub fn acquire(&self) -> AcquireLock {
        AcquireLock(self.semaphore.acquire())
    }

    /// Takes the lock if it is free.
    pub fn try_acquire(&self) -> Option<LockGuard> {
        self.semaphore.try_acquire().map(LockGuard)
    }

    /// True while somebody holds it.
    pub fn is_locked(&self) -> bool {
        self.semaphore.available() == 0
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("locked", &self.is_locked())
            .field("waiters", &self.semaphore.waiters())
            .finish()
    }
}

/// A lock that is waited for; see [`Lock::acquire`].
///
/// # Cancellation
///
/// Dropping it leaves the line; a lock that it was given already goes to the next.
#[must_use = "the lock is taken when this is yielded"]
#[derive(Debug)]
pub struct AcquireLock(Acquire);

impl Future for AcquireLock {
    type Output = LockGuard;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard> {
        Pin::new(&mut self.0).poll(cx).map(LockGuard)
    }
}

/// A [`Lock`] that is held; let go when it is dropped.
#[must_use = "the lock is let go when this is dropped"]
#[derive(Debug)]
pub struct LockGuard(#[allow(dead_code)] Permit);
