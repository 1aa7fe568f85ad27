//! Results in the order in which they come: Tornado's `WaitIterator`.
//!
//! The children stand in a [`Wait`], as those of a list do, but with a policy of their own: it queues
//! each result with its position, and the iterator hands them out. All children have wakers with
//! their number, so that a step costs the same for three and for ten thousand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::hash::BuildHasher;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::multi::{List, Wait};
use super::policy::Policy;
use crate::coro::catch::{CatchPanic, Panicked, catch_panic};
use crate::coro::context;
use crate::coro::traceback::Traceback;

/// Gives the results of several futures one after the other, in the order in which they are done.
///
/// Made of a list or an array, whose results come with their positions, or of a map, whose results
/// come with their keys. Those that are done already come first, in the order of the input. An
/// error is the result of its step; the iterator goes on after it, and so it does after a panic,
/// which comes at the yield of its step.
///
/// # Examples
///
/// ```
/// use squall::{WaitIterator, sleep, yield_};
/// use std::time::Duration;
///
/// #[squall::coroutine]
/// fn after(ms: u64) -> u64 {
///     yield_!(sleep(Duration::from_millis(ms)));
///     ms
/// }
///
/// #[squall::main]
/// fn main() {
///     let mut results = WaitIterator::new([after(3), after(1), after(2)]);
///     let mut order = Vec::new();
///     while let Some((position, ms)) = yield_!(results.next()) {
///         order.push((position, ms));
///     }
///     assert_eq!(order, [(1, 1), (2, 2), (0, 3)]);
/// }
/// ```
///
/// With keys:
///
/// ```
/// # use squall::{WaitIterator, yield_};
/// # use std::collections::HashMap;
/// # #[squall::main]
/// # fn main() {
/// let mut results = WaitIterator::new(HashMap::from([("one", std::future::ready(1))]));
/// assert_eq!(yield_!(results.next()), Some(("one", 1)));
/// assert_eq!(results.current_index(), Some(&"one"));
/// # }
/// ```
#[must_use = "the results are given by `yield_!(iterator.next())`"]
pub struct WaitIterator<K, F: Future> {
    keys: Vec<K>,
    wait: Pin<Box<Arriving<F>>>,
    /// Results that were not given yet.
    left: usize,
    /// Position of the result that was given last.
    current: Option<usize>,
}

type Arriving<F> = Wait<CatchPanic<F>, List<CatchPanic<F>, ()>, Arrivals<<F as Future>::Output>>;

impl<K: Clone, F: Future> WaitIterator<K, F> {
    /// Returns an iterator over the results of `inputs`: a `Vec`, an array, a `HashMap` or a
    /// `BTreeMap` of futures. The order of completion counts from here.
    pub fn new(inputs: impl WaitInputs<Key = K, Wait = F>) -> Self {
        let (keys, waits) = inputs.into_parts();
        let children = List::new(waits.into_iter().map(catch_panic));
        let mut wait = Box::pin(Wait::new(children, Arrivals::default()));
        // From now on each child that is woken has its place in the order, whoever waits, or nobody.
        let _ = (wait.as_mut()).poll(&mut Context::from_waker(Waker::noop()));
        WaitIterator {
            left: keys.len(),
            wait,
            keys,
            current: None,
        }
    }

    /// Returns a future of the next result, with its position or key; of `None` when all were given.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no result: what has come is given at the next step.
    // It is no `Iterator`, whose `next` would have to have the result at once.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Next<'_, K, F> {
        Next { iterator: self }
    }

    /// True if all results were given.
    pub fn done(&self) -> bool {
        self.left == 0
    }

    /// Returns the position or key of the result that was given last. None before the first, and
    /// when [`next`](Self::next) has found that there are no more.
    pub fn current_index(&self) -> Option<&K> {
        self.current.map(|position| &self.keys[position])
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(K, F::Output)>> {
        if self.left == 0 {
            self.current = None;
            return Poll::Ready(None);
        }
        let mut arrival = self.wait.as_mut().policy().queue.pop_front();
        if arrival.is_none() {
            // It is "ready" once the last child is; until then its policy may have some.
            let _ = self.wait.as_mut().poll(cx);
            arrival = self.wait.as_mut().policy().queue.pop_front();
        }
        let Some(arrival) = arrival else {
            return Poll::Pending;
        };
        self.left -= 1;
        self.current = Some(arrival.position);
        context::with(|context| context.set_failure(arrival.traceback));
        match arrival.result {
            Ok(result) => Poll::Ready(Some((self.keys[arrival.position].clone(), result))),
            Err(panicked) => panicked.resume(),
        }
    }
}

impl<K: fmt::Debug + Clone, F: Future> fmt::Debug for WaitIterator<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitIterator")
            .field("left", &self.left)
            .field("current_index", &self.current_index())
            .finish_non_exhaustive()
    }
}

/// See [`WaitIterator::next`].
#[must_use = "the result is given when this is yielded"]
pub struct Next<'a, K, F: Future> {
    iterator: &'a mut WaitIterator<K, F>,
}

impl<K: Clone, F: Future> Future for Next<'_, K, F> {
    type Output = Option<(K, F::Output)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.iterator.poll_next(cx)
    }
}

impl<K: fmt::Debug + Clone, F: Future> fmt::Debug for Next<'_, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Next").field(&self.iterator).finish()
    }
}

/// What a [`WaitIterator`] is made of.
pub trait WaitInputs {
    /// What a result comes with.
    type Key: Clone;
    /// The future of one result.
    type Wait: Future;

    /// Returns the keys and the futures, in one order.
    fn into_parts(self) -> (Vec<Self::Key>, Vec<Self::Wait>);
}

impl<Y: IntoFuture> WaitInputs for Vec<Y> {
    type Key = usize;
    type Wait = Y::IntoFuture;

    fn into_parts(self) -> (Vec<usize>, Vec<Y::IntoFuture>) {
        let waits = self.into_iter().map(Y::into_future);
        waits.enumerate().unzip()
    }
}

impl<Y: IntoFuture, const N: usize> WaitInputs for [Y; N] {
    type Key = usize;
    type Wait = Y::IntoFuture;

    fn into_parts(self) -> (Vec<usize>, Vec<Y::IntoFuture>) {
        let waits = self.into_iter().map(Y::into_future);
        waits.enumerate().unzip()
    }
}

impl<K: Clone, Y: IntoFuture, S: BuildHasher> WaitInputs for HashMap<K, Y, S> {
    type Key = K;
    type Wait = Y::IntoFuture;

    fn into_parts(self) -> (Vec<K>, Vec<Y::IntoFuture>) {
        let entries = self.into_iter().map(|(key, y)| (key, y.into_future()));
        entries.unzip()
    }
}

impl<K: Clone, Y: IntoFuture> WaitInputs for BTreeMap<K, Y> {
    type Key = K;
    type Wait = Y::IntoFuture;

    fn into_parts(self) -> (Vec<K>, Vec<Y::IntoFuture>) {
        let entries = self.into_iter().map(|(key, y)| (key, y.into_future()));
        entries.unzip()
    }
}

/// Queues results in the order in which they come.
struct Arrivals<T> {
    queue: VecDeque<Arrival<T>>,
}

struct Arrival<T> {
    position: usize,
    result: Result<T, Panicked>,
    traceback: Option<Box<Traceback>>,
}

impl<T> Default for Arrivals<T> {
    fn default() -> Self {
        Arrivals {
            queue: VecDeque::new(),
        }
    }
}

impl<T> Policy<Result<T, Panicked>> for Arrivals<T> {
    type Kept = ();
    type Output<V> = ();
    const IN_ORDER_OF_ARRIVAL: bool = true;

    fn keep(&mut self, position: usize, result: Result<T, Panicked>) -> Option<()> {
        self.queue.push_back(Arrival {
            position,
            result,
            traceback: context::with(|context| context.take_failure()),
        });
        None
    }

    fn is_over(&self) -> bool {
        false
    }

    fn finish<V>(&mut self, _: impl FnOnce() -> V) {}
}
