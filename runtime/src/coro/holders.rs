//! Who holds the locks that somebody waits for.
//!
//! A lock notes its holder by itself; once somebody had to wait for it, it notes it here as well,
//! under a number that the one who waits can give. So what is shown of a wait is who holds the lock
//! now, and not who held it when the wait began. An uncontended lock is not here.

use std::cell::RefCell;

use slab::Slab;

use super::frame_key::FrameKey;
use super::frames::LiveCoroutine;
use super::waits::WaitsFor;

thread_local! {
    static HOLDERS: RefCell<Slab<FrameKey>> = const { RefCell::new(Slab::new()) };
}

/// A lock's entry; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct HolderEntry(u32);

impl HolderEntry {
    /// Enters a lock.
    pub(crate) fn new(holder: FrameKey) -> HolderEntry {
        let index = HOLDERS.with_borrow_mut(|holders| holders.insert(holder));
        HolderEntry(u32::try_from(index).expect("fewer than 2^32 locks are waited for"))
    }

    /// Notes who holds it.
    pub(crate) fn set(&self, holder: FrameKey) {
        // A guard may be dropped while the thread goes away.
        let _ = HOLDERS.try_with(|holders| holders.borrow_mut()[self.0 as usize] = holder);
    }

    /// What whoever waits for it waits for.
    pub(crate) fn wait(&self) -> WaitsFor {
        WaitsFor::Lock(self.0)
    }
}

impl Drop for HolderEntry {
    fn drop(&mut self) {
        // The thread may be going away.
        let _ = HOLDERS.try_with(|holders| holders.borrow_mut().try_remove(self.0 as usize));
    }
}

impl LiveCoroutine {
    /// Returns the number of the coroutine that holds the lock which this one waits for: an
    /// [`id`](Self::id), that of the coroutine in which the lock was taken. It may have ended, and have
    /// left the guard to another.
    ///
    /// None if this one waits for something else, if the lock was taken outside of coroutines, and
    /// while it passes from one to the next. It is the holder at the time of this call.
    pub fn holder_id(&self) -> Option<u64> {
        let WaitsFor::Lock(number) = self.waits_for() else {
            return None;
        };
        let find =
            |holders: &RefCell<Slab<FrameKey>>| holders.borrow().get(number as usize).copied();
        let holder = HOLDERS.try_with(find).ok().flatten()?;
        (holder != FrameKey::NONE).then(|| holder.number())
    }
}
