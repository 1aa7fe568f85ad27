//! A number of permits.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::line::{Call, Line, Ticket};
use crate::coro::context;
use crate::coro::frame_key::FrameKey;
use crate::coro::holders::HolderEntry;
use crate::coro::waits::WaitsFor;
use crate::error::{Error, Result};

/// Lets a number of coroutines do something at the same time: Tornado's `locks.Semaphore`.
///
/// Cheap to clone; every clone is the same semaphore. A permit is held as a [`Permit`], and given
/// back when that is dropped. Who waits is served in order, and a permit that is given back is
/// handed to the first in the line: nobody who comes later can take it.
///
/// # Examples
///
/// ```
/// use squall::{sync::Semaphore, yield_};
///
/// #[squall::coroutine]
/// fn print(page: u32, printers: Semaphore) {
///     let _printer = yield_!(printers.acquire());
///     yield_!(squall::sleep(std::time::Duration::from_millis(1)));
///     println!("page {page}");
/// }
///
/// #[squall::main]
/// fn main() {
///     let printers = Semaphore::new(2);
///     yield_!((0..5).map(|page| print(page, printers.clone())).collect::<Vec<_>>());
/// }
/// ```
#[derive(Clone)]
pub struct Semaphore {
    core: Rc<RefCell<Core>>,
}

struct Core {
    /// Invariant: none are free while somebody waits.
    free: usize,
    line: Line,
    holder: Holder,
}

/// Who holds a lock; kept by all semaphores, and shown of locks, whose one permit is held by one.
struct Holder {
    /// The coroutine that took it; `NONE` outside of coroutines, and while it is handed on. What it
    /// was last while nobody holds it.
    frame: FrameKey,
    is_lock: bool,
    /// Of a lock, once somebody waited.
    entry: Option<HolderEntry>,
}

impl Holder {
    #[inline]
    fn set(&mut self, frame: FrameKey) {
        self.frame = frame;
        if let Some(entry) = &self.entry {
            entry.set(frame);
        }
    }

    /// What it is that is waited for.
    fn wait(&mut self) -> WaitsFor {
        if !self.is_lock {
            return WaitsFor::Permit;
        }
        let frame = self.frame;
        let entry = self.entry.get_or_insert_with(|| HolderEntry::new(frame));
        entry.wait()
    }
}

impl Core {
    /// Notes that the running coroutine got a permit.
    #[inline]
    fn hold(&mut self) {
        self.holder
            .set(context::with(|context| context.frame.get()));
    }
}

impl Semaphore {
    /// Makes a semaphore with `permits`; with none everyone waits for a [`release`](Self::release).
    pub fn new(permits: usize) -> Semaphore {
        Self::with(permits, false)
    }

    /// Makes one with one permit that knows who holds it.
    pub(super) fn for_lock() -> Semaphore {
        Self::with(1, true)
    }

    fn with(permits: usize, is_lock: bool) -> Semaphore {
        let core = Core {
            free: permits,
            line: Line::default(),
            holder: Holder {
                frame: FrameKey::NONE,
                is_lock,
                entry: None,
            },
        };
        Semaphore {
            core: Rc::new(RefCell::new(core)),
        }
    }

    /// Takes a permit, and waits for one if there is none. The place in the line is that of this
    /// call.
    #[inline]
    pub fn acquire(&self) -> Acquire {
        let mut core = self.core.borrow_mut();
        let turn = match core.free.checked_sub(1) {
            Some(left) => {
                core.free = left;
                core.hold();
                Turn::Granted
            }
            None => Turn::Waiting(core.line.join()),
        };
        Acquire {
            semaphore: self.clone(),
            turn,
        }
    }

    /// Takes a permit if one is free.
    pub fn try_acquire(&self) -> Option<Permit> {
        let mut core = self.core.borrow_mut();
        core.free = core.free.checked_sub(1)?;
        core.hold();
        Some(Permit::of(self))
    }

    /// Adds a permit, or gives it to the first in the line.
    ///
    /// Permits that were acquired are given back by dropping them; this is for a semaphore that
    /// counts something else, where one coroutine adds and others take.
    ///
    /// # Panics
    ///
    /// If `usize::MAX` permits are free already.
    #[inline]
    pub fn release(&self) {
        assert!(
            self.give_back(),
            "a semaphore has usize::MAX permits at most"
        );
    }

    /// Adds a permit or gives it to the first in the line; false if more cannot be counted.
    #[inline]
    fn give_back(&self) -> bool {
        let mut core = self.core.borrow_mut();
        match core.line.call(Call::Next) {
            Some(waker) => {
                core.holder.set(FrameKey::NONE);
                drop(core);
                waker.wake();
            }
            None => match core.free.checked_add(1) {
                Some(free) => core.free = free,
                None => return false,
            },
        }
        true
    }

    /// Returns how many permits are free.
    pub fn available(&self) -> usize {
        self.core.borrow().free
    }

    /// How many wait.
    pub(super) fn waiters(&self) -> usize {
        self.core.borrow().line.len()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.core.borrow();
        f.debug_struct("Semaphore")
            .field("available", &core.free)
            .field("waiters", &core.line.len())
            .finish()
    }
}

/// A permit that is waited for; see [`Semaphore::acquire`].
///
/// # Cancellation
///
/// Dropping it leaves the line; a permit that it was given already goes to the next.
#[must_use = "the permit is given when this is yielded"]
pub struct Acquire {
    semaphore: Semaphore,
    turn: Turn,
}

enum Turn {
    Granted,
    Waiting(Ticket),
    /// The permit was handed out, or the place given up.
    Over,
}

impl Future for Acquire {
    type Output = Permit;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        match &self.turn {
            Turn::Granted => {}
            Turn::Waiting(ticket) => {
                let (polled, old) = self.semaphore.core.borrow_mut().line.poll(ticket, cx);
                drop(old);
                let mut core = self.semaphore.core.borrow_mut();
                if polled.is_pending() {
                    context::waits_for(core.holder.wait());
                    return Poll::Pending;
                }
                core.hold();
            }
            Turn::Over => panic!("a permit is given once; it was waited for again"),
        }
        self.turn = Turn::Over;
        Poll::Ready(Permit::of(&self.semaphore))
    }
}

impl Drop for Acquire {
    #[inline]
    fn drop(&mut self) {
        match std::mem::replace(&mut self.turn, Turn::Over) {
            Turn::Over => {}
            Turn::Granted => drop(Permit::of(&self.semaphore)),
            Turn::Waiting(ticket) => {
                let called = self.semaphore.core.borrow_mut().line.leave(ticket);
                if called.is_ok() {
                    drop(Permit::of(&self.semaphore));
                }
            }
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acquire").field(&self.semaphore).finish()
    }
}

/// One permit of a [`Semaphore`]; given back when it is dropped.
#[must_use = "the permit is given back when this is dropped"]
#[derive(Debug)]
pub struct Permit {
    /// `None` once it is forgotten.
    semaphore: Option<Semaphore>,
}

impl Permit {
    fn of(semaphore: &Semaphore) -> Permit {
        Permit {
            semaphore: Some(semaphore.clone()),
        }
    }

    /// Keeps the permit for good: the semaphore has one less, until someone calls `release`.
    pub fn forget(mut self) {
        self.semaphore = None;
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if let Some(semaphore) = &self.semaphore {
            // One too many can only come from a `release` of one too many before, which had its say.
            semaphore.give_back();
        }
    }
}

/// A [`Semaphore`] that cannot get more permits than it began with: Tornado's `BoundedSemaphore`.
///
/// # Examples
///
/// ```
/// use squall::{sync::BoundedSemaphore, yield_};
///
/// #[squall::main]
/// fn main() {
///     let doors = BoundedSemaphore::new(1);
///     let door = yield_!(doors.acquire());
///     door.forget(); // whoever comes out gives it back
///     assert!(doors.release().is_ok());
///     assert!(doors.release().is_err());
/// }
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore {
    semaphore: Semaphore,
    permits: usize,
}

impl BoundedSemaphore {
    /// Makes a semaphore with `permits`.
    pub fn new(permits: usize) -> BoundedSemaphore {
        BoundedSemaphore {
            semaphore: Semaphore::new(permits),
            permits,
        }
    }

    /// Takes a permit, and waits for one if there is none; see [`Semaphore::acquire`].
    pub fn acquire(&self) -> Acquire {
        self.semaphore.acquire()
    }

    /// Takes a permit if one is free.
    pub fn try_acquire(&self) -> Option<Permit> {
        self.semaphore.try_acquire()
    }

    /// Gives back a permit that was forgotten.
    ///
    /// # Errors
    ///
    /// If all are there: it was released more often than acquired, which is a mistake in the
    /// program.
    pub fn release(&self) -> Result<()> {
        if self.semaphore.available() >= self.permits {
            return Err(Error::over_released(self.permits));
        }
        self.semaphore.release();
        Ok(())
    }

    /// Returns how many permits are free.
    pub fn available(&self) -> usize {
        self.semaphore.available()
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("available", &self.available())
            .field("permits", &self.permits)
            .field("waiters", &self.semaphore.waiters())
            .finish()
    }
}
