//! Cancelled coroutines that have a time to end in, and are dropped after it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use squall::{Cancelled, Deferred, IoLoop, Promise, shield, sleep, yield_};

use crate::support::{OnDrop, Trace, capture_logs, live_names, run};

const FILE: &str = file!();
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Deals with a cancellation, and then does not end. `told` is a promise that nobody settles.
const STUBBORN: u32 = line!() + 2;
#[squall::coroutine]
fn stubborn(trace: Trace, told: Deferred<squall::Result<()>>) -> u32 {
    let _dropped = OnDrop(trace.clone(), "dropped");
    assert!(yield_!(told).is_err_and(|error| error.is_cancelled()));
    trace.add("told");
    yield_!(sleep(HOUR));
    trace.add("went on");
    7
}

fn warning(name: &str, line: u32, time: &str, yielded: u32, column: u32, what: &str) -> String {
    format!(
        "WARN squall: coroutine it::grace::{name} ({FILE}:{line}) was cancelled, and has not ended in \
        {time}; it is dropped at its yield at {FILE}:{yielded}:{column}: {what}"
    )
}

fn stubborn_warning(time: &str) -> String {
    warning("stubborn", STUBBORN, time, STUBBORN + 4, 5, "sleep(HOUR)")
}

fn timers() -> String {
    format!("{:?}", IoLoop::current())
}

#[test]
fn coroutine_that_does_not_end_in_time_is_dropped_where_it_stands() {
    let ((), log) = capture_logs(|| {
        run(|| async {
            let trace = Trace::new();
            let (_promise, told) = Promise::new();
            let call = stubborn(trace.clone(), told);
            let begun = IoLoop::current().time();
            assert!(call.cancel_within(5 * SECOND));
            assert_eq!(trace.take(), [""; 0], "never inside the one who cancels");
            assert_eq!(call.or_cancelled().await, Err(Cancelled));
            assert_eq!(IoLoop::current().time() - begun, 5 * SECOND);
            assert_eq!(trace.take(), ["told", "dropped"]);
            assert_eq!(live_names(), [""; 0]);
        });
    });
    assert_eq!(log, [stubborn_warning("5s")]);
}

#[test]
fn who_waits_for_it_gets_the_error_if_there_is_one() {
    #[squall::coroutine]
    fn fallible(told: Deferred<squall::Result<()>>) -> squall::Result<u32> {
        let _ = yield_!(told);
        yield_!(sleep(HOUR));
        Ok(1)
    }
    let (error, log) = capture_logs(|| {
        run(|| async {
            let (_promise, told) = Promise::new();
            let call = fallible(told);
            assert!(call.cancel_within(SECOND));
            call.await.unwrap_err()
        })
    });
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(log.len(), 1, "{log:?}");
    // The same, if nobody waits: the warning says it all.
    let ((), log) = capture_logs(|| {
        run(|| async {
            let (_promise, told) = Promise::new();
            fallible(told).cancel_within(SECOND);
            sleep(2 * SECOND).await;
            assert_eq!(live_names(), [""; 0]);
        })
    });
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(
        log[0].starts_with("WARN squall: coroutine it::grace::fallible "),
        "{log:?}"
    );
}

#[test]
fn coroutine_that_ends_in_time_leaves_no_timer() {
    #[squall::coroutine]
    fn tidy(told: Deferred<squall::Result<()>>) -> u32 {
        let _ = yield_!(told);
        yield_!(sleep(SECOND));
        7
    }
    let ((), log) = capture_logs(|| {
        run(|| async {
            let before = timers();
            let (_promise, told) = Promise::new();
            let call = tidy(told);
            assert!(call.cancel_within(5 * SECOND));
            assert_ne!(timers(), before);
            let begun = IoLoop::current().time();
            assert_eq!(call.await, 7, "it chose to give a value");
            assert_eq!(IoLoop::current().time() - begun, SECOND);
            assert_eq!(timers(), before);
            sleep(10 * SECOND).await;
        });
    });
    assert_eq!(log, [""; 0]);
}

#[squall::test]
fn coroutine_that_is_told_by_an_unwind_ends_at_once() {
    #[squall::coroutine]
    fn plain() -> u32 {
        yield_!(sleep(HOUR));
        7
    }
    let before = timers();
    let call = plain();
    assert!(call.cancel_within(5 * SECOND));
    assert!(!call.cancelled());
    assert_eq!(yield_!(call.or_cancelled()), Err(Cancelled));
    assert_eq!(timers(), before);
}

#[test]
fn second_cancellation_tells_again_and_gives_no_more_time() {
    #[squall::coroutine]
    fn asks_twice(
        trace: Trace,
        first: Deferred<squall::Result<()>>,
        second: Deferred<squall::Result<()>>,
    ) {
        let _ = yield_!(first);
        trace.add("once");
        let _ = yield_!(second);
        trace.add("twice");
        yield_!(sleep(HOUR));
    }
    let begin = || {
        let ((first, one), (second, two)) = (Promise::new(), Promise::new());
        let trace = Trace::new();
        let call = asks_twice(trace.clone(), one, two);
        (trace, call, (first, second))
    };
    let (times, log) = capture_logs(|| {
        run(|| async {
            let mut times = Vec::new();
            let again: [fn(&Deferred<()>) -> bool; 3] = [
                Deferred::cancel,
                |call| call.cancel_within(HOUR),
                |call| call.cancel_within(SECOND),
            ];
            for again in again {
                let (trace, call, _promises) = begin();
                let begun = IoLoop::current().time();
                assert!(call.cancel_within(5 * SECOND));
                sleep(SECOND).await;
                assert!(again(&call));
                sleep(SECOND / 2).await;
                assert_eq!(trace.take(), ["once", "twice"]);
                assert_eq!(call.or_cancelled().await, Err(Cancelled));
                times.push((IoLoop::current().time() - begun).as_secs());
            }
            times
        })
    });
    assert_eq!(times, [5, 5, 2]);
    let given: Vec<_> = (log.iter())
        .map(|line| {
            line.split("has not ended in ")
                .nth(1)
                .unwrap()
                .split(';')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(given, ["5s", "5s", "1s"]);
}

#[test]
fn shield_does_not_stop_the_time() {
    const SAVES: u32 = line!() + 2;
    #[squall::coroutine]
    fn saves(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "dropped");
        let section = shield(async {
            sleep(SECOND).await;
            trace.add("first half");
            sleep(HOUR).await;
            trace.add("second half");
        });
        yield_!(section);
    }
    let ((), log) = capture_logs(|| {
        run(|| async {
            let trace = Trace::new();
            let call = saves(trace.clone());
            assert!(call.cancel_within(5 * SECOND));
            assert_eq!(call.or_cancelled().await, Err(Cancelled));
            assert_eq!(trace.take(), ["first half", "dropped"]);
        });
    });
    let text = warning("saves", SAVES, "5s", SAVES + 8, 9, "section");
    assert_eq!(log, [text]);
}

#[test]
fn scoped_children_are_dropped_with_it_and_started_ones_go_on() {
    #[squall::coroutine]
    fn scoped(trace: &Trace) {
        let _dropped = OnDrop(trace.clone(), "scoped dropped");
        yield_!(shield(sleep(HOUR)));
    }
    #[squall::coroutine]
    fn started(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "started dropped");
        yield_!(sleep(10 * SECOND));
        trace.add("started done");
    }
    #[squall::coroutine]
    fn parent(trace: Trace) {
        let _dropped = OnDrop(trace.clone(), "parent dropped");
        let child = started(trace.clone());
        yield_!((scoped(&trace), shield(child)));
    }
    let (trace, log) = capture_logs(|| {
        run(|| async {
            let trace = Trace::new();
            let call = parent(trace.clone());
            assert!(call.cancel_within(5 * SECOND));
            assert_eq!(call.or_cancelled().await, Err(Cancelled));
            assert_eq!(live_names(), ["started"]);
            trace.add("waiter told");
            sleep(6 * SECOND).await;
            trace.take()
        })
    });
    assert_eq!(
        trace,
        [
            "scoped dropped",
            "parent dropped",
            "waiter told",
            "started done",
            "started dropped"
        ]
    );
    assert_eq!(log.len(), 1, "{log:?}");
}

// Only a loop inside a coroutine can see it run.
#[test]
fn coroutine_that_runs_when_its_time_is_over_is_dropped_at_its_next_yield() {
    #[squall::coroutine]
    fn nests(trace: Trace, own: Rc<RefCell<Option<Deferred<u32>>>>, then: bool) -> u32 {
        let _dropped = OnDrop(trace.clone(), "dropped");
        yield_!(());
        let inner = IoLoop::with_virtual_clock().unwrap();
        inner.run_sync(|| async {
            assert!(own.borrow().as_ref().unwrap().cancel_within(SECOND));
            sleep(5 * SECOND).await;
        });
        inner.close();
        trace.add("runs on");
        if then {
            yield_!(shield(sleep(HOUR)));
        }
        7
    }
    let call = |then| {
        run(|| async {
            let (trace, own) = (Trace::new(), Rc::default());
            let call = nests(trace.clone(), Rc::clone(&own), then);
            *own.borrow_mut() = Some(call);
            sleep(SECOND).await;
            let call = own.take().unwrap();
            (call.done(), call.or_cancelled().await, trace.take())
        })
    };
    let (late, log) = capture_logs(|| call(true));
    let steps = ["runs on", "dropped"].map(str::to_owned).to_vec();
    assert_eq!(late, (true, Err(Cancelled), steps.clone()));
    assert_eq!(log.len(), 1, "{log:?}");
    let (ended, log) = capture_logs(|| call(false));
    assert_eq!(ended, (true, Ok(7), steps), "its end counts");
    assert_eq!(log, [""; 0]);
}

#[test]
fn loop_that_is_closed_meanwhile_drops_it_without_a_word() {
    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        run(|| async {
            let (promise, told) = Promise::new();
            let call = stubborn(trace.clone(), told);
            assert!(call.cancel_within(HOUR / 2));
            sleep(SECOND).await;
            std::mem::forget(promise);
            drop(call);
        });
    });
    assert_eq!(trace.take(), ["told", "dropped"]);
    assert_eq!(log, [""; 0]);
}

#[test]
fn coroutine_that_nobody_waits_for_is_dropped_too() {
    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        run(|| async {
            let (_promise, told) = Promise::new();
            stubborn(trace.clone(), told).cancel_within(5 * SECOND);
            sleep(6 * SECOND).await;
            assert_eq!(live_names(), [""; 0]);
        });
    });
    assert_eq!(trace.take(), ["told", "dropped"]);
    assert_eq!(log, [stubborn_warning("5s")]);
}

#[squall::test]
fn what_is_done_is_not_cancelled_and_a_promise_at_once() {
    let before = timers();
    assert!(!Deferred::ready(1).cancel_within(SECOND));
    let (promise, value) = Promise::<u32>::new();
    assert!(value.cancel_within(SECOND));
    assert!(value.cancelled() && promise.is_abandoned());
    assert_eq!(timers(), before);
    assert_eq!(yield_!(value.or_cancelled()), Err(Cancelled));
}

// What a destructor does while it is dropped must not find it half gone.
#[test]
fn destructors_may_cancel_and_start_others() {
    struct Last(Trace, Rc<Cell<bool>>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.1.set(true);
            let (promise, told) = Promise::new();
            std::mem::forget(promise);
            stubborn(self.0.clone(), told).cancel_within(SECOND);
        }
    }
    #[squall::coroutine]
    fn holds(last: Last) {
        yield_!(shield(sleep(HOUR)));
        drop(last);
    }
    let (trace, seen) = (Trace::new(), Rc::new(Cell::new(false)));
    let ((), log) = capture_logs(|| {
        run(|| async {
            let call = holds(Last(trace.clone(), seen.clone()));
            assert!(call.cancel_within(Duration::ZERO));
            assert_eq!(call.or_cancelled().await, Err(Cancelled));
            sleep(SECOND * 2).await;
            assert_eq!(live_names(), [""; 0]);
        });
    });
    assert!(seen.get());
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!(log[1], stubborn_warning("1s"));
}
