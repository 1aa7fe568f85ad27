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
    items: VecDeque<T>,
    getters: VecDeque<Promise<T>>,
    putters: VecDeque<(T, Promise<()>)>,
    joiners: Vec<Promise<()>>,
    /// Items put and not yet reported by `task_done`.
    unfinished: usize,
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
                self.state.borrow_mut().putters.push_back((item, promise));
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
        let item = match self.get_nowait() {
            Ok(item) => Deferred::ready(item),
            Err(_) => {
                let (promise, item) = Promise::new();
                self.state.borrow_mut().getters.push_back(promise);
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
        let mut state = self.state.borrow_mut();
        let item = state.items.pop_front().ok_or_else(Error::queue_empty)?;
        let dropped = state.admit();
        drop(state);
        drop(dropped);
        Ok(item)
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

    /// Hands the item to the first who waits, or queues it; gives it back if there is no room.
    fn try_put(&self, item: T) -> Result<(), T> {
        let mut state = self.state.borrow_mut();
        if let Some(getter) = state.next_getter() {
            state.unfinished += 1;
            drop(state);
            getter.set_result(item);
            return Ok(());
        }
        if state.is_full() {
            return Err(item);
        }
        state.unfinished += 1;
        state.items.push_back(item);
        Ok(())
    }

    /// Takes back an item that was handed to a `get` that nobody waits for any more.
    fn give_back(&self, item: T) {
        let mut state = self.state.borrow_mut();
        match state.next_getter() {
            Some(getter) => {
                drop(state);
                getter.set_result(item);
            }
            None => state.items.push_front(item),
        }
    }
}

impl<T> State<T> {
    fn is_full(&self) -> bool {
        self.max > 0 && self.items.len() >= self.max
    }

    /// The first getter that still waits.
    fn next_getter(&mut self) -> Option<Promise<T>> {
        while let Some(getter) = self.getters.pop_front() {
            if !getter.is_abandoned() {
                return Some(getter);
            }
        }
        None
    }

    /// Lets waiting putters in while there is room; returns what was withdrawn, to be dropped
    /// outside of the borrow.
    fn admit(&mut self) -> Vec<(T, Promise<()>)> {
        let mut withdrawn = Vec::new();
        while !self.is_full()
            && let Some((item, put)) = self.putters.pop_front()
        {
            if put.is_abandoned() {
                withdrawn.push((item, put));
                continue;
            }
            self.unfinished += 1;
            self.items.push_back(item);
            put.set_result(());
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
    item: Option<Deferred<T>>,
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
        polled
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
