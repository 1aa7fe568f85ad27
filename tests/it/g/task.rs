//! Callbacks as futures: tasks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread;

use squall::{
    Callback, CallbackDropped, Deferred, IoLoop, catch_panic, moment, sleep, task, task_send,
    yield_,
};

use crate::support::{SECOND, Trace, capture_logs, fail_after, ok_after, run};

/// A function of the old kind: calls `callback` in a turn of the loop.
fn later<A: 'static>(value: A, callback: impl FnOnce(A) + 'static) {
    IoLoop::current().add_callback(move || callback(value));
}

// tornado: gen_test.py test_inline_cb (G87)
#[squall::test]
fn g87_a_callback_that_is_called_at_once_does_not_make_the_yield_wait() {
    let waits = task(|callback| callback.call(()));
    assert!(waits.done());
    assert_eq!(yield_!(waits), Ok(()));
}

// tornado: gen_test.py test_ioloop_cb (G88), test_with_arg (G89)
#[squall::test]
fn g88_g89_a_task_gives_what_its_callback_is_called_with() {
    let waits = task(|callback| later(42, callback.into_fn()));
    assert!(!waits.done());
    assert_eq!(yield_!(waits), Ok(42));
}

// tornado: gen_test.py test_with_arg_tuple (G90), test_arguments (G100)
#[squall::test]
fn g90_g100_c20_callbacks_have_no_argument_one_or_a_tuple_of_them() {
    fn with_two(callback: impl FnOnce(u32, &str)) {
        callback(1, "b");
    }
    assert_eq!(yield_!(task(|callback| callback.call(()))), Ok(()));
    assert_eq!(yield_!(task(|callback| callback.call(1))), Ok(1));
    let arguments = task(|callback| with_two(|a, b| callback.call((a, b.to_owned()))));
    assert_eq!(yield_!(arguments), Ok((1, "b".to_owned())));
}

// tornado: gen_test.py test_parallel_callback (G96), test_wait_all (G98), test_multi,
// test_multi_dict (G99), test_reuse (G97)
#[squall::test]
fn g96_g97_g98_g99_tasks_stand_in_lists_and_maps_and_may_be_made_again() {
    for _ in 0..2 {
        let list = yield_!([
            task(|callback| later(1, callback.into_fn())),
            task(|callback| later(2, callback.into_fn())),
        ]);
        assert_eq!(list, Ok([1, 2]));
        let map = BTreeMap::from([
            ("b", task(|callback| callback.call(2))),
            ("a", task(|callback| later(1, callback.into_fn()))),
        ]);
        assert_eq!(yield_!(map), Ok(BTreeMap::from([("a", 1), ("b", 2)])));
        let (first, second) = (task(|c| later("first", c.into_fn())), task(|c| c.call(2)));
        assert_eq!(yield_!(second), Ok(2));
        assert_eq!(yield_!(first), Ok("first"));
    }
}

// tornado: gen_test.py test_exception_in_task_phase1 (G101)
#[squall::test]
fn g101_c16_a_panic_of_the_function_comes_at_the_yield() {
    let fails = |_: Callback<u32>| panic!("no such host");
    let waits = task(fails);
    let caught = yield_!(catch_panic(waits)).unwrap_err();
    assert_eq!(caught.message(), "no such host");
    let waits = task_send(|_: squall::SendCallback<u32>| panic!("no thread"));
    let caught = yield_!(catch_panic(waits)).unwrap_err();
    assert_eq!(caught.message(), "no thread");
}

// tornado: gen_test.py test_exception_in_task_phase2 (G102): there the error of the later callback
// itself comes at the yield. Here the loop logs it, and the yield gets to know that nothing will come.
#[test]
fn g102_c19_a_panic_in_a_later_callback_is_logged_and_makes_the_yield_fail() {
    let (result, log) = capture_logs(|| {
        run(|| {
            task(|callback: Callback<u32>| {
                IoLoop::current().add_callback(move || {
                    let _held = callback;
                    panic!("later");
                });
            })
        })
    });
    assert!(result.is_err());
    assert_eq!(log, ["ERROR squall: panic in callback: later"]);
}

// tornado: src, Task (G103)
#[squall::test]
fn g103_the_second_call_of_a_repeatable_callback_is_ignored() {
    let waits = task(|callback| {
        let call = callback.repeatable();
        let again = call.clone();
        IoLoop::current().add_callback(move || {
            call(1);
            call(2);
        });
        IoLoop::current().add_callback(move || again(3));
    });
    assert_eq!(yield_!(waits), Ok(1));
    yield_!(sleep(SECOND));
}

// tornado: gen_test.py test_leaked_callback (G93)
#[squall::test]
fn g93_a_callback_that_is_dropped_is_an_error_that_names_its_site() {
    let line = line!() + 1;
    let waits = task(|callback: Callback<u32>| drop(callback));
    let dropped: CallbackDropped = yield_!(waits).unwrap_err();
    assert_eq!(
        (dropped.site().file(), dropped.site().line()),
        (file!(), line)
    );
    let message = squall::Error::from(dropped).to_string();
    let start = format!("the callback of the task at {}:{line}:", file!());
    assert!(message.starts_with(&start), "{message}");
    assert!(message.ends_with(" was dropped without being called"));

    // Late, from a repeatable one, and on another thread.
    let late =
        task(|callback: Callback<u32>| IoLoop::current().add_callback(move || drop(callback)));
    assert!(yield_!(late).is_err());
    let repeatable = task(|callback: Callback<u32>| drop(callback.repeatable()));
    assert!(yield_!(repeatable).is_err());
    let line = line!() + 1;
    let elsewhere = task_send(|callback: squall::SendCallback<u32>| {
        thread::spawn(move || drop(callback));
    });
    assert_eq!(yield_!(elsewhere).unwrap_err().site().line(), line);
}

// tornado: gen_test.py test_orphaned_callback (G95)
#[squall::test]
fn g95_a_callback_that_is_called_when_nobody_waits_does_nothing() {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    let waits = task(move |callback: Callback<u32>| *keep.borrow_mut() = Some(callback));
    drop(waits);
    let callback = kept.take().expect("it was kept");
    assert!(callback.is_abandoned());
    callback.call(1);
    yield_!(moment());
}

#[squall::test]
fn callback_may_be_called_on_another_thread() {
    let answers: Vec<_> = (0..10)
        .map(|n| {
            task_send(move |callback| {
                let call = callback.into_fn();
                thread::spawn(move || call(n));
            })
        })
        .collect();
    assert_eq!(yield_!(answers), Ok((0..10).collect()));
}

#[squall::test]
fn coroutine_never_resumes_inside_the_call_of_its_callback() {
    #[squall::coroutine]
    fn waits(trace: Trace) {
        let done = trace.clone();
        let result = task(move |callback| {
            IoLoop::current().add_callback(move || {
                done.add("calling");
                callback.call(());
                done.add("called");
            });
        });
        assert_eq!(yield_!(result), Ok(()));
        trace.add("resumed");
    }
    let trace = Trace::new();
    yield_!(waits(trace.clone()));
    assert_eq!(trace.take(), ["calling", "called", "resumed"]);
}

// tornado: gen_test.py test_pass_callback (G28); the failure (G29): a coroutine's result is handed to
// a callback by a coroutine that waits for both.
#[squall::test]
fn g28_g29_a_coroutines_result_is_handed_to_a_callback_unless_it_fails() {
    #[squall::coroutine]
    fn hand_over<T, E>(call: Deferred<Result<T, E>>, callback: impl FnOnce(T)) -> Result<(), E> {
        callback(yield_!(call)?);
        Ok(())
    }
    let trace = Trace::new();
    let (good, bad) = (trace.clone(), trace.clone());
    let good = hand_over(ok_after(1, 42), move |n| good.add(n.to_string()));
    let bad = hand_over(fail_after(1, "odd"), move |n| bad.add(n.to_string()));
    assert_eq!(yield_!(good), Ok(()));
    assert_eq!(yield_!(bad), Err("odd".to_owned()));
    assert_eq!(trace.take(), ["42"]);
}
