//! What the process holds for coroutines that wait.
//!
//! The bench has to count its allocations; see `support/memory.rs`.

// Not every bench measures both.
#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::task::{Poll, Waker};
use std::time::Duration;

use squall::{Deferred, yield_};

use crate::support::{Memory, Peer, TimedPeer};

/// How many bytes a coroutine keeps over its wait.
const STATE: usize = 64;

const HOUR: Duration = Duration::from_secs(3600);

thread_local! {
    static GO: Cell<bool> = const { Cell::new(false) };
    static WAITING: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Waits until `go` is called.
fn gone() -> impl Future<Output = ()> {
    poll_fn(|cx| {
        if GO.get() {
            return Poll::Ready(());
        }
        WAITING.with_borrow_mut(|waiting| waiting.push(cx.waker().clone()));
        Poll::Pending
    })
}

/// Makes room for the wakers, so that it is not counted.
fn get_ready(tasks: u64) {
    GO.set(false);
    WAITING.set(Vec::with_capacity(tasks as usize));
}

fn waiting() -> u64 {
    WAITING.with_borrow(Vec::len) as u64
}

fn go() {
    GO.set(true);
    WAITING.take().into_iter().for_each(Waker::wake);
}

#[squall::coroutine]
fn waiting_coroutine() -> u8 {
    let mut state = [1; STATE];
    black_box(&mut state);
    yield_!(gone());
    black_box(&state)[STATE - 1]
}

#[squall::coroutine]
pub(crate) fn waiting_coroutines(tasks: u64) -> Memory {
    let mut started = Vec::with_capacity(tasks as usize);
    let mut used = None;
    // The first round warms up what is kept: queues, arrays of slots.
    for tasks in [100, tasks] {
        get_ready(tasks);
        let before = Memory::now();
        started.extend((0..tasks).map(|_| waiting_coroutine()));
        while waiting() < tasks {
            yield_!(squall::moment());
        }
        used = Some(Memory::now().since(before));
        go();
        for coroutine in started.drain(..) {
            assert_eq!(yield_!(coroutine), 1);
        }
    }
    used.expect("there were two rounds")
}

pub(crate) async fn waiting_tasks<R: Peer>(tasks: u64) -> Memory {
    async fn task() -> u8 {
        let mut state = [1; STATE];
        black_box(&mut state);
        gone().await;
        black_box(&state)[STATE - 1]
    }
    let mut started = Vec::with_capacity(tasks as usize);
    let mut used = None;
    for tasks in [100, tasks] {
        get_ready(tasks);
        let before = Memory::now();
        started.extend((0..tasks).map(|_| R::spawn(task())));
        // Not a yield: monoio runs a task that wakes itself before others.
        while waiting() < tasks {
            R::spawn(async {}).await;
        }
        used = Some(Memory::now().since(before));
        go();
        for task in started.drain(..) {
            assert_eq!(task.await, 1);
        }
    }
    used.expect("there were two rounds")
}

#[squall::coroutine]
fn sleeper() {
    yield_!(squall::sleep(HOUR));
}

/// What sleeping coroutines take, the arrays and heaps of the loop among it.
#[squall::coroutine]
pub(crate) fn sleeping_coroutines(tasks: u64) -> Memory {
    let mut sleepers: Vec<Deferred<()>> = Vec::with_capacity(tasks as usize);
    let before = Memory::now();
    sleepers.extend((0..tasks).map(|_| sleeper()));
    // All have come to their wait once the loop has turned.
    yield_!(squall::moment());
    yield_!(squall::moment());
    let used = Memory::now().since(before);
    assert!(sleepers.iter().all(|sleeper| !sleeper.done()));
    used
}

pub(crate) async fn sleeping_tasks<R: TimedPeer>(tasks: u64) -> Memory {
    let mut sleepers = Vec::with_capacity(tasks as usize);
    let before = Memory::now();
    sleepers.extend((0..tasks).map(|_| R::spawn(R::sleep(HOUR))));
    // All have come to their wait once another task has run.
    for _ in 0..2 {
        R::spawn(R::yield_now()).await;
    }
    Memory::now().since(before)
}
