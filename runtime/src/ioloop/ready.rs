//! What can run: the slots of coroutines, and the queue of those that were woken.
//!
//! A waker is three numbers (loop, slot, child) in the place of a pointer: making, cloning and
//! dropping one costs nothing, and none is ever allocated. A wake puts the slot on the queue, once
//! until it runs. A slot's number is reused, so a stale wake is a spurious resume, which futures
//! allow.
//!
//! A *relay* is the slot of a list that is waited for: the wakers of its children carry their index,
//! so that only the children that were woken are polled again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;

use super::waker::{self, WakeId};
use crate::coro::task::Resume;

/// The number of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotKey(pub(super) u32);

#[derive(Default)]
pub(crate) struct Ready {
    slots: RefCell<Slab<Slot>>,
    queue: RefCell<VecDeque<SlotKey>>,
}

enum Slot {
    Runnable {
        runnable: Rc<dyn Resume>,
        /// True while the slot is on the queue.
        queued: bool,
    },
    Relay {
        parent: Waker,
        /// The children that were woken since the list was last polled. Boxed, so that the slots of
        /// coroutines stay small.
        #[allow(clippy::box_collection)]
        woken: Option<Box<Vec<u32>>>,
    },
}

impl Ready {
    pub(crate) fn insert(&self, runnable: Rc<dyn Resume>) -> SlotKey {
        self.insert_slot(Slot::Runnable {
            runnable,
            queued: false,
        })
    }

    pub(crate) fn insert_relay(&self, parent: Waker) -> SlotKey {
        self.insert_slot(Slot::Relay {
            parent,
            woken: None,
        })
    }

    fn insert_slot(&self, slot: Slot) -> SlotKey {
        let mut slots = self.slots.borrow_mut();
        // Looked at first, so that one that is refused takes no slot.
        assert!(
            slots.vacant_key() < waker::MAX_SLOTS,
            "a loop holds {} coroutines at most",
            waker::MAX_SLOTS
        );
        SlotKey(slots.insert(slot) as u32)
    }

    pub(crate) fn remove(&self, key: SlotKey) {
        // Dropped after the borrow ends: destructors may wake others.
        let slot = self.slots.borrow_mut().try_remove(key.0 as usize);
        drop(slot);
    }

    /// Puts a slot on the queue, or notes that a relay's child was woken.
    pub(crate) fn wake(&self, key: SlotKey, child: u32) {
        let parent = match self.slots.borrow_mut().get_mut(key.0 as usize) {
            Some(Slot::Runnable { queued, .. }) => {
                if !*queued {
                    *queued = true;
                    self.queue.borrow_mut().push_back(key);
                }
                return;
            }
            Some(Slot::Relay { parent, woken }) => {
                woken.get_or_insert_default().push(child);
                parent.clone()
            }
            None => return,
        };
        parent.wake();
    }

    /// Makes a relay's wakes go to `parent`, and moves its woken children to `into`.
    pub(crate) fn relay(&self, key: SlotKey, parent: &Waker, into: &mut Vec<u32>) {
        if let Some(Slot::Relay { parent: old, woken }) =
            self.slots.borrow_mut().get_mut(key.0 as usize)
        {
            old.clone_from(parent);
            if let Some(woken) = woken {
                into.append(woken);
            }
        }
    }

    /// How many coroutines have a slot.
    pub(super) fn coroutines(&self) -> usize {
        let slots = self.slots.borrow();
        let is_coroutine = |slot: &Slot| match slot {
            Slot::Runnable { runnable, .. } => runnable.identity().is_some(),
            Slot::Relay { .. } => false,
        };
        slots.iter().filter(|(_, slot)| is_coroutine(slot)).count()
    }

    /// How many slots have what is neither a coroutine nor a list's relay.
    pub(super) fn others(&self) -> usize {
        let slots = self.slots.borrow();
        let is_other = |slot: &Slot| match slot {
            Slot::Runnable { runnable, .. } => runnable.identity().is_none(),
            Slot::Relay { .. } => false,
        };
        slots.iter().filter(|(_, slot)| is_other(slot)).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Takes the next of the queue. Wakes from now on queue it again.
    pub(super) fn pop(&self) -> Option<(SlotKey, Rc<dyn Resume>)> {
        loop {
            let key = self.queue.borrow_mut().pop_front()?;
            if let Some(Slot::Runnable { runnable, queued }) =
                self.slots.borrow_mut().get_mut(key.0 as usize)
                && *queued
            {
                *queued = false;
                return Some((key, runnable.clone()));
            }
        }
    }

    /// Drops every coroutine where it stands.
    pub(super) fn clear(&self) {
        loop {
            let slots = std::mem::take(&mut *self.slots.borrow_mut());
            if slots.is_empty() {
                return;
            }
            for (_, slot) in slots {
                if let Slot::Runnable { runnable, .. } = slot {
                    runnable.abandon();
                }
            }
        }
    }
}

/// The waker of a slot.
pub(crate) fn waker(loop_id: u16, slot: SlotKey) -> Waker {
    child_waker(loop_id, slot, 0)
}

/// The waker of a relay's child.
pub(crate) fn child_waker(loop_id: u16, slot: SlotKey, child: usize) -> Waker {
    // Children past the last number share it: the list then polls all of them.
    let child = child.min(waker::LAST_CHILD as usize) as u32;
    waker::waker(WakeId {
        loop_id,
        slot: slot.0,
        child,
    })
}
