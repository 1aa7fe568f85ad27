//! A loop whose choices come from a seed, and which writes down what happens.
//!
//! A seed changes two things, both of which no program may rely on: the order in which the
//! coroutines of one turn's third phase run, and how many yields that are done already a coroutine
//! passes before it waits for a turn. All else is as on any loop: which phase runs when, that each
//! coroutine which is runnable when the phase begins runs once in it, the order of callbacks, and
//! that of timers with equal deadlines.
//!
//! A loop that is not simulated pays one test a turn.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::{Duration, Instant};

use super::IoLoop;
use super::event_log::EventLog;
use crate::coro::context;
use crate::coro::frames::Frame;
use crate::coro::site::{CoroutineSite, YieldSite};
use crate::random::Random;

/// One resume in so many has a small budget.
const SMALL_BUDGETS: u64 = 4;

/// The largest of the small budgets.
const SMALL_BUDGET: u64 = 4;

#[derive(Debug)]
pub(super) struct Simulation {
    random: Random,
    /// False if all goes in the order in which it came.
    is_seeded: bool,
    log: Option<RefCell<EventLog>>,
    start: Instant,
    turn: Cell<u64>,
    /// How long, in real time, another thread is waited for when nothing else can happen.
    patience: Duration,
}

/// How a loop is to be simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Shuffles, if there is one.
    pub(crate) seed: Option<u64>,
    /// About how many bytes of the event log are kept; none if none is written.
    pub(crate) log: Option<usize>,
    /// How long, in real time, another thread is waited for when nothing else can happen.
    pub(crate) patience: Duration,
}

impl IoLoop {
    /// Has this loop's choices come from a seed. Only the first call counts.
    pub(crate) fn simulate(&self, plan: Plan) {
        let simulation = Simulation {
            random: Random::new(plan.seed.unwrap_or_default()),
            is_seeded: plan.seed.is_some(),
            log: plan.log.map(|limit| RefCell::new(EventLog::new(limit))),
            start: self.time(),
            turn: Cell::new(0),
            patience: plan.patience,
        };
        let _ = self.core.simulation.set(Box::new(simulation));
        self.observe();
    }

    /// The numbers of a loop that has a seed.
    pub(crate) fn seeded(&self) -> Option<&Random> {
        let simulation = self.core.simulation.get()?;
        simulation.is_seeded.then_some(&simulation.random)
    }

    /// The numbers of a loop that is simulated, also without a seed: the same in each run.
    pub(super) fn repeatable(&self) -> Option<&Random> {
        self.core
            .simulation
            .get()
            .map(|simulation| &simulation.random)
    }

    /// Writes an event down, if that is done.
    pub(crate) fn record(&self, event: fmt::Arguments<'_>) {
        if let Some(simulation) = self.core.simulation.get() {
            simulation.record(self.time(), event);
        }
    }

    /// The number of a new stream in the event log; none if none is written.
    pub(crate) fn number_stream(&self) -> Option<u32> {
        let log = self.core.simulation.get()?.log.as_ref()?;
        Some(log.borrow_mut().number_stream())
    }

    /// What was written down.
    pub(crate) fn event_log(&self) -> String {
        let log = self.core.simulation.get().and_then(|s| s.log.as_ref());
        log.map(|log| log.borrow().text()).unwrap_or_default()
    }

    /// How long to wait for another thread when nothing else can happen; for ever if it is none.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.core
            .simulation
            .get()
            .map(|simulation| simulation.patience)
    }

    /// The third phase of a simulated loop's turn.
    #[cold]
    #[inline(never)]
    pub(super) fn run_simulated(&self, simulation: &Simulation) {
        if simulation.is_seeded {
            self.core.ready.shuffle(&simulation.random);
        }
        self.resume_queued(|| {
            if let Some(budget) = simulation.small_budget() {
                context::with(|context| context.cut_budget(budget));
            }
        });
        // As for those who measure turns, the poll belongs to the next.
        simulation.turn.set(simulation.turn.get() + 1);
    }
}

impl Simulation {
    pub(super) fn has_log(&self) -> bool {
        self.log.is_some()
    }

    pub(super) fn record(&self, now: Instant, event: fmt::Arguments<'_>) {
        if let Some(log) = &self.log {
            let time = now.saturating_duration_since(self.start);
            log.borrow_mut().add(self.turn.get(), time, event);
        }
    }

    /// Writes down that a coroutine runs.
    pub(super) fn record_run(&self, now: Instant, frame: &Frame) {
        let Some(log) = &self.log else { return };
        let (number, is_new) = log.borrow_mut().number(frame.key.number());
        let CoroutineSite {
            name, file, line, ..
        } = frame.coroutine;
        match is_new {
            true => self.record(now, format_args!("start {name} #{number} ({file}:{line})")),
            false => self.record(now, format_args!("resume {name} #{number}")),
        }
    }

    /// Writes down that it was suspended or has ended.
    pub(super) fn record_stop(&self, now: Instant, frame: &Frame, finished: bool) {
        let Some(log) = &self.log else { return };
        let (name, key) = (frame.coroutine.name, frame.key.number());
        let (number, _) = log.borrow_mut().number(key);
        if finished {
            log.borrow_mut().end(key);
            self.record(now, format_args!("finish {name} #{number}"));
        } else if let Some(at) = frame.at() {
            let YieldSite {
                file,
                line,
                expression,
                ..
            } = at;
            // What is yielded may be written over several lines.
            let expression = expression.lines().next().unwrap_or_default();
            self.record(
                now,
                format_args!("suspend {name} #{number} at {file}:{line}: {expression}"),
            );
        } else {
            self.record(now, format_args!("suspend {name} #{number}"));
        }
    }

    /// A budget for the next resume that lets few yields pass, now and then.
    ///
    /// So that a coroutine which takes it for granted that a yield of what is done does not wait,
    /// though one in 128 does, is found out.
    fn small_budget(&self) -> Option<u32> {
        if !self.is_seeded || self.random.below(SMALL_BUDGETS) > 0 {
            return None;
        }
        // At least one, so that each resume gets on.
        Some(1 + self.random.below(SMALL_BUDGET) as u32)
    }
}
