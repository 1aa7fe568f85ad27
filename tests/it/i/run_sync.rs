//! Running a loop for one future, with and without a limit.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use squall::{Deferred, IoLoop, sleep, yield_};

use crate::support::{OnDrop, Trace, run};

use super::{DAY, MS, panic_of, pending_with, timers, virtual_loop};

// tornado: ioloop_test.py test_async_result, test_native_coroutine (I42)
#[test]
fn i42_run_sync_gives_the_result_of_a_coroutine_or_a_future() {
    #[squall::coroutine]
    fn answer() -> u32 {
        yield_!(sleep(DAY));
        42
    }

    let io_loop = virtual_loop();
    io_loop.make_current();
    assert_eq!(io_loop.run_sync(answer), 42);
    assert_eq!(io_loop.run_sync(|| async { 43 }), 43);
    assert_eq!(io_loop.run_sync(|| Deferred::ready(44)), 44);
    IoLoop::clear_current();
}

// tornado: ioloop_test.py test_sync_exception, test_async_exception (I41)
#[test]
fn i41_run_sync_goes_on_with_the_panic_of_what_it_runs() {
    #[squall::coroutine]
    fn fail() {
        yield_!(());
        panic!("in a coroutine");
    }

    let io_loop = virtual_loop();
    let at_once = || -> Deferred<()> { panic!("at once") };
    assert_eq!(panic_of(|| io_loop.run_sync(at_once)), "at once");
    assert_eq!(panic_of(|| io_loop.run_sync(fail)), "in a coroutine");
    // The loop is at rest and works.
    assert_eq!(io_loop.run_sync(|| async { 1 }), 1);
    IoLoop::clear_current();
}

// tornado: ioloop_test.py test_reentrant, for run_sync (I27)
#[test]
fn bad_i27_run_sync_inside_run_sync_panics() {
    let message = run(|| async {
        let io_loop = IoLoop::current();
        let panic = panic_of(|| io_loop.run_sync(|| async {}));
        // It has disturbed nothing.
        yield_!(sleep(DAY));
        panic
    });
    assert!(
        message.starts_with("run_sync is called on a loop at rest"),
        "{message}"
    );
}

// tornado: ioloop_test.py 6: test_stop_no_timeout (I46)
#[test]
fn bad_i46_stop_during_run_sync_panics() {
    let io_loop = virtual_loop();
    let stopper = io_loop.clone();
    io_loop.call_later(DAY, move || stopper.stop());
    let message = panic_of(|| io_loop.run_sync(pending::<()>));
    assert!(message.contains("stopped before"), "{message}");
    // The stop is used up.
    io_loop.run_sync(|| async { yield_!(sleep(DAY)) });
    IoLoop::clear_current();
}

#[test]
fn stop_in_the_last_turn_of_run_sync_does_not_reach_the_next_run() {
    let io_loop = virtual_loop();
    let stopper = io_loop.clone();
    io_loop.run_sync(|| async move { stopper.stop() });
    let next = catch_unwind(AssertUnwindSafe(|| {
        io_loop.run_sync(|| async { yield_!(sleep(DAY)) });
    }));
    IoLoop::clear_current();
    assert!(
        next.is_ok(),
        "the next run_sync was stopped by the last one"
    );
}

#[test]
fn other_coroutines_wait_between_two_runs() {
    #[squall::coroutine]
    fn other(trace: Trace) {
        trace.add("started");
        yield_!(sleep(2 * MS));
        trace.add("slept");
    }

    let trace = Trace::new();
    let io_loop = virtual_loop();
    let [other] = io_loop.run_sync(|| {
        let other = other(trace.clone());
        async {
            yield_!(sleep(MS));
            [other] // in a list, as run_sync gives what its future gives
        }
    });
    assert_eq!(trace.take(), ["started"]);
    io_loop.run_sync(|| other);
    assert_eq!(trace.take(), ["slept"]);
    IoLoop::clear_current();
}

// run_sync with a time.

// tornado: ioloop_test.py TestIOLoopRunSync (I40)
#[test]
fn i40_run_sync_of_a_list_gives_a_list() {
    let io_loop = virtual_loop();
    let list = io_loop.run_sync(|| async { yield_!([Deferred::ready(1), Deferred::ready(2)]) });
    assert_eq!(list, [1, 2]);
    IoLoop::clear_current();
}

// tornado: ioloop_test.py TestIOLoopRunSync.test_timeout (I44)
#[test]
fn i44_run_sync_that_takes_too_long_is_a_timeout() {
    let io_loop = virtual_loop();
    for (timeout, shown) in [(5000 * MS, "5"), (10 * MS, "0.01"), (Duration::ZERO, "0")] {
        let begin = io_loop.time();
        let error = io_loop
            .run_sync_timeout(timeout, pending::<()>)
            .unwrap_err();
        assert!(error.is_timeout());
        let want = format!("operation timed out after {shown} seconds");
        assert_eq!(error.to_string(), want);
        assert_eq!(io_loop.time() - begin, timeout);
    }
    // What is done at once is done with no time at all, and a stop does not outlive the run.
    let done = io_loop.run_sync_timeout(Duration::ZERO, || async { 1 });
    assert_eq!(done.unwrap(), 1);
    let slept = io_loop.run_sync_timeout(DAY, || async { yield_!(sleep(MS)) });
    assert!(slept.is_ok());
}

// tornado: ioloop.py 5.0 run_sync (I45)
#[test]
fn i45_the_future_of_a_run_that_took_too_long_is_dropped() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    let guard = OnDrop(trace.clone(), "dropped");
    let ended = io_loop.run_sync_timeout(MS, || pending_with(guard));
    assert!(ended.unwrap_err().is_timeout());
    assert_eq!(trace.take(), ["dropped"]);
}

// tornado: ioloop.py 5.0 run_sync (I45)
#[test]
fn i45_a_coroutine_that_took_too_long_is_cancelled() {
    #[squall::coroutine]
    fn patient(guard: OnDrop, trace: Trace) {
        yield_!(sleep(DAY));
        trace.add("went on");
        drop(guard);
    }
    #[squall::coroutine]
    fn cleans_up(trace: Trace) -> Result<(), squall::Cancelled> {
        let (_promise, never) = squall::Promise::<Result<(), squall::Cancelled>>::new();
        trace.add(format!("{:?}", yield_!(never)));
        yield_!(sleep(DAY));
        trace.add("cleaned up");
        Err(squall::Cancelled)
    }

    let trace = Trace::new();
    let io_loop = virtual_loop();
    let guard = OnDrop(trace.clone(), "unwound");
    let late = io_loop.run_sync_timeout(MS, || patient(guard, trace.clone()));
    assert!(late.unwrap_err().is_timeout());
    assert_eq!(trace.take(), ["unwound"]);
    // One that takes the news as an error and cleans up for longer is not waited for, but goes on.
    let began = io_loop.time();
    let late = io_loop.run_sync_timeout(MS, || cleans_up(trace.clone()));
    assert!(late.unwrap_err().is_timeout());
    assert_eq!(trace.take(), ["Err(Cancelled)"]);
    assert_eq!(io_loop.time() - began, MS);
    io_loop.run_sync(|| async { yield_!(sleep(2 * DAY)) });
    assert_eq!(trace.take(), ["cleaned up"]);
    IoLoop::clear_current();
}

// tornado: ioloop.py run_sync (I47)
#[test]
fn i47_run_sync_removes_its_timer() {
    let io_loop = virtual_loop();
    (io_loop.run_sync_timeout(DAY, || async { yield_!(sleep(MS)) })).unwrap();
    assert_eq!(timers(&io_loop), "0");
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let at_once = || -> Deferred<()> { panic!("at once") };
        io_loop.run_sync_timeout(DAY, at_once)
    }));
    assert!(failed.is_err());
    assert_eq!(timers(&io_loop), "0");
    IoLoop::clear_current();
}

#[test]
fn run_sync_timeout_gives_errors_where_run_sync_panics() {
    let io_loop = virtual_loop();
    let stopper = io_loop.clone();
    io_loop.add_callback(move || stopper.stop());
    let stopped = io_loop.run_sync_timeout(DAY, pending::<()>).unwrap_err();
    assert!(stopped.to_string().contains("stopped before"), "{stopped}");
    assert!(!stopped.is_timeout());
    let closer = io_loop.clone();
    io_loop.add_callback(move || closer.close());
    let closed = io_loop.run_sync_timeout(DAY, pending::<()>).unwrap_err();
    assert!(closed.to_string().contains("closed before"), "{closed}");
    let closed = io_loop.run_sync_timeout(DAY, pending::<()>).unwrap_err();
    assert_eq!(closed.to_string(), "the loop is closed; make a new one");
    IoLoop::clear_current();
}
