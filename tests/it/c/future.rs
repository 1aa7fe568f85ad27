//! The two ends of a future: what a promise sets, and what a deferred gives.

use squall::{Deferred, Promise, sleep, yield_};

use crate::support::{SECOND, after, fail_after};

// tornado: checked by running it (C5)
#[squall::test]
fn c5_there_is_no_result_to_be_taken_before_the_end() {
    let mut call = after(1, 7);
    assert_eq!(call.try_take(), None);
    yield_!(sleep(2 * SECOND));
    assert_eq!(call.try_take(), Some(7));
    assert_eq!(call.try_take(), None);
}

// tornado: ChainFutureTest.test_asyncio_futures, of 6 (C8), src (C9), test_concurrent_futures (C10):
// a coroutine that waits for one future and settles another is the chain
#[squall::test]
fn c8_c9_c10_a_coroutine_chains_futures_of_any_kind() {
    #[squall::coroutine]
    fn chain<T>(from: Deferred<T>, to: Promise<T>) {
        to.set_result(yield_!(from));
    }
    let (promise, settled) = Promise::new();
    drop(chain(fail_after(1, "odd"), promise));
    assert_eq!(yield_!(settled), Err("odd".to_owned()));
    // From a thread, and to one that nobody waits for any more.
    let (promise, settled) = Promise::new();
    drop(chain(squall::run_in_executor(|| 42), promise));
    assert!(matches!(yield_!(settled), Ok(42)));
    let (promise, settled) = Promise::new();
    drop(chain(after(1, 1), promise));
    drop(settled);
    yield_!(sleep(2 * SECOND));
}
