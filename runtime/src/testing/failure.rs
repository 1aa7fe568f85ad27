//! Why a run failed.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;

use crate::coro::panic::panic_message;
use crate::error::Error;
use crate::ioloop::leftovers::Leftovers;

/// Why a [`Simulation`](super::Simulation) failed: a panic, a leak, or a loop that could not go on.
///
/// An `Err` that the coroutine returns is a value to whoever runs it, and no failure of the run.
pub struct Failure {
    kind: Kind,
}

enum Kind {
    Panic(Box<dyn Any + Send>),
    Unfinished(Vec<String>),
    Leak(Leftovers),
    Loop(Error),
}

impl Failure {
    pub(super) fn panic(panic: Box<dyn Any + Send>) -> Failure {
        Kind::Panic(panic).into()
    }

    pub(super) fn unfinished(coroutines: Vec<String>) -> Failure {
        Kind::Unfinished(coroutines).into()
    }

    pub(super) fn leak(left: Leftovers) -> Failure {
        Kind::Leak(left).into()
    }

    pub(super) fn of_loop(error: Error) -> Failure {
        Kind::Loop(error).into()
    }

    /// True if it was a panic; its message is what this displays.
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panic(_))
    }

    /// True if something was left over; see [`Leaks`](super::Leaks).
    pub fn is_leak(&self) -> bool {
        matches!(self.kind, Kind::Leak(_) | Kind::Unfinished(_))
    }

    /// True if the time was up; see [`Simulation::timeout`](super::Simulation::timeout).
    pub fn is_timeout(&self) -> bool {
        matches!(&self.kind, Kind::Loop(error) if error.is_timeout())
    }

    /// True if nothing could run any more.
    pub fn is_deadlock(&self) -> bool {
        matches!(&self.kind, Kind::Loop(error) if error.is_deadlock())
    }

    /// Goes on with the panic, or panics with the failure.
    pub(super) fn resume(self) -> ! {
        match self.kind {
            Kind::Panic(panic) => resume_unwind(panic),
            _ => panic!("{self}"),
        }
    }
}

impl From<Kind> for Failure {
    fn from(kind: Kind) -> Failure {
        Failure { kind }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Panic(panic) => f.write_str(panic_message(panic)),
            Kind::Unfinished(coroutines) => {
                f.write_str("coroutines were not done when the test was:")?;
                coroutines
                    .iter()
                    .try_for_each(|one| write!(f, "\n  coroutine {one}"))
            }
            Kind::Leak(left) => {
                let left = left.to_string();
                write!(f, "the test left behind:\n{}", left.trim_end())
            }
            Kind::Loop(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What an `unwrap` of the outcome shows.
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}
