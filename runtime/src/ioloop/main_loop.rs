//! The loop of the process that is reached from anywhere.
//!
//! Tornado has one global `IOLoop` that any thread can name. A loop of ours belongs to its thread, so
//! what is global is a [`Handle`]; the loop itself is for the thread that has it.
//!
//! | Tornado | here |
//! |---|---|
//! | `io_loop.install()` | [`IoLoop::install`] |
//! | `IOLoop.instance()` on the loop's thread | [`IoLoop::instance`] |
//! | `IOLoop.instance().add_callback(f)` elsewhere | [`IoLoop::main_handle`], `add_callback` |
//! | `IOLoop.initialized()` | [`IoLoop::initialized`] |
//! | `IOLoop.clear_instance()` | [`IoLoop::clear_instance`] |

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handle::Inbox;
use super::{Handle, IoLoop, WeakLoop};

static MAIN: Mutex<Option<Handle>> = Mutex::new(None);

thread_local! {
    /// The loop that this thread installed last.
    static INSTALLED: RefCell<Option<WeakLoop>> = const { RefCell::new(None) };
}

fn main_slot() -> MutexGuard<'static, Option<Handle>> {
    // Nothing panics while it is locked.
    MAIN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main_handle() -> Option<Handle> {
    main_slot().clone().filter(|main| !main.is_closed())
}

/// True if it is the inbox of the main loop, which the process holds a handle of.
pub(super) fn is_main(inbox: &Arc<Inbox>) -> bool {
    let main = main_slot();
    main.as_ref()
        .is_some_and(|main| Arc::ptr_eq(main.inbox(), inbox))
}

impl IoLoop {
    /// Makes this the main loop of the process, in place of any other: Tornado's `install`.
    ///
    /// `#[squall::main]` does it for its loop, if there is no main loop yet. The process does not
    /// keep the loop alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::IoLoop;
    ///
    /// let io_loop = IoLoop::current();
    /// io_loop.install();
    /// let worker = std::thread::spawn(|| {
    ///     assert!(IoLoop::instance().is_none(), "it belongs to another thread");
    ///     let main = IoLoop::main_handle().expect("it is installed");
    ///     main.add_callback(|| IoLoop::current().stop())
    /// });
    /// io_loop.start()?;
    /// worker.join().unwrap()?;
    /// # Ok::<(), squall::Error>(())
    /// ```
    pub fn install(&self) {
        INSTALLED.set(Some(self.downgrade()));
        let old = main_slot().replace(self.handle());
        drop(old);
    }

    /// Returns the main loop if it belongs to this thread.
    ///
    /// Unlike Tornado's `instance` it makes none; see [`current`](Self::current) for that.
    pub fn instance() -> Option<IoLoop> {
        let main = main_handle()?;
        let here = INSTALLED.with_borrow(|installed| installed.as_ref()?.upgrade())?;
        here.handle().is_same(&main).then_some(here)
    }

    /// Returns the way to the main loop from any thread; none if none is installed, or if it is
    /// closed.
    pub fn main_handle() -> Option<Handle> {
        let main = main_handle()?;
        // Whoever asked once may ask again.
        main.inbox().give_out();
        Some(main)
    }

    /// True if there is a main loop: Tornado's `initialized`.
    pub fn initialized() -> bool {
        main_handle().is_some()
    }

    /// Makes the process have no main loop; the loop itself goes on. Harmless when there is none.
    pub fn clear_instance() {
        let old = main_slot().take();
        drop(old);
    }
}
