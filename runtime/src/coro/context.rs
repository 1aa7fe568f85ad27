//! What the thread is doing: the running coroutine, its last yield, its budget.
//!
//! The context is plain cells in thread-local storage without a destructor, so that a yield costs
//! a store and not a look-up. Whoever runs a coroutine *enters* its frame and *leaves* it again;
//! leaving restores what was there, so that coroutines started inside coroutines nest.

use std::cell::Cell;
use std::time::Instant;

use super::beacon::Beacon;
use super::frame_key::{FrameKey, FrameMark};
use super::site::YieldSite;
use super::tick::Tick;
use super::traceback::Traceback;
use super::waits::WaitsFor;

/// Yields that a coroutine may pass without waiting before it is made to wait for a turn.
const BUDGET: u32 = 128;

pub(crate) struct Context {
    /// The frame of the coroutine that runs now.
    pub(crate) frame: Cell<FrameKey>,
    /// The serial number of the frame that was made last.
    pub(crate) serial: Cell<u32>,
    /// The yield that the running coroutine came to last.
    pub(crate) site: Cell<Option<&'static YieldSite>>,
    /// What the future that the yield waits for says that it waits for.
    pub(crate) waits: Cell<WaitsFor>,
    /// Where the running coroutine is shown, while a watchdog looks.
    pub(crate) beacon: Cell<Option<&'static Beacon>>,
    /// How many yields may still be passed without a turn.
    budget: Cell<u32>,
    /// Where the stack was when the outermost of the coroutines that are being started was.
    pub(crate) stack: Cell<Option<usize>>,
    /// True while `FAILURE` holds a traceback. Saves looking there.
    failing: Cell<bool>,
    /// True while the running coroutine is to be told that it is cancelled.
    pub(crate) cancelling: Cell<bool>,
    /// True if it could not be told, as it waits behind a shield.
    pub(crate) shielded: Cell<bool>,
    /// True while `grace` has an entry. Saves looking there.
    pub(crate) has_graces: Cell<bool>,
    /// True while `local::CURRENT` holds values. Saves looking there.
    pub(crate) has_locals: Cell<bool>,
    /// Set while what is dropped is to be cancelled rather than detached: coroutines that were there
    /// at this mark, but none that the destructors start.
    pub(crate) drop_cancels: Cell<Option<FrameMark>>,
    /// When the loop's current turn took the time; frames are dated by it.
    pub(crate) now: Cell<Option<TurnTime>>,
}

thread_local! {
    static CONTEXT: Context = const {
        Context {
            frame: Cell::new(FrameKey::NONE),
            serial: Cell::new(0),
            site: Cell::new(None),
            beacon: Cell::new(None),
            waits: Cell::new(WaitsFor::Unknown),
            budget: Cell::new(BUDGET),
            stack: Cell::new(None),
            failing: Cell::new(false),
            cancelling: Cell::new(false),
            shielded: Cell::new(false),
            has_graces: Cell::new(false),
            has_locals: Cell::new(false),
            drop_cancels: Cell::new(None),
            now: Cell::new(None),
        }
    };
    /// The traceback of the error or panic that is on its way up through this thread's coroutines.
    static FAILURE: Cell<Option<Box<Traceback>>> = const { Cell::new(None) };
}

/// Notes, for the coroutine that is about to be suspended, what it waits for.
#[inline]
pub(crate) fn waits_for(what: WaitsFor) {
    CONTEXT.with(|context| context.waits.set(what));
}

/// Notes that a time is waited for, unless something else is: then it is that one's time-out.
#[inline]
pub(crate) fn waits_for_time(deadline: Tick) {
    CONTEXT.with(|context| {
        if context.waits.get() == WaitsFor::Unknown {
            context.waits.set(WaitsFor::Time(deadline));
        }
    });
}

/// Gives access to the thread's context.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Context) -> R) -> R {
    CONTEXT.with(f)
}

impl Context {
    /// Makes `frame` the running one; the answer restores what was before.
    #[inline]
    pub(crate) fn enter(&self, frame: FrameKey) -> Entered {
        Entered {
            frame: self.frame.replace(frame),
            site: self.site.replace(None),
        }
    }

    /// Undoes `enter` and returns the yield that the left coroutine stands at.
    #[inline]
    pub(crate) fn leave(&self, entered: Entered) -> Option<&'static YieldSite> {
        self.frame.set(entered.frame);
        self.site.replace(entered.site)
    }

    /// Fills the budget, as each resume by the loop does.
    #[inline]
    pub(crate) fn refill(&self) {
        self.budget.set(BUDGET);
    }

    /// Leaves `budget` for the coroutine that is about to be resumed.
    pub(crate) fn cut_budget(&self, budget: u32) {
        self.budget.set(budget.min(BUDGET));
    }

    /// True while yields may be passed without a turn.
    #[inline]
    pub(crate) fn has_budget(&self) -> bool {
        self.budget.get() > 0
    }

    /// Takes one from the budget, for a yield that was passed.
    #[inline]
    pub(crate) fn spend(&self) {
        self.budget.set(self.budget.get().saturating_sub(1));
    }

    /// True, once, if the coroutine that waits is to be told that it is cancelled.
    #[inline]
    pub(crate) fn take_cancelling(&self) -> bool {
        self.cancelling.get() && self.cancelling.replace(false)
    }

    /// True while an error with a traceback passes through the running coroutine.
    #[inline]
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.get()
    }

    /// Takes the traceback that is on its way, if there is one.
    #[inline]
    pub(crate) fn take_failure(&self) -> Option<Box<Traceback>> {
        if !self.failing.replace(false) {
            return None;
        }
        FAILURE.try_with(Cell::take).ok().flatten()
    }

    /// Puts a traceback on its way, in place of any other.
    #[inline]
    pub(crate) fn set_failure(&self, traceback: Option<Box<Traceback>>) {
        if traceback.is_none() && !self.failing.get() {
            return;
        }
        self.failing.set(traceback.is_some());
        // A thread that is going away has nobody left to read the traceback.
        let _ = FAILURE.try_with(|slot| slot.set(traceback));
    }
}

/// The time of a turn, in both forms that it is asked for in.
#[derive(Clone, Copy)]
pub(crate) struct TurnTime {
    pub(crate) instant: Instant,
    pub(crate) tick: Tick,
}

impl From<Instant> for TurnTime {
    fn from(instant: Instant) -> TurnTime {
        TurnTime {
            instant,
            tick: instant.into(),
        }
    }
}

/// What a loop that runs inside another one's coroutine must not see, and must not change.
pub(crate) struct Outer {
    now: Option<TurnTime>,
    cancelling: bool,
    shielded: bool,
    drop_cancels: Option<FrameMark>,
    stack: Option<usize>,
    budget: u32,
}

impl Context {
    /// Begins as if nothing ran on the thread; the answer is for `restore`.
    pub(crate) fn set_aside(&self) -> Outer {
        Outer {
            now: self.now.take(),
            cancelling: self.cancelling.take(),
            shielded: self.shielded.take(),
            drop_cancels: self.drop_cancels.take(),
            stack: self.stack.take(),
            budget: self.budget.replace(BUDGET),
        }
    }

    /// Undoes `set_aside`.
    pub(crate) fn restore(&self, outer: &Outer) {
        self.now.set(outer.now);
        self.cancelling.set(outer.cancelling);
        self.shielded.set(outer.shielded);
        self.drop_cancels.set(outer.drop_cancels);
        self.stack.set(outer.stack);
        self.budget.set(outer.budget);
    }
}

/// What was running before a frame was entered.
#[must_use = "leave the frame that was entered"]
pub(crate) struct Entered {
    frame: FrameKey,
    site: Option<&'static YieldSite>,
}
