//! A future that is done when its time has come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::timers::{Action, Timeout};
use super::{IoLoop, WeakLoop};
use crate::coro::context;
use crate::coro::tick::Tick;

/// Returns a future that is done after `duration`: Tornado's `gen.sleep`.
///
/// A sleep of no time lets others run for a turn. The time counts from this call, not from the yield,
/// so a sleep can be started, and yielded after other work has been done. A time that no clock can
/// hold, such as `Duration::MAX`, counts as 30 years.
///
/// # Examples
///
/// ```
/// use squall::yield_;
/// use std::time::Duration;
///
/// #[squall::coroutine]
/// fn every_minute() {
///     loop {
///         let next = squall::sleep(Duration::from_secs(60)); // start the clock
///         println!("working");                               // work while it is ticking
///         yield_!(next);                                     // wait for the rest
///     }
/// }
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    super::with_current(|io_loop| {
        let mut sleep = Sleep::new(io_loop, io_loop.deadline_after(duration).into());
        sleep.passes_a_turn = duration.is_zero();
        sleep
    })
}

/// Returns a sleep that is never done before others have run, whenever its deadline is.
pub(crate) fn turn_until(deadline: Instant) -> Sleep {
    let mut sleep = sleep_until(deadline);
    sleep.passes_a_turn = true;
    sleep
}

/// Returns a future that is done at `deadline`, a point of [`IoLoop::time`]; at once if that has
/// passed.
pub fn sleep_until(deadline: Instant) -> Sleep {
    super::with_current(|io_loop| Sleep::new(io_loop, deadline.into()))
}

/// See [`sleep`].
///
/// # Cancellation
///
/// Dropping it removes its timer.
///
/// # Panics
///
/// If the loop that was current when it was made is closed, and a coroutine of another one waits.
#[must_use = "a sleep does nothing unless it is yielded"]
#[derive(Debug)]
pub struct Sleep {
    io_loop: WeakLoop,
    deadline: Tick,
    timer: Option<Timer>,
    /// True for a sleep that has not been polled, and is there to let others run if it has no time.
    passes_a_turn: bool,
}

/// The timer that is set: never for later than the deadline.
#[derive(Clone, Copy, Debug)]
struct Timer {
    timeout: Timeout,
    set_for: Tick,
}

impl Sleep {
    fn new(io_loop: &IoLoop, deadline: Tick) -> Sleep {
        Sleep {
            io_loop: io_loop.downgrade(),
            deadline,
            timer: None,
            passes_a_turn: false,
        }
    }

    /// Returns when it is done.
    pub fn deadline(&self) -> Instant {
        self.deadline.into()
    }

    /// Moves the deadline.
    ///
    /// To move it on costs a store: the timer that is set stays, and sets itself anew when it runs
    /// too early. So a time-out that every request puts off is cheap.
    pub fn reset(&mut self, deadline: Instant) {
        self.reset_to(deadline.into());
    }

    /// Moves the deadline to `duration` after the time that the current turn began with; see
    /// [`reset`](Self::reset). The clock is not asked.
    ///
    /// # Panics
    ///
    /// If the loop that was current when it was made is closed.
    #[inline]
    pub fn reset_after(&mut self, duration: Duration) {
        let Some(io_loop) = self.io_loop.upgrade() else {
            panic!("a sleep was moved whose loop is closed: it would never end");
        };
        self.reset_to(io_loop.turn_tick().saturating_add(duration));
    }

    #[inline]
    fn reset_to(&mut self, deadline: Tick) {
        self.deadline = deadline;
        if let Some(timer) = self.timer
            && timer.set_for > deadline
        {
            self.cancel(timer);
        }
    }

    fn cancel(&mut self, timer: Timer) {
        self.timer = None;
        if let Some(io_loop) = self.io_loop.upgrade() {
            io_loop.remove_timeout(timer.timeout);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(io_loop) = self
            .io_loop
            .upgrade()
            .filter(|io_loop| !io_loop.is_closed())
        else {
            panic!("a sleep was waited for whose loop is closed: it would never end");
        };
        match self.timer {
            Some(timer) if io_loop.rewake_timer(timer.timeout, cx.waker()) => {
                context::waits_for_time(self.deadline);
                return Poll::Pending;
            }
            Some(timer) if timer.set_for >= self.deadline => {
                self.timer = None;
                return Poll::Ready(());
            }
            _ if self.deadline <= io_loop.turn_tick() && !self.passes_a_turn => {
                return Poll::Ready(());
            }
            _ => {}
        }
        self.passes_a_turn = false;
        context::waits_for_time(self.deadline);
        let action = Action::Wake(cx.waker().clone());
        self.timer = Some(Timer {
            timeout: io_loop.insert_timer(self.deadline, action),
            set_for: self.deadline,
        });
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.cancel(timer);
        }
    }
}
