//! One started coroutine: header, state machine and result in one heap block.
//!
//! ```text
//!            start                 ready
//!   ──► Running(future) ──resume──► Finished(outcome) ──taken by the Deferred──► Finished(None)
//!            │      ▲
//!            └──────┘ pending: suspended at a yield
//! ```
//!
//! The loop holds a task as a [`Resume`] until it has finished, the caller as a [`Settle`]; the
//! block lives as long as one of them does. The state machine is dropped the moment it ends, so
//! that a coroutine's locals never outlive it.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::cancel::Cancelled;
use super::context;
use super::deferred::Settle;
use super::frame_key::{FrameKey, FrameMark};
use super::frames::{self, Cancel, Frame};
use super::grace;
use super::local::Locals;
use super::outcome::{Outcome, OutcomeView};
use super::panic::{Panic, explain, panic_message};
use super::return_value;
use super::site::CoroutineSite;
use super::traceback::{TraceFrame, Traceback};
use super::waits::WaitsFor;

/// Something the loop can run when it is woken.
pub(crate) trait Resume {
    /// Runs until the next unfinished yield or the end. True at the end.
    fn resume(&self, waker: &Waker) -> bool;

    /// Drops the state machine where it stands, without running it.
    fn abandon(&self);

    /// The frame of the coroutine, if it is one.
    fn frame(&self) -> Option<&Frame> {
        None
    }
}

pub(crate) struct Task<F: Future, V> {
    frame: Frame,
    view: V,
    /// Its context variables.
    locals: Locals,
    /// Whoever waits for the outcome.
    waiter: Cell<Option<Waker>>,
    /// Borrowed while the coroutine runs. Invariant: a `Task` is made in an `Rc` by `new` and never
    /// leaves it, so the future inside is pinned from its first resume until it is dropped here.
    stage: RefCell<Stage<F>>,
}

enum Stage<F: Future> {
    Running(F),
    /// None once it was taken.
    Finished(Option<Outcome<F::Output>>),
}

impl<F: Future + 'static, V: OutcomeView<F::Output>> Task<F, V> {
    /// Makes a task for the slot, under the coroutine that runs now. It does not run yet.
    pub(crate) fn new(
        coroutine: &'static CoroutineSite,
        view: V,
        slot: u32,
        future: F,
    ) -> Rc<Self> {
        // Written where it stays: to be built first and then moved would copy all of it.
        let mut block = Rc::new_uninit();
        let task = Rc::get_mut(&mut block).expect("nobody else has it yet");
        task.write(Task {
            frame: Frame::new(coroutine, slot),
            view,
            locals: Locals::inherited(),
            waiter: Cell::new(None),
            stage: RefCell::new(Stage::Running(future)),
        });
        // SAFETY: it was written in the line above.
        unsafe { block.assume_init() }
    }

    /// Polls the state machine; a panic is an end like any other, and a `Return` is a value.
    fn poll(&self, waker: &Waker) -> Poll<Result<F::Output, Panic>> {
        let mut stage = self.stage.borrow_mut();
        let Stage::Running(future) = &mut *stage else {
            return Poll::Pending;
        };
        // SAFETY: `self` is inside the `Rc` that `new` made and never leaves it. No method moves a
        // `Running` stage or hands out `&mut` to the future: `end` assigns over it, which drops it in
        // place, and `take` looks first.
        let future = unsafe { Pin::new_unchecked(future) };
        let mut cx = Context::from_waker(waker);
        match catch_unwind(AssertUnwindSafe(|| future.poll(&mut cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => {
                let ended = return_value::take(panic, self.frame.coroutine);
                if let Err(panic) = &ended
                    && let Some(mend) = explain(panic_message(panic))
                {
                    tracing::error!(target: "squall", "{mend}");
                }
                Poll::Ready(ended)
            }
        }
    }

    /// Ends the task: drops the state machine, keeps the outcome or reports it, wakes the waiter.
    // Inline in `resume`, where it is hot; it is called for those that are late as well.
    #[inline(always)]
    fn finish(&self, value: Result<F::Output, Panic>, at: TraceFrame) {
        let value = match value {
            // Unwound by a cancellation: an error, if the coroutine's result has one for it.
            Err(panic) if panic.is::<Cancelled>() => {
                self.frame.wanted.cancel.set(Cancel::Done);
                self.view.cancelled().ok_or(panic)
            }
            value => value,
        };
        let failed = match &value {
            Ok(value) => self.view.failure(value).is_some(),
            Err(_) => true,
        };
        let traceback = context::with(|context| context.take_failure());
        let traceback = failed.then(|| Traceback::extend(traceback, at));
        self.end(Outcome { value, traceback });
        if self.frame.wanted.detached.get() {
            self.report();
        }
    }

    /// Puts the outcome in the state machine's place, and wakes the waiter.
    ///
    /// The state machine is pinned, so it is dropped where it is and never moved out first. The
    /// stage stays borrowed meanwhile: to its destructors the coroutine still runs. A destructor
    /// that panics is logged, and does not end the loop.
    fn end(&self, outcome: Outcome<F::Output>) {
        if context::with(|context| context.has_graces.get()) {
            grace::end(self.frame.key);
        }
        let mut stage = self.stage.borrow_mut();
        let dropped = catch_unwind(AssertUnwindSafe(|| *stage = Stage::Finished(Some(outcome))));
        drop(stage);
        if let Err(panic) = dropped {
            let (name, message) = (self.frame.coroutine.name, panic_message(&panic));
            tracing::error!(target: "squall", "panic while coroutine `{name}` was dropped: {message}");
        }
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    /// True if the coroutine, which is being cancelled, is to be resumed with the news; otherwise it is
    /// over, and dropped.
    #[cold]
    #[inline(never)]
    fn is_to_be_told(&self) -> bool {
        let cancel = &self.frame.wanted.cancel;
        if cancel.get() == Cancel::Late {
            self.drop_late();
        }
        // Asked again if it cannot be told; a further call meanwhile asks anew.
        let is_asked = cancel.get() == Cancel::Asked;
        if is_asked {
            cancel.set(Cancel::No);
        }
        is_asked
    }

    /// Drops the coroutine where it stands, as it did not end in the time that its cancellation gave
    /// it.
    fn drop_late(&self) {
        let (place, _) = self.frame.place();
        let coroutine = place.coroutine;
        let time = grace::end(self.frame.key).unwrap_or_default();
        match place.at {
            Some(at) => {
                tracing::warn!(target: "squall", "coroutine {coroutine} was cancelled, and has not ended in {time:?}; it is dropped at its yield at {at}: {}", at.expression);
            }
            None => {
                tracing::warn!(target: "squall", "coroutine {coroutine} was cancelled, and has not ended in {time:?}; it is dropped before its first yield");
            }
        }
        let outer_failure = context::with(|context| context.take_failure());
        self.locals.clear();
        self.finish(Err(Box::new(Cancelled)), place);
        context::with(|context| context.set_failure(outer_failure));
    }

    /// Takes the outcome: `None` while the coroutine runs, and inside if it was taken before.
    fn take(&self) -> Option<Option<Outcome<F::Output>>> {
        // A coroutine that waits for itself finds itself borrowed, and is never done.
        let mut stage = self.stage.try_borrow_mut().ok()?;
        match &mut *stage {
            Stage::Running(_) => None,
            Stage::Finished(outcome) => Some(outcome.take()),
        }
    }

    /// Logs a failure that nobody took. A failure that cannot be shown, as its `Display` panics, or
    /// whose destructor does, is named only.
    #[cold]
    fn report(&self) {
        if catch_unwind(AssertUnwindSafe(|| self.log_failure())).is_err() {
            let name = self.frame.coroutine.name;
            tracing::error!(target: "squall", "a failure of coroutine `{name}` was never retrieved, and panicked while it was logged or dropped");
        }
    }

    fn log_failure(&self) {
        let Some(Some(outcome)) = self.take() else {
            return;
        };
        let Some(traceback) = &outcome.traceback else {
            return;
        };
        let name = self.frame.coroutine.name;
        match &outcome.value {
            Ok(_) if self.frame.wanted.silenced.get() => {}
            // As was wished; see below.
            Ok(_) if self.frame.wanted.cancel.get() == Cancel::Done => {}
            Ok(value) => {
                if let Some(failure) = self.view.failure(value) {
                    tracing::error!(target: "squall", "error in coroutine `{name}` was never retrieved: {failure}\n{traceback}");
                }
            }
            // A coroutine that nobody waits for was cancelled: as was wished.
            Err(panic) if panic.is::<Cancelled>() => {}
            Err(panic) => {
                let message = panic_message(panic);
                tracing::error!(target: "squall", "panic in coroutine `{name}` was never retrieved: {message}\n{traceback}");
            }
        }
    }
}

impl<F: Future + 'static, V: OutcomeView<F::Output>> Resume for Task<F, V> {
    fn resume(&self, waker: &Waker) -> bool {
        if self.stage.try_borrow().is_err() {
            // Its first run runs the loop: it is resumed when that run has come to its yield.
            self.frame.wanted.resume.set(true);
            return false;
        }
        let cancel = self.frame.wanted.cancel.get() != Cancel::No;
        if cancel && !self.is_to_be_told() {
            return true;
        }
        let (entered, outer_failure, outer_cancelling) = context::with(|context| {
            let outer_cancelling = context.cancelling.replace(cancel);
            self.locals.exchange(context);
            (
                context.enter(self.frame.key),
                context.take_failure(),
                outer_cancelling,
            )
        });
        let polled = self.poll(waker);
        let at = context::with(|context| {
            self.locals.exchange(context);
            let untold = context.cancelling.replace(outer_cancelling);
            let shielded = context.shielded.replace(false);
            if cancel && (untold || shielded) && self.frame.wanted.cancel.get() == Cancel::No {
                self.frame.wanted.cancel.set(Cancel::Asked);
            }
            context.leave(entered)
        });
        let finished = match polled {
            Poll::Pending => {
                if self.frame.wanted.resume.take() {
                    waker.wake_by_ref();
                }
                context::with(|context| {
                    self.frame.suspend(context, at);
                    context.set_failure(None);
                });
                false
            }
            Poll::Ready(value) => {
                self.locals.clear();
                let coroutine = self.frame.coroutine;
                self.finish(value, TraceFrame { coroutine, at });
                true
            }
        };
        context::with(|context| context.set_failure(outer_failure));
        finished
    }

    fn frame(&self) -> Option<&Frame> {
        Some(&self.frame)
    }

    fn abandon(&self) {
        let stage = self.stage.try_borrow();
        if !stage.is_ok_and(|stage| matches!(*stage, Stage::Running(_))) {
            return;
        }
        let message = "the loop was closed before the coroutine was done";
        self.end(Outcome {
            value: Err(Box::new(message)),
            // Without a traceback it is not reported: whoever closes a loop knows.
            traceback: None,
        });
    }
}

impl<F: Future + 'static, V: OutcomeView<F::Output>> Settle<F::Output> for Task<F, V> {
    fn is_done(&self) -> bool {
        // A task that is borrowed is running.
        (self.stage.try_borrow()).is_ok_and(|stage| !matches!(*stage, Stage::Running(_)))
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome<F::Output>>> {
        match self.take() {
            Some(taken) => Poll::Ready(taken),
            None => {
                let old = self.waiter.take();
                let waiter = match old {
                    Some(old) if old.will_wake(cx.waker()) => old,
                    _ => cx.waker().clone(),
                };
                self.waiter.set(Some(waiter));
                context::waits_for(WaitsFor::Coroutine(self.frame.key.number()));
                Poll::Pending
            }
        }
    }

    fn silence(&self) {
        self.frame.wanted.silenced.set(true);
    }

    fn cancel(&self) -> bool {
        if self.is_done() {
            return false;
        }
        if self.frame.wanted.cancel.get() != Cancel::Late {
            self.frame.wanted.cancel.set(Cancel::Asked);
        }
        frames::wake(self.frame.key);
        true
    }

    fn is_cancelled(&self) -> bool {
        self.frame.wanted.cancel.get() == Cancel::Done
    }

    fn coroutine(&self) -> Option<FrameKey> {
        Some(self.frame.key)
    }

    fn expire(&self) {
        if !self.is_done() {
            self.frame.wanted.cancel.set(Cancel::Late);
            frames::wake(self.frame.key);
        }
    }

    fn is_before(&self, mark: FrameMark) -> bool {
        self.frame.key.is_before(mark)
    }

    fn detach(&self) {
        self.frame.wanted.detached.set(true);
        self.waiter.set(None);
        if self.is_done() {
            self.report();
        }
    }
}
