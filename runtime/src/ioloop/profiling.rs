//! How long turns and coroutines run, measured while it is switched on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::IoLoop;
use super::clock::real_now;
use super::ready::SlotKey;
use super::turn;
use crate::coro::frame_key::FrameKey;
use crate::coro::frames::{Frame, RunTimes};
use crate::coro::shown;
use crate::coro::task::Resume;
use crate::inspect::{Histograms, Profile};

#[derive(Default)]
pub(super) struct Profiler {
    on: Cell<bool>,
    histograms: RefCell<Histograms>,
    /// The run times of coroutines that are alive; beside their frames, so that these stay small.
    ran: RefCell<BTreeMap<FrameKey, RunTimes>>,
}

impl Profiler {
    fn record_run(&self, frame: &Frame, time: Duration, finished: bool) {
        let mut histograms = self.histograms.borrow_mut();
        histograms.record_run(frame.coroutine, time);
        let mut ran = self.ran.borrow_mut();
        if finished {
            ran.remove(&frame.key);
        } else {
            ran.entry(frame.key).or_default().add(time);
        }
    }

    /// The run times of a coroutine, if they were measured.
    pub(super) fn ran(&self, frame: FrameKey) -> Option<RunTimes> {
        self.ran.borrow().get(&frame).copied()
    }
}

impl IoLoop {
    /// Measures from now on how long turns and coroutines run, or stops doing so; off at first.
    ///
    /// It costs two readings of the clock a resume. Times are real ones also on a virtual clock, and
    /// a coroutine's run contains the first runs of those that it starts meanwhile. While it is on,
    /// [`dump`](crate::dump) shows the run times of each coroutine. What was measured is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::{IoLoop, yield_};
    ///
    /// #[squall::coroutine]
    /// fn counts() {
    ///     yield_!(squall::moment());
    /// }
    ///
    /// let io_loop = IoLoop::current();
    /// io_loop.set_profiling(true);
    /// io_loop.run_sync(counts);
    /// let profile = io_loop.profile();
    /// let runs = profile.runs().values().next().expect("it ran");
    /// assert_eq!(runs.count, 2);
    /// println!("{profile}"); // turns: count 2, p50 1.2µs, p99 …
    /// ```
    pub fn set_profiling(&self, on: bool) {
        let profiler = &self.core.profiler;
        profiler.on.set(on);
        if !on {
            // Whoever ends from now on would leave its own there.
            profiler.ran.take();
        }
        self.observe();
    }

    /// Returns what was measured since the loop was made; see [`set_profiling`](Self::set_profiling).
    pub fn profile(&self) -> Profile {
        self.core.profiler.histograms.borrow().profile()
    }

    /// Runs what is runnable, and looks on if that was asked for. True at its end.
    #[inline]
    pub(crate) fn resume(&self, slot: SlotKey, runnable: &dyn Resume) -> bool {
        if self.core.is_observed.get() {
            return self.resume_observed(slot, runnable);
        }
        let finished = self.resume_surviving(slot, runnable);
        finished || self.abandons(runnable)
    }

    /// Resumes; what unwinds out of that, such as a foreign waker that panics when the end is told,
    /// is logged, and an end.
    #[inline]
    fn resume_surviving(&self, slot: SlotKey, runnable: &dyn Resume) -> bool {
        let resume = || runnable.resume(&self.waker(slot));
        catch_unwind(AssertUnwindSafe(resume)).unwrap_or_else(|panic| {
            turn::log_stray(&panic);
            runnable.abandon();
            true
        })
    }

    /// Abandons what runs on a loop that was closed meanwhile; nobody would resume it. True if so.
    #[inline]
    fn abandons(&self, runnable: &dyn Resume) -> bool {
        let closed = self.core.closed.get();
        if closed {
            runnable.abandon();
        }
        closed
    }

    #[cold]
    #[inline(never)]
    fn resume_observed(&self, slot: SlotKey, runnable: &dyn Resume) -> bool {
        let frame = runnable.frame();
        if let Some(frame) = frame {
            shown::show(frame.key);
        }
        let simulated = self.core.simulation.get().zip(frame);
        if let Some((simulation, frame)) = simulated {
            simulation.record_run(self.turn_time(), frame);
        }
        let start = self.core.profiler.on.get().then(real_now);
        let finished = self.resume_surviving(slot, runnable);
        if let (Some(start), Some(frame)) = (start, frame) {
            let time = real_now().saturating_duration_since(start);
            self.core.profiler.record_run(frame, time, finished);
        }
        if let Some((simulation, frame)) = simulated {
            simulation.record_stop(self.turn_time(), frame, finished);
        }
        // Whoever started it goes on.
        shown::show_running();
        finished || self.abandons(runnable)
    }

    /// Has resumes look whether they are measured, watched or written down.
    pub(super) fn observe(&self) {
        let core = &self.core;
        let is_written_down = core.simulation.get().is_some_and(|s| s.has_log());
        (core.is_observed).set(core.profiler.on.get() || core.watch.is_on() || is_written_down);
    }

    /// Notes how long the turn took up to its poll, if that is measured.
    pub(super) fn measure_turn(&self) {
        let Some(start) = self.core.turn_start.take() else {
            return;
        };
        let time = real_now().saturating_duration_since(start);
        (self.core.profiler.histograms.borrow_mut()).record_turn(time);
    }

    /// Notes when a turn begins, if that is measured.
    pub(super) fn begin_turn(&self) {
        if self.core.profiler.on.get() {
            self.core.turn_start.set(Some(real_now()));
        }
    }
}
