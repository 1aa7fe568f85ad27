//! The way into a loop from other threads.
//!
//! Each loop has an inbox behind a lock. A message is put in, and the loop is woken by one write to
//! its eventfd, but only if it sleeps or is about to. Wakers hold a loop's number; the table of all
//! loops turns it into the inbox.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use slab::Slab;

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
    /// `None` once the loop is closed.
    messages: Mutex<Option<Vec<Message>>>,
    /// Set with every message, so that a turn without mail takes no lock.
    has_mail: AtomicBool,
    /// True while the loop sleeps or is about to, and nobody has woken it yet.
    sleeping: AtomicBool,
    waker: mio::Waker,
}

impl Inbox {
    /// Puts a message in. False if the loop is closed.
    pub(super) fn put(&self, message: Message) -> bool {
        {
            let mut messages = self.lock();
            let Some(messages) = messages.as_mut() else {
                return false;
            };
            messages.push(message);
            self.has_mail.store(true, Ordering::SeqCst);
        }
        if self.sleeping.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(target: "squall", "the loop could not be woken: {error}");
        }
        true
    }

    /// Takes all messages.
    pub(super) fn take(&self) -> Vec<Message> {
        if !self.has_mail.swap(false, Ordering::SeqCst) {
            return Vec::new();
        }
        (self.lock().as_mut()).map_or_else(Vec::new, std::mem::take)
    }

    /// Announces that the loop is about to sleep. False if there is mail, and it must not.
    pub(super) fn fall_asleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        if self.has_mail.load(Ordering::SeqCst) {
            self.sleeping.store(false, Ordering::SeqCst);
            return false;
        }
        true
    }

    pub(super) fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    pub(super) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Message>>> {
        // Nothing panics while it is locked; a poisoned lock would still hold a whole list.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All loops of the process by their number.
static LOOPS: RwLock<Slab<Arc<Inbox>>> = RwLock::new(Slab::new());

/// Gives a new loop its number and inbox.
pub(super) fn register(waker: mio::Waker) -> Result<(u16, Arc<Inbox>)> {
    let inbox = Arc::new(Inbox {
        messages: Mutex::new(Some(Vec::new())),
        has_mail: AtomicBool::new(false),
        sleeping: AtomicBool::new(false),
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
        let messages = inbox.lock().take();
        drop(messages);
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
