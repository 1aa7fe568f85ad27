//! Variables that follow a coroutine: Python's `contextvars`.
//!
//! A coroutine gets the values that its caller has when it calls, and keeps them, with what it sets
//! itself, across its yields. They are one shared list, copied when it is written to. The running
//! coroutine's is the thread's; a resume puts the coroutine's in its place and takes it back. While
//! neither the coroutine nor whoever resumes it has values that is two tests of a flag.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::context;

/// The values of one coroutine.
#[derive(Clone, Default)]
pub(crate) struct Values(Vec<(usize, Rc<dyn Any>)>);

/// Mostly none.
type Shared = Option<Rc<Values>>;

thread_local! {
    /// The running coroutine's values. `Context::has_locals` tells whether there are any.
    static CURRENT: Cell<Shared> = const { Cell::new(None) };
}

/// The values of a coroutine while it does not run, and of whoever resumed it while it does.
#[derive(Default)]
pub(crate) struct Locals(Cell<Shared>);

impl Locals {
    /// The values that a coroutine which is called now starts with.
    #[inline]
    pub(crate) fn inherited() -> Locals {
        let has_locals = context::with(|context| context.has_locals.get());
        let values = if has_locals { current() } else { None };
        Locals(Cell::new(values))
    }

    /// Puts these values in the place of those that are current, and keeps those: at the begin of a
    /// resume and, the other way round, at its end.
    #[inline]
    pub(crate) fn exchange(&self, context: &super::context::Context) {
        let own = self.0.take();
        if own.is_some() || context.has_locals.get() {
            self.0.set(swap(own));
        }
    }

    /// Drops the values of a coroutine that has ended.
    #[inline]
    pub(crate) fn clear(&self) {
        drop(self.0.take());
    }
}

#[cold]
fn swap(locals: Shared) -> Shared {
    context::with(|context| context.has_locals.set(locals.is_some()));
    // A thread that is going away has no more coroutines that could look.
    CURRENT.try_with(|current| current.replace(locals)).ok()?
}

#[cold]
fn current() -> Shared {
    let current = CURRENT.try_with(Cell::take).ok()?;
    let copy = current.clone();
    let _ = CURRENT.try_with(|slot| slot.set(current));
    copy
}

/// Declares context variables: values that follow a coroutine through its resumes.
///
/// See [`ContextVar`]. The value behind `=` is what a coroutine finds that has none.
///
/// ```
/// squall::context_var! {
///     /// The number of the request that is served.
///     pub static REQUEST_ID: u64 = 0;
///     static USER: String = String::from("nobody");
/// }
/// assert_eq!((REQUEST_ID.get(), USER.get().as_str()), (0, "nobody"));
/// ```
#[macro_export]
macro_rules! context_var {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $default:expr;)+) => {$(
        $(#[$attr])*
        $vis static $name: $crate::ContextVar<$type> = $crate::ContextVar::new(|| $default);
    )+};
}

/// A variable of which each coroutine has a value of its own: Python's `ContextVar`.
///
/// A coroutine starts with its caller's values. What it sets stays across its yields, is passed on to
/// the coroutines that it starts from then on, and is not seen by its caller. A scoped coroutine runs
/// inside its caller, and shares the caller's values. Callbacks of the loop have the values that the
/// thread has outside of coroutines.
///
/// For what many functions want and none should have to pass on: the number of a request in every
/// line of its log. Declare one by [`context_var!`](crate::context_var).
///
/// # Examples
///
/// ```
/// use squall::yield_;
///
/// squall::context_var! { static REQUEST_ID: u64 = 0; }
///
/// #[squall::coroutine]
/// fn handle(id: u64) -> u64 {
///     REQUEST_ID.set(id);
///     yield_!(squall::moment()); // others run, with ids of their own
///     yield_!(load())
/// }
///
/// #[squall::coroutine]
/// fn load() -> u64 {
///     yield_!(squall::moment());
///     REQUEST_ID.get()
/// }
///
/// #[squall::main]
/// fn main() {
///     assert_eq!(yield_!([handle(7), handle(8)]), [7, 8]);
///     assert_eq!(REQUEST_ID.get(), 0);
/// }
/// ```
pub struct ContextVar<T: 'static> {
    default: fn() -> T,
}

impl<T: 'static> ContextVar<T> {
    /// Returns a variable, for [`context_var!`](crate::context_var).
    pub const fn new(default: fn() -> T) -> Self {
        ContextVar { default }
    }

    /// Returns a copy of the value.
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Calls `f` with the value.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.find().as_deref().and_then(|any| any.downcast_ref()) {
            Some(value) => f(value),
            None => f(&(self.default)()),
        }
    }

    /// Sets the value in the running coroutine. What is returned takes it back: see
    /// [`reset`](Self::reset).
    pub fn set(&'static self, value: T) -> Previous<T> {
        let previous = self.put(Some(Rc::new(value)));
        Previous {
            value: previous,
            var: PhantomData,
        }
    }

    /// Gives the variable the value that it had before a `set`; that may have been some yields ago.
    pub fn reset(&'static self, previous: Previous<T>) {
        self.put(previous.value);
    }

    /// Returns a future during which the variable has the value.
    ///
    /// # Examples
    ///
    /// ```
    /// # use squall::yield_;
    /// squall::context_var! { static LEVEL: u32 = 0; }
    ///
    /// #[squall::main]
    /// fn main() {
    ///     let inside = yield_!(LEVEL.scope(1, async { LEVEL.get() }));
    ///     assert_eq!((inside, LEVEL.get()), (1, 0));
    /// }
    /// ```
    pub fn scope<F: IntoFuture>(&'static self, value: T, future: F) -> Scope<T, F::IntoFuture> {
        Scope {
            var: self,
            value: Some(Rc::new(value)),
            future: future.into_future(),
        }
    }

    fn key(&'static self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn find(&'static self) -> Option<Rc<dyn Any>> {
        if !context::with(|context| context.has_locals.get()) {
            return None;
        }
        let values = current()?;
        let found = values.0.iter().find(|(key, _)| *key == self.key());
        found.map(|(_, value)| value.clone())
    }

    /// Replaces the value and returns the old one; none of both is the default.
    fn put(&'static self, value: Option<Rc<dyn Any>>) -> Option<Rc<dyn Any>> {
        let mut locals = swap(None).unwrap_or_default();
        // Copied only if another coroutine has it as well.
        let values = &mut Rc::make_mut(&mut locals).0;
        let at = values.iter().position(|(key, _)| *key == self.key());
        let old = at.map(|at| values.swap_remove(at).1);
        if let Some(value) = value {
            values.push((self.key(), value));
        }
        let is_empty = values.is_empty();
        swap((!is_empty).then_some(locals));
        old
    }
}

impl<T: fmt::Debug> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextVar").finish_non_exhaustive()
    }
}

/// The value that a [`ContextVar`] had before it was set.
pub struct Previous<T> {
    value: Option<Rc<dyn Any>>,
    var: PhantomData<fn(T)>,
}

impl<T> fmt::Debug for Previous<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Previous").finish_non_exhaustive()
    }
}

pin_project! {
    /// See [`ContextVar::scope`].
    #[must_use = "the future runs only while this is yielded"]
    pub struct Scope<T: 'static, F> {
        var: &'static ContextVar<T>,
        // What the future has set last.
        value: Option<Rc<dyn Any>>,
        #[pin]
        future: F,
    }
}

impl<T, F: Future> Future for Scope<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let restore = Restore {
            var: *this.var,
            outer: this.var.put(this.value.take()),
            inner: this.value,
        };
        let polled = this.future.poll(cx);
        drop(restore);
        polled
    }
}

/// Takes the inner value out and puts the outer one back, also when a panic passes.
struct Restore<'a, T: 'static> {
    var: &'static ContextVar<T>,
    outer: Option<Rc<dyn Any>>,
    inner: &'a mut Option<Rc<dyn Any>>,
}

impl<T> Drop for Restore<'_, T> {
    fn drop(&mut self) {
        *self.inner = self.var.put(self.outer.take());
    }
}

impl<T, F> fmt::Debug for Scope<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
