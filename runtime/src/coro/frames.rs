//! The registry of frames: an entry for each live coroutine of the thread.
//!
//! A frame knows its coroutine's name, its parent, and the yield it stands at and since when.
//! Tracebacks, the living tree and the watchdog are readers of it. A key carries a serial number,
//! so that a child whose parent is gone does not find a stranger in the parent's slot.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use slab::Slab;

use super::context;
use super::site::{CoroutineSite, YieldSite};
use super::traceback::TraceFrame;
use super::waits::WaitsFor;

/// Names one frame of this thread for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameKey {
    index: u32,
    serial: u32,
}

impl FrameKey {
    pub(crate) const NONE: FrameKey = FrameKey {
        index: u32::MAX,
        serial: 0,
    };

    pub(crate) fn number(self) -> u64 {
        u64::from(self.serial) << 32 | u64::from(self.index)
    }
}

/// A point in the order in which frames are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameMark(u32);

impl FrameKey {
    /// True if the frame was there at the mark. Serials wrap, so it is right within 2^31 frames.
    pub(crate) fn is_before(self, mark: FrameMark) -> bool {
        mark.0.wrapping_sub(self.serial) as i32 >= 0
    }
}

/// Marks the present point.
pub(crate) fn mark() -> FrameMark {
    FrameMark(FRAMES.with_borrow(|frames| frames.serial))
}

#[derive(Debug)]
struct Frame {
    coroutine: &'static CoroutineSite,
    parent: FrameKey,
    serial: u32,
    resumes: u32,
    at: Option<&'static YieldSite>,
    since: Option<Instant>,
    waits: WaitsFor,
}

#[derive(Debug)]
struct Frames {
    slots: Slab<Frame>,
    serial: u32,
    /// The run times of those that were measured; beside the frames, so that these stay small.
    ran: BTreeMap<u32, RunTimes>,
}

/// How long a coroutine ran.
#[derive(Clone, Copy, Debug, Default)]
struct RunTimes {
    total: Duration,
    worst: Duration,
}

thread_local! {
    static FRAMES: RefCell<Frames> = const {
        RefCell::new(Frames { slots: Slab::new(), serial: 0, ran: BTreeMap::new() })
    };
}

/// Adds a frame under `parent`.
pub(crate) fn insert(coroutine: &'static CoroutineSite, parent: FrameKey) -> FrameKey {
    FRAMES.with_borrow_mut(|frames| {
        frames.serial = frames.serial.wrapping_add(1);
        let serial = frames.serial;
        let index = frames.slots.insert(Frame {
            coroutine,
            parent,
            serial,
            resumes: 0,
            at: None,
            since: None,
            waits: WaitsFor::Unknown,
        });
        FrameKey {
            index: u32::try_from(index).expect("fewer than 2^32 coroutines are alive"),
            serial,
        }
    })
}

/// Notes that the frame's coroutine waits at `at`.
pub(crate) fn suspend(key: FrameKey, at: Option<&'static YieldSite>) {
    let (now, waits) = context::with(|context| (context.now.get(), context.waits.get()));
    FRAMES.with_borrow_mut(|frames| {
        if let Some(frame) = frames.slots.get_mut(key.index as usize)
            && frame.serial == key.serial
        {
            frame.at = at;
            frame.since = now;
            frame.waits = waits;
            frame.resumes = frame.resumes.wrapping_add(1);
        }
    });
}

/// Removes a frame. Harmless for one that is gone, and while the thread ends.
pub(crate) fn remove(key: FrameKey) {
    let _ = FRAMES.try_with(|frames| {
        let mut frames = frames.borrow_mut();
        let index = key.index as usize;
        if frames
            .slots
            .get(index)
            .is_some_and(|f| f.serial == key.serial)
        {
            frames.slots.remove(index);
            if !frames.ran.is_empty() {
                frames.ran.remove(&key.index);
            }
        }
    });
}

/// Adds a run to the times of a frame that is still there.
pub(crate) fn ran(key: FrameKey, time: Duration) {
    FRAMES.with_borrow_mut(|frames| {
        let frame = frames.slots.get(key.index as usize);
        if frame.is_some_and(|frame| frame.serial == key.serial) {
            let times = frames.ran.entry(key.index).or_default();
            times.total += time;
            times.worst = times.worst.max(time);
        }
    });
}

/// Returns a frame's coroutine with the yield that it was last suspended at, and its parent.
pub(crate) fn place(key: FrameKey) -> Option<(TraceFrame, FrameKey)> {
    let find = |frames: &RefCell<Frames>| {
        let frames = frames.borrow();
        let frame = frames.slots.get(key.index as usize)?;
        let (coroutine, at) = (frame.coroutine, frame.at);
        (frame.serial == key.serial).then_some((TraceFrame { coroutine, at }, frame.parent))
    };
    FRAMES.try_with(find).ok().flatten()
}

/// How many coroutines of this thread are alive.
pub(crate) fn count() -> usize {
    FRAMES.with_borrow(|frames| frames.slots.len())
}

/// One live coroutine, as [`live`] reports it.
#[derive(Clone, Debug)]
pub struct LiveCoroutine {
    key: FrameKey,
    parent: FrameKey,
    coroutine: &'static CoroutineSite,
    at: Option<&'static YieldSite>,
    since: Option<Instant>,
    waits: WaitsFor,
    resumes: u32,
    ran: Option<RunTimes>,
}

impl LiveCoroutine {
    /// Returns where the coroutine is defined.
    pub fn coroutine(&self) -> &'static CoroutineSite {
        self.coroutine
    }

    /// Returns the yield that it stands at; none while it has not come to one or runs.
    pub fn at(&self) -> Option<&'static YieldSite> {
        self.at
    }

    /// Returns the time of the turn in which it came to wait there.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Returns what it waits for there.
    pub fn waits_for(&self) -> WaitsFor {
        self.waits
    }

    /// Returns how often it was suspended.
    pub fn resumes(&self) -> u32 {
        self.resumes
    }

    /// Returns how long it ran in all its runs that were measured; none if none was.
    ///
    /// See [`IoLoop::set_profiling`](crate::IoLoop::set_profiling).
    pub fn run_time(&self) -> Option<Duration> {
        self.ran.map(|ran| ran.total)
    }

    /// Returns how long its longest measured run was.
    pub fn worst_run_time(&self) -> Option<Duration> {
        self.ran.map(|ran| ran.worst)
    }

    /// True if `other` started this coroutine, or runs it as a scoped one.
    pub fn is_child_of(&self, other: &LiveCoroutine) -> bool {
        self.parent == other.key
    }

    /// True if none of `all` started this coroutine, or runs it.
    pub fn is_root(&self, all: &[LiveCoroutine]) -> bool {
        !all.iter().any(|other| self.is_child_of(other))
    }

    /// Returns a number that no other coroutine of this thread has while this one is alive.
    pub fn id(&self) -> u64 {
        self.key.number()
    }

    /// Returns the number of the coroutine that started this one, or runs it as a scoped one; none
    /// if it was started by a callback. The parent may be gone.
    pub fn parent_id(&self) -> Option<u64> {
        (self.parent != FrameKey::NONE).then(|| self.parent.number())
    }
}

impl fmt::Display for LiveCoroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.coroutine.name)?;
        match self.at {
            Some(at) => write!(f, " at {at}: {}", at.expression),
            None => write!(f, " ({}:{})", self.coroutine.file, self.coroutine.line),
        }
    }
}

/// Returns all coroutines of this thread that are alive, in no particular order.
///
/// Reads the registry only: no coroutine is polled, and none notices.
///
/// # Examples
///
/// ```
/// use squall::{IoLoop, yield_};
///
/// #[squall::coroutine]
/// fn patient() {
///     yield_!(squall::sleep(std::time::Duration::from_secs(3600)));
/// }
///
/// let _waiting = patient();
/// let live = squall::live();
/// assert_eq!(live[0].coroutine().name, "patient");
/// assert!(live[0].at().unwrap().expression.contains("sleep"));
/// # IoLoop::clear_current();
/// ```
pub fn live() -> Vec<LiveCoroutine> {
    let all = FRAMES.try_with(|frames| {
        let frames = frames.borrow();
        frames
            .slots
            .iter()
            .map(|(index, frame)| LiveCoroutine {
                key: FrameKey {
                    index: index as u32,
                    serial: frame.serial,
                },
                parent: frame.parent,
                coroutine: frame.coroutine,
                at: frame.at,
                since: frame.since,
                waits: frame.waits,
                resumes: frame.resumes,
                ran: frames.ran.get(&(index as u32)).copied(),
            })
            .collect()
    });
    // None are left when the thread is going away.
    all.unwrap_or_default()
}
