//! The two ends of a future: what a promise sets, and what a deferred gives.

use squall::{Cancelled, Deferred, IoLoop, Promise, sleep, yield_};

use crate::support::{SECOND, after, fail_after, ok_after};

// tornado: checked by running it (C5)
#[squall::test]
fn c5_there_is_no_result_to_be_taken_before_the_end() {
    let mut call = after(1, 7);
    assert_eq!(call.try_take(), None);
    yield_!(sleep(2 * SECOND));
    assert_eq!(call.try_take(), Some(7));
    assert_eq!(call.try_take(), None);
}

/// A chain: a coroutine that waits for one future and settles another.
#[squall::coroutine]
fn chain<T>(from: Deferred<T>, to: Promise<T>) {
    to.set_result(yield_!(from));
}

// tornado: ChainFutureTest.test_asyncio_futures, of 6 (C8)
#[squall::test]
fn c8_a_chain_gives_the_value_or_the_error_on() {
    let starts = [|| fail_after(1, "odd"), || ok_after(1, 7)];
    for (start, want) in starts.into_iter().zip([Err("odd".to_owned()), Ok(7)]) {
        let (from, (promise, settled)) = (start(), Promise::new());
        drop(chain(from, promise));
        assert!(!settled.done());
        assert_eq!(yield_!(settled), want);
    }
}

// tornado: src (C9)
#[squall::test]
fn c9_a_chain_to_what_is_done_already_ignores_what_comes() {
    let (promise, settled) = Promise::new();
    let link = chain(after(1, 1), promise);
    assert!(settled.cancel());
    yield_!(sleep(2 * SECOND));
    assert!(link.done() && settled.cancelled());
    assert_eq!(yield_!(settled.or_cancelled()), Err(Cancelled));
}

// tornado: ChainFutureTest.test_concurrent_futures, of 6 (C10)
#[squall::test]
fn c10_a_chain_may_begin_on_another_thread() {
    let (promise, settled) = Promise::new();
    let here = std::thread::current().id();
    drop(chain(
        squall::run_in_executor(|| std::thread::current().id()),
        promise,
    ));
    let there = yield_!(settled).unwrap();
    assert_ne!(there, here, "it was called there");
    // And end there: what a loop has found goes out by a channel of threads.
    let (send, receive) = std::sync::mpsc::channel();
    IoLoop::current().add_future(after(1, 42), move |n| {
        send.send(n).expect("it is waited for")
    });
    let got = squall::run_in_executor(move || receive.recv());
    assert!(matches!(yield_!(got), Ok(Ok(42))));
}

// tornado: ChainFutureTest.test_cancelled, of 6 (C11)
#[squall::test]
fn c11_a_chain_gives_a_cancellation_on() {
    #[squall::coroutine]
    fn passes_on(from: Deferred<u32>, to: Promise<Result<u32, Cancelled>>) {
        to.set_result(yield_!(from.or_cancelled()));
    }
    #[squall::coroutine]
    fn waits(settled: Deferred<Result<u32, Cancelled>>) -> Result<u32, Cancelled> {
        Ok(yield_!(settled)? + 1)
    }
    let (from, first) = Promise::new();
    let (promise, settled) = Promise::new();
    first.cancel();
    drop(passes_on(first, promise));
    assert_eq!(yield_!(waits(settled)), Err(Cancelled));
    from.set_result(1); // without effect
}
