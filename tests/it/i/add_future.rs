//! Callbacks of futures.

use std::thread;

use squall::{Deferred, sleep, yield_};

use crate::support::{OnDrop, Trace, capture_logs};

use super::{MS, pending_with, start, virtual_loop};

// tornado: ioloop_test.py test_add_future_threads (I36)
#[test]
fn i36_add_future_calls_back_on_the_loop_with_what_another_thread_found() {
    let trace = Trace::new();
    start(|io_loop| {
        let (seen, stopper, here) = (trace.clone(), io_loop.clone(), thread::current().id());
        let work = squall::run_in_executor(|| 42);
        io_loop.add_future(work, move |result| {
            seen.add(format!("{:?}", result.unwrap()));
            assert_eq!(thread::current().id(), here);
            stopper.stop();
        });
    });
    assert_eq!(trace.take(), ["42"]);
}

// tornado: ioloop_test.py test_add_future_stack_context (I37)
#[test]
fn i37_an_error_stays_in_the_result_and_the_callbacks_own_panic_is_logged() {
    #[squall::coroutine]
    fn fails() -> Result<(), String> {
        yield_!(sleep(MS));
        Err("of the worker".to_owned())
    }

    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        start(|io_loop| {
            let (seen, stopper) = (trace.clone(), io_loop.clone());
            io_loop.add_future(fails(), move |result| {
                seen.add(result.unwrap_err());
                stopper.stop();
                panic!("of the callback");
            });
        });
    });
    assert_eq!(trace.take(), ["of the worker"]);
    assert_eq!(log, ["ERROR squall: panic in callback: of the callback"]);
}

// tornado: ioloop.py IOLoop.add_future (I38)
#[test]
fn i38_add_future_of_what_is_done_calls_back_later() {
    let trace = Trace::new();
    start(|io_loop| {
        let (seen, stopper) = (trace.clone(), io_loop.clone());
        io_loop.add_future(Deferred::ready(1), move |n: u32| {
            seen.add(format!("called with {n}"));
            stopper.stop();
        });
        trace.add("added");
    });
    assert_eq!(trace.take(), ["added", "called with 1"]);
}

#[test]
fn add_future_on_a_closed_loop_drops_both() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    let (in_future, in_callback) = (
        OnDrop(trace.clone(), "future"),
        OnDrop(trace.clone(), "callback"),
    );
    io_loop.add_future(pending_with(in_future), move |()| drop(in_callback));
    assert_eq!(trace.take(), [""; 0]);
    io_loop.close();
    assert_eq!(trace.take(), ["future", "callback"]);
    let (in_future, in_callback) = (
        OnDrop(trace.clone(), "future"),
        OnDrop(trace.clone(), "callback"),
    );
    io_loop.add_future(pending_with(in_future), move |()| drop(in_callback));
    let mut dropped = trace.take();
    dropped.sort_unstable();
    assert_eq!(dropped, ["callback", "future"]);
}
