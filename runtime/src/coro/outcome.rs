//! How a coroutine ended, and what can be said of a failure.

use std::fmt;
use std::marker::PhantomData;

use super::cancel::Cancelled;
use super::panic::Panic;
use super::return_value::{self, Returnable};
use super::site::CoroutineSite;
use super::traceback::Traceback;

/// A coroutine's end: its value or the panic that ended it, and the way of its failure.
pub(crate) struct Outcome<T> {
    pub(crate) value: Result<T, Panic>,
    /// There for an `Err` and for a panic.
    pub(crate) traceback: Option<Box<Traceback>>,
}

/// Tells whether a finished coroutine's value is a failure, and shows it.
///
/// The macro picks one of five by what the return type implements, so that a coroutine of any type
/// can be started, and errors are shown as well as their type allows.
pub trait OutcomeView<T> {
    /// Returns the failure in `value`, if it is one.
    fn failure<'a>(&self, value: &'a T) -> Option<Failure<'a>>;

    /// Returns the value that tells of a cancellation, if the type has one.
    fn cancelled(&self) -> Option<T>;

    /// True if a `Return` can be of the type.
    const TAKES_RETURN: bool;

    /// Returns the value of a `Return`, or goes on with what else unwinds.
    fn returned(&self, panic: Panic, coroutine: &'static CoroutineSite) -> Result<T, Panic>;
}

/// A view of failures, one of cancellations and one of `Return`s together.
#[derive(Clone, Copy, Debug)]
pub struct Views<V, C, R>(pub V, pub C, pub R);

impl<T, V, C, R> OutcomeView<T> for Views<V, C, R>
where
    V: FailureView<T>,
    C: CancelView<T>,
    R: ReturnView<T>,
{
    const TAKES_RETURN: bool = R::TAKES_RETURN;

    fn returned(&self, panic: Panic, coroutine: &'static CoroutineSite) -> Result<T, Panic> {
        self.2.returned(panic, coroutine)
    }

    #[inline]
    fn failure<'a>(&self, value: &'a T) -> Option<Failure<'a>> {
        self.0.failure(value)
    }

    fn cancelled(&self) -> Option<T> {
        self.1.cancelled()
    }
}

/// Tells whether a value is a failure.
pub trait FailureView<T> {
    /// Returns the failure in `value`, if it is one.
    fn failure<'a>(&self, value: &'a T) -> Option<Failure<'a>>;
}

/// Takes the value of a `Return`, in a scoped coroutine.
pub trait ReturnView<T> {
    /// True if it can.
    const TAKES_RETURN: bool;

    /// Returns the value, or what else unwinds.
    fn returned(&self, panic: Panic, coroutine: &'static CoroutineSite) -> Result<T, Panic>;
}

/// Makes the value that tells of a cancellation.
pub trait CancelView<T> {
    /// Returns it, if the type has one.
    fn cancelled(&self) -> Option<T>;
}

/// A failure as far as its type lets it be shown.
#[derive(Clone, Copy)]
pub enum Failure<'a> {
    /// Shows itself to users, and what it came from.
    Error(&'a (dyn std::error::Error + 'a)),
    /// Shows itself to users.
    Display(&'a dyn fmt::Display),
    /// Shows itself to programmers.
    Debug(&'a dyn fmt::Debug),
    /// Only its type's name is known.
    Opaque(&'static str),
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(error) => fmt_chain(error, f),
            Failure::Display(error) => error.fmt(f),
            Failure::Debug(error) => error.fmt(f),
            Failure::Opaque(name) => write!(f, "an error of type {name}"),
        }
    }
}

/// Shows an error, and under it each that it came from; except those whose text the one above has
/// already, as some show their source themselves.
fn fmt_chain(error: &dyn std::error::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut above = error.to_string();
    f.write_str(&above)?;
    let mut next = error.source();
    // A chain that leads back to itself has an end here.
    for _ in 0..MOST_SOURCES {
        let Some(source) = next else { break };
        let text = source.to_string();
        if !above.contains(&text) {
            write!(f, "\n  caused by: {text}")?;
        }
        above = text;
        next = source.source();
    }
    Ok(())
}

/// How many sources of an error are shown.
const MOST_SOURCES: usize = 32;

impl fmt::Debug for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Picks the views for `T`: the traits below are found through references, the one that
/// needs the fewest first.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn(T)>);

impl<T> Probe<T> {
    /// A probe of the type.
    pub const NEW: Self = Probe(PhantomData);
}

/// A `Result` whose error is one of the standard library's trait.
pub trait ErrorProbe {
    /// Returns the view.
    fn view(&self) -> ErrorView {
        ErrorView
    }
}
impl<V, E: std::error::Error> ErrorProbe for &&&&Probe<Result<V, E>> {}

/// A `Result` whose error can be displayed.
pub trait DisplayProbe {
    /// Returns the view.
    fn view(&self) -> DisplayView {
        DisplayView
    }
}
impl<V, E: fmt::Display> DisplayProbe for &&&Probe<Result<V, E>> {}

/// A `Result` whose error can be debugged.
pub trait DebugProbe {
    /// Returns the view.
    fn view(&self) -> DebugView {
        DebugView
    }
}
impl<V, E: fmt::Debug> DebugProbe for &&Probe<Result<V, E>> {}

/// Any other `Result`.
pub trait OpaqueProbe {
    /// Returns the view.
    fn view(&self) -> OpaqueView {
        OpaqueView
    }
}
impl<V, E> OpaqueProbe for &Probe<Result<V, E>> {}

/// A value that cannot be a failure.
pub trait PlainProbe {
    /// Returns the view.
    fn view(&self) -> PlainView {
        PlainView
    }
}
impl<T> PlainProbe for Probe<T> {}

macro_rules! views {
    ($($(#[$doc:meta])* $name:ident[$($bound:tt)*] => $show:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl<V, E: $($bound)*> FailureView<Result<V, E>> for $name {
            #[inline]
            fn failure<'a>(&self, value: &'a Result<V, E>) -> Option<Failure<'a>> {
                let show: fn(&E) -> Failure<'_> = $show;
                value.as_ref().err().map(show)
            }
        }
    )*};
}

views! {
    /// Shows errors by `Display`, with their sources.
    ErrorView[std::error::Error] => |e| Failure::Error(e);
    /// Shows errors by `Display`.
    DisplayView[fmt::Display] => |e| Failure::Display(e);
    /// Shows errors by `Debug`.
    DebugView[fmt::Debug] => |e| Failure::Debug(e);
    /// Shows the names of errors' types.
    OpaqueView[Sized] => |_| Failure::Opaque(std::any::type_name::<E>());
}

/// Sees no failures.
#[derive(Clone, Copy, Debug)]
pub struct PlainView;

impl<T> FailureView<T> for PlainView {
    #[inline]
    fn failure<'a>(&self, _: &'a T) -> Option<Failure<'a>> {
        None
    }
}

/// A `Result` whose error converts from a cancellation.
pub trait CancelProbe {
    /// Returns the view.
    fn cancel_view(&self) -> CancelAsError {
        CancelAsError
    }
}
impl<V, E: From<Cancelled>> CancelProbe for &Probe<Result<V, E>> {}

/// Any other value.
pub trait NoCancelProbe {
    /// Returns the view.
    fn cancel_view(&self) -> CancelAsUnwind {
        CancelAsUnwind
    }
}
impl<T> NoCancelProbe for Probe<T> {}

/// A cancellation is an error of the result.
#[derive(Clone, Copy, Debug)]
pub struct CancelAsError;

impl<V, E: From<Cancelled>> CancelView<Result<V, E>> for CancelAsError {
    fn cancelled(&self) -> Option<Result<V, E>> {
        Some(Err(Cancelled.into()))
    }
}

/// A cancellation goes on unwinding.
#[derive(Clone, Copy, Debug)]
pub struct CancelAsUnwind;

impl<T> CancelView<T> for CancelAsUnwind {
    fn cancelled(&self) -> Option<T> {
        None
    }
}

/// A type whose values a `Return` may bring to a scoped coroutine.
pub trait ReturnProbe {
    /// Returns the view.
    fn return_view(&self) -> TakesReturn {
        TakesReturn
    }
}
impl<T: Returnable> ReturnProbe for &Probe<T> {}

/// Any other type.
pub trait NoReturnProbe {
    /// Returns the view.
    fn return_view(&self) -> PassesReturn {
        PassesReturn
    }
}
impl<T> NoReturnProbe for Probe<T> {}

/// A `Return` may be of the type.
#[derive(Clone, Copy, Debug)]
pub struct TakesReturn;

impl<T: Returnable> ReturnView<T> for TakesReturn {
    const TAKES_RETURN: bool = true;

    fn returned(&self, panic: Panic, coroutine: &'static CoroutineSite) -> Result<T, Panic> {
        return_value::take(panic, coroutine)
    }
}

/// Nobody can tell whether a `Return` is of the type.
#[derive(Clone, Copy, Debug)]
pub struct PassesReturn;

impl<T> ReturnView<T> for PassesReturn {
    const TAKES_RETURN: bool = false;

    fn returned(&self, panic: Panic, _: &'static CoroutineSite) -> Result<T, Panic> {
        Err(panic)
    }
}
