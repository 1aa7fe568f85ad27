//! Coroutines that borrow from their caller.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::context::{self, Entered};
use super::frame_key::FrameKey;
use super::frames;
use super::outcome::OutcomeView;
use super::return_value;
use super::shown;
use super::site::CoroutineSite;
use super::traceback::{TraceFrame, Traceback};

pin_project! {
    /// A coroutine that borrows: it runs while its caller yields it.
    ///
    /// What `#[squall::coroutine]` returns for a function with a reference or a lifetime in its
    /// signature. It cannot outlive its caller, so unlike a [`Deferred`](crate::Deferred) it starts
    /// when it is first yielded, lives in the caller's own state machine and allocates nothing.
    ///
    /// # Cancellation
    ///
    /// Dropping it drops what it has not done yet, like any Rust future.
    #[must_use = "a coroutine that borrows runs only while it is yielded: write `yield_!(…)`"]
    #[derive(Debug)]
    pub struct Scoped<F> {
        #[pin]
        framed: F,
    }
}

impl<F> Scoped<F> {
    pub(crate) fn new(framed: F) -> Self {
        Scoped { framed }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().framed.poll(cx)
    }
}

pin_project! {
    /// A state machine with a frame in the registry.
    #[derive(Debug)]
    pub struct Framed<F, V> {
        registered: Registered,
        view: V,
        #[pin]
        future: F,
    }
}

/// The coroutine's entry in the registry; gone when this is dropped.
#[derive(Debug)]
struct Registered {
    coroutine: &'static CoroutineSite,
    /// `NONE` before the first poll and after the last.
    frame: FrameKey,
}

impl<F: Future, V: OutcomeView<F::Output>> Framed<F, V> {
    pub(crate) fn new(coroutine: &'static CoroutineSite, view: V, future: F) -> Self {
        Framed {
            registered: Registered {
                coroutine,
                frame: FrameKey::NONE,
            },
            view,
            future,
        }
    }
}

impl<F: Future, V: OutcomeView<F::Output>> Future for Framed<F, V> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let running = Running::enter(this.registered);
        let polled = if V::TAKES_RETURN {
            let poll = AssertUnwindSafe(|| this.future.poll(cx));
            catch_unwind(poll).unwrap_or_else(|panic| {
                match this.view.returned(panic, running.registered.coroutine) {
                    Ok(value) => Poll::Ready(value),
                    Err(panic) => resume_unwind(panic),
                }
            })
        } else {
            this.future.poll(cx)
        };
        let failed = match &polled {
            Poll::Pending => return running.suspend(),
            Poll::Ready(value) => this.view.failure(value).is_some(),
        };
        running.finish(failed);
        polled
    }
}

/// A scoped coroutine while it is polled. Dropped without `suspend` or `finish`, it was left by a
/// panic.
struct Running<'a> {
    registered: &'a mut Registered,
    entered: Option<Entered>,
}

impl<'a> Running<'a> {
    #[inline]
    fn enter(registered: &'a mut Registered) -> Self {
        let entered = context::with(|context| {
            if registered.frame == FrameKey::NONE {
                registered.frame = frames::insert(registered.coroutine);
            }
            shown::show(registered.frame);
            Some(context.enter(registered.frame))
        });
        Running {
            registered,
            entered,
        }
    }

    fn suspend<T>(mut self) -> Poll<T> {
        if let Some(entered) = self.entered.take() {
            let at = context::with(|context| {
                let at = context.leave(entered);
                shown::show_running();
                at
            });
            frames::suspend(self.registered.frame, at);
        }
        Poll::Pending
    }

    fn finish(mut self, failed: bool) {
        self.leave(failed);
    }

    #[inline]
    fn leave(&mut self, failed: bool) {
        let Some(entered) = self.entered.take() else {
            return;
        };
        context::with(|context| {
            let at = context.leave(entered);
            shown::show_running();
            let traceback = context.take_failure();
            if failed {
                let coroutine = self.registered.coroutine;
                let frame = TraceFrame { coroutine, at };
                context.set_failure(Some(Traceback::extend(traceback, frame)));
            }
        });
        self.registered.unregister();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.entered.is_some() {
            return_value::leaves(self.registered.coroutine);
        }
        self.leave(true);
    }
}

impl Registered {
    fn unregister(&mut self) {
        if self.frame != FrameKey::NONE {
            frames::remove(self.frame);
            self.frame = FrameKey::NONE;
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.unregister();
    }
}
