//! How long turns and coroutines run, measured while it is switched on.

use std::cell::{Cell, RefCell};

use super::IoLoop;
use super::clock::real_now;
use super::ready::SlotKey;
use crate::coro::task::Resume;
use crate::coro::{context, frames};
use crate::inspect::{Histograms, Profile};

#[derive(Default)]
pub(super) struct Profiler {
    on: Cell<bool>,
    histograms: RefCell<Histograms>,
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
        self.core.profiler.on.set(on);
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
        runnable.resume(&self.waker(slot))
    }

    #[cold]
    #[inline(never)]
    fn resume_observed(&self, slot: SlotKey, runnable: &dyn Resume) -> bool {
        let identity = runnable.identity();
        if let Some((_, frame)) = identity {
            context::with(|context| context.show(frame));
        }
        let simulated = self.core.simulation.get().zip(identity);
        if let Some((simulation, (coroutine, frame))) = simulated {
            simulation.record_run(self.turn_time(), coroutine, frame);
        }
        let start = self.core.profiler.on.get().then(real_now);
        let finished = runnable.resume(&self.waker(slot));
        if let (Some(start), Some((coroutine, frame))) = (start, identity) {
            let time = real_now().saturating_duration_since(start);
            frames::ran(frame, time);
            let mut histograms = self.core.profiler.histograms.borrow_mut();
            histograms.record_run(coroutine, time);
        }
        if let Some((simulation, (coroutine, frame))) = simulated {
            simulation.record_stop(self.turn_time(), coroutine, frame, finished);
        }
        // Whoever started it goes on.
        context::with(|context| context.show(context.frame.get()));
        finished
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
