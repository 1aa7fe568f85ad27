//! One iteration of the loop.
//!
//! A turn runs the callbacks that were queued when it began, then the timers that are due, then the
//! coroutines that are runnable when their phase begins, then asks the system for I/O and hands it
//! out. What any of these adds waits for the next turn, so none can starve the others.
//!
//! A coroutine that yields a moment is runnable again at once. To ask the system after each such
//! step would cost ten times the step; so while coroutines stay runnable, turns leave out the timers
//! and the poll until `RESUMES_A_POLL` coroutines have been resumed since the last.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::IoLoop;
use super::deadlock::PATIENCE;
use super::handle::Message;
use super::sources::Dispatch;
use super::timers::Action;
use crate::coro::context;
use crate::coro::panic::{Panic, panic_message};
use crate::error::{Error, Result};
use crate::inspect;

/// The token of the inbox's waker. No source has it: their generations have 31 bits.
pub(super) const INBOX: mio::Token = mio::Token(usize::MAX);

/// How many events one poll can bring.
pub(super) const EVENTS: usize = 1024;

/// For how many callbacks the queue keeps room when they have run.
const CALLBACKS_KEPT: usize = 1024;

/// How many coroutines may run between two polls while there are always more.
const RESUMES_A_POLL: u32 = 64;

/// How long a virtual clock waits, in real time, for descriptors before it jumps.
const REAL_WAIT: Duration = Duration::from_millis(20);

impl IoLoop {
    /// Runs one turn.
    pub(super) fn turn(&self) -> Result<()> {
        // Timers that are set from now on wait for the next turn.
        let newest = self.core.timers.borrow().newest();
        self.run_mail();
        self.run_callbacks();
        if self.core.resumes.get() == 0 {
            self.run_timers(newest);
        }
        self.run_ready();
        let busy = self.has_runnable() && !self.core.stopping.get();
        if busy && self.core.resumes.get() < RESUMES_A_POLL {
            return Ok(());
        }
        self.core.resumes.set(0);
        self.poll_io()?;
        Ok(())
    }

    /// Runs what can run in a turn without time and without I/O.
    pub(super) fn timeless_turn(&self) {
        self.run_mail();
        self.run_callbacks();
        self.run_ready();
    }

    fn run_mail(&self) {
        if !self.core.inbox.mailbox().has_mail() {
            return;
        }
        let messages = self.core.inbox.mailbox().take();
        if self.core.inbox.take_signals() {
            self.queue_signal_callbacks();
        }
        each_surviving(messages, |message| match message {
            Message::Call(f) => self.core.callbacks.borrow_mut().push_back(f),
            Message::Wake(id) => {
                let key = super::ready::SlotKey(id.slot);
                if let Some(parent) = self.core.ready.wake(key, id.child) {
                    parent.wake();
                }
            }
            Message::Reply(number, parcel) => self.deliver(number, parcel),
        });
    }

    fn run_callbacks(&self) {
        let queued = self.core.callbacks.borrow().len();
        for _ in 0..queued {
            let next = self.core.callbacks.borrow_mut().pop_front();
            let Some(next) = next else { return };
            self.run_callback(next);
        }
        // A crowd has been served: its room is given back.
        let mut callbacks = self.core.callbacks.borrow_mut();
        if queued > CALLBACKS_KEPT && callbacks.len() <= CALLBACKS_KEPT {
            callbacks.shrink_to(CALLBACKS_KEPT);
        }
    }

    fn run_timers(&self, newest: u64) {
        let next = self.core.timers.borrow_mut().next_deadline();
        let Some(next) = next else { return };
        let now = self.turn_tick();
        if next > now {
            return;
        }
        let simulation = self.core.simulation.get();
        let due = || self.core.timers.borrow_mut().pop_due(now, newest);
        each_surviving(std::iter::from_fn(due), |action| {
            if let Some(simulation) = simulation {
                simulation.record(now.into(), format_args!("timer {action}"));
            }
            match action {
                Action::Call(f) => self.run_callback(f),
                Action::Wake(waker) => waker.wake(),
            }
        });
    }

    fn run_ready(&self) {
        if let Some(simulation) = self.core.simulation.get() {
            return self.run_simulated(simulation);
        }
        self.resume_queued(|| {});
    }

    /// Resumes what is on the queue now, each after `prepare`.
    #[inline(always)]
    pub(super) fn resume_queued(&self, prepare: impl Fn()) {
        let runnable = self.core.ready.len();
        for _ in 0..runnable {
            let Some((key, task)) = self.core.ready.pop() else {
                break;
            };
            context::with(|context| context.refill());
            prepare();
            if self.resume(key, &*task) {
                self.core.ready.remove(key);
            }
        }
        let resumes = self.core.resumes.get() + runnable as u32;
        self.core.resumes.set(resumes);
    }

    fn has_runnable(&self) -> bool {
        !self.core.ready.is_empty() || self.core.root_woken.get()
    }

    /// Asks the system what is ready; waits only if nothing else can be done.
    fn poll_io(&self) -> Result<()> {
        self.measure_turn();
        let Some(timeout) = self.poll_timeout() else {
            self.begin_turn();
            return Ok(());
        };
        // Made anew if a panic left the last turn before they were put back.
        let events = self.core.events.take();
        let mut events = events.unwrap_or_else(|| mio::Events::with_capacity(EVENTS));
        self.show_rest();
        let polled = self.core.clock.spending(timeout, || {
            self.core.poll.borrow_mut().poll(&mut events, timeout)
        });
        self.core.inbox.mailbox().awake();
        if events.is_empty() && timeout == Some(PATIENCE) {
            self.core.deadlock.is_impatient.set(true);
        }
        self.show_work();
        self.begin_turn();
        self.set_turn_time();
        each_surviving(&events, |event| self.dispatch(event));
        if self.core.clock.is_virtual() && events.is_empty() {
            self.jump();
        }
        let is_patient = timeout.is_some() && timeout == self.patience();
        let is_stuck = polled.is_ok() && events.is_empty() && is_patient;
        self.core.events.set(Some(events));
        match polled {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) if is_stuck && self.is_stuck() => Err(Error::deadlock(&inspect::dump())),
            Ok(()) => Ok(()),
        }
    }

    /// How long to wait: `Some(None)` is for ever, `None` not even a poll.
    fn poll_timeout(&self) -> Option<Option<Duration>> {
        let core = &self.core;
        let runnable = self.has_runnable() || !core.callbacks.borrow().is_empty();
        if runnable
            || core.stopping.get()
            || core.closed.get()
            || !core.inbox.mailbox().fall_asleep()
        {
            return Some(Some(Duration::ZERO));
        }
        let deadline = core.timers.borrow_mut().next_deadline();
        let Some(deadline) = deadline else {
            let patience = self.look_for_deadlock();
            // Whoever takes the log may have given the loop something to do.
            let idle = !self.has_runnable()
                && core.callbacks.borrow().is_empty()
                && core.timers.borrow_mut().next_deadline().is_none();
            let patience = self.patience().filter(|_| self.is_stuck()).or(patience);
            return Some(if idle { patience } else { Some(Duration::ZERO) });
        };
        let wait = deadline.saturating_duration_since(self.time().into());
        if !core.clock.is_virtual() {
            return Some(Some(wait));
        }
        if core.sources.borrow().descriptors() == 0 && core.replies.borrow().is_empty() {
            self.jump();
            core.inbox.mailbox().awake();
            return None;
        }
        Some(Some(wait.min(REAL_WAIT)))
    }

    /// True if only another thread can wake this loop.
    fn is_stuck(&self) -> bool {
        let core = &self.core;
        !self.has_runnable()
            && core.callbacks.borrow().is_empty()
            && core.timers.borrow_mut().next_deadline().is_none()
            && core.sources.borrow().descriptors() == core.background_sources.get()
            && core.replies.borrow().is_empty()
            && !core.inbox.mailbox().has_mail()
    }

    /// Moves a virtual clock to the next deadline, unless something can run before it.
    fn jump(&self) {
        let core = &self.core;
        let runnable = self.has_runnable() || !core.callbacks.borrow().is_empty();
        if runnable || core.inbox.mailbox().has_mail() || !core.replies.borrow().is_empty() {
            return;
        }
        if let Some(deadline) = core.timers.borrow_mut().next_deadline() {
            core.clock.jump_to(deadline.into());
            self.set_turn_time();
        }
    }

    fn dispatch(&self, event: &mio::event::Event) {
        if event.token() == INBOX {
            return;
        }
        let dispatch = self.core.sources.borrow_mut().note(event);
        match dispatch {
            Dispatch::Wake(readers, writers) => {
                readers.wake();
                writers.wake();
            }
            Dispatch::Handler(fd) => self.call_handler(fd, event),
            Dispatch::Nothing => {}
        }
    }

    /// Takes the time for the turn that follows.
    pub(super) fn set_turn_time(&self) {
        let now = self.time().into();
        context::with(|context| context.now.set(Some(now)));
    }
}

/// Calls `f` with each item. What unwinds out of one, such as a waker of somebody else's that panics, is
/// logged, and the others have their turn.
fn each_surviving<T>(items: impl IntoIterator<Item = T>, mut f: impl FnMut(T)) {
    let mut items = items.into_iter();
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| items.by_ref().for_each(&mut f))) {
        log_stray(&panic);
    }
}

/// Logs what unwound out of something that the loop ran, and that nobody waits for.
pub(super) fn log_stray(panic: &Panic) {
    let message = panic_message(panic);
    tracing::error!(target: "squall", "panic in a waker or a destructor that the loop ran: {message}");
}
