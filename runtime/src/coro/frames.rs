//! Frames: what is known of each live coroutine of the thread.
//!
//! A frame knows its coroutine's name, its parent, and the yield it stands at and since when.
//! Tracebacks, the living tree and the watchdog are readers of it. A started coroutine has its frame in
//! its own block, where the loop that it is on finds it; the loops of a thread are its *rolls*. The
//! frames of scoped coroutines are in one slab beside them. A key carries a serial number, so that a
//! child whose parent is gone does not find a stranger in the parent's place.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use slab::Slab;

use super::context;
use super::frame_key::{FrameKey, FrameMark, SCOPED_BIT};
use super::site::{CoroutineSite, YieldSite};
use super::tick::Tick;
use super::traceback::TraceFrame;
use super::waits::WaitsFor;

/// Marks the present point.
pub(crate) fn mark() -> FrameMark {
    FrameMark(context::with(|context| context.serial.get()))
}

/// A new key for a frame that is found at `index`.
#[inline]
fn new_key(index: u32) -> FrameKey {
    let serial = context::with(|context| {
        let serial = context.serial.get().wrapping_add(1);
        context.serial.set(serial);
        serial
    });
    FrameKey { index, serial }
}

/// What is known of one live coroutine.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) coroutine: &'static CoroutineSite,
    pub(crate) key: FrameKey,
    parent: FrameKey,
    resumes: Cell<u32>,
    at: Cell<Option<&'static YieldSite>>,
    since: Cell<Option<Tick>>,
    waits: Cell<WaitsFor>,
    pub(super) wanted: Wanted,
}

/// What is wanted of a started coroutine. Here, since a frame has room for it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// True once the `Deferred` is gone: nobody will take the outcome.
    pub(super) detached: Cell<bool>,
    /// True if an error that nobody takes is not to be logged.
    pub(super) silenced: Cell<bool>,
    pub(super) cancel: Cell<Cancel>,
    /// True if it was to be resumed while it ran, by a loop that it runs itself.
    pub(super) resume: Cell<bool>,
}

/// Whether a coroutine is being cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cancel {
    #[default]
    No,
    /// It is to be told at the yield where it stands.
    Asked,
    /// It has not ended in its time, and is to be dropped.
    Late,
    /// It ended by the unwind that told it, or was dropped.
    Done,
}

impl Frame {
    /// The frame of a coroutine that is started now.
    #[inline]
    pub(crate) fn new(coroutine: &'static CoroutineSite, index: u32) -> Frame {
        Frame {
            coroutine,
            key: new_key(index),
            parent: context::with(|context| context.frame.get()),
            resumes: Cell::new(0),
            at: Cell::new(None),
            since: Cell::new(None),
            waits: Cell::new(WaitsFor::Unknown),
            wanted: Wanted::default(),
        }
    }

    /// Returns the yield that it was last suspended at.
    pub(crate) fn at(&self) -> Option<&'static YieldSite> {
        self.at.get()
    }

    /// Returns the coroutine with the yield that it was last suspended at, and its parent.
    pub(super) fn place(&self) -> (TraceFrame, FrameKey) {
        let (coroutine, at) = (self.coroutine, self.at.get());
        (TraceFrame { coroutine, at }, self.parent)
    }

    /// Notes that the coroutine waits at `at`.
    #[inline]
    pub(crate) fn suspend(&self, context: &context::Context, at: Option<&'static YieldSite>) {
        self.at.set(at);
        self.since.set(context.now.get().map(|now| now.tick));
        self.waits.set(context.waits.get());
        self.resumes.set(self.resumes.get().wrapping_add(1));
    }
}

/// Something that knows frames of started coroutines: a loop of this thread.
pub(crate) trait Roll {
    /// Calls `f` with each frame, and with the run times of those that were measured.
    fn each_frame(&self, f: &mut dyn FnMut(&Frame, Option<RunTimes>));

    /// Calls `f` with the frame in the slot, if there is one.
    fn frame_in(&self, slot: u32, f: &mut dyn FnMut(&Frame));

    /// Queues the coroutine in the slot to be resumed.
    fn wake(&self, slot: u32);
}

/// How long a coroutine ran.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunTimes {
    total: Duration,
    worst: Duration,
}

impl RunTimes {
    pub(crate) fn add(&mut self, time: Duration) {
        self.total += time;
        self.worst = self.worst.max(time);
    }
}

thread_local! {
    static ROLLS: RefCell<Vec<Weak<dyn Roll>>> = const { RefCell::new(Vec::new()) };
    static SCOPED: RefCell<Slab<Frame>> = const { RefCell::new(Slab::new()) };
}

/// Has `live` look at a loop, for as long as it is there.
pub(crate) fn enroll(roll: Weak<dyn Roll>) {
    ROLLS.with_borrow_mut(|rolls| {
        rolls.retain(|roll| roll.strong_count() > 0);
        rolls.push(roll);
    });
}

/// Adds the frame of a scoped coroutine under the one that runs.
pub(crate) fn insert(coroutine: &'static CoroutineSite) -> FrameKey {
    SCOPED.with_borrow_mut(|frames| {
        let entry = frames.vacant_entry();
        let index = u32::try_from(entry.key()).expect("fewer than 2^31 coroutines are alive");
        entry.insert(Frame::new(coroutine, index | SCOPED_BIT)).key
    })
}

/// Calls `f` with the frame of a scoped coroutine, if it is there; none is while the thread ends.
fn with_scoped<R>(key: FrameKey, f: impl FnOnce(&Frame) -> R) -> Option<R> {
    let with = |frames: &RefCell<Slab<Frame>>| {
        let frames = frames.borrow();
        let frame = frames.get((key.index & !SCOPED_BIT) as usize);
        frame.filter(|frame| frame.key == key).map(f)
    };
    SCOPED.try_with(with).ok().flatten()
}

/// Notes that a scoped coroutine waits at `at`.
pub(crate) fn suspend(key: FrameKey, at: Option<&'static YieldSite>) {
    context::with(|context| with_scoped(key, |frame| frame.suspend(context, at)));
}

/// Returns a frame's coroutine with the yield that it was last suspended at, and its parent.
pub(crate) fn place(key: FrameKey) -> Option<(TraceFrame, FrameKey)> {
    if key == FrameKey::NONE {
        return None;
    }
    if key.index & SCOPED_BIT != 0 {
        return with_scoped(key, Frame::place);
    }
    let mut found = None;
    for roll in rolls() {
        roll.frame_in(key.index, &mut |frame| {
            if frame.key == key {
                found = Some(frame.place());
            }
        });
    }
    found
}

/// Removes the frame of a scoped coroutine. Harmless for one that is gone.
pub(crate) fn remove(key: FrameKey) {
    if with_scoped(key, |_| ()).is_some() {
        SCOPED.with_borrow_mut(|frames| frames.remove((key.index & !SCOPED_BIT) as usize));
    }
}

/// Has a started coroutine resumed, if it lives: by the loop that it is on.
pub(crate) fn wake(key: FrameKey) {
    for roll in rolls() {
        let mut is_there = false;
        roll.frame_in(key.index, &mut |frame| is_there |= frame.key == key);
        if is_there {
            roll.wake(key.index);
        }
    }
}

/// The loops of this thread; none are left when it is going away.
fn rolls() -> impl Iterator<Item = Rc<dyn Roll>> {
    let rolls = ROLLS.try_with(|rolls| rolls.borrow().clone());
    rolls
        .unwrap_or_default()
        .into_iter()
        .filter_map(|roll| roll.upgrade())
}

/// Calls `f` with every frame of the thread.
fn each(f: &mut dyn FnMut(&Frame, Option<RunTimes>)) {
    for roll in rolls() {
        roll.each_frame(f);
    }
    let _ = SCOPED.try_with(|frames| {
        for (_, frame) in frames.borrow().iter() {
            f(frame, None);
        }
    });
}

/// One live coroutine, as [`live`] reports it.
#[derive(Clone, Debug)]
pub struct LiveCoroutine {
    key: FrameKey,
    parent: FrameKey,
    coroutine: &'static CoroutineSite,
    at: Option<&'static YieldSite>,
    since: Option<Tick>,
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
        self.since.map(Instant::from)
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

    /// True if it was started before the mark.
    pub(crate) fn is_before(&self, mark: FrameMark) -> bool {
        self.key.is_before(mark)
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
/// Reads what is noted of them only: no coroutine is polled, and none notices.
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
    let mut all = Vec::new();
    each(&mut |frame, ran| {
        all.push(LiveCoroutine {
            key: frame.key,
            parent: frame.parent,
            coroutine: frame.coroutine,
            at: frame.at.get(),
            since: frame.since.get(),
            waits: frame.waits.get(),
            resumes: frame.resumes.get(),
            ran,
        });
    });
    all
}
