//! Callbacks of futures: when they are called, in which order, and what their panics reach.
//!
//! Tornado has `add_done_callback` on the future; here the loop has `add_future`.

use squall::{Deferred, IoLoop, Promise, moment, yield_};

use crate::support::{Trace, after, capture_logs, run};

fn add(trace: &Trace, future: impl Future<Output = u32> + 'static, name: &'static str) {
    let trace = trace.clone();
    IoLoop::current().add_future(future, move |n| trace.add(format!("{name} {n}")));
}

// tornado: checked by running it (C1); as in 6
#[squall::test]
fn c1_a_done_callback_is_called_in_a_later_turn_and_not_by_the_setter() {
    let (trace, (promise, value)) = (Trace::new(), Promise::new());
    add(&trace, value, "called with");
    yield_!(moment());
    promise.set_result(1);
    trace.add("set");
    yield_!(moment());
    yield_!(moment());
    assert_eq!(trace.take(), ["set", "called with 1"]);
}

// tornado: src (C2); as in 6
#[squall::test]
fn c2_a_callback_of_what_is_done_is_called_in_a_later_turn() {
    let trace = Trace::new();
    add(&trace, Deferred::ready(1), "called with");
    trace.add("added");
    yield_!(moment());
    yield_!(moment());
    assert_eq!(trace.take(), ["added", "called with 1"]);
}

// tornado: src (C3), ConditionTest.test_notify_n
#[squall::test]
fn c3_several_callbacks_are_called_in_the_order_in_which_they_were_added() {
    let (trace, shared) = (Trace::new(), after(1, 7).shared());
    for name in ["a", "b", "c", "d"] {
        add(&trace, shared.clone(), name);
    }
    yield_!(after(2, ()));
    assert_eq!(trace.take(), ["a 7", "b 7", "c 7", "d 7"]);
}

// tornado: src (C4), test_error_in_callback (C21): the error goes to the log, and to nobody else
#[test]
fn c4_c21_a_callback_that_panics_is_logged_and_reaches_neither_the_others_nor_the_future() {
    let trace = Trace::new();
    let seen = trace.clone();
    let (result, log) = capture_logs(|| {
        run(|| async move {
            let (promise, value) = Promise::new();
            let shared = value.shared();
            add(&seen, shared.clone(), "first");
            IoLoop::current().add_future(shared.clone(), |_: u32| panic!("oh"));
            add(&seen, shared.clone(), "third");
            yield_!(moment());
            promise.set_result(5);
            seen.add("the setter goes on");
            yield_!(after(1, ()));
            yield_!(shared)
        })
    });
    assert_eq!(result, 5, "the future has its result");
    assert_eq!(trace.take(), ["the setter goes on", "first 5", "third 5"]);
    assert_eq!(log, ["ERROR squall: panic in callback: oh"]);
}
