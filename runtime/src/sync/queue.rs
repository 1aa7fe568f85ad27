//! A queue between coroutines.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::coro::deferred::Deferred;
use crate::error::{Error, Result};
use crate::future::Promise;

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
pub struct Queue<T> {
    state: Rc<RefCell<State<T>>>,
}

struct State<T> {
    /// 0 means no limit.
    max: usize,
    items: VecDeque<Item<T>>,
    getters: VecDeque<Promise<Item<T>>>,
    putters: VecDeque<(T, Promise<()>)>,
    joiners: Vec<Promise<()>>,
    /// Items put and not yet reported by `task_done`.
    unfinished: usize,
    /// Items put at all; each is numbered by it.
    sequence: u64,
}

/// An item and its number, so that one that is given back finds its place again.
struct Item<T> {
    number: u64,
    value: T,
}

/// A place in the queue that is waited for; see [`Queue::put`].
pub type Put = Deferred<()>;

/// The end of all work that is waited for; see [`Queue::join`].
pub type Join = Deferred<()>;

impl<T: 'static> Queue<T> {
    /// Makes a queue that is never full.
    pub fn new() -> Queue<T> {
        Queue::bounded(0)
    }

    /// Makes a queue that holds `max` items; 0 means no limit, as in Tornado.
    pub fn bounded(max: usize) -> Queue<T> {
        Queue {
            state: Rc::new(RefCell::new(State {
                max,
                items: VecDeque::new(),
                getters: VecDeque::new(),
                putters: VecDeque::new(),
                joiners: Vec::new(),
                unfinished: 0,
                sequence: 0,
            })),
        }
    }

    /// Puts an item in, and waits for a place if there is none.
    ///
    /// It is in the queue when this returns, if there is room.
    ///
    /// # Cancellation
    ///
    /// If the `Put` is dropped before there is room, the item is never queued; dropped later, it
    /// stays in the queue.
    pub fn put(&self, item: T) -> Put {
        match self.try_put(item) {
            Ok(()) => Deferred::ready(()),
            Err(item) => {
                let (promise, put) = Promise::new();
                let mut state = self.state.borrow_mut();
                let withdrawn = state.remove_withdrawn();
                state.putters.push_back((item, promise));
                drop(state);
                drop(withdrawn);
                put
            }
        }
    }

    /// Puts an item in without waiting.
    ///
    /// # Errors
    ///
    /// If the queue is full ([`Error::is_queue_full`]); the item is dropped. Use `put` to wait.
    pub fn put_nowait(&self, item: T) -> Result<()> {
        self.try_put(item).map_err(|_| Error::queue_full())
    }

    /// Takes the oldest item, and waits for one if there is none.
    pub fn get(&self) -> Get<T> {
        let item = match self.pop() {
            Some(item) => Deferred::ready(item),
            None => {
                let (promise, item) = Promise::new();
                let mut state = self.state.borrow_mut();
                state.remove_gone_getters();
                state.getters.push_back(promise);
                item
            }
        };
        Get {
            item: Some(item),
            queue: self.clone(),
        }
    }

    /// Takes the oldest item without waiting.
    ///
    /// # Errors
    ///
    /// If the queue is empty ([`Error::is_queue_empty`]).
    pub fn get_nowait(&self) -> Result<T> {
        let item = self.pop().ok_or_else(Error::queue_empty)?;
        Ok(item.value)
    }

    /// Reports that the work on an item that was got is done.
    ///
    /// # Panics
    ///
    /// If it is called more often than items were put.
    pub fn task_done(&self) {
        let mut state = self.state.borrow_mut();
        let left = state.unfinished.checked_sub(1);
        state.unfinished = left.expect("task_done was called more often than put");
        if state.unfinished > 0 {
            return;
        }
        let joiners = std::mem::take(&mut state.joiners);
        drop(state);
        joiners.into_iter().for_each(|join| join.set_result(()));
    }

    /// Waits until every item that was put is reported done.
    pub fn join(&self) -> Join {
        let mut state = self.state.borrow_mut();
        if state.unfinished == 0 {
            return Deferred::ready(());
        }
        let (promise, join) = Promise::new();
        state.joiners.push(promise);
        join
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

    /// Takes the oldest item, and lets those in who wait for its place.
    fn pop(&self) -> Option<Item<T>> {
        let mut state = self.state.borrow_mut();
        let item = state.items.pop_front()?;
        let withdrawn = state.admit();
        drop(state);
        drop(withdrawn);
        Some(item)
    }

    /// Hands the item to the first who waits, or queues it; gives it back if there is no room.
    fn try_put(&self, value: T) -> Result<(), T> {
        let mut state = self.state.borrow_mut();
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
            None => state.items.push_back(item),
        }
        Ok(())
    }

    /// Takes back an item that was handed to a `get` that nobody waits for any more.
    fn give_back(&self, item: Item<T>) {
        let mut state = self.state.borrow_mut();
        state.remove_gone_getters();
        match state.getters.pop_front() {
            Some(getter) => {
                drop(state);
                getter.set_result(item);
            }
            None => {
                let place = state
                    .items
                    .partition_point(|other| other.number < item.number);
                state.items.insert(place, item);
            }
        }
    }
}

impl<T> State<T> {
    fn is_full(&self) -> bool {
        self.max > 0 && self.items.len() >= self.max
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

    /// Lets waiting putters in while there is room; returns what was withdrawn.
    fn admit(&mut self) -> Vec<(T, Promise<()>)> {
        let mut withdrawn = self.remove_withdrawn();
        while !self.is_full()
            && let Some((value, put)) = self.putters.pop_front()
        {
            let item = self.number(value);
            self.items.push_back(item);
            put.set_result(());
            withdrawn.extend(self.remove_withdrawn());
        }
        withdrawn
    }
}

impl<T: 'static> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Queue {
            state: self.state.clone(),
        }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Queue")
            .field("max", &state.max)
            .field("len", &state.items.len())
            .field("getters", &state.getters.len())
            .field("putters", &state.putters.len())
            .field("unfinished", &state.unfinished)
            .finish()
    }
}

/// An item that is waited for; see [`Queue::get`].
///
/// # Cancellation
///
/// Nothing is lost: an item that it was handed and did not give goes back to the front of the queue.
#[must_use = "the item goes back to the queue unless this is yielded"]
pub struct Get<T: 'static> {
    /// `None` once it gave its item.
    item: Option<Deferred<Item<T>>>,
    queue: Queue<T>,
}

impl<T> Unpin for Get<T> {}

impl<T> Future for Get<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(item) = &mut self.item else {
            panic!("a get gives its item once; it was waited for again");
        };
        let polled = Pin::new(item).poll(cx);
        if polled.is_ready() {
            self.item = None;
        }
        polled.map(|item| item.value)
    }
}

impl<T> Drop for Get<T> {
    fn drop(&mut self) {
        let Some(mut item) = self.item.take() else {
            return;
        };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if item.done()
            && let Poll::Ready(item) = Pin::new(&mut item).poll(&mut cx)
        {
            self.queue.give_back(item);
        }
    }
}

impl<T> fmt::Debug for Get<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Get").field(&self.item).finish()
    }
}
