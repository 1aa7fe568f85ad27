//! Coroutines that are cancelled at the yield where they stand.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use squall::{Cancelled, Deferred, IoLoop, Promise, multi, shield, sleep, yield_};

use crate::support::{OnDrop, Trace, capture_logs, live_names, run};

const HOUR: Duration = Duration::from_secs(3600);

#[squall::coroutine]
fn patient(trace: Trace) -> u32 {
    let _dropped = OnDrop(trace.clone(), "dropped");
    trace.add("waits");
    yield_!(sleep(HOUR));
    trace.add("went on");
    7
}

#[squall::test]
fn a_coroutine_without_an_error_type_is_unwound() {
    let trace = Trace::default();
    let deferred = patient(trace.clone());
    assert!(deferred.cancel());
    // Never inside the one who cancels.
    assert_eq!(trace.take(), ["waits"]);
    assert!(!deferred.cancelled());
    assert_eq!(yield_!(deferred.or_cancelled()), Err(Cancelled));
    assert_eq!(trace.take(), ["dropped"]);
    assert!(!live_names().contains(&"patient"));
}

#[squall::test]
fn a_coroutine_whose_yield_can_tell_gets_an_error() {
    #[squall::coroutine]
    fn work() -> Result<(), Cancelled> {
        yield_!(sleep(HOUR));
        Ok(())
    }
    #[squall::coroutine]
    fn tidy(trace: Trace) -> Result<u32, Cancelled> {
        let Err(Cancelled) = yield_!(work()) else {
            return Ok(0);
        };
        trace.add("told");
        yield_!(sleep(Duration::from_secs(1))); // cleaning up may wait
        trace.add("cleaned up");
        Err(Cancelled)
    }
    let trace = Trace::default();
    let deferred = tidy(trace.clone());
    deferred.cancel();
    assert_eq!(yield_!(deferred), Err(Cancelled));
    assert_eq!(trace.take(), ["told", "cleaned up"]);
}

#[squall::test]
fn an_unwind_becomes_the_error_of_the_coroutine_that_it_ends() {
    #[squall::coroutine]
    fn fallible() -> squall::Result<u32> {
        yield_!(sleep(HOUR)); // gives no `Result`
        Ok(1)
    }
    let deferred = fallible();
    deferred.cancel();
    let error = yield_!(deferred).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
}

// tornado: 6: gen_test.py test_yield_cancelled_future, test_catch_cancelled_future (G35, G36)
#[squall::test]
fn g35_who_waits_for_a_cancelled_coroutine_is_cancelled_too() {
    #[squall::coroutine]
    fn waits(inner: Deferred<u32>) -> u32 {
        yield_!(inner) + 1
    }
    let inner = patient(Trace::default());
    inner.cancel();
    let outer = waits(inner);
    assert_eq!(yield_!(outer.or_cancelled()), Err(Cancelled));
}

#[squall::test]
fn the_innermost_scoped_coroutine_is_told_first() {
    #[squall::coroutine]
    fn inner(trace: &Trace) -> Result<(), Cancelled> {
        let result = yield_!(async {
            yield_!(sleep(HOUR));
            Ok::<(), Cancelled>(())
        });
        trace.add(format!("inner {result:?}"));
        result
    }
    #[squall::coroutine]
    fn outer(trace: Trace) -> Result<(), Cancelled> {
        let result = yield_!(inner(&trace));
        trace.add(format!("outer {result:?}"));
        result
    }
    let trace = Trace::default();
    let deferred = outer(trace.clone());
    deferred.cancel();
    assert_eq!(yield_!(deferred), Err(Cancelled));
    // The sleep's own yield unwinds inside; nothing between could tell it otherwise.
    assert_eq!(trace.take(), Vec::<String>::new());

    #[squall::coroutine]
    fn told(trace: &Trace, never: Deferred<Result<(), Cancelled>>) -> Result<(), Cancelled> {
        let result = yield_!(never);
        trace.add(format!("inner {result:?}"));
        result
    }
    #[squall::coroutine]
    fn outer_told(trace: Trace) -> Result<(), Cancelled> {
        let (_promise, never) = Promise::new();
        let result = yield_!(told(&trace, never));
        trace.add(format!("outer {result:?}"));
        result
    }
    let deferred = outer_told(trace.clone());
    deferred.cancel();
    assert_eq!(yield_!(deferred), Err(Cancelled));
    assert_eq!(
        trace.take(),
        ["inner Err(Cancelled)", "outer Err(Cancelled)"]
    );
}

#[squall::test]
fn bad_cancel_of_a_coroutine_that_is_done_changes_nothing() {
    #[squall::coroutine]
    fn quick() -> u32 {
        1
    }
    let deferred = quick();
    assert!(!deferred.cancel());
    assert!(!deferred.cancelled());
    assert_eq!(yield_!(deferred), 1);
    assert!(!Deferred::ready(2).cancel());
}

#[squall::test]
fn a_value_that_is_there_is_not_lost_to_a_cancellation() {
    let (promise, value) = Promise::new();
    #[squall::coroutine]
    fn takes(value: Deferred<u32>, got: Rc<Cell<u32>>) {
        got.set(yield_!(value));
        yield_!(sleep(HOUR));
    }
    let got = Rc::new(Cell::new(0));
    let deferred = takes(value, got.clone());
    promise.set_result(5);
    deferred.cancel();
    assert_eq!(yield_!(deferred.or_cancelled()), Err(Cancelled));
    assert_eq!(got.get(), 5);
}

#[squall::test]
fn a_shield_puts_the_news_off_to_the_next_yield() {
    #[squall::coroutine]
    fn saves(trace: Trace) {
        yield_!(shield(async {
            for half in ["first", "second"] {
                yield_!(sleep(Duration::from_secs(1)));
                trace.add(half);
            }
        }));
        trace.add("saved");
        yield_!(sleep(HOUR));
        trace.add("went on");
    }
    let trace = Trace::default();
    let deferred = saves(trace.clone());
    deferred.cancel();
    assert_eq!(yield_!(deferred.or_cancelled()), Err(Cancelled));
    assert_eq!(trace.take(), ["first", "second", "saved"]);
}

#[squall::test]
fn a_coroutine_that_goes_on_can_be_cancelled_again() {
    #[squall::coroutine]
    fn stubborn(trace: Trace, never: Deferred<squall::Result<()>>) {
        let told = yield_!(never).is_err_and(|error| error.is_cancelled());
        trace.add(format!("told {told}"));
        yield_!(sleep(HOUR));
    }
    let trace = Trace::default();
    let (_promise, never) = Promise::new();
    let deferred = stubborn(trace.clone(), never);
    deferred.cancel();
    yield_!(sleep(Duration::from_secs(1)));
    assert_eq!(trace.take(), ["told true"]);
    assert!(deferred.cancel());
    assert_eq!(yield_!(deferred.or_cancelled()), Err(Cancelled));
}

#[squall::test]
fn c12_a_promise_is_cancelled_at_once_and_its_result_ignored() {
    let (promise, value) = Promise::<u32>::new();
    assert!(value.cancel());
    assert!(value.cancelled() && promise.is_abandoned());
    promise.set_result(1); // tornado: 6: test_future_set_result_unless_cancelled (C12)
    assert_eq!(yield_!(value.or_cancelled()), Err(Cancelled));
}

#[test]
fn a_cancelled_coroutine_that_nobody_waits_for_is_not_logged() {
    let ((), logs) = capture_logs(|| {
        run(|| async {
            let deferred = patient(Trace::default());
            deferred.cancel();
            drop(deferred);
            yield_!(sleep(Duration::from_secs(1)));
        });
    });
    assert_eq!(logs, Vec::<String>::new());
}

#[squall::coroutine]
fn fails(after: u64) -> Result<u32, String> {
    yield_!(sleep(Duration::from_secs(after)));
    Err(format!("after {after}"))
}

#[squall::coroutine]
fn works(trace: Trace, name: &'static str) -> Result<u32, String> {
    let _dropped = OnDrop(trace.clone(), name);
    yield_!(sleep(HOUR));
    Ok(1)
}

#[squall::test]
fn the_first_error_cancels_the_siblings_if_it_is_asked_to() {
    let trace = Trace::default();
    let began = IoLoop::current().time();
    let list = vec![
        works(trace.clone(), "one"),
        fails(2),
        works(trace.clone(), "two"),
    ];
    let result = yield_!(multi(list).cancel_on_error());
    assert_eq!(result, Err("after 2".to_owned()));
    assert_eq!((IoLoop::current().time() - began).as_secs(), 2);
    yield_!(()); // the siblings end in their own turn
    assert_eq!(trace.take(), ["one", "two"]);

    let pair = (works(trace.clone(), "three"), fails(1));
    assert_eq!(
        yield_!(multi(pair).cancel_on_error()),
        Err("after 1".to_owned())
    );
    yield_!(());
    assert_eq!(trace.take(), ["three"]);
}

#[squall::test]
fn siblings_are_waited_for_unless_asked_otherwise() {
    let trace = Trace::default();
    let began = IoLoop::current().time();
    let result = yield_!(vec![works(trace.clone(), "one"), fails(2)]);
    assert_eq!(result, Err("after 2".to_owned()));
    assert_eq!((IoLoop::current().time() - began).as_secs(), 3600);
}

#[squall::test]
fn a_panic_that_is_caught_is_not_mistaken_for_a_cancellation_nor_the_other_way() {
    #[squall::coroutine]
    fn guarded() -> u32 {
        let result = yield_!(squall::catch_panic(async {
            yield_!(sleep(HOUR));
        }));
        u32::from(result.is_ok())
    }
    let deferred = guarded();
    deferred.cancel();
    assert_eq!(yield_!(deferred.or_cancelled()), Err(Cancelled));
}

#[squall::test]
fn who_waits_for_a_shared_result_is_cancelled_with_it() {
    let inner = patient(Trace::default());
    inner.cancel();
    let shared = inner.shared();
    #[squall::coroutine]
    fn waits(shared: squall::Shared<u32>) -> u32 {
        yield_!(shared)
    }
    for _ in 0..2 {
        assert_eq!(
            yield_!(waits(shared.clone()).or_cancelled()),
            Err(Cancelled)
        );
    }
}

#[squall::test]
fn a_shield_that_is_given_up_lets_the_news_go_on() {
    #[squall::coroutine]
    fn limited(never: Deferred<()>) {
        let shielded = shield(std::future::pending::<()>());
        let late = yield_!(squall::with_timeout(Duration::from_secs(2), shielded)).is_err();
        assert!(late);
        yield_!(never); // nothing would ever wake it but the news
    }
    let (_promise, never) = Promise::new();
    let deferred = limited(never);
    yield_!(sleep(Duration::from_secs(1)));
    deferred.cancel();
    let told = squall::with_timeout(HOUR, deferred.or_cancelled());
    assert_eq!(yield_!(told), Ok(Err(Cancelled)));
}

#[squall::test]
fn a_shield_that_panics_lets_the_news_go_on() {
    #[squall::coroutine]
    fn panics(never: Deferred<()>) {
        let mut resumed = false;
        let bad = shield(std::future::poll_fn(move |_| -> std::task::Poll<()> {
            assert!(!std::mem::replace(&mut resumed, true), "the second time");
            std::task::Poll::Pending
        }));
        assert!(yield_!(squall::catch_panic(bad)).is_err());
        yield_!(never);
    }
    let (_promise, never) = Promise::new();
    let deferred = panics(never);
    deferred.cancel();
    let told = squall::with_timeout(HOUR, deferred.or_cancelled());
    assert_eq!(yield_!(told), Ok(Err(Cancelled)));
}

#[squall::test]
fn what_a_cancelled_sibling_starts_as_it_is_dropped_goes_on() {
    #[squall::coroutine]
    fn says_goodbye(trace: Trace) {
        yield_!(sleep(Duration::from_secs(1)));
        trace.add("goodbye");
    }
    struct Guest(Trace);
    impl Drop for Guest {
        fn drop(&mut self) {
            says_goodbye(self.0.clone());
        }
    }
    let trace = Trace::default();
    let guest = Guest(trace.clone());
    let stays = async move {
        let _guest = guest;
        yield_!(sleep(HOUR));
        Ok::<u32, String>(1)
    };
    assert!(yield_!(multi((stays, fails(1))).cancel_on_error()).is_err());
    yield_!(sleep(Duration::from_secs(2)));
    assert_eq!(trace.take(), ["goodbye"]);
}

#[test]
fn a_loop_inside_a_coroutine_takes_no_news_that_is_not_its_own() {
    #[squall::coroutine]
    fn nests(value: Deferred<u32>, trace: Trace) {
        yield_!(value);
        let inner = IoLoop::with_virtual_clock().unwrap();
        inner.run_sync(|| async {
            yield_!(sleep(Duration::from_secs(1)));
        });
        inner.close();
        trace.add("inner done");
        yield_!(sleep(HOUR));
    }
    let trace = Trace::default();
    let (promise, value) = Promise::new();
    run(|| async {
        let deferred = nests(value, trace.clone());
        promise.set_result(1);
        deferred.cancel();
        assert_eq!(yield_!(deferred.or_cancelled()), Err(Cancelled));
    });
    assert_eq!(trace.take(), ["inner done"]);
}
