//! How often coroutines take memory from the heap, once a loop has grown to the size it needs.

use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use squall::{Deferred, IoLoop, Promise, moment, sleep, yield_};

use crate::support::{allocations, count_allocations};

/// More rounds than a budget has yields, so that the first turn of the loop is among them.
const WARM_UP: usize = 500;

/// Runs a step until everything has grown and a budget was spent, then a hundred times more, and
/// returns how often those took memory.
macro_rules! hundred_times {
    ($step:expr) => {{
        for _ in 0..WARM_UP {
            $step;
        }
        let before = allocations();
        for _ in 0..100 {
            $step;
        }
        allocations() - before
    }};
}

#[squall::coroutine]
fn done() -> u32 {
    1
}

#[squall::coroutine]
fn done_after_a_moment() -> u32 {
    yield_!(moment());
    1
}

#[test]
fn allocations_are_counted() {
    let (_kept, count) = count_allocations(|| (Box::new(1), vec![2; 3]));
    assert_eq!(count, 2);
    let ((), none) = count_allocations(|| {});
    assert_eq!(none, 0);
}

#[squall::test]
fn started_coroutine_takes_memory_once() {
    assert_eq!(hundred_times!(yield_!(done())), 100);
    assert_eq!(hundred_times!(yield_!(done_after_a_moment())), 100);
}

#[squall::test]
fn started_coroutine_with_much_state_and_result_takes_memory_once() {
    #[squall::coroutine]
    fn large(seed: [u8; 1000]) -> Result<[u8; 1000], String> {
        let state = [seed[0]; 1000];
        yield_!(moment());
        Ok(state)
    }
    assert_eq!(
        hundred_times!(assert!(yield_!(large([1; 1000])).is_ok())),
        100
    );
}

#[squall::test]
fn detached_coroutine_takes_memory_once() {
    assert_eq!(
        hundred_times!({
            drop(done_after_a_moment());
            yield_!(moment());
        }),
        100
    );
}

#[squall::test]
fn many_coroutines_at_a_time_take_memory_once_each() {
    const N: u64 = 1000;
    let round = |calls: &mut Vec<Deferred<u32>>| {
        for _ in 0..N {
            calls.push(done_after_a_moment());
        }
    };
    let mut calls = Vec::with_capacity(N as usize);
    for _ in 0..2 {
        round(&mut calls);
        for call in calls.drain(..) {
            yield_!(call);
        }
    }
    let before = allocations();
    round(&mut calls);
    for call in calls.drain(..) {
        yield_!(call);
    }
    assert_eq!(allocations() - before, N);
}

#[squall::test]
fn yield_of_what_is_done_takes_no_memory() {
    assert_eq!(hundred_times!(yield_!(ready(1))), 0);
    assert_eq!(hundred_times!(yield_!(Deferred::ready(1))), 0);
    assert_eq!(hundred_times!(yield_!([ready(1), ready(2)])), 0);
    assert_eq!(hundred_times!(yield_!((ready(1), Deferred::ready("2")))), 0);
    assert_eq!(hundred_times!(yield_!(Vec::<Deferred<u32>>::new())), 0);
}

#[squall::test]
fn moment_takes_no_memory() {
    assert_eq!(hundred_times!(yield_!(moment())), 0);
    assert_eq!(hundred_times!(yield_!(())), 0);
    assert_eq!(hundred_times!(moment().await), 0);
    assert_eq!(hundred_times!(yield_!([(), ()])), 0);
}

#[squall::test]
fn sleep_takes_no_memory() {
    assert_eq!(hundred_times!(yield_!(sleep(Duration::from_secs(1)))), 0);
    assert_eq!(hundred_times!(yield_!(sleep(Duration::ZERO))), 0);
}

#[squall::test]
fn scoped_coroutine_takes_no_memory() {
    #[squall::coroutine]
    fn length(word: &str) -> usize {
        yield_!(moment());
        word.len()
    }
    let word = String::from("word");
    assert_eq!(hundred_times!(yield_!(length(&word))), 0);
    assert_eq!(hundred_times!(yield_!([length(&word), length("x")])), 0);
}

// The promise is made outside of the count: it is one block, which its deferred shares.
#[squall::test]
fn wait_for_a_promise_takes_no_memory() {
    #[squall::coroutine]
    fn settle(promises: Vec<Promise<u32>>) {
        for promise in promises.into_iter().rev() {
            yield_!(moment());
            promise.set_result(1);
        }
    }
    let mut deferred = Vec::new();
    let mut promises = Vec::new();
    for _ in 0..WARM_UP + 100 {
        let (promise, value) = Promise::new();
        promises.push(promise);
        deferred.push(value);
    }
    drop(settle(promises));
    assert_eq!(
        hundred_times!(yield_!(deferred.pop().expect("there is one a round"))),
        0
    );
}

#[squall::test]
fn promise_takes_memory_once() {
    assert_eq!(
        hundred_times!({
            let (promise, value) = Promise::new();
            promise.set_result(1);
            yield_!(value)
        }),
        100
    );
}

#[squall::test]
fn wait_for_a_pending_coroutine_takes_no_memory() {
    let mut calls: Vec<_> = (1..=WARM_UP as u64 + 100)
        .rev()
        .map(|n| after(Duration::from_millis(n)))
        .collect();
    #[squall::coroutine]
    fn after(wait: Duration) {
        yield_!(sleep(wait));
    }
    assert_eq!(
        hundred_times!(yield_!(calls.pop().expect("there is one a round"))),
        0
    );
}

#[squall::test]
fn array_and_tuple_take_no_memory_beyond_their_children() {
    assert_eq!(hundred_times!(yield_!([done(), done(), done()])), 300);
    assert_eq!(
        hundred_times!(yield_!([done_after_a_moment(), done_after_a_moment()])),
        200
    );
    assert_eq!(
        hundred_times!(yield_!((done_after_a_moment(), moment()))),
        100
    );
    assert_eq!(
        hundred_times!(yield_!([[moment(), moment()], [moment(), moment()]])),
        0
    );
    let sleeping = || [1, 2, 3].map(|n| sleep(Duration::from_secs(n)));
    assert_eq!(hundred_times!(yield_!(sleeping())), 0);
}

#[squall::test]
fn array_of_fallible_children_takes_no_memory_beyond_them() {
    #[squall::coroutine]
    fn fallible() -> Result<u32, String> {
        yield_!(moment());
        Ok(1)
    }
    assert_eq!(
        hundred_times!(assert_eq!(yield_!([fallible(), fallible()]), Ok([1, 1]))),
        200
    );
}

// One block is the caller's own `Vec`, one holds the children while they are waited for, and one the
// results. The standard library may make the second of the first.
#[squall::test]
fn list_takes_memory_for_its_children_and_results_only() {
    let list = || (0..10).map(|_| moment()).collect::<Vec<_>>();
    let count = hundred_times!(yield_!(list()));
    assert!(count <= 200, "{count}; a list of units takes none");
    let list = || (0..10).map(ready).collect::<Vec<_>>();
    let count = hundred_times!(yield_!(list()));
    assert!(count <= 300, "{count}");
}

#[squall::test]
fn wake_from_the_same_thread_takes_no_memory() {
    let waker = std::future::poll_fn(|cx| std::task::Poll::Ready(cx.waker().clone()));
    let waker = yield_!(waker);
    assert_eq!(
        hundred_times!({
            let another = waker.clone();
            another.wake();
            waker.wake_by_ref();
            yield_!(moment());
        }),
        0
    );
}

#[squall::test]
fn callback_without_captures_takes_no_memory_and_one_with_captures_once() {
    let io_loop = IoLoop::current();
    assert_eq!(
        hundred_times!({
            io_loop.add_callback(|| {});
            yield_!(moment());
        }),
        0
    );
    let shared = Rc::new(1);
    assert_eq!(
        hundred_times!({
            let shared = shared.clone();
            io_loop.add_callback(move || drop(shared));
            yield_!(moment());
        }),
        100
    );
}
