//! What is left on a loop at its end.
//!
//! A coroutine that is suspended may be at work in the background, such as a server's; it goes with
//! its loop, and so does all that it holds. What is still set or registered when the coroutines are
//! gone belongs to nobody who is alive.

use std::fmt;
use std::os::fd::RawFd;
use std::time::Duration;

use super::IoLoop;
use crate::coro::frame_key::FrameMark;
use crate::coro::frames::{self, LiveCoroutine, live};
use crate::coro::tick::Tick;
use crate::error::Result;

/// How many turns what is under way has to come to its end.
const TURNS: u32 = 100;

/// What is left, by kinds. Prints one line each.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// Coroutines that are alive after they were dropped by their loop: somebody else holds them.
    pub(crate) coroutines: Vec<String>,
    /// How far ahead each timer is, and whether it calls back.
    pub(crate) timers: Vec<(Duration, bool)>,
    /// Descriptors of streams and listeners.
    pub(crate) streams: Vec<RawFd>,
    /// How many streams and listeners in memory there are.
    pub(crate) streams_in_memory: usize,
    /// Descriptors that have a handler.
    pub(crate) handlers: Vec<RawFd>,
    pub(crate) callbacks: usize,
}

impl IoLoop {
    /// Runs what can run, without waiting and without time, until nothing can.
    ///
    /// # Errors
    ///
    /// If the loop runs already.
    pub(crate) fn settle(&self) -> Result<()> {
        if self.core.closed.get() {
            return Ok(());
        }
        let _running = super::Running::enter(self)?;
        for _ in 0..TURNS {
            let has_callbacks = !self.core.callbacks.borrow().is_empty();
            if !has_callbacks && self.core.ready.is_empty() {
                break;
            }
            self.timeless_turn();
            if self.core.closed.get() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the coroutines made since `mark` that are not done.
    pub(crate) fn unfinished(mark: Mark) -> Vec<String> {
        let mut unfinished: Vec<LiveCoroutine> = live();
        unfinished.retain(|one| !one.is_before(mark.0));
        // In the order in which they were started.
        unfinished.sort_by_key(|one| one.id() >> 32);
        unfinished.iter().map(ToString::to_string).collect()
    }

    /// Drops the loop's coroutines where they stand, and returns what is left then. For a loop that
    /// is closed next.
    pub(crate) fn abandon(&self, mark: Mark) -> Leftovers {
        let core = &self.core;
        // Before the coroutines go: what their destructors queue is nobody's fault.
        let callbacks = std::mem::take(&mut *core.callbacks.borrow_mut());
        let count = callbacks.len();
        drop(callbacks);
        core.ready.clear();
        let now = Tick::from(self.time());
        let timers = core.timers.borrow().set();
        let ahead = |(at, calls): &(Tick, bool)| (at.saturating_duration_since(now), *calls);
        let (streams, handlers, streams_in_memory) = core.sources.borrow().registered();
        Leftovers {
            coroutines: Self::unfinished(mark),
            timers: timers.iter().map(ahead).collect(),
            streams,
            streams_in_memory,
            handlers,
            callbacks: count,
        }
    }
}

impl Leftovers {
    pub(crate) fn is_empty(&self) -> bool {
        self.to_string().is_empty()
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for coroutine in &self.coroutines {
            writeln!(f, "  coroutine {coroutine}")?;
        }
        for timer in &self.timers {
            match timer {
                (due, true) => writeln!(
                    f,
                    "  a timer that calls back in {due:?}: remove its timeout, or stop its PeriodicCallback"
                )?,
                (due, false) => writeln!(
                    f,
                    "  a sleep that ends in {due:?}, kept outside of the loop's coroutines"
                )?,
            }
        }
        for fd in &self.streams {
            writeln!(
                f,
                "  descriptor {fd} of a stream, listener, signal or process"
            )?;
        }
        match self.streams_in_memory {
            0 => {}
            1 => writeln!(f, "  a stream or listener in memory")?,
            n => writeln!(f, "  {n} streams or listeners in memory")?,
        }
        for fd in &self.handlers {
            writeln!(f, "  a handler of descriptor {fd}")?;
        }
        match self.callbacks {
            0 => Ok(()),
            1 => writeln!(f, "  a callback that is queued turn after turn"),
            n => writeln!(f, "  {n} callbacks that are queued turn after turn"),
        }
    }
}

/// A point in the order in which coroutines are started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(FrameMark);

/// The present point.
pub(crate) fn mark() -> Mark {
    Mark(frames::mark())
}
