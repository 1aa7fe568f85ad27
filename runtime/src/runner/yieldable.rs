//! What may be yielded.
//!
//! A yielded value is a tree: a future is a leaf, a list, array, map, tuple or `Option` a node, `()` a
//! moment.
//! Two traits say how a tree is waited for: [`Yieldable`] keeps the results in the same tree,
//! [`Fallible`], for trees whose leaves are all `Result`s of one error type, collapses them to one
//! `Result` of the tree. Both carry a marker type that names the form, so that the blanket
//! implementation for futures and those for collections do not overlap; the compiler finds the marker.
//!
//! `yield_!` picks between the two by the number of references it has to put in front: see [`Tag`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::multi::{Child, Keyed, List, Rebuild, Wait};
use super::policy::{FirstError, OnError, Plain};
use crate::coro::cancel::{AsError, AsUnwind, Cancelled, Deliver};
use crate::coro::site::YieldSite;
use crate::coro::yield_point::YieldPoint;
use crate::future::{Moment, moment};

/// A value that a coroutine can yield: what Tornado's `convert_yielded` takes.
///
/// Implemented for futures, and for collections of what is yieldable. To make a type of your own
/// yieldable implement `IntoFuture` for it: that is the open end, where Python has `singledispatch`.
///
/// # Examples
///
/// ```
/// use squall::{Deferred, yield_};
///
/// struct Query(&'static str);
///
/// impl IntoFuture for Query {
///     type Output = usize;
///     type IntoFuture = Deferred<usize>;
///
///     fn into_future(self) -> Deferred<usize> {
///         count(self.0)
///     }
/// }
///
/// #[squall::coroutine]
/// fn count(text: &'static str) -> usize {
///     yield_!(squall::moment()); // ask the database
///     text.len()
/// }
///
/// #[squall::main]
/// fn main() {
///     assert_eq!(yield_!(Query("a")), 1);
///     assert_eq!(yield_!([Query("ab"), Query("abc")]), [2, 3]);
/// }
/// ```
///
/// For a collection of your own implement this trait, with a marker type of your own for `M`, which
/// is otherwise the compiler's business; `examples/yieldable.rs` does both.
pub trait Yieldable<M> {
    /// What the yield gives: the tree with results for leaves.
    type Output;
    /// The future that waits for all of it.
    type Wait: Future<Output = Self::Output>;

    /// Begins to wait.
    fn wait(self) -> Self::Wait;
}

/// A yieldable whose leaves are all `Result`s with the same error.
pub trait Fallible<M>: Yieldable<M> {
    /// The tree of the leaves' values.
    type Ok;
    /// The leaves' error.
    type Error;
    /// The future that waits for all of it.
    type TryWait: Future<Output = Result<Self::Ok, Self::Error>>;

    /// Begins to wait; `on_error` says what an error among the leaves does.
    fn try_wait(self, on_error: OnError) -> Self::TryWait;
}

/// The form of a leaf.
#[derive(Debug)]
pub struct ByFuture;
/// The form of `()`.
#[derive(Debug)]
pub struct ByMoment;
/// The form of a list of `M`s.
#[derive(Debug)]
pub struct ByList<M>(PhantomData<M>);
/// The form of an array of `M`s.
#[derive(Debug)]
pub struct ByArray<M>(PhantomData<M>);
/// The form of an `Option` of an `M`.
#[derive(Debug)]
pub struct ByOption<M>(PhantomData<M>);
/// The form of a map of `M`s.
#[derive(Debug)]
pub struct ByMap<M>(PhantomData<M>);

impl<F: IntoFuture> Yieldable<ByFuture> for F {
    type Output = F::Output;
    type Wait = F::IntoFuture;

    #[inline]
    fn wait(self) -> F::IntoFuture {
        self.into_future()
    }
}

impl<F, T, E> Fallible<ByFuture> for F
where
    F: IntoFuture<Output = Result<T, E>>,
    E: fmt::Debug,
{
    type Ok = T;
    type Error = E;
    type TryWait = F::IntoFuture;

    #[inline]
    fn try_wait(self, _: OnError) -> F::IntoFuture {
        self.into_future()
    }
}

impl Yieldable<ByMoment> for () {
    type Output = ();
    type Wait = Moment;

    fn wait(self) -> Moment {
        moment()
    }
}

impl<Y: Yieldable<M>, M> Yieldable<ByList<M>> for Vec<Y> {
    type Output = Vec<Y::Output>;
    type Wait = Wait<Y::Wait, List<Y::Wait, Y::Output>, Plain>;

    fn wait(self) -> Self::Wait {
        Wait::new(List::new(self.into_iter().map(Y::wait)), Plain::default())
    }
}

impl<Y: Fallible<M>, M> Fallible<ByList<M>> for Vec<Y>
where
    Y::Error: fmt::Debug,
{
    type Ok = Vec<Y::Ok>;
    type Error = Y::Error;
    type TryWait = Wait<Y::TryWait, List<Y::TryWait, Y::Ok>, FirstError<Y::Ok, Y::Error>>;

    fn try_wait(self, on_error: OnError) -> Self::TryWait {
        let waits = self.into_iter().map(|child| child.try_wait(on_error));
        Wait::new(List::new(waits), FirstError::new(on_error))
    }
}

impl<Y: Yieldable<M>, M, const N: usize> Yieldable<ByArray<M>> for [Y; N] {
    type Output = [Y::Output; N];
    type Wait = Wait<Y::Wait, [Child<Y::Wait, Y::Output>; N], Plain>;

    fn wait(self) -> Self::Wait {
        Wait::new(
            self.map(|child| Child::Waiting(child.wait())),
            Plain::default(),
        )
    }
}

impl<Y: Fallible<M>, M, const N: usize> Fallible<ByArray<M>> for [Y; N]
where
    Y::Error: fmt::Debug,
{
    type Ok = [Y::Ok; N];
    type Error = Y::Error;
    type TryWait = Wait<Y::TryWait, [Child<Y::TryWait, Y::Ok>; N], FirstError<Y::Ok, Y::Error>>;

    fn try_wait(self, on_error: OnError) -> Self::TryWait {
        let waits = self.map(|child| Child::Waiting(child.try_wait(on_error)));
        Wait::new(waits, FirstError::new(on_error))
    }
}

/// Makes a double-ended queue again.
#[derive(Debug)]
pub struct Queued;

impl<T> Rebuild<T> for Queued {
    type Map = VecDeque<T>;

    fn rebuild(self, values: impl Iterator<Item = T>) -> VecDeque<T> {
        values.collect()
    }
}

impl<Y: Yieldable<M>, M> Yieldable<ByList<M>> for VecDeque<Y> {
    type Output = VecDeque<Y::Output>;
    type Wait = Wait<Y::Wait, Keyed<Y::Wait, Y::Output, Queued>, Plain>;

    fn wait(self) -> Self::Wait {
        let waits = self.into_iter().map(Y::wait);
        Wait::new(Keyed::new(waits, Queued), Plain::default())
    }
}

impl<Y: Fallible<M>, M> Fallible<ByList<M>> for VecDeque<Y>
where
    Y::Error: fmt::Debug,
{
    type Ok = VecDeque<Y::Ok>;
    type Error = Y::Error;
    type TryWait = Wait<Y::TryWait, Keyed<Y::TryWait, Y::Ok, Queued>, FirstError<Y::Ok, Y::Error>>;

    fn try_wait(self, on_error: OnError) -> Self::TryWait {
        let waits = self.into_iter().map(|child| child.try_wait(on_error));
        Wait::new(Keyed::new(waits, Queued), FirstError::new(on_error))
    }
}

impl<Y: Yieldable<M>, M> Yieldable<ByOption<M>> for Option<Y> {
    type Output = Option<Y::Output>;
    type Wait = OptionWait<Y::Wait>;

    fn wait(self) -> Self::Wait {
        OptionWait {
            wait: self.map(Y::wait),
        }
    }
}

impl<Y: Fallible<M>, M> Fallible<ByOption<M>> for Option<Y> {
    type Ok = Option<Y::Ok>;
    type Error = Y::Error;
    type TryWait = TryOptionWait<Y::TryWait>;

    fn try_wait(self, on_error: OnError) -> Self::TryWait {
        TryOptionWait {
            wait: self.map(|child| child.try_wait(on_error)),
        }
    }
}

pin_project! {
    /// Waits for what may not be there.
    #[derive(Debug)]
    pub struct OptionWait<W> {
        #[pin]
        wait: Option<W>,
    }
}

impl<W: Future> Future for OptionWait<W> {
    type Output = Option<W::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().wait.as_pin_mut() {
            Some(wait) => wait.poll(cx).map(Some),
            None => Poll::Ready(None),
        }
    }
}

pin_project! {
    /// Waits for a result that may not be there.
    #[derive(Debug)]
    pub struct TryOptionWait<W> {
        #[pin]
        wait: Option<W>,
    }
}

impl<T, E, W: Future<Output = Result<T, E>>> Future for TryOptionWait<W> {
    type Output = Result<Option<T>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().wait.as_pin_mut() {
            Some(wait) => wait.poll(cx).map_ok(Some),
            None => Poll::Ready(Ok(None)),
        }
    }
}

/// The keys of a hash map, and its hasher.
#[derive(Debug)]
pub struct HashKeys<K, S> {
    keys: Vec<K>,
    hasher: S,
}

impl<K: Eq + Hash, S: BuildHasher, T> Rebuild<T> for HashKeys<K, S> {
    type Map = HashMap<K, T, S>;

    fn rebuild(self, values: impl Iterator<Item = T>) -> Self::Map {
        let mut map = HashMap::with_capacity_and_hasher(self.keys.len(), self.hasher);
        map.extend(self.keys.into_iter().zip(values));
        map
    }
}

/// The keys of an ordered map.
#[derive(Debug)]
pub struct OrderedKeys<K>(Vec<K>);

impl<K: Ord, T> Rebuild<T> for OrderedKeys<K> {
    type Map = BTreeMap<K, T>;

    fn rebuild(self, values: impl Iterator<Item = T>) -> Self::Map {
        self.0.into_iter().zip(values).collect()
    }
}

impl<K: Eq + Hash, Y: Yieldable<M>, S: BuildHasher + Clone, M> Yieldable<ByMap<M>>
    for HashMap<K, Y, S>
{
    type Output = HashMap<K, Y::Output, S>;
    type Wait = Wait<Y::Wait, Keyed<Y::Wait, Y::Output, HashKeys<K, S>>, Plain>;

    fn wait(self) -> Self::Wait {
        let hasher = self.hasher().clone();
        let (keys, children): (Vec<K>, Vec<Y>) = self.into_iter().unzip();
        let keys = HashKeys { keys, hasher };
        Wait::new(
            Keyed::new(children.into_iter().map(Y::wait), keys),
            Plain::default(),
        )
    }
}

impl<K: Eq + Hash, Y: Fallible<M>, S: BuildHasher + Clone, M> Fallible<ByMap<M>>
    for HashMap<K, Y, S>
where
    Y::Error: fmt::Debug,
{
    type Ok = HashMap<K, Y::Ok, S>;
    type Error = Y::Error;
    type TryWait =
        Wait<Y::TryWait, Keyed<Y::TryWait, Y::Ok, HashKeys<K, S>>, FirstError<Y::Ok, Y::Error>>;

    fn try_wait(self, on_error: OnError) -> Self::TryWait {
        let hasher = self.hasher().clone();
        let (keys, children): (Vec<K>, Vec<Y>) = self.into_iter().unzip();
        let waits = children.into_iter().map(|child| child.try_wait(on_error));
        let keyed = Keyed::new(waits, HashKeys { keys, hasher });
        Wait::new(keyed, FirstError::new(on_error))
    }
}

impl<K: Ord, Y: Yieldable<M>, M> Yieldable<ByMap<M>> for BTreeMap<K, Y> {
    type Output = BTreeMap<K, Y::Output>;
    type Wait = Wait<Y::Wait, Keyed<Y::Wait, Y::Output, OrderedKeys<K>>, Plain>;

    fn wait(self) -> Self::Wait {
        let (keys, children): (Vec<K>, Vec<Y>) = self.into_iter().unzip();
        let waits = children.into_iter().map(Y::wait);
        Wait::new(Keyed::new(waits, OrderedKeys(keys)), Plain::default())
    }
}

impl<K: Ord, Y: Fallible<M>, M> Fallible<ByMap<M>> for BTreeMap<K, Y>
where
    Y::Error: fmt::Debug,
{
    type Ok = BTreeMap<K, Y::Ok>;
    type Error = Y::Error;
    type TryWait =
        Wait<Y::TryWait, Keyed<Y::TryWait, Y::Ok, OrderedKeys<K>>, FirstError<Y::Ok, Y::Error>>;

    fn try_wait(self, on_error: OnError) -> Self::TryWait {
        let (keys, children): (Vec<K>, Vec<Y>) = self.into_iter().unzip();
        let waits = children.into_iter().map(|child| child.try_wait(on_error));
        Wait::new(
            Keyed::new(waits, OrderedKeys(keys)),
            FirstError::new(on_error),
        )
    }
}

/// A yielded value's type, which `yield_!` asks for its kind.
///
/// The four kinds are found through four, three, two and one references, so that the first that fits
/// is taken: all leaves fallible, by an error that can tell of a cancellation; fallible; yieldable;
/// anything else. The last gives the compile error.
#[derive(Debug)]
pub struct Tag<Y>(PhantomData<fn(Y)>);

impl<Y> Tag<Y> {
    /// The tag of the value's type.
    #[inline]
    pub fn of(_: &Y) -> Self {
        Tag(PhantomData)
    }
}

/// Fallible leaves with an error that converts from [`Cancelled`].
pub trait CancelKind<M> {
    /// Returns the kind.
    #[inline]
    fn kind(&self) -> CollapseErrors<M, AsError> {
        CollapseErrors(PhantomData)
    }
}
impl<Y: Fallible<M>, M> CancelKind<M> for &&&Tag<Y> where Y::Error: From<Cancelled> {}

/// Fallible leaves: one `Result` of the tree.
pub trait FallibleKind<M> {
    /// Returns the kind.
    #[inline]
    fn kind(&self) -> CollapseErrors<M, AsUnwind> {
        CollapseErrors(PhantomData)
    }
}
impl<Y: Fallible<M>, M> FallibleKind<M> for &&Tag<Y> {}

/// Any leaves: the plain tree.
pub trait PlainKind<M> {
    /// Returns the kind.
    #[inline]
    fn kind(&self) -> KeepAll<M> {
        KeepAll(PhantomData)
    }
}
impl<Y: Yieldable<M>, M> PlainKind<M> for &Tag<Y> {}

/// Not yieldable.
pub trait UnyieldableKind {
    /// Returns the kind.
    fn kind(&self) -> Refuse {
        Refuse
    }
}
impl<Y> UnyieldableKind for Tag<Y> {}

/// Waits for a tree of `Result`s; a cancellation is told in the way `D`.
#[derive(Debug)]
pub struct CollapseErrors<M, D>(PhantomData<(M, D)>);

impl<M, D> CollapseErrors<M, D> {
    /// Begins to wait at `site`.
    #[inline]
    pub fn wait<Y>(self, site: &'static YieldSite, value: Y) -> YieldPoint<Y::TryWait, D>
    where
        Y: Fallible<M>,
        D: Deliver<Result<Y::Ok, Y::Error>>,
    {
        YieldPoint::new(site, value.try_wait(OnError::default()))
    }
}

/// Waits for a tree of anything.
#[derive(Debug)]
pub struct KeepAll<M>(PhantomData<M>);

impl<M> KeepAll<M> {
    /// Begins to wait at `site`.
    #[inline]
    pub fn wait<Y: Yieldable<M>>(
        self,
        site: &'static YieldSite,
        value: Y,
    ) -> YieldPoint<Y::Wait, AsUnwind> {
        YieldPoint::new(site, value.wait())
    }
}

/// Refuses a value at compile time.
#[derive(Debug)]
pub struct Refuse;

impl Refuse {
    /// Never compiles: nothing implements [`CanBeYielded`]. `T` is whatever the program wants of
    /// it, so that there is one error and not a second about its type.
    pub fn wait<Y: CanBeYielded, T>(self, _: &'static YieldSite, _: Y) -> std::future::Pending<T> {
        std::future::pending()
    }
}

/// The bound that tells why a value cannot be yielded.
#[diagnostic::on_unimplemented(
    message = "a coroutine cannot yield `{Self}`",
    label = "this is `{Self}`, not a future",
    note = "a coroutine yields a future, `()`, or an array, `Vec`, `VecDeque`, `HashMap`, `BTreeMap`, `Option` or tuple of what it can yield",
    note = "an iterator starts nothing: `.collect::<Vec<_>>()` it",
    note = "yield what a call returns, not the function; a lock or a queue is not a future, its `acquire()` or `get()` is",
    note = "to make a type of your own yieldable, implement `std::future::IntoFuture` for it"
)]
pub trait CanBeYielded {}

/// Waits for all of a yieldable tree, with settings: Tornado's `gen.multi`.
///
/// Yielding the tree itself does the same; this is for [`quiet`](TreeWait::quiet), and for waiting
/// for a tree in a place that wants one future. The leaves are `Result`s; for others yield the tree.
///
/// # Examples
///
/// ```
/// # use squall::{multi, yield_, Deferred};
/// #[squall::coroutine]
/// fn parse(text: &'static str) -> Result<u32, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// #[squall::main]
/// fn main() {
///     let all = multi(vec![parse("1"), parse("x"), parse("y")]).quiet();
///     assert!(yield_!(all).is_err()); // the error of "x"; that of "y" is not logged
/// }
/// ```
pub fn multi<Y: Fallible<M>, M>(children: Y) -> TreeWait<Y, M> {
    TreeWait {
        children,
        on_error: OnError::default(),
        form: PhantomData,
    }
}

/// See [`multi`].
#[must_use = "the children are waited for when this is yielded"]
#[derive(Debug)]
pub struct TreeWait<Y, M> {
    children: Y,
    on_error: OnError,
    form: PhantomData<M>,
}

impl<Y, M> TreeWait<Y, M> {
    /// Does not log the errors that are not given: Tornado's `quiet_exceptions`.
    pub fn quiet(mut self) -> Self {
        self.on_error.quiet = true;
        self
    }

    /// Cancels the children that are left as soon as one has failed, and gives its error at once.
    ///
    /// Started coroutines are cancelled as by [`Deferred::cancel`](crate::Deferred::cancel), other
    /// futures are dropped. Without this all are waited for, as Tornado does.
    pub fn cancel_on_error(mut self) -> Self {
        self.on_error.cancel = true;
        self
    }
}

impl<Y: Fallible<M>, M> IntoFuture for TreeWait<Y, M> {
    type Output = Result<Y::Ok, Y::Error>;
    type IntoFuture = Y::TryWait;

    fn into_future(self) -> Y::TryWait {
        self.children.try_wait(self.on_error)
    }
}
