//! What the process holds, as an allocator that counts sees it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// An allocator that counts: a bench makes it its `#[global_allocator]`.
pub(crate) struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is forwarded to the system's allocator with what came in; `realloc` is the
// trait's own, made of these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        ALLOCATED.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        FREED.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps to the same contract, and `block` came from `System.alloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What the process holds.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// Heap bytes that are in use.
    pub(crate) bytes: i64,
    /// Allocations that were made.
    pub(crate) allocations: i64,
    /// The resident set, in bytes; sees what the allocator does not.
    pub(crate) resident: i64,
}

impl Memory {
    /// Counts now. Needs [`Counting`] to be the allocator.
    pub(crate) fn now() -> Memory {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<i64>().ok());
        Memory {
            resident: pages.unwrap_or(0) * 4096,
            bytes: ALLOCATED.load(Relaxed) as i64 - FREED.load(Relaxed) as i64,
            allocations: ALLOCATIONS.load(Relaxed) as i64,
        }
    }

    /// What was added since `before`.
    pub(crate) fn since(self, before: Memory) -> Memory {
        Memory {
            bytes: self.bytes - before.bytes,
            allocations: self.allocations - before.allocations,
            resident: self.resident - before.resident,
        }
    }
}
