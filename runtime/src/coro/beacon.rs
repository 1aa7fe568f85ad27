//! What a loop's thread shows to a watcher on another thread, while there is one.
//!
//! The thread stores, the watcher reads, and nothing is locked. What belongs together has an edition:
//! a watcher that finds another one after reading has seen a mixture, and takes none of it. Phase and
//! coroutines may be of different moments; so the watcher looks at the phase again afterwards.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering, fence};

use super::lineage::{LINEAGE, Lineage, LineageEnd};
use super::site::{CoroutineSite, YieldSite};
use super::traceback::TraceFrame;

/// What one loop shows.
#[derive(Debug, Default)]
pub(crate) struct Beacon {
    /// Odd while the loop works, even while it polls or rests. Never the same twice.
    phase: AtomicU64,
    /// Odd while what follows is written. Never the same twice.
    edition: AtomicU64,
    /// The coroutine that runs, with the yield that it was last resumed from; then the one that
    /// started it, and so on.
    places: [Place; LINEAGE],
    end: AtomicU8,
}

#[derive(Debug, Default)]
struct Place {
    coroutine: AtomicRef<CoroutineSite>,
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

    /// Shows which coroutine runs, if one does, and who started it.
    pub(crate) fn show(&self, lineage: &Lineage) {
        let edition = self.edition.load(Ordering::Relaxed);
        self.edition.store(edition + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, shown) in self.places.iter().zip(&lineage.places) {
            place.coroutine.store(shown.map(|shown| shown.coroutine));
            place.at.store(shown.and_then(|shown| shown.at));
            if shown.is_none() {
                break;
            }
        }
        self.end.store(lineage.end as u8, Ordering::Relaxed);
        self.edition.store(edition + 2, Ordering::Release);
    }

    pub(crate) fn phase(&self) -> u64 {
        self.phase.load(Ordering::Acquire)
    }

    pub(crate) fn is_working(phase: u64) -> bool {
        phase % 2 == 1
    }

    /// Returns what is shown; nothing if it changes just now.
    pub(crate) fn shown(&self) -> Option<Lineage> {
        let edition = self.edition.load(Ordering::Acquire);
        let mut lineage = Lineage::default();
        for (shown, place) in lineage.places.iter_mut().zip(&self.places) {
            let Some(coroutine) = place.coroutine.load() else {
                break;
            };
            let at = place.at.load();
            *shown = Some(TraceFrame { coroutine, at });
        }
        lineage.end = match self.end.load(Ordering::Relaxed) {
            end if end == LineageEnd::Gone as u8 => LineageEnd::Gone,
            end if end == LineageEnd::Deeper as u8 => LineageEnd::Deeper,
            _ => LineageEnd::Root,
        };
        fence(Ordering::Acquire);
        let is_same = self.edition.load(Ordering::Relaxed) == edition;
        (edition.is_multiple_of(2) && is_same).then_some(lineage)
    }
}

/// A reference to a static, or none, that threads may exchange. Free of locks, so that a signal
/// handler may look at it.
#[derive(Debug)]
pub(crate) struct AtomicRef<T: 'static> {
    /// Invariant: null, or made of a `&'static T` by `store`, the only writer.
    pointer: AtomicPtr<T>,
}

impl<T: Sync> AtomicRef<T> {
    /// Holds none.
    pub(crate) const fn none() -> Self {
        AtomicRef {
            pointer: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(crate) fn store(&self, value: Option<&'static T>) {
        let pointer = value.map_or(ptr::null_mut(), |value| ptr::from_ref(value).cast_mut());
        self.pointer.store(pointer, Ordering::Release);
    }

    pub(crate) fn load(&self) -> Option<&'static T> {
        let pointer = self.pointer.load(Ordering::Acquire);
        // SAFETY: by the invariant it is null or was a `&'static T`, so it is valid for good; nothing
        // writes through it, and `T` is `Sync`, so that other threads may read it.
        unsafe { pointer.as_ref() }
    }
}

impl<T: Sync> Default for AtomicRef<T> {
    fn default() -> Self {
        Self::none()
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
        static COROUTINE: CoroutineSite = CoroutineSite {
            name: "c",
            module: "m",
            file: "f",
            line: 1,
            column: 1,
        };
        static YIELD: YieldSite = YieldSite {
            file: "f",
            line: 1,
            column: 2,
            expression: "x",
        };
        let (coroutine, at) = (&COROUTINE, Some(&YIELD));
        let place = Some(TraceFrame { coroutine, at });
        let beacon = Beacon::default();
        let is_shown = |count: usize, end| {
            let shown = beacon.shown().expect("nobody writes");
            let places = shown.places.iter().flatten();
            assert!(places.clone().all(|place| place.at.unwrap().column == 2));
            (places.count(), shown.end) == (count, end)
        };
        assert!(is_shown(0, LineageEnd::Root));
        let mut lineage = Lineage {
            places: [place; LINEAGE],
            end: LineageEnd::Deeper,
        };
        beacon.show(&lineage);
        assert!(is_shown(LINEAGE, LineageEnd::Deeper));
        lineage.places[2] = None;
        lineage.end = LineageEnd::Gone;
        beacon.show(&lineage);
        assert!(is_shown(2, LineageEnd::Gone));
        beacon.show(&Lineage::default());
        assert!(is_shown(0, LineageEnd::Root));
    }
}
