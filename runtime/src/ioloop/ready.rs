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
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;

use super::waker::{self, WakeId};
use crate::coro::frames::Frame;
use crate::coro::task::Resume;
use crate::random::Random;

/// The number of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotKey(pub(super) u32);

impl SlotKey {
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

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
    // Boxed, so that the slots of coroutines stay small.
    Relay(Box<Relay>),
}

struct Relay {
    parent: Waker,
    /// The children that were woken since the list was last polled.
    woken: Vec<u32>,
    /// As many as there are, going by those that were woken.
    children: usize,
}

impl Ready {
    pub(crate) fn insert(&self, runnable: Rc<dyn Resume>) -> SlotKey {
        self.insert_slot(Slot::Runnable {
            runnable,
            queued: false,
        })
    }

    pub(crate) fn insert_relay(&self, parent: Waker) -> SlotKey {
        self.insert_slot(Slot::Relay(Box::new(Relay {
            parent,
            woken: Vec::new(),
            children: 0,
        })))
    }

    /// The slot that the next one inserted gets.
    pub(crate) fn next_slot(&self) -> SlotKey {
        SlotKey(self.slots.borrow().vacant_key() as u32)
    }

    fn insert_slot(&self, slot: Slot) -> SlotKey {
        let mut slots = self.slots.borrow_mut();
        make_room(&mut slots);
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
        let mut slots = self.slots.borrow_mut();
        let slot = slots.try_remove(key.0 as usize);
        give_room_back(&mut slots);
        drop(slots);
        drop(slot);
    }

    /// Puts a runnable on the queue.
    pub(crate) fn queue(&self, key: SlotKey) {
        let parent = self.wake(key, 0);
        debug_assert!(parent.is_none(), "a runnable is no relay");
    }

    /// Puts a slot on the queue, or notes that a relay's child was woken: then its parent is to be
    /// woken, by the caller.
    #[must_use = "a relay's parent is to be woken"]
    pub(crate) fn wake(&self, key: SlotKey, child: u32) -> Option<Waker> {
        match self.slots.borrow_mut().get_mut(key.0 as usize) {
            Some(Slot::Runnable { queued, .. }) => {
                if !*queued {
                    *queued = true;
                    self.queue.borrow_mut().push_back(key);
                }
                None
            }
            Some(Slot::Relay(relay)) => {
                relay.note(child);
                Some(relay.parent.clone())
            }
            None => None,
        }
    }

    /// Makes a relay's wakes go to `parent`, and moves its woken children to `into`. Gives back
    /// whom they went to.
    pub(crate) fn relay(&self, key: SlotKey, parent: &Waker, into: &mut Vec<u32>) -> Option<Waker> {
        let mut slots = self.slots.borrow_mut();
        let Some(Slot::Relay(relay)) = slots.get_mut(key.0 as usize) else {
            return None;
        };
        into.append(&mut relay.woken);
        replace_waker(&mut relay.parent, parent)
    }

    /// Calls `f` with the frame of each coroutine.
    pub(super) fn each_frame(&self, f: &mut dyn FnMut(&Frame)) {
        for (_, slot) in self.slots.borrow().iter() {
            if let Some(frame) = slot.frame() {
                f(frame);
            }
        }
    }

    /// Calls `f` with the frame of the coroutine in the slot.
    pub(super) fn frame_in(&self, key: SlotKey, f: &mut dyn FnMut(&Frame)) {
        let slots = self.slots.borrow();
        if let Some(frame) = slots.get(key.0 as usize).and_then(Slot::frame) {
            f(frame);
        }
    }

    /// How many slots have what is neither a coroutine nor a list's relay.
    pub(super) fn others(&self) -> usize {
        let slots = self.slots.borrow();
        let is_other = |slot: &Slot| match slot {
            Slot::Runnable { .. } => slot.frame().is_none(),
            Slot::Relay(_) => false,
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
    // In the turn itself, though the turn of a simulated loop calls it as well: 20 instructions.
    #[inline(always)]
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

    /// Puts what is on the queue in a random order.
    pub(super) fn shuffle(&self, random: &Random) {
        random.shuffle(self.queue.borrow_mut().make_contiguous());
    }

    /// Drops every coroutine where it stands, also those that destructors start meanwhile.
    pub(super) fn clear(&self) {
        while !self.slots.borrow().is_empty() {
            let slots = self.slots.borrow().capacity();
            for index in 0..slots {
                let slot = self.slots.borrow_mut().try_remove(index);
                if let Some(Slot::Runnable { runnable, .. }) = slot {
                    runnable.abandon();
                }
            }
        }
    }
}

/// Puts `new` in the place of `old` unless they wake the same. What comes back is to be dropped when
/// nothing is borrowed: with a foreign waker a whole task may go.
pub(crate) fn replace_waker(old: &mut Waker, new: &Waker) -> Option<Waker> {
    (!old.will_wake(new)).then(|| std::mem::replace(old, new.clone()))
}

impl Relay {
    /// Notes a child, in the order in which they were woken first.
    fn note(&mut self, child: u32) {
        self.children = self.children.max(child as usize + 1);
        if self.woken.len() >= (2 * self.children).max(32) {
            // Half of them at least are there twice: who wakes himself over and over must not fill
            // the memory.
            let mut seen = HashSet::new();
            self.woken.retain(|child| seen.insert(*child));
        }
        self.woken.push(child);
    }
}

impl Slot {
    fn frame(&self) -> Option<&Frame> {
        match self {
            Slot::Runnable { runnable, .. } => runnable.frame(),
            Slot::Relay(_) => None,
        }
    }
}

/// Has a slab that is full grow by half: doubling would leave a third of it empty on the average.
pub(super) fn make_room<T>(slab: &mut Slab<T>) {
    if slab.len() == slab.capacity() {
        slab.reserve_exact(more_room(slab.len()));
    }
}

/// Has a slab that is nearly empty give back its memory, as far as what is left stands at its front:
/// after a crowd has gone.
#[inline]
pub(super) fn give_room_back<T>(slab: &mut Slab<T>) {
    const WORTH_IT: usize = 4096;
    if slab.capacity() >= WORTH_IT {
        give_much_room_back(slab);
    }
}

#[cold]
#[inline(never)]
fn give_much_room_back<T>(slab: &mut Slab<T>) {
    let (len, room) = (slab.len(), slab.capacity());
    // Only at these lengths, so that it is not tried with each that goes.
    if len == room / 16 || len == room / 256 || len <= 2 {
        // Whoever stands at the back keeps the room as it is.
        let end = slab.iter().next_back().map_or(0, |(key, _)| key + 1);
        if end <= room / 4 {
            // Made anew, under the same keys: shrunk in place it would stay in the way of the memory
            // that others have given back.
            *slab = std::mem::take(slab).into_iter().collect();
        }
    }
}

/// How much room is made for more than `len`.
pub(super) fn more_room(len: usize) -> usize {
    (len / 2).max(16)
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
