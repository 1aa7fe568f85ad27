//! Calls that come back at a steady period.
//!
//! The next call is planned when the last is over: it comes at the next point of the grid of periods
//! that the start began. A call that takes longer than a period makes those that it missed be left
//! out, and the phase is kept.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::callback::CallbackResult;
use super::timers::Timeout;
use super::{IoLoop, WeakLoop};
use crate::error::{Error, Result};

/// Calls a callback again and again: Tornado's `PeriodicCallback`.
///
/// The callback may start a coroutine and return its [`Deferred`](crate::Deferred): the next call
/// waits until it is done, so calls never overlap. A panic is logged (or goes to the
/// [hook](IoLoop::set_callback_error_hook)), as is the failure of a coroutine, and the next call
/// comes all the same.
///
/// While it runs the loop owns it: dropping this does not stop it.
///
/// # Examples
///
/// ```
/// use squall::{PeriodicCallback, yield_};
/// use std::time::Duration;
///
/// #[squall::coroutine]
/// fn refresh() {
///     println!("refreshing");
///     yield_!(squall::sleep(Duration::from_millis(1)));
/// }
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let refreshing = PeriodicCallback::new(Duration::from_millis(5), refresh)?.jitter(0.1);
///     refreshing.start();
///     yield_!(squall::sleep(Duration::from_millis(20)));
///     refreshing.stop();
///     Ok(())
/// }
/// ```
pub struct PeriodicCallback {
    state: Rc<State>,
}

type Call = Box<dyn FnMut() -> Option<Pin<Box<dyn Future<Output = ()>>>>>;

struct State {
    period: Duration,
    jitter: Cell<f64>,
    random: RefCell<Box<dyn FnMut() -> f64>>,
    /// None while it is called.
    call: Cell<Option<Call>>,
    /// True until the coroutine of the last call is done.
    busy: Cell<bool>,
    run: RefCell<Option<Run>>,
}

/// What there is between a start and a stop.
struct Run {
    io_loop: WeakLoop,
    next: Instant,
    timeout: Option<Timeout>,
}

impl PeriodicCallback {
    /// Makes a periodic callback; [`start`](Self::start) starts it.
    ///
    /// # Errors
    ///
    /// If the period is zero; use [`IoLoop::add_callback`] or a coroutine for what runs all the time.
    pub fn new<R: CallbackResult>(
        period: Duration,
        mut callback: impl FnMut() -> R + 'static,
    ) -> Result<PeriodicCallback> {
        if period.is_zero() {
            return Err(Error::no_period());
        }
        let call: Call = Box::new(move || callback().finished());
        let state = Rc::new(State {
            period,
            jitter: Cell::new(0.0),
            random: RefCell::new(Box::new(random)),
            call: Cell::new(Some(call)),
            busy: Cell::new(false),
            run: RefCell::default(),
        });
        Ok(PeriodicCallback { state })
    }

    /// Makes each period longer or shorter at random: 0.1 by 5 % at most either way.
    ///
    /// So that a fleet which was started at once does not call its database at once. Values outside
    /// of 0 to 1 count as the nearer of the two.
    pub fn jitter(self, jitter: f64) -> PeriodicCallback {
        // `max` also makes a zero of what is no number.
        self.state.jitter.set(f64::min(jitter.max(0.0), 1.0));
        self
    }

    /// Takes the random numbers for the jitter from `random`: from 0 to 1. For tests.
    pub fn random(self, random: impl FnMut() -> f64 + 'static) -> PeriodicCallback {
        *self.state.random.borrow_mut() = Box::new(random);
        self
    }

    /// Starts it on the current loop: the first call comes after one period. No effect if it runs, or
    /// if the loop is closed.
    pub fn start(&self) {
        if self.is_running() {
            return;
        }
        let io_loop = IoLoop::current();
        *self.state.run.borrow_mut() = Some(Run {
            io_loop: io_loop.downgrade(),
            next: io_loop.time(),
            timeout: None,
        });
        self.state.plan();
    }

    /// Stops it: it is not called any more. A coroutine that it started goes on to its end.
    pub fn stop(&self) {
        let run = self.state.run.borrow_mut().take();
        if let Some(Run {
            io_loop,
            timeout: Some(timeout),
            ..
        }) = run
            && let Some(io_loop) = io_loop.upgrade()
        {
            io_loop.remove_timeout(timeout);
        }
    }

    /// True between start and stop.
    pub fn is_running(&self) -> bool {
        self.state.run.borrow().is_some()
    }
}

impl fmt::Debug for PeriodicCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeriodicCallback")
            .field("period", &self.state.period)
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}

impl State {
    /// Sets the timer for the next call.
    fn plan(self: &Rc<Self>) {
        let period = self.next_period();
        let mut plan = self.run.borrow_mut();
        let Some(run) = &mut *plan else { return };
        let Some(io_loop) = run.io_loop.upgrade() else {
            return;
        };
        run.next = next_call(run.next, io_loop.time(), period);
        let state = self.clone();
        let timeout = io_loop.call_at(run.next, move || state.call());
        run.timeout = Some(timeout);
        if timeout == Timeout::NONE {
            *plan = None; // The loop is closed, and calls nobody.
        }
    }

    fn call(self: &Rc<Self>) {
        let io_loop = match &mut *self.run.borrow_mut() {
            Some(run) => {
                run.timeout = None;
                run.io_loop.upgrade()
            }
            None => None,
        };
        let Some(io_loop) = io_loop else { return };
        // Busy: it was stopped and started again while its coroutine went on.
        if self.busy.get() {
            self.plan();
            return;
        }
        let Some(mut call) = self.call.take() else {
            return;
        };
        let mut finished = None;
        io_loop.run_callback(|| finished = call());
        self.call.set(Some(call));
        let Some(finished) = finished else {
            self.plan_again();
            return;
        };
        self.busy.set(true);
        let busy = Busy(self.clone());
        io_loop.add_future(finished, move |()| {
            let state = busy.0.clone();
            drop(busy);
            state.plan_again();
        });
    }

    /// Plans the next call, unless it was stopped, or stopped and started again, meanwhile.
    fn plan_again(self: &Rc<Self>) {
        let is_planned = |run: &Run| run.timeout.is_some();
        if !self.run.borrow().as_ref().is_none_or(is_planned) {
            self.plan();
        }
    }

    fn next_period(&self) -> Duration {
        let jitter = self.jitter.get();
        if jitter == 0.0 {
            return self.period;
        }
        let random = (self.random.borrow_mut())().clamp(0.0, 1.0);
        let factor = 1.0 + jitter * (random - 0.5);
        let period = Duration::try_from_secs_f64(self.period.as_secs_f64() * factor);
        // Nothing is shorter than a nanosecond, and what is too long is as good as not jittered.
        period.unwrap_or(self.period).max(Duration::from_nanos(1))
    }
}

/// Keeps a periodic callback busy until it is dropped.
struct Busy(Rc<State>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(false);
    }
}

/// The first point after `now` that lies whole periods after `last`.
fn next_call(last: Instant, now: Instant, period: Duration) -> Instant {
    let Some(late) = now.checked_duration_since(last) else {
        // A clock that went back, if there is such a thing: a whole period passes all the same.
        return last.checked_add(period).unwrap_or(last);
    };
    let into = late.as_nanos() % period.as_nanos();
    let second = 1_000_000_000;
    // Less than the period, so both parts fit.
    let into = Duration::new((into / second) as u64, (into % second) as u32);
    let wait = period - into;
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now.checked_add(wait).unwrap_or_else(|| now + century)
}

/// A random number from 0 to 1.
///
/// Jitter needs no good ones, only such that differ between processes and calls: each `RandomState`
/// has its own keys, which the standard library takes from the system's random numbers.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i59_a_clock_that_goes_back_delays_the_next_call_by_one_period_at_most() {
        let start = Instant::now() + Duration::from_secs(1000);
        let period = Duration::from_secs(10);
        let next = next_call(start, start - Duration::from_secs(5), period);
        assert_eq!(next, start + period);
        let next = next_call(next, start - Duration::from_secs(100), period);
        assert_eq!(next, start + 2 * period);
    }

    #[test]
    fn i52_the_next_call_is_on_the_grid_and_later_than_now() {
        let start = Instant::now();
        let period = Duration::from_secs(10);
        for (now, want) in [(0, 10), (9, 10), (10, 20), (11, 20), (35, 40), (40, 50)] {
            let next = next_call(start, start + Duration::from_secs(now), period);
            assert_eq!(next, start + Duration::from_secs(want), "at {now}");
        }
    }

    #[test]
    fn random_numbers_differ_and_are_below_one() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(
            numbers.iter().all(|n| (0.0..1.0).contains(n)),
            "{numbers:?}"
        );
        assert!(
            numbers
                .windows(2)
                .any(|pair| (pair[0] - pair[1]).abs() > 0.1)
        );
    }
}
