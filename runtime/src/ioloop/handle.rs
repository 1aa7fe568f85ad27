//! The way into a loop from other threads.
//!
//! Each loop has an inbox: a [`Mailbox`], and an eventfd that is written once to wake the loop, but
//! only if it sleeps or is about to. Wakers hold a loop's number; the table of all
//! loops turns it into the inbox.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use slab::Slab;

use super::mailbox::{Delivery, Mailbox};
use super::replies::Parcel;
use super::waker::WakeId;
use crate::error::{Error, Result};

/// Reaches a loop from any thread: `Send`, `Sync`, cheap to clone.
///
/// # Examples
///
/// ```
/// use squall::IoLoop;
///
/// let io_loop = IoLoop::current();
/// let handle = io_loop.handle();
/// let worker = std::thread::spawn(move || {
///     handle.add_callback(|| IoLoop::current().stop()) // runs on the loop's thread
/// });
/// io_loop.start()?;
/// worker.join().unwrap()?;
/// # Ok::<(), squall::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<Inbox>,
}

impl Handle {
    pub(super) fn new(inbox: Arc<Inbox>) -> Handle {
        Handle { inbox }
    }

    /// Queues a callback on the loop's thread, and wakes the loop if it sleeps.
    ///
    /// # Errors
    ///
    /// If the loop is closed; the callback is dropped then, on this thread.
    pub fn add_callback(&self, callback: impl FnOnce() + Send + 'static) -> Result<()> {
        if self.inbox.put(Message::Call(Box::new(callback))) {
            Ok(())
        } else {
            Err(Error::loop_closed())
        }
    }

    /// True if the loop is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.inbox.mailbox().is_closed()
    }

    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// True if both reach the same loop.
    pub(super) fn is_same(&self, other: &Handle) -> bool {
        Arc::ptr_eq(&self.inbox, &other.inbox)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

pub(super) enum Message {
    Call(Box<dyn FnOnce() + Send>),
    Wake(WakeId),
    /// An answer under its number; `None` if none will come.
    Reply(usize, Option<Parcel>),
}

pub(super) struct Inbox {
    mailbox: Mailbox<Message>,
    /// Set when a signal callback was triggered.
    has_signals: AtomicBool,
    /// Set when another thread was given a handle that cannot be counted, as it may get one again at
    /// any time: that of the main loop.
    was_given_out: AtomicBool,
    waker: mio::Waker,
}

impl Inbox {
    /// Makes the loop look at its signal callbacks. Async-signal-safe: it sets three atomics, and
    /// writes to the eventfd if the loop sleeps.
    pub(super) fn signal(&self) {
        self.has_signals.store(true, Ordering::SeqCst);
        if self.mailbox.knock() == Delivery::MustWake {
            // It fails only if the descriptor is gone; in a signal handler nobody can be told.
            let _ = self.waker.wake();
        }
    }

    /// Notes that another thread may get a handle at any time.
    pub(super) fn give_out(&self) {
        self.was_given_out.store(true, Ordering::Relaxed);
    }

    /// True if another thread may get a handle at any time.
    pub(super) fn was_given_out(&self) -> bool {
        self.was_given_out.load(Ordering::Relaxed)
    }

    /// True if a signal callback was triggered since the last call.
    pub(super) fn take_signals(&self) -> bool {
        self.has_signals.swap(false, Ordering::SeqCst)
    }

    /// Puts a message in, and wakes the loop if it sleeps. False if the loop is closed.
    pub(super) fn put(&self, message: Message) -> bool {
        match self.mailbox.put(message) {
            Delivery::Closed => false,
            Delivery::Seen => true,
            Delivery::MustWake => {
                if let Err(error) = self.waker.wake() {
                    tracing::error!(target: "squall", "the loop could not be woken: {error}");
                }
                true
            }
        }
    }

    pub(super) fn mailbox(&self) -> &Mailbox<Message> {
        &self.mailbox
    }
}

/// All loops of the process by their number.
static LOOPS: RwLock<Slab<Arc<Inbox>>> = RwLock::new(Slab::new());

/// Gives a new loop its number and inbox.
pub(super) fn register(waker: mio::Waker) -> Result<(u16, Arc<Inbox>)> {
    let inbox = Arc::new(Inbox {
        mailbox: Mailbox::new(),
        has_signals: AtomicBool::new(false),
        was_given_out: AtomicBool::new(false),
        waker,
    });
    let mut loops = LOOPS.write().unwrap_or_else(PoisonError::into_inner);
    let id = u16::try_from(loops.vacant_key()).map_err(|_| Error::too_many_loops())?;
    loops.insert(inbox.clone());
    Ok((id, inbox))
}

/// Takes a loop off the table and closes its inbox.
pub(super) fn unregister(id: u16) {
    let mut loops = LOOPS.write().unwrap_or_else(PoisonError::into_inner);
    let inbox = loops.try_remove(usize::from(id));
    drop(loops);
    if let Some(inbox) = inbox {
        drop(inbox.mailbox.close());
    }
}

/// Wakes a slot of a loop that is not this thread's current one.
pub(super) fn wake_remote(id: WakeId) {
    let loops = LOOPS.read().unwrap_or_else(PoisonError::into_inner);
    let inbox = loops.get(usize::from(id.loop_id)).cloned();
    drop(loops);
    if let Some(inbox) = inbox {
        inbox.put(Message::Wake(id));
    }
}
