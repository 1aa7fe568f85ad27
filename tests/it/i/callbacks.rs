//! Callbacks: their panics, the hook for them, coroutines that are spawned, a great many.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use squall::{Interest, IoLoop, sleep, yield_};

use crate::support::{Trace, capture_logs, run};

use super::{DAY, MS, pair, start, step};

// tornado: ioloop_test.py test_exception_logging (I8)
#[test]
fn i8_panic_in_a_callback_a_timer_or_a_handler_is_logged_and_the_loop_goes_on() {
    let trace = Trace::new();
    let (ready, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let ((), log) = capture_logs(|| {
        start(|io_loop| {
            io_loop.add_callback(|| panic!("one"));
            io_loop.add_callback(step(&trace, "callback"));
            io_loop.call_later(Duration::ZERO, || panic!("two"));
            io_loop.call_later(Duration::ZERO, step(&trace, "timer"));
            let (calls, stopper, seen) = (Cell::new(0), io_loop.clone(), trace.clone());
            let handler = move |_, _| {
                calls.set(calls.get() + 1);
                seen.add(format!("handler {}", calls.get()));
                if calls.get() == 2 {
                    stopper.stop();
                }
                panic!("three");
            };
            (io_loop.add_handler(&ready, Interest::READ, handler)).unwrap();
        });
    });
    assert_eq!(
        trace.take(),
        ["callback", "timer", "handler 1", "handler 2"]
    );
    assert_eq!(
        log,
        [
            "ERROR squall: panic in callback: one",
            "ERROR squall: panic in callback: two",
            "ERROR squall: panic in callback: three",
            "ERROR squall: panic in callback: three",
        ]
    );
}

// tornado: ioloop_test.py test_spawn_callback, test_exception_logging_future (I5, I6, I34)
#[test]
fn i5_i6_i34_failure_of_a_spawned_coroutine_is_logged() {
    #[squall::coroutine]
    fn fails() -> Result<(), String> {
        yield_!(());
        Err("no luck".to_owned())
    }

    #[squall::coroutine]
    fn panics() {
        yield_!(());
        panic!("no way");
    }

    fn starts_with_a_panic() {
        panic!("not even started");
    }

    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        run(|| {
            let io_loop = IoLoop::current();
            io_loop.spawn_callback(fails);
            io_loop.spawn_callback(panics);
            io_loop.spawn_callback(starts_with_a_panic);
            io_loop.spawn_callback(step(&trace, "plain"));
            trace.add("spawned");
            sleep(MS)
        });
    });
    assert_eq!(trace.take(), ["spawned", "plain"]);
    let heads: Vec<_> = log
        .iter()
        .filter_map(|entry| entry.lines().next())
        .collect();
    assert_eq!(
        heads,
        [
            "ERROR squall: panic in callback: not even started",
            "ERROR squall: error in coroutine `fails` was never retrieved: no luck",
            "ERROR squall: panic in coroutine `panics` was never retrieved: no way",
        ]
    );
}

// The hook for panics.

// tornado: ioloop_test.py test_handle_callback_exception (I9)
#[test]
fn i9_the_hook_gets_the_panics_of_callbacks_instead_of_the_log() {
    #[squall::coroutine]
    fn fails() {
        yield_!(());
        panic!("future");
    }

    let trace = Trace::new();
    let (ready, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let ((), log) = capture_logs(|| {
        start(|io_loop| {
            let seen = trace.clone();
            io_loop.set_callback_error_hook(move |panicked| {
                let is_traced = panicked.traceback().is_some();
                seen.add(format!("{}, traced: {is_traced}", panicked.message()));
            });
            let remover = io_loop.clone();
            let handler = move |fd, _| {
                remover.remove_handler(&fd);
                panic!("handler");
            };
            (io_loop.add_handler(&ready, Interest::READ, handler)).unwrap();
            io_loop.add_callback(|| panic!("callback"));
            io_loop.call_later(Duration::ZERO, || panic!("timer"));
            io_loop.add_future(fails(), |()| panic!("it is not called"));
            let stopper = io_loop.clone();
            io_loop.call_later(DAY, move || stopper.stop());
        });
    });
    let mut got = trace.take();
    got.sort_unstable();
    assert_eq!(
        got,
        [
            "callback, traced: false",
            "future, traced: true",
            "handler, traced: false",
            "timer, traced: false"
        ]
    );
    assert_eq!(log, [""; 0]);
}

#[test]
fn panic_of_the_hook_is_logged_with_the_first_one() {
    let ((), log) = capture_logs(|| {
        start(|io_loop| {
            io_loop.set_callback_error_hook(|_| panic!("in the hook"));
            io_loop.add_callback(|| panic!("first"));
            let stopper = io_loop.clone();
            io_loop.add_callback(move || stopper.stop());
        });
    });
    assert_eq!(
        log,
        [
            "ERROR squall: panic in callback: first; and in the hook that it was handed to: in the hook"
        ]
    );
}

#[test]
fn million_queued_callbacks_run_in_order() {
    let count = Rc::new(Cell::new(0_u32));
    start(|io_loop| {
        for n in 0..1_000_000 {
            let count = count.clone();
            io_loop.add_callback(move || {
                assert_eq!(count.get(), n);
                count.set(n + 1);
            });
        }
        let stopper = io_loop.clone();
        io_loop.add_callback(move || stopper.stop());
    });
    assert_eq!(count.get(), 1_000_000);
}
