//! Queues between coroutines.
//!
//! The three kinds differ in which item is taken next, and in nothing else: that is their *store*.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::store::{Fifo, Item, Len, Lifo, Smallest, Store};
use crate::coro::context;
use crate::coro::deferred::Deferred;
use crate::coro::waits::WaitsFor;
use crate::error::{Error, Result};
use crate::future::Promise;

struct State<T, S> {
    /// 0 means no limit.
    max: usize,
    items: S,
    getters: VecDeque<Promise<Item<T>>>,
    putters: VecDeque<(T, Promise<()>)>,
    joiners: VecDeque<Promise<()>>,
    /// Items put and not yet reported by `task_done`.
    unfinished: usize,
    /// Items put at all; each is numbered by it.
    sequence: u64,
}

/// A place in the queue that is waited for; see [`Queue::put`].
pub type Put = Deferred<()>;

/// The end of all work that is waited for; see [`Queue::join`].
pub type Join = Deferred<()>;

macro_rules! queues {
    ($($(#[$doc:meta])* $name:ident[$($bound:tt)*]($store:ident, $next:literal);)*) => {$(
        $(#[$doc])*
        pub struct $name<T> {
            state: Rc<RefCell<State<T, $store<T>>>>,
        }

        impl<T: $($bound)*> $name<T> {
            /// Makes a queue that is never full.
            pub fn new() -> Self {
                Self::bounded(0)
            }

            /// Makes a queue that holds `max` items; 0 means no limit, as in Tornado.
            pub fn bounded(max: usize) -> Self {
                Self {
                    state: State::new(max),
                }
            }

            /// Puts an item in, and waits for a place if there is none.
            ///
            /// It is in the queue when this returns, if there is room.
            ///
            /// # Cancellation
            ///
            /// If the `Put` is dropped before there is room, the item is never queued; dropped
            /// later, it stays in the queue.
            pub fn put(&self, item: T) -> Put {
                put(&self.state, item)
            }

            /// Puts an item in without waiting.
            ///
            /// # Errors
            ///
            /// If the queue is full ([`Error::is_queue_full`]); the item is dropped. Use `put` to
            /// wait.
            pub fn put_nowait(&self, item: T) -> Result<()> {
                try_put(&self.state, item).map_err(|_| Error::queue_full())
            }

            #[doc = concat!("Takes the ", $next, " item, and waits for one if there is none.")]
            pub fn get(&self) -> Get<T> {
                get(&self.state)
            }

            #[doc = concat!("Takes the ", $next, " item without waiting.")]
            ///
            /// # Errors
            ///
            /// If the queue is empty ([`Error::is_queue_empty`]).
            pub fn get_nowait(&self) -> Result<T> {
                let item = pop(&self.state).ok_or_else(Error::queue_empty)?;
                Ok(item.value)
            }

            /// Reports that the work on an item that was got is done.
            ///
            /// # Panics
            ///
            /// If it is called more often than items were put.
            pub fn task_done(&self) {
                task_done(&self.state);
            }

            /// Waits until every item that was put is reported done.
            pub fn join(&self) -> Join {
                join(&self.state)
            }

            /// Returns how many items are in it.
            pub fn len(&self) -> usize {
                self.state.borrow().items.len()
            }

            /// True if nothing is in it: a `get` would wait.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// True if it has a limit and is at it: a `put` would wait.
            pub fn is_full(&self) -> bool {
                self.state.borrow().is_full()
            }
        }

        impl<T: $($bound)*> Default for $name<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                Self {
                    state: self.state.clone(),
                }
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.state.borrow().fmt_as(stringify!($name), f)
            }
        }
    )*};
}

queues! {
    /// A first-in, first-out queue that coroutines put to and get from: Tornado's `queues.Queue`.
    ///
    /// Cheap to clone; every clone is the same queue. A `get` of an empty queue and a `put` to a full
    /// one wait, and are served in the order in which they came: a waiting coroutine is handed its item
    /// or its place, and nobody who comes later can take it. The queue counts the items that
    /// were put and not yet reported done, for [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use squall::{IoLoop, sync::Queue, yield_};
    ///
    /// #[squall::coroutine]
    /// fn worker(queue: Queue<u32>) {
    ///     loop {
    ///         let n = yield_!(queue.get());
    ///         println!("working on {n}");
    ///         queue.task_done();
    ///     }
    /// }
    ///
    /// #[squall::main]
    /// fn main() {
    ///     let queue = Queue::bounded(2);
    ///     worker(queue.clone());
    ///     for n in 0..10 {
    ///         yield_!(queue.put(n)); // waits while two are in it
    ///     }
    ///     yield_!(queue.join()); // waits until the last is done
    /// }
    /// ```
    Queue['static](Fifo, "oldest");

    /// A [`Queue`] that gives the smallest item first: Tornado's `queues.PriorityQueue`.
    ///
    /// Of equal ones the oldest. Wrap items in [`std::cmp::Reverse`] for the largest first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use squall::{sync::PriorityQueue, yield_};
    /// #[squall::main]
    /// fn main() {
    ///     let queue = PriorityQueue::new();
    ///     for item in [(2, "later"), (1, "soon"), (3, "last")] {
    ///         yield_!(queue.put(item));
    ///     }
    ///     assert_eq!(yield_!(queue.get()), (1, "soon"));
    /// }
    /// ```
    PriorityQueue[Ord + 'static](Smallest, "smallest");

    /// A [`Queue`] that gives the newest item first: Tornado's `queues.LifoQueue`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use squall::{sync::LifoQueue, yield_};
    /// #[squall::main]
    /// fn main() {
    ///     let stack = LifoQueue::new();
    ///     yield_!((stack.put(1), stack.put(2)));
    ///     assert_eq!(yield_!(stack.get()), 2);
    /// }
    /// ```
    LifoQueue['static](Lifo, "newest");
}

type Shared<T, S> = Rc<RefCell<State<T, S>>>;

fn put<T: 'static, S: Store<T>>(shared: &Shared<T, S>, item: T) -> Put {
    match try_put(shared, item) {
        Ok(()) => Deferred::ready(()),
        Err(item) => {
            let (promise, put) = Promise::new();
            let mut state = shared.borrow_mut();
            promise.for_queue_place(state.bound());
            let withdrawn = state.remove_withdrawn();
            let more = remove_gone(&mut state.putters, |(_, put)| put.is_abandoned());
            state.putters.push_back((item, promise));
            drop(state);
            drop((withdrawn, more));
            put
        }
    }
}

/// Hands the item to the first who waits, or queues it; gives it back if there is no room.
fn try_put<T, S: Store<T>>(shared: &Shared<T, S>, value: T) -> Result<(), T> {
    let mut state = shared.borrow_mut();
    state.remove_gone_getters();
    if state.getters.is_empty() && state.is_full() {
        return Err(value);
    }
    let item = state.number(value);
    match state.getters.pop_front() {
        Some(getter) => {
            drop(state);
            getter.set_result(item);
        }
        None => state.items.push(item),
    }
    Ok(())
}

fn get<T: 'static, S: Store<T> + 'static>(shared: &Shared<T, S>) -> Get<T> {
    let item = match pop(shared) {
        Some(item) => Deferred::ready(item),
        None => {
            let (promise, item) = Promise::new();
            let mut state = shared.borrow_mut();
            state.remove_gone_getters();
            let gone = remove_gone(&mut state.getters, Promise::is_abandoned);
            state.getters.push_back(promise);
            drop(state);
            drop(gone);
            item
        }
    };
    Get {
        item: Some(item),
        queue: shared.clone(),
    }
}

/// Takes the next item. Who waits for a place puts in first, as in Tornado: that item may be the
/// next one already.
fn pop<T, S: Store<T>>(shared: &Shared<T, S>) -> Option<Item<T>> {
    let mut state = shared.borrow_mut();
    let withdrawn = state.remove_withdrawn();
    let admitted = state.putters.pop_front().map(|(value, put)| {
        let item = state.number(value);
        state.items.push(item);
        put
    });
    let item = state.items.pop();
    drop(state);
    drop(withdrawn);
    if let Some(put) = admitted {
        put.set_result(());
    }
    item
}

/// Takes those out who gave up, wherever they stand, if the line would have to grow otherwise: so it
/// is never much longer than those who wait were at a time, and this costs little each time.
fn remove_gone<W>(line: &mut VecDeque<W>, is_gone: impl Fn(&W) -> bool) -> VecDeque<W> {
    if line.len() < line.capacity() {
        return VecDeque::new();
    }
    let (gone, waiting) = std::mem::take(line).into_iter().partition(is_gone);
    *line = waiting;
    line.reserve(line.len() + 1);
    gone
}

fn task_done<T, S>(shared: &Shared<T, S>) {
    let mut state = shared.borrow_mut();
    let left = state.unfinished.checked_sub(1);
    state.unfinished = left.expect("task_done was called more often than put");
    if state.unfinished > 0 {
        return;
    }
    let joiners = std::mem::take(&mut state.joiners);
    drop(state);
    joiners.into_iter().for_each(|join| join.set_result(()));
}

fn join<T, S>(shared: &Shared<T, S>) -> Join {
    let mut state = shared.borrow_mut();
    if state.unfinished == 0 {
        return Deferred::ready(());
    }
    let (promise, join) = Promise::new();
    promise.for_queue_work();
    let gone = remove_gone(&mut state.joiners, Promise::is_abandoned);
    state.joiners.push_back(promise);
    drop(state);
    drop(gone);
    join
}

impl<T, S: Store<T>> State<T, S> {
    fn new(max: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(State {
            max,
            items: S::default(),
            getters: VecDeque::new(),
            putters: VecDeque::new(),
            joiners: VecDeque::new(),
            unfinished: 0,
            sequence: 0,
        }))
    }

    fn is_full(&self) -> bool {
        self.max > 0 && self.items.len() >= self.max
    }

    /// The limit as it is shown.
    fn bound(&self) -> u32 {
        u32::try_from(self.max).unwrap_or(u32::MAX)
    }

    /// Counts and numbers an item that enters.
    fn number(&mut self, value: T) -> Item<T> {
        self.unfinished += 1;
        self.sequence += 1;
        Item {
            number: self.sequence,
            value,
        }
    }

    /// Drops getters that gave up, up to the first that still waits.
    fn remove_gone_getters(&mut self) {
        while self.getters.front().is_some_and(Promise::is_abandoned) {
            self.getters.pop_front();
        }
    }

    /// Takes out putters that gave up, up to the first that still waits; to be dropped outside of
    /// the borrow.
    fn remove_withdrawn(&mut self) -> Vec<(T, Promise<()>)> {
        let mut withdrawn = Vec::new();
        while self
            .putters
            .front()
            .is_some_and(|(_, put)| put.is_abandoned())
        {
            withdrawn.extend(self.putters.pop_front());
        }
        withdrawn
    }
}

impl<T, S: Len> State<T, S> {
    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("max", &self.max)
            .field("len", &self.items.len())
            .field("getters", &self.getters.len())
            .field("putters", &self.putters.len())
            .field("unfinished", &self.unfinished)
            .finish()
    }
}

/// A queue as a [`Get`] knows it.
trait TakeBack<T> {
    /// Takes back an item that was handed to a `get` that nobody waits for any more.
    fn take_back(&self, item: Item<T>);

    /// Its limit, as it is shown.
    fn bound(&self) -> u32;
}

impl<T, S: Store<T>> TakeBack<T> for RefCell<State<T, S>> {
    fn take_back(&self, item: Item<T>) {
        let mut state = self.borrow_mut();
        state.remove_gone_getters();
        match state.getters.pop_front() {
            Some(getter) => {
                drop(state);
                getter.set_result(item);
            }
            None => state.items.put_back(item),
        }
    }

    fn bound(&self) -> u32 {
        self.borrow().bound()
    }
}

/// An item that is waited for; see [`Queue::get`].
///
/// # Cancellation
///
/// Nothing is lost: an item that it was handed and did not give goes back to its place in the queue.
#[must_use = "the item goes back to the queue unless this is yielded"]
pub struct Get<T: 'static> {
    /// `None` once it gave its item.
    item: Option<Deferred<Item<T>>>,
    queue: Rc<dyn TakeBack<T>>,
}

impl<T> Unpin for Get<T> {}

impl<T> Future for Get<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(item) = &mut self.item else {
            panic!("a get gives its item once; it was waited for again");
        };
        let polled = Pin::new(item).poll(cx);
        match polled {
            Poll::Ready(_) => self.item = None,
            Poll::Pending => {
                let bound = self.queue.bound();
                context::waits_for(WaitsFor::QueueItem { bound });
            }
        }
        polled.map(|item| item.value)
    }
}

impl<T> Drop for Get<T> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take().and_then(|mut item| item.try_take()) {
            self.queue.take_back(item);
        }
    }
}

impl<T> fmt::Debug for Get<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.item.as_ref().is_none_or(Deferred::done);
        f.debug_struct("Get").field("done", &done).finish()
    }
}
