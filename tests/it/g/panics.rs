//! Panics of coroutines, and what a coroutine cannot wait for.

use squall::{IoLoop, Promise, catch_panic, moment, yield_};

use crate::support::{OnDrop, Trace};

use super::answer;

#[squall::test]
fn panic_does_not_leave_the_call_and_is_resumed_at_the_yield_that_takes_it() {
    #[squall::coroutine]
    fn panics(wait: bool) -> u32 {
        if wait {
            yield_!(moment());
        }
        panic!("oh {}", u8::from(wait));
    }
    for wait in [false, true] {
        let call = panics(wait);
        assert_eq!(call.done(), !wait);
        let caught = yield_!(catch_panic(call)).unwrap_err();
        assert_eq!(caught.message(), format!("oh {}", u8::from(wait)));
    }
    assert_eq!(yield_!(answer()), 42, "the coroutine goes on and yields");
}

#[squall::test]
fn panic_unwinds_through_each_coroutine_and_runs_its_destructors() {
    #[squall::coroutine]
    fn inner(trace: Trace) {
        let _local = OnDrop(trace, "inner");
        yield_!(moment());
        panic!("deep");
    }
    #[squall::coroutine]
    fn middle(trace: Trace) {
        let _local = OnDrop(trace.clone(), "middle");
        yield_!(inner(trace.clone()));
        trace.add("not reached");
    }
    let trace = Trace::new();
    let caught = yield_!(catch_panic(middle(trace.clone()))).unwrap_err();
    assert_eq!(caught.message(), "deep");
    assert_eq!(trace.take(), ["inner", "middle"]);
}

#[squall::test]
fn panic_keeps_what_it_carries() {
    #[squall::coroutine]
    fn panics() {
        std::panic::panic_any(7_u8);
    }
    let caught = yield_!(catch_panic(panics())).unwrap_err();
    assert_eq!(caught.message(), "a panic without a message");
    assert_eq!(caught.into_payload().downcast_ref(), Some(&7_u8));
}

#[squall::test]
#[should_panic(expected = "oh")]
fn panic_that_nobody_catches_ends_the_test() {
    #[squall::coroutine]
    fn panics() {
        yield_!(moment());
        panic!("oh");
    }
    yield_!(panics());
}

#[squall::test]
fn bad_wait_for_a_taken_deferred_panics() {
    let mut call = answer();
    assert_eq!(yield_!(&mut call), 42);
    assert!(call.done());
    let caught = yield_!(catch_panic(call)).unwrap_err();
    assert!(caught.message().contains("waited for again"), "{caught:?}");
}

#[squall::test]
fn bad_promise_that_is_dropped_panics_at_the_yield_and_names_its_place() {
    let line = line!() + 1;
    let (promise, value) = Promise::<u32>::new();
    IoLoop::current().add_callback(move || drop(promise));
    let caught = yield_!(catch_panic(value)).unwrap_err();
    let want = format!(
        "a Promise was dropped without a result; it was made at {}:{line}:",
        file!()
    );
    assert!(caught.message().starts_with(&want), "{caught:?}");
}

#[test]
fn promise_tells_that_nobody_waits_and_can_be_set_all_the_same() {
    let (promise, value) = Promise::new();
    assert!(!promise.is_abandoned());
    drop(value);
    assert!(promise.is_abandoned());
    promise.set_result(1);
}
