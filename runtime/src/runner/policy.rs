//! What becomes of the children's results: kept as they are, or collapsed to the first error.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::coro::context;
use crate::coro::traceback::Traceback;

/// Takes the results of a yielded tree's children, in the order in which they come.
pub trait Policy<T> {
    /// What is kept of a child.
    type Kept;
    /// What the whole gives, `V` being the tree of what was kept.
    type Output<V>;
    /// True if results have to come in the order in which the children were woken.
    const IN_ORDER_OF_ARRIVAL: bool = false;

    /// Takes one child's result; none is kept of one that failed.
    fn keep(&mut self, index: usize, result: T) -> Option<Self::Kept>;

    /// True if the children that are left are not waited for any more, but cancelled.
    fn is_over(&self) -> bool;

    /// Ends the wait; `kept` is called unless a child has failed.
    fn finish<V>(&mut self, kept: impl FnOnce() -> V) -> Self::Output<V>;
}

/// Keeps every result.
#[derive(Debug, Default)]
pub struct Plain {
    way: Way,
}

/// The way of the one child that failed. With several nobody can tell whose error the coroutine
/// goes on with, and a wrong traceback is worse than none.
#[derive(Debug, Default)]
enum Way {
    #[default]
    None,
    One(Option<Box<Traceback>>),
    Several,
}

impl Plain {
    #[cold]
    fn note_failure(&mut self) {
        let traceback = context::with(|context| context.take_failure());
        self.way = match self.way {
            Way::None => Way::One(traceback),
            Way::One(_) | Way::Several => Way::Several,
        };
    }
}

impl<T> Policy<T> for Plain {
    type Kept = T;
    type Output<V> = V;

    #[inline]
    fn keep(&mut self, _: usize, result: T) -> Option<T> {
        if context::with(|context| context.is_failing()) {
            self.note_failure();
        }
        Some(result)
    }

    #[inline]
    fn is_over(&self) -> bool {
        false
    }

    #[inline]
    fn finish<V>(&mut self, kept: impl FnOnce() -> V) -> V {
        if let Way::One(traceback) = std::mem::take(&mut self.way) {
            context::with(|context| context.set_failure(traceback));
        }
        kept()
    }
}

/// Gives the first error in input order, if there is one; the others are logged.
#[derive(Debug)]
pub struct FirstError<T, E> {
    first: Option<Failed<E>>,
    on_error: OnError,
    /// Logs an error that is not given, and says why.
    log: fn(&Failed<E>, &str),
    kept: PhantomData<fn() -> T>,
}

#[derive(Debug)]
struct Failed<E> {
    index: usize,
    error: E,
    traceback: Option<Box<Traceback>>,
}

impl<T, E: fmt::Debug> FirstError<T, E> {
    /// A policy that does with errors what `on_error` says.
    pub fn new(on_error: OnError) -> Self {
        FirstError {
            first: None,
            on_error,
            log: Failed::log,
            kept: PhantomData,
        }
    }
}

impl<E: fmt::Debug> Failed<E> {
    fn log(&self, why: &str) {
        let error = &self.error;
        match &self.traceback {
            Some(traceback) => tracing::error!(target: "squall", "{why}: {error:?}\n{traceback}"),
            None => tracing::error!(target: "squall", "{why}: {error:?}"),
        }
    }
}

/// What an error among the children does beside becoming the result.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnError {
    /// Errors that are not given are not logged.
    pub quiet: bool,
    /// The children that are left are cancelled, rather than waited for.
    pub cancel: bool,
}

impl<T, E: fmt::Debug> FirstError<T, E> {
    #[cold]
    fn fail(&mut self, failed: Failed<E>) {
        let loser = match &self.first {
            Some(first) if first.index <= failed.index => Some(failed),
            _ => self.first.replace(failed),
        };
        if let Some(loser) = loser {
            self.lose(
                &loser,
                "multiple errors in one yield; this one is not given to the coroutine",
            );
        }
    }
}

impl<T, E> FirstError<T, E> {
    fn lose(&self, failed: &Failed<E>, why: &str) {
        if !self.on_error.quiet {
            (self.log)(failed, why);
        }
    }
}

/// A wait that is given up, as by a cancellation, loses no error in silence.
impl<T, E> Drop for FirstError<T, E> {
    fn drop(&mut self) {
        if let Some(first) = self.first.take() {
            let why = "an error among the children of a yield that was given up";
            // It may be an unwind that drops this, which a `Debug` that panics would turn into an abort.
            let _ = catch_unwind(AssertUnwindSafe(|| self.lose(&first, why)));
        }
    }
}

impl<T, E: fmt::Debug> Policy<Result<T, E>> for FirstError<T, E> {
    type Kept = T;
    type Output<V> = Result<V, E>;

    #[inline]
    fn keep(&mut self, index: usize, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                // What the child swallowed on its way.
                context::with(|context| context.set_failure(None));
                Some(value)
            }
            Err(error) => {
                let traceback = context::with(|context| context.take_failure());
                self.fail(Failed {
                    index,
                    error,
                    traceback,
                });
                None
            }
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.on_error.cancel && self.first.is_some()
    }

    #[inline]
    fn finish<V>(&mut self, kept: impl FnOnce() -> V) -> Result<V, E> {
        match self.first.take() {
            None => Ok(kept()),
            Some(first) => {
                context::with(|context| context.set_failure(first.traceback));
                Err(first.error)
            }
        }
    }
}
