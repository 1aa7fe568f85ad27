//! What a yield does with its value, by the names that Tornado gives.
//!
//! `yield_!` needs none of them. They are for code that hands futures on: `convert_yielded` makes a
//! tree one future, `multi_future` makes it one `Deferred` that gets on by itself, `maybe_future!`
//! lets a macro or a table take values and futures alike.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;

use super::policy::OnError;
use super::yieldable::{Fallible, Yieldable};
use crate::coro::cancel::AsUnwind;
use crate::coro::deferred::Deferred;
use crate::coro::outcome::{CancelAsUnwind, DebugView, PassesReturn, Views};
use crate::coro::site::{CoroutineSite, YieldSite};
use crate::coro::yield_point::YieldPoint;

/// Returns the one future that a yield of the value waits for: Tornado's `convert_yielded`.
///
/// Gives the tree of results as they are, so that it can be written for any `Y`; to have the errors
/// of a tree of `Result`s collapse as a yield does, use [`multi`](crate::multi).
///
/// # Examples
///
/// ```
/// use squall::{convert_yielded, yield_};
/// use std::future::ready;
///
/// #[squall::main]
/// fn main() {
///     let tree = convert_yielded((vec![ready(1), ready(2)], Some(ready("x")), ()));
///     assert_eq!(tree.await, (vec![1, 2], Some("x"), ()));
/// }
/// ```
pub fn convert_yielded<Y: Yieldable<M>, M>(yielded: Y) -> Y::Wait {
    yielded.wait()
}

/// Begins to wait for all of a tree of `Result`s, in a coroutine of its own: Tornado's
/// `multi_future`.
///
/// As [`multi`](crate::multi), which waits only while it is yielded. This one is a [`Deferred`]: it
/// gets on by itself, tells when it is [`done`](Deferred::done), and may be handed around.
/// Cancelling it lets the children go on.
///
/// # Examples
///
/// ```
/// use squall::{multi_future, yield_};
///
/// #[squall::coroutine]
/// fn parse(text: &'static str) -> Result<u32, std::num::ParseIntError> {
///     yield_!(squall::moment());
///     text.parse()
/// }
///
/// #[squall::main]
/// fn main() {
///     let numbers = multi_future(vec![parse("1"), parse("2")]);
///     assert!(!numbers.done());
///     assert_eq!(yield_!(numbers), Ok(vec![1, 2]));
/// }
/// ```
pub fn multi_future<Y, M>(children: Y) -> Deferred<Result<Y::Ok, Y::Error>>
where
    Y: Fallible<M>,
    Y::TryWait: 'static,
    Y::Error: fmt::Debug,
{
    static SITE: CoroutineSite = CoroutineSite {
        name: "multi_future",
        module: module_path!(),
        file: file!(),
        line: line!(),
        column: column!(),
    };
    static YIELD: YieldSite = YieldSite {
        file: file!(),
        line: line!(),
        column: column!(),
        expression: "children",
    };
    let wait = children.try_wait(OnError::default());
    let body = YieldPoint::<_, AsUnwind>::new(&YIELD, wait);
    super::start(&SITE, Views(DebugView, CancelAsUnwind, PassesReturn), body)
}

/// Returns a future of a value: a future as it is, anything else as a [`Deferred`] that is done.
///
/// Tornado's `maybe_future`. A macro, for it takes what is no future as well, of any type: a list of
/// futures is a value and stays one. It looks at the type that is known where it stands; in a generic
/// function a parameter without the bound `IntoFuture` is a value.
///
/// # Examples
///
/// ```
/// use squall::{maybe_future, yield_};
///
/// #[squall::main]
/// fn main() {
///     assert_eq!(yield_!(maybe_future!("a value")), "a value");
///     assert_eq!(yield_!(maybe_future!(async { 7 })), 7);
/// }
/// ```
#[macro_export]
macro_rules! maybe_future {
    ($value:expr $(,)?) => {
        match $value {
            value => {
                #[allow(unused_imports)]
                use $crate::private::{FutureForm, ValueForm};
                (&&$crate::private::MaybeTag::of(&value)).form().wrap(value)
            }
        }
    };
}

/// The type of a value that may be a future: found as one through one reference more.
#[derive(Debug)]
pub struct MaybeTag<T>(PhantomData<fn(T)>);

impl<T> MaybeTag<T> {
    /// The tag of the value's type.
    #[inline]
    pub fn of(_: &T) -> Self {
        MaybeTag(PhantomData)
    }
}

/// A future, or what becomes one.
pub trait FutureForm {
    /// Returns the form.
    fn form(&self) -> Stays {
        Stays
    }
}
impl<F: IntoFuture> FutureForm for &MaybeTag<F> {}

/// Anything else.
pub trait ValueForm {
    /// Returns the form.
    fn form(&self) -> BecomesDone {
        BecomesDone
    }
}
impl<T> ValueForm for MaybeTag<T> {}

/// Leaves a future as it is.
#[derive(Debug)]
pub struct Stays;

impl Stays {
    /// Returns the very future.
    pub fn wrap<F>(self, future: F) -> F {
        future
    }
}

/// Makes a value a future.
#[derive(Debug)]
pub struct BecomesDone;

impl BecomesDone {
    /// Returns a deferred that is done.
    pub fn wrap<T>(self, value: T) -> Deferred<T> {
        Deferred::ready(value)
    }
}
