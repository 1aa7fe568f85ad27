//! What a loop's thread shows to a watcher on another thread, while there is one.
//!
//! The thread stores, the watcher reads. Nothing is locked, so what the watcher sees of phase,
//! coroutine and yield may be of different moments; it looks at the phase again afterwards.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::site::{CoroutineSite, YieldSite};

/// What one loop shows.
#[derive(Debug, Default)]
pub(crate) struct Beacon {
    /// Odd while the loop works, even while it polls or rests. Never the same twice.
    phase: AtomicU64,
    coroutine: AtomicRef<CoroutineSite>,
    /// The yield that the coroutine was last resumed from.
    at: AtomicRef<YieldSite>,
}

impl Beacon {
    /// Begins a turn's work.
    pub(crate) fn work(&self) {
        let phase = self.phase.load(Ordering::Relaxed);
        self.phase.store((phase + 1) | 1, Ordering::Release);
    }

    /// Begins a poll, or a rest between runs.
    pub(crate) fn rest(&self) {
        let phase = self.phase.load(Ordering::Relaxed);
        self.phase.store((phase | 1) + 1, Ordering::Release);
    }

    /// Shows which coroutine runs, if one does.
    pub(crate) fn show(
        &self,
        coroutine: Option<&'static CoroutineSite>,
        at: Option<&'static YieldSite>,
    ) {
        self.at.store(at);
        self.coroutine.store(coroutine);
    }

    pub(crate) fn phase(&self) -> u64 {
        self.phase.load(Ordering::Acquire)
    }

    pub(crate) fn is_working(phase: u64) -> bool {
        phase % 2 == 1
    }

    pub(crate) fn shown(&self) -> (Option<&'static CoroutineSite>, Option<&'static YieldSite>) {
        (self.coroutine.load(), self.at.load())
    }
}

/// A reference to a static, or none, that threads may exchange.
#[derive(Debug)]
struct AtomicRef<T: 'static> {
    /// Invariant: null, or made of a `&'static T` by `store`, the only writer.
    pointer: AtomicPtr<T>,
}

impl<T: Sync> AtomicRef<T> {
    fn store(&self, value: Option<&'static T>) {
        let pointer = value.map_or(ptr::null_mut(), |value| ptr::from_ref(value).cast_mut());
        self.pointer.store(pointer, Ordering::Release);
    }

    fn load(&self) -> Option<&'static T> {
        let pointer = self.pointer.load(Ordering::Acquire);
        // SAFETY: by the invariant it is null or was a `&'static T`, so it is valid for good; nothing
        // writes through it, and `T` is `Sync`, so that other threads may read it.
        unsafe { pointer.as_ref() }
    }
}

impl<T> Default for AtomicRef<T> {
    fn default() -> Self {
        AtomicRef {
            pointer: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_differ_and_say_whether_the_loop_works() {
        let beacon = Beacon::default();
        let mut seen = vec![beacon.phase()];
        for step in [
            Beacon::work,
            Beacon::work,
            Beacon::rest,
            Beacon::rest,
            Beacon::work,
        ] {
            step(&beacon);
            seen.push(beacon.phase());
        }
        let works: Vec<bool> = seen.iter().map(|p| Beacon::is_working(*p)).collect();
        assert_eq!(works, [false, true, true, false, false, true]);
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    }

    #[test]
    fn what_is_shown_is_seen_and_can_be_taken_back() {
        static SITE: YieldSite = YieldSite {
            file: "f",
            line: 1,
            column: 2,
            expression: "x",
        };
        let beacon = Beacon::default();
        assert!(beacon.shown().1.is_none());
        beacon.show(None, Some(&SITE));
        assert_eq!(beacon.shown().1.map(|at| at.expression), Some("x"));
        beacon.show(None, None);
        assert!(beacon.shown().1.is_none());
    }
}
