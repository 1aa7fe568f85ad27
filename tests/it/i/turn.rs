//! The loop: turns, callbacks, timers, handlers of descriptors, other threads, sleep.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use squall::{Deferred, Interest, IoLoop, Promise, Sleep, sleep, sleep_until, yield_};

use crate::support::{OnDrop, Trace, capture_logs, ends, run};

const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn virtual_loop() -> IoLoop {
    IoLoop::with_virtual_clock().expect("the system has descriptors for a loop")
}

/// Starts a loop that `prepare` gave work to, and closes it after somebody stopped it.
fn start(prepare: impl FnOnce(&IoLoop)) {
    let io_loop = virtual_loop();
    io_loop.make_current();
    prepare(&io_loop);
    io_loop.start().unwrap();
    io_loop.close();
    IoLoop::clear_current();
}

/// A callback that adds a step to a trace.
fn step(trace: &Trace, step: &'static str) -> impl FnOnce() + use<> {
    let trace = trace.clone();
    move || trace.add(step)
}

/// The text that a panic of `f` carries.
#[track_caller]
fn panic_of(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("it carries a text")).to_owned(),
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// How many timers are set, as the loop shows it.
fn timers(io_loop: &IoLoop) -> String {
    let shown = format!("{io_loop:?}");
    let (_, rest) = shown.split_once("timers: ").expect("timers are shown");
    rest.chars().take_while(char::is_ascii_digit).collect()
}

// The turn.

// tornado: ioloop_test.py test_add_callback_wakeup (I1, I2)
#[test]
fn i1_i2_callback_added_by_a_callback_waits_for_the_next_turn_without_a_sleep() {
    let trace = Trace::new();
    start(|io_loop| {
        let (inner, outer) = (trace.clone(), trace.clone());
        let adder = io_loop.clone();
        io_loop.add_callback(move || {
            outer.add("first");
            let stopper = adder.clone();
            adder.add_callback(move || {
                inner.add("added");
                stopper.stop();
            });
            outer.add("first ends");
        });
        io_loop.add_callback(step(&trace, "second"));
        // Due in the first turn, after its callbacks.
        io_loop.call_later(Duration::ZERO, step(&trace, "timer"));
        io_loop.call_later(DAY, step(&trace, "never"));
    });
    assert_eq!(
        trace.take(),
        ["first", "first ends", "second", "timer", "added"]
    );
}

// tornado: ioloop.py PollIOLoop.start (I24)
#[test]
fn i24_turn_runs_callbacks_then_timers_then_coroutines_then_handlers() {
    #[squall::coroutine]
    fn resumed(trace: Trace) {
        yield_!(());
        trace.add("coroutine");
    }

    let trace = Trace::new();
    let (ready, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    start(|io_loop| {
        let (handled, stopper) = (trace.clone(), io_loop.clone());
        let handler = move |_, _| {
            handled.add("handler");
            stopper.stop();
        };
        (io_loop.add_handler(&ready, Interest::READ, handler)).unwrap();
        drop(resumed(trace.clone()));
        io_loop.call_later(Duration::ZERO, step(&trace, "timer"));
        io_loop.add_callback(step(&trace, "callback"));
    });
    assert_eq!(trace.take(), ["callback", "timer", "coroutine", "handler"]);
}

// tornado: ioloop.py PollIOLoop.start (I1, I23)
#[test]
fn i1_i23_what_a_phase_adds_to_itself_waits_for_the_next_turn() {
    #[squall::coroutine]
    fn child(trace: Trace) {
        yield_!(());
        trace.add("coroutine 2");
    }

    #[squall::coroutine]
    fn parent(trace: Trace) {
        yield_!(());
        trace.add("coroutine 1");
        drop(child(trace));
    }

    let trace = Trace::new();
    start(|io_loop| {
        let (adder, again) = (io_loop.clone(), trace.clone());
        io_loop.add_callback(move || {
            again.add("callback 1");
            adder.add_callback(step(&again, "callback 2"));
        });
        let (adder, again) = (io_loop.clone(), trace.clone());
        io_loop.call_later(Duration::ZERO, move || {
            again.add("timer 1");
            adder.call_later(Duration::ZERO, step(&again, "timer 2"));
        });
        drop(parent(trace.clone()));
        let stopper = io_loop.clone();
        io_loop.call_later(DAY, move || stopper.stop());
    });
    let got = trace.take();
    assert_eq!(got[..3], ["callback 1", "timer 1", "coroutine 1"]);
    assert_eq!(got[3], "callback 2");
    // Turns with runnable coroutines leave out timers, for a while: which of the two is first is
    // not promised.
    let mut last = [got[4].as_str(), got[5].as_str()];
    last.sort_unstable();
    assert_eq!((last, got.len()), (["coroutine 2", "timer 2"], 6));
}

#[test]
fn coroutine_that_never_waits_for_long_starves_nobody() {
    #[squall::coroutine]
    fn spin(seen: Rc<Cell<u32>>, wanted: u32) -> bool {
        for _ in 0..10_000 {
            if seen.get() == wanted {
                return true;
            }
            yield_!(());
        }
        false
    }

    let (ready, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let all_ran = run(|| {
        let io_loop = IoLoop::current();
        let seen = Rc::new(Cell::new(0));
        let note = |bit: u32| {
            let seen = seen.clone();
            move || seen.set(seen.get() | bit)
        };
        io_loop.add_callback(note(1));
        io_loop.call_later(Duration::ZERO, note(2));
        let handled = note(4);
        let handler = move |_, _| handled();
        (io_loop.add_handler(&ready, Interest::READ, handler)).unwrap();
        let remote = io_loop.handle();
        let (mail, bit) = (Rc::new(RefCell::new(Some(note(8)))), seen.clone());
        MAIL.set(Some(Box::new(move || {
            drop(bit);
            (mail.take().expect("mail comes once"))();
        })));
        let sent = thread::spawn(move || {
            remote
                .add_callback(|| (MAIL.take().expect("it was set"))())
                .is_ok()
        });
        assert!(sent.join().unwrap());
        spin(seen, 15)
    });
    assert!(all_ran);
}

thread_local! {
    /// What a callback of another thread calls, as it cannot carry what belongs to this one.
    static MAIL: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

#[test]
fn callbacks_run_in_the_order_in_which_they_were_added() {
    let trace = Trace::new();
    start(|io_loop| {
        for n in 0..1000 {
            let trace = trace.clone();
            io_loop.add_callback(move || trace.add(n.to_string()));
        }
        let stopper = io_loop.clone();
        io_loop.add_callback(move || stopper.stop());
    });
    assert_eq!(
        trace.take(),
        (0..1000).map(|n: u32| n.to_string()).collect::<Vec<_>>()
    );
}

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

// Starting and stopping.

// tornado: ioloop.py PollIOLoop.stop (I25)
#[test]
fn i25_stop_lets_the_turns_callbacks_run_and_keeps_those_added_later() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    let (stopper, steps) = (io_loop.clone(), trace.clone());
    io_loop.add_callback(move || {
        steps.add("stop");
        stopper.stop();
        let (stopper, later) = (stopper.clone(), steps.clone());
        stopper.clone().add_callback(move || {
            later.add("added");
            stopper.stop();
        });
    });
    io_loop.add_callback(step(&trace, "second"));
    io_loop.start().unwrap();
    assert_eq!(trace.take(), ["stop", "second"]);
    io_loop.start().unwrap();
    assert_eq!(trace.take(), ["added"]);
}

// tornado: ioloop.py PollIOLoop.start, 4.5 (I26)
#[test]
fn i26_stop_before_start_makes_the_next_start_return_at_once() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    io_loop.add_callback(step(&trace, "callback"));
    let stopper = io_loop.clone();
    io_loop.add_callback(move || stopper.stop());
    io_loop.stop();
    io_loop.start().unwrap();
    assert_eq!(trace.take(), [""; 0]);
    io_loop.start().unwrap();
    assert_eq!(trace.take(), ["callback"]);
}

#[test]
fn stop_from_another_thread_ends_a_sleeping_loop() {
    ends(|| {
        let io_loop = IoLoop::new().unwrap();
        let handle = io_loop.handle();
        let stopper =
            thread::spawn(move || handle.add_callback(|| IoLoop::current().stop()).is_ok());
        io_loop.start().unwrap();
        assert!(stopper.join().unwrap());
        IoLoop::clear_current();
    });
}

// tornado: ioloop_test.py test_reentrant (I27)
#[test]
fn i27_start_inside_a_callback_is_an_error() {
    let error = Rc::new(RefCell::new(None));
    let seen = error.clone();
    start(|io_loop| {
        let inner = io_loop.clone();
        io_loop.add_callback(move || {
            *seen.borrow_mut() = inner.start().err().map(|error| error.to_string());
            inner.stop();
        });
    });
    let error = error.take().expect("it was refused");
    assert!(error.starts_with("the loop is running already"), "{error}");
}

#[test]
fn two_loops_on_one_thread_keep_their_work_apart() {
    let trace = Trace::new();
    let (one, two) = (virtual_loop(), virtual_loop());
    for (io_loop, name) in [(&one, "one"), (&two, "two")] {
        io_loop.add_callback(step(&trace, name));
        let stopper = io_loop.clone();
        io_loop.call_later(DAY, move || stopper.stop());
    }
    two.start().unwrap();
    assert_eq!(trace.take(), ["two"]);
    one.start().unwrap();
    assert_eq!(trace.take(), ["one"]);
}

#[test]
fn loop_that_runs_inside_another_ones_callback_is_current_meanwhile() {
    let trace = Trace::new();
    start(|outer| {
        let (inner, seen, stopper) = (virtual_loop(), trace.clone(), outer.clone());
        let begin = outer.time();
        outer.call_later(DAY, move || {
            let from_inner = seen.clone();
            inner.run_sync(|| async move {
                sleep(DAY).await;
                from_inner.add("inner");
            });
            // A callback of the current loop, which is the outer one again.
            let (elapsed, stop) = (stopper.time() - begin, stopper.clone());
            IoLoop::current().add_callback(move || {
                seen.add(format!("outer, {} day", elapsed.as_secs() / DAY.as_secs()));
                stop.stop();
            });
        });
    });
    assert_eq!(trace.take(), ["inner", "outer, 1 day"]);
}

// The current loop.

// tornado: ioloop_test.py test_default_current (I30)
#[test]
fn i30_first_current_loop_of_a_thread_stays_current() {
    IoLoop::clear_current();
    assert!(IoLoop::try_current().is_none());
    let first = IoLoop::current();
    let trace = Trace::new();
    let second = IoLoop::new().unwrap();
    let stopper = first.clone();
    first.add_callback(step(&trace, "first"));
    first.add_callback(move || stopper.stop());
    second.add_callback(step(&trace, "second"));
    IoLoop::current().start().unwrap();
    assert_eq!(trace.take(), ["first"]);
    assert!(IoLoop::try_current().is_some());
    IoLoop::clear_current();
}

// tornado: ioloop_test.py test_non_current (I31)
#[test]
fn i31_loop_that_is_not_current_is_so_only_while_it_runs() {
    IoLoop::clear_current();
    let io_loop = virtual_loop();
    assert!(IoLoop::try_current().is_none(), "made, not made current");
    for _ in 0..3 {
        let inside = io_loop.run_sync(|| async { IoLoop::try_current().is_some() });
        assert!(inside);
        let after = IoLoop::try_current().is_some();
        IoLoop::clear_current();
        assert!(!after, "it has run, and is not current any more");
    }
}

// tornado: ioloop_test.py test_force_current, without its error (I32)
#[test]
fn i32_make_current_takes_the_place_of_another_loop() {
    let trace = Trace::new();
    let (one, two) = (virtual_loop(), virtual_loop());
    one.make_current();
    two.make_current();
    IoLoop::current().add_callback(step(&trace, "two"));
    let stopper = two.clone();
    two.add_callback(move || stopper.stop());
    two.start().unwrap();
    assert_eq!(trace.take(), ["two"]);
    drop(one);
    IoLoop::clear_current();
}

// tornado: ioloop_test.py 6: test_clear_without_current (I62)
#[test]
fn i62_clear_current_without_a_current_loop_is_harmless() {
    IoLoop::clear_current();
    IoLoop::clear_current();
    assert!(IoLoop::try_current().is_none());
}

// tornado: ioloop_test.py TestIOLoopRunSync.test_current (I43)
#[test]
fn i43_loop_is_current_inside_run_sync() {
    let other = virtual_loop();
    other.make_current();
    let trace = Trace::new();
    let io_loop = virtual_loop();
    io_loop.run_sync(|| {
        IoLoop::current().add_callback(step(&trace, "on it"));
        async { yield_!(()) }
    });
    assert_eq!(trace.take(), ["on it"]);
    IoLoop::clear_current();
}

// run_sync.

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
fn i27_run_sync_on_a_running_loop_panics() {
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
fn i46_stop_during_run_sync_panics() {
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

#[test]
fn closed_loop_does_not_run() {
    let io_loop = virtual_loop();
    io_loop.close();
    io_loop.close();
    let error = io_loop.start().unwrap_err();
    assert_eq!(error.to_string(), "the loop is closed; make a new one");
    let message = panic_of(|| io_loop.run_sync(|| async {}));
    assert!(message.contains("run_sync is called"), "{message}");
}

#[test]
fn close_inside_a_callback_ends_the_run() {
    ends(|| {
        let io_loop = virtual_loop();
        let closer = io_loop.clone();
        io_loop.add_callback(move || closer.close());
        // With an error or without: what counts is that it does not sleep for ever.
        let _ = io_loop.start();
    });
}

#[test]
fn close_inside_a_coroutine_ends_run_sync() {
    ends(|| {
        let io_loop = virtual_loop();
        let closer = io_loop.clone();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            io_loop.run_sync(|| async move {
                closer.close();
                pending::<()>().await;
            });
        }));
        assert!(ended.is_err(), "its future was not done, so it panics");
    });
}

#[test]
fn close_drops_what_waits_on_the_loop() {
    #[squall::coroutine]
    fn wait(guard: OnDrop) {
        yield_!(pending::<()>());
        drop(guard);
    }

    let trace = Trace::new();
    let guard = |name| OnDrop(trace.clone(), name);
    let io_loop = virtual_loop();
    let (fd, _peer) = pair();
    io_loop.run_sync(|| {
        drop(wait(guard("coroutine")));
        async {}
    });
    let (callback, timer, handler) = (guard("callback"), guard("timer"), guard("handler"));
    io_loop.add_callback(move || drop(callback));
    io_loop.call_later(DAY, move || drop(timer));
    (io_loop.add_handler(&fd, Interest::READ, move |_, _| {
        let _ = &handler;
    }))
    .unwrap();
    assert_eq!(trace.take(), [""; 0]);
    io_loop.close();
    assert_eq!(trace.take(), ["coroutine", "callback", "timer", "handler"]);
    IoLoop::clear_current();
}

#[test]
fn destructor_may_use_the_loop_while_it_closes() {
    struct Adds(IoLoop, Trace);
    impl Drop for Adds {
        fn drop(&mut self) {
            self.1.add("dropped");
            let timeout = self.0.call_later(DAY, || {});
            self.0.remove_timeout(timeout);
            self.0.add_callback(|| {});
            self.0.stop();
        }
    }

    let trace = Trace::new();
    let io_loop = virtual_loop();
    let adds = || Adds(io_loop.clone(), trace.clone());
    let (one, two) = (adds(), adds());
    io_loop.add_callback(move || drop(one));
    io_loop.call_later(DAY, move || drop(two));
    io_loop.close();
    assert_eq!(trace.take(), ["dropped", "dropped"]);
}

// Other threads.

// tornado: ioloop_test.py test_add_callback_wakeup_other_thread (I3)
#[test]
fn i3_callback_of_another_thread_wakes_a_sleeping_loop() {
    // Each round the loop goes to sleep, with no timer, while the thread wakes it: many rounds meet
    // every moment of falling asleep.
    const ROUNDS: u32 = 2000;
    let rounds = ends(|| {
        let io_loop = virtual_loop();
        let handle = io_loop.handle();
        let (ran, wait) = mpsc::channel();
        let thread = thread::spawn(move || {
            for round in 1..=ROUNDS {
                let ran = ran.clone();
                let sent = handle.add_callback(move || {
                    ran.send(round).expect("the thread waits");
                    if round == ROUNDS {
                        IoLoop::current().stop();
                    }
                });
                sent.expect("the loop is open");
                assert_eq!(wait.recv(), Ok(round));
            }
            ROUNDS
        });
        io_loop.start().unwrap();
        IoLoop::clear_current();
        thread.join().unwrap()
    });
    assert_eq!(rounds, ROUNDS);
}

#[test]
fn callbacks_of_one_thread_run_in_their_order() {
    thread_local! {
        static SEEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }

    let seen = ends(|| {
        let io_loop = virtual_loop();
        let handle = io_loop.handle();
        let thread = thread::spawn(move || {
            for n in 0..1000 {
                let sent = handle.add_callback(move || SEEN.with_borrow_mut(|seen| seen.push(n)));
                sent.expect("the loop is open");
            }
            handle.add_callback(|| IoLoop::current().stop())
        });
        io_loop.start().unwrap();
        IoLoop::clear_current();
        thread.join().unwrap().unwrap();
        SEEN.take()
    });
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
}

// tornado: ioloop_test.py test_add_callback_while_closing (I29)
#[test]
fn i29_handle_of_a_closed_loop_gives_an_error_and_drops_the_callback() {
    struct Tells(mpsc::Sender<thread::ThreadId>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }

    let io_loop = virtual_loop();
    let handle = io_loop.handle();
    io_loop.close();
    let (dropped, wait) = mpsc::channel();
    let (here, there) = (Tells(dropped.clone()), Tells(dropped));
    let error = handle.add_callback(move || drop(here)).unwrap_err();
    assert_eq!(error.to_string(), "the loop is closed; make a new one");
    assert_eq!(wait.recv(), Ok(thread::current().id()));

    let thread = thread::spawn(move || handle.add_callback(move || drop(there)).is_err());
    let id = thread.thread().id();
    assert!(thread.join().unwrap());
    assert_eq!(wait.recv(), Ok(id));
}

// tornado: ioloop_test.py test_add_callback_while_closing, 6: test_init_close_race (I29)
#[test]
fn i29_callbacks_of_another_thread_may_race_with_close() {
    for _ in 0..100 {
        ends(|| {
            let io_loop = virtual_loop();
            let handle = io_loop.handle();
            let (begun, wait) = mpsc::channel();
            let thread = thread::spawn(move || {
                let mut sent = 0;
                while handle.add_callback(|| {}).is_ok() {
                    sent += 1;
                    let _ = begun.send(());
                }
                sent
            });
            wait.recv().unwrap();
            io_loop.run_sync(|| async { yield_!(()) });
            io_loop.close();
            IoLoop::clear_current();
            assert!(thread.join().unwrap() > 0);
        });
    }
}

/// Asks another thread for a wake, and is done when that thread has counted up to `round`.
async fn woken_by(thread: &mpsc::Sender<Waker>, count: &AtomicU32, round: u32) {
    poll_fn(|cx| {
        if count.load(Ordering::SeqCst) >= round {
            return Poll::Ready(());
        }
        thread.send(cx.waker().clone()).expect("the thread waits");
        Poll::Pending
    })
    .await;
}

#[test]
fn waker_that_another_thread_wakes_resumes_its_coroutine() {
    #[squall::coroutine]
    fn ask(rounds: u32) -> u32 {
        let count = Arc::new(AtomicU32::new(0));
        let (ask, asked) = mpsc::channel::<Waker>();
        let counter = count.clone();
        let thread = thread::spawn(move || {
            for waker in asked {
                counter.fetch_add(1, Ordering::SeqCst);
                waker.wake();
            }
        });
        for round in 1..=rounds {
            yield_!(woken_by(&ask, &count, round));
        }
        drop(ask);
        thread.join().unwrap();
        count.load(Ordering::SeqCst)
    }

    assert_eq!(ends(|| run(|| ask(2000))), 2000);
}

#[test]
fn wakers_in_lists_are_woken_by_many_threads() {
    #[squall::coroutine]
    fn one() {
        let count = Arc::new(AtomicU32::new(0));
        let (ask, asked) = mpsc::channel::<Waker>();
        let counter = count.clone();
        let thread = thread::spawn(move || {
            for waker in asked {
                counter.fetch_add(1, Ordering::SeqCst);
                // A waker may be woken often, and by reference.
                let clone = waker.clone();
                waker.wake_by_ref();
                waker.wake();
                clone.wake();
            }
        });
        yield_!([woken_by(&ask, &count, 1), woken_by(&ask, &count, 2)]);
        drop(ask);
        thread.join().unwrap();
    }

    ends(|| run(|| async { yield_!((0..16).map(|_| one()).collect::<Vec<_>>()).len() }));
}

#[test]
fn waker_outlives_its_coroutine_and_its_loop() {
    let waker = run(|| {
        let mut taken = None;
        poll_fn(move |cx| match taken.take() {
            Some(waker) => Poll::Ready(waker),
            None => {
                taken = Some(cx.waker().clone());
                cx.waker().wake_by_ref();
                Poll::<Waker>::Pending
            }
        })
    });
    // The loop is closed, and its number may belong to the next one.
    waker.wake_by_ref();
    run(|| async move {
        waker.wake_by_ref();
        yield_!(());
        thread::spawn(move || waker.wake()).join().unwrap();
        yield_!(sleep(DAY));
    });
}

// Timers.

// tornado: ioloop_test.py test_timeout_with_arguments (I4, I19)
#[squall::test]
fn i4_i19_timers_fire_by_deadline_and_not_by_the_order_of_setting() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let begin = io_loop.time();
    let note = |name: &'static str| {
        let (trace, io_loop) = (trace.clone(), io_loop.clone());
        move || trace.add(format!("{name} at {:?}", io_loop.time() - begin))
    };
    io_loop.call_later(30 * MS, note("third"));
    io_loop.call_at(begin + 20 * MS, note("second"));
    io_loop.call_later(Duration::from_micros(1), note("first"));
    io_loop.call_at(begin - MS, note("past"));
    yield_!(sleep(DAY));
    assert_eq!(
        trace.take(),
        [
            "past at 0ns",
            "first at 1µs",
            "second at 20ms",
            "third at 30ms"
        ]
    );
}

// tornado: ioloop_test.py test_timeout_with_arguments, and 4.5's heap (I19, I20)
#[squall::test]
fn i19_i20_equal_deadlines_fire_in_the_order_in_which_they_were_set() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let deadline = io_loop.time() + MS;
    for n in 0..20 {
        let trace = trace.clone();
        io_loop.call_at(deadline, move || trace.add(n.to_string()));
    }
    yield_!(sleep_until(deadline));
    assert_eq!(
        trace.take(),
        (0..20).map(|n: u32| n.to_string()).collect::<Vec<_>>()
    );
}

// tornado: ioloop_test.py test_remove_timeout_after_fire (I15)
#[squall::test]
fn i15_timeout_that_fired_or_was_removed_can_be_removed_again() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let fired = io_loop.call_later(MS, step(&trace, "fired"));
    yield_!(sleep(2 * MS));
    // Has the slot of the first, and must not be removed by its key.
    let live = io_loop.call_later(MS, step(&trace, "live"));
    io_loop.remove_timeout(fired);
    let removed = io_loop.call_later(MS, step(&trace, "removed"));
    io_loop.remove_timeout(removed);
    io_loop.remove_timeout(removed);
    yield_!(sleep(2 * MS));
    io_loop.remove_timeout(live);
    assert_eq!(trace.take(), ["fired", "live"]);
}

// tornado: ioloop_test.py test_remove_timeout_from_timeout (I17)
#[squall::test]
fn i17_timer_that_another_due_timer_removes_does_not_run() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let deadline = io_loop.time() + MS;
    let second = Rc::new(Cell::new(None));
    let (remover, key, first) = (io_loop.clone(), second.clone(), trace.clone());
    io_loop.call_at(deadline, move || {
        first.add("first");
        remover.remove_timeout(key.get().expect("it was set"));
    });
    second.set(Some(io_loop.call_at(deadline, step(&trace, "second"))));
    io_loop.call_at(deadline, step(&trace, "third"));
    yield_!(sleep(2 * MS));
    assert_eq!(trace.take(), ["first", "third"]);
}

// tornado: ioloop_test.py test_remove_timeout_cleanup (I16)
#[squall::test]
fn i16_hundred_thousand_timers_are_set_and_removed() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    let dropped = Rc::new(());
    let mut kept = Vec::new();
    for n in 0..100_000 {
        let (trace, held) = (trace.clone(), dropped.clone());
        let timeout = io_loop.call_later(n % 1000 * MS, move || {
            drop(held);
            trace.add(n.to_string());
        });
        kept.push(timeout);
    }
    for (n, timeout) in kept.into_iter().enumerate() {
        if n != 77_777 {
            io_loop.remove_timeout(timeout);
        }
    }
    assert_eq!(timers(&io_loop), "1");
    assert_eq!(Rc::strong_count(&dropped), 2, "their callbacks are dropped");
    yield_!(sleep(DAY));
    assert_eq!(trace.take(), ["77777"]);
}

// tornado: ioloop.py PollIOLoop.start (I23)
#[squall::test]
fn i23_timer_that_sets_itself_anew_lets_others_run() {
    #[squall::coroutine]
    fn moments(trace: Trace) {
        for n in 0..3 {
            yield_!(sleep(Duration::from_nanos(1)));
            trace.add(format!("moment {n}"));
        }
    }

    fn again(io_loop: IoLoop, left: u32, trace: Trace) {
        trace.add(format!("timer, {left} left"));
        if left > 0 {
            let due = io_loop.time();
            let next = io_loop.clone();
            io_loop.call_at(due, move || again(next, left - 1, trace));
        }
    }

    let trace = Trace::new();
    let io_loop = IoLoop::current();
    let (first, steps) = (io_loop.clone(), trace.clone());
    io_loop.call_later(MS, move || again(first, 3, steps));
    io_loop.call_later(MS, step(&trace, "other"));
    yield_!(moments(trace.clone()));
    yield_!(sleep(2 * MS));
    assert_eq!(
        trace.take(),
        [
            "moment 0",
            "moment 1",
            "moment 2",
            "timer, 3 left",
            "other",
            "timer, 2 left",
            "timer, 1 left",
            "timer, 0 left"
        ]
    );
}

#[squall::test]
fn delay_that_no_clock_can_hold_is_a_delay_all_the_same() {
    let io_loop = IoLoop::current();
    let timeout = io_loop.call_later(Duration::MAX, || panic!("not in our time"));
    let far = sleep(Duration::MAX);
    yield_!(sleep(365 * DAY));
    io_loop.remove_timeout(timeout);
    assert!(far.deadline() > io_loop.time());
}

// Sleep.

// tornado: gen_test.py test_sleep (G71)
#[squall::test]
fn day_of_sleeping_passes_at_once_on_the_virtual_clock() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    for _ in 0..24 {
        yield_!(sleep(DAY / 24));
    }
    assert_eq!(io_loop.time() - begin, DAY);
    assert_eq!(io_loop.turn_time(), io_loop.time());
}

// tornado: gen.py sleep (G72)
#[squall::test]
fn sleep_counts_from_the_call() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let [first, second] = [sleep(10 * MS), sleep(12 * MS)];
    yield_!(sleep(8 * MS));
    yield_!(first);
    assert_eq!(io_loop.time() - begin, 10 * MS);
    yield_!(sleep(5 * MS));
    yield_!(second); // over before it is yielded
    assert_eq!(io_loop.time() - begin, 15 * MS);
}

#[squall::test]
fn sleep_that_is_over_goes_on_at_once() {
    let io_loop = IoLoop::current();
    let trace = Trace::new();
    io_loop.add_callback(step(&trace, "callback"));
    yield_!(sleep_until(io_loop.time() - DAY));
    yield_!(sleep_until(io_loop.time()));
    trace.add("slept");
    yield_!(());
    assert_eq!(trace.take(), ["slept", "callback"]);
    assert_eq!(timers(&io_loop), "0");
}

#[squall::test]
fn sleep_that_is_reset_forwards_ends_at_the_new_deadline() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let mut wait = sleep(MS);
    assert!(poll_once(&mut wait).is_pending());
    for n in 2..=50 {
        wait.reset(begin + n * MS);
        assert_eq!(timers(&io_loop), "1", "the timer that is set stays");
    }
    assert_eq!(wait.deadline(), begin + 50 * MS);
    yield_!(&mut wait);
    assert_eq!(io_loop.time() - begin, 50 * MS);
    // And once more, after its end.
    wait.reset(begin + 60 * MS);
    yield_!(wait);
    assert_eq!(io_loop.time() - begin, 60 * MS);
}

#[squall::test]
fn sleep_that_is_reset_backwards_ends_at_the_new_deadline() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let mut wait = sleep(DAY);
    assert!(poll_once(&mut wait).is_pending());
    wait.reset(begin + MS);
    yield_!(&mut wait);
    assert_eq!(io_loop.time() - begin, MS);
    wait.reset(begin + DAY);
    assert!(poll_once(&mut wait).is_pending());
    wait.reset(begin);
    yield_!(wait);
    assert_eq!(io_loop.time() - begin, MS, "a past deadline is over");
    assert_eq!(timers(&io_loop), "0");
}

#[squall::test]
fn sleep_that_is_reset_while_its_timer_has_run_ends_at_the_new_deadline() {
    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let mut wait = sleep(MS);
    assert!(poll_once(&mut wait).is_pending());
    yield_!(sleep(2 * MS)); // its timer wakes nobody
    wait.reset(begin + 5 * MS);
    yield_!(wait);
    assert_eq!(io_loop.time() - begin, 5 * MS);
}

#[squall::test]
fn sleep_wakes_the_coroutine_that_polled_it_last() {
    #[squall::coroutine]
    fn finish(wait: Sleep) {
        yield_!(wait);
    }

    let io_loop = IoLoop::current();
    let begin = io_loop.time();
    let mut wait = sleep(3 * MS);
    // Sets the timer, for this coroutine.
    poll_fn(|cx| {
        assert!(Pin::new(&mut wait).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    let finish = finish(wait);
    yield_!(sleep(5 * MS));
    assert!(finish.done());
    assert_eq!(io_loop.time() - begin, 5 * MS);
}

// tornado: gen.py with_timeout (G68), for sleep
#[squall::test]
fn dropped_sleep_removes_its_timer() {
    let io_loop = IoLoop::current();
    let mut polled = sleep(DAY);
    let unpolled = sleep(DAY);
    assert!(poll_once(&mut polled).is_pending());
    assert_eq!(timers(&io_loop), "1");
    drop((polled, unpolled));
    assert_eq!(timers(&io_loop), "0");
    let mut over = sleep(MS);
    assert!(poll_once(&mut over).is_pending());
    yield_!(sleep(2 * MS));
    drop(over);
    assert_eq!(timers(&io_loop), "0");
}

#[squall::test]
fn hundred_thousand_coroutines_sleep_and_wake_in_the_order_of_their_deadlines() {
    #[squall::coroutine]
    fn nap(n: u32, woken: Rc<RefCell<Vec<u32>>>) {
        // Every millisecond wakes a hundred of them.
        yield_!(sleep(n % 1000 * MS));
        woken.borrow_mut().push(n);
    }

    let woken = Rc::new(RefCell::new(Vec::new()));
    let naps: Vec<_> = (0..100_000).map(|n| nap(n, woken.clone())).collect();
    yield_!(naps);
    let mut want: Vec<u32> = (0..100_000).collect();
    want.sort_by_key(|n| n % 1000); // stable: equal deadlines in order
    assert!(*woken.borrow() == want);
}

// spawn_callback.

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

// Handlers of descriptors.

fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    b.set_nonblocking(true).unwrap();
    (a, b)
}

/// A handler that adds what it is told to a trace.
fn trace_interest(trace: &Trace) -> impl Fn(i32, Interest) + use<> {
    let trace = trace.clone();
    move |_, told| trace.add(name(told))
}

fn name(interest: Interest) -> &'static str {
    let both = Interest::READ | Interest::WRITE;
    let names = [
        (Interest::READ, "read"),
        (Interest::WRITE, "write"),
        (both, "read and write"),
    ];
    let found = names.into_iter().find(|(of, _)| *of == interest);
    found.map_or("something else", |(_, name)| name)
}

/// Checks that a handler was called more than once, and told the same each time.
#[track_caller]
fn check_told(trace: &Trace, want: &str) {
    let mut told = trace.take();
    assert!(told.len() > 1, "level-triggered: called while it is ready");
    told.dedup();
    assert_eq!(told, [want]);
}

/// Lets the loop ask the system for I/O a few times.
#[squall::coroutine]
fn polls() {
    for _ in 0..5 {
        yield_!(sleep(MS));
    }
}

// tornado: ioloop_test.py test_multiple_add, test_mixed_fd_fileobj (I10)
#[squall::test]
fn i10_second_handler_of_a_descriptor_is_an_error() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    let trace = Trace::new();
    (io_loop.add_handler(&a, Interest::READ, trace_interest(&trace))).unwrap();
    let fd = a.as_raw_fd();
    let want = format!("descriptor {fd} has a handler already");
    let by_object = io_loop.add_handler(&a, Interest::READ, |_, _| panic!("not added"));
    let by_number = io_loop.add_handler(&fd, Interest::WRITE, |_, _| panic!("not added"));
    for error in [by_object, by_number] {
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(&want), "{error}");
    }
    // The first one is as it was.
    b.write_all(b"x").unwrap();
    yield_!(polls());
    io_loop.remove_handler(&a);
    check_told(&trace, "read");
}

// tornado: ioloop_test.py test_remove_without_add (I11)
#[squall::test]
fn i11_handler_that_is_not_there_can_be_removed_but_not_updated() {
    let io_loop = IoLoop::current();
    let (a, _b) = pair();
    io_loop.remove_handler(&a);
    let error = io_loop.update_handler(&a, Interest::READ).unwrap_err();
    let want = format!("descriptor {} has no handler; add one first", a.as_raw_fd());
    assert_eq!(error.to_string(), want);
    // Added and removed, it is not there again, and may be added again.
    for _ in 0..2 {
        (io_loop.add_handler(&a, Interest::WRITE, |_, _| {})).unwrap();
        io_loop.remove_handler(&a);
        io_loop.remove_handler(&a);
    }
}

#[squall::test]
fn descriptor_that_cannot_be_polled_is_refused_and_not_kept() {
    let io_loop = IoLoop::current();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    for _ in 0..2 {
        let error = io_loop.add_handler(&file, Interest::READ, |_, _| {});
        assert!(error.unwrap_err().io().is_some(), "the system's error");
    }
    let (a, _b) = pair();
    let error = io_loop.add_handler(&a, Interest::ERROR, |_, _| {});
    assert!(error.unwrap_err().to_string().contains("READ or WRITE"));
}

// tornado: ioloop_test.py test_read_while_writeable (I12)
#[squall::test]
fn i12_reader_is_told_of_reading_only() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    let trace = Trace::new();
    (io_loop.add_handler(&a, Interest::READ, trace_interest(&trace))).unwrap();
    yield_!(polls());
    assert_eq!(
        trace.take(),
        [""; 0],
        "it can be written, which is not asked"
    );
    b.write_all(b"x").unwrap();
    yield_!(polls());
    io_loop.remove_handler(&a);
    check_told(&trace, "read");
}

// tornado: ioloop_test.py test_handler_callback_file_object, for a number (I13)
#[squall::test]
fn i13_handler_is_called_again_until_all_is_read() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    b.write_all(b"abc").unwrap();
    let trace = Trace::new();
    let (seen, reader, number) = (trace.clone(), a.try_clone().unwrap(), a.as_raw_fd());
    let handler = move |fd, told| {
        assert_eq!((fd, told), (number, Interest::READ));
        let mut byte = [0];
        (&reader).read_exact(&mut byte).expect("it is ready");
        seen.add(String::from_utf8_lossy(&byte));
    };
    (io_loop.add_handler(&a, Interest::READ, handler)).unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), ["a", "b", "c"]);
    b.write_all(b"d").unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), ["d"]);
    io_loop.remove_handler(&a);
    b.write_all(b"e").unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), [""; 0]);
}

#[squall::test]
fn update_handler_changes_what_a_handler_waits_for() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    let trace = Trace::new();
    (io_loop.add_handler(&a, Interest::WRITE, trace_interest(&trace))).unwrap();
    b.write_all(b"x").unwrap();
    yield_!(polls());
    check_told(&trace, "write");
    let both = Interest::READ | Interest::WRITE;
    for interest in [Interest::READ, both, Interest::WRITE] {
        io_loop.update_handler(&a, interest).unwrap();
        yield_!(polls());
        check_told(&trace, name(interest));
    }
    assert!(io_loop.update_handler(&a, Interest::ERROR).is_err());
    io_loop.remove_handler(&a);
}

// tornado: ioloop_test.py test_remove_handler_from_handler (I14)
#[squall::test]
fn i14_handler_that_another_one_removes_in_the_same_turn_is_not_called() {
    let io_loop = IoLoop::current();
    let (a, mut a_peer) = pair();
    let (b, mut b_peer) = pair();
    a_peer.write_all(b"x").unwrap();
    b_peer.write_all(b"x").unwrap();
    let trace = Trace::new();
    for (fd, other) in [(&a, &b), (&b, &a)] {
        let (seen, remover) = (trace.clone(), io_loop.clone());
        let (fd, other) = (fd.as_raw_fd(), other.as_raw_fd());
        let handler = move |_, _| {
            seen.add("called");
            remover.remove_handler(&other);
            remover.remove_handler(&fd);
        };
        (io_loop.add_handler(&fd, Interest::READ, handler)).unwrap();
    }
    yield_!(polls());
    assert_eq!(trace.take(), ["called"]);
}

#[squall::test]
fn handler_that_takes_the_place_of_one_removed_in_the_same_turn_gets_no_stale_event() {
    let io_loop = IoLoop::current();
    let (a, mut a_peer) = pair();
    let (b, mut b_peer) = pair();
    a_peer.write_all(b"x").unwrap();
    b_peer.write_all(b"x").unwrap();
    let trace = Trace::new();
    // Whichever is first replaces the other's handler by one that waits for what never comes.
    for (fd, other) in [(&a, &b), (&b, &a)] {
        let (seen, io) = (trace.clone(), io_loop.clone());
        let (fd, other, drain) = (
            fd.as_raw_fd(),
            other.as_raw_fd(),
            other.try_clone().unwrap(),
        );
        let handler = move |_, _| {
            seen.add("first");
            io.remove_handler(&other);
            (&drain).read_exact(&mut [0]).expect("it is ready");
            let stale = trace_interest(&seen);
            (io.add_handler(&other, Interest::READ, stale)).expect("it was removed");
            io.remove_handler(&fd);
        };
        (io_loop.add_handler(&fd, Interest::READ, handler)).unwrap();
    }
    yield_!(polls());
    assert_eq!(trace.take(), ["first"]);
    io_loop.remove_handler(&a);
    io_loop.remove_handler(&b);
}

#[squall::test]
fn handler_may_remove_itself_and_keeps_what_it_owns_to_its_end() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let trace = Trace::new();
    let guard = OnDrop(trace.clone(), "dropped");
    let (fd, remover) = (a.as_raw_fd(), io_loop.clone());
    let handler = move |_, _| {
        remover.remove_handler(&fd);
        guard.0.add("removed");
    };
    (io_loop.add_handler(&a, Interest::READ, handler)).unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), ["removed", "dropped"]);
}

#[squall::test]
fn reader_is_told_that_its_peer_has_closed() {
    let io_loop = IoLoop::current();
    let (a, b) = pair();
    let trace = Trace::new();
    let (closed, done) = Promise::new();
    let (seen, closed) = (trace.clone(), Cell::new(Some(closed)));
    let handler = move |_, told: Interest| {
        if let Some(closed) = closed.take() {
            seen.add(format!("read {}", told.contains(Interest::READ)));
            closed.set_result(());
        }
    };
    (io_loop.add_handler(&a, Interest::READ, handler)).unwrap();
    drop(b);
    yield_!(done);
    assert_eq!(trace.take(), ["read true"]);
    io_loop.remove_handler(&a);
}

#[test]
fn handler_whose_descriptor_was_closed_is_removed_and_logged() {
    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        run(|| {
            let io_loop = IoLoop::current();
            let (a, mut b) = pair();
            b.write_all(b"x").unwrap();
            let (seen, fd) = (trace.clone(), a.as_raw_fd());
            let owned = Cell::new(Some(a));
            let handler = move |_, _| {
                seen.add("called");
                drop(owned.take());
            };
            (io_loop.add_handler(&fd, Interest::READ, handler)).unwrap();
            polls()
        });
    });
    assert_eq!(trace.take(), ["called"]);
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with("ERROR squall: the handler of descriptor"));
}

// Handlers that own.

// tornado: ioloop_test.py test_handler_callback_file_object (I13)
#[squall::test]
fn i13_a_handler_that_owns_gets_the_same_object() {
    let io_loop = IoLoop::current();
    let (a, mut b) = pair();
    let a = Rc::new(a);
    let (trace, same) = (Trace::new(), a.clone());
    let seen = trace.clone();
    let handler = move |source: &Rc<UnixStream>, _| {
        seen.add(format!("same: {}", Rc::ptr_eq(source, &same)));
        source.as_ref().read_exact(&mut [0]).unwrap();
    };
    (io_loop.add_source(a.clone(), Interest::READ, handler)).unwrap();
    b.write_all(b"x").unwrap();
    yield_!(polls());
    assert_eq!(trace.take(), ["same: true"]);
    io_loop.remove_handler(&*a);
    let back = Rc::into_inner(a).expect("the loop has given it back");
    assert!(back.peer_addr().is_ok(), "and it is open");
}

// tornado: ioloop_test.py test_close_file_object (I28)
#[test]
fn i28_close_closes_what_it_was_given_and_leaves_open_what_was_lent() {
    let (given, mut peer_of_given) = pair();
    let (lent, mut peer_of_lent) = pair();
    run(|| async {
        let io_loop = IoLoop::current();
        (io_loop.add_source(Rc::new(given), Interest::READ, |_, _| {})).unwrap();
        (io_loop.add_handler(&lent, Interest::READ, |_, _| {})).unwrap();
    });
    let end = peer_of_given.read(&mut [0]).unwrap();
    assert_eq!(end, 0, "its descriptor was closed with the loop");
    peer_of_lent.set_nonblocking(true).unwrap();
    let open = peer_of_lent.read(&mut [0]).unwrap_err();
    assert_eq!(open.kind(), std::io::ErrorKind::WouldBlock);
}

#[squall::test]
fn source_that_is_refused_is_not_kept() {
    let io_loop = IoLoop::current();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let file = Rc::new(file);
    let refused = io_loop.add_source(file.clone(), Interest::READ, |_, _| {});
    assert!(refused.unwrap_err().io().is_some());
    assert_eq!(Rc::strong_count(&file), 1);
}

#[squall::test]
fn closed_descriptor_is_refused() {
    let (a, _b) = pair();
    // A number that nobody has: the highest that a process may have is below it.
    let nobody = i32::MAX;
    drop(a);
    let error = IoLoop::current().add_handler(&nobody, Interest::READ, |_, _| {});
    assert_eq!(
        error.unwrap_err().io().and_then(|e| e.raw_os_error()),
        Some(libc::EBADF)
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

// add_future.

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

async fn pending_with(guard: OnDrop) {
    pending::<()>().await;
    drop(guard);
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

// The main loop.

#[test]
fn main_loop_is_reached_from_every_thread_and_belongs_to_one() {
    // One test for all of it, as there is one main loop a process.
    ends(|| {
        IoLoop::clear_instance();
        assert!(!IoLoop::initialized());
        assert!(IoLoop::instance().is_none());
        let (first, second) = (virtual_loop(), virtual_loop());
        first.install();
        second.install();
        let trace = Trace::new();
        let here = IoLoop::instance().expect("the thread has it");
        here.add_callback(step(&trace, "second"));
        let elsewhere = thread::spawn(|| {
            assert!(IoLoop::instance().is_none(), "it is not this thread's");
            let main = IoLoop::main_handle().expect("it is installed");
            main.add_callback(|| IoLoop::current().stop()).is_ok()
        });
        assert!(elsewhere.join().unwrap());
        second.start().unwrap();
        assert_eq!(trace.take(), ["second"]);
        second.close();
        assert!(!IoLoop::initialized(), "a closed loop is none");
        assert!(IoLoop::instance().is_none());
        first.install();
        assert!(IoLoop::instance().is_some());
        IoLoop::clear_instance();
        IoLoop::clear_instance();
        assert!(IoLoop::main_handle().is_none());
    });
}

// What is out of the ordinary.

#[test]
fn deadline_long_past_is_due_at_once_and_in_order() {
    let trace = Trace::new();
    start(|io_loop| {
        let now = io_loop.time();
        io_loop.call_at(now, step(&trace, "now"));
        io_loop.call_at(now - MS, step(&trace, "past"));
        io_loop.call_at(now - 1000 * MS, step(&trace, "long past"));
        io_loop.call_later(Duration::ZERO, step(&trace, "zero"));
        let stopper = io_loop.clone();
        io_loop.call_later(MS, move || stopper.stop());
    });
    assert_eq!(trace.take(), ["long past", "past", "now", "zero"]);
}

#[test]
fn closed_loop_drops_callbacks_and_timers_and_refuses_handlers() {
    let trace = Trace::new();
    let io_loop = virtual_loop();
    let before = io_loop.call_later(DAY, || {});
    io_loop.close();
    let (callback, timer) = (
        OnDrop(trace.clone(), "callback"),
        OnDrop(trace.clone(), "timer"),
    );
    io_loop.add_callback(move || drop(callback));
    let after = io_loop.call_later(DAY, move || drop(timer));
    assert_eq!(trace.take(), ["callback", "timer"]);
    io_loop.remove_timeout(before);
    io_loop.remove_timeout(after);
    assert_eq!(timers(&io_loop), "0");
    let (a, _b) = pair();
    let error = io_loop.add_handler(&a, Interest::READ, |_, _| {});
    assert_eq!(
        error.unwrap_err().to_string(),
        "the loop is closed; make a new one"
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

// The old loop's coroutines wake each other as they are dropped.
#[test]
fn a_loop_that_another_replaces_is_dropped_outside_of_any_borrow() {
    #[squall::coroutine]
    fn holds(_first: Promise<()>, _second: Promise<()>) {
        yield_!(pending::<()>());
    }
    #[squall::coroutine]
    fn waits(first: Deferred<()>, second: Deferred<()>) {
        yield_!((first, second));
    }
    ends(|| {
        IoLoop::with_virtual_clock().unwrap().make_current();
        let ((first, one), (second, two)) = (Promise::new(), Promise::new());
        waits(one, two);
        holds(first, second);
        IoLoop::with_virtual_clock().unwrap().make_current();
        IoLoop::clear_current();
    });
}
