//! Ending a coroutine from a function that it called: Tornado's `raise gen.Return(value)`.
//!
//! [`Return::raise`] unwinds to the coroutine that runs, past the panic hook, for it is no panic. What
//! unwinds is a [`Token`]; the value waits in the thread's table, since a panic's payload has to be
//! `Send` and a coroutine's result need not be. The coroutine compares the value's type with its
//! own. A started coroutine always can; a scoped one only if its result type is [`Returnable`],
//! since a type that may borrow cannot be compared. Where one of the others is passed, the value is
//! not taken for that of a coroutine further out: the `Return` becomes a panic that says so.

use std::any::{Any, type_name};
use std::cell::RefCell;
use std::panic::{Location, resume_unwind};
use std::thread::{self, ThreadId};

use slab::Slab;

use super::context;
use super::frame_key::FrameKey;
use super::panic::Panic;
use super::site::CoroutineSite;

/// Ends the running coroutine with a value, from anywhere in it: Tornado's `gen.Return`.
///
/// In the coroutine itself write `return value`. This is for a plain function that the coroutine
/// calls, which can end its caller only so. Destructors run on the way, as for a panic, but the panic
/// hook does not, and neither [`catch_panic`](crate::catch_panic) nor a traceback takes it for one.
///
/// # Examples
///
/// ```
/// use squall::{Return, yield_};
///
/// fn parse(text: &str) -> u32 {
///     match text.parse() {
///         Ok(number) => number,
///         Err(_) => Return(format!("{text:?} is no number")).raise(),
///     }
/// }
///
/// #[squall::coroutine]
/// fn double(text: &'static str) -> String {
///     yield_!(squall::moment());
///     (2 * parse(text)).to_string()
/// }
///
/// #[squall::main]
/// fn main() {
///     assert_eq!(yield_!(double("21")), "42");
///     assert_eq!(yield_!(double("x")), "\"x\" is no number");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return<T>(
    /// The coroutine's result. Its type is that of the coroutine, to the letter: `Return(42)` is an
    /// `i32`.
    pub T,
);

impl<T: 'static> Return<T> {
    /// Ends the running coroutine with the value.
    ///
    /// # Panics
    ///
    /// Outside of a coroutine. If the value is not of the type that the coroutine returns, the
    /// coroutine panics instead, with a message that names both. A scoped coroutine panics as well
    /// unless its result is [`Returnable`]. A program that is built to abort on panics cannot unwind,
    /// and aborts.
    #[track_caller]
    pub fn raise(self) -> ! {
        let site = Location::caller();
        let running = context::with(|context| context.frame.get());
        assert!(
            running != FrameKey::NONE,
            "Return was raised outside of a coroutine, where there is nothing to end"
        );
        let raised = Raised {
            value: Box::new(self.0),
            type_name: type_name::<T>(),
            site,
            passed: None,
        };
        let key = RAISED.with_borrow_mut(|table| table.insert(raised));
        resume_unwind(Box::new(Token {
            key,
            thread: thread::current().id(),
        }))
    }
}

/// A type that a [`Return`] can end a scoped coroutine with: one that never borrows.
///
/// Implemented for the types of the standard library that are common as results. Implement it for an
/// error of your own, to use `Return` in the methods of handlers that give it:
///
/// ```
/// struct MyError;
///
/// impl squall::Returnable for MyError {}
/// ```
///
/// A started coroutine takes any type.
pub trait Returnable: 'static {}

macro_rules! returnable {
    ($([$($generic:ident),*] $type:ty;)*) => {$(
        impl<$($generic: Returnable),*> Returnable for $type {}
    )*};
}

returnable! {
    [] (); [] bool; [] char; [] String; [] std::io::Error; [] crate::error::Error;
    [] u8; [] u16; [] u32; [] u64; [] u128; [] usize;
    [] i8; [] i16; [] i32; [] i64; [] i128; [] isize; [] f32; [] f64;
    [T] Option<T>; [T, E] Result<T, E>; [T] Vec<T>; [T] Box<T>; [T] std::rc::Rc<T>;
    [K, V] std::collections::BTreeMap<K, V>; [K, V] std::collections::HashMap<K, V>;
    [A] (A,); [A, B] (A, B); [A, B, C] (A, B, C);
}

struct Raised {
    value: Box<dyn Any>,
    type_name: &'static str,
    site: &'static Location<'static>,
    /// A scoped coroutine that it left, and that could not take it.
    passed: Option<&'static CoroutineSite>,
}

thread_local! {
    /// Values on their way up, the latest last.
    static RAISED: RefCell<Slab<Raised>> = const { RefCell::new(Slab::new()) };
}

/// What unwinds: the number of a value in its thread's table.
struct Token {
    key: usize,
    thread: ThreadId,
}

impl Token {
    fn is_here(&self) -> bool {
        self.thread == thread::current().id()
    }

    fn take(self) -> Option<Raised> {
        // Its own drop then finds nothing.
        let here = self.is_here();
        here.then(|| RAISED.with_borrow_mut(|table| table.try_remove(self.key)))?
    }
}

/// Drops the value, if someone caught the unwind and threw it away.
impl Drop for Token {
    fn drop(&mut self) {
        if self.is_here() {
            let raised = RAISED.try_with(|table| table.borrow_mut().try_remove(self.key));
            drop(raised);
        }
    }
}

/// The value of a `Return` that has arrived in its coroutine. Anything else, and a `Return` of
/// another type, is a panic.
#[cold]
pub(crate) fn take<T: 'static>(
    panic: Panic,
    coroutine: &'static CoroutineSite,
) -> Result<T, Panic> {
    let token = panic.downcast::<Token>()?;
    let Some(raised) = token.take() else {
        return Err(Box::new("a Return was carried to another thread"));
    };
    if raised.passed.is_some() {
        return Err(Box::new(message(&raised)));
    }
    let Raised {
        value,
        type_name,
        site,
        ..
    } = raised;
    value.downcast::<T>().map(|value| *value).map_err(|_| {
        let (name, own) = (coroutine.name, std::any::type_name::<T>());
        let message = format!(
            "Return of a `{type_name}` was raised at {site} in coroutine `{name}`, which returns `{own}`"
        );
        Box::new(message) as Panic
    })
}

/// Lets a `Return` pass by someone who catches panics: goes on unwinding with it. Gives a panic back,
/// and as one a `Return` that cannot arrive.
#[cold]
pub(crate) fn let_pass(panic: Panic) -> Panic {
    let token = match panic.downcast::<Token>() {
        Ok(token) => token,
        Err(panic) => return panic,
    };
    let lost = RAISED.with_borrow(|table| {
        let raised = table.get(token.key).filter(|_| token.is_here())?;
        raised.passed.map(|_| message(raised))
    });
    match lost {
        Some(message) => Box::new(message),
        None => resume_unwind(token),
    }
}

/// Notes that an unwind leaves a scoped coroutine which could not take it.
#[cold]
pub(crate) fn leaves(coroutine: &'static CoroutineSite) {
    let _ = RAISED.try_with(|table| {
        if let Ok(mut table) = table.try_borrow_mut()
            && let Some((_, raised)) = table.iter_mut().next_back()
        {
            raised.passed.get_or_insert(coroutine);
        }
    });
}

fn message(raised: &Raised) -> String {
    let Raised {
        type_name, site, ..
    } = raised;
    let name = raised.passed.map_or("", |coroutine| coroutine.name);
    format!(
        "Return of a `{type_name}` was raised at {site} in scoped coroutine `{name}`, which cannot take \
        it: its result type does not implement `squall::Returnable`"
    )
}
