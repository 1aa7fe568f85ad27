//! Locks under bad input, and the guard in its scope; the other assertions are in `locks`.

use squall::sync::{BoundedSemaphore, Condition, Lock, Semaphore};
use squall::{catch_panic, sleep, with_timeout, yield_};

use crate::support::{SECOND, Trace};

// tornado: LockTests.test_acquire_fifo_async_with, test_context_manager_async_await (L26)
#[squall::test]
fn l26_a_guard_in_its_scope_is_held_over_yields_and_given_on_in_order_at_its_end() {
    #[squall::coroutine]
    fn works(lock: Lock, semaphore: Semaphore, trace: Trace, name: u32) -> Result<(), String> {
        {
            let _lock = yield_!(lock.acquire());
            let _permit = yield_!(semaphore.acquire());
            trace.add(format!("{name} in"));
            yield_!(sleep(SECOND));
            if name == 1 {
                return Err("out by an error".to_owned());
            }
        }
        trace.add(format!("{name} out"));
        Ok(())
    }
    let (lock, semaphore, trace) = (Lock::new(), Semaphore::new(1), Trace::new());
    let all = [0, 1, 2].map(|name| works(lock.clone(), semaphore.clone(), trace.clone(), name));
    assert_eq!(yield_!(all), Err("out by an error".to_owned()));
    assert_eq!(trace.take(), ["0 in", "0 out", "1 in", "2 in", "2 out"]);
    assert!(!lock.is_locked() && semaphore.available() == 1);
}

#[squall::test]
fn bad_semaphore_of_none_gives_nothing_until_it_is_released() {
    let semaphore = Semaphore::new(0);
    assert!(semaphore.try_acquire().is_none());
    assert!(yield_!(with_timeout(SECOND, semaphore.acquire())).is_err());
    semaphore.release();
    assert_eq!(semaphore.available(), 1);
    let bounded = BoundedSemaphore::new(0);
    assert!(bounded.try_acquire().is_none());
    let error = bounded.release().unwrap_err().to_string();
    assert!(
        error.starts_with("all 0 permits of the semaphore are there"),
        "{error}"
    );
}

#[squall::test]
fn bad_release_past_what_can_be_counted_panics_and_changes_nothing() {
    let semaphore = Semaphore::new(usize::MAX);
    let one_more = semaphore.clone();
    let caught = yield_!(catch_panic(async move { one_more.release() })).unwrap_err();
    assert_eq!(
        caught.message(),
        "a semaphore has usize::MAX permits at most"
    );
    assert_eq!(semaphore.available(), usize::MAX);
    let permit = yield_!(semaphore.acquire());
    semaphore.release();
    drop(permit); // one too many of the release's making; a destructor says nothing
    assert_eq!(semaphore.available(), usize::MAX);
    assert!(BoundedSemaphore::new(usize::MAX).release().is_err());
}

#[squall::test]
fn bad_notification_of_nobody_or_of_more_than_wait_changes_nothing() {
    let condition = Condition::new();
    let wait = condition.wait();
    condition.notify(0);
    assert!(!wait.done());
    condition.notify(usize::MAX);
    assert!(wait.done());
    yield_!(wait);
    assert_eq!(format!("{condition:?}"), "Condition { waiters: 0 }");
}
