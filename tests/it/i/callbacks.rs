//! Callbacks: their panics, the hook for them, coroutines that are spawned, a great many.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use squall::{Deferred, Interest, IoLoop, sleep, yield_};

use crate::support::{Trace, capture_logs, ends, held_bytes, run};

use super::{DAY, MS, pair, start, step, virtual_loop};

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
fn i6_i34_failure_of_a_spawned_coroutine_is_logged() {
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
fn bad_million_queued_callbacks_run_in_order_and_their_room_is_given_back() {
    let count = Rc::new(Cell::new(0_u32));
    let (most, left) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let before = held_bytes();
    start(|io_loop| {
        for n in 0..1_000_000 {
            let count = count.clone();
            io_loop.add_callback(move || {
                assert_eq!(count.get(), n);
                count.set(n + 1);
            });
        }
        most.set(held_bytes() - before);
        let (stopper, left) = (io_loop.clone(), left.clone());
        io_loop.call_later(MS, move || {
            left.set(held_bytes() - before);
            stopper.stop();
        });
    });
    assert_eq!(count.get(), 1_000_000);
    assert!(most.get() > 16_000_000, "{} bytes", most.get());
    assert!(left.get() < 100_000, "{} bytes are kept", left.get());
}

#[test]
fn bad_million_callbacks_of_another_thread_run_in_order() {
    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }

    ends(|| {
        let io_loop = virtual_loop();
        let handle = io_loop.handle();
        let sender = thread::spawn(move || {
            for n in 0..1_000_000 {
                let in_turn = move || {
                    assert_eq!(COUNT.get(), n);
                    COUNT.set(n + 1);
                };
                handle.add_callback(in_turn).expect("the loop is open");
            }
            handle.add_callback(|| IoLoop::current().stop())
        });
        io_loop.start().unwrap();
        sender.join().unwrap().unwrap();
        assert_eq!(COUNT.get(), 1_000_000);
        IoLoop::clear_current();
    });
}

// tornado: ioloop_test.py test_add_callback_return_sequence (I5): what a callback returns made the
// loop run without a rest.
#[test]
fn i5_a_callback_that_has_returned_lets_the_loop_rest() {
    let turns = run(|| async {
        let io_loop = IoLoop::current();
        io_loop.set_profiling(true);
        io_loop.spawn_callback(|| {});
        io_loop.spawn_callback(|| Deferred::ready(vec![1, 2]));
        io_loop.add_callback(|| {});
        yield_!(sleep(DAY));
        yield_!(sleep(DAY));
        io_loop.profile().turns().count
    });
    assert!((1..10).contains(&turns), "{turns} turns in two days");
}

// tornado: ioloop_test.py test_timeout_with_arguments (I18)
#[squall::test]
fn i18_callbacks_carry_their_arguments() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let add = |name: &'static str, number: u32| {
        let trace = trace.clone();
        move || trace.add(format!("{name} {number}"))
    };
    io_loop.add_callback(add("callback", 1));
    io_loop.spawn_callback(add("spawned", 2));
    io_loop.call_later(MS, add("later", 3));
    io_loop.call_at(io_loop.time() + 2 * MS, add("at", 4));
    yield_!(sleep(DAY));
    assert_eq!(trace.take(), ["callback 1", "spawned 2", "later 3", "at 4"]);
}
