//! Functions of the old kind, which call back.

use std::cell::Cell;
use std::rc::Rc;

use squall::{Return, moment, sleep, task, yield_};

use crate::support::{SECOND, Trace, after, capture_logs, run};

#[squall::engine]
fn add_later(a: u32, b: u32, callback: impl FnOnce(u32)) {
    yield_!(sleep(SECOND));
    callback(a + b);
}

// tornado: gen_test.py GenEngineTest.test_no_yield (G86)
#[squall::test]
fn g86_an_engine_function_runs_when_it_is_called_and_returns_nothing() {
    #[squall::engine]
    fn at_once(callback: impl FnOnce(u32)) {
        callback(42);
    }
    let got = Rc::new(Cell::new(0));
    let sets = got.clone();
    let nothing: () = at_once(move |n| sets.set(n));
    assert_eq!((nothing, got.get()), ((), 42));
    // One that waits goes on by itself.
    let sets = got.clone();
    add_later(1, 2, move |n| sets.set(n));
    assert_eq!(got.get(), 42);
    yield_!(sleep(2 * SECOND));
    assert_eq!(got.get(), 3);
    assert_eq!(yield_!(task(|done| add_later(3, 4, done.into_fn()))), Ok(7));
}

// tornado: gen_test.py test_exception_phase1, phase2 (G104): there is no caller to tell, so it is
// logged; a task whose callback it held is told.
#[test]
fn g104_a_panic_of_an_engine_function_is_logged_and_ends_the_task_that_waits_for_it() {
    #[squall::engine]
    fn fails(wait: bool, callback: impl FnOnce(u32)) {
        let _held = callback;
        if wait {
            yield_!(moment());
        }
        panic!("oh");
    }
    for wait in [false, true] {
        let (result, log) =
            capture_logs(|| run(|| task(|callback| fails(wait, callback.into_fn()))));
        assert!(result.is_err());
        assert_eq!(log.len(), 1, "{log:?}");
        let start = "ERROR squall: panic in coroutine `fails` was never retrieved: oh\n";
        assert!(log[0].starts_with(start), "{log:?}");
    }
}

// tornado: gen_test.py test_sync_raise_return (G105); a value does not compile: tests/ui
#[squall::test]
fn g105_an_engine_function_may_raise_a_return_without_a_value() {
    #[squall::engine]
    fn returns(trace: Trace) {
        yield_!(moment());
        trace.add("returns");
        if trace.take().len() == 1 {
            Return(()).raise();
        }
        trace.add("not reached");
    }
    let trace = Trace::new();
    returns(trace.clone());
    yield_!(sleep(SECOND));
    assert!(trace.take().is_empty());
}

squall::coroutines! {
    #[squall::engine]
    fn keyword(callback: impl FnOnce(u32)) {
        let n = yield after(1, 1);
        callback(n);
    }
}

#[squall::test]
fn engine_function_may_yield_by_the_keyword() {
    assert_eq!(yield_!(task(|done| keyword(done.into_fn()))), Ok(1));
}
