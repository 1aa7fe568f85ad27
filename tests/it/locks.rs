//! Locks, semaphores, events, conditions: Tornado's assertions L1 to L33.

use std::time::Duration;

use squall::sync::{BoundedSemaphore, Condition, Event, Lock, Semaphore};
use squall::{IoLoop, catch_panic, sleep, with_timeout, yield_};

use crate::support::Trace;

const SECOND: Duration = Duration::from_secs(1);

#[squall::coroutine]
fn waits(condition: Condition, trace: Trace, name: u32) {
    yield_!(condition.wait());
    trace.add(name.to_string());
}

fn waiters(count: u32) -> (Condition, Trace) {
    let (condition, trace) = (Condition::new(), Trace::default());
    for name in 0..count {
        waits(condition.clone(), trace.clone(), name);
    }
    (condition, trace)
}

#[squall::test]
fn l1_a_notified_wait_ends() {
    let condition = Condition::new();
    let wait = condition.wait();
    condition.notify(1);
    yield_!(wait);
}

// tornado 4.5 runs the waiter inside notify; ours resumes from the loop, as 6 does.
#[squall::test]
fn l2_notify_wakes_one_at_a_time_in_order() {
    let (condition, trace) = waiters(2);
    condition.notify(1);
    assert_eq!(trace.take(), Vec::<String>::new());
    yield_!(());
    assert_eq!(trace.take(), ["0"]);
    condition.notify(1);
    yield_!(());
    assert_eq!(trace.take(), ["1"]);
}

#[squall::test]
fn l3_notify_wakes_as_many_as_it_says() {
    let (condition, trace) = waiters(6);
    for (count, want) in [
        (3, vec!["0", "1", "2"]),
        (1, vec!["3"]),
        (2, vec!["4", "5"]),
    ] {
        condition.notify(count);
        yield_!(());
        assert_eq!(trace.take(), want);
    }
}

#[squall::test]
fn l4_notify_all_wakes_everyone_in_order() {
    let (condition, trace) = waiters(4);
    condition.notify_all();
    yield_!(());
    assert_eq!(trace.take(), ["0", "1", "2", "3"]);
}

#[squall::test]
fn l5_a_wait_that_times_out_is_false_and_uses_no_notification_up() {
    let condition = Condition::new();
    assert!(!yield_!(condition.wait_timeout(SECOND)));
    let wait = condition.wait_timeout(SECOND);
    condition.notify(1);
    assert!(yield_!(wait));
}

#[squall::test]
fn l6_a_notification_before_the_deadline_is_true() {
    let condition = Condition::new();
    let later = condition.clone();
    IoLoop::current().call_later(SECOND / 2, move || later.notify(1));
    assert!(yield_!(condition.wait_timeout(SECOND)));
    yield_!(sleep(2 * SECOND));
}

#[squall::test]
fn l7_notify_all_counts_only_those_who_still_wait() {
    #[squall::coroutine]
    fn waits(condition: Condition, limit: Duration) -> bool {
        yield_!(condition.wait_timeout(limit))
    }
    let condition = Condition::new();
    let all = [1, 3].map(|seconds| waits(condition.clone(), seconds * SECOND));
    yield_!(sleep(2 * SECOND));
    assert_eq!(format!("{condition:?}"), "Condition { waiters: 1 }");
    condition.notify_all();
    assert_eq!(yield_!(all), [false, true]);
}

#[squall::test]
fn l8_a_waiter_that_notifies_loses_nothing() {
    #[squall::coroutine]
    fn passes_on(condition: Condition, trace: Trace, name: u32) {
        yield_!(condition.wait());
        trace.add(name.to_string());
        condition.notify(1);
    }
    let (condition, trace) = (Condition::new(), Trace::default());
    let all = [0, 1, 2].map(|name| passes_on(condition.clone(), trace.clone(), name));
    condition.notify(1);
    yield_!(all);
    assert_eq!(trace.take(), ["0", "1", "2"]);
}

#[squall::test]
fn l9_waiters_that_gave_up_are_not_kept() {
    let condition = Condition::new();
    for _ in 0..101 {
        let _ = yield_!(with_timeout(SECOND / 100, condition.wait()));
    }
    let live = condition.wait();
    assert_eq!(format!("{condition:?}"), "Condition { waiters: 1 }");
    condition.notify(1);
    yield_!(live);
}

#[squall::test]
fn l9_waiters_that_gave_up_behind_one_who_waits_are_not_kept() {
    let (condition, event, lock) = (Condition::new(), Event::new(), Lock::new());
    let held = yield_!(lock.acquire());
    let (patient, also_patient, next) = (condition.wait(), event.wait(), lock.acquire());
    for _ in 0..101 {
        assert!(!yield_!(condition.wait_timeout(SECOND / 100)));
        assert!(yield_!(with_timeout(SECOND / 100, event.wait())).is_err());
        assert!(yield_!(with_timeout(SECOND / 100, lock.acquire())).is_err());
    }
    assert_eq!(format!("{condition:?}"), "Condition { waiters: 1 }");
    assert_eq!(format!("{event:?}"), "Event { set: false, waiters: 1 }");
    assert_eq!(format!("{lock:?}"), "Lock { locked: true, waiters: 1 }");
    condition.notify_all();
    event.set();
    drop(held);
    yield_!((patient, also_patient));
    drop(yield_!(next));
}

#[squall::test]
fn l8_a_notification_of_one_who_is_gone_goes_to_the_next() {
    let condition = Condition::new();
    let (gone, next) = (condition.wait(), condition.wait());
    condition.notify(1);
    assert!(gone.done() && !next.done());
    drop(gone);
    assert!(next.done());
    // Of one that was for all, those who came later have no part.
    let (all, late) = (condition.wait(), Condition::wait);
    condition.notify_all();
    let late = late(&condition);
    drop(all);
    assert!(!late.done());
    yield_!(next);
}

#[squall::test]
fn l10_a_notification_that_nobody_waits_for_is_lost() {
    let condition = Condition::new();
    condition.notify(1);
    assert!(!yield_!(condition.wait_timeout(SECOND)));
}

#[squall::test]
fn l11_a_set_event_ends_waits_until_it_is_cleared() {
    let event = Event::new();
    let early = event.wait();
    assert!(!early.done());
    event.set();
    assert!(early.done() && event.wait().done() && event.is_set());
    yield_!(early);
    event.clear();
    assert!(!event.wait().done());
}

#[squall::test]
fn l12_a_wait_for_an_event_may_time_out_and_the_event_still_works() {
    let event = Event::new();
    assert!(yield_!(with_timeout(SECOND, event.wait())).is_err());
    let wait = event.wait();
    event.set();
    yield_!(wait);
}

#[squall::test]
fn l13_setting_an_event_twice_is_harmless() {
    let event = Event::new();
    event.set();
    event.set();
    yield_!(event.wait());
}

#[squall::test]
fn l11_a_wait_that_is_over_stays_over() {
    let event = Event::new();
    let mut wait = event.wait();
    event.set();
    event.clear();
    assert!(wait.done(), "it was set while this one waited");
    yield_!(&mut wait);
    yield_!(&mut wait);
    assert!(wait.done() && !event.wait().done());
}

#[squall::test]
fn l14_waits_before_and_after_a_clear_end_with_the_next_set() {
    let event = Event::new();
    let before = event.wait();
    event.clear();
    let after = event.wait();
    event.set();
    yield_!([before, after]);
}

#[squall::test]
fn l16_each_release_wakes_one_waiter_in_order() {
    let semaphore = Semaphore::new(1);
    let trace = Trace::default();
    #[squall::coroutine]
    fn takes(semaphore: Semaphore, trace: Trace, name: &'static str) {
        let permit = yield_!(semaphore.acquire());
        trace.add(name);
        permit.forget();
    }
    let first = takes(semaphore.clone(), trace.clone(), "first");
    let second = takes(semaphore.clone(), trace.clone(), "second");
    let third = takes(semaphore.clone(), trace.clone(), "third");
    assert_eq!(
        [first.done(), second.done(), third.done()],
        [true, false, false]
    );
    semaphore.release();
    yield_!(());
    assert_eq!(trace.take(), ["first", "second"]);
    semaphore.release();
    yield_!(third);
    semaphore.release();
    assert!(semaphore.try_acquire().is_some());
}

#[squall::test]
fn l17_an_acquire_that_timed_out_uses_no_permit_up() {
    let semaphore = Semaphore::new(1);
    let held = yield_!(semaphore.acquire());
    assert!(yield_!(with_timeout(SECOND, semaphore.acquire())).is_err());
    drop(held);
    assert_eq!(semaphore.available(), 1);
}

#[squall::test]
fn l18_a_release_before_the_deadline_is_in_time() {
    let semaphore = Semaphore::new(0);
    let later = semaphore.clone();
    IoLoop::current().call_later(SECOND / 2, move || later.release());
    assert!(yield_!(with_timeout(SECOND, semaphore.acquire())).is_ok());
}

#[squall::test]
fn l19_releases_of_a_fresh_semaphore_add_permits() {
    let semaphore = Semaphore::new(1);
    semaphore.release();
    semaphore.release();
    assert_eq!(semaphore.available(), 3);
    let _held = yield_!([
        semaphore.acquire(),
        semaphore.acquire(),
        semaphore.acquire()
    ]);
    assert!(semaphore.try_acquire().is_none());
}

#[squall::test]
fn l20_acquirers_that_gave_up_are_not_kept() {
    let semaphore = Semaphore::new(0);
    for _ in 0..101 {
        let _ = yield_!(with_timeout(SECOND / 100, semaphore.acquire()));
    }
    let live = semaphore.acquire();
    assert_eq!(
        format!("{semaphore:?}"),
        "Semaphore { available: 0, waiters: 1 }"
    );
    semaphore.release();
    drop(yield_!(live));
}

#[squall::test]
fn l21_a_permit_is_handed_over_and_nobody_can_take_it_on_the_way() {
    let semaphore = Semaphore::new(1);
    let held = yield_!(semaphore.acquire());
    let waiting = semaphore.acquire();
    drop(held);
    assert!(semaphore.try_acquire().is_none(), "it is the waiter's");
    let late = semaphore.acquire();
    let got = yield_!(waiting);
    assert!(yield_!(with_timeout(SECOND, late)).is_err());
    drop(got);
    assert_eq!(semaphore.available(), 1);
}

#[squall::test]
fn l22_a_permit_is_given_back_at_the_end_and_by_a_panic() {
    let semaphore = Semaphore::new(1);
    drop(yield_!(semaphore.acquire()));
    let held = semaphore.clone();
    let panic = yield_!(catch_panic(async move {
        let _permit = yield_!(held.acquire());
        panic!("with the permit");
    }));
    assert!(panic.is_err());
    assert_eq!(semaphore.available(), 1);
}

#[squall::test]
fn l23_a_guard_with_a_timeout_is_a_guard_or_an_error() {
    let semaphore = Semaphore::new(1);
    let held = yield_!(with_timeout(SECOND, semaphore.acquire())).unwrap();
    let error = yield_!(with_timeout(SECOND, semaphore.acquire())).unwrap_err();
    assert_eq!(error.to_string(), "timed out after 1 s");
    assert_eq!(semaphore.available(), 0);
    drop(held);
    assert_eq!(semaphore.available(), 1);
}

#[squall::test]
fn l24_two_who_contend_take_turns() {
    #[squall::coroutine]
    fn works(semaphore: Semaphore, trace: Trace, name: u32) {
        let permit = yield_!(semaphore.acquire());
        trace.add(format!("acquired {name}"));
        yield_!(());
        trace.add(format!("release {name}"));
        drop(permit);
    }
    let (semaphore, trace) = (Semaphore::new(1), Trace::default());
    yield_!([0, 1].map(|name| works(semaphore.clone(), trace.clone(), name)));
    assert_eq!(
        trace.take(),
        ["acquired 0", "release 0", "acquired 1", "release 1"]
    );
}

#[squall::test]
fn l27_a_bounded_semaphore_refuses_to_grow() {
    let semaphore = BoundedSemaphore::new(1);
    assert!(
        semaphore
            .release()
            .unwrap_err()
            .to_string()
            .contains("released more often")
    );
    yield_!(semaphore.acquire()).forget();
    assert!(semaphore.release().is_ok());
    assert!(semaphore.release().is_err());
    assert!(semaphore.try_acquire().is_some());
}

#[squall::test]
fn l28_a_lock_that_is_held_makes_the_next_wait() {
    let lock = Lock::new();
    let held = yield_!(lock.acquire());
    assert!(lock.is_locked() && lock.try_acquire().is_none());
    let next = lock.acquire();
    drop(held);
    drop(yield_!(next));
    assert!(!lock.is_locked());
}

#[squall::test]
fn l29_a_lock_is_given_in_the_order_of_the_calls() {
    #[squall::coroutine]
    fn takes(lock: Lock, trace: Trace, name: u32) {
        let _held = yield_!(lock.acquire());
        trace.add(name.to_string());
        yield_!(sleep(SECOND));
    }
    let (lock, trace) = (Lock::new(), Trace::default());
    yield_!([0, 1, 2, 3, 4].map(|name| takes(lock.clone(), trace.clone(), name)));
    assert_eq!(trace.take(), ["0", "1", "2", "3", "4"]);
}

#[squall::test]
fn l30_an_acquire_that_timed_out_leaves_the_lock_to_its_holder() {
    let lock = Lock::new();
    let held = yield_!(lock.acquire());
    assert!(yield_!(with_timeout(SECOND, lock.acquire())).is_err());
    assert!(lock.is_locked());
    drop(held);
    assert!(!lock.is_locked());
}

#[squall::test]
fn an_acquire_dropped_after_the_hand_over_passes_it_on() {
    let lock = Lock::new();
    let held = yield_!(lock.acquire());
    let (second, third) = (lock.acquire(), lock.acquire());
    drop(held); // the second has it now, but never looks
    drop(second);
    drop(yield_!(third));
    drop(lock.acquire()); // nor does this one
    assert!(!lock.is_locked());
}

// 4.5 to 6.5 wait for ever if the timeout is 0; ours is 6.6's choice.
#[squall::test]
fn l32_no_time_at_all_is_over_at_once() {
    let (condition, event, lock) = (Condition::new(), Event::new(), Lock::new());
    let began = IoLoop::current().time();
    assert!(!yield_!(condition.wait_timeout(Duration::ZERO)));
    assert!(yield_!(with_timeout(Duration::ZERO, event.wait())).is_err());
    let held = yield_!(with_timeout(Duration::ZERO, lock.acquire())).expect("it is free");
    assert!(yield_!(with_timeout(Duration::ZERO, lock.acquire())).is_err());
    drop(held);
    assert_eq!(IoLoop::current().time(), began);
}

#[squall::test]
fn free_lock_takes_no_turn() {
    let (lock, semaphore, trace) = (Lock::new(), Semaphore::new(2), Trace::new());
    let other = trace.clone();
    IoLoop::current().add_callback(move || other.add("another turn"));
    for _ in 0..10 {
        let _held = yield_!(lock.acquire());
        let _permit = yield_!(semaphore.acquire());
    }
    trace.add("done");
    yield_!(());
    assert_eq!(trace.take(), ["done", "another turn"]);
}

#[squall::test]
fn cancelled_coroutine_lets_its_lock_and_its_place_go() {
    #[squall::coroutine]
    fn holds(lock: Lock) {
        let _held = yield_!(lock.acquire());
        yield_!(sleep(3600 * SECOND));
    }
    let lock = Lock::new();
    let (holder, waiter) = (holds(lock.clone()), holds(lock.clone()));
    let next = lock.acquire();
    waiter.cancel();
    holder.cancel();
    drop(yield_!(next));
    assert_eq!(format!("{lock:?}"), "Lock { locked: false, waiters: 0 }");
    assert!(yield_!((holder.or_cancelled(), waiter.or_cancelled())).is_err());
}

#[squall::test]
fn l33_what_is_printed_shows_the_state() {
    let semaphore = Semaphore::new(2);
    let _held = yield_!(semaphore.acquire());
    assert_eq!(
        format!("{semaphore:?}"),
        "Semaphore { available: 1, waiters: 0 }"
    );
    assert_eq!(
        format!("{:?}", Event::new()),
        "Event { set: false, waiters: 0 }"
    );
    let lock = Lock::new();
    assert_eq!(format!("{lock:?}"), "Lock { locked: false, waiters: 0 }");
    let held = yield_!(lock.acquire());
    let next = lock.acquire();
    assert_eq!(format!("{lock:?}"), "Lock { locked: true, waiters: 1 }");
    drop((held, next));
    let bounded = BoundedSemaphore::new(2);
    let held = yield_!(bounded.acquire());
    assert_eq!(
        format!("{bounded:?}"),
        "BoundedSemaphore { available: 1, permits: 2, waiters: 0 }"
    );
    drop(held);
    let condition = Condition::new();
    let wait = condition.wait();
    assert_eq!(
        format!("{condition:?} {wait:?}"),
        "Condition { waiters: 1 } Wait { done: false }"
    );
}
