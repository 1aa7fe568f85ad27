//! Cancellations as Tornado 6 has them: raised, waited for, caught, in lists and under a limit.

use squall::{Cancelled, Deferred, Promise, sleep, with_timeout, yield_};

use crate::support::{SECOND, after};

/// A deferred that was cancelled while it was pending.
fn cancelled<T: 'static>() -> Deferred<T> {
    let (_promise, value) = Promise::new();
    assert!(value.cancel());
    value
}

// tornado: gen_test.py test_sync_raise_cancelled, test_async_raise_cancelled, of 6 (G34): there is no
// exception to raise; the news is given on as the error that it is.
#[squall::test]
fn g34_a_coroutine_that_gives_the_cancellation_itself_ends_with_it_at_the_yield() {
    #[squall::coroutine]
    fn gives(wait: bool) -> Result<u32, Cancelled> {
        if wait {
            yield_!(sleep(SECOND));
        }
        Err(Cancelled)
    }
    #[squall::coroutine]
    fn passes_on(wait: bool) -> squall::Result<u32> {
        Ok(yield_!(gives(wait))? + 1)
    }
    for wait in [false, true] {
        let call = gives(wait);
        assert_eq!(call.done(), !wait);
        assert_eq!(yield_!(call), Err(Cancelled));
        assert!(yield_!(passes_on(wait)).unwrap_err().is_cancelled());
    }
}

// tornado: gen_test.py test_catch_cancelled_future, of 6 (G36)
#[squall::test]
fn g36_who_catches_the_cancellation_of_what_it_waits_for_goes_on() {
    #[squall::coroutine]
    fn catches(inner: Deferred<u32>) -> u32 {
        match yield_!(inner.or_cancelled()) {
            Ok(value) => value,
            Err(Cancelled) => yield_!(after(1, 42)),
        }
    }
    assert_eq!(yield_!(catches(cancelled())), 42);
    let later = after(2, 7);
    let call = catches(later);
    assert!(!call.cancelled());
    assert_eq!(yield_!(call), 7);
    // Also when it becomes so while it is waited for.
    let (promise, value) = Promise::new();
    let call = catches(value);
    assert!(!call.done());
    drop(promise);
    assert!(
        yield_!(squall::catch_panic(call)).is_err(),
        "a promise that is lost is no cancellation"
    );
}

// tornado: gen_test.py WithTimeoutTest test_cancelled_before_timeout, of 6 (G71)
#[squall::test]
fn g71_a_cancellation_passes_a_limit_that_is_not_there_yet() {
    #[squall::coroutine]
    fn limited(inner: Deferred<u32>) -> bool {
        yield_!(with_timeout(10 * SECOND, inner)).is_err()
    }
    let call = limited(cancelled());
    assert_eq!(yield_!(call.or_cancelled()), Err(Cancelled));
    let told = with_timeout(10 * SECOND, cancelled::<u32>().or_cancelled());
    assert_eq!(yield_!(told), Ok(Err(Cancelled)));
}
