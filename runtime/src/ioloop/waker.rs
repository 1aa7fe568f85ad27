//! Wakers that are numbers.

#![allow(unsafe_code)]

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::{handle, ready::SlotKey};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("squall packs a waker into a pointer of 64 bits; there is no 32-bit port yet");

const CHILD_BITS: u32 = 24;
const SLOT_BITS: u32 = 24;

/// How many slots a loop has.
pub(super) const MAX_SLOTS: usize = 1 << SLOT_BITS;

/// The highest number of a child.
pub(crate) const LAST_CHILD: u32 = (1 << CHILD_BITS) - 1;

/// Whom a waker wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WakeId {
    pub(super) loop_id: u16,
    pub(super) slot: u32,
    pub(super) child: u32,
}

impl WakeId {
    fn pack(self) -> *const () {
        let bits = u64::from(self.loop_id) << (SLOT_BITS + CHILD_BITS)
            | u64::from(self.slot) << CHILD_BITS
            | u64::from(self.child);
        ptr::without_provenance(bits as usize)
    }

    fn unpack(data: *const ()) -> WakeId {
        let bits = data.addr() as u64;
        WakeId {
            loop_id: (bits >> (SLOT_BITS + CHILD_BITS)) as u16,
            slot: (bits >> CHILD_BITS) as u32 & (MAX_SLOTS as u32 - 1),
            child: bits as u32 & LAST_CHILD,
        }
    }
}

pub(super) fn waker(id: WakeId) -> Waker {
    // SAFETY: the data is a number that is never dereferenced; every function of the table only
    // unpacks it, and waking goes through locks or the thread's own loop, from any thread.
    unsafe { Waker::new(id.pack(), &VTABLE) }
}

/// The loop whose slot the waker wakes; none for a waker of somebody else.
pub(super) fn loop_of(waker: &Waker) -> Option<u16> {
    let is_ours = ptr::eq(waker.vtable(), &VTABLE);
    is_ours.then(|| WakeId::unpack(waker.data()).loop_id)
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_nothing);

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    let id = WakeId::unpack(data);
    let woken_here = super::current::CURRENT.try_with(|current| {
        let current = current.borrow();
        let core = &current.as_ref()?.core;
        (core.id == id.loop_id && !core.closed.get())
            .then(|| core.ready.wake(SlotKey(id.slot), id.child))
    });
    match woken_here {
        Ok(Some(None)) => {}
        // The parent of a relay, which may be anyone's: woken when nothing is borrowed.
        Ok(Some(Some(parent))) => parent.wake(),
        Ok(None) | Err(_) => handle::wake_remote(id),
    }
}

fn drop_nothing(_: *const ()) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_every_bit() {
        for loop_id in [0, 1, u16::MAX] {
            for slot in [0, 1, MAX_SLOTS as u32 - 1] {
                for child in [0, 1, LAST_CHILD] {
                    let id = WakeId {
                        loop_id,
                        slot,
                        child,
                    };
                    assert_eq!(WakeId::unpack(id.pack()), id);
                }
            }
        }
    }
}
